"""What one run of a job works with: the engine, the clock, and write transactions that are measured and kept short."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, Engine

from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction

# While a job holds the write lock every report waits for its acknowledgement.
LIMIT_SECONDS = 0.05
# Aimed at: a disk that is suddenly slower still stays under the limit.
_TARGET_SECONDS = 0.015

T = TypeVar("T")


@dataclass
class Work:
    """One run: `longest_transaction_seconds` is None until something was written."""

    engine: Engine
    settings: Settings
    clock: Callable[[], float] = time.time
    stop: threading.Event = field(default_factory=threading.Event)
    monotonic: Callable[[], float] = time.perf_counter
    longest_transaction_seconds: float | None = None
    longest_read_seconds: float | None = None  # of those asked for by `reading`
    rested_seconds: float = 0.0
    rests: bool = True

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for one of many reads: a short transaction, and as long a rest as it took after it.

        A database keeps what a long transaction may still read, and a long pass would hold a processor.
        """
        with self.engine.connect() as connection:
            began = self.monotonic()
            yield connection
        elapsed = self.monotonic() - began
        self.longest_read_seconds = max(self.longest_read_seconds or 0.0, elapsed)
        if self.rests:
            self.stop.wait(elapsed)
            self.rested_seconds += elapsed

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a write transaction; measured from holding the lock until the commit is on disk."""
        with write_transaction(self.engine) as connection:
            began = self.monotonic()
            yield connection
        self._measured(self.monotonic() - began)

    def batches(self, step: Callable[[Connection, int], int], *, first: int = 8, most: int = 5000) -> int:
        """Call `step(connection, limit)` in one short transaction after another until it does nothing.

        `step` does at most `limit` things and returns how many it did. The limit follows what the transactions
        take. After each one the job keeps off the lock as long as it held it. Ends early when the collector
        stops. Returns how many things were done.
        """
        limit, done = first, 0
        while not self.stop.is_set():
            with write_transaction(self.engine) as connection:
                began = self.monotonic()
                count = step(connection, limit)
            elapsed = self.monotonic() - began
            if not count:
                break
            self._measured(elapsed)
            done += count
            limit = max(1, min(most, limit * 2, int(limit * _TARGET_SECONDS / max(elapsed, 1e-6))))
            self.stop.wait(elapsed)
        return done

    def for_each(
        self, items: Sequence[T], step: Callable[[Connection, Sequence[T]], None], *, first: int = 8
    ) -> int:
        """Call `step(connection, some)` with all `items`, in pieces, in short transactions; see `batches`.

        For work found by a slow question: that is asked before, outside the lock.
        """
        done = 0

        def next_piece(connection: Connection, limit: int) -> int:
            nonlocal done
            if piece := items[done : done + limit]:
                step(connection, piece)
                done += len(piece)
            return len(piece)

        return self.batches(next_piece, first=first) if items else 0

    def _measured(self, seconds: float) -> None:
        self.longest_transaction_seconds = max(self.longest_transaction_seconds or 0.0, seconds)
