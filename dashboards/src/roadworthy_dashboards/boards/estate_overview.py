"""The IT estate on one screen: who reports, how roadworthy it is, what it uses, emits and costs, what is not known."""

from __future__ import annotations

from collections.abc import Iterable

from roadworthy_dashboards import bands, thresholds
from roadworthy_dashboards.boards import estate_parts
from roadworthy_dashboards.charts import Column, Key, banded, upright
from roadworthy_dashboards.links import UIDS, label, to_board, to_console
from roadworthy_dashboards.panels import (
    About,
    Look,
    Panel,
    Query,
    Words,
    bars,
    board,
    each,
    number,
    override,
    step_colours,
)
from roadworthy_dashboards.queries import counted, held, share, summed, this_year
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import columns
from roadworthy_dashboards.variables import console

_KWH = 3_600_000
_MEASURED = "metered or sensor"
_FOLDED = {
    "Who reports, over time and by site": estate_parts.reporting,
    "Use": estate_parts.use,
    "What is not measured": estate_parts.not_measured,
    "Register and organisation": estate_parts.register,
    "What there is": estate_parts.composition,
}


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["estate_overview"],
        "Roadworthy: IT estate",
        "One screen: devices and their ratings, support, energy, carbon, cost and staff time, with what is not known. "
        "Restricted sites are in totals only.",
        [
            ("Now", _now()),
            ("Roadworthy and in support", _condition()),
            ("Energy, carbon, cost and time", _means()),
            *((title, parts()) for title, parts in _FOLDED.items()),
        ],
        About(
            audience=("desktop-support", "sustainability", "replacement", "operations"),
            variables=[console()],
            folded=tuple(_FOLDED),
        ),
    )


def _now() -> list[Panel]:
    return [
        _what_it_is(),
        number(
            Words(
                "Devices by state",
                "Reporting: heard within the call interval and a grace; late: after that; missing: not heard for three "
                "intervals; retired: taken out of service. Counted from reports, restricted sites included.",
                "short",
            ),
            *each(
                held("roadworthy_estate_devices", "state", where="{it}"), "state", _same(thresholds.STATES)
            ),
            width=10,
            look=Look(
                height=5,
                colours=thresholds.STATES,
                links=[to_console(f"/devices?state={label('state')}", "Open these devices")],
            ),
        ),
        number(
            Words(
                "Matched to each other",
                "Of register items that could report, those matched to a device or an MDM record; of devices in service, "
                "those matched to a register item. What is not matched is unknown to one of the two.",
                "percentunit",
            ),
            Query(held("roadworthy_match_ratio", "side"), "{{side}}"),
            width=5,
            look=Look(height=5, levels=thresholds.MATCH_RATIO, decimals=0),
        ),
        _unknown(),
    ]


def _what_it_is() -> Panel:
    return number(
        Words(
            "This IT estate is",
            "SIMULATED means that every figure on this board is made up by `make demo`. Told by the database's stamp.",
            "short",
        ),
        Query(_simulated(), "{{is}}"),
        width=4,
        text=True,
        look=Look(height=5, colours={"real": thresholds.QUIET, "SIMULATED": thresholds.LOOK}),
    )


def _unknown() -> Panel:
    return number(
        Words(
            "Not known",
            "Devices without a rating because nothing current is known of them, whose support cannot be told, whose age "
            "is not held, and of which Windows 11 cannot be answered. They are counted here and in no other figure.",
            "short",
        ),
        Query(counted("roadworthy_rated_devices", 'verdict="no data"'), "rating"),
        Query(counted("roadworthy_support_devices", 'status="unknown"'), "support"),
        Query(counted("roadworthy_age_devices", 'band="unknown"'), "age"),
        Query(counted("roadworthy_windows11_devices", 'answer="unknown"'), "Windows 11"),
        width=5,
        look=Look(height=5),
    )


def _simulated() -> str:
    """Return 1 by what the IT estate is, in words: real or SIMULATED."""
    named = held("roadworthy_estate_info", "simulated")
    for value, word in (("true", "SIMULATED"), ("false", "real")):
        named = f'label_replace({named}, "is", "{word}", "simulated", "{value}")'
    return named


def _condition() -> list[Panel]:
    return [
        _ratings(),
        _support(),
        number(
            Words(
                "Legacy systems",
                "Systems with a device out of support, told from the devices; those red-rated by people's signed scores; and "
                "all systems. A system with an unsigned criterion has no red rating yet.",
                "short",
            ),
            Query(counted("roadworthy_systems", 'standing="legacy"'), "legacy"),
            Query(held("roadworthy_red_rated_systems"), "red-rated"),
            Query(summed("roadworthy_systems", of=("standing",)), "all systems"),
            width=8,
            look=Look(height=7, colours={"legacy": thresholds.LOOK, "red-rated": thresholds.ACT}),
        ),
    ]


def _ratings() -> Panel:
    return bars(
        Words(
            "Ratings",
            "Devices in service by what the rating rules in force say of what is measured. Observing: in its first "
            "weeks; no data: nothing current is known, which is neither good nor bad.",
            "short",
        ),
        *each(
            counted("roadworthy_rated_devices", "{it}"),
            "verdict",
            _same(thresholds.VERDICTS),
        ),
        width=8,
        look=Look(
            height=7, colours=thresholds.VERDICTS, links=[to_board("legacy_and_ageing", "Why, and where")]
        ),
    )


def _support() -> Panel:
    return bars(
        Words(
            "Operating systems in support",
            "Devices, and records without an agent, by whether security updates still come: by the vendors' dates. "
            "Unknown: the system or its dates are not known.",
            "short",
        ),
        *each(counted("roadworthy_support_devices", "{it}"), "status", bands.SUPPORT),
        width=8,
        look=Look(
            height=7,
            colours=thresholds.SUPPORT,
            links=[to_board("legacy_and_ageing", "By date and site")],
        ),
    )


def _means() -> list[Panel]:
    return [_electricity(), _this_year(), _emissions(), _cost_shares(), _staff_time()]


def _electricity() -> Panel:
    return banded(
        Words(
            "Electricity of each month, kWh",
            "At the wall, of closed months, by how it is known. Devices nothing is known of are in no bar, and a month the "
            "energy ledger has not made yet has none.",
            "kwatth",
        ),
        "month",
        f"{held('roadworthy_energy_month_joules', 'month', 'quality')} / {_KWH}",
        "quality",
        _same(thresholds.QUALITIES),
        width=6,
        look=Look(colours=thresholds.QUALITIES),
    )


def _this_year() -> Panel:
    measured = this_year("roadworthy_energy_month_joules", "quality", where='quality=~"metered|sensor"')
    every = f"sum ({this_year('roadworthy_energy_month_joules', 'quality')})"
    panel = number(
        Words(
            "This financial year so far",
            "Electricity at the wall in its closed months, and how much of it was metered or told by a sensor; the rest is "
            "modelled or assumed. Devices nothing is known of are in neither.",
            "kwatth",
        ),
        Query(f"{every} / {_KWH}", "electricity"),
        Query(share(f"sum ({measured})", every), _MEASURED),
        width=3,
        look=Look(colours={"electricity": thresholds.QUIET}),
    )
    share_of = [
        override("unit", "percentunit"),
        override("decimals", 0),
        override("thresholds", step_colours(thresholds.MEASURED_RATIO)),
        override("color", {"mode": "thresholds"}),
    ]
    return panel.override_by_name(_MEASURED, share_of)


def _emissions() -> Panel:
    return banded(
        Words(
            "Emissions of each financial year, tonnes of CO2e",
            "Of years that are over, by scope, location-based, by the factor set of the year. The part agents tell is "
            "an allocation inside the billed total; a year without a bar is not worked out.",
            "masst",
        ),
        "year",
        f"{summed('roadworthy_carbon_year_kgco2e', 'year', 'scope', of=('factor_set',))} / 1000",
        "scope",
        bands.SCOPES,
        width=5,
    )


def _cost_shares() -> Panel:
    return columns(
        Words(
            "Shares of IT cost, with bounds",
            "By definition from the general ledger: low and high are what the share is whatever the unclassified turns "
            "out to be; the single figure is left out where more than a tenth is unclassified.",
            "percentunit",
        ),
        [Key("year", "Year"), Key("definition", "Share")],
        *(
            Column(
                title,
                held("roadworthy_cost_share_ratio", "year", "definition", where=f'bound="{bound}"'),
                "percentunit",
                decimals=1,
            )
            for bound, title in (("low", "At least"), ("value", "Figure"), ("high", "At most"))
        ),
        width=6,
        sort="Year",
    )


def _staff_time() -> Panel:
    return upright(
        Words(
            "Staff hours lost to waiting, by month",
            "Above a good length in attended start-ups and sign-ins, in hours; not cashable. A month with fewer than "
            "five devices is left out.",
            "short",
        ),
        "month",
        Column("hours", f"{held('roadworthy_staff_time_lost_seconds', 'month')} / 3600"),
        width=4,
    )


def _same(names: Iterable[str]) -> dict[str, str]:
    """Return names that are called what they are."""
    return {name: name for name in names}
