"""What statuses give away: they travel when they change, so nothing a person does may change one within a day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from agent.devices import Device, ManualClock, static_probe

from roadworthy_agent.observe import discreet
from roadworthy_agent.policy import CollectionPolicy
from roadworthy_agent.probe import ProbeResult
from roadworthy_agent.reading import PowerReading, Status
from roadworthy_agent.report import MissingValue, ProbeStatus

NOBODY = ProbeStatus(
    "signin", "no_data_yet", "nobody has signed in since this Windows started", checked_at=1.0
)
SOMEBODY = ProbeStatus("signin", "ok", source="event logs", checked_at=2.0)
PENDING = replace(SOMEBODY, missing=(MissingValue("signins.usable_seconds", "no_data_yet", "not there yet"),))
MAINS = ProbeStatus("power", "ok", source="cpu: rapl")
BATTERY = ProbeStatus("power", "ok", source="cpu: rapl, machine: power_supply:BAT0")
REFUSED = ProbeStatus("power", "no_permission", "energy_uj: permission denied")


@pytest.mark.parametrize("policy", list(CollectionPolicy))
def test_a_sign_in_changes_no_status_on_its_day(policy: CollectionPolicy) -> None:
    told: dict[str, tuple[int, ProbeStatus]] = {}
    for status in (NOBODY, PENDING, SOMEBODY):
        [shown] = discreet([status], told, 20_000, policy)
        assert replace(shown, checked_at=1.0) == NOBODY
        assert shown.checked_at == status.checked_at
    assert discreet([SOMEBODY], told, 20_001, policy) == (SOMEBODY,)


def test_by_day_nobody_learns_when_a_device_leaves_its_mains() -> None:
    told: dict[str, tuple[int, ProbeStatus]] = {}
    daily = [discreet([status], told, 1, CollectionPolicy.DAILY)[0] for status in (MAINS, BATTERY, MAINS)]
    assert daily == [MAINS] * 3
    half_hourly = discreet([BATTERY], told, 1, CollectionPolicy.HALF_HOURLY)
    assert half_hourly == (BATTERY,)


def test_a_probe_that_stops_working_is_told_at_once() -> None:
    told: dict[str, tuple[int, ProbeStatus]] = {}
    for status in (MAINS, REFUSED, BATTERY):
        assert discreet([status], told, 1, CollectionPolicy.DAILY) == (status,)


def test_no_report_is_the_longer_for_a_device_taken_off_its_mains(tmp_path: Path) -> None:
    results = [ProbeResult("power", Status.OK, PowerReading(), source=one.source) for one in (MAINS, BATTERY)]
    known = {"power": static_probe("power", results[0])}
    device = Device(ManualClock(), tmp_path / "state", policy=CollectionPolicy.DAILY, probes=known)
    device.recorder.begin()
    device.confirm()
    marks = []
    for result in results:
        device.observations.keep(result)
        marks += [part.key for part, _content in device.composer._extras(with_now=False)]
    assert len(marks) == 2
    assert marks[0] == marks[1]
    device.close()
