"""The content security policy of everything the console answers: no address of it allows what stands in a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from support.console_sample import NOW, device_id
from support.web import Client, client_of

from roadworthy_collector.console import chart_style
from roadworthy_collector.console.assets import static_url
from roadworthy_collector.console.routes import router
from roadworthy_collector.jobs.charts import draw_pending
from roadworthy_collector.security.guard import CONTENT_SECURITY_POLICY
from roadworthy_collector.security.users import create_user


def _routes() -> set[tuple[str, str]]:
    """Return (method, path) of every route of the console."""
    found: set[tuple[str, str]] = set()
    waiting: list[Any] = [*router.routes]
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            found |= {(method, route.path) for method in route.methods}
        else:  # FastAPI keeps what was included as a router of its own
            waiting += route.original_router.routes
    return found


ROUTES = sorted(_routes())


def _filled(path: str) -> str:
    """Return an address of the route `path`: of a device that is there, and of whatever else is not."""
    return re.sub(r"\{[^}]*\}", "0", path.replace("{device_id}", device_id(0)))


def test_every_route_of_the_console_is_asked() -> None:
    assert {("GET", "/"), ("GET", "/charts/{name}"), ("POST", "/login")} <= set(ROUTES)
    assert len(ROUTES) > 15


@pytest.mark.parametrize("signed_in", [False, True], ids=["open", "with users"])
def test_no_answer_of_any_route_allows_what_stands_in_a_page(
    engine: Engine, tmp_path: Path, *, signed_in: bool
) -> None:
    if signed_in:
        create_user(engine, "ada", "correct horse battery staple", now=NOW)
    client = client_of(engine, tmp_path, NOW)
    try:
        for method, path in ROUTES:
            answer = client.request(method, _filled(path), headers={"Origin": "http://127.0.0.1:8470"})
            assert answer.status_code < 500, path
            assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
            assert not re.search(r"unsafe-(inline|eval|hashes)", str(answer.headers)), path
    finally:
        client.close()
    assert "unsafe" not in CONTENT_SECURITY_POLICY + chart_style.POLICY


def test_charts_and_files_neither(client: Client, engine: Engine) -> None:
    addresses = {
        name for path in ("/", "/startups", f"/devices/{device_id(0)}") for name in _charts(client, path)
    }
    while draw_pending(engine):
        pass
    assert len(addresses) > 4
    for address in sorted(addresses):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == chart_style.POLICY
    assert client.get(static_url("style.css")).headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def _charts(client: Client, path: str) -> list[str]:
    return re.findall(r'"(/charts/[0-9a-f]{64}\.svg)"', client.get(path).text)
