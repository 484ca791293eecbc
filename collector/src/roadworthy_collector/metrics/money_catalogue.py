"""The catalogue's rows about staff time, contracts, benefits and disposal. All labels are closed vocabularies or bounded."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_WAITS = (
    "start-ups and sign-ins as devices report them; the reference is yours, else the IT estate's own median"
)
_IMPORTED = "counted from imported contracts"
_CLAIMED = "as claimed and stepped on by people"
_REGISTER = "counted from the register and imported lists of disposals"


def _row(name: str, unit: str, text: str, known: str, *labels: str) -> Metric:
    return Metric(f"roadworthy_{name}", Kind.GAUGE, unit, text, known, labels)


MONEY = (
    _row(
        "staff_time_lost_seconds",
        "seconds",
        "Staff time above a good length in attended start-ups and sign-ins of a month, summed over devices; the last 13 "
        "months. Non-cashable. Left out of a month with fewer than five devices.",
        _WAITS,
        "month",
    ),
    _row(
        "staff_waits",
        "waits",
        "Attended start-ups and sign-ins of a month. counted: held against a good length; slow: those above it.",
        _WAITS,
        "what",
        "month",
    ),
    _row(
        "contract_ends",
        "contracts",
        "Contracts by the month their cover ends: the coming 24 by name (2026-10), ended, later, unknown.",
        _IMPORTED,
        "month",
    ),
    _row(
        "contract_ends_gbp",
        "pounds",
        "Pounds a year of the contracts whose cover ends in one of the coming 24 months, as far as a value is told.",
        _IMPORTED,
        "month",
    ),
    _row(
        "contract_notice_due",
        "contracts",
        "Running contracts whose last day to give notice is within 90 days.",
        _IMPORTED,
    ),
    _row(
        "contract_running_gbp",
        "pounds",
        "Pounds a year of running contracts, as far as a value is told.",
        _IMPORTED,
    ),
    _row(
        "benefits",
        "benefits",
        "Benefits of systems switched off by state: identified, agreed, delivered, removed from budget.",
        _CLAIMED,
        "state",
    ),
    _row(
        "benefit_net_gbp",
        "pounds",
        "Benefits less double running by state, cashable or not, and financial year (named by the year it begins in, five "
        "before and after this one). Where double running is not known a benefit is left out.",
        _CLAIMED,
        "state",
        "cashable",
        "year",
    ),
    _row(
        "disposal_items",
        "items",
        "Register items gone or on their way out by disposal route; unknown: none is recorded.",
        _REGISTER,
        "route",
    ),
    _row(
        "disposal_weight_grams",
        "grams",
        "Weight of disposed items by WEEE category, as recorded; items without a weight add nothing.",
        _REGISTER,
        "category",
    ),
    _row(
        "disposal_weight_unknown",
        "items",
        "Register items gone or on their way out without a recorded weight.",
        _REGISTER,
    ),
    _row(
        "disposal_certificates_missing",
        "items",
        "Data-bearing items that left without a complete data-destruction certificate.",
        _REGISTER,
    ),
)
