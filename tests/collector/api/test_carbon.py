"""The carbon calculators over HTTP: what the commands print, for anybody who may read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from roadworthy_collector.cli import app

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


def printed(*words: str) -> Any:
    done = CliRunner().invoke(app, ["carbon", *words, "--format", "json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def with_days(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"days": None} | one for one in rows]


@ONE_STORE
def test_the_api_answers_what_the_commands_print(api: Any) -> None:
    api.person("vic", "viewer")
    found = api.get(
        "/carbon/crc?year=2016/17&electricity_kwh=6000000&estimated_electricity_kwh=1%20MWh", "vic"
    )
    words = ("--electricity-kwh", "6000000", "--estimated-electricity-kwh", "1 MWh")
    wanted = printed("crc", "--year", "2016/17", *words)
    assert found == wanted | {"sources": with_days(wanted["sources"])}
    found = api.get("/carbon/secr?year=2024/25&rule=blended&electricity_kwh=1000000", "vic")
    wanted = printed("secr", "--year", "2024/25", "--rule", "blended", "--electricity-kwh", "1000000")
    assert found == wanted | {"sources": with_days(wanted["sources"])}
    rows = api.get("/carbon/factors?year=2024", "vic")["rows"]
    assert rows == with_days(printed("factors", "--year", "2024"))


@ONE_STORE
@pytest.mark.parametrize(
    "path",
    [
        "/carbon/crc?year=2019/20&electricity_kwh=1",
        "/carbon/crc?year=2016/17",
        "/carbon/crc?year=2016/17&electricity_kwh=1e400",
        "/carbon/secr?year=2090/91&rule=majority&electricity_kwh=1",
        "/carbon/factors?year=1066",
    ],
)
def test_what_cannot_be_given_is_refused(api: Any, path: str) -> None:
    assert api.error(422, "GET", path) == "refused"


@ONE_STORE
def test_a_rule_has_to_be_stated(api: Any) -> None:
    assert api.error(422, "GET", "/carbon/secr?year=2024/25&electricity_kwh=1") == "schema"
