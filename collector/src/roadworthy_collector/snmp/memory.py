"""What one poll of a device leaves for the next, and when it no longer holds: a row that is gone, another device. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from roadworthy_collector.snmp.closing import Waiting
from roadworthy_collector.snmp.readings import DeviceAnswer
from roadworthy_collector.snmp.registers import MICRO, Counter, Look
from roadworthy_collector.snmp.whole import Whole

# A row of the whole of which others were heard so long without it, and that is not even refused, is no longer there.
_GONE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What one poll leaves for the next: `instance` and `seq` of its reports, the counters, which facts were told.

    `waiting` are half-hours that not every row has closed; `known` how the whole was known last (quality, source,
    relative error); `base_joules` what counters that are gone had counted, so that their sum never falls; `serial`
    and `model` whose registers they are.
    """

    instance: str
    seq: int = 0
    counters: Mapping[str, Counter] = field(default_factory=dict)
    facts_told: str = ""
    whole: Whole = field(default_factory=Whole)  # what the counters are of
    waiting: Waiting = field(default_factory=Waiting)
    known: tuple[str, str, float] | None = None
    base_joules: int = 0
    serial: str | None = None
    model: str | None = None

    @property
    def place(self) -> str:
        """The place that is the whole device, "" where none is known."""
        return self.whole.place

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can keep."""
        return {
            "instance": self.instance,
            "seq": self.seq,
            "counters": {name: counter.as_json() for name, counter in self.counters.items()},
            "facts_told": self.facts_told,
            "place": self.place,
            "whole": self.whole.as_json(),
            "waiting": self.waiting.as_json(),
            "known": self.known,
            "base_joules": self.base_joules,
            "serial": self.serial,
            "model": self.model,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Memory:
        """Return what `as_json` gave, now or before it kept as much."""
        counters = {name: Counter.from_json(counter) for name, counter in kept["counters"].items()}
        return cls(
            instance=kept["instance"],
            seq=kept["seq"],
            counters=counters,
            facts_told=kept["facts_told"],
            whole=Whole.from_json(kept["whole"]) if "whole" in kept else Whole(kept["place"], polls=3),
            waiting=Waiting.from_json(kept["waiting"]) if "waiting" in kept else Waiting(),
            known=tuple(kept["known"]) if kept.get("known") else None,
            base_joules=kept.get("base_joules", 0),
            serial=kept.get("serial"),
            model=kept.get("model"),
        )


def is_whole(key: str) -> bool:
    """Return whether a counter is a row of the whole device, not an outlet."""
    return not key.startswith("outlet:")


def outlet_of(key: str) -> str:
    """Return the outlet whose counter it is."""
    return key.removeprefix("outlet:")


def is_another(memory: Memory, answer: DeviceAnswer) -> bool:
    """Return whether another device answers than the one whose counters are remembered."""
    who = answer.identity
    if memory.serial and who.serial:
        return memory.serial != who.serial
    return bool(memory.model and who.model and memory.model != who.model)


def of_this_device(memory: Memory, answer: DeviceAnswer, *, replaced: bool) -> Memory:
    """Return the memory for the device that answers: nothing is counted across from another one's registers."""
    who = answer.identity
    if not replaced:
        return replace(memory, serial=who.serial or memory.serial, model=who.model or memory.model)
    return replace(
        with_whole(memory, Whole()),
        counters={},
        waiting=Waiting(told_until=memory.waiting.told_until),
        known=None,
        serial=who.serial,
        model=who.model,
    )


def with_whole(memory: Memory, whole: Whole) -> Memory:
    """Return the memory with another place as the whole: what the former counted stays in the sum, outlets go on."""
    if whole.place == memory.place:
        return replace(memory, whole=whole)
    counted = sum(one.microjoules // MICRO for key, one in memory.counters.items() if is_whole(key))
    outlets = {key: one for key, one in memory.counters.items() if not is_whole(key)}
    base = memory.base_joules + counted
    return replace(memory, whole=whole, counters=outlets, known=None, base_joules=base)


def without_gone(memory: Memory, answer: DeviceAnswer, looks: Mapping[str, Look]) -> Memory:
    """Return the memory without counters of rows that the device no longer has.

    One that says that it has no value is still there, and nothing is gone while nothing else is heard either.
    """
    refused = {one.index for one in answer.refusals}
    heard = max(
        (memory.counters[key].at for key in looks if key in memory.counters and is_whole(key)), default=0.0
    )
    gone = {
        key: one
        for key, one in memory.counters.items()
        if key not in looks and heard - one.at >= _GONE_SECONDS and key.partition(":")[2] not in refused
    }
    if not gone:
        return memory
    kept = {key: one for key, one in memory.counters.items() if key not in gone}
    base = memory.base_joules + sum(one.microjoules // MICRO for key, one in gone.items() if is_whole(key))
    return replace(memory, counters=kept, base_joules=base)
