"""Who may call what: one right an operation, alike for every role, and never beyond the caller's units."""

from __future__ import annotations

from typing import Any

import pytest
from support.estates import NOW, Estate
from support.web import client_of

from roadworthy_collector.security import tokens
from roadworthy_collector.security.roles import RIGHTS, Right, Role
from roadworthy_collector.store.engine import write_transaction

DEVICE = "rwd_" + "f" * 32
KEY = "f" * 16
LINE = "f" * 24
RIGHT_OF: dict[str, tuple[Right, ...]] = {
    "GET /devices": (Right.READ_ESTATE,),
    f"GET /devices/{DEVICE}": (Right.READ_ESTATE,),
    f"POST /devices/{DEVICE}/retire": (Right.MANAGE_DEVICES,),
    f"POST /devices/{DEVICE}/revoke": (Right.MANAGE_DEVICES,),
    f"POST /devices/{DEVICE}/erase": (Right.ERASE_DEVICES,),
    "POST /devices/rotate": (Right.MANAGE_DEVICES,),
    "POST /devices/profile": (Right.MANAGE_DEVICES,),
    "GET /sites": (Right.READ_ESTATE,),
    "POST /sites/restrict": (Right.MANAGE_SITES,),
    "POST /sites/release": (Right.MANAGE_SITES,),
    "GET /enrol-keys": (Right.MANAGE_ENROLMENT,),
    "POST /enrol-keys": (Right.MANAGE_ENROLMENT,),
    f"POST /enrol-keys/{KEY}/revoke": (Right.MANAGE_ENROLMENT,),
    "GET /scrape-tokens": (Right.MANAGE_SCRAPE_TOKENS,),
    "POST /scrape-tokens": (Right.MANAGE_SCRAPE_TOKENS,),
    f"POST /scrape-tokens/{KEY}/revoke": (Right.MANAGE_SCRAPE_TOKENS,),
    "GET /users": (Right.MANAGE_USERS,),
    "POST /users": (Right.MANAGE_USERS,),
    "DELETE /users/zoe": (Right.MANAGE_USERS,),
    "PUT /users/zoe/password": (Right.MANAGE_USERS,),
    "PUT /users/zoe/role": (Right.MANAGE_USERS,),
    "PUT /users/zoe/scope": (Right.MANAGE_USERS,),
    "POST /users/zoe/tokens": (Right.MANAGE_USERS,),
    "GET /user-tokens": (Right.MANAGE_USERS,),
    f"POST /user-tokens/{KEY}/revoke": (Right.MANAGE_USERS,),
    "GET /holds": (Right.MANAGE_HOLDS, Right.APPROVE),
    "POST /holds": (Right.MANAGE_HOLDS,),
    "POST /holds/7/approve": (Right.APPROVE,),
    "POST /holds/7/lift": (Right.MANAGE_HOLDS,),
    "POST /holds/7/lift/approve": (Right.APPROVE,),
    "GET /relay/status": (Right.MANAGE_DEVICES,),
    "GET /relay/devices": (Right.MANAGE_DEVICES,),
    "POST /relay/resume": (Right.MANAGE_DEVICES,),
    "GET /relay/trust": (Right.MANAGE_ENROLMENT,),
    "POST /relay/trust": (Right.MANAGE_ENROLMENT,),
    "POST /relay/trust/remove": (Right.MANAGE_ENROLMENT,),
    "POST /relay/identity": (Right.MANAGE_DATABASE,),
    "GET /relay/identity": (Right.MANAGE_DATABASE,),
    "POST /relay/export": (Right.MANAGE_DATABASE,),
    "POST /relay/import": (Right.MANAGE_DATABASE,),
    f"GET /relay/acknowledgements/{KEY}": (Right.MANAGE_DATABASE,),
    "POST /relay/acknowledge": (Right.MANAGE_DATABASE,),
    "GET /estate": (Right.READ_ESTATE,),
    "GET /jobs": (Right.MANAGE_DATABASE,),
    "GET /settings": (Right.MANAGE_DATABASE,),
    "GET /database/backups": (Right.MANAGE_DATABASE,),
    "POST /database/backups": (Right.MANAGE_DATABASE,),
    "GET /audit/verify": (Right.READ_AUDIT,),
    "GET /audit": (Right.READ_AUDIT,),
    "GET /audit/export": (Right.EXPORT_AUDIT,),
    "GET /costs/shares": (Right.READ_ESTATE,),
    "GET /costs/lines": (Right.READ_ESTATE,),
    "GET /costs/bridge": (Right.READ_ESTATE,),
    f"PUT /costs/lines/{LINE}": (Right.PREPARE_FINANCE,),
    "GET /costs/batches": (Right.READ_ESTATE,),
    "POST /costs/import": (Right.PREPARE_FINANCE,),
    "POST /costs/batches/7/undo": (Right.PREPARE_FINANCE,),
    "GET /costs/rules": (Right.READ_ESTATE,),
    "POST /costs/rules/try": (Right.PREPARE_FINANCE,),
    "PUT /costs/rules": (Right.PREPARE_FINANCE,),
    "GET /costs/method": (Right.READ_ESTATE,),
    "PUT /costs/method": (Right.PREPARE_FINANCE,),
    "GET /export/devices": (Right.READ_ESTATE,),
    "GET /organisation": (Right.READ_ESTATE,),
    "GET /organisation/rows": (Right.READ_ESTATE,),
    "GET /organisation/groups": (Right.READ_ESTATE,),
    "GET /organisation/groups/rows": (Right.READ_ESTATE,),
    "GET /organisation/export": (Right.READ_ESTATE,),
    "POST /organisation/units": (Right.MANAGE_SITES,),
    "POST /organisation/import": (Right.MANAGE_SITES,),
    "GET /cost-centres": (Right.READ_ESTATE,),
    "POST /cost-centres": (Right.PREPARE_FINANCE,),
    "PUT /cost-centres": (Right.PREPARE_FINANCE,),
    "GET /systems": (Right.READ_ESTATE,),
    "POST /systems": (Right.MANAGE_REGISTER,),
    "PUT /systems": (Right.MANAGE_REGISTER,),
    "PUT /sites/kind": (Right.MANAGE_SITES,),
    "GET /staff-time": (Right.READ_ESTATE,),
    "GET /staff-time/groups": (Right.READ_ESTATE,),
    "GET /staff-time/assumptions": (Right.READ_ESTATE,),
    "POST /staff-time/assumptions/try": (Right.PREPARE_FINANCE,),
    "PUT /staff-time/assumptions": (Right.PREPARE_FINANCE,),
    "GET /carbon-reports": (Right.READ_ESTATE,),
    "POST /carbon-reports": (Right.PREPARE_CARBON,),
    "GET /carbon-reports/figures/carbon": (Right.READ_ESTATE,),
    "GET /carbon-reports/7": (Right.READ_ESTATE,),
    "GET /carbon-reports/7/file": (Right.READ_ESTATE,),
    "GET /carbon-reports/7/pack": (Right.PREPARE_CARBON, Right.APPROVE, Right.READ_AUDIT),
    "POST /carbon-reports/7/verify": (Right.PREPARE_CARBON, Right.APPROVE, Right.READ_AUDIT),
    "POST /carbon-reports/7/journals": (Right.PREPARE_CARBON,),
    "POST /carbon-reports/7/restate": (Right.PREPARE_CARBON,),
    "POST /carbon-reports/7/agree": (Right.PREPARE_CARBON, Right.APPROVE),
    "GET /benefits": (Right.READ_ESTATE,),
    "POST /benefits": (Right.PREPARE_FINANCE,),
    "POST /benefits/7/agree": (Right.APPROVE, Right.PREPARE_FINANCE),
    "GET /contracts": (Right.READ_ESTATE,),
    "PUT /contracts": (Right.PREPARE_FINANCE,),
    "GET /warranties": (Right.READ_ESTATE,),
    "GET /disposal": (Right.READ_ESTATE,),
    "GET /disposal/items": (Right.READ_ESTATE,),
    "GET /disposal/missing": (Right.READ_ESTATE,),
    "PUT /disposal": (Right.MANAGE_REGISTER,),
    "POST /disposal/import": (Right.MANAGE_REGISTER,),
    "GET /plan": (Right.READ_ESTATE,),
    "POST /plan": (Right.MANAGE_REGISTER,),
    "GET /plan/queue": (Right.READ_ESTATE,),
    "POST /plan/queue": (Right.MANAGE_REGISTER,),
    "GET /plan/example": (Right.READ_ESTATE,),
    "GET /plan/items": (Right.READ_ESTATE,),
    "GET /plan/why": (Right.READ_ESTATE,),
    "GET /plan/lists/zoe": (Right.READ_ESTATE,),
    "GET /meters/supplies": (Right.READ_ESTATE,),
    "PUT /meters/supplies": (Right.PREPARE_CARBON,),
    "GET /meters/list": (Right.READ_ESTATE,),
    "POST /meters/list": (Right.PREPARE_CARBON,),
    "GET /meters/sites": (Right.READ_ESTATE,),
    "PUT /meters/sites": (Right.PREPARE_CARBON,),
    "POST /meters/sites/remove": (Right.PREPARE_CARBON,),
    "GET /meters/tariffs": (Right.READ_ESTATE,),
    "POST /meters/tariffs": (Right.PREPARE_CARBON,),
    "DELETE /meters/tariffs/7": (Right.PREPARE_CARBON,),
    "GET /meters/gaps": (Right.READ_ESTATE,),
    "GET /meters/share": (Right.READ_ESTATE,),
    "GET /meters/bill": (Right.READ_ESTATE,),
    "GET /meters/batches": (Right.READ_ESTATE,),
    "POST /meters/import": (Right.PREPARE_CARBON,),
    "POST /meters/batches/7/undo": (Right.PREPARE_CARBON,),
    "GET /carbon/crc": (Right.READ_ESTATE,),
    "GET /carbon/secr": (Right.READ_ESTATE,),
    "GET /carbon/factors": (Right.READ_ESTATE,),
    "GET /carbon/factor-sets": (Right.READ_ESTATE,),
    "POST /carbon/factor-sets": (Right.PREPARE_CARBON,),
    "POST /carbon/crc-rates": (Right.PREPARE_CARBON,),
    "POST /carbon/factor-sets/7/confirm": (Right.APPROVE, Right.PREPARE_CARBON),
    "POST /carbon/factor-sets/7/withdraw": (Right.PREPARE_CARBON,),
    "GET /carbon/settings": (Right.READ_ESTATE,),
    "GET /carbon/settings/example": (Right.READ_ESTATE,),
    "POST /carbon/settings/try": (Right.PREPARE_CARBON,),
    "PUT /carbon/settings": (Right.PREPARE_CARBON,),
    "GET /carbon/embodied": (Right.READ_ESTATE,),
    "GET /carbon/embodied/items": (Right.READ_ESTATE,),
    "GET /carbon/keep-or-replace": (Right.READ_ESTATE,),
    "GET /carbon/returns/zoe": (Right.READ_ESTATE,),
    "GET /carbon/intensity": (Right.READ_ESTATE,),
    "GET /carbon/energy": (Right.READ_ESTATE,),
    "GET /carbon/energy/devices": (Right.READ_ESTATE,),
    "GET /carbon/energy/day": (Right.READ_ESTATE,),
    "POST /carbon/energy/rebuild": (Right.PREPARE_CARBON,),
    "GET /carbon/avoidable": (Right.READ_ESTATE,),
    "GET /carbon/bridge": (Right.READ_ESTATE,),
    "GET /carbon/calibration": (Right.READ_ESTATE,),
    "POST /carbon/calibration/import": (Right.PREPARE_CARBON,),
    "POST /carbon/calibration/batches/7/undo": (Right.PREPARE_CARBON,),
    "GET /carbon/avoidable/devices": (Right.READ_ESTATE,),
    "GET /carbon/shifts": (Right.READ_ESTATE,),
    "POST /carbon/shifts/try": (Right.PREPARE_CARBON,),
    "PUT /carbon/shifts": (Right.PREPARE_CARBON,),
    "GET /snmp/profiles": (Right.READ_ESTATE,),
    "GET /snmp/targets": (Right.READ_ESTATE,),
    f"GET /snmp/devices/{DEVICE}/readings": (Right.READ_ESTATE,),
    "GET /snmp/overlaps": (Right.READ_ESTATE,),
    "GET /snmp/feeds": (Right.READ_ESTATE,),
    "POST /snmp/feeds": (Right.MANAGE_REGISTER,),
    "POST /snmp/feeds/7/end": (Right.MANAGE_REGISTER,),
    "GET /me": (Right.READ_ESTATE,),
    "GET /reconciliation": (Right.READ_ESTATE,),
    "GET /reconciliation/gaps": (Right.READ_ESTATE,),
    "GET /reconciliation/review": (Right.READ_ESTATE,),
    "POST /reconciliation/review/7": (Right.MANAGE_REGISTER,),
    "GET /reconciliation/decisions": (Right.MANAGE_REGISTER,),
    "POST /reconciliation/decisions/withdraw": (Right.MANAGE_REGISTER,),
    "GET /register/items": (Right.READ_ESTATE,),
    "GET /register/items/7": (Right.READ_ESTATE,),
    "GET /register/export": (Right.READ_ESTATE,),
    "POST /register/import": (Right.MANAGE_REGISTER,),
    "POST /register/mapping": (Right.MANAGE_REGISTER,),
    "POST /register/change": (Right.MANAGE_REGISTER,),
    "GET /register/batches": (Right.READ_ESTATE,),
    "POST /register/batches/7/undo": (Right.MANAGE_REGISTER,),
    "GET /ratings": (Right.READ_ESTATE,),
    "GET /ratings/counts": (Right.READ_ESTATE,),
    "GET /ratings/imported": (Right.READ_ESTATE,),
    "GET /ratings/why": (Right.READ_ESTATE,),
    "POST /reconciliation/run": (Right.MANAGE_REGISTER,),
    f"GET /devices/{DEVICE}/rating": (Right.READ_ESTATE,),
    "GET /rating-rules": (Right.READ_ESTATE,),
    "POST /rating-rules": (Right.MANAGE_REGISTER,),
    "POST /rating-rules/try": (Right.MANAGE_REGISTER,),
    "GET /lifecycle": (Right.READ_ESTATE,),
    "GET /lifecycle/records": (Right.READ_ESTATE,),
    "POST /lifecycle/run": (Right.MANAGE_REGISTER,),
    "GET /lifecycle/dates": (Right.READ_ESTATE,),
    "POST /lifecycle/dates/load": (Right.MANAGE_REGISTER,),
    "POST /lifecycle/dates/override": (Right.MANAGE_REGISTER,),
    "GET /lifecycle/planned": (Right.READ_ESTATE,),
    "PUT /lifecycle/planned": (Right.MANAGE_REGISTER,),
    "POST /lifecycle/planned/try": (Right.MANAGE_REGISTER,),
    "GET /lifecycle/bought": (Right.READ_ESTATE,),
    "POST /lifecycle/bought": (Right.MANAGE_REGISTER,),
    "POST /lifecycle/bought/try": (Right.MANAGE_REGISTER,),
    "GET /lifecycle/editions": (Right.READ_ESTATE,),
    "POST /lifecycle/editions/undo": (Right.MANAGE_REGISTER,),
    "GET /legacy/systems": (Right.READ_ESTATE,),
    "GET /legacy/systems/7": (Right.READ_ESTATE,),
    "PUT /legacy/systems/7/scores/L1": (Right.MANAGE_REGISTER,),
    "DELETE /legacy/systems/7/scores/L1": (Right.MANAGE_REGISTER,),
    "GET /exceptions": (Right.READ_ESTATE,),
    "POST /exceptions": (Right.MANAGE_REGISTER,),
    "POST /exceptions/7/end": (Right.MANAGE_REGISTER,),
    "POST /exceptions/7/approve": (Right.APPROVE,),
    "POST /exceptions/7/refuse": (Right.APPROVE,),
}
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
PARTS = {
    "kind": "carbon",
    "device_id": DEVICE,
    "key_id": KEY,
    "token_id": KEY,
    "name": "zoe",
    "hold": "7",
    "line": LINE,
    "batch": "7",
    "system": "7",
    "criterion": "L1",
    "pair": "7",
    "number": "7",
    "step": "agree",
    "item": "7",
    "table": "devices",
    "relay": KEY,
}


def ask(api: Any, who: str | None, operation: str) -> Any:
    method, path = operation.split(" ")
    return api.call(who, method, path, {} if method in {"POST", "PUT"} else None)


@ONE_STORE
def test_every_operation_has_its_right(api: Any) -> None:
    """What is not in the table above was not thought about."""
    paths = api.client.get("/openapi.json").json()["paths"]
    found = {
        f"{method.upper()} {path.removeprefix('/api/v1').format(**PARTS)}"
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/v1/") and path not in {"/api/v1/reports", "/api/v1/enrol"}
    }
    assert found == set(RIGHT_OF)


@ONE_STORE
@pytest.mark.parametrize("role", sorted(Role))
def test_a_role_may_what_its_rights_say(api: Any, role: Role) -> None:
    api.person("bob", role)
    for operation, needed in RIGHT_OF.items():
        answer = ask(api, "bob", operation)
        may = any(right in RIGHTS[role] for right in needed)
        assert (answer.status_code != 403) == may, (operation, answer.text)
        assert answer.status_code < 500, (operation, answer.text)
        if not may:
            assert answer.json()["error"]["code"] == "not_allowed"


@ONE_STORE
def test_nobody_is_let_in_without_a_token(api: Any) -> None:
    for operation in RIGHT_OF:
        answer = ask(api, None, operation)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "sign_in_required"), operation


@ONE_STORE
def test_a_session_changes_nothing_without_its_token(api: Any) -> None:
    """With it, it does: pages and scripts go the same way."""
    ada = api.people["ada"]
    for operation in RIGHT_OF:
        method, path = operation.split(" ")
        if method == "GET" or path.endswith(("/approve", "/refuse")):  # an administrator approves nothing
            continue
        answer = api.client.request(method, f"/api/v1{path}", json={}, **ada.cookie)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf"), operation
    headers = ada.cookie["headers"] | {"X-CSRF-Token": ada.csrf}
    answer = api.client.post("/api/v1/sites/restrict", json={"name": "Annexe R"}, headers=headers)
    assert answer.status_code == 204
    assert api.audited("site.restrict") == [("ada", "Annexe R")]


@ONE_STORE
def test_an_open_collector_is_read_and_not_changed(estate: Estate) -> None:
    estate.device(hostname="HQ-1")
    client = client_of(estate.engine, estate.path.parent, NOW)
    assert len(client.get("/api/v1/devices").json()["rows"]) == 1
    for operation, needed in RIGHT_OF.items():
        method, path = operation.split(" ")
        if method == "GET" and needed == (Right.READ_ESTATE,):
            continue
        answer = client.request(method, f"/api/v1{path}", json={} if method != "GET" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "sign_in_required"), operation
    client.close()


def test_of_some_units_only_theirs_are_seen_and_changed(api: Any) -> None:
    estate = api.estate
    mine, theirs = (
        estate.device_id(estate.device(unit=unit, site=site, hostname="H"))
        for unit, site in (("Traffic", "North"), ("Custody", "South"))
    )
    for role in (Role.REGISTER_MANAGER, Role.APPROVER):
        api.person(role, role, ["Traffic"])
    who = str(Role.REGISTER_MANAGER)
    assert [row["device_id"] for row in api.get("/devices", who)["rows"]] == [mine]
    assert [row["device_id"] for row in api.get("/devices?unit=Custody", who)["rows"]] == []
    assert [(row["name"], row["devices"]) for row in api.get("/sites", who)["rows"]] == [("North", 1)]
    for path, sent in (
        (f"/devices/{theirs}/retire", None),
        (f"/devices/{theirs}/revoke", {}),
        ("/devices/rotate", {"device_id": theirs}),
        ("/devices/profile", {"unit": "Custody", "usage_profile": "kiosk"}),
        ("/holds", {"devices": [theirs], "reason": "tribunal 2026/77"}),
    ):
        assert api.error(404, "POST", path, sent, who=who) == "not_found"
    assert api.error(404, "GET", f"/devices/{theirs}", who=who) == "not_found"
    changed = api.post("/devices/profile", {"all": True, "usage_profile": "kiosk"}, who=who, status=200)
    assert changed == {"devices": 1}
    profiles = {row["device_id"]: row["usage_profile"] for row in api.get("/devices")["rows"]}
    assert profiles == {mine: "kiosk", theirs: "unknown"}
    # What is about the whole IT estate is not theirs at all.
    for operation in ("GET /relay/status", "POST /relay/resume", "GET /relay/trust", "GET /users"):
        assert ask(api, who, operation).status_code == 403


def test_of_some_units_keys_lead_to_these_alone(api: Any) -> None:
    estate = api.estate
    estate.unit("Traffic"), estate.unit("Custody"), estate.site("North")
    api.person("rita", Role.REGISTER_MANAGER, ["Traffic"])
    with write_transaction(estate.engine) as connection:
        other = tokens.create_enrol_key(connection, now=0, unit="Custody", site="South").id
    wanted = {"unit": "Traffic", "site": "North", "days": 1}
    made = api.post("/enrol-keys", wanted, who="rita", status=201)
    assert [row["id"] for row in api.get("/enrol-keys", "rita")["rows"]] == [made["id"]]
    assert {row["id"] for row in api.get("/enrol-keys")["rows"]} == {made["id"], other}
    assert api.error(422, "POST", "/enrol-keys", wanted | {"unit": "Custody"}, who="rita") == "unknown_unit"
    assert api.error(422, "POST", "/enrol-keys", wanted | {"unit": "New"}, who="rita") == "unknown_unit"
    assert api.error(404, "POST", "/enrol-keys", wanted | {"site": "New"}, who="rita") == "not_found"
    assert api.error(404, "POST", f"/enrol-keys/{other}/revoke", who="rita") == "not_found"
    api.post(f"/enrol-keys/{made['id']}/revoke", who="rita")


def test_a_hold_over_other_units_is_not_theirs_to_decide(api: Any) -> None:
    estate = api.estate
    both = [estate.device_id(estate.device(unit=unit)) for unit in ("Traffic", "Custody")]
    api.person("rita", Role.REGISTER_MANAGER, ["Traffic"])
    api.person("grace", Role.APPROVER, ["Traffic"])
    api.person("una", Role.APPROVER)
    hold = api.post("/holds", {"devices": both, "reason": "tribunal 2026/77"}, status=201)["id"]
    assert api.error(404, "POST", f"/holds/{hold}/lift", {"reason": "no longer"}, who="rita") == "not_found"
    assert api.error(404, "POST", f"/holds/{hold}/approve", who="grace") == "not_found"
    assert api.error(404, "POST", f"/holds/{hold}/lift/approve", who="grace") == "not_found"
    (seen,) = api.get("/holds", "grace")["rows"]
    assert seen["devices"] == both[:1]  # that there is one over theirs they may know
    api.post(f"/holds/{hold}/approve", who="una")
    assert api.get("/holds", "una")["rows"][0]["state"] == "approved"


def test_restricted_sites_are_for_whoever_manages_sites(api: Any) -> None:
    device = api.estate.device_id(api.estate.device(site="Annexe R", restricted=True, hostname="R-1"))
    api.person("bob", Role.SERVICE_DESK)
    assert api.get("/devices")["rows"] == []
    assert [row["device_id"] for row in api.get("/devices?restricted=true")["rows"]] == [device]
    assert api.get("/devices?restricted=true", "bob")["rows"] == []
    assert "Annexe R" in {row["name"] for row in api.get("/sites")["rows"]}
    assert "Annexe R" not in {row["name"] for row in api.get("/sites", "bob")["rows"]}
    assert api.error(404, "GET", f"/devices/{device}", who="bob") == "not_found"
    assert api.get(f"/devices/{device}")["site"] == "Annexe R"
