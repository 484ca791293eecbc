"""Serves an application from a thread of this process, and ends it at once: uvicorn itself looks ten times a second."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from support import wait_until

_LOOK_SECONDS = 0.01


class PromptServer(uvicorn.Server):
    """A server that is over as soon as it was told to end and its last connection is closed."""

    async def main_loop(self) -> None:
        """Serve until `should_exit`."""
        looks = 0
        while not await self.on_tick(looks):
            looks += 1
            await asyncio.sleep(_LOOK_SECONDS)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Do what uvicorn does, without its pauses."""
        for server in self.servers:
            server.close()
        for bound in sockets or ():
            bound.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(_LOOK_SECONDS)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


@contextmanager
def serving(
    config: uvicorn.Config,
    *,
    around: Callable[[Callable[[], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]] | None = None,
) -> Iterator[None]:
    """Serve while the block runs; `around` is given what serves, to do something before and after it in its loop.

    An exception in the server's thread fails the test: pytest makes it one of its warnings, and those are errors.
    """
    server = PromptServer(config)

    def run() -> None:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve() if around is None else around(server.serve))

    thread = threading.Thread(target=run, name=f"serving {config.port}")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), what="the server")
        assert server.started, "the server did not start"
        yield
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not end"
