"""What the collector is measured beside: Debian's Pushgateway, the disk, and a server that only says yes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agent_measure import free_port, started

from load.crew import Crew
from load.figures import milliseconds, percentile
from load.processes import cpu_seconds, is_root, look
from load.task import Figures, Task

POLICY = Path("/usr/sbin/policy-rc.d")
WANTS = Path("/etc/systemd/system/multi-user.target.wants")
MOST_GROUPS = 1000
MOST_SECONDS = 10.0
CEILING = Path(__file__).with_name("ceiling.py")
PROTOTYPE = Path(__file__).with_name("prototype.py")


def install(
    programs: dict[str, str], missing: Callable[[str], bool] = lambda name: shutil.which(name) is None
) -> None:
    """Install Debian packages whose program is missing, as root; starts nothing and leaves nothing enabled.

    `programs` names the package of each program.
    """
    packages = sorted({package for program, package in programs.items() if missing(program)})
    if not packages or not is_root() or shutil.which("apt-get") is None:
        return
    print(f"Installing {' '.join(packages)}; their services are neither started nor enabled", flush=True)
    units = [f"{package}.service" for package in packages]
    enabled = {unit for unit in units if (WANTS / unit).is_symlink()}
    made = not POLICY.exists()
    if made:
        POLICY.write_text("#!/bin/sh\nexit 101\n")  # invoke-rc.d(8): no service is started
        POLICY.chmod(0o755)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            command = ["apt-get", *arguments]
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    finally:
        if made:
            POLICY.unlink()
        for unit in units:
            if unit not in enabled and (systemctl := shutil.which("systemctl")):
                subprocess.run(
                    [systemctl, "disable", "--quiet", unit], check=False, stderr=subprocess.DEVNULL
                )


def pushgateway(
    devices: int, connections: int, folder: Path, seconds: float = MOST_SECONDS
) -> dict[str, Any] | None:
    """Return what a push of ten metrics costs a Pushgateway, None where there is none.

    A group a device, from an empty gateway on, at most MOST_GROUPS and MOST_SECONDS: each push walks over all that
    is held, so with more groups it only gets dearer.
    """
    if (program := shutil.which("prometheus-pushgateway")) is None:
        print("prometheus-pushgateway is not installed: not measured")
        return None
    port, measured = free_port(), min(seconds, MOST_SECONDS)
    task = Task(
        mode="closed",
        host="127.0.0.1",
        port=port,
        fleet="",
        first=0,
        last=min(devices, MOST_GROUPS),
        plan={},
        result="",
        connections=connections,
        warm_up_seconds=0.0,
        seconds=measured,
        target="pushgateway",
    )
    with started(program, f"--web.listen-address=127.0.0.1:{port}") as process:
        wait_for(port)
        crew = Crew(task, 1, folder)
        try:
            before = cpu_seconds([process.pid])
            crew.begin()
            figures = crew.wait()
        finally:
            crew.end()
        cpu = cpu_seconds([process.pid]) - before
        rss = sum(one.rss_bytes for one in look([process.pid]))
    return _pushed(figures, measured, cpu) | {"rss_mb": round(rss / 1e6, 1)}


def _pushed(figures: Figures, seconds: float, cpu: float) -> dict[str, Any]:
    """Return what pushes came to, of processor time all that were taken."""
    if not figures.acked:
        raise SystemExit(f"the Pushgateway took nothing: {dict(figures.refused)}")
    return {
        "groups": len({report >> 32 for report in figures.acked}),
        "metrics_per_group": 10,
        "pushes_per_s": round(figures.answered / seconds, 1),
        "p50_ms": milliseconds(percentile(figures.latencies, 50)),
        "p99_ms": milliseconds(percentile(figures.latencies, 99)),
        "cpu_ms_per_push": round(cpu / len(figures.acked) * 1e3, 3),
    }


def prototype(crew: Crew, port: int, folder: Path, seconds: float) -> dict[str, Any]:
    """Return what the least that takes reports durably does with the same bodies; `crew` sends to `port`.

    Its fleet is `folder`/fleet. `seconds` are measured after the crew's warm-up.
    """
    with started(
        sys.executable, str(PROTOTYPE), str(port), str(folder / "prototype.db"), str(folder / "fleet")
    ) as process:
        wait_for(port)
        try:
            before = cpu_seconds([process.pid])
            crew.begin()
            figures = crew.wait()
        finally:
            crew.end()
        cpu = cpu_seconds([process.pid]) - before
    if not figures.acked:
        raise SystemExit(f"the prototype took nothing: {dict(figures.refused)}")
    return {
        "reports_per_s": round(figures.answered / seconds, 1),
        "p50_ms": milliseconds(percentile(figures.latencies, 50)),
        "p99_ms": milliseconds(percentile(figures.latencies, 99)),
        "cpu_ms_per_report": round(cpu / len(figures.acked) * 1e3, 4),
    }


def disk(folder: Path, seconds: float = 3.0) -> dict[str, float]:
    """Return what plain sqlite3 does on the same disk as durably: rows in commits of one, and of 256.

    A row is as long as a settlement period's. Nothing that keeps reports in SQLite can pass the second figure, nothing
    that commits each report by itself the first.
    """
    return {
        f"rows_per_s_{rows}_a_commit": round(
            _commits(folder / f"plain-{rows}.db", rows, seconds / 2) * rows, 1
        )
        for rows in (1, 256)
    }


def _commits(path: Path, rows: int, seconds: float) -> float:
    """Return commits a second of `rows` rows each."""
    columns = ", ".join(f"c{n}" for n in range(10))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(
            f"CREATE TABLE t (device, start, {columns}, PRIMARY KEY (device, start)) WITHOUT ROWID"
        )
        done, began = 0, time.perf_counter()
        marks = ",".join("?" * 12)
        while time.perf_counter() - began < seconds:
            some = [(n, done, 0.1234, 0.4321, "sensor", "psutil.cpu_times", 1800, 30, n, done, None, b"8 bytes.")
                    for n in range(rows)]  # fmt: skip
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO t VALUES ({marks})", some)  # noqa: S608 - only marks
            connection.execute("COMMIT")
            done += 1
        return done / (time.perf_counter() - began)


@contextmanager
def yes_server() -> Iterator[int]:
    """Run a server that answers every report at once and does nothing with it; yields its port."""
    port = free_port()
    with started(sys.executable, str(CEILING), str(port)):
        wait_for(port)
        yield port


def wait_for(port: int, seconds: float = 30.0) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")
