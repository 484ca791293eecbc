"""Make the recorded reports of the agent anew: `.venv/bin/python tests/contract/agent_record.py`, as root.

- agent-linux-vm: `roadworthy-agent once --json` on this machine
- agent-linux-container: the same inside a booted systemd container
- agent-linux-light, agent-linux-history: what the agent's own code sends after a day, with this machine's real
  probes and a clock turned by hand, so that nobody waits for a settlement period to end

Host name, kernel build and boot id are replaced: a recorded report names no machine. Record anew only when the
wire changes; a report of a released shape stays as it is, under its own name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from agent.devices import Device, ManualClock, ScriptedCollector  # noqa: E402 - found by the line above
from support.systemd_root import Bind, boot, own_copy, systemd_root  # noqa: E402 - found by the line above

BOOT = "6f1d3a52-0c1e-4f55-9a59-3d0f0f6f2b11"


def sanitised(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report that names no machine."""
    text = json.dumps(report, ensure_ascii=False).replace(report["boot_id"], BOOT)
    made: dict[str, Any] = json.loads(text)
    facts = made.get("facts")
    if facts:
        facts["hostname"] = "desk-0042"
        facts["os"]["kernel"] = "6.1.0-25-amd64"
    return made


def keep(name: str, report: dict[str, Any]) -> None:
    """Write one recorded report."""
    path = HERE / "reports" / f"{name}.json"
    path.write_text(json.dumps(sanitised(report), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n")


def once() -> dict[str, Any]:
    """Return this machine's report."""
    with tempfile.TemporaryDirectory() as state:
        done = subprocess.run(
            [sys.executable, "-m", "roadworthy_agent", "once", "--json"],
            env={"ROADWORTHY_AGENT_STATE_DIR": state},
            capture_output=True,
            check=True,
        )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def in_a_container() -> dict[str, Any]:
    """Return the report of a booted systemd container."""
    script = (
        "cd / && PYTHONPATH=/agent:/packages ROADWORTHY_AGENT_STATE_DIR=/tmp/none "
        "/usr/bin/python3 -m roadworthy_agent once --json > /out/report.json\n"
    )
    binds = (
        Bind(REPOSITORY / "agent/src", "/agent"),
        Bind(Path(sysconfig.get_path("platlib")), "/packages"),
    )
    with tempfile.TemporaryDirectory() as folder, own_copy(systemd_root(), Path(folder)) as root:
        done = boot(root, script, Path(folder) / "out", binds=binds)
    report: dict[str, Any] = json.loads(done.files["report.json"])
    return report


def a_day() -> list[dict[str, Any]]:
    """Return what is sent in a day: the light report that asks for the time, then the history."""
    from roadworthy_agent import startups
    from roadworthy_agent.clock import SystemClock
    from roadworthy_agent.probes import PROBES

    collector = ScriptedCollector()
    clock = ManualClock(boot=SystemClock().boot_id(), wrong_by=-7200.0)
    collector.now = lambda: clock.true
    with tempfile.TemporaryDirectory() as folder:
        device = Device(clock, Path(folder) / "state", server=collector.url, probes=dict(PROBES))
        device.recorder.begin()
        device.enrolled()
        device.observations.look(PROBES)
        device.measure(5400, cpu=0.1234)
        clock.suspend(2700)
        device.measure(3600, cpu=0.0567)
        clock.restart("another-boot", 3000)
        clock.run(30)
        device.restart_agent()
        clock.boot = SystemClock().boot_id()
        device.observations.look(PROBES)
        startups.keep(device.spool, device.observations.startups(), 100.0)
        device.measure(2400, cpu=0.9)
        device.delivery.call()
        device.close()
    collector.close()
    return collector.reports()


def main() -> None:
    """Record all."""
    keep("agent-linux-vm", once())
    keep("agent-linux-container", in_a_container())
    light, history = a_day()
    keep("agent-linux-light", light)
    keep("agent-linux-history", history)


if __name__ == "__main__":
    main()
