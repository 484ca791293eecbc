"""How the agent on this machine is doing, read beside it without disturbing it."""

from __future__ import annotations

import sqlite3
from typing import Any

from roadworthy_agent.database import Database
from roadworthy_agent.delivery import stopped_message
from roadworthy_agent.errors import HeldError, StateError
from roadworthy_agent.identity import StateFolder
from roadworthy_agent.lock import hold
from roadworthy_agent.outbox import Outbox
from roadworthy_agent.settings import Settings
from roadworthy_agent.show import Style, moment, seconds, size, table, wrapped
from roadworthy_agent.spool import Spool

SHOWN_QUARANTINE = 20


def read(settings: Settings) -> dict[str, Any]:
    """Return the state of the agent as JSON-ready values; raises StateError where it cannot be read."""
    state = StateFolder(settings.state_dir)
    identity = state.identity()
    found: dict[str, Any] = {
        "server": settings.server,
        "state_dir": str(settings.state_dir),
        "enrolled": identity is not None,
        "device_id": identity.device_id if identity else None,
        "enrolled_at": identity.enrolled_at if identity else None,
        "stopped": identity.stopped if identity else None,
        "running": _is_running(state),
    }
    if not state.spool.exists():
        return found | {"spool": None, "probes": []}
    database = Database(state.spool, read_only=True)
    try:
        return found | _spool(database, settings)
    except sqlite3.Error as error:
        raise StateError(f"{state.spool}: cannot read the spool: {error}") from error
    finally:
        database.close()


def _spool(database: Database, settings: Settings) -> dict[str, Any]:
    spool, outbox = Spool(database, settings.spool_max_bytes), Outbox(database)
    boot = spool.current()
    quarantine = database.rows(
        "SELECT at, item, key, code, field, message FROM quarantine ORDER BY id DESC LIMIT ?",
        (SHOWN_QUARANTINE,),
    )
    return {
        "last_answer_at": database.get("last_answer_at"),
        "last_call_at": database.get("last_call_at"),
        "last_outcome": database.get("last_outcome"),
        "clock_offset_seconds": None if boot is None else boot.offset,
        "spool": {
            "samples": database.number("SELECT count(*) FROM samples"),
            "waiting_items": outbox.waiting(),
            "used_bytes": database.used_bytes(),
            "max_bytes": settings.spool_max_bytes,
            "thinned_samples": database.get("thinned_samples", 0),
            "dropped_samples": database.get("dropped_samples", 0),
            "dropped_periods": database.get("dropped_periods", 0),
        },
        "quarantined_items": outbox.quarantined(),
        "quarantine": [dict(row) for row in quarantine],
        "probes": database.get("statuses", []),
    }


def _is_running(state: StateFolder) -> bool:
    """Return whether an agent holds the folder's lock."""
    if not state.lock.exists():
        return False
    try:
        hold(state.lock).close()
    except HeldError:
        return True
    except StateError:  # a read-only file system, say: no agent could run there either
        return False
    return False


def text(found: dict[str, Any], style: Style) -> str:
    """Return the state for a person."""
    outcome = found.get("last_outcome") or {}
    rows = [
        ("agent", "running" if found["running"] else "not running"),
        ("server", found["server"] or "none is set; measuring only"),
        ("enrolment", _enrolment(found)),
        ("state folder", found["state_dir"]),
        ("last answer", moment(found.get("last_answer_at"))),
        ("last call", f"{moment(found.get('last_call_at'))} {outcome.get('kind', '')}".rstrip()),
        ("clock", _clock(found.get("clock_offset_seconds"))),
    ]
    lines = [style.heading("Agent"), *table(rows)]
    if outcome.get("message"):
        lines += wrapped(outcome["message"], first="  problem: ", rest="    ")
    return "\n".join([*lines, *_spool_lines(found, style), *_probe_lines(found, style)])


def _enrolment(found: dict[str, Any]) -> str:
    if not found["enrolled"]:
        return "not enrolled; run: roadworthy-agent enrol"
    if found["stopped"]:
        return f"stopped: {stopped_message(found['stopped'])}"
    return f"{found['device_id']} since {moment(found['enrolled_at'])}"


def _clock(offset: float | None) -> str:
    if offset is None:
        return "not compared with the collector's yet"
    return f"{seconds(abs(offset))} {'behind' if offset > 0 else 'ahead of'} the collector's"


def _spool_lines(found: dict[str, Any], style: Style) -> list[str]:
    spool = found["spool"]
    if spool is None:
        return ["", style.heading("Spool"), "  none yet: the agent has not run here"]
    rows = [
        ("samples not yet in a period", str(spool["samples"])),
        ("items waiting to be sent", str(spool["waiting_items"])),
        ("size", f"{size(spool['used_bytes'])} of {size(spool['max_bytes'])}"),
        ("samples given up, spool full", str(spool["thinned_samples"])),
        ("periods given up, spool full", str(spool["dropped_periods"])),
        ("samples without a true time", str(spool["dropped_samples"])),
        ("items in quarantine, ever", str(found["quarantined_items"])),
    ]
    lines = ["", style.heading("Spool"), *table(rows)]
    for row in found["quarantine"]:
        where = f" {row['field']}" if row["field"] else ""
        why = f"{row['item']} {row['key']}: {row['code']}{where}: {row['message'] or ''}"
        lines += wrapped(why, first="  quarantined: ", rest="    ")
    return lines


def _probe_lines(found: dict[str, Any], style: Style) -> list[str]:
    lines = ["", style.heading("Probes")]
    for probe in found["probes"]:
        line = f"  {probe['probe']}: {style.status(probe['status'])}"
        lines.append(f"{line}  {probe['reason']}" if probe.get("reason") else line)
        for missing in probe.get("missing", ()):
            reason = missing.get("reason") or missing["status"]
            lines += wrapped(f"{missing['field']}: {reason}", first="    missing: ", rest="      ")
    return lines if found["probes"] else [*lines, "  none has run yet"]
