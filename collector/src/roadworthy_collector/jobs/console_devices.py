"""The job that keeps the console's figures about devices ready, for every scope large enough to need it.

One pass over the devices in short reads, whatever the number of scopes. Values are those `console.glance.live` would
compute at `now`; shares are told to a tenth of a percent, as pages show them, so ranks are exact as shown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from roadworthy_collector.console.glance import STARTUP_DAYS
from roadworthy_collector.jobs.console_startups import scopes_of_units
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.queries import console as queries
from roadworthy_collector.store.queries import ready
from roadworthy_collector.store.queries.scope import Scope

DEVICES_AT_ONCE = 500
_REASONS = 60
_CHOICES = 500
_USES = ("cpu", "memory")
_TENTHS = [(tenth + 1) / 10 for tenth in range(9)]
_UNKNOWNS = (
    *("never_reported", "model", "identity", "device_class", "os", "system_medium", "site", "startup"),
    "agent",  # polled: it has none
)


class Gathered:
    """What is counted for one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.states = Counter(dict.fromkeys(("reporting", "late", "missing", "retired"), 0))
        self.unknown = Counter(dict.fromkeys(("devices", *_UNKNOWNS), 0))
        self.probes: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        self.ratios: dict[str, Counter[float]] = {name: Counter() for name in _USES}
        self.bands = {name: [0] * 10 for name in _USES}
        self.choices: dict[str, set[str]] = {"site": set(), "class": set(), "model": set()}
        self.restricted = 0

    def add(self, device: Any, probes: Sequence[tuple[str, str, str | None]]) -> None:
        """Count one device and what its probes say."""
        self.states[device.state] += 1
        if device.restricted:
            self.restricted += 1
        else:
            self.choices["site"].add(device.site)
            self.choices["class"].add(device.device_class)
            if device.model is not None:
                self.choices["model"].add(device.model)
        if device.state == "retired":
            return
        self.unknown["devices"] += 1
        for name in _UNKNOWNS:
            if getattr(device, f"no_{name}"):
                self.unknown[name] += 1
        for probe, status, reason in probes:
            self.probes[probe, status] += 1
            if status != "ok" and reason is not None:
                self.reasons[probe, status, reason] += 1
        if device.state in {"reporting", "late"}:
            self._use(device)

    def _use(self, device: Any) -> None:
        for name in _USES:
            ratio = getattr(device, f"{name}_ratio")
            if ratio is not None:
                self.ratios[name][round(ratio * 100, 1) / 100] += 1
                self.bands[name][bisect_right(_TENTHS, ratio)] += 1

    def render(self) -> dict[str, Any]:
        """Return the figures."""
        reasons = sorted(self.reasons.items(), key=lambda pair: (-pair[1], pair[0][2]))[:_REASONS]
        return {
            "states": dict(self.states),
            "unknown": dict(self.unknown),
            "probes": [[*key, number] for key, number in self.probes.items()],
            "reasons": [[*key, number] for key, number in reasons],
            "use": {name: _ranked(self.ratios[name], self.bands[name]) for name in _USES},
            "choices": {name: sorted(found)[:_CHOICES] for name, found in self.choices.items()},
            "restricted": self.restricted,
        }


def _ranked(ratios: Mapping[float, int], bands: list[int]) -> dict[str, Any]:
    total = sum(ratios.values())
    ranks: dict[int, float | None] = {50: None, 90: None}
    for percent in ranks:
        left = (total * percent + 99) // 100
        for value in sorted(ratios):
            left -= ratios[value]
            if left <= 0:
                ranks[percent] = value
                break
    return {"n": total, "median": ranks[50], "p90": ranks[90], "bands": bands}


def compute(work: Work) -> int:
    """Compute the figures of every scope that needs them and leave them; return how many scopes there were."""
    now = work.clock()
    with work.engine.connect() as connection:
        gathered = [Gathered(scope) for scope in ready.scopes(connection, now)]
    if gathered and not _gather(work, now, gathered):
        return 0
    for one in gathered:
        found = one.render()
        with work.write() as connection:
            ready.write(connection, ready.DEVICES, one.scope, now, found)
    with work.write() as connection:
        ready.forget(connection, f"{ready.DEVICES}:", now)
    return len(gathered)


def _gather(work: Work, now: float, gathered: Sequence[Gathered]) -> bool:
    """Read all devices, some at a time, each in a transaction of its own; return whether it came to the end."""
    of_unit = scopes_of_units(gathered)
    interval, after = work.settings.report_interval_seconds, 0
    while not work.stop.is_set():
        with work.reading() as connection:
            found = queries.some_at_a_glance(
                connection, now, interval, now - STARTUP_DAYS * 86400, after=after, limit=DEVICES_AT_ONCE
            )
            if not found:
                return True
            after = found[-1].id
            probes = queries.probes_between(connection, found[0].id, after)
        for device in found:
            for one in of_unit(device.unit):
                one.add(device, probes.get(device.id, ()))
    return False
