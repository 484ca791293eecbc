"""Which class a device is: laptop, desktop, all_in_one, tablet, server, virtual, other or unknown.

Devices that run no agent say themselves what they are: ups, pdu, printer, switch or controller (a server's management
controller, whose readings are those of the server).

The table is SMBIOS' list of chassis types (DMTF DSP0134, System Enclosure or Chassis, offset 5), in
`data/chassis_types.csv`. Mini and stick PCs count as desktops: they draw and are replaced like one. What the
machine does not say stays `unknown`, which is a class of its own and is counted.
"""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType

from roadworthy_inventory import tables

ASKED = ("ups", "pdu", "printer", "switch", "controller")  # over the network: nobody signs in to them
CLASSES = ("laptop", "desktop", "all_in_one", "tablet", "server", "virtual", *ASKED, "other", "unknown")
_KINDS = {name: name for name in ASKED} | {"management_controller": "controller", "server": "server"}
_FILE = "chassis_types.csv"
_COLUMNS = ("chassis_type", "name", "device_class", "source", "as_of")
# A container sees its host's chassis, a virtual machine an invented one: neither is a machine of its own.
_VIRTUAL = frozenset({"virtual_machine", "container"})
_SERVER_NAME = re.compile(r"\bserver\b", re.IGNORECASE)


def parse_chassis_types(text: str) -> dict[int, str]:
    """Return {chassis type: device class} of the table's text; TableError where a row is wrong."""
    table: dict[int, str] = {}
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        if not row["chassis_type"].isascii() or not row["chassis_type"].isdigit():
            raise tables.TableError(
                f"{_FILE}: line {line}: chassis_type: {row['chassis_type']!r} is no number"
            )
        number = int(row["chassis_type"])
        if number in table:
            raise tables.TableError(f"{_FILE}: line {line}: chassis_type: {number} is there twice")
        table[number] = tables.one_of(_FILE, line, "device_class", row["device_class"], CLASSES)
    return table


@cache
def chassis_types() -> MappingProxyType[int, str]:
    """Return {chassis type: device class}, read once."""
    return MappingProxyType(parse_chassis_types(tables.read_text(_FILE)))


def classify(chassis_type: int | None, environment: str, os_name: str | None, kind: str | None = None) -> str:
    """Return the class, one of CLASSES.

    `chassis_type` is SMBIOS' number without the lock bit, `environment` the wire's word (physical,
    virtual_machine, container, unknown). A server operating system makes a server of any physical box, because
    that is what it is used as: a tower under a desk running Windows Server is nobody's desktop. `kind` is what a
    device says that was asked over the network; where it is given it decides.
    """
    if kind is not None:
        return _KINDS.get(kind, "other")
    if environment in _VIRTUAL:
        return "virtual"
    if os_name and _SERVER_NAME.search(os_name):
        return "server"
    if chassis_type is None:
        return "unknown"
    return chassis_types().get(chassis_type, "unknown")
