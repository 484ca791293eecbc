"""What was measured twice and is counted once, and what is in no sum: as commands, the API, the page and metrics tell it.

The energy ledger writes it a month at a time (`carbon.fed`). Joules here were measured and are left out of its sums.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, select

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices, sites
from roadworthy_collector.store.snmp_schema import energy_overlaps
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH

UNDECLARED = "undeclared"
LIMIT = 1000
WHYS: Mapping[str, str] = {
    "outlet": "the device measured itself; the outlet it hangs on is counted",
    "feeder": "the unit measured it on the way; what hangs on it is counted",
    "controller": "server and controller measured the same; the better is counted",
    UNDECLARED: "nobody said what it feeds",
}


class Overlaps(NamedTuple):
    """A month's overlaps, the most joules first; `joules` by why are of all, `rows` of the first `LIMIT`."""

    month: str
    rows: list[dict[str, Any]]
    joules: Mapping[str, int]

    @property
    def twice(self) -> list[dict[str, Any]]:
        """Those that were measured twice."""
        return [row for row in self.rows if row["why"] != UNDECLARED]

    @property
    def undeclared(self) -> list[dict[str, Any]]:
        """Those of which nobody said what they feed."""
        return [row for row in self.rows if row["why"] == UNDECLARED]


def parse_month(text: str) -> dt.date:
    """Return the first day of a month written 2026-04; RoadworthyError for anything else."""
    try:
        return dt.datetime.strptime(f"{text}-01", "%Y-%m-%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise RoadworthyError(f"{text!r} is no month; write it as 2026-04") from None


def read(
    connection: Connection, month: str | None, *, scope: Scope = EVERYTHING, restricted: bool = True
) -> Overlaps | None:
    """Return the overlaps of a month, of the newest that has any where it is None; None where none has.

    Of a `scope` those whose feeder stands within it; of restricted sites with `restricted` only. RoadworthyError for
    a month that is none.
    """
    table = energy_overlaps.c
    if month is not None:
        first = parse_month(month).isoformat()
    elif (newest := connection.scalar(select(func.max(table.month)))) is not None:
        first = newest
    else:
        return None
    feeder, fed = devices.alias("feeder_device"), devices.alias("fed_device")
    place, fed_place = sites.alias("feeder_site"), sites.alias("fed_site")
    wanted: list[ColumnElement[bool]] = [table.month == first]
    if scope is not None:
        wanted.append(feeder.c.unit.in_(sorted(scope)))
    if not restricted:
        wanted.append(and_(place.c.restricted.is_(False), fed_place.c.restricted.is_not(True)))
    source = (
        energy_overlaps.join(feeder, feeder.c.id == table.feeder)
        .join(place, place.c.id == feeder.c.site)
        .outerjoin(fed, fed.c.id == table.fed)
        .outerjoin(fed_place, fed_place.c.id == fed.c.site)
    )
    sums = select(table.why, func.sum(table.joules).label("joules")).select_from(source).where(*wanted)
    query = (
        select(
            *(table.outlet, table.why, table.days, table.joules, table.fed.label("fed_number")),
            *(feeder.c.device_id.label("feeder"), feeder.c.hostname.label("feeder_name")),
            *(fed.c.device_id.label("fed"), fed.c.hostname.label("fed_name")),
            *(feeder.c.device_class.label("feeder_class"), place.c.name.label("site")),
        )
        .select_from(source)
        .where(*wanted)
        .order_by(table.joules.desc(), table.feeder, table.outlet, table.fed, table.why)
        .limit(LIMIT)
    )
    return Overlaps(
        first[:7],
        [_row(first[:7], row) for row in connection.execute(query)],
        {row.why: int(row.joules) for row in connection.execute(sums.group_by(table.why))},
    )


def _row(month: str, row: Any) -> dict[str, Any]:
    names = ("feeder", "feeder_name", "feeder_class", "outlet", "fed", "fed_name", "site", "why", "days")
    told = {"month": month} | {name: getattr(row, name) for name in names}
    return told | {"erased": row.fed_number < 0, "kwh": round(row.joules / JOULES_PER_KWH, 3)}


def told(found: Overlaps | None) -> dict[str, Any]:
    """Return the overlaps as JSON says them."""
    if found is None:
        return {"month": None, "kwh": {}, "rows": []}
    kwh = {why: round(joules / JOULES_PER_KWH, 3) for why, joules in sorted(found.joules.items())}
    return {"month": found.month, "kwh": kwh, "rows": found.rows}


def joules_between(connection: Connection, first: str, last: str) -> dict[str, int]:
    """Return {why: joules} left out of the months from `first` to `last`, written 2026-04."""
    table = energy_overlaps.c
    query = select(table.why, func.sum(table.joules).label("joules")).group_by(table.why)
    found: dict[str, int] = defaultdict(int)
    for row in connection.execute(query.where(table.month.between(f"{first}-01", f"{last}-01"))):
        found[row.why] += int(row.joules)
    return dict(found)
