"""The summaries of pages as rows of exported tables: the plan by model and its limits, batches, units with figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from roadworthy_collector.books import organisation_figures, planning, register
from roadworthy_collector.books.organisation_tables import asked_of, context_of
from roadworthy_collector.books.plan_rows import FIGURES
from roadworthy_collector.books.sheets import pounds_of
from roadworthy_collector.books.table_rows import Made, Source, when

_LIMITS = ("year", "of", "unit", "used", "at_low_prices", "at_high_prices", "limit")
_BATCHES = (
    "id", "kind", "format", "file_name", "made_at", "made_by", "rows_read", "rows_good", "rows_bad", "new", "changed",
    "unfinished", "undone_at", "undone_by",
)  # fmt: skip
_PARTS = ("low", "likely", "high")


def plan_models(of: Source) -> Made:
    """Return the plan by model: what is done with how many, and what that is worth with its range."""
    plan, made_at = planning.require(of.connection)
    rows = [_model(one) for one in plan["models"]]
    columns = list(rows[0]) if rows else ["model"]
    listed = sum(one["devices"] for one in plan["models"])
    coverage = f"the {len(rows)} models that net most, {listed:,} of {plan['items']:,} items in the plan"
    return Made(columns, rows, coverage, made_at)


def _model(one: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"model": one["group"], "items": one["devices"]} | one["counts"]
    for name, (title, unit) in FIGURES.items():
        found = one["figures"].get(name) or (None,) * len(_PARTS)
        for part, value in zip(_PARTS, found, strict=True):
            row[f"{title}, {part}"] = None if value is None else round(value / unit, 2)
    return row


def plan_limits(of: Source) -> Made:
    """Return what the plan uses of each year's budget, installations and stocks."""
    plan, made_at = planning.require(of.connection)
    rows = []
    for use in plan["uses"]:
        money = use["what"] in {"capital", "revenue"}
        found = (use["used"], use["used_low"], use["used_high"], use["limit"])
        told = [pounds_of(one) if money else one for one in found]
        rows.append(
            dict(
                zip(_LIMITS, (use["year"], use["what"], "pounds" if money else "number", *told), strict=True)
            )
        )
    return Made(_LIMITS, rows, "every limit of the plan; an empty one is no limit", made_at)


def batches(of: Source) -> Made:
    """Return every import and change by hand, newest first."""

    def rows() -> Iterator[dict[str, Any]]:
        before: int | None = None
        while True:
            page = register.read_batches(of.connection, before=before)
            for row in page.rows:
                yield row | {"made_at": when(row["made_at"]), "undone_at": when(row["undone_at"])}
            if page.next is None:
                return
            before = page.next

    return Made(_BATCHES, rows(), "every batch there is, those that were undone too")


def organisation(of: Source) -> Made:
    """Return the units of a day with their figures, each alone and with all under it."""
    wanted = asked_of(of)
    day = wanted.day
    found = organisation_figures.figures(context_of(of, wanted))
    rows = []
    for line in found.lines:
        row: dict[str, Any] = {"unit": line.path}
        for name in found.measures:
            title = name.replace("_pence", "_pounds")
            for where, amounts in (("with all under it", line.total), ("alone", line.own)):
                amount = amounts[name]
                row[f"{title}, {where}"] = pounds_of(amount) if name.endswith("_pence") else amount
        rows.append(row)
    columns = list(rows[0]) if rows else ["unit"]
    said = f"{len(rows)} units on {day.isoformat()}, half-hours of {wanted.over} days; restricted sites are counted"
    return Made(columns, rows, said)
