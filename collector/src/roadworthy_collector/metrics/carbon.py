"""Gauges of energy at the wall, emissions and avoidable energy, of closed months and financial years, out of kept figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from roadworthy_collector.books import figures
from roadworthy_collector.carbon import avoidable, factor_store, settings_edition
from roadworthy_collector.carbon.emitted import DEFAULT_RULE, emissions
from roadworthy_collector.carbon.estate import FIGURE, Estate, financial_year, made_months, parse_period
from roadworthy_collector.carbon.sums import Sum, of_told, together
from roadworthy_collector.jobs.site_avoidable import told_of_enough
from roadworthy_collector.metrics.catalogue import metric
from roadworthy_collector.metrics.text import labels, number
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.schema import site_half_hours
from roadworthy_collector.store.slots import PERIOD_SECONDS
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.carbon.ledger import QUALITIES

_MONTHS, _YEARS = 25, 5
_Values = dict[tuple[str, ...], float]


class Told(NamedTuple):
    """What the gauges show: closed months, years that are over out of them, the newest half-hour, what is avoidable.

    `counted`: closed months of every year, the running one too. `provisional`: years a factor of which is.
    """

    months: Mapping[str, Sum]
    years: Mapping[int, Estate]
    emitted: Mapping[int, Mapping[tuple[str, str], float]]
    counted: Mapping[int, int]
    provisional: Mapping[int, bool]
    watts: Mapping[str, float]
    half_hour: int | None
    avoidable: Mapping[str, float]


def read(connection: Connection) -> Told:
    """Return what the gauges show."""
    months: dict[str, Sum] = {}
    places: dict[int, dict[str, list[Sum]]] = defaultdict(lambda: defaultdict(list))
    names = book_figures.c.name.startswith(f"{FIGURE}.", autoescape=True)
    for content in connection.scalars(
        select(book_figures.c.content).where(names).order_by(book_figures.c.name)
    ):
        month = content["month"]
        if not content["closed"]:
            continue
        months[month] = together(of_told(told, month) for told in content["sums"]["month"].values())
        year = financial_year_of(parse_period(month).first)
        for place, told in content["sums"]["place"].items():
            places[year][place].append(of_told(told, month))
    known = {year: _estate(connection, year, places[year]) for year in sorted(places)[-_YEARS:]}
    # A part of a year, running, not made yet or told of from its midst on, would show falls and rises nobody made.
    years = {year: estate for year, estate in known.items() if _whole(estate)}
    rule = settings_edition.settings(connection).rule or DEFAULT_RULE
    book = factor_store.book(connection)
    emitted: dict[int, dict[tuple[str, str], float]] = {}
    provisional = {}
    for year, estate in years.items():
        found = emissions(estate, rule=rule, book=book)
        provisional[year] = found.provisional
        emitted[year] = {
            (name, f"{found.factor_set}, {rule}"): float(line.co2e.kilograms)
            for name, line in found.lines.items()
            if line.co2e is not None
        }
    watts, start = _half_hour(connection)
    return Told(
        months=dict(list(months.items())[-_MONTHS:]),
        years=years,
        emitted=emitted,
        counted={year: len(estate.months) for year, estate in known.items()},
        provisional=provisional,
        watts=watts,
        half_hour=start,
        avoidable=_avoidable(connection),
    )


def _whole(estate: Estate) -> bool:
    """Whether every month of a year is closed; the estate is of closed months."""
    return {one.month for one in estate.months} >= set(estate.period.months)


def render(told: Told) -> str:
    """Return the gauges in the text format; what was never worked out makes none."""
    joules: _Values = {}
    shares: _Values = {}
    for month, one in told.months.items():
        whole = sum(one.joules)
        for quality, some in zip(QUALITIES, one.joules, strict=True):
            joules[quality, month] = some
            if whole:
                shares[quality, month] = some / whole
    years: _Values = {
        (quality, str(year)): some
        for year, estate in told.years.items()
        for quality, some in zip(QUALITIES, estate.total.joules, strict=True)
    }
    emitted: _Values = {
        (*key, str(year)): kilograms
        for year, lines in told.emitted.items()
        for key, kilograms in lines.items()
    }
    counted: _Values = {(str(year),): months for year, months in told.counted.items()}
    provisional: _Values = {(str(year),): float(one) for year, one in told.provisional.items()}
    began: _Values = {} if told.half_hour is None else {(): told.half_hour}
    return "".join(
        (
            _family("energy_month_joules", joules),
            _family("energy_month_share_ratio", shares),
            _family("energy_year_joules", years),
            _family("energy_year_months", counted),
            _family("carbon_year_kgco2e", emitted),
            _family("carbon_year_provisional", provisional),
            _family("energy_half_hour_watts", {(scope,): value for scope, value in told.watts.items()}),
            _family("energy_half_hour_timestamp_seconds", began),
            _family("avoidable_joules", {(kind,): value for kind, value in told.avoidable.items()}),
        )
    )


def _estate(connection: Connection, year: int, places: Mapping[str, list[Sum]]) -> Estate:
    """Return the closed months of a year with its places alone, which is what emissions need."""
    by_place = {place: together(some) for place, some in places.items()}
    period = financial_year(year)
    closed = tuple(one for one in made_months(connection, period) if one.closed)
    return Estate(period, together(by_place.values()).energy(), closed, {"place": by_place}, {})


def _half_hour(connection: Connection) -> tuple[dict[str, float], int | None]:
    start = connection.scalar(select(func.max(site_half_hours.c.start)))
    watts: dict[str, float] = {}
    if start is not None:
        told = connection.scalars(select(site_half_hours.c.joules).where(site_half_hours.c.start == start))
        for by_scope in told:
            for scope, by_quality in (by_scope or {}).items():
                watts[scope] = watts.get(scope, 0.0) + sum(by_quality.values()) / PERIOD_SECONDS
    return watts, start if watts else None


def _avoidable(connection: Connection) -> dict[str, float]:
    held = figures.read(connection, avoidable.FIGURE)
    if held is None:
        return {}
    groups = held[0]["groups"].values()
    # A kind nothing could be looked at for has no sample, nor one that may tell how a few people work.
    kinds = [kind for kind in sorted(avoidable.looked_at(groups)) if told_of_enough(groups, kind)]
    found: dict[str, Any] = dict.fromkeys(kinds, 0.0)
    for sums in groups:
        for kind in found:
            found[kind] += sums.get(kind, [0.0] * 4)[3]
    return found


def _family(name: str, values: Mapping[tuple[str, ...], float]) -> str:
    row = metric(f"roadworthy_{name}")
    lines = [f"{row.name}{labels(row.labels, key)} {number(float(value))}\n" for key, value in values.items()]
    return row.header + "".join(lines) if lines else ""
