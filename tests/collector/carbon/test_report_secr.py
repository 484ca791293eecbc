"""The report in the shape of SECR: the year before beside it, contracts by dates, base year with its adjustments."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import update
from support import workbook
from support.estates import Estate
from support.modules import beside

from roadworthy_collector.carbon import (
    pack_verify,
    report_doors,
    report_make,
    report_reading,
    report_render,
    report_secr_beside,
)
from roadworthy_collector.carbon.lifecycle import ReportError
from roadworthy_collector.carbon.report_doors import Door
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.carbon.settings_text import CarbonSettings
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.roles import RIGHTS, Reader, Role
from roadworthy_collector.store import carbon_schema
from roadworthy_collector.store.engine import write_transaction

returns = beside(__file__, "test_returns")
NOW, ZONE = returns.NOW, returns.ZONE
OTHER = "1200012345688"
SETTINGS = f"""
factor_rule = "majority"
boundary = "all sites we pay for"
[years."2025/26"]
fte = 40
[years."2024/25"]
published_tco2e = 7.0
not_comparable = ["The annexe joined."]
[base_year]
year = "2019/20"
tco2e = 20
threshold_percent = 5
[[base_year_adjustment]]
cause = "boundary"
tco2e = 3
known_since = 2025-09-01
reason = "two suites joined"
[[base_year_adjustment]]
cause = "error"
tco2e = -1
known_since = 2024-01-01
reason = "a meter was counted twice"
[[target]]
by = "2029/30"
reduction_percent = 50
source = "decision 12"
[[contract]]
supply = "{returns.MPAN}"
from = 2025-04-01
to = 2025-12-31
kgco2e_per_kwh = 0
source = "certificates"
instrument = "REGO"
[[contract]]
supply = "{returns.MPAN}"
from = 2026-01-01
kgco2e_per_kwh = 0.1
source = "new contract"
[[contract]]
supply = "{OTHER}"
from = 2020-01-01
kgco2e_per_kwh = 0.05
source = "a part only"
kwh = 1000
"""


def fill(held: Estate) -> None:
    returns.metered(held, 100, "2024-04-01", "2025-03-31")
    returns.metered(held, 80, "2025-04-01", "2026-03-31")
    returns.metered(held, 10, "2025-04-01", "2026-03-31", OTHER)
    returns.save(held, SETTINGS)


@pytest.fixture
def held(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(fill)


def made(held: Estate, began: int = 2025, **more: Any) -> dict[str, Any]:
    with held.engine.connect() as connection:
        return report_make.content(connection, "secr", began, zone=ZONE, now=NOW, **more).as_json()


def table(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in content["tables"] if one["name"] == name)


def test_contracts_by_dates_cover_what_their_supplies_used_and_the_rest_is_said(held: Estate) -> None:
    content = made(held)
    found = table(content, "market")
    by_source = {row["source"].split(",")[0]: row for row in found["rows"]}
    assert by_source["certificates"]["kwh"] == 275 * 80
    assert by_source["new contract"]["kwh"] == 90 * 80
    assert by_source["a part only"]["kwh"] == 1000
    rest = by_source["the location-based factor of set 2025 v1"]
    assert rest["kwh"] == 3650 - 1000
    assert "no residual mix is held" in rest["source"]
    assert sum(row["kwh"] for row in found["rows"]) == found["total"]["kwh"] == 365 * 90
    market = next(row for row in table(content, "secr")["rows"] if row["name"] == "scope2_market")
    wanted = (7200 * Fraction("0.1") + 1000 * Fraction("0.05") + 2650 * Fraction("0.177")) / 1000
    assert market["value"] == pytest.approx(float(wanted), abs=0.001)


def test_a_residual_mix_that_was_entered_is_taken_for_the_rest(held: Estate) -> None:
    returns.save(
        held,
        SETTINGS + '[[residual_mix]]\nyear = "2025/26"\nkgco2e_per_kwh = 0.35\nsource = "a paper"\n',
    )
    found = table(made(held), "market")
    assert (found["rows"][-1]["factor"], found["rows"][-1]["source"]) == (0.35, "residual mix, a paper")


def test_electricity_made_on_site_is_named_with_its_kwh(held: Estate) -> None:
    with write_transaction(held.engine) as connection:
        connection.execute(
            update(carbon_schema.supplies)
            .where(carbon_schema.supplies.c.number == OTHER)
            .values(fuel="onsite")
        )
    content = made(held)
    (told,) = (one for one in content["exclusions"] if one["what"] == "Electricity made and used on site")
    assert (told["count"], told["unit"]) == (365 * 10, "kWh")
    energy = next(row for row in table(content, "secr")["rows"] if row["name"] == "energy")
    assert energy["value"] == 365 * 80


def test_the_year_before_stands_beside_restated_with_its_reason(held: Estate) -> None:
    content = made(held)
    rows = {row["name"]: row for row in table(content, "secr")["rows"]}
    before = 365 * 100 * Fraction("0.20705") / 1000
    assert rows["scope2_location"]["before"] == pytest.approx(float(before), abs=0.0005)
    assert rows["energy"]["before"] == 36_500
    assert [column["title"] for column in table(content, "secr")["columns"]][3:5] == ["2025/26", "2024/25"]
    said = " ".join(content["sentences"])
    assert "Published for 2024/25: 7.0 tCO2e gross." in said
    assert "2024/25 restated: The annexe joined; its figures were worked out again" in said


def test_rows_that_were_issued_otherwise_say_what_was_issued(held: Estate) -> None:
    issued = made(held, 2024)
    next(row for row in table(issued, "secr")["rows"] if row["name"] == "energy")["value"] = 30_000.0
    rows = {row["name"]: row for row in table(made(held, issued_before=issued), "secr")["rows"]}
    assert rows["energy"]["note"] == "2024/25 restated; issued as 30,000.0"
    assert "issued" not in rows["scope2_location"]["note"]


def test_a_year_before_nothing_is_held_of_says_so(held: Estate) -> None:
    content = made(held, 2024)
    assert "Nothing is held of 2023/24" in " ".join(content["sentences"])
    assert "row by row" not in " ".join(content["sentences"])
    assert all(row["before"] is None for row in table(content, "secr")["rows"])
    with held.engine.connect() as connection:
        assert report_reading.standing(connection, "secr", 2024, zone=ZONE, now=NOW) == content


def test_a_year_before_that_rests_on_agents_alone_is_held_and_only_not_beside() -> None:
    prior = report_secr_beside.beside(CarbonSettings(""), 2024, None, None, same_boundary=False)
    assert [*prior.says] == [
        "2024/25 is not beside it row by row: one year rests on supply meters and the other on agents alone."
    ]


def test_the_base_year_is_recalculated_by_its_journal_and_targets_follow(held: Estate) -> None:
    content = made(held)
    journal = table(content, "base_year_adjustments")
    assert [row["why"] for row in journal["rows"]] == ["a meter was counted twice", "two suites joined"]
    assert "20 % of the base year, above the threshold of 5 %" in journal["note"]
    assert "recalculated from 20.0 to 22.0 tCO2e" in journal["note"]
    standing = table(content, "baseline")["rows"]
    assert standing[0]["allowed"] == 22
    assert standing[1]["allowed"] == pytest.approx(22 * (1 - 0.5 * 6 / 10))
    assert "50 % less by 2029/30 (decision 12)" in standing[1]["title"]


def test_the_bridge_from_crc_stands_beside_it_and_adds_up(held: Estate) -> None:
    found = table(made(held), "bridge")
    assert sum(row["tonnes"] for row in found["rows"]) == pytest.approx(found["total"]["tonnes"], abs=0.003)
    assert found["total"]["tonnes"] == pytest.approx(float(365 * 90 * Fraction("0.177") / 1000), abs=0.0005)
    assert "CRC's last factor, of 2018/19, to the set of 2025/26" in found["rows"][-1]["title"]


def test_an_adjustment_downwards_is_taken_and_one_of_too_much_refused(held: Estate) -> None:
    role = Role.SUSTAINABILITY_PREPARER
    reader = Reader("ann", role, "", signed_in=True, rights=RIGHTS[role])
    door = Door(held.engine, held.settings(), reader, NOW)
    for kind in ("crc", "secr"):
        number = report_doors.prepare(door, kind, "2025/26")
        report_doors.journal(door, number, "electricity", "-50", "a meter was read twice")
        with pytest.raises(ReportError, match="with this adjustment there are no figures"):
            report_doors.journal(door, number, "electricity", "-1,000,000", "far too much of it")
        report_doors.journal(door, number, "electricity", "50", "it was not after all")
        with held.engine.connect() as connection:
            assert report_doors.told(connection, held.settings(), number, now=NOW)["figures"][0]["value"]


def test_it_is_written_in_every_form(held: Estate) -> None:
    content = made(held)
    for form in ("csv", "html"):
        assert report_render.rendered(content, Frame("OFFICIAL"), form)
    assert "What covers the electricity" in report_render.rendered(content, Frame(), "html").decode()


def test_intensities_and_the_bridge_follow_the_factors_in_the_workbook(held: Estate) -> None:
    content = made(held)
    sheets = workbook.read(report_render.rendered(content, Frame("OFFICIAL"), "xlsx"))
    assert workbook.differing(sheets) == []
    assert sheets["divisors"]
    factor = next(at for at, one in enumerate(content["factors"], 5) if one["key"] == "generation")
    names = [row["name"] for row in table(content, "secr")["rows"]]
    row = names.index("intensity_fte") + 5
    twice = {f"C{factor}": 2 * float(Fraction(content["factors"][factor - 5]["value"]))}
    column = next(column for (column, at), cell in sheets["secr"].items() if at == row and cell.formula)
    before, after = (workbook.worked_out(sheets, "secr", f"{column}{row}", **some) for some in ({}, twice))
    assert after > 1.5 * before > 0
    # So do the standing against the base year, by the total, and what is market-based, by the electricity.
    before, after = (workbook.worked_out(sheets, "baseline", "C5", **some) for some in ({}, twice))
    assert after > 1.5 * before > 0
    standing = range(5, 5 + len(table(content, "baseline")["rows"]))
    assert all(sheets["baseline"]["D", at].formula for at in standing)
    assert sheets["secr"]["D", names.index("scope2_market") + 5].formula == "SUM('market'!$F$5:$F$8)"
    rest = "Lines!$F$5" + "".join(f"-'market'!D{at}" for at in (5, 6, 7))
    assert [sheets["market"][column, 8].formula.replace("$", "") for column in "DF"] == [
        rest.replace("$", ""),
        "D8*E8/1000",
    ]
    ends = 5 + len(table(content, "bridge")["rows"])
    before, after = (workbook.worked_out(sheets, "bridge", f"B{ends}", **some) for some in ({}, twice))
    assert after > 1.5 * before > 0
    # Every row of the bridge is worked out, down to what it comes of.
    rows = range(5, 6 + len(table(content, "bridge")["rows"]))
    assert all(sheets["bridge"]["B", at].formula for at in rows)


def test_a_supply_left_out_of_crc_is_in_no_sum_and_listed_with_its_rule(held: Estate) -> None:
    def crc() -> dict[str, Any]:
        with held.engine.connect() as connection:
            return report_make.content(connection, "crc", 2025, zone=ZONE, now=NOW).as_json()

    before = crc()
    out = f'[[crc_exclusion]]\nsupply = "{OTHER}"\nrule = "domestic"\nreason = "police houses"\n'
    returns.save(held, SETTINGS + out)
    after = crc()
    assert before["figures"][0]["value"] - after["figures"][0]["value"] == 1  # 3,650 kWh at 0.30482
    (row,) = table(after, "excluded")["rows"]
    assert row == {"supply": OTHER, "kwh": 3650, "rule": "domestic accommodation", "why": "police houses"}
    assert [one["count"] for one in after["exclusions"] if "left out" in one["what"]] == [1]
    years = table(after, "years")["rows"]
    assert len(years) == 9
    assert years[-1]["tco2"] == pytest.approx(365 * 80 * 0.30482 / 1000, abs=0.001)
    assert " or " in years[5]["forecast"]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_it_is_issued_on_a_rule_somebody_chose_and_its_pack_recomputes(held: Estate) -> None:
    def door(name: str, role: Role) -> Door:
        reader = Reader(name, role, "", signed_in=True, rights=RIGHTS[role])
        return Door(held.engine, held.settings(), reader, NOW)

    ann, ben = (door(name, Role.SUSTAINABILITY_PREPARER) for name in ("ann", "ben"))
    returns.save(held, '[years."2025/26"]\nfte = 10\n')
    number = report_doors.prepare(ann, "secr", "2025/26")
    report_doors.take(ben, number, "review")
    with pytest.raises(RoadworthyError, match="no factor rule is chosen"):
        report_doors.take(ann, number, "close")
    returns.save(held, SETTINGS)
    report_doors.take(ann, number, "close")
    report_doors.take(door("cat", Role.APPROVER), number, "approve")
    report_doors.take(ann, number, "publish")
    with held.engine.connect() as connection:
        path = report_doors.pack_path(connection, held.settings(), number)
        following = report_reading.standing(connection, "secr", 2025, zone=ZONE, now=NOW)
    found = pack_verify.verify(path)
    assert found.ok, found.differences
    total = next(one for one in following["sums"] if one["name"] == "total")
    assert found.totals["total"] == pytest.approx(float(Fraction(total["tonnes"])), abs=0.0005)
