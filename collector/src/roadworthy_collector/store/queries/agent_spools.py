"""How much agents had still to send when they last reported."""

from __future__ import annotations

from sqlalchemy import Connection, case, func, select

from roadworthy_collector.store.queries.states import RUNS_AGENT
from roadworthy_collector.store.schema import devices

# Items spooled by the last report: a few are what the report itself takes along, a day of half-hours is 48.
BANDS = ("none", "up_to_10", "up_to_100", "up_to_1000", "more", "unknown")


def count(connection: Connection) -> dict[str, int]:
    """Return {band: devices in service with an agent}; of an agent that does not tell it is unknown."""
    items = devices.c.agent["spool_items"].as_float()  # whatever an agent may tell fits
    band = case(
        (items.is_(None), BANDS[5]),
        (items <= 0, BANDS[0]),
        (items <= 10, BANDS[1]),
        (items <= 100, BANDS[2]),
        (items <= 1000, BANDS[3]),
        else_=BANDS[4],
    ).label("band")
    query = select(band, func.count().label("devices"))
    query = query.where(devices.c.retired_at.is_(None), RUNS_AGENT).group_by(band)
    found = {row.band: row.devices for row in connection.execute(query)}
    return {name: found.get(name, 0) for name in BANDS} if found else {}
