"""The catalogue's rows that stand apart by site or by model, beside those of the whole IT estate."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_RULES = "worked out hourly by the rules in force; the bands are ours unless a rule says otherwise"
_DATES = "the vendors' dates, each with its source, and what was told to be bought"
_REGISTER = "the register, matched to devices by the newest reconciliation, and when each last reported"
_MODELLED = "modelled by class and state; out_of_family by the devices' own meters and sensors"


def _row(name: str, unit: str, text: str, known: str, *labels: str) -> Metric:
    return Metric(f"roadworthy_{name}", Kind.GAUGE, unit, text, known, labels)


BY_SITE = (
    _row(
        "site_verdict_devices",
        "devices",
        "Devices in service by site and rating; the values of roadworthy_rated_devices.",
        _RULES,
        "site",
        "verdict",
    ),
    _row(
        "site_reason_devices",
        "devices",
        "Devices that need attention or action, by site and the rule that says so; one of several reasons counts under "
        "each, and one an exception takes out under none. Waits at sign-in at a site of fewer than five count as `other`.",
        _RULES,
        "site",
        "reason",
    ),
    _row(
        "model_reason_devices",
        "devices",
        "The same by model.",
        _RULES,
        "model",
        "reason",
    ),
    _row(
        "site_support_devices",
        "devices",
        "Devices in service, and register items and MDM records no agent reports for, by site and whether their operating "
        "system gets updates; the values of roadworthy_support_devices. Site unknown: nobody says where a record stands.",
        _DATES,
        "site",
        "status",
    ),
    _row(
        "site_support_end_devices",
        "devices",
        "Devices in service, and register items and MDM records no agent reports for, by site and when their security "
        "updates end; the values of roadworthy_support_end_devices.",
        _DATES,
        "site",
        "ends",
    ),
    _row(
        "site_support_end_soon_devices",
        "devices",
        "Those of roadworthy_site_support_end_devices whose security updates end within 30 days.",
        _DATES,
        "site",
    ),
    _row(
        "site_warranty_items",
        "items",
        "Register items not disposed of, by site and when their warranty ends: ended; within_90_days; within_a_year; "
        "later; unknown: no date is held.",
        "counted from the register and imported warranties, whichever ends later",
        "site",
        "band",
    ),
    _row(
        "site_silent_devices",
        "devices",
        "Devices the register calls deployed that were not heard of for three of their intervals, by the site they "
        "enrolled at.",
        _REGISTER,
        "site",
    ),
    _row(
        "site_undeployed_reporting_devices",
        "devices",
        "Devices that report although the register calls them something else than deployed or on loan, by that state: "
        "stores, repair, lost_or_stolen ...; disposed: by serial number or asset tag. No series: no device of the site is "
        "in that state.",
        _REGISTER,
        "site",
        "state",
    ),
    _row(
        "site_avoidable_joules",
        "joules",
        "Avoidable energy of the last 28 whole local days by site. How devices are used (unused_on, sleep_fails) is told "
        "of no site with fewer than five of them; those count under other, with the smallest other sites where they are "
        "too few; other is left out where restricted sites have one to four. What restricted sites have and what is so left "
        "out is missing: of the whole, roadworthy_avoidable_joules, it is the rest.",
        _MODELLED,
        "site",
        "kind",
    ),
    _row(
        "avoidable_gbp",
        "pounds",
        "What roadworthy_avoidable_joules would cost by the tariffs of the sites' supplies; what has no price is in none "
        "of it. Where nothing of a kind has a price there is no series, nor of how devices are used (unused_on, "
        "sleep_fails) where fewer than five of them stand at sites with a price, or would be left when the sites told by "
        "name are taken off.",
        f"{_MODELLED}; tariffs as entered",
        "kind",
    ),
    _row(
        "agent_spooled_devices",
        "devices",
        "Devices in service with an agent by how many items it had still to send at its last report: none, up_to_10, "
        "up_to_100, up_to_1000, more; unknown: it does not tell.",
        "told by agents",
        "band",
    ),
)
