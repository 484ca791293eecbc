"""The catalogue's rows about energy at the wall, what it emits, and what is avoidable. All labels are bounded."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_LEDGER = "metered, sensor, modelled and assumed, apart; the label says which"
_ALL = (
    "metered, sensor, modelled and assumed together; roadworthy_energy_year_joules says which part is which"
)


def _row(name: str, unit: str, text: str, known: str, *labels: str) -> Metric:
    return Metric(f"roadworthy_{name}", Kind.GAUGE, unit, text, known, labels)


CARBON = (
    _row(
        "energy_month_joules",
        "joules",
        "Energy at the wall of a closed month by how it is known; the last 25. 3.6 million joules are a kWh. Restated "
        "where late data changes a month.",
        _LEDGER,
        "quality",
        "month",
    ),
    _row(
        "energy_month_share_ratio",
        "ratio",
        "Share of a closed month's energy that is known in this way; the last 25 months.",
        _LEDGER,
        "quality",
        "month",
    ),
    _row(
        "energy_year_joules",
        "joules",
        "Energy at the wall of the closed months of a financial year (named by the year it begins in) by how it is "
        "known; the last five years.",
        _LEDGER,
        "quality",
        "year",
    ),
    _row(
        "energy_year_months",
        "months",
        "Closed months of a financial year that the energy ledger has, of the running one too: twelve of a whole one.",
        _LEDGER,
        "year",
    ),
    _row(
        "carbon_year_kgco2e",
        "kilograms",
        "Emissions of a financial year that is over by line of scope, location-based, with the factor set and its rule "
        "in the label; the last five years. Agents' energy is an allocation inside the billed total.",
        _ALL,
        "scope",
        "factor_set",
        "year",
    ),
    _row(
        "carbon_year_provisional",
        "",
        "1 where a factor the year's emissions rest on is provisional, 0 where all are final.",
        _ALL,
        "year",
    ),
    _row(
        "energy_half_hour_watts",
        "watts",
        "Mean watts of all devices whose energy is metered or sensed, by scope (cpu within machine within wall), in the "
        "newest half-hour that is added up by site; devices without either are not in it.",
        "metered or sensor, as devices told",
        "scope",
    ),
    _row(
        "energy_half_hour_timestamp_seconds",
        "seconds",
        "When the half-hour of roadworthy_energy_half_hour_watts began.",
        "the collector's own",
    ),
    _row(
        "avoidable_joules",
        "joules",
        "Avoidable energy of the last 28 whole local days by what it is; where sleep fails is a part of unused_on. "
        "How devices are used (unused_on, sleep_fails) is told of no fewer than five of them.",
        "modelled by class and state; out_of_family by the devices' own meters and sensors",
        "kind",
    ),
)
