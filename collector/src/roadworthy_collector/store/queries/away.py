"""How many half-hours of a device's local days lay in gaps that are no longer kept: by state, a month a row.

Gaps tell hours, so they go after `gap_retention_days`. Their half-hours, counted, stay as long as daily totals: a day's
account by state needs no more of them (`carbon/absences.py` lays both over the totals, `jobs/gaps.py` counts what goes).
Functions take a connection inside a transaction of the caller's and never commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, select

from roadworthy_collector.store.columns import pack_date
from roadworthy_collector.store.queries.local_totals import Devices, of_devices
from roadworthy_collector.store.schema import away_months, estate
from roadworthy_collector.store.statements import BulkUpsert, Lookup, upsert
from roadworthy_inventory.calendar import months

STATES = 3  # asleep, off, nobody knows which
MOST = 50  # half-hours of the longest day
_LENGTH = 31 * STATES
_PRUNED = "gaps_pruned_before"
_WHOLE_FROM = "gaps_whole_from"  # noted by migration 0014
_NOTHING = bytes(STATES)
_KEY = (away_months.c.month, away_months.c.device)
_HELD = Lookup(select(away_months), *_KEY)
_MONTHS = BulkUpsert(away_months)
Counts = tuple[int, int, int]  # half-hours asleep, off, nobody knows which


def read(connection: Connection, first: date, last: date, some: Devices) -> dict[tuple[int, date], Counts]:
    """Return {(device, local day): half-hours} from `first` to `last`, both included, of days that have any."""
    found: dict[tuple[int, date], Counts] = {}
    wanted = [date(*one, 1).isoformat() for one in months(first, last)]
    query = select(away_months.c.month, away_months.c.device, away_months.c.half_hours)
    query = of_devices(query.where(away_months.c.month.in_(wanted)), away_months, some)
    days = {month: _days(date.fromisoformat(month), first, last) for month in wanted}
    for row in connection.execute(query):
        packed: bytes = row.half_hours
        for at, day in days[row.month]:
            if (counts := packed[at : at + STATES]) != _NOTHING:
                found[row.device, day] = (counts[0], counts[1], counts[2])
    return found


def _days(month: date, first: date, last: date) -> list[tuple[int, date]]:
    """Return (place in the bytes, day) of the days of a month that lie from `first` to `last`."""
    found = []
    for number in range(1, 32):
        try:
            day = month.replace(day=number)
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


def pruned_before(connection: Connection) -> int:
    """Return the time before which ended gaps may be gone, epoch seconds; 0 if none ever went."""
    return _noted(connection, _PRUNED)


def set_pruned_before(connection: Connection, before: int) -> None:
    """Note, before the first gap that ended before then goes, that they are going."""
    connection.execute(upsert(estate), {"name": _PRUNED, "value": str(before)})


def whole_from(connection: Connection) -> int:
    """Return since when every gap counts, epoch seconds: 0, but where some went before they were counted."""
    return _noted(connection, _WHOLE_FROM)


def _noted(connection: Connection, name: str) -> int:
    value = connection.scalar(select(estate.c.value).where(estate.c.name == name))
    return 0 if value is None else int(value)
