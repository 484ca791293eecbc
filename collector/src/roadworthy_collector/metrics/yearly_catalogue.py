"""The catalogue's rows about financial years by unit and by part, and about what ends on a day."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_CRC = (
    "The last five years that are over, with a reading of every supply, whose meters tell at least 95 % of the half-hours "
    "they should; as the report was issued, else as things stand. Notional: the scheme ended in 2019."
)
_MADE = "as the report of the year says, worked out every five minutes"


def _row(name: str, unit: str, text: str, known: str, *labels: str) -> Metric:
    return Metric(f"roadworthy_{name}", Kind.GAUGE, unit, text, known, labels)


YEARLY = (
    _row(
        "unit_cost_gbp",
        "pounds",
        "Outturn of IT cost in pounds, as roadworthy_cost_gbp, by the unit its cost centre belongs to today; unknown: no "
        "cost centre, or nobody gave it to a unit. The last six years.",
        "worked out from the general ledger by the rules and the basis in force; never from supplier payments",
        "unit",
        "definition",
        "year",
    ),
    _row(
        "crc_year_tco2",
        "tonnes",
        "CRC emissions of a financial year, CO2 alone. billed: whole tonnes of all supplies; ict: the devices' likely "
        f"share inside it, of sites and months both are known of, never added to it. {_CRC}",
        _MADE,
        "part",
        "year",
    ),
    _row(
        "crc_year_gbp",
        "pounds",
        f"What allowances for roadworthy_crc_year_tco2 would cost, bought to comply. {_CRC}",
        _MADE,
        "part",
        "year",
    ),
    _row(
        "carbon_change_kgco2e",
        "kilograms",
        "Why the emissions of a financial year whose months are all closed differ from the year before's, by part: "
        "devices, energy (of each device), factor, coverage, boundary, method. They add up to the difference. Where "
        "nobody told anything of some months of the year before, both are over the others, as in the report.",
        _MADE,
        "part",
        "year",
    ),
    _row(
        "factor_set_end_timestamp_seconds",
        "seconds",
        "End of the period a factor set in force is meant for, in seconds since 1970; the newest three. By the rule in "
        "force: majority, the financial year that begins in its year; blended, its calendar year.",
        "the sets' own years",
        "factor_set",
    ),
)
CERTIFICATES = (
    _row(
        "certificate_end_timestamp_seconds",
        "seconds",
        "When a certificate of the settings ends, in seconds since 1970, the one that ends first where a file has several: "
        "server, client_ca (who signs client certificates), upstream_ca, remote_write_ca. None of a file that is not "
        "set or cannot be read.",
        "read from the files",
        "certificate",
    ),
)
