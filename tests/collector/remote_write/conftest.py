"""A sink: an IT estate whose half-hours go to a receiver, with a clock that moves when told."""

from __future__ import annotations

import itertools
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from collector.remote_write.receivers import Receiver, receiving
from sqlalchemy import func, select, update
from support.estates import Estate

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.remote_write import job, queue
from roadworthy_collector.store import half_hours, schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.half_hours import Energy, HalfHour, Use

HALF_HOUR = 1800
# Of this moment: a real Prometheus takes no samples of years ago.
NOON = int(time.time()) // HALF_HOUR * HALF_HOUR - HALF_HOUR


def energy(counter: int, scope: str = "cpu", quality: str = "sensor", joules: int = 100) -> Energy:
    return Energy(scope, joules, counter, 1800, quality, "rapl", 0.05)


@dataclass
class Clock:
    """Seconds since 1970 that pass only when told."""

    now: float = float(NOON)

    def __call__(self) -> float:
        return self.now


@dataclass
class Sink:
    """Puts closed half-hours in, and runs the job."""

    estate: Estate
    url: str | None
    settings: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    stop: threading.Event = field(default_factory=threading.Event)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self) -> int:
        """Run the job once."""
        settings = self.estate.settings(remote_write_url=self.url, **self.settings)
        return job.send(Work(self.estate.engine, settings, self.clock, self.stop))

    def run_after(self, seconds: float) -> int:
        self.clock.now += seconds
        return self.run()

    def device(self, **values: Any) -> int:
        """Add a device that was heard just now."""
        return self.estate.device(**{"last_report_at": int(self.clock.now), **values})

    def heard(self, device: int) -> None:
        with write_transaction(self.estate.engine) as connection:
            row = update(schema.devices).where(schema.devices.c.id == device)
            connection.execute(row.values(last_report_at=int(self.clock.now)))

    def close(
        self,
        device: int,
        start: int,
        *told: Energy,
        cpu: float | None = 0.25,
        memory: float | None = None,
        in_use: int = 0,
    ) -> None:
        """Book a closed half-hour, as ingest does."""
        uses = [None if ratio is None else Use(ratio, None, "sensor", "psutil") for ratio in (cpu, memory)]
        closed = HalfHour(
            *(device, start, 1800, 30, *uses),
            content_hash=struct.pack("<Q", next(self._numbers)),
            states=(in_use, 0, 0, 0, 0, 1800 - in_use),
            energy=told,
        )
        with write_transaction(self.estate.engine) as connection:
            half_hours.append(connection, [closed])
            queue.enqueue(connection, [(device, start)], clock=self.clock)

    def waiting(self) -> int:
        with self.estate.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(schema.remote_write_queue)) or 0

    def row(self) -> Any:
        with self.estate.engine.connect() as connection:
            return connection.execute(select(schema.remote_write_sink)).one_or_none()

    def counted(self) -> dict[tuple[str, str], int]:
        with self.estate.engine.connect() as connection:
            found = connection.execute(select(schema.counters)).all()
        return {
            (row.name.removeprefix("remote_write_"), row.label): row.value
            for row in found
            if row.name.startswith("remote_write_")
        }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def make_sink(estate: Estate) -> Callable[..., Sink]:
    """Return what makes a sink that is open already."""

    def make(url: str | None, **settings: Any) -> Sink:
        sink = Sink(estate, url, settings)
        sink.run()
        return sink

    return make


@pytest.fixture
def sink(make_sink: Callable[..., Sink], receiver: Receiver) -> Sink:
    return make_sink(receiver.url)
