"""Gauges of financial years: they say what the reports and the shares say, and no part of a year."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.estates import NOW, Estate
from support.modules import beside

from roadworthy_collector.books import figures
from roadworthy_collector.books.cost_keys import FORMAT
from roadworthy_collector.books.shares import FIGURE as SHARES
from roadworthy_collector.carbon import settings_edition
from roadworthy_collector.jobs import yearly as job
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import yearly
from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER
from roadworthy_collector.metrics.scoped import only_units
from roadworthy_collector.store.books_schema import cost_centres
from roadworthy_collector.store.carbon_schema import carbon_reports
from roadworthy_collector.store.engine import write_transaction

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
Values = dict[tuple[str, ...], float]


reports, crc = beside(__file__, "../carbon/test_reports"), beside(__file__, "../carbon/test_report_crc")


def values(told: dict[str, Any]) -> dict[str, Values]:
    return {
        family.name: {tuple(one.labels.values()): one.value for one in family.samples}
        for family in text_string_to_metric_families(yearly.render(told))
    }


def computed(estate: Estate, now: float) -> dict[str, Values]:
    assert job.compute(Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)) == 1
    with estate.engine.connect() as connection:
        return values(dict(yearly.read(connection)))


def share(pence: int) -> dict[str, Any]:
    return {letter: {"numerator_pence": pence} for letter in "ABC"}


def test_cost_stands_by_the_unit_of_its_cost_centre(estate: Estate) -> None:
    estate.put(cost_centres, code="cc1", unit=estate.unit("IT"))
    estate.put(cost_centres, code="cc2", unit=estate.unit("IT"))
    estate.put(cost_centres, code="cc3")
    booked = {"CC1": 100, "cc2": 50, "cc3": 7, None: 2}
    rows = [{"place": place, "shares": share(pence)} for place, pence in booked.items()]
    year = {"name": "2025/26", "by_cost_centre": rows}
    with write_transaction(estate.engine) as connection:
        figures.write(connection, SHARES, {"format": FORMAT, "years": {"2025": year}}, NOW, 0.1)
    found = computed(estate, NOW)["roadworthy_unit_cost_gbp"]
    assert found["IT", "run", "2025/26"] == found["IT", "legacy", "2025/26"] == 1.5
    assert found["unknown", "maintenance", "2025/26"] == 0.09
    assert len(found) == 6


def test_units_past_the_limit_are_other_and_add_up() -> None:
    rows = [[f"U{number:03}", "A", "2025/26", 100] for number in range(MAX_MEMBERS + 5)]
    found = values({"units": rows})["roadworthy_unit_cost_gbp"]
    assert found[OTHER, "run", "2025/26"] == 5
    assert sum(found.values()) == len(rows)


def test_a_token_of_a_unit_does_not_see_what_the_unit_costs() -> None:
    body = yearly.render({"units": [["IT", "A", "2025/26", 100]]})
    assert 'unit="IT"' in body
    assert only_units(body, ["IT"]) == ""


@pytest.mark.parametrize(
    ("rule", "end"), [("majority", "2027-04-01T00:00+01:00"), ("blended", "2027-01-01T00:00+00:00")]
)
@ONE_STORE
def test_a_factor_set_ends_as_the_rule_in_force_uses_it(estate: Estate, rule: str, end: str) -> None:
    with write_transaction(estate.engine) as connection:
        settings_edition.save(connection, f'factor_rule = "{rule}"', actor="x", now=int(NOW))
    found = computed(estate, NOW)["roadworthy_factor_set_end_timestamp_seconds"]
    newest = {name: at for (name,), at in found.items() if name.startswith("2026")}
    assert list(newest.values()) == [dt.datetime.fromisoformat(end).timestamp()]
    assert len(found) == 3


def test_the_parts_of_a_change_are_the_reports(filled_once: Callable[..., Estate]) -> None:
    full = filled_once(reports.fill)
    found = computed(full, reports.NOW)["roadworthy_carbon_change_kgco2e"]
    content = reports.live(full)
    table = next(one for one in content["tables"] if one["name"] == "change")
    assert {part for part, _ in found} == {"devices", "energy", "factor", "coverage", "boundary", "method"}
    assert {year for _, year in found} == {"2025"}
    assert sum(found.values()) == pytest.approx(1000 * table["total"]["tonnes"], abs=6)


@ONE_STORE
def test_a_year_that_is_not_closed_has_no_change(estate: Estate) -> None:
    assert "roadworthy_carbon_change_kgco2e" not in computed(estate, NOW)


@ONE_STORE
def test_a_year_whose_meters_tell_half_of_it_is_no_crc_year(filled_once: Callable[..., Estate]) -> None:
    held = filled_once(crc.fill)  # one of its supplies was read for three months of 2025/26, another never
    assert "roadworthy_crc_year_tco2" not in computed(held, crc.NOW)
    (half_hours,) = (one for one in crc.made(held, 2025)["exclusions"] if one["unit"] == "half-hours")
    assert half_hours["of"] == 2 * 365 * 48  # nothing is expected of the one without a reading
    assert half_hours["count"] == (365 - 91) * 48


def test_crc_is_what_was_issued_and_the_share_is_inside_it(estate: Estate) -> None:
    figures_of = [{"name": "total", "value": 200.0}, {"name": "cost", "value": 3000.0}]
    rows = [{"title": "low end", "tco2": 5.0}, {"title": "likely", "tco2": 8.0}]
    # Of a register, and of what is left out by a rule of the scheme, no half-hour is expected.
    read = [{"supply": "12", "basis": "actual"}, {"supply": "register", "basis": "estimated"}]
    tables = [{"name": "supplies", "rows": read}, {"name": "ict_share", "rows": rows}]
    exclusions = [
        {"unit": "half-hours", "count": 876, "of": 17_520}, {"unit": "not counted", "count": None},
        {"unit": "supplies", "count": 1, "what": "Supplies left out by a rule of the scheme"},
    ]  # fmt: skip
    content = {"figures": figures_of, "tables": tables, "exclusions": exclusions}
    words = {"steps": [], "simulated": False, "made_at": 1, "made_by": "ann", "state": "published"}
    estate.put(carbon_reports, kind="crc", year=2024, content=content, **words)
    unread = {"name": "supplies", "rows": [*read, {"supply": "13", "basis": "no reading"}]}
    others: dict[int, dict[str, Any]] = {
        2023: {"exclusions": [{"unit": "half-hours", "count": 877, "of": 17_520}]},
        2022: {"exclusions": [{"unit": "half-hours", "count": 1}]},  # of how many was not told then
        2021: {"tables": [unread, tables[1]]},
    }
    for year, more in others.items():
        estate.put(carbon_reports, kind="crc", year=year, content=content | more, **words)
    found = computed(estate, NOW)
    assert found["roadworthy_crc_year_tco2"] == {("billed", "2024"): 200, ("ict", "2024"): 8}
    assert found["roadworthy_crc_year_gbp"] == {("billed", "2024"): 3000, ("ict", "2024"): 120}


def test_without_a_price_and_a_share_there_are_no_such_series() -> None:
    told = {"crc": {"2015": {"tco2": {"billed": 5.0}, "gbp": {"billed": None}}}}
    assert values(told) == {"roadworthy_crc_year_tco2": {("billed", "2015"): 5}}
