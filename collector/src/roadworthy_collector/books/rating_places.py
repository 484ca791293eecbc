"""What metrics tell of ratings by site and by model: counted while everything is rated, kept as a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.store.schema import sites
from roadworthy_inventory.rating import Rating
from roadworthy_inventory.rating_measures import ACTION, ATTENTION

FIGURE = "ratings.places"
_SHORT = frozenset({ATTENTION, ACTION})


def open_sites(connection: Connection) -> dict[int | None, str]:
    """Return {row id: name} of the sites that are not restricted; what stands at none is ""."""
    query = select(sites.c.id, sites.c.name).where(sites.c.restricted.is_(False))
    return {None: ""} | {row.id: row.name for row in connection.execute(query)}


class ByPlace:
    """Ratings, their reasons and support by site, and reasons by model; restricted sites are in none of it."""

    def __init__(self, names: Mapping[int | None, str]) -> None:
        self._names = names
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._support: Counter[tuple[str, str]] = Counter()
        self._of_sites: Counter[tuple[str, str]] = Counter()
        self._of_models: Counter[tuple[str, str]] = Counter()

    def add(self, site: str, model: str | None, found: Rating, support: str) -> None:
        """Count a device; its reasons only where they make it fall short, excepted ones left out."""
        self._verdicts[site, found.rating] += 1
        self._support[site, support] += 1
        if found.rating in _SHORT:
            for rule in {reason.rule_id for reason in found.reasons}:
                self._of_sites[site, rule] += 1
                self._of_models[model or "", rule] += 1

    def add_alone(self, site: int | None, support: str) -> None:
        """Count the support of a record no agent reports for, by the row id of its site."""
        name = self._names.get(site)
        if name is not None:
            self._support[name, support] += 1

    def told(self) -> dict[str, Any]:
        """Return rows of (member, word, count) as JSON can say them."""
        counters = {
            "verdicts": self._verdicts,
            "support": self._support,
            "site_reasons": self._of_sites,
            "model_reasons": self._of_models,
        }
        return {name: [[*key, count] for key, count in sorted(one.items())] for name, one in counters.items()}
