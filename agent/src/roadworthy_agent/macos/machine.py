"""The port between the probes and a Mac: live, or from a recorded tree.

A recorded tree of macOS holds, below its root:
    roadworthy/platform              the word `macos`
    roadworthy/clock.json            {"boot_id", "boottime_seconds", "wall"} of the moment of recording
    roadworthy/sysctl/<name>         one value as text: a word, or a whole number
    roadworthy/registry/<entry>.plist  properties of an entry of the I/O Registry, only those of `registry.KEEP`
    roadworthy/programs/<key>        what a program of `programs.PROGRAMS` printed, only what is read of it
    roadworthy/counters.json         two looks at psutil's counters, see probes/utilisation/macos.py
"""

from __future__ import annotations

import plistlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from roadworthy_agent.macos import bootlog, profiler
from roadworthy_agent.probe import Context, Missing

SYSCTL = "roadworthy/sysctl"
REGISTRY = "roadworthy/registry"
PROGRAMS = "roadworthy/programs"
# Which reader keeps what of a program's output
KEEPERS = {"boot-log": bootlog.keep, "hardware": profiler.keep, "storage": profiler.keep}
# Names of one machine: a recording leaves them out
IDENTIFIERS = frozenset({"IOPlatformSerialNumber", "IOPlatformUUID"})


class MacMachine(Protocol):
    """What can be asked of a Mac. Nothing here raises for what is absent: the answer says why."""

    def sysctl(self, name: str) -> str | None:
        """Return one kernel value as text, None where there is none (sysctlbyname)."""

    def registry(self, entry: str) -> Mapping[str, Any] | Missing:
        """Return the properties of the first entry of a class (`Root`: of the registry itself), see `registry`."""

    def program(self, key: str) -> bytes | Missing:
        """Return what a program of the table printed."""


def machine_of(context: Context) -> MacMachine:
    """Return the Mac itself, or what was recorded of it."""
    if context.live:
        from roadworthy_agent.macos.live import LiveMac

        return LiveMac(context.root)
    from roadworthy_agent.macos.recorded import RecordedMac

    return RecordedMac(context.root)


def recording(
    context: Context, sysctls: Iterable[str] = (), entries: Iterable[str] = (), programs: Iterable[str] = ()
) -> dict[str, bytes]:
    """Return {path below a tree: bytes} of these sources, without what names a machine or a person."""
    machine = machine_of(context)
    found: dict[str, bytes] = {}
    for name in sysctls:
        if (value := machine.sysctl(name)) is not None:
            found[f"{SYSCTL}/{name}"] = f"{value}\n".encode()
    for entry in entries:
        properties = machine.registry(entry)
        if not isinstance(properties, Missing):
            kept = {name: value for name, value in properties.items() if name not in IDENTIFIERS}
            found[f"{REGISTRY}/{entry}.plist"] = plistlib.dumps(kept)
    for key in programs:
        printed = machine.program(key)
        if not isinstance(printed, Missing):
            found[f"{PROGRAMS}/{key}"] = KEEPERS[key](printed)
    return found
