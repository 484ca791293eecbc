"""Agents that go on whatever happens: each report again until it is acknowledged, on connections opened anew."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from types import TracebackType
from typing import Self

from faults.collector import Collector
from load.client import Connection, Job
from load.drivers import Closed
from load.task import Figures, Task
from load.work import Reports, Verdict, Work
from support import wait_until

CONNECTIONS = 16
PAUSE_SECONDS = 0.01  # between two reports on a connection: no device comes near the limit of one
AGAIN_SECONDS = 0.2


class Impatient(Closed):
    """As a closed loop, but a report that was turned away comes again at once: agents wait, and are easier to bear."""

    def __init__(self, task: Task, work: Work, context: ssl.SSLContext | None) -> None:
        super().__init__(task, work, context)
        self.without_retry_after = 0  # answers 429 and 503 that do not say when to come again
        self._alive: set[Connection] = set()

    def ready(self, connection: Connection) -> None:
        """Send the next report, or end the connection."""
        self._alive.add(connection)
        super().ready(connection)

    def taken(self, connection: Connection, job: Job, verdict: Verdict) -> None:  # noqa: ARG002 - as its base has it
        """Go on after a moment."""
        self._waiting.discard(job.device)
        self._loop.call_later(PAUSE_SECONDS, self._go_on, connection)

    def turned_away(self, connection: Connection, job: Job, wait_seconds: float) -> None:
        """Come again much sooner than asked to."""
        if not wait_seconds:
            self.without_retry_after += 1
        self._waiting.add(job.device)
        self._broken.append(job)
        self._loop.call_later(AGAIN_SECONDS, self._go_on, connection)

    def lost(self, connection: Connection, job: Job | None) -> None:
        """Send again what was not answered, on another connection."""
        self._alive.discard(connection)
        super().lost(connection, job)

    def _go_on(self, connection: Connection) -> None:
        if connection in self._alive:
            super().ready(connection)

    def stop(self) -> None:
        """Send nothing new, and what broke until it is taken."""
        self.end = min(self.end, time.perf_counter())


class Load:
    """A load that runs in a thread of its own; `acknowledged` grows while the collector takes reports."""

    def __init__(
        self, collector: Collector, *, connections: int = CONNECTIONS, settle_seconds: float = 30.0
    ) -> None:
        self._task = collector.task(connections=connections, seconds=3600.0, settle_seconds=settle_seconds)
        self._context = None
        if collector.certificate is not None:
            self._context = ssl.create_default_context(cafile=collector.certificate.certificate)
        self._collector = collector
        self._driver: Impatient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._found: Figures | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def _run(self) -> None:
        async def send() -> Figures:
            self._loop = asyncio.get_running_loop()
            self._driver = Impatient(self._task, Reports(self._task), self._context)
            return await self._driver.run(time.perf_counter())

        self._found = asyncio.run(send())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def acknowledged(self) -> int:
        """How many reports were acknowledged so far."""
        return 0 if self._driver is None else len(self._driver.figures.acked)

    @property
    def refused(self) -> dict[str, int]:
        """How many answers were no acknowledgement, by status and code."""
        return {} if self._driver is None else dict(self._driver.figures.refused)

    def wait_more(self, reports: int, *, timeout: float = 60.0) -> None:
        """Wait until so many more reports were acknowledged."""
        enough = self.acknowledged + reports

        def more() -> bool:
            assert self._thread.is_alive(), "the load has ended by itself"
            for name, process in self._collector.processes.items():
                assert process.poll() is None, f"{name} has ended: {self._collector.said(name)}"
            return self.acknowledged >= enough

        wait_until(
            more, timeout=timeout, what=f"{reports} more acknowledged reports; refused: {self.refused}"
        )

    def wait_refused(self, what: str = "503 busy", *, timeout: float = 60.0) -> None:
        """Wait until one more report was turned away."""
        before = self.refused.get(what, 0)
        wait_until(lambda: self.refused.get(what, 0) > before, timeout=timeout, what=what)

    def stop(self) -> Figures:
        """End, and return what came of it."""
        if self._driver is not None and self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._driver.stop)
        self._thread.join(90)
        assert not self._thread.is_alive(), "the load does not end"
        assert self._found is not None, "the load has failed; its words are above"
        assert self._driver is not None
        assert not self._driver.without_retry_after
        return self._found
