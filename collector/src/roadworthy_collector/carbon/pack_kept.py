"""What a report was made of besides the rows of its pack, kept as `inputs.json`, so that the report can be made again.

Factors, the year before, figures of the carbon settings, journals, what an earlier issue said. The year itself is not
here: it comes from the groups of the ledger and from the readings. Nothing names a restricted site.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import msgspec

from roadworthy_collector.carbon import pack_numbers
from roadworthy_collector.carbon.estate import RESTRICTED, MadeMonth, Ready, financial_year
from roadworthy_collector.carbon.report_change import MODELS_RULE
from roadworthy_collector.carbon.report_crc_share import Shared
from roadworthy_collector.carbon.report_crc_tables import Choice
from roadworthy_collector.carbon.report_gathered import Gathered, Meters
from roadworthy_collector.carbon.report_inputs import Inputs
from roadworthy_collector.carbon.settings_changes import CrcExclusion
from roadworthy_collector.carbon.settings_text import CarbonSettings, YearFigures
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_collector.carbon.without_agent import WithoutAgent
from roadworthy_inventory.carbon.boundary import BoundaryChange
from roadworthy_inventory.carbon.carbon_price import InternalPrice, InternalPriceSeries
from roadworthy_inventory.carbon.crc_rates import Rate, RateBook
from roadworthy_inventory.carbon.factor_rules import Rule
from roadworthy_inventory.carbon.factors import Factor, FactorBook
from roadworthy_inventory.carbon.market import Covered
from roadworthy_inventory.carbon.secr import ContractFactor
from roadworthy_inventory.carbon.secr_baseline import Adjustment, BaseYear, Target

VERSION = 1
_FILE = "inputs.json"
_NOT_NAMED = ""  # stands for a site that has no row of its own
_AS_THEY_ARE = (
    "rule", "now", "code_version", "simulated", "journals", "journals_before", "rules", "pending", "pending_before",
    "apart", "left_out_joules", "choice",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """See `report_inputs.Inputs`, `settings_text.CarbonSettings` and `report_gathered.Gathered`: fields of these.

    `keys`: {dimension: {what the pack's rows call it: key of the ledger}} of sites and units. `apart`: devices nothing
    reports for. `differing`: {place in the report: what came out when it was closed} where that is not what it says.
    """

    version: int
    zone: str
    today: dt.date
    rule: Rule
    now: int
    code_version: str
    simulated: bool
    journals: dict[str, Fraction]
    journals_before: dict[str, Fraction]
    journal_rows: list[dict[str, Any]]
    rules: dict[str, Any]
    pending: tuple[str, ...]
    pending_before: tuple[str, ...]
    apart: WithoutAgent
    left_out_joules: dict[str, int]
    choice: Choice
    factors: tuple[Factor, ...]
    rates: tuple[Rate, ...]
    issued_before: dict[str, Any] | None
    boundary_changes: tuple[BoundaryChange, ...]
    prices: tuple[InternalPrice, ...]
    settings_digest: str
    settings_rule: Rule | None
    boundary: str | None
    years: dict[int, YearFigures]
    base_year: BaseYear | None
    targets: tuple[Target, ...]
    residual: dict[int, ContractFactor]
    adjustments: tuple[Adjustment, ...]
    crc_exclusions: tuple[CrcExclusion, ...]
    months: tuple[MadeMonth, ...]
    keys: dict[str, dict[str, str]]
    titles: dict[str, dict[str, str]]
    before_months: tuple[MadeMonth, ...]
    before: dict[str, dict[str, dict[str, list[Any]]]]
    before_titles: dict[str, dict[str, str]]
    supplies_before: tuple[CrcSupply, ...]
    covered: tuple[Covered, ...]
    covered_before: tuple[Covered, ...]
    shared: Shared | None
    differing: dict[str, Any] | None = None


def kept(one: Gathered) -> Kept:
    """Return what is to be kept of a report's making."""
    inputs, said = one.inputs, one.said
    listed = {row.number for meters in (one.meters, one.meters_before) for row in meters.supplies}
    named = _named(one.now) | _named(one.before)
    years = (one.began - 1, one.began)
    return Kept(
        version=VERSION,
        zone=one.zone,
        today=one.today,
        **{name: getattr(inputs, name) for name in _AS_THEY_ARE},
        journal_rows=[dict(row) for row in inputs.journal_rows],
        factors=inputs.book.rows,
        rates=inputs.rates.rows,
        issued_before=_issued(inputs.issued_before),
        boundary_changes=tuple(_change(each, named) for each in inputs.boundary_changes),
        prices=inputs.prices.prices,
        settings_digest=said.digest,
        settings_rule=said.rule,
        boundary=said.boundary,
        years={began: figures for began, figures in said.years.items() if began in years},
        base_year=said.base_year,
        targets=said.targets,
        residual={began: factor for began, factor in said.residual.items() if began in years},
        adjustments=said.adjustments,
        crc_exclusions=tuple(each for each in said.crc_exclusions if each.supply in listed),
        months=one.now.months,
        keys={
            by: {name: key for key, name in some.items()}
            for by, some in _titles(one.now, ("site", "unit")).items()
        },
        titles=_titles(one.now, ("place", "class", "model")),
        before_months=one.before.months,
        before=_plain(one.before.sums),
        before_titles=_titles(one.before, tuple(one.before.titles)),
        supplies_before=tuple(one.meters_before.supplies),
        covered=tuple(one.meters.covered),
        covered_before=tuple(one.meters_before.covered),
        shared=one.shared,
    )


def _plain(sums: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, dict[str, list[Any]]]]:
    return {
        month: {by: {key: list(told) for key, told in some.items()} for by, some in held.items()}
        for month, held in sums.items()
    }


def _there(one: Ready, by: str) -> set[str]:
    """Return the keys of a dimension that have a sum."""
    return {key for held in one.sums.values() for key in held.get(by, {})} - {RESTRICTED}


def _titles(one: Ready, of: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the titles of what has a sum of its own."""
    titles: Mapping[str, Mapping[str, str]] = {str(by): some for by, some in one.titles.items()}
    return {
        by: {key: titles.get(by, {}).get(key, key) for key in sorted(_there(one, by))}
        if by in {"site", "unit"}
        else dict(titles.get(by, {}))
        for by in of
    }


def _named(one: Ready) -> set[str]:
    return set(_titles(one, ("site",))["site"].values())


def _change(one: BoundaryChange, named: Collection[str]) -> BoundaryChange:
    return replace(one, sites=tuple(name if name in named else _NOT_NAMED for name in one.sites))


def _issued(content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what of an earlier issue a comparison reads."""
    if content is None:
        return None
    return {
        "lines": content["lines"],
        "rules": {name: value for name, value in content["rules"].items() if name == MODELS_RULE},
        "tables": [one for one in content["tables"] if one["name"] == "secr"],
    }


def as_json(one: Kept) -> bytes:
    """Return it as the pack holds it."""
    plain = msgspec.to_builtins(one, enc_hook=_told, str_keys=True)
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False).encode()


def of_json(body: bytes) -> Kept:
    """Return what a pack holds; ValueError where it is none."""
    try:
        found = msgspec.json.decode(body, type=Kept, dec_hook=_of_told)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{_FILE}: {error}") from None
    pack_numbers.ensure_decimals(_FILE, found)
    if found.issued_before is not None:
        pack_numbers.ensure_issued(_FILE, found.issued_before)
    return found


def _told(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(type(value).__name__)


def _of_told(wanted: type[Any], value: Any) -> Any:
    if wanted is Fraction:
        return pack_numbers.exact(value, "an amount")
    raise NotImplementedError(wanted.__name__)


def gathered(
    one: Kept,
    kind: Any,
    began: int,
    *,
    sums: Mapping[str, Mapping[str, Mapping[str, Any]]],
    vehicles: Mapping[Any, Mapping[str, Any]],
    supplies: Sequence[CrcSupply],
) -> Gathered:
    """Return what a report is made of: what was kept, with the year itself out of the pack's rows.

    `sums`: the ledger's months as they are kept ready, of the groups; `vehicles` those in vehicles; `supplies` out of the
    readings.
    """
    inputs = Inputs(
        **{name: getattr(one, name) for name in _AS_THEY_ARE},
        book=FactorBook(one.factors),
        rates=RateBook(one.rates),
        journal_rows=one.journal_rows,
        issued_before=one.issued_before,
        boundary_changes=one.boundary_changes,
        prices=InternalPriceSeries(one.prices),
        vehicles=vehicles,
    )
    settings = {
        name.name: getattr(one, name.name) for name in fields(CarbonSettings) if hasattr(one, name.name)
    }
    said = CarbonSettings(
        **settings | {"digest": one.settings_digest, "rule": one.settings_rule, "prices": inputs.prices}
    )
    names = {by: {key: name for name, key in some.items()} for by, some in one.keys.items()}
    titles: Any = one.titles | names
    before: Any = one.before_titles
    return Gathered(
        kind=kind,
        began=began,
        zone=one.zone,
        today=one.today,
        inputs=inputs,
        said=said,
        now=Ready(financial_year(began), one.months, sums, titles),
        before=Ready(financial_year(began - 1), one.before_months, one.before, before),
        meters=Meters(supplies, one.covered),
        meters_before=Meters(one.supplies_before, one.covered_before),
        shared=one.shared,
    )
