"""What a plan knows of the items: the register, what their devices measured in the last four weeks, ratings, holds.

Hours: above the file's own reference, scaled from the days the agent watched to a year, with the counting error of the
waits as range. Electricity: at the wall, scaled alike; else, where the file says so, what makers publish of the class.
What is not known is None and counted.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from roadworthy_collector.books.excepting import in_force
from roadworthy_collector.books.plan_text import Fits, PlanText
from roadworthy_collector.books.warranties import Cover, later, latest
from roadworthy_collector.store.books_schema import (
    batches,
    exceptions,
    mdm_devices,
    ratings,
    register_devices,
    register_items,
)
from roadworthy_collector.store.schema import days, devices, disks, signins, sites, startups, units
from roadworthy_inventory.planned_life import age_years
from roadworthy_inventory.replacement_data import footprints
from roadworthy_inventory.replacement_inputs import Hold, PlanDevice, Range, exactly
from roadworthy_inventory.staff_time import Signin, Startup, fixed_reference, hours_lost, sort_waits

WATCHED_DAYS = 28
LEAST_DAYS = 14  # fewer, and a year scaled from them is one person's fortnight
_DAY_SECONDS = 86_400
_DAYS_A_YEAR = 365.25
_JOULES_PER_KWH = 3_600_000
_READ = 2_000
# What a maker's guarantee could be asked about; slow start-ups and missing support are nothing it covers.
_FAULTS = ("disk-", "battery-", "unexpected-shutdowns")


@dataclass(slots=True)
class Item:
    """One register item with what its devices told; None where it is not known."""

    id: int
    tag: str
    row: Any
    devices: list[int] = field(default_factory=list)
    platform: str | None = None
    reported_days: int | None = None
    watched_days: int | None = None  # of those, with somebody's use, idling or a locked screen told
    in_use_hours: float | None = None
    kwh: float | None = None
    hours: Range | None = None
    system_disk: str | None = None
    startup_seconds: float | None = None
    faults: tuple[str, ...] | None = None
    excepted_faults: int = 0
    mdm_last_seen: date | None = None
    cover: Cover | None = None
    holds: list[Hold] = field(default_factory=list)

    @property
    def model(self) -> str | None:
        """Maker and model, as people name it."""
        parts = [part for part in (self.row.manufacturer, self.row.model) if part]
        return " ".join(parts) or None


@dataclass(slots=True)
class Read:
    """The items a plan is about, and how many it is not about, by reason; `left_out_at`: that reason's list's filter."""

    items: list[Item]
    left_out: Counter[str]
    on: date
    left_out_at: dict[str, dict[str, str]] = field(default_factory=dict)


def read_items(
    connection: Connection,
    text: PlanText | None,
    now: float,
    on: date,
    progress: Callable[[str, int], None] = lambda _what, _count: None,
) -> Read:
    """Return the items of the register with what is known of them on the day `on`; those of `text`'s scope with one.

    Items at restricted sites are counted and not read: they are in no list.
    """
    left_out: Counter[str] = Counter()
    found: dict[int, Item] = {}
    left_out_at: dict[str, dict[str, str]] = {}
    for row in connection.execute(_items().execution_options(yield_per=_READ)):
        if row.restricted:
            left_out["at a restricted site"] += 1
        elif text is not None and row.kind not in text.kinds:
            reason = f"kind {row.kind}, not in the plan's scope"
            left_out[reason] += 1
            left_out_at[reason] = {"kind": row.kind}
        elif text is not None and row.lifecycle_state not in text.lifecycle_states:
            reason = f"{row.lifecycle_state.replace('_', ' ')}, not in the plan's scope"
            left_out[reason] += 1
            left_out_at[reason] = {"state": row.lifecycle_state, "kind": ",".join(sorted(text.kinds))}
        else:
            found[row.id] = Item(row.id, row.tag or f"#{row.id}", row)
    progress("items read", len(found))
    _link(connection, found, on)
    by_device = {device: item for item in found.values() for device in item.devices}
    _days(connection, by_device, now)
    progress("items with what was measured by day", len(found))
    _waits(connection, by_device, text, now)
    _disks(connection, by_device)
    _ratings(connection, by_device)
    _mdm(connection, found)
    _holds(connection, found, by_device, on)
    _covers(connection, found)
    progress("items with start-ups, disks, ratings and exceptions", len(found))
    return Read(sorted(found.values(), key=lambda item: item.tag), left_out, on, left_out_at)


def _items() -> Select[Any]:
    names = (
        "id", "tag", "serial", "kind", "manufacturer", "model", "lifecycle_state", "usage_profile", "purchased",
        "lease_end", "warranty_end", "warranty_level",
    )  # fmt: skip
    joined = register_items.outerjoin(sites, sites.c.id == register_items.c.site)
    joined = joined.outerjoin(units, units.c.id == register_items.c.unit)
    columns = (register_items.c[name] for name in names)
    return select(
        *columns, sites.c.name.label("site"), sites.c.restricted, units.c.name.label("unit")
    ).select_from(joined)


def _link(connection: Connection, items: Mapping[int, Item], on: date) -> None:
    """Give every item the devices it reports as today."""
    query = (
        select(register_devices.c.item, register_devices.c.device, devices.c.platform)
        .join(devices, devices.c.id == register_devices.c.device)
        .where(
            devices.c.retired_at.is_(None),
            or_(register_devices.c.valid_to.is_(None), register_devices.c.valid_to > on.isoformat()),
        )
    )
    for row in connection.execute(query):
        item = items.get(row.item)
        if item is not None:
            item.devices.append(row.device)
            item.platform = row.platform or item.platform


def _days(connection: Connection, by_device: Mapping[int, Item], now: float) -> None:
    """Add up the last four weeks of whole UTC days: reported, watched, hours in use, electricity at the wall.

    An agent that may not say whether somebody is there (off by policy, or not told by the system) reports days that
    are unobserved: they are not days of no use.
    """
    last = int(now) // _DAY_SECONDS * _DAY_SECONDS
    names = (
        "day",
        "device",
        "observed_seconds",
        "in_use_seconds",
        "idle_seconds",
        "locked_seconds",
        "joules",
    )
    query = select(*(days.c[name] for name in names)).where(
        days.c.day >= last - WATCHED_DAYS * _DAY_SECONDS, days.c.day < last
    )
    reported: defaultdict[int, set[int]] = defaultdict(set)
    watched: defaultdict[int, set[int]] = defaultdict(set)
    in_use: Counter[int] = Counter()
    joules: Counter[int] = Counter()
    metered: defaultdict[int, set[int]] = defaultdict(set)
    for row in connection.execute(query.execution_options(yield_per=_READ)):
        item = by_device.get(row.device)
        if item is None or not row.observed_seconds:
            continue
        reported[item.id].add(row.day)
        if row.in_use_seconds + row.idle_seconds + row.locked_seconds > 0:
            watched[item.id].add(row.day)
        in_use[item.id] += row.in_use_seconds
        wall = (row.joules or {}).get("wall")
        if wall:
            metered[item.id].add(row.day)
            joules[item.id] += sum(wall.values())
    for item in by_device.values():
        if item.id in reported:
            item.reported_days = len(reported[item.id])
        if item.id in watched:
            item.watched_days = len(watched[item.id])
            item.in_use_hours = in_use[item.id] / 3600
        told = len(metered[item.id]) if item.id in metered else 0
        if told >= LEAST_DAYS:
            item.kwh = joules[item.id] / _JOULES_PER_KWH / told * _DAYS_A_YEAR


def _waits(connection: Connection, by_device: Mapping[int, Item], text: PlanText | None, now: float) -> None:
    """Give items the staff hours a year lost in slow starts, and the middle of their start-ups."""
    since = int(now) // _DAY_SECONDS * _DAY_SECONDS - WATCHED_DAYS * _DAY_SECONDS
    started = list(_startups(connection, by_device, since))
    lengths: defaultdict[int, list[float]] = defaultdict(list)
    for one in started:
        if one.seconds is not None and one.kind not in {"resume", "hibernate"}:
            lengths[by_device[int(one.device)].id].append(one.seconds)
    for item in by_device.values():
        told = sorted(lengths.get(item.id, ()))
        item.startup_seconds = told[(len(told) - 1) // 2] if told else None
    if text is None or text.startup_seconds is None or text.signin_seconds is None:
        return
    signed = list(_signins(connection, by_device, since))
    lost = hours_lost(sort_waits(started, signed), fixed_reference(text.startup_seconds, text.signin_seconds))
    for item in by_device.values():
        if item.reported_days is None or item.reported_days < LEAST_DAYS:
            continue
        mine = [lost[str(device)] for device in item.devices if str(device) in lost]
        waits = sum(one.waits for one in mine)
        if not waits:  # reported, and nobody's wait counted: whether none was lost is not known
            continue
        yearly = sum(one.hours for one in mine) / item.reported_days * _DAYS_A_YEAR
        error = min(1.0, 1 / math.sqrt(waits))
        item.hours = Range(yearly * (1 - error), yearly, yearly * (1 + error))


def _startups(connection: Connection, by_device: Mapping[int, Item], since: int) -> Iterable[Startup]:
    names = (
        "device", "start_id", "started_at", "kind", "usable_seconds", "total_seconds", "attended", "quality",
    )  # fmt: skip
    query = select(*(startups.c[name] for name in names))
    query = query.where(startups.c.started_at >= since, startups.c.final.is_(True))
    for row in connection.execute(query.execution_options(yield_per=_READ)):
        item = by_device.get(row.device)
        if item is None:
            continue
        yield Startup(
            device=str(row.device),
            start_id=row.start_id,
            day=datetime.fromtimestamp(row.started_at, UTC).date(),
            kind=row.kind,
            seconds=row.total_seconds if row.usable_seconds is None else row.usable_seconds,
            attended=row.attended,
            quality=row.quality,
            includes_signin={"windows": True, "linux": False}.get(item.platform or ""),
        )


def _signins(connection: Connection, by_device: Mapping[int, Item], since: int) -> Iterable[Signin]:
    names = ("device", "signin_id", "day", "usable_seconds", "total_seconds", "quality", "record")
    query = select(*(signins.c[name] for name in names))
    query = query.where(signins.c.day >= since, signins.c.final.is_(True))
    for row in connection.execute(query.execution_options(yield_per=_READ)):
        if row.device in by_device:
            yield Signin(
                device=str(row.device),
                signin_id=row.signin_id,
                day=datetime.fromtimestamp(row.day, UTC).date(),
                seconds=row.total_seconds if row.usable_seconds is None else row.usable_seconds,
                start_id=row.record.get("start_id"),
                first_on_device=row.record.get("first_on_device"),
                quality=row.quality,
            )


def _disks(connection: Connection, by_device: Mapping[int, Item]) -> None:
    query = select(disks.c.device, disks.c.medium).where(disks.c.holds_system.is_(True))
    for row in connection.execute(query):
        item = by_device.get(row.device)
        if item is not None and row.medium in {"hdd", "ssd", "nvme"}:
            item.system_disk = "hdd" if row.medium == "hdd" else "ssd"


def _ratings(connection: Connection, by_device: Mapping[int, Item]) -> None:
    """Give items the faults their devices' ratings hold against them, those under an exception left out."""
    query = select(ratings.c.device, ratings.c.reasons)
    for row in connection.execute(query.execution_options(yield_per=_READ)):
        item = by_device.get(row.device)
        if item is not None:
            faults = [one for one in row.reasons or () if str(one["rule"]).startswith(_FAULTS)]
            held = [one for one in faults if "exception" not in one]
            told = [str(reason.get("sentence") or reason["rule"]) for reason in held]
            item.faults = (*(item.faults or ()), *told)
            item.excepted_faults += len(faults) - len(held)


def _covers(connection: Connection, items: Mapping[int, Item]) -> None:
    """Give items the warranty that ends last, of what the register and imported lists say."""
    imported = latest(connection, (item.row.serial for item in items.values()))
    for item in items.values():
        row = item.row
        end = None if row.warranty_end is None else date.fromisoformat(row.warranty_end)
        item.cover = later(end, row.serial, imported, row.warranty_level)


def _mdm(connection: Connection, items: Mapping[int, Item]) -> None:
    """Give items their last check-in with mobile device management, by serial number."""
    query = (
        select(mdm_devices.c.serial, func.max(mdm_devices.c.last_check_in).label("seen"))
        .join(batches, batches.c.id == mdm_devices.c.batch)
        .where(
            mdm_devices.c.serial.is_not(None), batches.c.undone_at.is_(None), batches.c.unfinished.is_(False)
        )
        .group_by(mdm_devices.c.serial)
    )
    seen = {row.serial.casefold(): row.seen for row in connection.execute(query) if row.seen is not None}
    for item in items.values():
        found = seen.get(item.row.serial.casefold()) if item.row.serial else None
        item.mdm_last_seen = None if found is None else date.fromisoformat(found)


def _holds(
    connection: Connection, items: Mapping[int, Item], by_device: Mapping[int, Item], on: date
) -> None:
    """Hold items under a lease, and those with an exception from every rule."""
    for item in items.values():
        if item.row.lease_end is not None and item.row.lease_end >= on.isoformat():
            item.holds.append(Hold("lease", date.fromisoformat(item.row.lease_end)))
    for row in connection.execute(select(exceptions).where(in_force(on))):
        held = items.get(row.item) if row.item is not None else by_device.get(row.device)
        if held is not None and row.rules is None:
            held.holds.append(Hold("exception", date.fromisoformat(row.expires)))


def fits(rule: Fits, item: Item, on: date) -> bool | None:
    """Return whether an option or a cost fits the item; None where what it asks for is not known of it."""
    row = item.row
    if rule.kinds is not None and row.kind not in rule.kinds:
        return False
    if rule.models is not None and not any(part in (item.model or "").casefold() for part in rule.models):
        return False if item.model else None
    if rule.usage_profiles is not None and row.usage_profile not in rule.usage_profiles:
        return False
    answers: list[bool | None] = []
    if rule.system_disk is not None:
        answers.append(None if item.system_disk is None else item.system_disk == rule.system_disk)
    if rule.at_least_years is not None:
        age = age_years(None if row.purchased is None else date.fromisoformat(row.purchased), on)
        answers.append(None if age is None else age >= rule.at_least_years)
    if False in answers:
        return False
    return None if None in answers else True


@dataclass(slots=True)
class Inputs:
    """Devices for the planner, in the order of items, and how figures are known: {figure: {how: n}}, of each tag `how`."""

    devices: list[PlanDevice]
    known: dict[str, dict[str, int]]
    how: dict[str, dict[str, str]]


def plan_devices(items: Sequence[Item], text: PlanText, on: date) -> Inputs:
    """Return the planner's devices."""
    known: defaultdict[str, Counter[str]] = defaultdict(Counter)
    how: dict[str, dict[str, str]] = {}
    found = []
    for item in items:
        support = next((pence for rule, pence in text.support if fits(rule, item, on)), None)
        kwh, how_kwh = _kwh(item, text)
        answers = {option.offer.name: fits(option.fits, item, on) for option in text.options}
        how[item.tag] = {
            "support cost": "from the file" if support else "not known",
            "staff hours": "measured" if item.hours else "not known",
            "electricity": how_kwh,
            "whether every option fits": "not known" if None in answers.values() else "known",
        }
        for name, told in how[item.tag].items():
            known[name][told] += 1
        found.append(
            PlanDevice(
                tag=item.tag,
                serial=item.row.serial,
                model=item.model,
                site=item.row.site,
                unit=item.row.unit,
                support_pence=support,
                hours=item.hours,
                kwh=kwh,
                offers=tuple(name for name, answer in answers.items() if answer),
                holds=tuple(item.holds),
            )
        )
    return Inputs(found, {name: dict(counts) for name, counts in known.items()}, how)


def _kwh(item: Item, text: PlanText) -> tuple[Range | None, str]:
    if item.kwh is not None:
        return exactly(item.kwh), "measured"
    typical = footprints().get(item.row.kind) if text.typical_kwh else None
    return (None, "not known") if typical is None else (typical.use_kwh, "typical of its class")
