"""Whether a person was there when the device started up; pure, and without telling when.

Yes: a disk password was typed during the start-up, or somebody signed in at the device within five minutes of being
able to. No: the five minutes passed and nobody did. Otherwise it is not known.

The answer is given when the five minutes are over and not at the sign-in: the moment a report is sent would tell the
moment of the sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from roadworthy_agent.probes.logind import DOORS, Sessions
from roadworthy_agent.probes.startup.state import PASSWORD_PROMPTS, PROMPT_ANSWERED

WINDOW = 300_000_000  # microseconds
ITSELF = "autologin"  # gdm-autologin, sddm-autologin, lightdm-autologin: the PAM services that ask nobody


@dataclass(frozen=True, slots=True)
class Attendance:
    """`attended` None is not known; `waiting` means that it may be soon."""

    attended: bool | None = None
    waiting: bool = False


def password_typed(begun: Mapping[str, int], end: int) -> bool:
    """Tell whether a password was asked for before `end` and no key server answered in the person's place."""
    if begun.get(PROMPT_ANSWERED):
        return False
    return any(0 < begun.get(unit, 0) <= end for unit in PASSWORD_PROMPTS)


def judge(begun: Mapping[str, int], base: int, usable: int | None, sessions: Sessions | None) -> Attendance:
    """Return whether somebody was there. Instants are microseconds of the monotonic clock.

    `base` is where the start-up began, `usable` from when a person could sign in.
    """
    if usable is not None and password_typed(begun, usable):
        return Attendance(attended=True)
    if usable is None or sessions is None or not _has_a_screen(sessions):
        return Attendance()
    if sessions.now < usable + WINDOW:
        return Attendance(waiting=True)
    during = [
        each
        for each in sessions.sessions
        if each.of_a_person and each.seat and not each.remote and base < each.since <= usable + WINDOW
    ]
    if any(not each.service.endswith(ITSELF) for each in during):
        return Attendance(attended=True)
    if during or sessions.now > usable + 2 * WINDOW:
        return (
            Attendance()
        )  # it signs in by itself, or this look comes too late: somebody may have come and gone
    return Attendance(attended=False)


def _has_a_screen(sessions: Sessions) -> bool:
    """Tell whether a person could sit down at the device: a server is restarted from afar."""
    return any(each.seat and (each.graphical or each.kind in DOORS) for each in sessions.sessions)
