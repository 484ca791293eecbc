"""Contracts and warranties: what runs, what must be given notice, and the cliffs where cover ends.

An end that is not told is counted as unknown, never as ended or as running for ever. All functions take the day they
are asked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

KINDS = ("contract", "warranty")
Kind = Literal["contract", "warranty"]
State = Literal["not started", "running", "notice passed", "ended", "unknown"]


class ContractError(ValueError):
    """A contract that cannot be, or a question that has no answer; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One contract or warranty.

    `start`, `end`: first and last day of cover. `notice`: the last day to give notice, else it renews.
    `value_pence_per_year`: without recoverable VAT. `covers`: systems, models or tags, in the contract's words. `unit`:
    the path of the unit that answers for it, `A / B`.
    Raises ContractError where dates are not in order.
    """

    reference: str
    kind: Kind = "contract"
    title: str | None = None
    supplier: str | None = None
    start: date | None = None
    end: date | None = None
    notice: date | None = None
    value_pence_per_year: int | None = None
    covers: tuple[str, ...] = ()
    cost_centre: str | None = None
    unit: str | None = None
    source: str = ""
    source_line: int = 0

    def __post_init__(self) -> None:
        if not self.reference.strip():
            raise ContractError("a contract needs a reference")
        if self.kind not in KINDS:
            raise ContractError(f"{self.reference}: kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ContractError(f"{self.reference}: ends {self.end}, before it starts {self.start}")
        if self.notice is not None and self.end is not None and self.notice > self.end:
            raise ContractError(f"{self.reference}: notice by {self.notice} is after its end {self.end}")


def state(contract: Contract, on: date) -> State:
    """Return how a contract stands on a day.

    "notice passed": still running, and the last day to give notice is gone, so it renews or lapses by its own terms.
    "unknown": its end is not told and nothing else settles it.
    """
    if contract.start is not None and on < contract.start:
        return "not started"
    if contract.end is None:
        return "unknown"
    if on > contract.end:
        return "ended"
    return "notice passed" if contract.notice is not None and on > contract.notice else "running"


def notice_due(contracts: Iterable[Contract], on: date, within_days: int = 90) -> tuple[Contract, ...]:
    """Return running contracts whose last day to give notice is in the next `within_days` days, soonest first."""
    due = [
        contract
        for contract in contracts
        if contract.notice is not None
        and state(contract, on) in ("running", "unknown")
        and 0 <= (contract.notice - on).days <= within_days
    ]
    return tuple(sorted(due, key=lambda contract: (contract.notice or on, contract.reference)))


@dataclass(frozen=True, slots=True)
class CliffMonth:
    """What loses cover in one calendar month: how many, and the pence a year of those whose value is told.

    `value_unknown`: how many of them have no value told.
    """

    year: int
    month: int
    ends: int
    value_pence_per_year: int
    value_unknown: int


@dataclass(frozen=True, slots=True)
class Cliffs:
    """Ends of cover by month from the month of `on`; `ended`, `later` and `unknown` hold the rest.

    ended + the months + later + unknown is everything that was given.
    """

    on: date
    months: tuple[CliffMonth, ...]
    ended: int
    later: int
    unknown: int
    total: int


def _months_from(on: date, count: int) -> Iterator[tuple[int, int]]:
    for step in range(count):
        years, month = divmod(on.month - 1 + step, 12)
        yield on.year + years, month + 1


def cliffs(ends: Iterable[tuple[date | None, int | None]], on: date, months: int = 36) -> Cliffs:
    """Return when cover ends, by month, for (last day of cover, pence a year) pairs.

    What ended before `on` is `ended`, though its month be the current one. Raises ContractError for months below 1
    or past the last year a date can name.
    """
    if months < 1 or on.year + (on.month - 1 + months) // 12 > date.max.year:
        raise ContractError(f"{months} months from {on} is no span of months")
    span = list(_months_from(on, months))
    last = span[-1]
    counts: Counter[tuple[int, int]] = Counter()
    values: Counter[tuple[int, int]] = Counter()
    no_value: Counter[tuple[int, int]] = Counter()
    rest: Counter[str] = Counter()
    for end, value in ends:
        if end is None:
            rest["unknown"] += 1
        elif end < on:
            rest["ended"] += 1
        elif (end.year, end.month) > last:
            rest["later"] += 1
        else:
            counts[end.year, end.month] += 1
            values[end.year, end.month] += value or 0
            no_value[end.year, end.month] += value is None
    return Cliffs(
        on=on,
        months=tuple(CliffMonth(*at, counts[at], values[at], no_value[at]) for at in span),
        ended=rest["ended"],
        later=rest["later"],
        unknown=rest["unknown"],
        total=counts.total() + rest.total(),
    )


def contract_cliffs(
    contracts: Iterable[Contract], on: date, months: int = 36, kind: Kind | None = None
) -> Cliffs:
    """Return the cliffs of contracts, of one kind or of all."""
    chosen = (one for one in contracts if kind is None or one.kind == kind)
    return cliffs(((one.end, one.value_pence_per_year) for one in chosen), on, months)


def running_value_pence(contracts: Iterable[Contract], on: date) -> tuple[int, int]:
    """Return (pence a year of running contracts whose value is told, how many running ones have none told)."""
    running = [one for one in contracts if state(one, on) in ("running", "notice passed")]
    told = [one.value_pence_per_year for one in running if one.value_pence_per_year is not None]
    return sum(told), len(running) - len(told)


def duplicates(contracts: Iterable[Contract]) -> dict[str, tuple[Contract, ...]]:
    """Return references that several contracts carry, in any case, with those contracts."""
    by_reference: defaultdict[str, list[Contract]] = defaultdict(list)
    for one in contracts:
        by_reference[one.reference.strip().casefold()].append(one)
    return {held[0].reference: tuple(held) for held in by_reference.values() if len(held) > 1}
