"""What daily totals say beside the half-hours and start-ups they are made of."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, Connection, select

from roadworthy_collector.jobs import rollup
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine
from roadworthy_collector.store.queries import facts
from roadworthy_collector.store.slots import DAY_SECONDS

DeviceDay = tuple[int, int]  # row id and midnight UTC


@dataclass
class Sums:
    """One UTC day of one device: half-hours, start-ups, joules by scope and quality."""

    half_hours: int = 0
    startups: int = 0
    joules: Counter[tuple[str, str]] = field(default_factory=Counter)


def of_facts(connection: Connection) -> dict[DeviceDay, Sums]:
    """Return the sums of what is held, added up here and not by anything the roll-up uses."""
    found: dict[DeviceDay, Sums] = defaultdict(Sums)
    for device in connection.scalars(select(schema.devices.c.id)).all():
        for period in facts.periods(connection, device):
            found[device, period.start // DAY_SECONDS * DAY_SECONDS].half_hours += 1
        for one in facts.energy(connection, device):
            sums = found[device, one.start // DAY_SECONDS * DAY_SECONDS]
            sums.joules[one.scope, one.quality] += one.joules
    timed = select(schema.startups.c.device, schema.startups.c.started_at).where(
        schema.startups.c.final.is_(True), schema.startups.c.total_seconds.is_not(None)
    )
    for device, started_at in connection.execute(timed):
        found[device, int(started_at) // DAY_SECONDS * DAY_SECONDS].startups += 1
    return dict(found)


def of_days(connection: Connection) -> dict[DeviceDay, Sums]:
    """Return the sums the daily totals tell."""
    return {
        (row.device, row.day): Sums(
            row.periods,
            row.startups,
            Counter(
                {
                    (scope, quality): joules
                    for scope, some in (row.joules or {}).items()
                    for quality, joules in some.items()
                }
            ),
        )
        for row in connection.execute(select(schema.days))
    }


def require_sums(database: Path | URL, folder: Path) -> int:
    """Roll up what is still marked, and compare every day with its facts; return how many half-hours there are.

    A day that lost its mark stays as it is, so that it is found to be wrong.
    """
    engine = open_engine(database)
    try:
        # A day ahead: the one that is going on is rolled up at most once an hour.
        rollup.roll_up(Work(engine, Settings(data=folder), lambda: time.time() + DAY_SECONDS, rests=False))
        with engine.connect() as connection:
            held, told = of_facts(connection), of_days(connection)
            assert not connection.execute(select(schema.dirty)).all()
    finally:
        engine.dispose()
    wrong = {key for key in held.keys() | told.keys() if held.get(key) != told.get(key)}
    assert not wrong, [(key, held.get(key), told.get(key)) for key in sorted(wrong)[:3]]
    return sum(one.half_hours for one in told.values())
