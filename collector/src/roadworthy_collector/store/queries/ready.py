"""Figures the jobs process keeps ready for pages: written as JSON into `snapshots`, one for each scope somebody reads with.

Figures over a large IT estate take longer than a page may. Each scope has its own, computed from the devices within
it: percentiles do not add up, and what is added up from units could show a unit beyond the scope. A small scope needs
none; its pages compute theirs of the moment.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select

from roadworthy_collector.store.queries.jobs import write_snapshot
from roadworthy_collector.store.queries.metrics import read_snapshot
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, descend, within
from roadworthy_collector.store.schema import devices, snapshots, user_units

# Up to here a page computes its own figures: with two start-ups a day and device the slowest of them takes some 100 ms.
SMALL_DEVICES = 200
DEVICES, STARTUPS = "console.devices", "console.startups"


class Ready(NamedTuple):
    """Figures, and the time (UTC epoch seconds) they are of."""

    at: float
    figures: dict[str, Any]


def scope_key(scope: Scope) -> str:
    """Return what a scope's figures are found by; any two readers of the same units share them."""
    if scope is None:
        return "all"
    return hashlib.sha256(",".join(map(str, sorted(scope))).encode()).hexdigest()[:32]


def is_small(connection: Connection, scope: Scope) -> bool:
    """Return whether a page may compute its own figures over the devices within `scope`."""
    some = select(devices.c.id).where(within(scope)).limit(SMALL_DEVICES + 1).subquery()
    return (connection.scalar(select(func.count()).select_from(some)) or 0) <= SMALL_DEVICES


def scopes(connection: Connection, now: float) -> list[Scope]:
    """Return the scopes that need figures: everything, and those of users, each once."""
    grants: dict[str, set[int]] = defaultdict(set)
    for row in connection.execute(select(user_units)):
        grants[row.user].add(row.unit)
    granted = {frozenset(units) for units in grants.values()}
    found = {descend(connection, units, now) for units in granted}
    needed: list[Scope] = [scope for scope in sorted(found, key=sorted) if not is_small(connection, scope)]
    return [EVERYTHING, *needed] if not is_small(connection, EVERYTHING) else needed


def read(connection: Connection, subject: str, scope: Scope) -> Ready | None:
    """Return the figures about `subject` the jobs last left for `scope`, None before the first."""
    row = read_snapshot(connection, f"{subject}:{scope_key(scope)}")
    return None if row is None else Ready(row.at, json.loads(row.body))


def write(connection: Connection, subject: str, scope: Scope, at: float, figures: Mapping[str, Any]) -> None:
    """Leave `figures` about `subject` for readers of `scope`."""
    write_snapshot(connection, f"{subject}:{scope_key(scope)}", at, json.dumps(figures))


def forget(connection: Connection, subject: str, before: float) -> None:
    """Delete what is about `subject`, or begins with it, and was left before `before`: nobody has that scope now."""
    mine = snapshots.c.name.startswith(subject, autoescape=True)
    connection.execute(delete(snapshots).where(mine, snapshots.c.at < before))
