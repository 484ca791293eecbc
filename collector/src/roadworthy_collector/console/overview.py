"""What the first page shows: the IT estate at a glance, with what is not known counted beside what is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.console import present, words
from roadworthy_collector.console.charts import HALF
from roadworthy_collector.console.startups import BIN_NAMES, bins_figure, slowest
from roadworthy_collector.console.view import View
from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.queries import console_startups as startups
from roadworthy_collector.store.queries.scope import Scope

STARTUP_DAYS = 30
_UNKNOWNS = (
    ("never_reported", "have never reported", "enrolled, and not heard since"),
    (
        "startup",
        f"have no start-up on record in the last {STARTUP_DAYS} days",
        "see what is not measured, above",
    ),
    ("model", "have no known model", "no value in the firmware, or not readable"),
    (
        "identity",
        "have neither serial number nor asset tag",
        "these cannot be matched to the register by themselves",
    ),
    ("device_class", "are of unknown class", "the firmware does not say desktop, laptop or server"),
    (
        "system_medium",
        "have a system disk of unknown medium",
        "the disk does not say whether it is solid state",
    ),
    ("os", "have no known operating system", "not reported yet"),
    ("site", "have no site", "enrolled with a key that names none"),
)


def context(connection: Connection, view: View) -> dict[str, Any]:
    """Return what overview.html needs."""
    interval = view.settings.report_interval_seconds
    since = view.now - STARTUP_DAYS * 86400
    states = queries.count_states(connection, view.now, interval, view.scope)
    in_service = sum(states.values()) - states["retired"]
    unknown = queries.count_unknowns(connection, since, view.scope)
    latest = queries.latest_reports(connection, scope=view.scope)
    return {
        "states": states,
        "in_service": in_service,
        "startup_days": STARTUP_DAYS,
        "spread": startups.spread(connection, since, "boot", view.scope),
        "unmeasured": startups.count_unmeasured(connection, since, "boot", view.scope)[1],
        "bins": _bins(connection, view, since),
        "slowest": slowest(connection, since, "boot", 5, view.scope),
        "use": _use(connection, view, interval),
        "probes": _probes(connection, in_service, view.scope),
        "unknowns": [(unknown[name], what, why) for name, what, why in _UNKNOWNS if unknown[name]],
        "latest": latest,
        "last_totals": startups.last_totals(connection, [row.id for row in latest]),
    }


def _bins(connection: Connection, view: View, since: float) -> dict[str, Any]:
    counts = startups.distribution(connection, since, "boot", view.scope)
    rows = list(zip(BIN_NAMES, counts, strict=True))
    return {
        "rows": rows,
        "total": sum(counts),
        "figure": bins_figure(view.board, rows) if any(counts) else None,
    }


def _use(connection: Connection, view: View, interval: int) -> dict[str, Any]:
    """Return how processor and memory are used now, as figures and as a chart."""
    found = {
        "Processor": queries.use_now(connection, view.now, interval, "cpu_ratio", view.scope),
        "Memory": queries.use_now(connection, view.now, interval, "memory_ratio", view.scope),
    }
    series = [{"name": name, "counts": use["bands"]} for name, use in found.items()]
    known = min(use["n"] for use in found.values())
    drawn = any(use["n"] for use in found.values())
    figure = view.board.add("bands", {"series": series}, width=HALF) if drawn else None
    return {"by": found, "known": known, "figure": figure}


def _probes(connection: Connection, in_service: int, scope: Scope) -> list[dict[str, Any]]:
    """Return one row a probe: how many devices measure it, and the others by status with the commonest reasons."""
    counts: dict[str, dict[str, int]] = {name: {} for name in words.PROBES}
    for row in queries.count_probes(connection, scope):
        counts.setdefault(row.probe, {})[row.status] = row.devices
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in queries.top_reasons(connection, scope=scope):
        listed = reasons.setdefault((row.probe, row.status), [])
        if len(listed) < 2:
            listed.append(f"{row.reason} ({present.many(row.devices, 'device')})")
    result = []
    for probe, statuses in counts.items():
        others = {status: number for status, number in statuses.items() if status != "ok"}
        if silent := in_service - sum(statuses.values()):
            others["silent"] = silent
        blanks = [
            {
                "status": words.say(words.STATUSES, status),
                "devices": number,
                "reasons": reasons.get((probe, status), []),
            }
            for status, number in sorted(others.items(), key=lambda pair: -pair[1])
        ]
        result.append(
            {"title": words.say(words.PROBES, probe), "ok": statuses.get("ok", 0), "blanks": blanks}
        )
    return result
