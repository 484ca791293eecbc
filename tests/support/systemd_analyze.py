"""Reading what systemd-analyze prints, to hold our figures against it."""

from __future__ import annotations

import re

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
PART = re.compile(r"([\d.]+)(us|ms|s|min|h)\b")
PHASE = re.compile(r"((?:[\d.]+(?:us|ms|s|min|h) ?)+)\(([a-z ]+)\)")


def span_seconds(text: str) -> float:
    """Return "1min 6.826s" as seconds."""
    return sum(float(number) * UNITS[unit] for number, unit in PART.findall(text))


def finished_line(text: str) -> dict[str, float]:
    """Return the phases of "Startup finished in ..." in seconds, by name."""
    line = next(line for line in text.splitlines() if line.startswith("Startup finished in"))
    return {
        name.replace(" ", "_"): span_seconds(span) for span, name in PHASE.findall(line.partition("=")[0])
    }


def blame(text: str) -> dict[str, float]:
    """Return the lines of `systemd-analyze blame` as seconds by unit, slowest first."""
    rows = (line.strip().rpartition(" ") for line in text.splitlines() if line.strip())
    return {unit: span_seconds(span) for span, _, unit in rows}
