"""Benefits of switching systems off: identified, agreed, delivered, removed from the budget, each step on the record.

One person claims and another agrees; what is cashable is removed from the budget by finance alone, and never by the
claimant. Sums show no people.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from roadworthy_collector.books.places import MISSING, Places
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.roles import Reader, Right, may_approve
from roadworthy_collector.store.books_schema import benefits
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.benefits import (
    STATES,
    Benefit,
    BenefitError,
    BenefitYear,
    Role,
    Step,
    advance,
    identify,
    sums,
)

REMOVED = STATES[-1]
STEPS = {"agree": "agreed", "deliver": "delivered", "remove": REMOVED}
_CODE_LENGTH = 64
_MOST_PENCE = 10**13


class BenefitsError(RoadworthyError):
    """A benefit or a step that cannot be; the message says why."""


class Claim(NamedTuple):
    """A benefit somebody claims: `years` {year the financial year begins in: (saving, double running or None)} in pence."""

    reference: str
    system: str
    cashable: bool
    years: Sequence[tuple[int, int, int | None]]
    cost_centre: str | None = None
    decommissioned: dt.date | None = None


def parse_year(text: str) -> tuple[int, int, int | None]:
    """Return a year of `2026=12000` or `2026=12000-3000`: pounds saved, less double running where that is told."""
    year, _, rest = text.partition("=")
    saving, dash, double = rest.partition("-")
    try:
        found = (
            int(year),
            *(int(Fraction(one.strip().replace(",", "")) * 100) for one in (saving, double or "0")),
        )
    except (ValueError, ZeroDivisionError):
        raise BenefitsError(
            f"{text!r} is no year of a benefit; write 2026=12000-3000: the year it begins in, pounds saved, and pounds "
            "of running double where that is known"
        ) from None
    return found[0], found[1], found[2] if dash else None


def parse_day(text: str) -> dt.date | None:
    """Return the day of a form, None of an empty field; BenefitsError where it is none."""
    try:
        return dt.date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise BenefitsError(f"{text!r} is no day; write it as 2026-03-31") from None


def add(connection: Connection, claim: Claim, *, actor: str, on: dt.date, now: int) -> int:
    """Put a benefit that `actor` claims on the register and return its number; BenefitsError where it cannot be."""
    places = Places(connection)
    system, centre = places.system(claim.system), places.cost_centre(claim.cost_centre)
    if system is None or system == MISSING:
        raise BenefitsError(f"system {claim.system}: there is none of this name in the register")
    if centre == MISSING:
        raise BenefitsError(f"cost centre {claim.cost_centre}: there is none of this code")
    reference = claim.reference.strip()
    if not 1 <= len(reference) <= _CODE_LENGTH or not reference.isprintable():
        raise BenefitsError(f"reference: give one line of at most {_CODE_LENGTH} characters")
    if connection.scalar(select(benefits.c.id).where(benefits.c.reference == reference)) is not None:
        raise BenefitsError(f"{reference}: there is a benefit of this reference already")
    if not claim.years:
        raise BenefitsError("a benefit needs a financial year and what it saves in it")
    for year, saving, double in claim.years:
        if not 1990 <= year <= 2200 or max(saving, double or 0) > _MOST_PENCE:
            raise BenefitsError(f"{year}: is no year, or its amount none that can be")
    try:
        found = identify(
            reference,
            claim.system,
            actor,
            [BenefitYear(*year) for year in claim.years],
            cashable=claim.cashable,
            on=on,
            decommissioned=claim.decommissioned,
            cost_centre=claim.cost_centre,
        )
    except BenefitError as error:
        raise BenefitsError(str(error)) from None
    row = {
        "reference": reference,
        "system": system,
        "claimant": actor[:128],
        "cashable": claim.cashable,
        "cost_centre": centre,
        "decommissioned": None if claim.decommissioned is None else claim.decommissioned.isoformat(),
        "years": [asdict(year) for year in found.years],
        "steps": _steps(found),
        "made_at": now,
    }
    number = int(connection.execute(insert(benefits).values(row).returning(benefits.c.id)).scalar_one())
    detail = {"system": claim.system, "cashable": claim.cashable, "years": row["years"]}
    audit.record(connection, now, actor, "benefits.add", reference, detail)
    return number


def _steps(benefit: Benefit) -> list[dict[str, Any]]:
    return [asdict(step) | {"on": step.on.isoformat()} for step in benefit.steps]


def may_step(reader: Reader, step: str, claimant: str) -> bool:
    """Return whether `reader` may take a step; the last is an approver's, and neither it nor the first the claimant's.

    "delivered" is said by who prepares finance, also the claimant: it is what happened, not whether it counts.
    """
    mine = reader.name.strip().casefold() == claimant.strip().casefold()
    if step == "deliver":
        return reader.signed_in and reader.may(Right.PREPARE_FINANCE)
    if step == "remove":
        return may_approve(reader, claimant)
    return reader.signed_in and not mine and (reader.may(Right.APPROVE) or reader.may(Right.PREPARE_FINANCE))


def role_of(reader: Reader) -> Role:
    """Return in which role a reader takes a step: an approver signs off for finance."""
    return "finance" if reader.may(Right.APPROVE) else "service"


def advance_one(
    connection: Connection, number: int, step: str, *, actor: str, role: Role, on: dt.date, now: int
) -> Benefit:
    """Take a benefit one step further for `actor`: "agree", "deliver" or "remove".

    Raises NotFoundError, or BenefitsError where it cannot be.
    """
    row = connection.execute(select(benefits).where(benefits.c.id == number).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"{number}: there is no benefit of this number; `roadworthy benefits list`")
    held = _benefit(row, Places(connection))
    wanted = STEPS[step]
    following = STATES[len(held.steps)] if len(held.steps) < len(STATES) else None
    if following != wanted:
        raise BenefitsError(f"{held.reference}: it is {held.state}, so it cannot become {wanted} now")
    if step == "agree" and actor.strip().casefold() == held.claimant.strip().casefold():
        raise BenefitsError(f"{held.reference}: another person than the claimant agrees to it")
    try:
        found = advance(held, actor[:128], role, on)
    except BenefitError as error:
        raise BenefitsError(str(error)) from None
    connection.execute(update(benefits).where(benefits.c.id == number).values(steps=_steps(found)))
    audit.record(connection, now, actor, f"benefits.{step}", held.reference, {"state": found.state})
    return found


def _benefit(row: Any, places: Places) -> Benefit:
    return Benefit(
        reference=row.reference,
        system=places.system_name(row.system) or "unknown",
        claimant=row.claimant,
        cashable=bool(row.cashable),
        years=tuple(BenefitYear(**year) for year in row.years),
        steps=tuple(Step(**(step | {"on": dt.date.fromisoformat(step["on"])})) for step in row.steps),
        decommissioned=None if row.decommissioned is None else dt.date.fromisoformat(row.decommissioned),
        cost_centre=places.cost_centre_code(row.cost_centre),
    )


def read(connection: Connection) -> list[tuple[int, Benefit]]:
    """Return (number, benefit) of all, by number."""
    places = Places(connection)
    rows = connection.execute(select(benefits).order_by(benefits.c.id))
    return [(row.id, _benefit(row, places)) for row in rows]


def overview(connection: Connection) -> dict[str, Any]:
    """Return {rows, sums}: rows with the people of their steps, sums by state, cashable or not and year without them."""
    held = read(connection)
    return {"rows": [row_of(number, one) for number, one in held], "sums": sums_of(one for _, one in held)}


class Wanted(NamedTuple):
    """Which benefits; empty means any. `year` as 2026/27, `cashable` yes or no, `net` unknown: with none told in `year`."""

    state: str = ""
    year: str = ""
    cashable: str = ""
    net: str = ""


def choose(rows: Iterable[dict[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    """Return the rows of an overview that are behind one of its sums."""
    return [
        row
        for row in rows
        if wanted.state in {"", row["state"]}
        and wanted.cashable in {"", "yes" if row["cashable"] else "no"}
        and any(is_of(year, wanted) for year in row["years"])
    ]


def is_of(year: Mapping[str, Any], wanted: Wanted) -> bool:
    """Return whether a year of a benefit is one of those wanted."""
    told = wanted.net != "unknown" or year["net_pence"] is None
    return wanted.year in {"", year["financial_year"]} and told


def sums_of(held: Iterable[Benefit]) -> list[dict[str, Any]]:
    """Return the sums, the financial year as `2026/27`."""
    return [asdict(one) | {"financial_year": _year(one.financial_year)} for one in sums(held)]


def _year(began: int) -> str:
    return f"{began}/{(began + 1) % 100:02}"


def row_of(number: int, one: Benefit) -> dict[str, Any]:
    """Return a benefit as JSON can say it; `next` is the step that follows, None after the last or of hours freed."""
    following = next(
        (step for step, state in STEPS.items() if STATES[len(one.steps) : len(one.steps) + 1] == (state,)),
        None,
    )
    return {
        "number": number,
        "reference": one.reference,
        "system": one.system,
        "claimant": one.claimant,
        "cashable": one.cashable,
        "state": one.state,
        "next": None if following == "remove" and not one.cashable else following,
        "cost_centre": one.cost_centre,
        "decommissioned": None if one.decommissioned is None else one.decommissioned.isoformat(),
        "years": [
            asdict(year) | {"financial_year": _year(year.financial_year), "net_pence": year.net_pence}
            for year in one.years
        ],
        "steps": _steps(one),
    }
