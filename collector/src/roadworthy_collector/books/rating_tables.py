"""Ratings counted by site, by unit and by model as rows of exported tables, from the figures the newest rating kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roadworthy_collector.books import figures, rating
from roadworthy_collector.books.sheets import ratio
from roadworthy_collector.books.table_rows import Made, Source
from roadworthy_inventory.rating_measures import RATINGS

_WORDS = tuple(word.replace(" ", "_") for word in RATINGS)


def by(group: str) -> Callable[[Source], Made]:
    """Return what reads the ratings by `group`, one of rating.GROUPS; a unit counts with everything under it."""
    columns = (group, *_WORDS, "devices", "rated", "rated_ratio", "excepted", "rules_judged", "rules_meant")

    def make(of: Source) -> Made:
        held = figures.read(of.connection, f"{rating.FIGURE}.{group}")
        estate = figures.read(of.connection, rating.FIGURE)
        if held is None or estate is None:
            return Made(columns, (), "nothing has been rated yet")
        whole = estate[0]["estate"]
        said = (
            f"{whole['rated']} of {whole['devices']} devices in service rated, in {len(held[0])} rows; "
            f"rules edition {estate[0]['edition'][:12]}; those at restricted sites are in no row"
        )
        if group == "unit":
            said += "; a unit counts with everything under it, so rows do not add up"
        return Made(columns, [_row(group, *one) for one in held[0].items()], said, held[1])

    return make


def _row(group: str, member: str, of: dict[str, Any]) -> dict[str, Any]:
    counts = {word.replace(" ", "_"): of["counts"].get(word, 0) for word in RATINGS}
    told = {name: of[name] for name in ("devices", "rated", "excepted", "rules_judged", "rules_meant")}
    share = ratio(of["rated"] / of["devices"]) if of["devices"] else None
    return {group: member or "unknown"} | counts | told | {"rated_ratio": share}
