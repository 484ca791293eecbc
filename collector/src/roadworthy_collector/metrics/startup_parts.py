"""Gauges of what start-ups are made of, out of the figure its job leaves; what is not known makes no sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.jobs import startup_parts
from roadworthy_collector.metrics.fleet import Key, samples
from roadworthy_collector.metrics.members import Shown


def read(connection: Connection) -> Mapping[str, Any] | None:
    """Return what the job left, None before the first time."""
    held = figures.read(connection, startup_parts.FIGURE)
    return None if held is None else held[0]


def render(told: Mapping[str, Any] | None, shown: Shown) -> str:
    """Return the gauges in the text format, without sites that are restricted by now."""
    if told is None:
        return ""
    sites = {name: one for name, one in told["sites"].items() if shown.site(name) is not None}
    parts = [_of("site", sites), _of("model", told["models"])]
    devices: dict[Key, float] = {(name,): count for name, count, _ in told["factors"]}
    seconds: dict[Key, float] = {(name,): mean for name, _, mean in told["factors"] if mean is not None}
    parts += [
        samples("roadworthy_startup_factor_devices", devices),
        samples("roadworthy_startup_factor_seconds", seconds),
    ]
    return "".join(parts)


def _of(group: str, members: Mapping[str, Any]) -> str:
    phases: dict[Key, float] = {
        (name, phase): mean for name, one in members.items() for phase, mean in one["phases"].items()
    }
    medians: dict[str, dict[Key, float]] = {
        which: {(name,): one[which] for name, one in members.items() if one[which] is not None}
        for which in ("recent", "baseline")
    }
    return samples(f"roadworthy_{group}_startup_phase_seconds", phases) + "".join(
        samples(f"roadworthy_{group}_startup_{which}_seconds", values) for which, values in medians.items()
    )
