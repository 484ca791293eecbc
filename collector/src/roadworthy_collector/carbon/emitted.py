"""What the energy of the IT estate emits: location-based, by place of consumption and scope, with the factor set named.

Where energy is used decides whose scope it is in. Own sites and data centres, and places nobody has stated (said so):
scope 2, with transmission losses and well-to-tank in scope 3. At home: scope 3, homeworking, losses included. At a
landlord's or partner's: scope 3. In vehicles the fuel is in scope 1 already: no tonnes again. Exact amounts from joules
to kilograms; rounding is for whoever prints them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from roadworthy_collector.carbon.estate import PLACE_TITLES, Estate, Period
from roadworthy_collector.carbon.sums import Energy, together
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.carbon.factor_rules import Resolved, Rule, resolve, set_name
from roadworthy_inventory.carbon.factors import FactorBook, Item, factor_book
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.quantities import Co2e, emitted
from roadworthy_inventory.carbon.years import year_days

ELECTRICITY: tuple[Item, ...] = (
    "generation",
    "transmission_distribution",
    "wtt_generation",
    "wtt_transmission_distribution",
)
DEFAULT_RULE: Rule = "majority"
# Which scope the electricity of a place is in; 1: its fuel is counted there, so there is nothing to add.
SCOPES: Mapping[str, int] = {
    "force": 2,
    "data_centre": 2,
    "unknown": 2,
    "home": 3,
    "partner": 3,
    "vehicle": 1,
}
_LINES = {
    "scope2_location": "scope 2, electricity, location-based",
    "scope3_td": "scope 3, losses of transmission and distribution",
    "scope3_wtt": "scope 3, well-to-tank, generation and losses",
    "scope3_home": "scope 3, homeworking, generation and losses",
    "scope3_partner": "scope 3, at landlords' and partners', generation and losses",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of emissions with the ends of the energy's interval; `co2e` None where a factor is missing: `reason`."""

    name: str
    title: str
    energy: Energy
    kg_per_kwh: Fraction | None
    reason: str | None

    @property
    def co2e(self) -> Co2e | None:
        """The likely emissions, exactly."""
        return self._at(self.energy.whole_joules)

    @property
    def low(self) -> Co2e | None:
        """At the low end of the energy; the factor is taken as exact, for its set says no interval."""
        return self._at(self.energy.low_joules)

    @property
    def high(self) -> Co2e | None:
        """At the high end of the energy."""
        return self._at(self.energy.high_joules)

    def _at(self, joules: int) -> Co2e | None:
        if self.kg_per_kwh is None:
            return None
        return emitted(Co2e, Fraction(joules, JOULES_PER_KWH), self.kg_per_kwh)


@dataclass(frozen=True, slots=True)
class Emissions:
    """The emissions of a period by line (`scope2_location` ...), the factors behind them, and the energy by place."""

    rule: Rule
    factor_set: str
    factors: Mapping[Item, Resolved]
    lines: Mapping[str, Line]
    places: Mapping[str, Energy]
    provisional: bool

    def told(self) -> dict[str, Any]:
        """Return them as JSON says them: kilograms with three decimals, null with a reason where a factor is missing."""
        return {
            "rule": self.rule,
            "factor_set": self.factor_set,
            "provisional": self.provisional,
            "method": "location-based",
            "lines": [_line(one) for one in self.lines.values()],
            "places": [
                {"place": place, "title": PLACE_TITLES.get(place, place), "scope": SCOPES.get(place, 2)}
                | energy.told()
                for place, energy in self.places.items()
            ],
            "factors": [
                {
                    "item": item,
                    "kgco2e_per_kwh": None if found.value is None else float(found.value),
                    "reason": found.reason,
                    "sources": [
                        {"set": row.set_name, "days": weight.days, "status": row.status, "source": row.source}
                        for weight, row in found.parts
                    ],
                }
                for item, found in self.factors.items()
            ],
        }


def emissions(estate: Estate, *, rule: Rule = DEFAULT_RULE, book: FactorBook | None = None) -> Emissions:
    """Return what the energy of `estate` emits by the factors of the financial year its period begins in."""
    factors = factors_of(estate.period, rule, book or factor_book())
    by_place = {place: one.energy() for place, one in sorted(estate.sums["place"].items())}
    groups: dict[str, list[str]] = {"own": [], "home": [], "partner": [], "vehicle": []}
    for place in by_place:
        groups["own" if SCOPES.get(place, 2) == 2 else place].append(place)
    own, home, partner = (_together(estate, groups[name]) for name in ("own", "home", "partner"))
    emitting = _together(estate, [*groups["own"], *groups["home"], *groups["partner"]])
    generation, losses = ELECTRICITY[:2]
    lines = {
        name: _made(name, energy, [factors[item] for item in items])
        for name, energy, items in (
            ("scope2_location", own, (generation,)),
            ("scope3_td", own, (losses,)),
            ("scope3_wtt", emitting, ELECTRICITY[2:]),
            ("scope3_home", home, (generation, losses)),
            ("scope3_partner", partner, (generation, losses)),
        )
    }
    return Emissions(
        rule=rule,
        factor_set=set_name(factors[generation]) if factors[generation].parts else "none",
        factors=factors,
        lines=lines,
        places=by_place,
        provisional=any(one.provisional for one in factors.values()),
    )


def factors_of(period: Period, rule: Rule, book: FactorBook) -> dict[Item, Resolved]:
    """Return the factors of the financial year `period` begins in: a month goes by its year's."""
    first, last = year_days(financial_year_of(period.first))
    return {item: resolve(book, item, first, last, rule) for item in ELECTRICITY}


def _together(estate: Estate, places: list[str]) -> Energy:
    return together(estate.sums["place"][place] for place in places).energy()


def _made(name: str, energy: Energy, factors: list[Resolved]) -> Line:
    missing = next((one.reason for one in factors if one.value is None), None)
    value = None if missing else sum((one.require() for one in factors), Fraction(0))
    return Line(name, _LINES[name], energy, value, missing)


def _line(one: Line) -> dict[str, Any]:
    return {
        "line": one.name,
        "title": one.title,
        "kwh": float(one.energy.kwh),
        "kgco2e": _number(one.co2e),
        "low_kgco2e": _number(one.low),
        "high_kgco2e": _number(one.high),
        "reason": one.reason,
    }


def _number(mass: Co2e | None) -> float | None:
    return None if mass is None else round(float(mass.kilograms), 3)
