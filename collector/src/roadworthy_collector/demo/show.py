"""Makes the simulated IT estate ready to be shown: reused if it is fresh, built otherwise, with a progress bar."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import func, select

from roadworthy_collector.demo.build import (
    DAYS,
    DEVICES,
    MONTHS,
    Plan,
    Stopped,
    Summary,
    build_demo,
    plan,
    read_plan,
)
from roadworthy_collector.demo.build import Progress as Told
from roadworthy_collector.demo.estate import SEED
from roadworthy_collector.demo.live import tick
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, require_estate
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.upgrade import upgrade

FRESH_SECONDS = 86400  # an estate last heard of longer ago is built anew
_SUFFIXES = ("", "-wal", "-shm")


def prepare_demo(
    settings: Settings,
    *,
    devices: int = DEVICES,
    seed: int = SEED,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.time,
    console: Console | None = None,
) -> Summary | None:
    """Have a simulated IT estate in `settings.sqlite_file`, showing progress on standard error.

    Returns what was built, None where the estate that is there was brought up to date or `stop` was set (the
    half-built file is then removed). Raises EstateError if the database holds a real IT estate, SchemaError if
    it is none of ours.
    """
    stop = stop or threading.Event()
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        tasks: dict[str, object] = {}

        def told(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total)
            bar.update(tasks[phase], completed=done, total=total)  # type: ignore[arg-type] # add_task's own id

        summary = make_ready(
            settings,
            plan(settings, devices=devices, seed=seed, days=DAYS, months=MONTHS, now=int(clock())),
            progress=told,
            stopping=stop.is_set,
        )
    if summary is not None:
        console.print(
            f"A simulated IT estate: {summary.devices} devices, {summary.half_hours} half-hours, "
            f"{summary.device_days} device days. Nothing in it is real."
        )
    return summary


def make_ready(
    settings: Settings, planned: Plan, *, progress: Told, stopping: Callable[[], bool] = lambda: False
) -> Summary | None:
    """Reuse the estate in `settings.sqlite_file` or build `planned` beside it and put it in its place.

    1. A database that is there must be a simulated one: a real one is refused and left alone.
    2. The same seed and size, complete, last heard of less than a day ago: the devices that are on report what
       happened since, and that is all (None is returned).
    3. Anything else is built in a new file, which takes the old one's place when it is complete: a build that is
       stopped or killed leaves what was there.
    """
    database = settings.sqlite_file
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file_lock(settings.data / "demo.lock"):
        if _reused(settings, planned):
            return None
        building = settings.model_copy(update={"data": settings.data / "building"})
        _remove(building.sqlite_file)
        try:
            summary = _build(building, planned, progress, stopping)
        except Stopped:
            _remove(building.sqlite_file)
            return None
        _remove(database)
        building.sqlite_file.replace(database)
        return summary


def _reused(settings: Settings, planned: Plan) -> bool:
    """Whether the estate that is there will do; if so it is brought up to date."""
    if not settings.sqlite_file.exists():
        return False
    upgrade(
        settings.sqlite_file
    )  # what is no database of ours, or a newer program's, is refused and left alone
    engine = open_engine(settings.sqlite_file)
    try:
        require_estate(engine, simulated=True)
        held = read_plan(engine)
        if held is None or (held.devices, held.seed, held.timeline.zone) != (
            planned.devices,
            planned.seed,
            planned.timeline.zone,
        ):
            return False
        now = planned.timeline.now
        with engine.connect() as connection:
            heard_at = connection.scalar(select(func.max(schema.devices.c.last_report_at))) or 0
        if not now - FRESH_SECONDS <= heard_at <= now + FRESH_SECONDS:
            return False
        tick(engine, settings, now, everybody=True)
        return True
    finally:
        engine.dispose()


def _build(settings: Settings, planned: Plan, progress: Told, stopping: Callable[[], bool]) -> Summary:
    upgrade(settings.sqlite_file, clock=lambda: planned.timeline.now)
    engine = open_engine(settings.sqlite_file)
    try:
        return build_demo(engine, settings, planned, progress=progress, stopping=stopping)
    finally:
        engine.dispose()  # the last connection puts the log into the file


def _remove(database: Path) -> None:
    """Remove a database with its log; SQLite would apply an old log to a new file."""
    for suffix in reversed(_SUFFIXES):
        with suppress(FileNotFoundError):
            database.with_name(database.name + suffix).unlink()
