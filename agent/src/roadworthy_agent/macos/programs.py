"""The few programs that may be run on a Mac: Apple's own, by absolute path, never through a shell.

Each is bounded in time and in what is taken of its output, gets no input and no environment but its language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from roadworthy_agent.macos.bootlog import PREDICATE
from roadworthy_agent.probe import Missing, Status

ENVIRONMENT = MappingProxyType({"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})


@dataclass(frozen=True, slots=True)
class Program:
    """One program: what is run, for how long at most, and how much of its output is read."""

    argv: tuple[str, ...]
    timeout_seconds: float
    limit_bytes: int
    why: str


def _profiler(why: str, *kinds: str) -> Program:
    # The JSON form is there since macOS 10.15; its own time limit is below ours, so that it ends by itself
    argv = ("/usr/sbin/system_profiler", "-json", "-timeout", "45", *kinds)
    return Program(argv, 60.0, 4 << 20, why)


PROGRAMS: Mapping[str, Program] = MappingProxyType(
    {
        "hardware": _profiler(
            "names of the model, memory, monitors, secure boot; once a day",
            *("SPHardwareDataType", "SPMemoryDataType", "SPDisplaysDataType", "SPiBridgeDataType"),
        ),
        "storage": _profiler(
            "disks and what they say of their health; once a day",
            *("SPNVMeDataType", "SPSerialATADataType", "SPStorageDataType"),
        ),
        "boot-log": Program(
            ("/usr/bin/log", "show", "--last", "boot", "--style", "ndjson", "--predicate", PREDICATE),
            60.0,
            1 << 20,
            "the marks of a start-up in the unified log; once a boot, within its first hour",
        ),
    }
)


def run(program: Program) -> bytes | Missing:
    """Return what a program printed, or why it could not be had; more than its limit is not taken."""
    import subprocess
    import threading

    name = program.argv[0]
    try:
        process = subprocess.Popen(  # noqa: S603 - a constant of the table above, by absolute path
            program.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(ENVIRONMENT),
            cwd="/",
        )
    except FileNotFoundError:
        return Missing("program", Status.NOT_SUPPORTED, f"{name} is not there")
    except PermissionError:
        return Missing("program", Status.NO_PERMISSION, f"{name} may not be run")
    except OSError as error:
        return Missing("program", Status.ERROR, f"{name}: {error.strerror}")
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(program.timeout_seconds, stop)
    timer.start()
    try:
        with process:
            printed = process.stdout.read(program.limit_bytes + 1) if process.stdout else b""
            if len(printed) > program.limit_bytes:
                process.kill()
    finally:
        timer.cancel()
    return _judged(program, printed, process.returncode, late=late.is_set())


def _judged(program: Program, printed: bytes, code: int, *, late: bool) -> bytes | Missing:
    name = program.argv[0]
    if late:
        return Missing(
            "program", Status.ERROR, f"{name} took longer than {program.timeout_seconds:.0f} s and was ended"
        )
    if len(printed) > program.limit_bytes:
        return Missing("program", Status.ERROR, f"{name} printed more than {program.limit_bytes} bytes")
    if code != 0:
        return Missing("program", Status.ERROR, f"{name} ended with code {code}")
    return printed
