"""What the probes last said: kept in memory, turned into facts and statuses for a report."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from roadworthy_agent import probe
from roadworthy_agent.digest import sha256
from roadworthy_agent.facts import Facts, OsFacts
from roadworthy_agent.identity import fingerprint, hostname
from roadworthy_agent.policy import CollectionPolicy
from roadworthy_agent.probe import Context, HardwareReading, Probe, ProbeResult, StorageReading
from roadworthy_agent.report import MissingValue, ProbeStatus, StartupRecord, to_json, to_wire
from roadworthy_agent.verified import marked

FACTS = ("os", "hardware", "storage", "battery")
WORKING = frozenset({"ok", "no_data_yet"})


class Observations:
    """The latest result of each probe and when it was got, in seconds of the boot clock."""

    def __init__(self, context: Context, probes: Mapping[str, Probe[Any]]) -> None:
        self._context = context
        self._probes = probes
        self._lock = threading.Lock()
        self._results: dict[str, tuple[ProbeResult[Any], float]] = {}
        self.changes = 0  # counts up when what a probe says differs from what it said before

    def look(self, names: Iterable[str]) -> None:
        """Run the named probes."""
        for name in names:
            if name in self._probes:
                self.look_at(name)

    @property
    def names(self) -> frozenset[str]:
        """The probes there are."""
        return frozenset(self._probes)

    def look_at(self, name: str) -> ProbeResult[Any]:
        """Run one probe and return what it gave."""
        result = probe.run(self._probes[name], self._context)
        self.keep(result)
        return result

    def keep(self, result: ProbeResult[Any]) -> None:
        """Keep a result that was got elsewhere (the sampler's)."""
        with self._lock:
            held = self._results.get(result.probe)
            if held is None or _said(held[0]) != _said(result):
                self.changes += 1
            self._results[result.probe] = (result, self._context.clock.boottime())

    def value(self, name: str) -> Any:
        """Return a probe's latest value, or None."""
        with self._lock:
            held = self._results.get(name)
        return None if held is None else held[0].value

    def startups(self) -> tuple[StartupRecord, ...]:
        """Return the start-ups last seen."""
        value = self.value("startup")
        return () if value is None else tuple(value)

    def identifiers(self) -> dict[str, str]:
        """Return the raw identifiers of the machine; they do not leave it."""
        found: dict[str, str] = {}
        for name in ("hardware", "storage"):
            value = self.value(name)
            if isinstance(value, (HardwareReading, StorageReading)):
                found |= value.identifiers
        return found

    def facts(self) -> Facts:
        """Return what the device is, as far as is known by now."""
        system, hardware, storage, battery = (self.value(name) for name in FACTS)
        return Facts(
            hostname=hostname(self._context),
            fingerprint=fingerprint(self.identifiers()),
            os=system if isinstance(system, OsFacts) else None,
            hardware=hardware.facts if isinstance(hardware, HardwareReading) else None,
            storage=storage.disks if isinstance(storage, StorageReading) else None,
            battery=battery if isinstance(battery, tuple) else None,
        )

    def statuses(self, anchor: float | None) -> tuple[ProbeStatus, ...]:
        """Return what became of each probe that has run; `anchor` places the times, if it is known."""
        with self._lock:
            held = [self._results[name] for name in self._probes if name in self._results]
        return tuple(
            ProbeStatus(
                probe=result.probe,
                status=str(result.status),
                reason=result.reason,
                source=marked(result.source, result.probe, self._context.platform),
                duration_seconds=round(result.duration_seconds, 6),
                checked_at=None if anchor is None else round(anchor + seen, 3),
                missing=tuple(MissingValue(m.field, str(m.status), m.reason) for m in result.missing[:64]),
            )
            for result, seen in held
        )


def _said(result: ProbeResult[Any]) -> tuple[object, ...]:
    """Return what a status tells without its times."""
    return (result.status, result.reason, result.source, result.missing)


def discreet(
    statuses: Iterable[ProbeStatus],
    told: dict[str, tuple[int, ProbeStatus]],
    day: int,
    policy: CollectionPolicy,
) -> tuple[ProbeStatus, ...]:
    """Return statuses as they may be sent on a UTC day (its number): what people do changes none before the next day.

    A status travels when it changes, so the moment of the report would tell when somebody signed in, or took the
    device off its mains. That a probe stops or starts working is told at once. `told` holds what was said.
    """
    private = {"signin"} if policy is CollectionPolicy.HALF_HOURLY else {"signin", "state", "power"}
    shown = []
    for status in statuses:
        said, before = told.get(status.probe, (day, status))
        same = status.status == before.status or {status.status, before.status} <= WORKING
        if status.probe not in private or said != day or not same:
            said, before = day, status
        told[status.probe] = said, before
        shown.append(replace(before, checked_at=status.checked_at))
    return tuple(shown)


def facts_mark(facts: Facts) -> str:
    """Return what changes when facts change."""
    return _mark(to_wire(facts))


def statuses_mark(statuses: Iterable[ProbeStatus]) -> str:
    """Return what changes when a status changes; its times do not count."""
    timeless = [to_wire(status) for status in statuses]
    for status in timeless:
        status.pop("duration_seconds", None)
        status.pop("checked_at", None)
    return _mark(timeless)


def _mark(wire: Any) -> str:
    return sha256(to_json(json.loads(to_json(wire))).encode()).hex()[:16]
