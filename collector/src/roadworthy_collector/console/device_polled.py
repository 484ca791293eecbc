"""What the page of a polled device shows: its readings, what was refused and why, what hangs on what, its electricity.

Such a device has no start-ups, sign-ins, processor or operating system of its own; none of that is missing. Nothing
here tells when somebody was at work, so that its page opens without a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row

from roadworthy_collector.books.standing import by_reason
from roadworthy_collector.console import present, words
from roadworthy_collector.console.facts import Fact, place_facts
from roadworthy_collector.console.power import OUTCOMES
from roadworthy_collector.console.view import View
from roadworthy_collector.snmp import feeding, shown
from roadworthy_collector.snmp.readings import UNITS
from roadworthy_collector.snmp.targets import NOTHING_KNOWN
from roadworthy_collector.store.queries import console_device as used
from roadworthy_inventory.device_class import ASKED

ELECTRICITY_DAYS = 7
_NOT_TOLD = "the device does not tell it"
_FACTS = (
    ("Make", "vendor"),
    ("Model", "model"),
    ("Serial number", "serial"),
    ("Part number", "part_number"),
    ("Asset tag", "asset_tag"),
    ("Firmware", "firmware"),
    ("Made on", "made"),
    ("Battery replaced on", "battery_replaced"),
)
_UNITS = {"degC": "\N{DEGREE SIGN}C"}
_SAID: Mapping[str, Callable[[float], str]] = {"s": present.duration, "B": present.memory_size}
# What a half-hour of a polled device is of, by the class and the place that was read; only an input stands at the wall.
_METERED: Mapping[tuple[str, str], str] = {
    ("ups", "output"): "What the UPS gives out",
    ("ups", "phase"): "What the UPS gives out, line by line",
    ("pdu", "system"): "At the wall, the whole unit",
    ("pdu", "phase"): "At the wall, phase by phase",
    ("controller", "system"): "The server, as its controller tells",
    ("controller", "supply_unit"): "The server's power supplies, as its controller tells",
}
_METERED_AT: Mapping[str, str] = {
    "input": "At the wall",
    "output": "What the unit gives out",
    "bank": "What the unit gives out, bank by bank",
    "phase": "What the device takes, phase by phase",
    "poe": "What is given out over its network ports",
    "system": "The whole device, by its own sensor",
    "supply_unit": "The device's power supplies",
}


def is_polled(device: Row[Any]) -> bool:
    """Return whether a device, a row of `find_device`, runs no agent and is asked over the network."""
    if device.device_class in ASKED:
        return True
    told = device.now if isinstance(device.now, dict) else {}
    return bool(told.get("readings"))


def context(
    connection: Connection, view: View, device: Row[Any], rating: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what device_polled.html needs of `device`, a row of `find_device`, and how it is rated."""
    told = device.now if isinstance(device.now, dict) else {}
    hardware = (device.facts or {}).get("hardware") or {}
    wall: Mapping[str, Any] = next(
        (one for one in told.get("energy") or [] if one.get("scope") == "wall"), {}
    )
    since = int(view.now) - ELECTRICITY_DAYS * 86400
    return {
        "device": device,
        "name": device.hostname or device.device_id,
        "firmware": hardware.get("firmware"),
        "target": shown.target_of(connection, device.id),
        "outcomes": OUTCOMES,
        "fresh": device.state in {"reporting", "late"},
        "wall": wall,
        "readings": [_said(one) for one in told.get("readings") or []],
        "flags": [name.replace("_", " ") for name, up in (told.get("flags") or {}).items() if up],
        "facts": [*_placed(device), *_facts(hardware)],
        "energy": [
            _measured(row, device.device_class) for row in used.energy_of(connection, device.id, since)
        ],
        "energy_days": ELECTRICITY_DAYS,
        "feeds": feeds_of(connection, view, device.id),
        "declared": feeding.is_declared(connection, device.id),
        "nothing_known": NOTHING_KNOWN,
        "rating": rating,
        "by_reason": by_reason,
        "looks": words.LOOKS,
    }


def feeds_of(connection: Connection, view: View, device: int) -> list[dict[str, Any]]:
    """Return what hangs on a device and what feeds it, of what the reader may see."""
    return feeding.list_feeds(connection, scope=view.scope, restricted=False, device=device)


def value_text(one: Mapping[str, Any]) -> str | None:
    """Return a reading's value with its unit as people write it, None where it has none."""
    if one.get("text") is not None:
        return str(one["text"])
    value, unit = one.get("value"), UNITS.get(one["kind"], "")
    if value is None:
        return None
    if unit == "ratio":
        return f"{value:.2f}" if one["kind"] == "power_factor" else present.share(value)
    if unit == "Wh":
        return f"{value / 1000:,.1f} kWh"
    if unit in _SAID:
        return _SAID[unit](value)
    digits = 0 if float(value).is_integer() else 1
    return f"{value:,.{digits}f} {_UNITS.get(unit, unit)}"


def _measured(row: dict[str, Any], device_class: str) -> dict[str, Any]:
    """Return energy with what it is of, in words: the source of a half-hour ends with the place that was read."""
    places = [part for part in row["source"].split(", ")[1:] if part in _METERED_AT]
    if not places or row["scope"] != "wall":
        return row | {
            "of": words.say(words.SCOPES, row["scope"]),
            "known": words.say(words.QUALITIES, row["quality"]),
        }
    of = _METERED.get((device_class, places[0]), _METERED_AT[places[0]])
    is_inside = row["quality"] == "metered" and not of.startswith("At the wall")
    known = "metered (a meter in the device)" if is_inside else words.say(words.QUALITIES, row["quality"])
    return row | {"of": of, "known": known}


def _said(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reading as a row: which, where, how much, how known."""
    where = " ".join(part for part in (str(one["place"]).replace("_", " "), one.get("index") or "") if part)
    return {
        "name": str(one["name"]).replace("_", " "),
        "kind": words.say(words.READINGS, one["kind"]),
        "where": where,
        "label": one.get("label"),
        "value": value_text(one),
        "quality": words.say(words.QUALITIES, one["quality"]),
        "relative_error": one.get("relative_error"),
        "source": one["source"],
    }


def _placed(device: Row[Any]) -> list[Fact]:
    """Return where it belongs, as its targets file says."""
    given = {"Site": "targets file", "Unit": "targets file"}
    return [
        fact._replace(how="given", source=given[fact.name]) if fact.name in given else fact
        for fact in place_facts(device)
        if fact.name in {"Device id", *given}
    ]


def _facts(hardware: Mapping[str, Any]) -> list[Fact]:
    source = str(hardware.get("source") or "source not named")
    return [
        Fact(
            title,
            None if hardware.get(key) is None else str(hardware[key]),
            "told by the device",
            source,
            _NOT_TOLD,
        )
        for title, key in _FACTS
        if hardware.get(key) is not None or key in {"vendor", "model", "serial", "firmware"}
    ]
