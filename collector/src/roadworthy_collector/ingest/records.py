"""Writes start-ups and sign-ins: a higher revision replaces until one is final.

The first final revision is counted, once and for ever, in the histograms Prometheus sees; wake-ups from sleep are
kept and shown but not counted there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Connection

from roadworthy_collector.ingest.groups import Members
from roadworthy_collector.ingest.history import content_hash, held_rows
from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.ingest.wire import Signin, Startup
from roadworthy_collector.store.queries.states import WAKE_KIND
from roadworthy_collector.store.schema import histograms, signins, startups
from roadworthy_collector.store.statements import insert_or_ignore, upsert

# Upper bounds in seconds. Names are for ever in Prometheus, and so are these.
BUCKETS = (
    *(5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0),
    *(900.0, 1800.0, 3600.0, 7200.0, float("inf")),
)
# A sign-in with a cached profile takes seconds.
SIGNIN_BUCKETS = (1.0, 2.0, 3.0, *BUCKETS)
_BOUNDS = {"startup_seconds": BUCKETS, "signin_seconds": SIGNIN_BUCKETS}


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
        # In one order everywhere: on PostgreSQL each row is locked until the end.
        rows = [
            _histogram_row(key, bucket, count, total)
            for key, buckets in sorted(self._found.items())
            for bucket, (count, total) in sorted(buckets.items())
        ]
        empty = [
            _histogram_row(key, bucket, 0, 0.0) for key in sorted(self._found) for bucket in _BOUNDS[key[0]]
        ]
        connection.execute(insert_or_ignore(histograms), empty)
        connection.execute(upsert(histograms, add=("count", "sum")), rows)


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
    key = (startups.c.device, startups.c.start_id)
    changes = _changes(connection, found, key, startups.c.started_at, tally)
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
    if rows:
        connection.execute(upsert(startups), list(rows.values()))


def write_signins(
    connection: Connection,
    found: Sequence[tuple[int, Signin]],
    members: Mapping[int, Members],
    tally: Tally,
    histogram: Histograms,
) -> None:
    """Write sign-ins, given as (device row id, sign-in); `members` names each device's groups, small ones as `other`."""
    key = (signins.c.device, signins.c.signin_id)
    changes = _changes(connection, found, key, signins.c.day, tally)
    rows = {}
    for change in changes:
        signin: Signin = change.record
        if change.first_final and signin.total_seconds is not None:
            histogram.observe("signin_seconds", members[change.device], signin.total_seconds)
        rows[change.device, signin.signin_id] = _signin_row(change, tally.vocabulary)
    if rows:
        connection.execute(upsert(signins), list(rows.values()))


def _changes(
    connection: Connection,
    found: Sequence[tuple[int, Any]],
    key: tuple[Column[Any], Column[Any]],
    when: Column[Any],
    tally: Tally,
) -> list[_Change]:
    """Return what of `found` replaces what is held, in order; the same revision with other content is a conflict."""
    table, name = key[0].table, key[1].name
    columns = (table.c.revision, table.c.final, table.c.content_hash, when)
    wanted = [(device, getattr(record, name)) for device, record in found]
    held = {place: tuple(row) for place, row in held_rows(connection, key, columns, wanted).items()}
    changes = []
    for place, (device, record) in zip(wanted, found, strict=True):
        revision, final, hashed, before = held.get(place, (0, False, b"", None))
        new_hash = content_hash(record)
        if record.revision == revision and new_hash != hashed:
            tally.conflict(table.name.removesuffix("s"))
        if record.revision <= revision or final:
            continue
        changes.append(_Change(device, record, new_hash, before, first_final=record.final))
        held[place] = (record.revision, record.final, new_hash, getattr(record, when.name))
    return changes


def _startup_row(change: _Change, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the row of `startups`."""
    startup: Startup = change.record
    return {
        "device": change.device,
        "start_id": startup.start_id,
        "revision": startup.revision,
        "final": startup.final,
        "kind": vocabulary.read("startup.kind", startup.kind),
        "environment": vocabulary.read("startup.environment", startup.environment),
        "started_at": startup.started_at,
        "total_seconds": startup.total_seconds,
        "usable_seconds": startup.usable_seconds,
        "shutdown_seconds": startup.shutdown_seconds,
        "attended": startup.attended,
        "quality": vocabulary.read("startup.quality", startup.quality),
        "reason": startup.reason,
        "source": startup.source,
        "phases": _phases(startup, vocabulary),
        "factors": _factors(startup, vocabulary),
        "content_hash": change.content_hash,
    }


def _signin_row(change: _Change, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the row of `signins`."""
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
    return {
        "device": change.device,
        "signin_id": signin.signin_id,
        "revision": signin.revision,
        "final": signin.final,
        "day": signin.day,
        "total_seconds": signin.total_seconds,
        "usable_seconds": signin.usable_seconds,
        "quality": quality,
        "record": record,
        "content_hash": change.content_hash,
    }


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


def _histogram_row(key: tuple[str, str, str], bucket: float, count: int, total: float) -> dict[str, Any]:
    """Return a row of `histograms`."""
    metric, grouping, member = key
    return {
        "metric": metric,
        "grouping": grouping,
        "member": member,
        "bucket": bucket,
        "count": count,
        "sum": total,
    }
