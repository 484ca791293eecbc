"""The generator's processes: started, told when to begin, and their figures added up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from load.task import Figures, Task

WORKER = Path(__file__).with_name("worker.py")
LEAD_SECONDS = 0.3  # between the word and the beginning: enough for every process to have read it


class Crew:
    """Processes that share a fleet. Told their tasks and ready when made; used once."""

    def __init__(self, task: Task, processes: int, folder: Path) -> None:
        count = task.last - task.first
        self._tasks = []
        for n in range(processes):
            first, last = task.first + count * n // processes, task.first + count * (n + 1) // processes
            part = replace(
                task,
                first=first,
                last=last,
                number=n,
                rate=task.rate / processes,
                connections=max(
                    1, task.connections * (n + 1) // processes - task.connections * n // processes
                ),
                prebuilt=task.prebuilt // processes,
                result=str(folder / f"figures-{n}.json"),
            )
            self._tasks.append(part)
        self._processes = [
            subprocess.Popen([sys.executable, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in self._tasks
        ]
        for process, part in zip(self._processes, self._tasks, strict=True):
            self._tell(process, part.text())
        for process in self._processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                self.end()
                raise SystemExit("a process of the generator did not start; its words are above")

    @property
    def pids(self) -> list[int]:
        """The generator's processes."""
        return [process.pid for process in self._processes]

    def begin(self) -> float:
        """Let all begin and return when they do, by time.time; the measured time comes after the warm-up."""
        moment = time.time() + LEAD_SECONDS
        for process in self._processes:
            self._tell(process, repr(moment))
        return moment

    def alive(self) -> bool:
        """Whether any still sends."""
        return any(process.poll() is None for process in self._processes)

    def wait(self, each: Callable[[], None] | None = None) -> Figures:
        """Wait until all are done, calling `each` now and then, and return their figures."""
        while self.alive():
            time.sleep(0.1)
            if each is not None:
                each()
        figures = Figures()
        for process, task in zip(self._processes, self._tasks, strict=True):
            if process.returncode:
                raise SystemExit("a process of the generator failed; its words are above")
            figures.add(Figures.read(Path(task.result)))
        return figures

    def end(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    @staticmethod
    def _tell(process: subprocess.Popen[bytes], line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{line}\n".encode())
        process.stdin.flush()
