"""Since when this spool is this machine's: a copied disk brings another machine's history along.

The fingerprint is kept beside the spool. Where two or more of its facts are others, the disk was copied to other
hardware, or the hardware around it was replaced. Only the collector can tell which of the two; if it was copied, what
was measured before is the original's, who sends it, and it is forgotten here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from sqlite3 import Connection
from typing import Any

from roadworthy_agent import meters
from roadworthy_agent.database import Database
from roadworthy_agent.timeline import Boot, place

DIFFERENT_FACTS = 2  # as the collector has it: one may be a part that was replaced


def keep_machine(database: Database, fingerprint: Mapping[str, str], current: Boot, boottime: float) -> None:
    """Keep which machine this is; `boottime` is the boot clock of `current` at this look at the hardware.

    Other hardware counts from the beginning of the boot in which it is first seen, or from now on where the former
    was still seen in that boot: then the machine was copied while it ran.
    """
    held: dict[str, Any] | None = database.get("machine")
    if held is None or _differing(held["fingerprint"], fingerprint) >= DIFFERENT_FACTS:
        same_boot = held is not None and held["looked"] == current.id
        since = boottime if same_boot else 0.0
        kept = {"fingerprint": dict(fingerprint), "boot": current.id, "since": since, "looked": current.id}
    else:
        kept = held | {"fingerprint": held["fingerprint"] | dict(fingerprint), "looked": current.id}
    if kept != held:
        database.put(machine=kept)


def forget_original(database: Database, boots: list[Boot]) -> None:
    """Forget what was measured before the disk was copied to this machine; what was sent already stays out too.

    A settlement period or day in which it was copied holds something of both and goes as well.
    """
    if not boots:
        return
    held = database.get("machine") or {"boot": boots[-1].id, "since": 0.0}
    boot, since = int(held["boot"]), float(held["since"])
    anchor = place(boots).get(boot)
    with database.transaction() as connection:
        _forget_measured(connection, boot, since)
        _forget_made(connection, None if anchor is None else anchor + since)


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    return sum(1 for name in one.keys() & other.keys() if one[name] != other[name])


def _forget_measured(connection: Connection, boot: int, since: float) -> None:
    """Forget what lies before a moment of a boot's clock."""
    before = (boot, boot, since)
    connection.execute('DELETE FROM samples WHERE boot < ? OR (boot = ? AND "end" <= ?)', before)
    for row in connection.execute("SELECT DISTINCT boot FROM energy WHERE boot < ?", (boot,)).fetchall():
        meters.give_up(connection, row["boot"])
    meters.give_up(connection, boot, since)
    for table in ("startups", "signins"):
        connection.execute(
            f"DELETE FROM {table} WHERE boot < ? OR (boot = ? AND boottime < ?)",  # noqa: S608 - two names above
            before,
        )
    connection.execute(
        "DELETE FROM gaps WHERE from_boot < ? OR (from_boot = ? AND from_boottime < ?)", before
    )


def _forget_made(connection: Connection, since: float | None) -> None:
    """Forget records of what began before `since`, epoch seconds; all of them where that is not known."""
    if since is None:
        for table in ("frozen", "open_days", "gaps"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - three names above
        connection.execute("DELETE FROM frozen_days WHERE held = 0")
        return
    connection.execute("DELETE FROM frozen WHERE start < ?", (since,))
    connection.execute("DELETE FROM open_days WHERE day < ?", (since,))
    connection.execute("DELETE FROM frozen_days WHERE held = 0 AND day < ?", (since,))
    made = connection.execute("SELECT id, payload FROM gaps WHERE payload IS NOT NULL").fetchall()
    for row in made:
        if json.loads(row["payload"])["from"] < since:
            connection.execute("DELETE FROM gaps WHERE id = ?", (row["id"],))
