"""The agent as a launchd service: what is written and run to install and remove it; pure.

Two jobs (launchd.plist(5)), so that nothing of ours runs as root:

* `org.roadworthy.agent`: the agent, as the account `_roadworthy`, which may do nothing but own its folder.
* `org.roadworthy.startup-log`: Apple's own `log` with one fixed question, as root, because the unified log is for
  administrators. It runs when the agent touches a file, once a boot, and leaves a few lines in a folder that only
  root can write and only the agent can read. Without it everything works but the durations of start-ups.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from roadworthy_agent.macos.programs import PROGRAMS

AGENT_LABEL, LOG_LABEL = "org.roadworthy.agent", "org.roadworthy.startup-log"
ACCOUNT = "_roadworthy"
DAEMONS = PurePosixPath("/Library/LaunchDaemons")
STATE_DIR = PurePosixPath("/Library/Application Support/roadworthy-agent")
ASK = STATE_DIR / "ask-startup-log"
STARTUP_LOG = PurePosixPath("/Library/Application Support/roadworthy-startup-log/startup-log.ndjson")
AGENT_LOG = PurePosixPath("/Library/Logs/roadworthy-agent.log")
ROTATION = PurePosixPath("/etc/newsyslog.d/roadworthy.conf")
LAUNCHCTL, DSCL = "/bin/launchctl", "/usr/bin/dscl"
# Apple's role accounts have numbers from 200 to 400 (sysadminctl -roleAccount); its own are in the lower part
ROLE_IDS = range(399, 299, -1)
NOT_LOADED = frozenset({3, 5, 36, 113})  # what bootout answers for a job that is not loaded, by macOS release


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """A folder that must be there, with this mode, owner and group."""

    path: PurePosixPath
    mode: int
    owner: str = "root"
    group: str = "wheel"


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A file of root's that must hold exactly this."""

    path: PurePosixPath
    data: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Remove:
    """A file that must not be there."""

    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class Run:
    """A program that must end with 0 or with one of `accepted`."""

    argv: tuple[str, ...]
    accepted: frozenset[int] = frozenset({0})


Step = MakeFolder | WriteFile | Remove | Run


def agent_plist(program: PurePosixPath, config: PurePosixPath | None = None) -> bytes:
    """Return the agent's job: restarted when it fails, in the background, with low priority, waking nothing.

    No StartCalendarInterval and no wake of any kind: asleep it waits.
    """
    arguments = [str(program), *([] if config is None else ["--config", str(config)]), "run"]
    return _plist(
        {
            "Label": AGENT_LABEL,
            "ProgramArguments": arguments,
            "UserName": ACCOUNT,
            "GroupName": ACCOUNT,
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 30,
            "ExitTimeOut": 10,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "Nice": 10,
            "Umask": 0o077,
            "WorkingDirectory": "/",
            "EnvironmentVariables": {
                "PYTHONUNBUFFERED": "1",
                "ROADWORTHY_AGENT_STATE_DIR": str(STATE_DIR),
            },
            "StandardErrorPath": str(AGENT_LOG),
        }
    )


def startup_log_plist() -> bytes:
    """Return the job that reads the marks of a start-up: only when asked for, see ASK."""
    return _plist(
        {
            "Label": LOG_LABEL,
            "ProgramArguments": list(PROGRAMS["boot-log"].argv),
            "WatchPaths": [str(ASK)],
            "ThrottleInterval": 60,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "Nice": 10,
            "Umask": 0o027,
            "WorkingDirectory": "/",
            "EnvironmentVariables": {"LC_ALL": "C"},
            "StandardOutPath": str(STARTUP_LOG),
            "StandardErrorPath": "/dev/null",
        }
    )


def install_steps(program: PurePosixPath, config: PurePosixPath | None, account_id: int) -> tuple[Step, ...]:
    """Return what installs the service, in order; carried out twice it changes nothing.

    `program` is the absolute path of roadworthy-agent, `account_id` comes from `choose_account_id`.
    """
    jobs = ((AGENT_LABEL, agent_plist(program, config)), (LOG_LABEL, startup_log_plist()))
    return (
        *_account_steps(account_id),
        MakeFolder(STATE_DIR, 0o700, ACCOUNT, ACCOUNT),
        # Root's: in a folder of the agent's, a link in the log's place would make root write elsewhere
        MakeFolder(STARTUP_LOG.parent, 0o750, "root", ACCOUNT),
        WriteFile(ROTATION, rotation()),
        *(WriteFile(DAEMONS / f"{label}.plist", data) for label, data in jobs),
        *_unload_steps(),
        *(Run((LAUNCHCTL, "bootstrap", "system", str(DAEMONS / f"{label}.plist"))) for label, _ in jobs),
    )


def remove_steps() -> tuple[Step, ...]:
    """Return what removes the service; the account and the state folder stay, as on other systems."""
    return (
        *_unload_steps(),
        Remove(DAEMONS / f"{AGENT_LABEL}.plist"),
        Remove(DAEMONS / f"{LOG_LABEL}.plist"),
        Remove(STARTUP_LOG),
        Remove(ROTATION),
    )


def rotation() -> bytes:
    """Return the lines of newsyslog.conf(5): 256 kB a file, two old ones, compressed by bzip2, nobody signalled.

    newsyslog has no way to write a blank: a path with one is a malformed line, at which it ends and rotates nothing
    of the whole Mac. So the path is a pattern (G), in which `?` stands for the blank.
    """
    lines = (
        f"{AGENT_LOG} {ACCOUNT}:{ACCOUNT} 640 2 256 * JN",
        f"{str(STARTUP_LOG).replace(' ', '?')} root:{ACCOUNT} 640 2 256 * GJN",
    )
    return "".join(f"{line}\n" for line in lines).encode()


def choose_account_id(users: str, groups: str) -> int | None:
    """Return the account's number: the one it has, else the highest free one, None where none is free.

    `users` is what `dscl . -list /Users UniqueID` prints, `groups` the same of `/Groups PrimaryGroupID`.
    """
    by_user, by_group = _numbers(users), _numbers(groups)
    for known in (by_user, by_group):
        if ACCOUNT in known:
            return known[ACCOUNT]
    taken = {*by_user.values(), *by_group.values()}
    return next((number for number in ROLE_IDS if number not in taken), None)


LIST_USERS = (DSCL, ".", "-list", "/Users", "UniqueID")
LIST_GROUPS = (DSCL, ".", "-list", "/Groups", "PrimaryGroupID")


def _account_steps(number: int) -> tuple[Run, ...]:
    user, group = f"/Users/{ACCOUNT}", f"/Groups/{ACCOUNT}"
    created = (
        (group,),
        (group, "PrimaryGroupID", str(number)),
        (user,),
        (user, "UniqueID", str(number)),
        (user, "PrimaryGroupID", str(number)),
        (user, "UserShell", "/usr/bin/false"),
        (user, "NFSHomeDirectory", "/var/empty"),
        (user, "RealName", "Roadworthy agent"),
        (user, "Password", "*"),
        (user, "IsHidden", "1"),
    )
    return tuple(Run((DSCL, ".", "-create", *words)) for words in created)


def _unload_steps() -> tuple[Run, ...]:
    return tuple(
        Run((LAUNCHCTL, "bootout", f"system/{label}"), frozenset({0}) | NOT_LOADED)
        for label in (AGENT_LABEL, LOG_LABEL)
    )


def _numbers(listing: str) -> dict[str, int]:
    found = (re.fullmatch(r"(\S+)\s+(-?\d+)", line.strip()) for line in listing.splitlines())
    return {match[1]: int(match[2]) for match in found if match}


def _plist(values: Mapping[str, Any]) -> bytes:
    return plistlib.dumps(dict(values), sort_keys=False)
