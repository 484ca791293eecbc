"""Figures about start-ups as pages show them: computed from the tables for a small scope, read ready-made for a large one.

The jobs process makes the same figures (`jobs.console_startups`) of the same parts, so this module loads no web
framework. Lengths are told to a tenth of a second below ten and to the second from there on, as pages show them; a
rank of rounded values is the rounded value of that rank, so ready-made percentiles are exact as shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.console import words
from roadworthy_collector.store.queries import console_startups as queries
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope

DAYS = (7, 30, 90)
KINDS = {"boot": "from off, and restarts", "resume": "wake from sleep", "all": "all kinds"}
SLOWEST, GROUPS, FACTORS = 25, 50, 30
_TENTHS_BELOW = 9.95  # as `present.duration` does


def shown(seconds: float) -> float:
    """Return a length as exactly as pages show it; never changes which of two is the longer one."""
    return round(seconds, 1) if seconds < _TENTHS_BELOW else float(round(seconds))


def live(
    connection: Connection, now: float, days: int, kind: str, scope: Scope = EVERYTHING
) -> dict[str, Any]:
    """Return everything pages show about start-ups of `kind` in the last `days` days, as of `now`."""
    since = now - days * 86400
    in_service, unmeasured = queries.count_unmeasured(connection, since, kind, scope)
    return {
        "in_service": in_service,
        "unmeasured": unmeasured,
        "spread": dict(queries.spread(connection, since, kind, scope)._mapping),  # noqa: SLF001 - SQLAlchemy's public name
        "bins": queries.distribution(connection, since, kind, scope),
        "slowest": [
            slow_row(row) for row in queries.slowest_devices(connection, since, kind, SLOWEST, scope)
        ],
        "models": _grouped(connection, since, kind, "model", scope),
        "sites": _grouped(connection, since, kind, "site", scope),
        "factors": rank_factors(queries.latest_factors(connection, since, kind, scope))[:FACTORS],
    }


def slow_row(row: Any) -> dict[str, Any]:
    """Return a slow device with the phases of the start-up that is its median, split into counted and not."""
    return {
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


def _grouped(
    connection: Connection, since: float, kind: str, grouping: str, scope: Scope
) -> list[dict[str, Any]]:
    """Return one row a model or site, slowest median first, those without any start-up last."""
    spreads = {
        row.member: row._asdict() for row in queries.spread_by(connection, since, kind, grouping, scope)
    }
    return group_rows(grouping, spreads, queries.devices_by(connection, grouping, scope))


def group_rows(
    grouping: str, spreads: Mapping[str | None, Mapping[str, Any]], held: Mapping[str | None, int]
) -> list[dict[str, Any]]:
    """Return rows of a table of groups from their spreads and the devices in service each has."""
    names = ("startups", "devices", "p50", "p90", "longest")
    told = [
        {"member": member or f"{grouping} unknown", **{name: row[name] for name in names}}
        | {"no_data": max(0, held.get(member, 0) - row["devices"])}
        for member, row in spreads.items()
    ]
    told.sort(key=lambda row: (-shown(row["p50"]), row["member"]))  # as shown, so that both ways agree
    blank = {"startups": 0, "devices": 0, "p50": None, "p90": None, "longest": None}
    silent = [(member, number) for member, number in held.items() if member not in spreads]
    told += [
        {"member": member or f"{grouping} unknown", **blank, "no_data": number}
        for member, number in sorted(silent, key=lambda pair: (-pair[1], pair[0] or ""))
    ]
    return told[:GROUPS]


def rank_factors(startups: Iterable[tuple[int, Any]]) -> list[dict[str, Any]]:
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
