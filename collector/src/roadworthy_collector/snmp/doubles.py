"""Whether a target that answered is a device that is counted already, under another target's name or by a relay.

Told by maker and serial number. A device without a serial number, or with one that names nothing, is never taken for
another. Functions take a connection inside a transaction of the caller's and write nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, or_, select

from roadworthy_collector.snmp.readings import Identity
from roadworthy_collector.store.schema import devices, sites
from roadworthy_collector.store.snmp_schema import snmp_targets
from roadworthy_inventory.device_class import ASKED, classify
from roadworthy_inventory.identity import normalise_serial

_CONTROLLER = "controller"
# A relay that told nothing of a device for so long does not poll it any more. Ours: a day.
_SILENT_SECONDS = 86_400


def find_double(
    connection: Connection, device: int | None, identity: Identity, name: str, at: float
) -> str | None:
    """Return why the target `name` is no device of its own, None where it is one.

    `device` is the row id of the device it is already. Of two targets that are one device the one that became a
    device first stays; what a relay forwards stays before what is polled here, for it goes on whatever is done here.
    """
    serial = normalise_serial(identity.serial)
    if serial is None or identity.serial is None:
        return None
    query = (
        select(
            *(devices.c.id, devices.c.hostname, devices.c.serial, devices.c.vendor, devices.c.device_class),
            *(devices.c.relayed_by, devices.c.last_report_at, sites.c.restricted),
            snmp_targets.c.name,
        )
        .join(sites, sites.c.id == devices.c.site)
        .outerjoin(snmp_targets, (snmp_targets.c.device == devices.c.id) & snmp_targets.c.removed.is_(False))
        .where(
            # Serial numbers are kept as told, and one device tells the same one whoever asks: an index has it.
            devices.c.serial.in_(sorted({identity.serial[:256], identity.serial.strip()[:256], serial})),
            devices.c.retired_at.is_(None),
            or_(snmp_targets.c.id.is_not(None), devices.c.relayed_by.is_not(None)),
        )
        .order_by(devices.c.id)
    )
    for row in connection.execute(query):
        if row.id != device and normalise_serial(row.serial) == serial and _is_same(row, identity):
            if row.name is not None and row.name != name and (device is None or row.id < device):
                who = (
                    f"the device of the target {row.name}"
                    if not row.restricted
                    else "one of a restricted site"
                )
                return f"it is {who} (serial number {identity.serial}): take one of the two out of the file"
            if row.name is None and row.device_class in ASKED and _is_told(row.last_report_at, at):
                who = f"as {row.hostname}" if not row.restricted else "at a restricted site"
                return (
                    f"a relay polls it too, {who} (serial number {identity.serial}): take it out of one file"
                )
    return None


def _is_same(row: Any, identity: Identity) -> bool:
    """Whether a device of the same serial number is the same thing: a server and its controller are two meters."""
    is_controller = classify(None, "physical", None, identity.kind) == _CONTROLLER
    if is_controller != (row.device_class == _CONTROLLER):
        return False
    # "Dell" and "Dell Inc.", as two ways of asking one device have it.
    mine, others = ((text or "").casefold().split() for text in (identity.vendor, row.vendor))
    return is_controller or not mine or not others or mine[0] == others[0]


def _is_told(last_report_at: int | None, at: float) -> bool:
    return last_report_at is not None and at - last_report_at < _SILENT_SECONDS
