"""One poll as a report: the very shape agents send, so that every watt has one home.

Pure: an answer and what was remembered of the polls before give a report and what to remember. What the device takes
(or, of a UPS, gives) is counted once, at the outermost place that was read: an inlet contains its phases and outlets.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from roadworthy_collector.ingest import wire
from roadworthy_collector.ingest.validate import MAX_JOULES, MAX_WATTS
from roadworthy_collector.ingest.wire_facts import Facts, Hardware
from roadworthy_collector.snmp.readings import DeviceAnswer, Reading, Refusal
from roadworthy_collector.snmp.registers import PERIOD_SECONDS, Closed, Counter, Look, settle

# From the outermost inwards; the first that was read is the whole device.
WHOLE_PLACES = ("input", "output", "system", "supply_unit", "phase", "bank", "poe")
# Of these kinds all rows of a place add up.
_NUMBER_OF = {"active_power": "watts", "energy": "watt_hours"}
# A power reading stands for the time until the next one: what lies between polls is not seen. Where nothing better is
# known, so much is added to the error of a half-hour that was only integrated; docs/snmp/readings.md has the argument.
INTEGRATION_ERROR = 0.13
_MOST_READINGS, _MOST_OUTLETS, _MOST_MISSING = 512, 256, 64
_DEFAULT_ERROR = {"metered": 0.02, "sensor": 0.1}
_NO_STATE = wire.StateSeconds(in_use=0, idle=0, locked=0, asleep=0, off=0, unobserved=PERIOD_SECONDS)


@dataclass(frozen=True, slots=True)
class Memory:
    """What one poll leaves for the next: `instance` and `seq` of its reports, the counters, which facts were told."""

    instance: str
    seq: int = 0
    counters: Mapping[str, Counter] = field(default_factory=dict)
    facts_told: str = ""
    place: str = ""  # what the counters are of

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can keep."""
        return {
            "instance": self.instance,
            "seq": self.seq,
            "counters": {name: counter.as_json() for name, counter in self.counters.items()},
            "facts_told": self.facts_told,
            "place": self.place,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Memory:
        """Return what `as_json` gave."""
        counters = {name: Counter.from_json(counter) for name, counter in kept["counters"].items()}
        return cls(kept["instance"], kept["seq"], counters, kept["facts_told"], kept["place"])


@dataclass(frozen=True, slots=True)
class Told:
    """A report, what to remember, and what was odd about registers: {counter: events}."""

    report: wire.Report
    memory: Memory
    events: Mapping[str, tuple[str, ...]]


def whole_place(readings: Iterable[Reading]) -> str | None:
    """Return the place whose power or energy is the whole device's, None where neither was read."""
    places = {one.place for one in readings if one.kind in _NUMBER_OF}
    return next((place for place in WHOLE_PLACES if place in places), None)


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
    place = memory.place or whole_place(answer.readings) or ""
    looks = _looks(answer.readings, place, outlets, at)
    settled = {
        key: settle(memory.counters.get(key), look, longest_gap_seconds=longest_gap_seconds)
        for key, look in looks.items()
    }
    counters = {**memory.counters, **{key: one.counter for key, one in settled.items()}}
    of_whole = {key: one.closed for key, one in settled.items() if not key.startswith("outlet:")}
    of_outlets = {key: one.closed for key, one in settled.items() if key.startswith("outlet:")}
    known = _how_known(answer.readings, place, protocol)
    periods = _periods(of_whole, of_outlets, known)
    facts = _facts(answer, name, protocol)
    hashed = hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:16]
    report = wire.Report(
        schema_version="1.0",
        device_id=device_id,
        instance=memory.instance,
        seq=memory.seq + 1,
        boot_id=f"polled-{memory.instance}",
        sent_at=at,
        agent=wire.Agent(version=version, platform="other"),
        probes=(_probe(answer, protocol),),
        facts=facts if hashed != memory.facts_told else None,
        now=_now(answer, counters, of_whole, known, at),
        periods=periods,
    )
    kept = replace(memory, seq=memory.seq + 1, counters=counters, facts_told=hashed, place=place)
    return Told(report, kept, {key: one.events for key, one in settled.items() if one.events})


@dataclass(frozen=True, slots=True)
class _Known:
    """How the whole device's energy is known."""

    quality: str
    source: str
    relative_error: float


def _how_known(readings: Sequence[Reading], place: str, protocol: str) -> _Known:
    """Return the weakest quality and the largest error of what makes up the whole."""
    some = [one for one in readings if one.place == place and one.kind in _NUMBER_OF]
    order = ("assumed", "modelled", "sensor", "metered")
    quality = min((one.quality for one in some), key=order.index, default="metered")
    stated = [one.relative_error for one in some if one.relative_error is not None]
    source = some[0].source.rsplit(" ", 1)[0] if some else protocol
    return _Known(quality, f"{source}, {place}"[:128], max(stated, default=_DEFAULT_ERROR.get(quality, 0.3)))


def _looks(readings: Sequence[Reading], place: str, outlets: frozenset[str], at: float) -> dict[str, Look]:
    """Return {counter: what the poll found for it}: a counter for each row of the whole, and for each outlet wanted."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in readings:
        if one.kind not in _NUMBER_OF or isinstance(one.value, str):
            continue
        if one.place == place:
            key = f"{place}:{one.index}"
        elif one.place == "outlet" and one.index in outlets:
            key = f"outlet:{one.index}"
        else:
            continue
        found[key][_NUMBER_OF[one.kind]] = one.value
        if one.kind == "energy":
            found[key]["wraps_at_watt_hours"] = one.wraps_at_watt_hours
            found[key]["step_watt_hours"] = one.step_watt_hours
    return {key: Look(at=at, **parts) for key, parts in found.items()}


def _periods(
    of_whole: Mapping[str, Sequence[Closed]], of_outlets: Mapping[str, Sequence[Closed]], known: _Known
) -> tuple[wire.Period, ...]:
    """Return the settlement periods that ended, with the sum of the whole's rows and each outlet."""
    whole: dict[int, list[Closed]] = defaultdict(list)
    for closed in of_whole.values():
        for one in closed:
            whole[one.start].append(one)
    outlets: dict[int, list[wire.Outlet]] = defaultdict(list)
    for key, closed in of_outlets.items():
        for one in closed:
            name = key.removeprefix("outlet:")
            outlets[one.start].append(wire.Outlet(name, one.joules, one.covered_seconds, known.quality))
    return tuple(
        _period(start, whole[start], len(of_whole), tuple(outlets[start][:_MOST_OUTLETS]), known)
        for start in sorted({*whole, *outlets})
    )


def _period(
    start: int, rows: Sequence[Closed], counters: int, outlets: tuple[wire.Outlet, ...], known: _Known
) -> wire.Period:
    # What one row does not cover the sum does not: a phase that was not read is not a phase without load.
    covered = min((one.covered_seconds for one in rows), default=0) if len(rows) == counters else 0
    joules = sum(one.joules for one in rows)
    energy: tuple[wire.Energy, ...] = ()
    if rows and covered and joules <= MAX_JOULES:
        integrated = any(one.how == "integrated" for one in rows)
        energy = (
            wire.Energy(
                scope="wall",
                joules=joules,
                counter_end_joules=sum(one.counter_end_joules for one in rows),
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
        outlets=outlets,
    )


def _now(
    answer: DeviceAnswer,
    counters: Mapping[str, Counter],
    of_whole: Mapping[str, Sequence[Closed]],
    known: _Known,
    at: float,
) -> wire.Now:
    """Return the latest readings, and the power drawn at the moment of the poll."""
    start = int(at) // PERIOD_SECONDS * PERIOD_SECONDS
    some = [counters[key] for key in of_whole]
    watts = [one.watts for one in some if one.watts is not None]
    energy: tuple[wire.Energy, ...] = ()
    if some and len(watts) == len(some) and 0 <= sum(watts) <= MAX_WATTS:
        whole, begun = sum(one.microjoules for one in some), sum(one.period for one in some)
        energy = (
            wire.Energy(
                scope="wall",
                joules=min(whole // 1_000_000 - begun // 1_000_000, MAX_JOULES),
                counter_end_joules=whole // 1_000_000,
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


def _probe(answer: DeviceAnswer, protocol: str) -> wire.Probe:
    """Return how the poll went, with every value that was refused."""
    missing = tuple(_missing(one) for one in answer.refusals[:_MOST_MISSING])
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
