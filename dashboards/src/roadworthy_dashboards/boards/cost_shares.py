"""Where the money goes: three shares under three names with their bounds, the target, units, contracts, savings."""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.boards import cost_parts
from roadworthy_dashboards.charts import Column, Key, banded, matrix, upright
from roadworthy_dashboards.links import UIDS, to_console
from roadworthy_dashboards.panels import About, Look, Panel, Query, Words, board, number
from roadworthy_dashboards.queries import held
from roadworthy_dashboards.sdk import Dashboard
from roadworthy_dashboards.tables import columns
from roadworthy_dashboards.variables import console

_LINES = [to_console("/costs", "Open the lines behind it in the console")]
_POUNDS = Look(decimals=0, links=_LINES)
_SHARE = Look(most=1, links=_LINES)
_UNKNOWN = "What is not known has no bar, which is not nought."
_LEDGER = (
    "Worked out from the general ledger by the rules and the basis in force, never from supplier payments."
)
_DEFINITIONS = {
    "run": (
        "A. Run",
        (
            "Cost of running what is there, which is everything that is not change, over all IT cost. Comparable with the "
            "97 % that the National Audit Office published of police forces in 2025."
        ),
    ),
    "maintenance": (
        "B. Maintenance",
        (
            "Hardware and software maintenance, repairs, extended support, break/fix and support desk labour for incidents, "
            "over all IT cost. Comparable with the 85 % that the London Assembly published of one force in 2013."
        ),
    ),
    "legacy": (
        "C. Legacy",
        (
            "Cost of running what is out of support, cannot be updated or is above the accepted risk, never what is merely "
            "old, over all IT cost. Comparable with the 48.9 % of central government in 2019."
        ),
    ),
}
_BOUNDS = {"low": "at least", "value": "single figure", "high": "at most"}


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        UIDS["cost_shares"],
        "Roadworthy: cost shares",
        "What running, maintaining and legacy IT cost as a share of all IT cost, each by its own definition and with its "
        "bounds; the target, units, staff time, contracts, savings and what to replace.",
        [
            ("Three shares, three definitions", _shares()),
            ("The target", _target()),
            ("All IT cost, and what is not classified", _whole()),
            ("By unit", _units()),
            ("Staff time, which is not cash", cost_parts.staff()),
            ("Contracts", cost_parts.contracts()),
            ("Savings of what was switched off", cost_parts.benefits()),
            ("What to replace", cost_parts.plan()),
        ],
        About(audience=("replacement",), variables=[console()]),
    )


def _ratio(bound: str) -> str:
    """Return a bound of the shares by definition and year."""
    return held("roadworthy_cost_share_ratio", "definition", "year", where=f'bound="{bound}"')


def _shares() -> list[Panel]:
    panels: list[Panel] = [
        banded(
            Words(
                f"{name} share by year",
                f"{text} At least and at most are its bounds, whatever the unclassified spending turns out to be; over "
                f"10 % unclassified there is no single figure. {_LEDGER} {_UNKNOWN}",
                "percentunit",
            ),
            "year",
            held("roadworthy_cost_share_ratio", "year", "bound", where=f'definition="{definition}"'),
            "bound",
            _BOUNDS,
            width=8,
            stacked=False,
            look=_SHARE,
        )
        for definition, (name, text) in _DEFINITIONS.items()
    ]
    return [*panels, _in_figures()]


def _in_figures() -> Panel:
    by = ("definition", "year")
    open_ = 'max by (definition, year) (year:roadworthy_cost_unclassified:ratio{job=~"$job"})'
    return columns(
        Words(
            "The three shares in figures",
            "Outturn of the last six years: the shares with their bounds, the cost above the line, and the spending that "
            "the rules leave open, charges and credits both counted up. The definitions overlap and are never added. "
            f"{_LEDGER} A cell without a figure is not known.",
            "short",
        ),
        [Key("definition", "Definition", _LINES), Key("year", "Year")],
        Column("At least", _ratio("low"), "percentunit", decimals=1),
        Column("Single figure", _ratio("value"), "percentunit", decimals=1),
        Column("At most", _ratio("high"), "percentunit", decimals=1),
        Column("Cost", held("roadworthy_cost_gbp", *by), "currencyGBP", decimals=0),
        Column("Not classified", held("roadworthy_cost_unclassified_gbp", *by), "currencyGBP", decimals=0),
        Column(
            "Not classified, of all cost",
            open_,
            "percentunit",
            levels=thresholds.UNCLASSIFIED_RATIO,
            decimals=1,
        ),
        look=Look(height=9),
        sort="Year",
    )


def _target() -> list[Panel]:
    return [*_against_the_line(), *_above_the_line()]


def _against_the_line() -> list[Panel]:
    line = (
        "The target is a cut of ongoing cost in pounds, drawn in a straight line from its base year: the first year shown, "
        "in which line and cost are the same."
    )
    by = ("definition", "year")
    pounds, ratio = held("roadworthy_cost_target_gbp", *by), held("roadworthy_cost_target_ratio", *by)
    of_target = f"and on (definition) {held('roadworthy_cost_target_gbp', 'definition')}"
    return [
        upright(
            Words(
                "Cost and its target",
                f"{line} Cost is by the target's own definition; a year under way shows what is booked so far and is held "
                "against the line once its periods 1 to 12 are. Where no target is set, or it cannot be drawn, it is "
                "not known and there is none.",
                "currencyGBP",
            ),
            "year",
            Column("target", f"max by (year) ({pounds})"),
            Column("booked", f"max by (year) ({held('roadworthy_cost_gbp', *by)} {of_target})"),
            look=_POUNDS,
        ),
        upright(
            Words(
                "The same as a share of all IT cost",
                "With 80 of 100 ongoing and change spending held, 30 % off ongoing cost leaves 56 of 76: 73.7 % and not "
                f"50 %. {line} A year without a single figure is not known and has no bar of its own.",
                "percentunit",
            ),
            "year",
            Column("target", f"max by (year) ({ratio})"),
            Column("single figure", f"max by (year) ({_ratio('value')} {of_target})"),
            width=8,
            look=_SHARE,
        ),
    ]


def _above_the_line() -> list[Panel]:
    ratio = held("roadworthy_cost_target_ratio", "definition", "year")
    return [
        number(
            Words(
                "Share above the target's",
                "The single figure less the target's share, by definition and year: below 0 it is better than the target, up to "
                "half a point above it is on it. A year under way is as booked so far. Without a single figure or a target "
                "a year is not here.",
                "percentunit",
            ),
            Query(f"{_ratio('value')} - {ratio}", "{{definition}} {{year}}"),
            width=4,
            look=Look(levels=thresholds.ABOVE_TARGET_RATIO, decimals=1),
        ),
    ]


def _whole() -> list[Panel]:
    return [
        banded(
            Words(
                "Budget, forecast and outturn",
                "All IT cost as counted, as far as each is booked. In a year under way a budget is of the whole year and "
                f"the outturn of its periods so far. {_LEDGER} {_UNKNOWN}",
                "currencyGBP",
            ),
            "year",
            held("roadworthy_cost_measure_gbp", "year", "measure"),
            "measure",
            stacked=False,
            look=_POUNDS,
        ),
        banded(
            Words(
                "Not classified, by the share it is open for",
                "Outturn that the rules leave open, charges and credits both counted up. It is where the bounds come from: "
                "better rules, or a person's corrections of lines, make it less. Without a ledger it is not known.",
                "currencyGBP",
            ),
            "year",
            held("roadworthy_cost_unclassified_gbp", "year", "definition"),
            "definition",
            {name: name for name in _DEFINITIONS},
            stacked=False,
            look=_POUNDS,
        ),
    ]


def _units() -> list[Panel]:
    return [
        matrix(
            Words(
                f"{name} cost by unit and year",
                "Outturn above the line of this definition by the unit that its cost centre belongs to today; unknown: no cost "
                f"centre, or nobody gave it to a unit. {_LEDGER} The definitions overlap and are never added; a cell without a "
                "figure is not known.",
                "currencyGBP",
            ),
            held("roadworthy_unit_cost_gbp", "unit", "year", where=f'definition="{definition}"'),
            Key("unit", "Unit", [to_console("/organisation", "Open the units in the console")]),
            "year",
            width=8,
            look=Look(decimals=0),
        )
        for definition, (name, _) in _DEFINITIONS.items()
    ]
