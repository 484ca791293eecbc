"""Sign-in records in the spool.

A record tells the day of a sign-in and never its time. Sent at once, the moment of the report would tell it, so
records leave only after their UTC day has closed, and in no order of time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from sqlite3 import Connection

from roadworthy_agent.database import Database
from roadworthy_agent.days import DAY_SECONDS
from roadworthy_agent.report import SigninRecord, to_json, to_wire
from roadworthy_agent.spool import Spool
from roadworthy_agent.startups import FINAL_AFTER_SECONDS, without_suppressed

REMEMBERED = 256  # so that a sign-in a probe sees again is not taken for a new one


def keep(
    spool: Spool, records: Iterable[SigninRecord], boottime: float, suppress: Iterable[str] = ()
) -> None:
    """Keep what the probe sees at `boottime` of the current boot; another content is a higher revision."""
    hidden = frozenset(name.casefold() for name in suppress)
    with spool.database.transaction() as connection:
        current = spool.current()
        if current is None:
            return
        off = spool.database.get("off_until") or {}
        for record in records:
            if off.get("boot") == current.id and record.began_boottime_seconds < off["boottime"]:
                continue  # of a time when nothing was to be measured
            final = record.final or boottime - record.began_boottime_seconds > FINAL_AFTER_SECONDS
            shown = replace(record, final=final, factors=without_suppressed(record.factors, hidden))
            _upsert(connection, shown, current.id)


def place(connection: Connection, anchors: Mapping[int, float | None]) -> None:
    """Give each sign-in its day, now that its boot has a place; one of a boot without a place has none and is dropped."""
    for row in connection.execute("SELECT key, boot, boottime FROM signins WHERE day IS NULL").fetchall():
        anchor = anchors.get(row["boot"])
        if anchor is None:
            connection.execute("DELETE FROM signins WHERE key = ?", (row["key"],))
            continue
        day = int((anchor + row["boottime"]) // DAY_SECONDS) * DAY_SECONDS
        connection.execute("UPDATE signins SET day = ? WHERE key = ?", (day, row["key"]))


def release(database: Database, connection: Connection, closed_until: int) -> None:
    """Let the sign-ins of closed days go out, and forget old ones the collector holds.

    A day is closed half an hour after its end: one that is still under way then, or is seen only now, would stand out
    in the reports of midnight and so tell its time.
    """
    over = (closed_until - int(FINAL_AFTER_SECONDS)) // DAY_SECONDS * DAY_SECONDS
    database.put(signins_until=over)
    connection.execute("UPDATE signins SET final = 1 WHERE day < ?", (over,))
    connection.execute(
        "DELETE FROM signins WHERE held_revision = revision AND final = 1 AND key NOT IN"
        " (SELECT key FROM signins ORDER BY day DESC LIMIT ?)",
        (REMEMBERED,),
    )


def _upsert(connection: Connection, record: SigninRecord, boot: int) -> None:
    wire = to_wire(record)
    for local in ("key", "began_boottime_seconds", "final"):
        wire.pop(local)
    text = to_json(wire)
    held = connection.execute("SELECT record, final FROM signins WHERE key = ?", (record.key,)).fetchone()
    if held is None:
        connection.execute(
            "INSERT INTO signins (key, signin_id, boot, boottime, record, revision, final)"
            " VALUES (?, ?, ?, ?, ?, 1, ?)",
            (record.key, os.urandom(16).hex(), boot, record.began_boottime_seconds, text, record.final),
        )
    elif not held["final"] and json.loads(held["record"]) != wire:
        connection.execute(
            "UPDATE signins SET record = ?, revision = revision + 1, final = ? WHERE key = ?",
            (text, record.final, record.key),
        )
    elif not held["final"] and record.final:
        connection.execute("UPDATE signins SET final = 1 WHERE key = ?", (record.key,))
