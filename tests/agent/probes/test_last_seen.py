"""The running agent tells its probes when it last saw the device in an earlier boot, which bounds firmware times."""

from __future__ import annotations

from types import SimpleNamespace

from agent.devices import Device

from roadworthy_agent.agent import Agent
from roadworthy_agent.probe import Context, ProbeResult, Status
from roadworthy_agent.probes.utilisation.linux import Sampler
from roadworthy_agent.settings import Settings


def told(device: Device) -> float | None:
    """Start a new agent over the device's state and return what its probes hear."""
    heard: list[float | None] = []

    def collect(context: Context) -> ProbeResult[None]:
        heard.append(context.last_seen_at)
        return ProbeResult("startup", Status.OK)

    device.database.close()
    settings = Settings(None, device.folder, None, None, 60, device.max_bytes, ())
    agent = Agent(
        settings,
        Context(clock=device.clock),
        {"startup": SimpleNamespace(NAME="startup", WHAT="w.", collect=collect)},
        Sampler,
    )
    agent._observations.look(["startup"])
    agent._database.close()
    agent._lock.close()
    return heard[0]


def test_on_the_first_boot_nothing_is_known(device: Device) -> None:
    device.measure(120)
    assert told(device) is None


def test_after_a_restart_it_is_the_last_sample_before(device: Device) -> None:
    device.measure(120)
    seen = device.clock.wall()
    device.clock.restart("boot-2", off_seconds=45.0)
    assert told(device) == seen
