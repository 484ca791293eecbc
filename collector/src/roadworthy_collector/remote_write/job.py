"""The job that empties the queue into the receiver.

In this order at each run:

1. while no receiver is configured: forget the queue and what the last one held;
2. open the queue, and keep it open for as long as this job runs;
3. drop what is past the queue's bounds, and measure it;
4. unless the receiver asked for a pause: send, the devices that wait longest first, until the queue is empty;
5. end the series of devices that have left.

Memory is bounded by one batch, however long the queue. One run ends after 45 s, so that its figures are seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.remote_write import batch, held, queue, sink
from roadworthy_collector.remote_write.facts import read_facts
from roadworthy_collector.remote_write.leaving import end_series
from roadworthy_collector.remote_write.series import Labels
from roadworthy_collector.remote_write.session import Session, WaitError
from roadworthy_collector.remote_write.target import Target, read_target
from roadworthy_collector.store.queries.console import is_simulated

EVERY_SECONDS = 5.0
_log = logging.getLogger(__name__)
_RUN_SECONDS = 45.0
_COUNT_SECONDS = 30.0
_SWEEP_SECONDS = 60.0
# A half-hour is up to a dozen samples, most are three or four.
_SAMPLES_PER_ROW = 2
_MOST_ROWS = 2000


def send(work: Work) -> int:
    """Do what is described above; return how many half-hours and days were sent."""
    if work.settings.remote_write_url is None:
        _forget(work)
        return 0
    now = work.clock()
    row = _opened(work, now)
    if row.counted_at is None or now - row.counted_at >= _COUNT_SECONDS:
        _bound(work, now)
        _measure(work)
    if row.retry_at is not None and now < row.retry_at:
        return 0
    try:
        target = read_target(work.settings)
    except SettingsError as error:
        _misconfigured(work, row, str(error))
        return 0
    return 0 if target is None else _run(work, target, row)


def _run(work: Work, target: Target, row: Any) -> int:
    from roadworthy_collector.remote_write.sender import Sender  # loads the HTTP client

    with work.engine.connect() as connection:
        # As targets of a simulated IT estate carry it: in a store of real ones nobody may take it for one.
        marked = {"simulated": "true"} if is_simulated(connection) else {}
    labels = Labels({**target.labels, **marked})
    with Sender(target, clock=work.clock) as sender:
        session = Session(work, sender.send, labels, target.host)
        try:
            emptied = _drain(session, target.max_samples, work.monotonic)
            now = work.clock()
            if emptied and (row.swept_at is None or now - row.swept_at >= _SWEEP_SECONDS):
                end_series(session, labels)
                with work.write() as connection:
                    sink.update_sink(connection, swept_at=now)
        except WaitError:
            pass  # written down, and said if it is new
        except SettingsError as error:
            _misconfigured(work, row, str(error))
    if session.sent:
        _measure(work)
    return session.sent


def _drain(session: Session, max_samples: int, monotonic: Callable[[], float]) -> bool:
    """Send until the queue is empty, the collector stops or the run has taken its time; return whether it is empty."""
    began = monotonic()
    limit = min(_MOST_ROWS, max(1, max_samples // _SAMPLES_PER_ROW))
    while not session.work.stop.is_set() and monotonic() - began < _RUN_SECONDS:
        with session.work.engine.connect() as connection:
            waiting = queue.read(connection, limit)
            facts = read_facts(connection, waiting)
            known = held.read_held(connection, (row.device_id for row in waiting))
        if not waiting:
            return True
        found = batch.plan(waiting, facts, known)
        session.let_go(found.unsent, None)
        session.let_go(found.pruned, "pruned")
        for rows in (found.late, found.fresh):
            for piece in batch.pieces(rows, max_samples):
                session.deliver(piece)
    return False


def _opened(work: Work, now: float) -> Any:
    """Return the receiver's row; made, or kept open, where it has to be."""
    keep = work.settings.remote_write_queue_hours * 3600
    with work.engine.connect() as connection:
        row = sink.read_sink(connection)
    # Moved on long before it is reached, and seldom: it is a write.
    if row is not None and now + keep / 2 < row.open_until <= now + keep:
        return row
    with work.write() as connection:
        sink.make_sink(connection, int(now + keep))
        sink.update_sink(connection, open_until=int(now + keep))
        return sink.read_sink(connection)


def _bound(work: Work, now: float) -> None:
    """Drop what has waited too long, and the oldest of too many; said when it begins and when it ends."""
    settings = work.settings
    before = int(now - settings.remote_write_queue_hours * 3600)
    old = work.batches(lambda connection, limit: queue.drop_oldest(connection, limit, before=before))
    with work.engine.connect() as connection:
        waiting, _ = queue.measure(connection)
    over = waiting - settings.remote_write_queue_periods
    if over > 0:
        left = over

        def drop(connection: Any, limit: int) -> int:
            nonlocal left
            gone = queue.drop_oldest(connection, min(limit, left))
            left -= gone
            return gone

        over = work.batches(drop)
    dropped = {(sink.DROPPED, "queue_age"): old, (sink.DROPPED, "queue_full"): max(0, over)}
    with work.engine.connect() as connection:
        row = sink.read_sink(connection)
    since = None if row is None else row.dropping_since
    drops = any(dropped.values())
    if not drops and since is None:
        return
    with work.write() as connection:
        sink.count(connection, dropped)
        sink.update_sink(connection, dropping_since=(since or now) if drops else None)
    if drops and since is None:
        _log.error("remote write: the queue is past its bounds; the oldest half-hours in it are dropped")
    elif not drops:
        _log.warning("remote write: the queue is within its bounds again")


def _measure(work: Work) -> None:
    with work.engine.connect() as connection:
        waiting, oldest = queue.measure(connection)
    with work.write() as connection:
        sink.update_sink(connection, queued_periods=waiting, oldest_queued_at=oldest, counted_at=work.clock())


def _misconfigured(work: Work, row: Any, said: str) -> None:
    """Say once that the settings cannot be used; what closes meanwhile waits in the queue."""
    if row.last_error == said[:256]:
        return
    _log.error("remote write: %s; half-hours wait in the queue", said)
    with work.write() as connection:
        since = row.failing_since if row.failing_since is not None else work.clock()
        sink.update_sink(connection, failing_since=since, last_error=said[:256])


def _forget(work: Work) -> None:
    """Forget the last receiver, if there was one: its row first, so that nothing new is queued."""
    with work.engine.connect() as connection:
        if sink.read_sink(connection) is None:
            return
    # Closed at once, but the row goes last: a run that is cut short is taken up again.
    with work.write() as connection:
        sink.update_sink(connection, open_until=0)
    work.batches(queue.drop_oldest)
    work.batches(held.forget_some)
    with work.write() as connection:
        sink.drop_sink(connection)
