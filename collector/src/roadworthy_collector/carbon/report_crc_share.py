"""The devices' part of the billed electricity: only of sites a supply feeds, only in months both are known of.

A site may have several supplies and a supply several sites: those that hang together are held against each other as
one, month by month. A month counts where the ledger has closed it, devices told something at these sites, and every
supply of theirs fed them all month and tells of each day of it. What does not count is counted as such.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, func, select

from roadworthy_collector.carbon import estate, meter_days, supplies
from roadworthy_collector.carbon.emitted import SCOPES
from roadworthy_collector.carbon.report_model import Column, Table, number
from roadworthy_collector.carbon.sums import Energy, Sum, together
from roadworthy_collector.carbon.supplies import Supply
from roadworthy_collector.store.carbon_schema import energy_groups
from roadworthy_collector.store.carbon_schema import meter_days as days_table
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.crc_rates import RateBook
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.registers import Reading

_COLUMNS = (
    Column("title", "Interval of the ledger", "text"),
    Column("kwh", "kWh"),
    Column("ratio", "of the bill of these sites and months, %", places=2),
    Column("tco2", "tCO2", places=3),
)
_ENDS = ("low end", "likely", "high end")


@dataclass(frozen=True, slots=True)
class Shared:
    """What supplies billed and devices drew at the same sites in the same months; `why` where there is none of it.

    `sites` of `sites_fed` and `months` of the year are in it, `site_months` together; `left_out` site-months are fed
    by a supply and not in it. `unplaced`: supplies nobody said a site of.
    """

    why: str | None
    billed_kwh: Fraction = Fraction(0)
    energy: Energy = field(default_factory=lambda: Sum().energy())
    sites: int = 0
    sites_fed: int = 0
    months: int = 0
    site_months: int = 0
    left_out: int = 0
    unplaced: int = 0


def of_year(connection: Connection, began: int, left_out: Collection[str] = ()) -> Shared:
    """Return it for the financial year that begins in `began`, of the supplies of grid electricity.

    `left_out`: numbers of supplies that are in no sum of the report, so their bills are not either.
    """
    period = estate.financial_year(began)
    months = [one.month for one in estate.made_months(connection, period) if one.closed]
    known = [
        one
        for one in supplies.read(connection, restricted=True)
        if one.fuel == "electricity" and one.number not in left_out
    ]
    unplaced = sum(not one.places for one in known)
    if not months:
        why = f"the energy ledger has no closed month of {financial_year_label(began)}, so nothing is known of devices"
        return Shared(why, unplaced=unplaced)
    return _compared(connection, known, months, unplaced)


def _compared(
    connection: Connection, known: Sequence[Supply], months: Sequence[str], unplaced: int
) -> Shared:
    """Return what supplies and devices have in common in these months."""
    drawn, read = _drawn(connection, months), meter_days.readings(connection)
    billed, parts = 0, []
    counted: set[tuple[int, str]] = set()
    fed: set[tuple[int, str]] = set()
    for month in months:
        first, last = _span(month)
        told = _told(connection, known, read, first, last)
        for group in _groups(known, first, last):
            fed.update((site, month) for site in group.sites)
            here = [drawn[site, month] for site in group.sites if (site, month) in drawn]
            if here and group.whole and all(one in told for one in group.supplies):
                billed += sum(told[one] for one in group.supplies)
                parts += here
                counted.update((site, month) for site in group.sites)
    open_sites = {place.site for one in known for place in one.places if not place.restricted}
    why = None
    if not counted or not billed:
        why = "no site a supply feeds has both devices and a whole month of its meters"
    elif not any(site in open_sites for site, _ in counted):
        why = "restricted sites stand in totals alone, and no other site counts"
    return Shared(
        why,
        Fraction(billed, 1000),
        together(parts).energy(),
        len({site for site, _ in counted}),
        len({site for site, _ in fed}),
        len({month for _, month in counted}),
        len(counted),
        len(fed - counted),
        unplaced,
    )


def _span(month: str) -> tuple[dt.date, dt.date]:
    first = dt.date.fromisoformat(f"{month}-01")
    return estate.Period(first, first, month).days


def _drawn(connection: Connection, months: Sequence[str]) -> dict[tuple[int, str], Sum]:
    """Return {(site, month): energy} of places whose electricity is in scope 2, where devices told something."""
    own = [place for place, scope in SCOPES.items() if scope == 2]
    query = select(energy_groups).join(sites, sites.c.id == energy_groups.c.site)
    query = query.where(energy_groups.c.month.in_([f"{one}-01" for one in months]), sites.c.kind.in_(own))
    found: dict[tuple[int, str], Sum] = {}
    for row in connection.execute(query.execution_options(yield_per=1000)):
        found.setdefault((row.site, row.month[:7]), Sum()).add(estate.sum_of(row))
    return {key: one for key, one in found.items() if one.days}


def _told(
    connection: Connection,
    known: Sequence[Supply],
    read: Mapping[int, Sequence[Reading]],
    first: dt.date,
    last: dt.date,
) -> dict[int, int]:
    """Return {supply: thousandths of a kWh} of those that tell of every day of the month."""
    days = (last - first).days + 1
    table = days_table
    query = meter_days.counting(
        table.c.supply, func.count().label("days"), func.sum(table.c.kwh_thousandths).label("used")
    )
    query = query.where(table.c.day >= first.isoformat(), table.c.day <= last.isoformat())
    query = query.where(table.c.channel == "import").group_by(table.c.supply)
    found = {row.supply: (row.days, int(row.used)) for row in connection.execute(query)}
    for one in known:
        if one.id not in found and (sum_ := meter_days.of_register(read.get(one.id, ()), first, last)):
            found[one.id] = sum_.days, sum_.thousandths
    return {supply: used for supply, (told, used) in found.items() if told == days}


@dataclass(slots=True)
class _Group:
    """Supplies and sites that hang together; `whole` where each feeds its sites all month."""

    supplies: set[int]
    sites: set[int]
    whole: bool


def _groups(known: Sequence[Supply], first: dt.date, last: dt.date) -> Iterator[_Group]:
    groups: list[_Group] = []
    for one in known:
        here = [
            place
            for place in one.places
            if place.valid_from <= last and (place.valid_to is None or place.valid_to > first)
        ]
        if not here:
            continue
        whole = all(place.on(first) and place.on(last) for place in here)
        mine = _Group({one.id}, {place.site for place in here}, whole)
        for other in [other for other in groups if other.sites & mine.sites]:
            groups.remove(other)
            mine.supplies |= other.supplies
            mine.sites |= other.sites
            mine.whole = mine.whole and other.whole
        groups.append(mine)
    yield from groups


def table(rated: int, shared: Shared, rates: RateBook | None = None) -> Table:
    """Return the share as low end, likely and high end at the rates of `rated`; "not known" with why where it is not."""
    words = crc.ICT_SHARE_WORDS
    title = words[:1].upper() + words[1:]
    if shared.why is not None:
        rows: list[dict[str, Any]] = [
            {"title": one, "kwh": None, "ratio": None, "tco2": None} for one in _ENDS
        ]
        return Table(
            "ict_share", title, _COLUMNS, rows, f"Not known: {shared.why}. {_outside(shared)}".strip()
        )
    joules = (shared.energy.whole_joules, shared.energy.low_joules, shared.energy.high_joules)
    likely, low, high = (Fraction(one, JOULES_PER_KWH) for one in joules)
    share = crc.ict_share(rated, shared.billed_kwh, likely, low, high, rates)
    works = {
        "ratio": "[kwh]/[total kwh]*100",
        "tco2": "[kwh]*[factor electricity_grid]/1000",
    }
    rows = [
        {
            "title": end,
            "kwh": number(kwh),
            "ratio": number(ratio * 100, 2),
            "tco2": number(mass.tonnes),
            "works": works,
        }
        for end, kwh, mass, ratio in zip(_ENDS, share.kwh, share.emissions, share.ratio, strict=True)
    ]
    note = (
        f"Of {float(shared.billed_kwh):,.0f} kWh billed at {shared.sites} of the {shared.sites_fed} sites the supplies feed, "
        f"in {shared.months} of 12 months: {shared.site_months} months of sites in all. {_outside(shared)} "
        "An allocation inside the billed total, never a line of the report."
    )
    if share.above_bill:
        note += " Agents claim more than was billed: a meter or a model is wrong, so somebody should look."
    billed = {
        "title": "Billed at these sites in these months",
        "kwh": number(shared.billed_kwh),
        "ratio": 100.0,
    }
    return Table("ict_share", title, _COLUMNS, rows, note, billed)


def _outside(shared: Shared) -> str:
    said = []
    if shared.left_out:
        said.append(f"{shared.left_out} months of fed sites have no devices or no whole month of meters.")
    if shared.unplaced:
        some = "one supply" if shared.unplaced == 1 else f"{shared.unplaced:,} supplies"
        said.append(f"Nobody said which site {some} {'feeds' if shared.unplaced == 1 else 'feed'}.")
    return " ".join(said)
