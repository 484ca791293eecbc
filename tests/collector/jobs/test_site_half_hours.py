"""Site half-hours: the sum of their devices, kept up with late ones, kept when the devices' own are gone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from support.estates import NOW, Estate
from support.facts import half_hour, held, put

from roadworthy_collector.jobs.prune import prune
from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.site_half_hours import AGAIN_SECONDS, roll_up_sites
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES, mark_dirty

TODAY = int(NOW) // DAY_SECONDS * DAY_SECONDS
YESTERDAY = TODAY - DAY_SECONDS


def work(estate: Estate, now: float = NOW) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)


def add(estate: Estate, device: int, start: int, **parts: Any) -> None:
    put(estate.engine, [half_hour(device, start, **parts)])
    with write_transaction(estate.engine) as connection:
        mark_dirty(connection, device, start // DAY_SECONDS * DAY_SECONDS, NOW - DAY_SECONDS)


def add_up(estate: Estate, now: float = NOW) -> int:
    roll_up(work(estate, now))
    return roll_up_sites(work(estate, now))


def rows(estate: Estate) -> list[Any]:
    table = schema.site_half_hours
    with estate.engine.connect() as connection:
        return list(connection.execute(select(table).order_by(table.c.start, table.c.site)))


def drawn(scope: str, quality: str, joules: int) -> dict[str, Any]:
    return {"scope": scope, "quality": quality, "joules": joules, "counter_end_joules": 1, "source": "x"}


told = st.fixed_dictionaries(
    {
        "device": st.integers(0, 3),
        "slot": st.integers(0, 95),
        "observed_seconds": st.integers(0, 1800),
        "in_use_seconds": st.integers(0, 900),
        "off_seconds": st.integers(0, 900),
        "joules": st.none() | st.integers(0, 10**9),
        "quality": st.sampled_from(["sensor", "metered"]),
    }
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(told, max_size=15, unique_by=lambda row: (row["device"], row["slot"])))
def test_a_site_is_the_sum_of_its_devices(estate: Estate, found: list[dict[str, Any]]) -> None:
    estate.clear()
    devices = [estate.device(site=f"site {number % 2}") for number in range(4)]
    sites = [estate.site(f"site {number % 2}") for number in range(4)]
    expected: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        start = YESTERDAY - DAY_SECONDS + row["slot"] * 1800
        expected[start, sites[row["device"]]].append(row)
        energy = [] if row["joules"] is None else [drawn("wall", row["quality"], row["joules"])]
        seconds = {name: row[name] for name in ("observed_seconds", "in_use_seconds", "off_seconds")}
        add(estate, devices[row["device"]], start, energy=energy, **seconds)
    assert add_up(estate) == len({start // DAY_SECONDS for start, _ in expected})
    assert {(row.start, row.site) for row in rows(estate)} == set(expected)
    for row in rows(estate):
        mine = expected[row.start, row.site]
        assert row.devices == len(mine)
        for name in ("observed_seconds", "in_use_seconds", "off_seconds"):
            assert getattr(row, name) == sum(one[name] for one in mine)
        assert sum(getattr(row, f"{name}_seconds") for name in STATES) == 1800 * len(mine)
        joules: dict[str, int] = defaultdict(int)
        for one in mine:
            if one["joules"] is not None:
                joules[one["quality"]] += one["joules"]
        assert row.joules == ({"wall": joules} if joules else None)
    assert add_up(estate) == 0


def test_the_day_that_is_going_on_waits_until_it_is_settled(estate: Estate) -> None:
    add(estate, estate.device(), TODAY)
    for now, days in ((NOW, 0), (TODAY + DAY_SECONDS + 3600, 0), (TODAY + DAY_SECONDS + 4 * 3600, 1)):
        assert add_up(estate, now) == days


def test_late_half_hours_are_added_up_with_the_next_ones(estate: Estate) -> None:
    device = estate.device()
    add(estate, device, YESTERDAY)
    assert add_up(estate) == 1
    add(estate, device, YESTERDAY + 1800)
    assert add_up(estate) == 0
    assert [row.start for row in rows(estate)] == [YESTERDAY]
    assert add_up(estate, NOW + AGAIN_SECONDS) == 1
    assert [row.start for row in rows(estate)] == [YESTERDAY, YESTERDAY + 1800]


def test_a_mark_made_meanwhile_is_not_taken_away(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    device = estate.device()
    add(estate, device, YESTERDAY)
    run = work(estate)
    write = run.for_each

    def late(*arguments: Any, **options: Any) -> int:
        add(estate, device, YESTERDAY + 1800)  # after the facts were read, before the day is settled
        roll_up(work(estate))
        return write(*arguments, **options)

    roll_up(work(estate))
    monkeypatch.setattr(run, "for_each", late)
    assert roll_up_sites(run) == 1
    monkeypatch.undo()
    assert add_up(estate, NOW + AGAIN_SECONDS) == 1
    assert len(rows(estate)) == 2


def test_they_count_where_the_device_stood_then(estate: Estate) -> None:
    device = estate.device(site="Old")
    add(estate, device, YESTERDAY)
    roll_up(work(estate))
    new = estate.site("New")
    with write_transaction(estate.engine) as connection:
        connection.execute(update(schema.devices).values(site=new))
    roll_up_sites(work(estate))
    assert [row.site for row in rows(estate)] == [estate.site("Old")]


def test_they_outlive_the_half_hours_they_are_made_of(estate: Estate) -> None:
    old = YESTERDAY - 40 * DAY_SECONDS
    add(estate, estate.device(), old, energy=[drawn("cpu", "sensor", 7)])
    add_up(estate)
    assert prune(work(estate)) == 1
    assert held(estate.engine, "energy") == []
    assert add_up(estate, NOW + AGAIN_SECONDS) == 0
    (row,) = rows(estate)
    assert (row.devices, row.joules) == (1, {"cpu": {"sensor": 7}})
