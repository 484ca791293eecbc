"""Writes what each probe of a device last said of itself: whether it works, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.ingest.wire import Probe
from roadworthy_collector.store.schema import devices, probe_status
from roadworthy_collector.store.statements import BulkDelete, BulkUpdate, BulkUpsert, Lookup, json_text

_HELD = Lookup(
    select(probe_status.c.device, probe_status.c.probe, probe_status.c.status, probe_status.c.since),
    probe_status.c.device,
)
_STATUSES = BulkUpsert(probe_status)
_GONE = BulkDelete(probe_status, "device", "probe")
_SENT_AT = BulkUpdate(devices, "id", ("probes_sent_at",))
Key = tuple[int, str]  # device, probe


def write_probes(
    connection: Connection, told: Mapping[int, tuple[float, Sequence[Probe]]], vocabulary: Vocabulary
) -> None:
    """Replace the probe statuses of devices, each as a set; `since` stays while a status does.

    `told` is {device row id: (when it was sent, its probes)}.
    """
    held = {
        (device, probe): (status, since)
        for device, probe, status, since in _HELD.rows(connection, sorted(told))
    }
    rows: dict[Key, tuple[Any, ...]] = {}
    for device, (sent, probes) in told.items():
        for probe in probes:
            rows[device, probe.probe] = _row(device, probe, held, int(sent), vocabulary)
    _GONE.write(connection, sorted(held.keys() - rows.keys()))
    _STATUSES.write(connection, list(rows.values()))
    _SENT_AT.write(connection, [(sent, device) for device, (sent, _) in told.items()])


def _row(
    device: int, probe: Probe, held: Mapping[Key, tuple[str, int]], sent: int, vocabulary: Vocabulary
) -> tuple[Any, ...]:
    """Return the row of one probe, in the order of the table's columns."""
    status = vocabulary.read("probe.status", probe.status)
    before, since = held.get((device, probe.probe), (None, sent))
    missing = None
    if probe.missing:
        values: list[dict[str, Any]] = msgspec.to_builtins(probe.missing)
        for value in values:
            value["status"] = vocabulary.read("probe.missing.status", value["status"])
        missing = json_text(values)
    return (
        *(device, probe.probe, status, probe.reason, probe.source),
        *(missing, since if status == before else sent, sent),
    )
