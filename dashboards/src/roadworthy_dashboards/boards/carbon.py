"""Energy at the wall and what it emits: how it is known, by year and scope, what is avoidable, meters, CRC's figures."""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.charts import Column, Key, banded, matrix, upright
from roadworthy_dashboards.links import UIDS, cell, label, to_console
from roadworthy_dashboards.panels import About, Look, Panel, Query, Words, bars, board, lines, number
from roadworthy_dashboards.queries import held, selector
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import columns
from roadworthy_dashboards.variables import console

_OPENED = [to_console("/carbon", "Open the devices behind it in the console")]
_INSIDE = "Agents' energy is an allocation inside the billed total."
_UNKNOWN = "What is not known has no bar, which is not nought."
_NAMED = "Financial years are named by the year they begin in."
_SCOPES = {
    "scope2_location": "scope 2, location-based",
    "scope3_td": "scope 3, losses",
    "scope3_wtt": "scope 3, well-to-tank",
    "scope3_home": "scope 3, homeworking",
    "scope3_partner": "scope 3, partners",
}
_PARTS = {
    "devices": "number of devices",
    "energy": "energy of each",
    "factor": "electricity factor",
    "coverage": "coverage",
    "boundary": "boundary",
    "method": "method",
}
_KINDS = {
    "unused_on": "On and unused",
    "sleep_fails": "Of it, sleep fails",
    "idle_server": "Idle servers",
    "out_of_family": "Out of family",
}
_AVOIDABLE = (
    "unused_on: on and unused outside the shifts, sleep_fails a part of it; idle_server: below 2 % on each of 28 days; "
    "out_of_family: half as much again as its model. Only unused_on and idle_server may be added; the others "
    "overlap them. A kind that nothing could be looked at for is not known and not here."
)
_KWH = 3_600_000  # joules
_WHOLE, _TENTH = Look(decimals=0), Look(decimals=1)
_LABEL = "shown"


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["carbon"],
        "Roadworthy: carbon",
        "Kilowatt-hours at the wall by how they are known, tonnes of CO2e by scope with their factor set, why they "
        "changed, avoidable electricity, the meters, and CRC's notional figures.",
        [
            ("What the figures rest on", _basis()),
            ("Energy at the wall", _energy()),
            ("Emissions", _emissions()),
            ("Avoidable electricity", _avoidable()),
            ("Beside the meters", [_meters()]),
            ("Power and the grid now", _now()),
            ("CRC by compliance year", _crc()),
        ],
        About(audience=("sustainability",), variables=[console()]),
    )


def _basis() -> list[Panel]:
    return [*_factor_sets(), *_months_known()]


def _factor_sets() -> list[Panel]:
    return [
        number(
            Words(
                "Factor set in force, by year",
                f"The conversion factors behind a year's tonnes, and the rule that chose the set. {_NAMED} A year that is "
                "not over, or of which a month is missing, is not known and not here. PROVISIONAL: no report can be issued.",
                "short",
            ),
            Query(_marked("year", "factor_set"), "{{year}}: {{factor_set}}{{mark}}"),
            width=8,
            text=True,
        ),
        number(
            Words(
                "Years with provisional factors",
                "Years one factor of which was quoted by others and not read in the official file: no report on them can "
                "be issued. 0: all factors are final. Before there is a whole year it is not known.",
                "short",
            ),
            Query(f"sum ({held('roadworthy_carbon_year_provisional', 'year')})", "years"),
            width=4,
            look=Look(levels=thresholds.ANY),
        ),
        number(
            Words(
                "Until the newest factor set's period is over",
                "From the end on a newer set is due. By the rule in force: majority, the end of the financial year that "
                "begins in the set's year; blended, of its calendar year. Below 0 it is over; without a set it is not known.",
                "s",
            ),
            Query(
                f"topk(1, {held('roadworthy_factor_set_end_timestamp_seconds', 'factor_set')}) - time()",
                "{{factor_set}}",
            ),
            look=Look(levels=thresholds.FACTOR_SET_LEFT_SECONDS, decimals=0),
        ),
    ]


def _months_known() -> list[Panel]:
    return [
        upright(
            Words(
                "Months each year's energy is known of",
                f"Closed months of a financial year in the energy ledger; twelve make a whole one. {_NAMED} A year with "
                "fewer, the one under way too, is not known as a year and has no yearly figure on this board.",
                "short",
            ),
            "year",
            Column("months", held("roadworthy_energy_year_months", "year")),
            width=6,
            look=Look(most=12),
        ),
    ]


def _energy() -> list[Panel]:
    return [*_by_month(), *_by_year()]


def _by_month() -> list[Panel]:
    how_known = {quality: quality for quality in thresholds.QUALITIES}
    how = "Metered at the wall, told by the device's own sensor, modelled, or assumed."
    look = Look(colours=thresholds.QUALITIES, decimals=0, links=_OPENED)
    return [
        banded(
            Words(
                "Energy by month",
                f"Closed months, restated where late data changes one. {how} {_INSIDE} Time that is not known of a device "
                "adds nothing here and is counted beside the ledger.",
                "kwatth",
            ),
            "month",
            f"{held('roadworthy_energy_month_joules', 'month', 'quality')} / {_KWH}",
            "quality",
            how_known,
            width=24,
            look=look,
        ),
        banded(
            Words(
                "How it is known, by month",
                f"Share of a closed month's energy by how it is known. {how} The four make one; a month without any energy "
                "has no shares.",
                "percentunit",
            ),
            "month",
            held("roadworthy_energy_month_share_ratio", "month", "quality"),
            "quality",
            how_known,
            width=16,
            look=Look(colours=thresholds.QUALITIES, most=1, links=_OPENED),
        ),
    ]


def _by_year() -> list[Panel]:
    how_known = {quality: quality for quality in thresholds.QUALITIES}
    how = "Metered at the wall, told by the device's own sensor, modelled, or assumed."
    look = Look(colours=thresholds.QUALITIES, decimals=0, links=_OPENED)
    return [
        banded(
            Words(
                "Energy by year",
                f"Financial years of which every month is closed. {_NAMED} {how} {_UNKNOWN}",
                "kwatth",
            ),
            "year",
            f"{held('roadworthy_energy_year_joules', 'year', 'quality')} / {_KWH}",
            "quality",
            how_known,
            width=8,
            look=look,
        ),
    ]


def _emissions() -> list[Panel]:
    return [
        banded(
            Words(
                "Tonnes of CO2e by scope, with the year's factor set",
                "Kilowatt-hours times the factors of the set and rule named below the bars; location-based. The lines of "
                f"scope 3 are optional in SECR. {_NAMED} A line without a factor is not known and missing, not nought. "
                f"{_INSIDE}",
                "masst",
            ),
            _LABEL,
            _tonnes(),
            "scope",
            _SCOPES,
            look=Look(decimals=1, links=_OPENED),
        ),
        banded(
            Words(
                "Why CO2e changed against the year before, tonnes",
                "The change of a year's emissions in six parts that add up to it; below 0 is less. What the electricity "
                f"factor did is nothing the organisation did. {_NAMED} Without two years that can be compared it is not "
                "known and empty.",
                "masst",
            ),
            "year",
            f"{held('roadworthy_carbon_change_kgco2e', 'year', 'part')} / 1000",
            "part",
            _PARTS,
            look=Look(decimals=1, links=_OPENED),
        ),
    ]


def _marked(*by: str) -> str:
    """Return emissions by labels, with the label `mark` where a factor of the year is provisional."""
    emissions = held("roadworthy_carbon_year_kgco2e", *by)
    provisional = f"{held('roadworthy_carbon_year_provisional', 'year')} == 1"
    mark = f'label_replace({provisional}, "mark", ", PROVISIONAL", "", "")'
    return f"({emissions} * on (year) group_left (mark) {mark} or on ({', '.join(by)}) {emissions})"


def _tonnes() -> str:
    """Return tonnes by scope, and by year and factor set made one label so that both stand below the bar."""
    named = f'label_join({_marked("scope", "year", "factor_set")}, "{_LABEL}", ": ", "year", "factor_set")'
    return f'max by ({_LABEL}, scope) (label_join({named}, "{_LABEL}", "", "{_LABEL}", "mark")) / 1000'


def _avoidable() -> list[Panel]:
    return [*_avoidable_kinds(), *_avoidable_share()]


def _avoidable_kinds() -> list[Panel]:
    by_kind = Look(
        decimals=0, links=[to_console(f"/avoidable?kind={label('kind')}", "Open its devices in the console")]
    )
    return [
        bars(
            Words(
                "Avoidable electricity of 28 days",
                f"The last 28 whole local days, modelled by class and state. {_AVOIDABLE}",
                "kwatth",
            ),
            Query(f"sort_desc({held('roadworthy_avoidable_joules', 'kind')} / {_KWH})", "{{kind}}"),
            width=9,
            look=by_kind,
        ),
        bars(
            Words(
                "The same in pounds",
                f"At the tariff of the supply that feeds each site, levies in and standing charges not. {_AVOIDABLE} Energy "
                "without a price is in no pound.",
                "currencyGBP",
            ),
            Query(f"sort_desc({held('roadworthy_avoidable_gbp', 'kind')})", "{{kind}}"),
            width=9,
            look=by_kind,
        ),
    ]


def _avoidable_share() -> list[Panel]:
    return [
        number(
            Words(
                "Of all energy, avoidable",
                "On and unused, and idle servers, of 28 days over 28 days of the newest closed month, both partly modelled. "
                "Without a closed month it is not known.",
                "percentunit",
            ),
            Query(f"max ({selector('estate:roadworthy_avoidable:ratio_of_energy')})", "of all"),
            look=_TENTH,
        ),
        matrix(
            Words(
                "Avoidable electricity of 28 days by site",
                "The last 28 whole local days, modelled by class and state. The sites need not add up to the figures above: "
                "restricted ones are left out; of how devices are used (unused_on, sleep_fails) no site under five is named, "
                f"it is in other with the smallest sites, and other is left out where it would tell of a few. {_AVOIDABLE}",
                "kwatth",
            ),
            f"{held('roadworthy_site_avoidable_joules', 'site', 'kind')} / {_KWH}",
            Key(
                "site",
                "Site",
                [to_console(f"/avoidable?site={cell('Site')}", "Open its devices in the console")],
            ),
            "kind",
            _KINDS,
            width=24,
            look=_WHOLE,
        ),
    ]


def _meters() -> Panel:
    share = held("roadworthy_site_devices_meter_share_ratio", "site")
    above = held("roadworthy_site_devices_above_meter_periods", "site")
    return columns(
        Words(
            "Sites: the meters, and the devices' share of them",
            "What half-hourly meters told of a site in the last closed month, and how much of it its devices used: an "
            "allocation inside it, of force sites and data centres alone. Over 100 %, or half-hours above the meter: a "
            "meter, a model or a device's site is wrong. A site without a meter is not here; a cell without a figure is "
            "not known.",
            "short",
        ),
        [Key("site", "Site", [to_console("/meters", "Open the meters in the console")])],
        Column("Metered", f"{held('roadworthy_site_metered_joules', 'site')} / {_KWH}", "kwatth", decimals=0),
        Column("Devices' share", share, "percentunit", levels=thresholds.METER_SHARE_RATIO, decimals=1),
        Column(
            "Half-hours missing",
            held("roadworthy_site_meter_missing_periods", "site"),
            levels=thresholds.ANY,
        ),
        Column("Half-hours above the meter", above, levels=thresholds.ANY_ACT),
        sort="Devices' share",
    )


def _now() -> list[Panel]:
    return [
        lines(
            Words(
                "Power of devices that tell it",
                "Mean watts of the newest half-hour of devices with a meter or a sensor, by scope. Scopes overlap, and not "
                "every device tells all of them, so they are never added. Devices without either are not known and in none.",
                "watt",
            ),
            Query(held("roadworthy_energy_half_hour_watts", "scope"), "{{scope}}"),
        ),
        lines(
            Words(
                "Carbon intensity of the grid, kg of CO2 a kWh",
                "Of this half-hour, losses and imports in, by the Carbon Intensity API of the National Energy System "
                "Operator (CC BY 4.0). To choose a time of day by, never for yearly sums. Where the settings do not ask for "
                "it, or there was no answer, it is not known and there is no line.",
                "short",
            ),
            Query(held("roadworthy_grid_intensity_kgco2_per_kwh", "place"), "{{place}}"),
        ),
    ]


def _crc() -> list[Panel]:
    notional = (
        "Years are named by the one they begin in, are over, and have meters that tell 95 % of their half-hours; others are "
        "not known and have no bar. CO2 alone, not CO2e; the scheme ended in 2019, so every figure is notional."
    )
    parts = {
        "billed": (
            "Billed supply, CRC basis, notional",
            f"What all billed supplies emit by the scheme's factors, in whole tonnes as it asked for. {notional}",
        ),
        "ict": (
            "ICT share of billed supply, CRC basis, notional",
            (
                f"The devices' likely share inside the billed total above, and never added to it, of the sites and months both "
                f"are known of. ICT never was a line of a CRC report. {notional}"
            ),
        ),
    }
    panels: list[Panel] = []
    for part, (title, text) in parts.items():
        where = f'part="{part}"'
        tonnes = Column("tonnes of CO2", held("roadworthy_crc_year_tco2", "year", where=where))
        pounds = Column("allowances", held("roadworthy_crc_year_gbp", "year", where=where))
        panels += [
            upright(Words(title, text, "masst"), "year", tonnes, look=_TENTH),
            upright(
                Words(f"{title}: pounds", f"Allowances of these tonnes. {text}", "currencyGBP"),
                "year",
                pounds,
                look=_WHOLE,
            ),
        ]
    return panels
