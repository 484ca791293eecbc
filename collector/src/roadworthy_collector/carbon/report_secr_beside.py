"""What stands beside the rows in the shape of SECR: the year before, what contracts cover, the base year and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.report_model import Column, Table, number
from roadworthy_collector.carbon.settings_text import CarbonSettings
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.market import Market
from roadworthy_inventory.carbon.quantities import Co2e
from roadworthy_inventory.carbon.secr import ContractFactor, SecrRow, SecrTable
from roadworthy_inventory.carbon.secr_baseline import BaseYear, PriorYear, progress

# The total is its parts, and market-based electricity the same electricity again.
_NOT_DRAWN = ("gross", "scope2_market")
_WORKED_OUT = "its figures were worked out again from what is held today"


@dataclass(frozen=True, slots=True)
class Prior:
    """The year before: {row: value} as it stands beside, {row: what was issued} where that differs, and sentences.

    `published_only`: its total is what was published, and no row of it is held.
    """

    label: str
    values: Mapping[str, float | None]
    issued: Mapping[str, float]
    published_only: bool
    says: Sequence[str]


def beside(
    settings: CarbonSettings,
    began: int,
    worked_out: SecrTable | None,
    issued: Mapping[str, Any] | None,
    *,
    same_boundary: bool,
) -> Prior:
    """Return the year before: as worked out by this year's method where that can be, else as it was issued or published.

    `same_boundary` false: one of the years rests on supplies and the other on agents alone, so they do not compare.
    """
    told, label = settings.of_year(began), financial_year_label(began)
    reported = _issued_rows(issued)
    values: dict[str, float | None] = dict(reported)
    if worked_out is not None:
        values = {one.name: _shown(one) for one in worked_out.rows}
    published = told.published_tco2e
    if published is None and (gross := reported.get("gross")) is not None:
        published = Fraction(str(gross))
    bare = published is not None and values.get("gross") is None
    if published is not None and bare:
        values["gross"] = number(published)
    # What is held and does not compare is not nothing: with nothing published there is that one sentence.
    says = _says(settings, began, worked_out, published) if same_boundary or published is not None else []
    if not same_boundary:
        says.append(
            f"{label} is not beside it row by row: one year rests on supply meters and the other on agents alone."
        )
    differing = {
        name: value for name, value in reported.items() if value is not None and values.get(name) != value
    }
    return Prior(label, values, differing, bare, says)


def _says(
    settings: CarbonSettings, began: int, worked_out: SecrTable | None, published: Fraction | None
) -> list[str]:
    label = financial_year_label(began)
    gross = None if worked_out is None else worked_out.row("gross").value
    if published is None:
        if gross is None:
            return [
                f"Nothing is held of {label} and nothing published is entered, so no year is beside this one."
            ]
        return [f"{label} is worked out by this year's method; what was published for it is not entered."]
    why = [one.rstrip(".") for one in settings.of_year(began).not_comparable]
    if gross is not None and number(gross, 1) != number(published, 1):
        why.append(_WORKED_OUT)
    restated = Co2e(gross * 1000) if gross is not None and why else None
    held = PriorYear(began, Co2e(published * 1000), restated, tuple(why))
    found = [f"Published for {label}: {number(published, 1):,} tCO2e gross."]
    return [*found, f"{held.mark.rstrip('.')}." if held.mark else f"{label} stands as it was published."]


def _issued_rows(issued: Mapping[str, Any] | None) -> dict[str, float | None]:
    if issued is None:
        return {}
    rows: Sequence[Mapping[str, Any]] = next(
        (one["rows"] for one in issued["tables"] if one["name"] == "secr"), []
    )
    return {row["name"]: row["value"] for row in rows if "name" in row}


def _shown(row: SecrRow) -> float | None:
    return number(row.value, 0 if row.unit == "kWh" else 3)


def rows_table(made: SecrTable, prior: Prior) -> Table:
    """Return the rows with the year before in a column, restated ones with what was issued."""

    def cells(row: SecrRow) -> dict[str, Any]:
        was = prior.issued.get(row.name)
        published = prior.published_only and row.name == "gross"
        notes = [
            row.reason or "",
            f"{prior.label} as it was published" if published else "",
            f"{prior.label} restated; issued as {was:,}" if was is not None else "",
        ]
        return {
            "name": row.name,
            "title": row.title,
            "presence": row.presence,
            "scope": "" if row.scope is None else str(row.scope),
            "value": _shown(row),
            "before": prior.values.get(row.name),
            "unit": row.unit,
            "places": 0 if row.unit == "kWh" else 3,
            "drawn": row.unit == "tCO2e" and row.name not in _NOT_DRAWN,
            "note": "; ".join(one for one in notes if one),
        }

    columns = (
        Column("title", "Row", "text"),
        Column("presence", "Presence", "text"),
        Column("scope", "Scope", "text"),
        Column("value", made.year, places=3),
        Column("before", prior.label, places=3),
        Column("unit", "Unit", "text"),
        Column("note", "Note", "text"),
    )
    note = "A row that was not counted is not nought. Optional rows are in no total."
    return Table("secr", f"Rows of {made.year}", columns, [cells(row) for row in made.rows], note)


def _market_works(factor: ContractFactor) -> dict[str, str]:
    """Return the formula of a row's tonnes; none where its factor has more decimals than its cell."""
    is_whole = Fraction(str(number(factor.kgco2e_per_kwh, 5))) == factor.kgco2e_per_kwh
    return {"tco2e": "[kwh]*[factor]/1000"} if is_whole else {}


def market_table(market: Market) -> Table:
    """Return what covers the electricity: instrument, supply, dates, kWh, factor, tonnes and the paper."""
    rows: list[dict[str, Any]] = [
        {
            "name": str(at),
            "instrument": one.instrument,
            "supply": one.supply,
            "dates": f"{one.first:%-d %b %Y} to {one.last:%-d %b %Y}",
            "kwh": number(one.kwh),
            "factor": number(one.factor.kgco2e_per_kwh, 5),
            "tco2e": number(one.emissions.tonnes),
            "source": one.factor.source,
            "works": _market_works(one.factor),
        }
        for at, one in enumerate(market.covered)
    ]
    rest = market.rest_kwh
    under = "".join(f"-[cell market kwh {row['name']}]" for row in rows)
    rows.append(
        {
            "instrument": "nothing covers it",
            "supply": "",
            "dates": "",
            "kwh": number(rest),
            "factor": number(market.residual.kgco2e_per_kwh, 5),
            "tco2e": number(rest * market.residual.kgco2e_per_kwh / 1000),
            "source": market.residual.source,
            # Where contracts cover more than an adjustment left, nothing is under none.
            "works": _market_works(market.residual) | ({"kwh": f"[line electricity]{under}"} if rest else {}),
        }
    )
    columns = (
        Column("instrument", "Instrument", "text"),
        Column("supply", "Supply", "text"),
        Column("dates", "Dates", "text"),
        Column("kwh", "kWh"),
        Column("factor", "kgCO2e/kWh", places=5),
        Column("tco2e", "tCO2e", places=3),
        Column("source", "Source", "text"),
    )
    total = {"instrument": "All", "kwh": number(market.kwh), "tco2e": number(market.emissions.tonnes)}
    note = "Market-based, beside the location-based row and never instead of it. Every kWh is in one row."
    return Table("market", "What covers the electricity", columns, rows, note, total)


def baseline_tables(settings: CarbonSettings, made: SecrTable) -> list[Table]:
    """Return the base year's adjustments and the standing against it and its targets; nothing without a base year."""
    told, gross = settings.base_year, made.row("gross").value
    if told is None or gross is None or made.began < told.began:
        return []
    base = told.recalculated(settings.adjustments) if told.must_recalculate(settings.adjustments) else told
    tables = [_standing(settings, base, made.began, gross)]
    if settings.adjustments:
        tables.append(_adjusted(settings, told, base))
    return tables


# A target too is so much less than the base year.
_STANDING_WORKS = {
    "actual": "[sum total]",
    "reduced": "(1-[actual]/[cell baseline allowed base])*100",
}


def _standing(settings: CarbonSettings, base: BaseYear, began: int, gross: Fraction) -> Table:
    rows = [
        {
            "name": "base",
            "title": f"Base year {financial_year_label(base.began)}: {base.boundary}",
            "allowed": number(base.emissions.tonnes),
            "actual": number(gross),
            "reduced": number((1 - gross / base.emissions.tonnes) * 100, 1),
            "works": _STANDING_WORKS,
        }
    ]
    for target in settings.targets:
        if target.by_began <= base.began:
            continue
        found = progress(base, target, began, Co2e(gross * 1000))
        by = financial_year_label(target.by_began)
        rows.append(
            {
                "title": f"{number(target.reduction_ratio * 100, 1):g} % less by {by} ({target.source}); on the line: "
                f"{'yes' if found.on_line else 'no'}",
                "allowed": number(found.allowed.tonnes),
                "actual": number(found.actual.tonnes),
                "reduced": number(found.reduced_ratio * 100, 1),
                "works": _STANDING_WORKS,
            }
        )
    columns = (
        Column("title", "Against", "text"),
        Column("allowed", "tCO2e there", places=3),
        Column("actual", "tCO2e now", places=3),
        Column("reduced", "reduced, %", places=1),
    )
    note = f"Recalculated where changes of boundary, method or errors pass {_percent(base.threshold_ratio)} % of it."
    return Table("baseline", "Base year and targets", columns, rows, note)


def _adjusted(settings: CarbonSettings, told: BaseYear, base: BaseYear) -> Table:
    """Return the journal of what would change the base year, and what follows from it."""
    columns = (
        Column("since", "Known since", "text"),
        Column("cause", "Cause", "text"),
        Column("tco2e", "tCO2e", places=3),
        Column("why", "Why", "text"),
    )
    rows = [
        {
            "since": f"{one.on:%-d %B %Y}",
            "cause": one.cause,
            "tco2e": number(one.emissions.tonnes),
            "why": one.why,
        }
        for one in settings.adjustments
    ]
    size = _percent(told.change_ratio(settings.adjustments))
    passes = base is not told
    what = (
        f"is recalculated from {number(told.emissions.tonnes, 1):,} to {number(base.emissions.tonnes, 1):,} tCO2e"
        if passes
        else "stays as it is"
    )
    note = (
        f"Added whatever their sign they are {size} % of the base year, {'above' if passes else 'not above'} the threshold "
        f"of {_percent(told.threshold_ratio)} %: it {what}. Who saved them and when is in the audit of the carbon settings."
    )
    return Table("base_year_adjustments", "Adjustments of the base year", columns, rows, note)


def _percent(ratio: Fraction) -> str:
    return f"{number(ratio * 100, 1):g}"
