"""Eight roles: what each may do, alike by session and by token, on pages, in the API and in the metrics."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.console import routes as console
from roadworthy_collector.console import words
from roadworthy_collector.security import audit
from roadworthy_collector.security.roles import (
    ESTATE_WIDE,
    RIGHTS,
    Reader,
    Right,
    Role,
    may_approve,
    require,
    rights_of,
)
from roadworthy_collector.security.sessions import find
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.scope import descend

ALL = frozenset(Role)


def roles_with(right: Right) -> frozenset[Role]:
    return frozenset(role for role in Role if right in RIGHTS[role])


def test_who_may_do_what() -> None:
    administrator = {Role.ADMINISTRATOR}
    register = {Role.REGISTER_MANAGER, Role.ADMINISTRATOR}
    assert {right: roles_with(right) for right in Right} == {
        Right.READ_ESTATE: ALL,
        Right.READ_METRICS: ALL,
        Right.READ_SMALL_GROUPS: ALL - {Role.VIEWER},
        Right.READ_DEVICE_HISTORY: {Role.SERVICE_DESK, Role.ADMINISTRATOR},  # two roles, both on the record
        Right.READ_AUDIT: {Role.AUDITOR, Role.ADMINISTRATOR},
        Right.EXPORT_AUDIT: {Role.AUDITOR, Role.ADMINISTRATOR},
        Right.MANAGE_ENROLMENT: register,
        Right.MANAGE_DEVICES: register,
        Right.MANAGE_SITES: register,
        Right.MANAGE_REGISTER: register,
        Right.MANAGE_HOLDS: register,
        Right.ERASE_DEVICES: administrator,
        Right.MANAGE_USERS: administrator,
        Right.MANAGE_SCRAPE_TOKENS: administrator,
        Right.MANAGE_DATABASE: administrator,
        Right.PREPARE_FINANCE: {Role.FINANCE_PREPARER, Role.ADMINISTRATOR},
        Right.PREPARE_CARBON: {Role.SUSTAINABILITY_PREPARER, Role.ADMINISTRATOR},
        Right.APPROVE: {Role.APPROVER},
    }


def test_the_auditor_changes_nothing() -> None:
    reading = {"read", "export"}
    assert {right.partition("_")[0] for right in RIGHTS[Role.AUDITOR]} == reading


def test_every_role_has_its_words() -> None:
    assert set(words.ROLES) == set(Role)


def test_a_reader_of_some_units_has_no_right_over_everybodys() -> None:
    for role in Role:
        assert rights_of(role, None) == RIGHTS[role]
        assert rights_of(role, frozenset({1})) == RIGHTS[role] - ESTATE_WIDE
        assert rights_of(role, frozenset()) == RIGHTS[role] - ESTATE_WIDE


def reader(name: str, role: Role = Role.APPROVER, *, signed_in: bool = True) -> Reader:
    return Reader(name, role, "", signed_in=signed_in, rights=RIGHTS[role])


def test_nobody_approves_their_own_work() -> None:
    assert may_approve(reader("grace"), "ada")
    assert not may_approve(reader("ada"), "ada")
    assert not may_approve(reader("ada"), " ADA ")
    assert not may_approve(reader("grace"), "")  # what nobody prepared nobody can be told apart from
    assert not may_approve(reader("grace", signed_in=False), "ada")
    for role in ALL - {Role.APPROVER}:
        assert not may_approve(reader("grace", role), "ada")


@given(st.text(max_size=30), st.sampled_from(sorted(Role)))
def test_no_name_approves_itself(name: str, role: Role) -> None:
    assert not may_approve(reader(name, role), name)
    assert (
        not may_approve(reader(name.upper(), role), name.lower())
        or name.upper().casefold() != name.casefold()
    )


# --- the dependency every route of the API stands on ---------------------------------------------------------


class Api:
    """A route a right, over GET and POST."""

    def __init__(self, engine: Engine, data: Any, host: str = "127.0.0.1") -> None:
        app = FastAPI()
        app.state.settings = Settings(data=data, host=host)
        app.state.engine = engine
        app.state.clock = lambda: NOW
        console.install(app)
        for right in Right:

            def route(found: Reader = Depends(require(right))) -> dict[str, Any]:  # noqa: B008 - FastAPI's own shape
                return {"name": found.name, "role": found.role, "scope": found.scope}

            app.add_api_route(f"/api/v1/{right}", route, methods=["GET", "POST", "PUT", "DELETE"])
        self._app = app

    def ask(self, method: str, right: Right, **headers: str) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8470") as client:
                return await client.request(method, f"/api/v1/{right}", headers=headers)

        return asyncio.run(asked())


@pytest.fixture
def api(engine: Engine, tmp_path: Any) -> Api:
    return Api(engine, tmp_path)


@pytest.mark.parametrize("role", sorted(Role))
def test_a_role_holds_alike_by_session_and_by_token(api: Api, engine: Engine, role: Role) -> None:
    person = Person(engine, "ada", role)
    for right in Right:
        by_session = api.ask("GET", right, Cookie=f"roadworthy_8470={person.secret}")
        by_token = api.ask("GET", right, Authorization=f"Bearer {person.token}")
        if right in RIGHTS[role]:
            assert by_session.json() == by_token.json() == {"name": "ada", "role": role, "scope": None}
        else:
            for answer in (by_session, by_token):
                assert answer.status_code == 403
                assert answer.json()["error"]["code"] == "not_allowed"
                assert right in answer.json()["error"]["message"]


def test_while_it_is_open_reading_is_and_nothing_else(api: Api) -> None:
    reading = {Right.READ_ESTATE, Right.READ_DEVICE_HISTORY, Right.READ_SMALL_GROUPS, Right.READ_METRICS}
    for right in Right:
        answer = api.ask("GET", right)
        assert answer.status_code == (200 if right in reading else 401), right
    assert api.ask("GET", Right.MANAGE_USERS).json()["error"]["code"] == "sign_in_required"
    # Nor can a page of somebody else's make this machine's browser do it.
    assert api.ask("POST", Right.READ_ESTATE).status_code == 403


def test_nobody_gets_in_once_there_are_users(api: Api, engine: Engine) -> None:
    Person(engine, "ada", Role.VIEWER)
    for right in Right:
        answer = api.ask("GET", right)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "sign_in_required")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_change_by_session_needs_its_token_and_our_own_page(api: Api, engine: Engine, method: str) -> None:
    person = Person(engine, "ada", Role.ADMINISTRATOR)
    cookie = {"Cookie": f"roadworthy_8470={person.secret}"}
    token = {"X-CSRF-Token": person.csrf}
    right = Right.MANAGE_SITES
    for headers in (
        cookie,
        cookie | {"X-CSRF-Token": "guessed"},
        cookie | {"X-CSRF-Token": ""},
        cookie | token | {"Origin": "http://evil.example"},
        cookie | token | {"Origin": "null"},
    ):
        answer = api.ask(method, right, **headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")
    assert api.ask(method, right, **cookie, **token).status_code == 200
    own = api.ask(method, right, **cookie, **token, Origin="http://127.0.0.1:8470")
    assert own.status_code == 200
    # A browser sends no bearer token by itself, so there is nothing to borrow.
    assert api.ask(method, right, Authorization=f"Bearer {person.token}").status_code == 200


def test_a_user_token_that_does_not_hold_is_refused_even_with_a_session(api: Api, engine: Engine) -> None:
    person = Person(engine, "ada", Role.ADMINISTRATOR)
    for wrong in (person.token[:-1] + "x", "rwu1_x", f"rwu1_{person.token[5:21]}_{'0' * 64}"):
        answer = api.ask(
            "GET",
            Right.READ_ESTATE,
            Cookie=f"roadworthy_8470={person.secret}",
            Authorization=f"Bearer {wrong}",
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "user_token_refused")


def test_a_role_this_version_does_not_know_may_nothing(api: Api, engine: Engine) -> None:
    person = Person(engine, "ada", Role.ADMINISTRATOR)
    with write_transaction(engine) as connection:
        connection.execute(schema.users.update().values(role="emperor"))
    assert find(engine, person.secret, NOW) == ("ada", "emperor", False, None)
    for right in Right:
        assert api.ask("GET", right, Authorization=f"Bearer {person.token}").status_code == 403


# --- the console ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(Role))
def test_pages_by_role(client: Client, engine: Engine, device_id: str, role: Role) -> None:
    person = Person(engine, "ada", role)
    for path in ("/", "/devices", "/startups", "/about", "/docs", "/metrics"):
        assert client.get(path, **person.cookie).status_code == 200
    page = client.get("/audit", **person.cookie)
    assert page.status_code == (200 if Right.READ_AUDIT in RIGHTS[role] else 403)
    assert ("/audit" in client.get("/", **person.cookie).text) == (page.status_code == 200)
    page = client.get(f"/devices/{device_id}", **person.cookie).text
    form = {"data": {"csrf": person.csrf, "reason": "ticket 42"}}
    opened = client.post(f"/devices/{device_id}/open", **form, **person.cookie)
    if Right.READ_DEVICE_HISTORY in RIGHTS[role]:
        assert "Why open" in page
        assert opened.status_code == 303
        assert 'id="use"' in client.get(f"/devices/{device_id}", **person.cookie).text
    else:
        assert opened.status_code == 403
        assert "Facts" in page
        for told in (
            'id="use"',
            'id="states"',
            'id="signins"',
            'id="electricity"',
            'id="gaps"',
            'id="startups"',
        ):
            assert told not in page
        assert "service desk and administrator" in page


@pytest.mark.parametrize("role", sorted(Role))
def test_metrics_per_device_are_for_who_may_read_a_devices_history(
    engine: Engine, device_id: str, tmp_path: Path, role: Role
) -> None:
    person = Person(engine, "ada", role)
    client = client_of(engine, tmp_path, NOW, device_detail=True)
    for how in (person.cookie, person.bearer):
        answer = client.get("/metrics/devices", **how)
        if Right.READ_DEVICE_HISTORY in RIGHTS[role]:
            assert answer.status_code == 200
            assert device_id in answer.text
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
            assert Right.READ_DEVICE_HISTORY in answer.json()["error"]["message"]
            assert client.get("/metrics", **how).status_code == 200
    client.close()


def test_the_audit_page_escapes_what_people_typed(client: Client, engine: Engine) -> None:
    person = Person(engine, "ada", Role.AUDITOR)
    client.post("/login", data={"name": "x", "csrf": "y"})
    audit.record_alone(engine, NOW, "nobody", "login.failed", "<script>alert(1)</script>", {"a": ["<b>"]})
    page = client.get("/audit", **person.cookie).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "a: &lt;b&gt;" in page


# --- the API's own -------------------------------------------------------------------------------------------


def test_the_audit_is_read_page_by_page_and_exported(client: Client, engine: Engine) -> None:
    person = Person(engine, "ada", Role.AUDITOR)
    for number in range(5):
        audit.record_alone(engine, NOW + number, "grace", "test", f"={number}")
    found, after = [], 0
    while True:
        page = client.get(f"/api/v1/audit?limit=2&after={after}", **person.bearer).json()
        found += page["rows"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [row["action"] for row in found] == ["user_token.create", *["test"] * 5]
    day = client.get("/api/v1/audit?since=2026-09-22&until=2000-01-01", **person.cookie).json()
    assert day == {"rows": [], "next": None}
    cells = client.get("/api/v1/audit/export?format=csv", **person.cookie)
    assert cells.headers["content-type"].startswith("text/csv")
    assert "attachment" in cells.headers["content-disposition"]
    assert ",'=4," in cells.text
    for odd in (
        "after=9223372036854775808",
        "limit=0",
        "since=never",
        "since=0001-01-01",
        "until=9999-12-31T23:59-23:00",
    ):
        assert client.get(f"/api/v1/audit?{odd}", **person.bearer).status_code in {200, 422}
    lines = client.get("/api/v1/audit/export", **person.bearer).text.splitlines()
    assert json.loads(lines[-1])["action"] == "audit.export"
    assert [json.loads(line)["actor"] for line in lines].count("ada") == 2
    for path in ("/api/v1/audit", "/api/v1/audit/export"):
        viewer = client.get(path, **_viewer(engine, path).bearer)
        assert (viewer.status_code, viewer.json()["error"]["code"]) == (403, "not_allowed")


def _viewer(engine: Engine, name: str) -> Person:
    return Person(engine, name.replace("/", "-"), Role.VIEWER)


def test_whoever_asks_is_told_who_they_are(client: Client, engine: Engine) -> None:
    opened = client.get("/api/v1/me").json()
    assert (opened["name"], opened["role"], opened["csrf"], opened["units"]) == ("local", None, None, None)
    Estate(engine, None).unit("Traffic")  # type: ignore[arg-type] # no file is asked for
    person = Person(engine, "ada", Role.SERVICE_DESK, ["Traffic"])
    told = client.get("/api/v1/me", **person.cookie).json()
    assert (told["name"], told["role"], told["csrf"]) == ("ada", "service_desk", person.csrf)
    assert told["units"] == ["Traffic"]
    assert told["rights"] == sorted(RIGHTS[Role.SERVICE_DESK])
    assert client.get("/api/v1/me", **person.bearer).json()["csrf"] is None


# --- scope: the dated tree of units --------------------------------------------------------------------------


def unit(
    estate: Estate, name: str, parent: int | None = None, begins: int = 0, ends: int | None = None
) -> int:
    with write_transaction(estate.engine) as connection:
        row = {"name": name, "parent": parent, "valid_from": begins, "valid_to": ends}
        return int(
            connection.execute(insert(schema.units).values(row).returning(schema.units.c.id)).scalar_one()
        )


def test_a_scope_goes_down_the_tree_as_far_as_it_holds_now(estate: Estate) -> None:
    force = unit(estate, "Force")
    north = unit(estate, "North", force)
    south = unit(estate, "South", force)
    desk = unit(estate, "Desk", north)
    closed = unit(estate, "Closed", north, ends=int(NOW))
    below = unit(estate, "Below closed", closed)
    coming = unit(estate, "Coming", north, begins=int(NOW) + 1)
    with estate.engine.connect() as connection:
        assert descend(connection, [force], NOW) == {force, north, south, desk}
        assert descend(connection, [north], NOW) == {north, desk}
        assert descend(connection, [north], NOW - 1) == {north, desk, closed, below}
        assert descend(connection, [north], NOW + 1) == {north, desk, coming}
        assert descend(connection, [closed], NOW) == frozenset()
        assert descend(connection, [], NOW) == frozenset()


def test_a_loop_in_the_tree_ends(estate: Estate) -> None:
    first = unit(estate, "First")
    second = unit(estate, "Second", first)
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.units.update().where(schema.units.c.id == first).values(parent=second))
        assert descend(connection, [first], NOW) == {first, second}


def test_the_documented_table_is_the_one_in_force() -> None:
    page = (Path(__file__).parents[3] / "docs" / "security.md").read_text("utf-8")
    heads = [word.strip().replace(" ", "_") for word in _cells(page, "| right |")]
    for right in Right:
        cells = _cells(page, f"| `{right}` |")
        assert {role for role, cell in zip(heads, cells, strict=True) if cell.strip() == "yes"} == roles_with(
            right
        )


def _cells(page: str, start: str) -> list[str]:
    (line,) = [line for line in page.splitlines() if line.startswith(start)]
    return line.removeprefix(start).rstrip().removesuffix("|").split("|")
