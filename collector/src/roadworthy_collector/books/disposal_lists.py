"""The items behind a figure of disposal: of one route, year or category, or those of which something is not known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

from roadworthy_collector.books import disposal
from roadworthy_collector.books.disposal import Held
from roadworthy_inventory.disposal import ROUTES, category_of, missing_certificates, stores_data, year_of

Which = Literal[
    "weight_unknown", "proceeds_unknown", "cost_unknown", "certificates_owed", "certificates_missing", "undated",
    "untold",
]  # fmt: skip
WHICH: tuple[Which, ...] = get_args(Which)
WHICH_WORDS: dict[Which, str] = {
    "weight_unknown": "not weighed",
    "proceeds_unknown": "proceeds not known",
    "cost_unknown": "cost not known",
    "certificates_owed": "a certificate is owed",
    "certificates_missing": "a certificate is missing",
    "undated": "disposed of, the day it left is not known",
    "untold": "nothing recorded but the state",
}


class Wanted(NamedTuple):
    """Which items; None means any. `category` 0: none is known. `year` as 2026/27, or undated."""

    route: str | None = None
    year: str | None = None
    category: int | None = None
    which: Which | None = None


class Chosen(NamedTuple):
    """Items, and what they add up to."""

    rows: list[dict[str, Any]]
    weight_grams: int
    proceeds_pence: int
    cost_pence: int


def choose(held: list[Held], wanted: Wanted, on: dt.date) -> Chosen:
    """Return the items wanted of all that are gone or on their way out, as of the day `on`."""
    lacking = {one.record.tag for one in missing_certificates([one.record for one in held], on)}

    def owed(one: Held) -> bool:
        left = one.record.left
        return left is not None and left <= on and stores_data(one.record) is not False

    answers: dict[Which, Callable[[Held], bool]] = {
        "weight_unknown": lambda one: one.record.weight_grams is None,
        "proceeds_unknown": lambda one: one.record.proceeds_pence is None,
        "cost_unknown": lambda one: one.record.cost_pence is None,
        "certificates_owed": owed,
        "certificates_missing": lambda one: one.record.tag in lacking,
        "undated": lambda one: one.lifecycle_state == "disposed" and one.record.left is None,
        "untold": lambda one: not one.told,
    }
    found = [
        one
        for one in held
        if wanted.route in {None, one.record.route if one.record.route in ROUTES else "unknown"}
        and wanted.year in {None, year_of(one.record)}
        and wanted.category in {None, category_of(one.record) or 0}
        and (wanted.which is None or answers[wanted.which](one))
    ]
    sums = [
        sum(getattr(one.record, name) or 0 for one in found)
        for name in ("weight_grams", "proceeds_pence", "cost_pence")
    ]
    return Chosen([disposal.row_of(one) for one in found], *sums)
