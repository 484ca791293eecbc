"""How this boot of a Mac is about to end, as the login window tells every program through notify(3).

The login window posts a notification when a person (or a program in their place) asks for a restart or for switching
off, another when that is called off, and a third when there is no way back; Apple's own power daemon listens to them
(https://github.com/apple-oss-distributions/PowerManagement, pmconfigd/SystemLoad.c). Who listens learns only whether
one was posted since it began to: so it begins when the first start-up is looked at, and asks when the agent is told to
stop. `shutdown` and `reboot` in a terminal post nothing: then nobody knows.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Collection

SYSTEM = "com.apple.system.loginwindow."
RESTART, SHUTDOWN = f"{SYSTEM}restartinitiated", f"{SYSTEM}shutdownInitiated"
CANCELLED, NO_RETURN = f"{SYSTEM}logoutcancelled", f"{SYSTEM}logoutNoReturn"
NAMES = (RESTART, SHUTDOWN, CANCELLED, NO_RETURN)

# Tells whether its notification was posted since the last call
Posted = Callable[[], bool]


class Watch:
    """Listens from the first `begin` on. `register` gives what asks for one notification, None where it cannot be."""

    def __init__(self, register: Callable[[str], Posted | None]) -> None:
        self._register = register
        self._asked: dict[str, Posted] = {}
        self._begun = False

    def begin(self) -> None:
        """Begin to listen; again, it changes nothing."""
        if self._begun:
            return
        self._begun = True
        for name in NAMES:
            posted = self._register(name)
            if posted is not None:
                posted()  # the first answer is always yes
                self._asked[name] = posted

    def ending(self) -> str | None:
        """Return reboot or poweroff, None where neither is certain."""
        if len(self._asked) < len(NAMES):
            return None
        return judge({name for name, posted in self._asked.items() if posted()})


def judge(posted: Collection[str]) -> str | None:
    """Return how the boot is about to end from what was posted, in whichever order; pure.

    Asked for and called off, it may still end so: only where the point of no return was passed. Where both were asked
    for, one of them was called off and nobody knows which.
    """
    wanted = {RESTART: "reboot", SHUTDOWN: "poweroff"}
    asked = [word for name, word in wanted.items() if name in posted]
    if len(asked) != 1 or (CANCELLED in posted and NO_RETURN not in posted):
        return None
    return asked[0]


def register(name: str) -> Posted | None:
    """Register for a notification: notify_register_check(3) and notify_check(3), shared memory and no thread."""
    if sys.platform != "darwin":
        return None
    try:
        system = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
        token = ctypes.c_int()
        if system.notify_register_check(name.encode(), ctypes.byref(token)) != 0:
            return None
    except (OSError, AttributeError):
        return None

    def posted() -> bool:
        changed = ctypes.c_int()
        return system.notify_check(token, ctypes.byref(changed)) == 0 and changed.value != 0

    return posted


WATCH = Watch(register)
