"""The jobs process: a table of jobs, run by APScheduler until somebody says stop.

Every job writes to table `jobs` when it began, ended, last succeeded, how long it took, and its longest write
transaction; `/metrics` shows it. A failing job says so once when it starts to fail and once when it heals, and
never ends the others.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.books import plan_queue, staff_time
from roadworthy_collector.carbon import avoidable, energy, intensity, meter_figures
from roadworthy_collector.jobs import (
    books,
    charts,
    console_devices,
    console_startups,
    costs,
    fleet,
    organisation,
    polls,
    privacy,
    prune,
    rollup,
    site_figures,
    site_half_hours,
    startup_parts,
    sweep,
    yearly,
)
from roadworthy_collector.jobs.holder import TRY_SECONDS, NotHoldingError, Place, holding
from roadworthy_collector.jobs.work import LIMIT_SECONDS, Work
from roadworthy_collector.logs import Failing
from roadworthy_collector.remote_write import job as remote_write
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.faults import is_database_fault
from roadworthy_collector.store.queries.jobs import count_long_transactions, write_job

_log = logging.getLogger(__name__)
# Everything must be gone within 2 s, and the supervisor wants a part of them.
_STOP_SECONDS = 0.7
# A job that polls for work and finds none says that it is well this often, not at every look.
_SAID_SECONDS = 60.0
_ERROR_LENGTH = 256
# While a collector starts, every job runs for the first time at once: a transaction that was only not let run then is
# counted, and no news.
_SETTLING_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """A row of the table of jobs: `run` returns how many things it did.

    With `share` it comes less often where a run takes long: it is at work for that part of the time at most.
    """

    name: str
    every_seconds: float
    run: Callable[[Work], int]
    share: float | None = None


def _relay(work: Work) -> int:
    """Forward what a relay keeps; loaded where this collector is one: an HTTP client costs memory."""
    if not work.settings.is_relay:
        return 0
    from roadworthy_collector.relay.forward import forward

    return forward(work)


JOBS: tuple[Job, ...] = (
    Job("fleet_metrics", 30.0, fleet.compute, share=0.1),
    Job("console_devices", 30.0, console_devices.compute, share=0.1),
    Job("console_startups", 30.0, console_startups.compute, share=0.1),
    Job("startup_parts", startup_parts.EVERY_SECONDS, startup_parts.compute, share=0.05),
    Job("site_figures", site_figures.EVERY_SECONDS, site_figures.compute, share=0.05),
    Job("yearly", yearly.EVERY_SECONDS, yearly.compute, share=0.05),
    Job("charts", 0.3, lambda work: charts.draw_pending(work.engine)),
    Job("rollup", 15.0, rollup.roll_up),
    Job("remote_write", remote_write.EVERY_SECONDS, remote_write.send),
    Job("sweeper", 3600.0, sweep.sweep),
    Job("site_half_hours", 900.0, site_half_hours.roll_up_sites),
    Job("pruning", 3600.0, prune.prune),
    Job("retention", 3600.0, prune.prune_history),
    Job("cleanup", 3600.0, prune.clean),
    Job("costs", costs.EVERY_SECONDS, costs.compute, share=0.1),
    Job("plans", 5.0, plan_queue.make),
    Job("books", books.EVERY_SECONDS, books.compute, share=0.1),
    Job("staff_time", staff_time.EVERY_SECONDS, staff_time.refresh, share=0.05),
    Job("organisation", organisation.EVERY_SECONDS, organisation.compute, share=0.1),
    Job("grid_intensity", intensity.EVERY_SECONDS, intensity.refresh),
    Job("energy", energy.EVERY_SECONDS, energy.refresh_some, share=0.1),
    Job("meters", meter_figures.EVERY_SECONDS, meter_figures.refresh, share=0.05),
    Job("avoidable", avoidable.EVERY_SECONDS, avoidable.refresh, share=0.05),
    Job("polls", polls.EVERY_SECONDS, polls.poll),
    Job("relay", 5.0, _relay),
    Job("erasure", 5.0, privacy.erase_due),
    Job("audit_retention", 3600.0, privacy.prune_audit),
)


@dataclass
class _Record:
    """What the runner remembers of a job between its runs."""

    job: Job
    began_at: float = 0.0
    began: float = 0.0
    said_at: float = -_SAID_SECONDS
    longest: float = 0.0
    said_long: bool = False
    not_before: float = -math.inf  # monotonic
    work: Work | None = None
    failing: Failing = field(init=False)
    unwritten: Failing = field(init=False)

    def __post_init__(self) -> None:
        name = self.job.name
        self.failing = Failing(_log, f"job {name} fails", f"job {name} works again", ends_level=logging.INFO)
        self.unwritten = Failing(
            _log, f"job {name}: its run cannot be noted", f"job {name}: its runs are noted"
        )


class _DaemonThreads(BaseExecutor):  # type: ignore[misc] # APScheduler has no types
    """Runs each job in a daemon thread.

    A pool's threads are joined when Python ends, so one long drawing would hold up the end of the process; what a
    daemon thread had not committed is simply not there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads: dict[str, threading.Thread] = {}  # one run of a job at a time

    def join(self, seconds: float) -> None:
        """Wait until no job runs, and what was to be noted of them is; at most so long."""
        deadline = time.monotonic() + seconds
        for thread in list(self._threads.values()):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _do_submit_job(self, job: Any, run_times: Sequence[datetime]) -> None:
        def run() -> None:
            self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))  # noqa: SLF001 - as APScheduler's own executors do

        thread = threading.Thread(target=run, name=f"job {job.id}", daemon=True)
        self._threads[job.id] = thread
        thread.start()


class Runner:
    """Runs `jobs` on `engine` until `stop` is set."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        stop: threading.Event,
        *,
        jobs: Sequence[Job] = JOBS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._stop = stop
        self._clock = clock
        self._monotonic = monotonic
        self._records = {job.name: _Record(job) for job in jobs}
        self._settled = monotonic() + _SETTLING_SECONDS

    def run(self) -> None:
        """Run the jobs, each at once and then at its interval; return within a second of `stop`."""
        # Without a zone of its own it would ask the system for one; with `apscheduler` loud, every error comes twice.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL + 1)
        threads = _DaemonThreads()
        scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": threads},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        scheduler.add_listener(self._ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        for name, record in self._records.items():
            scheduler.add_job(
                self._run,
                IntervalTrigger(seconds=record.job.every_seconds, timezone=UTC),
                args=(name,),
                id=name,
                next_run_time=datetime.now(UTC),
            )
        scheduler.start()
        self._stop.wait()
        scheduler.shutdown(wait=False)
        threads.join(_STOP_SECONDS)

    def _run(self, name: str) -> int | None:
        """Run one job, None if it is too early; what it raises reaches `_ended` through APScheduler."""
        record = self._records[name]
        if self._monotonic() < record.not_before:
            return None
        record.began_at, record.began = self._clock(), self._monotonic()
        record.work = Work(self._engine, self._settings, self._clock, self._stop)
        try:
            return record.job.run(record.work)
        finally:
            record.not_before = self._rested_at(record, record.work)

    def _rested_at(self, record: _Record, work: Work) -> float:
        """Return when a job that has just run may run again, so that it keeps to its share of the time."""
        if record.job.share is None:
            return -math.inf
        ended = self._monotonic()
        busy = ended - record.began - work.rested_seconds
        return ended + busy / record.job.share - (ended - record.began)

    def _ended(self, event: JobExecutionEvent) -> None:
        """Note how a run went: in the table, and in the log where that changed."""
        record = self._records[event.job_id]
        error = event.exception
        if isinstance(error, NotHoldingError):
            return  # no fault of the job's
        if error is not None:
            # A database that is away is no fault of this program: where it happened to be asked says nothing.
            shown = None if isinstance(error, Exception) and is_database_fault(error) else error
            changed = record.failing.begin(_said(error), error=shown, job=event.job_id)
        else:
            changed = record.failing.heal(job=event.job_id)
        quiet = error is None and not event.retval and not changed and not _held_long(record)
        if quiet and self._monotonic() - record.said_at < _SAID_SECONDS:
            return
        self._write(record, error)

    def _say_long(self, record: _Record, seconds: float) -> None:
        """Log the first transaction of a job that was too long, once the collector has settled; all are counted."""
        if record.said_long or seconds <= LIMIT_SECONDS or self._monotonic() < self._settled:
            return
        record.said_long = True
        _log.warning(
            "job %s held the database for %.2f s in one transaction, more than %.2f s; reports wait for as long. "
            "Said once; roadworthy_job_long_transactions_total counts such runs",
            record.job.name,
            seconds,
            LIMIT_SECONDS,
        )

    def _write(self, record: _Record, error: BaseException | None) -> None:
        """Write the run to table `jobs`."""
        elapsed = self._monotonic() - record.began
        values: dict[str, Any] = {
            "last_started_at": record.began_at,
            "last_finished_at": self._clock(),
            "last_duration_seconds": elapsed,
            "last_error": None if error is None else _said(error),
        }
        if error is None:
            values["last_success_at"] = values["last_finished_at"]
        if record.work is not None and (longest := record.work.longest_transaction_seconds) is not None:
            record.longest = max(record.longest, longest)
            values["longest_transaction_seconds"] = record.longest
            self._say_long(record, longest)
        try:
            with write_transaction(self._engine) as connection:
                write_job(connection, record.job.name, values, failed=error is not None)
                if _held_long(record):
                    count_long_transactions(connection, record.job.name)
        except (SQLAlchemyError, NotHoldingError) as unwritten:
            record.unwritten.begin(_said(unwritten), job=record.job.name)
        else:
            record.unwritten.heal(job=record.job.name)
            record.said_at = self._monotonic()


def _held_long(record: _Record) -> bool:
    """Return whether the run that has just ended kept reports waiting for longer than a job may."""
    longest = None if record.work is None else record.work.longest_transaction_seconds
    return longest is not None and longest > LIMIT_SECONDS


def run_jobs(
    settings: Settings, stop: threading.Event, *, place: Place | None = None, jobs: Sequence[Job] = JOBS
) -> None:
    """Do the background work of the collector on a database at this program's schema until `stop` is set.

    Only one process does it at a time; this one stands by while another does, which `place` tells others. Returns
    within a second of `stop`. Raises StoreError if there is no database.
    """
    place = place or Place()
    while not stop.is_set():
        with holding(settings, stop) as held:
            if held is None:
                return
            engine = open_engine(settings.database, program="jobs")
            held.bind(engine)
            try:
                with place.taken(held):
                    Runner(engine, settings, held.let_go, jobs=jobs).run()
            finally:
                engine.dispose()
        # Having lost its lock it stands by: another that waits for it tries within this time.
        stop.wait(1.5 * TRY_SECONDS)


def _said(error: BaseException) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:_ERROR_LENGTH]
