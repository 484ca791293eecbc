"""POST /api/v1/enrol: a key for a device id and a token, once, or a typed refusal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from collector.ingest.samples import NOW, encoded, rows
from fastapi import FastAPI
from sqlalchemy import Engine

from roadworthy_collector.ingest import enrol
from roadworthy_collector.ingest.access import Access
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.security import tokens
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import audit, devices, enrol_keys


@pytest.fixture
def app(engine: Engine, tmp_path: Path) -> FastAPI:
    """Return the enrolment route alone, wired as the collector wires it."""
    app = FastAPI()
    app.include_router(enrol.router)
    app.state.engine = engine
    app.state.settings = Settings(data=tmp_path)
    app.state.clock = lambda: NOW
    app.state.stats = Stats()
    return app


def make_key(engine: Engine, **limits: Any) -> str:
    with write_transaction(engine) as connection:
        return tokens.create_enrol_key(connection, now=int(NOW) - 100, **limits).text


def body(key: str, **parts: Any) -> dict[str, Any]:
    return {
        "schema_version": "1.0",
        "enrolment_key": key,
        "platform": "linux",
        "agent_version": "1.0.0",
        "hostname": "desk-0417",
        "fingerprint": {"system_uuid": "a" * 64},
        **parts,
    }


def send(app: FastAPI, content: bytes, *, address: str = "10.1.2.3") -> httpx.Response:
    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(address, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
            return await client.post(enrol.ENROL_PATH, content=content)

    return asyncio.run(exchange())


def error(response: httpx.Response) -> tuple[int, str, str | None]:
    found = response.json()
    assert set(found) == {"error", "server_time"}
    assert set(found["error"]) == {"code", "field", "message"}
    return response.status_code, found["error"]["code"], found["error"]["field"]


def test_a_good_key_makes_a_device_at_its_place_and_a_token_that_works(app: FastAPI, engine: Engine) -> None:
    key = make_key(engine, site="Harbour station", unit="Patrol")
    response = send(app, encoded(body(key, a_field_of_the_future=1)))
    found = response.json()
    assert response.status_code == 200
    assert set(found) == {"device_id", "token", "server_time", "next_call"}
    assert (found["server_time"], response.headers["cache-control"]) == (NOW, "no-store")
    (row,) = rows(engine, devices)
    assert (row["device_id"], row["hostname"], row["platform"]) == (found["device_id"], "desk-0417", "linux")
    assert row["fingerprint"] == {"system_uuid": "a" * 64}
    with engine.connect() as connection:
        place = connection.exec_driver_sql(
            "SELECT sites.name, units.name FROM devices JOIN sites ON sites.id = devices.site "
            "JOIN units ON units.id = devices.unit"
        ).one()
    assert place == ("Harbour station", "Patrol")
    access = Access(engine)
    holder = access.look_up(access.parse(f"Bearer {found['token']}"))
    assert holder.device_id == found["device_id"]
    assert app.state.stats.enrolments == {"enrolled": 1}


def test_each_enrolment_is_its_own_device_and_is_audited(app: FastAPI, engine: Engine) -> None:
    key = make_key(engine)
    found = {send(app, encoded(body(key))).json()["device_id"] for _ in range(3)}
    assert len(found) == 3
    assert rows(engine, enrol_keys)[0]["uses"] == 3
    written = [row for row in rows(engine, audit) if row["action"] == "device.enrol"]
    assert {row["subject"] for row in written} == found
    assert all(key not in json.dumps(row) and row["actor"] == "agent" for row in written)


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"max_uses": 0}, "key_used_up"), ({"expires_in_seconds": 50}, "key_expired"), (None, "key_unknown")],
)
def test_a_key_that_does_not_hold_is_refused_by_name(
    app: FastAPI, engine: Engine, limits: dict[str, Any] | None, code: str
) -> None:
    key = "rwe1_guess" if limits is None else make_key(engine, **limits)
    assert error(send(app, encoded(body(key)))) == (403, code, "enrolment_key")
    assert rows(engine, devices) == []


def test_a_revoked_key_is_refused(app: FastAPI, engine: Engine) -> None:
    key = make_key(engine)
    with write_transaction(engine) as connection:
        tokens.revoke_enrol_key(connection, key.split("_")[1], now=int(NOW))
    assert error(send(app, encoded(body(key)))) == (403, "key_revoked", "enrolment_key")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", (400, "malformed_json", "body")),
        (b"[" * 50_000, (413, "too_large", "body")),
        (b"[" * 5_000, (400, "schema", None)),
        (encoded({"schema_version": "2.0"}), (426, "upgrade_required", "schema_version")),
        (encoded({"schema_version": "1.0"}), (400, "schema", "enrolment_key")),
        (encoded(body("x", hostname=5)), (400, "schema", "hostname")),
        (encoded(body("x", agent_version="x" * 65)), (400, "schema", "agent_version")),
    ],
)
def test_a_bad_request_is_refused_and_names_its_field(
    app: FastAPI, content: bytes, expected: tuple[int, str, str | None]
) -> None:
    assert error(send(app, content)) == expected


def test_an_unknown_platform_is_other(app: FastAPI, engine: Engine) -> None:
    assert send(app, encoded(body(make_key(engine), platform="haiku"))).status_code == 200
    assert rows(engine, devices)[0]["platform"] == "other"


def test_guessing_is_slowed_for_who_guesses(app: FastAPI, engine: Engine) -> None:
    guess = encoded(body("rwe1_guess"))
    codes = [error(send(app, guess))[1] for _ in range(enrol.FAILURES_PER_MINUTE + 1)]
    assert codes == ["key_unknown"] * enrol.FAILURES_PER_MINUTE + ["rate"]
    key = make_key(engine)
    limited = send(app, encoded(body(key)))
    assert error(limited) == (429, "rate", None)
    assert 1 <= int(limited.headers["retry-after"]) <= 61
    assert send(app, encoded(body(key)), address="10.9.9.9").status_code == 200
    assert rows(engine, enrol_keys)[0]["uses"] == 1
