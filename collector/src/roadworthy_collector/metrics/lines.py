"""One device's samples in the text format, family by family.

A device's text is a list with one string a family, in the catalogue's order, because the format wants all lines of
a family together: families of many devices are then columns that only need joining. What is not known is "".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from roadworthy_collector.ingest.vocabulary import OTHER, WORDS
from roadworthy_collector.metrics.catalogue import CATALOGUE, UNKNOWN, Endpoint, metric
from roadworthy_collector.metrics.text import escaped, known, number

FAMILIES = tuple(row for row in CATALOGUE if row.endpoint is Endpoint.DEVICES)
_PREFIX = "roadworthy_device_"
_PLACES: Final = {row.name.removeprefix(_PREFIX): place for place, row in enumerate(FAMILIES)}
_STARTUP = ("startup_info", "startup_seconds", "startup_usable_seconds", "startup_phase_seconds")
_LAST, _UPTIME, _CPU, _MEMORY, _POWER, _ENERGY_TOTAL = (
    _PLACES[name]
    for name in (
        "last_report_timestamp_seconds",
        "uptime_seconds",
        "cpu_ratio",
        "memory_ratio",
        "power_watts",
        "energy_joules_total",
    )
)
# Of the open half-hour's JSON text: most devices tell their energy by the day, and have none.
_WATTS = '"latest_watts":'

Lines = list[str]


class _Energy(msgspec.Struct):
    """Of one scope of the open half-hour what is shown."""

    scope: str
    quality: str
    latest_watts: float | None = None


class _Now(msgspec.Struct):
    """Of the open half-hour what is shown; the rest is passed over unread."""

    energy: tuple[_Energy, ...] = ()


_ENERGY = msgspec.json.Decoder(_Now)
_PHASES = msgspec.json.Decoder(list[dict[str, Any]])
_escaped = lru_cache(maxsize=65536)(escaped)


def no_lines() -> Lines:
    """Return the text of a device of which nothing is known."""
    return [""] * len(FAMILIES)


def set_description(lines: Lines, device: str, described: Sequence[str | None]) -> None:
    """Set what the device is: site, unit, model, os, class, environment."""
    lines[_PLACES["info"]] = f'{_PREFIX}info{{device_id="{device}",{_description(*described)}}} 1\n'


def set_now(
    lines: Lines,
    device: str,
    last_report_at: int,
    uptime_seconds: float | None,
    cpu_ratio: float | None,
    memory_ratio: float | None,
) -> None:
    """Set what each report tells anew."""
    # Said out, not in a loop: of all that is done for each report this is the most.
    own = f'{{device_id="{device}"}}'
    lines[_LAST] = f"roadworthy_device_last_report_timestamp_seconds{own} {last_report_at}\n"
    lines[_UPTIME] = (
        f"roadworthy_device_uptime_seconds{own} {uptime_seconds!r}\n" if known(uptime_seconds) else ""
    )
    lines[_CPU] = f"roadworthy_device_cpu_ratio{own} {cpu_ratio!r}\n" if known(cpu_ratio) else ""
    lines[_MEMORY] = f"roadworthy_device_memory_ratio{own} {memory_ratio!r}\n" if known(memory_ratio) else ""


def set_power(lines: Lines, device: str, now: str | None) -> None:
    """Set the latest watts of each scope; of several scopes this version does not know the first is `other`.

    `now` is the open half-hour as JSON text.
    """
    if now is None or _WATTS not in now:
        lines[_POWER] = ""
        return
    watts: dict[str, tuple[str, float]] = {}
    for one in _ENERGY.decode(now).energy:
        if one.latest_watts is not None:
            scope = _word("energy.scope", one.scope)
            watts.setdefault(scope, (_word("energy.quality", one.quality), one.latest_watts))
    lines[_POWER] = "".join(
        [
            f'{_PREFIX}power_watts{{device_id="{device}",scope="{scope}",quality="{quality}"}} {number(value)}\n'
            for scope, (quality, value) in watts.items()
        ]
    )


def set_energy(lines: Lines, device: str, counters: Iterable[tuple[str, str, int]]) -> None:
    """Set the energy counters: (scope, quality, joules) of each scope."""
    lines[_ENERGY_TOTAL] = "".join(
        [
            f'{_PREFIX}energy_joules_total{{device_id="{device}",scope="{_escaped(scope)}",'
            f'quality="{_escaped(quality)}"}} {joules}\n'
            for scope, quality, joules in counters
        ]
    )


def set_startup(lines: Lines, device: str, startup: Sequence[Any] | None) -> None:
    """Set the last final start-up: kind, quality, total_seconds, usable_seconds, phases (JSON text); None if none."""
    for name in _STARTUP:
        lines[_PLACES[name]] = ""
    if startup is None:
        return
    kind, quality, total_seconds, usable_seconds, phases = startup
    own = f'device_id="{device}"'
    info = f'{_PREFIX}startup_info{{{own},kind="{_escaped(kind)}",quality="{_escaped(quality)}"}} 1\n'
    lines[_PLACES["startup_info"]] = info
    for name, value in (("startup_seconds", total_seconds), ("startup_usable_seconds", usable_seconds)):
        if known(value):
            lines[_PLACES[name]] = f"{_PREFIX}{name}{{{own}}} {number(value)}\n"
    lines[_PLACES["startup_phase_seconds"]] = "".join(
        f'{_PREFIX}startup_phase_seconds{{{own},phase="{_escaped(name)}"}} {number(seconds)}\n'
        for name, seconds in counted_phases(_PHASES.decode(phases)).items()
    )


def set_probes(lines: Lines, device: str, probes: Iterable[tuple[str, str]]) -> None:
    """Set the probes: (probe, status) of each."""
    lines[_PLACES["probe_up"]] = "".join(
        f'{_PREFIX}probe_up{{device_id="{device}",probe="{_escaped(probe)}"}} {"1" if status == "ok" else "0"}\n'
        for probe, status in probes
    )


def set_batteries(lines: Lines, device: str, parts: Iterable[tuple[Any, ...]]) -> None:
    """Set the batteries: (name, health_ratio, cycles) of each."""
    _set_parts(lines, device, parts, ("battery_health_ratio", "battery_cycles"))


def set_disks(lines: Lines, device: str, parts: Iterable[tuple[Any, ...]]) -> None:
    """Set the disks: (name, wear_ratio, failing) of each."""
    _set_parts(lines, device, parts, ("disk_wear_ratio", "disk_failing"))


def counted_phases(phases: Iterable[Any]) -> dict[str, float]:
    """Return {phase: seconds} of the phases that make up the total; a phase that came in pieces is one."""
    counted: dict[str, float] = defaultdict(float)
    for phase in phases:
        if phase.get("counted", True):
            counted[phase["name"]] += phase["seconds"]
    return dict(counted)


def _set_parts(lines: Lines, device: str, parts: Iterable[tuple[Any, ...]], names: tuple[str, str]) -> None:
    """Set what parts tell: `names` are of the columns after the part's name."""
    label = names[0].partition("_")[0]
    told: tuple[list[str], list[str]] = ([], [])
    for part, *values in parts:
        pair = f'{{device_id="{device}",{label}="{_escaped(part)}"}}'
        for name, value, lines_of in zip(names, values, told, strict=True):
            if known(value):
                lines_of.append(f"{_PREFIX}{name}{pair} {number(value)}\n")
    for name, lines_of in zip(names, told, strict=True):
        lines[_PLACES[name]] = "".join(lines_of)


@lru_cache(maxsize=65536)
def _description(*values: str | None) -> str:
    """Return the label text after device_id; thousands of devices share few descriptions, hence the cache."""
    names = metric(f"{_PREFIX}info").labels[1:]
    return ",".join(
        f'{name}="{escaped(value or UNKNOWN)}"' for name, value in zip(names, values, strict=True)
    )


def _word(field: str, word: str) -> str:
    """Return `word` if the wire knows it; ingest counts those it does not when the half-hour is booked."""
    return word if word in WORDS[field] else OTHER
