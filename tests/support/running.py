"""Starts the real command line in a process group of its own, and ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support import free_port, wait_until

ROADWORTHY = Path(sys.executable).with_name("roadworthy")
AGENT = Path(sys.executable).with_name("roadworthy-agent")


@dataclass
class Running:
    """A started command: its process, what it printed, and where it answers."""

    process: subprocess.Popen[bytes]
    output: Path
    port: int
    data: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return status and text of a GET; (0, "") while nobody answers."""
        request = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def family(self) -> list[psutil.Process]:
        """Return the process and all its descendants."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def wait_ready(self, timeout: float = 60) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.said()
            return self.get("/readyz")[0] == 200

        wait_until(ready, timeout=timeout, what=f"readiness; so far: {self.said()}")


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without any ROADWORTHY_ variable, plus `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROADWORTHY_")}
    return kept | variables


@contextmanager
def running(
    *arguments: str,
    folder: Path,
    port: int | None = None,
    preexec: Callable[[], Any] | None = None,
    **variables: str,
) -> Iterator[Running]:
    """Run `roadworthy ARGUMENTS` with its data in `folder`/data until the block ends."""
    port = port or free_port()
    output = folder / "output.txt"
    with output.open("ab") as sink:
        process = subprocess.Popen(
            [str(ROADWORTHY), *arguments],
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(ROADWORTHY_PORT=str(port), ROADWORTHY_DATA=str(folder / "data"), **variables),
            start_new_session=True,
            preexec_fn=preexec,  # noqa: PLW1509 - the tests start it from their only thread
        )
    started = Running(process, output, port, folder / "data")
    try:
        yield started
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def call(
    *arguments: str, folder: Path, stdin: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `roadworthy ARGUMENTS` to its end on the data in `folder`/data."""
    return subprocess.run(
        [str(ROADWORTHY), *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        env=environment(ROADWORTHY_DATA=str(folder / "data"), **variables),
        timeout=120,
        check=False,
    )


def call_json(*arguments: str, folder: Path) -> Any:
    """Run a command with `--format json` and return what it printed."""
    done = call(*arguments, "--format", "json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
