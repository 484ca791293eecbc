"""A way to a server that can be made slow, or cut."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from support import wait_until

_PIECE_BYTES = 65_536


class Proxy:
    """Listens on `port` and passes everything on, each piece towards the server after a delay."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._where = host, port
        self._delay_seconds = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self.delayed: list[int] = []  # our ports to the server, of each piece that is kept back just now
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self.port, what="the proxy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        assert not self._thread.is_alive()

    def delay(self, seconds: float) -> None:
        """Let each round trip take so much longer from now on."""
        self._delay_seconds = seconds

    def cut(self) -> None:
        """End all connections outright, whatever is on its way."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._loop.run_forever()
        server.close()
        self._cut()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._where)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back, slow=True), self._pass(there, writer, slow=False))
        finally:
            for one in (writer, back):
                one.transport.abort()
                self._writers.discard(one)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        try:
            while piece := await reader.read(_PIECE_BYTES):
                if slow and self._delay_seconds:
                    port = writer.get_extra_info("sockname")[1]
                    self.delayed.append(port)
                    await asyncio.sleep(self._delay_seconds)
                    self.delayed.remove(port)
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()
