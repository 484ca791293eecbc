"""What the console asks about start-ups: spreads, the slowest devices, contributing factors.

A spread is taken over finished start-ups whose length is known; ranks are nearest rank. Restricted sites count
in the IT estate's own spread and appear nowhere by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    desc,
    exists,
    func,
    literal,
    or_,
    select,
)

from roadworthy_collector.store.queries.console import nearest_rank
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.queries.states import RUNS_AGENT, WAKE_KIND
from roadworthy_collector.store.schema import devices, sites, startups

# Upper bounds of the distribution's bins; the last bin has none. Start-ups of over half an hour exist.
BIN_SECONDS = (15, 30, 60, 120, 300, 600, 1800)
# Contributing factors are read from this many latest start-ups at most, and the page says so.
FACTOR_STARTUPS = 5000
_NAMED_AT_ONCE = 100

_JOINED = startups.join(devices, devices.c.id == startups.c.device).join(sites, sites.c.id == devices.c.site)


def _of_kind(kind: str) -> list[ColumnElement[bool]]:
    """Return the condition for `boot`, `resume` or anything else for all."""
    if kind == "boot":
        return [startups.c.kind != WAKE_KIND]
    if kind == "resume":
        return [startups.c.kind == WAKE_KIND]
    return []


def _finished(since: float, kind: str, scope: Scope) -> list[ColumnElement[bool]]:
    return [
        startups.c.started_at >= since,
        startups.c.final.is_(True),
        startups.c.total_seconds.is_not(None),
        devices.c.retired_at.is_(None),
        within(scope),
        *_of_kind(kind),
    ]


def spread(connection: Connection, since: float, kind: str, scope: Scope = EVERYTHING) -> Row[Any]:
    """Return (startups, devices, p50, p90, longest) in seconds over the whole IT estate."""
    ranked = (
        select(
            startups.c.device,
            startups.c.total_seconds,
            func.row_number().over(order_by=startups.c.total_seconds).label("rank"),
            func.count().over().label("n"),
        )
        .select_from(_JOINED)
        .where(*_finished(since, kind, scope))
        .subquery()
    )
    return connection.execute(select(*_ranks(ranked.c))).one()


def spread_by(
    connection: Connection, since: float, kind: str, grouping: str, scope: Scope = EVERYTHING
) -> Sequence[Row[Any]]:
    """Return (member, startups, devices, p50, p90, longest) per `model` or `site`, slowest median first."""
    member = devices.c.model if grouping == "model" else sites.c.name
    ranked = (
        select(
            member.label("member"),
            startups.c.device,
            startups.c.total_seconds,
            func.row_number().over(partition_by=member, order_by=startups.c.total_seconds).label("rank"),
            func.count().over(partition_by=member).label("n"),
        )
        .select_from(_JOINED)
        .where(*_finished(since, kind, scope), sites.c.restricted.is_(False))
        .subquery()
    )
    return connection.execute(
        select(ranked.c.member, *_ranks(ranked.c))
        .group_by(ranked.c.member)
        .order_by(desc("p50"), ranked.c.member)
    ).all()


def _ranks(columns: Any) -> list[ColumnElement[Any]]:
    return [
        func.count().label("startups"),
        func.count(columns.device.distinct()).label("devices"),
        func.max(case((columns.rank == nearest_rank(columns.n, 50), columns.total_seconds))).label("p50"),
        func.max(case((columns.rank == nearest_rank(columns.n, 90), columns.total_seconds))).label("p90"),
        func.max(columns.total_seconds).label("longest"),
    ]


def devices_by(connection: Connection, grouping: str, scope: Scope = EVERYTHING) -> dict[str | None, int]:
    """Return {model or site: devices in service with an agent}, restricted sites left out."""
    member = devices.c.model if grouping == "model" else sites.c.name
    found = connection.execute(
        select(member, func.count())
        .select_from(devices.join(sites, sites.c.id == devices.c.site))
        .where(devices.c.retired_at.is_(None), RUNS_AGENT, sites.c.restricted.is_(False), within(scope))
        .group_by(member)
    )
    return {row[0]: row[1] for row in found}


def distribution(connection: Connection, since: float, kind: str, scope: Scope = EVERYTHING) -> list[int]:
    """Return start-ups per bin of BIN_SECONDS, one more bin for longer ones."""
    bin_of = case(
        *((startups.c.total_seconds < bound, index) for index, bound in enumerate(BIN_SECONDS)),
        else_=len(BIN_SECONDS),
    )
    counts = [0] * (len(BIN_SECONDS) + 1)
    for index, number in connection.execute(
        select(bin_of, func.count())
        .select_from(_JOINED)
        .where(*_finished(since, kind, scope))
        .group_by(bin_of)
    ):
        counts[index] = number
    return counts


def slowest_devices(
    connection: Connection, since: float, kind: str, limit: int, scope: Scope = EVERYTHING
) -> Sequence[Row[Any]]:
    """Return devices by the median of their start-ups, slowest first, each with the start-up that is its median."""
    ranked = (
        select(
            startups,
            devices.c.device_id,
            devices.c.hostname,
            devices.c.model,
            devices.c.system_medium,
            sites.c.name.label("site_name"),
            func.row_number()
            .over(partition_by=startups.c.device, order_by=(startups.c.total_seconds, startups.c.start_id))
            .label("rank"),
            func.count().over(partition_by=startups.c.device).label("n"),
            func.max(startups.c.total_seconds).over(partition_by=startups.c.device).label("longest"),
        )
        .select_from(_JOINED)
        .where(*_finished(since, kind, scope), sites.c.restricted.is_(False))
        .subquery()
    )
    return connection.execute(
        select(ranked)
        .where(ranked.c.rank == nearest_rank(ranked.c.n, 50))
        .order_by(desc(ranked.c.total_seconds), ranked.c.device)
        .limit(limit)
    ).all()


def latest_factors(
    connection: Connection, since: float, kind: str, scope: Scope = EVERYTHING
) -> list[tuple[int, Any]]:
    """Return (device, factors as on the wire) of each device's latest finished start-up, newest first, FACTOR_STARTUPS at most."""
    ranked = (
        select(
            startups.c.device,
            startups.c.started_at,
            startups.c.factors,
            func.row_number()
            .over(partition_by=startups.c.device, order_by=(desc(startups.c.started_at), startups.c.start_id))
            .label("rank"),
        )
        .select_from(_JOINED)
        .where(*_finished(since, kind, scope), sites.c.restricted.is_(False))
        .subquery()
    )
    found = connection.execute(
        select(ranked.c.device, ranked.c.factors)
        .where(ranked.c.rank == 1)
        .order_by(desc(ranked.c.started_at))
        .limit(FACTOR_STARTUPS)
    )
    return [(row[0], row[1]) for row in found]


def count_unmeasured(
    connection: Connection, since: float, kind: str, scope: Scope = EVERYTHING
) -> tuple[int, int]:
    """Return (devices in service with an agent, of them without one finished start-up of known length since `since`)."""
    measured = exists(
        select(literal(1)).where(
            startups.c.device == devices.c.id,
            startups.c.started_at >= since,
            startups.c.final.is_(True),
            startups.c.total_seconds.is_not(None),
            *_of_kind(kind),
        )
    )
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(case((measured, 0), else_=1)), 0)).where(
            devices.c.retired_at.is_(None), RUNS_AGENT, within(scope)
        )
    ).one()
    return row[0], row[1]


def startups_of(connection: Connection, device: int, limit: int) -> Sequence[Row[Any]]:
    """Return one device's latest start-ups, newest first, unfinished ones included."""
    return connection.execute(
        select(startups).where(startups.c.device == device).order_by(desc(startups.c.started_at)).limit(limit)
    ).all()


def last_totals(connection: Connection, wanted: Sequence[int]) -> dict[int, float | None]:
    """Return {device: seconds of its latest start-up} for a handful of devices; None where not known."""
    if not wanted:
        return {}
    ranked = (
        select(
            startups.c.device,
            startups.c.total_seconds,
            func.row_number()
            .over(partition_by=startups.c.device, order_by=desc(startups.c.started_at))
            .label("rank"),
        )
        .where(startups.c.device.in_(wanted), startups.c.kind != WAKE_KIND)
        .subquery()
    )
    found = connection.execute(select(ranked.c.device, ranked.c.total_seconds).where(ranked.c.rank == 1))
    return {row[0]: row[1] for row in found}


def some_in_service(connection: Connection, after: int, limit: int) -> Sequence[Row[Any]]:
    """Return (id, unit, model, site, restricted) of devices in service with an agent whose row ids follow `after`."""
    query: Select[Any] = (
        select(devices.c.id, devices.c.unit, devices.c.model, sites.c.name.label("site"), sites.c.restricted)
        .join(sites, sites.c.id == devices.c.site)
        .where(devices.c.id > after, devices.c.retired_at.is_(None), RUNS_AGENT)
        .order_by(devices.c.id)
        .limit(limit)
    )
    return connection.execute(query).all()


def lengths_of(
    connection: Connection, first: int, last: int, since: float
) -> dict[int, list[tuple[float, bool, float]]]:
    """Return {device: [(started at, whether it woke from sleep, seconds)]} of finished start-ups of known length.

    Of devices whose row ids are `first` to `last`; everything is in one index (store/schema.py).
    """
    query = select(startups.c.device, startups.c.started_at, startups.c.kind, startups.c.total_seconds).where(
        startups.c.device.between(first, last),
        startups.c.started_at >= since,
        startups.c.final.is_(True),
        startups.c.total_seconds.is_not(None),
    )
    found: dict[int, list[tuple[float, bool, float]]] = {}
    for device, started_at, kind, seconds in connection.execute(query):
        found.setdefault(device, []).append((started_at, kind == WAKE_KIND, seconds))
    return found


def read_startups(connection: Connection, wanted: Sequence[tuple[int, float]]) -> dict[int, Row[Any]]:
    """Return {device: a finished start-up with its device}, for some (device, started at)."""
    found: dict[int, Row[Any]] = {}
    for some in _some(wanted):
        query = (
            select(
                startups,
                devices.c.device_id,
                devices.c.hostname,
                devices.c.model,
                devices.c.system_medium,
                sites.c.name.label("site_name"),
                literal(0.0).label("longest"),
                literal(0).label("n"),
            )
            .select_from(_JOINED)
            .where(_any_of(some), startups.c.final.is_(True))
        )
        found.update({row.device: row for row in connection.execute(query)})
    return found


def factors_of(connection: Connection, wanted: Sequence[tuple[int, float]]) -> list[tuple[int, Any]]:
    """Return (device, factors as on the wire) of finished start-ups, for some (device, started at)."""
    found: list[tuple[int, Any]] = []
    for some in _some(wanted):
        query = select(startups.c.device, startups.c.factors).where(_any_of(some), startups.c.final.is_(True))
        found += [(row.device, row.factors) for row in connection.execute(query)]
    return found


def _any_of(some: Sequence[tuple[int, float]]) -> ColumnElement[bool]:
    """Return the condition of being one of some (device, started at); SQLite finds no index for pairs in a list."""
    return or_(*(and_(startups.c.device == device, startups.c.started_at == at) for device, at in some))


def _some(wanted: Sequence[tuple[int, float]]) -> Iterator[Sequence[tuple[int, float]]]:
    """Yield `wanted` in parts a statement may name."""
    for begin in range(0, len(wanted), _NAMED_AT_ONCE):
        yield wanted[begin : begin + _NAMED_AT_ONCE]
