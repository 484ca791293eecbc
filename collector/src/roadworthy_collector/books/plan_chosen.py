"""The items behind a figure of the last plan: by what is done, year, limit used, model, or what is (not) known of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.books import planning
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.importing.problems import shortened

REPAIRS = ("ssd", "ram", "battery")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "done": ("replace", *REPAIRS),
    "repair": REPAIRS,
    "not_decided": ("fixed", "apart", "no_offer"),
}
GROUP_WORDS = {"done": "anything but keep", "repair": "repair", "not_decided": "not decided"}
SPENT = ("capital", "revenue", "installations")
NO_MODEL = "unknown"


class Wanted(NamedTuple):
    """Which items; empty means any.

    `action`: one of planning.ACTIONS or of GROUPS. `uses`: a limit something of the item counts to in `year`: of a stock
    also in the years before, because what is drawn stays drawn. `known` and `how`: one of the plan's counts of what is
    known. `unknown`: the name of a figure that is not known of what is done, or embodied.
    """

    action: str = ""
    year: str = ""
    uses: str = ""
    model: str = ""
    known: str = ""
    how: str = ""
    unknown: str = ""


class Chosen(NamedTuple):
    """Items of a page, how many there are, and what they use of the limit asked for (pence or pieces; None: none was)."""

    rows: list[dict[str, Any]]
    total: int
    used: int | None


def check(summary: Mapping[str, Any], wanted: Wanted) -> None:
    """Raise RoadworthyError for an action, year, limit or figure this plan does not have: it would find no item."""
    known = summary["known"]
    limits = {*SPENT, *(one["what"] for one in summary["uses"])}
    for name, words in (
        ("action", (*planning.ACTIONS, *GROUPS)),
        ("year", summary["years"]),
        ("uses", sorted(limits)),
        ("known", known),
        ("how", known.get(wanted.known, ())),
        ("unknown", (*summary["estate"]["unknown"], "embodied")),
    ):
        said = getattr(wanted, name)
        if said and said not in words:
            told = ", ".join(words) or "nothing: say known too"
            raise RoadworthyError(f"{name}: {shortened(said)} is none of this plan's: {told}")


def items(connection: Connection, summary: Mapping[str, Any], wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield the items wanted, in the order of the plan."""
    return _of(connection, summary, wanted)


def page(
    connection: Connection, summary: Mapping[str, Any], wanted: Wanted, offset: int, limit: int
) -> Chosen:
    """Return some of the items wanted; a filter beyond the action reads every piece of the plan."""
    if wanted == Wanted(action=wanted.action) and wanted.action not in GROUPS:
        rows, total = planning.page(connection, summary, wanted.action or None, offset, limit)
        return Chosen(rows, total, None)
    found, total, used = [], 0, 0
    for one in _of(connection, summary, wanted):
        if offset <= total < offset + limit:
            found.append(one)
        total += 1
        used += _used(one, wanted.uses)
    return Chosen(found, total, used if wanted.uses else None)


def _of(connection: Connection, summary: Mapping[str, Any], wanted: Wanted) -> Iterator[dict[str, Any]]:
    actions = GROUPS.get(wanted.action, (wanted.action,))
    if wanted.uses or wanted.unknown:
        actions = GROUPS["done"] if actions == ("",) else actions
    for action in actions:
        for one in planning.items(connection, summary, action or None):
            if _fits(one, wanted):
                yield one


def _used(one: Mapping[str, Any], uses: str) -> int:
    spends = one.get("spends") or {}
    return int(spends.get(uses, 0)) if uses in SPENT else int(bool(uses) and spends.get("stock") == uses)


def _fits(one: Mapping[str, Any], wanted: Wanted) -> bool:
    if wanted.uses:
        if not _used(one, wanted.uses):
            return False
        in_time = one["year"] == wanted.year if wanted.uses in SPENT else one["year"] <= wanted.year
        if wanted.year and not in_time:
            return False
    elif wanted.year and one["year"] != wanted.year:
        return False
    if wanted.unknown:
        told = one.get("spends") if wanted.unknown == "embodied" else one["figures"]
        if one["offer"] is None or told is None or told.get(wanted.unknown) is not None:
            return False
    return wanted.model in {"", one["model"] or NO_MODEL} and wanted.how in {
        "",
        one.get("how", {}).get(wanted.known),
    }
