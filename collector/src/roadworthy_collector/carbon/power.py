"""How a device's seconds and joules become joules at the wall: the models, what they were fitted to, their digest.

Facts of one device at one place are added up over a month by what measured them (meter, machine, processor, nothing)
before the model is asked: a device's own error is the same every day, so it adds in a straight line over its days.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

from roadworthy_inventory import tables
from roadworthy_inventory.carbon import ledger, server_power
from roadworthy_inventory.carbon.calibration import (
    CalibrationError,
    Evidence,
    RestOfMachine,
    rest_of_machine,
)
from roadworthy_inventory.carbon.ledger import QUALITIES, Entry, Facts, Off
from roadworthy_inventory.carbon.server_power import Server, ServerPowerError

VERSION = (
    3  # of what the ledger makes of the same facts; 1 counted feeders beside what hangs on them, 2 no gaps
)
SERVER_MODEL = "servers by processor, memory and age"
_MEASURED = ("wall", "machine", "cpu")
_ON, _NOT_ON = ("in_use", "idle", "locked"), ("asleep", "off")
STATES = (*_ON, *_NOT_ON)
_GIBIBYTE = 1024**3
_FILES = ("state_watts.csv", "server_power.csv")


@cache
def digest() -> str:
    """Return what names the models: another where their data or their code is another."""
    told = "\n".join([str(VERSION), *(tables.read_text(name) for name in _FILES)])
    return blake2b(told.encode(), digest_size=8).hexdigest()


class Machine(NamedTuple):
    """What is known of a device beside its facts by day; `server` where a server told what it is made of."""

    id: int
    item_class: str
    model: str
    site: int
    unit: int
    enrolled: dt.date
    retired: dt.date | None
    made: dt.date | None
    server: Server | None


def server_of(hardware: Mapping[str, Any] | None, made: dt.date | None) -> Server | None:
    """Return a server as the model of servers takes it; None where chips, cores, memory or age are not told."""
    cpu, memory = ((hardware or {}).get(name) or {} for name in ("cpu", "memory"))
    chips, cores, held_bytes = cpu.get("sockets"), cpu.get("cores"), memory.get("total_bytes")
    if made is None or chips is None or cores is None or held_bytes is None:
        return None
    try:
        return Server(chips=chips, cores=cores, memory_gb=held_bytes / _GIBIBYTE, made=made)
    except ServerPowerError:
        return None


@dataclass(slots=True)
class Told:
    """What a device told at one place, measured in one way, added up over its days; seconds by state."""

    days: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys((*STATES, "unobserved"), 0))
    observed_seconds: float = 0
    cpu_weighted: float = 0.0
    cpu_seconds: float = 0
    joules: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, row: Any) -> None:
        """Add a day's totals. What is on without a state is taken day by day, so one day never makes up for another."""
        in_use, idle, locked = row.in_use_seconds, row.idle_seconds, row.locked_seconds
        on, observed = in_use + idle + locked, row.observed_seconds
        observed = max(observed, on)
        self.days += 1
        seconds = self.seconds  # one by one: this is most of what a month's ledger takes
        seconds["in_use"] += in_use
        seconds["idle"] += idle
        seconds["locked"] += locked
        seconds["asleep"] += row.asleep_seconds
        seconds["off"] += row.off_seconds
        unobserved = row.unobserved_seconds
        seconds["unobserved"] += max(observed - on, unobserved)
        self.observed_seconds += observed
        if (ratio := row.cpu_mean_ratio) is not None:
            self.cpu_weighted += ratio * observed
            self.cpu_seconds += observed
        if not (joules_told := row.joules):
            return
        for scope, by_quality in joules_told.items():
            held = self.joules.setdefault(scope, {})
            for quality, joules in by_quality.items():
                # A word of a newer agent: nobody here knows how it knows, which is the least there is.
                word = quality if quality in QUALITIES else "assumed"
                held[word] = held.get(word, 0) + joules


def measured_by(joules: Mapping[str, Collection[Any]] | None) -> str:
    """Return the best scope there is any energy of; empty for none."""
    if joules:  # of every day of every device: no generator
        for scope in _MEASURED:
            if joules.get(scope):
                return scope
    return ""


def rests(evidence: Mapping[str, Iterable[Evidence]]) -> dict[str, RestOfMachine]:
    """Return {model: the rest of its machines} of those models whose siblings on battery taught it."""
    found = {}
    for model, some in evidence.items():
        try:
            found[model] = rest_of_machine(some)
        except CalibrationError:  # too few siblings yet: the class speaks for it
            continue
    return found


def entry(machine: Machine, told: Told, rest: RestOfMachine | None) -> Entry:
    """Return what one device drew at the wall over the days of `told`."""
    measured = measured_by(told.joules)
    if machine.server is not None and measured in {"", "cpu"} and told.cpu_seconds:
        return _server(machine, machine.server, told)
    return ledger.wall(
        Facts(
            item_class=machine.item_class,
            made=machine.made,
            seconds=told.seconds,
            observed_seconds=told.observed_seconds,
            joules=told.joules,
            rest=rest if measured == "cpu" else None,
            model=machine.model or None,
        )
    )


def _server(machine: Machine, server: Server, told: Told) -> Entry:
    """Return a server's energy by its make-up and utilisation; what its processors counted themselves is sensor."""
    off = ledger.wall(
        Facts(
            item_class=machine.item_class,
            made=machine.made,
            seconds={name: told.seconds[name] for name in _NOT_ON}
            | {"unobserved": told.seconds["unobserved"] - _without_state(told)},
            observed_seconds=0,
        )
    )
    ratio = min(told.cpu_weighted / told.cpu_seconds, 1.0)
    watts = server_power.watts(server, ratio)
    low, likely, high = (one * told.observed_seconds for one in watts)
    joules = dict(off.joules)
    counted = told.joules.get("cpu", {})
    for quality, some in counted.items():
        joules[quality] += some
    part = sum(counted.values())
    rest = max(round(likely) - part, 0)
    joules["modelled"] += rest
    # The model errs as one for all it speaks for; a counter's own error is within that.
    shared = dict(off.shared)
    shared[SERVER_MODEL] = Off(max(part + rest - max(low, part), 0.0), max(high - part - rest, 0.0))
    own = math.fsum(
        some * (ledger.METER_ERROR if quality == "metered" else ledger.SENSOR_ERROR)
        for quality, some in counted.items()
    )
    return Entry(joules, shared, Off(own, own), off.unknown_seconds)


def _without_state(told: Told) -> float:
    return max(told.observed_seconds - sum(told.seconds[name] for name in _ON), 0.0)
