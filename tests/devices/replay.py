"""Run every probe on a recorded device and say what it found, as the wire would carry it.

`python tests/devices/replay.py FOLDER` writes FOLDER/expected.json. Read what it wrote against what is known of
the device before committing it: the file is what the tests hold the probes to.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from roadworthy_agent.probe import Context, ProbeResult, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.report import to_wire

DEVICES = Path(__file__).parent
EXPECTED = "expected.json"


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


def main(names: list[str]) -> None:
    """Write expected.json into the named folders."""
    for folder in map(Path, names):
        text = json.dumps(replay(folder), indent=1, ensure_ascii=False) + "\n"
        (folder / EXPECTED).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
