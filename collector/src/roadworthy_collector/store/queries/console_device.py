"""What one device's page asks of the tables about its use: device state, energy, sign-ins.

Half-hours and whole days together: a device under the daily collection policy tells its state and energy by the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, desc, select

from roadworthy_collector.store.queries import facts
from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES
from roadworthy_collector.store.schema import energy_days, signins, state_days
from roadworthy_collector.store.slots import PERIOD_SECONDS


class StateTotals(NamedTuple):
    """Seconds per device state, and the seconds and kinds of records they are of."""

    seconds: dict[str, int]
    half_hours: int
    days: int

    @property
    def total_seconds(self) -> int:
        """All of the time the records cover, unobserved time included."""
        return sum(self.seconds.values())


def state_totals(connection: Connection, device: int, since: int) -> StateTotals:
    """Return the seconds per state since `since`.

    Half-hours of a day that was told as a whole are not counted twice; nor are those that tell nothing because their
    day will.
    """
    mine = select(state_days).where(state_days.c.device == device, state_days.c.day >= since)
    whole = {row.day: row for row in connection.execute(mine)}
    halves = [
        row
        for row in facts.states(connection, device, since)
        if not whole
        or (row.start // DAY_SECONDS * DAY_SECONDS not in whole and row.unobserved_seconds < PERIOD_SECONDS)
    ]
    rows = [*halves, *whole.values()]
    seconds = {state: sum(getattr(row, f"{state}_seconds") for row in rows) for state in STATES}
    return StateTotals(seconds, len(halves), len(whole))


def energy_of(connection: Connection, device: int, since: int) -> list[dict[str, Any]]:
    """Return joules per scope, quality and source since `since`, and the seconds that were covered."""
    days = select(energy_days).where(energy_days.c.device == device, energy_days.c.day >= since)
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in (*facts.energy(connection, device, since), *connection.execute(days)):
        held = found.setdefault(
            (row.scope, row.quality, row.source),
            {"joules": 0, "covered_seconds": 0, "relative_error": None},
        )
        held["joules"] += row.joules
        held["covered_seconds"] += row.covered_seconds or 0
        errors = [error for error in (held["relative_error"], row.relative_error) if error is not None]
        held["relative_error"] = max(errors, default=None)
    return [
        {"scope": scope, "quality": quality, "source": source, **totals}
        for (scope, quality, source), totals in sorted(found.items())
    ]


def signins_of(connection: Connection, device: int, limit: int) -> Sequence[Any]:
    """Return the latest final sign-ins by day, newest day first."""
    query = (
        select(
            signins.c.day,
            signins.c.total_seconds,
            signins.c.usable_seconds,
            signins.c.quality,
            signins.c.record,
        )
        .where(signins.c.device == device, signins.c.final.is_(True))
        .order_by(desc(signins.c.day), signins.c.signin_id)
        .limit(limit)
    )
    return connection.execute(query).all()
