"""What a relay tells Prometheus of its queue: read when scraped, so that it is true also while nothing forwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, func, select

from roadworthy_collector.relay import outbox, state
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.schema import relay_devices, relay_files

_TOTALS = {
    outbox.REFUSED: "roadworthy_relay_refused_items_total",
    outbox.GIVEN_UP: "roadworthy_relay_given_up_items_total",
}


def relay_values(
    connection: Connection, settings: Settings, counted: Iterable[Any], now: float
) -> dict[str, float | None]:
    """Return {metric: value}, all without a label; nothing at all where this collector is no relay.

    `counted` are the rows of `counters`. Codes and kinds are added up: codes are the main collector's words, and what
    it says is no label of ours; `roadworthy relay status` tells them apart.
    """
    if not settings.is_relay:
        return {}
    waiting, used, oldest = outbox.size(connection)
    totals = dict.fromkeys(_TOTALS.values(), 0)
    for row in counted:
        if row.name in _TOTALS:
            totals[_TOTALS[row.name]] += row.value
    stopped = select(func.count()).select_from(relay_devices).where(relay_devices.c.stopped.is_not(None))
    # By carried files a relay never learns what was refused, and nothing stops a device.
    told = settings.upstream_url is not None
    return {
        "roadworthy_relay_waiting_reports": waiting,
        "roadworthy_relay_waiting_bytes": used,
        "roadworthy_relay_waiting_limit_bytes": settings.relay_outbox_max_bytes,
        "roadworthy_relay_oldest_waiting_seconds": 0.0 if oldest is None else max(0.0, now - oldest),
        "roadworthy_relay_last_success_timestamp_seconds": _last_success(connection, settings),
        "roadworthy_relay_stopped_devices": connection.scalar(stopped) if told else None,
        **totals,
        **({} if told else {_TOTALS[outbox.REFUSED]: None}),
    }


def _last_success(connection: Connection, settings: Settings) -> float | None:
    """Return when the main collector last took something, by connection or by a file it acknowledged."""
    if settings.relay_file_drop:
        at: int | None = connection.scalar(select(func.max(relay_files.c.acknowledged_at)))
        return at
    said = state.read(connection).get(state.LAST_SUCCESS)
    return None if said is None else float(said)
