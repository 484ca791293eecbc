from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from support.estates import NOW, Estate
from support.facts import half_hour, held, put

from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.sweep import SILENT_SECONDS, booking, sweep
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES

START = (int(NOW) - SILENT_SECONDS - 3600) // 1800 * 1800
SAID: dict[str, Any] = {
    "at": START + 900.0,
    "start": START,
    "observed_seconds": 840,
    "samples": 14,
    "cpu": {"mean_ratio": 0.25, "p95_ratio": 0.5, "quality": "sensor", "source": "psutil.cpu_times"},
    "memory": None,
    "state_seconds": {"in_use": 600, "idle": 0, "locked": 0, "asleep": 0, "off": 0, "unobserved": 1200},
    "energy": [
        {
            "scope": "cpu",
            "joules": 9,
            "counter_end_joules": 99,
            "quality": "sensor",
            "source": "rapl:package-0",
        },
        {
            "scope": "a word of a newer agent",
            "joules": 9,
            "counter_end_joules": 9,
            "quality": "x",
            "source": "y",
        },
    ],
}


def work(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def silent(estate: Estate, *, for_seconds: int = SILENT_SECONDS + 1, start: int = START) -> int:
    said = {**SAID, "start": start}
    return estate.device(
        last_report_at=int(NOW) - for_seconds, now={"start": start, "observed_seconds": 840, "now": said}
    )


def rows(estate: Estate, table: Any) -> list[Any]:
    with estate.engine.connect() as connection:
        return list(connection.execute(select(table)).all())


def test_a_device_silent_for_a_week_has_its_open_half_hour_booked(estate: Estate) -> None:
    device = silent(estate)
    assert sweep(work(estate)) == 1
    (period,) = held(estate.engine, "periods")
    assert (period["device"], period["start"], period["incomplete"]) == (device, START, True)
    assert (period["observed_seconds"], period["samples"]) == (840, 14)
    assert (period["cpu_mean_ratio"], period["cpu_quality"]) == (0.25, "sensor")
    assert period["memory_mean_ratio"] is None
    (states,) = held(estate.engine, "states")
    assert (states["in_use_seconds"], states["unobserved_seconds"]) == (600, 1200)
    (energy,) = held(estate.engine, "energy")
    assert (energy["scope"], energy["joules"], energy["counter_end_joules"]) == ("cpu", 9, 99)
    assert roll_up(work(estate)) == 1
    (day,) = rows(estate, schema.days)
    assert (day.day, day.periods) == (START // DAY_SECONDS * DAY_SECONDS, 1)


def test_it_is_booked_once(estate: Estate) -> None:
    silent(estate)
    assert [sweep(work(estate)), sweep(work(estate))] == [1, 0]
    assert len(held(estate.engine, "periods")) == 1


def test_what_the_agent_closed_itself_is_left_alone(estate: Estate) -> None:
    device = silent(estate)
    put(estate.engine, [half_hour(device, START)])
    assert sweep(work(estate)) == 0


@pytest.mark.parametrize(
    ("for_seconds", "start"),
    [(SILENT_SECONDS - 1, START), (40 * DAY_SECONDS, START - 40 * DAY_SECONDS)],
    ids=["not silent for long enough", "past retention"],
)
def test_nothing_else_is_booked(estate: Estate, for_seconds: int, start: int) -> None:
    silent(estate, for_seconds=for_seconds, start=start)
    assert sweep(work(estate)) == 0
    assert held(estate.engine, "periods") == []


@given(st.dictionaries(st.sampled_from(STATES), st.integers(0, 2000)))
def test_the_six_states_add_up_to_a_half_hour_whatever_was_said(said: dict[str, int]) -> None:
    booked = booking(1, START, {"observed_seconds": 0, "state_seconds": said})
    assert sum(booked.states) == 1800
    assert min(booked.states) >= 0


def test_a_device_that_said_no_state_was_unobserved() -> None:
    booked = booking(1, START, {"observed_seconds": 0})
    assert booked.states == (0, 0, 0, 0, 0, 1800)
    assert booked.energy == []
