"""Polls as reports: a half-hour is told once, with every line of the device, of one and the same device."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from roadworthy_collector.ingest import wire
from roadworthy_collector.snmp.memory import Memory
from roadworthy_collector.snmp.readings import DeviceAnswer, Identity, Reading, Refusal
from roadworthy_collector.snmp.telling import Told, tell

START = 1_789_002_000  # a multiple of 1800
WHO = Identity(kind="pdu", model="Sentry", serial="1")


def reading(kind: Any, place: Any, index: str, value: float) -> Reading:
    return Reading(
        name=f"{place}_{kind}",
        index=index,
        kind=kind,
        place=place,
        value=value,
        quality="metered",
        source="snmp x 1",
    )


def answer(seconds: float, *, silent: tuple[str, ...] = (), **parts: Any) -> DeviceAnswer:
    """Two inlets of 1000 W each and two outlets of 100 W, with registers; the indexes in `silent` give no value."""
    rows = [("input", "1", 1000.0), ("input", "2", 1000.0), ("outlet", "a", 100.0), ("outlet", "b", 100.0)]
    readings = [
        each
        for place, index, watts in rows
        if index not in silent
        for each in (
            reading("active_power", place, index, watts),
            reading("energy", place, index, watts * seconds / 3600),
        )
    ]
    refusals = tuple(Refusal("power", index, "sentinel", "-1") for index in silent)
    given: dict[str, Any] = {
        "identity": WHO,
        "profiles": ("x",),
        "why": (),
        "readings": tuple(readings),
        "refusals": refusals,
    }
    return DeviceAnswer(**given | parts)


class Story:
    """Polls of one target, with what is remembered kept as the store keeps it."""

    def __init__(self) -> None:
        self.memory = Memory("0123456789abcdef")
        self.periods: list[wire.Period] = []

    def poll(self, seconds: float, found: DeviceAnswer) -> Told:
        told = tell(
            found,
            self.memory,
            device_id="rwd_00000000000000000000000000000001",
            at=START + seconds,
            name="pdu",
            version="1.0.0",
            outlets=frozenset({"a", "b"}),
        )
        self.memory = Memory.from_json(json.loads(json.dumps(told.memory.as_json())))
        self.periods += told.report.periods
        return told

    def run(self, until: int, silences: dict[str, range], begin: int = 0) -> None:
        for seconds in range(begin, until + 1, 300):
            self.poll(
                seconds, answer(seconds, silent=tuple(i for i, when in silences.items() if seconds in when))
            )

    def joules(self) -> list[tuple[int, list[int]]]:
        return [((one.start - START) // 1800, [each.joules for each in one.energy]) for one in self.periods]


def test_a_line_silent_as_the_half_hour_ends_is_waited_for_and_nothing_is_lost() -> None:
    story = Story()
    story.run(5400, {"2": range(1800, 2101)})
    assert story.joules() == [(0, [3_600_000]), (1, [3_600_000]), (2, [3_600_000])]
    assert [one.energy[0].covered_seconds for one in story.periods] == [1800] * 3
    assert [one.energy[0].counter_end_joules for one in story.periods] == [3_600_000, 7_200_000, 10_800_000]


def test_one_part_of_the_lines_is_not_the_device_at_any_moment() -> None:
    story = Story()
    now = story.poll(0, answer(0)).report.now
    assert now is not None
    assert [one.latest_watts for one in now.energy] == [2000.0]
    now = story.poll(300, answer(300, silent=("2",))).report.now
    assert now is not None
    assert (now.energy, now.observed_seconds) == ((), 0)


def test_a_line_that_stays_silent_holds_no_half_hour_for_ever_and_none_comes_twice() -> None:
    story = Story()
    story.run(7200, {"2": range(1800, 4501)})
    starts = [number for number, _ in story.joules()]
    assert starts == [0, 1, 2, 3]
    assert story.joules()[0] == (0, [])  # told after half an hour of waiting, as not covered
    assert story.periods[0].observed_seconds == 0
    assert [joules for _, joules in story.joules()[1:]] == [[3_600_000]] * 3


def test_an_outlet_that_is_silent_as_the_half_hour_ends_is_waited_for_too() -> None:
    story = Story()
    story.run(3600, {"b": range(1800, 2101)})
    assert [[(each.outlet, each.joules) for each in one.outlets] for one in story.periods] == [
        [("a", 180_000), ("b", 180_000)]
    ] * 2
    story = Story()
    story.run(3900, {"b": range(1800, 9000)})
    (period,) = story.periods
    assert [each.outlet for each in period.outlets] == ["a"]
    assert [each.joules for each in period.energy] == [3_600_000]


def test_a_line_that_is_no_longer_there_is_not_missed_after_a_day_but_one_that_refuses_is() -> None:
    for refusals, expected in (((), [3_600_000 // 2]), ((Refusal("power", "2", "sentinel", "-1"),), [])):
        story = Story()
        story.run(3600, {})
        for seconds in range(3900, 3600 + 86_400 + 3601, 900):
            story.poll(seconds, answer(seconds, silent=("2",), refusals=refusals))
        assert [each.joules for each in story.periods[-1].energy] == expected
        ends = [each.counter_end_joules for one in story.periods for each in one.energy]
        assert ends == sorted(ends)


def test_what_was_remembered_before_half_hours_waited_still_loads() -> None:
    story = Story()
    story.run(1500, {})
    kept = story.memory.as_json()
    for key in ("waiting", "known", "base_joules", "serial", "model"):
        del kept[key]
    story.memory = Memory.from_json(json.loads(json.dumps(kept)))
    story.run(1800, {}, begin=1800)
    assert story.joules() == [(0, [3_600_000])]


@pytest.mark.parametrize(
    ("who", "replaced"),
    [
        (replace(WHO, serial="2"), True),
        (replace(WHO, model="Other", serial=None), True),
        (
            replace(WHO, model="Other"),
            False,
        ),  # one serial number: its firmware calls the model something else
        (replace(WHO, serial=None), False),
    ],
)
def test_another_device_under_the_name_begins_its_counters_anew(who: Identity, *, replaced: bool) -> None:
    story = Story()
    story.run(1800, {})
    told = story.poll(2100, answer(2400, identity=who))  # registers five minutes ahead
    assert told.events.get("device") == (("replaced",) if replaced else None)
    story.poll(2400, answer(2700, identity=who))
    (energy,) = told.report.now.energy if told.report.now is not None else ()
    assert energy.counter_end_joules >= 3_600_000
    assert (energy.joules == 0) is replaced
    for seconds in range(2700, 3601, 300):
        told = story.poll(seconds, answer(seconds + 300, identity=who))
    (closed,) = story.periods[-1].energy
    # Within a step of each line's register where power runs beside it.
    assert closed.joules == pytest.approx(3_000_000 if replaced else 3_600_000 + 600_000, abs=7200)
    assert closed.covered_seconds == (1500 if replaced else 1800)


def test_what_a_device_is_made_for_bounds_a_register_without_power() -> None:
    plate = Reading(
        name="rated",
        index="",
        kind="nameplate_power",
        place="output",
        value=750.0,
        quality="assumed",
        source="x",
    )
    for more, believed in (((), True), ((plate,), False)):
        story = Story()
        for seconds, watt_hours in ((0, 0.0), (3600, 3_500.0)):
            told = story.poll(
                seconds,
                answer(seconds, readings=(reading("energy", "input", "1", watt_hours), *more), refusals=()),
            )
        assert (told.events == {}) is believed
