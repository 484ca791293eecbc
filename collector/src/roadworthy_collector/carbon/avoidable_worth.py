"""What avoidable electricity is worth: pence by the tariff of the supply a site is fed by, and kgCO2e.

A site's price is that of its supplies on the last day, each by its own tariff or the one of all electricity, levies
included and standing charges not, for these stay whatever is switched off. A day and a night rate count by their hours
of the clock, several supplies by what their meters saw over the days, or alike where they saw nothing. Where no supply
feeds a site, or none of its supplies has a tariff, what the shift calendars state holds, and then a tariff of all
electricity. Which it was is said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import Connection, func

from roadworthy_collector.carbon import (
    factor_store,
    internal_price,
    meter_days,
    settings_edition,
    supplies,
    tariff_store,
)
from roadworthy_collector.carbon.emitted import DEFAULT_RULE
from roadworthy_collector.carbon.sums import kwh_number
from roadworthy_collector.carbon.supplies import Supply
from roadworthy_collector.store.carbon_schema import meter_days as days_table
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.carbon.carbon_price import InternalPrice
from roadworthy_inventory.carbon.factor_rules import Resolved, resolve
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.tariffs import Tariff, tariff_on
from roadworthy_inventory.carbon.years import year_days

STATED, GENERAL = "stated in the shift calendars", "tariff of all electricity"
_ENDS = ("low", "likely", "high")
_DAY_MINUTES = 24 * 60


class Price(NamedTuple):
    """Pence a kWh, exact, and where it is from."""

    pence: Fraction
    source: str


@dataclass(frozen=True, slots=True)
class Sums:
    """Devices, seconds and (low, likely, high) joules; pence of those with a price, and the likely joules without."""

    devices: int = 0
    seconds: float = 0.0
    joules: tuple[int, int, int] = (0, 0, 0)
    pence: Fraction = Fraction(0)
    unpriced_joules: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        low, likely, high = (one + two for one, two in zip(self.joules, other.joules, strict=True))
        return replace(
            self,
            devices=self.devices + other.devices,
            seconds=self.seconds + other.seconds,
            joules=(low, likely, high),
            pence=self.pence + other.pence,
            unpriced_joules=self.unpriced_joules + other.unpriced_joules,
        )


class Worth(NamedTuple):
    """Prices by site, what holds elsewhere, kgCO2e of generation where there is a factor, the internal carbon price."""

    sites: Mapping[int, Price]
    elsewhere: Price | None
    factor: Resolved
    carbon: InternalPrice | None = None

    def price(self, site: int) -> Price | None:
        """Return what a kWh costs at a site."""
        return self.sites.get(site, self.elsewhere)

    def sums(self, site: int, kept: Sequence[float]) -> Sums:
        """Return [devices, seconds, low, likely, high joules] of a site with its price."""
        low, likely, high = map(int, kept[2:5])
        price = self.price(site)
        found = Sums(int(kept[0]), kept[1], (low, likely, high))
        if price is None:
            return replace(found, unpriced_joules=likely)
        return replace(found, pence=Fraction(likely, JOULES_PER_KWH) * price.pence)

    def told(self, sums: Sums) -> dict[str, Any]:
        """Return sums as JSON says them; pounds are None where nothing of it has a price."""
        found: dict[str, Any] = {"devices": sums.devices, "hours": round(sums.seconds / 3600, 1)}
        for end, joules in zip(_ENDS, sums.joules, strict=True):
            found["kwh" if end == "likely" else f"{end}_kwh"] = kwh_number(joules)
        likely = sums.joules[1]
        priced = not sums.unpriced_joules or sums.unpriced_joules < likely
        known = priced and (likely > 0 or self.elsewhere is not None or bool(self.sites))
        found["pounds"] = round(float(sums.pence / 100), 2) if known else None
        found["unpriced_kwh"] = kwh_number(sums.unpriced_joules)
        kwh = Fraction(likely, JOULES_PER_KWH)
        found["kgco2e"] = None if self.factor.value is None else round(float(kwh * self.factor.value), 3)
        found["internal_carbon_pounds"] = internal_price.pounds(found["kgco2e"], self.carbon)
        return found

    def shown(self, wanted: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
        """Return the price of each site of (name, row id), and where it is from; nulls where there is none."""
        rows = []
        for name, site in wanted:
            price = self.price(site)
            pence = None if price is None else round(float(price.pence), 4)
            rows.append(
                {"site": name, "pence_per_kwh": pence, "from": None if price is None else price.source}
            )
        return rows


def read(connection: Connection, content: Mapping[str, Any], stated: Decimal | None) -> Worth:
    """Return what holds for the days of the figures `content`; `stated`: pence a kWh of the shift calendars."""
    first, last = (dt.date.fromisoformat(content[name]) for name in ("first", "last"))
    tariffs = [one for _, one in tariff_store.read(connection)]
    general = tariff_on([one for one in tariffs if one.supply is None], "", "electricity", last)
    elsewhere = None if general is None else Price(_pence(general), f"{GENERAL}: {general.source}")
    if stated is not None:
        elsewhere = Price(Fraction(stated), STATED)
    year = year_days(financial_year_of(last))
    said = settings_edition.settings(connection)
    factor = resolve(factor_store.book(connection), "generation", *year, said.rule or DEFAULT_RULE)
    carbon = internal_price.on(said.prices, last)
    return Worth(_of_sites(connection, tariffs, first, last), elsewhere, factor, carbon)


def _of_sites(
    connection: Connection, tariffs: Sequence[Tariff], first: dt.date, last: dt.date
) -> dict[int, Price]:
    fed: dict[int, list[tuple[Supply, Tariff]]] = {}
    for one in supplies.read(connection, restricted=True):
        tariff = tariff_on(tariffs, one.number, one.fuel, last)
        if one.fuel == "electricity" and tariff is not None:
            for site in dict.fromkeys(place.site for place in one.places if place.on(last)):
                fed.setdefault(site, []).append((one, tariff))
    several = {one.id for some in fed.values() if len(some) > 1 for one, _ in some}
    seen = _metered(connection, several, first, last) if several else {}
    return {site: _price(some, seen) for site, some in fed.items()}


def _price(some: Sequence[tuple[Supply, Tariff]], seen: Mapping[int, int]) -> Price:
    weights = [seen.get(one.id, 0) for one, _ in some]
    if not sum(weights):
        weights = [1] * len(some)
    pence = sum(
        (_pence(tariff) * weight for (_, tariff), weight in zip(some, weights, strict=True)), Fraction(0)
    )
    # Without their numbers: who sees the sites of a unit need not see what feeds them.
    told = "; ".join(dict.fromkeys(tariff.source for _, tariff in some))
    return Price(pence / sum(weights), f"tariff of its {'supply' if len(some) == 1 else 'supplies'}: {told}")


def _pence(tariff: Tariff) -> Fraction:
    """Return what one kWh more or less costs: the unit rate, or day and night by their hours of the clock, and levies."""
    levies = sum(tariff.levies.values(), Fraction(0))
    if tariff.unit_pence is not None or tariff.night is None:
        return (tariff.unit_pence or Fraction(0)) + levies
    night = Fraction((tariff.night[1] - tariff.night[0]) % _DAY_MINUTES, _DAY_MINUTES)
    day_pence, night_pence = tariff.day_pence or Fraction(0), tariff.night_pence or Fraction(0)
    return night_pence * night + day_pence * (1 - night) + levies


def _metered(connection: Connection, some: Iterable[int], first: dt.date, last: dt.date) -> dict[int, int]:
    """Return {supply: thousandths of a kWh its meter saw on these days}."""
    query = (
        meter_days.counting(days_table.c.supply, func.sum(days_table.c.kwh_thousandths))
        .where(
            days_table.c.supply.in_(sorted(some)),
            days_table.c.channel == "import",
            days_table.c.day >= first.isoformat(),
            days_table.c.day <= last.isoformat(),
        )
        .group_by(days_table.c.supply)
    )
    return {supply: int(whole) for supply, whole in connection.execute(query)}
