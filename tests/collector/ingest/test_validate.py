"""Each rule of single items: refused by code and field, the others of the report kept."""

from __future__ import annotations

from typing import Any

import pytest
from collector.ingest.samples import NOW, START, Device, answers, period, report, rows, startup, write
from sqlalchemy import Engine

from roadworthy_collector.store.schema import device_now, gaps, quarantine, signins, startups

DAY = 86400
FIRST_KEPT = (int(NOW) - 30 * DAY) // DAY * DAY + DAY
USE = {"mean_ratio": 0.25, "quality": "sensor", "source": "psutil"}
ENERGY = {"scope": "cpu", "joules": 10, "counter_end_joules": 10, "quality": "sensor", "source": "rapl"}
STATE = {"in_use": 0, "idle": 0, "locked": 0, "asleep": 0, "off": 0, "unobserved": 1800}
SIGNIN = {
    "signin_id": "c1",
    "revision": 1,
    "final": True,
    "day": START // DAY * DAY,
    "quality": "measured",
}
NOW_ITEM = {"at": NOW - 5, "start": START + 1800, "observed_seconds": 60}


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        (period(START + 1), "not_aligned", "start"),
        (period(START + 1800), "in_future", "start"),
        (period(4_102_444_800), "in_future", "start"),
        (period(10**19 * 1800), "in_future", "start"),
        (period(0), "too_old", "start"),
        (period(-1800), "too_old", "start"),
        (period(FIRST_KEPT - 1800), "too_old", "start"),
        (period(observed_seconds=1801), "out_of_range", "observed_seconds"),
        (period(samples=-1), "out_of_range", "samples"),
        (period(state_seconds=STATE | {"off": 1}), "state_sum", "state_seconds"),
        (period(state_seconds=STATE | {"off": -1, "idle": 1}), "out_of_range", "state_seconds.off"),
        (period(cpu=USE | {"mean_ratio": 1.0001}), "out_of_range", "cpu.mean_ratio"),
        (period(cpu=USE | {"p95_ratio": -0.1}), "out_of_range", "cpu.p95_ratio"),
        (period(memory=USE | {"mean_ratio": -1}), "out_of_range", "memory.mean_ratio"),
        (period(energy=[ENERGY, ENERGY]), "duplicate", "energy[1].scope"),
        (period(energy=[ENERGY | {"joules": -1}]), "out_of_range", "energy[0].joules"),
        (period(energy=[ENERGY | {"joules": 10**9 + 1}]), "out_of_range", "energy[0].joules"),
        (
            period(energy=[ENERGY | {"counter_end_joules": 2**53}]),
            "out_of_range",
            "energy[0].counter_end_joules",
        ),
        (period(energy=[ENERGY | {"covered_seconds": 1801}]), "out_of_range", "energy[0].covered_seconds"),
        (period(energy=[ENERGY | {"relative_error": 11}]), "out_of_range", "energy[0].relative_error"),
    ],
)
def test_a_period_that_breaks_a_rule_is_refused_alone(
    engine: Engine, device: Device, item: dict[str, Any], code: str, field: str
) -> None:
    (outcome,) = write(engine, device, report(device, periods=[period(START - 3600), item]))
    assert answers(outcome) == [("period", item["start"], code, field)]
    assert (outcome.received, outcome.accepted) == (2, 1)
    assert [row["start"] for row in rows(engine, "periods")] == [START - 3600]
    kept = rows(engine, quarantine)
    assert [(row["item"], row["key"], row["code"]) for row in kept] == [
        ("period", str(item["start"])[:128], code)
    ]


def test_a_period_counts_from_its_end_and_half_hours_are_kept_for_whole_days(
    engine: Engine, device: Device
) -> None:
    good = [period(START), period(FIRST_KEPT)]
    (outcome,) = write(engine, device, report(device, periods=good), now=START + 1800 - 600)
    assert answers(outcome) == []
    (outcome,) = write(engine, device, report(device, periods=good), now=START + 1800 - 601)
    assert answers(outcome) == [("period", START, "in_future", "start")]


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ({"started_at": NOW + 601}, "in_future", "started_at"),
        ({"started_at": 0.0}, "too_old", "started_at"),
        ({"started_at": -1e300}, "too_old", "started_at"),
        ({"revision": 0}, "out_of_range", "revision"),
        ({"revision": 10**30}, "out_of_range", "revision"),
        ({"total_seconds": 33.02}, "sum_mismatch", "total_seconds"),
        ({"total_seconds": -1, "phases": []}, "out_of_range", "total_seconds"),
        ({"usable_seconds": 1e9}, "out_of_range", "usable_seconds"),
        (
            {"phases": [{"name": "kernel", "seconds": -1}], "total_seconds": None},
            "out_of_range",
            "phases[0].seconds",
        ),
        (
            {"factors": [{"kind": "unit", "name": "a", "began_seconds": -5}]},
            "out_of_range",
            "factors[0].began_seconds",
        ),
    ],
)
def test_a_startup_that_breaks_a_rule_is_refused(
    engine: Engine, device: Device, parts: dict[str, Any], code: str, field: str
) -> None:
    (outcome,) = write(engine, device, report(device, startups=[startup(**parts)]))
    assert answers(outcome) == [("startup", "boot-1:0", code, field)]
    assert rows(engine, startups) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"total_seconds": 33.01},
        {"total_seconds": 32.99},
        {"total_seconds": None},
        {"total_seconds": 5.0, "phases": []},
        {"phases": [{"name": "initrd", "seconds": 3, "counted": False}]},
        {"started_at": NOW - 400 * DAY},
        {"started_at": NOW + 599},
    ],
)
def test_a_startup_within_the_rules_is_taken(engine: Engine, device: Device, parts: dict[str, Any]) -> None:
    (outcome,) = write(engine, device, report(device, startups=[startup(**parts)]))
    assert answers(outcome) == []
    assert len(rows(engine, startups)) == 1


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ({"day": START}, "not_aligned", "day"),
        ({"day": (START // DAY + 1) * DAY}, "in_future", "day"),
        ({"day": 0}, "too_old", "day"),
        ({"revision": 1_000_001}, "out_of_range", "revision"),
        ({"total_seconds": -2}, "out_of_range", "total_seconds"),
    ],
)
def test_a_signin_that_breaks_a_rule_is_refused(
    engine: Engine, device: Device, parts: dict[str, Any], code: str, field: str
) -> None:
    (outcome,) = write(engine, device, report(device, signins=[SIGNIN | parts]))
    assert answers(outcome) == [("signin", "c1", code, field)]
    assert rows(engine, signins) == []


@pytest.mark.parametrize(
    ("begin", "end", "code", "field"),
    [
        (START, START, "order", "to"),
        (START, START - 1, "order", "to"),
        (START, int(NOW) + 601, "in_future", "to"),
        (0, START, "too_old", "from"),
    ],
)
def test_a_gap_that_breaks_a_rule_is_refused(
    engine: Engine, device: Device, begin: int, end: int, code: str, field: str
) -> None:
    gap = {"from": begin, "to": end, "kind": "off"}
    (outcome,) = write(engine, device, report(device, gaps=[gap]))
    assert answers(outcome) == [("gap", begin, code, field)]
    assert rows(engine, gaps) == []


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ({"at": 4_070_908_800.0}, "in_future", "at"),
        ({"at": 12.0, "start": 0}, "too_old", "at"),
        ({"start": START + 1}, "not_aligned", "start"),
        ({"start": START - 7200}, "out_of_range", "start"),
        ({"observed_seconds": 1801}, "out_of_range", "observed_seconds"),
        ({"uptime_seconds": -1}, "out_of_range", "uptime_seconds"),
        ({"cpu_latest_ratio": 1.5}, "out_of_range", "cpu_latest_ratio"),
        ({"memory_latest_ratio": -0.5}, "out_of_range", "memory_latest_ratio"),
        ({"cpu": USE | {"mean_ratio": 2}}, "out_of_range", "cpu.mean_ratio"),
        ({"energy": [ENERGY, ENERGY]}, "duplicate", "energy[1].scope"),
        # The sweeper books these when the device never comes back: they must be seconds of a half-hour.
        ({"state_seconds": STATE | {"idle": -1}}, "out_of_range", "state_seconds.idle"),
        ({"state_seconds": STATE | {"off": -(10**30)}}, "out_of_range", "state_seconds.off"),
        ({"state_seconds": STATE | {"in_use": 1801}}, "out_of_range", "state_seconds.in_use"),
    ],
)
def test_a_reading_that_breaks_a_rule_is_refused_and_not_counted(
    engine: Engine, device: Device, parts: dict[str, Any], code: str, field: str
) -> None:
    (outcome,) = write(engine, device, report(device, periods=[period()], now=NOW_ITEM | parts))
    assert answers(outcome) == [("now", None, code, field)]
    assert (outcome.received, outcome.accepted) == (1, 1)
    assert rows(engine, device_now) == []


@pytest.mark.parametrize("clock", [0.0, 4_070_908_800.0], ids=["1970", "2099"])
def test_a_device_with_a_wrong_clock_is_heard_and_its_items_wait(
    engine: Engine, device: Device, clock: float
) -> None:
    """Nothing it says about time is believed, and nothing it says later is taken for older."""
    start = int(clock) // 1800 * 1800
    wrong = report(
        device,
        sent_at=clock,
        seq=1,
        facts={"hostname": "wrong-clock"},
        periods=[period(start)],
        now={"at": clock, "start": start, "observed_seconds": 1},
    )
    right = report(device, sent_at=NOW, seq=2, facts={"hostname": "right-clock"}, now=NOW_ITEM)
    first, second = write(engine, device, wrong, right)
    assert {each.code for each in first.rejected} == {"too_old" if clock == 0 else "in_future"}
    assert second.rejected == []
    assert [row["at"] for row in rows(engine, device_now)] == [NOW_ITEM["at"]]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT hostname, seq FROM devices").one() == ("right-clock", 2)
