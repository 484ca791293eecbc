"""`make run` without make: collector and a real agent on this machine, and how they end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from collector.commands import call_here
from support import facts, free_port, wait_until
from support.running import Running, call, call_json, running

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def this_machine(up: Running) -> dict[str, Any]:
    """Return what the command line lists of the only device."""
    (row,) = call_json("devices", "list", folder=up.data.parent)
    return dict(row)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("up", "--with-agent", folder=tmp_path_factory.mktemp("up")) as started:
        started.wait_ready()
        wait_until(
            lambda: "roadworthy_device_cpu_ratio{" in started.get("/metrics/devices")[1],
            what="this machine's first figures",
        )
        yield started


def test_it_says_where_it_is(up: Running) -> None:
    wait_until(lambda: up.address in up.said(), what="the address")
    assert "agent on this machine" in up.said()


def test_the_figures_are_this_machines(up: Running, this_machine: dict[str, Any]) -> None:
    text = up.get("/metrics/devices")[1]
    (memory,) = re.findall(r"^roadworthy_device_memory_ratio\{.*\} (\S+)$", text, re.MULTILINE)
    assert float(memory) == pytest.approx(psutil.virtual_memory().percent / 100, abs=0.25)
    (uptime,) = re.findall(r"^roadworthy_device_uptime_seconds\{.*\} (\S+)$", text, re.MULTILINE)
    assert float(uptime) == pytest.approx(time.time() - psutil.boot_time(), abs=300)
    assert this_machine["hostname"] == socket.gethostname()
    assert this_machine["site"] == this_machine["unit"] == "unassigned"


def test_the_pages_name_this_machine_and_what_is_not_measured(
    up: Running, this_machine: dict[str, Any]
) -> None:
    for path in ("/", "/devices", f"/devices/{this_machine['device_id']}"):
        status, page = up.get(path)
        assert status == 200, (path, page)
        assert socket.gethostname() in page, path
    assert "roadworthy_estate_info" in wait_until(
        lambda: text if "roadworthy_estate_devices" in (text := up.get("/metrics")[1]) else "",
        what="the roll-ups",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_runs_on_uvloop(up: Running) -> None:
    (server,) = [process for process in up.family()[1:] if "serve" in process.cmdline()]
    assert "/uvloop/loop." in Path(f"/proc/{server.pid}/maps").read_text("utf-8")


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_second_start_beside_the_first_is_one_clear_line(up: Running, command: str) -> None:
    line = one_line(call(command, folder=up.data.parent, ROADWORTHY_PORT=str(free_port())))
    assert str(up.data) in line
    assert "ROADWORTHY_DATA" in line
    assert up.get("/readyz")[0] == 200


@dataclass(frozen=True)
class Ended:
    """One start of the command on the same data, and its end by Ctrl-C."""

    devices: list[str]
    returncode: int
    seconds: float
    left: list[psutil.Process]
    said: str


def start_and_end(folder: Path, *, ignored: bool) -> Ended:
    """Start all four, wait for a report of this start and press Ctrl-C; `ignored` as a shell's background jobs inherit it."""

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with running("up", "--with-agent", folder=folder, preexec=ignore if ignored else None) as started:
        started.wait_ready()
        began = int(time.time())
        database = started.data / "roadworthy.db"
        last = "SELECT 1 FROM devices WHERE last_report_at >= ?"
        wait_until(lambda: facts.query(database, last, began - 5), what="a report")
        devices = [device for (device,) in facts.query(database, "SELECT device_id FROM devices")]
        family = wait_until(
            lambda: found if len(found := started.family()) >= 4 else None, what="all four processes"
        )
        pressed = time.monotonic()
        started.process.send_signal(signal.SIGINT)
        returncode = started.process.wait(20)
        seconds = time.monotonic() - pressed
        left = [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        return Ended(devices, returncode, seconds, left, started.said())


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Ended]:
    """Start twice on the same data, the second time with SIGINT inherited ignored."""
    folder = tmp_path_factory.mktemp("twice")
    return {ignored: start_and_end(folder, ignored=ignored) for ignored in (False, True)}


def test_a_second_start_keeps_the_device(starts: dict[bool, Ended]) -> None:
    assert starts[False].devices == starts[True].devices
    assert len(starts[False].devices) == 1


@pytest.mark.parametrize("ignored", [False, True], ids=["as usual", "SIGINT inherited ignored"])
def test_ctrl_c_ends_every_process_within_two_seconds(starts: dict[bool, Ended], ignored: bool) -> None:  # noqa: FBT001 - a parameter
    ended = starts[ignored]
    assert ended.returncode == 0
    assert ended.seconds < 10  # two seconds where nothing else runs
    assert ended.left == []
    assert "Traceback" not in ended.said


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = one_line(call("up", folder=tmp_path, ROADWORTHY_PORT=str(port)))
    assert str(port) in line
    assert "ROADWORTHY_PORT" in line


@pytest.mark.parametrize("command", ["up", "demo"])
def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    line = one_line(call(command, folder=tmp_path / "file", ROADWORTHY_PORT=str(free_port())))
    assert str(tmp_path / "file" / "data") in line
    assert "ROADWORTHY_DATA" in line


@pytest.mark.parametrize("arguments", [("first-start", "--secrets"), ("dashboards", "render", "--folder")])
def test_an_unwritable_target_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("not a folder")
    line = one_line(call_here(*arguments, str(tmp_path / "file" / "target"), folder=tmp_path))
    assert str(tmp_path / "file" / "target") in line
    assert arguments[-1] in line


def test_an_unknown_setting_is_one_clear_line(tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    config.write_text("prot = 8470\n")
    line = one_line(call_here("check-config", "--config", str(config), folder=tmp_path))
    assert line == f"roadworthy: {config}: prot: unknown setting"


def test_an_old_python_is_one_clear_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    (tmp_path / "tools").mkdir()
    for name in (
        "requirements.lock",
        "tools/bootstrap.sh",
        *(f"{m}/pyproject.toml" for m in ("agent", "inventory", "collector", "dashboards")),
    ):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        ["sh", tmp_path / "tools/bootstrap.sh", "runtime"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == f"roadworthy: {old} is Python 3.9.2; Roadworthy needs Python 3.11 or newer"
    assert not (tmp_path / ".venv").exists()
