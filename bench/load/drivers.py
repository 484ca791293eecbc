"""Who sends when: what the modes have in common, the closed loop and the open one."""

from __future__ import annotations

import asyncio
import heapq
import random
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque

from load.client import Connection, Job
from load.task import Figures, Task, packed
from load.work import Verdict, Work

RECONNECT_SECONDS = 0.2
HEAD_END = b"\r\n\r\n"


class Driver(ABC):
    """Sends a task's reports and keeps its figures. Times are those of time.perf_counter."""

    def __init__(self, task: Task, work: Work, context: ssl.SSLContext | None) -> None:
        self.task = task
        self.work = work
        self.figures = Figures()
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._unsure: set[int] = set()
        self._ended = asyncio.Event()
        self.begin = self.end = 0.0

    async def run(self, begin: float) -> Figures:
        """Send from `begin` on, warm-up first, and return the figures once all is over."""
        self.begin = begin + self.task.warm_up_seconds
        self.end = self.begin + self.task.seconds
        await asyncio.sleep(max(0.0, begin - time.perf_counter()))
        self.start()
        await self._ended.wait()
        for opening in self._opening:
            opening.cancel()
        self.figures.unsure.extend(self._unsure)
        return self.figures

    @abstractmethod
    def start(self) -> None:
        """Begin."""

    @abstractmethod
    def ready(self, connection: Connection) -> None:
        """Take a connection that may send."""

    @abstractmethod
    def taken(self, connection: Connection, job: Job, verdict: Verdict) -> None:
        """Go on after a report that was taken, or refused for good."""

    @abstractmethod
    def turned_away(self, connection: Connection, job: Job, wait_seconds: float) -> None:
        """Go on after a report that may come again in `wait_seconds`."""

    @abstractmethod
    def lost(self, connection: Connection, job: Job | None) -> None:
        """Take a connection that ended."""

    @abstractmethod
    def unreachable(self) -> None:
        """Go on after a connection could not be opened."""

    def finish(self) -> None:
        """Be over."""
        self._ended.set()

    def send(self, connection: Connection, job: Job) -> None:
        """Send a report."""
        self.figures.sent += 1
        self._unsure.add(packed(job.device, job.number))
        connection.send(job)

    def open(self) -> None:
        """Open a connection; `ready` is called when it is there."""
        opening = self._loop.create_task(self._open())
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        task = self.task
        name = (task.name or task.host).partition(":")[0] if self._context else None
        try:
            await self._loop.create_connection(
                lambda: Connection(self), task.host, task.port, ssl=self._context, server_hostname=name
            )
        except OSError:  # refused, reset, or no TLS: a collector that is being started again
            self.unreachable()
        else:
            self.figures.opened += 1

    def answered(self, connection: Connection, job: Job, status: int, head: bytes, body: bytes) -> None:
        """Note an answer."""
        now = time.perf_counter()
        figures, verdict = self.figures, self.work.judge(job, status, head, body)
        report = packed(job.device, job.number)
        if verdict.refused is not None:
            figures.refused[verdict.refused] += 1
        if verdict.wait_seconds is not None:
            self.turned_away(connection, job, verdict.wait_seconds)
            return
        self._unsure.discard(report)
        if verdict.refused is not None:
            self.taken(connection, job, verdict)
            return
        figures.acked.append(report)
        if verdict.rejected:
            figures.rejected.update(verdict.rejected)
        figures.miscounted += not verdict.counts_fit
        if self.begin <= now < self.end:
            figures.answered += 1
            figures.latencies.append(now - (job.due or connection.began))
            figures.request_bytes += len(job.request)
            figures.body_bytes += len(job.request) - job.request.find(HEAD_END) - 4
        figures.by_second[int(now - self.begin)] += 1
        self.taken(connection, job, verdict)


class Closed(Driver):
    """N connections, each sends its next report when the one before is answered."""

    def __init__(self, task: Task, work: Work, context: ssl.SSLContext | None) -> None:
        super().__init__(task, work, context)
        self._position = 0
        self._broken: deque[Job] = deque()
        self._later: list[tuple[float, int, Job]] = []
        # A device whose report waits sends no later one before it: agents send in order.
        self._waiting: set[int] = set()
        self._open_count = 0

    def start(self) -> None:
        """Open the connections."""
        for _ in range(self.task.connections):
            self._open_count += 1
            self.open()
        self._loop.call_later(
            max(0.0, self.end - time.perf_counter()) + self.task.settle_seconds + 30, self.finish
        )

    def ready(self, connection: Connection) -> None:
        """Send the next report, or end the connection."""
        job = self._next(time.perf_counter())
        if job is None:
            connection.close()
        else:
            self.send(connection, job)

    def taken(self, connection: Connection, job: Job, verdict: Verdict) -> None:  # noqa: ARG002 - as its base has it
        """Go on."""
        self._waiting.discard(job.device)
        if self.task.new_connections:
            connection.close()
        else:
            self.ready(connection)

    def turned_away(self, connection: Connection, job: Job, wait_seconds: float) -> None:
        """Let the report wait, and go on with another device's."""
        self._waiting.add(job.device)
        heapq.heappush(self._later, (time.perf_counter() + wait_seconds, self.figures.sent, job))
        if self.task.new_connections:
            connection.close()
        else:
            self.ready(connection)

    def lost(self, connection: Connection, job: Job | None) -> None:  # noqa: ARG002 - as its base has it
        """Send again what was not answered, on another connection."""
        if job is not None:
            self.figures.broken += 1
            self._waiting.add(job.device)
            self._broken.append(job)
        if self.task.new_connections and job is None:
            self._again_open()
        else:
            self._loop.call_later(RECONNECT_SECONDS, self._again_open)

    def unreachable(self) -> None:
        """Try again soon."""
        self._loop.call_later(RECONNECT_SECONDS, self._again_open)

    def _again_open(self) -> None:
        """Open a connection in place of one that ended, unless nothing is left to be sent."""
        now = time.perf_counter()
        if now < self.end or (self._broken and now < self.end + self.task.settle_seconds):
            self.open()
            return
        self._open_count -= 1
        if self._open_count == 0:
            self.figures.left = len(self._later) + len(self._broken)
            self.finish()

    def _next(self, now: float) -> Job | None:
        """Return what is sent next: what broke, what has waited, something new."""
        if self._broken and now < self.end + self.task.settle_seconds:
            return self._broken.popleft()
        if now >= self.end:
            return None
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        while True:
            job = self.work.job(self._position)
            self._position += 1
            if job.device not in self._waiting:
                return job


class Open(Driver):
    """Reports are due at random times, `rate` a second, and sent then, however the collector fares.

    A report that finds no connection free waits and its latency counts from when it was due: a collector that stalls
    cannot make the load wait with it (coordinated omission).
    """

    MOST_OPEN = 4096  # new connections at once
    DRAIN_SECONDS = 20.0

    def __init__(self, task: Task, work: Work, context: ssl.SSLContext | None) -> None:
        super().__init__(task, work, context)
        self._dice = random.Random(task.number)  # noqa: S311 - spreads load, hides nothing
        self._position = 0
        self._due = 0.0
        self._queue: deque[Job] = deque()
        self._later: list[tuple[float, int, Job]] = []
        self._waiting: set[int] = set()
        self._idle: list[Connection] = []
        self._open_count = 0
        self._busy = 0

    def start(self) -> None:
        """Open the connections that are kept, and begin."""
        if not self.task.new_connections:
            for _ in range(self.task.connections):
                self.open()
        self._due = time.perf_counter()
        self._tick()

    def _tick(self) -> None:
        """Send all that is due by now."""
        now = time.perf_counter()
        self.figures.behind_seconds = max(self.figures.behind_seconds, now - self._due)
        while self._due <= now and self._due < self.end:
            job = self.work.job(self._position)
            self._position += 1
            if job.device not in self._waiting:
                self._dispatch(job._replace(due=self._due))
            self._due += self._dice.expovariate(self.task.rate)
        while self._later and self._later[0][0] <= now:
            self._dispatch(heapq.heappop(self._later)[2])
        if self._due < self.end:
            self._loop.call_later(max(0.0, self._due - time.perf_counter()), self._tick)
        else:
            self._loop.call_later(self.end - now, self._drain, self.end + self.DRAIN_SECONDS)

    def _dispatch(self, job: Job) -> None:
        """Send a report now, or as soon as a connection is there."""
        self._queue.append(job)
        if not self.task.new_connections:
            if self._idle:
                self.ready(self._idle.pop())
        elif self._open_count < self.MOST_OPEN:
            self._open_count += 1
            self.open()

    def ready(self, connection: Connection) -> None:
        """Send what waits longest."""
        if self._queue:
            self._busy += 1
            self.send(connection, self._queue.popleft())
        elif self.task.new_connections:
            connection.close()
        else:
            self._idle.append(connection)

    def taken(self, connection: Connection, job: Job, verdict: Verdict) -> None:  # noqa: ARG002 - as its base has it
        """Go on."""
        self._waiting.discard(job.device)
        self._release(connection)

    def turned_away(self, connection: Connection, job: Job, wait_seconds: float) -> None:
        """Let the report wait; its latency still counts from when it was first due."""
        self._waiting.add(job.device)
        heapq.heappush(self._later, (time.perf_counter() + wait_seconds, self.figures.sent, job))
        self._release(connection)

    def _release(self, connection: Connection) -> None:
        self._busy -= 1
        if self.task.new_connections:
            connection.close()
        else:
            self.ready(connection)

    def lost(self, connection: Connection, job: Job | None) -> None:
        """Send again what was not answered."""
        if connection in self._idle:
            self._idle.remove(connection)
        if self.task.new_connections:
            self._open_count -= 1
        if job is not None:
            self._busy -= 1
            self.figures.broken += 1
            self._waiting.add(job.device)
            heapq.heappush(self._later, (time.perf_counter() + RECONNECT_SECONDS, self.figures.sent, job))
        if not self.task.new_connections and not self._ended.is_set():
            self._loop.call_later(RECONNECT_SECONDS, self.open)

    def unreachable(self) -> None:
        """Try again soon."""
        if self.task.new_connections:
            self._open_count -= 1
            if self._queue:
                job = self._queue.popleft()
                heapq.heappush(self._later, (time.perf_counter() + RECONNECT_SECONDS, self.figures.sent, job))
        else:
            self._loop.call_later(RECONNECT_SECONDS, self.open)

    def _drain(self, until: float) -> None:
        """Wait for what is on its way, then be over."""
        now = time.perf_counter()
        if (self._busy or self._queue) and now < until:
            self._loop.call_later(0.05, self._drain, until)
            return
        self.figures.left = len(self._later)
        self.figures.never_sent = len(self._queue)
        self.finish()
