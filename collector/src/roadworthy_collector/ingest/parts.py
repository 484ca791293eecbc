"""Writes what wears out, batteries and disks, out of the facts into rows of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.store.schema import batteries, disks
from roadworthy_collector.store.statements import Bulk, BulkDelete

_BATTERIES = Bulk(batteries)
_DISKS = Bulk(disks)
_OLD_BATTERIES = BulkDelete(batteries, "device")
_OLD_DISKS = BulkDelete(disks, "device")


def write_parts(connection: Connection, facts: Mapping[int, Mapping[str, Any]]) -> None:
    """Replace the batteries and disks of devices by those of their facts, {device row id: facts as kept}.

    Of two that go by one name the first is kept: a name is all that tells them apart.
    """
    told = [(device,) for device in sorted(facts)]
    _OLD_BATTERIES.write(connection, told)
    _OLD_DISKS.write(connection, told)
    _BATTERIES.insert(
        connection,
        [
            (device, part["name"], part.get("health_ratio"), part.get("cycles"))
            for device, whole in facts.items()
            for part in whole.get("battery") or ()
        ],
    )
    _DISKS.insert(
        connection,
        [
            (
                *(device, part["name"], part["medium"], part.get("holds_system")),
                *(part.get("wear_ratio"), part.get("failing")),
            )
            for device, whole in facts.items()
            for part in whole.get("storage") or ()
        ],
    )
