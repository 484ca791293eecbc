"""Systems of the legacy framework as a terminal, the API and pages show them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import legacy_systems
from roadworthy_collector.books.legacy_systems import System
from roadworthy_inventory import legacy_scores
from roadworthy_inventory.legacy_scores import framework

_GIB = 1 << 30
# Evidence nothing can feed yet, by its words; said on the page, for it will stay unknown of every device.
NO_SOURCE = {"UPS battery past its life": "no source exists yet: neither the register nor an agent tells it"}
_PAST = ("past", "long_past")


def in_words(value: Any, unit: str) -> str | None:
    """Return a value of evidence as people read it: `128 GiB`, `12.5 (years)`; None where there is none."""
    if value is None:
        return None
    if unit == "bytes" and isinstance(value, int | float):
        return f"{value / _GIB:,.1f}".removesuffix(".0") + " GiB"
    told = f"{value:,.1f}".removesuffix(".0") if isinstance(value, int | float) else str(value)
    return f"{told} ({unit})"


def system_row(one: System) -> dict[str, Any]:
    """Return a system as a row of a list; ageing beside its standing, never in it."""
    return {
        "id": one.id,
        "name": one.name,
        "unit": one.unit,
        "standing": one.standing,
        "devices": one.devices,
        "legacy": one.states.get("legacy", 0),
        "not_legacy": one.states.get("not_legacy", 0),
        "unknown": one.states.get("unknown", 0),
        "past_planned_life": sum(one.bands.get(band, 0) for band in _PAST),
        "age_unknown": one.bands.get("unknown_age", 0),
        "signed": len(legacy_systems.CODES) - len(one.unsigned),
        "unsigned": len(one.unsigned),
    }


def result_of(one: System) -> dict[str, Any] | None:
    """Return the arithmetic of a system everything is signed of; None before."""
    found = legacy_scores.result(one.assessment)
    if found is None:
        return None
    return {
        "likelihood_total": round(float(found.likelihood_total), 2),
        "impact_total": round(float(found.impact_total), 2),
        "overall": round(float(found.overall), 2),
        "legacy": found.is_legacy,
        "red_rated": found.is_red_rated,
    }


def detail(connection: Connection, one: System, on: dt.date) -> dict[str, Any]:
    """Return everything about one system."""
    told = legacy_systems.evidence(connection, one.id)
    advised = legacy_systems.suggestions(told, on)
    return system_row(one) | {
        "kind": one.kind,
        "framework": legacy_systems.version(),
        "framework_source": framework().source,
        "check": legacy_scores.CHECK,
        "criteria": dict(framework().criteria),
        "bands": dict(one.bands),
        "evidence": told,
        "suggestions": [
            {"criterion": code, "score": given.score, "why": given.why} for code, given in advised.items()
        ],
        "scores": [score._asdict() for score in one.scores],
        "unsigned": list(one.unsigned),
        "result": result_of(one),
        "contracts": legacy_systems.contracts_of(connection, one.id),
    }
