"""The annual report of 100,000 devices in all its forms: seconds and memory, each by the real command in a fresh process.

    python bench/energy_report.py [--devices 100000] [--seconds 5] [--megabytes 1024] [--sites 150] [--units 60]

Builds a SQLite database with `--devices` devices and the ledger of 2025/26 (a month made out of daily totals, its rows
repeated for the others, as a year of daily roll-ups leaves them), then runs `roadworthy report carbon --year 2025/26`
as JSON, CSV, XLSX, HTML and PDF. Printed are seconds from start to end of the process, its processor seconds, and the
most memory it and the child that draws had at once. Ends with 1 where a form takes longer or more than the target; a
machine that is busy with other work is slower, so processor seconds are judged where these are fewer.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from energy import ZONE, database, fill, repeat, timed

from roadworthy_collector.carbon import energy, energy_due
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.engine import open_engine

FORMS = ("json", "csv", "xlsx", "html", "pdf")
_PAUSE_SECONDS = 0.02


class Took(NamedTuple):
    """What a process and its children took."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    bytes: int


def build(folder: Path, args: argparse.Namespace) -> None:
    """Put the devices and a year of the ledger into a database in `folder`."""
    settings = database(folder)
    engine = open_engine(settings.database)
    now = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
    month = energy_due.month_of(dt.date(2025, 9, 1), dt.date(2026, 6, 10), ZONE)
    fill(engine, args, args.devices, [month.first])
    energy.make(Work(engine, settings, clock=lambda: now, rests=False), month)
    repeat(engine, month)
    engine.dispose()


def memory_megabytes(process: int) -> float:
    """Return the resident memory of a process and all below it now; nought once it is gone."""
    whole = 0.0
    try:
        (line,) = [
            one
            for one in Path(f"/proc/{process}/status").read_text("ascii").splitlines()
            if one.startswith("VmRSS")
        ]
        whole = int(line.split()[1]) / 1024
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text("ascii").split():
                whole += memory_megabytes(int(child))
    except (OSError, ValueError):  # it ended meanwhile
        return whole
    return whole


def report(folder: Path, form: str) -> Took:
    """Run the command; return what it took."""
    target = folder / f"report.{form}"
    command = [sys.executable, "-m", "roadworthy_collector", "report", "carbon", "--year", "2025/26"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    most = 0.0
    with subprocess.Popen(
        [*command, "--format", form, "--output", str(target)],
        env=os.environ | {"ROADWORTHY_DATA": str(folder), "ROADWORTHY_ROLLUPS_AT": "serve"},
        stdout=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            most = max(most, memory_megabytes(process.pid))
            time.sleep(_PAUSE_SECONDS)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        sys.exit(f"the report as {form} ended with {process.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(seconds, cpu, most, target.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--megabytes", type=float, default=1024.0)
    parser.add_argument(
        "--data", type=Path, help="Report on the database of this folder instead of a new one."
    )
    for name, count in (("sites", 150), ("units", 60), ("models", 80), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=count)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = args.data or Path(name)
        if args.data is None or not any(folder.iterdir()):
            timed(f"{args.devices:,} devices and a year of the ledger, built", lambda: build(folder, args))
        missed = []
        for form in FORMS:
            took = report(folder, form)
            print(
                f"{form}: {took.seconds:.2f} s, CPU {took.cpu_seconds:.2f} s, memory at most {took.megabytes:.0f} MB, "
                f"{took.bytes / 1000:,.0f} kB"
            )
            if min(took.seconds, took.cpu_seconds) > args.seconds or took.megabytes > args.megabytes:
                missed.append(form)
    if missed:
        sys.exit(f"over {args.seconds:g} s or {args.megabytes:g} MB: {', '.join(missed)}")


if __name__ == "__main__":
    main()
