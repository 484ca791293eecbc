"""From who-less sessions and the instants around them to sign-in records; pure.

A sign-in begins when its session is opened: the password is typed and checked by then, so that waiting for a person
is no part of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from roadworthy_agent.digest import sha256
from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.signin import connection
from roadworthy_agent.probes.signin.connection import Link
from roadworthy_agent.probes.startup.state import NEVER
from roadworthy_agent.probes.tree import recorded_object
from roadworthy_agent.report import Phase, SigninRecord

RECORDED = "roadworthy/signin.json"
SOURCE = "logind and systemd over D-Bus"
MEASURED, APPROXIMATE, UNFINISHED = "measured", "approximate", "unfinished"
LOOKED_SOON = 1_200_000_000  # microseconds: later than that, the network may be another one
# logind notes the session when it has asked systemd for its scope, which may be there by then
SAME_MOMENT = 1_000_000
DESKTOP_WITHIN = 300_000_000  # a desktop that has not told by then will not
NETWORK_FILES = frozenset(
    {
        "9p", "afs", "ceph", "cifs", "davfs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs",
        "nfs4", "smb3", "smbfs",
    }
)  # fmt: skip
HIDDEN = Missing(
    "signins.usable_seconds",
    Status.NO_PERMISSION,
    "when a desktop is ready only its own systemd knows, which answers the person and root",
)


@dataclass(frozen=True, slots=True)
class Opened:
    """One session at the device itself; instants in microseconds of the monotonic clock, 0 is never.

    `manager` is when the account's user manager last began to start and was ready, `scope` when the session was
    released to the desktop, `desktop` when graphical-session.target was reached, None where that cannot be read.
    """

    since: int
    graphical: bool
    manager_began: int = 0
    manager_ready: int = 0
    scope: int = 0
    desktop: int | None = None
    age: int = 0  # microseconds since it was opened, time asleep included; 0 where the clock does not tell


@dataclass(frozen=True, slots=True)
class Look:
    """All that was read at one moment, without a name in it."""

    now: int
    start_id: str
    sessions: tuple[Opened, ...] = ()
    links: tuple[Link, ...] = ()
    home_types: tuple[str, ...] = ()  # file systems mounted at /home or below it
    other_types: tuple[str, ...] = ()  # and anywhere else
    sees_desktops: bool = False


def records(look: Look, boot_id: str, now_boottime: float) -> tuple[SigninRecord, ...]:
    """Return a record of each session; `now_boottime` is the moment of the look on the boot clock, in seconds."""
    return tuple(_record(each, look, boot_id, now_boottime) for each in look.sessions)


def _age(opened: Opened, look: Look, now_boottime: float) -> float:
    """Return the seconds since a session was opened, time asleep included.

    Its instant is of the clock that stands still while the device sleeps: the age is at least the awake time since,
    and at most that and all the time the device has slept.
    """
    awake = max(0, look.now - opened.since) / 1e6
    slept = max(0.0, now_boottime - look.now / 1e6)
    return min(max(opened.age / 1e6, awake), awake + slept)


def _record(opened: Opened, look: Look, boot_id: str, now_boottime: float) -> SigninRecord:
    phases, end = _phases(opened)
    waiting = (
        end is None and (not opened.scope or look.sees_desktops) and look.now - opened.since < DESKTOP_WITHIN
    )
    total = None if end is None else _seconds(end - opened.since)
    soon = look.now - opened.since <= LOOKED_SOON
    return SigninRecord(
        key=sha256(f"{boot_id}:{opened.since}".encode()).hex(),
        began_boottime_seconds=round(now_boottime - _age(opened, look, now_boottime), 6),
        final=not waiting,
        quality=MEASURED if total is not None else UNFINISHED if waiting else APPROXIMATE,
        start_id=look.start_id,
        total_seconds=total,
        usable_seconds=total,
        credentials="unknown",  # only the log-on service could tell, and it does not
        connection=connection.judge(look.links) if soon else connection.UNKNOWN,
        roaming_profile=roaming(look.home_types, look.other_types),
        source=SOURCE,
        phases=phases,
    )


def _phases(opened: Opened) -> tuple[tuple[Phase, ...], int | None]:
    """Return the phases one after the other and when the session could be used, None where that is not known."""
    phases, at = [], opened.since
    if opened.manager_ready >= opened.manager_began and opened.manager_ready > at:
        phases.append(_phase("user_manager", opened.manager_ready - at))
        at = opened.manager_ready
    if opened.scope + SAME_MOMENT < opened.since:
        return tuple(phases), None  # not released yet
    phases.append(_phase("session", max(0, opened.scope - at)))
    at = max(at, opened.scope)
    if not opened.graphical:
        return tuple(phases), at
    if opened.desktop is None or opened.desktop < at:
        return tuple(phases), None
    phases.append(_phase("desktop", opened.desktop - at))
    return tuple(phases), opened.desktop


def _phase(name: str, microseconds: int) -> Phase:
    return Phase(name, _seconds(microseconds), counted=True, quality=MEASURED, source=SOURCE)


def _seconds(microseconds: int) -> float:
    return round(microseconds / 1e6, 6)


def roaming(home_types: tuple[str, ...], other_types: tuple[str, ...]) -> bool | None:
    """Return whether homes lie on a server; None where they might, in a place that is not /home."""
    if not NETWORK_FILES.isdisjoint(home_types):
        return True
    return False if NETWORK_FILES.isdisjoint(other_types) else None


def to_json(look: Look) -> str:
    """Return a look as the text of `roadworthy/signin.json`."""
    return json.dumps(asdict(look), indent=1) + "\n"


def from_json(text: str) -> Look:
    """Read `roadworthy/signin.json` back; raises ProbeError naming what is wrong with it."""
    document = recorded_object(text, RECORDED)
    return Look(
        now=_instant(document.get("now", 0)),
        start_id=str(document.get("start_id", "")),
        sessions=tuple(_opened(row) for row in _rows(document, "sessions")),
        links=tuple(_link(row) for row in _rows(document, "links")),
        home_types=_words(document, "home_types"),
        other_types=_words(document, "other_types"),
        sees_desktops=document.get("sees_desktops") is True,
    )


def _opened(row: Any) -> Opened:
    if not isinstance(row, dict):
        raise ProbeError(f"{RECORDED}: each of `sessions` is an object")
    desktop = row.get("desktop")
    return Opened(
        since=_instant(row.get("since", 0)),
        graphical=row.get("graphical") is True,
        manager_began=_instant(row.get("manager_began", 0)),
        manager_ready=_instant(row.get("manager_ready", 0)),
        scope=_instant(row.get("scope", 0)),
        desktop=None if desktop is None else _instant(desktop),
        age=_instant(row.get("age", 0)),
    )


def _link(row: Any) -> Link:
    if not isinstance(row, dict):
        raise ProbeError(f"{RECORDED}: each of `links` is an object")
    metric = row.get("metric")
    return Link(str(row.get("kind")), row.get("up") is True, None if metric is None else _instant(metric))


def _rows(document: dict[str, Any], name: str) -> list[Any]:
    rows = document.get(name, [])
    if not isinstance(rows, list):
        raise ProbeError(f"{RECORDED}: `{name}` is no list")
    return rows


def _words(document: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(word) for word in _rows(document, name))


def _instant(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NEVER:
        raise ProbeError(f"{RECORDED}: {value!r} is no count of microseconds")
    return value
