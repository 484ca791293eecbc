"""The catalogue's rows about cost: outturn of the last financial years, by the ledger."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_LEDGER = (
    "worked out from the general ledger by the rules and the basis in force; never from supplier payments"
)
_SHARES = "run: not change; maintenance; legacy: of what is out of support or above the accepted risk"

COSTS = (
    Metric(
        "roadworthy_cost_share_ratio",
        Kind.GAUGE,
        "ratio",
        f"Share of the outturn of IT cost, 0 to 1, by definition ({_SHARES}). value: the single figure, left out over "
        "10 % unclassified; low and high: bounds whatever is unclassified turns out to be. The last six years.",
        _LEDGER,
        ("definition", "bound", "year"),
    ),
    Metric(
        "roadworthy_cost_gbp",
        Kind.GAUGE,
        "pounds",
        f"Outturn of IT cost in pounds, without recoverable VAT, by definition ({_SHARES}). They overlap.",
        _LEDGER,
        ("definition", "year"),
    ),
    Metric(
        "roadworthy_cost_unclassified_gbp",
        Kind.GAUGE,
        "pounds",
        "Outturn of IT cost in pounds, charges and credits both counted up, that the rules leave open for the "
        "definition for which most is open.",
        _LEDGER,
        ("year",),
    ),
)
