"""Three shares of IT cost, each with its definition, its bounds and no figure where there is none to give.

A run share, B maintenance share, C legacy share: three different numbers that the press calls by one name, so each
is printed under its own. With T the total and U what the rules leave open, the truth lies between (numerator + the
credits in U) / T and (numerator + the charges in U) / T, which is [B/T, (B+U)/T] where U holds no credit. Over 10 %
unclassified there are bounds but no single figure; without a positive total there is nothing at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from roadworthy_inventory.cost_rules import (
    Classification,
    Correction,
    CostRules,
    Facts,
    classify_lines,
    facts_of,
    with_kinds,
)
from roadworthy_inventory.ledger import (
    BASES,
    RECHARGES,
    Basis,
    LedgerLine,
    Measure,
    OnBasis,
    Recharges,
    on_basis,
)

DEFINITION_VERSION = "1"
UNCLASSIFIED_LIMIT_PERCENT = 10
Definition = Literal["A", "B", "C"]


class CostError(ValueError):
    """Figures that cannot be put together; the message says which and why."""


@dataclass(frozen=True, slots=True)
class DefinitionText:
    """A share's name, and what is above and below its line, as printed beside every figure."""

    letter: Definition
    name: str
    numerator: str
    denominator: str


_TOTAL = "all IT cost in the ledger lines given, on the basis named, without recoverable VAT"
DEFINITIONS: Mapping[Definition, DefinitionText] = {
    "A": DefinitionText(
        "A", "run share", "cost of running what is there, whatever it is: not change", _TOTAL
    ),
    "B": DefinitionText(
        "B",
        "maintenance share",
        "hardware maintenance, software maintenance and support, repair parts and labour, extended support, third "
        "party break/fix, support desk labour for incidents; not electricity, licences with new rights, cloud "
        "consumption, lease finance, capital refresh, projects or training",
        _TOTAL,
    ),
    "C": DefinitionText(
        "C",
        "legacy share",
        "cost of running what is legacy: out of support, impossible to update, no longer cost-effective, or above the "
        "accepted risk; never merely old",
        _TOTAL,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How cost is counted, chosen once: compare years only where all of it is the same.

    `minimum_confidence`: a rule less sure than this (0 to 1) leaves its lines unclassified.
    """

    basis: Basis
    recharges: Recharges = "neither"
    spread_prepaid: bool = True
    minimum_confidence: float = 0.5
    rules_digest: str = ""
    definition_version: str = DEFINITION_VERSION

    def __post_init__(self) -> None:
        if self.basis not in BASES or self.recharges not in RECHARGES:
            raise CostError(f"basis is one of {', '.join(BASES)}; recharges one of {', '.join(RECHARGES)}")
        if not 0 <= self.minimum_confidence <= 1:
            raise CostError(f"minimum_confidence {self.minimum_confidence} is not from 0 to 1")

    def changes(self, other: Method) -> tuple[str, ...]:
        """Return what differs between two methods, by name: empty where figures may be compared."""
        names = {
            "basis": "basis",
            "recharges": "recharges",
            "spread_prepaid": "spreading of prepaid",
            "minimum_confidence": "least confidence",
            "rules_digest": "rules",
            "definition_version": "definition version",
        }
        return tuple(label for name, label in names.items() if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True, slots=True)
class CostLine:
    """A line as counted (a part, where prepaid was spread) and what it pays for."""

    line: LedgerLine
    result: Classification


@dataclass(frozen=True, slots=True)
class CostBook:
    """A classified ledger on one basis; `on_basis` keeps what was left out and why."""

    lines: tuple[CostLine, ...]
    on_basis: OnBasis
    method: Method

    def select(self, financial_year: int, measure: Measure = "outturn") -> tuple[CostLine, ...]:
        """Return the lines of one year and measure: budget, forecast and outturn are never added together."""
        return tuple(
            entry
            for entry in self.lines
            if entry.line.financial_year == financial_year and entry.line.measure == measure
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One share; amounts in pence, ratios as fractions of 1.

    `denominator_pence` is None where there are no lines. `unclassified_pence` is the net of what is open,
    `open_credits_pence` (nought or below) and `open_charges_pence` (nought or above) its two sides. `low`, `high`:
    bounds that hold for any answer to what is open. `value` is numerator over denominator, None with `reason` where
    no single figure may be given. Shares of credits may leave 0 to 1; they are not clipped.
    """

    definition: DefinitionText
    numerator_pence: int
    denominator_pence: int | None
    unclassified_pence: int
    open_credits_pence: int
    open_charges_pence: int
    low: float | None
    high: float | None
    value: float | None
    reason: str | None
    lines: int


def cost_book(
    lines: Iterable[LedgerLine],
    rules: CostRules,
    *,
    basis: Basis,
    recharges: Recharges = "neither",
    spread_prepaid: bool = True,
    minimum_confidence: float = 0.5,
    corrections: Iterable[Correction] = (),
) -> CostBook:
    """Return the ledger on one basis, classified by `rules` and corrected by people.

    Raises CostError or LedgerError for choices that are none.
    """
    method = Method(
        basis=basis,
        recharges=recharges,
        spread_prepaid=spread_prepaid,
        minimum_confidence=minimum_confidence,
        rules_digest=rules.digest,
    )
    counted = on_basis(with_kinds(lines, rules), basis, recharges=recharges, spread_over_days=spread_prepaid)
    results = classify_lines(counted.counted, rules, corrections)
    entries = tuple(CostLine(line, result) for line, result in zip(counted.counted, results, strict=True))
    return CostBook(entries, counted, method)


def membership(definition: Definition, result: Classification, minimum_confidence: float) -> bool | None:
    """Return whether a line is in the numerator of `definition`; None where that is open."""
    if result.confidence < minimum_confidence:
        return None
    run = {"run": True, "change": False, "unknown": None}[result.intent]
    answers: dict[str, bool | None] = {"yes": True, "no": False, "unknown": None}
    if definition == "A":
        return run
    if definition == "B":
        return answers[result.maintenance]
    legacy = answers[result.legacy]
    if run is False or legacy is False:
        return False
    return True if run and legacy else None


class Recharge(NamedTuple):
    """What both sides of a recharge have alike: their reference, else their period and pence."""

    reference: str | None
    accounting_period: int | None = None
    charged_pence: int = 0


def _answered_as(line: LedgerLine) -> Facts | Recharge:
    """Return what a line is answered with: recharges are counted with both sides or not at all."""
    if line.kind not in ("recharge_in", "recharge_out"):
        return facts_of(line)
    if line.recharge_reference is not None:
        return Recharge(line.recharge_reference)
    charged = line.amount_pence if line.kind == "recharge_in" else -line.amount_pence
    return Recharge(None, line.accounting_period, charged)


def share(
    definition: Definition,
    entries: Iterable[tuple[int, Facts | Recharge, Classification]],
    minimum_confidence: float,
) -> Share:
    """Return one share of (pence, facts, classification) entries of one year and one measure.

    Open amounts with the same facts are netted first: no rule can tell them apart, so a charge and its credit note
    are always answered alike, and cancel here as they do in the ledger. So do the two sides of one recharge: both are
    one thing that one part of the organisation does for another.
    """
    numerator = lines = total = 0
    open_by_facts: defaultdict[Facts | Recharge, int] = defaultdict(int)
    for pence, facts, result in entries:
        lines += 1
        total += pence
        member = membership(definition, result, minimum_confidence)
        if member is None:
            open_by_facts[facts] += pence
        elif member:
            numerator += pence
    credited = sum(pence for pence in open_by_facts.values() if pence < 0)
    charged = sum(pence for pence in open_by_facts.values() if pence > 0)
    reason = _why_no_figure(charged - credited, total, lines)
    positive = total > 0
    return Share(
        definition=DEFINITIONS[definition],
        numerator_pence=numerator,
        denominator_pence=total if lines else None,
        unclassified_pence=credited + charged,
        open_credits_pence=credited,
        open_charges_pence=charged,
        low=(numerator + credited) / total if positive else None,
        high=(numerator + charged) / total if positive else None,
        value=numerator / total if reason is None else None,
        reason=reason,
        lines=lines,
    )


def _why_no_figure(open_pence: int, total_pence: int, lines: int) -> str | None:
    if not lines:
        return "there are no lines"
    if total_pence <= 0:
        return "the total is nought or below"
    if 100 * open_pence <= UNCLASSIFIED_LIMIT_PERCENT * total_pence:
        return None
    return (
        f"{100 * open_pence / total_pence:.0f} % of the total is unclassified, more than "
        f"{UNCLASSIFIED_LIMIT_PERCENT} %: only bounds can be given"
    )


def shares(book: CostBook, entries: Sequence[CostLine]) -> dict[Definition, Share]:
    """Return the three shares of `entries` of `book`; CostError where they mix years or measures."""
    if len({(entry.line.financial_year, entry.line.measure) for entry in entries}) > 1:
        raise CostError("a share is of one financial year and one of budget, forecast or outturn")
    rows = [(entry.line.amount_pence, _answered_as(entry.line), entry.result) for entry in entries]
    return {letter: share(letter, rows, book.method.minimum_confidence) for letter in DEFINITIONS}


Place = tuple[str | int | None, ...]
_GROUPINGS: Mapping[str, Callable[[LedgerLine], Place]] = {
    "cost_centre": lambda line: (line.cost_centre,),
    "accounting_period": lambda line: (line.accounting_period,),
    "both": lambda line: (line.cost_centre, line.accounting_period),
}


def shares_by(
    book: CostBook,
    financial_year: int,
    by: Literal["cost_centre", "accounting_period", "both"],
    measure: Measure = "outturn",
) -> dict[Place, dict[Definition, Share]]:
    """Return the shares per (cost centre,), (accounting period,) or (cost centre, accounting period), in order.

    None is where the ledger does not say, and comes last. Numerators, denominators and net unclassified of the parts
    sum to the year's. Raises CostError for another grouping.
    """
    if by not in _GROUPINGS:
        raise CostError(f"shares are grouped by one of {', '.join(_GROUPINGS)}")
    groups: defaultdict[Place, list[CostLine]] = defaultdict(list)
    for entry in book.select(financial_year, measure):
        groups[_GROUPINGS[by](entry.line)].append(entry)
    return {place: shares(book, groups[place]) for place in sorted(groups, key=_in_order)}


def _in_order(place: Place) -> tuple[tuple[bool, str], ...]:
    return tuple((part is None, f"{part:02d}" if isinstance(part, int) else str(part)) for part in place)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Lines on which rules disagree: which decided, which were against, how many and how much (pence)."""

    decided: str
    against: tuple[str, ...]
    lines: int
    pence: int


def conflicts(entries: Iterable[CostLine]) -> tuple[Conflict, ...]:
    """Return where rules disagree with each other, or a person with a rule, the largest sums first."""
    found: defaultdict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for entry in entries:
        if entry.result.conflicts:
            decided = entry.result.rule or f"corrected by {entry.result.corrected_by}"
            found[decided, entry.result.conflicts].append(entry.line.amount_pence)
    listed = [Conflict(decided, against, len(sums), sum(sums)) for (decided, against), sums in found.items()]
    return tuple(sorted(listed, key=lambda one: (-abs(one.pence), one.decided, one.against)))
