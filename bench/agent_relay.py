"""A TLS relay that counts: it stands between the agent and the collector and changes nothing.

Each connection of the agent's is ended here and begun anew towards the collector, both over TLS with the same
authority, so that the HTTP bytes pass in the clear in between. What went over the agent's own TCP connection (TLS
records and handshake with them) is what the kernel says: `tcp_info` of linux/tcp.h.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

BYTES_ACKED, BYTES_RECEIVED = 120, 128  # offsets in struct tcp_info, both u64
TCP_INFO, TCP_INFO_BYTES = 11, 232


@dataclass
class Counted:
    """Bytes between agent and collector; `up` is what the agent sent."""

    connections: int = 0
    requests: int = 0
    up: int = 0
    down: int = 0
    tcp_up: int = 0
    tcp_down: int = 0


class Relay:
    """Listens on 127.0.0.1 and relays to `port` there until the block ends."""

    def __init__(self, folder: Path, port: int) -> None:
        self.counted = Counted()
        self._folder = folder
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _listen(self) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "server.pem", self._folder / "server.key")
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0, ssl=context)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counted.connections += 1
        # A descriptor of our own: the transport's is gone as soon as the agent has hung up.
        agents = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
        context = ssl.create_default_context(cafile=str(self._folder / "ca.pem"))
        there, back = await asyncio.open_connection(
            "127.0.0.1", self._target, ssl=context, server_hostname="localhost"
        )
        up = asyncio.create_task(self._pass(reader, back, up=True))
        down = asyncio.create_task(self._pass(there, writer, up=False))
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        info = agents.getsockopt(socket.IPPROTO_TCP, TCP_INFO, TCP_INFO_BYTES)
        agents.close()
        self.counted.tcp_down += struct.unpack_from("=Q", info, BYTES_ACKED)[0]
        self.counted.tcp_up += struct.unpack_from("=Q", info, BYTES_RECEIVED)[0]
        for task in (up, down):
            task.cancel()
        writer.close()
        back.close()

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):  # one side may hang up without a word
            while data := await source.read(65536):
                if up:
                    self.counted.up += len(data)
                    self.counted.requests += data.count(b"POST /api/")
                else:
                    self.counted.down += len(data)
                target.write(data)
                await target.drain()
