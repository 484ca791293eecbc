"""The morning herd: every device is switched on within some minutes, comes by itself and does as it is told.

Each call opens a connection, as an agent does whose next call is more than 75 s away. The first report of a device is
a start-up with facts and probes, the largest there is. Times of day run `compress` times as fast: when devices come,
and the next_call they are given. Retry-After and the agent's own back-off do not: they are what lets a collector
breathe, and it breathes in real time.
"""

from __future__ import annotations

import heapq
import math
import random
import ssl
import time
from collections import deque

from load.client import Connection, Job
from load.drivers import Driver
from load.task import Task, packed
from load.work import Verdict, Work

# As the agent's schedule has them (agent/src/roadworthy_agent/schedule.py).
JITTER = 0.05
BACKOFF_FIRST_SECONDS = 10.0
BACKOFF_LONGEST_SECONDS = 3600.0
LONGEST_WAIT_SECONDS = 86_400.0
MOST_OPEN = 8192


class Herd(Driver):
    """Devices that come within a window, most in its middle."""

    def __init__(self, task: Task, work: Work, context: ssl.SSLContext | None) -> None:
        super().__init__(task, work, context)
        self._dice = random.Random(task.number)  # noqa: S311 - spreads load, hides nothing
        self._calls: list[tuple[float, int, int]] = []  # when due, device, number of its report
        self._bodies: dict[int, Job] = {}  # what was turned away goes again byte for byte
        self._sent_times: dict[int, int] = {}
        self._to_send: deque[Job] = deque()
        self._left = (task.last - task.first) * task.calls
        self._open_count = 0

    def start(self) -> None:
        """Let each device come at its time."""
        task = self.task
        span = task.window_seconds / task.compress
        self._give_up = self.begin + span + task.patience_seconds
        self.end = math.inf  # the last is measured like the first, however late it comes
        self._calls = [
            (self.begin + self._dice.triangular(0.0, span), device, 0)
            for device in range(task.first, task.last)
        ]
        heapq.heapify(self._calls)
        self._tick()

    def _tick(self) -> None:
        """Let come who is due."""
        now = time.perf_counter()
        while self._calls and self._calls[0][0] <= now and self._open_count < MOST_OPEN:
            due, device, number = heapq.heappop(self._calls)
            self.figures.behind_seconds = max(self.figures.behind_seconds, now - due)
            job = self._bodies.pop(packed(device, number), None) or self.work.of(device, number)._replace(
                due=due
            )
            self._to_send.append(job)
            self._open_count += 1
            self.open()
        if self._left == 0 or now > self._give_up:
            self.figures.left = self._left
            self.finish()
            return
        wait = self._calls[0][0] - time.perf_counter() if self._calls else 0.05
        self._loop.call_later(min(max(wait, 0.001), 0.05), self._tick)

    def ready(self, connection: Connection) -> None:
        """Send what came first."""
        job = self._to_send.popleft()
        report = packed(job.device, job.number)
        self._sent_times[report] = self._sent_times.get(report, 0) + 1
        self.send(connection, job)

    def taken(self, connection: Connection, job: Job, verdict: Verdict) -> None:
        """Plan the next call as it was told; one that is refused for good makes no other."""
        connection.close()
        self.figures.attempts[self._sent_times.pop(packed(job.device, job.number))] += 1
        if verdict.refused is not None:
            self._left -= self.task.calls - job.number
            return
        self._left -= 1
        now = time.perf_counter()
        if job.number == 0:
            self.figures.first_by_second[int(now - self.begin)] += 1
        if job.number + 1 < self.task.calls:
            wait = verdict.next_call_seconds * self._dice.uniform(1 - JITTER, 1 + JITTER) / self.task.compress
            heapq.heappush(self._calls, (now + wait, job.device, job.number + 1))

    def turned_away(self, connection: Connection, job: Job, wait_seconds: float) -> None:
        """Come again no sooner than told, and later each time."""
        connection.close()
        self._again(job, wait_seconds)

    def lost(self, connection: Connection, job: Job | None) -> None:  # noqa: ARG002 - as its base has it
        """Come again after a back-off."""
        self._open_count -= 1
        if job is not None:
            self.figures.broken += 1
            self._again(job, 0.0)

    def unreachable(self) -> None:
        """Come again after a back-off."""
        self._open_count -= 1
        job = self._to_send.popleft()
        report = packed(job.device, job.number)
        self._sent_times[report] = self._sent_times.get(report, 0) + 1
        self._again(job, 0.0)

    def _again(self, job: Job, retry_after_seconds: float) -> None:
        """Plan another try, as the agent does: full jitter over a doubled wait, on top of Retry-After."""
        report = packed(job.device, job.number)
        doubled = BACKOFF_FIRST_SECONDS * 2 ** min(self._sent_times[report] - 1, 16)
        wait = self._dice.uniform(1.0, min(doubled, BACKOFF_LONGEST_SECONDS))
        wait += min(retry_after_seconds, LONGEST_WAIT_SECONDS)
        self._bodies[report] = job
        heapq.heappush(self._calls, (time.perf_counter() + wait, job.device, job.number))
