"""One source for each scope, and a reason for each that was not taken.

A platform lists its kinds of source, best first, as a tuple of `Kind` (Linux: `linux.ORDER`), turns what it found
into candidates, and `choose` does the rest. Nothing is ever added up across candidates: sources of one scope see
the same energy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roadworthy_agent.reading import Meter, Missing, Quality, Refusal, Register, Scope, Status

# What is said of a probe without any reading, from the reason that helps most to the one that helps least
TELLING = (
    Status.NO_PERMISSION,
    Status.ERROR,
    Status.NO_DATA_YET,
    Status.OFF_BY_POLICY,
    Status.NOT_SUPPORTED,
)
EXPECTED = (Scope.CPU, Scope.MACHINE)  # a blank here is always explained
NOTHING = {
    Scope.CPU: "no instrument of this device tells the processor's energy",
    Scope.MACHINE: "no instrument of this device tells the whole machine's energy now",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of source in a platform's order: its name, the scope it speaks for, and why it stands where it does."""

    name: str
    scope: Scope
    why: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source that was found.

    Without registers it is refused, and `reason` says why. With registers it can be taken; `reason` then says why
    some or all of them are unreadable, and `status` what kind of unreadable that is.
    """

    kind: str
    scope: Scope
    source: str
    registers: tuple[Register, ...] = ()
    status: Status = Status.OK
    reason: str | None = None
    relative_error: float | None = None
    quality: Quality = Quality.SENSOR

    @property
    def readable(self) -> bool:
        """Whether at least one register gave a figure."""
        return any(each.microjoules is not None or each.watts is not None for each in self.registers)

    def meter(self) -> Meter:
        """Return the candidate as the meter of its scope."""
        return Meter(self.scope, self.source, self.registers, self.quality, self.relative_error)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was taken, what was not and why, and the state of it all."""

    meters: tuple[Meter, ...]
    refused: tuple[Refusal, ...]
    missing: tuple[Missing, ...]
    status: Status
    reason: str | None


def choose(candidates: Iterable[Candidate], order: Sequence[Kind]) -> Choice:
    """Return at most one meter for each scope: the first in the order that can be read.

    Where none can be read, the first that exists is kept with its unreadable registers, so that the blank stays
    visible. A kind that is not in the order comes last.
    """
    ranks = {kind.name: rank for rank, kind in enumerate(order)}
    ranked = sorted(candidates, key=lambda each: ranks.get(each.kind, len(order)))
    meters: list[Meter] = []
    refused: list[Refusal] = []
    missing: list[Missing] = []
    for scope in Scope:
        of_scope = [each for each in ranked if each.scope is scope]
        taken = _taken(of_scope)
        if taken is not None:
            meters.append(taken.meter())
        missing += _missing(scope, of_scope, taken)
        refused += [_refusal(each, taken, order) for each in of_scope if each is not taken]
    status, reason = _state(ranked, meters)
    return Choice(tuple(meters), tuple(refused), tuple(missing), status, reason)


def _taken(of_scope: list[Candidate]) -> Candidate | None:
    readable = next((each for each in of_scope if each.readable), None)
    return readable or next((each for each in of_scope if each.registers), None)


def _missing(scope: Scope, of_scope: list[Candidate], taken: Candidate | None) -> list[Missing]:
    """Say why a scope has no figure, or not all of it. Free of measured figures: it travels whenever it changes."""
    field = f"power.{scope}"
    if taken is not None:
        return [] if taken.reason is None else [Missing(field, taken.status, taken.reason)]
    if scope not in EXPECTED:
        return []
    status = _most_telling(of_scope)
    if status in {Status.NO_PERMISSION, Status.OFF_BY_POLICY}:
        reason = next(each.reason for each in of_scope if each.status is status)
        return [Missing(field, status, reason or NOTHING[scope])]
    return [Missing(field, status, NOTHING[scope])]


def _refusal(each: Candidate, taken: Candidate | None, order: Sequence[Kind]) -> Refusal:
    if each.reason is not None or taken is None:
        return Refusal(each.scope, each.source, each.reason or "it gave no figure")
    why = next((kind.why for kind in order if kind.name == taken.kind), "it comes first")
    return Refusal(each.scope, each.source, f"{taken.source} is taken for this scope: {why}")


def _most_telling(candidates: list[Candidate]) -> Status:
    found = {each.status for each in candidates}
    return next((status for status in TELLING if status in found), Status.NOT_SUPPORTED)


def _state(candidates: list[Candidate], meters: list[Meter]) -> tuple[Status, str | None]:
    """Return the probe's status: ok as soon as one figure was read."""
    if any(each.readable for each in candidates if any(each.source == meter.source for meter in meters)):
        return Status.OK, None
    status = _most_telling(candidates)
    reason = next((each.reason for each in candidates if each.status is status and each.reason), None)
    return status, reason or "no instrument of this device tells energy or power"
