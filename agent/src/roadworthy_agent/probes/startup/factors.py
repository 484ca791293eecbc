"""What took longest in a start-up: systemd-analyze's "blame", cleaned up; pure."""

from __future__ import annotations

from collections.abc import Collection

from roadworthy_agent.probes.startup import state as systemd
from roadworthy_agent.probes.startup.names import is_alias, kind_of, reduce_name
from roadworthy_agent.probes.startup.state import SystemdState, UnitTimes
from roadworthy_agent.report import Factor

SLOWEST = 20
STILL_RUNNING_STEP = 10_000_000  # microseconds
UNLOCK = "systemd-cryptsetup@"


def unit_time(unit: UnitTimes, soft_reboot: int = 0) -> int:
    """Return the microseconds a unit took to start; 0 if it never started or belongs to the boot before.

    Up to "active", or for a one-shot job that is done up to "inactive".
    """
    if unit.activating == 0 or unit.activating < soft_reboot or 0 < unit.activated < soft_reboot:
        return 0
    if unit.activated >= unit.activating:
        return unit.activated - unit.activating
    if unit.deactivated >= unit.activating:
        return unit.deactivated - unit.activating
    return 0


def contributing_factors(state: SystemdState, offset: int, private: Collection[str]) -> tuple[Factor, ...]:
    """Return the slowest units, slowest first, by the part of their name that may leave the device.

    systemd keeps only the latest start of a unit: one that began after the start-up ended was restarted since
    and is left out. Jobs that still run come with the time they have taken so far. `offset` turns a monotonic
    instant into microseconds since the start-up began. Several names that become the same count once, as the
    slowest of them.
    """
    finish, soft = state.at(systemd.FINISH), state.at(systemd.SOFT_REBOOT)
    slowest: dict[str, Factor] = {}
    hanging = dict.fromkeys(state.running_jobs) if finish == 0 else {}
    for unit in state.units:
        if finish and unit.activating > finish:
            continue
        taken = unit_time(unit, soft)
        if unit.name in hanging and taken == 0 and state.now > unit.activating > 0:
            taken = _step(state.now - unit.activating)
        name = reduce_name(unit.name, private)
        # An alias of a disk repeats the disk's own line; it is worth one only while it is waited for.
        if taken <= 0 or name is None or (is_alias(name) and unit.name not in hanging):
            continue
        known = slowest.get(name)
        if known is None or (known.seconds or 0.0) < taken / 1e6:
            slowest[name] = Factor(
                kind=kind_of(name),
                name=name,
                seconds=round(taken / 1e6, 6),
                began_seconds=round(max(0, unit.activating + offset) / 1e6, 6),
            )
    for job in hanging:
        name = reduce_name(job, private)
        if name is not None and name not in slowest:
            slowest[name] = Factor(
                kind=kind_of(name), name=name
            )  # waited for, and not begun: a missing device
    ranked = sorted(slowest.values(), key=lambda factor: (-(factor.seconds or float("inf")), factor.name))
    return tuple(ranked[:SLOWEST])


def _step(microseconds: int) -> int:
    """Round a job's time so far down to ten seconds, so that not every look is a new revision of the record."""
    return (
        microseconds - microseconds % STILL_RUNNING_STEP
        if microseconds > STILL_RUNNING_STEP
        else microseconds
    )


def unlocking(state: SystemdState, begin: int, end: int) -> bool:
    """Tell whether an encrypted disk was unlocked between two instants."""
    return any(
        unit.name.startswith(UNLOCK) and begin <= unit.activating < end and unit_time(unit) > 0
        for unit in state.units
    )
