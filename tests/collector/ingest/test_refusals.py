"""A body far past the bound: whoever sends it to its end still learns why it was refused."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from collector.ingest.samples import Device, add_device, fresh_database, period, report
from collector.ingest.test_durability import serving
from support import free_port

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import http as ingest_http
from roadworthy_collector.ingest.asgi import REPORTS_PATH


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Device]]:
    """Yield the port of a collector with the usual limits, in a process of its own, and a device of it."""
    folder: Path = tmp_path_factory.mktemp("refusals")
    with fresh_database(folder) as engine:
        device = add_device(engine)
        port = free_port()
        with serving(folder / "roadworthy.db", port):
            yield port, device


def post(port: int, device: Device, body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {device.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{REPORTS_PATH}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("megabytes", [2, 5, 30])
def test_a_huge_body_ends_in_its_typed_error(
    server: tuple[int, Device],
    megabytes: int,
    chunked: bool,  # noqa: FBT001 - a parameter
) -> None:
    port, device = server
    for _ in range(5):
        part = b"x" * 100_000
        body: Any = (part for _ in range(megabytes * 10)) if chunked else part * megabytes * 10
        status, said = post(port, device, body)
        assert (status, said["error"]["code"], said["error"]["field"]) == (413, "too_large", "body")
    good = report(device, periods=[period(int(time.time()) // 1800 * 1800 - 1800)])
    assert post(port, device, json.dumps(good).encode())[0] == 200


def test_who_waits_for_the_answer_has_it_at_once_and_is_not_kept_for_ever(
    server: tuple[int, Device],
) -> None:
    port, device = server
    head = f"POST {REPORTS_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {device.token}\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        began = time.monotonic()
        connection.sendall(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert (response.status, response.getheader("connection")) == (413, "close")
        assert json.loads(response.read())["error"]["code"] == "too_large"
        assert time.monotonic() - began < ingest_http.DISCARD_SECONDS / 2
        assert connection.recv(1) == b""
        assert time.monotonic() - began < ingest_http.DISCARD_SECONDS + 5


def test_no_more_than_a_bound_is_thrown_away() -> None:
    """Somebody who never ends is not listened to for ever."""
    part = bytes(1024 * 1024)
    taken: list[int] = []
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        taken.append(len(part))
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Any) -> None:
        sent.append((message["type"], message.get("more_body", False), sum(taken)))

    asyncio.run(ingest_http.send_json(send, 413, {}, unread=receive))
    assert sent == [
        ("http.response.start", False, 0),
        ("http.response.body", True, 0),
        ("http.response.body", False, ingest_http.DISCARD_BYTES),
    ]


def test_a_body_that_does_not_come_in_time_names_the_body() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(30)
        return {"type": "http.request"}

    with pytest.raises(EnvelopeError) as caught:
        asyncio.run(ingest_http.read_body({"headers": []}, receive, 10, timeout_seconds=0.01))
    assert (caught.value.status, caught.value.code, caught.value.field) == (408, "timeout", "body")
