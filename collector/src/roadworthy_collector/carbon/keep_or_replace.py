"""Keep or replace, by model: what making a new device emits against the electricity it would save here.

What a model draws is what its devices drew in the last twelve months of the ledger, on at least thirty days each;
where the ledger has none it is makers' typical year of the class, and the row says so. The new device is makers'
typical one of a class. Break-even is at the generation factor of the newest factor set; beside it, and labelled apart,
on appraisal terms with long-run marginal factors and carbon values as the carbon settings hold them. Both sides are priced at the internal carbon price, where there is one.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from roadworthy_collector.carbon import factor_store, internal_price, settings_edition
from roadworthy_collector.carbon.settings_text import AppraisalTerms
from roadworthy_collector.carbon.without_agent import IN_USE, typical_kwh
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.carbon_schema import energy_devices
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import devices, sites
from roadworthy_inventory.carbon.carbon_price import InternalPrice
from roadworthy_inventory.carbon.embodied import (
    Appraisal,
    BreakEven,
    EmbodiedError,
    appraise,
    break_even,
    of_class,
)
from roadworthy_inventory.carbon.factors import Factor
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES
from roadworthy_inventory.planned_life import planned_lives
from roadworthy_inventory.replacement_data import footprints
from roadworthy_inventory.replacement_inputs import Range

LEAST_DAYS = 30
MOST_MODELS = 200
_YEAR_DAYS = 365.25
_SAME = "same"
NEW_CLASSES = ("desktop", "laptop", "tablet")
# What another class of computer can stand in for; a monitor or a server is replaced by its like.
_COMPUTERS = frozenset({"all_in_one", "thin_client", *NEW_CLASSES})
Known = Literal["ledger", "typical"]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model in use: kWh a year now and of a new device, and when making the new one has paid for itself.

    `known` ledger: mean of `told` of its `devices`, by what their agents told; typical: makers' year of the class.
    `appraisal` None with `why_no_appraisal`.
    """

    item_class: str
    model: str
    devices: int
    told: int
    known: Known
    kwh: Range
    new_class: str
    new_kwh: Range
    making_kgco2e: Range
    saved_kwh: Range
    break_even: BreakEven
    appraisal: Appraisal | None
    why_no_appraisal: str | None


@dataclass(frozen=True, slots=True)
class KeepOrReplace:
    """Models, most devices first. `left_out`: devices of a class nobody publishes figures for, by class."""

    factor: Factor
    rows: tuple[ModelRow, ...]
    left_out: dict[str, int]
    terms: str | None
    price: InternalPrice | None = None


@dataclass(slots=True)
class _Model:
    devices: int = 0
    told: int = 0
    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    def year(self) -> Range | None:
        """Return kWh a year of one device, the mean; None where no device told of enough days."""
        if not self.told:
            return None
        return Range(self.low / self.told, self.likely / self.told, self.high / self.told)


def compare(
    connection: Connection, today: dt.date, *, new_class: str = _SAME, scope: Scope = EVERYTHING
) -> KeepOrReplace:
    """Return every model with a figure against a new device of its own class, or a computer against `new_class`.

    RoadworthyError for another class, or where no factor is held at all.
    """
    if new_class not in {_SAME, *NEW_CLASSES}:
        raise RoadworthyError(f"{new_class!r}: a computer can be replaced by one of {', '.join(NEW_CLASSES)}")
    factor = _newest_factor(connection, today)
    said = settings_edition.settings(connection)
    terms, price = said.appraisal, internal_price.on(said.prices, today)
    rows: list[ModelRow] = []
    left_out: Counter[str] = Counter()
    for (item_class, model), held in _models(connection, today, scope).items():
        made = _row(item_class, model, held, new_class, factor)
        if made is None:
            left_out[item_class] += held.devices
        else:
            rows.append(_appraised(made, terms, today.year))
    rows.sort(key=lambda row: (-row.devices, row.model))
    source = None if terms is None else terms.source
    return KeepOrReplace(factor, tuple(rows[:MOST_MODELS]), dict(left_out), source, price)


def _newest_factor(connection: Connection, today: dt.date) -> Factor:
    book = factor_store.book(connection)
    for year in reversed(book.years):
        found = book.of(year, "generation")
        if year <= today.year and found.value is not None:
            return found
    raise RoadworthyError("no factor of generation is held; load the official flat file")


def _models(connection: Connection, today: dt.date, scope: Scope) -> dict[tuple[str, str], _Model]:
    found: dict[tuple[str, str], _Model] = defaultdict(_Model)
    used = _used(connection, today)
    for row in _in_use(connection, scope):
        one = found[row.item_class or "unknown", (row.model or "").strip()]
        one.devices += 1
        if row.device is None or row.device not in used:
            continue
        low, likely, high = used[row.device]
        one.told += 1
        one.low, one.likely, one.high = one.low + low, one.likely + likely, one.high + high
    return found


def _in_use(connection: Connection, scope: Scope) -> Iterable[Any]:
    """Return items in use with their device where one is linked, and devices that are no item; no restricted sites."""
    hidden = select(sites.c.id).where(sites.c.restricted.is_(True))
    link = register_devices.c.valid_to.is_(None)
    items = (
        select(
            register_items.c.kind.label("kind"),
            register_items.c.model.label("register_model"),
            devices.c.id.label("device"),
            devices.c.device_class,
            devices.c.model.label("told_model"),
        )
        .select_from(
            register_items.outerjoin(
                register_devices, (register_devices.c.item == register_items.c.id) & link
            ).outerjoin(devices, devices.c.id == register_devices.c.device)
        )
        .where(register_items.c.lifecycle_state.in_(IN_USE))
        .where(register_items.c.site.is_(None) | register_items.c.site.not_in(hidden))
    )
    linked = select(register_devices.c.device).where(link)
    alone = select(
        devices.c.id.label("device"), devices.c.device_class, devices.c.model.label("told_model")
    ).where(devices.c.retired_at.is_(None), devices.c.id.not_in(linked), devices.c.site.not_in(hidden))
    alone = alone.where(
        devices.c.device_class != "controller"
    )  # a part of its server, not a device to replace
    if scope is not None:
        items = items.where(register_items.c.unit.in_(sorted(scope)))
        alone = alone.where(devices.c.unit.in_(sorted(scope)))
    for row in connection.execute(items.execution_options(yield_per=2000)):
        yield _InUse(_class(row.device_class, row.kind), row.told_model or row.register_model, row.device)
    for one in connection.execute(alone.execution_options(yield_per=2000)):
        yield _InUse(one.device_class, one.told_model, one.device)


@dataclass(frozen=True, slots=True)
class _InUse:
    item_class: str | None
    model: str | None
    device: int | None


def _class(told: str | None, kind: str) -> str:
    """Return what an agent told of its machine, else what the register says."""
    return told if told and told != "unknown" else kind


def _used(connection: Connection, today: dt.date) -> dict[int, Range]:
    """Return {device: kWh a year} of the last twelve months, of devices that told of LEAST_DAYS days."""
    first = dt.date(today.year - 1, today.month, 1).isoformat()
    table = energy_devices.c
    likely = sum(
        (func.sum(table[f"{quality}_joules"]) for quality in QUALITIES[1:]), func.sum(table.metered_joules)
    )
    query = (
        select(
            table.device,
            func.sum(table.days).label("days"),
            likely.label("likely"),
            func.sum(table.low_joules).label("low"),
            func.sum(table.high_joules).label("high"),
        )
        .where(table.month >= first)
        .group_by(table.device)
        .having(func.sum(table.days) >= LEAST_DAYS)
    )
    scale = _YEAR_DAYS / JOULES_PER_KWH
    return {
        row.device: Range(*(float(joules) * scale / row.days for joules in (row.low, row.likely, row.high)))
        for row in connection.execute(query.execution_options(yield_per=2000))
    }


def _row(item_class: str, model: str, held: _Model, new_class: str, factor: Factor) -> ModelRow | None:
    wanted = item_class if new_class == _SAME or item_class not in _COMPUTERS else new_class
    wanted = "desktop" if wanted == "all_in_one" else wanted
    new, making = footprints().get(wanted), of_class(wanted)
    measured = held.year()
    now = measured or typical_kwh(item_class)
    if new is None or making is None or now is None:
        return None
    saved = Range(now.low - new.use_kwh.high, now.likely - new.use_kwh.likely, now.high - new.use_kwh.low)
    return ModelRow(
        item_class=item_class,
        model=model or "not told",
        devices=held.devices,
        told=held.told,
        known="ledger" if measured else "typical",
        kwh=now,
        new_class=wanted,
        new_kwh=new.use_kwh,
        making_kgco2e=making,
        saved_kwh=saved,
        break_even=break_even(making, saved, float(factor.exact)),
        appraisal=None,
        why_no_appraisal=None,
    )


def _appraised(row: ModelRow, terms: AppraisalTerms | None, year: int) -> ModelRow:
    life = planned_lives().get(row.new_class)
    if terms is None or life is None:
        why = "no appraisal terms are in the carbon settings" if terms is None else "no planned life is held"
        return replace(row, why_no_appraisal=why)
    years = range(year, year + round(life.years))
    series = (terms.marginal_kgco2e_per_kwh, terms.value_gbp_per_tco2e)
    marginal, value = ({name: float(exact) for name, exact in one.items()} for one in series)
    try:
        made = appraise(row.making_kgco2e, row.saved_kwh, years, marginal, value)
        return replace(row, appraisal=made)
    except EmbodiedError as error:
        return replace(row, why_no_appraisal=str(error))


def told(found: KeepOrReplace) -> dict[str, Any]:
    """Return it as JSON says it; a break-even that never comes is null."""
    return {
        "factor_set": found.factor.set_name,
        "factor_kgco2e_per_kwh": float(found.factor.exact),
        "factor_status": found.factor.status,
        "appraisal_terms": found.terms,
        "left_out": found.left_out,
        "internal_price": internal_price.told(found.price),
        "rows": [_told(row) | _priced(row, found) for row in found.rows],
    }


def _priced(row: ModelRow, found: KeepOrReplace) -> dict[str, Any]:
    """Return what making a new device and the electricity of a year less cost at the internal carbon price."""
    kilograms = [kwh * float(found.factor.exact) for kwh in row.saved_kwh]
    return {
        "making_at_internal_price": [internal_price.pounds(one, found.price) for one in row.making_kgco2e],
        "saved_a_year_at_internal_price": [internal_price.pounds(one, found.price) for one in kilograms],
    }


def _told(row: ModelRow) -> dict[str, Any]:
    said = asdict(row)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in said.items()
        if name not in {"break_even", "appraisal"}
    } | {
        "break_even_years": [
            row.break_even.early_years,
            row.break_even.likely_years,
            row.break_even.late_years,
        ],
        "appraisal": None
        if row.appraisal is None
        else {
            "years": list(row.appraisal.years),
            "saved_kgco2e": list(row.appraisal.saved_kgco2e),
            "worth_gbp": list(row.appraisal.worth_gbp),
        },
    }
