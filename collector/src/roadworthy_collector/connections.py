"""What a connection may cost before anybody knows whose it is.

uvicorn waits for ever for the head of a request and keeps headers of any size. A few hundred connections that say
nothing would then keep every agent out, and one that says too much would fill the memory.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
HEAD_BYTES = 65_536
# Each connection takes a file descriptor, and a service is often given 1,024 at first though it may have many more.
MAX_DESCRIPTORS = 65_536


class BoundedHead(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with a bound on how long and how large the head of a request may be."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._in_body = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Give the first request HEAD_SECONDS."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to no body, and start the clock where nothing else limits what comes."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._in_body and self._head_bytes > HEAD_BYTES:
            self.transport.close()
            return
        # A byte ends uvicorn's own wait for the next request. While a request is answered its route limits its body.
        answering = self.cycle is not None and not self.cycle.response_complete
        begun = not self._in_body and self._head_bytes > 0
        if self._timer is None and (begun or not answering):
            self._start_timer()

    def on_headers_complete(self) -> None:
        """Take the request."""
        self.begin_body()
        super().on_headers_complete()

    def begin_body(self) -> None:
        """Count no more what comes: the head is whole, and whoever reads the body limits it."""
        self._in_body = True
        self._stop_timer()

    def on_message_complete(self) -> None:
        """Count anew: what comes next is another head."""
        self._in_body = False
        self._head_bytes = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def allow_connections() -> None:
    """Raise this process's soft limit of open files to what it may have, MAX_DESCRIPTORS at most."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
