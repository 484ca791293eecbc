"""A light guest: the agent keeps no device awake, and wakes none more often than it samples."""

from __future__ import annotations

import ast
import plistlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, Self

import pytest
from agent.devices import DEVICE, TOKEN, ManualClock, ScriptedCollector, probes
from support import wait_until

import roadworthy_agent
from roadworthy_agent import agent as running
from roadworthy_agent.agent import Agent
from roadworthy_agent.identity import Identity, StateFolder
from roadworthy_agent.macos import launchd
from roadworthy_agent.probe import Context, ProbeResult
from roadworthy_agent.reading import Sample, Status
from roadworthy_agent.service import scm
from roadworthy_agent.settings import Settings

SOURCES = Path(roadworthy_agent.__file__).parent
INTERVAL = 58  # the usual one
SAMPLES = 12
SETTLES_SECONDS = 0.1  # between the worker's end and its word of it
# What keeps a device awake or delays its sleep:
# https://systemd.io/INHIBITOR_LOCKS, https://learn.microsoft.com/windows/win32/power/system-sleep-criteria,
# https://developer.apple.com/documentation/iokit (IOPMLib), and what only asks to be told first, which delays too
KEEPS_AWAKE = (
    "Inhibit", "systemd-inhibit", "SetThreadExecutionState", "PowerCreateRequest", "PowerSetRequest",
    "PowerRegisterSuspendResumeNotification", "RegisterPowerSettingNotification", "SetWaitableTimer",
    "IOPMAssertion", "IORegisterForSystemPower", "IOPMSchedulePowerEvent", "caffeinate", "pmset", "rtcwake",
    "timerfd", "CLOCK_BOOTTIME_ALARM", "CLOCK_REALTIME_ALARM", "WakeSystem", "wake_lock",
)  # fmt: skip
ACCEPT_POWEREVENT = 0x40  # SERVICE_ACCEPT_POWEREVENT of winsvc.h
WAKE_KEYS = ("StartCalendarInterval", "WakeInterval", "WakeSystem", "LegacyTimers")


def words() -> Iterator[tuple[str, str]]:
    """Yield every name and every text that is no docstring, of all modules of the agent."""
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            word: Any = None
            match node:
                case ast.Name(id=word) | ast.Attribute(attr=word) | ast.alias(name=word):
                    pass
                case ast.Constant(value=str() as word) if id(node) not in told:
                    pass
            if word is not None:
                yield path.name, word


def test_nothing_in_the_agent_asks_a_system_to_stay_awake() -> None:
    found = [
        (module, word)
        for module, word in words()
        if any(each.casefold() in word.casefold() for each in KEEPS_AWAKE)
    ]
    assert found == []
    seen = {word for _module, word in words()}
    assert {"RegisterServiceCtrlHandlerExW", "org.freedesktop.login1"} <= seen  # it would have been seen


def test_nothing_shipped_with_it_does_either() -> None:
    for path in (SOURCES / "service/data").iterdir():
        text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
        said = text.replace("WakeSystem=no", "").replace("WakeSystem=false", "").casefold()
        assert [word for word in KEEPS_AWAKE if word.casefold() in said] == [], path.name


def test_the_service_of_windows_does_not_ask_to_be_told_of_a_suspend() -> None:
    for state in range(1, 8):  # SERVICE_STOPPED to SERVICE_PAUSED of winsvc.h
        assert scm.status_of(state).accepted & ~(scm.ACCEPT_STOP | scm.ACCEPT_SHUTDOWN) == 0
    assert (scm.ACCEPT_STOP | scm.ACCEPT_SHUTDOWN) & ACCEPT_POWEREVENT == 0


def test_no_job_of_launchd_wakes_a_mac() -> None:
    program, config = PurePosixPath("/opt/roadworthy/agent"), PurePosixPath("/etc/roadworthy.toml")
    for made in (launchd.agent_plist(program, config), launchd.startup_log_plist()):
        job = plistlib.loads(made)
        assert [key for key in WAKE_KEYS if key in job] == []
        assert "StartInterval" not in job  # it would start again and again, beside the agent's own sleep


class Sleeps:
    """Stands in for the waker: each sleep passes at once on the hand-turned clock, and is kept."""

    def __init__(self, clock: ManualClock, most: int, idle: Callable[[], bool]) -> None:
        self._clock, self._most, self._idle = clock, most, idle
        self._woken = threading.Event()
        self.stopping = False
        self.slept: list[tuple[float, float]] = []  # when a sleep began, and for how long it was asked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        return None

    def wake(self) -> None:
        """End the sleep under way: the worker has ended, for whose work the device was awake anyway."""
        self._woken.set()

    def wait(self, seconds: float) -> None:
        if not self._idle() or self._woken.wait(SETTLES_SECONDS):
            assert self._woken.wait(60), "the worker, which works while the device is awake"
            self._woken.clear()
            return
        self.slept.append((self._clock.boottime(), seconds))
        self._clock.run(max(0.0, seconds))
        self.stopping = len(self.slept) >= self._most


def test_a_call_that_is_due_between_two_samples_waits_for_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: ScriptedCollector
) -> None:
    """The collector asks for a call each minute, the device samples each 58 s: it wakes for samples only."""
    clock = ManualClock()
    collector.now = lambda: clock.true
    collector.next_call = 60
    state = StateFolder(tmp_path / "state")
    state.prepare()
    state.save(Identity(collector.url, DEVICE, TOKEN, 0.0))
    used = ProbeResult("utilisation", Status.OK, Sample(0.25, 0.5))
    made = Agent(
        Settings(collector.url, state.path, None, None, INTERVAL, 33_554_432, ()),
        Context(clock=clock),
        probes(),
        {
            "utilisation": lambda _context: SimpleNamespace(sample=lambda: used),
            "state": lambda _context: None,
            "power": lambda _context: None,
        },
    )
    sleeps = Sleeps(clock, SAMPLES + 1, lambda: not made._working.is_set())
    monkeypatch.setattr(running, "Waker", lambda: sleeps)
    made.run()
    wait_until(lambda: not made._working.is_set(), what="the worker")
    made.close()
    first, *later = sleeps.slept
    assert (
        first[1] == running.FIRST_CALL_SECONDS
    )  # after the start it calls as soon as it has something to show
    assert [seconds for _began, seconds in later] == [INTERVAL] * SAMPLES
    assert len(collector.reports()) >= SAMPLES // 2  # and at them it did call
