"""What kind of start-up it was: several independent signs and one judge; pure.

Linux keeps no single record of it. Each sign alone may be missing; where none tells, the kind is unknown with the
reason, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.startup.history import BOOT, POWEROFF, REBOOT, Event, before_this_boot
from roadworthy_agent.probes.startup.state import OFFLINE_UPDATES

FIRST, UPDATE, DIRTY, RESTART, COLD, UNKNOWN = "first", "update", "dirty", "restart", "cold", "unknown"

CLOCK_SLACK_SECONDS = 300.0  # the clock is often set by the network after the boot was noted
# Between the record of a shutdown and the next kernel lie the rest of the shutdown and the firmware. A restart cannot
# take long; who switches off and on again at once has restarted.
RESTARTED_WITHIN_SECONDS = 120.0
COLD_AFTER_SECONDS = 900.0  # where the firmware's own time is not known: slow servers test memory for minutes
UPDATED_WITHIN_SECONDS = 1800.0  # an offline update ends by restarting the device

NO_RECORD = "wtmp has no record of this start-up, or the clock was set since"
NOTHING_BEFORE = "wtmp begins with this start-up: what was before is not known"
# What the last record before this boot's own proves by itself
PLAIN_ENDS = {
    BOOT: (DIRTY, "wtmp: the boot before has no shutdown"),
    REBOOT: (RESTART, "wtmp: run level 6"),
    POWEROFF: (COLD, "wtmp: run level 0"),
}


@dataclass(frozen=True, slots=True)
class Signs:
    """What the judge is given.

    `ended_as` is what the agent itself noted when it was last asked to stop: reboot or poweroff. `before_kernel` is
    the believed time of firmware and loader in seconds, None where it is not known.
    """

    kernel_started_at: float
    history: tuple[Event, ...] | Missing
    before_kernel: float | None = None
    first_boot: bool = False
    begun: Mapping[str, int] | None = (
        None  # systemd units that tell something by having begun, see state.SIGNS
    )
    offline_update_ended_at: float | None = None
    recovered: str | None = None  # the kernel's line that says a file system had not been closed
    ended_as: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind and what says so, or why it is unknown."""

    kind: str
    source: str | None = None
    missing: Missing | None = None


def judge(signs: Signs) -> Kind:
    """Return the kind of a boot of the whole system: the strongest sign first."""
    if signs.first_boot:
        return Kind(FIRST, "/run/systemd/first-boot")
    if any((signs.begun or {}).get(unit) for unit in OFFLINE_UPDATES):
        return Kind(UPDATE, "an offline update ran in this boot")
    ended = signs.offline_update_ended_at
    if ended is not None and -60.0 <= signs.kernel_started_at - ended <= UPDATED_WITHIN_SECONDS:
        return Kind(UPDATE, "PackageKit's record of an offline update")
    if signs.recovered is not None:
        return Kind(DIRTY, "the kernel's log: a file system had to be recovered")
    return _by_history(signs)


def _by_history(signs: Signs) -> Kind:
    if isinstance(signs.history, Missing):
        return _by_note(signs, signs.history)
    earlier = before_this_boot(signs.history, signs.kernel_started_at, CLOCK_SLACK_SECONDS)
    if not earlier:
        why = NO_RECORD if earlier is None else NOTHING_BEFORE
        return _by_note(signs, _unknown(why))
    last = earlier[-1]
    if last.what in PLAIN_ENDS:
        kind, source = PLAIN_ENDS[last.what]
        return Kind(kind, source)
    noted = _by_note(signs, _unknown(""))
    return noted if noted.kind != UNKNOWN else _by_time_off(signs, last)


def _by_note(signs: Signs, otherwise: Missing) -> Kind:
    if signs.ended_as == "reboot":
        return Kind(RESTART, "systemd's job when the agent was last stopped")
    if signs.ended_as == "poweroff":
        return Kind(COLD, "systemd's job when the agent was last stopped")
    return Kind(UNKNOWN, missing=otherwise)


def _by_time_off(signs: Signs, shutdown: Event) -> Kind:
    """Judge by how long the device was off: systemd notes a shutdown and not what it is for."""
    off = signs.kernel_started_at - (signs.before_kernel or 0.0) - shutdown.at
    if off < -CLOCK_SLACK_SECONDS:
        return Kind(UNKNOWN, missing=_unknown("the clock was set between the shutdown and this start-up"))
    if off <= RESTARTED_WITHIN_SECONDS:
        return Kind(RESTART, "wtmp: started again within two minutes of the shutdown")
    if signs.before_kernel is not None or off > COLD_AFTER_SECONDS:
        return Kind(COLD, "wtmp: off for a while after the shutdown")
    reason = "off for some minutes, and the firmware does not tell how much of that was its own"
    return Kind(UNKNOWN, missing=_unknown(reason))


def _unknown(reason: str) -> Missing:
    return Missing("startups.kind", Status.NOT_SUPPORTED, reason)
