"""POST /api/v1/enrol: a key for a device id and a token, once, or a typed refusal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from collector.ingest.samples import NOW, Device, add_device, encoded, rows
from fastapi import FastAPI
from sqlalchemy import Engine, update
from support import free_port
from support.serving import serving

from roadworthy_collector.app import create_app
from roadworthy_collector.ingest import enrol, identity, limits
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
        (encoded({"schema_version": "1.0"}), (400, "schema", "platform")),
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


def test_guesses_are_bounded_and_a_good_key_from_the_same_address_still_enrols(
    app: FastAPI, engine: Engine
) -> None:
    """A whole site comes from one address."""
    guess = encoded(body("rwe1_guess"))
    codes = [error(send(app, guess))[1] for _ in range(limits.UNKNOWN_FAILURES_PER_MINUTE + 1)]
    assert codes == ["key_unknown"] * limits.UNKNOWN_FAILURES_PER_MINUTE + ["rate"]
    assert send(app, encoded(body(make_key(engine)))).status_code == 200
    assert rows(engine, enrol_keys)[0]["uses"] == 1


def test_a_key_that_ended_is_slowed_and_no_other_one(app: FastAPI, engine: Engine) -> None:
    ended, other = make_key(engine, max_uses=0), make_key(engine, expires_in_seconds=50)
    codes = [error(send(app, encoded(body(ended))))[1] for _ in range(limits.KEY_FAILURES_PER_MINUTE + 1)]
    assert codes == ["key_used_up"] * limits.KEY_FAILURES_PER_MINUTE + ["rate"]
    assert error(send(app, encoded(body(other)))) == (403, "key_expired", "enrolment_key")


def test_so_many_devices_a_minute_and_the_others_come_back_spread(app: FastAPI, engine: Engine) -> None:
    app.state.settings = app.state.settings.model_copy(update={"enrolments_per_minute": 3})
    key = encoded(body(make_key(engine)))
    found = [send(app, key) for _ in range(30)]
    assert [response.status_code for response in found] == [200] * 3 + [429] * 27
    waits = [int(response.headers["retry-after"]) for response in found[3:]]
    assert {error(response) for response in found[3:]} == {(429, "rate", None)}
    assert max(waits) > 120  # 27 devices need nine minutes
    assert all(1 <= wait <= limits.LONGEST_WAIT_SECONDS for wait in waits)
    assert len(rows(engine, devices)) == 3
    assert rows(engine, enrol_keys)[0]["uses"] == 3


def test_a_key_gives_its_devices_their_usage_profile(app: FastAPI, engine: Engine) -> None:
    send(app, encoded(body(make_key(engine, usage_profile="kiosk"))))
    send(app, encoded(body(make_key(engine))))
    assert [row["usage_profile"] for row in rows(engine, devices)] == ["kiosk", "unknown"]


def test_key_or_token_and_not_both(app: FastAPI) -> None:
    for parts in ({"enrolment_key": None}, {"token": "rw1_x"}):
        assert error(send(app, encoded(body("rwe1_x") | parts))) == (400, "schema", "enrolment_key")


@pytest.mark.parametrize("size", [enrol.MAX_BODY_BYTES + 1, 8_000_000])
def test_a_body_far_too_large_is_answered_and_not_cut_off(engine: Engine, tmp_path: Path, size: int) -> None:
    """Over a real connection: who still sends must find the answer and no reset."""
    port = free_port()
    settings = Settings(data=tmp_path, port=port)
    app = create_app(settings, engine)
    with serving(uvicorn.Config(app, port=port, log_level="warning", access_log=False)):
        answer = httpx.post(f"http://127.0.0.1:{port}{enrol.ENROL_PATH}", content=b"x" * size, timeout=20)
        assert error(answer) == (413, "too_large", "body")


# Trading the token of the device a machine is a copy of

OWN = {"system_uuid": "a" * 64, "board_serial": "b" * 64, "disk_serial": "c" * 64}
OTHER = {"system_uuid": "d" * 64, "board_serial": "e" * 64, "disk_serial": "c" * 64}


def copied(engine: Engine, **state: Any) -> Device:
    """Return a device with a fingerprint, about which something is remembered."""
    device = add_device(engine)
    with write_transaction(engine) as connection:
        remembered = identity.write(identity.State(**state))
        connection.execute(
            update(devices).values(fingerprint=OWN, identity=remembered, usage_profile="shared")
        )
    return device


def trade(app: FastAPI, device: Device, fingerprint: dict[str, str]) -> httpx.Response:
    asked = body("", fingerprint=fingerprint) | {"enrolment_key": None, "token": device.token}
    return send(app, encoded(asked))


def test_a_copy_trades_its_token_once_however_often_it_asks(app: FastAPI, engine: Engine) -> None:
    original = copied(engine, rival=identity.Rival(OTHER, int(NOW) - 100, int(NOW) - 50))
    found = [trade(app, original, OTHER).json() for _ in range(3)]
    assert len({answer["device_id"] for answer in found}) == 1
    assert len({answer["token"] for answer in found}) == 3
    (row,) = [row for row in rows(engine, devices) if row["device_id"] != original.device_id]
    assert (row["cloned_from"], row["usage_profile"]) == (original.device_id, "shared")
    assert row["fingerprint"] == OTHER
    access = Access(engine)
    assert access.look_up(access.parse(f"Bearer {original.token}")).device_id == original.device_id
    assert access.look_up(access.parse(f"Bearer {found[-1]['token']}")).device_id == row["device_id"]
    written = [row for row in rows(engine, audit) if row["action"] == "device.clone"]
    assert [row["detail"]["cloned_from"] for row in written] == [original.device_id]


@pytest.mark.parametrize(
    ("state", "fingerprint"),
    [
        ({}, OTHER),
        ({"rival": identity.Rival(OTHER, int(NOW))}, OTHER),
        ({"rival": identity.Rival(OTHER, int(NOW), int(NOW))}, OWN),
        ({"rival": identity.Rival(OTHER, int(NOW), int(NOW))}, {}),
        ({"shared_at": int(NOW)}, OWN),
    ],
    ids=["nothing is odd", "not clear yet", "the owner", "no facts", "the owner of a shared one"],
)
def test_nobody_trades_who_is_not_known_to_be_a_copy(
    app: FastAPI, engine: Engine, state: dict[str, Any], fingerprint: dict[str, str]
) -> None:
    original = copied(engine, **state)
    assert error(trade(app, original, fingerprint)) == (409, "not_cloned", "token")
    assert len(rows(engine, devices)) == 1


def test_a_token_that_is_not_good_is_not_traded(app: FastAPI, engine: Engine) -> None:
    original = copied(engine, shared_at=int(NOW))
    stranger = Device(original.row, original.device_id, tokens.issue("rw1").text)
    assert error(trade(app, stranger, OTHER)) == (401, "unknown", "authorization")
    with write_transaction(engine) as connection:
        tokens.revoke_device(connection, original.device_id, now=int(NOW))
    assert error(trade(app, original, OTHER)) == (403, "revoked", "authorization")
