"""Values as Grafana writes them, for the units the boards use."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

_STEPS: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "bytes": (1024, ("B", "KiB", "MiB", "GiB", "TiB")),
    "short": (1000, ("", "K", "Mil", "Bil")),
    "watt": (1000, ("W", "kW", "MW", "GW")),
    "joule": (1000, ("J", "kJ", "MJ", "GJ", "TJ")),
    "kwatth": (1000, ("kWh", "MWh", "GWh")),
    "masskg": (1000, ("kg", "t", "kt")),
    "masst": (1000, ("t", "kt", "Mt")),
    "ops": (1000, ("ops/s", "Kops/s")),
    "reqps": (1000, ("req/s", "Kreq/s")),
    "cps": (1000, ("c/s", "Kc/s")),
}
_TIMES = ((31_557_600, "years"), (604_800, "weeks"), (86_400, "days"), (3600, "hours"), (60, "mins"))


def written(value: float | None, unit: str | None, decimals: int | None = None) -> str:
    """Return a value as a person reads it; nothing where there is none."""
    if value is None or math.isnan(value):
        return ""
    if unit in _WRITTEN:
        return _WRITTEN[unit](value, decimals)
    step, names = _STEPS.get(unit or "short", _STEPS["short"])
    place = 0
    while abs(value) >= step and place < len(names) - 1:
        value, place = value / step, place + 1
    space = "" if unit in {None, "short"} and names[place] == "" else " "
    return f"{_number(value, decimals)}{space}{names[place]}"


def _number(value: float, decimals: int | None) -> str:
    if decimals is None:
        decimals = 0 if value == int(value) or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{decimals}f}"


def _seconds(value: float, decimals: int | None) -> str:
    for size, name in _TIMES:
        if abs(value) >= size:
            return f"{_number(value / size, decimals)} {name}"
    if 0 < abs(value) < 1:
        return f"{_number(value * 1000, decimals)} ms"
    return f"{_number(value, decimals)} s"


def _pounds(value: float, decimals: int | None) -> str:
    text = written(abs(value), "short", decimals)
    return f"{'-' if value < 0 else ''}\N{POUND SIGN}{text}"


_WRITTEN: Mapping[str, Callable[[float, int | None], str]] = {
    "s": _seconds,
    "h": lambda value, decimals: f"{_number(value, decimals)} hours",
    "percentunit": lambda value, decimals: f"{_number(value * 100, decimals)}%",
    "currencyGBP": _pounds,
    "bool_yes_no": lambda value, _: "Yes" if value else "No",
    "dateTimeFromNow": lambda value, decimals: f"{_seconds(time.time() - value / 1000, decimals)} ago",
}
