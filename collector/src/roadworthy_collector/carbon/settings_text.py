"""What an organisation says of itself for carbon figures: read from TOML, checked, exact; nothing is filled in.

A figure nobody entered is None and every row that needs it says so. Numbers are Decimals as written, never floats.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from roadworthy_collector.carbon.settings_changes import (
    Contact,
    CrcExclusion,
    adjustments,
    boundary_changes,
    contacts,
    crc_exclusions,
    factor_of,
    residual_mix,
)
from roadworthy_collector.carbon.settings_reading import (
    CarbonSettingsError,
    checked,
    day_of,
    listed,
    number,
    only,
    table_of,
    text_of,
    wrong,
    year_of,
)
from roadworthy_inventory.carbon.boundary import BoundaryChange
from roadworthy_inventory.carbon.carbon_price import InternalPrice, InternalPriceSeries
from roadworthy_inventory.carbon.factor_rules import RULES, Rule
from roadworthy_inventory.carbon.meter_numbers import MeterNumberError, mpan
from roadworthy_inventory.carbon.quantities import MOST_KWH, CarbonError, Co2e
from roadworthy_inventory.carbon.secr import ContractFactor
from roadworthy_inventory.carbon.secr_baseline import Adjustment, BaseYear, Target

LONGEST_CHARACTERS = 60_000
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_YEAR_NUMBERS = (
    "fte",
    "revenue_gbp_m",
    "home_hours",
    "cooling_kwh",
    "transport_tco2e",
    "business_travel_tco2e",
    "published_tco2e",
)
_TOP = ("factor_rule", "boundary", "years", "base_year", "target", "contract", "internal_price", "appraisal")
_TOP_KEYS = {
    *_TOP,
    "hosting",
    "grid_intensity",
    "residual_mix",
    "boundary_change",
    "base_year_adjustment",
    "crc_exclusion",
    "contact",
}


@dataclass(frozen=True, slots=True)
class YearFigures:
    """A financial year as the organisation tells it; None where nobody entered it.

    `home_hours`: staff hours worked at home. `published_tco2e`: what was published for the year, gross, and
    `not_comparable` what has changed since, each in a sentence.
    """

    fte: Fraction | None = None
    revenue_gbp_m: Fraction | None = None
    home_hours: Fraction | None = None
    cooling_kwh: Fraction | None = None
    transport_tco2e: Fraction | None = None
    business_travel_tco2e: Fraction | None = None
    published_tco2e: Fraction | None = None
    not_comparable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SupplyContract:
    """The market-based factor of one supply (MPAN) from `first` to `last`, both included; None: until further notice.

    `instrument`: what the factor rests on, such as certificates. `kwh`: as much as it covers, None: all that is used.
    """

    supply: str
    first: date
    last: date | None
    factor: ContractFactor
    instrument: str = "supply contract"
    kwh: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Hosting:
    """A hosting or cloud contract in a year: kWh as (low, likely, high) its supplier told; None: could not say."""

    began: int
    name: str
    kwh: tuple[Fraction, Fraction, Fraction] | None
    source: str


@dataclass(frozen=True, slots=True)
class AppraisalTerms:
    """Long-run marginal factors (kgCO2e/kWh) and carbon values (GBP/tCO2e) by calendar year, as the user loaded them."""

    source: str
    marginal_kgco2e_per_kwh: Mapping[int, Fraction]
    value_gbp_per_tco2e: Mapping[int, Fraction]


@dataclass(frozen=True, slots=True)
class GridIntensity:
    """Whether the grid's carbon intensity is asked for now and then; `region` 1 to 17, None for Great Britain."""

    region: int | None


@dataclass(frozen=True, slots=True)
class CarbonSettings:
    """The settings in force; `digest` names what they say. A year is keyed by the calendar year it begins in."""

    digest: str
    rule: Rule | None = None
    boundary: str | None = None
    years: Mapping[int, YearFigures] = field(default_factory=lambda: MappingProxyType({}))
    base_year: BaseYear | None = None
    targets: tuple[Target, ...] = ()
    contracts: tuple[SupplyContract, ...] = ()
    prices: InternalPriceSeries = field(default_factory=lambda: InternalPriceSeries(()))
    appraisal: AppraisalTerms | None = None
    hosting: tuple[Hosting, ...] = ()
    grid_intensity: GridIntensity | None = None
    residual: Mapping[int, ContractFactor] = field(default_factory=lambda: MappingProxyType({}))
    boundary_changes: tuple[BoundaryChange, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    crc_exclusions: tuple[CrcExclusion, ...] = ()
    contacts: tuple[Contact, ...] = ()

    def of_year(self, began: int) -> YearFigures:
        """Return what was told of the financial year that begins in `began`; nothing where nobody told."""
        return self.years.get(began, YearFigures())

    def require_rule(self) -> Rule:
        """Return the factor rule; CarbonSettingsError where none was chosen: either must be stated and kept to."""
        if self.rule is None:
            raise CarbonSettingsError(
                'no factor rule is chosen: write factor_rule = "majority" (or "blended") into the carbon settings '
                "and save them with `roadworthy carbon settings save FILE`"
            )
        return self.rule


def parse(text: str) -> CarbonSettings:
    """Return the settings of a TOML text; CarbonSettingsError naming the key that is wrong."""
    said = read_toml(text)
    only(said, _TOP_KEYS, "the carbon settings")
    try:
        return CarbonSettings(
            digest=blake2b(repr(said).encode(), digest_size=8).hexdigest(),
            rule=_rule(said.get("factor_rule")),
            boundary=text_of(said, "boundary", "boundary", 4000) if "boundary" in said else None,
            years=_years(said),
            base_year=_base_year(said),
            targets=tuple(_targets(said)),
            contracts=_contracts(said),
            prices=InternalPriceSeries(_prices(said)),
            appraisal=_appraisal(said),
            hosting=tuple(_hosting(said)),
            grid_intensity=_intensity(said),
            residual=residual_mix(said),
            boundary_changes=boundary_changes(said),
            adjustments=adjustments(said),
            crc_exclusions=crc_exclusions(said),
            contacts=contacts(said),
        )
    except CarbonError as error:
        raise CarbonSettingsError(f"the carbon settings: {error}") from None


def read_toml(text: str) -> dict[str, Any]:
    """Return the text as TOML says it, its numbers with a point as Decimals; CarbonSettingsError where it is none."""
    if len(text) > LONGEST_CHARACTERS:
        raise CarbonSettingsError(f"the carbon settings are longer than {LONGEST_CHARACTERS:,} characters")
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, ArithmeticError, RecursionError, ValueError) as error:
        raise CarbonSettingsError(f"the carbon settings are no TOML: {error}") from None


def _rule(value: object) -> Rule | None:
    if value is None:
        return None
    found = next((rule for rule in RULES if value == rule), None)
    if found is None:
        wrong("factor_rule", f"is {' or '.join(RULES)}")
    return found


def _years(said: Mapping[str, Any]) -> Mapping[int, YearFigures]:
    found: dict[int, YearFigures] = {}
    years = said.get("years", {})
    if not isinstance(years, dict):
        wrong("years", 'write [years."2025/26"]')
    for name, table in years.items():
        where = f'years."{name}"'
        began = year_of(name, where)
        if not isinstance(table, dict) or began in found:
            wrong(where, "write one table a year")
        checked(table, where, {*_YEAR_NUMBERS, "not_comparable"}, ())
        numbers = {key: number(table[key], f"{where}: {key}") for key in _YEAR_NUMBERS if key in table}
        for key in ("fte", "revenue_gbp_m"):
            if numbers.get(key) == 0:
                wrong(f"{where}: {key}", "a ratio needs more than nought; leave it out where nobody knows")
        why = table.get("not_comparable", [])
        if not isinstance(why, list) or not all(isinstance(one, str) and 5 <= len(one) <= 512 for one in why):
            wrong(f"{where}: not_comparable", "is a list of sentences of 5 to 512 characters")
        found[began] = YearFigures(**numbers, not_comparable=tuple(why))
    return MappingProxyType(dict(sorted(found.items())))


def _base_year(said: Mapping[str, Any]) -> BaseYear | None:
    needed = ("year", "tco2e", "threshold_percent")
    table = table_of(said, "base_year", set(needed), needed)
    if table is None:
        return None
    if "boundary" not in said:
        wrong("boundary", "a base year needs it: what is in, what is out, and why")
    return BaseYear(
        year_of(table["year"], "base_year: year"),
        Co2e(number(table["tco2e"], "base_year: tco2e") * 1000),
        text_of(said, "boundary", "boundary", 4000),
        number(table["threshold_percent"], "base_year: threshold_percent", Decimal(100)) / 100,
    )


def _targets(said: Mapping[str, Any]) -> list[Target]:
    keys = ("by", "reduction_percent", "source")
    return [
        Target(
            year_of(one["by"], f"{where}: by"),
            number(one["reduction_percent"], f"{where}: reduction_percent", Decimal(100)) / 100,
            text_of(one, "source", f"{where}: source"),
        )
        for where, one in listed(said, "target", set(keys), keys)
    ]


def _contracts(said: Mapping[str, Any]) -> tuple[SupplyContract, ...]:
    needed = ("supply", "from", "kgco2e_per_kwh", "source")
    found: list[SupplyContract] = []
    for where, one in listed(said, "contract", {*needed, "to", "instrument", "kwh"}, needed):
        supply = _mpan(text_of(one, "supply", f"{where}: supply", 64), f"{where}: supply")
        first = day_of(one["from"], f"{where}: from")
        last = day_of(one["to"], f"{where}: to") if "to" in one else None
        if last is not None and last < first:
            wrong(f"{where}: to", "is before it begins")
        for other in found:
            if (
                other.supply == supply
                and first <= (other.last or date.max)
                and other.first <= (last or date.max)
            ):
                wrong(where, f"supply {supply} has two factors on {max(first, other.first)}; end one of them")
        factor = factor_of(one, where)
        instrument = text_of(one, "instrument", f"{where}: instrument", 128) if "instrument" in one else None
        most = number(one["kwh"], f"{where}: kwh", Decimal(MOST_KWH)) if "kwh" in one else None
        found.append(SupplyContract(supply, first, last, factor, instrument or "supply contract", most))
    return tuple(found)


def _mpan(text: str, where: str) -> str:
    """Return the number as supplies are kept under."""
    try:
        return mpan(text)
    except MeterNumberError as error:
        wrong(where, str(error))


def _prices(said: Mapping[str, Any]) -> list[InternalPrice]:
    keys = ("since", "gbp_per_tco2e", "source")
    found = []
    for where, one in listed(said, "internal_price", set(keys), keys):
        exact = number(one["gbp_per_tco2e"], f"{where}: gbp_per_tco2e", Decimal(100_000))
        price = Decimal(exact.numerator) / Decimal(exact.denominator)
        since = day_of(one["since"], f"{where}: since")
        found.append(InternalPrice(since, price, text_of(one, "source", f"{where}: source")))
    return found


def _series(table: Mapping[str, Any], key: str, most: int) -> Mapping[int, Fraction]:
    where = f"appraisal: {key}"
    series = table.get(key, {})
    if not isinstance(series, dict):
        wrong(where, f"write [appraisal.{key}] with a line a calendar year: 2026 = 0.25")
    found = {}
    for name, value in series.items():
        if not (name.isascii() and name.isdigit() and _FIRST_YEAR <= int(name) <= _LAST_YEAR):
            wrong(f"{where}: {name}", "is no calendar year such as 2026")
        found[int(name)] = number(value, f"{where}: {name}", Decimal(most))
    return MappingProxyType(found)


def _appraisal(said: Mapping[str, Any]) -> AppraisalTerms | None:
    names = ("marginal_kgco2e_per_kwh", "value_gbp_per_tco2e")
    table = table_of(said, "appraisal", {"source", *names}, ("source", *names))
    if table is None:
        return None
    source = text_of(table, "source", "appraisal: source")
    return AppraisalTerms(source, _series(table, names[0], 5), _series(table, names[1], 100_000))


def _hosting(said: Mapping[str, Any]) -> list[Hosting]:
    needed = ("year", "name", "source")
    return [
        Hosting(
            year_of(one["year"], f"{where}: year"),
            text_of(one, "name", f"{where}: name", 128),
            _kwh(one["kwh"], f"{where}: kwh") if "kwh" in one else None,
            text_of(one, "source", f"{where}: source"),
        )
        for where, one in listed(said, "hosting", {*needed, "kwh"}, needed)
    ]


def _kwh(value: object, where: str) -> tuple[Fraction, Fraction, Fraction]:
    said = value if isinstance(value, list) else [value] * 3
    if len(said) != 3:
        wrong(where, "is a number, or [low, likely, high]")
    low, likely, high = (number(one, where, Decimal(MOST_KWH)) for one in said)
    if not low <= likely <= high:
        wrong(where, "[low, likely, high] are not in order")
    return low, likely, high


def _intensity(said: Mapping[str, Any]) -> GridIntensity | None:
    table = table_of(said, "grid_intensity", {"fetch", "region"}, ("fetch",))
    if table is None:
        return None
    if not isinstance(table["fetch"], bool):
        wrong("grid_intensity: fetch", "is true or false")
    region = table.get("region")
    if region is not None and (
        isinstance(region, bool) or not isinstance(region, int) or not 1 <= region <= 17
    ):
        wrong("grid_intensity: region", "is a number from 1 to 17, as docs/reports/factors.md lists them")
    return GridIntensity(region) if table["fetch"] else None
