"""Every command is an operation of the API too, or says here why not; and each shows how it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from roadworthy_collector.api.errors import Error
from roadworthy_collector.app import create_app
from roadworthy_collector.cli import app
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine

ROOT = Path(__file__).parents[3]
OPERATIONS = {
    "check-config": "GET /api/v1/settings",
    "enrol-key create": "POST /api/v1/enrol-keys",
    "enrol-key list": "GET /api/v1/enrol-keys",
    "enrol-key revoke": "POST /api/v1/enrol-keys/{key_id}/revoke",
    "scrape-token create": "POST /api/v1/scrape-tokens",
    "scrape-token list": "GET /api/v1/scrape-tokens",
    "scrape-token revoke": "POST /api/v1/scrape-tokens/{token_id}/revoke",
    "devices list": "GET /api/v1/devices",
    "devices show": "GET /api/v1/devices/{device_id}",
    "devices revoke": "POST /api/v1/devices/{device_id}/revoke",
    "devices retire": "POST /api/v1/devices/{device_id}/retire",
    "devices erase": "POST /api/v1/devices/{device_id}/erase",
    "devices rotate": "POST /api/v1/devices/rotate",
    "devices profile": "POST /api/v1/devices/profile",
    "sites list": "GET /api/v1/sites",
    "sites restrict": "POST /api/v1/sites/restrict",
    "sites release": "POST /api/v1/sites/release",
    "db backup": "POST /api/v1/database/backups",
    "user create": "POST /api/v1/users",
    "user list": "GET /api/v1/users",
    "user delete": "DELETE /api/v1/users/{name}",
    "user password": "PUT /api/v1/users/{name}/password",
    "user role": "PUT /api/v1/users/{name}/role",
    "user scope": "PUT /api/v1/users/{name}/scope",
    "user tokens create": "POST /api/v1/users/{name}/tokens",
    "user tokens list": "GET /api/v1/user-tokens",
    "user tokens revoke": "POST /api/v1/user-tokens/{token_id}/revoke",
    "hold place": "POST /api/v1/holds",
    "hold list": "GET /api/v1/holds",
    "hold approve": "POST /api/v1/holds/{hold}/approve",
    "hold lift": "POST /api/v1/holds/{hold}/lift",
    "hold approve-lift": "POST /api/v1/holds/{hold}/lift/approve",
    "audit list": "GET /api/v1/audit",
    "audit export": "GET /api/v1/audit/export",
    "audit verify": "GET /api/v1/audit/verify",
    "relay status": "GET /api/v1/relay/status",
    "relay devices": "GET /api/v1/relay/devices",
    "relay resume": "POST /api/v1/relay/resume",
    "relay keygen": "POST /api/v1/relay/identity",
    "relay identity": "GET /api/v1/relay/identity",
    "relay export": "POST /api/v1/relay/export",
    "relay import": "POST /api/v1/relay/import",
    "relay ack": "POST /api/v1/relay/acknowledge",
    "relay trust add": "POST /api/v1/relay/trust",
    "relay trust list": "GET /api/v1/relay/trust",
    "relay trust remove": "POST /api/v1/relay/trust/remove",
    "register import": "POST /api/v1/register/import",
    "register mapping": "POST /api/v1/register/mapping",
    "register export": "GET /api/v1/register/export",
    "register list": "GET /api/v1/register/items",
    "register show": "GET /api/v1/register/items/{item}",
    "register change": "POST /api/v1/register/change",
    "register undo": "POST /api/v1/register/batches/{batch}/undo",
    "register batches": "GET /api/v1/register/batches",
    "reconcile run": "POST /api/v1/reconciliation/run",
    "reconcile gaps": "GET /api/v1/reconciliation/gaps",
    "reconcile review": "GET /api/v1/reconciliation/review",
    "reconcile decide": "POST /api/v1/reconciliation/review/{pair}",
    "reconcile decisions": "GET /api/v1/reconciliation/decisions",
    "reconcile withdraw": "POST /api/v1/reconciliation/decisions/withdraw",
    "ratings run": "POST /api/v1/reconciliation/run",
    "ratings list": "GET /api/v1/ratings",
    "ratings why": "GET /api/v1/ratings/why",
    "ratings rules show": "GET /api/v1/rating-rules",
    "ratings rules try": "POST /api/v1/rating-rules/try",
    "ratings rules save": "POST /api/v1/rating-rules",
    "lifecycle run": "POST /api/v1/lifecycle/run",
    "lifecycle show": "GET /api/v1/lifecycle",
    "lifecycle devices": "GET /api/v1/lifecycle/records",
    "lifecycle windows11": "GET /api/v1/lifecycle/records",
    "lifecycle dates": "GET /api/v1/lifecycle/dates",
    "lifecycle load": "POST /api/v1/lifecycle/dates/load",
    "lifecycle override": "POST /api/v1/lifecycle/dates/override",
    "lifecycle editions": "GET /api/v1/lifecycle/editions",
    "lifecycle undo": "POST /api/v1/lifecycle/editions/undo",
    "lifecycle bought show": "GET /api/v1/lifecycle/bought",
    "lifecycle bought try": "POST /api/v1/lifecycle/bought/try",
    "lifecycle bought save": "POST /api/v1/lifecycle/bought",
    "lifecycle planned show": "GET /api/v1/lifecycle/planned",
    "lifecycle planned try": "POST /api/v1/lifecycle/planned/try",
    "lifecycle planned save": "PUT /api/v1/lifecycle/planned",
    "legacy systems": "GET /api/v1/legacy/systems",
    "legacy show": "GET /api/v1/legacy/systems/{system}",
    "legacy score": "PUT /api/v1/legacy/systems/{system}/scores/{criterion}",
    "legacy withdraw": "DELETE /api/v1/legacy/systems/{system}/scores/{criterion}",
    "legacy export": "GET /api/v1/export/{table}",
    "exceptions add": "POST /api/v1/exceptions",
    "exceptions list": "GET /api/v1/exceptions",
    "exceptions approve": "POST /api/v1/exceptions/{number}/approve",
    "exceptions refuse": "POST /api/v1/exceptions/{number}/refuse",
    "exceptions end": "POST /api/v1/exceptions/{number}/end",
    "costs import": "POST /api/v1/costs/import",
    "costs batches": "GET /api/v1/costs/batches",
    "costs undo": "POST /api/v1/costs/batches/{batch}/undo",
    "costs shares": "GET /api/v1/costs/shares",
    "costs lines": "GET /api/v1/costs/lines",
    "costs bridge": "GET /api/v1/costs/bridge",
    "costs correct": "PUT /api/v1/costs/lines/{line}",
    "costs rules show": "GET /api/v1/costs/rules",
    "costs rules try": "POST /api/v1/costs/rules/try",
    "costs rules save": "PUT /api/v1/costs/rules",
    "costs method show": "GET /api/v1/costs/method",
    "costs method save": "PUT /api/v1/costs/method",
    "export": "GET /api/v1/export/{table}",
    "organisation tree": "GET /api/v1/organisation",
    "organisation groups": "GET /api/v1/organisation/groups",
    "organisation add": "POST /api/v1/organisation/units",
    "organisation move": "POST /api/v1/organisation/units",
    "organisation rename": "POST /api/v1/organisation/units",
    "organisation merge": "POST /api/v1/organisation/units",
    "organisation close": "POST /api/v1/organisation/units",
    "organisation import": "POST /api/v1/organisation/import",
    "organisation export": "GET /api/v1/organisation/export",
    "organisation cost-centres list": "GET /api/v1/cost-centres",
    "organisation cost-centres add": "POST /api/v1/cost-centres",
    "organisation cost-centres set": "PUT /api/v1/cost-centres",
    "organisation systems list": "GET /api/v1/systems",
    "organisation systems add": "POST /api/v1/systems",
    "organisation systems set": "PUT /api/v1/systems",
    "organisation sites set": "PUT /api/v1/sites/kind",
    "staff-time show": "GET /api/v1/staff-time",
    "staff-time export": "GET /api/v1/export/{table}",
    "staff-time assumptions show": "GET /api/v1/staff-time/assumptions",
    "staff-time assumptions try": "POST /api/v1/staff-time/assumptions/try",
    "staff-time assumptions save": "PUT /api/v1/staff-time/assumptions",
    "report carbon": "GET /api/v1/carbon-reports/figures/{kind}",
    "report crc": "GET /api/v1/carbon-reports/figures/{kind}",
    "report secr": "GET /api/v1/carbon-reports/figures/{kind}",
    "report prepare": "POST /api/v1/carbon-reports",
    "report review": "POST /api/v1/carbon-reports/{number}/{step}",
    "report close": "POST /api/v1/carbon-reports/{number}/{step}",
    "report approve": "POST /api/v1/carbon-reports/{number}/{step}",
    "report publish": "POST /api/v1/carbon-reports/{number}/{step}",
    "report restate": "POST /api/v1/carbon-reports/{number}/restate",
    "report journal": "POST /api/v1/carbon-reports/{number}/journals",
    "report list": "GET /api/v1/carbon-reports",
    "report show": "GET /api/v1/carbon-reports/{number}",
    "report pack": "GET /api/v1/carbon-reports/{number}/pack",
    "report verify": "POST /api/v1/carbon-reports/{number}/verify",
    "benefits add": "POST /api/v1/benefits",
    "benefits agree": "POST /api/v1/benefits/{number}/{step}",
    "benefits deliver": "POST /api/v1/benefits/{number}/{step}",
    "benefits remove": "POST /api/v1/benefits/{number}/{step}",
    "benefits list": "GET /api/v1/benefits",
    "benefits export": "GET /api/v1/export/{table}",
    "contracts list": "GET /api/v1/contracts",
    "contracts set": "PUT /api/v1/contracts",
    "contracts warranties": "GET /api/v1/warranties",
    "contracts export": "GET /api/v1/export/{table}",
    "disposal import": "POST /api/v1/disposal/import",
    "disposal list": "GET /api/v1/disposal",
    "disposal missing": "GET /api/v1/disposal/missing",
    "disposal set": "PUT /api/v1/disposal",
    "disposal export": "GET /api/v1/export/{table}",
    "plan example": "GET /api/v1/plan/example",
    "plan run": "POST /api/v1/plan",
    "plan show": "GET /api/v1/plan",
    "plan why": "GET /api/v1/plan/why",
    "plan lists": "GET /api/v1/plan/lists/{name}",
    "plan export": "GET /api/v1/plan/items",
    "meters import": "POST /api/v1/meters/import",
    "meters batches": "GET /api/v1/meters/batches",
    "meters undo": "POST /api/v1/meters/batches/{batch}/undo",
    "meters supplies": "GET /api/v1/meters/supplies",
    "meters add": "PUT /api/v1/meters/supplies",
    "meters list": "GET /api/v1/meters/list",
    "meters load-list": "POST /api/v1/meters/list",
    "meters sites": "GET /api/v1/meters/sites",
    "meters place": "PUT /api/v1/meters/sites",
    "meters unplace": "POST /api/v1/meters/sites/remove",
    "meters tariffs": "GET /api/v1/meters/tariffs",
    "meters load-tariffs": "POST /api/v1/meters/tariffs",
    "meters drop-tariff": "DELETE /api/v1/meters/tariffs/{number}",
    "meters gaps": "GET /api/v1/meters/gaps",
    "meters share": "GET /api/v1/meters/share",
    "meters bill": "GET /api/v1/meters/bill",
    "carbon crc": "GET /api/v1/carbon/crc",
    "carbon secr": "GET /api/v1/carbon/secr",
    "carbon factors list": "GET /api/v1/carbon/factors",
    "carbon factors load": "POST /api/v1/carbon/factor-sets",
    "carbon factors load-crc": "POST /api/v1/carbon/crc-rates",
    "carbon factors sets": "GET /api/v1/carbon/factor-sets",
    "carbon factors confirm": "POST /api/v1/carbon/factor-sets/{number}/confirm",
    "carbon factors withdraw": "POST /api/v1/carbon/factor-sets/{number}/withdraw",
    "carbon settings example": "GET /api/v1/carbon/settings/example",
    "carbon settings show": "GET /api/v1/carbon/settings",
    "carbon settings try": "POST /api/v1/carbon/settings/try",
    "carbon settings save": "PUT /api/v1/carbon/settings",
    "carbon embodied": "GET /api/v1/carbon/embodied",
    "carbon keep-or-replace": "GET /api/v1/carbon/keep-or-replace",
    "carbon returns": "GET /api/v1/carbon/returns/{name}",
    "carbon intensity": "GET /api/v1/carbon/intensity",
    "carbon energy": "GET /api/v1/carbon/energy",
    "carbon rebuild": "POST /api/v1/carbon/energy/rebuild",
    "carbon avoidable": "GET /api/v1/carbon/avoidable",
    "carbon bridge": "GET /api/v1/carbon/bridge",
    "carbon calibration import": "POST /api/v1/carbon/calibration/import",
    "carbon calibration show": "GET /api/v1/carbon/calibration",
    "carbon calibration undo": "POST /api/v1/carbon/calibration/batches/{batch}/undo",
    "carbon shifts show": "GET /api/v1/carbon/shifts",
    "carbon shifts try": "POST /api/v1/carbon/shifts/try",
    "carbon shifts save": "PUT /api/v1/carbon/shifts",
    "snmp profiles": "GET /api/v1/snmp/profiles",
    "snmp targets": "GET /api/v1/snmp/targets",
    "snmp readings": "GET /api/v1/snmp/devices/{device_id}/readings",
    "snmp overlaps": "GET /api/v1/snmp/overlaps",
    "snmp feeds list": "GET /api/v1/snmp/feeds",
    "snmp feeds state": "POST /api/v1/snmp/feeds",
    "snmp feeds end": "POST /api/v1/snmp/feeds/{number}/end",
}
EXCEPTIONS = {
    "serve": "it is what answers the API",
    "jobs": "a process, not an action",
    "up": "a process, not an action",
    "demo": "a process, on a data folder of its own",
    "first-start": "makes the first user, before anybody could call",
    "db upgrade": "nothing serves on a schema that is behind",
    "db restore": "nothing may run on the database meanwhile",
    "snmp try": "asks an address with a credential: from a token that would be a way into every network the collector sees",
    "snmp record": "asks an address, as `snmp try`",
    "snmp poll": "asks every target, as `snmp try`",
    "snmp sweep": "asks a range of addresses, as `snmp try`",
}


def commands(group: Any = None, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command that is shown, by its words."""
    group = group or typer.main.get_group(app)
    for name, command in group.commands.items():
        words = f"{above} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, words)
        elif not command.hidden:
            yield words, command


COMMANDS = dict(commands())


@pytest.fixture(scope="module")
def document(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Return {METHOD path: operation} of the OpenAPI document."""
    engine = open_engine(empty_database)
    api = create_app(Settings(data=tmp_path_factory.mktemp("data")), engine)._app._app._rest
    found = api.openapi()
    engine.dispose()
    return {
        f"{method.upper()} {path}": operation | {"components": found["components"]}
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    }


def test_the_list_in_the_docs_is_this_one() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = text.split("## Commands and their operations")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| `([^`]+)` \| `([A-Z]+ /[^`]+)`.* \|$", table, re.MULTILINE))
    assert told == OPERATIONS
    for words in EXCEPTIONS:
        assert f"`{words}`" in table, words


def test_every_command_is_an_operation_or_an_exception(document: dict[str, dict]) -> None:
    assert set(COMMANDS) == set(OPERATIONS) | set(EXCEPTIONS)
    assert not set(OPERATIONS) & set(EXCEPTIONS)
    assert set(OPERATIONS.values()) <= set(document)


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_command_shows_how_it_is_used(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    assert (command.epilog or "").startswith(f"Example: roadworthy {words}"), command.epilog
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{words}: {parameter.name} has no help"


def test_every_operation_is_documented_with_its_refusals(document: dict[str, dict]) -> None:
    managing = {
        name: one for name, one in document.items() if "user token" in json.dumps(one.get("security"))
    }
    assert set(OPERATIONS.values()) - set(managing) == {"GET /api/v1/audit", "GET /api/v1/audit/export"}
    assert len(managing) > 40
    for name, operation in managing.items():
        assert operation["summary"], name
        assert operation["description"], name
        answers = operation["responses"]
        assert {"400", "401", "403", "421", "422", "503"} <= set(answers), name
        refused = [one for status, one in answers.items() if status >= "400"]
        for answer in refused:
            schema = answer["content"]["application/json"]["schema"]
            assert schema == {"$ref": f"#/components/schemas/{Error.__name__}"}, name
        if "requestBody" in operation:
            assert {"408", "413"} <= set(answers), name
        if "{" in name:
            assert "404" in answers, name


def test_no_answer_but_the_making_of_one_shows_a_secret(document: dict[str, dict]) -> None:
    schemas = next(iter(document.values()))["components"]["schemas"]
    named = {
        (name, field)
        for name, schema in schemas.items()
        for field in schema.get("properties", {})
        if field in {"token", "password", "secret", "secret_sha256", "password_argon2", "key"}
    }
    assert named == {("Issued", "token"), ("NewUser", "password"), ("NewPassword", "password")}
