"""What an administrator asks of devices' identities: other tokens, and how they are used.

Functions take a connection inside a write transaction and never commit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, and_, exists, select, update
from sqlalchemy.sql import ColumnElement

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import devices, sites, tokens, units

COMMAND_LINE = "command line"


class UsageProfile(StrEnum):
    """Who uses a device, which decides how closely it may tell of that."""

    PERSONAL = "personal"
    SHARED = "shared"
    KIOSK = "kiosk"
    SERVER = "server"
    UNKNOWN = "unknown"


class Chosen(NamedTuple):
    """Some devices in service: one by its `rwd_...`, those of a site or of a unit, or with none of these all."""

    device_id: str | None = None
    site: str | None = None
    unit: str | None = None

    def words(self) -> str:
        """Return what is chosen, as the audit has it."""
        if self.device_id is not None:
            return self.device_id
        if self.site is not None:
            return f"site {self.site}"
        return "all" if self.unit is None else f"unit {self.unit}"

    def condition(self, scope: Scope = EVERYTHING) -> ColumnElement[bool]:
        """Return which rows of `devices` are meant, of those within `scope`."""
        parts: list[ColumnElement[bool]] = [devices.c.retired_at.is_(None), within(scope)]
        if self.device_id is not None:
            parts.append(devices.c.device_id == self.device_id)
        if self.site is not None:
            parts.append(devices.c.site.in_(select(sites.c.id).where(sites.c.name == self.site)))
        if self.unit is not None:
            parts.append(devices.c.unit.in_(select(units.c.id).where(units.c.name == self.unit)))
        return and_(*parts)


def ask_rotation(
    connection: Connection,
    chosen: Chosen,
    *,
    now: int,
    actor: str = COMMAND_LINE,
    scope: Scope = EVERYTHING,
) -> int:
    """Have the tokens of devices replaced at their next calls; return how many devices that is.

    A token that was replaced ends once the new one is used, so no device is locked out.
    """
    mine = exists().where(devices.c.id == tokens.c.device, chosen.condition(scope))
    query = update(tokens).where(tokens.c.revoked_at.is_(None), tokens.c.first_used_at.is_not(None), mine)
    count = connection.execute(query.values(rotate_asked_at=now)).rowcount
    if count:
        record(connection, now, actor, "device.rotate", chosen.words(), {"devices": count})
    return count


def set_profile(
    connection: Connection,
    chosen: Chosen,
    profile: UsageProfile,
    *,
    now: int,
    actor: str = COMMAND_LINE,
    scope: Scope = EVERYTHING,
) -> int:
    """Say who uses devices; return how many they are. Their collection policy follows with their next calls."""
    query = update(devices).where(chosen.condition(scope)).values(usage_profile=str(profile))
    count = connection.execute(query).rowcount
    if count:
        detail = {"usage_profile": str(profile), "devices": count}
        record(connection, now, actor, "device.profile", chosen.words(), detail)
    return count


def require_one(device_id: str | None, site: str | None, unit: str | None, *, everything: bool) -> Chosen:
    """Return what is chosen; raise RoadworthyError unless it is named in exactly one way."""
    if sum((device_id is not None, site is not None, unit is not None, everything)) != 1:
        raise RoadworthyError(
            "say which devices: one by its id, or --site, --unit or --all, and only one of these"
        )
    return Chosen(device_id, site, unit)
