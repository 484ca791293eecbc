"""What supplies cost in a financial year by their tariffs: pounds with their source, by supply and by site.

Pounds are exact until a supply's sum is rounded to whole pence once; the pence are then shared out over its sites so that they add up. Energy without a
tariff has no price and is counted; a supply shared by sites nobody told the shares of is in no site's sum but in one of its own.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.carbon import meter_days, supplies, tariff_store
from roadworthy_collector.carbon.supplies import Supply
from roadworthy_inventory.calendar import PERIOD_SECONDS, local_day, zone
from roadworthy_inventory.carbon.registers import Reading, used_between
from roadworthy_inventory.carbon.tariffs import Cost, Tariff, cost, tariff_on
from roadworthy_inventory.carbon.years import year_days
from roadworthy_inventory.money import round_pence, spread

NOT_SHARED = "shared by several sites, shares not told"
UNPLACED = "no site told"
_FINE = 1_000_000_000  # parts of a penny by which it is shared out


@dataclass(slots=True)
class SupplyBill:
    """A supply's year. `by_site` {site: pence}, which add up to `pence`; `sources` of the prices, in order of date."""

    number: str
    name: str | None
    fuel: str
    pence: int
    energy_pence: int
    standing_pence: int
    levies_pence: int
    kwh_thousandths: int
    unpriced_thousandths: int
    missing_half_hours: int
    by_site: dict[str, int] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Bill:
    """All supplies of a year up to `last`, and their sums by site."""

    first: dt.date
    last: dt.date
    rows: list[SupplyBill]
    by_site: dict[str, int]

    @property
    def pence(self) -> int:
        """The sum of all supplies."""
        return sum(one.pence for one in self.rows)


_Key = tuple[int | None, tuple[tuple[int, Fraction], ...] | None]


def year(
    connection: Connection, began: int, *, zone_name: str, today: dt.date, restricted: bool = False
) -> Bill:
    """Return the bill of the financial year that begins in `began`, up to yesterday.

    Without `restricted` the supplies of restricted sites are one row, without a number.
    """
    first, last = year_days(began)
    last = min(last, today - dt.timedelta(days=1))
    every = [one for _, one in tariff_store.read(connection)]
    known = [one for one in supplies.read(connection, restricted=True) if one.fuel != "onsite"]
    held: dict[int, dict[dt.date, Any]] = defaultdict(dict)
    ids = [one.id for one in known]
    for row in meter_days.days(connection, first, last, supply=ids, channel="import") if ids else ():
        held[row.supply][dt.date.fromisoformat(row.day)] = row
    readings = meter_days.readings(connection)
    shown: list[SupplyBill] = []
    hidden: list[SupplyBill] = []
    for one in known:
        span = one.responsible(first, last) if first <= last else None
        if span is None:
            continue
        mine = [tariff for tariff in every if tariff.supply in (one.number, None)]
        parts = _Parts(one, mine, zone_name)
        if held[one.id] or one.id not in readings:
            parts.half_hours(span, held[one.id])
        else:
            parts.register(span, readings[one.id])
        (hidden if one.restricted and not restricted else shown).append(parts.bill())
    if hidden:
        shown.append(_folded(hidden))
    return Bill(first, last, shown, _by_site(shown))


class _Parts:
    """Adds up one supply: thousandths of a kWh by day and by night, and days, for each tariff and way to share."""

    def __init__(self, supply: Supply, tariffs: Sequence[Tariff], zone_name: str) -> None:
        self._supply = supply
        self._tariffs = list(tariffs)
        self._zone = zone_name
        self._sums: dict[_Key, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._missing = 0

    def half_hours(self, span: tuple[dt.date, dt.date], held: Mapping[dt.date, Any]) -> None:
        """Add days of half-hours; a day without a row still has its standing charge."""
        day = span[0]
        while day <= span[1]:
            row = held.get(day)
            sums, tariff = self._of(day)
            sums[2] += 1
            if row is None:
                self._missing += meter_days.local_length(day, self._zone)
            else:
                self._missing += row.statuses.count(meter_days.NONE)
                night = 0
                if tariff is not None and tariff.night is not None:
                    minutes = _minutes(day, self._zone)
                    told = zip(minutes, meter_days.unpack(row.half_hours), strict=True)
                    night = sum(value or 0 for minute, value in told if tariff.is_night(minute))
                sums[0] += row.kwh_thousandths - night
                sums[1] += night
            day += dt.timedelta(days=1)

    def register(self, span: tuple[dt.date, dt.date], read: Sequence[Reading]) -> None:
        """Add what a register says, day by day; it knows no night."""
        day = span[0]
        while day <= span[1]:
            used = sum(part.thousandths for part in used_between(read, day, day))
            sums, tariff = self._of(day)
            if tariff is not None and tariff.unit_pence is None:
                sums = self._sums[None, self._shares(day)]
            sums[0] += used
            sums[2] += 1
            day += dt.timedelta(days=1)

    def _of(self, day: dt.date) -> tuple[list[int], Tariff | None]:
        tariff = tariff_on(self._tariffs, self._supply.number, self._supply.fuel, day)
        at = None if tariff is None else self._tariffs.index(tariff)
        return self._sums[at, self._shares(day)], tariff

    def _shares(self, day: dt.date) -> tuple[tuple[int, Fraction], ...] | None:
        shares = self._supply.shares(day)
        return None if shares is None else tuple(sorted(shares.items()))

    def bill(self) -> SupplyBill:
        """Return it priced."""
        names = {one.site: one.name for one in self._supply.places}
        whole, by_site = Cost(), dict[str, Fraction]()
        for (at, shares), (by_day, by_night, days) in self._sums.items():
            part = cost(None if at is None else self._tariffs[at], by_day, by_night, days)
            whole.add(part)
            told = shares if shares is not None else ()
            for site, share in told:
                by_site[names[site]] = by_site.get(names[site], Fraction(0)) + part.pence * share
            rest = part.pence * (1 - sum((share for _, share in told), Fraction(0)))
            if rest:
                other = UNPLACED if shares is not None and not names else NOT_SHARED
                by_site[other] = by_site.get(other, Fraction(0)) + rest
        pence = round_pence(whole.pence)
        energy, standing, levies = _parted(
            pence, (whole.energy_pence, whole.standing_pence, whole.levies_pence)
        )
        used = sorted(
            (at for at, _ in self._sums if at is not None), key=lambda at: self._tariffs[at].valid_from
        )
        return SupplyBill(
            self._supply.number,
            self._supply.name,
            self._supply.fuel,
            pence,
            energy,
            standing,
            levies,
            whole.priced_thousandths + whole.unpriced_thousandths,
            whole.unpriced_thousandths,
            self._missing,
            dict(zip(by_site, _parted(pence, tuple(by_site.values())), strict=True)),
            list(dict.fromkeys(self._tariffs[at].source for at in used)),
        )


def _parted(pence: int, parts: Sequence[Fraction]) -> list[int]:
    """Return whole pence by `parts` that add up to `pence`."""
    weights = [round(part * _FINE) for part in parts]
    return spread(pence, weights) if sum(weights) else [0] * len(parts)


@lru_cache(maxsize=2048)
def _minutes(day: dt.date, zone_name: str) -> tuple[int, ...]:
    """Return how many minutes after midnight by the clock each half-hour of a local day begins."""
    here = zone(zone_name)
    span = local_day(day, zone_name)
    clocks = (dt.datetime.fromtimestamp(at, here) for at in range(span.start, span.end, PERIOD_SECONDS))
    return tuple(clock.hour * 60 + clock.minute for clock in clocks)


def _folded(rows: Sequence[SupplyBill]) -> SupplyBill:
    """Return the supplies of restricted sites as one, so that sums close."""
    names = (
        "pence", "energy_pence", "standing_pence", "levies_pence", "kwh_thousandths", "unpriced_thousandths",
        "missing_half_hours",
    )  # fmt: skip
    sums = {name: sum(getattr(one, name) for one in rows) for name in names}
    return SupplyBill(
        number="",
        name=supplies.RESTRICTED,
        fuel=rows[0].fuel,
        by_site={supplies.RESTRICTED: sums["pence"]},
        sources=sorted({source for one in rows for source in one.sources}),
        **sums,
    )


def _by_site(rows: Sequence[SupplyBill]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        for site, pence in row.by_site.items():
            found[site] = found.get(site, 0) + pence
    return dict(sorted(found.items()))


def shown(bill: Bill) -> dict[str, Any]:
    """Return a bill as JSON can say it; amounts in pence."""
    return {
        "first": str(bill.first),
        "last": str(bill.last),
        "pence": bill.pence,
        "by_site": bill.by_site,
        "rows": [
            {
                "supply": one.number,
                "name": one.name,
                "fuel": one.fuel,
                "pence": one.pence,
                "energy_pence": one.energy_pence,
                "standing_pence": one.standing_pence,
                "levies_pence": one.levies_pence,
                "kwh": one.kwh_thousandths / 1000,
                "unpriced_kwh": one.unpriced_thousandths / 1000,
                "missing_half_hours": one.missing_half_hours,
                "by_site": one.by_site,
                "sources": one.sources,
            }
            for one in bill.rows
        ],
    }
