"""Evidence that something is legacy, from devices up to the system they serve; and ageing kept apart from it.

Legacy means out of support or above the risk threshold, never merely old (State of Digital Government Review, 2025).
What devices can show for the criteria of the Legacy IT Risk Assessment Framework is evidence here: support ends
(L1), contracts (L2), what hardware cannot do (part of L4), old hardware (L5), an unpatched system (part of L6),
recorded issues (L7) and hours lost (C5). The scores are people's: see `legacy_scores`. What a device does not tell
is counted as unknown beside what it does. The limits are ours and may be changed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from roadworthy_inventory.legacy_scores import framework
from roadworthy_inventory.lifecycle import SupportStatus
from roadworthy_inventory.planned_life import Ageing, planned_lives
from roadworthy_inventory.windows11 import Eligibility

Strength = Literal["strong", "partial", "weak", "none"]
State = Literal["legacy", "not_legacy", "unknown"]
Value = float | str | dt.date | None
_STRONG, _PARTIAL = 0.9, 0.5  # shares of devices that tell
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something counts as a concern. Ours, not the framework's."""

    unexpected_shutdowns: int = 3
    memory_bytes: int = 8 * _GIB
    system_disk_bytes: int = 64 * _GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What is known of one device; None where it is not.

    `systems` it serves, by name. `warranty_end` of the hardware, `contract_end` of what keeps it going, and whether
    a successor is contracted. `system_disk_medium`: hdd, ssd, nvme ... `unexpected_shutdowns` in the last 90 days,
    `start_up_regressed` against its own baseline, `hours_lost_a_year` of staff. `source` and `as_of` say where and
    when this was learnt.
    """

    key: str
    source: str
    as_of: dt.date
    systems: tuple[str, ...] = ()
    support: SupportStatus | None = None
    warranty_end: dt.date | None = None
    contract_end: dt.date | None = None
    replacement_contracted: bool | None = None
    ageing: Ageing | None = None
    system_disk_medium: str | None = None
    ups_battery_years: float | None = None
    windows11: Eligibility | None = None
    memory_bytes: int | None = None
    system_disk_bytes: int | None = None
    unexpected_shutdowns: int | None = None
    start_up_regressed: bool | None = None
    hours_lost_a_year: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing a device shows for one criterion. `concern` is None where it is not known; so is `value`."""

    code: str
    what: str
    value: Value
    unit: str
    source: str
    as_of: dt.date
    strength: Strength
    concern: bool | None


@dataclass(frozen=True, slots=True)
class SystemEvidence:
    """One kind of evidence over all devices of a system: `concerned` of `known`, and `unknown` beside them.

    `value` is the worst of those known (the earliest date, the largest number; hours lost are summed), `as_of` the
    oldest of what it rests on, `strength` how much of the system told anything.
    """

    system: str | None
    code: str
    what: str
    concerned: int
    known: int
    unknown: int
    value: Value
    unit: str
    sources: tuple[str, ...]
    as_of: dt.date
    strength: Strength


@dataclass(frozen=True, slots=True)
class Standing:
    """Legacy or not, and apart from it how it has aged; the reasons are about legacy only."""

    state: State
    reasons: tuple[str, ...]
    ageing: Ageing | None


def standing(facts: DeviceFacts) -> Standing:
    """Return whether the device is legacy, for which reasons, and its ageing beside it, which decides nothing."""
    support = facts.support
    if support is None or support.status == "unknown":
        reason = "nothing is known of its operating system" if support is None else support.reason or ""
        return Standing("unknown", (reason,), facts.ageing)
    if support.status == "unknown_end":
        return Standing("unknown", (support.reason or "the vendor names no last day",), facts.ageing)
    if support.status == "ended":
        reasons = [f"its operating system has had no updates since {support.date}"]
        if support.extension == "unknown":
            reasons.append(f"unless the extension until {support.paid_until} was bought")
        if facts.windows11 is not None and facts.windows11.answer == "not_eligible":
            reasons.append("it cannot have Windows 11")
        return Standing("legacy", tuple(reasons), facts.ageing)
    kept = f"kept by bought updates until {support.covered_until}" if support.status == "extended" else ""
    return Standing("not_legacy", (kept,) if kept else (), facts.ageing)


def device_evidence(facts: DeviceFacts, on: dt.date, limits: Limits | None = None) -> tuple[Evidence, ...]:
    """Return every kind of evidence for one device on the day `on`, what is not known included."""
    limits = limits or Limits()
    return tuple(
        Evidence(
            code,
            what,
            value,
            unit,
            source or facts.source,
            facts.as_of,
            "none" if concern is None else strength,
            concern,
        )
        for code, what, value, unit, strength, concern, source in (
            *_support(facts, on),
            *_contracts(facts, on),
            *_needs(facts, limits),
            *_hardware(facts),
            *_issues(facts, limits),
        )
    )


_Shown = tuple[str, str, Value, str, Strength, bool | None, str | None]


def _support(facts: DeviceFacts, on: dt.date) -> Iterator[_Shown]:
    support = facts.support
    known = support is not None and support.status not in {"unknown", "unknown_end"}
    end = support.date if support and known else None
    source = support.source if support and known else None
    out = None if not support or not known else support.status in {"ended", "extended"}
    strength: Strength = "partial" if support and support.status == "extended" else "strong"
    yield "L1", "operating system out of support", end, "last day", strength, out, source
    horizon = dt.timedelta(days=int(framework().horizon_years * 365.25))
    soon = None if end is None else on <= end <= on + horizon
    what = f"operating system goes out of support within {framework().horizon_years} years"
    yield "L1", what, end, "last day", "strong", soon, source
    unpatched = None if not support or not known else support.status == "ended"
    if unpatched and support and support.extension == "unknown":  # bought or not: nobody told
        unpatched = None
    yield "L6", "operating system gets no security updates", end, "last day", "partial", unpatched, source


def _contracts(facts: DeviceFacts, on: dt.date) -> Iterator[_Shown]:
    for what, end in (("warranty", facts.warranty_end), ("contract", facts.contract_end)):
        concern: bool | None = None
        if facts.replacement_contracted:
            concern = False
        elif end is not None:
            concern = end < on
        strength: Strength = "strong" if facts.replacement_contracted is not None else "partial"
        yield "L2", f"{what} ended without replacement", end, "last day", strength, concern, None


def _needs(facts: DeviceFacts, limits: Limits) -> Iterator[_Shown]:
    answer = facts.windows11.answer if facts.windows11 else "unknown"
    barred = None if answer == "unknown" else answer == "not_eligible"
    yield (
        "L4",
        "cannot have Windows 11",
        None if barred is None else answer,
        "answer",
        "partial",
        barred,
        None,
    )
    for what, size, least in (
        ("memory", facts.memory_bytes, limits.memory_bytes),
        ("system disk", facts.system_disk_bytes, limits.system_disk_bytes),
    ):
        short = None if size is None else size < least
        yield "L4", f"{what} under {least // _GIB} GiB", size, "bytes", "partial", short, None


def _hardware(facts: DeviceFacts) -> Iterator[_Shown]:
    ageing = facts.ageing
    past = None if ageing is None or ageing.ratio is None else ageing.ratio >= 1
    age = ageing.age_years if ageing else None
    yield "L5", "past its planned life", age, "years", "strong", past, ageing.source if ageing else None
    medium = (facts.system_disk_medium or "").casefold()
    disk = None if medium in {"", "unknown"} else medium == "hdd"
    yield (
        "L5",
        "starts from a hard disk",
        medium if disk is not None else None,
        "medium",
        "strong",
        disk,
        None,
    )
    battery = facts.ups_battery_years
    limit = planned_lives()["ups_battery"]
    worn = None if battery is None else battery >= limit.years
    yield "L5", "UPS battery past its life", battery, "years", "strong", worn, limit.source


def _issues(facts: DeviceFacts, limits: Limits) -> Iterator[_Shown]:
    shutdowns = facts.unexpected_shutdowns
    many = None if shutdowns is None else shutdowns >= limits.unexpected_shutdowns
    what = f"{limits.unexpected_shutdowns} or more unexpected shutdowns in 90 days"
    yield "L7", what, shutdowns, "shutdowns", "strong", many, None
    slower = facts.start_up_regressed
    value = None if slower is None else "slower" if slower else "as before"
    yield "L7", "start-ups slower than its own baseline", value, "answer", "strong", slower, None
    hours = facts.hours_lost_a_year
    yield (
        "C5",
        "staff hours lost a year",
        hours,
        "hours",
        "partial",
        None if hours is None else hours > 0,
        None,
    )


@dataclass(slots=True)
class _Tally:
    concerned: int = 0
    known: int = 0
    unknown: int = 0
    values: list[tuple[bool, Value]] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    as_of: dt.date = dt.date.max


def roll_up(
    devices: Iterable[DeviceFacts], on: dt.date, limits: Limits | None = None
) -> tuple[SystemEvidence, ...]:
    """Return the evidence of each system, in order of system, criterion and kind.

    A device that serves several systems counts for each; one that serves none is under None ("no system named"),
    so that nothing drops out.
    """
    tallies: dict[tuple[str | None, str, str, str], _Tally] = {}
    for facts in devices:
        for evidence in device_evidence(facts, on, limits):
            for system in dict.fromkeys(facts.systems) or (None,):
                key = (system, evidence.code, evidence.what, evidence.unit)
                _count(tallies.setdefault(key, _Tally()), evidence)
    found = (
        SystemEvidence(
            system,
            code,
            what,
            tally.concerned,
            tally.known,
            tally.unknown,
            _worst(code, tally.values),
            unit,
            tuple(sorted(tally.sources)),
            tally.as_of,
            _strength(tally),
        )
        for (system, code, what, unit), tally in tallies.items()
    )
    return tuple(sorted(found, key=lambda one: (one.system is None, one.system or "", one.code, one.what)))


def _count(tally: _Tally, evidence: Evidence) -> None:
    tally.as_of = min(tally.as_of, evidence.as_of)
    if evidence.concern is None:
        tally.unknown += 1
        return
    tally.known += 1
    tally.concerned += evidence.concern
    tally.sources.add(evidence.source)
    if evidence.value is not None:
        tally.values.append((evidence.concern, evidence.value))


def _worst(code: str, told: list[tuple[bool, Value]]) -> Value:
    """Return the earliest date or the largest number of the devices concerned, of all where none is.

    Hours are summed over all; words are none.
    """
    values = [value for concern, value in told if concern] or [value for _, value in told]
    dates = [value for value in values if isinstance(value, dt.date)]
    if dates:
        return min(dates)
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers:
        return None
    if code == "L4":
        return min(numbers)  # sizes: the smallest is the worst
    return sum(numbers) if code == "C5" else max(numbers)


def _strength(tally: _Tally) -> Strength:
    if not tally.known:
        return "none"
    share = tally.known / (tally.known + tally.unknown)
    return "strong" if share >= _STRONG else "partial" if share >= _PARTIAL else "weak"
