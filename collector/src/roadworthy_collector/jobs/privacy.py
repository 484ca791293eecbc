"""What is owed to people: devices to be erased are, and the audit goes once its retention is over."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import erasure
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.jobs import DAY_SECONDS


def erase_due(work: Work) -> int:
    """Erase the devices somebody asked to erase; return how many."""
    with work.engine.connect() as connection:
        due = erasure.list_due(connection, work.clock())
    done = 0
    for device in due:
        if work.stop.is_set():
            break
        try:
            done += erase(work, device)
        except erasure.ErasureError:  # a hold came in between: it waits for that to end
            continue
    return done


def erase(work: Work, device: int) -> bool:
    """Delete the device of row id `device` in short transactions; return whether it is gone by this.

    Each asks anew whether it may. Where it ends early, by a stop or a hold, the next call goes on: the device is still
    asked to be erased until its row goes, last of all. Raises ErasureError as `security.erasure.ensure_due`.
    """
    zone = work.settings.reporting_timezone
    with work.engine.connect() as connection:
        waiting = erasure.list_waiting(connection, device)
        midnights = erasure.list_days(connection, work.clock())

    def roll_up(connection: Connection, some: Sequence[int]) -> None:
        for day in some:
            erasure.roll_up_day(connection, device, day, now=work.clock(), zone=zone)

    def erase_days(connection: Connection, some: Sequence[int]) -> None:
        erasure.erase_days(connection, device, some, now=work.clock(), zone=zone)

    # No day goes before all are rolled up: a local day is made of two.
    if work.for_each(waiting, roll_up) < len(waiting) or work.for_each(midnights, erase_days) < len(
        midnights
    ):
        return False

    def remove_some(connection: Connection, limit: int) -> int:
        return erasure.remove_some(connection, device, limit, now=work.clock())

    work.batches(remove_some)
    with work.engine.connect() as connection:
        drawn = erasure.list_charts(connection)
    work.for_each(drawn, erasure.remove_charts)
    if work.stop.is_set():
        return False
    with work.write() as connection:
        return erasure.remove(connection, device, now=work.clock())


def prune_audit(work: Work) -> int:
    """Delete rows of the audit past their retention; return how many."""
    now = int(work.clock())
    before = now - work.settings.audit_retention_days * DAY_SECONDS

    def step(connection: Connection, limit: int) -> int:
        return audit.prune(connection, before, limit, now=now)

    return work.batches(step, first=1000)
