"""The books' gauges, out of the figures the job of the books left; what was never worked out makes no sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures, plan_lists, planning
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number

_NAMES = ("reconciliation", "ratings", "register", "organisation", "lifecycle")
_PENCE = 100
_GHOSTS = ("agent", "mdm", "both")


def read(connection: Connection) -> dict[str, tuple[Any, int]]:
    """Return {name: (figures, when)} of those that were worked out."""
    found = {name: figures.read(connection, name) for name in _NAMES}
    found["plan"] = planning.last(connection)
    lists = plan_lists.kept(connection)
    found["lists"] = (lists, min(one["made_at"] for one in lists)) if lists else None
    return {name: one for name, one in found.items() if one is not None}


def render(found: Mapping[str, tuple[Any, int]]) -> str:
    """Return the gauges in the text format."""
    parts = []
    if "register" in found:
        register = found["register"][0]
        parts += [
            _family("register_items", register["states"]),
            _family("register_age_items", register["ages"]),
            _family("warranty_end_items", register["warranty_ends"]),
        ]
    if "reconciliation" in found:
        parts += _reconciliation(found["reconciliation"][0])
    if "ratings" in found:
        parts += _ratings(found["ratings"][0])
    if "organisation" in found:
        told = found["organisation"][0]
        parts += [
            _family("organisation_units", {None: told["units"]}),
            _family("organisation_unassigned", told["unassigned"]),
        ]
    if "plan" in found:
        parts += _plan(found["plan"][0])
    if "lists" in found:
        lists = found["lists"][0]
        parts += [
            _family("ready_list_items", {one["name"]: one["total"] for one in lists}),
            _family("ready_list_unknown_items", {one["name"]: sum(one["unknown"].values()) for one in lists}),
        ]
    parts.append(_family("books_timestamp_seconds", {name: one[1] for name, one in found.items()}))
    return "".join(parts)


def _reconciliation(told: Mapping[str, Any]) -> list[str]:
    counts = {(place, state): count for place, state, count in told["counts"]}

    def of(wanted: str) -> int:
        return sum(count for (place, state), count in counts.items() if state == wanted and place != "review")

    pairs = {"register": told["match_rate"], "agents": told["device_rate"]}
    return [
        _family("match_ratio", {side: part / whole for side, (part, whole) in pairs.items() if whole}),
        _family("register_orphans", {None: of("orphan")}),
        _family("register_undecided", {None: of("undecided")}),
        _family("register_ghosts", {seen: counts.get(("ghost", seen), 0) for seen in _GHOSTS}),
    ]


def _plan(told: Mapping[str, Any]) -> list[str]:
    """Return the gauges of the last plan: a count of every action, pounds where a net could be told."""
    counts: dict[str | None, float] = {action: told["counts"].get(action, 0) for action in planning.ACTIONS}
    return [
        _family("plan_items", counts),
        _family("plan_net_gbp", {None: told["net_pence"] / _PENCE}),
    ]


def _ratings(told: Mapping[str, Any]) -> list[str]:
    entries = told["exceptions"]
    lasting = entries["in_force"] - entries["expiring"]
    return [
        _family("rated_devices", told["estate"]["counts"]),
        _family("import_rated_items", told["imported"]["counts"]),
        _family("excepted_devices", {None: told["estate"]["excepted"]}),
        _family(
            "exceptions",
            {"in_force": lasting, "expiring": entries["expiring"], "expired": entries["expired"]},
        ),
    ]


def _family(name: str, values: Mapping[str | None, float]) -> str:
    """Return one family; None is the value of a family without labels."""
    row = metric(f"roadworthy_{name}")
    lines = [
        f"{row.name}{labels(row.labels, () if member is None else (member,))} {number(value)}\n"
        for member, value in values.items()
    ]
    return row.header + "".join(lines) if lines else ""
