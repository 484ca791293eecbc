"""The lists of reconciliation: records by where they stand, and those behind the sums of its waterfall.

The places are where a record stands, each one's own (see `reconciling`); the other names stand for several of them.
"""

from __future__ import annotations

from typing import Literal, get_args

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from roadworthy_collector.books import figures
from roadworthy_collector.books.reconciling import FIGURE, PLACES, WEEK_SECONDS
from roadworthy_collector.store.books_schema import reconciled
from roadworthy_collector.store.queries.scope import Scope
from roadworthy_collector.store.schema import devices

Listed = Literal[
    "not_in_mdm", "no_agent", "silent", "reporting", "ghost",
    "register", "in_mdm", "with_both", "with_agent", "reporting_this_week", "mdm", "agents", "former",
]  # fmt: skip
LISTED: tuple[Listed, ...] = get_args(Listed)


def standing_at(place: str, made_at: int) -> ColumnElement[bool]:
    """Return the condition for rows of `reconciled` joined with `devices`; `made_at`: when the run was (UTC epoch seconds)."""
    of = reconciled.c.place
    beside = and_(of == PLACES[0], reconciled.c.state == "matched")  # by an agent, and not by an MDM record
    lately = devices.c.last_report_at >= made_at - WEEK_SECONDS
    sums: dict[str, ColumnElement[bool]] = {
        "register": of.in_(PLACES),
        "in_mdm": of.in_(PLACES[1:]),
        "with_both": of.in_(PLACES[2:]),
        "with_agent": or_(of.in_(PLACES[2:]), beside),
        "reporting_this_week": or_(of == PLACES[3], and_(of == PLACES[0], lately)),
        "mdm": and_(reconciled.c.mdm.is_not(None), of != "review"),
        "agents": and_(reconciled.c.device.is_not(None), of.not_in(("review", "former"))),
    }
    return sums.get(place, of == place)


def count(connection: Connection, place: str, state: str, scope: Scope) -> int:
    """Return how many records a list is of, those at restricted sites too; nought before the first run."""
    held = figures.read(connection, FIGURE)
    if held is None:
        return 0
    query = (
        select(func.count())
        .select_from(reconciled.outerjoin(devices, devices.c.id == reconciled.c.device))
        .where(reconciled.c.run == held[0]["run"], standing_at(place, held[1]))
    )
    if state:
        query = query.where(reconciled.c.state == state)
    if scope is not None:
        query = query.where(reconciled.c.unit.in_(sorted(scope)))
    return connection.scalar(query) or 0
