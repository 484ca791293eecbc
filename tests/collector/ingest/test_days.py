"""Days told as a whole: kept apart from the half-hours, rolled up with them, their counters shown."""

from __future__ import annotations

from typing import Any

import pytest
from collector.ingest.samples import NOW, START, Device, period, report, rows, write
from sqlalchemy import Engine

from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.shards import render_shard
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.schema import (
    battery_days,
    days,
    energy_days,
    local_days,
    quarantine,
    state_days,
)

DAY = 86_400
YESTERDAY = START // DAY * DAY - DAY
STATES = {"in_use": 20000, "idle": 5000, "locked": 5000, "asleep": 6400, "off": 50000, "unobserved": 0}


def energy(joules: int, end: int, **parts: Any) -> dict[str, Any]:
    named = {"scope": "cpu", "quality": "sensor", "source": "rapl:package-0"}
    return named | {"joules": joules, "counter_end_joules": end, "covered_seconds": 29_940} | parts


def day(start: int = YESTERDAY, **parts: Any) -> dict[str, Any]:
    battery = {"discharge_joules": 9000, "discharge_seconds": 900, "source": "power_supply:BAT0"}
    made = {"day": start, "observed_seconds": 30_000, "state_seconds": STATES, "battery": battery}
    return made | {"energy": [energy(300_000, 400_000)]} | parts


def test_a_day_is_kept_and_its_replay_is_no_second_one(engine: Engine, device: Device) -> None:
    for seq in (1, 2):
        (outcome,) = write(engine, device, report(device, seq=seq, days=[day()]))
        assert outcome[:3] == (1, 1, [])
    (state,) = rows(engine, state_days)
    assert (state["day"], state["in_use_seconds"], state["off_seconds"]) == (YESTERDAY, 20_000, 50_000)
    (told,) = rows(engine, energy_days)
    assert (told["joules"], told["counter_end_joules"], told["covered_seconds"]) == (300_000, 400_000, 29_940)
    (use,) = rows(engine, battery_days)
    assert (use["day"], use["discharge_joules"], use["cpu_joules"]) == (YESTERDAY, 9000, None)


def test_a_day_of_other_content_is_a_conflict_and_the_first_stays(engine: Engine, device: Device) -> None:
    write(engine, device, report(device, days=[day()]))
    write(engine, device, report(device, seq=2, days=[day(energy=[energy(1, 1)])]))
    assert [row["joules"] for row in rows(engine, energy_days)] == [300_000]


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ({"day": YESTERDAY + 1800}, "not_aligned", "day"),
        ({"day": YESTERDAY + DAY}, "in_future", "day"),
        ({"day": YESTERDAY - 60 * DAY}, "too_old", "day"),
        ({"observed_seconds": 90_000}, "out_of_range", "observed_seconds"),
        ({"state_seconds": STATES | {"off": 49_999}}, "state_sum", "state_seconds"),
        ({"energy": [energy(1, 1, covered_seconds=86_401)]}, "out_of_range", "energy[0].covered_seconds"),
        (
            {"battery": {"discharge_joules": 1, "discharge_seconds": -1, "source": "x"}},
            "out_of_range",
            "battery.discharge_seconds",
        ),
    ],
)
def test_a_bad_day_is_refused_by_its_field(
    engine: Engine, device: Device, parts: dict[str, Any], code: str, field: str
) -> None:
    (outcome,) = write(engine, device, report(device, days=[day() | parts]))
    [refused] = outcome.rejected
    assert (refused.item, refused.code, refused.field) == ("day", code, field)
    assert rows(engine, state_days) == []
    assert [row["item"] for row in rows(engine, quarantine)] == ["day"]


def test_totals_take_the_day_as_told_and_what_half_hours_saw_beside_it(
    engine: Engine, device: Device, tmp_path: Any
) -> None:
    in_use = {"in_use": 600, "unobserved": 1200} | dict.fromkeys(("idle", "locked", "asleep", "off"), 0)
    half_hour = period(YESTERDAY + 1800, state_seconds=in_use, energy=[energy(50, 50, covered_seconds=600)])
    states = STATES | {"in_use": 19_000, "unobserved": 1000}
    write(engine, device, report(device, periods=[half_hour], days=[day(state_seconds=states)]))
    roll_up(Work(engine, Settings(data=tmp_path), clock=lambda: NOW, rests=False))
    for table in (days, local_days):
        # A local day in summer begins an hour earlier; the day's own totals count for the day of its date.
        total = next(row for row in rows(engine, table) if row["observed_seconds"])
        assert (total["in_use_seconds"], total["unobserved_seconds"]) == (19_600, 400)
        assert total["off_seconds"] == 50_000
        assert total["joules"] == {"cpu": {"sensor": 300_050}}


def test_the_newest_counter_is_shown_wherever_it_came_from(engine: Engine, device: Device) -> None:
    half_hour = period(YESTERDAY + 1800, energy=[energy(50, 100_050, covered_seconds=600)])
    write(engine, device, report(device, periods=[half_hour], days=[day()]))
    assert [row["counter_end_joules"] for row in rows(engine, "energy")] == [100_050]
    shown = render_shard(engine, 0, 1, now=NOW, interval_seconds=900).decode()
    [line] = [line for line in shown.splitlines() if line.startswith("roadworthy_device_energy_joules_total")]
    assert line.endswith('scope="cpu",quality="sensor"} 400000')
