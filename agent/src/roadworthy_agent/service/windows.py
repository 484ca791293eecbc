r"""The agent as a service of Windows.

The account is LocalService, the least of the built-in ones that can read what start-ups are told from: the channel
Diagnostics-Performance has an entry for SYSTEM, administrators and LocalService, and none for other services or a
virtual account (`NT SERVICE\...`). LocalSystem could do anything to the machine; an agent needs to read. LocalService
has no password and, on the network, no identity. Three things make it less still: of its privileges only
SeChangeNotifyPrivilege is kept, the service has a security identifier of its own, and state and settings are for that
identifier and administrators, not for the other services that run as LocalService.

Not run on a real Windows yet, see docs/probes/README.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path, PureWindowsPath
from typing import Any

from roadworthy_agent.errors import ProbeError, ServiceError
from roadworthy_agent.service import scm
from roadworthy_agent.service.options import NAME, Options
from roadworthy_agent.service.steps import Call, Folder, Remove, Step, Write
from roadworthy_agent.settings import load as load_settings

ACCOUNT = r"NT AUTHORITY\LocalService"
SHOWN = "Roadworthy agent"
DESCRIPTION = (
    "Measures how this device starts and works, and reports it to the collector named in its settings."
)
PRIVILEGES = "SeChangeNotifyPrivilege\0"  # a list that ends with an empty text; ctypes writes the last NUL
RESTART_MILLISECONDS = (30_000, 60_000, 300_000)  # the last goes on for later failures
RESET_SECONDS = 86_400
ENTRY = Path(__file__).with_name("windows_entry.py")


def install_steps(options: Options) -> list[Step]:
    """Return what installing means; raises ServiceError or SettingsError where it cannot be done."""
    base = data_folder(options)
    sid = scm.service_sid(NAME)
    command = command_line(_real_python(), str(ENTRY))
    return [
        Folder(base),
        Call(f"let only administrators change {base}", _protected(base, descriptor(sid, "FR"))),
        Folder(base / "agent"),
        Call(
            f"close {base / 'agent'} to all but the service",
            _protected(base / "agent", descriptor(sid, "FA")),
        ),
        *_settings_steps(options, base),
        *(
            Call(f"let only administrators change {path}", _protected(path, descriptor(sid, "FR")))
            for path in (base / "agent.toml", base / "enrolment.key")
            if path.exists()
        ),
        Call(f"register the service {NAME} as {ACCOUNT}", lambda: _told(lambda: _register(command))),
        Call(f"start the service {NAME}", lambda: _told(_start)),
    ]


def remove_steps(options: Options) -> list[Step]:
    """Return what removing means; state, settings and key stay unless `purge`."""
    steps: list[Step] = [Call(f"stop and remove the service {NAME}", lambda: _told(_remove))]
    if options.purge:
        base = data_folder(options)
        steps += [Remove(base / name) for name in ("agent", "agent.toml", "enrolment.key")]
        steps.append(Remove(base, only_if_empty=True))
    return steps


def status(_options: Options) -> dict[str, Any]:
    """Return whether the service is installed and running."""
    found: dict[str, Any] = {"service": NAME, "installed": False, "running": False, "enabled": False}
    try:
        with scm.Manager(scm.SC_MANAGER_CONNECT) as manager:
            service = manager.open(NAME, scm.SERVICE_QUERY_STATUS)
            if service is None:
                return found
            with service:
                state = service.state()
    except ProbeError as error:
        raise ServiceError(str(error)) from error
    running = state == scm.RUNNING
    return found | {
        "installed": True,
        "enabled": True,
        "running": running,
        "state": scm.STATES.get(state, str(state)),
    }


def after_install(options: Options) -> list[str]:
    """Return what a person may want to know next."""
    return [
        f"How it is doing: roadworthy-agent service status, and the log {data_folder(options) / 'agent' / 'agent.log'}"
    ]


def data_folder(options: Options, variables: Any = os.environ) -> Path:
    """Return the folder of settings and state."""
    named = variables.get("ProgramData", r"C:\ProgramData")
    return options.at(named) / "Roadworthy" if options.root == Path("/") else options.root / "Roadworthy"


def descriptor(sid: str, rights: str) -> str:
    """Return owner and access list (SDDL): system and administrators all, the service `rights`, nobody else.

    Every account may make folders in ProgramData, and who made one owns it: so it becomes the administrators'.
    """
    return f"O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;{rights};;;{sid})"


def command_line(python: str, entry: str) -> str:
    """Return what the manager starts, quoted as Windows reads it: a path with a blank must not be read as two."""
    for path in (python, entry):
        if '"' in path:
            raise ServiceError(f"{path}: no path of Windows holds a quotation mark")
        if [part.casefold() for part in PureWindowsPath(path).parts[1:2]] == ["users"]:
            raise ServiceError(
                f"{path}: install Python and the agent where only administrators may write and every service may "
                r"read, as in C:\Program Files"
            )
    return f'"{python}" -I "{entry}" run --service'


def _real_python() -> str:
    """Return the Python that is not only a starter of another: see windows_entry."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _settings_steps(options: Options, base: Path) -> list[Step]:
    steps: list[Step] = []
    path, key_file = base / "agent.toml", base / "enrolment.key"
    if path.exists():
        held = load_settings(path, {}).server
        if options.server is not None and held != options.server:
            raise ServiceError(
                f"{path}: names {held or 'no server'}, not {options.server}; edit it and install again"
            )
    else:
        lines = [] if options.server is None else [f'server = "{options.server}"']
        lines += (
            [] if options.key is None else [f"enrolment_key_file = '{key_file}'"]
        )  # a literal: it has backslashes
        steps.append(Write(path, "".join(f"{line}\n" for line in lines).encode()))
    if options.key is not None:
        steps.append(Write(key_file, f"{options.key}\n".encode(), 0o600))
    return steps


def _protected(path: Path, text: str) -> Any:
    return lambda: _told(lambda: _protect(path, text))


def _protect(path: Path, text: str) -> bool:
    scm.protect(str(path), text)
    return True


def _register(command: str) -> bool:
    """Make the service, or bring one of another version up to date."""
    with scm.Manager() as manager:
        service = manager.open(NAME)
        made = service is None
        with service or manager.create(NAME, SHOWN, command, ACCOUNT) as known:
            if not made:
                known.set_command(command, ACCOUNT)
            known.set(scm.CONFIG_DESCRIPTION, scm.Text(DESCRIPTION))
            known.set(scm.CONFIG_DELAYED, scm.Number(1))  # not part of the start-up it measures
            known.set(scm.CONFIG_FAILURE_ACTIONS, scm.restarts(RESTART_MILLISECONDS, RESET_SECONDS))
            known.set(scm.CONFIG_FAILURE_FLAG, scm.Number(1))  # also when it ends by itself with an error
            known.set(scm.CONFIG_SID, scm.Number(scm.SID_UNRESTRICTED))
            known.set(scm.CONFIG_PRIVILEGES, scm.Text(PRIVILEGES))
    return made


def _start() -> bool:
    with scm.Manager() as manager:
        service = manager.open(NAME)
        if service is None:
            raise ServiceError(f"there is no service {NAME}; install it first")
        with service:
            return service.start()


def _remove() -> bool:
    with scm.Manager() as manager:
        service = manager.open(NAME)
        if service is None:
            return False
        with service:
            service.stop()
            service.delete()
    return True


def _told(action: Any) -> bool:
    """Do something, and say in words what Windows would not do."""
    try:
        return bool(action())
    except ProbeError as error:
        denied = getattr(error, "code", None) == 5
        hint = "; run it as administrator, or look with --dry-run" if denied else ""
        raise ServiceError(f"{error}{hint}") from error
