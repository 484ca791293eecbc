"""Whatever is wrong is told in one form, with a code for programs and words for people."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from support.estates import NOW

from roadworthy_collector.api.errors import install
from roadworthy_collector.app import create_app
from roadworthy_collector.errors import StoreError
from roadworthy_collector.store.queries import device_list

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
pytestmark = ONE_STORE


def test_errors_have_one_form(api: Any) -> None:
    device = "rwd_" + "0" * 32
    assert api.error(404, "GET", "/nothing") == "not_found"
    assert api.error(405, "DELETE", "/devices") == "method_not_allowed"
    assert api.error(404, "GET", f"/devices/{device}") == "not_found"
    assert api.error(422, "GET", "/devices/of-nobody") == "schema"
    assert api.error(422, "GET", "/devices?limit=0") == "schema"
    assert api.error(422, "GET", f"/devices?after={2**63}") == "schema"
    assert api.error(422, "POST", "/sites/restrict", {"name": "two\nlines"}) == "schema"
    assert api.error(422, "POST", "/sites/restrict", {"name": "North", "nmae": "South"}) == "schema"
    assert api.error(401, "GET", "/devices", who=None) == "sign_in_required"
    bearer = api.people["ada"].bearer["headers"]
    typed = {"Content-Type": "application/json", "Accept": "application/json"}
    broken = api.client.post("/api/v1/sites/restrict", content=b"{", headers=bearer | typed)
    assert (broken.status_code, broken.json()["error"]["code"]) == (422, "malformed_json")
    large = api.client.post("/api/v1/sites/restrict", content=b" " * 70_000, headers=bearer | typed)
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    elsewhere = api.client.get("/api/v1/devices", headers=bearer | {"Host": "evil.example"})
    assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (421, "unknown_host")


def test_a_parameter_nobody_reads_is_refused_and_named(api: Any) -> None:
    answer = api.call("ada", "GET", "/register/items?stat=stores")
    error = answer.json()["error"]
    assert (answer.status_code, error["field"], error["code"]) == (422, "stat", "schema")
    assert "stat: this operation takes no such parameter; did you mean 'state'?" in error["message"]
    for address in ("/ratings?rated=meets", "/devices?limit=1&limit=2&odd=", "/sites?a=1"):
        assert api.error(422, "GET", address) == "schema"
    for address in (
        "/ratings?rating=meets&limit=3",
        "/export/ratings?rating=meets",
        "/register/export?as=csv&state=x",
    ):
        assert api.call("ada", "GET", address).status_code == 200, address
    assert api.error(401, "GET", "/devices?odd=1", who=None) == "sign_in_required"


def test_the_part_that_is_meant_is_named(api: Any) -> None:
    answer = api.call("ada", "POST", "/users", {"name": "bob", "password": "short", "role": "viewer"})
    error = answer.json()["error"]
    assert (error["field"], error["code"]) == ("password", "schema")
    assert "short" not in answer.text.replace("shorter", "")  # what was sent is not told back


@pytest.mark.parametrize("password", ["\ud800" * 20, "\0" * 20])
def test_no_text_is_too_odd_to_be_refused(api: Any, password: str) -> None:
    headers = api.people["ada"].bearer["headers"] | {"Content-Type": "application/json"}
    for sent in ({"name": password}, {"name": "bob", "password": password, "role": "viewer"}):
        for path in ("/sites/restrict", "/users"):
            body = json.dumps(sent).encode()
            answer = api.client.post(f"/api/v1{path}", content=body, headers=headers)
            assert answer.status_code in {201, 422}, answer.text


def test_a_database_that_is_away_is_a_503(api: Any, caplog: pytest.LogCaptureFixture) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("SELECT hostname", {"hostname": "HQ-SECRET"}, Exception("database is locked"))

    event.listen(api.estate.engine, "before_cursor_execute", away)
    answers = [api.call("ada", "GET", "/devices") for _ in range(20)]
    event.remove(api.estate.engine, "before_cursor_execute", away)
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert 30 <= int(answer.headers["retry-after"]) <= 90
    assert len({answer.headers["retry-after"] for answer in answers}) > 1  # nor do they come back at once
    assert api.call("ada", "GET", "/devices").status_code == 200
    assert len([one for one in caplog.records if "locked" in one.getMessage()]) <= 1  # not once a request
    assert "HQ-SECRET" not in caplog.text


def test_a_fault_of_the_program_is_a_500_of_the_same_form(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr(device_list, "read_page", broken)
    app = create_app(api.estate.settings(), api.estate.engine, clock=lambda: NOW)

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # a server logs it, and has answered
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8470") as client:
            return await client.get("/api/v1/devices", headers=api.people["ada"].bearer["headers"])

    answer = asyncio.run(asked())
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "fault")
    assert "KeyError" not in answer.text


@pytest.mark.usefixtures("estate")  # which the whole module is parametrised by
def test_those_refused_while_the_store_is_away_do_not_come_back_at_once() -> None:
    app = FastAPI()
    install(app)

    @app.get("/")
    def _away() -> None:
        raise StoreError("the database is away")

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.get("/") for _ in range(30)]

    answers = asyncio.run(ask())
    assert {(one.status_code, one.json()["error"]["code"]) for one in answers} == {(503, "store")}
    waits = {int(one.headers["retry-after"]) for one in answers}
    assert all(30 <= wait <= 90 for wait in waits)
    assert len(waits) > 1
