"""A real systemd to measure: a small distribution root, made once per machine, booted by systemd-nspawn.

The root is kept outside the clone, in `$ROADWORTHY_TEST_CACHE` or `~/.cache/roadworthy-tests`, and never
written to by a test: each boot gets an overlay (or, where the kernel has none, a copy) of its own. The
packages come from the mirror and suite this machine's own apt is set to, from nowhere else.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGES = "systemd-sysv,dbus,libpam-systemd,python3,procps"
# Raise it when PACKAGES or the options below change, so that an old root is not taken for a new one.
EDITION = 2
MARK = "etc/roadworthy-test-root"

_NUMBERS = itertools.count(1)
UNIT = """\
[Unit]
Description=What the test asks
DefaultDependencies=no
After={after}

[Service]
Type=simple
ExecStart=/bin/sh /roadworthy-test.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/out/script.stdout
StandardError=file:/out/script.stderr
"""


@dataclass(frozen=True)
class Distribution:
    """Where this machine's own packages come from."""

    mirror: str
    suite: str
    components: str
    architecture: str


@dataclass(frozen=True)
class Bind:
    """A folder of this machine shown inside the booted root."""

    outside: Path
    inside: str
    writable: bool = False


@dataclass
class Boot:
    """One finished boot: its log and what the script inside left in the output folder."""

    output: Path
    log: str
    returncode: int
    machine: str
    files: dict[str, str] = field(default_factory=dict)


def why_no_root() -> str | None:
    """Return why a systemd root cannot be made or booted here, or None if it can."""
    if os.geteuid() != 0:
        return "booting a systemd in a container needs root"
    for program in ("debootstrap", "systemd-nspawn", "apt-get"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


def need_root() -> None:
    """Fail in CI, and skip by name elsewhere, where no systemd root can be booted."""
    if (why := why_no_root()) is not None:
        _refuse(why)


def _refuse(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"systemd root: {why}; in CI every real part must be there", pytrace=False)
    pytest.skip(f"could not run without systemd root: {why}")


def cache_folder() -> Path:
    """Return the folder outside the clone that keeps what is made once per machine."""
    chosen = os.environ.get("ROADWORTHY_TEST_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "roadworthy-tests"


def distribution() -> Distribution:
    """Read mirror, suite and components from this machine's apt, with the security and update suites left out."""
    names = Path("/etc/os-release").read_text(encoding="utf-8")
    suite = next(
        line.partition("=")[2].strip('"')
        for line in names.splitlines()
        if line.startswith("VERSION_CODENAME=")
    )
    rows = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME)|$(REPO_URI)|$(COMPONENT)|$(ARCHITECTURE)",
         "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    mine = [row.split("|") for row in rows if row.split("|")[0] == suite]
    if not mine:
        _refuse(f"apt on this machine names no mirror for its own suite {suite!r}")
    _, mirror, _, architecture = next((row for row in mine if row[2] == "main"), mine[0])
    return Distribution(mirror=mirror, suite=suite, components="main", architecture=architecture)


def systemd_root() -> Path:
    """Return the cached root, making it first where this machine has none (about a minute, announced)."""
    need_root()
    source = distribution()
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / f"systemd-{source.suite}-{source.architecture}-{EDITION}"
    with (folder / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test workers: one makes it, the others wait
        if not (root / MARK).exists():
            _make(root, source)
    return root


def _make(root: Path, source: Distribution) -> None:
    """Debootstrap into a neighbour and rename it, so that a broken-off run leaves no half root."""
    print(
        f"\nmaking a {source.suite} root in {root} from {source.mirror}: once per machine, about a minute",
        file=sys.__stderr__,
        flush=True,
    )
    partial = root.with_name(root.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
    log = root.with_name(root.name + ".log")
    with log.open("wb") as out:
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--arch={source.architecture}",
             f"--components={source.components}", f"--include={PACKAGES}",
             source.suite, str(partial), source.mirror],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False, timeout=900,
        )  # fmt: skip
    if done.returncode:
        _refuse(f"debootstrap ended with {done.returncode}; its log is {log}")
    shutil.rmtree(partial / "var/cache/apt/archives", ignore_errors=True)
    (partial / MARK).write_text(f"{PACKAGES}\n", encoding="utf-8")
    partial.rename(root)


@contextmanager
def own_copy(root: Path, folder: Path) -> Iterator[Path]:
    """Yield a writable view of `root` below `folder`: an overlay, or a copy where the kernel has none."""
    upper, work, merged = folder / "upper", folder / "work", folder / "root"
    for path in (upper, work, merged):
        path.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={root},upperdir={upper},workdir={work}"
    mounted = (
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    try:
        if not mounted:
            subprocess.run(["cp", "-a", "--reflink=auto", f"{root}/.", str(merged)], check=True)
        yield merged
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(merged)], check=True)
        for path in (upper, work, merged):
            shutil.rmtree(path, ignore_errors=True)


def write_unit(root: Path, name: str, text: str, *, wanted_by: str | None = "multi-user.target") -> None:
    """Put a unit into `root` and, unless `wanted_by` is None, switch it on."""
    units = root / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    (units / name).write_text(text, encoding="utf-8")
    if wanted_by is not None:
        wants = units / f"{wanted_by}.wants"
        wants.mkdir(exist_ok=True)
        (wants / name).symlink_to(f"/etc/systemd/system/{name}")


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other test boots on this machine: two systemds under one control group end each other's units."""
    with (cache_folder() / "boot.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def boot(
    root: Path,
    script: str,
    output: Path,
    *,
    binds: tuple[Bind, ...] = (),
    after: str = "multi-user.target",
    timeout: float = 120.0,
) -> Boot:
    """Boot `root`, run the shell text `script` in it, power it off, and return what it left.

    The script runs once `after` is reached, from a `Type=simple` unit, because a oneshot would itself be part of
    the start-up it measures. It finds `output` as /out; every file it leaves there is returned by name.
    """
    output.mkdir(parents=True, exist_ok=True)
    (root / "roadworthy-test.sh").write_text(script, encoding="utf-8")
    write_unit(root, "roadworthy-test.service", UNIT.format(after=after))
    machine = f"rw-test-{os.getpid()}-{next(_NUMBERS)}"  # also its host name
    shown = [
        f"--bind{'' if bind.writable else '-ro'}={bind.outside}:{bind.inside}"
        for bind in (*binds, Bind(output, "/out", writable=True))
    ]
    command = ["systemd-nspawn", "-q", "-D", str(root), "-b", f"--machine={machine}", "--register=no",
               "--keep-unit", "--private-network", "--console=pipe", *shown]  # fmt: skip
    try:
        with _alone():
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"").decode("utf-8", "replace")
        raise AssertionError(f"the booted root did not power off within {timeout:g} s:\n{text}") from late
    finally:
        # nspawn refuses to clear its own folder where /run is no tmpfs
        shutil.rmtree(Path("/run/systemd/nspawn/propagate") / machine, ignore_errors=True)
    files = {
        path.name: path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(output.iterdir())
        if path.is_file()
    }
    return Boot(output, done.stdout.decode("utf-8", "replace"), done.returncode, machine, files)
