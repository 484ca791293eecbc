"""What the start-ups page shows: spreads by model and site, the slowest devices, what contributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.console import present
from roadworthy_collector.console.charts import HALF, Board, Figure, label, phases_data
from roadworthy_collector.console.figures import DAYS, GROUPS, KINDS, live
from roadworthy_collector.console.view import View
from roadworthy_collector.store.queries import console_startups as queries
from roadworthy_collector.store.queries import ready
from roadworthy_collector.store.queries.ready import Ready

BIN_NAMES = (
    "under 15 s",
    "15\N{EN DASH}30 s",
    "30 s\N{EN DASH}1 min",
    "1\N{EN DASH}2 min",
    "2\N{EN DASH}5 min",
    "5\N{EN DASH}10 min",
    "10\N{EN DASH}30 min",
    "over 30 min",
)
_CHARTED = 10


def context(connection: Connection, view: View, days: int, kind: str) -> dict[str, Any]:
    """Return what startups.html needs for start-ups of `kind` in the last `days` days."""
    found = figures_of(connection, view, days, kind)
    shown = found.figures if found is not None else {}
    return {
        "days": days,
        "kind": kind,
        "kinds": KINDS,
        "day_choices": DAYS,
        "at": None if found is None else found.at,
        "found": shown,
        "slowest_figure": _slowest_figure(view.board, shown["slowest"][:_CHARTED]) if shown else None,
        "charted": _CHARTED,
        "models_figure": _groups_figure(view.board, shown["models"][:_CHARTED]) if shown else None,
        "groups_shown": GROUPS,
        "factor_startups": queries.FACTOR_STARTUPS,
    }


def figures_of(connection: Connection, view: View, days: int, kind: str) -> Ready | None:
    """Return the figures: of the moment for a small scope, else those left ready; None while there are none yet."""
    if view.small:
        return Ready(view.now, live(connection, view.now, days, kind, view.scope))
    return ready.read(connection, f"{ready.STARTUPS}.{kind}.{days}", view.scope)


def bins_figure(board: Board, rows: Sequence[tuple[str, int]]) -> Figure:
    """Return the chart of start-ups per bin."""
    drawn = [{"label": name, "count": count} for name, count in rows]
    return board.add("bins", {"title": "number of start-ups", "rows": drawn}, width=HALF)


def _slowest_figure(board: Board, rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    drawn = [(row["name"], present.duration(row["seconds"]), row["phases"]) for row in rows]
    return board.add("phases", phases_data(drawn)) if drawn else None


def _groups_figure(board: Board, rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    drawn = [
        {
            "label": label(str(row["member"])),
            "total": f"{present.duration(row['p50'])}, {present.duration(row['p90'])}",
            "p50": row["p50"],
            "p90": row["p90"],
        }
        for row in rows
        if row["p50"] is not None
    ]
    return board.add("spread", {"rows": drawn}) if drawn else None
