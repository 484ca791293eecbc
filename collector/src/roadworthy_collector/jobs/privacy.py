"""What is owed to people: devices to be erased are, and the audit goes once its retention is over."""

from __future__ import annotations

from sqlalchemy import Connection

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import erasure
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.jobs import DAY_SECONDS


def erase_due(work: Work) -> int:
    """Erase the devices somebody asked to erase, each in a transaction of its own; return how many."""
    now, zone = work.clock(), work.settings.reporting_timezone
    with work.engine.connect() as connection:
        due = erasure.list_due(connection, now)
    done = 0
    for device in due:
        if work.stop.is_set():
            break
        try:
            with work.write() as connection:
                done += erasure.finish(connection, device, now=now, zone=zone)
        except erasure.ErasureError:  # a hold came in between: it waits for that to end
            continue
    return done


def prune_audit(work: Work) -> int:
    """Delete rows of the audit past their retention; return how many."""
    now = int(work.clock())
    before = now - work.settings.audit_retention_days * DAY_SECONDS

    def step(connection: Connection, limit: int) -> int:
        return audit.prune(connection, before, limit, now=now)

    return work.batches(step, first=1000)
