"""Reading what a process costs: its memory, its processor time, how often it was woken; and starting one.

MB and kB are millions and thousands of bytes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

DAY_SECONDS = 86_400


@dataclass
class Result:
    """What one program costs."""

    rss_mb: float
    cpu_s_per_day: float
    wire_kb_per_day: float

    def json(self) -> dict[str, float]:
        """Return the figures as they are printed."""
        return {name: round(value, 2) for name, value in vars(self).items()}


@dataclass
class Memory:
    """What a process holds, in bytes; `steady` is the most it held whenever it was looked at since `watch`."""

    pid: int
    steady: int = 0
    looks: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Look once."""
        self.looks.append(status_bytes(self.pid, "VmRSS"))
        self.steady = max(self.steady, self.looks[-1])

    def details(self) -> str:
        """Return the other ways to count, in one line."""
        rollup = fields(f"/proc/{self.pid}/smaps_rollup")
        own = rollup["Private_Clean"] + rollup["Private_Dirty"]
        median = sorted(self.looks)[len(self.looks) // 2]
        return (
            f"max RSS {mb(self.steady)}, median {mb(median)} of {len(self.looks)} looks; at the end RSS "
            f"{mb(status_bytes(self.pid, 'VmRSS'))} (anonymous {mb(status_bytes(self.pid, 'RssAnon'))}), "
            f"PSS {mb(rollup['Pss'])}, USS {mb(own)}; peak since start {mb(status_bytes(self.pid, 'VmHWM'))}"
        )


def mb(count: float) -> str:
    """Return bytes in MB of a million."""
    return f"{count / 1e6:.1f} MB"


def fields(path: str) -> dict[str, int]:
    """Return the kB fields of a /proc file in bytes."""
    found = {}
    for line in Path(path).read_text("ascii", "replace").splitlines():
        words = line.split()
        if words[-1:] == ["kB"] and len(words) == 3:
            found[words[0].rstrip(":")] = int(words[1]) * 1024
    return found


def status_bytes(pid: int, name: str) -> int:
    """Return one size of /proc/PID/status in bytes."""
    return fields(f"/proc/{pid}/status")[name]


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and its threads, ended ones too (proc_pid_stat(5))."""
    words = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def wakes(pid: int) -> int:
    """Return how often the threads of a process went to sleep by themselves: so often they were woken."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # ended meanwhile
            text = (task / "status").read_text("ascii", "replace")
            total += int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return total


def children_bytes(pid: int) -> int:
    """Return the most a child of a process holds, 0 where it has none."""
    most = 0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                with contextlib.suppress(
                    FileNotFoundError, ProcessLookupError, KeyError
                ):  # as above, or a zombie
                    # Before it has become its own program it is a copy of the agent and holds what that holds.
                    if b"tunnel" in Path(f"/proc/{child}/cmdline").read_bytes():
                        most = max(most, status_bytes(int(child), "VmRSS"))
    return most


@contextmanager
def started(*command: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends."""
    process = subprocess.Popen(
        command, env=environment(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return an environment with compiled modules and no settings but these."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
