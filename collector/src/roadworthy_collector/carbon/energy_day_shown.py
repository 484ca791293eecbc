"""A day's energy as commands, the API and the console show it: by half-hour, site, unit, class, device or quality.

When half-hours are of fewer than five devices that were on they may be one person's working hours: they, and lists of
devices, are for who may read a device's history, with a reason that goes on the record. Half-hours of a whole site are not.
Restricted sites are in totals alone.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import select

from roadworthy_collector.carbon import energy_days
from roadworthy_collector.carbon.energy_days import DeviceDay
from roadworthy_collector.carbon.energy_half_hours import Basis, HalfHourSum, Shape, by_half_hour
from roadworthy_collector.carbon.estate import (
    ALLOCATION,
    DIMENSIONS,
    NO_ENERGY,
    VIRTUAL,
    Dimension,
    Estate,
    Period,
    keys_of,
    shown_row,
    titles_of,
)
from roadworthy_collector.carbon.sums import Month, Sum, kwh_number, together
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import audit
from roadworthy_collector.security.erasure import REASON_LENGTH
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices, sites
from roadworthy_inventory.calendar import local_date, local_day
from roadworthy_inventory.carbon.ledger import QUALITIES, Entry
from roadworthy_inventory.staff_value import MINIMUM_GROUP

By = Literal["half-hour", "day", "device", "site", "unit", "class", "model", "place", "quality"]
BYS: tuple[By, ...] = get_args(By)
READ = "carbon.energy.half_hours"
# Long before any agent, and after clocks last were off the half-hour where this is used.
_FIRST = dt.date(2000, 1, 1)
_MOST_DEVICES = 5000
_MOST_ONLINE = {True: 1000, False: 5000}  # devices of half-hours, of other ways to show a day


class Asked(NamedTuple):
    """A day, how to show it, of a site (its name) or a device (its id) alone; a reason where one is needed."""

    date: dt.date
    by: By = "half-hour"
    site: str | None = None
    device: str | None = None
    reason: str = ""
    scope: Scope = EVERYTHING


class Who(NamedTuple):
    """Who asks: the name on the record, whether they may read devices' histories, and whether a page or program waits."""

    actor: str
    may_read_history: bool
    waits: bool = False


def date_of(said: str | None) -> dt.date | None:
    """Return the day somebody wrote as 2026-10-25, None where it is none."""
    if said is None or len(said) != len("2026-10-25"):
        return None
    try:
        return dt.date.fromisoformat(said)
    except ValueError:
        return None


def day(work: Work, asked: Asked, who: Who) -> dict[str, Any]:
    """Return a day as JSON says it. RoadworthyError for a day not begun or without a right or a reason, NotFoundError."""
    zone = work.settings.reporting_timezone
    if asked.date > local_date(work.clock(), zone):
        raise RoadworthyError(f"{asked.date} has not begun; energy is known of days up to now")
    if asked.date < _FIRST:
        raise RoadworthyError(f"{asked.date}: no agent told anything before {_FIRST}")
    site, device = _site(work, asked), _device(work, asked)
    most = _MOST_ONLINE[asked.by == "half-hour"] if who.waits else None
    found = [one for some in _read(work, asked, site, device, most) for one in some]
    shapes = energy_days.half_hours(work, asked.date, found) if asked.by == "half-hour" else []
    if _may_be_one_person(asked, found, shapes):
        _require(work, asked, who)
    estate = _estate(work, asked.date, found)
    is_by_half_hour = asked.by == "half-hour" and _is_known(found)
    rows = _half_hours(work, asked.date, shapes) if is_by_half_hour else _rows(work, asked, found, estate)
    return {
        "date": asked.date.isoformat(),
        "zone": zone,
        "site": asked.site,
        "device": asked.device,
        "basis": ALLOCATION,
        **_told(estate, found),
        "spread_kwh": _of_basis(shapes, ("class", "even")) if is_by_half_hour else None,
        "even_kwh": _of_basis(shapes, ("even",)) if is_by_half_hour else None,
        "plug_lines": _lines(work, found),
        "by": asked.by,
        "rows": rows,
    }


def days(
    work: Work, period: Period, scope: Scope = EVERYTHING, site: str | None = None
) -> list[dict[str, Any]]:
    """Return a row for each day of a month that has begun; RoadworthyError for more than a month."""
    if period.first.replace(day=1) != period.last.replace(day=1):
        raise RoadworthyError(f"{period.label}: days are shown a month at a time, such as 2026-04")
    first, last = period.days
    if first < _FIRST:
        raise RoadworthyError(f"{period.label}: no agent told anything before {_FIRST}")
    until = min(last, local_date(work.clock(), work.settings.reporting_timezone))
    rows = []
    for number in range((until - first).days + 1):
        date = first + dt.timedelta(days=number)
        wanted = Asked(date, "day", site, scope=scope)
        found = [one for some in _read(work, wanted, _site(work, wanted), None) for one in some]
        told = _told(_estate(work, date, found), found)
        rows.append({"key": date.isoformat(), "title": date.isoformat(), **told})
    return rows


def _may_be_one_person(asked: Asked, found: Sequence[DeviceDay], shapes: Sequence[Shape]) -> bool:
    """Return whether what is asked may be one person's day: a device, a list of them, or half-hours of too few.

    Devices that were off or asleep all day draw a flat line, and those without half-hours of their own a line of
    others; neither hides anybody who was at work beside them: those that were on and tell it are counted. Where none
    was, no line tells hours, but of few devices it says who was away.
    """
    if asked.device is not None or asked.by == "device":
        return True
    if asked.by != "half-hour":
        return False
    present = {one.machine.id for one in found}
    were_on = {
        one.machine.id
        for one, shape in zip(found, shapes, strict=True)
        if one.told.observed_seconds > 0 and shape.basis == "own"
    }
    return 0 < len(were_on or present) < MINIMUM_GROUP


def _read(
    work: Work, asked: Asked, site: int | None, device: int | None, most: int | None = None
) -> Iterator[list[DeviceDay]]:
    return energy_days.read(work, asked.date, scope=asked.scope, site=site, device=device, most=most)


def _site(work: Work, asked: Asked) -> int | None:
    if asked.site is None:
        return None
    query = select(sites.c.id).where(sites.c.name == asked.site, sites.c.restricted.is_(False))
    with work.engine.connect() as connection:
        found = connection.scalar(query)
    if found is None:
        raise NotFoundError(f"there is no site {asked.site!r}; `roadworthy organisation show` lists them")
    return int(found)


def _device(work: Work, asked: Asked) -> int | None:
    if asked.device is None:
        return None
    query = select(devices.c.id).join(sites, sites.c.id == devices.c.site)
    query = query.where(devices.c.device_id == asked.device, sites.c.restricted.is_(False))
    if asked.scope is not None:
        query = query.where(devices.c.unit.in_(sorted(asked.scope)))
    with work.engine.connect() as connection:
        found = connection.scalar(query)
    if found is None:
        raise NotFoundError("there is no device of that id here")
    return int(found)


def _require(work: Work, asked: Asked, who: Who) -> None:
    """Put a reading that may be about one person on the record; RoadworthyError without the right or a reason."""
    if not who.may_read_history:
        raise RoadworthyError(
            f"half-hours of fewer than {MINIMUM_GROUP} devices that were on, and lists of devices, may be about one "
            "person; your role does not include them"
        )
    reason = " ".join(asked.reason.split())
    if not REASON_LENGTH[0] <= len(reason) <= REASON_LENGTH[1]:
        raise RoadworthyError(
            f"this may be about one person: give a reason of {REASON_LENGTH[0]} to {REASON_LENGTH[1]} characters"
        )
    action = READ if asked.device is None else audit.OPEN_DEVICE
    detail = {"reason": reason, "date": asked.date.isoformat(), "site": asked.site, "by": asked.by}
    audit.record_alone(work.engine, work.clock(), who.actor, action, asked.device or asked.site, detail)


def _sum(entry: Entry, days_: int = 0) -> Sum:
    own = Month(1, entry.own.down**2, entry.own.up**2)
    found = Sum(
        [entry.joules.get(quality, 0) for quality in QUALITIES],
        days_,
        math.ceil(entry.unknown_seconds),
        months={"day": own},
    )
    found.add_shared(entry.shared)
    return found


def _estate(work: Work, date: dt.date, found: Sequence[DeviceDay]) -> Estate:
    """Return a day as the ledger's readers take it, so that rows and restricted sites are told alike."""
    sums: dict[Dimension, dict[str, Sum]] = {name: {} for name in DIMENSIONS if name != "quality"}
    with work.engine.connect() as connection:
        held = {row.id: row for row in connection.execute(select(sites))}
        titles = titles_of(connection)
    for one in found:
        group = _Group(one.site, one.unit, one.machine.item_class, one.machine.model)
        for name, key in keys_of(group, "day", held.get(one.site)).items():
            sums[name].setdefault(key, Sum()).add(_sum(one.entry, 1))
    period = Period(date.replace(day=1), date.replace(day=1), date.isoformat())
    return Estate(period, together(sums["month"].values()).energy(), (), sums, titles)


class _Group(NamedTuple):
    site: int
    unit: int
    item_class: str
    model: str


def _rows(work: Work, asked: Asked, found: Sequence[DeviceDay], estate: Estate) -> list[dict[str, Any]]:
    """Return the rows of groups, devices or the day; none by half-hour."""
    if asked.by == "half-hour":
        return []
    if asked.by == "device":
        return _devices(work, found)
    if asked.by == "day":
        return [{"key": asked.date.isoformat(), "title": asked.date.isoformat(), **_told(estate, found)}]
    return [shown_row(row, asked.by) for row in estate.rows(asked.by)]


def _half_hours(work: Work, date: dt.date, shapes: Sequence[Shape]) -> list[dict[str, Any]]:
    zone = work.settings.reporting_timezone
    sums = by_half_hour(local_day(date, zone).starts(), shapes)
    return [_half_hour(start, one, ZoneInfo(zone)) for start, one in sums.items()]


def _of_basis(shapes: Sequence[Shape], some: Sequence[Basis]) -> float:
    """Return the kWh that are laid over the day by other devices' hours, or evenly."""
    return kwh_number(sum(shape.entry.wall_joules for shape in shapes if shape.basis in some))


def _half_hour(start: int, one: HalfHourSum, clock: ZoneInfo) -> dict[str, Any]:
    low, likely, high = one.total.interval_joules()
    local = dt.datetime.fromtimestamp(start, clock)
    key = {"key": str(start), "title": f"{local:%H:%M %Z}"}
    if not one.is_known:
        none = dict.fromkeys(("joules", "spread_kwh", "even_kwh", "corrected_kwh"))
        return {**key, **none, **_no_energy()}
    return {
        **key,
        "joules": one.total.wall_joules,
        "kwh": kwh_number(round(likely)),
        "low_kwh": kwh_number(math.floor(low)),
        "high_kwh": kwh_number(math.ceil(high)),
        "by_quality": {name: {"kwh": kwh_number(some)} for name, some in one.total.joules.items()},
        "spread_kwh": kwh_number(one.spread_joules),
        "even_kwh": kwh_number(one.even_joules),
        "corrected_kwh": kwh_number(one.corrected_joules),
    }


def _lines(work: Work, found: Sequence[DeviceDay]) -> list[dict[str, Any]]:
    """Return the lines of smart plugs that corrected devices of the day: which model, how many devices, their kWh.

    Devices of restricted sites are in none: they are in totals alone.
    """
    left_out = _restricted(work)
    held: dict[str, list[DeviceDay]] = {}
    for one in found:
        if one.line is not None and one.site not in left_out:
            held.setdefault(one.machine.model, []).append(one)
    return [
        {
            "model": model,
            "devices": len({one.machine.id for one in some}),
            "kwh": kwh_number(sum(one.entry.wall_joules for one in some)),
            "residual_watts": next(
                (round(one.line.line.residual_watts, 2) for one in some if one.line and one.line.line), None
            ),
        }
        for model, some in sorted(held.items())
    ]


def _restricted(work: Work) -> set[int]:
    with work.engine.connect() as connection:
        return set(connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))))


def _devices(work: Work, found: Sequence[DeviceDay]) -> list[dict[str, Any]]:
    left_out = _restricted(work)
    open_to_see = [one for one in found if one.site not in left_out]
    with work.engine.connect() as connection:
        wanted = sorted({one.machine.id for one in open_to_see})
        names: Mapping[int, str] = {}
        for begin in range(0, len(wanted), _MOST_DEVICES):
            query = select(devices.c.id, devices.c.device_id).where(
                devices.c.id.in_(wanted[begin : begin + _MOST_DEVICES])
            )
            names = {**names, **{row.id: row.device_id for row in connection.execute(query)}}
    sums: dict[int, Sum] = {}
    for one in open_to_see:
        sums.setdefault(one.machine.id, Sum()).add(_sum(one.entry, 1))
    virtual = {one.machine.id for one in open_to_see if one.machine.item_class == VIRTUAL}
    rows = []
    for key, total in sums.items():
        is_known = any(total.joules) or key in virtual
        figures = {**total.energy().told(), **({} if is_known else _no_energy())}
        reason = None if is_known else NO_ENERGY
        rows.append({"key": names[key], "title": names[key], **figures, "reason": reason})
    # The most first, and what is not known after all that is.
    return sorted(rows, key=lambda row: (row["kwh"] is None, -(row["kwh"] or 0), row["key"]))


def _told(estate: Estate, found: Sequence[DeviceDay]) -> dict[str, Any]:
    """Return the figures of a day; without energy where nothing was told that would give any: not known, not nought."""
    if not found:
        none = dict.fromkeys(("devices", "device_days", "unknown_hours", "coverage_ratio"))
        return {**none, **_no_energy()}
    return {**estate.total.told(), **({} if _is_known(found) else _no_energy())}


def _is_known(found: Sequence[DeviceDay]) -> bool:
    return any(energy_days.is_known(one) for one in found)


def _no_energy() -> dict[str, Any]:
    none = dict.fromkeys(("kwh", "low_kwh", "high_kwh"))
    return {**none, "by_quality": {name: {"kwh": None, "share": None} for name in QUALITIES}}
