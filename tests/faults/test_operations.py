"""Nothing the OpenAPI document allows of devices is a server error with PostgreSQL, which refuses more than SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from faults.collector import Collector, prepared, sized
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from support import postgres

EXAMPLES = sized(25, 50)
SERVER_ERRORS = CHECKS.get_by_names(["not_a_server_error"])
ODD = ("\0", "a\0b", "\U0001f600", "x" * 5000, "-1", str(2**31), str(2**63), str(10**40), "1e999", "%", "'--")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    url = postgres.fresh_database(empty=True)
    with prepared(tmp_path_factory.mktemp("operations"), url, devices=1) as made:
        made.start()
        made.wait_ready()
        yield made
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def document(collector: Collector) -> Any:
    """Return the collector's own document."""
    return schemathesis.openapi.from_url(f"{collector.address}/openapi.json", timeout=60)


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("path", ["/api/v1/enrol", "/api/v1/reports"])
def test_nothing_a_device_can_send_is_a_server_error(collector: Collector, document: Any, path: str) -> None:
    operation = document[path]["POST"]
    sent = {"Authorization": f"Bearer {collector.fleet[0].token}"} if path.endswith("reports") else {}

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def hold(case: schemathesis.Case) -> None:
        case.validate_response(case.call(headers=sent, timeout=60), checks=SERVER_ERRORS)

    hold()
    assert collector.get("/readyz").status == 200
    assert "Traceback" not in collector.said()


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize(
    "path",
    [
        "/devices?q={}",
        "/devices?page={}",
        "/devices?site={}",
        "/devices?unit={}",
        "/devices/{}",
        "/devices?after={}",
        "/startups?q={}",
        "/startups?site={}",
        "/charts/{}.svg",
        "/static/{}",
        "/metrics/devices?shard={}",
        "/api/v1/audit?after={}",
    ],
)
def test_no_address_is_a_server_error(collector: Collector, path: str) -> None:
    for odd in ODD:
        answer = collector.get(path.format(quote(odd, safe="")), accept="text/html")
        assert answer.status not in {0, 500, 503}, (path, odd, answer.text[:300])
    assert "Traceback" not in collector.said()
