"""Plain text for people: aligned tables, wrapped lines, colours on a terminal only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from roadworthy_agent.report import one_line
from roadworthy_agent.verified import FAMILIES, NOT_VERIFIED, is_verified

WIDTH = 100
_GREEN, _YELLOW, _RED, _BOLD, _OFF = "\033[32m", "\033[33m", "\033[31m", "\033[1m", "\033[0m"
_COLOURS = {"ok": _GREEN, "error": _RED, "no_permission": _RED}


@dataclass(frozen=True, slots=True)
class Style:
    """Whether to colour."""

    coloured: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """Return the style for a stream: colours on a terminal, unless NO_COLOR is set (https://no-color.org)."""
        return cls(coloured=stream.isatty() and not os.environ.get("NO_COLOR"))

    def heading(self, text: str) -> str:
        """Return a heading."""
        return f"{_BOLD}{text}{_OFF}" if self.coloured else text

    def status(self, status: str) -> str:
        """Return a status in its colour."""
        return f"{_COLOURS.get(status, _YELLOW)}{status}{_OFF}" if self.coloured else status


def wrapped(text: str, *, first: str, rest: str) -> list[str]:
    """Return a text as lines of at most WIDTH characters."""
    import textwrap

    return textwrap.wrap(one_line(text), WIDTH, initial_indent=first, subsequent_indent=rest)


def table(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Return rows as aligned columns; the last is not padded."""
    held = [[one_line(cell) for cell in row] for row in rows]
    if not held:
        return []
    widths = [max(len(row[column]) for row in held) for column in range(len(held[0]) - 1)]
    return [
        (
            indent
            + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        ).rstrip()
        for row in held
    ]


def seconds(value: float | None) -> str:
    """Return a duration as 0.42 s, 31.5 s or 4 min 12 s; a blank is a dash."""
    if value is None:
        return "-"
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    minutes, left = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def size(value: int | None) -> str:
    """Return bytes as KiB, MiB, GiB or TiB; a blank is a dash."""
    if value is None:
        return "-"
    number, units = float(value), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while number >= 1024 and len(units) > 1:
        number /= 1024
        units.pop(0)
    return f"{number:.0f} {units[0]}" if units[0] == "B" else f"{number:.1f} {units[0]}"


def percent(ratio: float | None) -> str:
    """Return a ratio as a percentage; a blank is a dash."""
    return "-" if ratio is None else f"{ratio * 100:.1f} %"


def moment(epoch: float | None) -> str:
    """Return epoch seconds as UTC date and time; a blank is a dash."""
    if epoch is None:
        return "-"
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def words(value: Any) -> str:
    """Return a value of a table, a dash for a blank."""
    return "-" if value is None else str(value)


def _on_or_off(value: Any) -> str:
    return "-" if value is None else "on" if value else "off"


def report(wire: Mapping[str, Any], style: Style) -> str:
    """Return a report, as on the wire, as tables for a person."""
    facts, now = wire.get("facts") or {}, wire.get("now") or {}
    lines = _device(facts, style)
    lines += _utilisation(now, style)
    lines += _power(now.get("energy", ()), style)
    for startup in wire.get("startups", ()):
        lines += _startup(startup, style)
    for signin in wire.get("signins", ()):
        lines += _signin(signin, style)
    lines += _disks(facts.get("storage", ()), style)
    lines += _batteries(facts.get("battery", ()), style)
    family = str(((wire.get("facts") or {}).get("os") or {}).get("family"))
    lines += _probes(wire.get("probes", ()), style, FAMILIES.get(family, sys.platform))
    return "\n".join(lines)


def _device(facts: Mapping[str, Any], style: Style) -> list[str]:
    system, hardware = facts.get("os") or {}, facts.get("hardware") or {}
    cpu, memory = hardware.get("cpu") or {}, hardware.get("memory") or {}
    named = " ".join(part for part in (hardware.get("vendor"), hardware.get("model")) if part)
    environment = " ".join(
        part for part in (hardware.get("environment"), hardware.get("environment_detail")) if part
    )
    rows = [
        ("host name", words(facts.get("hostname"))),
        (
            "operating system",
            " ".join(part for part in (system.get("name"), system.get("version")) if part) or "-",
        ),
        ("kernel", words(system.get("kernel"))),
        ("hardware", named or "-"),
        ("serial", words(hardware.get("serial"))),
        ("environment", environment or "-"),
        ("processor", f"{words(cpu.get('model'))}, {words(cpu.get('threads'))} threads"),
        ("memory", size(memory.get("total_bytes"))),
        ("TPM", words(hardware.get("tpm_version"))),
        ("Secure Boot", _on_or_off(hardware.get("secure_boot"))),
    ]
    rows += [
        ("display", " ".join(filter(None, (display.get("vendor"), display.get("model")))) or "not named")
        for display in hardware.get("monitors", ())
    ]
    return [style.heading("Device"), *table(rows), ""]


def _utilisation(now: Mapping[str, Any], style: Style) -> list[str]:
    rows = [
        ("processor", percent(now.get("cpu_latest_ratio"))),
        ("memory", percent(now.get("memory_latest_ratio"))),
        ("up for", seconds(now.get("uptime_seconds"))),
    ]
    return [style.heading("Now"), *table(rows), ""]


def _startup(startup: Mapping[str, Any], style: Style) -> list[str]:
    end = "final" if startup["final"] else "not finished yet"
    total, usable = startup.get("total_seconds"), startup.get("usable_seconds")
    lines = [style.heading("Start-up") + f"  {moment(startup['started_at'])}, {startup['kind']}, {end}"]
    if total is not None:
        ready = "" if usable is None else f", usable after {seconds(usable)}"
        lines.append(f"  total {seconds(total)} ({startup['quality']}){ready}")
    if startup.get("reason"):
        lines += wrapped(startup["reason"], first="  ", rest="  ")
    if startup.get("shutdown_seconds") is not None:
        lines.append(f"  the shutdown before it took {seconds(startup['shutdown_seconds'])}")
    return [*lines, *_parts(startup), ""]


def _signin(signin: Mapping[str, Any], style: Style) -> list[str]:
    day = moment(signin["day"]).partition(" ")[0]
    about = [
        "first on this device" if signin.get("first_on_device") else "",
        "roaming profile" if signin.get("roaming_profile") else "",
        f"connection {signin['connection']}" if signin.get("connection") else "",
    ]
    lines = [style.heading("Sign-in") + f"  {day}, {signin['quality']}"]
    lines.append(
        f"  total {seconds(signin.get('total_seconds'))}, {', '.join(filter(None, about)) or 'no more known'}"
    )
    return [*lines, *_parts(signin), ""]


def _parts(record: Mapping[str, Any]) -> list[str]:
    """Return phases and contributing factors of a start-up or sign-in."""
    phases = [
        (
            phase["name"],
            seconds(phase["seconds"]),
            "" if phase.get("counted", True) else "not counted",
            phase.get("reason") or "",
        )
        for phase in record.get("phases", ())
    ]
    lines = table(phases, "    ")
    factors = sorted(record.get("factors", ()), key=lambda factor: -(factor.get("seconds") or 0.0))[:10]
    if factors:
        lines.append("  contributing factors, longest first")
        lines += table(
            [(seconds(factor.get("seconds")), factor["kind"], factor["name"]) for factor in factors], "    "
        )
    return lines


def _disks(disks: Iterable[Mapping[str, Any]], style: Style) -> list[str]:
    rows = [
        (
            disk["name"],
            words(disk.get("medium")),
            size(disk.get("size_bytes")),
            words(disk.get("model")),
            "holds the system" if disk.get("holds_system") else "",
            f"worn {percent(disk['wear_ratio'])}" if disk.get("wear_ratio") is not None else "",
            "says it is failing" if disk.get("failing") else "",
        )
        for disk in disks
    ]
    return [style.heading("Disks"), *table(rows), ""] if rows else []


def _batteries(batteries: Iterable[Mapping[str, Any]], style: Style) -> list[str]:
    rows = [
        (
            battery["name"],
            f"health {percent(battery.get('health_ratio'))}",
            f"{words(battery.get('cycles'))} cycles",
            " ".join(filter(None, (battery.get("vendor"), battery.get("model")))),
        )
        for battery in batteries
    ]
    return [style.heading("Batteries"), *table(rows), ""] if rows else []


def _power(energy: Iterable[Mapping[str, Any]], style: Style) -> list[str]:
    rows = [
        (each["scope"], f"{each['latest_watts']:.1f} W", each["quality"], each["source"])
        for each in energy
        if each.get("latest_watts") is not None
    ]
    return [style.heading("Power"), *table(rows), ""] if rows else []


def _probes(probes: Iterable[Mapping[str, Any]], style: Style, platform: str) -> list[str]:
    lines = [style.heading("Probes")]
    for probe in probes:
        mark = "" if is_verified(probe["probe"], platform) else f" ({NOT_VERIFIED})"
        line = f"  {probe['probe']}: {style.status(probe['status'])}{mark}"
        lines.append(f"{line}  {probe['reason']}" if probe.get("reason") else line)
        for missing in probe.get("missing", ()):
            lines += wrapped(
                f"{missing['field']}: {missing.get('reason') or missing['status']}",
                first="    missing: ",
                rest="      ",
            )
    return lines
