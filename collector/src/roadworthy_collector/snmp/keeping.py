"""What the store holds of polled devices: who is polled, how it went, and the device each target became.

A target becomes a device when it answers for the first time: one that never does is no device. Its identity is random,
as every device's. Functions take a connection inside a transaction of the caller's and never commit.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, case, insert, select, update

from roadworthy_collector.ingest.batch import Incoming, write_reports
from roadworthy_collector.security.tokens import site_id, unit_id
from roadworthy_collector.settings import Settings
from roadworthy_collector.snmp import refused_feeds
from roadworthy_collector.snmp.doubles import find_double
from roadworthy_collector.snmp.memory import Memory
from roadworthy_collector.snmp.readings import DeviceAnswer, Identity
from roadworthy_collector.snmp.registers import CLOCK_BACK_SECONDS
from roadworthy_collector.snmp.targets import Polled
from roadworthy_collector.snmp.telling import tell
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.snmp_schema import feeds, snmp_targets
from roadworthy_inventory.device_class import classify

ACTOR = "poller"
DUPLICATE = "duplicate"  # the outcome of a target that is a device counted already
_MOST_REFUSED, _REASON_LENGTH = 64, 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """One poll that is over: an answer, or why there is none (`code` is the word metrics count by)."""

    polled: Polled
    at: float
    seconds: float
    answer: DeviceAnswer | None = None
    code: str = "ok"
    reason: str | None = None


def sync(connection: Connection, targets: Sequence[Polled], *, whole: bool = True) -> None:
    """Make the table say who is polled: new ones are added, and where `targets` are the `whole` of them others removed."""
    named = {one.name: one for one in targets}
    column = snmp_targets.c
    # Of a device what is remembered of its polls is long, and not needed here.
    before = case((column.device.is_(None), column.state)).label("state")
    query = select(
        column.id, column.name, column.host, column.protocol, column.removed, column.device, before
    )
    if not whole:
        query = query.where(column.name.in_(named))
    held = {row.name: row for row in connection.execute(query)}
    new = []
    for name, one in named.items():
        told: dict[str, Any] = {"host": one.host, "protocol": one.protocol, "removed": False}
        row = held.get(name)
        if row is None or row.device is None:
            told["state"] = {
                "site": one.site
            }  # where it will stand: what is restricted there is so before it answers
        if row is None:
            new.append({"name": name, **told})
        elif any(getattr(row, key) != value for key, value in told.items()):
            connection.execute(update(snmp_targets).where(snmp_targets.c.id == row.id).values(**told))
    if new:
        connection.execute(insert(snmp_targets), new)
    gone = [row.id for name, row in held.items() if whole and name not in named and not row.removed]
    if gone:
        connection.execute(update(snmp_targets).where(snmp_targets.c.id.in_(gone)).values(removed=True))


def write_outcomes(
    connection: Connection,
    outcomes: Iterable[Outcome],
    settings: Settings,
    *,
    version: str,
    random_hex: Callable[[int], str] = secrets.token_hex,
    became: Callable[[int], object] = lambda _device: None,
) -> int:
    """Write polls: their reports by the way every report takes, and how each went; return how many gave a report.

    `became` is called with the row id of each device that was made. A target that is a device counted already
    (`find_double`) gives no report.
    """
    some = list(outcomes)
    held = _held(connection, [one.polled.name for one in some])
    incoming, changes = [], []
    for one in some:
        row = held.get(one.polled.name)
        if row is None or _is_written(row["polled_at"], one.at):
            continue  # no longer in the file, or put back after an error that hid that it was kept
        if one.answer is None:
            changes.append((row["id"], _failed(row, one)))
            continue
        device, device_id = row["device"], row["device_id"]
        double = find_double(connection, device, one.answer.identity, one.polled.name, one.at)
        if double is not None:
            changes.append((row["id"], _is_double(row, one, one.answer, double)))
            continue
        if device is None:
            device, device_id = _become_device(connection, one, one.answer.identity, random_hex)
            # Before the reports are written: the next target of this call may be the same device.
            connection.execute(
                update(snmp_targets).where(snmp_targets.c.id == row["id"]).values(device=device)
            )
            became(device)
        memory = _memory(row["state"], random_hex)
        told = tell(
            tagged(one.polled, one.answer),
            memory,
            device_id=device_id,
            at=one.at,
            name=one.polled.name,
            version=version,
            protocol=one.polled.protocol,
            outlets=_outlets(connection, device, one.polled),
            longest_gap_seconds=max(900.0, 3 * one.polled.every_seconds),
        )
        if "device" in told.events:
            detail = {"target": one.polled.name, "serial": one.answer.identity.serial, "was": memory.serial}
            record(connection, int(one.at), ACTOR, "device.replaced", device_id, detail)
        incoming.append(Incoming(device, told.report))
        changes.append((row["id"], _answered(row, one, device, told.memory)))
        row["device"], row["device_id"], row["state"] = device, device_id, told.memory.as_json()
        row["polled_at"] = int(one.at)
    write_reports(
        connection,
        incoming,
        max((one.at for one in some), default=0.0),
        retention_days=settings.half_hour_retention_days,
        interval_seconds=settings.report_interval_seconds,
        relay=settings.is_relay,
    )
    for target, values in changes:
        connection.execute(update(snmp_targets).where(snmp_targets.c.id == target).values(**values))
    return len(incoming)


def _held(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    query = (
        select(snmp_targets, devices.c.device_id)
        .outerjoin(devices, devices.c.id == snmp_targets.c.device)
        .where(snmp_targets.c.name.in_(names), snmp_targets.c.removed.is_(False))
    )
    return {row["name"]: dict(row) for row in connection.execute(query).mappings()}


def _become_device(
    connection: Connection, one: Outcome, who: Identity, random_hex: Callable[[int], str]
) -> tuple[int, str]:
    """Make the device a target is, where its file says it stands; return its row id and device_id."""
    now, device_id = int(one.at), f"rwd_{random_hex(16)}"
    row = {
        "device_id": device_id,
        "site": site_id(connection, one.polled.site),
        "unit": unit_id(connection, one.polled.unit, now),
        "enrolled_at": now,
        "platform": "other",
        "hostname": one.polled.name,
        # Its report tells these too, but the next target of this call may be the same device.
        "vendor": None if who.vendor is None else who.vendor[:256],
        "serial": None if who.serial is None else who.serial[:256],
        "device_class": classify(None, "physical", None, who.kind),
    }
    device: int = connection.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
    detail = {"target": one.polled.name, "protocol": one.polled.protocol}
    record(connection, now, ACTOR, "device.enrol", device_id, detail)
    return device, device_id


def _is_written(polled_at: int | None, at: float) -> bool:
    """Return whether a poll was kept already. A clock that was set back by more is believed: it may have been wrong."""
    return polled_at is not None and 0 <= polled_at - int(at) < CLOCK_BACK_SECONDS


def _memory(kept: Mapping[str, Any] | None, random_hex: Callable[[int], str]) -> Memory:
    # Until it first answers only its site is kept.
    return Memory(random_hex(8)) if kept is None or "instance" not in kept else Memory.from_json(kept)


def tagged(polled: Polled, answer: DeviceAnswer) -> DeviceAnswer:
    """Return the answer with the asset tag that the targets file states: many a device tells its maker's."""
    if polled.asset_tag is None:
        return answer
    return replace(answer, identity=replace(answer.identity, asset_tag=polled.asset_tag))


def _outlets(connection: Connection, device: int, polled: Polled) -> frozenset[str]:
    """Return the outlets whose energy is told apart: those of which somebody said what hangs on them."""
    query = select(feeds.c.outlet).where(feeds.c.feeder == device, feeds.c.outlet != "")
    return frozenset({*connection.scalars(query), *(outlet for outlet in polled.feeds if outlet)})


def _answered(row: Mapping[str, Any], one: Outcome, device: int, memory: Memory) -> dict[str, Any]:
    answer = one.answer
    if answer is None:
        raise ValueError("an outcome without an answer has not answered")
    refused = [
        {"name": each.name, "index": each.index, "code": each.code, "reason": each.reason[:_REASON_LENGTH]}
        for each in answer.refusals[:_MOST_REFUSED]
    ] + refused_feeds.statements(row["refused"])
    return {
        "device": device,
        "kind": answer.identity.kind,
        "profile": answer.profiles[0][:64] if answer.profiles else None,
        "outcome": "ok" if answer.profiles else "no_profile",
        "reason": None if answer.profiles else unfit(one.polled)[:_REASON_LENGTH],
        "polled_at": int(one.at),
        "succeeded_at": int(one.at),
        "duration_seconds": one.seconds,
        "failures": 0,
        "polls": row["polls"] + 1,
        "successes": row["successes"] + 1,
        "readings": len(answer.readings),
        "refused": refused,
        "state": memory.as_json(),
    }


def unfit(polled: Polled) -> str:
    """Return in words that a target answers and gives nothing."""
    if polled.profile is None:
        return "no profile fits this device"
    return f"the profile its target names, {polled.profile}, does not fit this device"


def _is_double(row: Mapping[str, Any], one: Outcome, answer: DeviceAnswer, reason: str) -> dict[str, Any]:
    return {
        "kind": answer.identity.kind,
        "outcome": DUPLICATE,
        "reason": reason[:_REASON_LENGTH],
        "polled_at": int(one.at),
        "succeeded_at": int(one.at),
        "duration_seconds": one.seconds,
        "failures": 0,
        "polls": row["polls"] + 1,
        "successes": row["successes"] + 1,
    }


def _failed(row: Mapping[str, Any], one: Outcome) -> dict[str, Any]:
    return {
        "outcome": one.code,
        "reason": None if one.reason is None else one.reason[:_REASON_LENGTH],
        "polled_at": int(one.at),
        "duration_seconds": one.seconds,
        "failures": row["failures"] + 1,
        "polls": row["polls"] + 1,
    }
