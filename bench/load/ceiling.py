"""A server that answers every POST at once and does nothing with it: what the generator could offer at most.

    python bench/load/ceiling.py PORT

Runs by itself, in a process of its own, like the collector.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

BODY = b'{"received":0,"accepted":0,"rejected":[],"next_call":900,"server_time":1790000000.0}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


class Yes(asyncio.Protocol):
    """Answers 200 to whatever is whole."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        """Answer as soon as head and body are there."""
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        length = int(self._held[:end].lower().partition(b"content-length:")[2].partition(b"\r")[0])
        if len(self._held) >= end + 4 + length:
            self._held = b""
            assert self._transport is not None
            self._transport.write(ANSWER)


async def serve(port: int) -> None:
    """Answer until killed."""
    server = await asyncio.get_running_loop().create_server(Yes, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
