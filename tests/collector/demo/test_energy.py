"""What the simulated estate's supplies, meters, ledger and reports show: every case a page must be able to show."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import (
    avoidable_show,
    bill,
    meter_coverage,
    plug_shown,
    report_newest,
    report_render,
    returns_told,
    settings_edition,
    show,
    supplies,
    supply_list,
    tariff_store,
)
from roadworthy_collector.carbon.behind import devices_behind
from roadworthy_collector.carbon.estate import NO_ENERGY
from roadworthy_collector.carbon.report_model import Kind
from roadworthy_collector.carbon.report_render import Form
from roadworthy_collector.demo import meters
from roadworthy_collector.demo.build import Plan
from roadworthy_collector.demo.generate import Timeline
from roadworthy_collector.demo.patterns import FORGOTTEN
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.engine import open_engine
from roadworthy_inventory.calendar import utc_date
from roadworthy_inventory.carbon.avoidable import IDLE_SERVER_RATIO, OUT_OF_FAMILY_RATIO

from .conftest import DAYS, NOW, Twin

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


def test_idle_servers_are_found_in_daily_totals_and_plugs_teach_a_line(reading: Connection) -> None:
    """What needs four weeks has them in the months before; what needs plugs has a file of them, with a gap."""
    found = avoidable_show.overview(reading)
    assert found is not None
    assert found["kinds"]["idle_server"]["devices"] == 2
    # Five nights make a habit, and this estate has three; no model of it has five that measure.
    assert found["not_known"] == ["sleep_fails", "out_of_family"]
    shown = plug_shown.shown(reading)
    # Two whole local days of three plugs; the fourth was unplugged over the midnight between them.
    assert (shown["devices"], shown["days"]) == (3, 3 * (DAYS - 1))
    (line,) = (one for one in shown["fits"] if one["used"])
    assert (line["model"], line["devices"]) == ("D7 Small", 3)
    assert line["residual_watts"] > 0


def test_the_ict_return_is_worked_out_and_what_a_supplier_could_not_say_is_not_nought(
    reading: Connection,
) -> None:
    found = returns_told.read(reading, "ggc", YEAR, today=TODAY, zone=HERE)
    assert "could not say" in json.dumps(found)
    assert settings_edition.settings(reading).rule == "majority"


def test_what_is_not_known_is_null_with_its_reason_and_a_virtual_machine_is_nought(
    reading: Connection,
) -> None:
    found = show.shown(reading, show.Asked("2026/27"), now=float(NOW), zone=HERE)
    rows = {row["key"]: row for row in found.told("class")["rows"]}
    assert (rows["virtual"]["kwh"], rows["virtual"]["reason"]) == (0, None)
    assert rows["desktop"]["kwh"] > 0
    unknown = {key: row for key, row in rows.items() if row["kwh"] is None}
    assert unknown
    assert all(row["reason"] == NO_ENERGY and row["low_kwh"] is None for row in unknown.values())
    assert {row["by_quality"]["metered"]["kwh"] for row in unknown.values()} == {None}
    behind = devices_behind(reading, found.estate.period, "class", next(iter(unknown)))
    assert {row["kwh"] for row in behind.rows} == {None}


def test_one_of_a_model_draws_far_more_and_old_servers_are_forgotten() -> None:
    planned = Plan(1000, 2012, Timeline(NOW - 300 * 86_400, NOW // 86_400 * 86_400 - 14 * 86_400, NOW))
    devices = planned.compose()
    odd = [one.group.model for one in devices if one.draws > OUT_OF_FAMILY_RATIO]
    assert sorted(odd) == ["laptop_2024", "server_2015"]
    idle = [one for one in devices if one.pattern is FORGOTTEN]
    assert sorted(one.group.model for one in idle) == ["server_2015", "server_2020"]
    busiest = FORGOTTEN.busy_ratio * 1.2 * 1.5  # the most load there is in a half-hour
    assert all(one.base_ratio + busiest < IDLE_SERVER_RATIO for one in idle)


def test_its_lists_load_again_as_they_are(reading: Connection) -> None:
    text = supply_list.write(reading, restricted=True)
    assert supply_list.tried(reading, text, "supplies.csv", restricted=True) == []
    tariffs = tariff_store.compare(reading, tariff_store.write(reading), "tariffs.csv")
    assert (tariffs.new, tariffs.gone) == ([], [])


@pytest.mark.parametrize("kind", ["carbon", "crc"])
def test_every_report_is_written_in_every_form(reading: Connection, twin: Twin, kind: Kind) -> None:
    content, frame = report_newest.newest(reading, twin.settings, kind, "2026/27", now=float(NOW))
    for form, begins in BEGINS.items():
        made = report_render.rendered(content, frame, form)
        assert made.startswith(begins), form
        assert len(made) > 2000


def test_the_secr_report_of_a_year_without_a_gas_factor_names_it(reading: Connection, twin: Twin) -> None:
    with pytest.raises(RoadworthyError, match="factor set 2026 has no natural gas"):
        report_newest.newest(reading, twin.settings, "secr", "2026/27", now=float(NOW))


def test_files_span_the_financial_year_before_and_no_half_hour_is_told_twice() -> None:
    first = meters.begins(TODAY, dt.date(2024, 9, 1))
    assert first == dt.date(2025, 4, 1)
    wide = {(row[0], row[1]) for row in meters.half_hours(100, 1, first, TODAY, HERE)}
    long = {row[0] for row in meters.long_half_hours(100, 1, first, TODAY, HERE)}
    assert len(long) == 1
    (number,) = long
    assert (number, str(TODAY - dt.timedelta(days=1))) not in wide
    assert (number, str(TODAY - dt.timedelta(days=120))) in wide
