"""Staff time: months worked out from start-ups and sign-ins, sums that close, small groups, and what it is worth."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.estates import NOW, Estate

from roadworthy_collector.books import staff_time, staff_time_read, staff_time_show, staff_time_text
from roadworthy_collector.books.staff_time import Month
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.rollups import rollups_of
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import rule_editions
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.staff_time import total

TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
MONTH = Month.of(TODAY)
FIXED = "[good]\nstartup_seconds = 30\nsignin_seconds = 10\n"


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def said(estate: Estate, text: str) -> bool:
    with write_transaction(estate.engine) as connection:
        return staff_time_text.save(connection, text, now=int(NOW), actor="fin")


def at(days_ago: float) -> float:
    return NOW - days_ago * 86_400


def signin(
    estate: Estate, device: int, *, days_ago: int = 1, seconds: float | None = 20.0, **record: Any
) -> None:
    number = next(estate._number)
    day = int(at(days_ago)) // 86_400 * 86_400
    estate.put(
        schema.signins, device=device, signin_id=f"s{number}", revision=1, final=True, day=day,
        total_seconds=seconds, quality="measured", record={"first_on_device": False, **record},
        content_hash=b"12345678",
    )  # fmt: skip


def worked_out(estate: Estate) -> dict[str, Any]:
    while staff_time.refresh(work_of(estate)):
        pass
    with estate.engine.connect() as connection:
        return staff_time_show.overview(connection)


def fleet_of(estate: Estate, count: int = 5, **values: Any) -> list[int]:
    return [estate.device(platform="linux", device_class="laptop", **values) for _ in range(count)]


def test_hours_first_and_money_only_with_a_rate(estate: Estate) -> None:
    said(estate, FIXED)
    for device in fleet_of(estate):
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True)
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=False)
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True, kind="update")
        signin(estate, device, seconds=70.0)
        signin(estate, device, first_on_device=True)
    found = worked_out(estate)
    month = next(one for one in found["periods"] if one["period"] == MONTH.name)
    time = month["time"]
    assert time["hours"] == round(5 * 120 / 3600, 2)
    assert (time["raw_startups"], time["counted_startups"]) == (15, 5)
    assert time["excluded_startups"] == {"unattended": 5, "update": 5}
    assert time["excluded_signins"] == {"first sign-in": 5}
    assert set(month["worth"].values()) == {None}
    assert found["cashable"] is False


def test_a_rate_gives_a_range_and_a_factor_a_figure(estate: Estate) -> None:
    rate = "rate_pence_per_hour = 3600\nloss_factor = 0.5\nproductive_hours_per_year = 1200\n"
    said(estate, rate + FIXED)
    for device in fleet_of(estate):
        estate.startup(device, started_at=at(1), total_seconds=30.0 + 720.0, attended=True)
    month = next(one for one in worked_out(estate)["periods"] if one["period"] == MONTH.name)
    worth = month["worth"]
    assert month["time"]["hours"] == 1.0
    assert (worth["low_pence"], worth["chosen_pence"], worth["high_pence"]) == (900, 1800, 3600)
    assert worth["full_time_equivalents"] == 0.01  # an hour of a hundred in this month


def test_a_year_says_how_many_of_its_months_are_known(estate: Estate) -> None:
    said(estate, FIXED)
    for device in fleet_of(estate):
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True)
    found = worked_out(estate)
    year = next(one for one in found["periods"] if "/" in one["period"])
    gone = (int(MONTH.name[5:]) - 4) % 12 + 1
    assert (year["months"], year["of_months"]) == (1, gone)
    assert [one["of_months"] for one in found["periods"] if "-" in one["period"]] == [1]
    (row, _) = staff_time_show.flat(found["periods"], "period")
    assert row["note"] == f"1 of {gone} months known; non-cashable"


def test_few_devices_are_never_shown_and_fold_into_other(estate: Estate) -> None:
    said(estate, FIXED)
    for device in fleet_of(estate, 4, unit="Custody"):
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True)
    found = worked_out(estate)
    assert [one["time"] for one in found["periods"]] == [None, None]
    for device in fleet_of(estate, 6, unit="Patrol"):
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True)
    with write_transaction(estate.engine) as connection:
        connection.execute(schema.devices.update().values(os_name="x"))
    said(estate, FIXED.replace("30", "31"))
    worked_out(estate)
    with estate.engine.connect() as connection:
        rows = staff_time_show.groups(connection, MONTH.name, "unit")
    # Four in `other` would be as few: the smallest that is left follows, and nobody is told apart.
    assert [(row["key"], row["time"]["devices"]) for row in rows] == [("other", 10)]


def test_restricted_sites_count_in_totals_alone(estate: Estate) -> None:
    said(estate, FIXED)
    for place, restricted in (("HQ", False), ("Safe house", True)):
        for device in fleet_of(estate, 6, site=place, restricted=restricted):
            estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True)
    found = worked_out(estate)
    assert found["periods"][0]["time"]["devices"] == 12
    for by in ("site", "unit", "class", "model"):
        with estate.engine.connect() as connection:
            rows = staff_time_show.groups(connection, MONTH.name, by)
        assert "Safe house" not in str(rows)
        assert sum(row["time"]["devices"] for row in rows) == 12


def test_the_estates_own_reference_where_none_is_given(estate: Estate) -> None:
    for number, device in enumerate(
        fleet_of(estate, 7, system_medium="ssd", os_name="Ubuntu", os_version="24.04")
    ):
        for _ in range(2):
            estate.startup(device, started_at=at(1), total_seconds=30.0 + number, attended=True)
    month = worked_out(estate)["periods"][0]
    assert month["references"]["estate"]["startup_seconds"] == 33.0
    assert month["time"]["slow_waits"] == 6


def test_a_month_is_kept_until_something_changes(estate: Estate) -> None:
    said(estate, FIXED)
    (device, *_) = fleet_of(estate)
    estate.startup(device, started_at=at(1), attended=True)
    estate.startup(device, started_at=at(40), attended=True)
    work = work_of(estate)
    months = [staff_time.refresh(work) for _ in range(4)]
    assert sum(months) in {2, 3}
    assert months[-1] == 0
    said(estate, FIXED.replace("10", "11"))
    assert staff_time.refresh(work) == 1


def test_a_reader_of_some_units_sees_those_alone(estate: Estate) -> None:
    said(estate, FIXED)
    for unit, seconds in (("A", 90.0), ("B", 60.0)):
        for device in fleet_of(estate, 6, unit=unit):
            estate.startup(device, started_at=at(1), total_seconds=seconds, attended=True)
    worked_out(estate)
    scope = frozenset({estate.unit("B")})
    with estate.engine.connect() as connection:
        found = staff_time_show.overview(connection, scope)
        rows = staff_time_show.groups(connection, MONTH.name, "unit", scope)
    assert found["periods"][0]["time"]["hours"] == round(6 * 30 / 3600, 2)
    assert [row["group"] for row in rows] == ["B"]
    assert found["dimensions"] == ["unit"]


def test_hours_of_devices_are_those_of_the_months(estate: Estate) -> None:
    said(estate, FIXED)
    ids = fleet_of(estate, 6)
    for device in ids:
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True)
        signin(estate, device, seconds=70.0)
    worked_out(estate)
    with estate.engine.connect() as connection:
        found = staff_time.hours_of_devices(connection, ids[:3], MONTH.span, on=TODAY)
        assert set(found) == set(ids[:3])
        assert {one.lost_milliseconds for one in found.values()} == {120_000}


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(
        st.tuples(
            st.integers(0, 11),
            st.sampled_from(["cold", "restart", "update", "resume", "unknown", "new-word"]),
            st.sampled_from([True, False, None]),
            st.sampled_from([None, 10.0, 45.0, 300.0]),
            st.integers(0, 70),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_groups_and_exclusions_sum_to_the_raw_counts(estate: Estate, records: list[Any]) -> None:
    estate.clear()
    ids = [
        estate.device(site=f"S{n % 3}", unit=f"U{n % 2}", model=f"M{n % 4}", platform="linux")
        for n in range(12)
    ]
    for number, kind, attended, seconds, days, with_signin in records:
        start_id = f"b{next(estate._number)}:1"
        estate.startup(
            ids[number],
            start_id=start_id,
            kind=kind,
            attended=attended,
            total_seconds=seconds,
            started_at=at(days),
        )
        if with_signin:
            signin(estate, ids[number], days_ago=max(0, days - 1), seconds=seconds, start_id=start_id)
    work = work_of(estate)
    assumptions = staff_time_text.parse(FIXED)
    raw = [0, 0]
    month = MONTH
    for _ in range(4):
        content = staff_time.make_month(work, month, assumptions)
        assert content is not None
        sums = staff_time._Sums()
        for places in staff_time._pieces(work, TODAY):
            with estate.engine.connect() as connection:
                which = staff_time_read.between(places[0].id, places[-1].id)
                read = staff_time_read.read(connection, which, month.span)
            sums.add(places, staff_time._lost(read, places, assumptions, None))
        whole = sums.whole
        raw[0] += whole.raw_startups
        raw[1] += whole.raw_signins
        assert whole.counted_startups + sum(whole.excluded_startups.values()) == whole.raw_startups
        assert whole.counted_signins + sum(whole.excluded_signins.values()) == whole.raw_signins
        if content["suppressed"]:
            assert content["total"] is None
        else:
            for groups in content["groups"].values():
                assert staff_time.told(total(map(staff_time.time_of, groups.values()))) == content["total"]
                assert all(one["devices"] >= 5 for one in groups.values())
        month = Month.of(month.span.first - dt.timedelta(days=1))
    # Months follow each other without a gap and without counting anything twice.
    assert raw == [len(records), sum(one[-1] for one in records)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rate_pence_per_hour = 0", "line 1: rate_pence_per_hour"),
        ("rate_pence_per_hour = 12.5", "whole pence"),
        ("\nloss_factor = 2", "line 2: loss_factor"),
        ("loss_factor = nan", "no number"),
        ("rate = 3", "is no key"),
        ("[good]\nstartup_seconds = 3", "good.signin_seconds: is missing"),
        ("[good.submarine]\nstartup_seconds = 3", "is no key"),
        ("productive_hours_per_year = true", "no number"),
        ("x = [", "no TOML"),
    ],
)
def test_wrong_assumptions_say_where(text: str, says: str) -> None:
    with pytest.raises(staff_time_text.AssumptionsError, match=says):
        staff_time_text.parse(text)


def test_assumptions_are_tried_saved_once_and_audited(estate: Estate) -> None:
    text = FIXED + "[good.laptop]\nstartup_seconds = 20\nsignin_seconds = 5\n"
    with estate.engine.connect() as connection:
        found, edition = staff_time_text.current(connection)
        assert (found.rate_pence_per_hour, found.loss_factor, dict(found.good)) == (None, None, {})
        assert edition.made_at is None
        assert staff_time_show.try_text(connection, text)["hours_change"] is True
    assert said(estate, text)
    assert not said(estate, text)
    with estate.engine.connect() as connection:
        assert connection.execute(rule_editions.select()).one().made_by == "fin"


def test_the_gauges_are_bounded_by_months(estate: Estate) -> None:
    said(estate, FIXED)
    for device in fleet_of(estate):
        estate.startup(device, started_at=at(1), total_seconds=90.0, attended=True)
    worked_out(estate)
    fleet.compute(work_of(estate))
    body = rollups_of(estate.engine, None, now=NOW)
    assert f'roadworthy_staff_time_lost_seconds{{month="{MONTH.name}"}} 300' in body
