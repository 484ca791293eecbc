"""A device and a collector for each test of the agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent.devices import KEY, Device, ManualClock, ScriptedCollector


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    """Give a device at ten o'clock, up for 100 seconds, whose agent has just started."""
    made = Device(ManualClock(), tmp_path / "state")
    made.recorder.begin()
    yield made
    made.close()


@pytest.fixture
def make_device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    """Give a maker of devices with settings of their own."""
    made: list[Device] = []

    def make(clock: ManualClock | None = None, **settings: Any) -> Device:
        new = Device(clock or ManualClock(), tmp_path / f"state{len(made)}", **settings)
        made.append(new)
        new.recorder.begin()
        return new

    yield make
    for one in made:
        one.close()


@pytest.fixture
def collector() -> Iterator[ScriptedCollector]:
    """Give a collector on a free port."""
    made = ScriptedCollector()
    yield made
    made.close()


@pytest.fixture
def sending(make_device: Callable[..., Device], collector: ScriptedCollector) -> Device:
    """Give an enrolled device whose collector knows the true time."""
    made = make_device(server=collector.url)
    collector.now = lambda: made.clock.true
    made.enrolled()
    made.observations.look(made.probes)
    return made


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Give a file with a good enrolment key, for its owner only."""
    path = tmp_path / "enrolment.key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return path
