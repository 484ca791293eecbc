"""Reports straight from the connection: the ordinary report needs no task, no scope and no messages of its own.

They take a third of what a report costs the event loop (docs/decisions/0025). So a small POST of a known device goes
to `ReportsApp.take`, and its answer to the connection. Everything else (another path, a large or chunked body,
`Expect`, a pipelined request, a token not yet remembered) goes uvicorn's way, through the same application; nobody can
tell which way an answer came.
"""

from __future__ import annotations

from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any

from roadworthy_collector.connections import BoundedHead
from roadworthy_collector.ingest.access import Holder
from roadworthy_collector.ingest.asgi import REPORTS_PATH, HeaderList, ReportsApp
from roadworthy_collector.ingest.http import BODY_TIMEOUT_SECONDS, body_too_slow

_PATH = REPORTS_PATH.encode()
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class _Event:
    """Stands where uvicorn wakes a task; here is none."""

    def set(self) -> None:
        """Do nothing."""


_NOBODY = _Event()


class _Exchange:
    """A report and its answer; has what uvicorn's protocol asks of the request it is busy with."""

    __slots__ = ("body", "disconnected", "holder", "keep_alive", "more_body", "response_complete")
    message_event = _NOBODY

    def __init__(self, holder: Holder, *, keep_alive: bool) -> None:
        self.holder = holder
        self.body = bytearray()
        self.keep_alive = keep_alive
        self.more_body = True
        self.response_complete = False
        self.disconnected = False


def protocol_for(reports: ReportsApp) -> type[BoundedHead]:
    """Return the protocol class for uvicorn that takes reports straight to `reports`."""
    return type("DirectReports", (_DirectReports,), {"reports": reports})


class _DirectReports(BoundedHead):
    """HTTP as `BoundedHead` has it, with a shorter way for reports."""

    reports: ReportsApp

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._exchange: _Exchange | None = None  # the report that is being received or answered
        self._body_timer: TimerHandle | None = None

    def on_headers_complete(self) -> None:
        """Take the shorter way where it is open."""
        holder = self.reports.known(self.headers) if self._is_plain_report() else None
        if holder is None:
            super().on_headers_complete()
            return
        self.begin_body()
        self._exchange = _Exchange(holder, keep_alive=self.parser.should_keep_alive())
        self.cycle = self._exchange  # type: ignore[assignment] # has all that is asked of it
        self._body_timer = self.loop.call_later(BODY_TIMEOUT_SECONDS, self._too_slow)

    def on_message_complete(self) -> None:
        """Hand a report over that is now all there."""
        exchange = self._exchange
        # One that is all there waits for its answer: what ends now is a request that was sent behind it.
        received = exchange is not None and not exchange.more_body
        super().on_message_complete()
        if exchange is None or received:
            return
        self._stop_body_timer()
        if self.reports.take(exchange.holder, self.headers, bytes(exchange.body), self._answer):
            return
        # The longer way after all: as if its headers had just come, with the body following at once.
        self._exchange = self.cycle = None  # type: ignore[assignment] # as uvicorn begins
        super().on_headers_complete()
        super().on_body(bytes(exchange.body))
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the report; whoever answers it finds nobody."""
        if self._exchange is not None and self._exchange.more_body:
            self.reports.stats.reports["client_gone"] += 1
        self._stop_body_timer()
        super().connection_lost(exc)

    def _is_plain_report(self) -> bool:
        busy = self.cycle is not None and not self.cycle.response_complete
        # Paused: whoever reads no answers has to wait.
        if self.url != _PATH or busy or self.flow.write_paused:
            return False
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return False
        length = None
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name in {b"transfer-encoding", b"expect", b"upgrade"}:
                return False
        return length is not None and length.isdigit() and int(length) <= self.reports.small_body_bytes

    def _too_slow(self) -> None:
        """Give up on a body that does not come, as `read_body` does."""
        self._body_timer = None
        if self._exchange is not None:
            self.reports.refuse(body_too_slow(BODY_TIMEOUT_SECONDS), self._answer)

    def _answer(self, status: int, body: bytes, headers: HeaderList) -> None:
        """Write the answer and make ready for the next request."""
        exchange = self._exchange
        if exchange is None or exchange.response_complete:
            return
        exchange.response_complete = True
        self._exchange = None
        if exchange.disconnected or self.transport.is_closing():
            return
        closing = not exchange.keep_alive
        parts = [_STATUS_LINES[status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body))
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
            closing = closing or (name == b"connection" and value == b"close")
        if closing and not any(name == b"connection" for name, _ in headers):
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        self.transport.write(b"".join(parts))
        if closing:
            self.transport.close()
        self.on_response_complete()

    def _stop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
