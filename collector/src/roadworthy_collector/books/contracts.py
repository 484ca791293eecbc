"""Contracts as imported: how each stands today, when they end and must be given notice, and what they cost a year.

A contract's reference is its key: where several imports hold the same, the newest counts.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from roadworthy_collector.books.cost_lines import counts
from roadworthy_collector.books.places import MISSING, Places
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import batches, contracts
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.contracts import Contract, cliffs, notice_due, running_value_pence, state

NOTICE_DAYS = 90
MONTHS = 24
CODE_LENGTH = 64


class ContractsError(RoadworthyError):
    """What was said of a contract cannot be."""


class Held(NamedTuple):
    """A contract, its row, and where it belongs in words."""

    id: int
    contract: Contract
    system: str | None
    unit: str | None
    cost_centre: str | None
    replaced_by: str | None
    file_name: str | None


def read(connection: Connection) -> list[Held]:
    """Return the contracts that count, the newest of each reference, by reference."""
    places = Places(connection)
    query = (
        select(contracts, batches.c.file_name)
        .join(batches, batches.c.id == contracts.c.batch)
        .where(counts())
        .order_by(contracts.c.id)
    )
    found = {}
    for row in connection.execute(query):
        contract = Contract(
            reference=row.reference or row.name,
            title=row.name,
            supplier=row.supplier,
            start=_day(row.starts),
            end=_day(row.ends),
            notice=_day(row.notice),
            value_pence_per_year=row.value_pence_per_year,
            cost_centre=places.cost_centre_code(row.cost_centre),
        )
        found[contract.reference.casefold()] = Held(
            row.id,
            contract,
            places.system_name(row.system),
            places.unit_path(row.unit),
            contract.cost_centre,
            row.replaced_by,
            row.file_name,
        )
    return [found[key] for key in sorted(found)]


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def row_of(one: Held, on: dt.date) -> dict[str, Any]:
    """Return a contract as JSON can say it; dates as YYYY-MM-DD."""
    contract = one.contract
    notice = contract.notice
    return {
        "reference": contract.reference,
        "title": contract.title,
        "supplier": contract.supplier,
        "state": state(contract, on),
        "starts": _iso(contract.start),
        "ends": _iso(contract.end),
        "notice": _iso(notice),
        "days_to_notice": (notice - on).days if notice is not None and notice >= on else None,
        "value_pence_per_year": contract.value_pence_per_year,
        "system": one.system,
        "unit": one.unit,
        "cost_centre": one.cost_centre,
        "replaced_by": one.replaced_by,
        "source": one.file_name,
    }


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def overview(connection: Connection, on: dt.date, *, within_days: int = NOTICE_DAYS) -> dict[str, Any]:
    """Return {rows, notice_due, cliffs, states, running_..., endless, endless_..., notice_unknown} on the day `on`.

    `rows` by end, contracts without one last: they are `endless`, which nobody is warned of and no sum of running ones
    holds. Cliffs: when cover ends, by month; ended, later and unknown hold the rest.
    """
    held = read(connection)
    of = [one.contract for one in held]
    due = {one.reference for one in notice_due(of, on, within_days)}
    rows = [row_of(one, on) | {"notice_due": one.contract.reference in due} for one in held]
    rows.sort(key=lambda row: (row["ends"] is None, row["ends"] or "", row["reference"]))
    pence, unknown = running_value_pence(of, on)
    at = cliffs(((one.end, one.value_pence_per_year) for one in of), on, MONTHS)
    live = [row for row in rows if row["state"] != "ended"]
    endless = [row for row in rows if row["ends"] is None]
    told = [row["value_pence_per_year"] for row in endless if row["value_pence_per_year"] is not None]
    return {
        "on": on.isoformat(),
        "within_days": within_days,
        "rows": rows,
        "notice_due": [row for row in rows if row["notice_due"]],
        "notice_unknown": sum(row["notice"] is None for row in live),
        "states": dict(Counter(row["state"] for row in rows)),
        "running_pence": pence,
        "running_unknown": unknown,
        "endless": endless,
        "endless_pence": sum(told),
        "endless_unknown": len(endless) - len(told),
        "cliffs": {
            "months": [asdict(one) for one in at.months],
            "ended": at.ended,
            "later": at.later,
            "unknown": at.unknown,
            "total": at.total,
        },
    }


class Wanted(NamedTuple):
    """Which contracts of an overview; empty means any.

    `ends`: a month as 2026-11, or ended, later or unknown, as the overview counts them. `stands`: running (notice
    passed or not), ended or notice due. `lacks`: value or notice.
    """

    ends: str = ""
    stands: str = ""
    lacks: str = ""


STANDS = ("running", "notice due")
LACKS = ("value", "notice")


def choose(found: Mapping[str, Any], wanted: Wanted) -> list[dict[str, Any]]:
    """Return the rows of an overview that are behind one of its figures."""
    months = _months(found)
    return [
        row
        for row in found["rows"]
        if wanted.ends in {"", _ending(row["ends"], found["on"], months)}
        and _stands(row, wanted.stands)
        and _lacks(row, wanted.lacks)
    ]


def _months(found: Mapping[str, Any]) -> list[str]:
    return [f"{one['year']}-{one['month']:02d}" for one in found["cliffs"]["months"]]


def endings(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what `ends` may be: the months of an overview as 2026-11, ended, later and unknown."""
    return (*_months(found), "ended", "later", "unknown")


def _ending(ends: str | None, on: str, months: Sequence[str]) -> str:
    if ends is None:
        return "unknown"
    return "ended" if ends < on else ends[:7] if ends[:7] in months else "later"


def _stands(row: Mapping[str, Any], wanted: str) -> bool:
    if wanted == "running":
        return row["state"] in {"running", "notice passed"}
    return not wanted or bool(row["notice_due"])


def _lacks(row: Mapping[str, Any], wanted: str) -> bool:
    if wanted == "notice":
        return row["notice"] is None and row["state"] != "ended"
    return not wanted or row["value_pence_per_year"] is None


class Told(NamedTuple):
    """What a person says of a contract; None leaves a thing as it is, an empty text takes it away."""

    system: str | None = None
    unit: str | None = None
    cost_centre: str | None = None
    replaced_by: str | None = None


def change(connection: Connection, reference: str, told: Told, *, actor: str, now: int) -> None:
    """Say which system, unit and cost centre a contract is for, and what replaces it, on the record.

    NotFoundError for no such contract, ContractsError for a place that is not there or nothing said.
    """
    held = next((one for one in read(connection) if one.contract.reference == reference), None)
    if held is None:
        raise NotFoundError(
            f"{reference}: there is no contract of this reference; `roadworthy contracts list`"
        )
    values: dict[str, Any] = {}
    places = Places(connection)
    finders = {"system": places.system, "unit": places.unit, "cost_centre": places.cost_centre}
    for name, said in told._asdict().items():
        if said is None:
            continue
        text = said.strip()
        values[name] = None
        if text and name in finders:
            values[name] = finders[name](text)
            if values[name] == MISSING:
                raise ContractsError(f"{name.replace('_', ' ')} {text}: there is none of this name")
        elif text:
            if len(text) > CODE_LENGTH or not text.isprintable():
                raise ContractsError(f"replaced by: give one line of at most {CODE_LENGTH} characters")
            values[name] = text
    if not values:
        raise ContractsError("say what is to change: system, unit, cost centre or what replaces it")
    connection.execute(update(contracts).where(contracts.c.id == held.id).values(**values))
    detail = {name: getattr(told, name) for name in values}
    audit.record(connection, now, actor, "contracts.set", reference, detail)
