"""What installing or removing a service consists of: steps that are shown first and can be done twice.

A step that finds its work done already says so and changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from roadworthy_agent.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Done:
    """What a command answered: its exit code and what it printed."""

    code: int
    output: str


Runner = Callable[[Sequence[str]], Done]


class Step(Protocol):
    """One thing to do."""

    def words(self) -> str:
        """Return in one line what will be done."""

    def do(self) -> bool:
        """Do it; return False where nothing had to be changed. Raises ServiceError."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write a file with a mode, whole or not at all; an older one is replaced."""

    path: Path
    data: bytes
    mode: int = 0o644

    def words(self) -> str:
        """Return in one line what will be done."""
        return f"write {self.path} ({len(self.data)} bytes, mode {self.mode:04o})"

    def do(self) -> bool:
        """Write it, unless the same is there."""
        with _told(self.path):
            if self._is_there():
                return False
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            new = self.path.with_name(f"{self.path.name}.new")
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self.mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.data)
                file.flush()
                os.fsync(file.fileno())
            new.chmod(self.mode)  # whatever the umask
            new.replace(self.path)
        return True

    def needed(self) -> bool:
        """Tell whether doing it would change anything."""
        with _told(self.path):
            return not self._is_there()

    def _is_there(self) -> bool:
        if not self.path.is_file() or self.path.is_symlink():
            return False
        same_mode = stat.S_IMODE(self.path.stat().st_mode) == self.mode or sys.platform == "win32"
        return same_mode and self.path.read_bytes() == self.data


@dataclass(frozen=True, slots=True)
class Folder:
    """Make a folder with a mode."""

    path: Path
    mode: int = 0o755

    def words(self) -> str:
        """Return in one line what will be done."""
        return f"make the folder {self.path} (mode {self.mode:04o})"

    def do(self) -> bool:
        """Make it, unless it is there as it should be."""
        with _told(self.path):
            is_there = self.path.is_dir()
            if is_there and (sys.platform == "win32" or stat.S_IMODE(self.path.stat().st_mode) == self.mode):
                return False
            self.path.mkdir(mode=self.mode, parents=True, exist_ok=True)
            self.path.chmod(self.mode)
        return True


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, a link, or a folder with all that is in it; with `only_if_empty` a folder nobody else uses."""

    path: Path
    only_if_empty: bool = False

    def words(self) -> str:
        """Return in one line what will be done."""
        return f"remove {self.path}" + (" if nothing else is in it" if self.only_if_empty else "")

    def needed(self) -> bool:
        """Tell whether doing it would change anything."""
        return os.path.lexists(self.path)

    def do(self) -> bool:
        """Remove it, if it is there."""
        if not os.path.lexists(self.path):
            return False
        if self.only_if_empty:
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return True
            return False
        with _told(self.path):
            if self.path.is_dir() and not self.path.is_symlink():
                shutil.rmtree(self.path)
            else:
                self.path.unlink()
        return True


@dataclass(frozen=True, slots=True)
class Run:
    """Run a program with arguments, without a shell. `may_fail` where its work may be done already."""

    arguments: tuple[str, ...]
    run: Runner
    may_fail: bool = False

    def words(self) -> str:
        """Return in one line what will be done."""
        return f"run {' '.join(self.arguments)}"

    def do(self) -> bool:
        """Run it; raise ServiceError with what it printed where it fails."""
        done = self.run(self.arguments)
        if done.code and not self.may_fail:
            raise ServiceError(
                f"{' '.join(self.arguments)} ended with {done.code}: {done.output.strip() or 'it said nothing'}"
            )
        return done.code == 0


@dataclass(frozen=True, slots=True)
class Call:
    """Call the operating system: `what` in words, `call` returns False where nothing had to be changed."""

    what: str
    call: Callable[[], bool]

    def words(self) -> str:
        """Return in one line what will be done."""
        return self.what

    def do(self) -> bool:
        """Do it."""
        return self.call()


def perform(steps: Iterable[Step], say: Callable[[str], None], *, dry_run: bool) -> None:
    """Do the steps in order, saying each; with `dry_run` only say them."""
    for step in steps:
        if dry_run:
            say(f"would {step.words()}")
        elif step.do():
            say(step.words())
        else:
            say(f"{step.words()}: nothing to do")


def run_program(arguments: Sequence[str]) -> Done:
    """Run a program to its end; raises ServiceError where there is none."""
    import subprocess

    try:
        done = subprocess.run(  # noqa: S603 - a list of fixed words, no shell
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
    except FileNotFoundError as error:
        raise ServiceError(f"{arguments[0]} is not there: this system's services cannot be asked") from error
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"{' '.join(arguments)} did not end within two minutes") from error
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one that says where it was."""
    try:
        yield
    except OSError as error:
        raise ServiceError(f"{path}: {error.strerror or error}") from error
