"""Keeps the simulated IT estate alive while it is shown: what its devices would report now, through ingest.

Nothing is remembered between two ticks but what the database holds: the plan the estate was built from, when each
device was last heard, its sequence number and its counters. So a tick after an hour's pause tells that hour, too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from roadworthy_collector.demo import polled
from roadworthy_collector.demo.build import Plan, ingest, read_plan
from roadworthy_collector.demo.estate import Device
from roadworthy_collector.demo.polled_units import Unit
from roadworthy_collector.demo.reporting import World, next_chapter
from roadworthy_collector.errors import StoreError
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import require_estate

TICK_SECONDS = 60.0
_REPORTS_AT_ONCE = 50  # keeps a transaction short enough for the pages beside it
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick wrote."""

    reports: int
    half_hours: int


class _Heard(NamedTuple):
    """When a device was last heard, in how many seconds it was to call again, and its sequence number then."""

    at: int
    next_call_seconds: int
    seq: int


def tick(engine: Engine, settings: Settings, now: int, *, everybody: bool = False) -> Tick:
    """Write the reports of the devices that are on and due at `now`; with `everybody`, of all that are on.

    Raises EstateError if the database holds a real estate, StoreError if it holds no complete simulated one.
    """
    planned = read_plan(engine)
    if planned is None:
        require_estate(engine, simulated=True)
        raise StoreError("this database holds no complete simulated IT estate; `roadworthy demo` builds one")
    world, devices, units = _world(planned)
    with engine.connect() as connection:
        last = _last_heard(connection)
        counters = _counters(connection)
    told = []
    for device in devices:
        if (heard := last.get(device.row)) is None or heard.at >= now:
            continue
        if everybody or heard.at + heard.next_call_seconds <= now + TICK_SECONDS / 2:
            chapter = next_chapter(
                world,
                device,
                counters.get(device.row, {}),
                told_at=heard.at,
                seq=heard.seq + 1,
                now=now,
                spread=everybody,
            )
            if chapter is not None:
                told.append(chapter)
    for begin in range(0, len(told), _REPORTS_AT_ONCE):
        ingest(engine, settings, told[begin : begin + _REPORTS_AT_ONCE])
    reports, half_hours = polled.poll(engine, settings, units, now)
    return Tick(len(told) + reports, sum(one.half_hours for one in told) + half_hours)


def keep_alive(
    engine: Engine,
    settings: Settings,
    stop: threading.Event,
    *,
    clock: Callable[[], float] = time.time,
    tick_seconds: float = TICK_SECONDS,
) -> None:
    """Tick once a minute until `stop` is set; the first tick catches up with the time since the last one.

    Raises EstateError and StoreError as `tick`.
    """
    everybody = True
    while not stop.is_set():
        done = tick(engine, settings, int(clock()), everybody=everybody)
        if done.half_hours:
            _log.info("%d simulated devices reported %d half-hours", done.reports, done.half_hours)
        everybody = False
        stop.wait(tick_seconds)
    engine.dispose()


@lru_cache(maxsize=1)
def _world(planned: Plan) -> tuple[World, tuple[Device, ...], tuple[Unit, ...]]:
    devices = tuple(planned.compose())
    return World(planned.timeline), devices, tuple(planned.compose_units(devices))


def _last_heard(connection: Connection) -> dict[int, _Heard]:
    """Return when each device that is not retired was last heard; those that never reported are left out."""
    columns = schema.devices.c
    query = select(columns.id, columns.last_report_at, columns.next_call_seconds, columns.seq).where(
        columns.last_report_at.is_not(None), columns.retired_at.is_(None)
    )
    return {device: _Heard(at, wait or 0, seq or 0) for device, at, wait, seq in connection.execute(query)}


def _counters(connection: Connection) -> dict[int, dict[str, int]]:
    """Return {device: {scope: joules}}: where each counter stood at the end of the last closed half-hour."""
    columns = schema.energy_counters.c
    query = select(columns.device, columns.scope, columns.counter_end_joules)
    found: dict[int, dict[str, int]] = {}
    for device, scope, joules in connection.execute(query):
        found.setdefault(device, {})[scope] = joules
    return found
