"""What is the whole of a device: never the sum of some of its lines, and never fixed by one bad poll."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from roadworthy_collector.ingest import wire
from roadworthy_collector.snmp.dictionary_port import DictionaryPort
from roadworthy_collector.snmp.memory import Memory
from roadworthy_collector.snmp.port import Community, Oid, Target, Value, parse_oid
from roadworthy_collector.snmp.profile import Profile
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.reading import read_device
from roadworthy_collector.snmp.readings import DeviceAnswer
from roadworthy_collector.snmp.recording import read_recording
from roadworthy_collector.snmp.telling import tell
from roadworthy_collector.snmp.whole import Whole, whole_watts

FOLDERS = Path(__file__).parents[2] / "devices" / "snmp"
TARGET = Target("device", "device", Community("2c", "public"))
START = 1_789_002_000  # a multiple of 1800
UPS_LINE_2 = "1.3.6.1.2.1.33.1.4.4.1.4.2"
BRANCH_1 = "1.12.48.48.48.69.68.51.48.48.48.48.49.57"
RPDU2 = "1.3.6.1.4.1.318.1.1.26.4.3.1"
NONE = object()  # in place of a value: the device does not have it
Changes = Mapping[str, Callable[[int], object]]  # OID: its value at a poll


@pytest.fixture(scope="module")
def profiles() -> tuple[Profile, ...]:
    return shipped_profiles()


class Polls:
    """Polls of a recorded device every 300 s, some values of which are others."""

    def __init__(self, name: str, profiles: tuple[Profile, ...], changes: Changes) -> None:
        self.values = read_recording(FOLDERS / name / "walk.snmprec")
        self.profiles, self.changes = profiles, changes
        self.memory = Memory("0123456789abcdef")
        self.periods: list[wire.Period] = []
        self.now: list[float | None] = []
        self.reports: list[wire.Report] = []

    def answer(self, number: int) -> DeviceAnswer:
        values: dict[Oid, Value] = dict(self.values)
        for oid, at in self.changes.items():
            value: Any = at(number)
            if value is NONE:
                values.pop(parse_oid(oid), None)
            else:
                values[parse_oid(oid)] = value
        session = DictionaryPort(dict(sorted(values.items()))).begin(TARGET)
        return asyncio.run(read_device(session, self.profiles))

    def run(self, numbers: range) -> Polls:
        for number in numbers:
            told = tell(
                self.answer(number),
                self.memory,
                device_id="rwd_00000000000000000000000000000001",
                at=START + 300 * number,
                name="device",
                version="1.0.0",
            )
            self.memory = Memory.from_json(json.loads(json.dumps(told.memory.as_json())))
            self.reports.append(told.report)
            self.periods += told.report.periods
            assert told.report.now is not None
            self.now.append(next((one.latest_watts for one in told.report.now.energy), None))
        return self

    def why(self) -> str:
        (probe,) = self.reports[-1].probes
        return next((one.reason or "" for one in probe.missing if one.field == "whole"), "")

    def joules(self) -> list[int]:
        return [each.joules for one in self.periods for each in one.energy]


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("riello_sentinel-pro-3ph", {UPS_LINE_2: -1}, "phase 2 is not known, and the rest is not the whole"),
        ("riello_sentinel-pro-3ph", {UPS_LINE_2: 65535}, "phase 2 is not known"),
        ("riello_sentinel-pro-3ph", {UPS_LINE_2: NONE}, "2 rows of output_power_line came where there are 3"),
        (
            "hpe_proliant-dl380-gen10-ilo5",
            {"1.3.6.1.4.1.232.6.2.15.3.0": -1, "1.3.6.1.4.1.232.6.2.9.3.1.7.0.2": -1},
            "supply_unit 0.2 is not known",
        ),
        ("fujitsu_rx2540-irmc", {}, "supply_unit 1.2 is not known"),
        (
            "chatsworth_econnect-ph2",
            {f"1.3.6.1.4.1.30932.1.10.1.3.110.1.{column}.{BRANCH_1}": -1 for column in (6, 9)},
            "bank 1.12",
        ),
    ],
    ids=["a line -1", "a line 65535", "a line absent", "a supply -1", "no meter", "a branch -1"],
)
def test_some_of_the_lines_are_not_the_device_from_the_first_poll_on(
    name: str, changes: dict[str, object], why: str, profiles: tuple[Profile, ...]
) -> None:
    polls = Polls(name, profiles, {oid: lambda _, value=value: value for oid, value in changes.items()})
    polls.run(range(14))
    assert polls.now == [None] * 14
    assert polls.joules() == []
    assert why in polls.why()
    assert whole_watts(polls.answer(0)) is None  # what the command shows


def test_a_line_that_is_refused_is_one_of_the_whole_though_it_never_was_read(
    profiles: tuple[Profile, ...],
) -> None:
    """A second branch comes into view, refused: from then on the first alone is not the device."""
    gone = {f"1.3.6.1.4.1.30932.1.10.1.3.110.1.{column}.{BRANCH_1}": column for column in (6, 9)}
    seen: Changes = {oid: lambda n: NONE if n < 7 else -1 for oid in gone}
    polls = Polls("chatsworth_econnect-ph2", profiles, seen).run(range(20))
    assert [one is None for one in polls.now] == [False] * 7 + [True] * 13
    assert len(polls.joules()) == 1
    assert "bank" in polls.why()
    # Absent again, it is still one of them; told at last, it counts.
    polls.changes = dict.fromkeys(gone, lambda _: NONE)
    assert polls.run(range(20, 22)).now[-1] is None
    assert "gave no value, or has not yet" in polls.why()
    polls.changes = {}
    assert polls.run(range(22, 32)).now[-1] == pytest.approx(797)
    assert polls.periods[-1].energy[0].covered_seconds == 1800
    assert polls.why() == ""


def test_one_bad_first_poll_does_not_fix_what_the_whole_is(profiles: tuple[Profile, ...]) -> None:
    changes: Changes = {
        f"{RPDU2}.5.1": lambda n: -1 if n == 0 else 187,
        f"{RPDU2}.9.1": lambda n: -1 if n == 0 else 123_456 + 2 * n,
    }
    polls = Polls("apc_ap8959eu3", profiles, changes).run(range(14))
    assert polls.memory.place == "input"
    (energy,) = polls.periods[-1].energy
    assert energy.source.endswith(", input")
    assert energy.relative_error == 0.02
    ends = [each.counter_end_joules for one in polls.periods for each in one.energy]
    assert ends == sorted(ends)


def test_another_place_is_taken_after_three_polls_or_a_day(profiles: tuple[Profile, ...]) -> None:
    changes: Changes = {
        f"{RPDU2}.5.1": lambda n: 187 if n >= 5 else -1,
        f"{RPDU2}.9.1": lambda n: 123_456 if n >= 5 else -1,
    }
    polls = Polls("apc_ap8959eu3", profiles, changes)
    assert [polls.run(range(n, n + 1)).memory.place for n in range(9)] == ["phase"] * 7 + ["input"] * 2
    # Then the inlet has no value any more: a day later its phases speak for the device.
    polls.changes = {f"{RPDU2}.{column}.1": lambda _: -1 for column in (5, 9)}
    assert polls.run(range(9, 12)).now[-1] is None
    polls.run(range(9 + 288, 9 + 291))
    assert (polls.memory.place, polls.now[-1]) == ("phase", 1870.0)


def test_what_was_remembered_before_the_whole_could_change_still_loads() -> None:
    kept = Memory("0123456789abcdef", whole=Whole("phase", 1)).as_json()
    del kept["whole"]
    assert Memory.from_json(kept).whole == Whole("phase", 3)
