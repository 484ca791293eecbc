"""How long the agent keeps its connection: as long as servers keep theirs, so that it saves a handshake for sure."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent.devices import Device, ManualClock, ScriptedCollector, probes, refusal

from roadworthy_agent.agent import Agent
from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.reading import Sample, Status
from roadworthy_agent.settings import Settings


class StillSampler:
    """A sampler that always says the same."""

    def sample(self) -> ProbeResult[Sample]:
        return ProbeResult("utilisation", Status.OK, Sample(0.25, 0.5))


def _none(_context: Context) -> None:
    return None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def agent(tmp_path: Path, collector: ScriptedCollector, clock: ManualClock) -> Agent:
    """Give an enrolled agent whose calls a test makes itself."""
    collector.now = lambda: clock.true
    device = Device(clock, tmp_path / "state", server=collector.url)
    device.enrolled()
    device.close()
    settings = Settings(collector.url, device.folder, None, None, 60, 33_554_432, ())
    made = Agent(
        settings,
        Context(clock=clock),
        probes(),
        {"utilisation": lambda _context: StillSampler(), "state": _none, "power": _none},
    )
    made._recorder.begin()
    return made


@pytest.mark.parametrize(
    ("next_call", "connections"), [(60, 1), (900, 2)], ids=["kept over a minute", "closed for a quarter"]
)
def test_a_connection_is_kept_for_a_call_that_is_soon_and_no_other(
    agent: Agent, collector: ScriptedCollector, clock: ManualClock, next_call: int, connections: int
) -> None:
    collector.next_call = next_call
    agent._call()
    clock.run(next_call)  # to no half-hour's close, which would bring a call of its own
    agent._call()
    agent._delivery.close()
    agent.close()
    assert len(collector.reports()) == 3  # the first call asks for the time before it tells anything
    assert collector.connections == connections


def test_a_long_back_off_closes_it_too(
    agent: Agent, collector: ScriptedCollector, clock: ManualClock
) -> None:
    collector.decide = lambda _asked: refusal(503, "busy", Retry_After="300")
    for _ in range(2):
        agent._call()
        clock.run(300)
    agent._delivery.close()
    agent.close()
    assert collector.connections == len(collector.asked) == 2
