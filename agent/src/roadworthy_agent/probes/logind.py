"""Who-less sessions: what logind (or elogind) tells of each one, over D-Bus, without the account it belongs to.

Any account may ask. Names, numbers and addresses of people are in logind's answers; they are dropped here, on the
spot, and no other module sees them. A recorded tree has `roadworthy/logind.json` instead.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probes.dbus import Bus

SERVICE = "org.freedesktop.login1"
MANAGER_PATH = "/org/freedesktop/login1"
MANAGER = f"{SERVICE}.Manager"
SESSION = f"{SERVICE}.Session"
RECORDED = "roadworthy/logind.json"

GRAPHICAL = frozenset({"x11", "wayland", "mir"})
# What logind calls the sessions of people; `user-early` is root's, the light ones are without a user manager
# (org.freedesktop.login1(5)). Left out: greeter, lock-screen, background (cron), manager (`systemd --user` itself).
PEOPLE = frozenset({"user", "user-early", "user-light", "user-early-light"})
DOORS = frozenset({"greeter", "lock-screen"})  # a screen that asks for a password
MOST_SESSIONS = 256  # a terminal server has some hundred; each is one question
PLAIN = re.compile(r"[A-Za-z0-9:_.+-]{1,32}")


@dataclass(frozen=True, slots=True)
class Session:
    """One session. Instants are microseconds of the monotonic clock, 0 is never."""

    kind: str  # logind's class: user, greeter, background, ...
    type: str  # x11, wayland, tty, unspecified, ...
    state: str  # online, active, closing
    active: bool  # in the foreground of its seat
    remote: bool
    seat: bool  # belongs to a seat, that is to keyboard and screen of this device
    idle_hint: bool
    idle_since: int
    locked_hint: bool
    desktop: str  # what the desktop calls itself
    service: str  # the PAM service that opened it: gdm-password, sddm-autologin, sshd, ...
    since: int  # when it was opened

    @property
    def graphical(self) -> bool:
        """Whether it has windows."""
        return self.type in GRAPHICAL

    @property
    def of_a_person(self) -> bool:
        """Whether somebody is signed in by it, and has not just left."""
        return self.kind in PEOPLE and self.state != "closing"


@dataclass(frozen=True, slots=True)
class Sessions:
    """All sessions at one moment, `now` in microseconds of the monotonic clock."""

    now: int
    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """What leads from a session to its account's user manager; stays within the reading function that asked."""

    uid: int | None
    scope: str
    opened_at: int  # microseconds since 1970


def read(bus: Bus) -> Sessions:
    """Return the sessions there are now. Raises as `Bus.call` does."""
    return Sessions(time.monotonic_ns() // 1000, tuple(session for session, _owner in read_owned(bus)))


def read_owned(bus: Bus) -> list[tuple[Session, Owner]]:
    """Return each session and what leads to its user manager."""
    listed = bus.call(SERVICE, MANAGER_PATH, MANAGER, "ListSessions")
    rows = listed[0] if listed and isinstance(listed[0], list) else []
    found = []
    for row in rows[:MOST_SESSIONS]:
        if isinstance(row, tuple) and len(row) > 4 and isinstance(row[4], str):
            properties = bus.all(SERVICE, row[4], SESSION)
            if properties is not None:  # else it ended meanwhile
                found.append((session_of(properties), owner_of(properties)))
    return found


def session_of(properties: Mapping[str, Any]) -> Session:
    """Return what may be kept of a session's properties, whatever they hold."""
    return Session(
        kind=_word(properties.get("Class")),
        type=_word(properties.get("Type")),
        state=_word(properties.get("State")),
        active=properties.get("Active") is True,
        remote=properties.get("Remote") is True,
        seat=bool(_first(properties.get("Seat"))),
        idle_hint=properties.get("IdleHint") is True,
        idle_since=_instant(properties.get("IdleSinceHintMonotonic")),
        locked_hint=properties.get("LockedHint") is True,
        desktop=_word(properties.get("Desktop")),
        service=_word(properties.get("Service")),
        since=_instant(properties.get("TimestampMonotonic")),
    )


def owner_of(properties: Mapping[str, Any]) -> Owner:
    """Return the account's number, the name of the session's scope and the time it was opened."""
    uid = _first(properties.get("User"))
    scope = properties.get("Scope")
    return Owner(
        uid=uid if isinstance(uid, int) and not isinstance(uid, bool) else None,
        scope=scope if isinstance(scope, str) else "",
        opened_at=_instant(properties.get("Timestamp")),
    )


def to_json(sessions: Sessions) -> str:
    """Return sessions as the text of `roadworthy/logind.json`."""
    document = {"now": sessions.now, "sessions": [asdict(each) for each in sessions.sessions]}
    return json.dumps(document, indent=1) + "\n"


def from_json(text: str) -> Sessions:
    """Read `roadworthy/logind.json` back; raises ProbeError naming what is wrong with it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProbeError(f"{RECORDED} is no JSON: {error}") from error
    rows = document.get("sessions") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ProbeError(f"{RECORDED} holds no object with a list of `sessions`")
    return Sessions(
        now=_count(document.get("now", 0), "now"),
        sessions=tuple(_recorded(row, number) for number, row in enumerate(rows[:MOST_SESSIONS])),
    )


def _recorded(row: Any, number: int) -> Session:
    if not isinstance(row, dict):
        raise ProbeError(f"{RECORDED}: session {number} is no object")
    values: dict[str, Any] = {}
    for each in fields(Session):
        value = row.get(each.name)
        if each.type == "int":
            values[each.name] = _count(value or 0, each.name)
        elif each.type == "bool":
            values[each.name] = value is True
        else:
            values[each.name] = _word(value)
    return Session(**values)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise ProbeError(f"{RECORDED}: `{name}` is no count of microseconds")
    return value


def _word(value: Any) -> str:
    """Return a plain word; what somebody could have written a name into becomes "other"."""
    if not isinstance(value, str) or not value:
        return ""
    return value if PLAIN.fullmatch(value) else "other"


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (tuple, list)) and value else None


def _instant(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 63
    return value if whole else 0
