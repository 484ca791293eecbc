"""Reading sign-ins on Linux: logind's sessions, and systemd's user managers behind them.

Accounts appear only between one question and the next, to find the user manager of a session; nothing of them is
kept. What any account may read ends where the desktop begins: see docs/probes/signin.md.
"""

from __future__ import annotations

import os
import sys
import time

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, ProbeResult, Status, describe
from roadworthy_agent.probes import dbus, environment, logind
from roadworthy_agent.probes.dbus import Bus
from roadworthy_agent.probes.signin import connection, parse
from roadworthy_agent.probes.signin.parse import Look, Opened
from roadworthy_agent.probes.startup import bus as systemd
from roadworthy_agent.probes.startup.parse import start_id_of
from roadworthy_agent.probes.startup.state import SECURITY, SOFT_REBOOT, USERSPACE, SystemdState
from roadworthy_agent.probes.tree import Tree
from roadworthy_agent.report import SigninRecord

ANSWER_SECONDS = 5.0
DESKTOP = "graphical-session.target"  # of the user manager (systemd.special(7))
HOMES = ("home.mount", "home-")
FILES: tuple[str, ...] = ()  # interfaces and mounts carry addresses and names: only their kinds are recorded

Result = ProbeResult[tuple[SigninRecord, ...]]


def collect(context: Context) -> Result:
    """Return the sign-ins at this device whose sessions are still there.

    The status says whether they can be seen, the same whoever is signed in: it is sent when it changes, and must
    not tell when somebody came.
    """
    try:
        look = _read(context) if context.live else _recorded(Tree(context.root))
    except PermissionError as error:
        return _refused(Status.NO_PERMISSION, f"logind: {describe(error)}")
    except (FileNotFoundError, dbus.NoServiceError) as error:
        return _refused(Status.NOT_SUPPORTED, f"sign-ins need systemd's logind: {describe(error)}")
    except (OSError, ProbeError) as error:
        return _refused(Status.ERROR, f"logind cannot be asked: {describe(error)}")
    clock = context.clock
    return ProbeResult(
        "signin",
        Status.OK,
        parse.records(look, clock.boot_id(), clock.boottime()),
        source=parse.SOURCE,
        missing=() if look.sees_desktops else (parse.HIDDEN,),
    )


def record(context: Context) -> dict[str, bytes]:
    """Return what is read that is no plain file; nothing where logind does not answer."""
    if not context.live:
        return {}
    try:
        return {parse.RECORDED: parse.to_json(_read(context)).encode()}
    except (OSError, ProbeError):
        return {}


def _refused(status: Status, reason: str) -> Result:
    return ProbeResult("signin", status, (), reason, source=parse.SOURCE)


def _recorded(tree: Tree) -> Look:
    text = tree.text(parse.RECORDED)
    if text is None:
        raise FileNotFoundError(None, "the recorded tree holds no sign-ins")
    return parse.from_json(text)


def _read(context: Context) -> Look:
    """Return what is known of the sessions at this device."""
    tree = Tree(context.root)
    with dbus.system(ANSWER_SECONDS) as bus:
        asker = systemd.Asker(bus)
        found = [
            (session, owner)
            for session, owner in logind.read_owned(bus)
            if session.of_a_person and session.seat and not session.remote and session.since
        ]
        manager = SystemdState(
            {
                name: value
                for name in (USERSPACE, SECURITY, SOFT_REBOOT)
                if isinstance(value := asker.manager(name), int)
            }
        )
        home_types, other_types = _mounts(bus) if found else ((), ())
        return Look(
            now=time.monotonic_ns() // 1000,
            start_id=start_id_of(manager, context.clock.boot_id(), environment.detect(tree)),
            sessions=tuple(_opened(context, asker, session, owner) for session, owner in found),
            links=connection.read(tree) if found else (),
            home_types=home_types,
            other_types=other_types,
            sees_desktops=_is_root(),
        )


def _opened(context: Context, asker: systemd.Asker, session: logind.Session, owner: logind.Owner) -> Opened:
    manager = asker.times(f"user@{owner.uid}.service")
    scope = asker.times(owner.scope) if owner.scope else None
    return Opened(
        since=session.since,
        graphical=session.graphical,
        manager_began=manager.activating,
        manager_ready=manager.activated,
        scope=scope.activated if scope else 0,
        desktop=_desktop_ready(owner) if session.graphical else None,
        age=max(0, round(context.clock.wall() * 1e6) - owner.opened_at) if owner.opened_at else 0,
    )


def _desktop_ready(owner: logind.Owner) -> int | None:
    """Return when the session's own systemd had its desktop ready, None where it does not answer this account."""
    if not _is_root():
        return None
    try:
        with dbus.peer(f"/run/user/{owner.uid}/systemd/private", "the session's own systemd", 1.0) as own:
            return systemd.Asker(own).times(DESKTOP).activated
    except (OSError, ProbeError):
        return None


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _mounts(bus: Bus) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the kinds of file systems mounted at /home or below, and elsewhere; never what or where.

    From systemd and not /proc/self/mountinfo: the agent's own view has no /home (ProtectHome=).
    """
    method, arguments = "ListUnitsByPatterns", (["active"], ["*.mount"])
    answer = bus.call(
        systemd.BUS_NAME,
        systemd.MANAGER_PATH,
        systemd.MANAGER_INTERFACE,
        method,
        "asas",
        arguments,
        dbus.ABSENT,
    )
    homes: set[str] = set()
    others: set[str] = set()
    for row in answer[0] if answer else []:
        kind = bus.get(systemd.BUS_NAME, row[6], f"{systemd.BUS_NAME}.Mount", "Type")
        if isinstance(kind, str) and kind:
            (homes if row[0].startswith(HOMES) else others).add(kind)
    return tuple(sorted(homes)), tuple(sorted(others))
