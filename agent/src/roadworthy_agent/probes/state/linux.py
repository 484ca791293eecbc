"""How a device that is on is used, on Linux: what logind says of the sessions, whoever's they are."""

from __future__ import annotations

import time
from collections.abc import Callable
from errno import ENOENT

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, ProbeResult, Status, describe
from roadworthy_agent.probes import dbus, logind
from roadworthy_agent.probes.logind import Sessions
from roadworthy_agent.probes.state.judge import all_dark, judge
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.reading import StateReading

SOURCE = "logind over D-Bus"
DISPLAYS = "sys/class/drm"
ANSWER_SECONDS = 0.8  # for all questions of one look: a sample waits no longer than a second
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 120.0, 1800.0
FILES = ("sys/class/drm/*/status", "sys/class/drm/*/dpms")

Result = ProbeResult[StateReading]


class Sampler:
    """Asks logind at each call. After a failure it leaves it alone, twice as long each time, and repeats its answer."""

    def __init__(
        self,
        context: Context,
        ask: Callable[[], Sessions] | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tree = Tree(context.root)
        self._ask = ask or (_ask if context.live else lambda: _recorded(self._tree))
        self._timer = timer
        self._wait = 0.0
        self._not_before = 0.0
        self._failed: Result | None = None

    def read(self) -> Result:
        """Return the device state at this moment."""
        if self._failed is not None and self._timer() < self._not_before:
            return self._failed
        try:
            sessions = self._ask()
        except (OSError, ProbeError) as error:
            self._failed = _failure(error)
            self._wait = min(LONGEST_WAIT_SECONDS, 2 * self._wait or FIRST_WAIT_SECONDS)
            self._not_before = self._timer() + self._wait
            return self._failed
        self._failed, self._wait = None, 0.0
        state, why = judge(sessions.sessions, screens_dark=self._screens_dark(sessions))
        return ProbeResult("state", Status.OK, StateReading(state, f"logind: {why}"), source=SOURCE)

    def _screens_dark(self, sessions: Sessions) -> bool | None:
        """Return whether the displays are off; read only where a session on the seat might need it."""
        if not any(each.of_a_person and each.seat and each.graphical for each in sessions.sessions):
            return None
        connectors = [f"{DISPLAYS}/{name}" for name in self._tree.names(DISPLAYS) if "-" in name]
        return all_dark((self._tree.text(f"{at}/status"), self._tree.text(f"{at}/dpms")) for at in connectors)


def collect(context: Context) -> Result:
    """Look once."""
    return Sampler(context).read()


def record(context: Context) -> dict[str, bytes]:
    """Return what is read that is no file, as a recorded tree holds it; nothing where logind does not answer."""
    if not context.live:
        return {}
    try:
        return {logind.RECORDED: logind.to_json(_ask()).encode()}
    except (OSError, ProbeError):
        return {}


def _ask() -> Sessions:
    with dbus.system(ANSWER_SECONDS, within=ANSWER_SECONDS) as bus:
        return logind.read(bus)


def _recorded(tree: Tree) -> Sessions:
    content = tree.read(logind.RECORDED)
    if content.text is None:
        raise FileNotFoundError(ENOENT, "no logind was running when this tree was recorded")
    return logind.from_json(content.text)


def _failure(error: OSError | ProbeError) -> Result:
    """Return why logind could not be asked; its absence is no fault."""
    if isinstance(error, PermissionError):
        return ProbeResult("state", Status.NO_PERMISSION, reason=f"logind: {describe(error)}", source=SOURCE)
    if isinstance(error, (FileNotFoundError, dbus.NoServiceError)):
        reason = f"device state needs logind or elogind: {describe(error)}"
        return ProbeResult("state", Status.NOT_SUPPORTED, reason=reason, source=SOURCE)
    return ProbeResult(
        "state", Status.ERROR, reason=f"logind cannot be asked: {describe(error)}", source=SOURCE
    )
