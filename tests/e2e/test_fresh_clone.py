"""The README's first command, as a newcomer has it: a clone, Python, make and git, nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from support import free_port, wait_until
from support.running import Running

ROOT = Path(__file__).parents[2]
# From the command to this machine's figures on the page, installation included: a minute on a machine of its own,
# many times that where others work beside it.
LIMIT_SECONDS = 600


def bare_environment(home: Path) -> dict[str, str]:
    """Return what a fresh login has, plus how this machine reaches its package mirror."""
    mirror = re.compile(r"^(PIP_|SSL_CERT|REQUESTS_CA|(https?|no)_proxy$)", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if mirror.match(name)}
    python = Path(sys.base_prefix) / "bin"
    return kept | {"HOME": str(home), "PATH": f"{python}:/usr/local/bin:/usr/bin:/bin"}


def test_make_run_shows_this_machine(tmp_path: Path) -> None:
    clone, output, port = tmp_path / "clone", tmp_path / "output.txt", free_port()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    with output.open("ab") as sink:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=clone,
            env=bare_environment(tmp_path) | {"ROADWORTHY_PORT": str(port)},
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    started = Running(process, output, port, clone / ".run" / "data")

    def shown() -> bool:
        assert process.poll() is None, started.said()
        return "roadworthy_device_cpu_ratio{" in started.get("/metrics/devices")[1]

    try:
        wait_until(shown, timeout=LIMIT_SECONDS, what=f"figures; so far: {started.said()}")
        assert started.get("/")[0] == 200
        assert f"http://127.0.0.1:{port}" in started.said()
        for number, step in enumerate(
            ("Making .venv", "Installing", "Installing Roadworthy itself"), start=1
        ):
            assert f"[{number}/3] {step}" in started.said()
        assert (clone / ".venv/bin/roadworthy").exists()
        assert (clone / ".venv/bin/roadworthy-agent").exists()
        assert not (clone / ".venv/bin/pytest").exists()
        family = started.family()
        os.killpg(process.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the whole group
        process.wait(20)
        wait_until(
            lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE],
            timeout=20,
            what="their end",
        )
        assert (
            subprocess.run(
                ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
            ).stdout
            == ""
        )
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
