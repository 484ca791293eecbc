"""When devices were off or asleep, as their gaps tell it: laid over the daily totals the energy ledger reads.

A device reports the half-hours it was on in, and when it starts again the gap since. Its daily totals hold the seconds
off and asleep of half-hours it was on in alone; the whole half-hours within a gap come from here, so that a night or a
week-end is accounted by its state. A gap of which nobody knows what the device was is unknown seconds.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.carbon.fed import STATES, FedDay
from roadworthy_collector.store.queries.local_totals import LocalTotal
from roadworthy_collector.store.schema import devices, gaps
from roadworthy_collector.store.slots import PERIOD_SECONDS
from roadworthy_inventory.calendar import Span, local_days

KINDS = ("asleep", "off")
Seconds = tuple[int, int, int]  # asleep, off, unknown which
Devices = int | tuple[int, int] | frozenset[int] | None
_NOTHING: Seconds = (0, 0, 0)


def read(connection: Connection, some: Devices, span: Span) -> Iterator[tuple[int, int, Span]]:
    """Yield (device, place in KINDS or their number for neither, whole half-hours within `span`) of gaps of devices.

    The half-hours at the edges of a gap tell their own seconds.
    """
    query = select(gaps.c.device, gaps.c.begin, gaps.c.end, gaps.c.kind)
    query = query.where(gaps.c.end > span.start, gaps.c.begin < span.end)
    if isinstance(some, tuple):
        query = query.where(gaps.c.device.between(*some))
    elif some is not None:
        query = query.where(gaps.c.device.in_([some] if isinstance(some, int) else sorted(some)))
    for device, begin, end, kind in connection.execute(query):
        first = max(-(-int(begin) // PERIOD_SECONDS) * PERIOD_SECONDS, span.start)
        last = min(int(end) // PERIOD_SECONDS * PERIOD_SECONDS, span.end)
        if first < last:
            yield device, KINDS.index(kind) if kind in KINDS else len(KINDS), Span(first, last)


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
    daily collection policy, have them already, and gaps may overlap. Of a day that is not over `now` nothing comes but
    its totals: the rest of it is to come, and not unknown.
    """
    days = dict(local_days(*between, zone))
    left = _by_day(connection, some, days)
    for total in totals:
        mine = left.pop((total.device, total.date), None)
        yield (
            total if mine is None else total._replace(values=with_gap(total.values, mine, total.span.seconds))
        )
    if not left:
        return
    ids = sorted({device for device, _ in left})
    places = _places(connection, ids)
    for (device, date), mine in sorted(left.items()):
        span = days[date]
        if device in places and (now is None or span.end <= now):
            nothing = FedDay(*places[device], 0, 0, 0, 0, 0, 0, 0, None, None)
            alone = with_gap(nothing, mine, span.seconds)
            left_over = span.seconds - alone.asleep_seconds - alone.off_seconds - alone.unobserved_seconds
            unknown = alone.unobserved_seconds + left_over
            yield LocalTotal(date, device, span, alone._replace(unobserved_seconds=unknown))


def _by_day(
    connection: Connection, some: Devices, days: Mapping[dt.date, Span]
) -> dict[tuple[int, dt.date], Seconds]:
    ordered = list(days.items())
    if not ordered:
        return {}
    found: dict[tuple[int, dt.date], Seconds] = defaultdict(lambda: _NOTHING)
    whole = Span(ordered[0][1].start, ordered[-1][1].end)
    for device, kind, cut in read(connection, some, whole):
        # Days of the clock are 23 to 25 hours, so one division is at most one day off.
        at = max((cut.start - whole.start) // 86_400 - 1, 0)
        while at < len(ordered) and ordered[at][1].start < cut.end:
            date, day = ordered[at]
            seconds = min(cut.end, day.end) - max(cut.start, day.start)
            if seconds > 0:
                held = found[device, date]
                found[device, date] = (*held[:kind], held[kind] + seconds, *held[kind + 1 :])  # type: ignore[assignment] # three again
            at += 1
    return found


def with_gap(row: Any, gap: Seconds, day_seconds: int) -> FedDay:
    """Return a day's totals with a gap's seconds, as many as the day has left."""
    told = {name: getattr(row, name) for name in FedDay._fields}
    left = max(day_seconds - sum(told[name] for name in STATES) - told["unobserved_seconds"], 0)
    for name, seconds in zip(("asleep_seconds", "off_seconds", "unobserved_seconds"), gap, strict=True):
        part = min(seconds, left)
        told[name] += part
        left -= part
    return FedDay(**told)


def _places(connection: Connection, ids: list[int]) -> dict[int, tuple[int, int]]:
    """Return {device: the site and unit it stands at}."""
    found: dict[int, tuple[int, int]] = {}
    for begin in range(0, len(ids), 500):
        query = select(devices.c.id, devices.c.site, devices.c.unit)
        query = query.where(devices.c.id.in_(ids[begin : begin + 500]))
        found |= {row.id: (row.site, row.unit) for row in connection.execute(query)}
    return found
