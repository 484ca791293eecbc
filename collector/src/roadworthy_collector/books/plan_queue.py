"""A plan somebody asks for without waiting: noted here, made by the jobs process, its progress shown meanwhile.

One at a time, as there is one last plan. What was being made when the jobs process ended is made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from roadworthy_collector.books import figures, planning
from roadworthy_collector.books.plan_text import Budget, parse_plan
from roadworthy_collector.books.planning import Asked, PlanError
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.queries import audit

FIGURE = "plan.asked"
# More items are planned by the jobs process, not while somebody waits for a page or an answer.
MOST_AT_ONCE = 2_000
RUNS_AT_ONCE = 10
_TOLD_SECONDS = 1.0
State = Literal["waiting", "running", "done", "failed"]


class Queued(NamedTuple):
    """A plan that was asked for: how it goes, `what` was done last to how many items, what went wrong."""

    state: State
    asked_by: str
    asked_at: int
    what: str
    items: int
    error: str | None

    @property
    def open(self) -> bool:
        """Whether it is still to come."""
        return self.state in {"waiting", "running"}


def is_small(connection: Connection) -> bool:
    """Return whether a plan of the register is made while somebody waits."""
    count = connection.scalar(select(func.count()).select_from(register_items)) or 0
    return count <= MOST_AT_ONCE


def ask(connection: Connection, asked: Asked, *, now: float, zone: str) -> None:
    """Note a plan for the jobs process; PlanTextError for a file that is wrong, PlanError while another is open."""
    parse_plan(asked.text, asked.budget, _day(now, zone))
    before = read(connection)
    if before is not None and before.open:
        raise PlanError(f"a plan asked for by {before.asked_by} is still being made; wait until it is done")
    row = {
        "state": "waiting",
        "asked_by": asked.actor,
        "asked_at": int(now),
        "text": asked.text,
        "budget": asdict(asked.budget),
        "runs": asked.runs,
    }
    figures.write(connection, FIGURE, row, now, 0.0)
    audit.record(connection, int(now), asked.actor, "plan.ask", None, {"budget": asdict(asked.budget)})


def read(connection: Connection) -> Queued | None:
    """Return how the plan that was asked for last goes, None where none was."""
    held = figures.read(connection, FIGURE)
    return None if held is None else _queued(held[0])


def _queued(row: dict[str, Any]) -> Queued:
    return Queued(
        row["state"],
        row["asked_by"],
        row["asked_at"],
        row.get("what", ""),
        row.get("items", 0),
        row.get("error"),
    )


def _day(now: float, zone: str) -> Any:
    return datetime.fromtimestamp(now, ZoneInfo(zone)).date()


def make(work: Work) -> int:
    """Make the plan that waits, if one does; return how many were made."""
    with work.engine.connect() as connection:
        held = figures.read(connection, FIGURE)
    if held is None or not _queued(held[0]).open:
        return 0
    row = dict(held[0])
    tell = _teller(work, row)
    tell("items read", 0)
    asked = Asked(text=row["text"], budget=Budget(**row["budget"]), runs=row["runs"], actor=row["asked_by"])
    now = work.clock()
    told: dict[str, Any] = {"state": "done"}
    try:
        on = _day(now, work.settings.reporting_timezone)
        planning.run(work.engine, asked, now=now, on=on, progress=tell)
    except RoadworthyError as error:
        told = {"state": "failed", "error": str(error)}
    with work.write() as connection:
        figures.write(connection, FIGURE, row | told, work.clock(), 0.0)
    return 1


def _teller(work: Work, row: dict[str, Any]) -> Callable[[str, int], None]:
    """Return what notes how far a plan is, at most once a second."""
    said = -_TOLD_SECONDS

    def tell(what: str, count: int) -> None:
        nonlocal said
        at = time.monotonic()
        if at - said < _TOLD_SECONDS:
            return
        said = at
        row.update(state="running", what=what, items=count)
        with work.write() as connection:
            figures.write(connection, FIGURE, row, work.clock(), 0.0)

    return tell
