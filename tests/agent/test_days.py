"""The collection policy: half-hours of device state and energy, totals of a UTC day, or neither."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from agent.devices import TEN, Device, ManualClock
from agent.test_energy import Package
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent import days, history, meters, signins
from roadworthy_agent.energy import Accumulator, Moment
from roadworthy_agent.periods import Absence, Stretch, compute, state_seconds
from roadworthy_agent.policy import CollectionPolicy
from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.reading import BatteryFlow, DeviceState, PowerReading, Sample, Status
from roadworthy_agent.report import SigninRecord
from roadworthy_agent.sampling import Sampling

MIDNIGHT = TEN // 86_400 * 86_400
STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")
HIDDEN = dict.fromkeys(STATES[:-1], 0) | {"unobserved": 1800}


def device_of(folder: Path, policy: CollectionPolicy, at: float = MIDNIGHT) -> Device:
    device = Device(ManualClock(true=float(at)), folder / "state", policy=policy)
    device.recorder.begin(Package().reading())
    return device


def work(device: Device, package: Package, seconds: int, state: DeviceState | None, watts: int = 10) -> None:
    for _ in range(seconds // 60):
        device.clock.run(60)
        package.draw(watts * 60_000_000)
        flow = BatteryFlow(discharging=True, watts=20.0, source="power_supply:BAT0")
        power = PowerReading(package.reading().meters, battery=flow)
        device.recorder.take(Sample(0.1, 0.1, power=power, state=state))


def told(device: Device, table: str = "frozen") -> list[dict[str, Any]]:
    device.confirm()
    history.freeze(device.spool)
    return [json.loads(row["payload"]) for row in device.database.rows(f"SELECT payload FROM {table}")]  # noqa: S608 - two names below


def test_half_hourly_tells_how_each_half_hour_went(tmp_path: Path) -> None:
    device, package = device_of(tmp_path, CollectionPolicy.HALF_HOURLY), Package()
    work(device, package, 600, DeviceState.IN_USE)
    work(device, package, 300, DeviceState.IDLE)
    work(device, package, 540, DeviceState.LOCKED)
    device.clock.suspend(300)
    work(device, package, 120, None)
    [period] = told(device)
    assert period["state_seconds"] == {
        "in_use": 600, "idle": 300, "locked": 540, "asleep": 300, "off": 0, "unobserved": 60,
    }  # fmt: skip
    # The sample with the suspend in it tells nothing, and the batteries' first look was the first sample's.
    assert period["energy"][0]["joules"] == 10 * (600 + 300 + 540)
    assert period["battery"]["discharge_seconds"] == 600 + 300 + 540 - 60
    device.close()


def test_daily_tells_neither_by_the_half_hour_and_both_by_the_day(tmp_path: Path) -> None:
    device, package = device_of(tmp_path, CollectionPolicy.DAILY), Package()
    work(device, package, 3 * 3600, DeviceState.IN_USE)
    work(device, package, 3600, DeviceState.LOCKED)
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    assert (now.state_seconds, now.energy) == (None, ())
    periods = told(device)
    assert len(periods) == 8
    assert told(device, "frozen_days") == []  # the day is not over
    device.clock.restart("boot-2", 10 * 3600)
    device.restart_agent()
    work(device, package, 10 * 3600 + 120, DeviceState.IDLE)
    for period in told(device):
        assert period["state_seconds"] == HIDDEN
        assert "energy" not in period
        assert "battery" not in period
        assert period["cpu"]["mean_ratio"] == 0.1
    [day] = told(device, "frozen_days")
    assert day["day"] == MIDNIGHT
    assert day["state_seconds"] == {
        "in_use": 10800, "idle": 36000, "locked": 3600, "asleep": 0, "off": 36000, "unobserved": 0,
    }  # fmt: skip
    [energy] = day["energy"]
    assert (
        energy["covered_seconds"] == 14 * 3600 - 60
    )  # the first look after the restart has nothing before it
    assert energy["joules"] == 10 * (14 * 3600 - 60) == energy["counter_end_joules"]
    discharged = 14 * 3600 - 120  # neither has the very first
    assert day["battery"]["discharge_seconds"] == discharged
    assert day["battery"]["discharge_joules"] == 20 * discharged
    assert day["battery"]["cpu_joules"] == 10 * discharged
    device.close()


def test_off_tells_nothing_of_either(tmp_path: Path) -> None:
    device, package = device_of(tmp_path, CollectionPolicy.OFF), Package()
    work(device, package, 86_400 + 60, DeviceState.IN_USE)
    periods = told(device)
    assert all(period["state_seconds"] == HIDDEN and "energy" not in period for period in periods)
    assert told(device, "frozen_days") == []
    device.close()


def test_a_day_goes_out_once_and_is_never_made_again(tmp_path: Path) -> None:
    device, package = device_of(tmp_path, CollectionPolicy.DAILY), Package()
    work(device, package, 86_400 + 60, DeviceState.IN_USE)
    told(device)
    parts = [part for part, _content in device.outbox.items(500) if part.item == "day"]
    assert [part.key for part in parts] == [str(MIDNIGHT)]
    device.outbox._let_go(parts[0])
    told(device)
    assert not [part for part, _content in device.outbox.items(500) if part.item == "day"]
    device.close()


@given(st.lists(st.floats(0, 1800), min_size=5, max_size=5))
def test_states_add_up_whatever_they_are(seconds: list[float]) -> None:
    states = state_seconds(dict(zip(STATES, seconds, strict=False)))
    parts = [getattr(states, state) for state in STATES]
    assert sum(parts) == 1800
    assert all(part >= 0 for part in parts)


def test_states_that_fill_a_half_hour_leave_no_second_unobserved() -> None:
    third = 1800 / 7
    states = state_seconds({"in_use": third * 2, "idle": third * 2, "locked": third, "off": third * 2})
    assert states.unobserved == 0


@pytest.mark.parametrize(("length", "expected"), [(60.0, 0.9), (60.5, None)])
def test_the_95th_percentile_is_of_means_of_a_minute_at_most(length: float, expected: float | None) -> None:
    [period] = compute([Stretch(TEN, TEN + length, 0.9, 0.5)], []).values()
    assert period.cpu is not None
    assert (period.cpu.mean_ratio, period.cpu.p95_ratio) == (0.9, expected)


def test_a_long_sample_split_by_a_half_hour_stays_long() -> None:
    periods = compute([Stretch(TEN - 40, TEN + 40, 0.9, 0.5)], []).values()
    assert [period.cpu.p95_ratio for period in periods if period.cpu] == [None, None]


@given(st.permutations(range(6)))
def test_the_order_of_samples_and_absences_makes_no_difference(order: list[int]) -> None:
    stretches = [
        Stretch(TEN + n * 60, TEN + n * 60 + 60, 0.1, 0.1, state=state)
        for n, state in zip(range(6), itertools.cycle(("in_use", "idle", None)), strict=False)
    ]
    gaps = [Absence(TEN + 400, TEN + 500, "asleep")]
    assert compute([stretches[n] for n in order], gaps) == compute(stretches, gaps)


def test_weeks_of_energy_are_frozen_without_walking_through_all_of_it_for_each_period(tmp_path: Path) -> None:
    """Asked by the size of the work: while days are made, no sample can be taken and no signal is heard."""
    device, package = device_of(tmp_path, CollectionPolicy.DAILY), Package()
    anchor = device.clock.wall() - device.clock.uptime
    with device.database.transaction() as connection:
        work(device, package, 3 * 86_400, DeviceState.IN_USE)
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        connection.set_progress_handler(count, 100)
        begin = MIDNIGHT + 140 * 1800
        held = list(meters.pieces(device.database, {1: anchor}, begin, begin + 1800))
        connection.set_progress_handler(None, 0)
    assert len(held) == 60  # of the processor and of the batteries
    assert steps < 120  # 100 instructions each; some 1,400 where all of the boot is walked through
    device.close()


def test_what_was_measured_under_one_policy_is_not_told_more_closely_under_the_next(tmp_path: Path) -> None:
    """Weeks without a network on a device told of by day; then somebody sets half-hours, and the network is back."""
    device, package = device_of(tmp_path, CollectionPolicy.DAILY), Package()
    work(device, package, 26 * 3600 + 600, DeviceState.IN_USE)
    device.restart_agent()
    change(device, CollectionPolicy.HALF_HOURLY)
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    assert (now.state_seconds, now.energy) == (None, ())  # of this half-hour most was under the other
    work(device, package, 2 * 3600, DeviceState.IDLE)
    periods = told(device)
    assert [period["start"] for period in periods if period["state_seconds"] != HIDDEN] == [
        MIDNIGHT + 53 * 1800 + n * 1800 for n in range(3)
    ]
    assert [period["start"] for period in periods if "energy" in period] == [
        MIDNIGHT + 53 * 1800 + n * 1800 for n in range(3)
    ]
    [day] = told(device, "frozen_days")
    assert day["state_seconds"]["in_use"] == 86_400
    assert device.database.get("stricter") is None
    device.close()


def test_off_sends_nothing_that_waited(tmp_path: Path) -> None:
    device, package = device_of(tmp_path, CollectionPolicy.DAILY), Package()
    work(device, package, 30 * 3600, DeviceState.IN_USE)
    signins.keep(device.spool, [SigninRecord("s1", 500.0, True, "measured")], device.clock.boottime())
    assert len(told(device, "frozen_days")) == 1
    change(device, CollectionPolicy.OFF)
    work(device, package, 30 * 3600, None)
    assert told(device, "frozen_days") == []
    assert [part.item for part, _content in device.outbox.items(500) if part.item in {"day", "signin"}] == []
    change(device, CollectionPolicy.DAILY)
    before = SigninRecord("s2", device.clock.boottime() - 60, True, "measured")
    after = SigninRecord("s3", device.clock.boottime() + 60, True, "measured")
    signins.keep(device.spool, [before, after], device.clock.boottime() + 120)
    assert [row["key"] for row in device.database.rows("SELECT key FROM signins")] == ["s3"]
    device.close()


def test_nothing_is_counted_while_the_policy_is_off() -> None:
    package = Package()
    context = Context(clock=ManualClock())
    reader = SimpleNamespace(
        sample=lambda: ProbeResult("utilisation", Status.OK, Sample(0.1, 0.1)),
        read=lambda: ProbeResult("power", Status.OK, package.reading()),
    )
    sampling = Sampling.of(context, dict.fromkeys(("utilisation", "state", "power"), lambda _context: reader))
    drawn = Accumulator()
    found = []
    for number, policy in enumerate(("daily", "off", "off", "daily", "daily")):
        sample, _results = sampling.take(CollectionPolicy(policy))
        found.append(drawn.look(sample.power, Moment(1, 60.0 * number, 60.0 * number)))
        package.draw(60_000_000)
    assert [bool(added) for added in found] == [False, False, False, False, True]


def change(device: Device, policy: CollectionPolicy) -> None:
    days.keep_policy(device.database, policy, device.spool.current(), device.clock.boottime())
