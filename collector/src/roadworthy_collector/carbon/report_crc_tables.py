"""What a CRC report works out of its supplies: lines, figures, the table of supplies and its subtotals.

Apart from the rest so that an evidence pack is recomputed by the same code. A supply without a reading has kWh that
are "not known": it is in the list and in no sum, and whatever is summed says that it is without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from roadworthy_collector.carbon.report_model import (
    Column,
    FactorPart,
    FactorUsed,
    Figure,
    Line,
    Table,
    Term,
    number,
)
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.calendar import CRC_LAST_YEAR, financial_year_label
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.answers import NOTIONAL
from roadworthy_inventory.carbon.crc_rates import (
    FUEL_WORDS,
    SALE_WORDS,
    Fuel,
    Rate,
    RateBook,
    Sale,
    factor,
    price,
)
from roadworthy_inventory.carbon.quantities import CarbonError

UPLIFTED = 1 + crc.UPLIFT
_LINE_FUELS: dict[str, Fuel] = {
    "electricity": "electricity_grid",
    "onsite": "electricity_onsite",
    "gas": "gas",
}
# Generation of one's own is metered, and the scheme knows no estimate of it.
JOURNAL_LINES = (*_LINE_FUELS, "electricity, estimated", "gas, estimated")
_JOURNAL_LINE = re.compile(r"(electricity|onsite|gas)(, estimated)?(?:, of (.+))?", re.DOTALL)
SALES: tuple[Sale, ...] = ("compliance", "forecast")
NO_READING = "no reading"
LEFT_OUT = "left out, de minimis"
ADJUSTMENTS = "adjustments"
_COUNTED = f'COUNTIFS([table supplies supply],"<>{ADJUSTMENTS}",[table supplies basis],"<>{NO_READING}")'


def rates_year(began: int) -> int:
    """Return the compliance year whose rates are taken: the year's own, or the scheme's last one after its end."""
    return min(began, CRC_LAST_YEAR)


@dataclass(frozen=True, slots=True)
class Entered:
    """A line of the report as the calculator takes it; `held` None for adjustments."""

    line: Line
    supply: crc.Supply
    held: CrcSupply | None


class Choice(NamedTuple):
    """The sale whose price the report takes, and whether gas below the limit is left out; as the scheme let one choose."""

    sale: Sale = "compliance"
    de_minimis: bool = False

    def told(self) -> dict[str, str]:
        """Return it as a report's rules name it."""
        applied = "applied, gas left out" if self.de_minimis else "not applied"
        return {"sale": SALE_WORDS[self.sale], "de minimis": applied}

    @classmethod
    def of_rules(cls, rules: Mapping[str, Any]) -> Choice:
        """Return the choice a report's rules name."""
        sale = next((one for one in SALES if SALE_WORDS[one] == rules.get("sale")), SALES[0])
        return cls(sale, str(rules.get("de minimis", "")).startswith("applied"))


@dataclass(frozen=True, slots=True)
class Worked:
    """A year worked out: `entered` has what counts in the order of `found.rows`, `unread` the supplies without a reading."""

    found: crc.CrcReport
    entered: tuple[Entered, ...]
    unread: tuple[CrcSupply, ...]
    choice: Choice = Choice()  # noqa: RUF009 - a tuple, and the same for all

    def terms(self) -> list[Term]:
        """Return what the total is the sum of."""
        return [
            Term(one.line.name, one.supply.fuel, UPLIFTED if one.supply.estimated else Fraction(1))
            for one, row in zip(self.entered, self.found.rows, strict=True)
            if not row.left_out
        ]

    @property
    def read(self) -> int:
        """How many supplies have a reading."""
        return sum(one.held is not None for one in self.entered)

    @property
    def without(self) -> str:
        """What every sum is without, in words; empty where it is without nothing."""
        count = len(self.unread)
        return (
            f"without {count} {'supply' if count == 1 else 'supplies'} nothing is known of" if count else ""
        )


def title_of(one: CrcSupply) -> str:
    """Return what a supply is called in a report."""
    return one.number or one.name or "supplies of restricted sites"


def line_name(place: int) -> str:
    """Return the name of the line of a supply, counted from 1 in the list of supplies."""
    return f"supply {place}"


class Adjusted(NamedTuple):
    """What a line of a journal names: the fuel, whether it is of estimated supplies, and a supply or site (or "")."""

    fuel: Fuel
    estimated: bool
    of: str

    @classmethod
    def of_line(cls, line: str) -> Adjusted | None:
        """Return what `electricity, estimated, of Force HQ` names; None where it is no such line."""
        found = _JOURNAL_LINE.fullmatch(line)
        if found is None or found[1] + (found[2] or "") not in JOURNAL_LINES:
            return None
        return cls(_LINE_FUELS[found[1]], bool(found[2]), found[3] or "")


def work_out(
    began: int,
    supplies: Sequence[CrcSupply],
    journals: Mapping[str, Fraction],
    choice: Choice = Choice(),  # noqa: B008 - a tuple, and the same for all
    rates: RateBook | None = None,
) -> Worked:
    """Return the year that begins in `began` at the rates it has; journals are lines of their own.

    Raises CarbonError where no supply has a reading and nobody entered an adjustment: nought tonnes would be untrue; and
    where de minimis is chosen and the gas is not below it.
    """
    entered = [
        Entered(Line(line_name(place), title_of(one), one.kwh, "meters of the supply"), one.supply(), one)
        for place, one in enumerate(supplies, 1)
        if one.has_reading
    ]
    for name, kwh in sorted(journals.items()):
        if not kwh or (said := Adjusted.of_line(name)) is None:
            continue
        words = ", ".join(
            one
            for one in (
                FUEL_WORDS[said.fuel],
                "estimated" if said.estimated else "",
                said.of and f"of {said.of}",
            )
            if one
        )
        line = Line(f"journal {name}", f"adjustments of {words}", Fraction(0), "journals", (), kwh)
        supply = crc.Supply(
            fuel=said.fuel,
            kwh=kwh,
            estimated=said.estimated,
            reference=ADJUSTMENTS,
            site=said.of or None,
            adjustment=True,
        )
        entered.append(Entered(line, supply, None))
    if not entered:
        _refuse(began, len(supplies))
    counted = [one.supply for one in entered]
    found = crc.report(
        rates_year(began), counted, sale=choice.sale, apply_de_minimis=choice.de_minimis, rates=rates
    )
    return Worked(found, tuple(entered), tuple(one for one in supplies if not one.has_reading), choice)


def _refuse(began: int, count: int) -> None:
    if not count:
        raise CarbonError(
            "a CRC report needs at least one supply: enter MPANs and their half-hourly files with `roadworthy meters`"
        )
    raise CarbonError(
        f"no reading of {financial_year_label(began)} is held of any supply ({count} entered), so the kWh are not known and "
        "a total of nought would be untrue: import half-hourly files or register readings with `roadworthy meters`"
    )


def _used(key: str, title: str, row: Rate) -> FactorUsed:
    name = f"CRC {financial_year_label(row.began)}"
    said = None if row.value is None else str(row.value)
    part = FactorPart(name, 365, said, row.status, row.note, row.source, row.as_of.isoformat())
    value = None if row.value is None else Fraction(row.value)
    return FactorUsed(key, title, row.unit, value, row.note or None, [part])


def factors(worked: Worked) -> list[FactorUsed]:
    """Return the factors of the fuels, then the prices, each with its source, status and date."""
    rated = worked.found.began
    fuels = dict.fromkeys(one.supply.fuel for one in worked.entered)
    found = [_used(one, FUEL_WORDS[one], factor(rated, one, worked.found.rates)) for one in fuels]
    for sale in SALES:
        held = price(rated, sale, worked.found.rates).candidates
        found += [
            _used(key, f"price, {SALE_WORDS[sale]}", row)
            for key, row in zip(price_keys(sale, len(held)), held, strict=True)
        ]
    return found


def price_keys(sale: Sale, count: int) -> list[str]:
    """Return the key of each price of a sale: several where sources differ."""
    return [f"price_{sale}" if count == 1 else f"price_{sale}_{place}" for place in range(1, count + 1)]


def figures(worked: Worked) -> list[Figure]:
    """Return the numbers of the first page."""
    found = worked.found
    low, high = found.cost_range_gbp or (None, None)
    differs = found.cost_gbp is None and low is not None
    grid = sum((one.supply.kwh for one in found.rows if one.supply.fuel == "electricity_grid"), Fraction(0))
    without = worked.without
    sale = worked.choice.sale
    cost_note = found.price.reason or price_words(found.price.candidates[0])
    fuel = FUEL_WORDS["electricity_grid"]
    return [
        Figure(
            "total",
            "Emissions, CO2 alone",
            float(found.tonnes),
            "tCO2",
            note=_joined(NOTIONAL, without),
            works="[sum total]",
        ),
        Figure(
            "cost",
            f"Allowances, {SALE_WORDS[sale]}",
            None if found.cost_gbp is None else float(found.cost_gbp),
            "GBP",
            2,
            float(low) if differs and low is not None else None,
            float(high) if differs and high is not None else None,
            _joined(cost_note, without),
            "" if found.cost_gbp is None else f"[sum total]*[factor price_{sale}]",
        ),
        Figure(
            "kwh",
            "Electricity from the grid, billed",
            number(grid),
            "kWh",
            note=without,
            works=f'SUMIF([table supplies fuel],"{fuel}",[table supplies kwh])',
        ),
        Figure(
            "supplies",
            "Supplies with a reading",
            float(worked.read),
            "row" if worked.read == 1 else "rows",
            works=_COUNTED,
        ),
    ]


def _joined(*said: str) -> str:
    return "; ".join(one for one in said if one)


def price_words(row: Rate) -> str:
    """Return a price with who says it, whether it was printed or worked out, and when that was read."""
    return f"GBP {row.value} a tonne, {row.status}: {row.source}, as of {row.as_of:%-d %B %Y}"


def supplies_table(supplies: Sequence[CrcSupply], worked: Worked) -> Table:
    """Return a row for each supply in their order, then one for each adjustment."""
    rated = {one.line.name: (one, row) for one, row in zip(worked.entered, worked.found.rows, strict=True)}
    rows = []
    for place, one in enumerate(supplies, 1):
        held = rated.pop(line_name(place), None)
        rows.append(_unread(one) if held is None else _row(*held))
    rows += [_row(*held) for held in rated.values()]
    columns = (
        Column("supply", "Supply", "text"),
        Column("site", "Site", "text"),
        Column("fuel", "Fuel", "text"),
        Column("basis", "Basis", "text"),
        Column("kwh", "kWh"),
        Column("before", "tCO2", places=3),
        Column("uplift", "10 % uplift", places=3),
        Column("tco2", "together", places=3),
    )
    all_rows = worked.found.rows
    total = {
        "supply": "All with a reading" if worked.unread else "All",
        "kwh": number(sum((one.supply.kwh for one in all_rows), Fraction(0))),
        "before": number(sum((one.before_uplift.tonnes for one in all_rows), Fraction(0))),
        "uplift": number(sum((one.uplift.tonnes for one in all_rows), Fraction(0))),
        "tco2": number(worked.found.exact.tonnes),
        "works": {name: f"SUM([column {name}])" for name in ("kwh", "before", "uplift", "tco2")},
    }
    without = f", {worked.without}" if worked.unread else ""
    note = f"Rounded once to whole tonnes: {worked.found.tonnes:,} tCO2{without}."
    return Table("supplies", "Supplies", columns, rows, note, total)


def _unread(one: CrcSupply) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(("kwh", "before", "uplift", "tco2"))
    return {
        "supply": title_of(one), "site": ", ".join(one.sites), "fuel": FUEL_WORDS[one.fuel], "basis": NO_READING, **told,
    }  # fmt: skip


def _row(one: Entered, row: crc.Row) -> dict[str, Any]:
    estimated = row.supply.estimated
    return {
        "supply": ADJUSTMENTS if one.held is None else title_of(one.held),
        "site": row.supply.site or "",
        "fuel": FUEL_WORDS[row.supply.fuel],
        "basis": LEFT_OUT if row.left_out else "estimated" if estimated else "actual",
        "kwh": number(row.supply.kwh),
        "factor": None if row.factor_kgco2_per_kwh is None else float(row.factor_kgco2_per_kwh),
        "before": number(row.before_uplift.tonnes),
        "uplift": number(row.uplift.tonnes),
        "tco2": number(row.emissions.tonnes),
        "works": {"kwh": f"[line {one.line.name}]"}
        if row.left_out
        else {
            "kwh": f"[line {one.line.name}]",
            "before": f"[kwh]*[factor {row.supply.fuel}]/1000",
            "uplift": f"[before]*{float(crc.UPLIFT) if estimated else 0}",
            "tco2": "[before]+[uplift]",
        },
    }


def subtotals(worked: Worked) -> Table:
    """Return the sums by fuel, actual and estimated apart; adjustments are in the sums and no supplies."""
    rows = []
    read = [(one.supply.fuel, one.supply.estimated) for one in worked.entered if one.held is not None]
    for one in worked.found.subtotals:
        fuel, basis = FUEL_WORDS[one.fuel], "estimated" if one.estimated else "actual"
        mine = f'[table supplies fuel],"{fuel}",[table supplies basis],"{basis}"'
        rows.append(
            {
                "title": f"{fuel}, {basis}",
                "supplies": read.count((one.fuel, one.estimated)),
                "kwh": number(one.kwh),
                "tco2": number(one.emissions.tonnes),
                "works": {
                    "supplies": f'COUNTIFS({mine},[table supplies supply],"<>{ADJUSTMENTS}")',
                    "kwh": f"SUMIFS([table supplies kwh],{mine})",
                    "tco2": f"SUMIFS([table supplies tco2],{mine})",
                },
            }
        )
    columns = (
        Column("title", "Fuel", "text"),
        Column("supplies", "supplies"),
        Column("kwh", "kWh"),
        Column("tco2", "tCO2", places=3),
    )
    return Table("subtotals", "Subtotals by fuel, actual and estimated apart", columns, rows, worked.without)
