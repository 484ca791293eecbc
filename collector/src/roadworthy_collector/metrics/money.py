"""Gauges of staff time, contracts, benefits and disposal, out of kept figures; what was never worked out makes none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures, staff_time
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number

_NAMES = ("contracts", "benefits", "disposal")
_MONTHS = 13
_PENCE, _MILLISECONDS = 100, 1000
_Values = dict[tuple[str, ...], float]


def read(connection: Connection) -> dict[str, Any]:
    """Return {name: figures} of those that were worked out; of staff time {month: total}."""
    found = {name: figures.read(connection, name) for name in _NAMES}
    told: dict[str, Any] = {name: one[0] for name, one in found.items() if one is not None}
    months = staff_time.kept(connection)[-_MONTHS:]
    told["staff_time"] = {one["month"]: one["total"] for one in months if one["total"] is not None}
    return told


def render(found: Mapping[str, Any]) -> str:
    """Return the gauges in the text format."""
    months = found["staff_time"]
    lost: _Values = {(name,): one["lost_milliseconds"] / _MILLISECONDS for name, one in months.items()}
    waits: _Values = {("counted", name): one["waits"] for name, one in months.items()}
    waits |= {("slow", name): one["slow_waits"] for name, one in months.items()}
    parts = [_family("staff_time_lost_seconds", lost), _family("staff_waits", waits)]
    if "contracts" in found:
        parts += _contracts(found["contracts"])
    if "benefits" in found:
        net = found["benefits"]["net_pence"]
        parts += [
            _family("benefits", _one(found["benefits"]["counts"])),
            _family("benefit_net_gbp", {tuple(key.split("|")): pence / _PENCE for key, pence in net.items()}),
        ]
    if "disposal" in found:
        told = found["disposal"]
        parts += [
            _family("disposal_items", _one(told["routes"])),
            _family("disposal_weight_grams", _one(told["grams"])),
            _family("disposal_weight_unknown", {(): told["weight_unknown"]}),
            _family("disposal_certificates_missing", {(): told["certificates_missing"]}),
        ]
    return "".join(parts)


def _contracts(told: Mapping[str, Any]) -> list[str]:
    pounds: _Values = {(month,): pence / _PENCE for month, pence in told["pence"].items()}
    return [
        _family("contract_ends", _one(told["ends"])),
        _family("contract_ends_gbp", pounds),
        _family("contract_notice_due", {(): told["notice_due"]}),
        _family("contract_running_gbp", {(): told["running_pence"] / _PENCE}),
    ]


def _one(values: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): value for name, value in values.items()}


def _family(name: str, values: Mapping[tuple[str, ...], float]) -> str:
    row = metric(f"roadworthy_{name}")
    lines = [f"{row.name}{labels(row.labels, key)} {number(float(value))}\n" for key, value in values.items()]
    return row.header + "".join(lines) if lines else ""
