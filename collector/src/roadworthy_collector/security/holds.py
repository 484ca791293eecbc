"""Legal holds: facts of named devices that may be wanted as evidence are neither pruned nor erased for a time.

A hold is in force from the moment it is asked for, because what is pruned meanwhile cannot be brought back. It lapses
after APPROVE_WITHIN_SECONDS unless somebody else with the right to approve has approved it, and in any case it ends at
its own expiry. Lifting an approved one before that takes two people as well: somebody asks, and an approver other than
them agrees; until then it stays in force. Functions take a connection inside a write transaction of the caller's and never commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.roles import Reader, may_approve
from roadworthy_collector.security.tokens import COMMAND_LINE
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import devices, hold_devices, holds

DAY_SECONDS = 86_400
APPROVE_WITHIN_SECONDS = 7 * DAY_SECONDS
# A hold is for a matter at hand; one that goes on is asked for and approved anew.
MAX_SECONDS = 366 * DAY_SECONDS
MAX_DEVICES = 1000
REASON_LENGTH = (5, 512)


class HoldError(RoadworthyError):
    """A hold cannot be placed, approved or lifted as asked."""


class NoSuchHoldError(HoldError, NotFoundError):
    """There is no such hold or device."""


def place(
    connection: Connection,
    device_ids: Sequence[str],
    *,
    reason: str,
    expires_in_seconds: int,
    now: int,
    actor: str = COMMAND_LINE,
    scope: Scope = EVERYTHING,
) -> int:
    """Ask for a hold on these devices (`rwd_...`) and return its id; it is in force at once.

    Raises HoldError for a device that is not there or not within `scope`, none or more than MAX_DEVICES of them, a
    reason too short or too long, and a length of nothing or more than a year.
    """
    given = _reason(reason)
    if not 0 < expires_in_seconds <= MAX_SECONDS:
        raise HoldError(f"a hold ends within {MAX_SECONDS // DAY_SECONDS} days; ask anew if it must go on")
    wanted = list(dict.fromkeys(device_ids))
    if not 1 <= len(wanted) <= MAX_DEVICES:
        raise HoldError(f"a hold names 1 to {MAX_DEVICES} devices")
    query = select(devices.c.id, devices.c.device_id).where(devices.c.device_id.in_(wanted), within(scope))
    found = {row.device_id: row.id for row in connection.execute(query)}
    if missing := [name for name in wanted if name not in found]:
        raise NoSuchHoldError(f"{missing[0]}: there is no device of that id")
    row = {
        "reason": given,
        "asked_by": actor,
        "asked_at": now,
        "lapses_at": min(now + APPROVE_WITHIN_SECONDS, now + expires_in_seconds),
        "expires_at": now + expires_in_seconds,
    }
    hold: int = connection.execute(insert(holds).values(row).returning(holds.c.id)).scalar_one()
    connection.execute(insert(hold_devices), [{"hold": hold, "device": device} for device in found.values()])
    detail = {"devices": wanted, "reason": given, "expires_at": row["expires_at"]}
    record(connection, now, actor, "hold.place", str(hold), detail)
    return hold


def approve(connection: Connection, hold: int, reader: Reader, *, now: int) -> None:
    """Let a hold last until its expiry; raises HoldError where `reader` may not, or it is not waiting for it."""
    row = connection.execute(select(holds).where(holds.c.id == hold).with_for_update()).one_or_none()
    if row is None:
        raise NoSuchHoldError(f"{hold}: there is no such hold")
    if not may_approve(reader, row.asked_by):
        raise HoldError(
            f"{hold}: a hold is approved by an approver who did not ask for it; {row.asked_by} asked for this one"
        )
    if row.approved_at is not None or row.lifted_at is not None or row.lapses_at <= now:
        raise HoldError(f"{hold}: this hold is {_state(row, now)}; only one that waits can be approved")
    connection.execute(
        update(holds).where(holds.c.id == hold).values(approved_by=reader.name, approved_at=now)
    )
    record(connection, now, reader.name, "hold.approve", str(hold), {"asked_by": row.asked_by})


def lift(
    connection: Connection, hold: int, *, reason: str, now: int, actor: str = COMMAND_LINE
) -> Literal["lifted", "lift_asked"]:
    """End a hold nobody has approved; of an approved one ask that it ends, which `approve_lift` then does.

    Who asks anew takes the place of who asked before. Raises HoldError if there is none in force of that id.
    """
    given = _reason(reason)
    query = select(holds.c.approved_at).where(holds.c.id == hold, in_force(now)).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NoSuchHoldError(f"{hold}: no hold of that id is in force")
    alone = row.approved_at is None
    # Who asks and why stand in the row at once; it is lifted by the time at which it was.
    asked = {"lifted_by": actor, "lifted_reason": given, "lifted_at": now if alone else None}
    connection.execute(update(holds).where(holds.c.id == hold).values(asked))
    record(connection, now, actor, "hold.lift" if alone else "hold.lift.ask", str(hold), {"reason": given})
    return "lifted" if alone else "lift_asked"


def approve_lift(connection: Connection, hold: int, reader: Reader, *, now: int) -> None:
    """End an approved hold somebody asked to lift; HoldError where `reader` may not, or nobody asked."""
    query = select(holds).where(holds.c.id == hold, in_force(now)).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NoSuchHoldError(f"{hold}: no hold of that id is in force")
    if row.lifted_by is None:
        raise HoldError(f"{hold}: nobody has asked to lift this hold")
    if not may_approve(reader, row.lifted_by):
        raise HoldError(
            f"{hold}: lifting is approved by an approver who did not ask for it; {row.lifted_by} asked for this"
        )
    connection.execute(update(holds).where(holds.c.id == hold).values(lifted_at=now))
    detail = {"asked_by": row.lifted_by, "reason": row.lifted_reason}
    record(connection, now, reader.name, "hold.lift", str(hold), detail)


def ensure_within(connection: Connection, hold: int, scope: Scope) -> None:
    """Raise NoSuchHoldError where a hold names a device that is not within `scope`."""
    if scope is None:
        return
    outside = select(hold_devices.c.hold).join(devices, devices.c.id == hold_devices.c.device)
    if connection.scalar(outside.where(hold_devices.c.hold == hold, ~within(scope)).limit(1)) is not None:
        raise NoSuchHoldError(f"{hold}: there is no such hold")


def list_holds(connection: Connection, now: float, scope: Scope = EVERYTHING) -> list[dict[str, Any]]:
    """Return all holds with a device within `scope`, newest first, each with its state and those device ids.

    State is waiting (for approval, and in force), approved, lift_asked (approved, and in force until an approver
    agrees), lapsed, expired or lifted.
    """
    named: dict[int, list[str]] = {}
    query = (
        select(hold_devices.c.hold, devices.c.device_id)
        .join(devices, devices.c.id == hold_devices.c.device)
        .where(within(scope))
        .order_by(devices.c.device_id)
    )
    for row in connection.execute(query):
        named.setdefault(row.hold, []).append(row.device_id)
    return [
        {
            "id": row.id,
            "state": _state(row, now),
            "devices": named.get(row.id, []),
            **{name: value for name, value in row._mapping.items() if name != "id"},  # noqa: SLF001 - SQLAlchemy's public name
        }
        for row in connection.execute(select(holds).order_by(holds.c.id.desc()))
        if scope is None or row.id in named
    ]


def in_force(now: float) -> ColumnElement[bool]:
    """Return the condition over `holds` that keeps those in force at `now`."""
    return and_(
        holds.c.lifted_at.is_(None),
        holds.c.expires_at > int(now),
        or_(holds.c.approved_at.is_not(None), holds.c.lapses_at > int(now)),
    )


def held_devices(connection: Connection, now: float) -> set[int]:
    """Return the row ids of all devices under a hold in force: nothing of theirs is pruned or erased."""
    query = select(hold_devices.c.device).join(holds, holds.c.id == hold_devices.c.hold).where(in_force(now))
    return set(connection.scalars(query.distinct()))


def _state(row: Any, now: float) -> str:
    if row.lifted_at is not None:
        return "lifted"
    if row.expires_at <= now:
        return "expired"
    if row.approved_at is not None:
        return "approved" if row.lifted_by is None else "lift_asked"
    return "waiting" if row.lapses_at > now else "lapsed"


def _reason(text: str) -> str:
    given = " ".join(text.split())
    if not REASON_LENGTH[0] <= len(given) <= REASON_LENGTH[1]:
        raise HoldError(f"give a reason of {REASON_LENGTH[0]} to {REASON_LENGTH[1]} characters")
    return given
