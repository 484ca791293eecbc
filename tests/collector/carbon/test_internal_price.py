"""The internal carbon price: dated, with its source, in reports, avoidable electricity and keep or replace; never nought."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.estates import Estate
from typer.testing import CliRunner

from roadworthy_collector.carbon import avoidable_worth, internal_price, keep_or_replace, settings_edition
from roadworthy_collector.carbon.report_make import content
from roadworthy_collector.cli import app
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.carbon_price import InternalPrice, InternalPriceSeries
from roadworthy_inventory.carbon.years import year_days

NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
PRICES = """
factor_rule = "majority"
[[internal_price]]
since = 2025-10-01
gbp_per_tco2e = 95
source = "Board minute 2025/14"
[[internal_price]]
since = 2026-01-01
gbp_per_tco2e = 110.50
source = "Board minute 2025/31"
"""
_spec = importlib.util.spec_from_file_location("test_reports", Path(__file__).with_name("test_reports.py"))
assert _spec is not None
assert _spec.loader is not None
reports = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reports)


def fill(estate: Estate) -> None:
    reports.fill(estate)
    with write_transaction(estate.engine) as connection:
        settings_edition.save(connection, PRICES, actor="pam", now=int(NOW))


@pytest.fixture
def priced(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(fill)


@given(
    st.lists(st.dates(dt.date(2024, 1, 1), dt.date(2027, 1, 1)), unique=True, max_size=4),
    st.fractions(0, 10**6),
)
def test_every_day_of_the_year_has_one_price_or_none(since: list[dt.date], tonnes: Fraction) -> None:
    series = InternalPriceSeries(
        [InternalPrice(day, Decimal(at + 1), "a paper") for at, day in enumerate(since)]
    )
    found = internal_price.table_of(series, 2025, tonnes)
    first, last = year_days(2025)
    assert (found is None) == (not any(day <= last for day in since))
    if found is None:
        return
    assert sum(row["days"] for row in found.rows) == 365
    assert sum(row["tonnes"] for row in found.rows) == pytest.approx(float(tonnes), abs=0.003)
    assert (found.rows[0]["cost"] is None) == (
        not any(day <= first for day in since)
    )  # before it: none, not nought
    assert found.total is not None
    assert found.total["cost"] == pytest.approx(sum(row["cost"] or 0 for row in found.rows))


def test_without_a_price_nothing_is_priced() -> None:
    assert internal_price.table_of(InternalPriceSeries(()), 2025, Fraction(5)) is None
    assert internal_price.pounds(1000.0, None) is None
    assert internal_price.told(None) is None


@pytest.mark.parametrize("kind", ["carbon", "secr"])
def test_reports_price_their_tonnes_with_date_and_source(priced: Estate, kind: Any) -> None:
    with priced.engine.connect() as connection:
        found = content(connection, kind, 2025, zone="Europe/London", now=NOW)
    table = next(one for one in found.tables if one.name == "internal_price")
    assert [(row["days"], row["price"]) for row in table.rows] == [(183, None), (92, 95.0), (90, 110.5)]
    assert table.rows[0]["source"] == "no price yet"
    assert table.rows[2]["source"] == "since 2026-01-01: Board minute 2025/31"
    for row in table.rows[1:]:
        assert row["cost"] == round(row["tonnes"] * row["price"], 2)
    # No tonne is another for it.
    assert "internal_price" not in {one.name for one in found.sums}


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_avoidable_electricity_and_keep_or_replace_take_the_price_of_their_day(
    priced: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with priced.engine.connect() as connection:
        of_days = {"first": "2025-12-01", "last": "2025-12-28"}
        worth = avoidable_worth.read(connection, of_days, None)
        kept = keep_or_replace.told(keep_or_replace.compare(connection, dt.date(2026, 6, 10)))
    assert worth.carbon is not None
    assert worth.carbon.gbp_per_tco2e == 95
    told = worth.told(avoidable_worth.Sums(1, 3600.0, (0, 3_600_000_000, 0)))
    assert told["internal_carbon_pounds"] == pytest.approx(told["kgco2e"] * 95 / 1000, abs=0.005)
    assert kept["internal_price"] == {
        "gbp_per_tco2e": 110.5, "since": "2026-01-01", "source": "Board minute 2025/31",
    }  # fmt: skip
    row = kept["rows"][0]
    assert row["making_at_internal_price"] == pytest.approx(
        [one * 0.1105 for one in row["making_kgco2e"]], abs=0.005
    )
    monkeypatch.setenv("ROADWORTHY_DATA", str(priced.path.parent))
    done = CliRunner().invoke(app, ["carbon", "keep-or-replace"])
    assert "internal carbon price £110.50 a tCO2e since 2026-01-01 (Board minute 2025/31)" in done.output
