"""Why a value is not there, from what the probes said about themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from roadworthy_collector.console import words

# What an agent puts after the source of figures that nobody has compared on a real system yet
NOT_VERIFIED = "(not field-verified)"


@dataclass(frozen=True)
class ProbeWord:
    """What a probe last said about itself; `missing` maps a field to (status, reason)."""

    probe: str
    status: str
    reason: str | None = None
    source: str | None = None
    since: int | None = None
    missing: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The probe in words."""
        return words.probe(self.probe)

    @property
    def unverified(self) -> bool:
        """Whether the agent marks this probe's figures: on this system nobody has held them against others yet."""
        return self.source is not None and self.source.endswith(NOT_VERIFIED)

    @property
    def status_words(self) -> str:
        """The status in words."""
        return words.say(words.STATUSES, self.status)


def parse_missing(raw: Any) -> dict[str, tuple[str, str | None]]:
    """Return {field: (status, reason)} from the wire's list of single values a probe could not read."""
    if not isinstance(raw, list):
        return {}
    return {
        str(item["field"]): (str(item.get("status", "other")), item.get("reason"))
        for item in raw
        if isinstance(item, dict) and "field" in item
    }


def complete(probes: Iterable[ProbeWord]) -> list[ProbeWord]:
    """Return all known probes in reading order, then unknown ones; a probe nobody heard of is `silent`."""
    heard = {probe.probe: probe for probe in probes}
    silent = "this agent does not measure it, or has not said so yet"
    known = [heard.pop(name, ProbeWord(name, "silent", silent)) for name in words.PROBES]
    return known + sorted(heard.values(), key=lambda probe: probe.probe)


def unverified(probes: Iterable[ProbeWord]) -> frozenset[str]:
    """Return the probes whose figures the agent marks as not field-verified."""
    return frozenset(probe.probe for probe in probes if probe.unverified)


def reason(
    probes: Iterable[ProbeWord], probe: str, name: str = "", otherwise: str = "the device has no such value"
) -> str:
    """Return in words why the value `name` of `probe` (its path below the probe on the wire) is not there.

    `otherwise` is for a probe that says all is well.
    """
    said = next((item for item in probes if item.probe == probe), None)
    if said is None:
        return "the device has not said why"
    for path in (f"{probe}.{name}", name):
        if name and path in said.missing:
            status, why = said.missing[path]
            return why or words.say(words.STATUSES, status)
    if said.status != "ok":
        return said.reason or said.status_words
    return otherwise
