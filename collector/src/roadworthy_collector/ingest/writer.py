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
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import EnvelopeError, StoreError
from roadworthy_collector.ingest.access import Access, Standing
from roadworthy_collector.ingest.batch import Incoming, Outcome, write_reports
from roadworthy_collector.ingest.identities import Rules
from roadworthy_collector.ingest.latest import UnknownDeviceError
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.ingest.tripping import Tripping
from roadworthy_collector.ingest.wire import Report
from roadworthy_collector.logs import Failing
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.faults import (
    goes_once_more,
    is_database_fault,
    is_lost_reference,
    is_refused_row,
    is_refused_value,
    rule_of,
)
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.slots import PERIOD_SECONDS

__all__ = ["Incoming", "Outcome", "Writer", "write_reports"]

GROUP_REPORTS = 256
GROUP_ITEMS = 5000  # keeps a transaction, and so everybody's wait for the lock, short
RETRY_AFTER_SECONDS = (5, 60)  # spread, so that those turned away do not come back together

_log = logging.getLogger(__name__)

Result: TypeAlias = Outcome | EnvelopeError


class _Waiting(NamedTuple):
    """A report in the queue, the id of the token it came with, and what to call with its result."""

    incoming: Incoming
    token: str | None
    done: Callable[[Result], None]

    @property
    def items(self) -> int:
        """How much work it is."""
        report = self.incoming.report
        lists = (report.periods, report.days, report.startups, report.signins, report.gaps)
        return 1 + sum(map(len, lists))


class Writer:
    """The only thing in a serving process that writes reports.

    With `access` the token each report came with is looked at again in the transaction that writes it.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        clock: Callable[[], float],
        stats: Stats,
        access: Access | None = None,
    ) -> None:
        self.stats = stats
        self._engine = engine
        self._settings = settings
        self._access = access
        self._rules = Rules.of(settings)
        self._clock = clock
        # Without a bound of its own: `put` counts, and only the event loop puts.
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._tripping = Tripping(clock)
        self._failing = Failing(
            _log, "reports cannot be written", "reports are written again", level=logging.WARNING
        )

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
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    def put(self, incoming: Incoming, token: str | None, done: Callable[[Result], None]) -> None:
        """Have a report written and `done` called, in the event loop, with what became of it once it is durable.

        Raises EnvelopeError `busy` (503, with a jittered Retry-After) if the queue is full or nothing is written.
        """
        if self._stopping or not self.alive:
            raise busy("the collector is stopping or cannot write")
        if self.stats.queued >= self._settings.queue_reports:
            raise busy(f"{self._settings.queue_reports} reports are waiting already")
        self.stats.queued += 1
        self._queue.put(_Waiting(incoming, token, done))

    async def submit(self, incoming: Incoming, token: str | None = None) -> Outcome:
        """Return what became of a report once it is durable; raise EnvelopeError as `put` does, or its refusal."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result) -> None:
            if not answer.done():  # else its client is gone
                answer.set_result(result)

        self.put(incoming, token, done)
        result = await answer
        if isinstance(result, EnvelopeError):
            raise result
        return result

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write group after group until told to stop."""
        group: list[_Waiting] = []
        stop = False
        try:
            while not stop:
                group, stop = self._gather()
                if group:
                    loop.call_soon_threadsafe(self._answer, group, self._write(group))
        finally:
            # Past a fault of this program nobody may be left waiting for an answer that never comes.
            while not self._queue.empty():
                if (waiting := self._queue.get_nowait()) is not None:
                    group.append(waiting)
            ended: list[Result] = [busy("the writer has ended") for _ in group]
            loop.call_soon_threadsafe(self._answer, group, ended)

    def _answer(self, group: list[_Waiting], results: list[Result]) -> None:
        """Tell those who wait; runs in the event loop."""
        self.stats.queued -= len(group)
        loop = asyncio.get_running_loop()
        for waiting, found in zip(group, results, strict=True):
            # Each by itself: where one cannot be answered the others still are.
            loop.call_soon(
                waiting.done, found if isinstance(found, EnvelopeError) else found.refusal or found
            )

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
            return self._commit(group)
        except Exception as error:  # noqa: BLE001 - a report this program trips over must not end everybody's writing
            if goes_once_more(error) and attempts > 1:
                return self._write(group, attempts - 1)
            if len(group) > 1 and not is_database_fault(error):
                return [result for waiting in group for result in self._write([waiting])]
            return [self._refusal(waiting, error) for waiting in group]

    def _refusal(self, waiting: _Waiting, error: Exception) -> EnvelopeError:
        """Return what the sender of a report is told that failed with `error`, and log what is not its fault."""
        if isinstance(error, UnknownDeviceError) or self._is_gone(waiting, error):
            return EnvelopeError(
                401, "unknown", "this collector no longer knows the device", field="authorization"
            )
        if is_refused_value(error):
            # Never 503: the agent would send it for ever, and behind it all that it has.
            message = "the database cannot hold a value of this report; send it in parts"
            return EnvelopeError(400, "schema", message, field="body")
        if is_refused_row(error) or not isinstance(error, SQLAlchemyError | OverflowError | StoreError):
            return self._tripped(waiting, error)
        self._failing.begin(error)
        return busy(f"the database cannot be written: {type(error).__name__}")

    def _tripped(self, waiting: _Waiting, error: Exception) -> EnvelopeError:
        """Return what the sender of a report is told that this program trips over; each report is logged once."""
        in_database = isinstance(error, SQLAlchemyError)
        first, for_good = self._tripping.failed(waiting.incoming, in_database=in_database)
        if first and in_database:
            device_id = waiting.incoming.report.device_id
            _log.error("a report of device %s is refused by the database: %s", device_id, rule_of(error))
        elif first:
            device = waiting.incoming.device
            _log.error(
                "a report of device %s cannot be written: a fault of this program", device, exc_info=error
            )
        if for_good:
            message = "the collector cannot write this report, however often it is sent; send it in parts"
            return EnvelopeError(400, "schema", message, field="body")
        return busy("the collector cannot write this report")

    def _is_gone(self, waiting: _Waiting, error: Exception) -> bool:
        """Return whether a report failed because its device was deleted while it was written."""
        if not is_lost_reference(error):
            return False
        query = select(devices.c.id).where(devices.c.id == waiting.incoming.device)
        try:
            with self._engine.connect() as connection:
                return connection.scalar(query) is None
        except SQLAlchemyError:
            return False  # the report comes again, and is looked at then

    def _commit(self, group: list[_Waiting]) -> list[Result]:
        """Write and commit a group."""
        began = time.perf_counter()
        with write_transaction(self._engine) as connection:
            incoming = self._admitted(connection, group)
            good = [one for one in incoming if isinstance(one, Incoming)]
            now = self._clock()
            written = write_reports(
                connection,
                good,
                now,
                retention_days=self._settings.half_hour_retention_days,
                interval_seconds=self._settings.report_interval_seconds,
                relay=self._settings.is_relay,
                rules=self._rules,
                load_ratio=self.stats.queued / self._settings.queue_reports,
            )
        self.stats.commit_seconds.observe(time.perf_counter() - began)
        self.stats.committed_reports += len(good)
        for one, outcome in zip(good, written, strict=True):
            self._tripping.written(one)
            for end in _ends(one.report, outcome):
                # An agent's clock may run ahead of ours; the sum of a histogram never falls.
                self.stats.half_hour_lag_seconds.observe(max(0.0, now - end))
        self._failing.heal()
        outcomes = iter(written)
        return [next(outcomes) if isinstance(one, Incoming) else one for one in incoming]

    def _admitted(self, connection: Connection, group: list[_Waiting]) -> list[Incoming | EnvelopeError]:
        """Return each report with how its token stands now, or why that is refused."""
        if self._access is None:
            return [waiting.incoming for waiting in group]
        used = (waiting.token for waiting in group if waiting.token is not None)
        standings = self._access.standings(connection, used)
        return [_standing(waiting, standings.get(waiting.token or "")) for waiting in group]


def _standing(waiting: _Waiting, standing: Standing | EnvelopeError | None) -> Incoming | EnvelopeError:
    if standing is None or isinstance(standing, EnvelopeError):
        return standing or waiting.incoming
    if not (standing.first_use or standing.rotate):
        return waiting.incoming
    first = waiting.token if standing.first_use else None
    return waiting.incoming._replace(first_token=first, rotate=standing.rotate)


def _ends(report: Report, outcome: Outcome) -> list[int]:
    """Return when the half-hours ended that a report brought and that were accepted."""
    if outcome.refusal is not None:
        return []
    refused = {one.key for one in outcome.rejected if one.item == "period"}
    return [one.start + PERIOD_SECONDS for one in report.periods if one.start not in refused]


def busy(why: str) -> EnvelopeError:
    """Return the answer to a report that cannot be taken now."""
    wait = random.randint(*RETRY_AFTER_SECONDS)  # noqa: S311 - spreads load, hides nothing
    return EnvelopeError(503, "busy", f"{why}; try again in {wait} s", retry_after_seconds=wait)
