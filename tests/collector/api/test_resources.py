"""What each resource does: the same as its command, by whoever called, and on the record."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.estates import NOW, Estate

from roadworthy_collector.errors import StoreError
from roadworthy_collector.relay.signing import Told
from roadworthy_collector.security import tokens
from roadworthy_collector.store import schema
from roadworthy_collector.store.backup_folder import BackupRunningError, list_backups, make_backup
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.lock import file_lock

PASSWORD = "correct horse battery staple"  # noqa: S105 - of nobody


def test_an_enrolment_key_is_told_once_and_lets_in_until_it_is_revoked(api: Any) -> None:
    made = api.post(
        "/enrol-keys",
        {"site": "North", "unit": "Traffic", "days": 3, "uses": 2, "note": "new PCs", "profile": "shared"},
        status=201,
    )
    assert made["token"].startswith(f"rwe1_{made['id']}_")
    (row,) = api.get("/enrol-keys")["rows"]
    assert row == {
        "id": made["id"], "site": "North", "unit": "Traffic", "usage_profile": "shared", "note": "new PCs",
        "created_at": int(NOW), "expires_at": int(NOW) + 3 * 86_400, "max_uses": 2, "uses": 0, "revoked_at": None,
    }  # fmt: skip
    enrol = {
        "schema_version": "1.0", "enrolment_key": made["token"], "platform": "linux", "agent_version": "1",
    }  # fmt: skip
    assert "token" in api.post("/enrol", enrol, status=200)
    api.post(f"/enrol-keys/{made['id']}/revoke")
    assert api.call("ada", "POST", "/enrol", enrol).json()["error"]["code"] == "key_revoked"
    assert api.error(404, "POST", f"/enrol-keys/{made['id']}/revoke") == "not_found"
    assert api.audited("enrol_key.create") == [("ada", made["id"])]
    assert api.audited("enrol_key.revoke") == [("ada", made["id"])]


def test_a_scrape_token_reads_until_it_is_revoked(api: Any) -> None:
    api.estate.unit("Traffic")
    made = api.post("/scrape-tokens", {"units": ["Traffic"]}, status=201)
    assert api.get("/scrape-tokens")["rows"] == [
        {"id": made["id"], "created_at": int(NOW), "revoked_at": None, "units": ["Traffic"]}
    ]
    scrape = {"headers": {"Authorization": f"Bearer {made['token']}"}}
    assert api.client.get("/metrics", **scrape).status_code == 200
    api.post(f"/scrape-tokens/{made['id']}/revoke")
    assert api.client.get("/metrics", **scrape).status_code == 403
    assert api.error(422, "POST", "/scrape-tokens", {"units": ["Nowhere"]}) == "unknown_unit"
    assert api.audited("scrape_token.revoke") == [("ada", made["id"])]


def test_a_device_is_shown_revoked_retired_and_erased(api: Any) -> None:
    facts = {"os": {"name": "Debian"}}
    row = api.estate.device(hostname="HQ-1", facts=facts, facts_at=int(NOW) - 60, unit="Traffic")
    device = api.estate.device_id(row)
    with write_transaction(api.estate.engine) as connection:
        tokens.create_device_token(connection, row, now=int(NOW))
    shown = api.get(f"/devices/{device}")
    assert (shown["facts"], shown["state"], shown["unit"]) == (facts, "reporting", "Traffic")
    api.post(f"/devices/{device}/revoke", {"re_enrol": True})
    assert api.error(404, "POST", f"/devices/{device}/revoke", {}) == "not_found"
    api.post(f"/devices/{device}/retire")
    assert api.get("/devices?state=retired")["rows"][0]["device_id"] == device
    erased = api.post(f"/devices/{device}/erase", {"reason": "request 2026-114"}, status=202)
    assert erased == {"device_id": device, "state": "erasing"}
    for action in ("device.revoke", "device.retire", "device.erase_asked"):
        assert api.audited(action) == [("ada", device)]


def test_a_device_under_a_hold_is_not_erased(api: Any) -> None:
    device = api.estate.device_id(api.estate.device())
    hold = api.post("/holds", {"devices": [device], "reason": "tribunal 2026/77", "days": 30}, status=201)[
        "id"
    ]
    asked = {"reason": "request 2026-114"}
    assert api.error(409, "POST", f"/devices/{device}/erase", asked) == "erasure_refused"
    api.person("ann", "approver")
    assert api.get("/holds", "ann")["rows"][0]["state"] == "waiting"
    api.post(f"/holds/{hold}/approve", who="ann")
    assert api.error(409, "POST", f"/holds/{hold}/approve", who="ann") == "hold_refused"
    lifting = {"reason": "the tribunal is over"}
    assert api.post(f"/holds/{hold}/lift", lifting, status=200) == {"state": "lift_asked"}
    assert api.error(409, "POST", f"/devices/{device}/erase", asked) == "erasure_refused"
    assert api.error(403, "POST", f"/holds/{hold}/lift/approve") == "not_allowed"
    api.post(f"/holds/{hold}/lift/approve", who="ann")
    assert api.error(404, "POST", f"/holds/{hold}/lift", {"reason": "again and again"}) == "not_found"
    (row,) = api.get("/holds")["rows"]
    assert (row["state"], row["asked_by"], row["approved_by"], row["lifted_by"]) == (
        "lifted",
        "ada",
        "ann",
        "ada",
    )
    assert api.audited("hold.approve") == [("ann", str(hold))]
    api.post(f"/devices/{device}/erase", asked, status=202)


def test_devices_are_chosen_in_exactly_one_way(api: Any) -> None:
    for number in range(3):
        device = api.estate.device(site="North" if number else "South")
        with write_transaction(api.estate.engine) as connection:
            issued = tokens.create_device_token(connection, device, now=int(NOW))
            tokens.first_use(connection, issued.id, device, now=int(NOW))
    assert api.post("/devices/rotate", {"site": "North"}, status=200) == {"devices": 2}
    assert api.post("/devices/rotate", {"all": True}, status=200) == {"devices": 3}
    for sent in ({}, {"all": False}, {"site": "North", "unit": "IT"}, {"all": True, "site": "North"}):
        assert api.error(422, "POST", "/devices/rotate", sent) == "schema"
    assert api.error(404, "POST", "/devices/rotate", {"site": "Nowhere"}) == "not_found"
    assert api.audited("device.rotate") == [("ada", "site North"), ("ada", "all")]


def test_sites_are_restricted_and_released(api: Any) -> None:
    api.estate.device(site="North")
    for name in ("Annexe R", "a/b?c#d"):
        api.post("/sites/restrict", {"name": name})
        api.post("/sites/release", {"name": name})
        assert api.error(404, "POST", "/sites/release", {"name": name}) == "not_found"
    rows = api.get("/sites")["rows"]
    assert {row["name"]: row["devices"] for row in rows}["North"] == 1
    assert len(api.audited("site.release")) == 2


def test_users_are_made_changed_and_deleted(api: Any) -> None:
    api.estate.unit("Traffic")
    sent = {"name": "bob", "password": PASSWORD, "role": "viewer", "units": ["Traffic"]}
    assert api.post("/users", sent, status=201) == {
        "name": "bob", "role": "viewer", "created_at": int(NOW), "units": ["Traffic"],
    }  # fmt: skip
    assert api.error(409, "POST", "/users", sent) == "user_refused"
    assert api.error(409, "POST", "/users", sent | {"name": "local"}) == "user_refused"
    assert api.error(422, "POST", "/users", sent | {"name": "b/ob"}) == "schema"
    assert api.error(422, "POST", "/users", sent | {"name": "ben", "units": ["Nowhere"]}) == "unknown_unit"
    token = api.post("/users/bob/tokens", {"days": 5, "note": "export"}, status=201)
    bob = {"headers": {"Authorization": f"Bearer {token['token']}", "Accept": "application/json"}}
    assert api.client.get("/api/v1/me", **bob).json()["units"] == ["Traffic"]
    for path, body in (
        ("role", {"role": "service_desk"}),
        ("scope", {"units": None}),
        ("password", {"password": PASSWORD}),
    ):
        assert api.call("ada", "PUT", f"/users/bob/{path}", body).status_code == 204
    assert api.client.get("/api/v1/me", **bob).json() == {
        "name": "bob", "role": "service_desk", "units": None, "csrf": None,
        "rights": ["read_device_history", "read_estate", "read_metrics", "read_small_groups"],
    }  # fmt: skip
    (row,) = api.get("/user-tokens?user=bob")["rows"]
    assert (row["id"], row["expires_at"]) == (token["id"], int(NOW) + 5 * 86_400)
    api.post(f"/user-tokens/{token['id']}/revoke")
    assert api.client.get("/api/v1/me", **bob).status_code == 401
    assert api.error(404, "POST", f"/user-tokens/{token['id']}/revoke") == "not_found"
    assert api.call("ada", "DELETE", "/users/bob").status_code == 204
    assert [user["name"] for user in api.get("/users")["rows"]] == ["ada"]
    for method, path, body in (
        ("DELETE", "", None),
        ("PUT", "/role", {"role": "viewer"}),
        ("POST", "/tokens", {}),
    ):
        assert api.error(404, method, f"/users/bob{path}", body) == "not_found"
    assert api.error(409, "DELETE", "/users/ada") == "user_refused"  # the last administrator
    assert api.audited("user.create") == api.audited("user.delete") == [("ada", "bob")]


def test_a_relay_is_trusted_and_trusted_no_more(api: Any) -> None:
    key = Told("0123456789abcdef", "a" * 64).text()
    sent = {"name": "Custody VLAN", "public_key": key, "site": "Custody", "every_days": 3}
    api.post("/relay/trust", sent)
    assert api.error(422, "POST", "/relay/trust", sent) == "relay_refused"
    (row,) = api.get("/relay/trust")["rows"]
    assert (row["name"], row["site"], row["every_days"], row["added_at"]) == (
        "Custody VLAN",
        "Custody",
        3,
        int(NOW),
    )
    api.post("/relay/trust/remove", {"name": "Custody VLAN"})
    assert api.error(404, "POST", "/relay/trust/remove", {"name": "Custody VLAN"}) == "not_found"
    assert api.get("/relay/status")["mode"] == "off"
    assert api.error(404, "POST", "/relay/resume", {"all": True}) == "not_found"
    assert api.audited("relay.trust") == api.audited("relay.distrust") == [("ada", "Custody VLAN")]


def test_a_relays_devices_come_page_by_page_and_are_resumed(api: Any) -> None:
    devices = [api.estate.device() for _ in range(5)]
    for device in devices:
        api.estate.put(schema.relay_devices, device=device, stopped="revoked" if device % 2 else None)
    ids, after = [], ""
    while after is not None:
        page = api.get(f"/relay/devices?limit=2&after={after}")
        ids += [row["device_id"] for row in page["rows"]]
        after = page["next"]
    assert ids == sorted(api.estate.device_id(device) for device in devices)
    stopped = api.get("/relay/devices?stopped=true")["rows"]
    assert {row["stopped"] for row in stopped} == {"revoked"}
    assert api.post("/relay/resume", {"device_id": ids[0]}, status=200) == {"devices": 1}
    assert api.audited("relay.resume") == [("ada", ids[0])]


def test_a_collector_tells_what_it_is_and_how_its_jobs_go(api: Any) -> None:
    api.estate.put(
        schema.jobs, name="rollup", last_success_at=NOW - 5, failures=2, last_error="OSError: full"
    )
    estate = api.get("/estate")
    assert (estate["simulated"], estate["relay"], estate["reporting_timezone"]) == (
        False,
        False,
        "Europe/London",
    )
    assert estate["database"] == api.estate.engine.dialect.name
    (job,) = api.get("/jobs")["rows"]
    assert (job["name"], job["failures"], job["last_error"]) == ("rollup", 2, "OSError: full")
    shown = api.get("/settings")
    assert shown["settings"]["report_interval_seconds"] == 900
    assert shown["faults"] == []


def test_the_audit_is_verified_against_what_was_noted(api: Any) -> None:
    found = api.get("/audit/verify")
    assert (found["broken"], found["unchained"]) == (None, 0)
    noted = f"{found['head_id']}:{found['head_hash']}"
    api.post("/sites/restrict", {"name": "Annexe R"})
    assert api.get(f"/audit/verify?known={noted}")["broken"] is None
    wrong = f"{found['head_id']}:{'0' * 64}"
    assert "whose hash was noted" in api.get(f"/audit/verify?known={wrong}")["broken"]
    assert api.error(422, "GET", "/audit/verify?known=nothing") == "schema"


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_backup_is_made_where_the_collector_says(api: Any) -> None:
    made = api.post("/database/backups", status=201)
    assert api.get("/database/backups")["rows"] == [made]
    path = api.estate.path.parent / "backups" / made["name"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == made["bytes"]
    copy = sqlite3.connect(path)
    assert copy.execute("SELECT name FROM users").fetchall() == [("ada",)]
    copy.close()
    assert api.audited("database.backup") == [("ada", made["name"])]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_backups_come_one_at_a_time_and_never_fill_the_disk(estate: Estate, tmp_path: Path) -> None:
    settings = estate.settings()
    first = make_backup(settings, now=NOW)
    with file_lock(tmp_path / "backups" / "backup.lock"), pytest.raises(BackupRunningError):
        make_backup(settings, now=NOW)
    with pytest.raises(StoreError, match="bytes of free space; nothing was written"):
        make_backup(settings, now=NOW, room=lambda _: 1000)
    (tmp_path / "backups" / "roadworthy-of-somebody.db").write_text("not ours")
    assert list_backups(settings) == [first]
