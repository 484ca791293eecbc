"""Group commit: many requests, one transaction, and nobody is answered before it is on the disk.

A commit costs a wait for the disk, whatever it holds. So requests put their reports into a queue, one thread takes
all that wait, writes them in one transaction and answers them together. While the disk is busy the next group
gathers by itself: no delay is added when little is going on.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import EnvelopeError, StoreError
from roadworthy_collector.ingest.batch import Incoming, Outcome, write_reports
from roadworthy_collector.ingest.latest import UnknownDeviceError
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.faults import goes_once_more, is_database_fault

__all__ = ["Incoming", "Outcome", "Writer", "write_reports"]

GROUP_REPORTS = 256
GROUP_ITEMS = 5000  # keeps a transaction, and so everybody's wait for the lock, short
RETRY_AFTER_SECONDS = (5, 60)  # spread, so that those turned away do not come back together

_log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """A report in the queue and who waits for it."""

    incoming: Incoming
    answer: asyncio.Future[Outcome]

    @property
    def items(self) -> int:
        """How much work it is."""
        report = self.incoming.report
        lists = (report.periods, report.days, report.startups, report.signins, report.gaps)
        return 1 + sum(map(len, lists))


Result = Outcome | EnvelopeError


class Writer:
    """The only thing in a serving process that writes reports."""

    def __init__(self, engine: Engine, settings: Settings, clock: Callable[[], float], stats: Stats) -> None:
        self.stats = stats
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(settings.queue_reports)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._failing = False

    @property
    def alive(self) -> bool:
        """Whether reports are being written; what a readiness check asks."""
        return self._thread is not None and self._thread.is_alive()

    async def start(self) -> None:
        """Start the writing thread."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Take nothing more, write what waits, and end the thread."""
        self._stopping = True
        if self._thread is not None and self._thread.is_alive():
            await asyncio.to_thread(self._queue.put, None)
            await asyncio.to_thread(self._thread.join)

    async def submit(self, incoming: Incoming) -> Outcome:
        """Return what became of a report once it is durable.

        Raises EnvelopeError `busy` (503, with a jittered Retry-After) if the queue is full or the database cannot
        be written.
        """
        if self._stopping or not self.alive:
            raise busy("the collector is stopping or cannot write")
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Waiting(incoming, answer))
        except queue.Full:
            raise busy(f"{self._settings.queue_reports} reports are waiting already") from None
        self.stats.queued += 1
        try:
            return await answer
        finally:
            self.stats.queued -= 1

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write group after group until told to stop."""
        group: list[_Waiting] = []
        stop = False
        try:
            while not stop:
                group, stop = self._gather()
                if group:
                    loop.call_soon_threadsafe(_answer, group, self._write(group))
        finally:
            # Past a fault of this program nobody may be left waiting for an answer that never comes.
            while not self._queue.empty():
                if (waiting := self._queue.get_nowait()) is not None:
                    group.append(waiting)
            ended: list[Result] = [busy("the writer has ended") for _ in group]
            loop.call_soon_threadsafe(_answer, group, ended)

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """Wait for a report and take what else is there; also say whether the end was reached."""
        group: list[_Waiting] = []
        items = 0
        waiting = self._queue.get()
        while waiting is not None:
            group.append(waiting)
            items += waiting.items
            if len(group) >= GROUP_REPORTS or items >= GROUP_ITEMS:
                break
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
        return group, waiting is None

    def _write(self, group: list[_Waiting], attempts: int = 3) -> list[Result]:
        """Write a group in one transaction.

        If that fails because of a report, each is written in its own, so that only the cause fails. If the database
        is at fault all are turned away at once: one after another would each wait for the lock as long again.
        """
        try:
            return [*self._commit([waiting.incoming for waiting in group])]
        except Exception as error:  # noqa: BLE001 - a report this program trips over must not end everybody's writing
            if goes_once_more(error) and attempts > 1:
                return self._write(group, attempts - 1)
            if len(group) > 1 and not is_database_fault(error):
                return [result for waiting in group for result in self._write([waiting])]
            if isinstance(error, UnknownDeviceError):
                return [EnvelopeError(401, "unknown", str(error), field="authorization")]
            if not isinstance(error, SQLAlchemyError | OverflowError | StoreError):
                device = group[0].incoming.device
                _log.exception("a report of device %s cannot be written: a fault of this program", device)
                return [busy("the collector cannot write this report")]
            if not self._failing:  # said once when it begins, and once when it is over
                _log.warning("reports cannot be written: %s", error)
            self._failing = True
            return [busy(f"the database cannot be written: {type(error).__name__}") for _ in group]

    def _commit(self, group: list[Incoming]) -> list[Outcome]:
        """Write and commit a group."""
        began = time.perf_counter()
        with write_transaction(self._engine) as connection:
            outcomes = write_reports(
                connection,
                group,
                self._clock(),
                retention_days=self._settings.half_hour_retention_days,
                interval_seconds=self._settings.report_interval_seconds,
                relay=self._settings.is_relay,
            )
        self.stats.commit_seconds.observe(time.perf_counter() - began)
        self.stats.committed_reports += len(group)
        if self._failing:
            self._failing = False
            _log.warning("reports are written again")
        return outcomes


def busy(why: str) -> EnvelopeError:
    """Return the answer to a report that cannot be taken now."""
    wait = random.randint(*RETRY_AFTER_SECONDS)  # noqa: S311 - spreads load, hides nothing
    return EnvelopeError(503, "busy", f"{why}; try again in {wait} s", retry_after_seconds=wait)


def _answer(group: list[_Waiting], results: list[Result]) -> None:
    """Wake those who wait; runs in the event loop."""
    for waiting, result in zip(group, results, strict=True):
        if waiting.answer.done():  # its client is gone
            continue
        if isinstance(result, EnvelopeError):
            waiting.answer.set_exception(result)
        else:
            waiting.answer.set_result(result)
