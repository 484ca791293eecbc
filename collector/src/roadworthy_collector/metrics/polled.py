"""Gauges of polled devices: each target's polls, power and energy by site, unit and model, and batteries by site.

Restricted sites are in no series. Of each grouping the 200 members with the most polled devices have a name, the same
in every family; the others are one `other`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER, UNKNOWN, metric
from roadworthy_collector.metrics.text import labels, number
from roadworthy_collector.snmp import overlaps
from roadworthy_collector.snmp.refused_feeds import readings
from roadworthy_collector.snmp.shown import BEFORE_DEVICE, is_restricted, restricted_sites, wall_joules
from roadworthy_collector.store.queries.states import MISSING_INTERVALS
from roadworthy_collector.store.schema import device_now, devices, sites, units
from roadworthy_collector.store.snmp_schema import snmp_targets
from roadworthy_inventory.calendar import local_date
from roadworthy_inventory.device_class import ASKED, classify

MOST_TARGETS = 1000
GROUPINGS = ("site", "unit", "model")
_ANSWERED = frozenset({"ok", "no_profile", "duplicate"})


@dataclass(frozen=True, slots=True)
class Polled:
    """What is told of polled devices: targets as rows, and sums by grouping, as {(member, kind): sum}."""

    targets: list[Any] = field(default_factory=list)
    unlisted: int = 0
    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    watts: Mapping[str, Mapping[tuple[str, str], float]] = field(default_factory=dict)
    joules: Mapping[str, Mapping[tuple[str, str], float]] = field(default_factory=dict)
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
    watts: dict[int, float] = defaultdict(float)
    shown = _Members(asked)
    batteries: Counter[tuple[str, str]] = Counter()
    for row in asked:
        told = row.now or {}
        if row.at is not None and now - row.at <= MISSING_INTERVALS * (
            row.next_call_seconds or interval_seconds
        ):
            for energy in told.get("energy", ()):
                if energy.get("scope") == "wall" and energy.get("latest_watts") is not None:
                    watts[row.id] += energy["latest_watts"]
        if row.device_class == "ups":
            replace = (told.get("flags") or {}).get("battery_replace")
            word = "unknown" if replace is None else "replace" if replace else "ok"
            batteries[shown.member(row, "site"), word] += 1
    closed = f"{local_date(now, zone).replace(day=1) - dt.timedelta(days=1):%Y-%m}"
    yesterday = local_date(now, zone) - dt.timedelta(days=1)
    joules = wall_joules(connection, sorted(row.id for row in asked), yesterday, zone)
    return Polled(
        targets=open_ones[:MOST_TARGETS],
        unlisted=len(rows) - len(open_ones[:MOST_TARGETS]),
        outcomes=Counter((_kind(row), row.outcome) for row in rows),
        watts=shown.sums(asked, watts),
        joules=shown.sums(asked, joules),
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
    text += _family(
        "target_up",
        {
            (row.name, _kind(row), _site(row)): float(row.outcome in _ANSWERED)
            for row in found.targets
            if row.polls
        },
    )
    of_target = {(row.name, _kind(row)): row for row in found.targets}
    for name, value in (
        ("poll_duration_seconds", lambda row: row.duration_seconds),
        ("last_success_timestamp_seconds", lambda row: row.succeeded_at),
        ("polls_total", lambda row: row.polls),
        ("successful_polls_total", lambda row: row.successes),
        ("refused_readings", lambda row: len(readings(row.refused)) if row.refused is not None else None),
    ):
        told = {key: value(row) for key, row in of_target.items()}
        text += _family(f"target_{name}", {key: one for key, one in told.items() if one is not None})
    for grouping in GROUPINGS:
        text += _family(f"{grouping}_polled_watts", found.watts.get(grouping, {}))
        text += _family(f"{grouping}_polled_joules", found.joules.get(grouping, {}))
    text += _family(
        "energy_overlap_joules", {(why,): joules for why, joules in sorted(found.overlaps.items())}
    )
    return text + _family("site_ups_batteries", found.batteries)


def _targets(connection: Connection) -> list[Any]:
    column = snmp_targets.c
    query = (
        select(
            *(column.name, column.kind, column.outcome, column.failures, column.polls, column.successes),
            *(column.duration_seconds, column.succeeded_at, column.refused, sites.c.restricted),
            sites.c.name.label("site"),
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
                devices.c.model,
                devices.c.next_call_seconds,
                device_now.c.at,
                device_now.c.now,
            ),
            sites.c.name.label("site"),
            units.c.name.label("unit"),
        )
        .join(sites, sites.c.id == devices.c.site)
        .join(units, units.c.id == devices.c.unit)
        .outerjoin(device_now, device_now.c.device == devices.c.id)
        .where(
            devices.c.device_class.in_(ASKED), devices.c.retired_at.is_(None), sites.c.restricted.is_(False)
        )
    )
    return list(connection.execute(query))


def _kind(target: Any) -> str:
    """Return what a target is in the words of its device, so that its series and its watts have one label."""
    return classify(None, "physical", None, target.kind)


def _site(target: Any) -> str:
    """Return where a target stands: as a device, or before it is one by its file."""
    return target.site or (target.before_device or {}).get("site") or UNKNOWN


class _Members:
    """Under which name each member of each grouping is shown: its own or `other`."""

    def __init__(self, asked: Sequence[Any]) -> None:
        self._kept = {grouping: _kept(asked, grouping) for grouping in GROUPINGS}

    def member(self, row: Any, grouping: str) -> str:
        """Return the shown name of what a device belongs to."""
        name = getattr(row, grouping) or UNKNOWN
        return name if name in self._kept[grouping] else OTHER

    def sums(
        self, asked: Sequence[Any], of_device: Mapping[int, float]
    ) -> Mapping[str, Mapping[tuple[str, str], float]]:
        """Return {grouping: {(member, kind): sum}} of what devices told; nothing of those that did not."""
        found: dict[str, dict[tuple[str, str], float]] = {grouping: {} for grouping in GROUPINGS}
        for row in asked:
            if (value := of_device.get(row.id)) is None:
                continue
            for grouping, sums in found.items():
                key = (self.member(row, grouping), row.device_class)
                sums[key] = round(sums.get(key, 0) + value, 3)  # a sum of floats ends in noise
        return {grouping: dict(sorted(sums.items())) for grouping, sums in found.items()}


def _kept(asked: Sequence[Any], grouping: str) -> frozenset[str]:
    """Return the members with the most devices, of as many by name, so that two runs agree."""
    counts = Counter(getattr(row, grouping) or UNKNOWN for row in asked)
    return frozenset(sorted(counts, key=lambda name: (-counts[name], name))[:MAX_MEMBERS])


def _family(name: str, values: Mapping[Any, float]) -> str:
    if not values:
        return ""
    row = metric(f"roadworthy_{name}")
    lines = [f"{row.name}{labels(row.labels, key)} {number(value)}\n" for key, value in values.items()]
    return row.header + "".join(lines)
