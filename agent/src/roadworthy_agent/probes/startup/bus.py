"""Asking systemd over D-Bus, read-only, as any account may.

One connection, then one small question after another: about two hundred and fifty on a desktop, some 30 ms, and
only until a start-up is final. Whole property sets would be thirty times the bytes
(https://github.com/prometheus/node_exporter/issues/1201).
"""

from __future__ import annotations

import string
import time
from typing import Any

from roadworthy_agent.probes import dbus
from roadworthy_agent.probes.startup import names
from roadworthy_agent.probes.startup.state import (
    DEFAULT_TARGET,
    FINISH,
    MANAGER,
    NEVER,
    SIGN_IN_MARKS,
    SIGNS,
    SLEEPS,
    TARGETS,
    UNIT,
    SystemdState,
    UnitTimes,
)

BUS_NAME = "org.freedesktop.systemd1"
MANAGER_PATH = "/org/freedesktop/systemd1"
MANAGER_INTERFACE = f"{BUS_NAME}.Manager"
UNIT_INTERFACE = f"{BUS_NAME}.Unit"
SERVICE_INTERFACE = f"{BUS_NAME}.Service"
PLAIN = frozenset(string.ascii_letters + string.digits)
# Targets whose start job says how this boot will end (systemd.special(7))
ENDINGS = {
    "reboot.target": "reboot",
    "kexec.target": "reboot",
    "soft-reboot.target": "soft_reboot",
    "poweroff.target": "poweroff",
    "halt.target": "poweroff",
}
ENDING_SECONDS = 1.0  # the agent is asked to stop: it has no time to wait for a bus that is going down too


def read_state() -> SystemdState:
    """Return what systemd knows.

    Raises OSError where the bus cannot be reached (PermissionError where it must not) and ProbeError where it
    answers with an error.
    """
    with dbus.system() as bus:
        return Asker(bus).state()


def read_ending() -> str | None:
    """Return how this boot is about to end (reboot, poweroff, soft_reboot), None where it is not. Raises as above."""
    with dbus.system(ENDING_SECONDS, within=ENDING_SECONDS) as bus:
        jobs = bus.call(BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE, "ListJobs")[0]
    wanted = (ENDINGS.get(job[1]) for job in jobs if job[2] == "start")
    return next((ending for ending in wanted if ending), None)


def unit_path(unit: str) -> str:
    """Return the D-Bus path of a unit: every byte that is no letter or digit becomes _xx."""
    escaped = "".join(chr(byte) if chr(byte) in PLAIN else f"_{byte:02x}" for byte in unit.encode())
    return f"{MANAGER_PATH}/unit/{escaped}"


class Asker:
    """The questions asked of one systemd over one connection: the system's, or a user manager on its own socket."""

    def __init__(self, bus: dbus.Bus) -> None:
        self._bus = bus

    def state(self) -> SystemdState:
        """Return what the system's systemd knows of the start-up."""
        manager = {
            name: value for name in MANAGER if isinstance(value := self.manager(name), int)
        }  # an older systemd lacks the newer ones
        finish = manager.get(FINISH, 0)
        marks = {
            name: value
            for name in (*TARGETS, *SIGN_IN_MARKS)
            if isinstance(value := self._get(unit_path(name), UNIT_INTERFACE, UNIT[1]), int)
        }
        target = self._get(unit_path(DEFAULT_TARGET), UNIT_INTERFACE, "Id")
        jobs = self._call("ListJobs")
        running = tuple(job[1] for job in jobs if job[2] == "start" and job[3] == "running")
        signs = {name: begun for name in SIGNS if (begun := self._instant(unit_path(name), UNIT[0]))}
        return SystemdState(
            manager=manager,
            units=tuple(self._units(finish, running)),
            marks=marks,
            default_target=target if isinstance(target, str) else None,
            running_jobs=running,
            now=time.monotonic_ns() // 1000,
            signs=signs,
            sleeps=self._sleeps(),
        )

    def manager(self, name: str) -> Any:
        """Return a property of the manager, None where this systemd does not have it."""
        return self._get(MANAGER_PATH, MANAGER_INTERFACE, name)

    def times(self, unit: str, path: str | None = None) -> UnitTimes:
        """Return the four instants of a unit, all 0 for one that never ran or is not known."""
        path = path or unit_path(unit)
        return UnitTimes(unit, *(self._instant(path, each) for each in UNIT))

    def _units(self, finish: int, running: tuple[str, ...]) -> list[UnitTimes]:
        """Return the times of units that began to start before the start-up was finished."""
        found = []
        for row in self._call("ListUnits"):
            name, load_state, path = row[0], row[2], row[6]
            if load_state != "loaded" or (name not in running and not names.worth_asking(name)):
                continue
            activating = self._instant(path, UNIT[0])
            if activating == 0 or (finish and activating > finish):
                continue
            found.append(UnitTimes(name, activating, *(self._instant(path, each) for each in UNIT[1:])))
        return found

    def _sleeps(self) -> tuple[UnitTimes, ...]:
        """Return when the device was last put to sleep, by each of the ways, without what failed."""
        found = []
        for name in SLEEPS:
            path = unit_path(name)
            if self._instant(path, UNIT[0]) and self._get(path, SERVICE_INTERFACE, "Result") == "success":
                found.append(self.times(name, path))
        return tuple(found)

    def _instant(self, path: str, name: str) -> int:
        value = self._get(path, UNIT_INTERFACE, name)
        return value if isinstance(value, int) and value != NEVER else 0

    def _get(self, path: str, interface: str, name: str) -> Any:
        return self._bus.get(BUS_NAME, path, interface, name)

    def _call(self, method: str) -> list[Any]:
        answer = self._bus.call(BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE, method)
        return answer[0] if answer and isinstance(answer[0], list) else []
