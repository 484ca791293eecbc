"""The agent as a service of macOS: `macos.launchd` says what is written and run, here it is carried out.

Not run on a real Mac yet (see docs/probes/README.md): what launchd, dscl and newsyslog make of it is theirs to show.
"""

from __future__ import annotations

import contextlib
import os
import plistlib
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from roadworthy_agent.errors import ServiceError
from roadworthy_agent.macos import launchd
from roadworthy_agent.service.options import Options
from roadworthy_agent.service.steps import Call, Folder, Remove, Run, Runner, Step, Write
from roadworthy_agent.settings import load as load_settings

SETTINGS_FILE = launchd.STATE_DIR / "agent.toml"
KEY_FILE = launchd.STATE_DIR / "enrolment.key"


@dataclass(frozen=True, slots=True)
class RunOne:
    """Run a program that ends well with one of several codes."""

    arguments: tuple[str, ...]
    accepted: frozenset[int]
    run: Runner

    def words(self) -> str:
        """Return in one line what will be done."""
        return f"run {' '.join(self.arguments)}"

    def do(self) -> bool:
        """Run it."""
        done = self.run(self.arguments)
        if done.code not in self.accepted:
            raise ServiceError(f"{' '.join(self.arguments)} ended with {done.code}: {done.output.strip()}")
        return done.code == 0


def install_steps(options: Options) -> list[Step]:
    """Return what installing means; raises ServiceError or SettingsError where it cannot be done."""
    _check_root(options)
    listed = [options.run(command).output for command in (launchd.LIST_USERS, launchd.LIST_GROUPS)]
    number = launchd.choose_account_id(*listed)
    if number is None:
        raise ServiceError(
            f"no number is free for the account {launchd.ACCOUNT}: dscl lists 300 to 399 as taken"
        )
    program = PurePosixPath(str(options.program))
    if str(program).startswith(("/Users/", "/tmp/", "/private/tmp/")):  # noqa: S108 - named to be refused
        raise ServiceError(
            f"{program}: install the agent where only administrators may write, as in /opt/roadworthy"
        )
    steps = _steps(launchd.install_steps(program, SETTINGS_FILE, number), options)
    # Settings and key must be there before the jobs are loaded, and after the folder is made.
    at = next(
        index
        for index, step in enumerate(steps)
        if isinstance(step, (Run, RunOne)) and "bootout" in step.words()
    )
    return [*steps[:at], *_settings_steps(options), *steps[at:]]


def remove_steps(options: Options) -> list[Step]:
    """Return what removing means; `purge` takes state, settings, key, log and account too."""
    _check_root(options)
    steps = _steps(launchd.remove_steps(), options)
    if options.purge:
        folders = (launchd.STATE_DIR, launchd.STARTUP_LOG.parent, launchd.AGENT_LOG)
        steps += [Remove(_at(options, path)) for path in folders]
        for record in (f"/Users/{launchd.ACCOUNT}", f"/Groups/{launchd.ACCOUNT}"):
            steps.append(Run((launchd.DSCL, ".", "-delete", record), options.run, may_fail=True))
    return steps


def status(options: Options) -> dict[str, Any]:
    """Return whether the service is installed and running."""
    path = _at(options, launchd.DAEMONS / f"{launchd.AGENT_LABEL}.plist")
    found: dict[str, Any] = {
        "service": launchd.AGENT_LABEL,
        "installed": path.exists(),
        "running": False,
        "enabled": False,
    }
    if not found["installed"]:
        return found
    with contextlib.suppress(OSError, plistlib.InvalidFileException, ValueError):
        found["program"] = plistlib.loads(path.read_bytes()).get("ProgramArguments", [None])[0]
    told = options.run((launchd.LAUNCHCTL, "print", f"system/{launchd.AGENT_LABEL}"))
    values = dict(line.strip().split(" = ", 1) for line in told.output.splitlines() if " = " in line)
    pid = values.get("pid", "")
    return found | {
        "enabled": told.code == 0,
        "running": values.get("state") == "running",
        "state": values.get("state", "not loaded"),
        "pid": int(pid) if pid.isdecimal() else None,
    }


def after_install(_options: Options) -> list[str]:
    """Return what a person may want to know next."""
    return [f"How it is doing: roadworthy-agent service status, and the log {launchd.AGENT_LOG}"]


def _settings_steps(options: Options) -> list[Step]:
    """Return the settings and the key to write; settings that are there must agree."""
    steps: list[Step] = []
    path = _at(options, SETTINGS_FILE)
    if path.exists():
        held = load_settings(path, {}).server
        if options.server is not None and held != options.server:
            raise ServiceError(
                f"{path}: names {held or 'no server'}, not {options.server}; edit it and install again"
            )
    else:
        lines = [] if options.server is None else [f'server = "{options.server}"']
        lines += [f'enrolment_key_file = "{KEY_FILE}"'] if options.key is not None else []
        steps.append(Write(path, "".join(f"{line}\n" for line in lines).encode()))
        steps.append(_owned(options, SETTINGS_FILE))
    if options.key is not None:
        steps += [
            Write(_at(options, KEY_FILE), f"{options.key}\n".encode(), 0o600),
            _owned(options, KEY_FILE),
        ]
    return steps


def _steps(planned: Iterable[launchd.Step], options: Options) -> list[Step]:
    """Return launchd's plan as steps that can be carried out."""
    steps: list[Step] = []
    for each in planned:
        match each:
            case launchd.MakeFolder():
                steps += [
                    Folder(_at(options, each.path), each.mode),
                    _owned(options, each.path, each.owner, each.group),
                ]
            case launchd.WriteFile():
                steps.append(Write(_at(options, each.path), each.data, each.mode))
            case launchd.Remove():
                steps.append(Remove(_at(options, each.path)))
            case launchd.Run():
                steps.append(RunOne(each.argv, each.accepted, options.run))
    return steps


def _owned(
    options: Options, path: PurePosixPath, owner: str = launchd.ACCOUNT, group: str = launchd.ACCOUNT
) -> Call:
    """Return the step that gives a file or folder to an account."""

    def give() -> bool:
        try:
            shutil.chown(_at(options, path), owner, group)
        except (OSError, LookupError) as error:
            raise ServiceError(f"{path}: cannot be given to {owner}:{group}: {error}") from error
        return True

    return Call(f"give {path} to {owner}:{group}", give)


def _at(options: Options, path: PurePosixPath) -> Path:
    return options.at(str(path))


def _check_root(options: Options) -> None:
    if sys.platform != "win32" and os.geteuid() != 0 and not options.dry_run:
        raise ServiceError(
            "only root can install or remove a service; run it with sudo, or look with --dry-run"
        )
