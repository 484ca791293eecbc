"""The job of the books: reconciles and rates hourly, and within a minute of an import, a decision or other rules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, case, func, select

from roadworthy_collector.books import contracts_figures, figures, lifecycle_run, rating, reconciling
from roadworthy_collector.books.excepting import WAITS
from roadworthy_collector.books.register_counts import count_register
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import batches, exceptions, match_decisions, rule_editions

FIGURE = "books"
EVERY_SECONDS = 60.0
_HOUR = 3600
# Of what is worked out: a program that tells more works it out anew instead of in an hour.
_FORMAT = 2


def seen(connection: Connection) -> list[Any]:
    """Return what tells that somebody has changed the books: another list, other books.

    Every import and every change by hand is a batch; one that is not all in waits.
    """
    asked = (
        (batches, (func.count(case((batches.c.unfinished.is_(False), 1))), func.max(batches.c.undone_at))),
        (match_decisions, (func.count(), func.max(match_decisions.c.made_at))),
        (rule_editions, (func.max(rule_editions.c.id),)),
        (
            exceptions,
            (
                func.max(exceptions.c.id),
                func.count(exceptions.c.withdrawn),
                func.count(func.nullif(exceptions.c.approver, WAITS)),
            ),
        ),
    )
    found: list[Any] = [_FORMAT]
    for table, columns in asked:
        found += connection.execute(select(*columns).select_from(table)).one()
    return found


def compute(work: Work) -> int:
    """Reconcile and rate where an hour has passed or somebody changed the books; return how many of both were done."""
    now = work.clock()
    with work.engine.connect() as connection:
        told = seen(connection)
        held = figures.read(connection, FIGURE)
    if held is not None and held[0]["seen"] == told and 0 <= now - held[1] < _HOUR:
        return 0
    reconciling.reconcile_now(work)
    rating.rate_now(work)
    count_register(work)
    contracts_figures.refresh(work)
    lifecycle_run.work_out(work)
    if work.stop.is_set():
        return 0
    with work.write() as connection:
        figures.write(connection, FIGURE, {"seen": told}, now, 0.0)
    return 2
