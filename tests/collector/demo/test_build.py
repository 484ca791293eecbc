"""The simulated IT estate: the same plan, the same database; sums close; every rule real facts keep is kept."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from roadworthy_collector.books.organisation_figures import Asked, Context, figures
from roadworthy_collector.books.organisation_tree import read
from roadworthy_collector.demo.build import build_demo, plan, read_plan
from roadworthy_collector.demo.papers import tables
from roadworthy_collector.demo.telling import disk_fails
from roadworthy_collector.errors import EstateError, StoreError
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, require_estate
from roadworthy_inventory.calendar import utc_date

from .conftest import DAYS, DEVICES, NOW, POLLED, Twin, build


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def test_the_same_plan_builds_the_same_database(twin: Twin, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert dump(again.settings.database) == dump(twin.settings.database)


def test_another_seed_builds_another(twin: Twin, tmp_path: Path) -> None:
    other = build(tmp_path, seed=1)
    ids = "SELECT device_id FROM devices"
    assert not set(other.rows(ids)) & set(twin.rows(ids))


def test_it_is_stamped_and_says_what_it_was_built_from(twin: Twin) -> None:
    assert twin.rows("SELECT value FROM estate WHERE name = 'simulated'") == [("true",)]
    engine = open_engine(twin.settings.database, read_only=True)
    try:
        assert read_plan(engine) == twin.planned
    finally:
        engine.dispose()


def test_a_real_collector_refuses_it(twin: Twin) -> None:
    engine = open_engine(twin.settings.database)
    try:
        with pytest.raises(EstateError, match="holds a simulated IT estate"):
            require_estate(engine, simulated=False)
    finally:
        engine.dispose()


def test_it_is_never_built_over_devices_that_are_there(twin: Twin) -> None:
    engine = open_engine(twin.settings.database)
    try:
        with pytest.raises(StoreError, match="in an empty database only"):
            build_demo(engine, twin.settings, twin.planned)
    finally:
        engine.dispose()


def test_the_summary_counts_what_is_there(twin: Twin) -> None:
    summary = twin.summary
    assert twin.rows("SELECT count(*) FROM devices") == [(DEVICES + POLLED,)] == [(summary.devices,)]
    assert twin.rows("SELECT count(*) FROM half_hour_use") == [(summary.half_hours,)]
    assert twin.rows("SELECT count(*) FROM startups") == [(summary.start_ups,)]
    assert twin.rows("SELECT count(*) FROM gaps") == [(summary.gaps,)]
    before = twin.planned.timeline.half_hours_from
    assert twin.rows("SELECT count(*) FROM days WHERE day * 86400 < ?", before) == [(summary.device_days,)]


def test_ingest_refused_nothing_and_nothing_is_left_to_do(twin: Twin) -> None:
    for table in ("quarantine", "counters", "dirty"):
        assert twin.rows(f"SELECT count(*) FROM {table}") == [(0,)], table  # noqa: S608 - the names stand above


def test_half_hours_are_aligned_and_their_states_close(twin: Twin) -> None:
    assert twin.rows("SELECT count(*) FROM half_hour_use WHERE start % 1800") == [(0,)]
    states = (
        "in_use_seconds + idle_seconds + locked_seconds + asleep_seconds + off_seconds + unobserved_seconds"
    )
    assert twin.rows(f"SELECT DISTINCT {states} FROM half_hour_states") == [(1800,)]  # noqa: S608 - the names stand above
    assert twin.rows(
        "SELECT count(*) FROM half_hour_use LEFT JOIN half_hour_states USING (device, start) WHERE in_use_seconds IS NULL"
    ) == [(0,)]
    # On, asleep or off: what was observed and what lies in gaps fills the half-hour (or it was not enrolled yet).
    assert twin.rows(
        "SELECT count(*) FROM half_hour_use JOIN half_hour_states USING (device, start) JOIN devices ON devices.id = device "
        "WHERE start > enrolled_at AND observed_seconds + asleep_seconds + off_seconds <> 1800"
    ) == [(0,)]


def test_ratios_are_ratios(twin: Twin) -> None:
    (low, high, below), = twin.rows(
        "SELECT min(min(cpu_mean_ratio), min(memory_mean_ratio)), max(max(cpu_p95_ratio), max(memory_p95_ratio)), "
        "sum(cpu_p95_ratio < cpu_mean_ratio) FROM half_hour_use"
    )  # fmt: skip
    assert 0 <= float(str(low)) <= float(str(high)) <= 1
    assert below == 0
    (low, high), = twin.rows("SELECT min(cpu_mean_ratio) / 1e4, max(cpu_mean_ratio) / 1e4 FROM days")  # fmt: skip
    assert 0 < float(str(low)) <= float(str(high)) < 0.9


def test_daily_facts_keep_the_rules_of_rolled_up_days(twin: Twin) -> None:
    states = (
        "in_use_seconds + idle_seconds + locked_seconds + asleep_seconds + off_seconds + unobserved_seconds"
    )
    for wrong in (
        "periods NOT BETWEEN 1 AND 48",
        f"{states} <> 1800 * periods",
        "observed_seconds > 1800 * periods",
        "startup_seconds_max > startup_seconds_sum",
        "(startups = 0) <> (startup_seconds_sum IS NULL)",
    ):
        assert twin.rows(f"SELECT count(*) FROM days WHERE {wrong}") == [(0,)], wrong  # noqa: S608 - as above


def test_the_last_days_are_rolled_up_from_the_half_hours(twin: Twin) -> None:
    begin = twin.planned.timeline.half_hours_from
    summed = twin.rows(
        "SELECT device, start / 86400 * 86400, count(*), sum(observed_seconds) FROM half_hour_use GROUP BY 1, 2 ORDER BY 1, 2"
    )
    held = twin.rows(
        "SELECT device, day * 86400, periods, observed_seconds FROM days WHERE day * 86400 >= ? AND periods ORDER BY 1, 2",
        begin,
    )
    assert held == summed
    assert {day for _, day, *_ in held} == {begin + 86400 * place for place in range(DAYS + 1)}


def test_counters_run_on_from_the_months_before_and_never_jump(twin: Twin) -> None:
    begin = twin.planned.timeline.half_hours_from
    engine = open_engine(twin.settings.database, read_only=True)
    expected: dict[tuple[int, str], int] = {}
    with engine.connect() as connection:
        for device, joules in connection.execute(
            select(schema.days.c.device, schema.days.c.joules).where(schema.days.c.day < begin)
        ):
            for scope, by_quality in (joules or {}).items():
                expected[device, scope] = expected.get((device, scope), 0) + sum(by_quality.values())
    engine.dispose()
    rows = twin.rows(
        "SELECT device, scope, joules, counter_end_joules FROM half_hour_energy ORDER BY device, scope, start"
    )
    assert len(rows) > 100
    for device, scope, joules, counter in rows:
        expected[device, scope] = expected.get((device, scope), 0) + joules
        assert counter == expected[device, scope]


def test_every_start_up_is_the_sum_of_its_counted_phases(twin: Twin) -> None:
    engine = open_engine(twin.settings.database, read_only=True)
    with engine.connect() as connection:
        rows = connection.execute(select(schema.startups)).mappings().all()
        devices = connection.scalar(select(func.count(func.distinct(schema.startups.c.device))))
    engine.dispose()
    assert devices
    assert devices > DEVICES // 2
    for row in rows:
        counted = sum(phase["seconds"] for phase in row["phases"] if phase["counted"])
        assert row["total_seconds"] == pytest.approx(counted)
        assert row["usable_seconds"] <= row["total_seconds"]
        assert twin.planned.timeline.half_hours_from <= row["started_at"] <= NOW - row["total_seconds"]
        for phase in row["phases"]:
            # A ghost is shown, marked suspect, with its reason, and never counted.
            assert (phase["quality"] == "suspect") == (not phase["counted"])
            assert phase["counted"] or phase["reason"]


def test_devices_that_are_on_are_fresh_and_no_other(twin: Twin) -> None:
    fresh = twin.rows("SELECT count(*) FROM device_now WHERE at > ? - 900 AND at <= ?", NOW, NOW)
    assert fresh == [(twin.summary.reporting,)]
    assert twin.summary.reporting > DEVICES // 2
    assert twin.rows("SELECT count(*) FROM devices WHERE last_report_at > ?", NOW) == [(0,)]
    # The open half-hour is not among the closed ones.
    assert twin.rows("SELECT count(*) FROM device_now JOIN half_hour_use USING (device, start)") == [(0,)]


def test_blanks_are_explained(twin: Twin) -> None:
    assert twin.rows("SELECT count(*) FROM probe_status WHERE status <> 'ok' AND reason IS NULL") == [(0,)]
    assert twin.rows("SELECT count(*) FROM probe_status WHERE status <> 'ok'") > [(0,)]


def test_the_plan_covers_whole_days_and_whole_months(twin: Twin) -> None:
    times = plan(twin.settings, days=14, months=25, now=NOW).timeline
    assert (times.first_day, times.half_hours_from) == (1724976000, 1790726400)  # 30 Aug 2024, 30 Sep 2026


def test_a_month_that_is_too_short_gives_its_last_day(twin: Twin) -> None:
    now = 1774960000  # 31 March 2026
    assert (
        plan(twin.settings, days=0, months=25, now=now).timeline.first_day == 1709164800
    )  # 29 February 2024


def test_the_books_are_full_and_say_that_they_are_simulated(twin: Twin) -> None:
    """Register, reconciliation, ratings, costs and plan have what their pages show."""
    assert twin.rows("SELECT kind, count(*) FROM batches WHERE NOT unfinished GROUP BY 1 ORDER BY 1") == [
        ("contracts", 1), ("disposals", 1), ("items", 1), ("ledger", 1), ("mdm", 1), ("meters", 3), ("payments", 1), ("plugs", 1),
        ("warranties", 1),
    ]  # fmt: skip
    assert twin.rows("SELECT DISTINCT made_by FROM batches") == [("simulated",)]
    kinds = {row[0] for row in twin.rows("SELECT DISTINCT kind FROM register_items")}
    assert {"desktop", "laptop", "monitor"} <= kinds
    figures = {row[0] for row in twin.rows("SELECT name FROM book_figures")}
    assert {"reconciliation", "ratings", "plan"} <= figures
    matched, = twin.rows("SELECT count(*) FROM reconciled WHERE state = 'matched'")  # fmt: skip
    assert int(str(matched[0])) > DEVICES / 2
    assert twin.rows("SELECT count(*) FROM exceptions")[0][0] != 0
    assert twin.rows("SELECT DISTINCT seconds FROM book_figures") == [(0.0,)]


def test_money_and_systems_belong_to_units(twin: Twin) -> None:
    """So that a page by unit shows pounds, and what is nobody's as nobody's."""
    assert twin.rows("SELECT count(*), count(unit) FROM cost_centres") == [(3, 3)]
    assert twin.rows("SELECT count(*), count(unit) FROM systems") == [(8, 7)]
    assert twin.rows("SELECT count(*), count(system), count(cost_centre) FROM contracts") == [(13, 5, 12)]
    now = float(twin.planned.timeline.now)
    engine = open_engine(twin.settings.database, read_only=True)
    try:
        with engine.connect() as connection:
            asked = Asked(utc_date(now))
            found = figures(Context(connection, read(connection), asked, "Europe/London", now))
    finally:
        engine.dispose()
    named = {line.name: line for line in found.lines if line.unit is not None and line.total["ledger_pence"]}
    assert len(named) >= 3
    assert found.total["ledger_pence"] == sum(line.own["ledger_pence"] for line in found.lines)
    assert any(line.own["contract_pence"] for line in named.values())


def test_there_is_one_of_each_case_of_money(twin: Twin) -> None:
    """A target that can be drawn, a control total that does not agree, a year paid ahead, a benefit, disposals."""
    (shares,), = twin.rows("SELECT content FROM book_figures WHERE name = 'costs.shares'")  # fmt: skip
    told = json.loads(str(shares))
    assert told["target"]["reason"] is None
    assert sorted(abs(one["difference_pence"]) for one in told["controls"]) == [0, 125_000]
    assert any(year["committed"] for year in told["years"].values())
    one, other = (json.loads(str(row[0])) for row in twin.rows("SELECT steps FROM benefits ORDER BY id"))
    assert [step["state"] for step in one] == ["identified", "agreed"]
    assert (other[-1]["state"], other[-1]["role"]) == ("removed from budget", "finance")
    # Recharges count with both sides or not at all.
    assert told["left_out"]["recharge with one side only"]["lines"] > 0
    kinds = [json.loads(str(row[0])).get("kind") for row in twin.rows("SELECT content FROM ledger_lines")]
    assert (
        kinds.count("recharge_out") - kinds.count("recharge_in")
        == told["left_out"]["recharge with one side only"]["lines"]
    )
    assert int(str(twin.rows("SELECT count(*) FROM disposals")[0][0])) > 0
    assert int(str(twin.rows("SELECT count(*) FROM signins")[0][0])) > 0


def test_disposals_have_routes_and_gaps_and_failing_laptops_a_warranty(twin: Twin) -> None:
    planned = plan(twin.settings, devices=1000, days=3, months=25, now=NOW)
    files = {
        name: [dict(zip(header, row, strict=True)) for row in rows]
        for name, (header, rows) in tables(planned).items()
    }
    gone = [row for row in files["disposals.csv"] if row["Collected"]]
    assert {row["Route"] for row in gone} >= {"Recycling", "Resale", "Destruction"}
    assert 0 < sum(not row["Weight (kg)"] for row in gone) < len(gone) / 2
    assert 0 < sum(bool(row["Certificate number"]) for row in gone) < len(gone)
    today = utc_date(NOW).isoformat()
    ends = {row["Serial number"]: row["Warranty end"] for row in files["warranties.csv"]}
    failing = [device for device in planned.compose() if disk_fails(device) and device.serial]
    assert failing
    assert all(ends[str(device.serial)] >= today for device in failing)


def test_sign_ins_are_told_of_shared_devices_alone(twin: Twin) -> None:
    """On a personal device they would be somebody's working days."""
    told = {row[0] for row in twin.rows("SELECT DISTINCT device FROM signins")}
    patterns = {device.group.pattern for device in twin.planned.compose() if device.row in told}
    assert patterns
    assert patterns <= {"office", "shift", "custody"}
