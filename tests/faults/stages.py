"""`roadworthy serve` or `jobs` that kills itself: `python stages.py STAGE N`, at STAGE of its Nth transaction.

With several pairs of STAGE and N, all of `serve`, one process after the other does.

Of `serve`, whose transactions are groups of reports: before: the transaction has not begun. statement: between two
statements of it, facts written in part. written: all is written, nothing committed. committed: on the disk, nobody
answered. answering: the first of the group is answered, the others are not. between: all are answered, the next group
waits.

Of `jobs`: rollup: the marks are taken and a UTC day's totals written, its local days are not. prune: energy of
half-hours is deleted, nothing committed. hurried: at none, it ends when it is killed. All three do only the work below,
and do it again at once instead of every quarter of a minute to every hour, or few moments would be worth killing at.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, event

from roadworthy_collector.ingest import writer
from roadworthy_collector.running import serve
from roadworthy_collector.settings import load
from roadworthy_collector.store import schema
from roadworthy_collector.store.queries import jobs as queries
from roadworthy_collector.supervisor import stop_on_signals

STAGES = ("before", "statement", "written", "committed", "answering", "between")
JOB_STAGES = ("rollup", "prune")
_STATEMENT = 3  # of the transaction
_WORK = {"rollup", "site_half_hours", "pruning"}
_PAUSE_SECONDS = 0.1


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """Wraps what the writer calls; counts groups and dies at the stage of the one that was asked for."""

    def __init__(self, stage: str, group: int) -> None:
        self._stage = stage
        self._group = group
        self._groups = 0
        self._statements = 0
        self._write_transaction = writer.write_transaction
        self._write_reports = writer.write_reports
        self._commit = writer.Writer._commit
        self._answer = writer.Writer._answer

    def install(self) -> None:
        """Put the wrappers in place."""
        writer.write_transaction = self.write_transaction
        writer.write_reports = self.write_reports
        dying = self

        def commit(self: writer.Writer, group: Any) -> Any:
            results = dying._commit(self, group)
            dying._at("committed")
            return results

        def answer(self: writer.Writer, group: Any, results: Any) -> None:
            if dying._is_due("answering") and len(group) > 1:
                dying._answer(self, group[:1], results[:1])
                _die()
            dying._answer(self, group, results)
            dying._at("between")

        writer.Writer._commit = commit  # type: ignore[method-assign] # that is what this program is for
        writer.Writer._answer = answer  # type: ignore[method-assign] # as above
        event.listen(Engine, "after_cursor_execute", self.executed)

    @contextmanager
    def write_transaction(self, engine: Engine) -> Iterator[Connection]:
        """Begin a group."""
        self._groups += 1
        self._statements = 0
        self._at("before")
        with self._write_transaction(engine) as connection:
            yield connection

    def write_reports(self, connection: Connection, *arguments: Any, **named: Any) -> Any:
        """Write a group."""
        outcomes = self._write_reports(connection, *arguments, **named)
        self._at("written")
        return outcomes

    def executed(self, *_: Any) -> None:
        """Count a statement."""
        self._statements += 1
        if self._statements >= _STATEMENT:
            self._at("statement")

    def _is_due(self, stage: str) -> bool:
        return stage == self._stage and self._groups >= self._group

    def _at(self, stage: str) -> None:
        if self._is_due(stage):
            _die()


class DyingJobs:
    """Wraps what roll-ups and pruning write with; dies when it was called so often, inside the transaction."""

    def __init__(self, stage: str, transaction: int) -> None:
        self._stage = stage
        self._left = transaction
        self._write_days = queries.write_days
        self._prune_by_day = queries.prune_by_day

    def install(self) -> None:
        """Put the wrappers in place."""
        queries.write_days = self.write_days
        queries.prune_by_day = self.prune_by_day

    def write_days(self, connection: Connection, table: Any, rows: Any, **named: Any) -> None:
        """Write totals."""
        self._write_days(connection, table, rows, **named)
        if table is schema.days and rows:
            self._count("rollup")

    def prune_by_day(self, connection: Connection, table: Any, *arguments: Any, **named: Any) -> int:
        """Delete half-hours, those of energy among them."""
        deleted = self._prune_by_day(connection, table, *arguments, **named)
        if table is schema.energy_slots and deleted:
            self._count("prune")
        return deleted

    def _count(self, stage: str) -> None:
        if stage == self._stage:
            self._left -= 1
            if not self._left:
                _die()


def hurried_jobs() -> None:
    """Do the jobs of `_WORK` all the time, as `roadworthy jobs` does them, until SIGTERM."""
    from roadworthy_collector.jobs.runner import (
        JOBS,
        run_jobs,
    )  # half a second that `serve` need not wait for

    stop = threading.Event()
    stop_on_signals(stop)
    some = [replace(job, every_seconds=_PAUSE_SECONDS) for job in JOBS if job.name in _WORK]
    run_jobs(load(None), stop, jobs=some)


def main(stage: str, transaction: int) -> None:
    """Run the command that `stage` is one of, until it dies of it."""
    if stage in STAGES:
        Dying(stage, transaction).install()
        serve(load(None))
    else:
        DyingJobs(stage, transaction).install()
        hurried_jobs()


def in_turn(turns: Sequence[tuple[str, int]]) -> None:
    """Run a process for each stage of `serve`, the next when the one before is dead; exit with 1 where one just ends.

    Forked from here, where everything is imported once: that takes longer than all the rest of it.
    """
    from roadworthy_collector import app, connections, serving  # noqa: F401 - what `serve` imports, for the forks
    from roadworthy_collector.ingest import direct  # noqa: F401 - as above

    for stage, transaction in turns:
        child = os.fork()
        if not child:
            main(stage, transaction)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"stage {stage} has not killed its process: {status}")


if __name__ == "__main__":
    words = iter(sys.argv[1:])
    wanted = [(word, int(next(words))) for word in words]
    if len(wanted) > 1:
        in_turn(wanted)
    else:
        main(*wanted[0])
