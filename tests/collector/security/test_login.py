"""Signing in and out, sessions, forms, guessing, and the reason for opening a device."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from support.estates import NOW
from support.web import Client, client_of

from roadworthy_collector.console.login import safe_next
from roadworthy_collector.security import sessions
from roadworthy_collector.security.limiter import (
    ACCOUNT_FAILURES,
    ACCOUNT_SECONDS,
    PROCESS_FAILURES,
    PROCESS_SECONDS,
    LoginLimiter,
)
from roadworthy_collector.security.users import create_user, set_password
from roadworthy_collector.store import engine as store
from roadworthy_collector.store import schema, sqlite
from roadworthy_collector.store.engine import write_transaction

PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's own


@pytest.fixture
def ada(engine: Engine) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)


def _csrf(client: Client, path: str = "/login") -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def _sign_in(client: Client, password: str = PASSWORD, **fields: str) -> Any:
    form = {"name": "ada", "password": password, "csrf": _csrf(client), **fields}
    return client.post("/login", data=form)


def _audit(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        columns = (schema.audit.c.actor, schema.audit.c.action, schema.audit.c.subject)
        return [tuple(row) for row in connection.execute(select(*columns).order_by(schema.audit.c.id))]


@pytest.mark.usefixtures("ada")
def test_signing_in_and_out(client: Client, engine: Engine) -> None:
    answer = _sign_in(client, next="/devices?q=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/devices?q=x")
    cookie = next(
        line for line in answer.headers.get_list("set-cookie") if line.startswith("roadworthy_8470=")
    )
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=43200" in cookie
    assert "ada" in client.get("/").text
    assert client.get("/metrics").status_code == 200  # who may read the pages may read the metrics
    out = client.post("/logout", data={"csrf": _csrf(client, "/")})
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert client.get("/").status_code == 303
    assert _audit(engine) == [
        ("command line", "user.create", "ada"),
        ("ada", "login", None),
        ("ada", "logout", None),
    ]


@pytest.mark.usefixtures("ada")
def test_a_session_is_kept_as_a_hash_and_ends(client: Client, engine: Engine) -> None:
    _sign_in(client)
    secret = client.cookies["roadworthy_8470"]
    with engine.connect() as connection:
        (row,) = connection.execute(select(schema.sessions)).all()
    assert secret not in str(row)
    assert sessions.find(engine, secret, NOW + sessions.LIFETIME_SECONDS - 1) == (
        "ada",
        "administrator",
        False,
        None,
    )
    assert sessions.find(engine, secret, NOW + sessions.LIFETIME_SECONDS) is None
    assert sessions.find(engine, secret + "x", NOW) is None
    set_password(engine, "ada", "another long password", now=NOW)
    assert client.get("/").status_code == 303


@pytest.mark.usefixtures("ada")
def test_a_session_logged_out_elsewhere_is_gone(client: Client, engine: Engine) -> None:
    _sign_in(client)
    sessions.end(engine, client.cookies["roadworthy_8470"], NOW)
    assert client.get("/").status_code == 303


@pytest.mark.usefixtures("ada")
def test_wrong_passwords_are_refused_alike_and_on_the_record(client: Client, engine: Engine) -> None:
    wrong = _sign_in(client, "wrong")
    nobody = _sign_in(client, "wrong", name="nobody")
    assert wrong.status_code == nobody.status_code == 401
    assert "Name or password is not right." in wrong.text
    assert "Name or password is not right." in nobody.text
    assert [row for row in _audit(engine) if row[1] == "login.failed"] == [
        ("nobody", "login.failed", "ada"),
        ("nobody", "login.failed", "nobody"),
    ]


@pytest.mark.usefixtures("ada")
def test_guessing_is_slowed_even_with_the_right_password(client: Client) -> None:
    for _ in range(ACCOUNT_FAILURES):
        assert _sign_in(client, "wrong").status_code == 401
    answer = _sign_in(client)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "600"
    assert "Too many attempts" in answer.text


def test_the_limiter_counts_accounts_and_the_process() -> None:
    limiter = LoginLimiter()
    for number in range(ACCOUNT_FAILURES):
        assert limiter.wait_seconds("Ada", number) == 0
        limiter.failed("ada", number)
    assert limiter.wait_seconds("ADA", 100) == ACCOUNT_SECONDS - 100
    assert limiter.wait_seconds("ADA", ACCOUNT_SECONDS) == 0
    assert limiter.wait_seconds("grace", 100) == 0
    limiter.succeeded("ada")
    assert limiter.wait_seconds("ada", 100) == 0
    for number in range(PROCESS_FAILURES):
        limiter.failed(f"invented-{number}", 1000)
    assert limiter.wait_seconds("grace", 1001) == PROCESS_SECONDS - 1
    for number in range(5000):
        limiter.failed(f"invented-{number}", 1000)
    assert len(limiter._accounts) <= 1000


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("csrf", ["", "guessed"])
def test_a_form_without_its_token_is_refused(client: Client, csrf: str) -> None:
    assert _sign_in(client, csrf=csrf).status_code == 403
    _sign_in(client)
    assert client.post("/logout", data={"csrf": csrf}).status_code == 403
    assert client.get("/").status_code == 200


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://["])
def test_a_form_from_elsewhere_is_refused(client: Client, origin: str) -> None:
    form = {"name": "ada", "password": PASSWORD, "csrf": _csrf(client)}
    assert client.post("/login", data=form, headers={"Origin": origin}).status_code == 403
    own = client.post("/login", data=form, headers={"Origin": "http://127.0.0.1:8470"})
    assert own.status_code == 303


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/devices?q=a", "/devices?q=a"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/ok\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
        ("http://[", "/"),
        ("/devices?q=[", "/devices?q=["),
        ("///[evil.example", "/"),
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(wanted: str, goes: str) -> None:
    assert safe_next(wanted) == goes


@given(st.text(max_size=80))
def test_whatever_is_asked_for_stays_here(wanted: str) -> None:
    goes = safe_next(wanted)
    assert goes.startswith("/")
    assert not goes.startswith(("//", "/\\"))


@pytest.fixture
def tls_client(engine: Engine, tmp_path: Path, ada: None) -> Iterator[Client]:
    client = client_of(engine, tmp_path, NOW, behind_tls_proxy=True)
    yield client
    client.close()


def test_behind_tls_the_cookie_goes_by_tls_only(tls_client: Client) -> None:
    form = {"name": "ada", "password": PASSWORD, "csrf": _csrf(tls_client)}
    # The transport is plain here, so the form's own Secure cookie is handed over by hand.
    cookie = re.search(r"roadworthy_form_8470=([^;]+)", tls_client.get("/login").headers["set-cookie"])
    assert cookie is not None
    form["csrf"] = cookie[1]
    answer = tls_client.post("/login", data=form, headers={"Cookie": f"roadworthy_form_8470={cookie[1]}"})
    session = next(
        line for line in answer.headers.get_list("set-cookie") if "__Host-roadworthy_8470=" in line
    )
    assert "Secure" in session
    assert "Path=/;" in session
    assert "Domain" not in session


@pytest.mark.usefixtures("ada")
def test_users_give_a_reason_before_they_open_a_device(
    client: Client, engine: Engine, device_id: str
) -> None:
    _sign_in(client)
    asked = client.get(f"/devices/{device_id}")
    assert "Why open" in asked.text
    assert "Processor and memory use" not in asked.text
    csrf = _csrf(client, f"/devices/{device_id}")
    for reason in ("", "  a ", "x" * 201):
        refused = client.post(f"/devices/{device_id}/open", data={"csrf": csrf, "reason": reason})
        assert refused.status_code == 422
    assert (
        client.post(f"/devices/{device_id}/open", data={"csrf": "no", "reason": "ticket 42"}).status_code
        == 403
    )
    opened = client.post(f"/devices/{device_id}/open", data={"csrf": csrf, "reason": "ticket  42"})
    assert (opened.status_code, opened.headers["location"]) == (303, f"/devices/{device_id}")
    assert "Processor and memory use" in client.get(f"/devices/{device_id}").text
    with engine.connect() as connection:
        row = connection.execute(select(schema.audit).where(schema.audit.c.action == "device.open")).one()
    assert (row.actor, row.subject, row.detail) == ("ada", device_id, {"reason": "ticket 42"})


def test_a_reason_holds_for_an_hour(engine: Engine, tmp_path: Path, device_id: str, ada: None) -> None:
    now = NOW
    client = client_of(engine, tmp_path, now)
    _sign_in(client)
    secret = client.cookies["roadworthy_8470"]
    client.post(f"/devices/{device_id}/open", data={"csrf": _csrf(client, "/"), "reason": "ticket 42"})
    client.close()
    for later, title in ((3599, "Processor and memory use"), (3601, "Why open")):
        client = client_of(engine, tmp_path, now + later)
        page = client.get(f"/devices/{device_id}", headers={"Cookie": f"roadworthy_8470={secret}"})
        assert title in page.text
        client.close()


@pytest.mark.usefixtures("ada")
def test_nothing_is_shown_that_cannot_be_put_on_the_record(
    tmp_path: Path, engine: Engine, device_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", 0.1)
    impatient = store.open_engine(tmp_path / "roadworthy.db")
    client = client_of(impatient, tmp_path, NOW)
    _sign_in(client)
    form = {"csrf": _csrf(client, "/"), "reason": "a call to the help desk"}
    with write_transaction(engine):
        answer = client.post(f"/devices/{device_id}/open", data=form)
        assert answer.status_code == 503
        assert 30 <= int(answer.headers["retry-after"]) <= 90
        assert "Not just now" in answer.text
        assert "sqlite" not in answer.text.lower()
    assert client.post(f"/devices/{device_id}/open", data=form).status_code == 303
    client.close()
    impatient.dispose()


@pytest.mark.usefixtures("ada")
def test_an_unknown_device_is_not_found_and_not_on_the_record(client: Client, engine: Engine) -> None:
    _sign_in(client)
    csrf = _csrf(client, "/")
    assert (
        client.post("/devices/rwd_nobody/open", data={"csrf": csrf, "reason": "ticket 42"}).status_code == 404
    )
    assert not [row for row in _audit(engine) if row[1] == "device.open"]
