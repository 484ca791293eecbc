"""When devices were off or asleep, as their gaps tell it: laid over the daily totals the energy ledger reads.

A device reports the half-hours it was on in, and when it starts again the gap since. Its daily totals hold the seconds
off and asleep of half-hours it was on in alone; the whole half-hours within a gap come from here, so that a night or a
week-end is accounted by its state. A gap of which nobody knows what the device was is unknown seconds.

Gaps tell hours and are kept for less long than daily totals. Before they go their half-hours are counted by day
(`jobs/gaps.py`), and from then on the count stands for them: a day has the same seconds before and after.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, null, select, type_coerce, union_all

from roadworthy_collector.carbon.fed import FedDay
from roadworthy_collector.store.queries import away
from roadworthy_collector.store.queries.local_totals import Devices, LocalTotal, of_devices
from roadworthy_collector.store.schema import away_months, devices, gaps
from roadworthy_collector.store.slots import PERIOD_SECONDS
from roadworthy_inventory.calendar import Span, local_days

KINDS = ("asleep", "off")
Seconds = tuple[int, int, int]  # asleep, off, unknown which
DaySeconds = dict[tuple[int, dt.date], list[int]]  # the same of devices and local days
_IDS_PER_QUERY = 500
_MONTH, _HALF_HOURS = away_months.c.month, away_months.c.half_hours


def read(connection: Connection, some: Devices, span: Span) -> Iterator[tuple[int, int, Span]]:
    """Yield (device, place in KINDS or their number for neither, whole half-hours within `span`) of gaps of devices.

    The half-hours at the edges of a gap tell their own seconds. No half-hour of a device comes twice.
    """
    query = _held(some, span).order_by(gaps.c.device)
    for device, found in groupby(connection.execute(query), attrgetter("device")):
        for gap, cut in whole_half_hours(found, span):
            yield device, kind_of(gap), cut


def _held(some: Devices, span: Span) -> Select[Any]:
    query = select(gaps.c.device, gaps.c.begin, gaps.c.end, gaps.c.kind)
    return of_devices(query.where(gaps.c.end > span.start, gaps.c.begin < span.end), gaps, some)


def kind_of(gap: Any) -> int:
    """Return the place of a gap's state in KINDS, their number for neither."""
    return KINDS.index(gap.kind) if gap.kind in KINDS else len(KINDS)


def whole_half_hours(found: Iterable[Any], span: Span) -> Iterator[tuple[Any, Span]]:
    """Yield gaps of one device with the whole half-hours within `span` that are theirs, the last first.

    Where gaps overlap, the one that ends last has the half-hours: it is also the one that is kept longest, so of gaps
    held at the same time those counted before they go and those still read are never the same half-hours. One that
    comes when others are counted leaves those days alone (`ingest/late_gaps.py`).
    """
    taken_from = span.end
    for gap in sorted(found, key=attrgetter("end", "begin"), reverse=True):
        first = max(-(-int(gap.begin) // PERIOD_SECONDS) * PERIOD_SECONDS, span.start)
        last = int(gap.end) // PERIOD_SECONDS * PERIOD_SECONDS
        if first < min(last, taken_from):
            yield gap, Span(first, min(last, taken_from))
        if first < last:  # one within a half-hour has none to take
            taken_from = min(taken_from, first)


def over(
    connection: Connection,
    totals: Iterable[LocalTotal],
    some: Devices,
    between: tuple[dt.date, dt.date],
    zone: str,
    *,
    now: float | None = None,
) -> Iterator[LocalTotal]:
    """Yield daily totals of devices with the seconds of their gaps; days all within gaps come after the others.

    `between`: the first and last local day. No day gets more seconds than it has: totals of whole days, told under the
    daily collection policy, have them already. Of a day that is not over `now` nothing comes but its totals: the rest
    of it is to come, and not unknown.
    """
    days = dict(local_days(*between, zone))
    left = by_day(connection, some, days)
    for total in totals:
        date, device, span, values = total
        mine = left.pop((device, date), None)
        if mine is None:
            yield total
        else:
            yield LocalTotal(date, device, span, with_gap(values, mine, span.end - span.start))
    if not left:
        return
    places = _places(connection, sorted({device for device, _ in left}))
    for (device, date), mine in sorted(left.items()):
        span = days[date]
        if device in places and (now is None or span.end <= now):
            yield LocalTotal(date, device, span, _alone(places[device], mine, span.seconds))


def _alone(place: tuple[int, int], gap: Iterable[int], day_seconds: int) -> FedDay:
    """Return a day of which gaps alone tell; what they leave of it is unknown."""
    nothing = FedDay(*place, 0, 0, 0, 0, 0, 0, 0, None, None)
    found = with_gap(nothing, gap, day_seconds)
    unknown = day_seconds - found.asleep_seconds - found.off_seconds
    return found._replace(unobserved_seconds=unknown)


def by_day(connection: Connection, some: Devices, days: Mapping[dt.date, Span]) -> DaySeconds:
    """Return the seconds of gaps by device and day: of those counted before they went, and of those still held.

    `days` follow one another. One statement reads both: between two of them gaps could go from the one to the other,
    and be in neither.
    """
    found: DaySeconds = {}
    if not days:
        return found
    first, last = min(days), max(days)
    span = Span(days[first].start, days[last].end)
    for device, rows in groupby(
        connection.execute(_held_and_counted(some, span, first, last)), attrgetter("device")
    ):
        held = []
        for row in rows:
            if row.month is None:
                held.append(row)
                continue
            for day, counts in away.unpack(row.month, row.half_hours, first, last):
                found[device, day] = [count * PERIOD_SECONDS for count in counts]
        pieces = ((device, kind_of(gap), cut) for gap, cut in whole_half_hours(held, span))
        add_up(found, pieces, days)
    return found


def _held_and_counted(some: Devices, span: Span, first: dt.date, last: dt.date) -> CompoundSelect[Any]:
    """Return a query of gaps and of months of counted ones, by device; what the other kind has is null in each."""
    nothing = null()
    month, half_hours = (type_coerce(nothing, column.type) for column in (_MONTH, _HALF_HOURS))
    held = _held(some, span).add_columns(month.label("month"), half_hours.label("half_hours"))
    counted = away.months_between(first, last, some).with_only_columns(
        away_months.c.device, *(nothing.label(name) for name in ("begin", "end", "kind")), _MONTH, _HALF_HOURS
    )
    return union_all(held, counted).order_by("device")


def add_up(into: DaySeconds, pieces: Iterable[tuple[int, int, Span]], days: Mapping[dt.date, Span]) -> None:
    """Add half-hours as `read` yields them to the local days they lie in; `days` follow one another."""
    ordered = sorted(days.items())
    begin = ordered[0][1].start
    for device, kind, cut in pieces:
        # Days of the clock are 23 to 25 hours, so one division is at most one day off.
        at = max((cut.start - begin) // 86_400 - 1, 0)
        while at < len(ordered) and ordered[at][1].start < cut.end:
            date, day = ordered[at]
            seconds = min(cut.end, day.end) - max(cut.start, day.start)
            if seconds > 0:
                into.setdefault((device, date), [0, 0, 0])[kind] += seconds
            at += 1


def with_gap(row: Any, gap: Iterable[int], day_seconds: int) -> FedDay:
    """Return a day's totals with a gap's seconds (`Seconds`), as many as the day has left."""
    # Each by its name: of every day of every device, most are made here.
    in_use, idle, locked = row.in_use_seconds, row.idle_seconds, row.locked_seconds
    asleep, off, unknown = row.asleep_seconds, row.off_seconds, row.unobserved_seconds
    left = max(day_seconds - in_use - idle - locked - asleep - off - unknown, 0)
    gone_asleep, gone_off, gone_unknown = gap
    if gone_asleep + gone_off + gone_unknown > left:
        gone_asleep = min(gone_asleep, left)
        gone_off = min(gone_off, left - gone_asleep)
        gone_unknown = left - gone_asleep - gone_off
    asleep, off, unknown = asleep + gone_asleep, off + gone_off, unknown + gone_unknown
    return FedDay(
        row.site, row.unit, row.observed_seconds, in_use, idle, locked, asleep, off, unknown, row.cpu_mean_ratio, row.joules,
    )  # fmt: skip


def _places(connection: Connection, ids: list[int]) -> dict[int, tuple[int, int]]:
    """Return {device: the site and unit it stands at}."""
    found: dict[int, tuple[int, int]] = {}
    for begin in range(0, len(ids), _IDS_PER_QUERY):
        query = select(devices.c.id, devices.c.site, devices.c.unit)
        query = query.where(devices.c.id.in_(ids[begin : begin + _IDS_PER_QUERY]))
        found |= {row.id: (row.site, row.unit) for row in connection.execute(query)}
    return found
