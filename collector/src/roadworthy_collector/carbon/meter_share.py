"""The devices' share of each site's meters, month by month: an allocation inside the billed total.

Only force sites and data centres: elsewhere the meter is not the organisation's (decision 30 of the carbon design).
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.carbon import meter_days, supplies
from roadworthy_collector.carbon.estate import sum_of
from roadworthy_collector.carbon.sums import together
from roadworthy_collector.carbon.supplies import Supply
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.carbon_schema import energy_groups
from roadworthy_collector.store.schema import site_half_hours
from roadworthy_inventory.calendar import local_day, month, zone
from roadworthy_inventory.carbon import meter_share as domain
from roadworthy_inventory.replacement_inputs import Range

PLACES = ("force", "data_centre")
# What a row has where both are known, and is None in where one is not.
_COMPARED = (
    "compared_half_hours", "without_meter_half_hours", "claimed_kwh", "compared_meter_kwh", "ratio", "above_half_hours",
    "above", "profile",
)  # fmt: skip
_SIGNS = {"import": 1, "export": -1}
WORDS = "An allocation inside the billed total: the devices are billed through the meter already."


def parse_month(text: str) -> dt.date:
    """Return the first day of `2026-10`; RoadworthyError for anything else."""
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise RoadworthyError(f"{text[:40]!r} is no month; write it as 2026-10") from None


def last_closed(today: dt.date) -> dt.date:
    """Return the first day of the last month that is over."""
    return (today.replace(day=1) - dt.timedelta(days=1)).replace(day=1)


def of_month(
    connection: Connection,
    first: dt.date,
    *,
    zone_name: str,
    site: str | None = None,
    restricted: bool = False,
    today: dt.date | None = None,
) -> list[dict[str, Any]]:
    """Return a row for each site with supplies in the month that begins on `first`, by name, or for one site.

    `why` says why there is no share where there is none. Kilowatt-hours, ratios as [low, likely, high]. Half-hours of
    `today` and later are not missing yet. Every row has every key.
    """
    known = [one for one in supplies.read(connection, restricted=True) if one.fuel != "gas"]
    last = _last(first) if today is None else min(_last(first), today - dt.timedelta(days=1))
    found = []
    for name, number, hidden in sorted(_sites(known, first)):
        if site in (None, name) and (restricted or not hidden):
            mine = [one for one in known if any(place.site == number for place in one.places)]
            told = _of_site(connection, number, mine, first, zone_name)
            expected = meter_days.expected(first, last, zone_name)
            told["missing_half_hours"] = max(expected - told.pop("metered_half_hours"), 0)
            found.append({"site": name, **told})
    return found


def _sites(known: Sequence[Supply], first: dt.date) -> set[tuple[str, int, bool]]:
    last = _last(first)
    return {
        (place.name, place.site, place.restricted)
        for one in known
        for place in one.places
        if place.kind in PLACES and place.valid_from <= last
        and (place.valid_to is None or place.valid_to > first)
    }  # fmt: skip


def _last(first: dt.date) -> dt.date:
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def _of_site(
    connection: Connection, site: int, mine: Sequence[Supply], first: dt.date, zone_name: str
) -> dict[str, Any]:
    meter, whole, why = _meter(connection, site, mine, first, zone_name)
    span = month(first.year, first.month, zone_name)
    told: dict[str, Any] = {
        "month": f"{first:%Y-%m}",
        "supplies": len(mine),
        "metered_kwh": whole,
        "metered_half_hours": len(meter),
        "why": why,
        **dict.fromkeys(_COMPARED),
    }
    groups = connection.execute(
        select(energy_groups).where(energy_groups.c.month == first.isoformat(), energy_groups.c.site == site)
    ).all()
    energy = together(sum_of(row) for row in groups).energy()
    joules = Range(float(energy.low_joules), float(energy.whole_joules), float(energy.high_joules))
    if why is None and not energy.whole_joules:
        told["why"] = "the energy ledger has nothing for this site and month"
    half_hours = list(_half_hours(connection, site, span.start, span.end, zone_name))
    if told["why"] is None and not half_hours:
        told["why"] = "there are no half-hours of devices of this site and month"
    if told["why"] is not None:
        return told
    days: dict[str, float] = defaultdict(float)
    for row in groups:
        days[row.item_class] += row.days
    weights = domain.shape(half_hours, domain.mean_watts(days))
    return told | _shown(domain.share(half_hours, weights, joules, meter))


def _shown(found: domain.Share) -> dict[str, Any]:
    return {
        "compared_half_hours": found.compared,
        "without_meter_half_hours": found.without_meter,
        "claimed_kwh": found.claimed_kwh,
        "compared_meter_kwh": found.meter_kwh,
        "ratio": None if found.ratio is None else list(found.ratio),
        "above_half_hours": found.above,
        "above": [one._asdict() for one in found.worst],
        "profile": [None if one is None else list(one) for one in found.profile],
    }


def _half_hours(
    connection: Connection, site: int, start: int, end: int, zone_name: str
) -> Iterator[domain.HalfHour]:
    here = zone(zone_name)
    table = site_half_hours
    query = select(table).where(table.c.site == site, table.c.start >= start, table.c.start < end)
    for row in connection.execute(query.order_by(table.c.start)):
        clock = dt.datetime.fromtimestamp(row.start, here)
        seconds = {state: float(getattr(row, f"{state}_seconds") or 0) for state in domain.STATES}
        slot = clock.hour * 2 + clock.minute // 30
        yield domain.HalfHour(row.start, slot, float(row.observed_seconds), seconds)


def _meter(
    connection: Connection, site: int, mine: Sequence[Supply], first: dt.date, zone_name: str
) -> tuple[dict[int, float], float, str | None]:
    """Return {start: kWh used at the site}, their sum, and why it says nothing of the site where it does not.

    What is made on site counts and what is sent out is taken off. A half-hour one supply has no figure for has none.
    """
    last = _last(first)
    rows = {
        (row.supply, row.day, row.channel): row
        for row in meter_days.days(connection, first, last, supply=[one.id for one in mine])
    }
    if not rows:
        return {}, 0.0, "no half-hours of its meters are held for this month"
    found: dict[int, Fraction] = {}
    missing: set[int] = set()
    day = first
    while day <= last:
        starts = local_day(day, zone_name).starts()
        for one in mine:
            shares = one.shares(day)
            if shares is None:
                return {}, 0.0, f"supply {one.number} feeds several sites and their shares are not told"
            if site in shares:
                _add_day(found, missing, starts, shares[site], one, rows, day)
        day += dt.timedelta(days=1)
    used = {start: float(value) / 1000 for start, value in found.items() if start not in missing}
    return used, sum(used.values()), None


def _add_day(
    found: dict[int, Fraction],
    missing: set[int],
    starts: range,
    share: Fraction,
    one: Supply,
    rows: dict[tuple[int, str, str], Any],
    day: dt.date,
) -> None:
    for channel, sign in _SIGNS.items():
        row = rows.get((one.id, str(day), channel))
        if row is None:
            if channel == "import":
                missing.update(starts)
            continue
        for start, value in zip(starts, meter_days.unpack(row.half_hours), strict=False):
            if value is None:
                missing.add(start)
            else:
                found[start] = found.get(start, Fraction(0)) + sign * value * share
