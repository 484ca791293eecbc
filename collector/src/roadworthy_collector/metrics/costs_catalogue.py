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
        "Outturn of IT cost in pounds, charges and credits both counted up, that the rules leave open, by the definition "
        "of a share it is open for (run, maintenance, legacy).",
        _LEDGER,
        ("definition", "year"),
    ),
    Metric(
        "roadworthy_cost_measure_gbp",
        Kind.GAUGE,
        "pounds",
        "All IT cost as counted, in pounds: budget, forecast, outturn, as far as each is booked. In a year under way a "
        "budget is of the whole year and the outturn of its periods so far. The last six years.",
        _LEDGER,
        ("measure", "year"),
    ),
    Metric(
        "roadworthy_cost_target_gbp",
        Kind.GAUGE,
        "pounds",
        "Where the target set in the cost method wants the ongoing cost of its definition to be in each year; left out "
        "where none is set or it cannot be drawn.",
        "drawn from the target and the outturn of its base year",
        ("definition", "year"),
    ),
    Metric(
        "roadworthy_cost_target_ratio",
        Kind.GAUGE,
        "ratio",
        "The same as a share of the definition's whole, 0 to 1.",
        "drawn from the target and the outturn of its base year",
        ("definition", "year"),
    ),
)
