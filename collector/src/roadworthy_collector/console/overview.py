"""What the first page shows: the IT estate at a glance, with what is not known counted beside what is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.console import glance, present, startups, words
from roadworthy_collector.console.charts import HALF
from roadworthy_collector.console.glance import STARTUP_DAYS
from roadworthy_collector.console.view import View
from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.queries import console_startups as startup_queries
from roadworthy_collector.store.queries import ready
from roadworthy_collector.store.queries.ready import Ready

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
    held = glance_of(connection, view)
    found = startups.figures_of(connection, view, STARTUP_DAYS, "boot")
    latest = queries.latest_reports(connection, scope=view.scope)
    return {
        "at": None if held is None else held.at,
        "startups_at": None if found is None else found.at,
        **_devices(view, None if held is None else held.figures),
        "startup_days": STARTUP_DAYS,
        "startup": None if found is None else found.figures,
        "bins": None if found is None else _bins(view, found.figures["bins"]),
        "latest": latest,
        "last_totals": startup_queries.last_totals(connection, [row.id for row in latest]),
    }


def glance_of(connection: Connection, view: View) -> Ready | None:
    """Return the figures: of the moment for a small scope, else those left ready; None while there are none yet."""
    if view.small:
        interval = view.settings.report_interval_seconds
        return Ready(view.now, glance.live(connection, view.now, interval, view.scope))
    return ready.read(connection, ready.DEVICES, view.scope)


def _devices(view: View, figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is shown of the devices at a glance."""
    if figures is None:
        return {"states": None, "in_service": 0, "polled": 0, "use": None, "probes": [], "unknowns": []}
    states = figures["states"]
    in_service = sum(states.values()) - states["retired"]
    unknown = figures["unknown"]
    polled = unknown.get("agent", 0)  # not in figures left by an older version
    return {
        "states": states,
        "in_service": in_service,
        "use": _use(view, figures["use"]),
        "polled": polled,
        "probes": _probes(figures, in_service - polled),
        "unknowns": [(unknown[name], what, why) for name, what, why in _UNKNOWNS if unknown[name]],
    }


def _bins(view: View, counts: Sequence[int]) -> dict[str, Any]:
    rows = list(zip(startups.BIN_NAMES, counts, strict=True))
    figure = startups.bins_figure(view.board, rows) if any(counts) else None
    return {"rows": rows, "total": sum(counts), "figure": figure}


def _use(view: View, used: Mapping[str, Any]) -> dict[str, Any]:
    """Return how processor and memory are used now, as figures and as a chart."""
    found = {"Processor": used["cpu"], "Memory": used["memory"]}
    series = [{"name": name, "counts": use["bands"]} for name, use in found.items()]
    known = min(use["n"] for use in found.values())
    drawn = any(use["n"] for use in found.values())
    figure = view.board.add("bands", {"series": series}, width=HALF) if drawn else None
    return {"by": found, "known": known, "figure": figure}


def _probes(figures: Mapping[str, Any], agents: int) -> list[dict[str, Any]]:
    """Return one row a probe: how many devices measure it, and the others by status with the commonest reasons.

    `agents` is how many devices in service run one; polls are no probe of theirs, so nobody is silent about them.
    """
    counts: dict[str, dict[str, int]] = {name: {} for name in words.PROBES}
    for probe, status, number in figures["probes"]:
        counts.setdefault(probe, {})[status] = number
    reasons: dict[tuple[str, str], list[str]] = {}
    for probe, status, reason, number in figures["reasons"]:
        listed = reasons.setdefault((probe, status), [])
        if len(listed) < 2:
            listed.append(f"{reason} ({present.many(number, 'device')})")
    result = []
    for probe, statuses in counts.items():
        others = {status: number for status, number in statuses.items() if status != "ok"}
        silent = agents - sum(statuses.values())
        if silent > 0 and probe not in words.POLLS:
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
            {
                "title": words.probe(probe),
                "ok": statuses.get("ok", 0),
                "of": sum(statuses.values()) if probe in words.POLLS else agents,
                "blanks": blanks,
            }
        )
    return result
