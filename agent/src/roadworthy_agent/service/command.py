"""The command `roadworthy-agent service`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roadworthy_agent.errors import SettingsError
from roadworthy_agent.service import manager
from roadworthy_agent.service.options import Options, program_of
from roadworthy_agent.service.steps import perform
from roadworthy_agent.settings import Settings, load

ACTIONS = ("install", "remove", "status")


def service(asked: Any, settings: Settings, out: Callable[[str], None], platform: str = sys.platform) -> int:
    """Install, remove or look at the service; return the exit code (status: 0 only where it runs)."""
    refused_together(asked)
    platform_service = manager(platform)
    options = Options(
        program_of(sys.argv[0]),
        server=None if asked.server is None else checked_server(asked.server),
        key=None if asked.key_file is None else _key(asked.key_file),
        allow=settings.allow,
        purge=asked.purge,
        dry_run=asked.dry_run,
    )
    if asked.action == "status":
        found = platform_service.status(options)
        out(json.dumps(found, indent=2) if asked.json else status_text(found))
        return 0 if found["running"] else 1
    if asked.action == "remove":
        perform(platform_service.remove_steps(options), out, dry_run=options.dry_run)
        if not options.purge:
            out("State, settings and key are kept; --purge removes them too.")
        return 0
    perform(platform_service.install_steps(options), out, dry_run=options.dry_run)
    for line in platform_service.after_install(options):
        out(line)
    return 0


def checked_server(address: str) -> str:
    """Return an address as the settings take it; raises SettingsError."""
    return str(load(None, {"ROADWORTHY_AGENT_SERVER": address}, default=False).server)


def _key(path: Path) -> str:
    from roadworthy_agent import identity

    return identity.read_key_stream(sys.stdin) if str(path) == "-" else identity.read_key(path)


def status_text(found: dict[str, Any]) -> str:
    """Return the state of the service for a person."""
    if not found["installed"]:
        return f"{found['service']}: not installed; run: roadworthy-agent service install"
    lines = [f"{found['service']}: {'running' if found['running'] else 'not running'}, {found.get('state')}"]
    if not found["enabled"]:
        lines.append("it does not start with the system")
    if found.get("program"):
        lines.append(f"program {found['program']}")
    if found.get("pid"):
        lines.append(f"process {found['pid']}")
    if found.get("result") not in {None, "", "success"}:
        lines.append(f"its last end: {found['result']}")
    if found.get("as_this_version_writes_it") is False:
        lines.append("installed by another version or edited since; run: roadworthy-agent service install")
    return "\n".join(lines)


def refused_together(asked: Any) -> None:
    """Raise SettingsError for options that mean nothing with what was asked."""
    if asked.purge and asked.action != "remove":
        raise SettingsError("--purge goes with: roadworthy-agent service remove")
    if (asked.server is not None or asked.key_file is not None) and asked.action != "install":
        raise SettingsError("--server and --key-file go with: roadworthy-agent service install")
