"""An HTTP server as every process of the collector runs one, and how it ends."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.connections import BoundedHead
from roadworthy_collector.security.client_certificates import server_context
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.postgresql import other_programs

# Of the two seconds everything may take to end.
_END_SECONDS = 0.5

_log = logging.getLogger(__name__)


def make_server(
    settings: Settings,
    app: Any,
    *,
    http: type[BoundedHead] = BoundedHead,
    started: Callable[[], None] | None = None,
) -> uvicorn.Server:
    """Return a server of `app`, with TLS as the settings say; raises SettingsError where that cannot be had.

    `started` is called in its event loop once it answers.
    """
    context = server_context(settings)
    config = uvicorn.Config(
        app,
        # Named, so that its absence is an error here and not a slower collector; it does not exist for Windows.
        loop="auto" if sys.platform == "win32" else "uvloop",
        http=http,
        access_log=False,
        log_config=None,  # its lines go where ours go, in the same form
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        # Longer than the pause between two reports of a busy agent, shorter than its 75 s rule.
        timeout_keep_alive=80,
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    return _Server(config, started)


class _Server(uvicorn.Server):
    """A server whose collector of garbage passes over what is there for good.

    Modules, routes and the tokens of 100,000 devices: to look through them takes a tenth of a second and more, in the
    middle of some request.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._begin = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        if self._begin is not None:
            self._begin()


class Draining:
    """The end of a serving process: `begun` is set at the first signal, the server ends `seconds` later.

    A second signal ends it at once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = threading.Event()

    def on_signals(self, server: uvicorn.Server) -> None:
        """Let SIGINT and SIGTERM begin it; uvicorn re-raises what it caught: a traceback for every Ctrl-C."""

        def end() -> None:
            server.should_exit = True

        def handle(*_: object) -> None:
            if self.begun.is_set() or not self._seconds:
                end()
                return
            self.begun.set()
            timer = threading.Timer(self._seconds, end)
            timer.daemon = True
            timer.start()

        @contextlib.contextmanager
        def capture() -> Iterator[None]:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, handle)
            yield

        server.capture_signals = capture  # type: ignore[method-assign] # no setting does it


@contextmanager
def in_background(server: uvicorn.Server, bound: socket.socket) -> Iterator[None]:
    """Run `server` in a thread of its own while the block runs."""
    thread = threading.Thread(target=server.run, args=([bound],), name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_END_SECONDS)


def warn_of_others(settings: Settings, engine: Engine, program: str) -> None:
    """Say so where several `serve` on one database would each expose the roll-ups; `program` is this one's name."""
    if settings.rollups != "serve" or engine.dialect.name != "postgresql":
        return
    try:
        with engine.connect() as connection:
            others = other_programs(connection, "serve", program)
    except SQLAlchemyError:
        return  # whatever it is, the next statement says it better
    if others:
        _log.warning(
            "other collectors serve this database (%s): Prometheus would count the IT estate several times; set "
            'rollups_at = "jobs" for all of them and let it scrape `roadworthy jobs` at jobs_port',
            ", ".join(others),
        )
