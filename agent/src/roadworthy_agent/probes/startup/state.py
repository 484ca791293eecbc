"""What systemd knows of a start-up, as read: microseconds of the monotonic clock, whose zero is the kernel's start.

The names are those of the D-Bus interfaces org.freedesktop.systemd1.Manager and .Unit
(https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html). Firmware and loader
count backwards: how long before the kernel's start they began.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probes.startup.names import reduce_name
from roadworthy_agent.probes.tree import recorded_object

FIRMWARE = "FirmwareTimestampMonotonic"
LOADER = "LoaderTimestampMonotonic"
INITRD = "InitRDTimestampMonotonic"
USERSPACE = "UserspaceTimestampMonotonic"
FINISH = "FinishTimestampMonotonic"
SECURITY = "SecurityStartTimestampMonotonic"
SOFT_REBOOT = "SoftRebootStartTimestampMonotonic"
MANAGER = (FIRMWARE, LOADER, INITRD, USERSPACE, FINISH, SECURITY, SOFT_REBOOT)

# A unit's four instants, in the order of UnitTimes
UNIT = (
    "InactiveExitTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
    "ActiveExitTimestampMonotonic",
    "InactiveEnterTimestampMonotonic",
)
NEVER = 2**64 - 1  # how systemd writes "no such instant" in some places

# Asked for by name because they may be aliases, which ListUnits leaves out
DEFAULT_TARGET = "default.target"
TARGETS = (DEFAULT_TARGET, "graphical.target", "multi-user.target")
SIGN_IN_MARKS = ("display-manager.service", "systemd-user-sessions.service")

# Units that tell something by having begun at all
PASSWORD_PROMPTS = ("systemd-ask-password-console.service", "systemd-ask-password-plymouth.service")
PROMPT_ANSWERED = (
    "clevis-luks-askpass.service"  # answers the prompt from a key server or the TPM: nobody types
)
OFFLINE_UPDATES = (
    "packagekit-offline-update.service",
    "dnf-system-upgrade.service",
    "dnf5-offline-transaction.service",
    "fwupd-offline-update.service",
    "system-update.target",  # all of them belong to it (systemd.offline-updates(7))
)
SIGNS = (*PASSWORD_PROMPTS, PROMPT_ANSWERED, *OFFLINE_UPDATES)
# Each runs from before the device falls asleep until after it woke (systemd-suspend.service(8))
SLEEPS = {
    "systemd-suspend.service": "resume",
    "systemd-hybrid-sleep.service": "resume",
    "systemd-suspend-then-hibernate.service": "resume",
    "systemd-hibernate.service": "hibernate",
}


@dataclass(frozen=True, slots=True)
class UnitTimes:
    """When a unit last began to start, was up, began to stop, was down; 0 is never."""

    name: str
    activating: int
    activated: int = 0
    deactivating: int = 0
    deactivated: int = 0


@dataclass(frozen=True, slots=True)
class SystemdState:
    """One look at systemd."""

    manager: Mapping[str, int]
    units: tuple[UnitTimes, ...] = ()
    marks: Mapping[str, int] = field(default_factory=dict)  # TARGETS and SIGN_IN_MARKS -> when last up
    default_target: str | None = None  # what default.target stands for
    running_jobs: tuple[str, ...] = ()  # units whose start job runs at this moment
    now: int = 0
    signs: Mapping[str, int] = field(default_factory=dict)  # SIGNS -> when last begun
    sleeps: tuple[UnitTimes, ...] = ()  # SLEEPS that ran, and did not fail

    def at(self, name: str) -> int:
        """Return a manager instant in microseconds, 0 where it is not set."""
        value = self.manager.get(name, 0)
        return 0 if value == NEVER else value


def without_names(state: SystemdState, private: Collection[str]) -> SystemdState:
    """Return the state as it may be passed on: units by the part of their name that may leave the device.

    Of units that become the same name the slowest stays, as among the contributing factors.
    """
    units: dict[str, UnitTimes] = {}
    for unit in state.units:
        name = reduce_name(unit.name, private)
        if name is None:
            continue
        known = units.get(name)
        if known is None or _longest(unit) > _longest(known):
            units[name] = replace(unit, name=name)
    jobs = (reduce_name(job, private) for job in state.running_jobs)
    return replace(
        state,
        units=tuple(units.values()),
        running_jobs=tuple(dict.fromkeys(job for job in jobs if job is not None)),
        default_target=state.default_target if state.default_target in TARGETS else None,
    )


def _longest(unit: UnitTimes) -> int:
    return max(unit.activated, unit.deactivated) - unit.activating


def to_json(state: SystemdState) -> str:
    """Return a state as the text of `roadworthy/systemd.json` in a recorded tree."""
    document = {
        "now": state.now,
        "manager": dict(state.manager),
        "default_target": state.default_target,
        "marks": dict(state.marks),
        "running_jobs": list(state.running_jobs),
        "signs": dict(state.signs),
        "sleeps": _times(state.sleeps),
        "units": _times(state.units),
    }
    return json.dumps(document, indent=1) + "\n"


def from_json(text: str) -> SystemdState:
    """Read `roadworthy/systemd.json` back; raises ProbeError naming what is wrong with it."""
    document = recorded_object(text, "roadworthy/systemd.json")
    default_target = document.get("default_target")
    return SystemdState(
        manager=_instants(_object(document, "manager"), "manager"),
        units=_units(document, "units"),
        marks=_instants(_object(document, "marks"), "marks"),
        default_target=str(default_target) if default_target else None,
        running_jobs=tuple(map(str, document.get("running_jobs") or ())),
        now=_instants({"now": document.get("now", 0)}, "now")["now"],
        signs=_instants(_object(document, "signs"), "signs"),
        sleeps=_units(document, "sleeps"),
    )


def _times(units: tuple[UnitTimes, ...]) -> dict[str, list[int]]:
    return {
        unit.name: [unit.activating, unit.activated, unit.deactivating, unit.deactivated] for unit in units
    }


def _units(document: dict[str, Any], name: str) -> tuple[UnitTimes, ...]:
    units = _object(document, name)
    if not all(isinstance(times, list) and len(times) == len(UNIT) for times in units.values()):
        raise ProbeError(f"roadworthy/systemd.json: each of `{name}` is a list of four instants")
    return tuple(
        UnitTimes(str(unit), *_instants(dict(zip(UNIT, times, strict=True)), unit).values())
        for unit, times in units.items()
    )


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise ProbeError(f"roadworthy/systemd.json: `{name}` is no object")
    return value


def _instants(values: Mapping[str, Any], where: str) -> dict[str, int]:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NEVER:
            raise ProbeError(f"roadworthy/systemd.json: `{name}` of {where} is no count of microseconds")
    return dict(values)
