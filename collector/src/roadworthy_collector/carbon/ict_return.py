"""The "GGC-style" ICT return and Scotland's rows, out of the ledger, the register, disposals and the carbon settings.

By asset group: what agents told of devices that have one, and register items in use without an agent at the typical
year of makers' sheets, which is assumed and said so. Devices used at home are a group of their own and in no other.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import ColumnElement, Connection, func, select

from roadworthy_collector.books import disposal
from roadworthy_collector.carbon import estate, returns
from roadworthy_collector.carbon.settings_edition import settings
from roadworthy_collector.carbon.settings_text import CarbonSettings
from roadworthy_collector.carbon.sums import Energy, Sum, together
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.carbon_schema import energy_devices, energy_groups
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.returns import (
    GROUP_WORDS,
    SUPPLIER_COULD_NOT_SAY,
    AssetGroup,
    EWaste,
    GroupLine,
    IctReturn,
    ScottishRow,
    ict_return,
    scottish_rows,
)
from roadworthy_inventory.carbon.state_power import AVERAGE, watts_of
from roadworthy_inventory.replacement_data import footprints
from roadworthy_inventory.replacement_inputs import Range

IN_USE = ("deployed", "loan")
_GROUP_OF: Mapping[str, AssetGroup] = {
    "server": "servers_on_site",
    "printer": "printing",
    "network": "network",
}
# What is no end-user device and no asset group of the return: left out, and counted in the notes.
_NO_GROUP = frozenset({"ups", "other"})
_HOURS_A_YEAR = 8766  # 365.25 days
Kwh = tuple[Fraction, Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class GgcReturn:
    """The return with what a reader must know beside it. `e_waste_items` of those `not_weighed` have no weight.

    `home_hours`: staff hours worked at home as the settings tell; None where nobody told.
    """

    ict: IctReturn
    e_waste_items: int
    not_weighed: int
    left_undated: int
    home_hours: Fraction | None
    provisional: tuple[str, ...]
    boundary: str | None
    settings_digest: str
    notes: tuple[str, ...]

    @property
    def may_be_issued(self) -> bool:
        """Whether every factor is read from its official source."""
        return not self.provisional


def ggc(connection: Connection, began: int, *, today: dt.date, zone: str) -> GgcReturn:
    """Return the ICT return of the financial year that begins in `began`, of the whole IT estate.

    On the year's factor of generation by the rule the settings state; raises as `returns.secr`.
    """
    found = returns.secr(connection, began, today=today, zone=zone, basis="ict")
    said = settings(connection)
    held = estate.read(connection, estate.financial_year(began))
    lines, notes = _lines(connection, held, said, began, today)
    waste, counted = _e_waste(connection, began)
    try:
        made = ict_return(found.table, lines, waste)
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None
    return GgcReturn(
        ict=made,
        e_waste_items=counted["items"],
        not_weighed=counted["not_weighed"],
        left_undated=counted["undated"],
        home_hours=said.of_year(began).home_hours,
        provisional=found.table.provisional,
        boundary=found.boundary,
        settings_digest=found.settings_digest,
        notes=(*notes, *found.notes),
    )


def scotland(
    connection: Connection, began: int, *, today: dt.date, zone: str
) -> tuple[returns.SecrReturn, tuple[ScottishRow, ...]]:
    """Return the year's table and its rows in the columns of Scotland's return; raises as `returns.secr`."""
    found = returns.secr(connection, began, today=today, zone=zone)
    return found, scottish_rows(found.table)


def group_of(item_class: str) -> AssetGroup | None:
    """Return the asset group of a class of devices or items; None for what is in none."""
    return None if item_class in _NO_GROUP else _GROUP_OF.get(item_class, "end_user")


def typical_kwh(item_class: str) -> Range | None:
    """Return makers' typical kWh a year of a class, (tenth, median, ninetieth percentile); None where none is held."""
    found = footprints().get("desktop" if item_class == "all_in_one" else item_class)
    if found is not None:
        return found.use_kwh
    row = watts_of(item_class, AVERAGE)
    return None if row is None else Range(*(watts * _HOURS_A_YEAR / 1000 for watts in row.watts))


def _lines(
    connection: Connection, held: estate.Estate, said: CarbonSettings, began: int, today: dt.date
) -> tuple[list[GroupLine], list[str]]:
    home = _at_home(connection, held)
    groups: dict[AssetGroup, list[Sum]] = defaultdict(list)
    notes: list[str] = []
    for item_class, one in held.sums["class"].items():
        group = group_of(item_class)
        if group is None:
            continue
        groups[group].append(_without(one, home.get(item_class)))
    typical: dict[AssetGroup, Counter[str]] = defaultdict(Counter)
    if held.period.days[1] < today:
        notes.append(
            "items without an agent are counted as the register stands today, not as it stood in the year"
        )
    for kind, count in _without_agent(connection).items():
        group = group_of(kind)
        if group is None:
            notes.append(f"{count:,} register items of kind {kind} are in no asset group of the return")
        else:
            typical[group][kind] += count
    everyone: tuple[AssetGroup, ...] = ("end_user", "printing", "network", "servers_on_site")
    energies = {group: together(groups[group]).energy() for group in everyone}
    at_home = together(home.values()).energy()
    silent: Counter[AssetGroup | None] = Counter()
    for kind, count in _silent(connection, held).items():
        silent[group_of(kind)] += count
    lines = [_group(group, told, typical[group], silent[group]) for group, told in energies.items()]
    lines += [_cooling(said, began), _hosting(said, began), _home(at_home)]
    return lines, notes


def _at_home(connection: Connection, held: estate.Estate) -> dict[str, Sum]:
    """Return {class: energy at home} of the estate's months."""
    firsts = [f"{month}-01" for month in held.period.months]
    query = (
        select(energy_groups)
        .join(sites, sites.c.id == energy_groups.c.site)
        .where(energy_groups.c.month.in_(firsts), sites.c.kind == "home")
    )
    found: dict[str, Sum] = {}
    for row in connection.execute(query.execution_options(yield_per=1000)):
        found.setdefault(row.item_class, Sum()).add(estate.sum_of(row))
    return found


def _without(whole: Sum, part: Sum | None) -> Sum:
    """Return `whole` less a part of it: everything in a sum adds up, so it can be taken off again."""
    found = together([whole])
    if part is None:
        return found
    found.joules = [all_ - one for all_, one in zip(whole.joules, part.joules, strict=True)]
    found.days -= part.days
    found.unknown_seconds -= part.unknown_seconds
    for name, month in part.months.items():
        held = found.months[name]
        held.devices -= month.devices
        held.down_squared = max(held.down_squared - month.down_squared, 0.0)
        held.up_squared = max(held.up_squared - month.up_squared, 0.0)
    for model, (down, up) in part.shared.items():
        off = found.shared[model]
        found.shared[model] = [max(off[0] - down, 0.0), max(off[1] - up, 0.0)]
    return found


def _counted(connection: Connection, *conditions: ColumnElement[bool]) -> Counter[str]:
    """Return {kind: register items in use} of these conditions."""
    query = (
        select(register_items.c.kind, func.count().label("items"))
        .where(register_items.c.lifecycle_state.in_(IN_USE), *conditions)
        .group_by(register_items.c.kind)
    )
    return Counter({row.kind: int(row.items) for row in connection.execute(query)})


def _without_agent(connection: Connection) -> Counter[str]:
    """Return {kind: items} that no agent reports for."""
    linked = select(register_devices.c.item).where(register_devices.c.valid_to.is_(None))
    return _counted(connection, register_items.c.id.not_in(linked))


def _silent(connection: Connection, held: estate.Estate) -> Counter[str]:
    """Return {kind: items} with an agent that told nothing in the months of the estate."""
    first, last = (day.isoformat() for day in held.period.days)
    months = energy_devices.c.month
    told = select(energy_devices.c.device).where(months >= first, months <= last, energy_devices.c.days > 0)
    linked = select(register_devices.c.item).where(register_devices.c.valid_to.is_(None))
    heard = linked.where(register_devices.c.device.in_(told))
    return _counted(connection, register_items.c.id.in_(linked), register_items.c.id.not_in(heard))


def _group(group: AssetGroup, told: Energy, typical: Counter[str], untold: int) -> GroupLine:
    kwh: list[Fraction] = [
        Fraction(end, JOULES_PER_KWH) for end in (told.low_joules, told.whole_joules, told.high_joules)
    ]
    known = [
        f"{quality} {told.share(quality):.0%}"
        for quality in QUALITIES
        if told.whole_joules and told.share(quality)
    ]
    said = [f"{told.devices:,} devices by their agents ({', '.join(known)})"] if told.devices else []
    silent = untold
    if untold:
        said.append(f"{untold:,} items whose agents told nothing of this year: their energy is not in it")
    for kind, count in sorted(typical.items()):
        year = typical_kwh(kind)
        if year is None:
            silent += count
            said.append(f"{count:,} {kind} without an agent, for which no typical energy is published")
            continue
        # What one figure for all is off, it is off for all alike.
        kwh = [one + Fraction(str(end)) * count for one, end in zip(kwh, year, strict=True)]
        said.append(f"{count:,} {kind} without an agent at makers' typical year (assumed)")
    count = told.devices + untold + sum(typical.values())
    if not count:
        return GroupLine(group, None, None, "", "not counted")
    if silent == count:
        return GroupLine(group, count, None, "; ".join(said), "nothing is known of their energy")
    return GroupLine(group, count, (kwh[0], kwh[1], kwh[2]), "; ".join(said))


def _cooling(said: CarbonSettings, began: int) -> GroupLine:
    kwh = said.of_year(began).cooling_kwh
    if kwh is None:
        return GroupLine("cooling", None, None, "", "not counted")
    return GroupLine(
        "cooling", None, (kwh, kwh, kwh), "as entered in the carbon settings", "no count of machines"
    )


def _hosting(said: CarbonSettings, began: int) -> GroupLine:
    of_year = [one for one in said.hosting if one.began == began]
    if not of_year:
        return GroupLine("hosting", None, None, "", "not counted")
    told = [one.kwh for one in of_year if one.kwh is not None]
    silent = [one.name for one in of_year if one.kwh is None]
    how = "; ".join(f"{one.name}: {one.source}" for one in of_year if one.kwh is not None)
    unknown = f"{SUPPLIER_COULD_NOT_SAY}: {', '.join(silent)}" if silent else None
    if not told:
        return GroupLine("hosting", len(of_year), None, how, unknown)
    sums: Kwh = (
        sum((one[0] for one in told), Fraction(0)),
        sum((one[1] for one in told), Fraction(0)),
        sum((one[2] for one in told), Fraction(0)),
    )
    return GroupLine("hosting", len(of_year), sums, how, unknown)


def _home(told: Energy) -> GroupLine:
    if not told.days:
        return GroupLine("home_workers", None, None, "", "no device is at a site of kind home")
    low, likely, high = (
        Fraction(end, JOULES_PER_KWH) for end in (told.low_joules, told.whole_joules, told.high_joules)
    )
    return GroupLine(
        "home_workers", told.devices, (low, likely, high), "by their agents, at sites of kind home"
    )


def _e_waste(connection: Connection, began: int) -> tuple[EWaste | None, Counter[str]]:
    """Return what left in the year by route; what was not weighed is counted and no typical weight stands for it.

    A route of destruction, or back to a lessor, does not say what became of the material.
    """
    grams: Counter[str] = Counter()
    counted: Counter[str] = Counter(items=0, not_weighed=0, undated=0)
    for one in disposal.read(connection, restricted=True):
        record = one.record
        if record.left is None:
            counted["undated"] += one.lifecycle_state == "disposed"
            continue
        if not dt.date(began, 4, 1) <= record.left < dt.date(began + 1, 4, 1):
            continue
        counted["items"] += 1
        if record.weight_grams is None:
            counted["not_weighed"] += 1
        else:
            grams[_BECAME.get(record.route, "unknown")] += record.weight_grams
    if not counted["items"]:
        return None, counted
    kg = {name: Fraction(grams[name], 1000) for name in ("reused", "recycled", "unknown")}
    nothing = Fraction(0)
    return EWaste(kg["reused"], kg["recycled"], nothing, nothing, kg["unknown"]), counted


_BECAME = {"reuse": "reused", "resale": "reused", "recycling": "recycled"}


def told(found: GgcReturn) -> dict[str, object]:
    """Return the return as JSON says it; kWh and tonnes as (low, likely, high)."""
    ict, waste = found.ict, found.ict.e_waste
    return {
        "year": ict.year,
        "factor_set": ict.factor_set,
        "groups": [
            {
                "group": one.line.group,
                "title": GROUP_WORDS[one.line.group],
                "count": one.line.count,
                "kwh": None if one.line.kwh is None else [float(end) for end in one.line.kwh],
                "tco2e": None if one.emissions is None else [float(end.tonnes) for end in one.emissions],
                "how_known": one.line.how_known,
                "unknown": one.line.unknown,
            }
            for one in ict.groups
        ],
        "known_kwh": [float(end) for end in ict.known_kwh],
        "known_tco2e": [float(end.tonnes) for end in ict.known_emissions],
        "groups_unknown": list(ict.groups_unknown),
        "e_waste_kg": None
        if waste is None
        else {
            "reused": float(waste.reused_kg),
            "recycled": float(waste.recycled_kg),
            "unknown": float(waste.unknown_kg),
            "total": float(waste.total_kg),
        },
        "e_waste_items": found.e_waste_items,
        "e_waste_not_weighed": found.not_weighed,
        "left_undated": found.left_undated,
        "home_hours": None if found.home_hours is None else float(found.home_hours),
        "notes": list(found.notes),
    }
