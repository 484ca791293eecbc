"""From the ledger as finance has it to the cost the shares stand on, and budget beside forecast beside outturn.

For every year, measure, cost centre and accounting period the bridge closes to the penny:
ledger - left out (by reason) + moved by spreading prepaid = counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from roadworthy_inventory.ledger import LedgerLine, Measure, OnBasis


class Cell(NamedTuple):
    """Where money sits; None where the ledger does not say."""

    financial_year: int
    measure: Measure
    cost_centre: str | None
    accounting_period: int | None


class ControlTotal(NamedTuple):
    """What finance says a cell holds, in pence, and in which statement."""

    cell: Cell
    pence: int
    source: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """One cell's way from ledger to counted cost, in pence.

    `control_pence` is finance's own figure for the ledger cell, `difference_pence` ledger less control; both None
    where finance gave none, which is not a difference of nought.
    """

    cell: Cell
    ledger_pence: int
    left_out_pence: dict[str, int] = field(hash=False)
    moved_by_spreading_pence: int
    counted_pence: int
    control_pence: int | None
    difference_pence: int | None


def cell_of(line: LedgerLine) -> Cell:
    """Return where a line sits."""
    return Cell(line.financial_year, line.measure, line.cost_centre, line.accounting_period)


def _order(cell: Cell) -> tuple[object, ...]:
    """Years first; what is not told comes last."""
    return (
        cell.financial_year,
        cell.measure,
        cell.cost_centre is None,
        cell.cost_centre or "",
        cell.accounting_period is None,
        cell.accounting_period or 0,
    )


def reconcile(result: OnBasis, controls: Iterable[ControlTotal] = ()) -> tuple[Bridge, ...]:
    """Return a bridge for every cell that holds a line, a spread part or a control total.

    Raises ValueError where two control totals are given for one cell.
    """
    ledger: Counter[Cell] = Counter()
    counted: Counter[Cell] = Counter()
    kept: Counter[Cell] = Counter()
    left_out: defaultdict[Cell, Counter[str]] = defaultdict(Counter)
    for line in result.kept:
        ledger[cell_of(line)] += line.amount_pence
        kept[cell_of(line)] += line.amount_pence
    for entry in result.left_out:
        ledger[cell_of(entry.line)] += entry.line.amount_pence
        left_out[cell_of(entry.line)][entry.reason] += entry.line.amount_pence
    for line in result.counted:
        counted[cell_of(line)] += line.amount_pence
    told: dict[Cell, int] = {}
    for control in controls:
        if control.cell in told:
            raise ValueError(f"two control totals for {control.cell}; the second is from {control.source}")
        told[control.cell] = control.pence
    return tuple(
        Bridge(
            cell=cell,
            ledger_pence=ledger[cell],
            left_out_pence=dict(left_out[cell]) if cell in left_out else {},
            moved_by_spreading_pence=counted[cell] - kept[cell],
            counted_pence=counted[cell],
            control_pence=told.get(cell),
            difference_pence=ledger[cell] - told[cell] if cell in told else None,
        )
        for cell in sorted({*ledger, *counted, *told}, key=_order)
    )


@dataclass(frozen=True, slots=True)
class Variance:
    """Budget, forecast and outturn of one cost centre and period, in pence; None where no line tells one.

    Differences are outturn less the other: above nought is overspent; None where either is missing.
    """

    financial_year: int
    cost_centre: str | None
    accounting_period: int | None
    budget_pence: int | None
    forecast_pence: int | None
    outturn_pence: int | None

    @property
    def against_budget_pence(self) -> int | None:
        """Outturn less budget."""
        return _less(self.outturn_pence, self.budget_pence)

    @property
    def against_forecast_pence(self) -> int | None:
        """Outturn less forecast."""
        return _less(self.outturn_pence, self.forecast_pence)


def _less(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one - other


def variances(lines: Iterable[LedgerLine]) -> tuple[Variance, ...]:
    """Return budget beside forecast beside outturn for every year, cost centre and period of `lines`.

    Give the counted lines of a basis, or lines as booked: both close, and the page says which it shows.
    """
    sums: defaultdict[Cell, Counter[str]] = defaultdict(Counter)
    for line in lines:
        # One row holds all three measures, so the measure is no part of the place.
        sums[cell_of(line)._replace(measure="outturn")][line.measure] += line.amount_pence
    return tuple(
        Variance(
            financial_year=cell.financial_year,
            cost_centre=cell.cost_centre,
            accounting_period=cell.accounting_period,
            budget_pence=sums[cell].get("budget"),
            forecast_pence=sums[cell].get("forecast"),
            outturn_pence=sums[cell].get("outturn"),
        )
        for cell in sorted(sums, key=_order)
    )
