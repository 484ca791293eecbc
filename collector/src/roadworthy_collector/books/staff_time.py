"""Staff time in slow start-ups and sign-ins, a month at a time: worked out by the jobs process and kept ready.

A month is worked out daily while it runs and for eight days after, for what comes late, and again where the assumptions
or the restricted sites change. Groups under five devices are folded into `other` before anything is kept, and so is
what stands at a restricted site. Devices are grouped by where they stand today.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from roadworthy_collector.books import figures, staff_time_read, staff_time_text
from roadworthy_collector.books.conditions import system_of
from roadworthy_collector.books.imported import Supports
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.books.staff_time_read import Span
from roadworthy_collector.books.staff_time_text import Assumptions
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import book_figures, register_devices, register_items
from roadworthy_collector.store.schema import devices, signins, sites, startups
from roadworthy_inventory.staff_time import (
    BASES,
    Reference,
    StaffTime,
    Waits,
    estate_reference,
    hours_lost,
    sort_waits,
    total,
)
from roadworthy_inventory.staff_value import MINIMUM_GROUP, OTHER, UNASSIGNED, by_group

FIGURE = "staff_time"
DIMENSIONS = ("unit", "site", "class", "model", "system")
EVERY_SECONDS = 60.0
AT_ONCE = 50
_SETTLED_DAYS = 8  # the agents' late reports are taken for seven
_SAMPLE = 1_000  # devices the estate's own reference is from at most
_GROUPS_KEPT = 500
_SSD = frozenset({"ssd", "nvme"})
_SUPPORTED = frozenset({"supported", "ends_within"})
_COUNTS = (
    "lost_milliseconds",
    "waits",
    "slow_waits",
    "devices",
    "raw_startups",
    "raw_signins",
    "counted_startups",
    "counted_signins",
)
_REASONS = ("excluded_startups", "excluded_signins", "unsure")


class Place(NamedTuple):
    """Where a device belongs: {dimension: group}; units, sites and systems by row id as text."""

    id: int
    device_class: str
    groups: Mapping[str, str]
    good: bool  # SSD and supported: what the estate's own reference is from


class Month(NamedTuple):
    """A calendar month in UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, day: dt.date) -> Month:
        """Return the month of a day."""
        return cls(day.year, day.month)

    @property
    def name(self) -> str:
        """The month as `2026-09`."""
        return f"{self.year:04}-{self.month:02}"

    @property
    def span(self) -> Span:
        """Its days."""
        return Span(dt.date(*self, 1), self.next_first() - dt.timedelta(days=1))

    def next_first(self) -> dt.date:
        """Return the first day after it."""
        return dt.date(self.year + self.month // 12, self.month % 12 + 1, 1)


def refresh(work: Work) -> int:
    """Work one month out, the newest that needs it; return how many were."""
    with work.engine.connect() as connection:
        assumptions, _ = staff_time_text.current(connection)
        restricted = _restricted(connection)
        month = _due(connection, work, assumptions, restricted)
    if month is None:
        return 0
    began, now = time.perf_counter(), work.clock()
    content = make_month(work, month, assumptions)
    if content is None:
        return 0
    content["restricted"] = restricted
    with work.write() as connection:
        figures.write(connection, f"{FIGURE}.{month.name}", content, now, time.perf_counter() - began)
    return 1


def _restricted(connection: Connection) -> list[int]:
    return sorted(connection.scalars(select(sites.c.id).where(sites.c.restricted.is_(True))))


def _due(
    connection: Connection, work: Work, assumptions: Assumptions, restricted: Sequence[int]
) -> Month | None:
    """Return the newest month that has to be worked out, None where all are as they should be."""
    today = local_day(work.clock(), work.settings.reporting_timezone)
    kept_days = min(work.settings.startup_retention_days, work.settings.signin_retention_days)
    told = [
        connection.scalar(select(func.min(startups.c.started_at))),
        connection.scalar(select(func.min(signins.c.day))),
    ]
    known = [dt.datetime.fromtimestamp(one, dt.UTC).date() for one in told if one is not None]
    if not known:
        return None
    # A month part of which was pruned stays as it was worked out when it was whole.
    first = max(min(known), today - dt.timedelta(days=kept_days))
    month = Month.of(today)
    while month.span.last >= first:
        held = figures.read(connection, f"{FIGURE}.{month.name}")
        whole = month.span.first >= today - dt.timedelta(days=kept_days)
        if held is None or (whole and _is_stale(held[0], month, today, assumptions, restricted)):
            return month
        month = Month.of(month.span.first - dt.timedelta(days=1))
    return None


def _is_stale(
    held: Mapping[str, Any], month: Month, today: dt.date, assumptions: Assumptions, restricted: Sequence[int]
) -> bool:
    made = dt.date.fromisoformat(held["made_on"])
    settled = month.span.last + dt.timedelta(days=_SETTLED_DAYS)
    return (
        held["assumptions"] != assumptions.digest
        or held["restricted"] != list(restricted)
        or made < min(today, settled)
    )


def make_month(work: Work, month: Month, assumptions: Assumptions) -> dict[str, Any] | None:
    """Return the figures of a month; None where the collector stops meanwhile."""
    today = local_day(work.clock(), work.settings.reporting_timezone)
    own = None
    if "" not in assumptions.good:
        own = _own_reference(work, month.span, today)
    sums = _Sums()
    for places in _pieces(work, today):
        with work.reading() as connection:
            which = staff_time_read.between(places[0].id, places[-1].id)
            records = staff_time_read.read(connection, which, month.span)
        sums.add(places, _lost(records, places, assumptions, own))
    if work.stop.is_set():
        return None
    return {
        "month": month.name,
        "made_on": today.isoformat(),
        "assumptions": assumptions.digest,
        "references": _told_references(assumptions, own),
        **sums.told(),
    }


def _pieces(work: Work, on: dt.date, every: int = 1) -> Iterator[list[Place]]:
    """Yield the devices, every so-manyth by row id, with where they belong, some at a time."""
    after = 0
    with work.engine.connect() as connection:
        supports = Supports.read(connection, on)
    while not work.stop.is_set():
        with work.reading() as connection:
            query = select(devices.c.id).where(devices.c.id > after)
            if every > 1:
                query = query.where(devices.c.id % every == 0)
            ids = list(connection.scalars(query.order_by(devices.c.id).limit(AT_ONCE)))
            if not ids:
                return
            places = read_places(connection, ids, supports)
        after = ids[-1]
        yield places


def read_places(connection: Connection, ids: Sequence[int], supports: Supports) -> list[Place]:
    """Return where these devices belong, by row id."""
    names = ("id", "unit", "site", "model", "device_class", "system_medium", "os_name", "os_version")
    query = (
        select(*(devices.c[name] for name in names), devices.c.facts["os"].label("os"), sites.c.restricted)
        .join(sites, sites.c.id == devices.c.site)
        .where(devices.c.id.in_(ids))
        .order_by(devices.c.id)
    )
    served = select(register_devices.c.device, register_items.c.system).join(
        register_items, register_items.c.id == register_devices.c.item
    )
    served = served.where(
        register_devices.c.device.in_(ids),
        register_devices.c.valid_to.is_(None),
        register_items.c.system.is_not(None),
    )
    systems = {row.device: row.system for row in connection.execute(served)}
    found = []
    for row in connection.execute(query):
        groups = {
            "unit": str(row.unit),
            "site": str(row.site),
            "class": row.device_class or "unknown",
            "model": row.model or "unknown",
            "system": str(systems[row.id]) if row.id in systems else UNASSIGNED,
        }
        if row.restricted:
            groups = dict.fromkeys(DIMENSIONS, OTHER)
        good = row.system_medium in _SSD
        good = good and supports.of(system_of(row.os, row.os_name, row.os_version)).status in _SUPPORTED
        found.append(Place(row.id, row.device_class or "unknown", groups, good))
    return found


def _own_reference(work: Work, span: Span, on: dt.date) -> Reference:
    """Return the IT estate's own reference: of a thousand devices at most, evenly by row id."""
    with work.engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(devices)) or 0
    every = max(1, -(-count // _SAMPLE))
    every += every % 2 == 0  # row ids of two sites that enrolled in turn must not fall out
    kept: list[Any] = []
    eligible: set[str] = set()
    for places in _pieces(work, on, every):
        good = [place.id for place in places if place.good]
        if good:
            with work.reading() as connection:
                records = staff_time_read.read(connection, staff_time_read.among(good), span)
            kept += sort_waits(records.startups, records.signins).waits
            eligible.update(map(str, good))
    none: dict[Any, int] = {}
    waits = Waits(
        waits=tuple(kept),
        raw_startups=none,
        raw_signins=none,
        excluded_startups=none,
        excluded_signins=none,
        unsure=none,
    )
    return estate_reference(waits, eligible)


def _lost(
    records: staff_time_read.Records,
    places: Sequence[Place],
    assumptions: Assumptions,
    own: Reference | None,
) -> dict[str, StaffTime]:
    """Return {device: what was lost on it}, each held against the reference of its class."""
    classes = {str(place.id): place.device_class for place in places}
    by_class: defaultdict[str, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for startup in records.startups:
        by_class[classes[startup.device]][0].append(startup)
    for signin in records.signins:
        by_class[classes[signin.device]][1].append(signin)
    found: dict[str, StaffTime] = {}
    for name, (started, signed) in by_class.items():
        reference = assumptions.reference(name) or own
        if reference is not None:
            found |= hours_lost(sort_waits(started, signed), reference)
    return found


class _Sums:
    """Lost time added up by group of each dimension, a piece of devices at a time."""

    def __init__(self) -> None:
        self.whole = total(())
        self.groups: dict[str, dict[str, StaffTime]] = {name: {} for name in DIMENSIONS}

    def add(self, places: Sequence[Place], lost: Mapping[str, StaffTime]) -> None:
        """Add what was lost on the devices of a piece."""
        self.whole = total((self.whole, *lost.values()))
        for name, sums in self.groups.items():
            members: defaultdict[str, list[StaffTime]] = defaultdict(list)
            for place in places:
                if (mine := lost.get(str(place.id))) is not None:
                    members[place.groups[name]].append(mine)
            for group, times in members.items():
                sums[group] = total((sums[group], *times) if group in sums else times)

    def told(self) -> dict[str, Any]:
        """Return the sums as JSON can say them, small groups folded; nothing but counts of too small a whole."""
        if self.whole.devices < MINIMUM_GROUP:
            return {"suppressed": True, "total": None, "groups": {}, "folded": {}}
        groups, folded = {}, {}
        for name, sums in self.groups.items():
            found = by_group(_largest(sums), {group: group for group in sums})
            groups[name] = {group: told(one) for group, one in found.groups.items()}
            folded[name] = len(found.folded)
        return {"suppressed": False, "total": told(self.whole), "groups": groups, "folded": folded}


def _largest(sums: Mapping[str, StaffTime]) -> dict[str, StaffTime]:
    """Return the largest groups, the rest added to `other`: a figure is bounded however many models there are."""
    order = sorted(sums, key=lambda group: (-sums[group].devices, group))
    kept = {group: sums[group] for group in order[:_GROUPS_KEPT]}
    if rest := order[_GROUPS_KEPT:]:
        kept[OTHER] = total([*([kept[OTHER]] if OTHER in kept else []), *(sums[group] for group in rest)])
    return kept


def told(one: StaffTime) -> dict[str, Any]:
    """Return lost time as JSON can say it."""
    return {name: getattr(one, name) for name in _COUNTS} | {
        name: dict(getattr(one, name)) for name in _REASONS
    }


def time_of(said: Mapping[str, Any]) -> StaffTime:
    """Return the lost time `told` said."""
    return StaffTime(**said)


def _told_references(assumptions: Assumptions, own: Reference | None) -> dict[str, Any]:
    given = {f"fixed {name}".strip(): one for name, one in assumptions.good.items()}
    found = given | ({} if own is None else {"estate": own})
    return {
        name: {f"{basis}_seconds": getattr(one, f"{basis}_seconds") for basis in BASES}
        | {"devices": dict(one.devices)}
        for name, one in found.items()
    }


def kept(connection: Connection) -> list[dict[str, Any]]:
    """Return the months that are ready, oldest first, each with `made_at` in UTC epoch seconds."""
    query = (
        select(book_figures.c.content, book_figures.c.made_at)
        .where(book_figures.c.name.startswith(f"{FIGURE}.", autoescape=True))
        .order_by(book_figures.c.name)
    )
    return [row.content | {"made_at": row.made_at} for row in connection.execute(query)]


def hours_of_devices(
    connection: Connection, wanted: Collection[int], span: Span, *, on: dt.date
) -> dict[int, StaffTime]:
    """Return {device (row id): what was lost on it} from `span.first` to `span.last`, by the assumptions in force.

    Where these give no good lengths it is the IT estate's own of the newest month that is ready; before there is one
    nothing can be said, and the result is empty. Of fewer than five devices nobody may be shown the sum.
    """
    assumptions, _ = staff_time_text.current(connection)
    months = kept(connection)
    held = months[-1]["references"].get("estate") if months else None
    own = None if held is None else Reference(kind="estate", **held)
    ids, supports = sorted(wanted), Supports.read(connection, on)
    found: dict[int, StaffTime] = {}
    for start in range(0, len(ids), AT_ONCE):
        places = read_places(connection, ids[start : start + AT_ONCE], supports)
        records = staff_time_read.read(
            connection, staff_time_read.among([place.id for place in places]), span
        )
        lost = _lost(records, places, assumptions, own)
        found |= {int(device): one for device, one in lost.items()}
    return found
