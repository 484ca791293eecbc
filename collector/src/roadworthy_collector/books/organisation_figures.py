"""Figures by unit at a day, rolled up the tree of that day; what no unit answers for is counted as unassigned.

What there is at a day (devices in service, register items, systems, contracts) is counted at its end. What adds up over
days (half-hours that were reported, each by the unit of its own day) is of UTC days. A line of the ledger counts to the
unit that answers for its cost centre at the start of its accounting period. Restricted sites count here and are listed
nowhere. Of a scope only units of today's scope count, and no money: a ledger is of the whole IT estate.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, and_, case, cast, func, or_, select

from roadworthy_collector.books.cost_lines import LEDGER, counts
from roadworthy_collector.books.organisation_moves import Before
from roadworthy_collector.books.organisation_tree import Organisation, OrganisationError
from roadworthy_collector.store.books_schema import (
    batches,
    contracts,
    cost_centres,
    ledger_lines,
    register_items,
    systems,
)
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import days, devices
from roadworthy_inventory.calendar import financial_year_of, local_date, local_day, utc_day
from roadworthy_inventory.units import UNASSIGNED, roll_up

LEAST_DAYS = 7  # fewer would tell on which days one person was at work, where a unit has one device
MOST_DAYS = 31  # of half-hours at once: a hundred thousand devices have three million rows in them
MONEY = ("contract_pence", "contracts_without_value", "ledger_pence")
_OWN = 400  # rows read by id at once
Triple = tuple[int | None, dt.date, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which figures: at the end of `day`, and half-hours of the `over` UTC days up to and with it."""

    day: dt.date
    over: int = 7

    def __post_init__(self) -> None:
        if not LEAST_DAYS <= self.over <= MOST_DAYS:
            raise OrganisationError(
                f"{self.over} days: half-hours are added up over {LEAST_DAYS} to {MOST_DAYS} days"
            )

    @property
    def first(self) -> dt.date:
        """The first of the days."""
        return self.day - dt.timedelta(days=self.over - 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One unit's figures: what belongs to it alone, and with all under it. `unit` is None for what is unassigned."""

    unit: int | None
    name: str
    path: str
    depth: int
    own: dict[str, int]
    total: dict[str, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """Lines in the order of the tree, unassigned last; `total` is of all of them, each figure once.

    `measures` are the figures' names in order; those of `MONEY` are missing for a reader of some units.
    """

    asked: Asked
    lines: list[Line]
    total: dict[str, int]
    measures: tuple[str, ...]
    scoped: bool = False


@dataclass(slots=True)
class Context:
    """What figures and the rows behind them are made with."""

    connection: Connection
    organisation: Organisation
    asked: Asked
    zone: str
    now: float
    scope: Scope = EVERYTHING
    booked: list[LedgerSum] | None = None  # the ledger, once it was read
    _before: Before | None = field(default=None)

    @property
    def today(self) -> dt.date:
        """The day it is in the reporting time zone."""
        return local_date(self.now, self.zone)

    @property
    def before(self) -> Before | None:
        """Where rows stood on the day, if that is a day that is over."""
        if self.asked.day >= self.today:
            return None
        if self._before is None:
            self._before = Before(self.connection, self.asked.day, self.zone)
        return self._before

    def seen(self, unit: int | None) -> bool:
        """Whether a reader of the scope may see what belongs to a unit: whoever answers for it today is theirs."""
        if self.scope is None:
            return True
        answering = self.organisation.answering(unit, self.today)
        return answering is not None and int(answering) in self.scope


def figures(context: Context) -> Figures:
    """Return the figures of every unit of the day."""
    triples = _triples(context)
    tree = context.organisation.at(context.asked.day)
    rolled = {
        name: roll_up(context.organisation.tree, _known(context, found)) for name, found in triples.items()
    }
    own: dict[str, Counter[str]] = {}
    for name, found in triples.items():
        own[name] = Counter()
        for unit, day, amount in found:
            own[name][context.organisation.answering(unit, day) or UNASSIGNED] += amount
    measures = tuple(triples)
    lines: list[Line] = []

    def line(unit: str, name: str, path: str, depth: int) -> Line:
        number = None if unit == UNASSIGNED else int(unit)
        alone = {measure: own[measure][unit] for measure in measures}
        return Line(
            number, name, path, depth, alone, {measure: rolled[measure].get(unit, 0) for measure in measures}
        )

    def walk(parent: str | None, depth: int) -> None:
        for unit in tree.children(parent):
            shown = context.scope is None or context.seen(int(unit))
            if shown:
                path = context.organisation.path(tree, unit)
                lines.append(line(unit, path.rpartition(" / ")[2], path, depth))
            walk(unit, depth + shown)

    walk(None, 0)
    if context.scope is None:
        lines.append(line(UNASSIGNED, "unassigned", "unassigned", 0))
    total = {measure: sum(amount for _, _, amount in triples[measure]) for measure in measures}
    return Figures(context.asked, lines, total, measures, context.scope is not None)


def _known(context: Context, found: Iterable[Triple]) -> list[tuple[str | None, dt.date, int]]:
    unassigned = context.organisation.unassigned
    return [(None if unit in {None, unassigned} else str(unit), day, amount) for unit, day, amount in found]


def _triples(context: Context) -> dict[str, list[Triple]]:
    """Return {measure: [(unit, day, amount)]} of all that may be seen."""
    found: dict[str, list[Triple]] = {"devices": grouped(context, "devices")}
    states = item_states(context)
    found["items"] = _added(context, states)
    names = sorted({state for state, _ in states})
    for state in names:
        mine = Counter({key: amount for key, amount in states.items() if key[0] == state})
        found[f"items_{state}"] = _added(context, mine)
    found["half_hours"], found["device_days"] = _periods(context)
    found["systems"] = grouped(context, "systems")
    found["cost_centres"] = grouped(context, "cost_centres")
    if context.scope is None:
        found["contracts"] = grouped(context, "contracts")
        found |= _contract_values(context)
        found["ledger_pence"] = [(row.unit, row.day, row.pence) for row in ledger(context)]
    else:
        found = {name: [one for one in triples if context.seen(one[0])] for name, triples in found.items()}
    return found


def _added(context: Context, states: Mapping[tuple[str, int | None], int]) -> list[Triple]:
    counted: Counter[int | None] = Counter()
    for (_, unit), amount in states.items():
        counted[unit] += amount
    return [(unit, context.asked.day, amount) for unit, amount in counted.items()]


# --- what there is at the end of a day -----------------------------------------------------------------------


def table_of(kind: str) -> Table:
    """Return the table of a kind of rows."""
    return {
        "devices": devices,
        "items": register_items,
        "systems": systems,
        "cost_centres": cost_centres,
        "contracts": contracts,
    }[kind]


def there(context: Context, kind: str) -> ColumnElement[bool]:
    """Return the condition for a row being there at the end of the day: a device in service, a contract that runs."""
    end = local_day(context.asked.day, context.zone).end
    if kind == "devices":
        retired = or_(devices.c.retired_at.is_(None), devices.c.retired_at >= end)
        return and_(devices.c.enrolled_at < end, retired)
    if kind == "contracts":
        day = context.asked.day.isoformat()
        in_force = select(batches.c.id).where(counts())
        return and_(
            contracts.c.batch.in_(in_force),
            or_(contracts.c.starts.is_(None), contracts.c.starts <= day),
            contracts.c.ends >= day,  # one whose end is not told is not known to run
        )
    return table_of(kind).c.id > 0


def unit_of(kind: str) -> ColumnElement[Any]:
    """Return the unit a row belongs to: of a contract its own, else that of its cost centre, else of its system."""
    if kind != "contracts":
        return table_of(kind).c.unit
    centre = select(cost_centres.c.unit).where(cost_centres.c.id == contracts.c.cost_centre).scalar_subquery()
    system = select(systems.c.unit).where(systems.c.id == contracts.c.system).scalar_subquery()
    return func.coalesce(contracts.c.unit, centre, system)


def grouped(context: Context, kind: str, amount: ColumnElement[Any] | None = None) -> list[Triple]:
    """Return (unit, the day, rows) of a kind, or the sum of `amount` over them."""
    table = table_of(kind)
    summed = func.count() if amount is None else func.coalesce(func.sum(amount), 0)
    unit = unit_of(kind).label("unit")
    query = select(unit, summed.label("amount")).select_from(table).where(there(context, kind))
    counted: Counter[int | None] = Counter()
    for row in connection_rows(context, query.group_by(unit)):
        counted[row[0]] += int(row[1])
    if context.before is not None:
        moved = stood(context, kind)
        each = select(table.c.id, unit, func.sum(1 if amount is None else amount).label("amount")).where(
            there(context, kind)
        )
        for ids in pieces(sorted(moved)):
            query = each.where(table.c.id.in_(ids)).group_by(table.c.id, unit)
            for row in connection_rows(context, query):
                counted[row[1]] -= int(row[2] or 0)
                counted[moved[row[0]]] += int(row[2] or 0)
    return [(unit_id, context.asked.day, number) for unit_id, number in counted.items() if number]


def stood(context: Context, kind: str) -> dict[int, int | None]:
    """Return {row id: unit} of the rows that stood elsewhere on the day than they do today."""
    before = context.before
    if before is None:
        return {}
    moved = before.units[kind]
    if kind != "contracts":
        return moved
    found = dict(moved)
    # One without a unit of its own goes with its cost centre, else with its system.
    for row in connection_rows(context, select(contracts).where(contracts.c.unit.is_(None))):
        if row.cost_centre in before.units["cost_centres"]:
            then = before.units["cost_centres"][row.cost_centre]
        elif row.system in before.units["systems"] and row.cost_centre is None:
            then = before.units["systems"][row.system]
        else:
            continue
        found.setdefault(row.id, then)
    return found


def connection_rows(context: Context, query: Any) -> Sequence[Any]:
    """Return the rows of a query."""
    return context.connection.execute(query).all()


def pieces(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    """Yield ids, some at a time."""
    for begin in range(0, len(ids), _OWN):
        yield ids[begin : begin + _OWN]


def item_states(context: Context) -> Counter[tuple[str, int | None]]:
    """Return {(lifecycle state, unit): register items} as the register stood at the end of the day."""
    columns = (register_items.c.lifecycle_state, register_items.c.unit)
    counted: Counter[tuple[str, int | None]] = Counter()
    for row in connection_rows(context, select(*columns, func.count()).group_by(*columns)):
        counted[row[0], row[1]] += row[2]
    before = context.before
    if before is not None:
        units = before.units["items"]
        touched = sorted({*units, *before.states, *before.absent})
        for ids in pieces(touched):
            query = select(register_items.c.id, *columns).where(register_items.c.id.in_(ids))
            for row in connection_rows(context, query):
                counted[row[1], row[2]] -= 1
                if row[0] not in before.absent:
                    counted[before.states.get(row[0], row[1]), units.get(row[0], row[2])] += 1
    return Counter({key: amount for key, amount in counted.items() if amount})


def _periods(context: Context) -> tuple[list[Triple], list[Triple]]:
    """Return the half-hours and the device days by unit and UTC day, as the daily totals have them."""
    span = utc_day(context.asked.first).start, utc_day(context.asked.day).start
    query = (
        select(days.c.day, days.c.unit, func.sum(days.c.periods).label("periods"), func.count().label("rows"))
        .where(days.c.day >= span[0], days.c.day <= span[1])
        .group_by(days.c.day, days.c.unit)
    )
    half_hours: list[Triple] = []
    device_days: list[Triple] = []
    for row in connection_rows(context, query):
        day = dt.datetime.fromtimestamp(row.day, dt.UTC).date()
        half_hours.append((row.unit, day, int(row.periods)))
        device_days.append((row.unit, day, int(row.rows)))
    return half_hours, device_days


def _contract_values(context: Context) -> dict[str, list[Triple]]:
    value = contracts.c.value_pence_per_year
    untold = case((value.is_(None), 1), else_=0)
    return {
        "contract_pence": grouped(context, "contracts", value),
        "contracts_without_value": grouped(context, "contracts", untold),
    }


# --- the ledger ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LedgerSum:
    """What one cost centre was charged in one accounting period, and the unit it belonged to when that began."""

    unit: int | None
    day: dt.date
    cost_centre: str | None
    period: int | None
    lines: int
    pence: int


def ledger(context: Context) -> list[LedgerSum]:
    """Return the outturn of the day's financial year as booked, by cost centre and accounting period."""
    if context.booked is not None:
        return context.booked
    year = financial_year_of(context.asked.day)
    content = ledger_lines.c.content
    pence = cast(content["amount_pence"].as_string(), BigInteger)
    keys = (ledger_lines.c.cost_centre, ledger_lines.c.period)
    query = (
        select(*keys, func.count().label("lines"), func.sum(pence).label("pence"))
        .join(batches, batches.c.id == ledger_lines.c.batch)
        .where(
            batches.c.kind == LEDGER,
            counts(),
            ledger_lines.c.financial_year == year,
            content["measure"].as_string() == "outturn",
        )
        .group_by(*keys)
    )
    rows = connection_rows(context, query)
    centres = {row.code.casefold(): row for row in connection_rows(context, select(cost_centres)) if rows}
    befores: dict[dt.date, Before] = {}
    found = []
    for row in rows:
        day = period_start(year, row.period, context.asked.day)
        centre = centres.get((row.cost_centre or "").casefold())
        unit = None if centre is None else centre.unit
        if centre is not None and day < context.today:
            if day not in befores:
                befores[day] = Before(context.connection, day, context.zone, items=False)
            unit = befores[day].units["cost_centres"].get(centre.id, unit)
        found.append(LedgerSum(unit, day, row.cost_centre, row.period, row.lines, int(row.pence)))
    context.booked = found
    return found


def by_cost_centre(context: Context) -> dict[str | None, int]:
    """Return {cost centre's code as booked, None where a line has none: pence} of the same lines as `ledger`."""
    sums: Counter[str | None] = Counter()
    for one in ledger(context):
        sums[one.cost_centre] += one.pence
    return dict(sums)


def period_start(year: int, period: int | None, day: dt.date) -> dt.date:
    """Return the first day of an accounting period; of the year end's (13) the year's last; untold, the day asked for."""
    if period is None:
        return day
    month = min(period, 12) + 3
    if period > 12:
        return dt.date(year + 1, 3, 31)
    return dt.date(year + (month > 12), month - 12 * (month > 12), 1)
