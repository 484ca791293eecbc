"""From sessions to a device state, and what becomes of a logind that does not answer."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, Status
from roadworthy_agent.probes import logind
from roadworthy_agent.probes.logind import Session, Sessions
from roadworthy_agent.probes.state import linux
from roadworthy_agent.probes.state.judge import all_dark, judge, tells

DESK = Session(
    kind="user", type="wayland", state="active", active=True, remote=False, seat=True, idle_hint=False,
    idle_since=0, locked_hint=False, desktop="ubuntu", service="gdm-password", since=1,
)  # fmt: skip
GREETER = replace(DESK, kind="greeter", service="gdm-launch-environment")
BEHIND = replace(DESK, active=False, state="online")
PLASMA = replace(DESK, desktop="KDE")
SSH = replace(
    DESK, type="tty", remote=True, seat=False, active=True, desktop="", service="sshd", idle_since=70
)
SFTP = replace(SSH, type="unspecified", idle_since=0)
CONSOLE = replace(DESK, type="tty", desktop="", service="login", idle_since=70)
IDLE, LOCKED = {"idle_hint": True, "idle_since": 5}, {"locked_hint": True}


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([DESK], "in_use"),
        ([replace(DESK, **IDLE)], "idle"),
        ([replace(DESK, **LOCKED)], "locked"),
        ([replace(DESK, **LOCKED, **IDLE)], "locked"),
        # nobody signed in: a screen that waits is idle, a machine without one works for others
        ([GREETER], "idle"),
        ([], "unobserved"),
        # user switching: somebody is signed in behind the greeter
        ([BEHIND, GREETER], "locked"),
        ([replace(DESK, kind="lock-screen"), BEHIND], "locked"),
        # two people, one at the screen
        ([BEHIND, replace(DESK, desktop="gnome")], "in_use"),
        ([replace(BEHIND, **LOCKED), DESK], "in_use"),
        ([replace(BEHIND, **LOCKED), replace(DESK, **IDLE)], "locked"),
        # somebody who has just left is no longer there
        ([replace(DESK, state="closing")], "unobserved"),
        ([replace(DESK, state="closing"), GREETER], "idle"),
        # desktops that never tell, and those that once did
        ([PLASMA], "unobserved"),
        ([replace(PLASMA, **LOCKED)], "locked"),
        ([replace(PLASMA, idle_since=9)], "in_use"),
        ([replace(DESK, desktop="")], "unobserved"),
        # afar
        ([SSH], "in_use"),
        ([SSH, replace(DESK, **LOCKED)], "in_use"),
        ([SSH, GREETER], "in_use"),
        ([replace(SSH, **IDLE), GREETER], "idle"),
        ([replace(SSH, **IDLE)], "unobserved"),
        ([SFTP], "unobserved"),
        ([SFTP, replace(DESK, **IDLE)], "unobserved"),
        ([SFTP, DESK], "in_use"),
        # the console of a server
        ([CONSOLE], "in_use"),
        ([replace(CONSOLE, **IDLE)], "unobserved"),
        # sessions of nobody
        ([replace(DESK, kind="background"), replace(DESK, kind="manager", seat=False), GREETER], "idle"),
    ],
)
def test_what_the_sessions_come_to(sessions: list[Session], expected: str) -> None:
    assert judge(sessions, screens_dark=None)[0] == expected
    assert judge(sessions[::-1], screens_dark=None)[0] == expected


def test_dark_displays_stand_in_for_a_desktop_that_tells_nothing_and_for_no_other() -> None:
    assert judge([PLASMA], screens_dark=True)[0] == "idle"
    assert judge([PLASMA], screens_dark=False)[0] == "unobserved"
    assert judge([DESK], screens_dark=True)[0] == "in_use"


@pytest.mark.parametrize(
    ("desktop", "expected"),
    [
        ("gnome", True), ("GNOME", True), ("ubuntu-xorg", True), ("gnome-classic", True), ("pop:GNOME", True),
        ("cinnamon2d", True), ("mate", True), ("KDE", False), ("plasma", False), ("xfce", False), ("sway", False),
        ("ultimate", False), ("", False),
    ],
)  # fmt: skip
def test_which_desktops_tell(desktop: str, *, expected: bool) -> None:
    assert tells(desktop) is expected


@pytest.mark.parametrize(
    ("connectors", "expected"),
    [
        ([("connected", "Off"), ("disconnected", "Off")], True),
        ([("connected", "Off"), ("connected", "On")], False),
        ([("disconnected", "Off")], None),
        ([("connected", None)], None),
        ([], None),
    ],
)
def test_when_all_displays_are_dark(
    connectors: list[tuple[str | None, str | None]], *, expected: bool | None
) -> None:
    assert all_dark(connectors) is expected


PROPERTIES = {
    "Id": "c2", "User": (1000, "/org/freedesktop/login1/user/_1000"), "Name": "jsmith", "Class": "user",
    "TimestampMonotonic": 12259353147, "Seat": ("seat0", "/org/freedesktop/login1/seat/seat0"), "TTY": "",
    "Remote": False, "RemoteHost": "", "Service": "gdm-password", "Desktop": "gnome", "Scope": "session-c2.scope",
    "Leader": 51, "Type": "wayland", "Active": True, "State": "active", "IdleHint": False,
    "IdleSinceHintMonotonic": 0, "LockedHint": False,
}  # fmt: skip


def test_a_session_is_kept_without_whose_it_is() -> None:
    kept = logind.session_of(PROPERTIES)
    assert kept == replace(DESK, desktop="gnome", since=12259353147)
    text = logind.to_json(Sessions(7, (kept,)))
    assert "jsmith" not in text
    assert "1000" not in text
    assert logind.from_json(text) == Sessions(7, (kept,))


def test_what_somebody_could_write_a_name_into_becomes_another_word() -> None:
    assert logind.session_of(PROPERTIES | {"Desktop": "Jane's desk / müller"}).desktop == "other"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(PROPERTIES)), ANYTHING | st.tuples(ANYTHING)))
def test_whatever_logind_says_a_session_comes_of_it_and_a_state(properties: dict[str, object]) -> None:
    found = logind.session_of(properties)
    logind.owner_of(properties)
    state, why = judge([found], screens_dark=None)
    assert state
    assert why
    assert logind.from_json(logind.to_json(Sessions(0, (found,)))).sessions == (found,)


@given(ANYTHING)
def test_whatever_a_recorded_tree_holds_is_read_or_refused(document: object) -> None:
    for text in (json.dumps(document), json.dumps({"now": 1, "sessions": document})):
        with contextlib.suppress(ProbeError):
            judge(logind.from_json(text).sessions, screens_dark=None)


def recorded(root: Path, sessions: list[Session]) -> Context:
    (root / "roadworthy").mkdir()
    (root / logind.RECORDED).write_text(logind.to_json(Sessions(0, tuple(sessions))))
    return Context.recorded(root)


def test_a_recorded_tree_tells_its_state_and_its_displays(tmp_path: Path) -> None:
    context = recorded(tmp_path, [PLASMA])
    result = linux.collect(context)
    assert result.value is not None
    assert (result.status, result.value.state) == (Status.OK, "unobserved")
    for name, power in (("card1-eDP-1", "Off"), ("card1", None)):
        folder = tmp_path / "sys/class/drm" / name
        folder.mkdir(parents=True)
        if power:
            (folder / "status").write_text("connected\n")
            (folder / "dpms").write_text(f"{power}\n")
    dark = linux.collect(context).value
    assert dark is not None
    assert dark.state == "idle"


def test_without_logind_the_state_is_not_supported_and_says_so(tmp_path: Path) -> None:
    result = linux.collect(Context.recorded(tmp_path))
    assert (result.status, result.value) == (Status.NOT_SUPPORTED, None)
    assert "needs logind" in (result.reason or "")


@pytest.fixture
def silent_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """Run a bus that takes callers and never says a word."""
    path = tmp_path / "bus"
    callers: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        ends = threading.Event()

        def take() -> None:
            server.settimeout(0.05)
            while not ends.is_set():
                try:
                    callers.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=take)
        thread.start()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
        yield callers
        ends.set()
        thread.join()
        for each in callers:
            each.close()


@pytest.mark.skipif(sys.platform != "linux", reason="logind is a Linux program")
def test_a_logind_that_hangs_is_asked_once_and_then_left_alone(silent_bus: list[socket.socket]) -> None:
    now = [1000.0]
    sampler = linux.Sampler(Context(), timer=lambda: now[0])
    first = sampler.read()
    assert (first.status, first.value) == (Status.ERROR, None)
    assert "logind cannot be asked" in (first.reason or "")
    for _ in range(100):
        assert sampler.read() is first
    assert len(silent_bus) == 1
    waits = []
    for _ in range(3):
        began = now[0]
        while sampler.read() is first:
            now[0] += 10
        waits.append(now[0] - began)
        first = sampler.read()
    assert waits == [120.0, 240.0, 480.0]


def test_a_logind_that_comes_back_is_heard_at_once() -> None:
    answers: list[Sessions | None] = [None, Sessions(1, (DESK,)), Sessions(1, (GREETER,))]
    now = [0.0]

    def ask() -> Sessions:
        answer = answers.pop(0)
        if answer is None:
            raise TimeoutError(110, "no answer in time on the system bus")
        return answer

    sampler = linux.Sampler(Context(), ask, lambda: now[0])
    assert sampler.read().status is Status.ERROR
    now[0] = 120.0
    found = [sampler.read().value for _ in range(2)]
    assert [each.state for each in found if each] == ["in_use", "idle"]


@pytest.mark.skipif(sys.platform != "linux", reason="logind is a Linux program")
@pytest.mark.parametrize(
    ("address", "status"),
    [("unix:path=/nonexistent/bus", Status.NOT_SUPPORTED), ("garbage", Status.ERROR), ("unix:path=/dev/null", Status.ERROR)],
)  # fmt: skip
def test_a_bus_that_cannot_be_reached_has_a_reason(
    monkeypatch: pytest.MonkeyPatch, address: str, status: Status
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    result = linux.collect(Context())
    assert result.status is status
    assert result.reason


@pytest.mark.skipif(sys.platform != "linux", reason="logind is a Linux program")
@given(st.binary(max_size=200))
def test_a_bus_that_talks_nonsense_is_an_error(nonsense: bytes) -> None:
    """Let a bus greet properly and then answer with anything at all."""
    from roadworthy_agent.probes.dbus import Bus

    ours, theirs = socket.socketpair()
    with theirs, Bus(ours, 0.5) as bus:
        bus.within(0.05)
        theirs.sendall(nonsense)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises((OSError, ProbeError)):
            bus.call("a.b", "/", "a.b", "C")
