"""What a person can say about installing or removing the service."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from roadworthy_agent.errors import ServiceError
from roadworthy_agent.service.steps import Runner, run_program

NAME = "roadworthy-agent"


@dataclass(frozen=True, slots=True)
class Options:
    """What is wanted, and where.

    `program` is what the service starts; `server` and `key` are written into the settings and the secrets' folder
    where they are given. `purge` removes state, settings and key too. `root` is another folder for tests.
    """

    program: Path
    server: str | None = None
    key: str | None = None
    allow: tuple[str, ...] = ()
    purge: bool = False
    dry_run: bool = False
    root: Path = Path("/")
    run: Runner = run_program

    def at(self, path: str) -> Path:
        """Return a path below the root."""
        return self.root / path.lstrip("/")


def program_of(argument_zero: str, executable: str = sys.executable) -> Path:
    """Return the command a service has to start: the one that was called, else the one beside this Python.

    Links are kept: `/opt/roadworthy/bin/roadworthy-agent` stays valid when a new version is put behind it.
    """
    name = f"{NAME}.exe" if sys.platform == "win32" else NAME
    called = Path(argument_zero)
    found = (
        called if called.stem == NAME and called.name != "__main__.py" else Path(executable).with_name(name)
    )
    found = found.absolute()
    if not found.is_file():
        raise ServiceError(f"{found}: no such program; install the agent with pip first")
    return found
