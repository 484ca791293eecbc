"""What is read of a start-up besides systemd, the kernel's log and plain files: how the boot before ended.

A recorded tree has it in `roadworthy/startup.json`: {"history": [["boot", 1700000000.0], ...]} or {"history": {"status",
"reason"}}, "offline_update_ended_at" and "ended_as".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadworthy_agent.errors import ProbeError
from roadworthy_agent.probe import Context, Missing, Status
from roadworthy_agent.probes.startup import history
from roadworthy_agent.probes.startup.history import Event
from roadworthy_agent.probes.tree import Tree, recorded_object

RECORDED = "roadworthy/startup.json"
# Written when an offline update is through (PackageKit's pk-offline-private.h; the name is spelt so)
OFFLINE_RESULT = "var/lib/PackageKit/offline-update-competed"
NOT_RECORDED = "the recorded tree does not say how the boot before ended"


@dataclass(frozen=True, slots=True)
class Aside:
    """How earlier boots ended, as far as somebody noted it. Times are epoch seconds."""

    history: tuple[Event, ...] | Missing
    offline_update_ended_at: float | None = None
    ended_as: str | None = None


def read(context: Context) -> Aside:
    """Return what is noted on this device, or in a recorded tree."""
    if not context.live:
        text = Tree(context.root).text(RECORDED)
        if text is None:
            return Aside(Missing("startups.kind", Status.NOT_SUPPORTED, NOT_RECORDED))
        try:
            return from_json(text)
        except ProbeError as error:  # how the boot before ended is lost, this start-up is not
            return Aside(Missing("startups.kind", Status.ERROR, str(error)))
    return Aside(
        history=history.read(context.root),
        offline_update_ended_at=_written_at(context.root / OFFLINE_RESULT),
        ended_as=context.last_ended,
    )


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def to_json(noted: Aside) -> str:
    """Return it as the text of `roadworthy/startup.json`."""
    told = noted.history
    document = {
        "history": {"status": str(told.status), "reason": told.reason}
        if isinstance(told, Missing)
        else [[event.what, event.at] for event in told],
        "offline_update_ended_at": noted.offline_update_ended_at,
        "ended_as": noted.ended_as,
    }
    return json.dumps(document, indent=1) + "\n"


def from_json(text: str) -> Aside:
    """Read `roadworthy/startup.json` back; raises ProbeError naming what is wrong with it."""
    document = recorded_object(text, RECORDED)
    ended_as = document.get("ended_as")
    return Aside(
        history=_history(document.get("history")),
        offline_update_ended_at=_moment(document.get("offline_update_ended_at")),
        ended_as=ended_as if isinstance(ended_as, str) else None,
    )


def _history(told: Any) -> tuple[Event, ...] | Missing:
    if told is None:
        return Missing("startups.kind", Status.NOT_SUPPORTED, NOT_RECORDED)
    if isinstance(told, dict):
        known = {str(each) for each in Status}
        status = Status(told["status"]) if told.get("status") in known else Status.ERROR
        return Missing("startups.kind", status, str(told.get("reason") or NOT_RECORDED))
    if not isinstance(told, list):
        raise ProbeError(f"{RECORDED}: `history` is no list")
    events = []
    for row in told:
        if (
            not isinstance(row, list)
            or len(row) != 2
            or row[0] not in history.KNOWN
            or _moment(row[1]) is None
        ):
            raise ProbeError(f"{RECORDED}: each of `history` is a kind of record and its time")
        events.append(Event(row[0], float(row[1])))
    return tuple(events)


def _moment(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < history.LATEST else None
