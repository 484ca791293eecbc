"""Writes start-ups and sign-ins: a higher revision replaces until one is final.

The first final revision is counted, once and for ever, in the histograms Prometheus sees; wake-ups from sleep are
kept and shown but not counted there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table, select

from roadworthy_collector.ingest.groups import Members
from roadworthy_collector.ingest.history import content_hash
from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.ingest.wire import Signin, Startup
from roadworthy_collector.store.merge import Merge
from roadworthy_collector.store.queries.states import WAKE_KIND
from roadworthy_collector.store.schema import histograms, signins, startups
from roadworthy_collector.store.statements import Bulk, BulkUpsert, Lookup, json_text

# Upper bounds in seconds. Names are for ever in Prometheus, and so are these.
BUCKETS = (
    *(5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0),
    *(900.0, 1800.0, 3600.0, 7200.0, float("inf")),
)
# A sign-in with a cached profile takes seconds.
SIGNIN_BUCKETS = (1.0, 2.0, 3.0, *BUCKETS)
Key = tuple[int, str]  # device row id, start_id or signin_id
_BOUNDS = {"startup_seconds": BUCKETS, "signin_seconds": SIGNIN_BUCKETS}


_FIRST = Lookup(
    select(histograms.c.metric, histograms.c.grouping, histograms.c.member),
    *histograms.primary_key.columns,
)
_EMPTY = Bulk(histograms)
_ADDED = Merge(histograms, {"count": "{held} + {new}", "sum": "{held} + {new}"})
_STARTUPS, _SIGNINS = BulkUpsert(startups), BulkUpsert(signins)


def _held(table: Table, name: str, when: str) -> Lookup:
    """Return what reads what is held of records: both parts of the key, and what _changes looks at."""
    key = (table.c.device, table.c[name])
    return Lookup(select(*key, table.c.revision, table.c.final, table.c.content_hash, table.c[when]), *key)


_HELD_STARTUPS = _held(startups, "start_id", "started_at")
_HELD_SIGNINS = _held(signins, "signin_id", "day")


class Histograms:
    """Collects durations by group and adds them to the persisted histograms."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], dict[float, tuple[int, float]]] = {}

    def observe(self, metric: str, members: Members, seconds: float) -> None:
        """Count one duration in every group of a device."""
        bounds = _BOUNDS[metric]
        bucket = bounds[bisect_left(bounds, seconds)]
        for grouping, member in zip(Members._fields, members, strict=True):
            buckets = self._found.setdefault((metric, grouping, member[:256]), {})
            count, total = buckets.get(bucket, (0, 0.0))
            buckets[bucket] = (count + 1, total + seconds)

    def write(self, connection: Connection) -> None:
        """Add what was found; a member seen for the first time gets all its buckets."""
        if not self._found:
            return
        known = {
            tuple(row) for row in _FIRST.rows(connection, [(*key, _BOUNDS[key[0]][0]) for key in self._found])
        }
        new = sorted(self._found.keys() - known)
        # In one order everywhere: on PostgreSQL each row is locked until the end.
        _EMPTY.insert(connection, [(*key, bucket, 0, 0.0) for key in new for bucket in _BOUNDS[key[0]]])
        rows = [
            (*key, bucket, count, total)
            for key, buckets in sorted(self._found.items())
            for bucket, (count, total) in sorted(buckets.items())
        ]
        _ADDED.write(connection, rows)


class _Change(NamedTuple):
    """A record that replaces what was held: its hash, when the held one was (None if new), whether first final."""

    device: int
    record: Any
    content_hash: bytes
    before: float | None
    first_final: bool


def write_startups(
    connection: Connection,
    found: Sequence[tuple[int, Startup]],
    members: Mapping[int, Members],
    tally: Tally,
    histogram: Histograms,
) -> None:
    """Write start-ups, given as (device row id, start-up); `members` names each device's groups."""
    wanted = [(device, startup.start_id) for device, startup in found]
    held = _HELD_STARTUPS.rows(connection, wanted)
    changes = _changes("startup", wanted, found, held, tally)
    rows = {}
    for change in changes:
        startup: Startup = change.record
        tally.mark_dirty(change.device, startup.started_at)
        if change.before is not None:  # a corrected clock may have moved it to another day
            tally.mark_dirty(change.device, change.before)
        counted = change.first_final and startup.kind != WAKE_KIND
        if counted and startup.total_seconds is not None:
            histogram.observe("startup_seconds", members[change.device], startup.total_seconds)
        rows[change.device, startup.start_id] = _startup_row(change, tally.vocabulary)
    _STARTUPS.write(connection, list(rows.values()))


def write_signins(
    connection: Connection,
    found: Sequence[tuple[int, Signin]],
    members: Mapping[int, Members],
    tally: Tally,
    histogram: Histograms,
) -> None:
    """Write sign-ins, given as (device row id, sign-in); `members` names each device's groups, small ones as `other`."""
    wanted = [(device, signin.signin_id) for device, signin in found]
    held = _HELD_SIGNINS.rows(connection, wanted)
    changes = _changes("signin", wanted, found, held, tally)
    rows = {}
    for change in changes:
        signin: Signin = change.record
        if change.first_final and signin.total_seconds is not None:
            histogram.observe("signin_seconds", members[change.device], signin.total_seconds)
        rows[change.device, signin.signin_id] = _signin_row(change, tally.vocabulary)
    _SIGNINS.write(connection, list(rows.values()))


def _changes(
    item: str,
    wanted: Sequence[Key],
    found: Sequence[tuple[int, Any]],
    rows: Sequence[Any],
    tally: Tally,
) -> list[_Change]:
    """Return what of `found` replaces what is held, in order; the same revision with other content is a conflict.

    `wanted` are the keys of `found`, `rows` what is held of them.
    """
    held: dict[Key, tuple[Any, ...]] = {(row[0], row[1]): tuple(row[2:]) for row in rows}
    changes = []
    for place, (device, record) in zip(wanted, found, strict=True):
        revision, final, hashed, before = held.get(place, (0, False, b"", None))
        new_hash = content_hash(record)
        if record.revision == revision and new_hash != hashed:
            tally.conflict(item)
        if record.revision <= revision or final:
            continue
        changes.append(_Change(device, record, new_hash, before, first_final=record.final))
        when = record.started_at if isinstance(record, Startup) else record.day
        held[place] = (record.revision, record.final, new_hash, when)
    return changes


def _startup_row(change: _Change, vocabulary: Vocabulary) -> tuple[Any, ...]:
    """Return the row of `startups`, in the order of its columns."""
    startup: Startup = change.record
    read = vocabulary.read
    return (
        *(change.device, startup.start_id, startup.revision, startup.final),
        *(read("startup.kind", startup.kind), read("startup.environment", startup.environment)),
        *(startup.started_at, startup.total_seconds, startup.usable_seconds, startup.shutdown_seconds),
        *(startup.attended, read("startup.quality", startup.quality), startup.reason, startup.source),
        *(json_text(_phases(startup, vocabulary)), json_text(_factors(startup, vocabulary))),
        change.content_hash,
    )


def _signin_row(change: _Change, vocabulary: Vocabulary) -> tuple[Any, ...]:
    """Return the row of `signins`, in the order of its columns."""
    signin: Signin = change.record
    quality = vocabulary.read("signin.quality", signin.quality)
    record = msgspec.to_builtins(signin) | {
        "quality": quality,
        "phases": _phases(signin, vocabulary),
        "factors": _factors(signin, vocabulary),
    }
    for field in ("credentials", "connection"):
        if field in record:
            record[field] = vocabulary.read(f"signin.{field}", record[field])
    return (
        *(change.device, signin.signin_id, signin.revision, signin.final, signin.day),
        *(signin.total_seconds, signin.usable_seconds, quality, json_text(record), change.content_hash),
    )


def _phases(record: Startup | Signin, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Return the phases as on the wire, with `counted` always said."""
    phases = [{**msgspec.to_builtins(phase), "counted": phase.counted} for phase in record.phases]
    for phase in phases:
        if "quality" in phase:
            phase["quality"] = vocabulary.read("phase.quality", phase["quality"])
    return phases


def _factors(record: Startup | Signin, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """Return the contributing factors as on the wire."""
    factors: list[dict[str, Any]] = msgspec.to_builtins(record.factors)
    for factor in factors:
        factor["kind"] = vocabulary.read("factor.kind", factor["kind"])
    return factors
