"""The report of the IT estate's energy and carbon: kWh at the wall first, then tonnes, and why they changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from fractions import Fraction

from roadworthy_collector.carbon.emitted import ELECTRICITY, SCOPES
from roadworthy_collector.carbon.estate import ALLOCATION, Estate
from roadworthy_collector.carbon.report_carbon_tables import charts_of, exclusions, tables_of
from roadworthy_collector.carbon.report_change import (
    MODELS_RULE,
    Compared,
    compare_what_is_there,
    models_of,
)
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.report_left_out import left_out
from roadworthy_collector.carbon.report_model import (
    Content,
    FactorUsed,
    Figure,
    Line,
    Sum,
    Term,
    number,
    sum_of,
    used,
)
from roadworthy_collector.carbon.sums import Energy
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.factor_rules import resolve, set_name
from roadworthy_inventory.carbon.factors import ITEM_WORDS, Item
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.power_coverage import how_sure
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.years import year_days

PLACE_WORDS: Mapping[str, str] = {
    "force": "own sites",
    "data_centre": "data centres",
    "unknown": "place not stated, counted as own sites",
    "home": "at home",
    "partner": "landlords' and partners' sites",
    "vehicle": "vehicles, whose fuel is in scope 1",
}
MINUS = "\N{MINUS SIGN}"
_NO_ENERGY = (
    "No energy is known of any device here: nought is what the sums come to, and not what was used. A virtual machine draws "
    "nothing of its own: its host does."
)
SMALL_TONNES = 10  # below it the first page prints kilograms too
_METHOD = (
    (
        "Energy is at the wall, per device and day, from what agents report: metered where a meter is at the wall, else "
        "read from sensors, else modelled from the time in each state and the power of the class and generation, else "
        "assumed for the class. The four are kept apart through every sum."
    ),
    (
        "Low and high: errors of a model that devices share add in a straight line, devices' own errors in "
        "quadrature, and so do errors of different models. The interval is of the energy; the factor's own error is not "
        "published and is not in it."
    ),
    (
        "Tonnes are kWh x factor / 1000, worked out exactly and rounded half up once. Scope 2 is location-based: own "
        "sites and data centres at the factor of generation; their losses of transmission and distribution are scope 3. "
        "At home and at partners' sites is scope 3, losses included. Well-to-tank is scope 3 and shown apart."
    ),
    (
        "A device that is off or asleep is counted by the time it was so. Time nobody knows anything of is counted as "
        "unknown and has no energy here: the figures are what is known, and the coverage says how much that is."
    ),
    "Restricted sites are in totals only. Energy is not about persons, so small groups are not suppressed.",
)


def factors_of(inputs: Inputs, began: int, items: Sequence[Item] = ELECTRICITY) -> dict[str, FactorUsed]:
    """Return the factors of a financial year by the rule that was chosen; a missing one says why."""
    first, last = year_days(began)
    return {
        item: used(item, ITEM_WORDS[item], resolve(inputs.book, item, first, last, inputs.rule))
        for item in items
    }


def provisional_of(inputs: Inputs, began: int, items: Sequence[Item]) -> list[str]:
    """Return the factor sets among those used that were only seen second hand."""
    first, last = year_days(began)
    found = (resolve(inputs.book, item, first, last, inputs.rule) for item in items)
    return sorted({set_name(one) for one in found if one.provisional and one.value is not None})


def ledger_lines(estate: Estate, journals: Mapping[str, Fraction]) -> dict[str, Line]:
    """Return a line for each place of consumption that has energy or a journal."""
    found = {}
    for place, words in PLACE_WORDS.items():
        energy, journal = estate.energy_at(place), journals.get(place, Fraction(0))
        if energy.whole_joules or journal:
            found[place] = Line(place, words, energy.kwh, "energy ledger of the agents", (place,), journal)
    return found


def kwh_figure(energy: Energy, journals: Fraction) -> Figure:
    """Return energy with its interval; journals move all three alike, and the low end no further than to nought."""
    ends = (Fraction(one, JOULES_PER_KWH) + journals for one in (energy.low_joules, energy.high_joules))
    low, high = (number(max(Fraction(0), one)) for one in ends)
    value = number(energy.kwh + journals)
    return Figure("kwh", "Electricity at the wall", value, "kWh", 0, low, high, ALLOCATION)


def _ensure_enough(lines: Mapping[str, Line]) -> None:
    """Raise CarbonError where adjustments take more kWh away at a place than were used there."""
    for one in lines.values():
        if (left := one.kwh + one.journals_kwh) < 0:
            raise CarbonError(
                f"adjustments take {float(-left):,.0f} kWh more away at {one.name!r} ({one.title}) than were used there"
            )


def nothing_held(inputs: Inputs, began: int) -> str:
    """Return why there is nothing to report of a year: nobody told anything, or it is not made yet."""
    year = financial_year_label(began)
    if inputs.pending:
        return (
            f"the energy ledger of {year} is not made yet ({', '.join(inputs.pending)}): the jobs process makes about a "
            "month a minute, so ask again later"
        )
    return f"nothing is held of {year}: no device told anything in it, and unknown is not nought"


def build(
    inputs: Inputs,
    began: int,
    estate: Estate,
    before: Estate,
    like: tuple[Estate, Estate] | None = None,
) -> Content:
    """Return the report's content of the year that begins in `began`, beside the year before.

    `like`: both years, the one before first, over the months closed in both, where one is not complete.

    Raises CarbonError where nothing is held of the year, MissingFactorError where it has no factor of generation.
    """
    factors = factors_of(inputs, began)
    if not estate.total.days and not inputs.journals:
        raise CarbonError(nothing_held(inputs, began))
    generation = (
        Fraction(str(factors["generation"].value)) if factors["generation"].value is not None else None
    )
    if generation is None:
        first, last = year_days(began)
        resolve(inputs.book, "generation", first, last, inputs.rule).require()
    lines = ledger_lines(estate, inputs.journals)
    _ensure_enough(lines)
    sums = _sums(lines, factors)
    if like is None:
        both = {"after": lines, "before": ledger_lines(before, inputs.journals_before)}
    else:  # adjustments are of whole years
        both = {"after": ledger_lines(like[1], {}), "before": ledger_lines(like[0], {})}
    compared = compare_what_is_there(inputs, began, estate, before, both, like)
    tables = tables_of(inputs, began, estate, sums, generation or Fraction(0), compared)
    return Content(
        kind="carbon",
        began=began,
        year=financial_year_label(began),
        title="Energy and carbon of the IT estate",
        made_at=inputs.now,
        code_version=inputs.code_version,
        simulated=inputs.simulated,
        figures=_figures(inputs, estate, lines, sums, factors),
        sentences=_sentences(estate, compared, inputs),
        tables=tables,
        charts=charts_of(compared.change, tables),
        factors=list(factors.values()),
        lines=list(lines.values()),
        sums=sums,
        method=(*_METHOD[:2], *how_sure(), *_METHOD[2:]),
        exclusions=[*exclusions(estate, inputs.apart), *left_out(inputs.left_out_joules)],
        rules={"factor rule": inputs.rule, MODELS_RULE: models_of(estate), **inputs.rules},
        provisional=provisional_of(inputs, began, ELECTRICITY),
    )


def _sums(lines: Mapping[str, Line], factors: Mapping[str, FactorUsed]) -> list[Sum]:
    """Return the total and the tonnes by scope; a sum whose factor is missing is left out, the table says why."""
    emitting = [name for name in lines if SCOPES[name] != 1]
    own = [name for name in emitting if SCOPES[name] == 2]
    generation, losses = ELECTRICITY[:1], ELECTRICITY[1:2]
    wanted = (
        ("total", "All electricity at the factor of generation", emitting, generation),
        ("scope2_location", "Scope 2: own sites and data centres, location-based", own, generation),
        ("scope3_td", "Scope 3: losses of transmission and distribution of scope 2", own, losses),
        ("scope3_home", "Scope 3: at home, generation and losses", ["home"], generation + losses),
        (
            "scope3_partner",
            "Scope 3: at partners' sites, generation and losses",
            ["partner"],
            generation + losses,
        ),
        ("scope3_wtt", "Scope 3: well-to-tank of generation and losses", emitting, ELECTRICITY[2:]),
    )
    return [
        sum_of(
            name,
            title,
            "tCO2e",
            3,
            [Term(line, key) for line in of if line in lines for key in keys],
            lines,
            factors,
        )
        for name, title, of, keys in wanted
        if all(factors[key].value is not None for key in keys)
    ]


def _figures(
    inputs: Inputs,
    estate: Estate,
    lines: Mapping[str, Line],
    sums: Sequence[Sum],
    factors: Mapping[str, FactorUsed],
) -> list[Figure]:
    kwh = kwh_figure(estate.total, sum((one.journals_kwh for one in lines.values()), Fraction(0)))
    total = next(one for one in sums if one.name == "total")
    factor = factors["generation"].value or Fraction(0)
    # The interval is that of the energy that emits, at the one factor.
    off = [
        Fraction(end - estate.total.whole_joules, JOULES_PER_KWH) * factor / 1000
        for end in (estate.total.low_joules, estate.total.high_joules)
    ]
    places = 1 if total.tonnes >= SMALL_TONNES else 3
    ends = [number(max(Fraction(0), total.tonnes + one), places) for one in off]
    first = f"factor set {inputs.set_of(factors['generation'])}, {inputs.rule} rule"
    return [
        kwh,
        Figure(
            "total",
            "Emissions, location-based",
            number(total.tonnes, places),
            "tCO2e",
            places,
            ends[0],
            ends[1],
            first,
        ),
        Figure(
            "devices",
            "Devices in the busiest month",
            float(estate.total.devices),
            "device" if estate.total.devices == 1 else "devices",
        ),
        _coverage(estate.total),
    ]


def _coverage(whole: Energy) -> Figure:
    ratio = whole.coverage_ratio
    hours = (whole.unknown_seconds + whole.silent_seconds) / 3600
    note = f"{hours:,.0f} device-hours are unknown and have no energy here"
    share = None if ratio is None else round(ratio * 100, 1)
    return Figure("coverage", "Time something is known of", share, "%", 1, note=note)


def _sentences(estate: Estate, compared: Compared, inputs: Inputs) -> list[str]:
    found = [] if estate.total.whole_joules else [_NO_ENERGY]
    found += compared.first
    if compared.change is not None:
        found.append(compared.change.sentence)
        seen = compared.change.parts["coverage"]
        if abs(seen) * 2 > abs(compared.change.tonnes):
            found.append(
                f"{'+' if seen > 0 else MINUS}{number(abs(seen), 1):,} t of the change is that {'more' if seen > 0 else 'less'} "
                "of the devices' time is known than the year before, and nothing anybody used or saved."
            )
        found.append(
            "Devices are compared as device-years: days from enrolment to retirement by the days of "
            f"{'these months' if compared.months else 'the year'}. Each part of the change has its reason in the table of it."
        )
    found += compared.notes
    if not estate.complete:
        begun = f"{dt.datetime.fromtimestamp(inputs.now, dt.UTC):%Y-%m}"
        missing = [one.month for one in estate.months if not one.closed and one.month <= begun]
        ahead = sum(one.month > begun for one in estate.months)
        told = f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} not closed" if missing else ""
        told += f"{', and ' if told else ''}{ahead} months have not begun" if ahead else ""
        found.append(f"The year is not complete: {told}.")
    if inputs.pending:
        found.append(
            f"Not made yet, so not in the figures: {', '.join(inputs.pending)}. They come by themselves."
        )
    if inputs.simulated:
        found.append(
            "This IT estate is simulated: every figure is made up, and this report cannot be issued."
        )
    return found
