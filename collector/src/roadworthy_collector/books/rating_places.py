"""What metrics tell of ratings by site and by model: counted while everything is rated, kept as a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books.small_groups import folded
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.rating import Rating
from roadworthy_inventory.rating_measures import ACTION, ATTENTION
from roadworthy_inventory.rating_rules import RuleSet

FIGURE = "ratings.places"
_SHORT = frozenset({ATTENTION, ACTION})
_OF_PEOPLE = "signin_"  # what measures begin with that tell how long somebody waited for their own work


def open_sites(connection: Connection) -> dict[int | None, str]:
    """Return {row id: name} of the sites that are not restricted; what stands at none is ""."""
    query = select(sites.c.id, sites.c.name).where(sites.c.restricted.is_(False))
    return {None: ""} | {row.id: row.name for row in connection.execute(query)}


def of_people(edition: RuleSet) -> frozenset[str]:
    """Return the ids of the rules that look at what is about people in any of their tests, not the first alone."""
    return frozenset(
        rule.rule_id
        for rule in edition.rules
        if any(test.looks_at.startswith(_OF_PEOPLE) for test in rule.tests)
    )


class ByPlace:
    """Ratings and their reasons by site, and reasons by model; restricted sites are in none of it.

    Reasons that are about people, by the ids of their rules, are of no group with fewer than five devices.
    """

    def __init__(self, people: AbstractSet[str]) -> None:
        self._people = people
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._of_sites: Counter[tuple[str, str]] = Counter()
        self._of_models: Counter[tuple[str, str]] = Counter()
        self._sites: Counter[str] = Counter()
        self._models: Counter[str] = Counter()

    def add(self, site: str, model: str | None, found: Rating) -> None:
        """Count a device; its reasons only where they make it fall short, excepted ones left out."""
        self._verdicts[site, found.rating] += 1
        self._sites[site] += 1
        self._models[model or ""] += 1
        if found.rating in _SHORT:
            for rule in {reason.rule_id for reason in found.reasons}:
                self._of_sites[site, rule] += 1
                self._of_models[model or "", rule] += 1

    def told(self) -> dict[str, Any]:
        """Return rows of (member, word, count) as JSON can say them."""
        counters = {
            "verdicts": self._verdicts,
            "site_reasons": self._without_small(self._of_sites, self._sites),
            "model_reasons": self._without_small(self._of_models, self._models),
        }
        return {name: [[*key, count] for key, count in sorted(one.items())] for name, one in counters.items()}

    def _without_small(
        self, reasons: Counter[tuple[str, str]], devices: Mapping[str, int]
    ) -> Counter[tuple[str, str]]:
        """Return counts by (member, rule) with what is about people folded where a member has too few devices."""
        found = Counter({key: count for key, count in reasons.items() if key[1] not in self._people})
        for rule in sorted(self._people & {rule for _, rule in reasons}):
            kept = folded({member: reasons[member, rule] for member in devices}, devices)
            found.update({(member, rule): int(count) for member, count in kept.items() if count})
        return found
