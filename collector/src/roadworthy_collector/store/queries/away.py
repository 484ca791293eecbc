"""How many half-hours of a device's local days lay in gaps that are no longer kept: by state, a month a row.

Gaps tell hours, so they go after `gap_retention_days`. Their half-hours, counted, stay as long as daily totals: a day's
account by state needs no more of them (`carbon/absences.py` lays both over the totals, `jobs/gaps.py` counts what goes).
Functions take a connection inside a transaction of the caller's and never commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.queries.local_totals import Devices, of_devices
from roadworthy_collector.store.schema import away_months, estate
from roadworthy_collector.store.statements import BulkUpsert, Lookup, upsert
from roadworthy_inventory.calendar import months

STATES = 3  # asleep, off, nobody knows which
MOST = 50  # half-hours of the longest day
_LENGTH = 31 * STATES
_PRUNED = "gaps_pruned_before"
_KEPT_SECONDS = "gaps_kept_seconds"
_ZONE = "gaps_counted_zone"
_WHOLE_FROM = "gaps_whole_from"  # noted by migration 0014, and by the first pruning after it
_NOTHING = bytes(STATES)
_KEY = (away_months.c.month, away_months.c.device)
_HELD = Lookup(select(away_months), *_KEY)
_MONTHS = BulkUpsert(away_months)
Counts = tuple[int, int, int]  # half-hours asleep, off, nobody knows which


def read(connection: Connection, first: date, last: date, some: Devices) -> dict[tuple[int, date], Counts]:
    """Return {(device, local day): half-hours} from `first` to `last`, both included, of days that have any."""
    return {
        (row.device, day): counts
        for row in connection.execute(months_between(first, last, some))
        for day, counts in unpack(row.month, row.half_hours, first, last)
    }


def months_between(first: date, last: date, some: Devices) -> Select[Any]:
    """Return a query of device, month and half_hours (see `unpack`) of the months that have a day of these."""
    wanted = [date(*one, 1).isoformat() for one in months(first, last)]
    query = select(away_months.c.device, away_months.c.month, away_months.c.half_hours)
    return of_devices(query.where(away_months.c.month.in_(wanted)), away_months, some)


def unpack(month: str, packed: bytes, first: date, last: date) -> Iterator[tuple[date, Counts]]:
    """Yield the days of a month from `first` to `last`, both included, that have half-hours."""
    for at, day in _days(month, first, last):
        if (counts := packed[at : at + STATES]) != _NOTHING:
            yield day, (counts[0], counts[1], counts[2])


@lru_cache(maxsize=256)  # each device has a row of the same months
def _days(month: str, first: date, last: date) -> list[tuple[int, date]]:
    """Return (place in the bytes, day) of the days of a month that lie from `first` to `last`."""
    found, begin = [], date.fromisoformat(month)
    for number in range(1, 32):
        try:
            day = begin.replace(day=number)
        except ValueError:  # shorter months
            break
        if first <= day <= last:
            found.append((place_of(number), day))
    return found


def place_of(number: int) -> int:
    """Return where the bytes of a day of the month begin."""
    return (number - 1) * STATES


def empty() -> bytearray:
    """Return a month without any."""
    return bytearray(_LENGTH)


def add(connection: Connection, found: Mapping[tuple[int, date], Counts]) -> None:
    """Add half-hours of days to those held; no day gets more than the longest has.

    The devices' rows are locked by the caller, or one of two could overwrite what the other added.
    """
    rows: dict[tuple[int, int], bytearray] = defaultdict(empty)
    keys = sorted({(pack_date(day.replace(day=1).isoformat()), device) for device, day in found})
    for month, device, packed in _HELD.rows(connection, keys):
        rows[month, device][:] = bytes(packed)
    for (device, day), counts in found.items():
        row = rows[pack_date(day.replace(day=1).isoformat()), device]
        at = place_of(day.day)
        for state, more in enumerate(counts):
            row[at + state] = min(row[at + state] + more, MOST)
    _MONTHS.write(connection, [(*key, bytes(row)) for key, row in sorted(rows.items())])


class Pruned(NamedTuple):
    """What was noted when gaps went last; all nought while none ever did."""

    before: int = 0  # gaps that ended before that may be gone, epoch seconds: it never falls
    kept_seconds: int = 0  # how long gaps were kept then
    zone: str = "UTC"  # of the local days they are counted by

    def taken_from(self, now: float) -> int:
        """Return before when a gap must not have ended that is told `now`.

        A clock that was ahead once leaves a time to come in `before`: gaps kept as long as ever are taken all the same.
        """
        return min(self.before, int(now) - self.kept_seconds)


def pruned(connection: Connection) -> Pruned:
    """Return what was noted when gaps went last."""
    found = _noted(connection)
    return Pruned(
        int(found.get(_PRUNED, 0)), int(found.get(_KEPT_SECONDS, 0)), found.get(_ZONE, Pruned().zone)
    )


def set_pruned(connection: Connection, noted: Pruned) -> None:
    """Note, before the first gap that ended before `noted.before` goes, that they are going."""
    rows = {_PRUNED: str(noted.before), _KEPT_SECONDS: str(noted.kept_seconds), _ZONE: noted.zone}
    connection.execute(upsert(estate), [{"name": name, "value": value} for name, value in rows.items()])


def whole_from(connection: Connection) -> int:
    """Return since when every gap counts, epoch seconds: 0, but where some went before they were counted."""
    return int(_noted(connection).get(_WHOLE_FROM, 0))


def set_whole_from(connection: Connection, since: int) -> None:
    """Note that gaps that ended before `since` went uncounted."""
    connection.execute(upsert(estate), {"name": _WHOLE_FROM, "value": str(since)})


def _noted(connection: Connection) -> dict[str, str]:
    wanted = (_PRUNED, _KEPT_SECONDS, _ZONE, _WHOLE_FROM)
    rows = connection.execute(select(estate.c.name, estate.c.value).where(estate.c.name.in_(wanted)))
    return {row.name: row.value for row in rows}
