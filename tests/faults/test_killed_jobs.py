"""kill -9 inside a roll-up's transaction, then inside a prune's: the next process does the rest, and all of it once."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from faults.collector import prepared
from faults.stages import JOB_STAGES
from faults.sums import Sums, of_days, of_facts
from sqlalchemy import URL, Engine, func, select
from support import wait_until
from support.facts import half_hour, put

from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.store.slots import DAY_SECONDS, PERIOD_SECONDS

DEVICES = 40
FIRST_PIECE = (
    8  # devices in the first transaction of a roll-up or a prune, before it knows how long they take
)
HALF_HOURS = 3  # of a device and day
AGE_DAYS = {"old": 40, "recent": 3}  # half-hours are kept for 30
_ENERGY = {"counter_end_joules": 9_000_000, "source": "rapl"}


@dataclass
class Work:
    """Half-hours of two days that wait to be rolled up, and what they add up to."""

    engine: Engine
    old: int
    recent: int
    sums: dict[tuple[int, int], Sums]

    def counted(self, table: object, day: int) -> int:
        """Return how many rows of a table are of that day."""
        with self.engine.connect() as connection:
            query = select(func.count()).select_from(table).where(table.c.day == day)  # type: ignore[arg-type, attr-defined] # a table
            return connection.scalar(query) or 0

    def told(self) -> dict[tuple[int, int], Sums]:
        """Return what the daily totals say."""
        with self.engine.connect() as connection:
            return of_days(connection)

    def held(self) -> dict[tuple[int, int], Sums]:
        """Return what the half-hours that are left add up to."""
        with self.engine.connect() as connection:
            return of_facts(connection)

    def of_sites(self, day: int) -> Counter[tuple[str, str]]:
        """Return the joules of the site half-hours of a day, by scope and quality."""
        table, found = schema.site_half_hours, Counter[tuple[str, str]]()
        with self.engine.connect() as connection:
            mine = table.c.start >= day, table.c.start < day + DAY_SECONDS
            for joules in connection.scalars(select(table.c.joules).where(*mine)):
                found.update({(s, q): more for s, some in joules.items() for q, more in some.items()})
        return found


def make_work(engine: Engine) -> Work:
    """Put in half-hours that no device would send any more, and mark their days."""
    now = time.time()
    old, recent = (int(now - days * DAY_SECONDS) // DAY_SECONDS * DAY_SECONDS for days in AGE_DAYS.values())
    with engine.connect() as connection:
        ids = connection.scalars(select(schema.devices.c.id).order_by(schema.devices.c.id)).all()
    some = [
        half_hour(
            device,
            day + slot * PERIOD_SECONDS,
            energy=[
                {**_ENERGY, "scope": "cpu", "quality": "sensor", "joules": 7_001 * device + slot},
                {**_ENERGY, "scope": "machine", "quality": "modelled", "joules": 90_001 * device + slot},
            ],
        )
        for day in (old, recent)
        for device in ids
        for slot in range(20, 20 + HALF_HOURS)
    ]
    put(engine, some)
    with write_transaction(engine) as connection:
        for device in ids:
            for day in (old, recent):
                queries.mark_dirty(connection, device, day, now - DAY_SECONDS)
    with engine.connect() as connection:
        sums = of_facts(connection)
    assert len(sums) == 2 * DEVICES
    return Work(engine, old, recent, sums)


def test_jobs_killed_inside_a_transaction_are_done_once_by_the_next(
    tmp_path: Path, store: URL | None
) -> None:
    rolling, pruning = JOB_STAGES
    with prepared(tmp_path, store, devices=DEVICES) as collector:
        engine = open_engine(collector.database)
        work = make_work(engine)

        collector.start_to_die(rolling, 2, "jobs")
        collector.wait_dead("jobs")
        # The first transaction is there whole, of the second nothing: neither totals nor the marks it had taken.
        assert work.counted(schema.days, work.old) == FIRST_PIECE
        assert work.counted(schema.dirty, work.old) == DEVICES - FIRST_PIECE
        assert work.counted(schema.dirty, work.recent) == DEVICES

        collector.start_to_die(pruning, 2, "jobs")
        collector.wait_dead("jobs")
        # It could begin only when the old day was rolled up and added up by site; then the same as before.
        assert work.counted(schema.dirty, work.old) == 0
        assert work.counted(schema.energy_slots, work.old) == DEVICES - FIRST_PIECE
        assert work.counted(schema.use_slots, work.old) == DEVICES

        collector.start("jobs")
        wait_until(lambda: not work.counted(schema.use_slots, work.old), timeout=60, what="the rest pruned")
        wait_until(lambda: not work.counted(schema.dirty, work.recent), timeout=60, what="the rest rolled up")
        collector.end()

        assert work.told() == work.sums
        assert work.held() == {key: sums for key, sums in work.sums.items() if key[1] == work.recent}
        everything = sum((one.joules for key, one in work.sums.items() if key[1] == work.old), Counter())
        assert work.of_sites(work.old) == everything
        assert "Traceback" not in collector.said("jobs")
        engine.dispose()
