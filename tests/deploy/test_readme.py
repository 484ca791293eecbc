from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
README = Path(__file__).parents[2] / "deploy/README.md"
TEXT = README.read_text("utf-8")
COMMANDS = sorted(
    set(re.findall(r"\b(roadworthy(?:-agent)?) ((?:[a-z][a-z-]*)(?: (?:create|backup|render))?)\b", TEXT))
)


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"\bdeploy/[\w./-]+[\w]", TEXT))
    assert named
    for path in named:
        assert (README.parents[1] / path).exists(), path
    for folder in re.findall(r"^\| `([\w/]+)/` \|", TEXT, re.MULTILINE):
        assert (README.parent / folder).is_dir(), folder


@pytest.mark.parametrize(("program", "command"), [pair for pair in COMMANDS if (BIN / pair[0]).exists()])
def test_every_command_it_names_exists(program: str, command: str) -> None:
    done = subprocess.run(
        [BIN / program, *command.split(), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_it_names_the_commands_that_matter() -> None:
    assert {
        ("roadworthy", "first-start"),
        ("roadworthy", "enrol-key create"),
        ("roadworthy", "db backup"),
        ("roadworthy", "dashboards render"),
        ("roadworthy-agent", "explain"),
    } <= set(COMMANDS)
