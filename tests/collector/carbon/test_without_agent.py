"""Devices nothing reports for: monitors, printers, network and UPSs of the register, by class, apart and never twice."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.estates import Estate
from support.people import Person
from support.web import client_of

from roadworthy_collector.carbon import show, without_agent
from roadworthy_collector.carbon.estate import parse_period
from roadworthy_collector.carbon.report_make import content
from roadworthy_collector.carbon.site_use import SiteUse, use_of
from roadworthy_collector.carbon.without_agent import ClassRow, WithoutAgent
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.queries.scope import EVERYTHING
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.replacement_inputs import Range

ZONE = "Europe/London"
NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
KWH = 3_600_000
_spec = importlib.util.spec_from_file_location("test_energy", Path(__file__).with_name("test_energy.py"))
assert _spec is not None
assert _spec.loader is not None
ledger = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ledger)
NUMBERS = iter(range(1, 10**6))


def item(estate: Estate, kind: str, site: str = "HQ", unit: str = "IT", **values: Any) -> int:
    number = next(NUMBERS)
    row = {
        "id": number, "kind": kind, "site": estate.site(site), "unit": estate.unit(unit), "tag": f"T{number}",
        "lifecycle_state": "deployed", "usage_profile": "unknown", "purchased": "2020-01-01", "updated_at": 0,
    }  # fmt: skip
    estate.put(register_items, **row | values)
    return number


def fill(estate: Estate) -> None:
    computer = ledger.device(estate)  # in use for a third of its day, on and unused for two hours
    ledger.told(estate, computer, "2026-04-01")
    for _ in range(3):
        item(estate, "monitor")
    item(estate, "monitor", purchased=None)
    item(estate, "monitor", purchased="2026-04-16")
    item(estate, "monitor", lifecycle_state="stores")
    item(estate, "monitor", lifecycle_state="disposed", disposed_on="2026-04-11")
    item(estate, "monitor", lifecycle_state="disposed", disposed_on="2025-04-11")
    for _ in range(3):
        item(estate, "printer")
    polled = estate.device(device_class="printer", model="LaserJet")  # linked to its item: not here
    linked = item(estate, "printer")
    estate.put(register_devices, item=linked, device=polled, valid_from="2026-01-01", matched_on=["serial"])
    estate.device(device_class="printer", model="LaserJet")  # linked to none: it may be one of the three
    estate.device(device_class="switch", model="Catalyst")
    item(estate, "network")
    item(estate, "ups", unit="Estates")
    item(estate, "dock")
    ledger.made(estate, NOW)


@pytest.fixture
def filled(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(fill)


def read(estate: Estate, period: str = "2026-04", **asked: Any) -> dict[str, ClassRow]:
    with estate.engine.connect() as connection:
        found = without_agent.read(connection, parse_period(period), zone=ZONE, now=NOW, **asked)
    return {one.kind: one for one in found.rows}


def hours(first: str, last: str) -> float:
    begin, end = (local_day(dt.date.fromisoformat(day), ZONE).start for day in (first, last))
    return (end - begin) / 3600


def test_monitors_are_on_while_computers_of_their_site_are_in_use(filled: Estate) -> None:
    monitors = read(filled)["monitor"]
    assert (monitors.items, monitors.taken_off, monitors.quality) == (6, 0, "modelled")
    there = 4 * hours("2026-04-01", "2026-05-01") + hours("2026-04-16", "2026-05-01")
    there += hours("2026-04-01", "2026-04-11")
    # 8 hours of a day in use, 2 idle or locked, 14 asleep or off; 10 to 40 W, dark 0.2 to 2 W, off 0 to 0.5 W.
    day = (8 * 10 + 2 * 0.2, 8 * 20 + 16 * 0.5, 10 * 40 + 14 * 2)
    assert monitors.joules == pytest.approx([there / 24 * one * 3600 for one in day])


def test_without_a_told_hour_a_monitor_has_the_makers_year(filled: Estate) -> None:
    monitors = read(filled, "2025-05")["monitor"]
    assert monitors.quality == "assumed"
    assert monitors.joules is not None
    # Three of January 2020, one of unknown age, one that left in April 2026; 41 kWh a year is makers' median.
    assert monitors.items == 5
    assert monitors.joules.likely == pytest.approx(5 * 41 * KWH * hours("2025-05-01", "2025-06-01") / 8766)


def test_others_draw_the_mean_of_their_class_and_nothing_counts_twice(filled: Estate) -> None:
    found = read(filled)
    spent = hours("2026-04-01", "2026-05-01") * 3600
    printers = found["printer"]
    assert (printers.items, printers.taken_off) == (3, 1)
    assert printers.joules == pytest.approx([2 * spent * watts for watts in (1.8, 2.2, 3.2)])
    # The one switch of the register may be the one that is polled.
    assert (found["network"].items, found["network"].taken_off) == (1, 1)
    assert found["network"].joules == (0, 0, 0)
    assert found["ups"].joules == pytest.approx([spent * watts for watts in (2.6, 3.8, 10.6)])
    assert (found["dock"].joules, found["dock"].how) == (
        None,
        "nobody publishes watts for it",
    )  # unknown, not nought
    assert set(read(filled, scope=frozenset({filled.unit("Estates")}))) == {"ups"}
    assert read(filled, "2026-08") == {}


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(*[st.floats(0, 1e12)] * 3).map(sorted)))
def test_classes_add_up_and_err_in_quadrature(some: dict[str, list[float]]) -> None:
    rows = tuple(ClassRow(kind, 1, 0, Range(*three), "assumed", "") for kind, three in some.items())
    low, likely, high = WithoutAgent(rows).joules
    assert likely == pytest.approx(sum(three[1] for three in some.values()))
    assert sum(three[0] for three in some.values()) <= low + 1e-6 * (1 + likely)
    assert high <= sum(three[2] for three in some.values()) + 1e-6 * (1 + high)
    assert 0 <= low <= likely <= high


def test_a_site_without_computers_has_the_use_of_all() -> None:
    use = SiteUse()
    told = ledger.energy.Told()
    told.seconds |= {"in_use": 600.0, "idle": 300.0, "off": 2700.0}
    use.add(7, "desktop", told)
    use.add(8, "server", told)  # nobody sits before it
    assert use_of(use.told(), 7) == use_of(use.told(), 8) == pytest.approx((1 / 6, 1 / 12, 3 / 4))
    assert use_of({}, 7) is None


def test_it_is_beside_every_other_figure(filled: Estate) -> None:
    with filled.engine.connect() as connection:
        found = show.shown(connection, show.Asked("2026-04"), now=NOW, zone=ZONE)
        report = content(connection, "carbon", 2026, zone=ZONE, now=NOW)
        year = without_agent.read(connection, parse_period("2026/27"), zone=ZONE, now=NOW, scope=EVERYTHING)
    told = found.told("class")
    assert told["without_agent"]["kwh"] > 0
    assert {row["key"] for row in told["rows"]} == {"desktop"}
    assert sum(row["kwh"] for row in told["rows"]) == pytest.approx(told["kwh"])
    (table,) = [one for one in report.tables if one.name == "without_agent"]
    assert table.total is not None
    assert table.total["kwh"] == pytest.approx(year.told()["kwh"])
    assert [row["kwh"] for row in table.rows if row["title"] == "dock"] == [None]
    assert all(row["items"] for row in table.rows)
    classes = next(one for one in report.tables if one.name == "by_class")
    assert [row["title"] for row in classes.rows if row["kwh"] == 0] == []
    (left_out,) = [one for one in report.exclusions if one["what"] == "Devices without an agent"]
    assert left_out["count"] == year.items


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_the_page_shows_it_apart(filled: Estate, tmp_path: Path) -> None:
    client = client_of(filled.engine, tmp_path, NOW)
    viewer = Person(filled.engine, "vi", "viewer", now=NOW)
    text = client.get("/carbon?year=2026/27", **viewer.cookie).text
    client.close()
    assert "Devices without an agent, modelled by class" in text
    assert "on while the computers of its site were in use" in text
    assert text.count("<table") == text.count("<caption")
