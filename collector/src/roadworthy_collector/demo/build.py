"""Builds the simulated IT estate in an empty database.

1. Sites, units, devices, tokens: bulk insert.
2. The months before: daily facts, through the import path (checked rows of `days`), and when devices were off.
3. The last days: half-hours, gaps, start-ups, facts and probe statuses, through the in-process ingest.
4. Those days' totals: by the collector's own roll-up, so that every page has its figures at once.
5. The books: the organisation's files (`papers`), imported as people import theirs, and what the jobs make of them.
6. Energy: the ledger of the months reports are about, avoidable electricity, the devices' share of the meters.
"""

from __future__ import annotations

import calendar
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from sqlalchemy import Engine, func, select

from roadworthy_collector.demo import energy, load, papers, polled
from roadworthy_collector.demo.estate import SEED, Device, compose
from roadworthy_collector.demo.generate import Timeline
from roadworthy_collector.demo.history import history, working_days
from roadworthy_collector.demo.polled_units import Unit
from roadworthy_collector.demo.reporting import Told, World, heard_in_order, whole_story
from roadworthy_collector.errors import StoreError
from roadworthy_collector.ingest.batch import write_reports
from roadworthy_collector.jobs.rollup import roll_up_some
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import require_estate, write_transaction
from roadworthy_collector.store.queries.jobs import list_dirty
from roadworthy_collector.store.statements import upsert
from roadworthy_inventory.calendar import DAY_SECONDS, utc_date, utc_day, utc_day_start

# Raised whenever the same seed gives another estate than before, so that an older demo is built anew.
VERSION = 9
DEVICES, DAYS, MONTHS = 1000, 14, 25
_DEVICES_AT_ONCE = 40
_ROLLUPS_AT_ONCE = 500
_GARBAGE_THRESHOLD = (200_000, 50, 100)


class Progress(Protocol):
    """Told how far a phase is: `phase` is a heading for people, `done` of `total` units."""

    def __call__(self, phase: str, done: int, total: int) -> None: ...  # noqa: D102 - the class says it


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """Somebody asked to stop while the estate was being built."""


@dataclass
class Summary:
    """What was built, and the seconds each phase took."""

    devices: int
    half_hours: int = 0
    start_ups: int = 0
    gaps: int = 0
    device_days: int = 0
    reporting: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What fixes an estate: the same plan builds the same database."""

    devices: int
    seed: int
    timeline: Timeline

    def compose(self) -> list[Device]:
        """Return the devices."""
        times = self.timeline
        return compose(
            self.devices,
            seed=self.seed,
            now=times.now,
            first_day=times.first_day,
            half_hours_from=times.half_hours_from,
        )

    def compose_units(self, devices: Sequence[Device]) -> list[Unit]:
        """Return the devices beside them that run no agent and are polled."""
        return polled.units_of(devices, self.seed, self.timeline)


def plan(
    settings: Settings,
    *,
    devices: int = DEVICES,
    days: int = DAYS,
    months: int = MONTHS,
    seed: int = SEED,
    now: int,
) -> Plan:
    """Return the plan: half-hours for `days` whole UTC days and today, daily facts for `months` months before."""
    half_hours_from = utc_day_start(now) - days * DAY_SECONDS
    first_day = utc_day(_months_before(utc_date(half_hours_from), months)).start
    return Plan(devices, seed, Timeline(first_day, half_hours_from, now, settings.reporting_timezone))


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _untold(phase: str, done: int, total: int) -> None:
    """Tell nobody."""


def build_demo(
    engine: Engine,
    settings: Settings,
    planned: Plan,
    *,
    progress: Progress = _untold,
    stopping: Callable[[], bool] = lambda: False,
    monotonic: Callable[[], float] = time.perf_counter,
) -> Summary:
    """Fill an upgraded, empty database with the simulated IT estate `planned` and stamp it so.

    Raises EstateError if the database holds a real estate, StoreError if it holds devices already, Stopped when
    `stopping()` turns true on the way. The same plan builds the same database.
    """
    require_estate(engine, simulated=True, clock=lambda: planned.timeline.now)
    with engine.connect() as connection:
        if connection.scalar(select(func.count()).select_from(schema.devices)):
            raise StoreError(
                "the simulated IT estate is built in an empty database only; this one has devices"
            )
    builder = _Builder(engine, settings, planned, progress, stopping, monotonic)
    # Millions of rows are made and none refers back to itself: looking for such takes an eighth of the time.
    before = gc.get_threshold()
    gc.set_threshold(*_GARBAGE_THRESHOLD)
    try:
        builder.run()
    finally:
        gc.set_threshold(*before)
    return builder.summary


class _Builder:
    """One build; its steps in order are `run`."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        planned: Plan,
        progress: Progress,
        stopping: Callable[[], bool],
        monotonic: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._plan = planned
        self._progress = progress
        self._stopping = stopping
        self._monotonic = monotonic
        self._devices = planned.compose()
        self._units = planned.compose_units(self._devices)
        self._counters: dict[int, dict[str, int]] = {}
        self.summary = Summary(len(self._devices) + len(self._units))

    def run(self) -> None:
        for phase, step in (
            ("Sites, units and devices", self._insert_devices),
            ("Daily facts of the months before", self._import_days),
            ("Half-hours of the last days", self._ingest),
            ("Daily totals of the last days", self._roll_up),
            ("Register, ledger, ratings and plan", self._books),
            ("Energy, meters and the bill", self._energy),
        ):
            began = self._monotonic()
            for done, total in step():
                if self._stopping():
                    raise Stopped
                self._progress(phase, done, total)
            self.summary.seconds[phase] = self._monotonic() - began
        write_plan(self._engine, self._plan)

    def _insert_devices(self) -> Iterator[tuple[int, int]]:
        with write_transaction(self._engine) as connection:
            self._places = load.insert_places(connection, self._plan.timeline.first_day)
            load.insert_devices(connection, self._devices, self._places, self._plan.seed)
            polled.insert_units(connection, self._units, self._places)
        yield self.summary.devices, self.summary.devices

    def _import_days(self) -> Iterator[tuple[int, int]]:
        times, places = self._plan.timeline, self._places
        calendar_days = working_days(times.first_day, times.half_hours_from)
        away_days = load.away_days([day for day, _ in calendar_days], times.zone)
        for done, some in _batches(self._devices):
            rows, away = [], []
            for device in some:
                site, unit = places.sites[device.group.site], places.units[device.group.unit]
                counters = self._counters[device.row] = {}
                told = {facts.day: facts for facts in history(device, calendar_days, times)}
                away += load.away_rows(device.row, told, away_days)
                for facts in told.values():
                    rows.append(load.day_row(device.row, site, unit, load.check_day(facts)))
                    for scope, joules in facts.joules.items():
                        counters[scope] = counters.get(scope, 0) + joules
            with write_transaction(self._engine) as connection:
                load.insert_days(connection, rows)
                load.insert_away(connection, away)
            self.summary.device_days += len(rows)
            yield done, self.summary.devices
        with write_transaction(self._engine) as connection:
            for one in self._units:
                self.summary.device_days += polled.insert_months(connection, one, places, times)
        yield self.summary.devices, self.summary.devices

    def _ingest(self) -> Iterator[tuple[int, int]]:
        world = World(self._plan.timeline)
        for done, some in _batches(self._devices):
            stories = [whole_story(world, device, self._counters[device.row]) for device in some]
            told = [story for story in stories if story is not None]
            self._write(told)
            yield done, self.summary.devices
        self._poll()
        yield self.summary.devices, self.summary.devices

    def _write(self, told: list[Told]) -> None:
        ingest(self._engine, self._settings, told)
        self.summary.half_hours += sum(story.half_hours for story in told)
        self.summary.start_ups += sum(story.start_ups for story in told)
        self.summary.gaps += sum(story.gaps for story in told)
        self.summary.reporting += sum(story.on for story in told)

    def _poll(self) -> None:
        """Tell what polls of the last days found, and what hangs on what."""
        times = self._plan.timeline
        with write_transaction(self._engine) as connection:
            told = [polled.last_days(connection, unit, times) for unit in self._units]
        self._write(told)
        with write_transaction(self._engine) as connection:
            polled.state_feeds(connection, self._units, times)
        _, half_hours = polled.poll(self._engine, self._settings, self._units, times.now)
        self.summary.half_hours += half_hours

    def _roll_up(self) -> Iterator[tuple[int, int]]:
        with self._engine.connect() as connection:
            waiting = list_dirty(connection)
        done, total = 0, sum(map(len, waiting.values()))
        for day, some in waiting.items():
            with write_transaction(self._engine) as connection:
                for begin in range(0, len(some), _ROLLUPS_AT_ONCE):
                    part = some[begin : begin + _ROLLUPS_AT_ONCE]
                    times = self._plan.timeline
                    roll_up_some(connection, day, part, now=times.now, zone=self._settings.reporting_timezone)
            done += len(some)
            yield done, total

    def _books(self) -> Iterator[tuple[int, int]]:
        yield from papers.fill(self._engine, self._settings, self._plan)

    def _energy(self) -> Iterator[tuple[int, int]]:
        yield from energy.fill(self._engine, self._settings, self._plan)


def ingest(engine: Engine, settings: Settings, told: list[Told]) -> None:
    """Write reports through the in-process ingest, in one transaction.

    Raises StoreError if an item is refused: then the simulation breaks a rule agents keep.
    """
    with write_transaction(engine) as connection:
        for heard_at, some in heard_in_order(told):
            outcomes = write_reports(
                connection,
                [one.incoming for one in some],
                heard_at,
                retention_days=settings.half_hour_retention_days,
                interval_seconds=settings.report_interval_seconds,
            )
            for outcome in outcomes:
                if outcome.rejected:
                    first = outcome.rejected[0]
                    raise StoreError(
                        f"the simulation made a {first.item} that ingest refuses: {first.field}: {first.message}"
                    )


def _batches(devices: Sequence[Device]) -> Iterator[tuple[int, Sequence[Device]]]:
    """Yield (how many with this batch, batch)."""
    for begin in range(0, len(devices), _DEVICES_AT_ONCE):
        some = devices[begin : begin + _DEVICES_AT_ONCE]
        yield begin + len(some), some


_PLAN = "demo_plan"


def write_plan(engine: Engine, planned: Plan) -> None:
    """Note that the estate is complete and what it was built from."""
    times = planned.timeline
    words: list[Any] = [VERSION, planned.devices, planned.seed]
    words += [times.first_day, times.half_hours_from, times.now, times.zone]
    row = {"name": _PLAN, "value": " ".join(map(str, words))}
    with write_transaction(engine) as connection:
        connection.execute(upsert(schema.estate), row)


def read_plan(engine: Engine) -> Plan | None:
    """Return what the estate was built from; None if it is not complete or was built by another version."""
    with engine.connect() as connection:
        text = connection.scalar(select(schema.estate.c.value).where(schema.estate.c.name == _PLAN))
    words = (text or "").split()
    if len(words) != 7 or words[0] != str(VERSION):  # as many as write_plan writes
        return None
    devices, seed, first_day, half_hours_from, now = map(int, words[1:6])
    return Plan(devices, seed, Timeline(first_day, half_hours_from, now, words[6]))
