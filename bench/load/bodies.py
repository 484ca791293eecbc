"""Report bodies, made from the recorded ones of the tests: their shape and size, with each device's ids and times.

Facts, probes, start-ups and sign-ins are those of tests/devices/*/report.json, devices of many makes; settlement
periods and the open one are those of tests/contract/reports. Compressed as the agent compresses (level 6).
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from load.plan import DAY_SLOTS, PERIOD_SECONDS, Item, Plan, dice

REPOSITORY = Path(__file__).parents[2]
HEALTH_SECONDS = 7200  # the agent's own health goes with every fourth settlement period
VERSION = "0.1.0"
_encode = msgspec.json.Encoder().encode


class Bodies:
    """Builds reports. Not for several threads at once: its templates are filled in place."""

    def __init__(self, plan: Plan, recorded: Path = REPOSITORY / "tests") -> None:
        self._plan = plan
        contract = recorded / "contract" / "reports"
        self._devices = [
            _read(path)
            for path in sorted((recorded / "devices").glob("*/report.json"))
            if (report := _read(path)).get("startups") and _final(report)
        ]
        if not self._devices:
            raise SystemExit(f"{recorded}: no recorded reports here; run it from a clone of the repository")
        plain, rich = _read(contract / "agent-linux-history.json"), _read(contract / "full.json")
        self._periods = _period_shapes(plain["periods"][0], rich["periods"][0])
        self._nows = _now_shapes(plain["now"], rich["now"])
        self._health = _without(plain["agent"], "version", "platform")
        self._gap = plain["gaps"][1]

    def items(self, device: int, number: int) -> list[Item]:
        """Return the items of history the `number`th report of a device holds."""
        plan, kind = self._plan, self._plan.kind(device, number)
        if kind == "period":
            return [Item("period", plan.period_start(number))]
        if kind != "startup":
            return []
        recorded, name = self._recorded(device), plan.name(device, number)
        items = [Item("startup", f"{name}:{n}") for n in range(len(recorded["startups"]))]
        items += [Item("signin", f"{name}-{n}") for n in range(len(recorded.get("signins", ())))]
        return [*items, Item("gap", plan.gap_begin(number))]

    def report(self, device: int, device_id: str, number: int, now: float) -> dict[str, Any]:
        """Return the `number`th report of a device, sent at `now`; its parts are filled again by the next call."""
        kind, recorded = self._plan.kind(device, number), self._recorded(device)
        shape = device % 3
        report: dict[str, Any] = {
            "schema_version": "1.0",
            "device_id": device_id,
            "instance": f"{dice(device, -1):08x}{device:08x}",
            "seq": number + 1,
            "boot_id": self._plan.name(device, 0),
            "sent_at": round(now, 3),
            "agent": {"version": VERSION, "platform": recorded["agent"]["platform"]},
        }
        if kind in {"startup", "facts"}:
            report["agent"] |= self._health
            report["probes"] = recorded["probes"]
            report["facts"] = recorded["facts"] | {"hostname": f"load-{device:06d}"}
        report["now"] = self._now(shape, device, number, now)
        if kind == "period":
            start = self._plan.period_start(number)
            if start % HEALTH_SECONDS == 0:
                report["agent"] |= self._health
            report["periods"] = [self._period(shape, device, number, start)]
        elif kind == "startup":
            report |= self._startup(recorded, device, number)
        return report

    def body(self, device: int, device_id: str, number: int, now: float) -> bytes:
        """Return the same as it goes over the wire, gzipped."""
        return gzip.compress(_encode(self.report(device, device_id, number, now)), 6, mtime=0)

    def _recorded(self, device: int) -> dict[str, Any]:
        return self._devices[device % len(self._devices)]

    def _now(self, shape: int, device: int, number: int, now: float) -> dict[str, Any]:
        """Return the open settlement period."""
        share = dice(device, number)
        told = self._nows[shape]
        told["at"] = round(now, 3)
        told["start"] = int(now) // PERIOD_SECONDS * PERIOD_SECONDS
        told["observed_seconds"] = int(now) % PERIOD_SECONDS
        told["uptime_seconds"] = float(share % 36_000)
        told["cpu"]["mean_ratio"] = told["cpu_latest_ratio"] = share % 10_000 / 10_000
        told["memory"]["mean_ratio"] = told["memory_latest_ratio"] = share % 7919 / 10_000
        for row in told.get("energy", ()):
            row["joules"] = 100 + share % 20_000
            row["counter_end_joules"] = 9_000_000 + number * 20_000 + share % 20_000
        return told

    def _period(self, shape: int, device: int, number: int, start: int) -> dict[str, Any]:
        """Return a closed settlement period; no two are alike."""
        share = dice(device, number)
        told = self._periods[shape]
        told["start"] = start
        told["cpu"]["mean_ratio"] = share % 10_000 / 10_000
        told["cpu"]["p95_ratio"] = share % 9973 / 10_000
        told["memory"]["mean_ratio"] = share % 7919 / 10_000
        for row in told.get("energy", ()):
            row["joules"] = 5_000 + share % 40_000
            row["counter_end_joules"] = 9_000_000 + number * 50_000 + share % 40_000
        return told

    def _startup(self, recorded: dict[str, Any], device: int, number: int) -> dict[str, Any]:
        """Return start-ups, sign-ins and the gap before them, of some minutes ago."""
        plan, name = self._plan, self._plan.name(device, number)
        begin = plan.gap_begin(number)
        told: dict[str, Any] = {"startups": recorded["startups"]}
        for n, startup in enumerate(recorded["startups"]):
            startup |= {"start_id": f"{name}:{n}", "boot_id": name, "started_at": begin + 1800.5 + n}
        if recorded.get("signins"):
            told["signins"] = recorded["signins"]
            for n, signin in enumerate(recorded["signins"]):
                day = begin // (DAY_SLOTS * PERIOD_SECONDS) * DAY_SLOTS * PERIOD_SECONDS
                signin |= {"signin_id": f"{name}-{n}", "start_id": f"{name}:0", "day": day}
        told["gaps"] = [self._gap | {"from": begin, "to": begin + 1800}]
        return told


def request_head(host: str, path: str = "/api/v1/reports") -> Callable[[str, int], bytes]:
    """Return what writes a report's request head for a token and a body's length, as the agent writes it."""
    first = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAuthorization: Bearer "
    )
    middle = "\r\nContent-Encoding: gzip\r\nContent-Length: "
    return lambda token, length: f"{first}{token}{middle}{length}\r\n\r\n".encode()


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return read


def _final(report: dict[str, Any]) -> bool:
    """Tell whether all records are complete: only those are counted once and for ever."""
    records = [*report["startups"], *report.get("signins", ())]
    return all(record["final"] for record in records)


def _without(told: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names and value is not None}


def _period_shapes(plain: dict[str, Any], rich: dict[str, Any]) -> list[dict[str, Any]]:
    """Return settlement periods of a device without energy, of one with a processor's counter, of a laptop's."""
    plain, rich = copy.deepcopy(plain), copy.deepcopy(rich)
    cpu = _without(rich["energy"][0], "latest_watts")
    desk = _without(rich, "battery") | {"energy": [dict(cpu)]}
    laptop = copy.deepcopy(rich) | {"energy": [dict(cpu)]}
    return [plain, copy.deepcopy(desk), laptop]


def _now_shapes(plain: dict[str, Any], rich: dict[str, Any]) -> list[dict[str, Any]]:
    """Return open periods likewise; the agent tells neither device state nor percentiles of it."""
    bare = {name: value for name, value in plain.items() if name != "state_seconds"}
    for name in ("cpu", "memory"):
        bare[name] = _without(plain[name], "p95_ratio")
    counted = bare | {"energy": [_without(rich["energy"][0])]}
    return [copy.deepcopy(shape) for shape in (bare, counted, counted)]
