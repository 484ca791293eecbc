"""The collector's own OpenAPI document, against the collector that really runs: no input makes it trip."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from support.running import Running, call, running

EXAMPLES = 40
SERVER_ERRORS = CHECKS.get_by_names(["not_a_server_error"])


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("up", folder=tmp_path_factory.mktemp("api")) as started:
        started.wait_ready()
        yield started


@pytest.fixture(scope="module")
def headers(collector: Running) -> dict[str, str]:
    """Return what a device sends along: past an unknown sender no body is read."""
    key = call("enrol-key", "create", folder=collector.data.parent).stdout.strip()
    asked = {
        "schema_version": "1.0",
        "enrolment_key": key,
        "platform": "linux",
        "agent_version": "0.1.0",
        "hostname": "desk-17",
        "fingerprint": {},
    }
    answer = httpx.post(f"{collector.address}/api/v1/enrol", json=asked)
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
    collector: Running, headers: dict[str, str], method: str, path: str
) -> None:
    operation = schemathesis.openapi.from_url(f"{collector.address}/openapi.json")[path][method]

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def hold(case: schemathesis.Case) -> None:
        sent = headers if path.endswith("reports") else {}
        case.validate_response(case.call(headers=sent), checks=SERVER_ERRORS)

    hold()
    assert collector.get("/readyz")[0] == 200
    assert "Traceback" not in collector.said()


def test_the_document_has_no_other_operation(collector: Running) -> None:
    schema = schemathesis.openapi.from_url(f"{collector.address}/openapi.json")
    assert sum(1 for _ in schema.get_all_operations()) == 10
