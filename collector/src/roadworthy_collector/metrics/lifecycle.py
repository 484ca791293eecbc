"""Gauges of support dates, Windows 11, ageing and legacy systems; what was never worked out makes no sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.books import figures, legacy_systems, lifecycle_run
from roadworthy_collector.books.lifecycle_read import NOT_APPLICABLE
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number

_COUNTED = {
    "support_end_devices": "bucket",
    "extended_support_devices": "extension",
    "windows11_devices": "windows11",
    "planned_life_devices": "band",
    "age_devices": "age",
}


class Found(NamedTuple):
    """The counts of the lifecycle, and those of systems."""

    content: Mapping[str, Any]
    systems: legacy_systems.Summary


def read(connection: Connection) -> Found | None:
    """Return what was worked out, None where nothing was."""
    held = figures.read(connection, lifecycle_run.FIGURE)
    return None if held is None else Found(held[0], legacy_systems.summarise(connection))


def render(found: Found | None) -> str:
    """Return the gauges in the text format."""
    if found is None:
        return ""
    systems = found.systems
    families = [_family(name, found.content[column]) for name, column in _COUNTED.items()]
    families.append(_family("support_devices", _asked(found.content["status"])))
    # What an earlier program worked out says nothing of months.
    families.append(_family("support_end_month_devices", found.content.get("end_months", {})))
    families += [
        _family("systems", systems.standings),
        _family("system_criteria", {"signed": systems.signed, "unsigned": systems.unsigned}),
        _family("red_rated_systems", {None: systems.red_rated}),
    ]
    return "".join(families)


def _asked(statuses: Mapping[str, float]) -> dict[str, float]:
    """Return counts by support of what has an operating system; of the rest nobody asks it."""
    return {word: count for word, count in statuses.items() if word != NOT_APPLICABLE}


def _family(name: str, values: Mapping[Any, float]) -> str:
    """Return one family; None is the value of a family without labels."""
    row = metric(f"roadworthy_{name}")
    lines = [
        f"{row.name}{labels(row.labels, () if member is None else (member,))} {number(value)}\n"
        for member, value in values.items()
    ]
    return row.header + "".join(lines)
