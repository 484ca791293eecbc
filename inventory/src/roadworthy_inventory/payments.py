"""Published supplier payments: what they say of IT, and what they cannot.

They are payments, not the IT budget: no pay, nothing under the publication threshold, no recharges, no accruals. So
a share of them has a title of its own, never a target, and its page says what is missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal

from roadworthy_inventory.cost_rules import Classification, CostRules, Facts
from roadworthy_inventory.costs import DEFINITIONS, Definition, Share, share
from roadworthy_inventory.ledger import CapitalOrRevenue

TITLE = "share of published supplier payments"
MISSING = (
    "pay of staff",
    "payments under the publication threshold (often £500 or £25,000)",
    "internal recharges",
    "accruals and prepayments: a payment counts in the month it was made",
    "depreciation",
    "what was left out of publication",
)
_VAT_NOT_TOLD = "irrecoverable VAT, on lines whose file tells a net amount only"
_VAT_INSIDE = (
    "nothing tells recoverable VAT apart on lines with a gross amount or one that does not say which"
)
VAT_BASES = ("net", "gross", "unknown")
VatBasis = Literal["net", "gross", "unknown"]

_REDACTED = ("redacted", "name withheld", "withheld", "data protection", "not disclosed", "undisclosed")


class PaymentError(ValueError):
    """A payment line that cannot be; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentLine:
    """One published line; pence, negative for credit notes. Codes are texts: their leading noughts count.

    `net_pence`, `gross_pence`: without and with recoverable VAT, where told apart. `amount_pence`: the amount of a
    file that does not say which. `irrecoverable_vat_pence`: VAT the body cannot claim back, on top of net.
    `invoice_total_pence`: the whole invoice this line is part of, never added up. `supplier` is None where redacted.
    Raises PaymentError for a line without any amount.
    """

    paid: date | None = None
    net_pence: int | None = None
    gross_pence: int | None = None
    amount_pence: int | None = None
    irrecoverable_vat_pence: int | None = None
    invoice_total_pence: int | None = None
    supplier: str | None = None
    supplier_redacted: bool = False
    supplier_id: str | None = None
    reference: str | None = None
    transaction: str | None = None
    invoice: str | None = None
    code: str | None = None
    expense_type: str | None = None
    category: str | None = None
    department: str | None = None
    cost_centre: str | None = None
    description: str | None = None
    contract: str | None = None
    capital_revenue: CapitalOrRevenue = "unknown"
    card: bool | None = None
    credit_note: bool = False
    body: str | None = None
    source: str = ""
    source_line: int = 0

    def __post_init__(self) -> None:
        if self.net_pence is None and self.gross_pence is None and self.amount_pence is None:
            raise PaymentError("a payment needs an amount: net, gross, or one that does not say which")

    @property
    def vat_basis(self) -> VatBasis:
        """What `cost_pence` holds: net wherever the file tells it."""
        if self.net_pence is not None:
            return "net"
        return "gross" if self.gross_pence is not None else "unknown"

    @property
    def cost_pence(self) -> int:
        """Cost as far as the file tells it: net plus irrecoverable VAT, else gross, else the bare amount."""
        if self.net_pence is not None:
            return self.net_pence + (self.irrecoverable_vat_pence or 0)
        # Gross holds all VAT, the irrecoverable too.
        return (self.gross_pence if self.gross_pence is not None else self.amount_pence) or 0

    @property
    def facts(self) -> Facts:
        """What rules see: every wording of the purpose together, because bodies use any one of them."""
        wordings = (self.description, self.expense_type, self.category, self.department)
        return Facts(
            self.code, self.supplier, " | ".join(text for text in wordings if text) or None, self.cost_centre
        )


def is_redacted(supplier: str | None) -> bool:
    """Whether a supplier's name was replaced before publication, as in `REDACTED PERSONAL DATA` or `XXXX`.

    An empty name is not told, which is not the same.
    """
    if supplier is None or not supplier.strip():
        return False
    text = " ".join(supplier.casefold().split())
    blackened = set(text) <= set("x*#- \u2588") and len(text) > 2
    return blackened or any(word in text for word in _REDACTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentShare:
    """A share of published supplier payments: not a ledger share, so no target can be set on it.

    `share` holds figures and bounds. `missing` says what such files lack. The counts and pence tell what is behind
    it: lines that are not IT, redacted suppliers (in the total, seldom classifiable), lines whose VAT basis is not
    told, lines without a date. `mixed_vat` is True where net, gross and unknown amounts are in one total.
    """

    title: str
    share: Share
    missing: tuple[str, ...]
    lines: int
    out_of_scope_lines: int
    out_of_scope_pence: int
    redacted_lines: int
    redacted_pence: int
    lines_by_vat_basis: dict[str, int]
    mixed_vat: bool
    undated_lines: int


def payment_shares(
    lines: Iterable[PaymentLine],
    rules: CostRules,
    *,
    minimum_confidence: float = 0.5,
    whole_body: bool = True,
) -> dict[Definition, PaymentShare]:
    """Return the three shares of published payments.

    `whole_body`: the file holds everything the body buys, so only lines in the rules' scope are IT; off for a file
    already cut down to IT. A redacted supplier's line is in by its wording only.
    """
    in_scope, classify = cache(rules.in_scope), cache(rules.classify)
    chosen: list[PaymentLine] = []
    outside: list[PaymentLine] = []
    for line in lines:
        (chosen if not whole_body or in_scope(line.facts) else outside).append(line)
    entries: list[tuple[int, Facts, Classification]] = [
        (line.cost_pence, line.facts, classify(line.facts)) for line in chosen
    ]
    bases = {basis: sum(line.vat_basis == basis for line in chosen) for basis in VAT_BASES}
    redacted = [line for line in chosen if line.supplier_redacted]
    return {
        letter: PaymentShare(
            title=TITLE,
            share=share(letter, entries, minimum_confidence),
            missing=(*MISSING, *_vat_gaps(chosen)),
            lines=len(chosen),
            out_of_scope_lines=len(outside),
            out_of_scope_pence=sum(line.cost_pence for line in outside),
            redacted_lines=len(redacted),
            redacted_pence=sum(line.cost_pence for line in redacted),
            lines_by_vat_basis=bases,
            mixed_vat=sum(count > 0 for count in bases.values()) > 1,
            undated_lines=sum(line.paid is None for line in chosen),
        )
        for letter in DEFINITIONS
    }


def _vat_gaps(lines: Iterable[PaymentLine]) -> tuple[str, ...]:
    """Return what these lines do not tell of VAT."""
    gaps = set()
    for line in lines:
        if line.vat_basis != "net":
            gaps.add(_VAT_INSIDE)
        elif line.irrecoverable_vat_pence is None:
            gaps.add(_VAT_NOT_TOLD)
    return tuple(sorted(gaps))


@dataclass(frozen=True, slots=True)
class PartInvoice:
    """An invoice whose published lines do not add up to its total (pence): some were not published, or VAT is in it."""

    invoice: str
    supplier: str | None
    lines: int
    published_pence: int
    total_pence: int


def part_invoices(lines: Sequence[PaymentLine]) -> tuple[PartInvoice, ...]:
    """Return invoices whose lines and stated total differ; lines without an invoice or a total are not judged."""
    groups: defaultdict[tuple[str, str | None, int], list[PaymentLine]] = defaultdict(list)
    for line in lines:
        if line.invoice is not None and line.invoice_total_pence is not None:
            groups[line.invoice, line.supplier, line.invoice_total_pence].append(line)
    found = []
    for (invoice, supplier, whole), parts in groups.items():
        published = sum(line.cost_pence for line in parts)
        if published != whole:
            found.append(PartInvoice(invoice, supplier, len(parts), published, whole))
    return tuple(sorted(found, key=lambda part: (part.invoice, part.supplier or "", part.total_pence)))
