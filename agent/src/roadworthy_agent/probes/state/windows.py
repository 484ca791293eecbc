"""Reading the device state on Windows: the sessions WTS knows, by number, never by name.

A service runs in session 0 and sees no keyboard, so it asks Windows for each session: locked or not, and when input
last came. The time of input has been seen to equal the present time for the session at the console, whatever a
person did (http://htd2007.blogspot.com/2008/02/idle-time-on-terminal-service-session-1.html): there it is believed
only once it was seen to stand still and to move on. Until then the lock state is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.reading import DeviceState, StateReading, Status
from roadworthy_agent.windows.machine import WindowsMachine, machine_of
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorder import RecordingWindows
from roadworthy_agent.windows.registry import text_of

FILES: tuple[str, ...] = ()
SOURCE = "WTSQuerySessionInformation"
VERSION_KEY = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
IDLE_SECONDS = 300.0
TICKS = 10_000_000  # a second, in the 100 ns of a FILETIME
EPOCH = 116_444_736_000_000_000  # 1970 as a FILETIME
SAME_SECONDS = 2.0  # closer to the present than this, and a time of input is no sign of anything
ACTIVE, DISCONNECTED = 0, 4  # WTS_CONNECTSTATE_CLASS
LOCK, UNLOCK = 0, 1  # WTS_SESSIONSTATE_*
FIRST_WITH_RIGHT_FLAGS = 9200  # Windows 8; before, lock and unlock are swapped, "due to a code defect"
SERVICES = 0  # the session of services, where nobody sits

LOCK_ONLY = "lock state only, the time of input is not known to be right here"
SERVER = "nobody uses it, and what a server does for others no session tells"
Result = ProbeResult[StateReading]


@dataclass(frozen=True, slots=True)
class Session:
    """What one session tells; `idle_seconds` None where no input was told, `locked` None where that is not known."""

    number: int
    state: int
    signed_in: bool
    locked: bool | None
    last_input: int | None
    idle_seconds: float | None


class Sampler:
    """Asks at each call, and remembers whether the console's time of input can be believed."""

    def __init__(self, context: Context) -> None:
        self._machine = machine_of(context)
        self._swapped, self._server = _edition(self._machine)
        self._inputs: dict[int, int] = {}  # session -> the time of input at the last look
        self._stood: set[int] = set()  # sessions whose time of input was seen to stay behind the present
        self._moved: set[int] = set()  # sessions whose time of input was seen to move on

    def read(self) -> Result:
        """Return the device state at this moment."""
        raw = self._machine.calls("state")
        if raw.inner("sessions").values or "sessions" not in raw.values:
            refused = raw.missing("sessions", "state")
            return ProbeResult("state", refused.status, reason=refused.reason, source=SOURCE)
        sessions = [session_of(each, swapped=self._swapped) for each in raw.each("sessions")]
        known = [each for each in sessions if each is not None and each.number != SERVICES]
        self._learn(known)
        state, why = judge(known, console=raw.number("console"), trusted=self._trusted, server=self._server)
        return ProbeResult("state", Status.OK, StateReading(state, f"WTS: {why}"), source=SOURCE)

    @property
    def _trusted(self) -> frozenset[int]:
        return frozenset(self._stood & self._moved)

    def _learn(self, sessions: list[Session]) -> None:
        """Take note of how times of input behave; one that jumped back or a session gone begins anew."""
        for session in sessions:
            if session.last_input is None or session.idle_seconds is None:
                continue
            before = self._inputs.get(session.number)
            if before is not None and session.last_input < before:
                self._stood.discard(session.number)
                self._moved.discard(session.number)
            elif before is not None and session.last_input > before:
                self._moved.add(session.number)
            if session.idle_seconds > SAME_SECONDS:
                self._stood.add(session.number)
        self._inputs = {each.number: each.last_input for each in sessions if each.last_input is not None}
        self._stood &= self._inputs.keys()
        self._moved &= self._inputs.keys()


def judge(
    sessions: list[Session], *, console: int | None, trusted: frozenset[int], server: bool
) -> tuple[DeviceState, str]:
    """Return the device state and why; pure. Of several sessions the busiest counts.

    `trusted` are sessions whose time of input is believed; those that are not at the console always are.
    """
    uses = [_use(each, believed=each.number != console or each.number in trusted) for each in sessions]
    found = [use for use in uses if use is not None]
    for wanted in (DeviceState.IN_USE, DeviceState.UNOBSERVED, DeviceState.LOCKED, DeviceState.IDLE):
        for state, why in found:
            if state is wanted:
                return state, why
    if server:
        return DeviceState.UNOBSERVED, SERVER
    return DeviceState.IDLE, "nobody is signed in"


def _use(session: Session, *, believed: bool) -> tuple[DeviceState, str] | None:
    """Return how a session is used, None for one nobody is signed in to."""
    if session.state != ACTIVE:
        gone = session.state == DISCONNECTED and session.signed_in
        return (DeviceState.IDLE, "whoever is signed in has disconnected") if gone else None
    if session.locked is None:
        return DeviceState.UNOBSERVED, "Windows does not say whether the session is locked"
    if session.locked:
        return DeviceState.LOCKED, "somebody is signed in and the screen is locked"
    if not believed or session.idle_seconds is None:
        return DeviceState.IN_USE, f"a session is unlocked ({LOCK_ONLY})"
    if session.idle_seconds >= IDLE_SECONDS:
        return DeviceState.IDLE, "no input for five minutes"
    return DeviceState.IN_USE, "a session is in use"


def session_of(raw: Raw, *, swapped: bool) -> Session | None:
    """Return a session's numbers as values; None for one without number or state."""
    number, state, flags = raw.number("session"), raw.number("state"), raw.number("flags")
    if number is None or state is None:
        return None
    locked = None if flags not in {LOCK, UNLOCK} else (flags == LOCK) != swapped
    last, now = raw.number("last_input"), raw.number("now")
    known = last is not None and now is not None and 0 < last <= now
    return Session(
        number=number,
        state=state,
        signed_in=raw.flag("signed_in") is True,
        locked=locked,
        last_input=last if known else None,
        idle_seconds=(now - last) / TICKS if last is not None and now is not None and known else None,
    )


def collect(context: Context) -> Result:
    """Look once."""
    return Sampler(context).read()


def record(context: Context) -> dict[str, bytes]:
    """Return one look at the sessions; nothing in it names a person, and no time of sign-in is in it."""
    recording = RecordingWindows(machine_of(context))
    _edition(recording)
    recording.calls("state")
    recording.change("state", "sessions", _without_clock_times)
    return recording.files("state")


def _without_clock_times(sessions: Any) -> Any:
    """Return sessions as if the present were 1970: how long ago input came stays, at what time of day does not."""
    if not isinstance(sessions, list):
        return sessions
    shown = []
    for session in sessions:
        if not isinstance(session, dict):
            continue
        now, last = Raw(session).number("now"), Raw(session).number("last_input")
        since = None if now is None or last is None or last <= 0 else now - last
        times = {"now": EPOCH, "last_input": 0 if since is None else EPOCH - since}
        shown.append({**session, **times} if "now" in session else session)
    return shown


def _edition(machine: WindowsMachine) -> tuple[bool, bool]:
    """Return whether this Windows swaps the lock flags, and whether it is a server."""
    build = text_of(machine, VERSION_KEY, "CurrentBuildNumber") or ""
    swapped = build.isascii() and build.isdigit() and int(build[:9]) < FIRST_WITH_RIGHT_FLAGS
    kind = text_of(machine, VERSION_KEY, "InstallationType") or ""
    return swapped, kind.casefold().startswith("server")
