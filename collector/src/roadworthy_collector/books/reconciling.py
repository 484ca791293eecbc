"""Register, MDM export and agents brought together: what came out is kept, so that no page works it out again.

`reconcile_now` reads the three sides in pieces, matches outside any transaction, and writes in short ones: where each
record stands (`reconciled`), which device an item is (`register_devices`, whose history is never deleted), and the
figures. The rows of a run are named by the figures only once all are in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, func, select

from roadworthy_collector.books import figures, linking
from roadworthy_collector.books.identities import Sides, as_text, latest_mdm, read_sides
from roadworthy_collector.books.reviewing import decisions
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import reconciled
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.statements import Bulk
from roadworthy_inventory import reconcile as domain

FIGURE = "reconciliation"
WEEK_SECONDS = 7 * 86_400
# Where a register item drops out of the waterfall, in its order; the last is where all is well.
PLACES = ("not_in_mdm", "no_agent", "silent", "reporting")
_SHARED_KEPT = 200
_COLUMNS = ("run", "place", "state", "unit", "item", "mdm", "device", "detail")
_ROWS = Bulk(reconciled, _COLUMNS)


class Row(NamedTuple):
    """A row of `reconciled`, without its run."""

    place: str
    state: str
    unit: int | None
    item: int | None
    mdm: int | None
    device: int | None
    detail: str | None


def local_day(now: float, zone: str) -> dt.date:
    """Return the day it is at `now` (UTC epoch seconds) in the reporting time zone."""
    return dt.datetime.fromtimestamp(now, ZoneInfo(zone)).date()


def reconcile_now(work: Work) -> dict[str, Any]:
    """Reconcile and keep the outcome; return the figures. They stay as they were where the collector stops meanwhile."""
    began, now = time.perf_counter(), work.clock()
    with work.engine.connect() as connection:
        batch = latest_mdm(connection)
        confirmed, refused = decisions(connection)
        held = figures.read(connection, FIGURE)
    before = {} if held is None else held[0]
    sides = read_sides(work, batch)
    reporting = {
        key
        for key, agent in sides.devices.items()
        if agent.last_report_at is not None and agent.last_report_at >= now - WEEK_SECONDS
    }
    found = domain.reconcile(
        sides.register, sides.mdm, sides.agents, reporting=reporting, confirmed=confirmed, refused=refused
    )
    rows = sorted(_rows(found, sides, reporting, with_mdm=batch is not None), key=repr)
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()
    run = before.get("run", 0)
    if digest != before.get("digest") or _held(work, run) != len(rows):
        run = _write(work, rows)
    linking.update(work, found, sides, today=local_day(now, work.settings.reporting_timezone))
    content = _figures(found, sides, rows, batch) | {"run": run, "digest": digest}
    if work.stop.is_set():
        return before
    with work.write() as connection:
        figures.write(connection, FIGURE, content, now, time.perf_counter() - began)
    _forget(work, run)
    return content


def _rows(
    found: domain.Reconciliation, sides: Sides, reporting: set[str], *, with_mdm: bool
) -> Iterator[Row]:
    """Yield where every register item, every record without one, every former self and every pair to decide stands."""
    for match in found.matches:
        group = match.group
        if group.register is None:
            continue
        told = {"agreed": match.agreed}
        if match.contradicting:
            told["contradicting"] = match.contradicting
        if match.confirmed:
            told["confirmed"] = ("by a person",)
        in_mdm = with_mdm and group.register not in sides.polled
        yield _row(sides, _place(group, reporting, with_mdm=in_mdm), "matched", group, told)
    for state, keys in (("orphan", found.orphans), ("undecided", found.undecided)):
        for key in keys:
            first = PLACES[0] if with_mdm and key not in sides.polled else PLACES[1]
            yield _row(sides, first, state, domain.Group(register=key), None)
    for group in found.ghosts:
        state = "both" if group.mdm and group.agent else "mdm" if group.mdm else "agent"
        yield _row(sides, "ghost", state, group, None)
    for former in sides.formers:
        yield Row("former", "former", former.unit, None, None, former.id, None)
    for review in found.review:
        whole = domain.Group(*(one or other for one, other in zip(review.left, review.right, strict=True)))
        pair: dict[str, Any] = {
            "left": list(review.left),
            "right": list(review.right),
            "agreed": review.agreed,
            "contradicting": review.contradicting,
            "plain": review.plain,
        }
        yield _row(sides, "review", review.reason, whole, pair)


def _place(group: domain.Group, reporting: set[str], *, with_mdm: bool) -> str:
    if with_mdm and group.mdm is None:
        return "not_in_mdm"
    if group.agent is None:
        return "no_agent"
    return "reporting" if group.agent in reporting else "silent"


def _row(sides: Sides, place: str, state: str, group: domain.Group, told: dict[str, Any] | None) -> Row:
    agent = None if group.agent is None else sides.devices[group.agent]
    unit = None if group.register is None else sides.item_units[group.register]
    return Row(
        place=place,
        state=state,
        unit=agent.unit if unit is None and agent is not None else unit,
        item=None if group.register is None else int(group.register),
        mdm=None if group.mdm is None else sides.mdm_rows[group.mdm],
        device=None if agent is None else agent.id,
        detail=None if told is None else as_text(told),
    )


def _held(work: Work, run: int) -> int:
    """Return how many rows of a run are there."""
    with work.engine.connect() as connection:
        query = select(func.count()).select_from(reconciled).where(reconciled.c.run == run)
        return connection.scalar(query) or 0


def _write(work: Work, rows: list[Row]) -> int:
    """Write the rows of a new run; return its number, by the clock: a command may run beside the job."""
    with work.engine.connect() as connection:
        newest = connection.scalar(select(func.max(reconciled.c.run))) or 0
    run = max(newest + 1, int(work.clock() * 1000))

    def put(connection: Connection, some: Iterable[Row]) -> None:
        _ROWS.insert(connection, [(run, *row) for row in some])

    work.for_each(rows, put)
    return run


def _forget(work: Work, run: int) -> None:
    """Delete the rows of other runs."""

    def some(connection: Connection, limit: int) -> int:
        old = connection.scalars(select(reconciled.c.id).where(reconciled.c.run != run).limit(limit)).all()
        if old:
            connection.execute(delete(reconciled).where(reconciled.c.id.in_(old)))
        return len(old)

    work.batches(some, first=64)


def _figures(
    found: domain.Reconciliation, sides: Sides, rows: Iterable[Row], batch: int | None
) -> dict[str, Any]:
    counts = Counter((row.place, row.state) for row in rows)
    return {
        "mdm_batch": batch,
        "register": len(sides.register),
        "left_out": sides.left_out,
        "mdm": len(sides.mdm),
        "agents": len(sides.agents),
        "formers": len(sides.formers),
        "counts": [[place, state, count] for (place, state), count in sorted(counts.items())],
        "match_rate": [found.match_rate.numerator, found.match_rate.denominator],
        "device_rate": [found.device_rate.numerator, found.device_rate.denominator],
        "junk": [
            {"kind": one.kind, "value": one.value, "side": one.side, "records": len(one.keys)}
            for one in found.shared
            if one.junk
        ][:_SHARED_KEPT],
        "shared": sum(not one.junk for one in found.shared),
        "stale_decisions": len(found.stale_decisions),
    }


def count_reporting(
    connection: Connection, counts: Mapping[tuple[str, str], int], scope: frozenset[int] | None
) -> int:
    """Return how many register items reported in the week before the newest run, whether an MDM knows them or not.

    `counts`: rows by place and state, within `scope`.
    """
    held = figures.read(connection, FIGURE)
    if held is None:
        return 0
    query = (
        select(func.count())
        .select_from(reconciled)
        .join(devices, devices.c.id == reconciled.c.device)
        .where(
            reconciled.c.run == held[0]["run"],
            reconciled.c.place == PLACES[0],
            devices.c.last_report_at >= held[1] - WEEK_SECONDS,
        )
    )
    if scope is not None:
        query = query.where(reconciled.c.unit.in_(sorted(scope)))
    there = sum(count for (place, _), count in counts.items() if place == PLACES[-1])
    return there + (connection.scalar(query) or 0)
