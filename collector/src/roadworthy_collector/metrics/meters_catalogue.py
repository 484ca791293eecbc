"""The catalogue's rows about meters: the last closed month by site; a site past the first 200 is part of `other`."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_METERED = "half-hourly meters of the site's supplies, as their files told"
_SHARE = (
    "the energy ledger's month laid over its half-hours, beside the meters; force sites and data centres only"
)


def _row(name: str, unit: str, text: str, known: str) -> Metric:
    return Metric(f"roadworthy_site_{name}", Kind.GAUGE, unit, text, known, ("site",))


METERS = (
    _row(
        "metered_joules",
        "joules",
        "Electricity used at a site in the last closed month, as its meters told (3.6 million a kWh); what was made on "
        "site counts, what was sent out does not.",
        _METERED,
    ),
    _row(
        "meter_missing_periods",
        "half-hours",
        "Half-hours of the last closed month a site's meters have no figure for.",
        _METERED,
    ),
    _row(
        "devices_meter_share_ratio",
        "ratio",
        "Devices' energy over the meters' in the last closed month, 0 to 1: an allocation inside the billed total. "
        "Over 1 cannot be.",
        _SHARE,
    ),
    _row(
        "devices_above_meter_periods",
        "half-hours",
        "Half-hours of the last closed month in which even the low end of the devices' energy is more than the meter "
        "saw: a meter, a model or a device's site is wrong. Alarm above 0.",
        _SHARE,
    ),
)
