"""No request the OpenAPI document allows, or forbids, trips the management API on PostgreSQL, which refuses more.

tests/e2e/test_api.py asks the same, and more of each operation, of a collector on SQLite.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from collector.commands import call_here
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi import checks
from support import postgres
from support.operations import may_be_wrong
from support.running import Running, running

from roadworthy_collector.connections import HEAD_BYTES

pytestmark = pytest.mark.needs("postgresql")

EXAMPLES = {GenerationMode.POSITIVE: 4, GenerationMode.NEGATIVE: 2}
HELD = [
    *CHECKS.get_by_names(["not_a_server_error"]),
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
TAGS = [
    "collector",
    "devices",
    "sites",
    "keys",
    "users",
    "holds",
    "relay",
    "people",
    "costs",
    "plan",
    "staff-time",
    "benefits",
    "disposal",
    "organisation",
    "exports",
    "carbon",
    "carbon-reports",
    "meters",
    "polled devices",
    "register",
    "reconciliation",
    "ratings",
    "lifecycle",
    "legacy",
]
# What PostgreSQL takes less of than SQLite: no NUL, no half of a surrogate pair, no number past 64 bits.
ODD = ("\0", "a\0b", "\ud800", "\U0001f600", "x" * 300, str(2**63), 2**63, 10**40, None, {})


@dataclass
class Managed:
    """A collector on PostgreSQL, its document, and an administrator's header."""

    server: Running
    schema: Any
    headers: dict[str, str]

    @cached_property
    def all_operations(self) -> list[Any]:
        """To read the document takes longer than to ask most of its operations."""
        return [one.ok() for one in self.schema.get_all_operations()]

    def operations(self, *tags: str) -> list[Any]:
        return [one for one in self.all_operations if set(tags) & set(one.definition.raw.get("tags", ()))]

    def is_well(self) -> None:
        assert self.server.get("/readyz")[0] == 200
        assert "Traceback" not in self.server.said()


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    folder = tmp_path_factory.mktemp("managed")
    url = postgres.fresh_database()
    said = {
        "ROADWORTHY_DATABASE_URL": url.render_as_string(hide_password=False),
        "ROADWORTHY_ROLLUPS_AT": "serve",
    }
    made = call_here("user", "create", "ada", folder=folder, stdin="correct horse battery\n", **said)
    assert made.returncode == 0, made.stderr
    token = call_here("user", "tokens", "create", "ada", folder=folder, **said).stdout.strip()
    with running("serve", folder=folder, **said) as server:
        server.wait_ready()
        schema = schemathesis.openapi.from_url(f"{server.address}/openapi.json", timeout=60)
        schema.config.generation.update(with_security_parameters=False)  # the token is ours
        yield Managed(server, schema, {"Authorization": f"Bearer {token}"})
    postgres.drop_database(url)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("tag", TAGS)
def test_every_answer_is_as_documented(managed: Managed, tag: str, mode: GenerationMode) -> None:
    for operation in managed.operations(tag):
        if mode is GenerationMode.NEGATIVE and (
            not may_be_wrong(operation.definition.raw)
            or operation.path.endswith(("/backups", "/holds", "/run"))
        ):
            continue  # nothing could be sent wrongly, or to negate a list of a thousand ids takes half a minute

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES[mode],
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # to make a failure smaller may take longer than everything else
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: schemathesis.Case) -> None:
            try:
                answer = case.call(headers=managed.headers, timeout=60)
            except OSError as error:
                # Its head is too long to be a request: closed while it was still being sent, so nobody was asked.
                if len(getattr(getattr(error, "request", None), "url", None) or "") > HEAD_BYTES // 2:
                    return
                raise
            if answer.content == b"Invalid HTTP request received.":
                return  # the same, and the answer arrived before the end
            case.validate_response(answer, checks=HELD)
            assert answer.status_code != 401

        hold()
    managed.is_well()


def test_no_odd_value_in_any_place_is_a_fault(managed: Managed) -> None:
    """What a generator seldom draws, in every parameter and every field of every body, one at a time."""
    asked = 0
    with httpx.Client(base_url=managed.server.address, headers=managed.headers, timeout=60) as client:
        document = client.get("/openapi.json").json()
        for method, path, place, name in places(document):
            for odd in ODD:
                if place != "body" and not isinstance(odd, str):
                    continue
                answer = ask(client, method, path, place, name, odd)
                assert answer.status_code < 500, (method, path, place, name, odd, answer.text)
                asked += 1
    assert asked > 300
    managed.is_well()


def places(document: Any) -> Iterator[tuple[str, str, str, str]]:
    """Yield where the management API takes something: (method, path, in which part, name)."""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if not set(TAGS) & set(told.get("tags", ())) or path.endswith("/backups"):
                continue
            for one in told.get("parameters", ()):
                yield method, path, one["in"], one["name"]
            body = (
                told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            )
            if "$ref" in body:
                body = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
            for name in body.get("properties", ()):
                yield method, path, "body", name


def ask(client: httpx.Client, method: str, path: str, place: str, name: str, odd: object) -> httpx.Response:
    """Send one odd value; the other parts of the path are of nothing that is there."""
    text = quote(str(odd).encode("utf-8", "surrogatepass"), safe="")
    for part in re.findall(r"\{(\w+)\}", path):
        path = path.replace(f"{{{part}}}", text if place == "path" and part == name else "0")
    query = f"?{name}={text}" if place == "query" else ""
    body = json.dumps({name: odd}).encode() if place == "body" else None
    return client.request(
        method.upper(), path + query, content=body, headers={"Content-Type": "application/json"}
    )
