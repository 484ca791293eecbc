"""What one device's page asks of the tables about its use: device state, energy, sign-ins.

Half-hours and whole days together: a device under the daily collection policy tells its state and energy by the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, desc, func, select

from roadworthy_collector.store.queries.jobs import DAY_SECONDS, STATES
from roadworthy_collector.store.schema import (
    energy_days,
    energy_periods,
    signins,
    state_days,
    state_periods,
)

PERIOD_SECONDS = 1800


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
    whole = connection.execute(
        _sums(state_days).where(state_days.c.device == device, state_days.c.day >= since)
    ).one()
    halves = _sums(state_periods).where(state_periods.c.device == device, state_periods.c.start >= since)
    if whole.records:
        told = select(state_days.c.day).where(state_days.c.device == device, state_days.c.day >= since)
        day = state_periods.c.start - state_periods.c.start % DAY_SECONDS
        halves = halves.where(day.not_in(told), state_periods.c.unobserved_seconds < PERIOD_SECONDS)
    half = connection.execute(halves).one()
    seconds = {state: int(getattr(half, state) or 0) + int(getattr(whole, state) or 0) for state in STATES}
    return StateTotals(seconds, half.records, whole.records)


def _sums(table: Table) -> Any:
    return select(
        func.count().label("records"),
        *(func.sum(table.c[f"{state}_seconds"]).label(state) for state in STATES),
    )


def energy_of(connection: Connection, device: int, since: int) -> list[dict[str, Any]]:
    """Return joules per scope, quality and source since `since`, and the seconds that were covered."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for table, start in ((energy_periods, "start"), (energy_days, "day")):
        query = (
            select(
                table.c.scope,
                table.c.quality,
                table.c.source,
                func.sum(table.c.joules).label("joules"),
                func.sum(table.c.covered_seconds).label("covered_seconds"),
                func.max(table.c.relative_error).label("relative_error"),
            )
            .where(table.c.device == device, table.c[start] >= since)
            .group_by(table.c.scope, table.c.quality, table.c.source)
        )
        for row in connection.execute(query):
            held = found.setdefault(
                (row.scope, row.quality, row.source),
                {"joules": 0, "covered_seconds": 0, "relative_error": None},
            )
            held["joules"] += row.joules
            held["covered_seconds"] += row.covered_seconds or 0
            held["relative_error"] = row.relative_error
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
