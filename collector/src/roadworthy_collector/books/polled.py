"""What UPSs and printers that are polled say of their own condition, as the rating needs it. What is not told is None."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.store.schema import device_now

RATED = ("ups", "printer")
# What needs somebody, as the device says it.
FLAGS = ("battery_replace", "printer_worn", "service_requested")
FACTS = ("vendor", "model", "serial", "part_number", "firmware", "made", "battery_replaced")


def read(connection: Connection, rows: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """Return {device: fields of its condition} of rows of devices with `id`, `device_class` and `hardware`."""
    if not rows:
        return {}
    classes = {row.id: row for row in rows}
    query = select(device_now.c.device, device_now.c.now).where(device_now.c.device.in_(sorted(classes)))
    said = {one.device: one.now or {} for one in connection.execute(query)}
    return {device: _fields(row, said.get(device, {})) for device, row in classes.items()}


def _fields(row: Any, now: Mapping[str, Any]) -> dict[str, Any]:
    flags: Mapping[str, bool] = now.get("flags") or {}
    readings: Sequence[Mapping[str, Any]] = now.get("readings") or ()
    if row.device_class == "printer":
        return {
            "printer_page_count": _most(readings, "page_count"),
            "printer_service_requested": flags.get("service_requested"),
            "printer_worn": flags.get("printer_worn"),
        }
    return {
        "ups_battery_replace": _either(flags.get("battery_replace"), flags.get("aged")),
        "ups_on_battery": flags.get("on_battery"),
        "ups_battery_low": flags.get("battery_low"),
        "ups_load_ratio": _most(readings, "load"),
        "ups_battery_since": battery_since(row.hardware or {}),
    }


def register_facts(hardware: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str | float]:
    """Return what a device says of itself that a register keeps: `FACTS`, `FLAGS`, printed pages and supplies left.

    Flags are `yes` or `no`; `supplies` names each with its share left. What is not told is not in it.
    """
    told: dict[str, str | float] = {name: str(hardware[name]) for name in FACTS if hardware.get(name)}
    flags: Mapping[str, bool] = now.get("flags") or {}
    told |= {name: "yes" if flags[name] else "no" for name in FLAGS if name in flags}
    readings: Sequence[Mapping[str, Any]] = now.get("readings") or ()
    pages = _most(readings, "page_count")
    if pages is not None:
        told["page_count"] = int(pages)
    supplies = [
        f"{one.get('label') or one.get('index') or 'supply'} {one['value']:.0%}"
        for one in readings
        if one.get("kind") == "supply" and one.get("value") is not None
    ]
    return told | {"supplies": ", ".join(supplies)} if supplies else told


def battery_since(hardware: Mapping[str, Any]) -> dt.date | None:
    """Return since when a battery is in use: it was replaced, or else came with the UPS; None where neither is told."""
    for name in ("battery_replaced", "made"):
        try:
            return dt.date.fromisoformat(hardware[name])
        except (KeyError, TypeError, ValueError):  # not told, or a date that is none
            continue
    return None


def _either(*flags: bool | None) -> bool | None:
    """Return whether one is up, None where none is told."""
    known = [flag for flag in flags if flag is not None]
    return any(known) if known else None


def _most(readings: Iterable[Mapping[str, Any]], kind: str) -> float | None:
    some = (one.get("value") for one in readings if one.get("kind") == kind)
    return max((float(value) for value in some if value is not None), default=None)
