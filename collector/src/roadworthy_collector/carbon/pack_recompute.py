"""Works device-months out of daily rows with the ledger's own models: the same when a pack is made and when it is read."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from roadworthy_collector.carbon import plug_fits, power
from roadworthy_collector.carbon.pack_files import DAYS
from roadworthy_collector.carbon.power import Machine, Told, measured_by
from roadworthy_inventory.carbon.calibration import RestOfMachine
from roadworthy_inventory.carbon.ledger import QUALITIES
from roadworthy_inventory.carbon.plug_fit import Fit
from roadworthy_inventory.carbon.server_power import Server
from roadworthy_inventory.replacement_inputs import Range

_NEVER = dt.date.min
_SECONDS = tuple(f"{name}_seconds" for name in (*power.STATES, "unobserved", "observed"))


class Day(NamedTuple):
    """One device's day: what `Told.add` reads, its place (site and unit as told) and its date."""

    device: int
    date: str
    place: str
    in_use_seconds: float
    idle_seconds: float
    locked_seconds: float
    asleep_seconds: float
    off_seconds: float
    unobserved_seconds: float
    observed_seconds: float
    cpu_mean_ratio: float | None
    joules: dict[str, dict[str, int]] | None

    def cells(self) -> tuple[Any, ...]:
        """Return the row of a CSV file."""
        joules = "" if not self.joules else json.dumps(self.joules, separators=(",", ":"), sort_keys=True)
        return (*self[:10], "" if self.cpu_mean_ratio is None else repr(self.cpu_mean_ratio), joules)


def day_of(row: Mapping[str, str]) -> Day:
    """Return a day from its row; ValueError where it is none."""
    seconds = (_number(row[name]) for name in _SECONDS)
    ratio = None if row["cpu_mean_ratio"] == "" else float(row["cpu_mean_ratio"])
    joules = json.loads(row["joules"]) if row["joules"] else None
    told = dict(zip(_SECONDS, seconds, strict=True))
    return Day(int(row["device"]), row["date"], row["place"], **told, cpu_mean_ratio=ratio, joules=joules)


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def machine_of(row: Mapping[str, str]) -> Machine:
    """Return a machine from its row: what its model asks for; ValueError where it is none."""
    server = None
    if row["chips"]:
        made = dt.date.fromisoformat(row["made"])
        server = Server(
            chips=float(row["chips"]), cores=float(row["cores"]), memory_gb=float(row["memory_gb"]), made=made
        )
    made_on = dt.date.fromisoformat(row["made"]) if row["made"] else None
    return Machine(int(row["device"]), row["class"], row["model"], 0, 0, _NEVER, None, made_on, server)


def machine_cells(machine: Machine, device_id: str) -> tuple[Any, ...]:
    """Return the row of a machine."""
    server = machine.server
    made = "" if machine.made is None else machine.made.isoformat()
    parts = (
        ("", "", "") if server is None else (repr(server.chips), repr(server.cores), repr(server.memory_gb))
    )
    return (machine.id, device_id, machine.item_class, machine.model, made, *parts)


Rests = Mapping[str, Mapping[str, RestOfMachine]]  # {month: {model: the rest of its machines}}
Lines = Mapping[str, Mapping[str, Fit]]  # {month: {way of estimating and model: its line}}


def rests_json(rests: Rests) -> dict[str, Any]:
    """Return the fitted offsets as JSON."""
    return {
        month: {
            model: [list(one.watts), one.machines, one.deviation_watts] for model, one in sorted(some.items())
        }
        for month, some in sorted(rests.items())
    }


def rests_of(told: Mapping[str, Any]) -> Rests:
    """Return the fitted offsets from JSON; ValueError, TypeError or KeyError where they are none."""
    return {
        month: {
            model: RestOfMachine(Range(*watts), machines, off)
            for model, (watts, machines, off) in some.items()
        }
        for month, some in told.items()
    }


@dataclass(slots=True)
class Recomputed:
    """Joules by quality of all days and by month, and how many days went in."""

    days: int = 0
    joules: list[int] = field(default_factory=lambda: [0] * len(QUALITIES))
    months: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as the manifest holds it."""
        return {
            "days": self.days,
            "joules": dict(zip(QUALITIES, self.joules, strict=True)),
            "months": dict(sorted(self.months.items())),
        }


def in_order(machines: Iterable[Machine]) -> Callable[[int], Machine | None]:
    """Return a way to find machines of a stream by row id, asked for in its own order."""
    stream = iter(machines)
    held: Machine | None = None

    def find(device: int) -> Machine | None:
        nonlocal held
        while held is None or held.id < device:
            held = next(stream, None)
            if held is None:
                return None
        return held if held.id == device else None

    return find


class DaysCounted:
    """How many daily rows there are of each device and month, beside the days the ledger has of them."""

    def __init__(self) -> None:
        self._days: Counter[tuple[int, str]] = Counter()
        self._out_of_order: list[tuple[int, str]] = []

    def of(self, days: Iterable[Day]) -> Iterator[Day]:
        """Pass the days on, counting them."""
        before: tuple[int, str] | None = None
        for day in days:
            if before is not None and (day.device, day.date) <= before:
                self._out_of_order.append((day.device, day.date))
            before = day.device, day.date
            self._days[day.device, day.date[:7]] += 1
            yield day

    def expect(self, device: int, month: str, days: int) -> None:
        """Take off the days the ledger has."""
        self._days[device, month] -= days

    def twice(self) -> Iterator[str]:
        """Yield that a device has a day more than once, or its days in another order than a pack has them."""
        if self._out_of_order:
            device, date = self._out_of_order[0]
            yield (
                f"{DAYS}: {len(self._out_of_order):,} rows are there twice or out of order, the first of them of "
                f"device {device} on {date}"
            )

    def apart(self) -> Iterator[str]:
        """Yield how many device-months have other numbers of daily rows than the ledger has days."""
        months = {key: days for key, days in self._days.items() if days}
        if months:
            more, fewer = (sum(days for days in months.values() if days * sign > 0) for sign in (1, -1))
            device, month = min(months)
            yield (
                f"{len(months):,} device-months, the first of them device {device} in {month}, have other daily rows than "
                f"the ledger has days: {more:,} more and {-fewer:,} fewer. They changed, or were erased, between"
            )


def recompute(
    days: Iterable[Day], machine: Callable[[int], Machine | None], rests: Rests, lines: Lines
) -> Recomputed:
    """Return the energy of days in order of device; `machine` finds what a device is.

    Days of a device, month and place measured in one way are added up before its model is asked, as the ledger does, and
    what that says is corrected by the month's `lines` of smart plugs.
    Raises ValueError for a day of a device there is no machine of.
    """
    found = Recomputed()
    for device, some in groupby(days, key=lambda day: day.device):
        is_one = machine(device)
        if is_one is None:
            raise ValueError(f"there are days of device {device}, and nothing says what it is")
        _add(found, is_one, some, rests, lines)
    return found


def _add(found: Recomputed, machine: Machine, days: Iterable[Day], rests: Rests, lines: Lines) -> None:
    told: dict[tuple[str, str, str], Told] = {}
    for day in days:
        key = day.date[:7], day.place, measured_by(day.joules)
        held = told.get(key)
        if held is None:
            held = told[key] = Told()
        held.add(day)
        found.days += 1
    for (month, _, _), one in told.items():
        entry = power.entry(machine, one, rests.get(month, {}).get(machine.model))
        entry = plug_fits.corrected(entry, machine, one, lines.get(month, {}))
        for at, quality in enumerate(QUALITIES):
            joules = entry.joules.get(quality, 0)
            found.joules[at] += joules
            found.months[month] = found.months.get(month, 0) + joules
