"""Polls all targets, each at its own interval, in a thread with an event loop of its own.

Every target is a job of an APScheduler in that loop, begun at a moment of its own within the first interval and
jittered from then on, so that a thousand devices are not asked at once. One that failed is asked less often, up to an
eighth as often, and in lanes of its own: those that do not answer never keep the others waiting.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from roadworthy_collector.logs import Failing
from roadworthy_collector.snmp.keeping import Outcome
from roadworthy_collector.snmp.targets import Polled

LANES, FAILING_LANES = 48, 16
_LEAST_OFTEN = 8  # times the interval, for one that fails again and again
_JITTER = 0.05
_LOOK_SECONDS = 0.2  # how soon the thread sees that it is to stop
_LATE_SECONDS = 10.0  # beyond its deadline; a session keeps its own
MOST_WAITING = 20_000  # outcomes nobody has written yet
# How long after a fault that ended the thread the next begins: doubled while one ends within its own wait.
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 60.0, 3600.0

_log = logging.getLogger(__name__)


class Asks(Protocol):
    """What asks a target; see `asking.Asking`."""

    async def ask(self, polled: Polled) -> Outcome:
        """Return how one poll went; never raises."""
        ...

    def keep(self, targets: Sequence[Polled]) -> None:
        """Drop what is remembered of any other."""
        ...

    async def close(self) -> None:
        """End sockets."""
        ...


class Poller:
    """Polls until `stop` is set; `outcomes` are taken by whoever writes them."""

    def __init__(
        self,
        make_asks: Callable[[], Asks],
        stop: threading.Event,
        *,
        rng: random.Random | None = None,
        lanes: int = LANES,
        failing_lanes: int = FAILING_LANES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_asks = make_asks
        self._stop = stop
        self._rng = rng or random.Random()  # noqa: S311 - spreads polls, guards nothing
        self._lanes = lanes
        self._failing_lanes = failing_lanes
        self._targets: tuple[Polled, ...] | None = None
        self._wanted: queue.SimpleQueue[tuple[Polled, ...]] = queue.SimpleQueue()
        self._outcomes: deque[Outcome] = deque(maxlen=MOST_WAITING)  # the oldest go first
        self._failures: dict[str, int] = {}
        self._skipped: dict[str, int] = {}
        self._asked: set[str] = set()  # now, or waiting for a lane
        self._failing: dict[str, Failing] = {}
        self._thread: threading.Thread | None = None
        self._monotonic = monotonic
        self._fault: Exception | None = None  # what ended the thread
        self._faulty = Failing(_log, "polling ended by a fault", "polling goes on again", monotonic=monotonic)
        self._wait_seconds = _FIRST_WAIT_SECONDS
        self._next = 0.0  # when a thread that ended is followed by another, or one that did not is well

    def poll(self, targets: Sequence[Polled]) -> None:
        """Poll these targets from now on.

        The thread is started with the first. After one that a fault has ended, the next begins a minute later, then
        ever later while the fault stays; at once with other targets, which may be what was wrong.
        """
        wanted = tuple(targets)
        others, self._targets = wanted != self._targets, wanted
        if self._thread is None:
            self._begin(wanted)
        elif self._thread.is_alive() or self._stop.is_set():
            if others:
                self._wanted.put(wanted)
            if self._faulty.active and self._monotonic() >= self._next and self._fault is None:
                self._faulty.heal()
                self._wait_seconds = _FIRST_WAIT_SECONDS
        else:
            self._begin_again(wanted, at_once=others)

    def _begin_again(self, wanted: tuple[Polled, ...], *, at_once: bool) -> None:
        """Start another thread where it is time to, after saying what ended the one before."""
        if self._fault is not None:
            fault, self._fault = self._fault, None
            self._faulty.begin(f"{type(fault).__name__}: {fault}", error=fault)
            self._next = self._monotonic() + self._wait_seconds
        if at_once or self._monotonic() >= self._next:
            if not at_once:
                self._wait_seconds = min(2 * self._wait_seconds, _LONGEST_WAIT_SECONDS)
            self._begin(wanted)

    def _begin(self, wanted: tuple[Polled, ...]) -> None:
        self._wanted = queue.SimpleQueue()  # what the thread before left in it is out of date
        self._wanted.put(wanted)
        self._next = self._monotonic() + self._wait_seconds
        self._thread = threading.Thread(target=self._run, name="polls", daemon=True)
        self._thread.start()

    def take(self, most: int) -> list[Outcome]:
        """Return the outcomes since the last call, the oldest first, `most` at most."""
        found: list[Outcome] = []
        with suppress(IndexError):
            while len(found) < most:
                found.append(self._outcomes.popleft())
        return found

    def put_back(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes that could not be written for the next `take`; of too many the oldest go first."""
        room = MOST_WAITING - len(self._outcomes)
        self._outcomes.extendleft(reversed(outcomes[max(0, len(outcomes) - room) :]))

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, which it does soon after `stop`."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001 - `poll` says it once; a thread would print it each time it ends
            self._fault = error
            if self._stop.is_set():  # nobody calls `poll` any more
                _log.exception("polling ended by a fault")

    async def _main(self) -> None:
        asks = self._make_asks()
        lanes, failing_lanes = asyncio.Semaphore(self._lanes), asyncio.Semaphore(self._failing_lanes)
        scheduler = AsyncIOScheduler(
            # A second instance finds the first still asking and goes away: a scheduler that allows one only would
            # log each time, about what is no failure of its own.
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        )
        scheduler.start()

        async def one(polled: Polled) -> None:
            if polled.name in self._asked or not self._is_due(polled):
                return
            self._asked.add(polled.name)
            try:
                # Cancelled at the end only, which is nobody's failure.
                with suppress(asyncio.CancelledError):
                    async with failing_lanes if self._failures.get(polled.name) else lanes:
                        await self._ask(asks, polled)
            finally:
                self._asked.discard(polled.name)

        try:
            while not self._stop.is_set():
                with suppress(queue.Empty):
                    targets = self._wanted.get_nowait()
                    self._schedule(scheduler, one, targets)
                    self._keep(targets)
                    asks.keep(targets)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            scheduler.shutdown(wait=False)
            # First those who are asking: one that went on after the sockets are closed would open another.
            asking = asyncio.all_tasks() - {asyncio.current_task()}
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await asks.close()

    def _schedule(self, scheduler: AsyncIOScheduler, one: object, targets: tuple[Polled, ...]) -> None:
        """Give each target a job; those no longer named lose theirs, those unchanged keep theirs."""
        named = {polled.name: polled for polled in targets}
        for job in scheduler.get_jobs():
            if named.get(job.id) == job.args[0]:
                del named[job.id]
            else:
                job.remove()
        now = datetime.now(UTC)
        for polled in named.values():
            first = self._rng.uniform(0, min(polled.every_seconds, 60.0))
            trigger = IntervalTrigger(
                seconds=polled.every_seconds, jitter=polled.every_seconds * _JITTER, timezone=UTC
            )
            scheduler.add_job(
                one, trigger, args=(polled,), id=polled.name, next_run_time=now + timedelta(seconds=first)
            )

    def _keep(self, targets: Sequence[Polled]) -> None:
        """Drop what is remembered of those no longer polled."""
        names = {polled.name for polled in targets}
        for remembered in (self._failures, self._skipped, self._failing):
            for name in remembered.keys() - names:
                remembered.pop(name, None)

    def _is_due(self, polled: Polled) -> bool:
        """Return whether a target that failed is to be asked this time."""
        failures = self._failures.get(polled.name, 0)
        if failures <= 1:
            return True
        skipped = self._skipped.get(polled.name, 0) + 1
        every = min(1 << min(failures - 1, 16), _LEAST_OFTEN)
        self._skipped[polled.name] = 0 if skipped >= every else skipped
        return skipped >= every

    async def _ask(self, asks: Asks, polled: Polled) -> None:
        # The session keeps its deadline; this is for what hangs outside of it, such as a name server.
        try:
            outcome = await asyncio.wait_for(asks.ask(polled), polled.deadline_seconds + _LATE_SECONDS)
        except TimeoutError:
            seconds = polled.deadline_seconds + _LATE_SECONDS
            outcome = Outcome(
                polled,
                datetime.now(UTC).timestamp(),
                seconds,
                code="too_slow",
                reason=f"{polled.name}: nothing after {seconds:g} s",
            )
        self._note(polled, outcome)
        self._outcomes.append(outcome)

    def _note(self, polled: Polled, outcome: Outcome) -> None:
        """Count failures, and say in the log when a target begins to fail and when it is well again."""
        failing = self._failing.get(polled.name)
        if outcome.answer is not None:
            self._failures.pop(polled.name, None)
            self._skipped.pop(polled.name, None)
            if failing is not None:
                failing.heal()
            return
        self._failures[polled.name] = self._failures.get(polled.name, 0) + 1
        if failing is None:
            failing = self._failing[polled.name] = Failing(
                _log, f"{polled.name} is not polled", f"{polled.name} is polled again", level=logging.WARNING
            )
        failing.begin(outcome.reason)
