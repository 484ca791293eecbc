"""One poll as a report: the very shape agents send, so that every watt has one home.

Pure: an answer and what was remembered of the polls before give a report and what to remember. What the device takes
(or, of a UPS, gives) is counted once, at the outermost place that was read: an inlet contains its phases and outlets.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Literal

import msgspec

from roadworthy_collector.ingest import wire
from roadworthy_collector.ingest.validate import MAX_JOULES, MAX_WATTS
from roadworthy_collector.ingest.wire_facts import Facts, Hardware
from roadworthy_collector.snmp.closing import Waiting, release
from roadworthy_collector.snmp.memory import (
    Memory,
    is_another,
    is_whole,
    of_this_device,
    outlet_of,
    with_whole,
    without_gone,
)
from roadworthy_collector.snmp.readings import DeviceAnswer, Reading, Refusal
from roadworthy_collector.snmp.registers import MICRO, PERIOD_SECONDS, Closed, Look, Settled, settle
from roadworthy_collector.snmp.whole import COUNTED, next_whole, why_not_whole

# A power reading stands for the time until the next one: what lies between polls is not seen. Where nothing better is
# known, so much is added to the error of a half-hour that was only integrated; docs/snmp/readings.md has the argument.
INTEGRATION_ERROR = 0.13
_MOST_READINGS, _MOST_OUTLETS, _MOST_MISSING = 512, 256, 64
_DEFAULT_ERROR = {"metered": 0.02, "sensor": 0.1}
_NO_STATE = wire.StateSeconds(in_use=0, idle=0, locked=0, asleep=0, off=0, unobserved=PERIOD_SECONDS)


@dataclass(frozen=True, slots=True)
class Told:
    """A report, what to remember, and what was odd: {counter: events}, and {"device": ("replaced",)}."""

    report: wire.Report
    memory: Memory
    events: Mapping[str, tuple[str, ...]]


def tell(  # noqa: PLR0913 - what a report is made of
    answer: DeviceAnswer,
    memory: Memory,
    *,
    device_id: str,
    at: float,
    name: str,
    version: str,
    protocol: Literal["snmp", "redfish"] = "snmp",
    outlets: frozenset[str] = frozenset(),
    longest_gap_seconds: float = 900.0,
) -> Told:
    """Return one poll as a report; `outlets` are those whose energy is told apart."""
    replaced = is_another(memory, answer)
    memory, looks, settled = _settled(
        of_this_device(memory, answer, replaced=replaced), answer, outlets, at, longest_gap_seconds
    )
    known = _how_known(answer.readings, memory.place) or _Known(*(memory.known or _unknown(protocol)))
    hold_seconds = max(float(PERIOD_SECONDS), longest_gap_seconds)
    periods, waiting = _periods(memory, settled, outlets, known, at=at, hold_seconds=hold_seconds)
    facts = _facts(answer, name, protocol)
    hashed = hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:16]
    report = wire.Report(
        schema_version="1.0",
        device_id=device_id,
        instance=memory.instance,
        seq=memory.seq,
        boot_id=f"polled-{memory.instance}",
        sent_at=at,
        agent=wire.Agent(version=version, platform="other"),
        probes=(_probe(answer, protocol, memory),),
        facts=facts if hashed != memory.facts_told else None,
        now=_now(answer, memory, looks, known, at),
        periods=periods,
    )
    kept = replace(memory, facts_told=hashed, waiting=waiting, known=astuple(known))
    events = {key: one.events for key, one in settled.items() if one.events}
    return Told(report, kept, {**events, "device": ("replaced",)} if replaced else events)


def _settled(
    memory: Memory, answer: DeviceAnswer, outlets: frozenset[str], at: float, longest_gap_seconds: float
) -> tuple[Memory, dict[str, Look], dict[str, Settled]]:
    """Return the memory with this poll's counters, what the poll found for each, and how each was settled."""
    whole = next_whole(memory.whole, answer, frozenset(filter(is_whole, memory.counters)), at)
    memory = with_whole(memory, whole)
    looks = _looks(answer.readings, memory.place, outlets, at)
    settled = {
        key: settle(memory.counters.get(key), look, longest_gap_seconds=longest_gap_seconds)
        for key, look in looks.items()
    }
    kept = without_gone(memory, answer, looks)
    counters = {**kept.counters, **{key: one.counter for key, one in settled.items()}}
    return replace(kept, counters=counters, seq=memory.seq + 1), looks, settled


@dataclass(frozen=True, slots=True)
class _Known:
    """How the whole device's energy is known."""

    quality: str
    source: str
    relative_error: float


def _unknown(protocol: str) -> tuple[str, str, float]:
    return "metered", protocol, _DEFAULT_ERROR["metered"]


def _how_known(readings: Sequence[Reading], place: str) -> _Known | None:
    """Return the weakest quality and the largest error of what makes up the whole, None where nothing of it was read."""
    some = [one for one in readings if one.place == place and one.kind in COUNTED]
    if not some:
        return None
    order = ("assumed", "modelled", "sensor", "metered")
    quality = min((one.quality for one in some), key=order.index)
    stated = [one.relative_error for one in some if one.relative_error is not None]
    source = some[0].source.rsplit(" ", 1)[0]
    return _Known(quality, f"{source}, {place}"[:128], max(stated, default=_DEFAULT_ERROR.get(quality, 0.3)))


def _looks(readings: Sequence[Reading], place: str, outlets: frozenset[str], at: float) -> dict[str, Look]:
    """Return {counter: what the poll found for it}: a counter for each row of the whole, and for each outlet wanted."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in readings:
        if one.kind not in COUNTED or isinstance(one.value, str):
            continue
        if one.place == place:
            key = f"{place}:{one.index}"
        elif one.place == "outlet" and one.index in outlets:
            key = f"outlet:{one.index}"
        else:
            continue
        found[key][COUNTED[one.kind]] = one.value
        if one.kind == "energy":
            found[key]["wraps_at_watt_hours"] = one.wraps_at_watt_hours
            found[key]["step_watt_hours"] = one.step_watt_hours
    # No row of a device carries more than all of what it is made for.
    rated = [
        one.value for one in readings if one.kind == "nameplate_power" and not isinstance(one.value, str)
    ]
    return {
        key: Look(at=at, rated_watts=sum(rated) if rated else None, **parts) for key, parts in found.items()
    }


def _periods(
    memory: Memory,
    settled: Mapping[str, Settled],
    outlets: frozenset[str],
    known: _Known,
    *,
    at: float,
    hold_seconds: float,
) -> tuple[tuple[wire.Period, ...], Waiting]:
    """Return the half-hours to be told now, and those that wait for a row that has not closed them."""
    whole = frozenset({*filter(is_whole, memory.counters), *memory.whole.unread})
    told, waiting = release(
        memory.waiting,
        {key: one.closed for key, one in settled.items()},
        {key: one for key, one in memory.counters.items() if key in whole or outlet_of(key) in outlets},
        at=at,
        hold_seconds=hold_seconds,
    )
    periods = (_period(start, rows, whole, memory.base_joules, known) for start, rows in told.items())
    return tuple(periods), waiting


def _period(
    start: int, closed: Mapping[str, Closed], whole: frozenset[str], base: int, known: _Known
) -> wire.Period:
    """Return a half-hour with the sum of the whole's rows, `whole`, and each outlet."""
    rows = [one for key, one in closed.items() if key in whole]
    outlets = [
        wire.Outlet(outlet_of(key), one.joules, one.covered_seconds, known.quality)
        for key, one in closed.items()
        if not is_whole(key)
    ]
    # What one row does not cover the sum does not: a phase that was not read is not a phase without load.
    covered = min((one.covered_seconds for one in rows), default=0) if whole <= closed.keys() else 0
    joules = sum(one.joules for one in rows)
    energy: tuple[wire.Energy, ...] = ()
    if rows and covered and joules <= MAX_JOULES:
        integrated = any(one.how == "integrated" for one in rows)
        energy = (
            wire.Energy(
                scope="wall",
                joules=joules,
                counter_end_joules=base + sum(one.counter_end_joules for one in rows),
                quality=known.quality,
                source=known.source if not integrated else f"{known.source[:108]}, power integrated"[:128],
                covered_seconds=covered,
                relative_error=round(known.relative_error + (INTEGRATION_ERROR if integrated else 0.0), 4),
            ),
        )
    return wire.Period(
        start=start,
        observed_seconds=covered,
        samples=0,
        state_seconds=_NO_STATE,
        energy=energy,
        outlets=tuple(outlets[:_MOST_OUTLETS]),
    )


def _now(
    answer: DeviceAnswer,
    memory: Memory,
    looks: Mapping[str, Look],
    known: _Known,
    at: float,
) -> wire.Now:
    """Return the latest readings, and the power drawn at the moment of the poll where every row of the whole told it."""
    start = int(at) // PERIOD_SECONDS * PERIOD_SECONDS
    whole = {key: one for key, one in memory.counters.items() if is_whole(key)}
    some = list(whole.values()) if whole.keys() <= looks.keys() and not memory.whole.unread else []
    watts = [look.watts for key, look in looks.items() if key in whole and look.watts is not None]
    energy: tuple[wire.Energy, ...] = ()
    if some and len(watts) == len(some) and 0 <= sum(watts) <= MAX_WATTS:
        counted, begun = sum(one.microjoules for one in some), sum(one.period for one in some)
        energy = (
            wire.Energy(
                scope="wall",
                joules=min(counted // MICRO - begun // MICRO, MAX_JOULES),
                counter_end_joules=memory.base_joules + counted // MICRO,
                quality=known.quality,
                source=known.source,
                relative_error=known.relative_error,
                latest_watts=round(sum(watts), 3),
            ),
        )
    covered = min((int(min(one.covered, PERIOD_SECONDS)) for one in some), default=0)
    readings = tuple(_reading(one) for one in answer.readings[:_MOST_READINGS])
    uptime = next((one.value for one in answer.readings if one.kind == "uptime"), None)
    return wire.Now(
        at=at,
        start=start,
        observed_seconds=covered,
        uptime_seconds=uptime if isinstance(uptime, float | int) and 0 <= uptime <= 31_622_400 else None,
        energy=energy,
        readings=readings,
        flags=dict(answer.flags) or None,
    )


def _reading(one: Reading) -> wire.Reading:
    text = one.value[:256] if isinstance(one.value, str) else None
    return wire.Reading(
        name=one.name[:48],
        kind=one.kind,
        place=one.place,
        quality=one.quality,
        source=one.source[:128],
        index=one.index[:96],
        value=None if isinstance(one.value, str) else float(one.value),
        text=text,
        label=None if one.label is None else one.label[:256],
        relative_error=one.relative_error,
    )


def _facts(answer: DeviceAnswer, name: str, protocol: str) -> Facts:
    who = answer.identity
    return Facts(
        hostname=name[:256],
        hardware=Hardware(
            vendor=_text(who.vendor),
            model=_text(who.model),
            serial=_text(who.serial),
            asset_tag=_text(who.asset_tag),
            kind=who.kind,
            firmware=_text(who.firmware),
            part_number=_text(who.part_number),
            made=who.made,
            battery_replaced=who.battery_replaced,
            environment="physical",
            source=f"{protocol} {answer.profiles[0]}"[:128] if answer.profiles else protocol,
        ),
    )


def _text(value: str | None) -> str | None:
    return None if value is None else value[:256]


def _probe(answer: DeviceAnswer, protocol: str, memory: Memory) -> wire.Probe:
    """Return how the poll went, with why the whole is not known and every value that was refused."""
    missing = tuple(_missing(one) for one in answer.refusals)
    why = why_not_whole(answer, memory.whole, frozenset(filter(is_whole, memory.counters)))
    if why is not None:
        missing = (wire.MissingValue(field="whole", status="error", reason=why[:256]), *missing)
    missing = missing[:_MOST_MISSING]
    if answer.profiles:
        return wire.Probe(
            probe=protocol, status="ok", source=", ".join(answer.profiles)[:256], missing=missing
        )
    reason = "no profile fits this device; see `roadworthy snmp try` and docs/snmp/adding.md"
    return wire.Probe(probe=protocol, status="not_supported", reason=reason, missing=missing)


def _missing(one: Refusal) -> wire.MissingValue:
    named = f"{one.name} {one.index}".strip()
    status = "not_supported" if one.code == "missing" else "error"
    return wire.MissingValue(field=named[:256], status=status, reason=one.reason[:256])
