"""The optional unit that asks the disks: systemd takes it, and it has the two rights it needs and no more."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[3] / "deploy/systemd"
UNIT, TIMER = "roadworthy-agent-smart.service", "roadworthy-agent-smart.timer"


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_no_fault_and_little_exposure(tmp_path: Path) -> None:
    python = tmp_path / "opt/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    for name in (UNIT, TIMER):
        text = (SYSTEMD / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/opt/roadworthy/bin", str(python.parent)))
    for arguments in (["verify", "--man=no", tmp_path / UNIT, tmp_path / TIMER],
                      ["security", "--offline=true", "--threshold=25", "--no-pager", tmp_path / UNIT]):  # fmt: skip
        done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
        about = [line for line in done.stderr.splitlines() if "roadworthy" in line]
        assert (done.returncode, about) == (0, []), done.stdout[-1000:]


def test_it_runs_the_module_that_writes_the_folder_the_agent_reads() -> None:
    from roadworthy_agent.probes.storage.linux import SNAPSHOTS

    lines = (SYSTEMD / UNIT).read_text("utf-8").splitlines()
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith(f" -m roadworthy_agent.probes.storage.snapshot /{SNAPSHOTS}")
    assert f"RuntimeDirectory={SNAPSHOTS.removeprefix('run/')}" in lines
    assert "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_RAWIO" in lines
    assert "PrivateNetwork=yes" in lines
    assert all(line.endswith(" r") for line in lines if line.startswith("DeviceAllow="))
