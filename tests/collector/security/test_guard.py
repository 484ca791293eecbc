"""Which hosts are answered, which headers are refused, and which are on every answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.estates import NOW
from support.web import Client, client_of

from roadworthy_collector.security import guard
from roadworthy_collector.security.guard import CONTENT_SECURITY_POLICY, FORM_BYTES, host_name
from roadworthy_collector.security.users import create_user

PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's own


@contextmanager
def _client(engine: Engine, data: Path, **settings: Any) -> Iterator[Client]:
    client = client_of(engine, data, NOW, **settings)
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8470", "127.0.0.1", "localhost:8470", "LOCALHOST", "[::1]:8470", "localhost."]
)
def test_its_own_names_are_answered(client: Client, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


FOREIGN = ("evil.example", "127.0.0.1.evil.example:8470", "10.0.0.7", "localhost.evil", "", "[::2]", "::1")


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/metrics/devices", "/sd/devices", "/login", "/static/style.css", "/openapi.json"],
)
def test_a_rebound_name_reads_nothing(client: Client, path: str) -> None:
    for host in FOREIGN:
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421, host
        error = answer.json()["error"]
        assert (error["code"], error["field"]) == ("unknown_host", "host")
        assert "allowed_hosts" in error["message"]


def test_a_name_can_be_allowed(engine: Engine, tmp_path: Path) -> None:
    with _client(engine, tmp_path, allowed_hosts=("IT.example.police.uk",)) as client:
        assert client.get("/", headers={"Host": "it.example.police.uk:443"}).status_code == 200
        assert client.get("/", headers={"Host": "it.example"}).status_code == 421


def test_load_balancers_may_ask_by_any_name(client: Client) -> None:
    assert client.get("/healthz", headers={"Host": "10.1.2.3"}).status_code != 421


def test_agents_may_call_by_any_name(client: Client) -> None:
    answer = client.post("/api/v1/reports", headers={"Host": "collector.example"}, content=b"")
    assert answer.status_code == 401
    assert client.post("/api/v1/enrol", headers={"Host": "collector.example"}).status_code != 421


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-proto", "Forwarded"])
def test_a_proxy_in_front_of_an_open_collector_is_refused(
    client: Client, engine: Engine, header: str
) -> None:
    answer = client.get("/", headers={header: "203.0.113.7"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "forwarded_while_open"
    assert answer.json()["error"]["field"] == header.lower()
    create_user(engine, "ada", PASSWORD, now=NOW)
    assert client.get("/", headers={header: "203.0.113.7"}).status_code == 303  # to the sign-in


@pytest.mark.parametrize("path", ["/", "/nothing", "/metrics", "/login", "/docs", "/static/style.css"])
def test_every_answer_has_the_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "geolocation=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers
    assert headers.get_list("cache-control") == [headers["cache-control"]]


def test_pages_are_not_kept_by_browsers(client: Client) -> None:
    assert client.get("/").headers["cache-control"] == "no-store"


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


def test_behind_tls_browsers_are_told_to_stay_there(engine: Engine, tmp_path: Path) -> None:
    with _client(engine, tmp_path, behind_tls_proxy=True) as client:
        assert "max-age=" in client.get("/").headers["strict-transport-security"]


@pytest.mark.parametrize("path", ["/login", "/logout", "/devices/rwd_x/open", "/nothing"])
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
def test_a_form_larger_than_any_of_ours_is_refused_before_it_is_kept(
    client: Client, path: str, content_type: str
) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\n'
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield part
        for _ in range(1000):
            taken += FORM_BYTES
            yield b"a" * FORM_BYTES

    answer = client.post(path, content=endless(), headers={"Content-Type": content_type})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert taken < 10 * FORM_BYTES


def test_a_slow_form_is_not_waited_for(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "FORM_SECONDS", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"name=ada"
        await asyncio.sleep(10)

    with _client(engine, tmp_path) as client:
        answer = client.post("/login", content=slow())
    assert answer.status_code == 408
    assert answer.json()["error"]["code"] == "timeout"


@given(st.text(max_size=60))
def test_any_host_header_is_read(header: str) -> None:
    assert ":" not in host_name(header) or header.startswith("[")
