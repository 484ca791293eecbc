"""What processes cost, read from /proc: a program with all its children (Linux)."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent_measure import fields


@dataclass(frozen=True)
class Process:
    """One process at one moment: bytes and processor seconds, ended children of it included."""

    pid: int
    name: str
    rss_bytes: int
    pss_bytes: int  # pages shared with others shared out; RSS where it cannot be read
    cpu_seconds: float


def family(pid: int) -> list[int]:
    """Return a process and all its descendants, those that ended meanwhile left out."""
    found = [pid]
    for one in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{one}/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found += [int(child) for child in (task / "children").read_text("ascii").split()]
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return user and system time of processes and all their descendants, ended ones too."""
    total = 0.0
    for root in pids:
        for pid in family(root):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += _cpu(pid)
    return total


def look(pids: list[int], *, pss: bool = False) -> list[Process]:
    """Return processes and all their descendants as they are now."""
    found = []
    for root in pids:
        for pid in family(root):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, KeyError):
                rss = fields(f"/proc/{pid}/status")["VmRSS"]
                shared = fields(f"/proc/{pid}/smaps_rollup")["Pss"] if pss else rss
                found.append(Process(pid, _name(pid), rss, shared, _cpu(pid)))
    return found


class Watch:
    """Looks at processes again and again and keeps the most they held together."""

    def __init__(self, pids: list[int], every_seconds: float = 0.5) -> None:
        self.pids = pids  # may be exchanged while it watches
        self.most: list[Process] = []
        self._every = every_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            now = look(self.pids)
            if sum(one.rss_bytes for one in now) > sum(one.rss_bytes for one in self.most):
                self.most = now


def _cpu(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return sum(map(int, words[11:15])) / _ticks()


def is_root() -> bool:
    """Return whether this process may do all; nowhere but on POSIX systems."""
    return sys.platform != "win32" and os.geteuid() == 0


def _ticks() -> int:
    """Return in how many parts of a second /proc counts."""
    if sys.platform == "win32":
        raise SystemExit("processor time is read from /proc: run this on Linux")
    return os.sysconf("SC_CLK_TCK")


def _name(pid: int) -> str:
    """Return what a process is: of a Python program the script and its first argument."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode("utf-8", "replace").split("\0")
    script = next((n for n, word in enumerate(words) if not word.startswith("-") and n > 0), 0)
    if "python" in words[0] and script:
        return " ".join([Path(words[script]).name, *words[script + 1 : script + 2]])
    return " ".join(words)[:40]
