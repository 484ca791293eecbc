"""Gaps: what a restart, a suspend and a missing agent leave behind, told at true times."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from agent.devices import TEN, Device, ManualClock
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent import history
from roadworthy_agent.reading import Sample


def gap(begin: int, end: int, kind: str, basis: str) -> dict[str, Any]:
    return {"from": TEN + begin, "to": TEN + end, "kind": kind, "basis": basis}


def settle(device: Device) -> None:
    device.confirm()
    history.freeze(device.spool)


def test_the_first_run_says_nothing_of_the_past(device: Device) -> None:
    device.measure(120)
    settle(device)
    assert device.gaps() == []


def test_an_agent_restarted_at_once_leaves_no_gap(device: Device) -> None:
    device.measure(60)
    device.clock.run(30)
    device.restart_agent()
    device.measure(60)
    settle(device)
    assert device.gaps() == []


def test_an_agent_that_was_not_running_leaves_unobserved_time(device: Device) -> None:
    device.measure(60)
    device.clock.run(600)
    device.restart_agent()
    settle(device)
    assert device.gaps() == [gap(60, 660, "unobserved", "agent_not_running")]


def test_a_device_asleep_while_the_agent_was_away_was_asleep(device: Device) -> None:
    device.measure(60)
    device.clock.suspend(3600)
    device.clock.run(20)
    device.restart_agent()
    settle(device)
    assert device.gaps() == [gap(60, 3660, "asleep", "suspend_clock")]


def test_a_device_turned_off_was_off_and_then_unobserved_until_the_agent_started(device: Device) -> None:
    device.measure(60)
    device.clock.restart("boot-2", 7200)
    device.clock.run(300)
    device.restart_agent()
    settle(device)
    assert device.gaps() == [
        gap(60, 7260, "off", "boot_id_changed"),
        gap(7260, 7560, "unobserved", "agent_not_running"),
    ]


def test_an_agent_that_starts_soon_after_the_kernel_leaves_only_the_off_time(device: Device) -> None:
    device.measure(60)
    device.clock.restart("boot-2", 7200)
    device.clock.run(20)
    device.restart_agent()
    settle(device)
    assert device.gaps() == [gap(60, 7260, "off", "boot_id_changed")]


def test_a_suspend_within_a_run_is_a_gap_and_the_sample_keeps_its_awake_seconds(device: Device) -> None:
    device.measure(120)
    device.clock.run(20)
    device.clock.suspend(900)
    device.clock.run(10)
    device.recorder.take(sample(0.5))
    settle(device)
    assert device.gaps() == [gap(150, 1050, "asleep", "suspend_clock")]
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    assert now.observed_seconds == 150


def test_an_agent_held_up_for_long_does_not_pretend_to_have_watched(device: Device) -> None:
    device.measure(60)
    device.clock.run(500)
    device.recorder.take(sample(0.5))
    settle(device)
    assert device.gaps() == [gap(60, 560, "unobserved", "agent_not_running")]


def test_a_boot_clock_that_went_back_is_another_boot(device: Device) -> None:
    device.measure(600)
    device.clock.uptime = device.clock.awake = 50.0
    device.restart_agent()
    assert len(device.spool.boots()) == 2


@pytest.mark.parametrize("asleep", [0.0, 0.3])
def test_clock_reading_noise_is_no_suspend(device: Device, asleep: float) -> None:
    device.clock.run(30)
    device.clock.suspend(asleep)
    device.clock.run(30)
    device.recorder.take(sample(0.5))
    settle(device)
    assert device.gaps() == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["work", "sleep", "off", "killed", "stuck"]),
            st.integers(min_value=1, max_value=9000),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_gaps_and_samples_never_overlap_and_cover_what_was_missed(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int]]
) -> None:
    device = Device(ManualClock(), tmp_path_factory.mktemp("device"))
    device.recorder.begin()
    for number, (what, seconds) in enumerate(story):
        live(device, what, seconds, f"boot-{number + 2}")
    device.measure(60)
    settle(device)
    found = sorted((one["from"], one["to"]) for one in device.gaps())
    assert all(begin < end for begin, end in found)
    assert all(end <= begin + 1 for (_begin, end), (begin, _end) in itertools.pairwise(found))
    assert len({begin for begin, _end in found}) == len(found)
    away = sum(end - begin for begin, end in found)
    observed = sum(period["observed_seconds"] for period in device.frozen().values())
    now = history.now(device.spool, device.clock.boottime())
    assert now is not None
    lived = device.clock.true - TEN
    assert away + observed + now.observed_seconds <= lived + len(found) + 1
    device.close()


def live(device: Device, what: str, seconds: int, boot: str) -> None:
    steps: dict[str, Callable[[], None]] = {
        "work": lambda: device.measure(seconds),
        "sleep": lambda: device.clock.suspend(seconds),
        "stuck": lambda: device.clock.run(seconds),
    }
    if what in steps:
        steps[what]()
        return
    if what == "off":
        device.clock.restart(boot, seconds)
    else:
        device.clock.run(seconds)
    device.restart_agent()


def sample(cpu: float) -> Sample:
    return Sample(cpu, 0.5)
