"""What people decide about records that may be one machine: the review queue's other half. Decisions win over keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

from sqlalchemy import Connection, delete, select

from roadworthy_collector.books import figures
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import match_decisions, reconciled
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.statements import upsert
from roadworthy_inventory.reconcile import SIDES, Decision, Side

_GONE = "is not in the review queue any more; it was worked out anew, or somebody has decided it"
_LONGEST = 160
Pair = tuple[str, str]


def decisions(connection: Connection) -> tuple[list[Decision], list[Decision]]:
    """Return what people confirmed, and what they refused."""
    found: tuple[list[Decision], list[Decision]] = ([], [])
    for row in connection.execute(select(match_decisions)):
        one, other = _record(row.one), _record(row.other)
        if one is not None and other is not None:
            found[0 if row.same else 1].append(Decision(*one, *other))
    return found


def _record(text: str) -> tuple[Side, str] | None:
    side, _, key = text.partition(":")
    return (side, key) if side in SIDES and key else None


def list_decisions(connection: Connection) -> list[dict[str, Any]]:
    """Return every decision, newest first, with who made it."""
    query = select(match_decisions).order_by(match_decisions.c.made_at.desc(), match_decisions.c.one)
    return [dict(row) for row in connection.execute(query).mappings()]


def decide(
    connection: Connection, review: int, *, same: bool, now: int, actor: str, scope: Scope = EVERYTHING
) -> list[Pair]:
    """Confirm or refuse the pair of row id `review` in the queue; return the records it was about.

    It leaves the queue at once; the matches follow with the next run. Raises NotFoundError for a row that is no pair
    of the newest run, or not within `scope`.
    """
    held = figures.read(connection, "reconciliation")
    row = connection.execute(
        select(reconciled).where(reconciled.c.id == review, reconciled.c.place == "review").with_for_update()
    ).one_or_none()
    mine = scope is None or (row is not None and row.unit is not None and covers(scope, row.unit))
    if row is None or not mine or held is None or row.run != held[0]["run"]:
        raise NotFoundError(f"pair {review} {_GONE}; see `roadworthy reconcile review`")
    told = json.loads(row.detail)
    pairs = _pairs(told["left"], told["right"], same=same)
    if not pairs or any(len(one) > _LONGEST for pair in pairs for one in pair):
        raise RoadworthyError(f"pair {review}: its keys are too long to be noted; correct the export")
    for one, other in pairs:
        values = {"one": one, "other": other, "same": same, "made_at": now, "made_by": actor[:128]}
        connection.execute(upsert(match_decisions), values)
    connection.execute(delete(reconciled).where(reconciled.c.id == review))
    detail = {"pairs": [f"{one} {other}" for one, other in pairs]}
    audit.record(connection, now, actor, f"match.{'confirm' if same else 'refuse'}", str(review), detail)
    return pairs


def withdraw(connection: Connection, one: str, other: str, *, now: int, actor: str) -> None:
    """Forget a decision about two records, each `side:key`; raises NotFoundError where there is none."""
    first, second = sorted((one, other))
    gone = connection.execute(
        delete(match_decisions).where(match_decisions.c.one == first, match_decisions.c.other == second)
    )
    if gone.rowcount == 0:
        raise NotFoundError(
            f"nobody has decided about {one} and {other}; see `roadworthy reconcile decisions`"
        )
    audit.record(connection, now, actor, "match.withdraw", None, {"pairs": [f"{first} {second}"]})


def _pairs(left: Sequence[str | None], right: Sequence[str | None], *, same: bool) -> list[Pair]:
    """Return the records a decision about two groups is about, the smaller first.

    Refusing parts every record from every other of another side. Confirming joins them but for sides both groups
    have, of which one record has to leave: then the first pair says which.
    """
    told = [
        ((SIDES[one], left[one]), (SIDES[other], right[other]))
        for one, other in product(range(3), repeat=2)
        if one != other and left[one] is not None and right[other] is not None
    ]
    both = {SIDES[at] for at in range(3) if left[at] is not None and right[at] is not None}
    if same:
        told = [pair for pair in told if not both & {pair[0][0], pair[1][0]}] or told[:1]
    return [tuple(sorted((f"{a}:{b}" for a, b in pair))) for pair in told]  # type: ignore[misc]  # two of them
