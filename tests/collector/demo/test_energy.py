"""What the simulated estate's supplies, meters, ledger and reports show: every case a page must be able to show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import (
    avoidable_show,
    bill,
    meter_coverage,
    report_doors,
    report_render,
    supplies,
    supply_list,
    tariff_store,
)
from roadworthy_collector.carbon.report_model import Kind
from roadworthy_collector.carbon.report_render import Form
from roadworthy_collector.demo import meters
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.engine import open_engine
from roadworthy_inventory.calendar import utc_date

from .conftest import NOW, Twin

TODAY = utc_date(NOW)
YEAR = 2026
HERE = "Europe/London"
BEGINS: dict[Form, bytes] = {
    "json": b"{", "csv": b"\xef\xbb\xbf", "html": b"<!", "xlsx": b"PK", "pdf": b"%PDF",
}  # fmt: skip


@pytest.fixture
def reading(twin: Twin) -> Iterator[Connection]:
    engine = open_engine(twin.settings.database, read_only=True)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_every_kind_of_supply_has_its_readings(reading: Connection) -> None:
    """One shared by two sites, one site with two, one restricted, gas, a roof; one with a gap, one with estimates."""
    known = supplies.read(reading, restricted=True)
    assert {one.fuel for one in known} == {"electricity", "gas", "onsite"}
    assert max(len(one.places) for one in known) == 2
    assert len(supplies.read(reading)) == len(known) - 1
    assert {place.tenure for one in known for place in one.places} == {"owner", "tenant", "landlord"}
    covered = {
        one.name: one for one in meter_coverage.year(reading, YEAR, zone=HERE, today=TODAY, restricted=True)
    }
    (gap,) = covered["Northgate"].gaps
    # Twelve days without a row, and the night of the day it came back.
    assert gap.half_hours == 12 * 48 + 20
    assert covered["Riverside"].estimated_half_hours > 20 * 48
    assert all(not one.missing for name, one in covered.items() if name != "Northgate")
    assert covered["Headquarters heating"].by_register
    assert covered["Solar roof"].kwh_thousandths > 0


def test_the_bill_has_a_price_for_all_but_what_is_made_on_site(reading: Connection) -> None:
    found = bill.year(reading, YEAR, zone_name=HERE, today=TODAY)
    assert all(not one.unpriced_thousandths and one.sources for one in found.rows)
    assert found.by_site["Partnership Hub"] > 0
    assert found.by_site["supplies of restricted sites"] > 0
    assert any(tariff.night for _, tariff in tariff_store.read(reading))


def test_the_devices_share_of_the_last_closed_month_and_one_alarm(reading: Connection) -> None:
    held = figures.read(reading, "meters")
    assert held is not None
    assert held[0]["month"] == "2026-09"
    sites = {one["site"]: one for one in held[0]["sites"]}
    assert all(one["why"] is None and one["compared_half_hours"] for one in sites.values())
    assert sites["Custody Centre West"]["above_half_hours"] > 0
    assert "Annexe R" not in sites


def test_avoidable_electricity_is_priced_by_site_and_leaves_custody_out(reading: Connection) -> None:
    found = avoidable_show.overview(reading)
    assert found is not None
    assert found["total"]["pounds"] is not None
    assert found["must_be_on"] > 0
    assert not {"Custody Centre West", "Custody Centre East"} & {row["title"] for row in found["rows"]}
    assert any(str(row["from"]).startswith("tariff of its suppl") for row in found["prices"])


def test_its_lists_load_again_as_they_are(reading: Connection) -> None:
    text = supply_list.write(reading, restricted=True)
    assert supply_list.tried(reading, text, "supplies.csv", restricted=True) == []
    tariffs = tariff_store.compare(reading, tariff_store.write(reading), "tariffs.csv")
    assert (tariffs.new, tariffs.gone) == ([], [])


@pytest.mark.parametrize("kind", ["carbon", "crc"])
def test_every_report_is_written_in_every_form(reading: Connection, twin: Twin, kind: Kind) -> None:
    content, frame = report_doors.newest(reading, twin.settings, kind, "2026/27", now=float(NOW))
    for form, begins in BEGINS.items():
        made = report_render.rendered(content, frame, form)
        assert made.startswith(begins), form
        assert len(made) > 2000


def test_the_secr_report_of_a_year_without_a_gas_factor_names_it(reading: Connection, twin: Twin) -> None:
    with pytest.raises(RoadworthyError, match="factor set 2026 has no natural gas"):
        report_doors.newest(reading, twin.settings, "secr", "2026/27", now=float(NOW))


def test_files_span_the_financial_year_before_and_no_half_hour_is_told_twice() -> None:
    first = meters.begins(TODAY, dt.date(2024, 9, 1))
    assert first == dt.date(2025, 4, 1)
    wide = {(row[0], row[1]) for row in meters.half_hours(100, 1, first, TODAY, HERE)}
    long = {row[0] for row in meters.long_half_hours(100, 1, first, TODAY, HERE)}
    assert len(long) == 1
    (number,) = long
    assert (number, str(TODAY - dt.timedelta(days=1))) not in wide
    assert (number, str(TODAY - dt.timedelta(days=120))) in wide
