"""The parent of serve, jobs and agent: what it starts it ends, and what dies it starts again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from support import wait_until

from roadworthy_collector.supervisor import Program, Supervisor

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are a POSIX matter")


def alive(path: Path) -> list[int]:
    """Return the pids the children wrote to `path` that still run."""
    pids = [int(line) for line in path.read_text().split()] if path.exists() else []
    return [
        pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def program(path: Path, body: str) -> Program:
    """Return a child that first writes its pid to `path`."""
    code = f"import os, signal, time\nopen({str(path)!r}, 'a').write(f'{{os.getpid()}}\\n')\n{textwrap.dedent(body)}"
    return Program("child", (sys.executable, "-c", code))


def test_children_end_together_even_one_that_refuses(tmp_path: Path) -> None:
    obedient, stubborn = tmp_path / "obedient", tmp_path / "stubborn"
    supervisor = Supervisor(say=print)
    supervisor.start(program(obedient, "time.sleep(600)"))
    supervisor.start(
        program(stubborn, "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen(os.devnull)\ntime.sleep(600)")
    )
    wait_until(lambda: alive(obedient) and alive(stubborn), what="both children")
    began = time.monotonic()
    supervisor.end()
    assert time.monotonic() - began < 10
    assert alive(obedient) == alive(stubborn) == []


def test_a_child_that_dies_is_started_again_and_said(tmp_path: Path) -> None:
    path, said, stop = tmp_path / "pids", [], threading.Event()
    supervisor = Supervisor(say=said.append)
    supervisor.start(program(path, "time.sleep(600)"))
    watcher = threading.Thread(target=supervisor.watch, args=(stop,))
    watcher.start()
    try:
        (first,) = wait_until(lambda: alive(path), what="the child")
        os.kill(first, signal.SIGKILL)
        (second,) = wait_until(lambda: [pid for pid in alive(path) if pid != first], what="its successor")
        assert second != first
        assert any("SIGKILL" in line for line in said)
    finally:
        stop.set()
        watcher.join()
        supervisor.end()


class StoppedAfter(threading.Event):
    """Is set by the time it is waited for the second time, as by a signal that reached the children first."""

    waited = 0

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - as the class has it
        self.waited += 1
        return self.waited > 1


def test_children_a_signal_reached_first_are_not_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(say=said.append)
    supervisor.start(program(tmp_path / "pids", "raise SystemExit(0)"))
    wait_until(lambda: supervisor.failed_early() is not None, what="its end")
    assert supervisor.watch(StoppedAfter()) is True
    supervisor.end()
    assert said == []
    assert len((tmp_path / "pids").read_text().split()) == 1


def test_a_child_that_keeps_dying_ends_the_watch(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(say=said.append)
    supervisor.start(program(tmp_path / "pids", "raise SystemExit(3)"))
    assert supervisor.watch(threading.Event()) is False
    assert "giving up" in said[-1]
    supervisor.end()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_children_end_when_the_parent_is_killed_outright(tmp_path: Path) -> None:
    path = tmp_path / "pids"
    code = f"""
        import sys, threading
        from roadworthy_collector.supervisor import Program, Supervisor
        supervisor = Supervisor(say=print)
        supervisor.start(Program("child", (sys.executable, "-c",
            "import os, time; open({str(path)!r}, 'a').write(str(os.getpid())); time.sleep(600)")))
        supervisor.watch(threading.Event())
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    wait_until(lambda: alive(path), what="the grandchild")
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(path), what="the grandchild's end")
