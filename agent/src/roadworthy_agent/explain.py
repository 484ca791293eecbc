"""What this agent collects, what it never does, and what cannot be read on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy_agent import probe, probes
from roadworthy_agent.probe import Context, HardwareReading, Probe, ProbeResult, StorageReading
from roadworthy_agent.probes.platforms import reader
from roadworthy_agent.reading import PowerReading, Status
from roadworthy_agent.report import to_wire
from roadworthy_agent.show import Style, wrapped
from roadworthy_agent.sources import SENT, Source, of_probe
from roadworthy_agent.verified import NOT_VERIFIED, is_verified

# With the WHAT of the probes this is all that is sent; a test holds every field of recorded reports against it.
ALWAYS = (
    (
        "A random device id the collector gave at enrolment, a random number made with the state folder, the "
        "kernel's boot id, and the number and time of the report."
    ),
    (
        "The host name, and the SHA-256 of known hardware facts (system, board and chassis serial, system UUID, "
        "disk serial, network address) that tell a cloned disk image from its original."
    ),
    (
        "When each start-up began, how long its phases and the shutdown before it took, and whether somebody waited "
        "for it; how long the device has been up; stretches in which the device was off, asleep or unobserved."
    ),
    (
        "Per half-hour: processor and memory in use, the device state (seconds in use, idle, locked, asleep, off, "
        "unobserved) and energy in joules by scope. On a portable device state and energy are told per day only; "
        "collection_policy in the settings decides, and the collector may ask for less."
    ),
    (
        "Sign-ins, where they can be told: how long one took and which part of it, what slowed it, whether it was the "
        "first on this device, with cached or network credentials, over LAN, Wi-Fi or VPN, with a roaming profile; "
        "the day, a random id, never who and never the time of day."
    ),
    "What could not be measured and why, and from what source and how well each value is known.",
    (
        "The agent's own health: version, platform, when it started, memory, processor seconds, size of its spool, "
        "what it gave up or put into quarantine, clock offset."
    ),
)
NEVER = (
    "user names, and who is or was signed in",
    "the clock time of any sign-in or sign-out",
    "lists of processes, windows, files or network connections",
    "what anybody types, opens, reads or prints",
    "addresses of web sites, or the names of wireless networks",
    "names of applications, unless the settings allow application_names",
)


def explain(shown: Mapping[str, Probe[Any]], context: Context, style: Style) -> str:
    """Return the whole explanation, with the state of each probe on this machine."""
    lines = [style.heading("What is collected")]
    for text in ALWAYS:
        lines += wrapped(text, first="  - ", rest="    ")
    for one in shown.values():
        lines += ["", *explain_probe(one, context, style)]
    lines += ["", style.heading("What is never collected")]
    lines += [f"  - {text}" for text in NEVER]
    lines += ["", "See a report of this moment, in the form that is sent: roadworthy-agent once --json"]
    return "\n".join(lines)


def explain_probe(one: Probe[Any], context: Context, style: Style) -> list[str]:
    """Return what one probe collects, what it reads with which right, what it got and refused, and what is sent."""
    result = probe.run(one, context)
    lines = [f"{style.heading(one.NAME)}: {style.status(str(result.status))}{_mark(one.NAME, context)}"]
    lines += wrapped(one.WHAT, first="  ", rest="  ")
    for source in _sources(one.NAME, context):
        found = "" if source.found is None else f" - {source.found}"
        lines += wrapped(f"{source.what}{found} ({source.right})", first="  reads: ", rest="    ")
    if result.source:
        lines += wrapped(f"read from {result.source}", first="  ", rest="  ")
    if isinstance(result.value, PowerReading):
        lines += power_lines(result.value)
    elif got := _fields(result.value):
        lines += wrapped(", ".join(got), first="  got: ", rest="    ")
    lines += wrapped(SENT[one.NAME], first="  sent as: ", rest="    ") if one.NAME in SENT else []
    return lines + missing_lines(result)


def _mark(name: str, context: Context) -> str:
    return "" if is_verified(name, context.platform) else f" ({NOT_VERIFIED})"


def _sources(name: str, context: Context) -> list[Source]:
    package = f"{probes.__name__}.{name}"
    module = reader(package, context.platform) if name in SENT else None
    return list(of_probe(name, getattr(module, "FILES", ()), context))


def _fields(value: Any) -> list[str]:
    """Return the names of the values there are, without the values: `once` shows those."""
    if isinstance(value, (HardwareReading, StorageReading)):
        value = value.facts if isinstance(value, HardwareReading) else value.disks
    wire = to_wire(value)
    kept = wire[0] if isinstance(wire, list) and wire else wire
    return [name for name in kept if name != "source"] if isinstance(kept, dict) else []


def power_lines(reading: PowerReading) -> list[str]:
    """Return every candidate of a power reading: what was taken for each scope, and what was refused and why."""
    lines: list[str] = []
    for meter in reading.meters:
        width = "" if meter.relative_error is None else f", within {meter.relative_error:.0%}"
        lines += wrapped(
            f"{meter.scope}: {meter.source} ({meter.quality}{width}, {len(meter.registers)} registers)",
            first="  taken: ", rest="    ",
        )  # fmt: skip
    for refusal in reading.refused:
        lines += wrapped(
            f"{refusal.scope}: {refusal.source}: {refusal.reason}", first="  refused: ", rest="    "
        )
    if reading.battery is not None:
        watts = "unknown" if reading.battery.watts is None else f"{reading.battery.watts:.1f}"
        state = "discharging" if reading.battery.discharging else "not discharging"
        lines += wrapped(f"{reading.battery.source}: {state}, {watts} W", first="  batteries: ", rest="    ")
    return lines


def missing_lines(result: ProbeResult[Any]) -> list[str]:
    """Return what is missing and why, one entry per value."""
    lines: list[str] = []
    if result.status is not Status.OK and result.reason:
        lines += wrapped(result.reason, first="  missing: ", rest="    ")
    for value in result.missing:
        if value.reason != result.reason or result.status is Status.OK:
            lines += wrapped(
                f"{value.field}: {value.reason} ({value.status})", first="  missing: ", rest="    "
            )
    return lines
