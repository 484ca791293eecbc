"""kill -9 at every stage of a commit, and at random: what was acknowledged is held, once, and a new process goes on."""

from __future__ import annotations

import random
from pathlib import Path

from faults.clients import Load
from faults.collector import Collector, prepared, sized
from faults.stages import STAGES
from sqlalchemy import URL
from support import wait_until

GROUPS = (2, 5)  # which commit of a process is its last
KILLS = sized(3, 60)
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
        for stage in STAGES * ROUNDS:
            # Whether an answer gets out before the end is chance; what got out is held at the end.
            collector.start_to_die(stage, random.choice(GROUPS))  # noqa: S311 - whichever
            collector.wait_dead()
        collector.start()
        load.wait_more(100)
        require_balance(collector, load, least=100)


def test_a_process_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path, store: URL | None) -> None:
    with prepared(tmp_path, store) as collector, Load(collector) as load:
        collector.start("jobs")
        for _ in range(KILLS):
            collector.start()
            load.wait_more(random.randint(1, 300))  # noqa: S311 - whichever
            collector.kill()
        collector.kill("jobs")
        collector.start("jobs")
        collector.start()
        load.wait_more(100)
        wait_until(lambda: collector.get("/readyz").status == 200, what="readiness")
        require_balance(collector, load, least=KILLS + 100)
        assert "Traceback" not in collector.said() + collector.said("jobs")
