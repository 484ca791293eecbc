"""`make run` without make: collector and a real agent on this machine, and how they end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import free_port, wait_until
from support.running import Running, call, call_json, running

ROOT = Path(__file__).parents[2]


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


def test_the_figures_are_this_machines(up: Running) -> None:
    text = up.get("/metrics/devices")[1]
    (memory,) = re.findall(r"^roadworthy_device_memory_ratio\{.*\} (\S+)$", text, re.MULTILINE)
    assert float(memory) == pytest.approx(psutil.virtual_memory().percent / 100, abs=0.25)
    (uptime,) = re.findall(r"^roadworthy_device_uptime_seconds\{.*\} (\S+)$", text, re.MULTILINE)
    assert float(uptime) == pytest.approx(time.time() - psutil.boot_time(), abs=300)
    (row,) = call_json("devices", "list", folder=up.data.parent)
    assert row["hostname"] == socket.gethostname()
    assert row["site"] == row["unit"] == "unassigned"


def test_the_pages_name_this_machine_and_what_is_not_measured(up: Running) -> None:
    (row,) = call_json("devices", "list", folder=up.data.parent)
    for path in ("/", "/devices", f"/devices/{row['device_id']}"):
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


def test_a_second_start_keeps_the_device(tmp_path: Path) -> None:
    devices = []
    for _ in range(2):
        with running("up", "--with-agent", folder=tmp_path) as started:
            started.wait_ready()
            began = time.time()
            wait_until(
                lambda began=began: any(
                    (row["last_report_at"] or 0) >= int(began) - 5
                    for row in call_json("devices", "list", folder=tmp_path)
                ),
                what="a report",
            )
            devices.append([row["device_id"] for row in call_json("devices", "list", folder=tmp_path)])
    assert devices[0] == devices[1]
    assert len(devices[0]) == 1


@pytest.mark.parametrize("ignored", [False, True], ids=["as usual", "SIGINT inherited ignored"])
def test_ctrl_c_ends_every_process_within_two_seconds(tmp_path: Path, ignored: bool) -> None:  # noqa: FBT001 - a parameter
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with running("up", "--with-agent", folder=tmp_path, preexec=ignore if ignored else None) as started:
        started.wait_ready()
        family = wait_until(
            lambda: found if len(found := started.family()) >= 4 else None, what="all four processes"
        )
        began = time.monotonic()
        started.process.send_signal(signal.SIGINT)
        assert started.process.wait(20) == 0
        assert time.monotonic() - began < 10  # two seconds where nothing else runs
        assert not [
            process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]
    assert "Traceback" not in started.said()


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
    line = one_line(call(*arguments, str(tmp_path / "file" / "target"), folder=tmp_path))
    assert str(tmp_path / "file" / "target") in line
    assert arguments[-1] in line


def test_an_unknown_setting_is_one_clear_line(tmp_path: Path) -> None:
    config = tmp_path / "collector.toml"
    config.write_text("prot = 8470\n")
    line = one_line(call("check-config", "--config", str(config), folder=tmp_path))
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
