"""From rows of the queue to requests: what is sent, in which order, and what is let go of unsent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from roadworthy_collector.remote_write.facts import Facts
from roadworthy_collector.remote_write.held import Held
from roadworthy_collector.remote_write.series import Live, Row, apply, end_others, samples_of


@dataclass
class Batch:
    """Rows to send, late ones apart; `unsent` are numbers of rows with nothing to send, `pruned` without facts."""

    late: list[Row] = field(default_factory=list)
    fresh: list[Row] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)
    pruned: list[int] = field(default_factory=list)


def plan(waiting: Sequence[Any], facts: Mapping[int, Facts], held: Mapping[str, Held]) -> Batch:
    """Sort rows of the queue (`queue.read`) into a batch.

    Late is what is older than the newest instant the receiver has of the device: it may refuse such a sample, and
    then only late ones stand in that request. Both are in order of time over all devices, hence in every series.
    """
    batch = Batch()
    after: dict[str, tuple[int, Live]] = {
        device_id: (one.newest, {key: list(value) for key, value in one.live.items()})
        for device_id, one in held.items()
    }
    for found in sorted(waiting, key=lambda row: (row.start + row.length_seconds, row.device_id)):
        known = facts.get(found.seq)
        if known is None:
            batch.pruned.append(found.seq)
            continue
        row = Row(found.seq, found.device_id, found.start, found.length_seconds, samples_of(known))
        if not row.samples or not _may_be_sent(found):
            batch.unsent.append(found.seq)
            continue
        newest, live = after[row.device_id]
        row.late = row.end * 1000 <= newest
        if row.late:
            batch.late.append(row)
            continue
        end_others(row, live)
        apply(row, live)
        batch.fresh.append(row)
    return batch


def pieces(rows: Sequence[Row], max_samples: int) -> Iterator[list[Row]]:
    """Yield rows in pieces of at most `max_samples` samples; a row is never divided."""
    piece: list[Row] = []
    size = 0
    for row in rows:
        if piece and size + row.count > max_samples:
            yield piece
            piece, size = [], 0
        piece.append(row)
        size += row.count
    if piece:
        yield piece


def _may_be_sent(found: Any) -> bool:
    """Whether the device's half-hour is for others: not of a restricted site, nor of after it left the service."""
    if found.restricted:
        return False
    return found.retired_at is None or found.start + found.length_seconds <= found.retired_at
