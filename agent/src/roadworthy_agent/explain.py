"""What this agent collects, what it never does, and what cannot be read on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadworthy_agent import probe
from roadworthy_agent.probe import Context, Probe, ProbeResult
from roadworthy_agent.reading import Status
from roadworthy_agent.show import Style, wrapped

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
        "When each start-up began and how long its phases took; how long the device has been up; stretches in "
        "which the device was off, asleep or unobserved."
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
)


def explain(probes: Mapping[str, Probe[Any]], context: Context, style: Style) -> str:
    """Return the whole explanation, with the state of each probe on this machine."""
    lines = [style.heading("What is collected")]
    for text in ALWAYS:
        lines += wrapped(text, first="  - ", rest="    ")
    for one in probes.values():
        lines += ["", *explain_probe(one, context, style)]
    lines += ["", style.heading("What is never collected")]
    lines += [f"  - {text}" for text in NEVER]
    lines += ["", "See a report of this moment, in the form that is sent: roadworthy-agent once --json"]
    return "\n".join(lines)


def explain_probe(one: Probe[Any], context: Context, style: Style) -> list[str]:
    """Return what one probe collects and what it could not read here."""
    result = probe.run(one, context)
    lines = [f"{style.heading(one.NAME)}: {style.status(str(result.status))}"]
    lines += wrapped(one.WHAT, first="  ", rest="  ")
    if result.source:
        lines += wrapped(f"read from {result.source}", first="  ", rest="  ")
    return lines + missing_lines(result)


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
