"""What the metrics ask of the devices' condition, power and state: batteries, disks, latest watts, yesterday's use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from roadworthy_collector.store.queries.jobs import STATES
from roadworthy_collector.store.schema import (
    batteries,
    days,
    devices,
    disks,
    probe_status,
    sites,
)

# A battery that holds four fifths of its design is as good as its maker warrants for the first years; under three
# fifths a working day away from the mains no longer fits into it.
GOOD_RATIO = 0.8
WEAK_RATIO = 0.6
# Of the life a disk's maker rates it for.
WORN_RATIO = 0.8
# These have no battery and no disk of their own, so nothing about them is unknown.
_NOT_PHYSICAL = ("virtual_machine", "container")


def count_batteries(connection: Connection) -> dict[str, int]:
    """Return {health: devices in service}: good, worn, weak by the worst battery, unknown where nothing is told.

    A device that says it has no battery is left out, and so is one that never said anything about batteries.
    """
    worst = (
        select(batteries.c.device, func.min(batteries.c.health_ratio).label("ratio"))
        .group_by(batteries.c.device)
        .subquery()
    )
    health = case(
        (worst.c.ratio >= GOOD_RATIO, "good"),
        (worst.c.ratio >= WEAK_RATIO, "worn"),
        (worst.c.ratio.is_not(None), "weak"),
        else_="unknown",
    )
    untold = probe_status.c.status.not_in(("ok", *_NOT_PHYSICAL))
    return _count(connection, health, worst, "battery", untold)


def count_disks(connection: Connection) -> dict[str, int]:
    """Return {health: devices in service} of the disks that hold their systems: good, worn, failing, unknown.

    Of a mirror the worst counts. Virtual disks do not wear and are left out.
    """
    system = (
        select(
            disks.c.device,
            func.max(case((disks.c.holds_system.is_(True), disks.c.wear_ratio))).label("wear"),
            # Both as numbers, because a maximum over booleans is SQLite's alone.
            func.max(
                case((disks.c.holds_system.is_(True), case((disks.c.failing.is_(True), 1), else_=0)))
            ).label("failing"),
            func.max(
                case((disks.c.holds_system.is_(True), case((disks.c.failing.is_(False), 1), else_=0)))
            ).label("sound"),
        )
        .where(disks.c.medium != "virtual")
        .group_by(disks.c.device)
        .subquery()
    )
    health = case(
        (system.c.failing == 1, "failing"),
        (system.c.wear >= WORN_RATIO, "worn"),
        (or_(system.c.wear.is_not(None), system.c.sound == 1), "good"),
        else_="unknown",
    )
    untold = probe_status.c.status.not_in(("ok", *_NOT_PHYSICAL))
    return _count(connection, health, system, "storage", untold)


def _count(
    connection: Connection, health: ColumnElement[str], parts: Any, probe: str, untold: ColumnElement[bool]
) -> dict[str, int]:
    """Count devices in service that have a row in `parts` or whose `probe` is `untold`, by `health`."""
    query = (
        select(health.label("health"), func.count().label("devices"))
        .select_from(
            devices.outerjoin(parts, parts.c.device == devices.c.id).outerjoin(
                probe_status, (probe_status.c.device == devices.c.id) & (probe_status.c.probe == probe)
            )
        )
        .where(devices.c.retired_at.is_(None), or_(parts.c.device.is_not(None), untold))
        .group_by(health)
    )
    return {row.health: row.devices for row in connection.execute(query)}


def sum_states_of(connection: Connection, day: int) -> Sequence[Any]:
    """Return, of one UTC day, rows of site, devices and the seconds of each state; restricted sites left out.

    Devices are those that told anything of that day; where they stood then counts.
    """
    told: ColumnElement[int] = sum(
        (days.c[f"{name}_seconds"] for name in STATES[1:]), start=days.c[f"{STATES[0]}_seconds"]
    )
    query = (
        select(
            sites.c.name.label("site"),
            func.count().label("devices"),
            *(func.sum(days.c[f"{name}_seconds"]).label(name) for name in STATES),
        )
        .join_from(days, sites, days.c.site == sites.c.id)
        .where(days.c.day == day, sites.c.restricted.is_(False), told > 0)
        .group_by(sites.c.name)
    )
    return connection.execute(query).all()
