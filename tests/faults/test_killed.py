"""kill -9 at every stage of a commit, and at random: what was acknowledged is held, once, and a new process goes on."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from faults.clients import Load
from faults.collector import Collector, prepared, sized
from faults.stages import STAGES
from faults.sums import require_sums
from load.measure import Wanted, make_plan
from load.plan import PERIOD_SECONDS
from sqlalchemy import URL, func, select
from support import wait_until

from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine
from roadworthy_collector.store.slots import DAY_SECONDS

GROUPS = (2, 5)  # which commit of a process is its last
KILLS = sized(3, 60)
VICTIMS = (("serve",), ("jobs", "serve"), ("serve", "jobs"))
ROUNDS = sized(1, 5)


def require_balance(collector: Collector, load: Load, *, least: int) -> None:
    """End all, and compare what was acknowledged with what is held."""
    figures = load.stop()
    collector.end()
    found = collector.balance(figures)
    assert found.balanced, (found.faults(), found.json())
    assert len(figures.acked) >= least
    assert not figures.rejected
    # These agents come again much sooner than asked to, so that one may meet the limit of a device.
    assert set(figures.refused) <= {"503 busy", "429 rate"}


def test_a_process_killed_at_any_stage_of_a_commit_loses_and_doubles_nothing(
    tmp_path: Path, store: URL | None
) -> None:
    with prepared(tmp_path, store) as collector, Load(collector) as load:
        # Whether an answer gets out before the end is chance; what got out is held at the end.
        collector.die_in_turn([(stage, random.choice(GROUPS)) for stage in STAGES * ROUNDS])  # noqa: S311 - whichever
        collector.start()
        load.wait_more(100)
        require_balance(collector, load, least=100)


def test_processes_killed_at_any_moment_lose_and_double_nothing(tmp_path: Path, store: URL | None) -> None:
    """`serve` each time, `jobs` two times of three and never before it has rolled something up."""
    now = make_plan(Wanted())
    plan = replace(now, newest=now.newest // DAY_SECONDS * DAY_SECONDS - PERIOD_SECONDS)  # days that are over
    with prepared(tmp_path, store, plan=plan) as collector, Load(collector) as load:
        engine = open_engine(collector.database, read_only=True)

        def rolled_up() -> int:
            with engine.connect() as connection:
                return int(connection.scalar(select(func.sum(schema.days.c.periods))) or 0)

        for victims in islice(cycle(VICTIMS), KILLS):
            collector.start()
            if "jobs" not in collector.processes:
                before = rolled_up()
                collector.start_hurried()
            if "jobs" in victims:
                wait_until(lambda: rolled_up() > before, timeout=60, what="a roll-up")  # noqa: B023 - used here
            load.wait_more(random.randint(1, 300))  # noqa: S311 - whichever
            for victim in victims:
                collector.kill(victim)
        collector.end()
        collector.start("jobs")
        collector.start()
        load.wait_more(100)
        wait_until(lambda: collector.get("/readyz").status == 200, what="readiness")
        engine.dispose()
        require_balance(collector, load, least=KILLS + 100)
        assert require_sums(collector.database, collector.data) > KILLS
        assert "Traceback" not in collector.said() + collector.said("jobs")
