"""`serve`'s side of the device detail: it starts the process that renders, asks it, and hands its bytes on.

Rendering 100,000 devices takes seconds of one core and would hold the interpreter's lock in the process that takes
reports in. Here only bytes pass. One thread of its own speaks with the process, so that any number of waiting
scrapes holds up neither the event loop nor the threads pages are made in. docs/decisions/0021.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import URL

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.ingest.stats import Histogram
from roadworthy_collector.logs import Failing
from roadworthy_collector.metrics.detail_process import Hello, Told, Wanted
from roadworthy_collector.settings import Settings

COMMAND = (sys.executable, "-m", "roadworthy_collector.metrics.detail_process")
# Longer than any scrape waits; past it the process hangs.
ANSWER_SECONDS = 60.0
# As long as a scrape waits that does not say.
PATIENCE_SECONDS = 30.0
# After a process could not be started or died twice, none is started for so long.
_PAUSE_SECONDS = 10.0
_WAITING = 512  # two Prometheis asking for all 256 shards at once
SECONDS_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
BYTES_BOUNDS = (
    10_000.0,
    100_000.0,
    500_000.0,
    1_000_000.0,
    2_000_000.0,
    5_000_000.0,
    20_000_000.0,
    100_000_000.0,
)

_log = logging.getLogger(__name__)
_TOLD = msgspec.json.Decoder(Told)


class DetailError(RoadworthyError):
    """The detail cannot be had now; asking again later may help."""


class _EndedError(Exception):
    """The process ended instead of answering."""


@dataclass
class DetailStats:
    """What the process has told of itself; one writer, the thread that speaks with it."""

    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS_BOUNDS))
    size: Histogram = field(default_factory=lambda: Histogram(BYTES_BOUNDS))
    starts: int = 0
    age_seconds: float | None = None
    resident_bytes: int | None = None
    cpu_seconds: float = 0.0  # of all of them, one after the other
    ended_cpu_seconds: float = 0.0  # of those before this one


class DetailProcess:
    """The process that renders, started with the first request and again when it has died; `close` ends it."""

    def __init__(
        self,
        settings: Settings,
        *,
        command: Sequence[str] = COMMAND,
        answer_seconds: float = ANSWER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = DetailStats()
        self._settings = settings
        self._command = command
        self._answer_seconds = answer_seconds
        self._monotonic = monotonic
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="detail")
        self._process: subprocess.Popen[bytes] | None = None
        self._finalizer: weakref.finalize[..., DetailProcess] | None = None
        self._waiting = 0
        self._not_before = 0.0
        self._failing = Failing(
            _log,
            "per-device metrics cannot be rendered",
            "per-device metrics are rendered again",
            ends_level=logging.WARNING,
        )
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process's id while there is one."""
        return None if self._process is None else self._process.pid

    async def render(self, wanted: Wanted, *, patience_seconds: float = PATIENCE_SECONDS) -> bytes:
        """Return what the process answers; raise DetailError if it cannot, or not before patience ends."""
        if self._closed or self._waiting >= _WAITING:
            raise DetailError("the collector is stopping, or too many scrapes wait already")
        self._waiting += 1
        try:
            deadline = self._monotonic() + patience_seconds
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._answer, wanted, deadline
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the process; who waits is told. It only reads, so there is nothing to wait for."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        self._thread.shutdown()
        self._forget()

    def _answer(self, wanted: Wanted, deadline: float) -> bytes:
        """Ask the process, and a new one if it has died; say it once when that begins to fail and once when it heals."""
        if self._monotonic() > deadline:
            raise DetailError("nobody waits for this answer any more")
        try:
            body = self._ask(wanted)
        except (_EndedError, OSError) as error:
            self._not_before = self._monotonic() + _PAUSE_SECONDS
            self._failed(f"the process that renders them ended: {error}")
        except DetailError as error:
            self._failed(str(error))
        self._failing.heal()
        return body

    def _failed(self, why: str) -> None:
        if not self._closed:
            self._failing.begin(why)
        raise DetailError(why) from None

    def _ask(self, wanted: Wanted) -> bytes:
        """Return the answer of the process, of a new one if the one there was has died."""
        if self._process is not None:
            try:
                return self._exchange(self._process, wanted)
            except (_EndedError, OSError):
                self._forget()
        if self._closed or self._monotonic() < self._not_before:
            raise DetailError(
                "the process that renders them keeps ending; it is started again in some seconds"
            )
        process = self._start()
        try:
            return self._exchange(process, wanted)
        except (_EndedError, OSError):
            self._forget()
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        """Start the process and say where the database is."""
        database = self._settings.database
        if isinstance(database, URL):
            where, is_url = database.render_as_string(hide_password=False), True
        else:
            where, is_url = str(database.absolute()), False
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own program
        self._process = process
        self._finalizer = weakref.finalize(self, _end, process)
        self.stats.starts += 1
        hello = Hello(where, is_url, self._settings.report_interval_seconds)
        _send(process, hello)
        return process

    def _forget(self) -> None:
        """Let go of the process, which has ended or is to."""
        if self._finalizer is not None:
            self._finalizer()
        self._process = self._finalizer = None
        self.stats.ended_cpu_seconds = self.stats.cpu_seconds
        self.stats.resident_bytes = None

    def _exchange(self, process: subprocess.Popen[bytes], wanted: Wanted) -> bytes:
        """Send a request and read its answer; a process that does not answer in time is ended."""
        assert process.stdout is not None  # noqa: S101 - for the type checker: it was started with a pipe
        watchdog = threading.Timer(self._answer_seconds, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            _send(process, wanted)
            line = process.stdout.readline()
            if not line.endswith(b"\n"):
                raise _EndedError("no answer")
            told = _TOLD.decode(line)
            body = process.stdout.read(told.body_bytes)
        finally:
            watchdog.cancel()
        if len(body) < told.body_bytes:
            raise _EndedError("half an answer")
        if told.error is not None:
            raise DetailError(told.error)
        self._note(told)
        return body

    def _note(self, told: Told) -> None:
        stats = self.stats
        stats.seconds.observe(told.seconds)
        stats.size.observe(told.plain_bytes)
        stats.age_seconds = told.age_seconds
        stats.resident_bytes = told.resident_bytes
        stats.cpu_seconds = stats.ended_cpu_seconds + told.cpu_seconds


def _send(process: subprocess.Popen[bytes], message: Hello | Wanted) -> None:
    assert process.stdin is not None  # noqa: S101 - for the type checker: it was started with a pipe
    process.stdin.write(msgspec.json.encode(message) + b"\n")
    process.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and release what belongs to it."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what was not sent yet cannot be any more
                pipe.close()
