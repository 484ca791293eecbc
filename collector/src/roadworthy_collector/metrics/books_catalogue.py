"""The catalogue's rows about the books: register, reconciliation, ratings. All closed vocabularies or bounded."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_REGISTER = "counted from the register, as imported or typed"
_MATCHED = "worked out by the collector from register, MDM export and agents"
_RULES = "worked out by the collector by the rules in force; the bands are ours unless a rule says otherwise"
_PLANNED = (
    "worked out by the collector when the plan was made, from the register, agents and the plan's prices"
)
_HOURLY = "Worked out hourly and after each import."


def _row(name: str, unit: str, text: str, known: str, *labels: str) -> Metric:
    return Metric(f"roadworthy_{name}", Kind.GAUGE, unit, text, known, labels)


BOOKS = (
    _row(
        "register_items",
        "items",
        f"Register items of all kinds by lifecycle state. {_HOURLY}",
        _REGISTER,
        "state",
    ),
    _row(
        "register_age_items",
        "items",
        "Register items not disposed of, by years since they were bought, else since their warranty began; unknown is "
        "a band of its own.",
        _REGISTER,
        "band",
    ),
    _row(
        "warranty_end_items",
        "items",
        "Register items not disposed of, by the month their warranty ends: the coming 24 by name (2026-10), ended: "
        "by now; later; unknown: no date is held.",
        _REGISTER,
        "month",
    ),
    _row(
        "match_ratio",
        "ratio",
        "Share that is matched. register: register items that could report, matched to a device or an MDM record; "
        "agents: devices in service, matched to a register item.",
        _MATCHED,
        "side",
    ),
    _row(
        "register_orphans",
        "items",
        "Register items that could report and share nothing with any device or MDM record.",
        _MATCHED,
    ),
    _row(
        "register_undecided",
        "items",
        "Register items without a match that wait in the review queue for a person.",
        _MATCHED,
    ),
    _row(
        "register_ghosts",
        "records",
        "Devices and MDM records without a register item, by who sees them: agent, mdm, both.",
        _MATCHED,
        "seen_by",
    ),
    _row(
        "rated_devices",
        "devices",
        "Devices in service by their rating: meets, needs attention, action required; observing: in the first weeks; "
        "no data: nothing current is known.",
        _RULES,
        "verdict",
    ),
    _row(
        "import_rated_items",
        "items",
        "Register items and MDM records no agent reports for, by their rating from imports alone.",
        _RULES,
        "verdict",
    ),
    _row(
        "exceptions",
        "entries",
        "Approved entries of the exceptions register. in_force: with more than 30 days left; expiring: in force with 30 "
        "or fewer; expired: over, ended ones included.",
        "counted from the exceptions register",
        "state",
    ),
    _row(
        "excepted_devices",
        "devices",
        "Devices in service with a reason an exception takes out of their rating; the day after it expires it counts.",
        _RULES,
    ),
    _row(
        "organisation_units",
        "units",
        "Units of the organisation there are today, at every level of its tree.",
        "the dated tree of units",
    ),
    _row(
        "organisation_unassigned",
        "rows",
        "What no unit answers for today. devices: in service; items: register items not disposed of; systems; "
        "cost_centres; contracts: those that run.",
        "counted by the collector every ten minutes",
        "kind",
    ),
    _row(
        "plan_items",
        "items",
        "Items of the last replacement plan by what it does with them: replace, ssd, ram, battery, keep; fixed: held by "
        "a lease or an exception; apart: no net can be told; no_offer: nothing offered fits.",
        _PLANNED,
        "action",
    ),
    _row(
        "plan_net_gbp",
        "pounds",
        "Net benefit of the last replacement plan over its years in pounds, at its likely values.",
        _PLANNED,
    ),
    _row(
        "ready_list_items",
        "items",
        "Tickets on each ready list: claim_under_warranty, fit_an_ssd, collect_unused.",
        "worked out by the collector from register, ratings, agents and the last plan's file",
        "list",
    ),
    _row(
        "ready_list_unknown_items",
        "items",
        "Items of which it could not be told whether they belong on the list, or which an exception keeps off it.",
        "worked out by the collector from register, ratings, agents and the last plan's file",
        "list",
    ),
    _row(
        "books_timestamp_seconds",
        "seconds",
        "When the figures of the books were worked out, in seconds since 1970: what is reconciliation, ratings, "
        "register, organisation, lifecycle, plan or lists.",
        "the collector's clock",
        "what",
    ),
)
