"""Connections that say nothing, half of something, or vanish: everybody else is served as before."""

from __future__ import annotations

import resource
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from faults.clients import Load
from faults.collector import Collector, prepared, sized
from faults.test_killed import require_balance
from load.certificate import make_certificate
from support import wait_until

HELD = sized(2000, 8000)
HANDSHAKES = sized(60, 1000)  # of the held ones, over TLS: each costs both sides a millisecond
MEMORY_BYTES = 250 * 1024 * 1024  # of all that are held
DESCRIPTORS = 128
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


def halves(collector: Collector) -> list[bytes]:
    """Return beginnings of a report that never goes on."""
    head = (
        f"POST /api/v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {collector.fleet[0].token}\r\n"
        "Content-Length: 1000\r\n"
    )
    return [b"", b"POST /api/v1/rep", head.encode(), f"{head}\r\n{{".encode(), b"\x16\x03\x01\x02\x00\x01"]


def opened(collector: Collector) -> socket.socket:
    return socket.create_connection(("127.0.0.1", collector.port), timeout=60)


def open_many(collector: Collector, stack: ExitStack, wrap: Callable[[socket.socket], socket.socket]) -> None:
    """Open connections and leave each after a part of a report; every fifth vanishes at once."""
    parts = halves(collector)
    for number in range(HELD):
        connection = opened(collector)
        if number % (HELD // HANDSHAKES) == 0:
            connection = wrap(connection)
        connection.sendall(parts[number % len(parts)])
        if number % 5 == 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            connection.close()
        else:
            stack.callback(connection.close)


def connections(process: psutil.Process) -> int:
    return sum(1 for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED)


@pytest.fixture
def many_files() -> None:
    """Let this process open as many connections as the tests hold."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * HELD + 4096), hard))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_others_are_served_while_thousands_say_nothing(tmp_path: Path, many_files: None, tls: bool) -> None:  # noqa: FBT001 - a parameter
    certificate = make_certificate(tmp_path) if tls else None
    trusting = ssl.create_default_context(cafile=certificate.certificate) if certificate else None

    def wrap(connection: socket.socket) -> socket.socket:
        return trusting.wrap_socket(connection, server_hostname="127.0.0.1") if trusting else connection

    with prepared(tmp_path, certificate=certificate) as collector, Load(collector) as load:
        process = collector.start()
        load.wait_more(100)
        before = process.memory_info().rss
        usual = connections(process)
        with ExitStack() as stack:
            open_many(collector, stack, wrap)
            load.wait_more(200)
            with opened(collector) as newcomer, wrap(newcomer) as asking:
                asking.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert asking.recv(1000).startswith(b"HTTP/1.1 200 ")
            assert process.memory_info().rss < before + MEMORY_BYTES
        wait_until(lambda: connections(process) <= usual + 2, what="the end of those that left")
        load.wait_more(100)
        require_balance(collector, load, least=400)
        assert "Traceback" not in collector.said()


def test_more_connections_than_a_process_may_have(tmp_path: Path) -> None:
    few = (DESCRIPTORS, DESCRIPTORS)
    with prepared(tmp_path) as collector, Load(collector) as load:
        collector.start(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, few))
        load.wait_more(100)
        with ExitStack() as stack:
            for _ in range(2 * DESCRIPTORS):
                stack.enter_context(opened(collector))
            load.wait_more(100)  # on the connections they have
        wait_until(lambda: collector.get("/healthz").status == 200, what="a new connection")
        load.wait_more(100)
        require_balance(collector, load, least=300)
