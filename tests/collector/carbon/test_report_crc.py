"""The CRC report: what is not known stays so, the devices' share of the bill, late data, prices, and its workbook."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, update
from support import workbook
from support.estates import Estate
from support.modules import beside

from roadworthy_collector.carbon import (
    meter_undo,
    pack_printed,
    report_crc,
    report_crc_share,
    report_make,
    report_newest,
    report_reading,
    report_render,
    supplies,
)
from roadworthy_collector.carbon.report_crc_share import Shared
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import batches
from roadworthy_collector.store.carbon_schema import carbon_reports
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.answers import CrcAsked, crc_answer
from roadworthy_inventory.carbon.crc_rates import SALE_WORDS
from roadworthy_inventory.carbon.factors import factor_book

NOBODY = Shared("the energy ledger has no closed month of 2016/17")
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
NORTH, SILENT = "1200012345688", "1200012345697"


returns = beside(__file__, "test_returns")
NOW, ZONE, MPAN = returns.NOW, returns.ZONE, returns.MPAN


def place(held: Estate, number: str, site: str, first: str = "2015-04-01") -> None:
    with write_transaction(held.engine) as connection:
        supplies.place(connection, number, site, valid_from=dt.date.fromisoformat(first), actor="pam", now=1)


def fill(held: Estate) -> None:
    """Put two fed sites, one of them metered April to June only, a data centre nobody meters, a supply without a reading."""
    enrolled = int(dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp())
    for number, (site, kwh) in enumerate((("HQ", 30), ("North", 20), ("Data centre", 500)), 1):
        held.site(site)
        assert held.device(device_class="server", enrolled_at=enrolled, site=site) == number
        for month in ("2025-05", "2025-09", "2025-10"):
            returns.day_of(held, number, f"{month}-05", kwh, site=site)
    returns.metered(held, 100, "2016-04-01", "2017-03-31")
    returns.metered(held, 100, "2025-04-01", "2026-03-31")
    returns.metered(held, 50, "2025-04-01", "2025-06-30", NORTH)
    with write_transaction(held.engine) as connection:
        supplies.save(connection, SILENT, actor="pam", now=1)
    place(held, MPAN, "HQ")
    place(held, NORTH, "North")
    returns.ledger(held)


@pytest.fixture
def held(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(fill)


def made(held: Estate, began: int, **more: Any) -> dict[str, Any]:
    with held.engine.connect() as connection:
        found = report_make.content(connection, "crc", began, zone=ZONE, now=NOW, **more)
    return found.as_json()


def table(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in content["tables"] if one["name"] == name)


def figure(content: dict[str, Any], name: str) -> Any:
    return next(one for one in content["figures"] if one["name"] == name)


def test_the_share_is_of_fed_sites_and_of_months_both_have(held: Estate) -> None:
    content = made(held, 2025)
    share = table(content, "ict_share")
    # HQ: three months of 30 kWh in three months of bills; North: May alone, its other months have no meter.
    months = {"2025-05": 31, "2025-09": 30, "2025-10": 31}
    billed = 100 * sum(months.values()) + 50 * months["2025-05"]
    assert share["rows"][1]["kwh"] == 30 * 3 + 20
    assert share["rows"][1]["ratio"] == pytest.approx(100 * 110 / billed, abs=0.006)
    assert (
        f"Of {billed:,} kWh billed at 2 of the 2 sites the supplies feed, in 3 of 12 months" in share["note"]
    )
    assert "4 months of sites in all" in share["note"]
    assert "Nobody said which site one supply feeds." in share["note"]


@ONE_STORE
def test_a_share_of_restricted_sites_alone_is_not_shown(held: Estate) -> None:
    with write_transaction(held.engine) as connection:
        connection.execute(update(schema.sites).values(restricted=True))
    share = table(made(held, 2025), "ict_share")
    assert [row["kwh"] for row in share["rows"]] == [None] * 3
    assert "restricted sites stand in totals alone" in share["note"]


@ONE_STORE
def test_the_share_of_a_year_without_agents_is_not_known(held: Estate) -> None:
    share = table(made(held, 2016), "ict_share")
    assert [row["kwh"] for row in share["rows"]] == [None] * 3
    assert "Not known: the energy ledger has no closed month of 2016/17" in share["note"]


def test_supplies_that_hang_together_are_one_and_a_change_within_a_month_leaves_it_out(held: Estate) -> None:
    place(held, MPAN, "North", "2025-06-10")
    with held.engine.connect() as connection:
        found = report_crc_share.of_year(connection, 2025)
        without = report_crc_share.of_year(connection, 2025, [MPAN])
    # From June on both supplies and both sites are one, and NORTH tells of June alone.
    assert (found.sites, found.months, found.energy.kwh) == (2, 1, 50)
    assert found.billed_kwh == 150 * 31
    assert (without.sites, without.energy.kwh, without.billed_kwh) == (1, 20, 50 * 31)


@ONE_STORE
def test_a_supply_without_a_reading_is_not_known_and_marks_the_total(held: Estate) -> None:
    content = made(held, 2016)
    rows = {row["supply"]: row for row in table(content, "supplies")["rows"]}
    for number in (NORTH, SILENT):
        assert (rows[number]["basis"], rows[number]["kwh"], rows[number]["tco2"]) == (
            "no reading",
            None,
            None,
        )
    assert rows[MPAN]["kwh"] == 36_500
    for name in ("total", "cost", "kwh"):
        assert "without 2 supplies nothing is known of" in figure(content, name)["note"]
    assert any("not known and not nought" in one for one in content["sentences"])
    assert {"count": 2, "unit": "supplies"}.items() <= content["exclusions"][1].items()
    assert [one["name"] for one in content["lines"]] == ["supply 1"]


@ONE_STORE
@pytest.mark.parametrize("year", [2010, 2014, 2018])
def test_a_year_without_any_reading_is_refused(held: Estate, year: int) -> None:
    with pytest.raises(RoadworthyError, match=r"no reading of .* is held of any supply"):
        made(held, year)


@ONE_STORE
def test_prices_have_their_source_status_and_date(held: Estate) -> None:
    content = made(held, 2016)
    row = table(content, "prices")["rows"][0]
    assert (row["price"], row["status"], row["cost"]) == (
        17.2,
        "published",
        17.2 * figure(content, "total")["value"],
    )
    assert "gov.uk" in row["told"]
    assert "as of" in row["told"]
    assert "gov.uk" in figure(content, "cost")["note"]
    (price,) = [one for one in content["factors"] if one["key"] == "price_compliance"]
    assert (price["unit"], price["value"]) == ("GBP/tCO2", "86/5")
    assert price["parts"][0]["source"] in row["told"]
    told = report_render.rendered(content, Frame(), "csv").decode("utf-8-sig")
    assert price["parts"][0]["source"] in told


def supply(number: str, kwh: int, *, fuel: Any = "electricity_grid", estimated: bool = False) -> CrcSupply:
    first, last = dt.date(2016, 4, 1), dt.date(2017, 3, 31)
    return CrcSupply(
        number=number,
        name=None,
        fuel=fuel,
        kwh=Fraction(kwh),
        estimated=estimated,
        uplift_kwh=Fraction(kwh, 10) if estimated else Fraction(0),
        estimated_kwh=Fraction(0),
        unstated_kwh=Fraction(0),
        export_kwh=Fraction(0),
        expected_half_hours=17_520,
        missing_half_hours=0,
        first_actual=first,
        last_actual=last,
        responsible=(first, last),
        sites=("HQ",),
        tenures=("owner",),
        settled_half_hourly=True,
    )


INPUTS = Inputs(factor_book(), "majority", int(NOW), "0", simulated=False)


def test_a_conflict_of_prices_says_who_says_which() -> None:
    content = report_crc.build(INPUTS, 2015, [supply("1", 1_000_000)], NOBODY).as_json()
    told = {
        row["price"]: row["told"]
        for row in table(content, "prices")["rows"]
        if row["title"] == "forecast sale"
    }
    assert set(told) == {15.6, 16.1}
    assert "gov.uk" in told[15.6]
    assert told[15.6] != told[16.1]
    assert {one["key"] for one in content["factors"]} >= {"price_forecast_1", "price_forecast_2"}


def test_it_is_a_row_a_supply_and_whole_tonnes_once() -> None:
    rows = [supply("1200012345678", 6_000_000), supply("1200012345679", 100_000, estimated=True)]
    content = report_crc.build(INPUTS, 2016, rows, NOBODY).as_json()
    asked = CrcAsked(year="2016/17", electricity="6000000", estimated_electricity="100000")
    wanted = crc_answer(asked)
    assert content["figures"][0]["value"] == wanted["tco2"]
    assert Fraction(content["sums"][0]["tonnes"]) == pytest.approx(wanted["tco2_unrounded"])
    bridge = table(content, "bridge")
    assert sum(row["tonnes"] for row in bridge["rows"]) == pytest.approx(bridge["total"]["tonnes"], abs=0.01)
    later = report_crc.build(INPUTS, 2025, rows, NOBODY).as_json()
    assert later["rules"]["rates"] == "CRC 2018/19"


def test_what_stood_around_it() -> None:
    rows = [supply("1200012345678", 6_000_000), supply("12345678", 60_000, fuel="gas")]
    before = [supply("1200012345678", 6_000_000)]
    tables = {one.name: one for one in report_crc.build(INPUTS, 2016, rows, NOBODY, before).tables}
    late = tables["late"]
    assert [row["total"] for row in late.rows[:3]] == [5_500, 10_000, 25_000]
    # 2,978 t the year before, doubled, at 40 pounds; 5,000 and 40,000 besides.
    assert late.rows[3]["total"] == 45_000 + 2 * 2_978 * 40
    assert "due on 31 July 2017" in late.note
    alone = {one.name: one for one in report_crc.build(INPUTS, 2016, rows, NOBODY).tables}["late"]
    assert alone.rows[3]["total"] is None
    both = tables["de_minimis"].rows
    assert "1.00% of the electricity: below" in tables["de_minimis"].note
    assert both[0]["tonnes"] - both[1]["tonnes"] == 11  # 60,000 kWh x 0.18365
    police = tables["league"].rows[0]
    assert (police["title"], police["rank"]) == ("Metropolitan Police Service", 708)
    assert police["ratio"] == pytest.approx(100 * both[0]["tonnes"] / 119_495, abs=0.06)
    assert {row["title"] for row in tables["prices"].rows} == {"buy to comply", "forecast sale"}
    ended = {one.name: one for one in report_crc.build(INPUTS, 2025, rows, NOBODY, before).tables}["late"]
    assert "the scheme has ended" in ended.note
    first = {one.name: one for one in report_crc.build(INPUTS, 2010, rows, NOBODY, before).tables}["late"]
    assert first.rows[3]["total"] is None


def formulas(content: dict[str, Any]) -> dict[str, list[str]]:
    """Return {sheet: formulas} of a workbook."""
    with zipfile.ZipFile(io.BytesIO(report_render.rendered(content, Frame("OFFICIAL"), "xlsx"))) as archive:
        names = re.findall(r'<sheet name="([^"]+)"', archive.read("xl/workbook.xml").decode())
        return {
            name: re.findall(r"<f>([^<]*)</f>", archive.read(f"xl/worksheets/sheet{at}.xml").decode())
            for at, name in enumerate(names, 1)
        }


def test_the_workbook_of_two_thousand_supplies_has_short_live_formulas() -> None:
    rows = [supply(str(at), 1000 + at, estimated=at % 3 == 0) for at in range(2_000)]
    found = formulas(report_crc.build(INPUTS, 2016, rows, NOBODY).as_json())
    assert max(len(text) for some in found.values() for text in some) < 200
    assert found["Sums"] == ["ROUND(SUM(Terms!$G$5:$G$2004,D5),0)"]
    assert found["supplies"][:4] == ["Lines!$F$5", "E5*Factors!$C$5/1000", "F5*0.1", "F5+G5"]
    assert found["supplies"][-1] == "SUM(H5:H2004)"
    assert found["Summary"][:2] == ["Sums!$B$5", "Sums!$B$5*Factors!$C$6"]
    assert found["prices"][:2] == ["Factors!$C$6", "Sums!$B$5*B5"]
    assert any(text.startswith("SUMIFS('supplies'!$H$5:$H$2004") for text in found["subtotals"])


def test_every_formula_comes_to_the_number_beside_it() -> None:
    rows = [supply("1", 6_000_000), supply("2", 100_000, estimated=True), supply("3", 15_000, fuel="gas")]
    for began, choice in ((2016, Choice()), (2017, Choice("forecast", de_minimis=True)), (2025, Choice())):
        content = report_crc.build(replace(INPUTS, choice=choice), began, rows, NOBODY).as_json()
        sheets = workbook.read(report_render.rendered(content, Frame("OFFICIAL"), "xlsx"))
        assert workbook.differing(sheets) == []
        bridge = table(content, "bridge")
        assert all(sheets["bridge"]["B", at].formula for at in range(5, 6 + len(bridge["rows"])))


def test_an_adjustment_is_in_a_subtotal_and_no_supply_of_it() -> None:
    inputs = replace(INPUTS, journals={"electricity": Fraction(-10), "electricity, estimated": Fraction(5)})
    rows = [supply("1", 1000), supply("2", 2000, estimated=True)]
    content = report_crc.build(inputs, 2016, rows, NOBODY).as_json()
    found = {row["title"]: (row["supplies"], row["kwh"]) for row in table(content, "subtotals")["rows"]}
    assert sorted(found.values()) == [(1, 990), (1, 2005)]
    assert 'adjustments")' in " ".join(formulas(content)["subtotals"]).replace("&quot;", '"')


@pytest.mark.parametrize("choice", [Choice(), Choice("forecast"), Choice("forecast", de_minimis=True)])
def test_sale_and_de_minimis_are_as_the_calculator_has_them(choice: Choice) -> None:
    rows = [supply("1", 1_000_000), supply("2", 15_000, fuel="gas")]
    content = report_crc.build(replace(INPUTS, choice=choice), 2016, rows, NOBODY).as_json()
    asked = CrcAsked(
        year="2016/17",
        electricity="1000000",
        gas="15000",
        sale=choice.sale,
        apply_de_minimis=choice.de_minimis,
    )
    answer = crc_answer(asked)
    assert figure(content, "total")["value"] == answer["tco2"]
    assert figure(content, "cost")["value"] == answer["cost_gbp"]
    assert SALE_WORDS[choice.sale] in figure(content, "cost")["title"]
    row = table(content, "supplies")["rows"][1]
    assert (row["basis"] == "left out, de minimis", row["tco2"] == 0) == (
        choice.de_minimis,
        choice.de_minimis,
    )
    other = crc_answer(replace(asked, apply_de_minimis=not choice.de_minimis))
    assert [one["tonnes"] for one in table(content, "de_minimis")["rows"]] == [answer["tco2"], other["tco2"]]
    # An auditor works out the same of the pack, which names the choice.
    assert pack_printed.crc(content, rows, {}) == []
    forged = content | {"rules": content["rules"] | Choice().told()}
    assert bool(pack_printed.crc(forged, rows, {})) == (choice != Choice())


@ONE_STORE
def test_a_choice_is_of_live_figures_of_crc(held: Estate) -> None:
    ask = partial(report_newest.newest, settings=held.settings(), year="2016/17", now=NOW)
    with held.engine.connect() as connection:
        content, _ = ask(connection, kind="crc", choice=Choice("forecast"))
        assert content["rules"]["sale"] == "forecast sale"
        with pytest.raises(RoadworthyError, match="are of CRC"):
            ask(connection, kind="carbon", choice=Choice("forecast"))
        with pytest.raises(RoadworthyError, match="no gas below 2 %"):
            ask(connection, kind="crc", choice=Choice(de_minimis=True))
    number = closed(held)
    with held.engine.connect() as connection:
        with pytest.raises(RoadworthyError, match=f"report {number} of 2016/17 was prepared"):
            ask(connection, kind="crc", choice=Choice("forecast"))
        assert ask(connection, kind="crc", choice=Choice("forecast"), live=True)[1].number is None


def closed(held: Estate, kind: str = "crc", year: int = 2016) -> int:
    values = {
        "kind": kind, "year": year, "state": "closed", "simulated": False, "made_at": 1, "made_by": "ann",
        "steps": [{"state": "closed", "person": "ann", "at": int(NOW), "remark": ""}], "content": made(held, 2016),
    }  # fmt: skip
    with write_transaction(held.engine) as connection:
        query = insert(carbon_reports).values(**values).returning(carbon_reports.c.id)
        return int(connection.execute(query).scalar_one())


def late(held: Estate, number: int) -> list[dict[str, Any]]:
    with held.engine.connect() as connection:
        return report_reading.late(connection, report_reading.find(connection, number), ZONE)


def test_files_of_meters_that_come_or_go_after_closing_are_listed(held: Estate) -> None:
    number, carbon, other = closed(held), closed(held, "carbon"), closed(held, "secr", 2019)
    assert late(held, number) == []
    returns.metered(held, 7, "2016-07-01", "2016-07-02", NORTH)
    with write_transaction(held.engine) as connection:
        last = batches.c.id == connection.scalar(
            batches.select().with_only_columns(batches.c.id).order_by(batches.c.id.desc()).limit(1)
        )
        connection.execute(update(batches).where(last).values(made_at=int(NOW) + 5, file_name="late.csv"))
    (came,) = late(held, number)
    assert (came["day"], came["at"]) == ("2016-07-01", int(NOW) + 5)
    assert "late.csv: 2 days" in came["what"]
    meter_undo.undo(held.engine, 1, actor="sam", now=int(NOW) + 9)
    assert ["undone by sam" in one["what"] for one in late(held, number)] == [True, False]
    with write_transaction(held.engine) as connection:
        supplies.place(
            connection, SILENT, "North", valid_from=dt.date(2016, 4, 1), actor="pam", now=int(NOW) + 20
        )
    assert "where a supply goes was said anew" in late(held, number)[0]["what"]
    assert late(held, carbon) == []
    assert not any("late.csv" in one["what"] for one in late(held, other))
    with write_transaction(held.engine) as connection:
        connection.execute(update(schema.sites).where(schema.sites.c.name == "North").values(restricted=True))
    assert SILENT not in late(held, number)[0]["what"]
