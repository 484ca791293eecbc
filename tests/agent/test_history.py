"""Freezing: once, at true times, whatever the clocks did."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from agent.devices import TEN, Device, ManualClock

from roadworthy_agent import history, startups
from roadworthy_agent.outbox import Part
from roadworthy_agent.reading import Sample
from roadworthy_agent.report import Factor, StartupRecord
from roadworthy_agent.settings import LEAST_SPOOL_BYTES

NINETEEN_SEVENTY = -float(TEN)


def test_nothing_is_frozen_before_the_collector_told_the_time(device: Device) -> None:
    device.measure(7200)
    assert history.freeze(device.spool) == 0
    assert device.frozen() == {}
    device.confirm()
    assert history.freeze(device.spool) == 4
    assert sorted(device.frozen()) == [TEN, TEN + 1800, TEN + 3600, TEN + 5400]


def test_months_offline_are_frozen_without_walking_through_all_samples_for_each_period(
    device: Device,
) -> None:
    """Asked by the size of the work, not by time: rows looked at per period must not grow with the backlog."""
    anchor = device.clock.wall() - device.clock.uptime
    with device.database.transaction() as connection:
        device.measure(3 * 86_400)
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        connection.set_progress_handler(count, 100)
        held = list(history._stretches(device.database, {1: anchor}, TEN + 140 * 1800))
        connection.set_progress_handler(None, 0)
    assert len(held) == 30
    assert steps < 60  # 100 instructions each; some 600 where all 4,200 samples before are walked through


def test_a_clock_in_1970_loses_nothing(make_device: Callable[..., Device]) -> None:
    """Three weeks' worth of habit in small: the device wakes in 1970, works for hours, then hears the time."""
    device = make_device(ManualClock(wrong_by=NINETEEN_SEVENTY))
    startups.keep(device.spool, [StartupRecord("boot-1:0", "boot-1", True, "cold", -5.0, "measured")], 100.0)
    device.measure(5400)
    device.clock.suspend(1800)
    device.measure(1800)
    assert device.frozen() == {}
    device.confirm()
    history.freeze(device.spool)
    periods = device.frozen()
    assert {start - TEN: period["observed_seconds"] for start, period in periods.items()} == {
        0: 1800,
        1800: 1800,
        3600: 1800,
        5400: 60,  # the minute before the suspend was noticed
        7200: 1740,
    }
    assert sum(period["observed_seconds"] for period in periods.values()) == 5400 + 1800
    # The sample after the waking holds the minute around the suspend, so the sleep is placed a minute late.
    assert device.gaps() == [
        {"from": TEN + 5460, "to": TEN + 7260, "kind": "asleep", "basis": "suspend_clock"},
    ]
    [(part, content)] = [item for item in device.outbox.items(10) if item[0].item == "startup"]
    assert part.key == "boot-1:0"
    assert content["started_at"] == TEN - 100 - 5


def test_a_clock_set_right_while_offline_moves_what_came_before(device: Device) -> None:
    device.clock.wrong_by = NINETEEN_SEVENTY
    device.measure(1800)
    device.clock.wrong_by = 0.0  # a time server answered, the collector not yet
    device.measure(1800)
    device.confirm()
    history.freeze(device.spool)
    assert sorted(device.frozen()) == [TEN, TEN + 1800]


def test_the_boot_before_in_1970_is_counted_and_its_start_up_kept(device: Device) -> None:
    device.clock.wrong_by = NINETEEN_SEVENTY
    startups.keep(device.spool, [StartupRecord("boot-1:0", "boot-1", True, "cold", 0.0, "measured")], 100.0)
    device.measure(3600)
    device.clock.restart("boot-2", 600)
    device.clock.wrong_by = -device.clock.true  # a dead clock battery: each boot begins in 1970
    device.clock.run(10)
    device.restart_agent()
    device.measure(600)
    device.confirm()
    history.freeze(device.spool)
    assert device.database.get("dropped_samples") == 60
    [(_part, content)] = [item for item in device.outbox.items(10) if item[0].item == "startup"]
    assert content["quality"] == "approximate"
    assert content["started_at"] == (TEN + 3600 + 600) - 3700
    assert "could not be corrected" in content["reason"]


def test_absence_around_a_boot_without_a_place_is_one_unobserved_gap(
    make_device: Callable[..., Device],
) -> None:
    device = make_device()
    device.measure(600)
    device.confirm()
    history.freeze(device.spool)
    device.clock.restart("boot-2", 600)
    device.clock.wrong_by = -device.clock.true
    device.restart_agent()
    device.measure(600)
    device.clock.restart("boot-3", 600)
    device.clock.wrong_by = -device.clock.true
    device.restart_agent()
    device.measure(60)
    device.confirm()
    history.freeze(device.spool)
    assert device.gaps() == [
        {"from": TEN + 600, "to": TEN + 2400, "kind": "unobserved", "basis": "boot_id_changed"}
    ]


def test_a_frozen_period_is_never_made_again(device: Device) -> None:
    device.confirm()
    device.measure(1860)
    history.freeze(device.spool)
    first = device.frozen()
    device.clock.true -= 3600  # the collector's time goes back an hour
    device.confirm()
    device.measure(1200)
    device.clock.true += 3600
    device.confirm()
    history.freeze(device.spool)
    assert device.frozen() == first
    assert history.freeze(device.spool) == 0
    device.clock.true -= 3600
    device.clock.run(1800)
    device.confirm()
    device.measure(60)
    history.freeze(device.spool)
    assert {start: period for start, period in device.frozen().items() if start in first} == first


def test_samples_that_would_fall_into_a_frozen_period_are_counted(device: Device) -> None:
    device.measure(1860)
    device.confirm()
    history.freeze(device.spool)
    device.measure(540)
    device.clock.true -= 1800  # by a better clock, all of this was half an hour earlier
    device.measure(1260)
    device.confirm()
    history.freeze(device.spool)
    assert device.frozen()[TEN]["samples"] == 30
    assert device.database.get("dropped_samples") >= 9


def test_the_open_period_is_never_frozen_and_goes_along_as_now(device: Device) -> None:
    device.confirm()
    device.measure(2700, cpu=0.4)
    history.freeze(device.spool)
    assert sorted(device.frozen()) == [TEN]
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    assert (now.start, now.observed_seconds, now.at) == (TEN + 1800, 900, TEN + 2700)
    assert now.cpu is not None
    assert (now.cpu.mean_ratio, now.cpu.p95_ratio, now.cpu_latest_ratio) == (0.4, None, 0.4)


def test_an_open_period_that_has_just_begun_tells_no_means_yet(device: Device) -> None:
    device.confirm()
    device.measure(1860, cpu=0.4)
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    assert (now.start, now.observed_seconds, now.cpu_latest_ratio) == (TEN + 1800, 60, 0.4)
    assert (now.cpu, now.memory, now.state_seconds) == (None, None, None)


def test_a_period_is_not_closed_before_the_agent_looked_again(device: Device) -> None:
    """Asleep across the end: until the sleep is on record the period would be short of it."""
    device.confirm()
    device.measure(600)
    device.clock.suspend(3600)
    assert history.freeze(device.spool) == 0
    device.clock.run(30)
    device.recorder.take(Sample(0.1, 0.1))
    assert history.freeze(device.spool) == 1
    assert device.frozen()[TEN]["state_seconds"]["asleep"] == 1170
    assert device.frozen()[TEN]["observed_seconds"] == 630


def test_seconds_off_are_in_the_periods_on_both_sides(device: Device) -> None:
    device.measure(600)
    device.clock.restart("boot-2", 2400)
    device.restart_agent()
    device.measure(600)
    device.confirm()
    history.freeze(device.spool)
    periods = device.frozen()
    assert periods[TEN]["state_seconds"] | {"off": 1200, "unobserved": 600} == periods[TEN]["state_seconds"]
    assert periods[TEN + 1800]["state_seconds"]["off"] == 1200


def test_a_sample_across_the_end_is_kept_for_the_open_period(device: Device) -> None:
    device.confirm()
    device.measure(1790)
    device.clock.run(40)
    device.recorder.take(Sample(0.5, 0.5))
    history.freeze(device.spool)
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    assert device.frozen()[TEN]["observed_seconds"] == 1800
    assert now.observed_seconds == 30


def test_a_failed_reading_still_counts_as_watched_but_gives_no_value(device: Device) -> None:
    device.confirm()
    device.measure(1860, cpu=None)
    history.freeze(device.spool)
    period = device.frozen()[TEN]
    assert period["observed_seconds"] == 1800
    assert "cpu" not in period
    assert period["memory"]["mean_ratio"] == 0.5


def test_a_full_spool_gives_up_the_oldest_samples_and_says_so(make_device: Callable[..., Device]) -> None:
    device = make_device(max_bytes=262_144, interval=5.0)
    startups.keep(device.spool, [StartupRecord("boot-1:0", "boot-1", True, "cold", 0.0, "measured")], 100.0)
    for _ in range(40):
        device.measure(600)
        device.spool.thin()
    assert device.database.used_bytes() <= 262_144
    thinned = device.database.get("thinned_samples")
    assert thinned > 0
    device.confirm()
    history.freeze(device.spool)
    full = [gap for gap in device.gaps() if gap["basis"] == "spool_full"]
    assert full[0]["from"] == TEN
    assert sum(gap["to"] - gap["from"] for gap in full) == thinned * 5
    assert max(device.frozen()) == math.floor((device.clock.true - 1) / 1800) * 1800 - 1800
    assert [item[0].key for item in device.outbox.items(10) if item[0].item == "startup"] == ["boot-1:0"]


def test_a_spool_full_of_periods_gives_up_the_oldest(make_device: Callable[..., Device]) -> None:
    device = make_device(max_bytes=262_144, interval=60.0)
    device.confirm()
    for _ in range(150):
        device.measure(3600 * 3)
        history.freeze(device.spool)
        device.spool.thin()
    assert device.database.used_bytes() <= 262_144
    assert device.database.get("dropped_periods") > 0
    oldest = min(device.frozen())
    lost = [gap for gap in device.gaps() if gap["basis"] == "spool_full"]
    assert (lost[0]["from"], lost[-1]["to"]) == (TEN, oldest)


@pytest.mark.parametrize("filled", ["quarantine", "signins"])
def test_nothing_beside_the_samples_fills_the_spool(make_device: Callable[..., Device], filled: str) -> None:
    """A collector that rejects all, or a spring of sign-ins without a network, does not end the measuring."""
    device = make_device(max_bytes=LEAST_SPOOL_BYTES)
    content = "x" * 30_000
    with device.database.transaction() as connection:
        for number in range(300):
            if filled == "quarantine":
                device.outbox._quarantine(Part("startup", str(number)), "no", None, None, content, 0.0)
            else:
                values = (str(number), str(number), content)
                connection.execute("INSERT INTO signins VALUES (?, ?, 1, 1.0, ?, 1, 1, NULL, 0)", values)
    device.measure(7200)
    assert device.spool.thin() == (0, 0)
    assert device.database.used_bytes() <= LEAST_SPOOL_BYTES
    [(oldest, newest)] = device.database.rows(f"SELECT min(rowid), max(rowid) FROM {filled}")  # noqa: S608 - one of two
    assert 1 < oldest < newest == 300


def test_the_smallest_spool_has_room_after_years(make_device: Callable[..., Device]) -> None:
    device = make_device(max_bytes=LEAST_SPOOL_BYTES)
    with device.database.transaction() as connection:
        keys = [(TEN - 1800 * number,) for number in range(400 * 48)]
        connection.executemany("INSERT INTO frozen_keys VALUES (?)", keys)
        for number in range(400):
            connection.execute("INSERT INTO frozen_days VALUES (?, ?, 0)", (86_400 * number, "x" * 600))
            device.outbox._let_go(Part("day", str(86_400 * number)))
        for number in range(3650):
            values = (f"a1b2c3d4-e5f6-7890-abcd-ef1234567890:{number}",)
            connection.execute("INSERT INTO startups VALUES (?, 1, 1, '{}', 2, 1, 1, 2)", values)
    assert device.database.used_bytes() < LEAST_SPOOL_BYTES / 2


def test_a_suppressed_name_never_reaches_the_spool(device: Device) -> None:
    record = StartupRecord(
        "boot-1:0",
        "boot-1",
        True,
        "cold",
        0.0,
        "measured",
        factors=(Factor("service", "Union-VPN.service", 9.0), Factor("service", "ssh.service", 1.0)),
    )
    startups.keep(device.spool, [record], 100.0, ["union-vpn.SERVICE"])
    device.confirm()
    history.freeze(device.spool)
    [(_part, content)] = device.outbox.items(10)
    assert [(factor["name"], factor["seconds"]) for factor in content["factors"]] == [
        ("suppressed", 9.0),
        ("ssh.service", 1.0),
    ]
    assert b"union-vpn" not in device.state.spool.read_bytes().lower()


def test_another_content_is_a_higher_revision_until_final(device: Device) -> None:
    begun = StartupRecord("boot-1:0", "boot-1", False, "cold", 0.0, "unfinished")
    done = StartupRecord("boot-1:0", "boot-1", True, "cold", 0.0, "measured", total_seconds=20.0)
    assert startups.keep(device.spool, [begun], 30.0)
    assert not startups.keep(device.spool, [begun], 31.0)
    assert not startups.all_final(device.spool)
    assert startups.keep(device.spool, [done], 60.0)
    assert startups.all_final(device.spool)
    assert not startups.keep(device.spool, [begun], 90.0)
    device.confirm()
    history.freeze(device.spool)
    [(part, content)] = device.outbox.items(10)
    assert (part.revision, content["revision"], content["total_seconds"]) == (2, 2, 20.0)


def test_a_start_up_is_final_after_half_an_hour_and_at_the_next_one(device: Device) -> None:
    begun = StartupRecord("boot-1:0", "boot-1", False, "cold", 0.0, "unfinished")
    startups.keep(device.spool, [begun], 30.0)
    device.clock.restart("boot-2", 60)
    device.restart_agent()
    startups.keep(
        device.spool, [StartupRecord("boot-2:0", "boot-2", False, "cold", 0.0, "unfinished")], 1801.0
    )
    rows = device.database.rows("SELECT final, revision FROM startups ORDER BY start_id")
    assert [(row["final"], row["revision"]) for row in rows] == [(1, 2), (1, 1)]
