"""Why nothing is told of sign-ins on macOS.

loginwindow notes in the unified log when a sign-in is complete ("login state: LoginComplete", category
KeyMilestone). No mark is known of when the password was accepted, so that the time from there could be measured
without the time a person took to type; and with FileVault the password is asked for before the system starts, so that
the same sign-in has no beginning at all. A difference of two marks that may hold minutes of waiting is no duration.
"""

from __future__ import annotations

from roadworthy_agent.probe import Context, ProbeResult, Status
from roadworthy_agent.report import SigninRecord

FILES: tuple[str, ...] = ()
REASON = (
    "macOS notes when a sign-in is complete, but not when the password was accepted: its duration cannot be told from "
    "the time a person took to type"
)


def collect(_context: Context) -> ProbeResult[tuple[SigninRecord, ...]]:
    """Say why there is nothing."""
    return ProbeResult("signin", Status.NOT_SUPPORTED, (), REASON)


def record(_context: Context) -> dict[str, bytes]:
    """Return nothing, as nothing is read."""
    return {}
