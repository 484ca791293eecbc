"""The lines behind the bridge from the ledger to counted cost: as booked, left out by the basis, moved by spreading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from sqlalchemy import Connection

from roadworthy_collector.books.cost_lines import read_ledger
from roadworthy_collector.books.cost_texts import counting_of, current, rules_of
from roadworthy_inventory.cost_rules import with_kinds
from roadworthy_inventory.ledger import LedgerLine, Measure, OnBasis, on_basis, spread_prepaid

Part = Literal["ledger", "left_out", "moved"]
PARTS: tuple[Part, ...] = get_args(Part)
PART_WORDS: dict[Part, str] = {
    "ledger": "as booked",
    "left_out": "left out by the basis",
    "moved": "moved by spreading prepaid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines; None means any. `centre` "" and `period` 0 are those the ledger does not tell. `reason`: of left out."""

    part: Part = "ledger"
    year: int | None = None
    measure: Measure | None = None
    centre: str | None = None
    period: int | None = None
    reason: str | None = None


class Booked(NamedTuple):
    """A line of the ledger, or of one that was spread what it adds to or takes from a period; `why` it is here."""

    key: str
    year: int
    period: int | None
    measure: str
    pence: int
    cost_centre: str | None
    code: str | None
    description: str | None
    supplier: str | None
    source: str
    source_line: int
    why: str


class Lines(NamedTuple):
    """Lines, the largest sums first; `pence` and `total` of all that match, `rows` those of the page."""

    rows: list[Booked]
    total: int
    pence: int


def read_lines(connection: Connection, wanted: Wanted, *, offset: int = 0, limit: int = 100) -> Lines:
    """Return the lines that match, from `offset` on."""
    rules = rules_of(current(connection, "cost_rules").content)
    method = counting_of(current(connection, "cost_method").content).method
    counted = on_basis(
        with_kinds(read_ledger(connection), rules),
        method.basis,
        recharges=method.recharges,
        spread_over_days=method.spread_prepaid,
    )
    found = [one for one in _of(counted, wanted.part, spread=method.spread_prepaid) if _fits(one, wanted)]
    found.sort(key=lambda one: (-abs(one.pence), one.key, one.source_line, one.year, one.period or 0))
    return Lines(found[offset : offset + limit], len(found), sum(one.pence for one in found))


def _of(counted: OnBasis, part: Part, *, spread: bool) -> Iterable[Booked]:
    if part == "moved":
        return (one for line in counted.kept for one in _moved(line)) if spread else ()
    left_out = (_booked(one.line, one.reason) for one in counted.left_out)
    if part == "left_out":
        return left_out
    return (*(_booked(line, "counted") for line in counted.kept), *left_out)


def _moved(line: LedgerLine) -> Iterator[Booked]:
    """Yield what spreading a line takes from the period it was booked in and adds to each it pays for."""
    net: Counter[tuple[int, int | None]] = Counter()
    net[line.financial_year, line.accounting_period] -= line.amount_pence
    for part in spread_prepaid(line):
        net[part.financial_year, part.accounting_period] += part.amount_pence
    for (year, period), pence in net.items():
        if pence:
            mine = (year, period) == (line.financial_year, line.accounting_period)
            why = "pays for days of other periods" if mine else "pays for days of this period"
            yield _booked(line, why)._replace(year=year, period=period, pence=pence)


def _booked(line: LedgerLine, why: str) -> Booked:
    return Booked(
        line.key, line.financial_year, line.accounting_period, line.measure, line.amount_pence, line.cost_centre,
        line.subjective_code, line.description, line.supplier, line.source, line.source_line, why,
    )  # fmt: skip


def _fits(one: Booked, wanted: Wanted) -> bool:
    return (
        wanted.year in {None, one.year}
        and wanted.measure in {None, one.measure}
        and (wanted.centre is None or wanted.centre.casefold() == (one.cost_centre or "").casefold())
        and wanted.period in {None, one.period or 0}
        and wanted.reason in {None, one.why}
    )
