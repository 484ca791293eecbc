"""Two returns public bodies fill in: one on ICT as Greening Government asks for it, and Scotland's on emissions.

The first follows the method of the departments' ICT footprint: number x annual energy x official factor, by asset
group (https://www.gov.uk/government/publications/greening-government-ict-and-digital-services-strategy-2020-2025).
The second has the columns of part 3 of the public bodies' climate change duties report
(https://sustainablescotlandnetwork.org/reports), which is due on 30 November.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from roadworthy_inventory.carbon.factor_rules import set_name
from roadworthy_inventory.carbon.quantities import CarbonError, Co2e, QuantityError, emitted
from roadworthy_inventory.carbon.secr import SecrTable

AssetGroup = Literal[
    "end_user", "printing", "network", "servers_on_site", "cooling", "hosting", "home_workers"
]
ASSET_GROUPS: tuple[AssetGroup, ...] = (
    "end_user",
    "printing",
    "network",
    "servers_on_site",
    "cooling",
    "hosting",
    "home_workers",
)
GROUP_WORDS = {
    "end_user": "End-user devices",
    "printing": "Printing",
    "network": "Network",
    "servers_on_site": "Servers on site",
    "cooling": "Cooling of server rooms",
    "hosting": "Hosting and cloud",
    "home_workers": "Devices used at home",
}
# Of a workstation and of light, per hour worked at home: the published method of the UK government's conversion factors
# (methodology paper, homeworking; CIBSE Guide F, 2012).
HOME_WORKSTATION_WATTS = 140
HOME_LIGHT_WATTS = 10
SUPPLIER_COULD_NOT_SAY = "supplier could not say"


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One asset group: how many, their kWh low, likely and high, and how it is known.

    `count` or `kwh` None where nobody knows, and then `unknown` says why.
    """

    group: AssetGroup
    count: int | None
    kwh: tuple[Fraction, Fraction, Fraction] | None
    how_known: str
    unknown: str | None = None

    def __post_init__(self) -> None:
        if self.group not in ASSET_GROUPS:
            raise QuantityError(f"{self.group!r} is no asset group; use {', '.join(ASSET_GROUPS)}")
        if (self.count is None or self.kwh is None) and not self.unknown:
            raise QuantityError(
                f"{GROUP_WORDS[self.group]}: say why it is unknown, for example {SUPPLIER_COULD_NOT_SAY!r}"
            )
        if self.kwh is not None and not 0 <= self.kwh[0] <= self.kwh[1] <= self.kwh[2]:
            raise QuantityError(f"{GROUP_WORDS[self.group]}: kWh are low, likely and high, none negative")


def home_kwh(hours: Fraction) -> Fraction:
    """Return what homeworking takes by the published method, light included and heating not, in kWh."""
    return hours * (HOME_WORKSTATION_WATTS + HOME_LIGHT_WATTS) / 1000


def watts_at_home(kwh: Fraction, hours: Fraction) -> Fraction | None:
    """Return what devices at home drew for an hour worked there, in watts; None without an hour."""
    return kwh * 1000 / hours if hours else None


@dataclass(frozen=True, slots=True)
class EWaste:
    """Equipment that left, in kilograms by what became of it; `unknown_kg` left without a paper that says."""

    reused_kg: Fraction
    recycled_kg: Fraction
    recovered_kg: Fraction
    landfill_kg: Fraction
    unknown_kg: Fraction

    @property
    def total_kg(self) -> Fraction:
        """All of it."""
        return self.reused_kg + self.recycled_kg + self.recovered_kg + self.landfill_kg + self.unknown_kg

    def ratios(self) -> dict[str, Fraction] | None:
        """Return the shares of the total; None where nothing left."""
        if not self.total_kg:
            return None
        names = ("reused", "recycled", "recovered", "landfill", "unknown")
        return {name: getattr(self, f"{name}_kg") / self.total_kg for name in names}


@dataclass(frozen=True, slots=True)
class ReturnedGroup:
    """A line with its emissions, low, likely and high; None where its energy is not known."""

    line: GroupLine
    emissions: tuple[Co2e, Co2e, Co2e] | None


@dataclass(frozen=True, slots=True)
class IctReturn:
    """The return: every group a line, those nobody counted included; totals of what is known, and how much is not."""

    year: str
    factor_set: str
    groups: tuple[ReturnedGroup, ...]
    known_kwh: tuple[Fraction, Fraction, Fraction]
    known_emissions: tuple[Co2e, Co2e, Co2e]
    groups_unknown: tuple[AssetGroup, ...]
    e_waste: EWaste | None


def _emissions(line: GroupLine, factor: Fraction) -> tuple[Co2e, Co2e, Co2e] | None:
    if line.kwh is None:
        return None
    low, likely, high = (emitted(Co2e, part, factor) for part in line.kwh)
    return low, likely, high


def ict_return(found: SecrTable, lines: Sequence[GroupLine], e_waste: EWaste | None) -> IctReturn:
    """Return the ICT return on the factor of the year's table; each group once, a group not named is `not counted`.

    The ends of the totals are added, which is the widest they can be: the groups' errors may share a cause.
    """
    by_group = {one.group: one for one in lines}
    if len(by_group) != len(lines):
        raise QuantityError("an asset group is there twice; add its counts and kWh into one line")
    row = found.row("scope2_location").factor
    if row is None:
        raise CarbonError("the table has no factor for electricity")
    factor = row.require()
    all_lines = [
        by_group.get(group, GroupLine(group, None, None, "", "not counted")) for group in ASSET_GROUPS
    ]
    groups = tuple(ReturnedGroup(line, _emissions(line, factor)) for line in all_lines)
    sums = [sum((one.kwh[end] for one in all_lines if one.kwh), Fraction(0)) for end in range(3)]
    masses = [emitted(Co2e, one, factor) for one in sums]
    return IctReturn(
        year=found.year,
        factor_set=found.factor_set,
        groups=groups,
        known_kwh=(sums[0], sums[1], sums[2]),
        known_emissions=(masses[0], masses[1], masses[2]),
        groups_unknown=tuple(one.group for one in all_lines if one.kwh is None),
        e_waste=e_waste,
    )


@dataclass(frozen=True, slots=True)
class ScottishRow:
    """A row of Scotland's table: source, scope, consumption, factor and tonnes with their units, and a comment."""

    source: str
    scope: int
    consumption: Fraction
    consumption_unit: str
    factor: Fraction
    factor_unit: str
    tco2e: Fraction
    comment: str


_SCOTTISH = {
    "scope1_gas": "Natural gas",
    "scope2_location": "Grid electricity (generation)",
    "scope3_td": "Grid electricity (transmission and distribution losses)",
    "scope3_homeworking": "Homeworking emissions: devices",
}


def scottish_rows(found: SecrTable) -> tuple[ScottishRow, ...]:
    """Return the rows of the year's table that have a factor and a value; each names its factor set in the comment.

    Consumption is worked back from exact tonnes and an exact factor, so it is the kWh that were given.
    """
    rows = []
    for row in found.rows:
        title = _SCOTTISH.get(row.name)
        if title is None or row.value is None or row.factor is None or row.scope is None:
            continue
        factor = row.factor.require()
        rows.append(
            ScottishRow(
                title,
                row.scope,
                row.value * 1000 / factor,
                "kWh",
                factor,
                "kgCO2e/kWh",
                row.value,
                f"factor set {set_name(row.factor)}, {found.rule} rule",
            )
        )
    return tuple(rows)
