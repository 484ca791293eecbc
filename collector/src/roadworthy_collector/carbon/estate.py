"""Energy of the IT estate over any months, read from the ledger's months: kWh first, then what it emits.

Read from sums of `energy_groups` that the ledger keeps ready for each month and unit (`book_figures`). Restricted sites count in totals alone: where there are rows by name they have none of their own, and are in `others`
with the smallest of those that have a name.
Agents' kWh is an allocation inside the billed total and never instead of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, select

from roadworthy_collector.carbon.sums import Energy, Sum, of_told, together
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.carbon_schema import energy_groups
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import sites, units
from roadworthy_inventory.calendar import financial_year_label, months
from roadworthy_inventory.carbon.ledger import QUALITIES
from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.carbon.years import parse_year, year_days

FIGURE = "energy"  # + .2026-04: what a month was made of, its total and places
SUMS_FIGURE = "energy_sums"  # + .2026-04: its sums by every dimension
UNIT_FIGURE = "energy_unit"  # + .2026-04.17: the same of one unit
ALLOCATION = "an allocation inside the billed total: agents tell what devices drew, bills what was paid for"
Dimension = Literal["month", "quality", "place", "unit", "site", "class", "model"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
NOTHING_TOLD = "(nothing told)"  # the model under which days without any fact are kept
ERASED = "erased"  # the class of what devices drew that are erased by now
RESTRICTED = "restricted"
OTHERS = "others"
VIRTUAL = "virtual"
NO_ENERGY = "its energy is not known, or it is counted at what it feeds"
_OTHER_TITLES: Mapping[str, str] = {"site": "other sites", "unit": "other units", "model": "other models"}
# So many rows with a name stand in `others` beside restricted sites: what these are is then not that row less one other.
_BESIDE_RESTRICTED = 2
_NOT_TOLD = "not told"
_NAMES_AT_ONCE = 500
PLACE_TITLES: Mapping[str, str] = {
    "force": "the organisation's own sites",
    "data_centre": "data centres",
    "home": "at home",
    "vehicle": "vehicles",
    "partner": "landlords' and partners' sites",
    "unknown": "place not stated",
}


class Period(NamedTuple):
    """Whole calendar months in the reporting time zone, by their first days, both included."""

    first: dt.date
    last: dt.date
    label: str

    @property
    def months(self) -> tuple[str, ...]:
        """Every month as `2026-04`."""
        return tuple(f"{year}-{number:02}" for year, number in months(self.first, self.last))

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        """Its first and its last day."""
        following = dt.date(self.last.year + self.last.month // 12, self.last.month % 12 + 1, 1)
        return self.first, following - dt.timedelta(days=1)


def financial_year(began: int) -> Period:
    """Return the financial year that begins on 1 April `began`."""
    first, last = year_days(began)
    return Period(first, last.replace(day=1), financial_year_label(began))


def parse_period(said: str) -> Period:
    """Return a financial year (`2025/26`) or a month (`2025-09`); RoadworthyError for anything else."""
    if len(said) == len("2025-09") and said[4] == "-":
        try:
            month = dt.date.fromisoformat(f"{said}-01")
        except ValueError:
            month = None
        # 2025-26 is a financial year to some people.
        if month is not None:
            return Period(month, month, said)
    try:
        return financial_year(parse_year(said))
    except CarbonError as error:
        raise RoadworthyError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Row:
    """One group of a dimension; `key` is what names it in links and filters, `of` the groups that `others` is made of."""

    key: str
    title: str
    energy: Energy
    of: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The keys of all groups in it."""
        return self.of or (self.key,)


@dataclass(frozen=True, slots=True)
class MadeMonth:
    """How a month stands: `made_at` None where the ledger has none; `closed`: made after its last day was over."""

    month: str
    made_at: int | None
    closed: bool
    digest: str | None


@dataclass(frozen=True, slots=True)
class Estate:
    """The energy of a period: read once, asked for in many ways. Rows of a dimension sum to `total`."""

    period: Period
    total: Energy
    months: tuple[MadeMonth, ...]
    sums: Mapping[Dimension, Mapping[str, Sum]]
    titles: Mapping[Dimension, Mapping[str, str]]

    @property
    def complete(self) -> bool:
        """Whether every month is there and closed."""
        return all(one.closed for one in self.months)

    def rows(self, by: Dimension) -> list[Row]:
        """Return the groups of a dimension: months in their order, qualities in theirs, others by most energy."""
        if by == "quality":
            return _by_quality(self.total)
        apart = _beside_restricted(self.sums[by])
        found = [
            Row(key, self.titles.get(by, {}).get(key) or key or _NOT_TOLD, one.energy())
            for key, one in self.sums[by].items()
            if key not in apart
        ]
        if apart:
            others = together(self.sums[by][key] for key in apart)
            found.append(Row(OTHERS, _OTHER_TITLES[by], others.energy(), apart))
        if by == "month":
            return sorted(found, key=lambda row: row.key)
        return sorted(found, key=lambda row: (-row.energy.whole_joules, row.title))

    def energy_at(self, place: str) -> Energy:
        """Return the energy used at a kind of place (`PLACE_TITLES`)."""
        return self.sums["place"].get(place, Sum()).energy()

    def told(self, today: dt.date) -> dict[str, Any]:
        """Return the totals as JSON says them; a month not begun `today` is not missing."""
        begun = f"{today:%Y-%m}"
        return {
            "period": self.period.label,
            "complete": self.complete,
            "basis": ALLOCATION,
            "months_missing": [
                one.month for one in self.months if one.made_at is None and one.month <= begun
            ],
            "months_open": [one.month for one in self.months if one.made_at and not one.closed],
            "made_at": max((one.made_at for one in self.months if one.made_at), default=None),
            **self.total.told(),
        }


def read(
    connection: Connection,
    period: Period,
    *,
    scope: Scope = EVERYTHING,
    unit: str | None = None,
    only: Collection[str] | None = None,
) -> Estate:
    """Return the energy of `period`, of the units in `scope`, or of those of `unit` (a name) and below it.

    `only`: of these months of it alone. NotFoundError for a unit that is not there or not in scope.
    """
    held = tuple(one for one in made_months(connection, period) if only is None or one.month in only)
    some = scope if unit is None else subtree(connection, unit, scope)
    sums = _empty()
    _read_ready(connection, [one.month for one in held], some, sums)
    return _estate(period, held, sums, titles_of(connection))


def at_kind(connection: Connection, period: Period, kind: str) -> dict[Dimension, dict[str, Sum]]:
    """Return {dimension: {key: sum}} of the sites of one kind, as they are kept by group."""
    firsts = [f"{month}-01" for month in period.months]
    query = select(energy_groups, sites.c.kind, sites.c.restricted).join(
        sites, sites.c.id == energy_groups.c.site
    )
    query = query.where(energy_groups.c.month.in_(firsts), sites.c.kind == kind)
    found = _empty()
    for row in connection.execute(query.execution_options(yield_per=1000)):
        for name, key in keys_of(row, row.month[:7], row).items():
            found[name].setdefault(key, Sum()).add(sum_of(row))
    return found


def periods(connection: Connection) -> list[str]:
    """Return the financial years with a month in the ledger, the newest first."""
    names = connection.scalars(
        select(book_figures.c.name).where(book_figures.c.name.startswith(f"{FIGURE}.", autoescape=True))
    )
    years = {_financial_year(name.removeprefix(f"{FIGURE}.")) for name in names}
    return [financial_year_label(began) for began in sorted(years, reverse=True)]


def made_months(connection: Connection, period: Period) -> tuple[MadeMonth, ...]:
    """Return how each month of `period` stands."""
    names = {f"{FIGURE}.{month}": month for month in period.months}
    content = book_figures.c.content
    query = select(
        book_figures.c.name,
        book_figures.c.made_at,
        content["closed"].as_boolean().label("closed"),
        content["digest"].as_string().label("digest"),
    ).where(book_figures.c.name.in_(names))
    held = {names[row.name]: row for row in connection.execute(query)}
    return tuple(
        MadeMonth(month, held[month].made_at, bool(held[month].closed), held[month].digest)
        if month in held
        else MadeMonth(month, None, closed=False, digest=None)
        for month in period.months
    )


def _read_ready(
    connection: Connection,
    months_of_it: Collection[str],
    some: Collection[int] | None,
    sums: dict[Dimension, dict[str, Sum]],
) -> None:
    names = [f"{SUMS_FIGURE}.{month}" for month in months_of_it]
    if some is not None:
        names = [f"{UNIT_FIGURE}.{month}.{unit}" for month in months_of_it for unit in sorted(some)]
    for content in _kept_ready(connection, names):
        _add_ready(sums, content["month"], content["sums"])


def _kept_ready(connection: Connection, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for begin in range(0, len(names), _NAMES_AT_ONCE):
        mine = book_figures.c.name.in_(names[begin : begin + _NAMES_AT_ONCE])
        yield from connection.scalars(select(book_figures.c.content).where(mine))


def _add_ready(
    sums: Mapping[Dimension, dict[str, Sum]], month: str, told: Mapping[str, Mapping[str, Any]]
) -> None:
    for name, held in sums.items():
        for key, one in told[name].items():
            held.setdefault(key, Sum()).add(of_told(one, month))


def _empty() -> dict[Dimension, dict[str, Sum]]:
    return {name: {} for name in DIMENSIONS if name != "quality"}


@dataclass(frozen=True, slots=True)
class Ready:
    """A period as the ledger keeps it ready: {month: {dimension: {key: sum as JSON holds it}}}."""

    period: Period
    months: tuple[MadeMonth, ...]
    sums: Mapping[str, Mapping[str, Mapping[str, Any]]]
    titles: Mapping[Dimension, Mapping[str, str]]

    def estate(self, only: Collection[str] | None = None) -> Estate:
        """Return the energy of the period, or of the months `only` of it alone."""
        sums = _empty()
        held = tuple(one for one in self.months if only is None or one.month in only)
        for one in held:
            if one.month in self.sums:
                _add_ready(sums, one.month, self.sums[one.month])
        return _estate(self.period, held, sums, self.titles)


def ready(connection: Connection, period: Period) -> Ready:
    """Return what the ledger keeps ready of a period, of everything."""
    names = [f"{SUMS_FIGURE}.{month}" for month in period.months]
    held = {content["month"]: content["sums"] for content in _kept_ready(connection, names)}
    return Ready(period, made_months(connection, period), held, titles_of(connection))


def _estate(
    period: Period,
    held: tuple[MadeMonth, ...],
    sums: Mapping[Dimension, Mapping[str, Sum]],
    titles: Mapping[Dimension, Mapping[str, str]],
) -> Estate:
    return Estate(period, together(sums["month"].values()).energy(), held, sums, titles)


def sum_of(row: Any) -> Sum:
    """Return what a row of `energy_groups` says."""
    silent = row.model == NOTHING_TOLD
    joules = [getattr(row, f"{name}_joules") for name in QUALITIES]
    unknown = (0, row.unknown_seconds) if silent else (row.unknown_seconds, 0)
    return of_told(
        [*joules, row.days, *unknown, row.devices, row.own_down_squared, row.own_up_squared, row.shared],
        row.month[:7],
    )


def keys_of(group: Any, month: str, site: Any) -> dict[Dimension, str]:
    """Return the key of each dimension of a group (with site, unit, item_class, model) at `site`, a row of `sites`."""
    hidden = site is not None and site.restricted
    return {
        "month": month,
        "place": "unknown" if site is None else site.kind,
        "class": group.item_class,
        "unit": RESTRICTED if hidden else str(group.unit),
        "site": RESTRICTED if hidden else str(group.site),
        "model": RESTRICTED if hidden else group.model,
    }


def _beside_restricted(sums: Mapping[str, Sum]) -> tuple[str, ...]:
    """Return the groups that are shown as one, so that restricted ones have no row of their own; none without them."""
    if RESTRICTED not in sums:
        return ()
    named = ((sum(one.joules), key) for key, one in sums.items() if key != RESTRICTED and any(one.joules))
    return (RESTRICTED, *(key for _, key in sorted(named)[:_BESIDE_RESTRICTED]))


def _by_quality(total: Energy) -> list[Row]:
    """Return the total's parts; their intervals are the total's and not kept for each."""
    found = []
    for place, quality in enumerate(QUALITIES):
        joules = tuple(one if at == place else 0 for at, one in enumerate(total.joules))
        alone = Energy(joules, joules[place], joules[place], total.devices, 0, 0, 0)
        found.append(Row(quality, quality, alone))
    return found


def titles_of(connection: Connection) -> dict[Dimension, dict[str, str]]:
    """Return {dimension: {key: what people call it}}."""
    found: dict[Dimension, dict[str, str]] = {
        "place": dict(PLACE_TITLES),
        "class": {ERASED: "devices erased since"},
    }
    for name, table in (("unit", units), ("site", sites)):
        rows = connection.execute(select(table.c.id, table.c.name))
        found["unit" if name == "unit" else "site"] = {str(row.id): row.name for row in rows}
    found["model"] = {NOTHING_TOLD: "days nothing was told on"}
    return found


def subtree(connection: Connection, unit: str, scope: Scope) -> frozenset[int]:
    """Return the unit of that name, or row id, and every unit below it as the tree stands today."""
    below: dict[int | None, list[int]] = {}
    top = None
    for row in connection.execute(select(units.c.id, units.c.parent, units.c.name)):
        below.setdefault(row.parent, []).append(row.id)
        if row.name == unit:
            top = row.id
    found: set[int] = set()
    waiting = [] if top is None else [top]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(below.get(one, ()))
    seen = frozenset(found) if scope is None else frozenset(found) & scope
    if not seen:
        raise NotFoundError(f"there is no unit {unit!r}; `roadworthy organisation show` lists them")
    return seen


def _financial_year(month: str) -> int:
    year, number = int(month[:4]), int(month[5:])
    return year if number >= 4 else year - 1


def unknown_because(by: str, row: Row) -> str | None:
    """Return why a row without any energy is not known and not nought; None for one that has some, or has nought.

    A virtual machine draws nothing of its own, and no quality is missing where nothing is known that way.
    """
    if row.energy.whole_joules or by == "quality" or row.key == OTHERS:
        return None
    if by not in {"class", "model"}:
        return None if row.energy.coverage_ratio else "nothing was told of it"
    return None if (by, row.key) == ("class", VIRTUAL) else NO_ENERGY


def shown_row(row: Row, by: str) -> dict[str, Any]:
    """Return a row of the dimension `by` as JSON says it: null, with the reason, where its energy is not known."""
    told, why = row.energy.told(), unknown_because(by, row)
    if why is not None:
        told |= dict.fromkeys(("kwh", "low_kwh", "high_kwh"))
        told["by_quality"] = {name: {"kwh": None, "share": None} for name in QUALITIES}
    return {"key": row.key, "title": row.title, **told, "reason": why}
