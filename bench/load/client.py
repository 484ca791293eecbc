"""HTTP as light as it gets: one request at a time on a connection, answers read without a parser library.

A load generator shares the machine with what it measures, so each microsecond here is one the collector lacks.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, Protocol, cast

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class Job(NamedTuple):
    """One request: of which device, its how-manyth report, the bytes, and when it was due (loop time)."""

    device: int
    number: int
    request: bytes
    due: float = 0.0


class Answered(Protocol):
    """Who drives connections."""

    def ready(self, connection: Connection) -> None:
        """Take a connection that may send."""

    def answered(self, connection: Connection, job: Job, status: int, head: bytes, body: bytes) -> None:
        """Take the answer to a job; the connection is idle again."""

    def lost(self, connection: Connection, job: Job | None) -> None:
        """Take a connection that ended, with the job that was not answered, if there was one."""


class Connection(asyncio.Protocol):
    """One connection to the collector."""

    def __init__(self, driver: Answered) -> None:
        self._driver = driver
        self._transport: asyncio.Transport | None = None
        self._job: Job | None = None
        self._held = b""
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say that it may send."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._driver.ready(self)

    def send(self, job: Job) -> None:
        """Send a request; the one before must have been answered."""
        assert self._job is None
        assert self._transport is not None
        self._job = job
        self.began = time.perf_counter()
        self._transport.write(job.request)

    def data_received(self, data: bytes) -> None:
        """Read an answer, in however many pieces it comes."""
        if self._held:
            data = self._held + data
        end = data.find(_END)
        if end < 0 or len(data) < (whole := end + 4 + content_length(data, end)):
            self._held = data
            return
        self._held = b""
        job, self._job = self._job, None
        assert job is not None, "an answer nobody asked for"
        self._driver.answered(self, job, int(data[9:12]), data[:end], data[end + 4 : whole])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own shape
        """Hand back what was not answered."""
        job, self._job = self._job, None
        self._driver.lost(self, job)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


def content_length(data: bytes, end: int) -> int:
    """Return the length of the body behind a head that ends at `end`; collectors and gateways always say it."""
    at = data.lower().find(_LENGTH, 0, end)
    if at < 0:
        return 0
    begin = at + len(_LENGTH)
    stop = data.find(b"\r", begin)
    return int(data[begin:stop])


def header(head: bytes, name: bytes) -> bytes | None:
    """Return a header of an answer, None if it is not there; `name` in lower case."""
    for line in head.split(b"\r\n")[1:]:
        key, _colon, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None
