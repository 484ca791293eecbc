"""What one run of a job works with: the engine, the clock, and write transactions that are measured and kept short."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, Engine

from roadworthy_collector.jobs.garbage import put_off
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction

# While a job holds the write lock every report waits for its acknowledgement.
LIMIT_SECONDS = 0.05
# Aimed at for a whole transaction, and for what is done in it before the commit waits for the disk: where either is
# suddenly slower it still stays under the limit. How long the disk takes is no reason to do next to nothing in each.
_TARGET_SECONDS = 0.03
_MOST_WORK_SECONDS, _LEAST_WORK_SECONDS = 0.015, 0.005
# What a slow piece makes of the next ones is forgotten by so much with each: it is rarely the only one.
_REMEMBERED = 0.5
# A piece is no smaller than this part of the one before: most of what takes very long was only not let run.
_SMALLER = 3
_LEAST_SHARE = 0.05  # of what a thing takes by itself in what it takes with its part of the transaction
# Two pieces are compared only where one is so much larger: between 79 things and 83 there is nothing but noise.
_APART = 1.5

T = TypeVar("T")


class _Pace:
    """How many things the next transaction may do, by what those before it took.

    What a transaction takes whatever it does is told from what each thing takes by doing more and doing less: without
    that a busy machine, on which a transaction of one thing takes as long as one of ten, would be left at one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._before: tuple[int, float] | None = None  # things and seconds of the last piece of another size
        self._last: tuple[int, float] | None = None
        self._each = self._fixed = self._slowest = 0.0

    def after(self, count: int, worked: float, committed: float) -> int:
        """Return the limit after a piece of `count` things that took `worked` seconds and `committed` to commit."""
        if self._last is not None and _apart(self._last[0], count):
            self._before = self._last
        self._last = count, worked
        whole = worked / count
        each = (worked - self._fixed) / count
        if self._before is not None and _apart(self._before[0], count):
            others, took = self._before
            each = (worked - took) / (count - others)
        self._each = min(whole, max(each, whole * _LEAST_SHARE, 1e-9))
        self._slowest = max(self._each, self._slowest * _REMEMBERED, 1e-9)
        self._fixed = worked - self._each * count
        room = min(_MOST_WORK_SECONDS, max(_LEAST_WORK_SECONDS, _TARGET_SECONDS - committed - self._fixed))
        fits = max(1, count // _SMALLER, min(count * 2, int(room / self._slowest)))
        return min(self._most, fits)


def _apart(one: int, other: int) -> bool:
    """Return whether two pieces differ enough in size to tell what a thing takes from what they took."""
    return max(one, other) >= _APART * min(one, other)


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
        with ExitStack() as held, write_transaction(self.engine) as connection:
            held.enter_context(put_off())
            began = self.monotonic()
            yield connection
        self._measured(self.monotonic() - began)

    def batches(self, step: Callable[[Connection, int], int], *, first: int = 8, most: int = 5000) -> int:
        """Call `step(connection, limit)` in one short transaction after another until it does nothing.

        `step` does at most `limit` things and returns how many it did. The limit follows what the transactions take
        (`_Pace`). After each one the job keeps off the lock as long
        as it held it. Ends early when the collector stops. Returns how many things were done.
        """
        limit, done, pace = first, 0, _Pace(most)
        while not self.stop.is_set():
            with ExitStack() as held:
                with write_transaction(self.engine) as connection:
                    held.enter_context(put_off())
                    began = self.monotonic()
                    count = step(connection, limit)
                    worked = self.monotonic() - began
                elapsed = self.monotonic() - began
            if not count:
                break
            self._measured(elapsed)
            done += count
            limit = pace.after(count, worked, elapsed - worked)
            if self.rests:
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
