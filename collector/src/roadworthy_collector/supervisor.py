"""One parent for `serve`, `jobs` and, for `make run`, an agent: it starts, watches and ends them.

The children live in process groups of their own, so a terminal's Ctrl-C reaches only the parent, which ends
them in order. Signal handlers are set explicitly: a shell that starts something in the background hands SIGINT
down as ignored, and Python then leaves it ignored.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

# Everything is gone within 2 s: children get this long to leave by themselves.
GRACE_SECONDS = 1.0
# How often children are looked after. One found dead is left so for as long again: a signal to the whole group reaches
# children first at times, and to start them anew would only be to end them.
_LOOK_SECONDS = 0.25
# A child that dies this soon after its start, this often in a row, will not heal by being restarted.
_QUICK_DEATH_SECONDS = 10.0
_QUICK_DEATHS = 3
_PR_SET_PDEATHSIG = 1

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


@dataclass(frozen=True)
class Program:
    """A child to keep running: `name` for people, `command` and extra environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    quick_deaths: int = 0


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGINT, SIGTERM and SIGHUP, also where a parent handed SIGINT down as ignored."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in STOP_SIGNALS:
        signal.signal(number, handle)


class Supervisor:
    """Starts programs, restarts those that die, and ends all of them together."""

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._say = say
        self._monotonic = monotonic
        self._grace_seconds = grace_seconds
        self._children: list[_Child] = []

    def start(self, program: Program) -> None:
        """Start `program`; raises OSError if it cannot be run at all."""
        self._children.append(_Child(program, _spawn(program), self._monotonic()))

    def failed_early(self) -> str | None:
        """Return the name of a child that has ended already, or None."""
        return next(
            (child.program.name for child in self._children if child.process.poll() is not None), None
        )

    def watch(self, stop: threading.Event) -> bool:
        """Restart what dies until `stop` is set; return False if a child keeps dying at once."""
        while not stop.wait(_LOOK_SECONDS):
            if self.failed_early() is not None and stop.wait(_LOOK_SECONDS):
                break
            revived = [
                self._revive(child) for child in self._children
            ]  # each of them, not up to the first failure
            if not all(revived):
                return False
        return True

    def _revive(self, child: _Child) -> bool:
        if (code := child.process.poll()) is None:
            return True
        lived = self._monotonic() - child.started_at
        child.quick_deaths = child.quick_deaths + 1 if lived < _QUICK_DEATH_SECONDS else 1
        name = child.program.name
        if child.quick_deaths >= _QUICK_DEATHS:
            self._say(
                f"{name} ended {_QUICK_DEATHS} times within {_QUICK_DEATH_SECONDS:g} s of starting; giving up"
            )
            return False
        self._say(f"{name} ended ({_ending(code)}) after {lived:.0f} s; starting it again")
        child.process = _spawn(child.program)
        child.started_at = self._monotonic()
        return True

    def end(self) -> None:
        """End every child: ask first, insist after the grace time; each is reaped."""
        running = [child for child in self._children if child.process.poll() is None]
        for child in running:
            child.process.terminate()
        deadline = self._monotonic() + self._grace_seconds
        late = []
        for child in running:
            try:
                child.process.wait(max(0.0, deadline - self._monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()  # all of them, before any is waited for: that is over when the last has gone
                late.append(child)
        for child in late:
            child.process.wait()
        self._children.clear()


def _ending(code: int) -> str:
    """Say in words how a process ended."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **program.environment}
    if sys.platform != "linux":
        return subprocess.Popen(program.command, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603 - our own programs
    # Looked up before the fork: between fork and exec nothing may be loaded.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return subprocess.Popen(  # noqa: S603 - our own programs
        program.command,
        env=environment,
        stdin=subprocess.DEVNULL,
        process_group=0,
        # A parent that is killed outright cannot end its children; the kernel does it instead.
        preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509 - no threads run yet
    )
