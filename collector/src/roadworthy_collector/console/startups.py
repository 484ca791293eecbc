"""What the start-ups page shows: spreads by model and site, the slowest devices, what contributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.console import present, words
from roadworthy_collector.console.charts import HALF, Board, Figure, label, phases_data
from roadworthy_collector.console.view import View
from roadworthy_collector.store.queries import console_startups as queries
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope

DAYS = (7, 30, 90)
KINDS = {"boot": "from off, and restarts", "resume": "wake from sleep", "all": "all kinds"}
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
_SLOWEST, _CHARTED, _GROUPS, _FACTORS = 25, 10, 50, 30


def context(connection: Connection, view: View, days: int, kind: str) -> dict[str, Any]:
    """Return what startups.html needs for start-ups of `kind` in the last `days` days."""
    since = view.now - days * 86400
    in_service, unmeasured = queries.count_unmeasured(connection, since, kind, view.scope)
    slow = slowest(connection, since, kind, _SLOWEST, view.scope)
    models = grouped(connection, since, kind, "model", view.scope)
    return {
        "days": days,
        "kind": kind,
        "kinds": KINDS,
        "day_choices": DAYS,
        "in_service": in_service,
        "unmeasured": unmeasured,
        "spread": queries.spread(connection, since, kind, view.scope),
        "slowest": slow,
        "slowest_figure": _slowest_figure(view.board, slow[:_CHARTED]),
        "charted": _CHARTED,
        "models": models,
        "models_figure": _groups_figure(view.board, models[:_CHARTED]),
        "groups_shown": _GROUPS,
        "sites": grouped(connection, since, kind, "site", view.scope),
        "factors": rank_factors(queries.latest_factors(connection, since, kind, view.scope))[:_FACTORS],
        "factor_startups": queries.FACTOR_STARTUPS,
    }


def bins_figure(board: Board, rows: Sequence[tuple[str, int]]) -> Figure:
    """Return the chart of start-ups per bin."""
    drawn = [{"label": name, "count": count} for name, count in rows]
    return board.add("bins", {"title": "number of start-ups", "rows": drawn}, width=HALF)


def slowest(
    connection: Connection, since: float, kind: str, limit: int, scope: Scope = EVERYTHING
) -> list[dict[str, Any]]:
    """Return the slowest devices by median, each with that start-up's phases split into counted and not."""
    return [
        {
            "device_id": row.device_id,
            "name": row.hostname or row.device_id,
            "model": row.model,
            "site": row.site_name,
            "medium": row.system_medium,
            "seconds": row.total_seconds,
            "longest": row.longest,
            "startups": row.n,
            "phases": row.phases,
            "split": split_phases(row.phases),
        }
        for row in queries.slowest_devices(connection, since, kind, limit, scope)
    ]


def split_phases(phases: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, bool, str | None]]:
    """Return (name in words, seconds, counted, reason) per phase as on the wire."""
    return [
        (
            words.say(words.PHASES, str(phase["name"])),
            float(phase["seconds"]),
            bool(phase.get("counted", True)),
            phase.get("reason"),
        )
        for phase in phases
    ]


def grouped(
    connection: Connection, since: float, kind: str, grouping: str, scope: Scope = EVERYTHING
) -> list[dict[str, Any]]:
    """Return one row a model or site, slowest median first, those without any start-up last."""
    held = queries.devices_by(connection, grouping, scope)
    rows = [
        {
            "member": row.member or f"{grouping} unknown",
            "startups": row.startups,
            "devices": row.devices,
            "p50": row.p50,
            "p90": row.p90,
            "longest": row.longest,
            "no_data": max(0, held.pop(row.member, 0) - row.devices),
        }
        for row in queries.spread_by(connection, since, kind, grouping, scope)
    ]
    blank = {"startups": 0, "devices": 0, "p50": None, "p90": None, "longest": None}
    rows += [
        {"member": member or f"{grouping} unknown", **blank, "no_data": number}
        for member, number in sorted(held.items(), key=lambda pair: (-pair[1], pair[0] or ""))
    ]
    return rows[:_GROUPS]


def rank_factors(startups: Sequence[tuple[int, Any]]) -> list[dict[str, Any]]:
    """Return contributing factors, those on most devices first, then by median seconds.

    `startups` is (device, factors as on the wire), one a device. Seconds are the factor's own, or else by how much
    it was slower than usual; a factor without either counts and has no median.
    """
    found: dict[tuple[str, str], list[float | None]] = {}
    for _, factors in startups:
        for factor in factors:
            seconds = factor.get("seconds")
            key = (str(factor["kind"]), str(factor["name"]))
            found.setdefault(key, []).append(
                factor.get("degradation_seconds") if seconds is None else seconds
            )
    rows = []
    for (kind, name), values in found.items():
        known = sorted(value for value in values if value is not None)
        rows.append(
            {
                "kind": words.say(words.FACTORS, kind),
                "name": name,
                "count": len(values),
                "median": known[(len(known) - 1) // 2] if known else None,
                "longest": known[-1] if known else None,
            }
        )
    return sorted(rows, key=lambda row: (-row["count"], -(row["median"] or 0.0), row["name"]))


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
