"""Gauges of polled devices: each target's polls, and power, energy and batteries by site.

Restricted sites are in no series; a site past the first 200 is part of `other`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number
from roadworthy_collector.snmp import overlaps
from roadworthy_collector.snmp.shown import BEFORE_DEVICE, is_restricted, restricted_sites, wall_joules
from roadworthy_collector.store.queries.states import MISSING_INTERVALS
from roadworthy_collector.store.schema import device_now, devices, sites
from roadworthy_collector.store.snmp_schema import snmp_targets
from roadworthy_inventory.calendar import local_date
from roadworthy_inventory.device_class import ASKED

MOST_TARGETS, MOST_SITES = 1000, 200
OTHER = "other"
_ANSWERED = frozenset({"ok", "no_profile", "duplicate"})


@dataclass(frozen=True, slots=True)
class Polled:
    """What is told of polled devices: targets as rows, and sums by (site, kind)."""

    targets: list[Any] = field(default_factory=list)
    unlisted: int = 0
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    watts: Mapping[tuple[str, str], float] = field(default_factory=dict)
    joules: Mapping[tuple[str, str], float] = field(default_factory=dict)
    batteries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    overlaps: Mapping[str, int] = field(default_factory=dict)


def read(connection: Connection, now: float, zone: str, *, interval_seconds: int = 900) -> Polled:
    """Return what there is to tell; nothing where nothing is polled."""
    rows = _targets(connection)
    asked = _devices(connection)
    if not rows and not asked:
        return Polled()
    closed_sites = restricted_sites(connection)
    open_ones = [row for row in rows if not is_restricted(row, closed_sites)]
    open_ones.sort(key=lambda row: (-row.failures, row.name))
    watts: dict[tuple[str, str], float] = defaultdict(float)
    batteries: Counter[tuple[str, str]] = Counter()
    for row in asked:
        told = row.now or {}
        if row.at is not None and now - row.at <= MISSING_INTERVALS * (
            row.next_call_seconds or interval_seconds
        ):
            for energy in told.get("energy", ()):
                if energy.get("scope") == "wall" and energy.get("latest_watts") is not None:
                    watts[row.site, row.device_class] += energy["latest_watts"]
        if row.device_class == "ups":
            replace = (told.get("flags") or {}).get("battery_replace")
            word = "unknown" if replace is None else "replace" if replace else "ok"
            batteries[row.site, word] += 1
    closed = f"{local_date(now, zone).replace(day=1) - dt.timedelta(days=1):%Y-%m}"
    return Polled(
        targets=open_ones[:MOST_TARGETS],
        unlisted=len(rows) - len(open_ones[:MOST_TARGETS]),
        outcomes=Counter((row.kind, row.outcome) for row in rows),
        watts=watts,
        joules=_joules(connection, asked, local_date(now, zone) - dt.timedelta(days=1), zone),
        batteries=batteries,
        overlaps=overlaps.joules_between(connection, closed, closed),
    )


def render(found: Polled) -> str:
    """Return the gauges in the text format; empty where nothing is polled."""
    if not found.outcomes and not found.watts and not found.joules and not found.batteries:
        return ""
    text = _family("polled_targets", found.outcomes)
    if found.outcomes:
        text += _family("polled_targets_unlisted", {(): found.unlisted})
    of_target = {(row.name, row.kind): row for row in found.targets}
    for name, value in (
        ("up", lambda row: float(row.outcome in _ANSWERED) if row.polls else None),
        ("poll_duration_seconds", lambda row: row.duration_seconds),
        ("last_success_timestamp_seconds", lambda row: row.succeeded_at),
        ("polls_total", lambda row: row.polls),
        ("successful_polls_total", lambda row: row.successes),
        ("refused_readings", lambda row: len(row.refused) if row.refused is not None else None),
    ):
        told = {key: value(row) for key, row in of_target.items()}
        text += _family(f"target_{name}", {key: one for key, one in told.items() if one is not None})
    text += _family("site_polled_watts", _most(found.watts))
    text += _family("site_polled_joules", _most(found.joules))
    text += _family(
        "energy_overlap_joules", {(why,): joules for why, joules in sorted(found.overlaps.items())}
    )
    return text + _family("site_ups_batteries", _most(found.batteries))


def _targets(connection: Connection) -> list[Any]:
    column = snmp_targets.c
    query = (
        select(
            *(column.name, column.kind, column.outcome, column.failures, column.polls, column.successes),
            *(column.duration_seconds, column.succeeded_at, column.refused, sites.c.restricted),
            BEFORE_DEVICE,
        )
        .outerjoin(devices, devices.c.id == column.device)
        .outerjoin(sites, sites.c.id == devices.c.site)
        .where(column.removed.is_(False))
    )
    return list(connection.execute(query))


def _devices(connection: Connection) -> list[Any]:
    """Return the devices that are polled, here or by a relay, with what they told last."""
    query = (
        select(
            *(
                devices.c.id,
                devices.c.device_class,
                devices.c.next_call_seconds,
                device_now.c.at,
                device_now.c.now,
            ),
            sites.c.name.label("site"),
        )
        .join(sites, sites.c.id == devices.c.site)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .where(
            devices.c.device_class.in_(ASKED), devices.c.retired_at.is_(None), sites.c.restricted.is_(False)
        )
    )
    return list(connection.execute(query))


def _joules(
    connection: Connection, asked: list[Any], day: dt.date, zone: str
) -> Mapping[tuple[str, str], float]:
    """Return the joules of a local day by site and kind, of devices that told any."""
    by_id = {row.id: row for row in asked}
    found: dict[tuple[str, str], float] = defaultdict(float)
    for device, joules in wall_joules(connection, sorted(by_id), day, zone).items():
        found[by_id[device].site, by_id[device].device_class] += joules
    return found


def _most(told: Mapping[tuple[str, str], float]) -> Mapping[tuple[str, ...], float]:
    """Return the sums of the first sites under their names, of the rest as one."""
    sites_told = sorted({site for site, _ in told})
    named = set(sites_told[:MOST_SITES])
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for (site, kind), value in sorted(told.items()):
        found[site if site in named else OTHER, kind] += value
    return found


def _family(name: str, values: Mapping[Any, float]) -> str:
    if not values:
        return ""
    row = metric(f"roadworthy_{name}")
    lines = [f"{row.name}{labels(row.labels, key)} {number(value)}\n" for key, value in values.items()]
    return row.header + "".join(lines)
