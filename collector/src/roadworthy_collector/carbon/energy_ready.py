"""The sums of a month of the energy ledger kept ready for readers: by every dimension, of each unit by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import delete

from roadworthy_collector.books import figures
from roadworthy_collector.carbon.estate import DIMENSIONS, UNIT_FIGURE, keys_of
from roadworthy_collector.carbon.sums import Sum
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import book_figures

Group = tuple[int, int, str, str]  # site, unit, class, model


def _of_units(groups: Mapping[Group, Sum]) -> dict[int, dict[Group, Sum]]:
    found: dict[int, dict[Group, Sum]] = {}
    for key, one in groups.items():
        found.setdefault(key[1], {})[key] = one
    return found


def write_units(
    work: Work,
    month: str,
    groups: Mapping[Group, Sum],
    held: Mapping[int, Any],
    now: float,
) -> None:
    """Keep the month's sums of each unit ready, for readers of a part of the organisation."""
    prefix = f"{UNIT_FIGURE}.{month}."
    of_units = _of_units(groups)
    for unit, some in sorted(of_units.items()):
        if work.stop.is_set():
            return
        content = {"month": month, "sums": by_dimension(held, month, some)}
        with work.write() as connection:
            figures.write(connection, f"{prefix}{unit}", content, now, 0.0)
    with work.write() as connection:
        mine = book_figures.c.name.startswith(prefix, autoescape=True)
        wanted = [f"{prefix}{unit}" for unit in of_units]
        connection.execute(delete(book_figures).where(mine, book_figures.c.name.not_in(wanted)))


def by_dimension(
    held: Mapping[int, Any], month: str, groups: Mapping[Group, Sum]
) -> dict[str, dict[str, list[Any]]]:
    """Return {dimension: {key: sum as JSON holds it}} of groups of the month, by `held` {row id: site}."""
    found: dict[str, dict[str, Sum]] = {name: {} for name in DIMENSIONS if name != "quality"}
    for key, one in groups.items():
        for name, value in keys_of(_Named(*key), month, held.get(key[0])).items():
            found[name].setdefault(value, Sum()).add(one)
    return {name: {value: one.told(month) for value, one in some.items()} for name, some in found.items()}


class _Named(NamedTuple):
    site: int
    unit: int
    item_class: str
    model: str
