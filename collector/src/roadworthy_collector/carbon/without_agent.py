"""Devices nothing reports for: monitors, printers, network equipment, UPSs and others of the register, by class.

Shown apart from the ledger and in none of its sums: what is here is a count times published or our own watts. Items in
use with no device linked count from their purchase to their disposal, as the register stands today. Monitors are on as
long as the computers of their site were in use that month; all others draw the average of their class. Of each class
as many items are taken off as there are devices of it, polled or with an agent, that are linked to no item: they may
be the same. What a class's figure is off, it is off for all items alike; classes add in quadrature.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from roadworthy_collector.carbon.estate import FIGURE, Period
from roadworthy_collector.carbon.site_use import use_of
from roadworthy_collector.carbon.sums import kwh_number
from roadworthy_collector.store.books_schema import book_figures, register_devices, register_items
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices
from roadworthy_inventory.calendar import local_day, month
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.state_power import AVERAGE, watts_of
from roadworthy_inventory.replacement_data import footprints
from roadworthy_inventory.replacement_inputs import Range

IN_USE = ("deployed", "loan")
BASIS = (
    "devices without an agent, modelled by class: beside the energy that agents tell, and in none of its sums; items in "
    "use of the register as it stands today, from purchase to disposal"
)
_KIND_OF_CLASS = {"switch": "network"}  # how a polled device is called in the register
_YEAR_SECONDS = 365.25 * 86_400
_HOURS_A_YEAR = 8766  # 365.25 days
_NOTHING = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class: its items, those taken off for devices linked to none, and joules, None where nobody has watts for it."""

    kind: str
    items: int
    taken_off: int
    joules: Range | None
    quality: str
    how: str

    def told(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        low, likely, high = (None,) * 3 if self.joules is None else map(kwh_number, map(round, self.joules))
        return {
            "class": self.kind,
            "items": self.items,
            "taken_off": self.taken_off,
            "kwh": likely,
            "low_kwh": low,
            "high_kwh": high,
            "quality": self.quality,
            "how": self.how,
        }


class _Items(NamedTuple):
    site: int | None
    since: int  # epoch second
    until: int
    number: int


@dataclass(frozen=True, slots=True)
class WithoutAgent:
    """The classes of a period, most energy first."""

    rows: tuple[ClassRow, ...]

    @property
    def joules(self) -> Range:
        """All classes with a figure together."""
        known = [one.joules for one in self.rows if one.joules is not None]
        likely = math.fsum(one.likely for one in known)
        down = math.hypot(*(one.likely - one.low for one in known))
        up = math.hypot(*(one.high - one.likely for one in known))
        return Range(max(likely - down, 0.0), likely, likely + up)

    @property
    def items(self) -> int:
        """How many items are counted, those taken off left out."""
        return sum(one.items - one.taken_off for one in self.rows)

    def told(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        low, likely, high = map(kwh_number, map(round, self.joules))
        return {
            "basis": BASIS,
            "items": self.items,
            "kwh": likely,
            "low_kwh": low,
            "high_kwh": high,
            "rows": [one.told() for one in self.rows],
        }


def read(
    connection: Connection, period: Period, *, zone: str, now: float, scope: Scope = EVERYTHING
) -> WithoutAgent:
    """Return the classes of a period, up to `now`, of the items of the units in scope."""
    spans = [month(int(name[:4]), int(name[5:]), zone) for name in period.months]
    parts = [
        (name, span.start, min(span.end, int(now)))
        for name, span in zip(period.months, spans, strict=True)
        if span.start < now
    ]
    if not parts:
        return WithoutAgent(())
    first, last = parts[0][1], parts[-1][2]
    use = _use(connection, [name for name, _, _ in parts])
    alone = _alone(connection, scope)
    rows = []
    for kind, some in _items(connection, scope, first, last, zone).items():
        count = sum(one.number for one in some)
        taken = min(alone[kind], count)
        joules, quality, how = _of_class(kind, some, parts, use)
        share = (count - taken) / count
        scaled = None if joules is None else Range(*(one * share for one in joules))
        rows.append(ClassRow(kind, count, taken, scaled, quality, how))
    rows.sort(key=lambda row: (-(row.joules or _NOTHING).likely, row.kind))
    return WithoutAgent(tuple(rows))


def typical_kwh(item_class: str) -> Range | None:
    """Return makers' typical kWh a year of a class, (tenth, median, ninetieth percentile); None where none is held."""
    found = footprints().get("desktop" if item_class == "all_in_one" else item_class)
    if found is not None:
        return found.use_kwh
    row = watts_of(item_class, AVERAGE)
    # What is our own reading is nobody's typical year.
    return (
        None
        if row is None or row.basis == "ours"
        else Range(*(watts * _HOURS_A_YEAR / 1000 for watts in row.watts))
    )


def _of_class(
    kind: str,
    some: Sequence[_Items],
    parts: Sequence[tuple[str, int, int]],
    use: Mapping[str, Mapping[str, Sequence[int]]],
) -> tuple[Range | None, str, str]:
    if kind == "monitor" and any(use.values()):
        found = [0.0, 0.0, 0.0]
        for name, begin, end in parts:
            for one in some:
                seconds = max(min(end, one.until) - max(begin, one.since), 0) * one.number
                for at, drawn in enumerate(_monitor_watts(use.get(name, {}), one.site)):
                    found[at] += drawn * seconds
        return Range(*found), "modelled", "on while the computers of its site were in use, asleep otherwise"
    watts = _average(kind)
    if watts is None:
        return None, "", "nobody publishes watts for it"
    begin, end = parts[0][1], parts[-1][2]
    whole = sum(max(min(end, one.until) - max(begin, one.since), 0) * one.number for one in some)
    row = watts_of(kind, AVERAGE)
    known = "makers' typical year" if row is None else f"{row.basis}: {row.note}"
    return Range(*(one * whole for one in watts)), "assumed", known


def _average(kind: str) -> Range | None:
    """Return mean watts over all hours: of the table, else of makers' typical year."""
    if (row := watts_of(kind, AVERAGE)) is not None:
        return row.watts
    year = typical_kwh(kind)
    return None if year is None else Range(*(kwh * JOULES_PER_KWH / _YEAR_SECONDS for kwh in year))


def _monitor_watts(told: Mapping[str, Sequence[int]], site: int | None) -> Range:
    """Return mean watts of a monitor: whether it is dark while its computer is on and unused nobody knows."""
    on, dark, off = (watts_of("monitor", state) for state in ("in_use", "asleep", "off"))
    used, average = use_of(told, site), _average("monitor")
    if used is None or on is None or dark is None or off is None:
        return average or _NOTHING
    return Range(
        used.in_use * on.watts.low + used.unused * dark.watts.low + used.rest * off.watts.low,
        used.in_use * on.watts.likely + (used.unused + used.rest) * dark.watts.likely,
        (used.in_use + used.unused) * on.watts.high + used.rest * dark.watts.high,
    )


def _use(connection: Connection, names: Iterable[str]) -> dict[str, Mapping[str, Sequence[int]]]:
    """Return {month: use by site} as the ledger kept it."""
    wanted = {f"{FIGURE}.{name}": name for name in names}
    content = book_figures.c.content
    query = select(book_figures.c.name, content["use"].label("use")).where(book_figures.c.name.in_(wanted))
    return {wanted[row.name]: row.use or {} for row in connection.execute(query)}


def _items(connection: Connection, scope: Scope, first: int, last: int, zone: str) -> dict[str, list[_Items]]:
    """Return {kind: items with no device linked} that were there between two instants."""
    linked = select(register_devices.c.item).where(register_devices.c.valid_to.is_(None))
    columns = [register_items.c[name] for name in ("kind", "site", "purchased", "disposed_on")]
    query = select(*columns, func.count().label("items")).where(
        register_items.c.lifecycle_state.in_((*IN_USE, "disposed")), register_items.c.id.not_in(linked)
    )
    if scope is not None:
        query = query.where(register_items.c.unit.in_(sorted(scope)))
    found: dict[str, Counter[tuple[int | None, int, int]]] = {}
    instants: dict[str, int] = {}

    def at(text: str | None, otherwise: int) -> int:
        if text is None:
            return otherwise
        if text not in instants:
            instants[text] = local_day(dt.date.fromisoformat(text), zone).start
        return min(max(instants[text], first), last)

    # Items that are gone and nobody noted when say nothing of a year.
    gone = register_items.c.lifecycle_state == "disposed"
    query = query.where(~gone | register_items.c.disposed_on.is_not(None)).group_by(*columns)
    for row in connection.execute(query):
        since, until = at(row.purchased, first), at(row.disposed_on, last)
        if since < until:
            found.setdefault(row.kind, Counter())[row.site, since, until] += row.items
    return {kind: [_Items(*key, count) for key, count in some.items()] for kind, some in found.items()}


def _alone(connection: Connection, scope: Scope) -> Counter[str]:
    """Return {kind: devices linked to no item}: each may be one of the register's items."""
    linked = select(register_devices.c.device).where(register_devices.c.valid_to.is_(None))
    query = (
        select(devices.c.device_class, func.count().label("number"))
        .where(devices.c.retired_at.is_(None), devices.c.id.not_in(linked))
        .group_by(devices.c.device_class)
    )
    if scope is not None:
        query = query.where(devices.c.unit.in_(sorted(scope)))
    found: Counter[str] = Counter()
    for row in connection.execute(query):
        found[_KIND_OF_CLASS.get(row.device_class, row.device_class)] += row.number
    return found
