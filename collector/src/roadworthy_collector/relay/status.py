"""What a relay says of itself to a person, and the stops a person lifts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, case, func, select, update

from roadworthy_collector.relay import outbox, state
from roadworthy_collector.relay.trust import ACTOR
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import counters, devices, relay_devices, relay_files, relay_outbox

_FORGOTTEN: dict[str, Any] = {
    "upstream_device_id": None,
    "token": None,
    "next_token": None,
    "enrolled_at": None,
    "restricted": None,
    "stopped": None,
    "not_before": 0.0,
}


def read_status(connection: Connection, settings: Settings) -> dict[str, Any]:
    """Return where a relay forwards to, what waits, and what went wrong; times in epoch seconds."""
    held = state.read(connection)
    waiting, used, oldest = outbox.size(connection)
    columns = relay_devices.c
    known, stopped = connection.execute(
        select(
            func.count(columns.upstream_device_id),
            func.count(case((columns.stopped.is_not(None), 1))),
        )
    ).one()
    unacknowledged = connection.scalar(
        select(func.count()).select_from(relay_files).where(relay_files.c.acknowledged_at.is_(None))
    )
    return {
        "mode": "files" if settings.relay_file_drop else "forwarding" if settings.upstream_url else "off",
        "upstream": settings.upstream_url,
        "relay": held.get(state.ID),
        "reports_waiting": waiting,
        "bytes_waiting": used,
        "oldest_waiting_at": oldest,
        "devices_enrolled": known,
        "devices_stopped": stopped,
        "files_unacknowledged": unacknowledged,
        "last_success_at": _time(held.get(state.LAST_SUCCESS)),
        "next_try_at": _time(held.get(state.WAIT_UNTIL)),
        "fault": held.get(state.FAULT),
        "enrolment_fault": held.get(state.ENROL_FAULT),
        "items_given_up": _counts(connection, outbox.GIVEN_UP),
        "items_refused": _counts(connection, outbox.REFUSED),
    }


def list_relayed(
    connection: Connection, *, stopped: bool = False, after: str = "", limit: int | None = None
) -> list[dict[str, Any]]:
    """Return each device with its id at the main collector, what waits, and why it stopped; no tokens.

    By device id, from the one after `after` on, `limit` at most.
    """
    waiting = (
        select(func.count())
        .select_from(relay_outbox)
        .where(relay_outbox.c.device == relay_devices.c.device)
        .scalar_subquery()
    )
    query = (
        select(
            devices.c.device_id,
            relay_devices.c.upstream_device_id,
            waiting.label("reports_waiting"),
            relay_devices.c.policy,
            relay_devices.c.stopped,
            relay_devices.c.refused_items,
            relay_devices.c.last_refusal,
        )
        .join(devices, devices.c.id == relay_devices.c.device)
        .where(devices.c.device_id > after)
        .order_by(devices.c.device_id)
        .limit(limit)
    )
    if stopped:
        query = query.where(relay_devices.c.stopped.is_not(None))
    return [dict(row) for row in connection.execute(query).mappings()]


def resume(connection: Connection, device_id: str | None, *, now: int, actor: str = ACTOR) -> int:
    """Have a device, or all with None, enrolled anew with the main collector and forwarded; return how many.

    It is another device there from then on: its register item joins the two.
    """
    query = update(relay_devices).values(_FORGOTTEN)
    if device_id is not None:
        query = query.where(
            relay_devices.c.device
            == select(devices.c.id).where(devices.c.device_id == device_id).scalar_subquery()
        )
    count = connection.execute(query).rowcount
    if count:
        blocked = [name for name in state.read(connection) if name.startswith("blocked_")]
        state.write(connection, dict.fromkeys((*blocked, state.ENROL_UNTIL, state.WAIT_UNTIL), None))
        record(connection, now, actor, "relay.resume", device_id, {"devices": count})
    return count


def _counts(connection: Connection, name: str) -> dict[str, int]:
    query = select(counters.c.label, counters.c.value).where(counters.c.name == name)
    return {row[0]: row[1] for row in connection.execute(query.order_by(counters.c.label))}


def _time(text: str | None) -> int | None:
    return None if text is None else int(float(text))
