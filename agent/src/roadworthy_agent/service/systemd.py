"""The agent as a unit of systemd, with the one step that runs as root.

`data/roadworthy-agent.service` and `data/roadworthy-agent-open` are the only source of both; the unit's two paths are
put in when it is installed.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roadworthy_agent.errors import ServiceError
from roadworthy_agent.service.options import NAME, Options
from roadworthy_agent.service.steps import Folder, Remove, Run, Step, Write
from roadworthy_agent.settings import load as load_settings

UNIT = f"{NAME}.service"
UNIT_FILE = f"etc/systemd/system/{UNIT}"
DROP_INS = f"{UNIT_FILE}.d"
ALLOW_FILE = f"{DROP_INS}/10-allow.conf"
HELPER = f"{NAME}-open"
SETTINGS_FILE = "etc/roadworthy/agent.toml"
SECRETS = "etc/roadworthy/agent-secrets"
STATES = (f"var/lib/private/{NAME}", f"var/lib/{NAME}")
RUNS_SYSTEMD = "run/systemd/system"
DATA = Path(__file__).parent / "data"

# As they stand in data/roadworthy-agent.service
PROGRAM_THERE = "/opt/roadworthy/bin/roadworthy-agent"
HELPER_THERE = "/opt/roadworthy/lib/roadworthy-agent-open"
HIDDEN = ("/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/")  # noqa: S108 - named because the unit hides them
MOST_LINKS = 40  # as the kernel follows
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@-]+")

PYTHON_THERE = "/opt/roadworthy/bin/python"
LOG_UNIT = f"{NAME}-log.service"  # hands over what the kernel says of each waking
LOG_UNIT_FILE = f"etc/systemd/system/{LOG_UNIT}"
SMART_UNITS = (f"{NAME}-smart.service", f"{NAME}-smart.timer")
SMART_LEFT = "run/roadworthy-smart"

# What `allow = ["ipmi"]` needs beyond the unit, which sees no devices
IPMI = """\
# Written by `roadworthy-agent service install`, because the settings allow ipmi. The management controller tells power
# through /dev/ipmi0. Whoever may use that may also switch the machine off.
[Service]
PrivateDevices=no
DeviceAllow=/dev/ipmi0 rw
ExecStartPre=-+/bin/sh -c 'chgrp "$$(stat -c %%g "$$RUNTIME_DIRECTORY")" /dev/ipmi0 && chmod 0660 /dev/ipmi0'
ExecStopPost=-+/bin/sh -c 'chgrp 0 /dev/ipmi0; chmod 0600 /dev/ipmi0'
"""


def install_steps(options: Options) -> list[Step]:
    """Return what installing means; raises ServiceError or SettingsError where it cannot be done."""
    _check_system(options)
    program = _checked_program(options)
    helper = helper_path(program)
    files: list[Write] = [
        Write(options.at(str(helper)), (DATA / HELPER).read_bytes(), 0o755),
        Write(options.at(UNIT_FILE), unit_text(program).encode()),
        *_settings_file(options),
    ]
    if options.key is not None:
        files.append(Write(options.at(f"{SECRETS}/enrolment.key"), f"{options.key}\n".encode(), 0o600))
    dropped: list[Remove] = []
    if "ipmi" in options.allow:
        files.append(Write(options.at(ALLOW_FILE), IPMI.encode()))
    else:
        dropped.append(Remove(options.at(ALLOW_FILE)))
    # Only a changed file needs the agent to be started anew: installing twice leaves it alone.
    checked: list[Write | Remove] = [*files, *dropped]
    changed = any(step.needed() for step in checked)
    return [
        Folder(options.at(SECRETS), 0o700),
        *files,
        *dropped,
        Write(options.at(LOG_UNIT_FILE), unit_text(program, LOG_UNIT).encode()),
        *_smart_steps(options, program),
        _systemctl(options, "daemon-reload"),
        *(
            [_systemctl(options, "enable", "--now", "--quiet", SMART_UNITS[1])]
            if "smart" in options.allow
            else []
        ),
        _systemctl(options, "enable", "--quiet", UNIT, LOG_UNIT),
        _systemctl(options, "restart" if changed else "start", UNIT),
    ]


def remove_steps(options: Options) -> list[Step]:
    """Return what removing means; state, settings and key stay unless `purge`."""
    _check_system(options)
    steps: list[Step] = []
    helper = helper_path(_installed_program(options) or options.program)
    if options.at(UNIT_FILE).exists():
        steps.append(_systemctl(options, "disable", "--now", "--quiet", UNIT))
    if options.at(LOG_UNIT_FILE).exists():
        steps.append(_systemctl(options, "disable", "--quiet", LOG_UNIT))
    steps += [
        Remove(options.at(ALLOW_FILE)),
        Remove(options.at(DROP_INS), only_if_empty=not options.purge),
        Remove(options.at(UNIT_FILE)),
        Remove(options.at(f"{LOG_UNIT_FILE}.d"), only_if_empty=not options.purge),
        Remove(options.at(LOG_UNIT_FILE)),
        Remove(options.at(str(helper))),
        *_smart_steps(options, None),
        _systemctl(options, "daemon-reload"),
        _systemctl(options, "reset-failed", "--quiet", UNIT, may_fail=True),
    ]
    if options.purge:
        steps += [Remove(options.at(path)) for path in (*STATES, SETTINGS_FILE, SECRETS)]
        steps.append(Remove(options.at(SETTINGS_FILE).parent, only_if_empty=True))
    return steps


def status(options: Options) -> dict[str, Any]:
    """Return whether the service is installed, switched on and running."""
    unit = options.at(UNIT_FILE)
    found: dict[str, Any] = {"service": UNIT, "installed": unit.exists(), "running": False, "enabled": False}
    if not found["installed"]:
        return found
    program = _installed_program(options)
    found["program"] = None if program is None else str(program)
    found["as_this_version_writes_it"] = program is not None and unit.read_text(
        "utf-8", "replace"
    ) == unit_text(program)
    told = options.run(
        ("systemctl", "show", "--property=ActiveState,SubState,UnitFileState,MainPID,Result", UNIT)
    )
    values = dict(line.split("=", 1) for line in told.output.splitlines() if "=" in line)
    return found | {
        "running": values.get("ActiveState") == "active",
        "enabled": values.get("UnitFileState") == "enabled",
        "state": f"{values.get('ActiveState', 'unknown')} ({values.get('SubState', 'unknown')})",
        "pid": int(values["MainPID"]) if values.get("MainPID", "0") not in {"", "0"} else None,
        "result": values.get("Result"),
    }


def after_install(options: Options) -> list[str]:
    """Return what a person may want to know or do next."""
    lines = ["How it is doing: roadworthy-agent service status, journalctl -u roadworthy-agent"]
    if options.server is None and not options.at(SETTINGS_FILE).exists():
        lines.insert(
            0, f"No collector is named yet: it measures and keeps until /{SETTINGS_FILE} says server = ..."
        )
    return lines


def unit_text(program: Path, unit: str = UNIT) -> str:
    """Return the unit for a program at `program`; another one than the agent's own is the one of its helper."""
    text = (DATA / unit).read_text("utf-8")
    return text.replace(PROGRAM_THERE, str(program)).replace(HELPER_THERE, str(helper_path(program)))


def helper_path(program: Path) -> Path:
    """Return where the root step of a program lies: lib/ beside its bin/."""
    return program.parent.parent / "lib" / HELPER


def _installed_program(options: Options) -> Path | None:
    try:
        text = options.at(UNIT_FILE).read_text("utf-8", "replace")
    except OSError:
        return None
    named = re.search(r"^ExecStart=(\S+) run$", text, re.MULTILINE)
    return None if named is None else Path(named[1])


def _check_system(options: Options) -> None:
    if not options.at(RUNS_SYSTEMD).is_dir():
        raise ServiceError(
            "this system does not run systemd; let its own service manager start: roadworthy-agent run"
        )
    if sys.platform != "win32" and os.geteuid() != 0 and not options.dry_run:
        raise ServiceError(
            "only root can install or remove a service; run it with sudo, or look with --dry-run"
        )


def _checked_program(options: Options) -> Path:
    """Return the program if the unit can start it and nobody but root can change what root would run."""
    program = options.program
    text = str(program)
    if text.startswith(HIDDEN):
        raise ServiceError(
            f"{text}: the service sees no home and no /tmp; install the agent below /opt or /usr/local first: "
            "python3 -m venv /opt/roadworthy"
        )
    if not PLAIN_PATH.fullmatch(text):
        raise ServiceError(f"{text!r}: a unit cannot name such a path; install the agent at a plainer one")
    run = [
        helper_path(program),
        program,
        *([program.with_name("python")] if "smart" in options.allow else []),
    ]
    for place in dict.fromkeys(place for path in run for place in _places(path, options)):
        found = place.stat()
        if found.st_uid != 0 or stat.S_IMODE(found.st_mode) & 0o022:
            raise ServiceError(
                f"{place}: others than root may write here, and a step of the service runs as root from it; "
                f"run: chown root:root {place} && chmod go-w {place}"
            )
    return program


def _places(path: Path, options: Options) -> Iterator[Path]:
    """Yield a program and the folders above it that are there, wherever its links lead on the way."""
    for way in _ways(options.at(str(path))):
        yield from (each for each in (way, *way.parents) if options.root in each.parents and each.exists())


def _ways(path: Path) -> Iterator[Path]:
    """Yield a path as it stands, then with one link after another followed."""
    for _ in range(MOST_LINKS):
        yield path
        link = next((each for each in (*reversed(path.parents), path) if each.is_symlink()), None)
        if link is None:
            return
        path = Path(os.path.normpath(link.parent / link.readlink() / path.relative_to(link)))
    raise ServiceError(f"{path}: its links lead nowhere")


def _settings_file(options: Options) -> list[Write]:
    """Return the settings to write: none where there are some already, which must agree and must be valid."""
    path = options.at(SETTINGS_FILE)
    if path.exists():
        held = load_settings(path, {}).server
        if options.server is not None and held != options.server:
            raise ServiceError(
                f"{path}: names {held or 'no server'}, not {options.server}; edit it and install again"
            )
        return []
    if options.server is None:
        return []
    return [Write(path, f'server = "{options.server}"\n'.encode())]


def _smart_steps(options: Options, program: Path | None) -> list[Step]:
    """Return what the daily question to the disks needs where it is allowed, else its removal."""
    units = [(name, options.at(f"etc/systemd/system/{name}")) for name in SMART_UNITS]
    if program is not None and "smart" in options.allow:
        python = str(program.with_name("python"))
        texts = [
            (path, (DATA / name).read_text("utf-8").replace(PYTHON_THERE, python)) for name, path in units
        ]
        return [Write(path, text.encode()) for path, text in texts]
    there = any(path.exists() for _, path in units)
    off = [_systemctl(options, "disable", "--now", "--quiet", *SMART_UNITS)] if there else []
    return [*off, *(Remove(path) for _, path in units), Remove(options.at(SMART_LEFT))]


def _systemctl(options: Options, *words: str, may_fail: bool = False) -> Run:
    return Run(("systemctl", *words), options.run, may_fail)
