"""The general ledger's lines: financial years with period 13, prepaid spread over its days, and one basis of cost.

An amount is whole pence without recoverable VAT (irrecoverable VAT is cost and stays in), negative for credits. A
financial year is named by the calendar year it begins in; accounting periods 1 to 12 are April to March, 13 is the
year end's adjustments and has no days of its own.

The basis is chosen once and says what a year's cost is made of:
* cash: revenue lines and capital as it was paid; no accruals and no depreciation;
* accruals: revenue lines with accruals and depreciation; capital is left out, because depreciation is that money.
So capital and depreciation are never both in. Recharges are in with both sides or not at all.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import blake2b
from typing import Literal, get_args

from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.money import spread

CAPITAL_REVENUE = ("capital", "revenue", "unknown")
KINDS = ("actual", "accrual", "depreciation", "recharge_in", "recharge_out", "payroll", "credit")
BASES = ("cash", "accruals")
RECHARGES = ("neither", "both")
YEAR_END_PERIOD = 13
_LONGEST_SPREAD_DAYS = 36525  # a hundred years: beyond it a date was mistyped

Measure = Literal["budget", "forecast", "outturn"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
CapitalOrRevenue = Literal["capital", "revenue", "unknown"]
Kind = Literal["actual", "accrual", "depreciation", "recharge_in", "recharge_out", "payroll", "credit"]
Basis = Literal["cash", "accruals"]
Recharges = Literal["neither", "both"]
LeftOutReason = Literal[
    "capital on the accruals basis",
    "depreciation on the cash basis",
    "accrual on the cash basis",
    "recharge",
    "recharge with one side only",
]


class LedgerError(ValueError):
    """A line, year or period that cannot be; the message says which and what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """One line of the general ledger.

    `amount_pence`: without recoverable VAT, negative for credits. `financial_year`: the year it begins in.
    `accounting_period`: 1 to 13, None where not told. `spread_from`, `spread_to`: first and last day a prepaid line
    pays for, both or neither. `recharge_reference`: what both sides of a recharge carry, where they do.
    `source`, `source_line`: the file and line it was read from. `origin`: the key of the line this is a part of. Raises LedgerError for what cannot be.
    """

    amount_pence: int
    financial_year: int
    accounting_period: int | None = None
    cost_centre: str | None = None
    subjective_code: str | None = None
    description: str | None = None
    supplier: str | None = None
    measure: Measure = "outturn"
    capital_revenue: CapitalOrRevenue = "unknown"
    kind: Kind = "actual"
    spread_from: date | None = None
    spread_to: date | None = None
    recharge_reference: str | None = None
    source: str = ""
    source_line: int = 0
    origin: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("measure", MEASURES), ("capital_revenue", CAPITAL_REVENUE), ("kind", KINDS)):
            if getattr(self, name) not in allowed:
                raise LedgerError(f"{name} {getattr(self, name)!r} is none of {', '.join(allowed)}")
        if self.accounting_period is not None and not 1 <= self.accounting_period <= YEAR_END_PERIOD:
            raise LedgerError(f"accounting period {self.accounting_period} is not 1 to 13")
        if (self.spread_from is None) != (self.spread_to is None):
            raise LedgerError("a prepaid line needs the first and the last day it pays for, or neither")
        if self.spread_from is not None and self.spread_to is not None:
            days = (self.spread_to - self.spread_from).days
            if not 0 <= days < _LONGEST_SPREAD_DAYS:
                raise LedgerError(
                    f"a prepaid line from {self.spread_from} to {self.spread_to} pays for no days"
                )

    @property
    def key(self) -> str:
        """The line by its content, whatever file it came in: the same after a new export in another order.

        A part of a prepaid line has its line's key, so what a person decided about the line holds for its parts.
        """
        if self.origin is not None:
            return self.origin
        parts = (
            self.amount_pence,
            self.financial_year,
            self.accounting_period,
            self.cost_centre,
            self.subjective_code,
            self.description,
            self.supplier,
            self.measure,
            self.capital_revenue,
            self.spread_from,
            self.spread_to,
            self.recharge_reference,
            self.kind,
        )
        return blake2b(repr(tuple(map(str, parts))).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that is not part of cost on the chosen basis, and why."""

    line: LedgerLine
    reason: LeftOutReason


@dataclass(frozen=True, slots=True)
class OnBasis:
    """A ledger on one basis: `counted` after prepaid was spread, `kept` as booked, `left_out` with reasons.

    kept + left_out are the lines as they came; counted and kept sum to the same pence. `unknown_capital`: lines
    counted whose ledger does not say capital or revenue; on the accruals basis capital may be among them, beside the
    depreciation of it, so their figure belongs on the page.
    """

    counted: tuple[LedgerLine, ...]
    kept: tuple[LedgerLine, ...]
    left_out: tuple[LeftOut, ...]
    unknown_capital: tuple[LedgerLine, ...]


def accounting_period_of(day: date) -> int:
    """Return the accounting period of `day`: 1 for April to 12 for March."""
    return (day.month - 4) % 12 + 1


def period_dates(financial_year: int, period: int) -> tuple[date, date]:
    """Return first and last day of accounting period 1 to 12; LedgerError for 13, which has no days of its own."""
    if not 1 <= period < YEAR_END_PERIOD:
        raise LedgerError(f"accounting period {period} has no days of its own; 1 to 12 have")
    month = (period + 2) % 12 + 1
    year = financial_year + (month < 4)
    return date(year, month, 1), date(year, month, monthrange(year, month)[1])


def spread_prepaid(line: LedgerLine) -> tuple[LedgerLine, ...]:
    """Return the line's parts by month, each with its own year, period and days; the line itself if not prepaid.

    Days are weighed alike, both ends included, and the parts sum to the line to the penny. A part spread again is
    itself, so it does no harm to do it twice.
    """
    if line.spread_from is None or line.spread_to is None:
        return (line,)
    spans = []
    first = line.spread_from
    while first <= line.spread_to:
        month_end = date(first.year, first.month, monthrange(first.year, first.month)[1])
        last = min(line.spread_to, month_end)
        spans.append((first, last))
        if last == line.spread_to:  # the day after may not exist: 31 December 9999
            break
        first = last + timedelta(days=1)
    origin = line.key
    amounts = spread(line.amount_pence, [(last - first).days + 1 for first, last in spans])
    return tuple(
        replace(
            line,
            amount_pence=amount,
            financial_year=financial_year_of(first),
            accounting_period=accounting_period_of(first),
            spread_from=first,
            spread_to=last,
            origin=origin,
        )
        for amount, (first, last) in zip(amounts, spans, strict=True)
    )


def on_basis(
    lines: Iterable[LedgerLine],
    basis: Basis,
    *,
    recharges: Recharges = "neither",
    spread_over_days: bool = True,
) -> OnBasis:
    """Return the lines that make up cost on `basis`, prepaid spread over its days unless `spread_over_days` is off.

    `recharges`: "neither" leaves every internal recharge out; "both" keeps those whose two sides are both here and
    leaves the others out, because a charge without its provider counts money twice or in nobody's total.
    """
    if basis not in BASES or recharges not in RECHARGES:
        raise LedgerError(f"basis is one of {', '.join(BASES)}; recharges one of {', '.join(RECHARGES)}")
    everything = list(lines)
    paired = _paired(everything) if recharges == "both" else frozenset()
    kept: list[LedgerLine] = []
    left_out: list[LeftOut] = []
    for at, line in enumerate(everything):
        reason = _reason(line, basis)
        if reason is None and line.kind in ("recharge_in", "recharge_out") and at not in paired:
            reason = "recharge" if recharges == "neither" else "recharge with one side only"
        if reason is None:
            kept.append(line)
        else:
            left_out.append(LeftOut(line, reason))
    counted = [part for line in kept for part in (spread_prepaid(line) if spread_over_days else (line,))]
    unknown = tuple(line for line in kept if line.capital_revenue == "unknown")
    return OnBasis(tuple(counted), tuple(kept), tuple(left_out), unknown)


def _reason(line: LedgerLine, basis: Basis) -> LeftOutReason | None:
    if basis == "cash":
        if line.kind == "depreciation":
            return "depreciation on the cash basis"
        return "accrual on the cash basis" if line.kind == "accrual" else None
    if line.capital_revenue == "capital" and line.kind != "depreciation":
        return "capital on the accruals basis"
    return None


def _order(line: LedgerLine) -> tuple[str, ...]:
    """Where a line stands among its equals, by content first: a re-sorted file pairs the same recharges."""
    return (line.cost_centre or "", line.key, line.source, f"{line.source_line:012d}")


def _paired(lines: Sequence[LedgerLine]) -> frozenset[int]:
    """Return the places of recharges with both sides here: by reference where they carry one, else by amount.

    A reference counts when its charges and its income cancel to the penny within one year and measure. Without a
    reference, one charge pairs with one income of the same size, year, measure and period.
    """
    by_reference: dict[tuple[object, ...], list[int]] = defaultdict(list)
    by_amount: dict[tuple[object, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for at, line in enumerate(lines):
        if line.kind not in ("recharge_in", "recharge_out"):
            continue
        when = (line.financial_year, line.measure)
        if line.recharge_reference is not None:
            by_reference[*when, line.recharge_reference].append(at)
        else:
            charged = line.amount_pence if line.kind == "recharge_in" else -line.amount_pence
            by_amount[*when, line.accounting_period, charged][line.kind].append(at)
    found: set[int] = set()
    for places in by_reference.values():
        if sum(lines[at].amount_pence for at in places) == 0 and len({lines[at].kind for at in places}) == 2:
            found.update(places)
    for sides in by_amount.values():
        pairs = min(len(sides["recharge_in"]), len(sides["recharge_out"]))
        for places in sides.values():
            found.update(sorted(places, key=lambda at: _order(lines[at]))[:pairs])
    return frozenset(found)


def left_out_by_reason(result: OnBasis) -> dict[str, tuple[int, int]]:
    """Return reason: (lines, pence) of what the basis leaves out, largest count first."""
    counts = Counter(entry.reason for entry in result.left_out)
    pence: Counter[str] = Counter()
    for entry in result.left_out:
        pence[entry.reason] += entry.line.amount_pence
    return {reason: (count, pence[reason]) for reason, count in counts.most_common()}


_MONTHS = (
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "january",
    "february",
    "march",
)
_TWO_YEARS = re.compile(
    r"(?:FY\s*)?(?:([0-9]{4})|([0-9]{2}))\s*[/\-\u2013_ ]\s*([0-9]{4}|[0-9]{2})", re.IGNORECASE
)
_ONE_YEAR = re.compile(r"(?:FY\s*)?([0-9]{4}|[0-9]{2})", re.IGNORECASE)
_PERIOD = re.compile(r"(?:(?:accounting period|period|month|ap|p|m)[\s\-_.]*)?0?([0-9]{1,2})", re.IGNORECASE)


def parse_financial_year(text: str, *, bare: Literal["starts", "ends"] | None = None) -> int:
    """Return the year a financial year begins in: 2025 for `2025/26`, `2025-2026`, `FY25/26`.

    A single year (`2026`, `FY26`) is the year it starts in for some systems and ends in for others, so it is only
    taken where `bare` says which. Raises LedgerError otherwise.
    """
    stripped = text.strip()
    if two := _TWO_YEARS.fullmatch(stripped):
        began = int(two[1]) if two[1] else 2000 + int(two[2])
        if int(two[3]) in (began + 1, (began + 1) % 100):
            return began
    elif (one := _ONE_YEAR.fullmatch(stripped)) and bare is not None:
        year = int(one[1]) if len(one[1]) == 4 else 2000 + int(one[1])
        return year if bare == "starts" else year - 1
    elif one:
        raise LedgerError(
            f"{text!r}: is it the year the financial year starts in or ends in? Write 2025/26, or say which"
        )
    raise LedgerError(f"{text!r} is no financial year such as 2025/26")


def parse_period(text: str) -> int:
    """Return the accounting period 1 to 13 of `7`, `P07`, `Period 7`, `AP7`, `Oct`, `October 2025`.

    Raises LedgerError for anything else.
    """
    stripped = text.strip()
    if (found := _PERIOD.fullmatch(stripped)) and 1 <= int(found[1]) <= YEAR_END_PERIOD:
        return int(found[1])
    if named := re.fullmatch(r"([a-z]{3,9})\.?(?:[\s\-'/]*\d{2,4})?", stripped, re.IGNORECASE):
        for number, month in enumerate(_MONTHS, start=1):
            if month.startswith(named[1].casefold()):
                return number
    raise LedgerError(f"{text!r} is no accounting period: 1 to 13, P07, or the name of a month")
