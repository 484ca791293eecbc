"""From sessions to one device state; pure.

Of several sessions the busiest counts: in use, else unknown (then the device is unobserved), else locked, else idle.
Idle is said only of a device with a screen somebody could sit at: a server works for others while nobody is signed
in, so its quiet hours are no unused-on time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from roadworthy_agent.probes.logind import DOORS, Session
from roadworthy_agent.reading import DeviceState

# Desktops that tell logind when nobody touches them (SetIdleHint, in gnome-session's gsm-systemd.c and what was
# forked from it). A hint that was never set looks the same as a person at work, so the others are not believed until
# they have set it once (https://systemd.io/WRITING_DESKTOP_ENVIRONMENTS; KDE: https://bugs.kde.org/show_bug.cgi?id=448942).
TELLING = frozenset({"budgie", "cinnamon", "gnome", "mate", "ubuntu", "unity"})
PARTS = re.compile(r"[a-z]+")

SERVER = "nobody uses it, and it has no screen a person could sit at: what a server does for others no session tells"


def judge(sessions: Iterable[Session], *, screens_dark: bool | None) -> tuple[DeviceState, str]:
    """Return the device state and why.

    `screens_dark` is True where every connected display is switched off, None where that is not known: it stands
    in for a desktop that tells logind nothing.
    """
    present = [each for each in sessions if each.state != "closing"]
    people = [each for each in present if each.of_a_person]
    uses = [use(each, screens_dark=screens_dark) for each in people]
    for wanted in (DeviceState.IN_USE, DeviceState.UNOBSERVED):
        for state, why in uses:
            if state is wanted:
                return state, why
    if any(each.seat and each.graphical and each.locked_hint for each in people):
        return DeviceState.LOCKED, "somebody is signed in and the screen is locked"
    if any(each.seat for each in people) and any(
        each.active and each.seat and each.kind in DOORS for each in present
    ):
        return DeviceState.LOCKED, "somebody is signed in behind a screen that asks for a password"
    if any(each.seat and (each.graphical or each.kind in DOORS) for each in present):
        nobody = "nobody is signed in" if not people else "nobody has touched it for a while"
        return DeviceState.IDLE, nobody
    return DeviceState.UNOBSERVED, SERVER


def use(session: Session, *, screens_dark: bool | None) -> tuple[DeviceState, str]:
    """Return how one session of a person is used: in use, idle (locked counts as that here) or unobserved."""
    if session.locked_hint or session.idle_hint:
        return DeviceState.IDLE, "the session is locked" if session.locked_hint else "the session is idle"
    if session.seat and not session.active:
        return DeviceState.IDLE, "the session is in the background"
    if session.idle_since or (session.graphical and tells(session.desktop)):
        return DeviceState.IN_USE, "a session is in use"
    if not session.graphical:
        return DeviceState.UNOBSERVED, "a session without a terminal does not tell whether anybody uses it"
    if session.seat and screens_dark:
        return DeviceState.IDLE, "the displays are switched off"
    return DeviceState.UNOBSERVED, "this desktop does not tell logind whether anybody uses it"


def tells(desktop: str) -> bool:
    """Tell whether a desktop of that name sets the idle hint."""
    return not TELLING.isdisjoint(PARTS.findall(desktop.casefold()))


def all_dark(connectors: Iterable[tuple[str | None, str | None]]) -> bool | None:
    """Return whether all connected displays are off, from (status, dpms) of each connector; None without a display."""
    powers = [dpms for status, dpms in connectors if status == "connected"]
    if not powers or None in powers:
        return None
    return all(power == "Off" for power in powers)
