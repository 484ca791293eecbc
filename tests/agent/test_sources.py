"""What the probes open, taken down while they run, stands in what `explain` says they read."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from roadworthy_agent.probe import Context
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.platforms import reader
from roadworthy_agent.probes.signin import windows_log as signin_log
from roadworthy_agent.probes.startup import windows_log as startup_log
from roadworthy_agent.sources import OTHER, of_probe

DEVICES = Path(__file__).parents[1] / "devices"
LINUX = sorted(path for path in DEVICES.glob("*/root") if (path / "proc").is_dir())

# An audit hook stays for good, so the probes run in a process of their own.
LISTEN = """
import json, os, sys
from pathlib import Path
from roadworthy_agent import probe
from roadworthy_agent.probe import Context
from roadworthy_agent.probes import PROBES
opened, listening = set(), False
def hear(event, arguments):
    if listening and event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], (str, bytes)):
        opened.add(os.fsdecode(arguments[0]) + ("" if event == "open" else "/"))
for name in ("/", *sys.argv[1:]):
    context = Context() if name == "/" else Context.recorded(Path(name))
    for one in PROBES.values():
        probe.run(one, context)  # once before, so that what Python loads is not heard
sys.addaudithook(hear)
for name in ("/", *sys.argv[1:]):
    context = Context() if name == "/" else Context.recorded(Path(name))
    listening = True
    for one in PROBES.values():
        probe.run(one, context)
    listening = False
print(json.dumps(sorted(opened)))
"""


def opened() -> set[str]:
    """Return what the probes open and, ending in a slash, list; here and in the recorded devices."""
    said = subprocess.run(
        [sys.executable, "-c", LISTEN, *map(str, LINUX)], check=True, capture_output=True, text=True
    )
    found = set()
    for path in json.loads(said.stdout):
        inside = next((path.removeprefix(str(root)) for root in LINUX if path.startswith(f"{root}/")), path)
        found.add(re.sub(r"%3A", ":", inside))
    # What stands for other sources in a recording, and the time zone
    return {
        path
        for path in found
        if not path.startswith(("/roadworthy", "/etc/localtime", "/usr/share/zoneinfo"))
    }


def spelt_out(text: str) -> Iterator[str]:
    """Yield the paths a text names, `{a, b}` as several."""
    for found in re.findall(r"(?:^|(?<=[\s(]))/(?:\{[^}]*\}|[^\s:,;{}])+", text):
        several = [found]
        while "{" in several[0]:
            several = [
                one.replace(braces[0], word.strip(), 1)
                for one in several
                if (braces := re.search(r"\{([^}]*)\}", one))
                for word in braces[1].split(",")
            ]
        yield from several


def covers(pattern: str, path: str) -> bool:
    """Tell whether a path said to be read is this one, or lies in this folder."""
    said, heard = pattern.split("/"), path.rstrip("/").split("/")
    deep = len(heard) <= len(said) if path.endswith("/") else len(heard) == len(said)
    return deep and all(fnmatch.fnmatchcase(one, other) for one, other in zip(heard, said, strict=False))


@pytest.mark.skipif(sys.platform != "linux", reason="hears what Linux' probes open")
def test_everything_the_probes_open_is_said() -> None:
    said: set[str] = set()
    for name in PROBES:
        module = reader(f"roadworthy_agent.probes.{name}", "linux")
        for source in of_probe(name, getattr(module, "FILES", ()), Context()):
            said |= set(spelt_out(source.what))
    heard = opened()
    assert len(heard) > 100, "the probes were not heard"
    unsaid = sorted(path for path in heard if not any(covers(pattern, path) for pattern in said))
    assert not unsaid, f"explain does not say that these are read: {unsaid}"


@pytest.mark.parametrize("log", [startup_log, signin_log])
def test_every_event_log_of_windows_that_is_asked_is_said(log: ModuleType) -> None:
    said = " ".join(what for what, _right in OTHER[(log.__name__.split(".")[-2], "win32")])
    names = {value for value in vars(log).values() if isinstance(value, str)}
    asked = {name.removeprefix("Microsoft-Windows-").split("/")[0] for name in names if "-Windows-" in name}
    assert len(asked) >= 5
    assert sorted(name for name in asked if name.replace("Profiles", "Profile") not in said) == []
