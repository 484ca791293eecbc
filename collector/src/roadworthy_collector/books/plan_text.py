"""The file a replacement plan is asked for with: options with their prices, budget, limits and what things are worth.

TOML, by the user; an annotated one (`plan_example.EXAMPLE`) is printed by `roadworthy plan example`. Nothing in it has a default that
stands for a figure: what is not given is not known, and the plan says so.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.register import ITEM_KINDS, LIFECYCLE_STATES, UNKNOWN, USAGE_PROFILES
from roadworthy_inventory.replacement_data import footprints, repair_effects
from roadworthy_inventory.replacement_inputs import (
    OFFER_KINDS,
    UNCHANGED,
    Change,
    Freeze,
    Offer,
    OfferKind,
    PlanInputError,
    Range,
    Terms,
    Weights,
    check,
)

_PENCE = 100
_TOP = {"terms", "stock", "weights", "hours", "electricity", "scope", "support", "option"}
_TERMS = {
    "first_year", "capital_pounds", "revenue_pounds", "horizon_years", "electricity_pence_per_kwh", "kgco2e_per_kwh",
    "installations_per_week", "lots", "freezes",
}  # fmt: skip
_OPTION = {
    "name", "kind", "fits", "capital_pounds", "revenue_pounds", "support_pounds_per_year", "hours", "kwh",
    "embodied_kgco2e", "life_years", "installations", "stock",
}  # fmt: skip
_FITS = {"kinds", "models", "usage_profiles", "system_disk", "at_least_years"}


class PlanTextError(RoadworthyError):
    """The file of a plan is wrong; the text names table and key and says what is expected."""


@dataclass(frozen=True, slots=True)
class Fits:
    """What an option fits; None where it does not matter. `models`: parts of `maker model`, in any case."""

    kinds: frozenset[str] | None = None
    models: tuple[str, ...] | None = None
    usage_profiles: frozenset[str] | None = None
    system_disk: str | None = None
    at_least_years: float | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An offer and what it fits."""

    offer: Offer
    fits: Fits


@dataclass(frozen=True, slots=True)
class PlanText:
    """A plan's file, read. `support`: what it fits and pence a year; `startup_seconds` None without [hours]."""

    terms: Terms
    options: tuple[Option, ...]
    support: tuple[tuple[Fits, Range], ...]
    startup_seconds: float | None
    signin_seconds: float | None
    typical_kwh: bool
    kinds: frozenset[str]
    lifecycle_states: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the command line or a form says instead of the file; None leaves it. Whole pounds a year."""

    capital_pounds: int | None = None
    revenue_pounds: int | None = None
    horizon_years: int | None = None
    installations_per_week: int | None = None
    lots: bool | None = None


def parse_plan(text: str, budget: Budget | None = None, on: date | None = None) -> PlanText:
    """Return what a plan's TOML says, with `budget` in place of its own; PlanTextError where it is wrong.

    With `on`, the day the plan is made, options and terms are checked as the planner will.
    """
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanTextError(f"the plan is no TOML: {error}") from None
    _only(said, _TOP, "the plan")
    scope, hours = _table(said, "scope"), _table(said, "hours")
    _only(scope, {"kinds", "lifecycle_states"}, "scope")
    _only(hours, {"startup_seconds", "signin_seconds"}, "hours")
    electricity = _table(said, "electricity")
    _only(electricity, {"typical_where_not_measured"}, "electricity")
    found = PlanText(
        _with_budget(_terms(said), budget or Budget()),
        tuple(_option(one, at) for at, one in enumerate(_listed(said, "option"), 1)),
        tuple(_support(one, at) for at, one in enumerate(_listed(said, "support"), 1)),
        _number(hours, "startup_seconds", "hours") if hours else None,
        _number(hours, "signin_seconds", "hours") if hours else None,
        electricity.get("typical_where_not_measured") is True,
        _words(scope, "kinds", "scope", ITEM_KINDS) or frozenset({"desktop", "laptop"}),
        _words(scope, "lifecycle_states", "scope", (*LIFECYCLE_STATES, UNKNOWN)) or frozenset({"deployed"}),
    )
    if not found.options:
        raise PlanTextError("the plan: has no [[option]]; say what could be done")
    if on is not None:
        try:
            check((), [one.offer for one in found.options], found.terms, on)
        except PlanInputError as error:
            raise PlanTextError(f"the plan: {error}") from None
    return found


def _with_budget(terms: Terms, budget: Budget) -> Terms:
    years = terms.years
    if budget.capital_pounds is not None:
        terms = replace(terms, capital_pence=(budget.capital_pounds * _PENCE,) * years)
    if budget.revenue_pounds is not None:
        terms = replace(terms, revenue_pence=(budget.revenue_pounds * _PENCE,) * years)
    for name in ("horizon_years", "installations_per_week", "lots"):
        if getattr(budget, name) is not None:
            terms = replace(terms, **{name: getattr(budget, name)})
    return terms


def _only(said: Mapping[str, Any], allowed: set[str], where: str) -> None:
    if unknown := sorted(said.keys() - allowed):
        raise PlanTextError(f"{where}: {unknown[0]}: unknown key; known: {', '.join(sorted(allowed))}")


def _table(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name, {})
    if not isinstance(found, dict):
        raise PlanTextError(f"the plan: {name}: write [{name}]")
    return found


def _listed(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = said.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise PlanTextError(f"the plan: {name}: write [[{name}]], a list of tables")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(said: Mapping[str, Any], key: str, where: str) -> float:
    value = said.get(key)
    if not _is_number(value) or cast("float", value) < 0:
        raise PlanTextError(f"{where}: {key}: {value!r}; a number from 0 expected")
    return float(cast("float", value))


def _whole(said: Mapping[str, Any], key: str, where: str) -> int:
    value = _number(said, key, where)
    if value != int(value):
        raise PlanTextError(f"{where}: {key}: {value!r}; a whole number expected")
    return int(value)


def _range(value: object, where: str) -> Range:
    """Return the range of a number or a list of three."""
    parts = [value] * 3 if _is_number(value) else value
    if not isinstance(parts, list) or len(parts) != 3 or not all(map(_is_number, parts)):
        raise PlanTextError(f"{where}: {value!r}; a number or [low, likely, high] expected")
    low, likely, high = map(float, parts)
    if not 0 <= low <= likely <= high:
        raise PlanTextError(f"{where}: {value!r}; low <= likely <= high from 0 expected")
    return Range(low, likely, high)


def _pence(value: object, where: str) -> Range:
    return Range(*(float(round(part * _PENCE)) for part in _range(value, where)))


def _words(
    said: Mapping[str, Any], key: str, where: str, allowed: tuple[str, ...] | None = None
) -> frozenset[str] | None:
    value = said.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
        raise PlanTextError(f"{where}: {key}: {value!r}; a list of words expected")
    if allowed is not None and (odd := sorted(set(value) - set(allowed))):
        raise PlanTextError(f"{where}: {key}: {odd[0]!r} is none of {', '.join(allowed)}")
    return frozenset(value)


def _terms(said: Mapping[str, Any]) -> Terms:
    table, weights = _table(said, "terms"), _table(said, "weights")
    _only(table, _TERMS, "terms")
    _only(weights, {"pounds_per_hour", "hour_loss_ratio", "pounds_per_kgco2e"}, "weights")
    weekly = table.get("installations_per_week")
    lots = table.get("lots", False)
    if not isinstance(lots, bool):
        raise PlanTextError(f"terms: lots: {lots!r}; true or false expected")
    return Terms(
        first_year=_whole(table, "first_year", "terms"),
        capital_pence=_yearly(table, "capital_pounds"),
        revenue_pence=_yearly(table, "revenue_pounds"),
        horizon_years=_whole(table, "horizon_years", "terms"),
        weights=Weights(
            pence_per_hour=_number(weights, "pounds_per_hour", "weights") * _PENCE,
            hour_loss_ratio=_number(weights, "hour_loss_ratio", "weights"),
            pence_per_kgco2e=_number(weights, "pounds_per_kgco2e", "weights") * _PENCE,
        ),
        electricity_pence_per_kwh=_range(
            table.get("electricity_pence_per_kwh"), "terms: electricity_pence_per_kwh"
        ),
        kgco2e_per_kwh=_range(table.get("kgco2e_per_kwh"), "terms: kgco2e_per_kwh"),
        installations_per_week=None if weekly is None else _whole(table, "installations_per_week", "terms"),
        freezes=_freezes(table.get("freezes", [])),
        stock=_stock(_table(said, "stock")),
        lots=lots,
    )


def _yearly(table: Mapping[str, Any], key: str) -> tuple[int | None, ...]:
    value = table.get(key)
    if not isinstance(value, list) or not value:
        raise PlanTextError(f"terms: {key}: {value!r}; a list of pounds, one for each year, expected")
    found: list[int | None] = []
    for one in value:
        if one != "no limit" and (not _is_number(one) or one < 0):
            raise PlanTextError(f'terms: {key}: {one!r}; pounds from 0 or "no limit" expected')
        found.append(None if one == "no limit" else round(one * _PENCE))
    return tuple(found)


def _freezes(value: object) -> tuple[Freeze, ...]:
    if not isinstance(value, list):
        raise PlanTextError(f"terms: freezes: {value!r}; a list of [first day, last day] expected")
    for one in value:
        if not isinstance(one, list) or len(one) != 2 or not all(type(day) is date for day in one):
            raise PlanTextError(f"terms: freezes: {one!r}; [first day, last day] expected")
    return tuple(Freeze(*one) for one in value)


def _stock(table: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    for name, pieces in table.items():
        if not isinstance(pieces, list) or not all(type(one) is int for one in pieces):
            raise PlanTextError(f"stock: {name}: {pieces!r}; whole numbers, one for each year, expected")
    return {name: tuple(pieces) for name, pieces in table.items()}


def _fits(said: Mapping[str, Any], where: str) -> Fits:
    _only(said, _FITS, where)
    disk = said.get("system_disk")
    if disk not in (None, "hdd", "ssd"):
        raise PlanTextError(f"{where}: system_disk: {disk!r}; hdd or ssd expected")
    models = _words(said, "models", where)
    years = said.get("at_least_years")
    return Fits(
        _words(said, "kinds", where, ITEM_KINDS),
        None if models is None else tuple(sorted(one.casefold() for one in models)),
        _words(said, "usage_profiles", where, USAGE_PROFILES),
        disk,
        None if years is None else _number(said, "at_least_years", where),
    )


def _support(said: Mapping[str, Any], at: int) -> tuple[Fits, Range]:
    where = f"support {at}"
    rest = {key: value for key, value in said.items() if key != "pounds_per_year"}
    return _fits(rest, where), _pence(said.get("pounds_per_year"), f"{where}: pounds_per_year")


def _option(said: Mapping[str, Any], at: int) -> Option:
    name = said.get("name")
    if not isinstance(name, str) or not name.strip():
        raise PlanTextError(f"option {at}: name: {name!r}; give it a name of its own")
    where = f"option {name}"
    _only(said, _OPTION, where)
    kind = said.get("kind")
    if kind not in OFFER_KINDS:
        raise PlanTextError(f"{where}: kind: {kind!r} is none of {', '.join(OFFER_KINDS)}")
    fits = said.get("fits", {})
    if not isinstance(fits, dict):
        raise PlanTextError(f"{where}: fits: write a table such as {{ kinds = ['laptop'] }}")
    stock = said.get("stock")
    if not isinstance(stock, str | None):
        raise PlanTextError(f"{where}: stock: {stock!r}; the name of a stock expected")
    embodied = said.get("embodied_kgco2e")
    offer = Offer(
        name=name,
        kind=cast("OfferKind", kind),
        capital_pence=_pence(said.get("capital_pounds"), f"{where}: capital_pounds"),
        revenue_pence=_pence(said.get("revenue_pounds"), f"{where}: revenue_pounds"),
        support_pence=_change(
            said.get("support_pounds_per_year"), f"{where}: support_pounds_per_year", _pence
        ),
        hours=_change(said.get("hours"), f"{where}: hours", _range),
        kwh=_change(said.get("kwh"), f"{where}: kwh", _range),
        embodied_kgco2e=None if embodied is None else _embodied(embodied, where),
        life_years=None if "life_years" not in said else _number(said, "life_years", where),
        installations=1 if "installations" not in said else _whole(said, "installations", where),
        stock=stock,
    )
    return Option(offer, _fits(fits, f"{where}: fits"))


def _embodied(value: object, where: str) -> Range:
    if isinstance(value, str):
        if value not in footprints():
            raise PlanTextError(
                f"{where}: embodied_kgco2e: {value!r}; published are {', '.join(sorted(footprints()))}"
            )
        return footprints()[value].embodied_kgco2e
    return _range(value, f"{where}: embodied_kgco2e")


def _change(value: object, where: str, read: Any) -> Change | None:
    """Return what becomes of a yearly figure; None where it is not said."""
    if value is None:
        return None
    if value == "unchanged":
        return UNCHANGED
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= {"becomes", "times"}:
        raise PlanTextError(f'{where}: {value!r}; {{ becomes = … }}, {{ times = … }} or "unchanged" expected')
    ((how, told),) = value.items()
    if how == "becomes":
        return Change("becomes", read(told, where))
    if isinstance(told, str):
        effects = {one.repair: one.ratio for one in repair_effects()}
        if told not in effects:
            raise PlanTextError(f"{where}: times: {told!r}; published are {', '.join(sorted(effects))}")
        return Change("times", effects[told])
    return Change("times", _range(told, where))
