"""What a group of reports leaves beside the facts: days to roll up again, counts, refused items."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from roadworthy_collector.carbon import asked
from roadworthy_collector.ingest.decode import Refused
from roadworthy_collector.ingest.validate import DAY_SECONDS
from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.security.holds import held_devices
from roadworthy_collector.store.merge import Merge
from roadworthy_collector.store.schema import counters, dirty, quarantine
from roadworthy_collector.store.statements import insert_or_ignore, upsert
from roadworthy_inventory.calendar import utc_date

KEPT_PER_DEVICE = 200  # refused items of a device; the newest stay
# Under a legal hold the oldest stay too; past this nothing more is kept, because an agent chooses how much it sends.
KEPT_PER_HELD_DEVICE = 5000
UNKEPT = "unkept"  # counter of refused items of a held device past that, by code
MAX_LABELS = 256  # different labels of one counter; agents choose the words, so there must be an end
MORE = "(more)"
# Locks a mark that is there: a roll-up that has not seen this transaction's facts must not take it away.
_DIRTY = Merge(dirty, {})


class Tally:
    """Collects while a group is read, then writes once."""

    def __init__(self, oldest_day: int, now: float) -> None:
        self.vocabulary = Vocabulary()
        self.now = now  # when the group is taken, epoch seconds
        self.oldest_day = oldest_day  # midnight UTC
        self._back_to: float | None = None
        self._counts: Counter[tuple[str, str]] = Counter()
        self._dirty: set[tuple[int, int]] = set()
        self._refused: list[tuple[int, Refused]] = []

    def mark_dirty(self, device: int, begin: float, end: float | None = None) -> None:
        """Have the UTC days from `begin` to `end` (exclusive) of a device rolled up again.

        Days whose half-hours are no longer kept are left alone: rolled up again they would lose what was booked.
        """
        first = max(int(begin) // DAY_SECONDS * DAY_SECONDS, self.oldest_day)
        last = int(begin) if end is None else int(end) - 1
        self._dirty.update((device, day) for day in range(first, last + 1, DAY_SECONDS))

    def reach_back(self, begin: float) -> None:
        """Have months made anew from `begin` to the days that are rolled up again, for a fact told that late."""
        self._back_to = begin if self._back_to is None else min(begin, self._back_to)

    def count(self, name: str, label: str) -> None:
        """Count something that is kept in the database under `name`."""
        self._counts[name, label] += 1

    def conflict(self, item: str) -> None:
        """Count an item that came again with other content; the first is kept."""
        self._counts["conflict", item] += 1

    def refuse(self, device: int, refused: Refused) -> None:
        """Count a refused item and keep it for a person to look at."""
        self._counts["rejected", refused.answer.code] += 1
        self._refused.append((device, refused))

    def write(self, connection: Connection, now: int) -> None:
        """Write everything collected."""
        _DIRTY.write(connection, [(*key, now) for key in sorted(self._dirty)])
        if self._back_to is not None:
            # A local day reaches into two UTC days.
            first = utc_date(self._back_to) - timedelta(days=1)
            asked.ask_late(connection, first, utc_date(self.oldest_day), now)
        for (field, word), times in self.vocabulary.unknown.items():
            self._counts["unknown_enum", f"{field}={word}"[:128]] += times
        if self._refused:
            for code in _quarantine(connection, self._refused, now):
                self._counts[UNKEPT, code] += 1
        if self._counts:
            _count(connection, self._counts)


def _count(connection: Connection, counts: Counter[tuple[str, str]]) -> None:
    """Add to the counters; labels past the limit of a counter are added to `(more)`."""
    names = {name for name, _ in counts}
    known: dict[str, set[str]] = {name: set() for name in names}
    query = select(counters.c.name, counters.c.label).where(counters.c.name.in_(names))
    for name, label in connection.execute(query):
        known[name].add(label)
    rows: Counter[tuple[str, str]] = Counter()
    for (name, label), value in counts.items():
        if label not in known[name] and len(known[name]) >= MAX_LABELS:
            rows[name, MORE] += value
        else:
            known[name].add(label)
            rows[name, label] += value
    connection.execute(
        upsert(counters, add=("value",)),
        # In one order everywhere: on PostgreSQL each row is locked until the end.
        [{"name": name, "label": label, "value": value} for (name, label), value in sorted(rows.items())],
    )


def _quarantine(connection: Connection, refused: list[tuple[int, Refused]], now: int) -> list[str]:
    """Keep refused items, each once, and let the oldest past the limit go; nothing goes of a device under a hold.

    Returns the codes of those a held device has no room for.
    """
    per_device: dict[int, list[dict[str, Any]]] = {}
    for device, (answer, content) in refused:
        row = {
            "device": device,
            "received_at": now,
            "item": answer.item,
            "key": "" if answer.key is None else str(answer.key)[:128],
            "code": answer.code,
            "field": None if answer.field is None else answer.field[:128],
            "content": content,
        }
        per_device.setdefault(device, []).append(row)
    under_hold = held_devices(connection, now)
    unkept: list[str] = []
    for device, rows in per_device.items():
        if device in under_hold:
            unkept += _keep_all(connection, device, rows)
        else:
            _keep_newest(connection, device, rows)
    return unkept


def _keep_newest(connection: Connection, device: int, rows: list[dict[str, Any]]) -> None:
    """Keep these refused items of a device, and of all it has the newest."""
    connection.execute(insert_or_ignore(quarantine), rows[-KEPT_PER_DEVICE:])
    if _kept(connection, device) > KEPT_PER_DEVICE:
        mine = quarantine.c.device == device
        newest = select(quarantine.c.id).where(mine).order_by(quarantine.c.id.desc()).limit(KEPT_PER_DEVICE)
        connection.execute(delete(quarantine).where(and_(mine, quarantine.c.id.not_in(newest))))


def _keep_all(connection: Connection, device: int, rows: list[dict[str, Any]]) -> list[str]:
    """Keep these refused items of a held device as far as there is room; return the codes of the rest."""
    room = max(0, KEPT_PER_HELD_DEVICE - _kept(connection, device))
    if room:
        connection.execute(insert_or_ignore(quarantine), rows[:room])
    return [row["code"] for row in rows[room:]]


def _kept(connection: Connection, device: int) -> int:
    """Return how many refused items of a device are kept."""
    query = select(func.count()).select_from(quarantine).where(quarantine.c.device == device)
    return connection.scalar(query) or 0
