"""`make install` after something went wrong: killed half-way, called twice at once, or the clone moved.

pip is a stand-in here, for speed: what is looked at is which environment the script trusts. The real one runs in
`tests/e2e/test_fresh_clone.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support import wait_until

ROOT = Path(__file__).parents[2]
# `-m venv DIR` makes an environment whose python is this script again; `-m pip` notes that it ran.
STAND_IN = """#!/bin/sh
case "$*" in
    --version) echo "Python 3.11.0" ;;
    -c*) exit 0 ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; {during_venv} ;;
    "-m pip "*) [ -f .venv/complete ] || {{ echo "pip is half there" >&2; exit 1; }}; {during_pip} ;;
esac
"""
COMPLETE = "touch .venv/complete"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with what the script reads, its name with a space in it."""
    folder = tmp_path / "a clone"
    members = (f"{member}/pyproject.toml" for member in ("agent", "inventory", "collector", "dashboards"))
    for name in ("requirements.lock", "requirements-dev.lock", "tools/bootstrap.sh", *members):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def start(clone: Path, *, during_venv: str = COMPLETE, during_pip: str = ":") -> subprocess.Popen[str]:
    python = clone.parent / "python3"
    python.write_text(STAND_IN.format(during_venv=during_venv, during_pip=during_pip))
    python.chmod(0o755)
    return subprocess.Popen(
        ["sh", "tools/bootstrap.sh", "runtime"],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # As at a terminal: a shell's background jobs inherit it ignored, and no shell can take that back.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread of ours runs here
    )


def install(clone: Path) -> str:
    process = start(clone)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def kill(process: subprocess.Popen[str], number: int) -> None:
    os.killpg(process.pid, number)
    process.communicate(timeout=60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_heals_when_killed_while_the_environment_is_made(clone: Path, number: int) -> None:
    process = start(clone, during_venv="sleep 30")
    wait_until((clone / ".venv/bin/python").exists, what="half an environment")
    kill(process, number)
    said = install(clone)
    assert "broken off" in said
    assert "[1/3]" in said
    assert install(clone) == ""


def test_it_begins_again_when_killed_while_packages_are_installed(clone: Path) -> None:
    process = start(clone, during_pip="touch .venv/at-work; sleep 30")
    wait_until((clone / ".venv/at-work").exists, what="pip at work")
    kill(process, signal.SIGKILL)
    assert "broken off" in install(clone)
    assert not (clone / ".venv/at-work").exists()


def test_two_at_once_wait_for_each_other(clone: Path) -> None:
    first = start(clone, during_pip="touch .venv/at-work; until [ -f .venv/go-on ]; do sleep 0.1; done")
    # Not before: the second's stand-in takes the place of the first one's, which is copied while `.venv` is made.
    wait_until((clone / ".venv/at-work").exists, what="pip at work")
    second = start(clone)
    assert second.stdout is not None
    assert "Waiting for the installation" in second.stdout.readline()
    (clone / ".venv/go-on").touch()
    first.communicate(timeout=60)
    said, _ = second.communicate(timeout=60)
    assert first.returncode == second.returncode == 0
    assert "[1/3]" not in said


def test_a_moved_clone_gets_a_new_environment(clone: Path) -> None:
    install(clone)
    moved = clone.rename(clone.with_name("elsewhere"))
    said = install(moved)
    assert "has moved" in said
    assert "[1/3]" in said
    assert install(moved) == ""
