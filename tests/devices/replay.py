"""Run every probe on a recorded device and say what it found, and what the agent's command reports of it.

`python tests/devices/replay.py FOLDER` writes FOLDER/expected.json (what each probe says) and FOLDER/report.json (what
`roadworthy-agent once --json --root FOLDER/root` prints). Read what it wrote against what is known of the device before
committing it: the files are what the tests hold the agent to.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from roadworthy_agent.cli import main as main_of_agent
from roadworthy_agent.probe import Context, ProbeResult, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.report import to_wire

DEVICES = Path(__file__).parent
EXPECTED = "expected.json"
REPORT = "report.json"


def folders() -> list[Path]:
    """Return the folders of all recorded devices."""
    return sorted(each.parent for each in DEVICES.glob("*/SOURCE.md"))


def replay(folder: Path) -> dict[str, Any]:
    """Return what each probe says of the device recorded in `folder`."""
    context = Context.recorded(folder / "root")
    return {name: shown(run(probe, context)) for name, probe in PROBES.items()}


def shown(result: ProbeResult[Any]) -> dict[str, Any]:
    """Return a result as JSON-ready values, without its duration."""
    value = result.value
    return {
        "status": str(result.status),
        "reason": result.reason,
        "source": result.source,
        "value": None if value is None else to_wire(value),
        "missing": [{name: str(part) for name, part in asdict(each).items()} for each in result.missing],
    }


def report(folder: Path) -> dict[str, Any]:
    """Return what the command reports of the device, without what is of this machine: cost and time of looking."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        code = main_of_agent(["once", "--json", "--root", str(folder / "root")])
    assert code == 0, folder
    found: dict[str, Any] = json.loads(printed.getvalue())
    for name in ("rss_bytes", "cpu_seconds", "version"):
        found["agent"].pop(name, None)
    for probe in found["probes"]:
        probe.pop("duration_seconds", None)
    return found


def main(names: list[str]) -> None:
    """Write what is expected into the named folders."""
    for folder in map(Path, names):
        for name, content in ((EXPECTED, replay(folder)), (REPORT, report(folder))):
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    os.environ["ROADWORTHY_AGENT_STATE_DIR"] = "/nonexistent"  # a report of nobody enrolled
    main(sys.argv[1:])
