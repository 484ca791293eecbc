"""The agent alone: its wheel in an empty environment with psutil and jeepney, and nothing else to import."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

AGENT = Path(__file__).parents[2] / "agent"
NEEDED = ("psutil", "jeepney")
LIST_MODULES = """
import importlib, pkgutil, sys
import roadworthy_agent
for module in pkgutil.walk_packages(roadworthy_agent.__path__, "roadworthy_agent."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from roadworthy_agent.cli import main
code = main(["once", "--json"])
foreign = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"__main__"}
print(*sorted(name for name in foreign if not name.startswith(("_", "sitecustomize"))), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the agent's wheel into an environment of its own; return that environment's Python."""
    folder = tmp_path_factory.mktemp("alone")
    source = shutil.copytree(AGENT, folder / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build, str(source)], check=True, capture_output=True)
    venv.create(folder / "environment", with_pip=False)
    python = folder / "environment/bin/python"
    [wheel] = folder.glob("roadworthy_agent-*.whl")
    install = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    site = next((folder / "environment/lib").glob("python*/site-packages"))
    for name in NEEDED:
        for file in distribution(name).files or ():
            target = site / file
            if target.is_relative_to(site) and ".." not in file.parts:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)
    return python


def test_nothing_else_is_imported(alone: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [alone, "-I", "-c", LIST_MODULES],
        cwd=tmp_path,
        env={"ROADWORTHY_AGENT_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["facts"]["os"]["family"] == "linux"
    imported = set(done.stderr.splitlines()[-1].split())
    assert {"psutil", "roadworthy_agent"} <= imported <= {"jeepney", "psutil", "roadworthy_agent"}


def test_the_command_is_installed(alone: Path) -> None:
    done = subprocess.run(
        [alone.parent / "roadworthy-agent", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("roadworthy-agent ")


def test_the_wheel_carries_the_unit_and_the_root_step(alone: Path) -> None:
    site = next((alone.parents[1] / "lib").glob("python*/site-packages"))
    data = site / "roadworthy_agent/service/data"
    assert (data / "roadworthy-agent.service").read_text().startswith("# The agent.")
    assert (data / "roadworthy-agent-open").read_text().startswith("#!/bin/sh")
