"""GLPI agent inventories (JSON): an estate that has them can start without an agent of ours.

Shape: https://github.com/glpi-project/inventory_format (`inventory.schema.json`): an object with `deviceid` and
`content`; one file is one machine. A list of such objects is read too. User names, user accounts and software are
never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from roadworthy_inventory.importing.fields import Column, Format
from roadworthy_inventory.importing.problems import EmptyFileError, UnreadableFileError
from roadworthy_inventory.importing.register_rows import make_item

_HEADER = (
    *("deviceid", "bios.assettag", "bios.ssn", "hardware.uuid", "networks.mac", "hardware.chassis_type"),
    *("bios.smanufacturer", "bios.smodel", "bios.skunumber", "operatingsystem.name"),
    *("operatingsystem.version", "bios.bdate", "accesslog.logdate", "itemtype"),
)
_KINDS = {"Printer": "printer", "NetworkEquipment": "network", "Phone": "phone", "Unmanaged": "other"}


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _word(part: dict[str, Any], *names: str) -> str:
    """Return the first text or number among the names; old agents write numbers as texts and the other way round."""
    for name in names:
        value = part.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def _macs(content: dict[str, Any]) -> str:
    """Return the addresses of real ports: virtual ones come and go, and many machines share theirs."""
    ports = content.get("networks")
    if not isinstance(ports, list):
        return ""
    real = [
        port for port in ports if isinstance(port, dict) and str(port.get("virtualdev")) not in {"True", "1"}
    ]
    return " ".join(filter(None, (_word(port, "mac", "macaddr") for port in real)))


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    content = _part(one, "content")
    bios, hardware, system = (_part(content, name) for name in ("bios", "hardware", "operatingsystem"))
    itemtype = _word(one, "itemtype")
    return (
        _word(one, "deviceid"),
        _word(bios, "assettag"),
        _word(bios, "ssn", "biosserial", "enclosureserial"),
        _word(hardware, "uuid"),
        _macs(content),
        _KINDS.get(itemtype, _word(hardware, "chassis_type")),
        _word(bios, "smanufacturer"),
        _word(bios, "smodel"),
        _word(bios, "skunumber"),
        _word(system, "full_name", "name"),
        _word(system, "version"),
        _word(bios, "bdate"),
        _word(_part(content, "accesslog"), "logdate"),
        itemtype or "Computer",
    )


def table(file: str, body: bytes) -> tuple[tuple[str, ...], Sequence[tuple[int, Sequence[str]]]]:
    """Return (header, rows of (line where the machine begins, cells)) of one inventory or a list of them.

    UnreadableFileError naming line and column where the JSON is broken, or is none of the GLPI agent.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise UnreadableFileError(file, "is no UTF-8 text", "export it again", line=line) from None
    rows = [(line, _row(one)) for line, one in _machines(file, text)]
    if not rows:
        raise EmptyFileError(file, "holds no inventory", "export it again")
    return _HEADER, rows


def _machines(file: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, machine): objects one after the other, or in one list."""
    decoder = json.JSONDecoder(parse_constant=lambda _name: None)
    place, line = 0, 1
    while True:
        start = next((at for at in range(place, len(text)) if text[at] not in " \t\r\n"), None)
        if start is None:
            return
        line += text.count("\n", place, start)
        try:
            found, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise UnreadableFileError(
                file,
                f"is no JSON ({error.msg})",
                "export it again",
                line=error.lineno,
                column=str(error.colno),
            ) from None
        except (RecursionError, ValueError) as error:
            raise UnreadableFileError(
                file, f"is no JSON of ours ({error})", "export it again", line=line
            ) from None
        for one in found if isinstance(found, list) else [found]:
            if not isinstance(one, dict) or not isinstance(one.get("content"), dict):
                raise UnreadableFileError(
                    file,
                    "is JSON, but no inventory of the GLPI agent: `deviceid` and `content` are missing",
                    "export it as CSV, or give the agent's own files",
                    line=line,
                )
            yield line, one
        line += text.count("\n", start, end)
        place = end


MACHINES = Format(
    name="glpi_agent",
    title="GLPI agent inventory (JSON)",
    yields="item",
    columns=(
        Column("tag", "key", ("bios.assettag",)),
        Column("serial", "key", ("bios.ssn",)),
        Column("uuid", "text", ("hardware.uuid",)),
        Column("macs", "macs", ("networks.mac",)),
        Column("kind", "kind", ("hardware.chassis_type",)),
        Column("manufacturer", "text", ("bios.smanufacturer",)),
        Column("model", "text", ("bios.smodel",)),
        Column("model_number", "text", ("bios.skunumber",)),
        Column("os_name", "text", ("operatingsystem.name",)),
        Column("os_version", "text", ("operatingsystem.version",)),
        Column("bios_date", "bios_date", ("bios.bdate",)),
        Column("last_seen", "date", ("accesslog.logdate",)),
    ),
    required=(("deviceid",), ("hardware.uuid",), ("bios.ssn",)),
    make=make_item,
    fixed={"lifecycle_state": "deployed"},
    note="what the GLPI agent saw; tags are what the firmware says",
)
FORMATS = (MACHINES,)
