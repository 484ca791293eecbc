"""Connections that say nothing, too little or too much, against the real protocol on a real socket."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import uvicorn
from support import free_port
from support.serving import serving

from roadworthy_collector import connections
from roadworthy_collector.connections import HEAD_BYTES, BoundedHead
from roadworthy_collector.logs import _NoHttp

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body of a PUT; answer anything else at once."""
    while scope["method"] == "PUT" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    port = free_port()
    with serving(uvicorn.Config(_app, port=port, http=BoundedHead, lifespan="off", log_level="error")):
        yield port


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _answered(connection: socket.socket) -> bool:
    """Read one answer, which may come in pieces: head and body are sent one after the other."""
    got = b""
    while not got.endswith(b"ok"):
        if not (piece := connection.recv(4096)):
            return False
        got += piece
    return True


def _ended(connection: socket.socket) -> bool:
    """Wait for the server to close; False if it has not within 5 s."""
    connection.settimeout(5)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def _refused(connection: socket.socket, parts: Iterable[bytes], pause_seconds: float = 0) -> bool:
    """Say whether the server has closed before all `parts` were sent."""
    try:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_seconds)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        # After an answer, uvicorn's own clock for the next request stops with the first byte of anything.
        REQUEST + b"G",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
    ],
)
def test_a_request_that_is_never_whole_is_not_waited_for(port: int, said: bytes) -> None:
    with _connect(port) as connection:
        connection.sendall(said)
        if said.startswith((b"POST", REQUEST)):
            assert _answered(connection)
            connection.sendall(b"a")
        assert _ended(connection)


def test_a_head_that_trickles_is_not_waited_for(port: int) -> None:
    with _connect(port) as connection:
        connection.sendall(REQUEST)
        assert _answered(connection)
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert _refused(connection, [b"a"] * 100, pause_seconds=0.05)


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nX: ", REQUEST + b"GET / HTTP/1.1\r\nX: "])
def test_a_head_without_end_is_refused(port: int, begin: bytes) -> None:
    with _connect(port) as connection:
        connection.sendall(begin)
        time.sleep(0.05)
        assert _refused(connection, [b"a" * HEAD_BYTES] * 200)


def test_a_request_within_the_bounds_takes_its_time(port: int) -> None:
    """Bodies have bounds of their own, and an idle connection is kept for the next report."""
    with _connect(port) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
        for _ in range(3):
            connection.sendall(b"a" * 100_000)
            time.sleep(0.3)
        assert _answered(connection)
        time.sleep(0.8)
        for _ in range(2):
            connection.sendall(REQUEST)
            assert _answered(connection)
        connection.sendall(REQUEST * 20)
        got = b""
        while got.count(b"\r\n\r\nok") < 20:
            got += connection.recv(65536)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_service_that_may_have_more_files_takes_them() -> None:
    """A soft limit of 1,024, as services and shells get it, would mean a thousand connections."""
    program = (
        "import resource as r; from roadworthy_collector.connections import allow_connections;"
        "hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (256, 4096));"
        "allow_connections(); print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(said.stdout) == 4096


def test_a_request_for_another_protocol_is_answered_and_nothing_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Uvicorn says two lines for each, and advises to install something."""
    port, quiet, said = free_port(), _NoHttp(), logging.getLogger("uvicorn.error")
    said.addFilter(quiet)
    config = uvicorn.Config(
        _app, port=port, http=BoundedHead, lifespan="off", log_config=None, log_level="warning"
    )
    try:
        with serving(config), _connect(port) as connection:
            connection.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            assert _answered(connection)
    finally:
        said.removeFilter(quiet)
    assert [record.getMessage() for record in caplog.records] == []
