"""Benefits of decommissioned systems: claimed by one person, taken out of the budget by another.

A benefit is identified, agreed, delivered, removed from budget, in that order and in one of them at a time. Cost of
running old and new side by side is taken off. Only finance says "removed from budget", and never the claimant; what
is not cashable frees time and no money, so it stays delivered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

STATES = ("identified", "agreed", "delivered", "removed from budget")
State = Literal["identified", "agreed", "delivered", "removed from budget"]
Role = Literal["service", "finance"]


class BenefitError(ValueError):
    """A step that may not be taken, or a benefit that cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class BenefitYear:
    """What one financial year (named by the year it begins in) saves, and what running double costs it, in pence.

    `double_running_pence` is None where nobody has said, which makes the net unknown rather than higher.
    """

    financial_year: int
    saving_pence: int
    double_running_pence: int | None

    def __post_init__(self) -> None:
        if self.saving_pence < 0 or (self.double_running_pence or 0) < 0:
            raise BenefitError(f"{self.financial_year}: savings and double running are not below nought")

    @property
    def net_pence(self) -> int | None:
        """Saving less double running; None where double running is not told."""
        return None if self.double_running_pence is None else self.saving_pence - self.double_running_pence


@dataclass(frozen=True, slots=True)
class Step:
    """Who moved the benefit to which state, in which role, and when."""

    state: State
    person: str
    role: Role
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """One benefit of switching a system off; `claimant` is who identified it (an account name, never shown in sums).

    `steps`: how it came to its state, oldest first. Raises BenefitError for a year told twice or no claimant.
    """

    reference: str
    system: str
    claimant: str
    cashable: bool
    years: tuple[BenefitYear, ...]
    steps: tuple[Step, ...]
    decommissioned: date | None = None
    cost_centre: str | None = None

    def __post_init__(self) -> None:
        if not self.claimant.strip() or not self.reference.strip():
            raise BenefitError("a benefit needs a reference and a claimant")
        if len({year.financial_year for year in self.years}) != len(self.years):
            raise BenefitError(f"{self.reference}: a financial year is there twice")
        if not self.steps or tuple(step.state for step in self.steps) != STATES[: len(self.steps)]:
            raise BenefitError(f"{self.reference}: its steps are {', '.join(STATES)}, in that order")
        if _same(self.steps[0].person, self.claimant) is False:
            raise BenefitError(f"{self.reference}: it is the claimant who identifies it")
        for before, step in zip(self.steps, self.steps[1:], strict=False):
            _check_step(self, before, step)

    @property
    def state(self) -> State:
        """Where the benefit is."""
        return self.steps[-1].state


def _same(one: str, other: str) -> bool:
    """Whether two account names are one: directories do not tell case apart."""
    return one.strip().casefold() == other.strip().casefold()


def _check_step(benefit: Benefit, before: Step, step: Step) -> None:
    if not step.person.strip():
        raise BenefitError(f"{benefit.reference}: the step to {step.state} needs a person")
    if step.on < before.on:
        raise BenefitError(
            f"{benefit.reference}: {step.state} on {step.on}, before {before.state} on {before.on}"
        )
    if step.state != "removed from budget":
        return
    if step.role != "finance":
        raise BenefitError(f"{benefit.reference}: only finance removes a benefit from the budget")
    if _same(step.person, benefit.claimant):
        raise BenefitError(
            f"{benefit.reference}: another person than the claimant removes it from the budget"
        )
    if not benefit.cashable:
        raise BenefitError(
            f"{benefit.reference}: it is not cashable, so there is nothing to take out of a budget"
        )


def identify(
    reference: str,
    system: str,
    claimant: str,
    years: Iterable[BenefitYear],
    *,
    cashable: bool,
    on: date,
    decommissioned: date | None = None,
    cost_centre: str | None = None,
) -> Benefit:
    """Return a new benefit in the state "identified"; BenefitError where it cannot be."""
    return Benefit(
        reference=reference,
        system=system,
        claimant=claimant,
        cashable=cashable,
        years=tuple(years),
        steps=(Step("identified", claimant, "service", on),),
        decommissioned=decommissioned,
        cost_centre=cost_centre,
    )


def advance(benefit: Benefit, person: str, role: Role, on: date) -> Benefit:
    """Return the benefit one state further; BenefitError where this person, role or day may not take that step."""
    if benefit.state == STATES[-1]:
        raise BenefitError(f"{benefit.reference}: it is removed from the budget already")
    following = STATES[len(benefit.steps)]
    return replace(benefit, steps=(*benefit.steps, Step(following, person, role, on)))  # type: ignore[arg-type]  # a state


@dataclass(frozen=True, slots=True)
class BenefitSum:
    """Benefits of one state, cashability and year, in pence.

    `net_pence` sums those whose double running is told; `net_unknown` counts the others, and
    `saving_of_unknown_pence` is their gross saving. saving = net + double running + saving of unknown.
    """

    state: State
    cashable: bool
    financial_year: int
    benefits: int
    saving_pence: int
    double_running_pence: int
    net_pence: int
    net_unknown: int
    saving_of_unknown_pence: int


def sums(benefits: Iterable[Benefit]) -> tuple[BenefitSum, ...]:
    """Return the sums by state, cashable or not, and financial year; a benefit is in one state only.

    Cashable and not are never added together here: hours freed are not money.
    """
    groups: defaultdict[tuple[int, bool, int], list[BenefitYear]] = defaultdict(list)
    for benefit in benefits:
        for year in benefit.years:
            groups[STATES.index(benefit.state), not benefit.cashable, year.financial_year].append(year)
    found = []
    for (at, not_cashable, financial_year), years in sorted(groups.items()):
        told = [year for year in years if year.double_running_pence is not None]
        unknown = [year for year in years if year.double_running_pence is None]
        found.append(
            BenefitSum(
                state=STATES[at],  # type: ignore[arg-type]  # a state by construction
                cashable=not not_cashable,
                financial_year=financial_year,
                benefits=len(years),
                saving_pence=sum(year.saving_pence for year in years),
                double_running_pence=sum(year.double_running_pence or 0 for year in told),
                net_pence=sum(year.net_pence or 0 for year in told),
                net_unknown=len(unknown),
                saving_of_unknown_pence=sum(year.saving_pence for year in unknown),
            )
        )
    return tuple(found)
