"""From CRC to SECR by command and API: the steps add up to the tonne, for years of the scheme and after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.estates import NOW, Estate
from support.people import Person
from support.web import client_of
from typer.testing import CliRunner

from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError

WORDS = ["carbon", "bridge", "--rule", "majority", "--electricity-kwh", "6000000", "--format", "json"]


@pytest.mark.parametrize(("year", "rates"), [("2016/17", "2016/17"), ("2024/25", "2018/19")])
def test_the_command_needs_no_database_and_its_steps_add_up(year: str, rates: str) -> None:
    found = CliRunner().invoke(app, [*WORDS, "--year", year, "--estimated-electricity-kwh", "1 MWh"])
    assert found.exit_code == 0, found.exception
    told = json.loads(found.stdout)
    assert (told["year"], told["crc_rates"], told["electricity_kwh"]) == (year, rates, 6_001_000)
    steps = sum(one["tonnes"] for one in told["steps"])
    assert told["crc_tco2"] + steps == pytest.approx(told["secr_scope2_tco2e"], abs=1e-9)
    text = CliRunner().invoke(app, [*WORDS[:-1], "text", "--year", year])
    assert "SECR scope 2, tCO2e" in text.stdout
    refused = CliRunner().invoke(app, [*WORDS, "--year", "2090/91"])
    assert isinstance(refused.exception, RoadworthyError)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_the_api_answers_what_the_command_prints(estate: Estate, tmp_path: Path) -> None:
    vi = Person(estate.engine, "vi", "viewer", now=NOW)
    client = client_of(estate.engine, tmp_path, NOW)
    address = "/api/v1/carbon/bridge?rule=majority&electricity_kwh=6000000&year="
    told = client.get(f"{address}2016/17", **vi.bearer).json()
    printed = CliRunner().invoke(app, [*WORDS, "--year", "2016/17"]).stdout
    assert told == json.loads(printed)
    assert client.get(f"{address}2005/06", **vi.bearer).status_code == 422
    client.close()
