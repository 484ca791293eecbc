"""One run against the receiver: pieces are sent one after another, and what came of each is written at once.

What is acknowledged leaves the queue in the same transaction that notes what the receiver holds. A piece that was
taken without our hearing of it is sent again, with the same instants and values, which changes nothing there.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.remote_write import held, queue, sink
from roadworthy_collector.remote_write.answer import Answer, Verdict
from roadworthy_collector.remote_write.series import Labels, Row, apply, encode

Send = Callable[[bytes], Answer]
T = TypeVar("T")

_log = logging.getLogger(__name__)
# Rows let go of in one transaction; more would hold the lock for longer than a job may.
_ROWS_AT_ONCE = 200
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 300.0
# A receiver that refuses samples does so for hours; that is said once in them.
_SAID_SECONDS = 3600.0


class WaitError(Exception):
    """The receiver is not to be asked again for a while; the session has written until when."""


class Session:
    """Sends pieces to `host` by `send`, and keeps the books."""

    def __init__(
        self,
        work: Work,
        send: Send,
        labels: Labels,
        host: str,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.work = work
        self.sent = 0
        self._send = send
        self._labels = labels
        self._host = host
        self._uniform = uniform

    def deliver(self, rows: Sequence[Row]) -> None:
        """Send `rows`, in order of time, until each is taken or refused for good.

        A refused piece is halved by time until what is wrong stands alone; the rest is taken. Raises WaitError when
        the receiver wants a pause; what is not done by then stays in the queue. Ends early when the collector stops.
        """
        waiting = [list(rows)]
        while waiting and not self.work.stop.is_set():
            piece = waiting.pop()
            answer = self.post(encode(piece, self._labels))
            if answer.verdict is Verdict.TAKEN:
                self._taken(piece)
                continue
            self._failed(answer)
            if answer.verdict is Verdict.FAULTY:
                self._refused(piece, answer)
                self.pause(answer)
            if len(piece) == 1:
                self._refused(piece, answer)
                continue
            if answer.verdict is Verdict.OUT_OF_ORDER and all(row.late for row in piece):
                piece = self._older_than_newest(piece)
            half = (len(piece) + 1) // 2
            waiting += [part for part in (piece[half:], piece[:half]) if part]

    def post(self, message: bytes) -> Answer:
        """Send one message; raises WaitError if it is to be sent later."""
        answer = self._send(message)
        if answer.verdict is Verdict.LATER:
            self._failed(answer)
            self.pause(answer)
        return answer

    def pause(self, answer: Answer) -> None:
        """Write until when the receiver is left alone, longer each time, and raise WaitError."""
        now = self.work.clock()
        with self.work.write() as connection:
            row = sink.read_sink(connection)
            tries = 0 if row is None else row.tries
            wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(tries, 16))
            # Jitter only adds to what the receiver asked for: coming early is what it asked not to do.
            asked = answer.retry_after_seconds or 0.0
            until = now + max(asked * self._uniform(1.0, 1.1), wait * self._uniform(0.5, 1.0))
            since = row.failing_since if row is not None and row.failing_since is not None else now
            said = f"{answer.code} {answer.said}".strip()
            sink.update_sink(
                connection, tries=tries + 1, retry_at=until, failing_since=since, last_error=said
            )
        if since == now:
            _log.error("remote write to %s fails: %s; half-hours wait in the queue", self._host, said)
        raise WaitError

    def works(self) -> None:
        """Note that the receiver takes samples; said once after it did not."""
        now = self.work.clock()
        with self.work.write() as connection:
            row = sink.read_sink(connection)
            sink.update_sink(
                connection, last_success_at=now, tries=0, retry_at=None, failing_since=None, last_error=None
            )
        if row is not None and row.failing_since is not None:
            _log.warning("remote write to %s works again, after %.0f s", self._host, now - row.failing_since)

    def _older_than_newest(self, piece: list[Row]) -> list[Row]:
        """Return what is left of a late piece once its newest row was tried alone.

        A receiver takes late samples up to some age. Where it refuses the newest, all that is older is refused with
        it: three weeks of half-hours must not take a request each.
        """
        newest = piece[-1:]
        answer = self.post(encode(newest, self._labels))
        if answer.verdict is Verdict.TAKEN:
            self._taken(newest)
            return piece[:-1]
        self._failed(answer)
        if answer.verdict is Verdict.OUT_OF_ORDER:
            self._refused(piece, answer)
            return []
        self._refused(newest, answer)
        return piece[:-1]

    def _taken(self, piece: Sequence[Row]) -> None:
        """Note what the receiver holds now and let go of the rows, in short transactions."""
        now = int(self.work.clock())
        # Nobody else writes what is held, so it is read and worked out before the lock is taken.
        with self.work.engine.connect() as connection:
            known = held.read_held(connection, (row.device_id for row in piece))

        def take(connection: Connection, some: Sequence[Row]) -> None:
            for row in some:
                one = known[row.device_id]
                apply(row, one.live)
                one.newest = max(one.newest, row.end * 1000)
            queue.forget(connection, [row.seq for row in some])
            held.write_held(connection, {row.device_id: known[row.device_id] for row in some}, now)
            samples, markers = sum(len(row.samples) for row in some), sum(len(row.ended) for row in some)
            sink.count(connection, {(sink.SAMPLES, ""): samples, (sink.MARKERS, ""): markers})

        self._in_short_transactions(piece, take)
        self.sent += len(piece)
        self.works()

    def _in_short_transactions(
        self, items: Sequence[T], step: Callable[[Connection, Sequence[T]], None]
    ) -> None:
        """Call `step` with all `items` in pieces; not cut short when the collector stops, for there are few."""
        for begin in range(0, len(items), _ROWS_AT_ONCE):
            with self.work.write() as connection:
                step(connection, items[begin : begin + _ROWS_AT_ONCE])

    def _failed(self, answer: Answer) -> None:
        with self.work.write() as connection:
            sink.count(connection, {(sink.FAILED, answer.code): 1})

    def _refused(self, piece: Sequence[Row], answer: Answer) -> None:
        """Let go of what the receiver will not have; say so once."""
        self.let_go([row.seq for row in piece], "refused")
        now = self.work.clock()
        with self.work.write() as connection:
            row = sink.read_sink(connection)
            sink.update_sink(connection, refused_at=now)
        if row is None or row.refused_at is None or now - row.refused_at > _SAID_SECONDS:
            late = "late samples" if all(one.late for one in piece) else "samples"
            _log.warning(
                "remote write to %s: the receiver refuses %s for good (%s %s); they are dropped and counted in "
                "roadworthy_remote_write_dropped_periods_total. Late samples need a window for out-of-order "
                "samples there",
                self._host,
                late,
                answer.code,
                answer.said,
            )

    def let_go(self, seqs: Sequence[int], reason: str | None) -> None:
        """Take rows out of the queue unsent; counted as dropped where there is a reason for it."""

        def drop(connection: Connection, some: Sequence[int]) -> None:
            queue.forget(connection, some)
            if reason is not None:
                sink.count(connection, {(sink.DROPPED, reason): len(some)})

        self._in_short_transactions(seqs, drop)
