"""The parts of a year's change out of what was recorded: sites that joined, coverage, method; and vehicles without tonnes."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from support import workbook
from support.estates import Estate

from roadworthy_collector.carbon import (
    energy,
    report_carbon,
    report_change,
    report_doors,
    report_make,
    report_reading,
    report_render,
    settings_edition,
)
from roadworthy_collector.carbon import estate as ledgers
from roadworthy_collector.carbon.report_doors import Door
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_shown import Frame
from roadworthy_collector.carbon.sums import Sum, of_told
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security.roles import RIGHTS, Reader, Role
from roadworthy_collector.store import books_schema, schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.boundary import BoundaryChange
from roadworthy_inventory.carbon.factors import factor_book

NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
ZONE = "Europe/London"
KWH = 3_600_000
SETTINGS = """
factor_rule = "majority"
[[boundary_change]]
sites = ["Northgate", "Cells", "Nowhere"]
change = "joined"
from = 2025-04-01
reason = "taken over from the county council"
"""
Fill = Callable[[Callable[[Estate], None]], Estate]


def day_of(held: Estate, device: int, day: str, kwh: int, site: str, quality: str = "metered") -> None:
    span = local_day(dt.date.fromisoformat(day), ZONE)
    states = {f"{name}_seconds": 0 for name in ("in_use", "idle", "locked", "asleep", "off", "unobserved")}
    row = {
        "device": device, "site": held.site(site), "unit": held.unit("IT"), "periods": span.periods, "startups": 0,
        "observed_seconds": 0, "joules": {"wall": {quality: kwh * KWH}}, **states | {"in_use_seconds": span.seconds},
    }  # fmt: skip
    if span.start % 86_400 == 0:  # a day of UTC is kept once
        held.put(schema.days, day=span.start, **row)
    else:
        held.put(schema.local_days, date=day, start=span.start, half_hours=span.periods, **row)


def fill(held: Estate) -> None:
    """One desktop at HQ in both years, one at a site that joined, one in a car, one at a restricted site that joined.

    The ledger begins with the year before: a laptop had one day that drew nothing.
    """
    held.site("Cells", restricted=True)
    since = int(dt.datetime(2025, 3, 1, tzinfo=dt.UTC).timestamp())
    joined = int(dt.datetime(2025, 5, 1, tzinfo=dt.UTC).timestamp())
    one = held.device(device_class="desktop", model="OptiPlex", enrolled_at=since)
    two = held.device(device_class="desktop", model="OptiPlex", enrolled_at=joined, site="Northgate")
    car = held.device(device_class="tablet", model="Tab", enrolled_at=since, site="Car 7")
    cell = held.device(device_class="desktop", model="OptiPlex", enrolled_at=joined, site="Cells")
    day_of(held, held.device(device_class="laptop", enrolled_at=since), "2024-04-01", 0, "HQ")
    for day in ("2025-03-03", "2025-03-04", "2025-05-05", "2025-05-06"):
        day_of(held, one, day, 4, "HQ")
        day_of(held, car, day, 1, "Car 7")
    day_of(held, two, "2025-05-05", 6, "Northgate")
    day_of(held, one, "2026-05-05", 3, "HQ")
    day_of(held, one, "2026-06-02", 50, "HQ")  # the running month, which is not compared
    day_of(held, cell, "2025-05-05", 9, "Cells")
    with write_transaction(held.engine) as connection:
        connection.execute(update(schema.sites).where(schema.sites.c.name == "Car 7").values(kind="vehicle"))
        settings_edition.save(connection, SETTINGS, actor="pam", now=int(NOW))
    make(held)


def make(held: Estate) -> None:
    work = Work(held.engine, held.settings(), clock=lambda: NOW, rests=False)
    while energy.refresh(work):
        pass


@pytest.fixture
def held(filled_once: Fill) -> Estate:
    return filled_once(fill)


@pytest.fixture
def content(held: Estate) -> dict[str, Any]:
    with held.engine.connect() as connection:
        return report_reading.standing(connection, "carbon", 2025, zone=ZONE, now=NOW)


def table(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in content["tables"] if one["name"] == name)


def test_the_workbook_works_the_parts_out_of_the_years(content: dict[str, Any]) -> None:
    sheets = workbook.read(report_render.rendered(content, Frame("OFFICIAL"), "xlsx"))
    assert workbook.differing(sheets) == []
    parts = [row["name"] for row in table(content, "change")["rows"]]
    tonnes = [sheets["change"]["C", at].formula for at in range(5, 6 + len(parts))]
    assert all(tonnes)
    assert sheets["change"]["B", 5 + parts.index("devices")].formula
    assert sheets["change years"]["C", 6].formula  # the year before as this year counts it


def test_the_parts_have_their_reasons_and_sum_to_the_change(content: dict[str, Any]) -> None:
    found = table(content, "change")
    rows = {row["title"]: row for row in found["rows"]}
    assert sum(row["tonnes"] for row in found["rows"]) == pytest.approx(found["total"]["tonnes"], abs=0.003)
    boundary = rows["Units and sites that joined or left"]
    # 6 kWh at Northgate; what is at the restricted site is in totals only and has no name.
    mean = (Fraction("0.20705") + Fraction("0.177")) / 2
    assert boundary["tonnes"] == pytest.approx(float(6 * mean / 1000), abs=0.0005)
    assert "Northgate, 2 other sites joined on 1 April 2025 (+6 kWh): taken over" in boundary["why"]
    coverage = rows["How much of the devices' time is known"]
    assert "% of the devices' time known in 2024/25" in coverage["why"]
    assert rows["A changed method"]["why"].startswith("energy is known the same way")
    assert rows["The electricity factor"]["why"] == "0.20705 to 0.17700 kgCO2e/kWh"
    assert "Cells" not in str(content)
    assert content["rules"][report_change.MODELS_RULE] != "none"


def test_a_running_year_is_compared_over_the_months_closed_in_both(held: Estate) -> None:
    with held.engine.connect() as connection:
        made = report_reading.standing(connection, "carbon", 2026, zone=ZONE, now=NOW)
    assert made["sentences"][0] == "2026/27 is not complete: April to May of both years are compared."
    # At HQ, Northgate and Cells in May 2025, at HQ in May 2026; 2 kWh in a car emit nothing.
    assert "2025/26 (April to May): 23 kWh" in table(made, "change")["note"]
    assert "2026/27 (April to May): 3 kWh" in table(made, "change")["note"]
    said = " ".join(made["sentences"])
    assert "from 2025/26 (April to May) to 2026/27 (April to May)" in said
    assert "by the days of these months" in said
    rows = table(made, "change")["rows"]
    assert sum(row["tonnes"] for row in rows) == pytest.approx(
        table(made, "change")["total"]["tonnes"], abs=0.003
    )


def begun_late(held: Estate) -> None:
    """Fill in a ledger that begins in March 2025: 8 MWh in it, 40 MWh in May, 6 MWh in March 2026."""
    since = int(dt.datetime(2025, 3, 1, tzinfo=dt.UTC).timestamp())
    one = held.device(device_class="desktop", model="OptiPlex", enrolled_at=since)
    for day, kwh in (("2025-03-03", 8000), ("2025-05-05", 40_000), ("2026-03-03", 6000)):
        day_of(held, one, day, kwh, "HQ")
    make(held)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_a_year_before_that_nobody_told_all_of_is_compared_over_its_months(filled_once: Fill) -> None:
    held = filled_once(begun_late)
    with held.engine.connect() as connection:
        made = report_reading.standing(connection, "carbon", 2025, zone=ZONE, now=NOW)
    assert made["sentences"][0] == "2024/25 is not complete: March of both years is compared."
    assert "fell by" in made["sentences"][1]
    assert "from 2024/25 (March) to 2025/26 (March)" in made["sentences"][1]
    assert "2025/26 (March): 6,000 kWh" in table(made, "change")["note"]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_an_adjustment_of_more_than_was_used_at_a_place_is_refused(filled_once: Fill) -> None:
    held = filled_once(begun_late)
    role = Role.SUSTAINABILITY_PREPARER
    door = Door(
        held.engine, held.settings(), Reader("ann", role, "", signed_in=True, rights=RIGHTS[role]), NOW
    )
    number = report_doors.prepare(door, "carbon", "2025/26")
    for line, kwh in (("force", "-999,999,999"), ("home", "-1")):
        with pytest.raises(RoadworthyError, match=f"kWh more away at '{line}'"):
            report_doors.journal(door, number, line, kwh, "far too much of it")
    report_doors.journal(door, number, "force", "-46000", "all of it was read twice")
    with held.engine.connect() as connection:
        told = report_doors.told(connection, held.settings(), number, now=NOW)
    assert [one["value"] for one in told["figures"][:2]] == [0, 0]


MONTH = st.tuples(st.integers(0, 10**12), st.integers(0, 3000), st.integers(0, 10**8), st.booleans())


def of_months(
    began: int, told: Sequence[tuple[int, int, int, bool]], only: Collection[int]
) -> ledgers.Estate:
    """Return a year of which (joules, days, silent seconds, closed) of each month are told, over `only` some of them."""
    period = ledgers.financial_year(began)
    months, sums = [], Sum()
    for at in only:
        joules, days, silent, closed = told[at]
        name = period.months[at]
        months.append(ledgers.MadeMonth(name, 1, closed, "same"))
        sums.add(of_told([joules if days else 0, 0, 0, 0, days, 0, silent, days, 0.0, 0.0, {}], name))
    by_key: dict[ledgers.Dimension, dict[str, Sum]] = {
        "place": {"force": sums}, "site": {"1": sums}, "model": {"m": sums}, "month": {},
    }  # fmt: skip
    return ledgers.Estate(period, sums.energy(), tuple(months), by_key, {"site": {"1": "HQ"}})


@given(
    old=st.lists(MONTH, min_size=12, max_size=12),
    new=st.lists(MONTH, min_size=12, max_size=12),
    joined=st.none() | st.dates(dt.date(2023, 6, 1), dt.date(2025, 2, 1)),
)
@settings(max_examples=40, deadline=None)
def test_the_split_is_exact_over_like_months_whatever_the_others_hold(
    old: list[Any], new: list[Any], joined: dt.date | None
) -> None:
    new[-1] = (*new[-1][:3], False)  # it is running
    both = [at for at in range(12) if old[at][3] and new[at][3]]
    changes = () if joined is None else (BoundaryChange(("HQ",), joined=True, on=joined, why="taken over"),)
    inputs = Inputs(factor_book(), "majority", int(NOW), "1", simulated=False, boundary_changes=changes)
    like = (of_months(2023, old, both), of_months(2024, new, both)) if both else None
    lines = {
        name: report_carbon.ledger_lines(one, {})
        for name, one in zip(("before", "after"), like or (), strict=False)
    }
    years = of_months(2024, new, range(12)), of_months(2023, old, range(12))
    found = report_change.compare_what_is_there(inputs, 2024, *years, lines, like)
    if found.change is None:
        assert like is None or not all(one.total.whole_joules for one in like)
        return
    assert like is not None
    assert sum(found.change.parts.values()) == found.change.tonnes
    kwh = [sum(months[at][0] for at in both if months[at][1]) for months in (old, new)]
    assert [found.change.before.kwh, found.change.after.kwh] == [Fraction(one, KWH) for one in kwh]
    expected = [sum(months[at][1] * 86_400 + months[at][2] for at in both) for months in (old, new)]
    for year, seconds, one in zip((found.change.before, found.change.after), expected, like, strict=True):
        days = sum(calendar.monthrange(*map(int, month.month.split("-")))[1] for month in one.months)
        assert year.devices == Fraction(seconds, 86_400 * days)


def test_a_year_before_that_is_being_made_is_said_first_and_not_compared_nor_closed(
    filled_once: Fill,
) -> None:
    held = filled_once(fill)
    with write_transaction(held.engine) as connection:
        connection.execute(
            delete(books_schema.book_figures).where(books_schema.book_figures.c.name.like("energy%.2025-03%"))
        )
    with held.engine.connect() as connection:
        made = report_reading.standing(connection, "carbon", 2025, zone=ZONE, now=NOW)
    assert made["sentences"][0].startswith(
        "2024/25 is still being made (2025-03), so 2025/26 is not compared"
    )
    assert "change" not in {one["name"] for one in made["tables"]}
    assert "fell by" not in str(made["sentences"])
    role = Role.SUSTAINABILITY_PREPARER
    ann, ben = (
        Door(held.engine, held.settings(), Reader(name, role, "", signed_in=True, rights=RIGHTS[role]), NOW)
        for name in ("ann", "ben")
    )
    number = report_doors.prepare(ann, "carbon", "2025/26")
    report_doors.take(ben, number, "review")
    with pytest.raises(RoadworthyError, match="still being made \\(2025-03\\): close the report later"):
        report_doors.take(ann, number, "close")


def test_months_that_have_not_begun_are_not_missing(held: Estate) -> None:
    with held.engine.connect() as connection:
        running = ledgers.read(connection, ledgers.financial_year(2026))
    told = running.told(dt.date(2026, 6, 10))
    assert told["months_missing"] + told["months_open"] == ["2026-06"]
    assert len(running.told(dt.date(2027, 6, 10))["months_missing"]) >= 9


def test_a_year_nobody_told_anything_of_has_no_figures_and_not_nought(held: Estate) -> None:
    with (
        held.engine.connect() as connection,
        pytest.raises(RoadworthyError, match="nothing is held of 2015/16"),
    ):
        report_reading.standing(connection, "carbon", 2015, zone=ZONE, now=NOW)


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_months_that_are_not_made_yet_stop_the_figures_and_the_close(estate: Estate) -> None:
    estate.device(device_class="desktop", enrolled_at=0)
    day_of(estate, 1, "2025-05-05", 3, "HQ")
    role = Role.SUSTAINABILITY_PREPARER
    ann, ben = (
        Door(
            estate.engine, estate.settings(), Reader(name, role, "", signed_in=True, rights=RIGHTS[role]), NOW
        )
        for name in ("ann", "ben")
    )
    number = report_doors.prepare(ann, "carbon", "2025/26")
    with pytest.raises(RoadworthyError, match="is not made yet"), estate.engine.connect() as connection:
        report_reading.standing(connection, "carbon", 2025, zone=ZONE, now=NOW)
    report_doors.take(ben, number, "review")
    with pytest.raises(RoadworthyError, match="not closed yet: the jobs process"):
        report_doors.take(ann, number, "close")


def test_vehicles_have_energy_and_no_tonnes_and_the_table_says_why(content: dict[str, Any]) -> None:
    total = next(one for one in content["sums"] if one["name"] == "total")
    wanted = float(Fraction(total["tonnes"]))
    for name in ("by_place", "by_site", "by_unit", "by_class", "by_model", "by_month"):
        found = table(content, name)
        assert "scope 1" in found["note"]
        # Of a class or model without any energy nothing is known: it has no nought.
        told = [row["tco2e"] for row in found["rows"] if row["kwh"] is not None]
        assert sum(told) == pytest.approx(wanted, abs=0.003), name
        assert found["total"]["tco2e"] == pytest.approx(wanted, abs=0.001)
    car = next(row for row in table(content, "by_place")["rows"] if row["title"] == "vehicles")
    assert (car["kwh"], car["emitting"], car["tco2e"]) == (2, 0, 0)
    # The restricted site has no row of its own: it is with the car and Northgate.
    others = next(row for row in table(content, "by_site")["rows"] if row["title"] == "other sites")
    assert (others["kwh"], others["emitting"]) == (2 + 6 + 9, 6 + 9)


@pytest.mark.parametrize(
    ("same_models", "part"),
    [(False, "A changed method"), (True, "How much of the devices' time is known")],
)
def test_a_year_before_that_was_issued_is_compared_as_it_was(
    held: Estate, part: str, *, same_models: bool
) -> None:
    """Issued on 2 kWh less: by other models the difference is the method's, by the same it is data that came late."""
    with held.engine.connect() as connection:
        before = report_reading.standing(connection, "carbon", 2024, zone=ZONE, now=NOW)
        line = next(one for one in before["lines"] if one["name"] == "force")
        line["kwh"] = str(Fraction(line["kwh"]) - 2)
        if not same_models:
            before["rules"][report_change.MODELS_RULE] = "others"
        made = report_make.content(connection, "carbon", 2025, zone=ZONE, now=NOW, issued_before=before)
    found = table(made.as_json(), "change")
    assert "+2 kWh" in next(row["why"] for row in found["rows"] if row["title"] == part)
    assert sum(row["tonnes"] for row in found["rows"]) == pytest.approx(found["total"]["tonnes"], abs=0.003)
    assert "6 kWh" in found["note"]
