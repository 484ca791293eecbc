"""Reading the device state on macOS: the I/O Registry, for any account, without starting anything; never who."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.macos.machine import MacMachine, machine_of, recording
from roadworthy_agent.macos.registry import flag, number
from roadworthy_agent.probe import Context, Missing, ProbeResult, Status
from roadworthy_agent.reading import DeviceState, StateReading

FILES: tuple[str, ...] = ()
ROOT, INPUT = "Root", "IOHIDSystem"
IDLE_SECONDS = 300.0  # as on the other systems: no input for five minutes
MOST_SECONDS = 366 * 86400.0
SOURCE = "ioreg:IOConsoleUsers+HIDIdleTime"
NO_INPUT_TIME = "IOHIDSystem tells no time since the last input"

Result = ProbeResult[StateReading]


class Sampler:
    """Asks two entries at each sample."""

    def __init__(self, context: Context) -> None:
        self._machine = machine_of(context)

    def read(self) -> Result:
        """Return the device state at this moment."""
        root, entry = _asked(self._machine, ROOT), _asked(self._machine, INPUT)
        if isinstance(root, Missing):
            return _unobserved(root)
        idle = entry if isinstance(entry, Missing) else idle_seconds(entry)
        state = parse_state(root, idle)
        return _unobserved(state) if isinstance(state, Missing) else _result(state)


def collect(context: Context) -> Result:
    """Look once."""
    return Sampler(context).read()


def record(context: Context) -> dict[str, bytes]:
    """Return what this probe reads; the names of who is signed in were dropped when it was read."""
    return recording(context, entries=(ROOT, INPUT))


def parse_state(root: Mapping[str, Any], idle: float | Missing) -> DeviceState | Missing:
    """Return the state: nobody signed in is idle, a locked screen is locked whatever moves, else by the last input.

    IOConsoleUsers lists sessions; one at the login window is there without kCGSessionLoginDoneKey. The screen's lock
    is told in the session, and by newer systems for the whole console.
    """
    sessions = root.get("IOConsoleUsers")
    listed = [each for each in sessions if isinstance(each, dict)] if isinstance(sessions, list) else []
    here = [
        each
        for each in listed
        if flag(each, "kCGSessionLoginDoneKey") and flag(each, "kCGSSessionOnConsoleKey") is not False
    ]
    if not here:
        return DeviceState.IDLE
    if flag(root, "IOConsoleLocked") or any(flag(each, "CGSSessionScreenIsLocked") for each in here):
        return DeviceState.LOCKED
    if isinstance(idle, Missing):
        return idle
    return DeviceState.IDLE if idle >= IDLE_SECONDS else DeviceState.IN_USE


def idle_seconds(properties: Mapping[str, Any]) -> float | Missing:
    """Return the seconds since the last key, click or move (HIDIdleTime, nanoseconds)."""
    nanoseconds = number(properties, "HIDIdleTime")
    if nanoseconds is None or not 0 <= nanoseconds / 1e9 <= MOST_SECONDS:
        return Missing("state", Status.NOT_SUPPORTED, NO_INPUT_TIME)
    return nanoseconds / 1e9


def _asked(machine: MacMachine, entry: str) -> Mapping[str, Any] | Missing:
    try:
        return machine.registry(entry)
    except ProbeError as error:
        return Missing("state", Status.ERROR, str(error))


def _result(state: DeviceState) -> Result:
    return ProbeResult("state", Status.OK, StateReading(state, SOURCE), source=SOURCE)


def _unobserved(why: Missing) -> Result:
    reading = StateReading(DeviceState.UNOBSERVED, SOURCE)
    return ProbeResult("state", why.status, reading, why.reason, SOURCE)
