"""The "GGC-style" ICT return and Scotland's rows, out of the ledger, the register, disposals and the carbon settings.

By asset group: what agents told of devices that have one, and register items without an agent as the carbon report
counts them, where their energy is published, with how it is known. Devices used at home are a group of their own and in no other.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import Connection, func, select

from roadworthy_collector.carbon import e_waste, estate, returns, without_agent
from roadworthy_collector.carbon.settings_edition import settings
from roadworthy_collector.carbon.settings_text import CarbonSettings
from roadworthy_collector.carbon.sums import Energy, Sum, together
from roadworthy_collector.carbon.without_agent import IN_USE, ClassRow, typical_kwh
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.returns import (
    GROUP_WORDS,
    HOME_LIGHT_WATTS,
    HOME_WORKSTATION_WATTS,
    SUPPLIER_COULD_NOT_SAY,
    AssetGroup,
    GroupLine,
    IctReturn,
    ScottishRow,
    home_kwh,
    ict_return,
    scottish_rows,
    watts_at_home,
)

_GROUP_OF: Mapping[str, AssetGroup] = {
    **dict.fromkeys(
        ("laptop", "desktop", "all_in_one", "tablet", "thin_client", "phone", "monitor", "dock"), "end_user"
    ),
    # What a management controller reads is its server's.
    **dict.fromkeys(("server", "controller"), "servers_on_site"),
    "printer": "printing",
    **dict.fromkeys(("network", "switch", "ups", "pdu"), "network"),
}
_POWER_WORDS = {"ups": "UPSs", "pdu": "PDUs"}  # in the group of the network, and said there by name
# Why a class is in no asset group; all others are left out for nobody knows what they are.
_NO_GROUP = {
    "virtual": "virtual machines draw nothing of their own: their hosts do",
    "other": "no asset group of the return is theirs",
}
_CLASS_UNKNOWN = "what they are is not known"
Kwh = tuple[Fraction, Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class GgcReturn:
    """The return with what a reader must know beside it.

    `left`: {what became of it: items, and those not weighed} of the year; `left_undated` left on a day nobody noted.
    `home_hours`: staff hours worked at home as the settings tell; None where nobody told.
    """

    ict: IctReturn
    left: Mapping[str, Counter[str]]
    left_undated: int
    home_hours: Fraction | None
    provisional: tuple[str, ...]
    boundary: str | None
    settings_digest: str
    notes: tuple[str, ...]

    @property
    def e_waste_items(self) -> int:
        """How many items left in the year."""
        return sum(one["items"] for one in self.left.values())

    @property
    def not_weighed(self) -> int:
        """How many of them have no weight."""
        return sum(one["not_weighed"] for one in self.left.values())

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
    lines, notes = _lines(connection, held, said, began, today, zone)
    waste, left, undated = e_waste.read(connection, began)
    try:
        made = ict_return(found.table, lines, waste)
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None
    return GgcReturn(
        ict=made,
        left=left,
        left_undated=undated,
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
    """Return the asset group of a class of devices or items; None for what is in none, or nobody knows what it is."""
    return _GROUP_OF.get(item_class)


def _lines(
    connection: Connection, held: estate.Estate, said: CarbonSettings, began: int, today: dt.date, zone: str
) -> tuple[list[GroupLine], list[str]]:
    home = estate.at_kind(connection, held.period, "home")["class"]
    told = {name: _without(one, home.get(name)) for name, one in held.sums["class"].items()}
    now = local_day(today, zone).start
    # The same rows as the carbon report's table of devices without an agent.
    alone = [
        one
        for one in without_agent.read(connection, held.period, zone=zone, now=now).rows
        if one.items > one.taken_off
    ]
    silent: Counter[AssetGroup | None] = Counter()
    for kind, count in _silent(connection, held).items():
        silent[group_of(kind)] += count
    everyone: tuple[AssetGroup, ...] = ("end_user", "printing", "network", "servers_on_site")
    lines = [
        _group(
            group,
            {name: one for name, one in told.items() if group_of(name) == group},
            [one for one in alone if group_of(one.kind) == group],
            silent[group],
        )
        for group in everyone
    ]
    at_home = together(home.values()).energy()
    lines += [_cooling(said, began), _hosting(said, began), _home(at_home, said.of_year(began).home_hours)]
    notes = _left_out(told, alone, silent[None])
    if alone and held.period.days[1] < today:
        notes.insert(
            0, "items without an agent are counted from purchase to disposal as the register stands today"
        )
    return lines, notes


def _left_out(told: Mapping[str, Sum], alone: Sequence[ClassRow], untold: int) -> list[str]:
    """Return what is in no asset group, in words with its energy."""
    notes = []
    for name, one in sorted(told.items()):
        energy = one.energy()
        if group_of(name) is None and energy.devices:
            why = _NO_GROUP.get(name, _CLASS_UNKNOWN)
            notes.append(
                f"{energy.devices:,} devices of class {name} ({float(energy.kwh):,.0f} kWh as told) are in no asset group "
                f"of the return: {why}"
            )
    notes += [
        f"{one.items - one.taken_off:,} register items of kind {one.kind} without an agent are in no asset group of the "
        f"return: {_NO_GROUP.get(one.kind, _CLASS_UNKNOWN)}"
        for one in alone
        if group_of(one.kind) is None
    ]
    if untold:
        notes.append(
            f"{untold:,} register items whose agents told nothing of this year are in no asset group"
        )
    return notes


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


def _silent(connection: Connection, held: estate.Estate) -> Counter[str]:
    """Return {kind: items} with an agent that told nothing in the months of the estate."""
    first, last = (day.isoformat() for day in held.period.days)
    months = energy_devices.c.month
    told = select(energy_devices.c.device).where(months >= first, months <= last, energy_devices.c.days > 0)
    linked = select(register_devices.c.item).where(register_devices.c.valid_to.is_(None))
    heard = linked.where(register_devices.c.device.in_(told))
    query = (
        select(register_items.c.kind, func.count().label("items"))
        .where(register_items.c.lifecycle_state.in_(IN_USE))
        .where(register_items.c.id.in_(linked), register_items.c.id.not_in(heard))
        .group_by(register_items.c.kind)
    )
    return Counter({row.kind: int(row.items) for row in connection.execute(query)})


def _group(
    group: AssetGroup, classes: Mapping[str, Sum], alone: Sequence[ClassRow], untold: int
) -> GroupLine:
    told = together(classes.values()).energy()
    kwh = _kwh(told.low_joules, told.whole_joules, told.high_joules)
    known = [
        f"{quality} {told.share(quality):.0%}"
        for quality in QUALITIES
        if told.whole_joules and told.share(quality)
    ]
    if told.devices and not known:
        known = ["no energy told"]
    said = [f"{told.devices:,} devices by their agents ({', '.join(known)})"] if told.devices else []
    for name, words in _POWER_WORDS.items():
        if name in classes and (one := classes[name].energy()).devices:
            said.append(f"of them {one.devices:,} {words} with {float(one.kwh):,.0f} kWh")
    silent = untold if told.whole_joules else untold + told.devices
    if untold:
        said.append(f"{untold:,} items whose agents told nothing of this year: their energy is not in it")
    for row in sorted(alone, key=lambda row: row.kind):
        count = row.items - row.taken_off
        # Watts of our own reading are nobody's published figure, and none is filed.
        if row.joules is None or typical_kwh(row.kind) is None:
            silent += count
            said.append(f"{count:,} {row.kind} without an agent, for which no typical energy is published")
            continue
        # The groups' and the classes' errors may share a cause: the ends are added.
        joules = (round(one) for one in row.joules)
        kwh = [one + end for one, end in zip(kwh, _kwh(*joules), strict=True)]
        said.append(f"{count:,} {row.kind} without an agent ({row.quality}: {row.how})")
    count = told.devices + untold + sum(one.items - one.taken_off for one in alone)
    if not count:
        return GroupLine(group, None, None, "", "not counted")
    if silent == count:
        return GroupLine(group, count, None, "; ".join(said), "nothing is known of their energy")
    return GroupLine(group, count, (kwh[0], kwh[1], kwh[2]), "; ".join(said))


def _kwh(*joules: int) -> list[Fraction]:
    return [Fraction(one, JOULES_PER_KWH) for one in joules]


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


def _home(told: Energy, hours: Fraction | None) -> GroupLine:
    """Return the line of homeworking: what agents told, else the hours by the published method, which is assumed."""
    if not told.days:
        if hours is None:
            return GroupLine("home_workers", None, None, "", "no device is at a site of kind home")
        kwh = home_kwh(hours)
        return GroupLine(
            "home_workers", None, (kwh, kwh, kwh), f"{_by_hours(hours)} (assumed)", "no count of devices"
        )
    low, likely, high = (
        Fraction(end, JOULES_PER_KWH) for end in (told.low_joules, told.whole_joules, told.high_joules)
    )
    how = "by their agents, at sites of kind home"
    if hours and (watts := watts_at_home(likely, hours)) is not None:
        how += f"; {float(watts):,.0f} W for an hour worked at home, where the published method has {HOME_WORKSTATION_WATTS} W"
    return GroupLine("home_workers", told.devices, (low, likely, high), how)


def _by_hours(hours: Fraction) -> str:
    return (
        f"{float(hours):,.0f} staff hours at home at {HOME_WORKSTATION_WATTS} W for a workstation and "
        f"{HOME_LIGHT_WATTS} W for light, without heating"
    )


def _home_told(found: GgcReturn) -> dict[str, object] | None:
    """Return hours at home by the published method beside what agents told, None where nobody told the hours."""
    hours = found.home_hours
    if hours is None:
        return None
    line = next(one for one in found.ict.groups if one.line.group == "home_workers").line
    agents = line.kwh[1] if line.kwh is not None and line.count is not None else None
    watts = None if agents is None else watts_at_home(agents, hours)
    return {
        "hours": float(hours),
        "published_watts": HOME_WORKSTATION_WATTS + HOME_LIGHT_WATTS,
        "published_kwh": float(home_kwh(hours)),
        "agents_kwh": None if agents is None else float(agents),
        "agents_watts": None if watts is None else float(watts),
    }


def told(found: GgcReturn) -> dict[str, object]:
    """Return the return as JSON says it; kWh and tonnes as (low, likely, high)."""
    ict = found.ict
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
        "e_waste_kg": None if ict.e_waste is None else e_waste.told_kg(ict.e_waste),
        "e_waste": e_waste.told(found.left),
        "e_waste_items": found.e_waste_items,
        "e_waste_not_weighed": found.not_weighed,
        "left_undated": found.left_undated,
        "home": _home_told(found),
        "home_hours": None if found.home_hours is None else float(found.home_hours),
        "notes": list(found.notes),
    }
