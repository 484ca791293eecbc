"""Runs a command within this process, to its end: to start one takes most of a second of a processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.running import environment
from typer.testing import CliRunner

from roadworthy_collector import cli


def call_here(
    *arguments: str, folder: Path, stdin: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Return what `support.running.call` would; a fault that is no RoadworthyError is raised, as no process could."""
    told = environment(ROADWORTHY_DATA=str(folder / "data"), **variables)
    differing: dict[str, str | None] = dict.fromkeys(set(os.environ) - set(told)) | told
    code: Any = 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["roadworthy", *arguments])
        patched.setattr(sys, "excepthook", sys.excepthook)  # Typer sets its own
        with CliRunner().isolation(input=stdin, env=differing) as (out, err, _):
            try:
                cli.main()
            except SystemExit as ended:
                code = ended.code
            sys.stdout.flush()
            said = [found.getvalue().decode() for found in (out, err)]
    return subprocess.CompletedProcess(arguments, code or 0, *said)


def call_json_here(*arguments: str, folder: Path) -> Any:
    """Run a command with `--format json` and return what it printed."""
    done = call_here(*arguments, "--format", "json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
