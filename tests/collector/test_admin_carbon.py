"""`roadworthy carbon`: figures of so many kilowatt-hours, without settings or database, and errors in one line."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.running import call
from typer.testing import CliRunner

from roadworthy_collector import admin_carbon
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["carbon", *words])


def answer(*words: str) -> Any:
    done = run(*words, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def refusal(*words: str) -> str:
    done = run(*words)
    assert isinstance(done.exception, RoadworthyError), done.output
    return str(done.exception)


def test_a_real_process_needs_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    done = call(
        "carbon",
        "crc",
        "--year",
        "2016/17",
        "--electricity-kwh",
        "6000000",
        "--format",
        "json",
        folder=tmp_path,
    )
    found = json.loads(done.stdout)
    wanted = {
        "year": "2016/17",
        "factor_kgco2_per_kwh": 0.44662,
        "tco2": 2680,
        "tco2_unrounded": 2679.72,
        "price_gbp": 17.2,
        "cost_gbp": 46096.0,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert list(tmp_path.iterdir()) == []


def test_supplies_are_added_with_their_uplift_before_one_rounding() -> None:
    found = answer(
        *("crc", "--year", "2017/18", "--electricity-kwh", "1 MWh", "--estimated-electricity-kwh", "1000"),
        *("--onsite-kwh", "1000", "--gas-kwh", "1,000", "--estimated-gas-kwh", "1e3"),
    )
    exact = 0.38146 + 1.1 * 0.38146 + 0.34885 + 2.1 * 0.18381
    assert found["tco2_unrounded"] == pytest.approx(exact, abs=1e-12)
    assert found["tco2"] == round(exact)
    assert [one["fuel"] for one in found["supplies"]] == [
        *["electricity_grid"] * 2,
        "electricity_onsite",
        *["gas"] * 2,
    ]
    assert {one["source"] for one in found["sources"]}


def test_the_conflict_and_the_report_only_year_have_no_price() -> None:
    found = answer("crc", "--year", "2015/16", "--electricity-kwh", "6000000", "--sale", "forecast")
    assert (found["price_gbp"], found["cost_gbp"], found["price_candidates_gbp"]) == (
        None,
        None,
        [15.6, 16.1],
    )
    assert (found["cost_low_gbp"], found["cost_high_gbp"]) == (46456.8, 47945.8)
    found = answer("crc", "--year", "2010/11", "--electricity-kwh", "1000000")
    assert (found["tco2"], found["price_gbp"], found["cost_gbp"], found["allowances"]) == (
        541,
        None,
        None,
        None,
    )


def test_secr_by_both_rules() -> None:
    words = ("secr", "--year", "2024/25", "--electricity-kwh", "1000000")
    found = answer(*words, "--rule", "majority")
    assert found["factor_set"] == "2024 v1.1"
    assert found["scope2_location_kgco2e"] == 207050.0
    assert found["scope3_td_kgco2e"] == 18300.0
    assert found["scope3_wtt_kgco2e"] is None
    assert "2024" in found["reasons"]["scope3_wtt_kgco2e"]
    blended = answer(*words, "--rule", "blended")
    assert blended["scope2_location_kgco2e"] == pytest.approx(1e6 * (275 * 0.20705 + 90 * 0.177) / 365)
    old = answer(
        "secr", "--year", "2023/24", "--rule", "majority", "--electricity-kwh", "1000", "--gas-kwh", "10"
    )
    assert old["scope3_wtt_kgco2e"] == pytest.approx(45.9 + 3.97)
    assert old["scope1_gas_kgco2e"] == pytest.approx(1.8293)
    assert old["may_be_issued"]


def test_a_provisional_set_says_that_no_report_can_be_issued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_carbon, "_today", lambda: date(2026, 11, 22))
    words = ("secr", "--year", "2026/27", "--rule", "majority", "--electricity-kwh", "1000")
    assert answer(*words)["may_be_issued"] is False
    assert "cannot be issued" in run(*words).output


def test_factors_name_their_sources_and_what_is_missing() -> None:
    rows = answer("factors")
    assert {one["of"] for one in rows} >= {"factor set 2010", "factor set 2026 revised", "CRC 2018/19"}
    assert all(one["source"].startswith("https://") for one in rows)
    assert all(one["note"] for one in rows if one["value"] is None)
    both = answer("factors", "--year", "2016/17")
    assert {one["of"] for one in both} == {"factor set 2016 v1.01", "factor set 2017 v02", "CRC 2016/17"}
    text = run("factors", "--year", "2024").output
    assert "0.20705" in text
    assert "missing" in text
    assert "https://" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("crc --year 2016/17", "at least one supply"),
        ("crc --year 2019/20 --electricity-kwh 1", "ran from 2010/11 to 2018/19"),
        ("crc --year 2031/32 --electricity-kwh 1", "ran from 2010/11 to 2018/19"),
        ("crc --year 2016 --electricity-kwh 1", "Write 2025/26"),
        ("crc --year 2016/18 --electricity-kwh 1", "is no financial year"),
        ("crc --year 2011/12 --electricity-kwh 1 --sale forecast", "no price in the forecast sale"),
        ("crc --year 2010/11 --electricity-kwh 1 --sale compliance", "no allowances that year"),
        ("crc --year 2014/15 --gas-kwh 1", "has no factor for gas"),
        ("crc --year 2016/17 --electricity-kwh -1", "negative"),
        ("crc --year 2016/17 --electricity-kwh nan", "no amount"),
        ("crc --year 2016/17 --electricity-kwh 1e400", "no estate uses that in a year"),
        ("crc --year 2016/17 --electricity-kwh 5MJ", "unknown unit"),
        ("crc --year 2016/17 --electricity-kwh 5 --apply-de-minimis", "does not apply"),
        ("secr --year 2090/91 --rule majority --electricity-kwh 1", "has not begun"),
        ("secr --year 2009/10 --rule majority --electricity-kwh 1", "no factor set 2009"),
        ("secr --year 2024/25 --rule majority --electricity-kwh inf", "no amount"),
        ("factors --year 2001", "no factor set of 2001"),
        ("factors --year 2099/00", "has not begun"),
    ],
)
def test_what_cannot_be_given_is_one_line(words: str, says: str) -> None:
    assert says in refusal(*words.split())


def test_a_rule_has_to_be_stated() -> None:
    done = run("secr", "--year", "2024/25", "--electricity-kwh", "1")
    assert done.exit_code == 2
    assert "--rule" in done.output
