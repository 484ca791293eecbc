"""The collector's own OpenAPI document, against the collector that really runs: no input makes it trip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import pytest
import schemathesis
from collector.commands import call_here
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi import checks
from support.estates import make_database
from support.operations import may_be_wrong
from support.running import Running, running

EXAMPLES = 40
SERVER_ERRORS = CHECKS.get_by_names(["not_a_server_error"])


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("up", folder=tmp_path_factory.mktemp("api")) as started:
        started.wait_ready()
        yield started


@pytest.fixture(scope="module")
def document(collector: Running) -> Any:
    """Return the collector's own document."""
    return schemathesis.openapi.from_url(f"{collector.address}/openapi.json", timeout=60)


@pytest.fixture(scope="module")
def headers(collector: Running) -> dict[str, str]:
    """Return what a device sends along: past an unknown sender no body is read."""
    key = call_here("enrol-key", "create", folder=collector.data.parent).stdout.strip()
    asked = {
        "schema_version": "1.0",
        "enrolment_key": key,
        "platform": "linux",
        "agent_version": "0.1.0",
        "hostname": "desk-17",
        "fingerprint": {},
    }
    answer = httpx.post(f"{collector.address}/api/v1/enrol", json=asked, timeout=60)
    return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/enrol"),
        ("POST", "/api/v1/reports"),
        ("GET", "/metrics"),
        ("GET", "/metrics/devices"),
        ("GET", "/sd/devices"),
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/audit"),
        ("GET", "/api/v1/audit/export"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
    ],
)
def test_nothing_that_can_be_sent_is_a_server_error(
    collector: Running, document: Any, headers: dict[str, str], method: str, path: str
) -> None:
    operation = document[path][method]

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def hold(case: schemathesis.Case) -> None:
        sent = headers if path.endswith("reports") else {}
        case.validate_response(case.call(headers=sent, timeout=60), checks=SERVER_ERRORS)

    hold()
    assert collector.get("/readyz")[0] == 200
    assert "Traceback" not in collector.said()


# --- the management API: as an administrator, whose every operation is let through ----------------------------

# Examples an operation: of what is documented, and of what is not.
MANAGED = {GenerationMode.POSITIVE: 10, GenerationMode.NEGATIVE: 4}
CONFORMANCE = [
    *SERVER_ERRORS,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
PASSWORD = "correct horse battery"  # noqa: S105 - of nobody
BY_HAND = 7  # reports, enrolment, metrics and the like: tested above


@dataclass
class Managed:
    """A collector with users, its document, and a token by role."""

    server: Running
    schema: Any
    tokens: dict[str, dict[str, str]]

    @cached_property
    def every(self) -> list[Any]:
        return [one.ok() for one in self.schema.get_all_operations()]

    def operations(self, tag: str) -> list[Any]:
        return [one for one in self.every if tag in one.definition.raw.get("tags", ())]


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    folder = tmp_path_factory.mktemp("managed")
    make_database(folder / "data" / "roadworthy.db")
    made = call_here("user", "create", "ada", folder=folder, stdin=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    text = call_here("user", "tokens", "create", "ada", folder=folder).stdout.strip()
    tokens = {"administrator": {"Authorization": f"Bearer {text}"}}
    with running("serve", folder=folder) as server:
        server.wait_ready()
        with httpx.Client(
            base_url=f"{server.address}/api/v1", headers=tokens["administrator"], timeout=60
        ) as client:
            for role in ("viewer", "approver"):
                sent = {"name": f"the-{role}", "role": role, "password": PASSWORD}
                assert client.post("/users", json=sent).status_code == 201
                text = client.post(f"/users/the-{role}/tokens", json={}).json()["token"]
                tokens[role] = {"Authorization": f"Bearer {text}"}
        schema = schemathesis.openapi.from_url(f"{server.address}/openapi.json", timeout=60)
        schema.config.generation.update(with_security_parameters=False)  # the tokens are ours
        yield Managed(server, schema, tokens)


# Asked everything odd in tests/collector/api/test_any_request.py.
BOOKS = (
    "register",
    "reconciliation",
    "ratings",
    "costs",
    "plan",
    "organisation",
    "exports",
    "lifecycle",
    "legacy",
    "carbon",
    "carbon-reports",
    "meters",
    "polled devices",
    "staff-time",
    "benefits",
    "disposal",
)
TAGS = ["collector", "devices", "sites", "keys", "users", "holds", "relay", "people"]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("tag", TAGS)
def test_every_answer_is_as_documented(managed: Managed, tag: str, mode: GenerationMode) -> None:
    for operation in managed.operations(tag):
        wrongly = may_be_wrong(operation.definition.raw) and not operation.path.endswith("/backups")
        if mode is GenerationMode.NEGATIVE and not wrongly:
            continue  # there is nothing that could be sent wrongly
        if mode is GenerationMode.NEGATIVE and operation.path == "/api/v1/holds":
            continue  # to negate a list of a thousand ids takes half a minute

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=MANAGED[mode],
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: schemathesis.Case) -> None:
            answer = case.call(headers=managed.tokens["administrator"], timeout=60)
            case.validate_response(answer, checks=CONFORMANCE)
            # An administrator may do all but approve.
            assert answer.status_code != 401
            assert answer.status_code != 403 or case.operation.path.endswith("/approve")

        hold()
    assert managed.server.get("/readyz")[0] == 200
    assert "Traceback" not in managed.server.said()


@pytest.mark.parametrize("role", ["viewer", "approver"])
def test_who_may_not_changes_nothing_whatever_is_sent(managed: Managed, role: str) -> None:
    for tag in TAGS:
        for operation in managed.operations(tag):
            if operation.method == "get" or operation.path.endswith("/approve"):
                continue

            @given(case=operation.as_strategy())
            @settings(
                max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
            )
            def hold(case: schemathesis.Case) -> None:
                answer = case.call(headers=managed.tokens[role], timeout=60)
                assert answer.status_code == 403, (case, answer.content)

            hold()


def test_the_document_has_no_other_operation(managed: Managed) -> None:
    known = sum(len(managed.operations(tag)) for tag in (*TAGS, *BOOKS))
    assert known == len(managed.every) - BY_HAND
