"""Two readings some time apart: what tells a counter that mirrors another, stands still or cannot be true."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from roadworthy_agent.clock import Clock
from roadworthy_agent.probes.power.rapl import LOOK_SECONDS, Look, Zone, look

RECORDED = "roadworthy/power.2.json"  # {"seconds": s, "before": {zone: uJ}, "after": {zone: uJ}}
ASLEEP_SECONDS = 1.0  # more sleep than this in between, and the counters may have been reset


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading: when, how long the device has slept until then, the counters, and the batteries' draw."""

    at: float
    slept: float
    microjoules: Mapping[str, int | None]
    battery_watts: float | None


def moment(clock: Clock, microjoules: Mapping[str, int | None], battery_watts: float | None) -> Moment:
    """Return a reading taken now."""
    at = clock.monotonic()
    return Moment(at, clock.boottime() - at, microjoules, battery_watts)


class Looks:
    """The latest look: renewed as soon as enough time has passed, forgotten when the device slept."""

    def __init__(self, recorded: Mapping[str, Any] | None = None) -> None:
        self._recorded = recorded
        self._base: Moment | None = None
        self._look: Look | None = None
        self.battery_watts: float | None = None  # mean over the look, None unless on batteries at both ends

    def step(self, zones: Iterable[Zone], now: Moment) -> Look | None:
        """Take a reading into account and return the latest look, None where there is none yet."""
        if self._recorded is not None:
            self.battery_watts = now.battery_watts
            return _recorded_look(zones, self._recorded)
        base = self._base
        if base is None or now.slept - base.slept > ASLEEP_SECONDS or now.at < base.at:
            self._base, self._look, self.battery_watts = now, None, None
        elif now.at - base.at >= LOOK_SECONDS:
            self._look = look(zones, base.microjoules, now.microjoules, now.at - base.at)
            ends = (base.battery_watts, now.battery_watts)
            self.battery_watts = None if ends[0] is None or ends[1] is None else (ends[0] + ends[1]) / 2
            self._base = now
        return self._look


def to_json(before: Moment, after: Moment) -> bytes:
    """Return two moments as they are kept in a recorded tree."""
    told = {
        "seconds": round(after.at - before.at, 6),
        "before": {name: value for name, value in before.microjoules.items() if value is not None},
        "after": {name: value for name, value in after.microjoules.items() if value is not None},
    }
    return json.dumps(told, indent=1).encode() + b"\n"


def parse(text: str) -> dict[str, Any]:
    """Return what a recorded tree tells of a later reading; {} where it tells nothing that is understood."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    seconds = told.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 86_400:
        return {}
    return {
        "seconds": float(seconds),
        "before": _counters(told.get("before")),
        "after": _counters(told.get("after")),
    }


def _counters(told: Any) -> dict[str, int]:
    pairs = told.items() if isinstance(told, dict) else ()
    return {
        name: value
        for name, value in pairs
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    }


def _recorded_look(zones: Iterable[Zone], told: Mapping[str, Any]) -> Look | None:
    return look(zones, told["before"], told["after"], told["seconds"]) if told else None
