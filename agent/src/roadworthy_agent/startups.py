"""Start-up records in the spool: revisions, and when a record is final."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from sqlite3 import Connection

from roadworthy_agent.report import Factor, StartupRecord, to_json, to_wire
from roadworthy_agent.spool import Spool

# A start-up that has not finished by then is reported as it is (decision: finished, 30 min, or the next one).
FINAL_AFTER_SECONDS = 1800.0
SUPPRESSED = "suppressed"
# Records the collector holds are kept a while, so that the same start-up is not taken for a new one.
REMEMBERED = 32


def keep(
    spool: Spool, records: Iterable[StartupRecord], boottime: float, suppress: Iterable[str] = ()
) -> bool:
    """Keep what the probe sees at `boottime` of the current boot; return whether anything changed.

    Another content is a higher revision; a final record is never touched again.
    """
    changed = False
    with spool.database.transaction() as connection:
        current = spool.current()
        if current is None:
            return False
        rows = {boot.boot_id: boot.id for boot in spool.boots()}
        for record in shown(records, suppress):
            final = record.final or boottime - record.began_boottime_seconds > FINAL_AFTER_SECONDS
            changed |= _upsert(connection, replace(record, final=final), rows.get(record.boot_id, current.id))
        changed |= _finish_earlier(connection, current.id)
    return changed


def all_final(spool: Spool) -> bool:
    """Return whether the current boot's start-up is known and final, so that no probe need look again."""
    row = spool.database.row(
        "SELECT count(*), min(final) FROM startups WHERE boot = (SELECT max(id) FROM boots)", ()
    )
    return row is not None and row[0] > 0 and bool(row[1])


def shown(records: Iterable[StartupRecord], suppress: Iterable[str]) -> list[StartupRecord]:
    """Return records whose suppressed names are taken out; their seconds stay, so that sums close."""
    hidden = frozenset(name.casefold() for name in suppress)
    return [replace(record, factors=without_suppressed(record.factors, hidden)) for record in records]


def without_suppressed(factors: Iterable[Factor], hidden: frozenset[str]) -> tuple[Factor, ...]:
    """Return factors without the names in `hidden`, which are case-folded."""
    return tuple(_shown(factor, hidden) for factor in factors)


def _shown(factor: Factor, hidden: frozenset[str]) -> Factor:
    return replace(factor, name=SUPPRESSED) if factor.name.casefold() in hidden else factor


def _upsert(connection: Connection, record: StartupRecord, boot: int) -> bool:
    wire = to_wire(record)
    boottime = wire.pop("began_boottime_seconds")
    text = to_json(wire)
    held = connection.execute("SELECT * FROM startups WHERE start_id = ?", (record.start_id,)).fetchone()
    if held is None:
        connection.execute(
            "INSERT INTO startups (start_id, boot, boottime, record, revision, final) VALUES (?, ?, ?, ?, 1, ?)",
            (record.start_id, boot, boottime, text, record.final),
        )
        return True
    if held["final"] or held["record"] == text:
        return False
    connection.execute(
        "UPDATE startups SET record = ?, revision = revision + 1, final = ? WHERE start_id = ?",
        (text, record.final, record.start_id),
    )
    return True


def _finish_earlier(connection: Connection, current: int) -> bool:
    """Make records of earlier boots final, as nobody can look at them again, and forget old ones sent."""
    changed = False
    for row in connection.execute(
        "SELECT * FROM startups WHERE boot < ? AND final = 0", (current,)
    ).fetchall():
        record = to_json(json.loads(row["record"]) | {"final": True})
        connection.execute(
            "UPDATE startups SET record = ?, revision = revision + 1, final = 1 WHERE start_id = ?",
            (record, row["start_id"]),
        )
        changed = True
    # A laptop wakes some ten times a day for months: of those the collector holds only the key is kept, by which they
    # are known again.
    connection.execute(
        "UPDATE startups SET record = '{}' WHERE boot = ? AND held_revision = revision AND final = 1"
        " AND record <> '{}'",
        (current,),
    )
    connection.execute(
        "DELETE FROM startups WHERE held_revision = revision AND final = 1 AND boot <= ? - ?",
        (current, REMEMBERED),
    )
    return changed
