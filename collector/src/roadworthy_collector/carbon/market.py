"""What supply contracts cover of a year's electricity, by what the meters of their supplies told between their dates."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from fractions import Fraction

from sqlalchemy import Connection

from roadworthy_collector.carbon import meter_days, supplies
from roadworthy_collector.carbon.settings_text import CarbonSettings, SupplyContract
from roadworthy_inventory.carbon.factor_rules import Rule, resolve, set_name
from roadworthy_inventory.carbon.factors import FactorBook
from roadworthy_inventory.carbon.market import Covered
from roadworthy_inventory.carbon.secr import ContractFactor
from roadworthy_inventory.carbon.years import year_days


def covered(connection: Connection, began: int, said: CarbonSettings) -> tuple[Covered, ...]:
    """Return what each contract covers of the financial year that begins in `began`, in the order they are told.

    A contract of so many kWh covers no more than that, and never more than the meter told. Supplies of restricted
    sites are in it without their number.
    """
    first, last = year_days(began)
    names = {
        one.id: (one.number, supplies.RESTRICTED if one.restricted else one.number)
        for one in supplies.read(connection, restricted=True)
        if one.fuel == "electricity"
    }
    spans: dict[tuple[dt.date, dt.date], list[SupplyContract]] = defaultdict(list)
    for one in said.contracts:
        since, until = max(first, one.first), min(last, one.last or last)
        if since <= until:
            spans[since, until].append(one)
    found = []
    for (since, until), contracts in spans.items():
        used = _used(connection, since, until, names)
        for one in contracts:
            if one.supply in used:
                shown, kwh = used[one.supply]
                kwh = kwh if one.kwh is None else min(kwh, one.kwh)
                found.append(Covered(one.instrument, shown, since, until, kwh, one.factor))
    return tuple(found)


def residual(said: CarbonSettings, book: FactorBook, began: int, rule: Rule) -> ContractFactor:
    """Return the factor of what no contract covers: the year's residual mix, else the location-based factor."""
    told = said.residual.get(began)
    if told is not None:
        return ContractFactor(told.kgco2e_per_kwh, f"residual mix, {told.source}")
    first, last = year_days(began)
    grid = resolve(book, "generation", first, last, rule)
    return ContractFactor(
        grid.require(), f"the location-based factor of set {set_name(grid)}, for no residual mix is held"
    )


def _used(
    connection: Connection, first: dt.date, last: dt.date, names: dict[int, tuple[str, str]]
) -> dict[str, tuple[str, Fraction]]:
    """Return {number: (name to show, kWh its meter told)} of these days."""
    found = {}
    for supply, channels in meter_days.totals(connection, first, last).items():
        told = channels.get("import") or channels.get(meter_days.REGISTER)
        if supply in names and told is not None:
            number, shown = names[supply]
            found[number] = (shown, Fraction(told.thousandths, 1000))
    return found
