"""Whatever happens to the device and to its answers, each settlement period reaches the collector as one content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agent.devices import Answer, Asked, Device, ManualClock, ScriptedCollector, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EVENTS = st.one_of(
    st.tuples(st.just("work"), st.integers(1, 7200)),
    st.tuples(st.just("sleep"), st.integers(1, 7200)),
    st.tuples(st.just("off"), st.integers(1, 7200)),
    st.tuples(st.just("agent restarted"), st.integers(0, 600)),
    st.tuples(st.just("call"), st.sampled_from(["answered", "answer lost", "busy", "portal"])),
)


class Books:
    """The collector's side: what it ever got, whether or not its answer arrived."""

    def __init__(self, collector: ScriptedCollector) -> None:
        self.contents: dict[str, set[str]] = {}
        self.held: dict[int, dict[str, Any]] = {}
        self.mood = "answered"
        self._collector = collector
        collector.decide = self.decide

    def decide(self, asked: Asked) -> Answer | None:
        if self.mood == "busy":
            return refusal(503, "busy")
        if self.mood == "portal":
            return Answer(200, b"<html>Sign in</html>")
        for kind, key in (("periods", "start"), ("gaps", "from"), ("startups", "start_id")):
            for item in asked.body.get(kind, ()):
                self.contents.setdefault(f"{kind} {item[key]}", set()).add(json.dumps(item, sort_keys=True))
        for period in asked.body.get("periods", ()):
            self.held.setdefault(period["start"], period)
        return refusal(500, "internal") if self.mood == "answer lost" else None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(EVENTS, max_size=14), wrong_by=st.sampled_from([0.0, 3.0, -7200.0, -1.7e9]))
def test_each_period_is_delivered_once_and_the_same(
    collector: ScriptedCollector,
    tmp_path_factory: pytest.TempPathFactory,
    story: list[tuple[str, Any]],
    wrong_by: float,
) -> None:
    device = Device(ManualClock(wrong_by=wrong_by), tmp_path_factory.mktemp("device"), server=collector.url)
    collector.now = lambda: device.clock.true
    device.recorder.begin()
    device.enrolled()
    device.observations.look(device.probes)
    books = Books(collector)
    for number, (what, how) in enumerate(story):
        happen(device, books, what, how, f"boot-{number + 2}")
    device.measure(60)
    happen(device, books, "call", "answered", "")
    assert all(len(contents) == 1 for contents in books.contents.values())
    assert device.outbox.waiting() == 0
    assert device.outbox.quarantined() == 0
    last = collector.reports()[-1]
    assert all(start + 1800 <= device.clock.true for start in books.held)
    assert [report["seq"] for report in collector.reports()] == sorted(
        report["seq"] for report in collector.reports()
    )
    assert last["now"]["at"] == pytest.approx(device.clock.true, abs=6.0)
    collector.asked.clear()
    device.close()


def happen(device: Device, books: Books, what: str, how: Any, boot: str) -> None:
    match what:
        case "work":
            device.measure(how)
        case "sleep":
            device.clock.suspend(how)
        case "off":
            device.clock.restart(boot, how)
            device.restart_agent()
            device.observations.look(device.probes)
        case "agent restarted":
            device.clock.run(how)
            device.restart_agent()
            device.observations.look(device.probes)
        case _:
            books.mood = how
            device.delivery.call()
