"""What the carbon settings say of changes: the boundary's, the base year's adjustments, and the residual mix of a year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from roadworthy_collector.carbon.settings_reading import day_of, listed, number, text_of, wrong, year_of
from roadworthy_inventory.carbon.boundary import BoundaryChange
from roadworthy_inventory.carbon.crc_evidence import EXCLUSION_RULES
from roadworthy_inventory.carbon.quantities import Co2e
from roadworthy_inventory.carbon.secr import ContractFactor
from roadworthy_inventory.carbon.secr_baseline import CAUSES, Adjustment

_MOST_TONNES = Decimal(10) ** 9
_MOST_SITES = 500
_MOST_CONTACT = 128


def factor_of(said: Mapping[str, Any], where: str) -> ContractFactor:
    """Return `kgco2e_per_kwh` and the `source` that says so."""
    return ContractFactor(
        number(said["kgco2e_per_kwh"], f"{where}: kgco2e_per_kwh", Decimal(5)),
        text_of(said, "source", f"{where}: source"),
    )


def residual_mix(said: Mapping[str, Any]) -> Mapping[int, ContractFactor]:
    """Return {calendar year a financial year begins in: factor of what no contract covers}."""
    keys = ("year", "kgco2e_per_kwh", "source")
    found: dict[int, ContractFactor] = {}
    for where, one in listed(said, "residual_mix", set(keys), keys):
        began = year_of(one["year"], f"{where}: year")
        if began in found:
            wrong(where, "that year has a residual mix already")
        found[began] = factor_of(one, where)
    return MappingProxyType(found)


def boundary_changes(said: Mapping[str, Any]) -> tuple[BoundaryChange, ...]:
    """Return which sites joined or left what is counted, since when and why; a site once only."""
    needed = ("sites", "change", "from", "reason")
    found: list[BoundaryChange] = []
    seen: set[str] = set()
    for where, one in listed(said, "boundary_change", set(needed), needed):
        names = one["sites"]
        if not isinstance(names, list) or not 1 <= len(names) <= _MOST_SITES:
            wrong(f"{where}: sites", f"is a list of 1 to {_MOST_SITES} names of sites")
        if not all(isinstance(name, str) and 1 <= len(name) <= 128 for name in names):
            wrong(f"{where}: sites", "names are texts of 1 to 128 characters")
        if one["change"] not in {"joined", "left"}:
            wrong(f"{where}: change", "is joined or left")
        if again := seen.intersection(names):
            wrong(f"{where}: sites", f"{min(again)} joined or left already; a site does so once")
        seen.update(names)
        on = day_of(one["from"], f"{where}: from")
        why = text_of(one, "reason", f"{where}: reason")
        found.append(BoundaryChange(tuple(names), one["change"] == "joined", on, why))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class CrcExclusion:
    """A supply (MPAN, MPRN or name of a generation meter) that is no part of a CRC report: the rule, and why."""

    supply: str
    rule: str
    why: str


def crc_exclusions(said: Mapping[str, Any]) -> tuple[CrcExclusion, ...]:
    """Return the supplies that are left out of CRC reports; each once."""
    keys = ("supply", "rule", "reason")
    found: dict[str, CrcExclusion] = {}
    for where, one in listed(said, "crc_exclusion", set(keys), keys):
        supply = "".join(text_of(one, "supply", f"{where}: supply", 64).split()).upper()
        if supply in found:
            wrong(f"{where}: supply", f"{supply} is left out already")
        if one["rule"] not in EXCLUSION_RULES:
            wrong(f"{where}: rule", f"is one of {', '.join(EXCLUSION_RULES)}")
        found[supply] = CrcExclusion(supply, one["rule"], text_of(one, "reason", f"{where}: reason"))
    return tuple(found.values())


class Contact(NamedTuple):
    """Somebody to be asked about a report: what they answer for, and how they are reached."""

    name: str
    role: str
    reach: str


def contacts(said: Mapping[str, Any]) -> tuple[Contact, ...]:
    """Return who is to be asked about reports, in the order they are written."""
    keys = ("name", "role", "reach")
    return tuple(
        Contact(*(text_of(one, key, f"{where}: {key}", _MOST_CONTACT) for key in keys))
        for where, one in listed(said, "contact", set(keys), keys)
    )


def adjustments(said: Mapping[str, Any]) -> tuple[Adjustment, ...]:
    """Return the base year's adjustments, in the order they are known since."""
    needed = ("cause", "tco2e", "known_since", "reason")
    found = []
    for where, one in listed(said, "base_year_adjustment", set(needed), needed):
        if "base_year" not in said:
            wrong(where, "there is no [base_year] to adjust")
        cause = next((name for name in CAUSES if name == one["cause"]), None)
        if cause is None:
            wrong(f"{where}: cause", f"is one of {', '.join(CAUSES)}")
        tonnes = number(one["tco2e"], f"{where}: tco2e", _MOST_TONNES, -_MOST_TONNES)
        if not tonnes:
            wrong(f"{where}: tco2e", "is not nought")
        since = day_of(one["known_since"], f"{where}: known_since")
        found.append(
            Adjustment(cause, Co2e(tonnes * 1000), text_of(one, "reason", f"{where}: reason"), since)
        )
    return tuple(sorted(found, key=lambda one: one.on))
