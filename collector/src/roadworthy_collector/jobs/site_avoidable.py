"""Avoidable electricity by site and in pounds for metrics, out of what its job found.

How devices are used may be about one person: of a site with fewer devices than may be told of, those count with the
smallest sites as `other`, so that neither they nor what is missing of the whole tell of a few.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.books.rating_places import open_sites
from roadworthy_collector.books.small_groups import folded
from roadworthy_collector.carbon import avoidable, avoidable_worth, shifts

_LIKELY = 3


def read(connection: Connection) -> dict[str, Any]:
    """Return likely joules by site and kind, and pounds by kind; empty while nothing was worked out."""
    held = figures.read(connection, avoidable.FIGURE)
    if held is None:
        return {}
    content = held[0]
    names = open_sites(connection)
    rows = []
    for kind in sorted(avoidable.looked_at(content["groups"].values())):
        joules, looked = _of_kind(content["groups"], kind, names)
        if kind in avoidable.PEOPLE:
            joules = folded(joules, looked)
        rows += [[site, kind, value] for site, value in sorted(joules.items())]
    return {"avoidable_joules": rows, "avoidable_gbp": _pounds(connection, content)}


def _of_kind(
    groups: Mapping[str, Mapping[str, Any]], kind: str, names: Mapping[int | None, str]
) -> tuple[dict[str, float], Counter[str]]:
    """Return joules by site, and of how many devices enough is known to say so; restricted sites are left out."""
    joules: defaultdict[str, float] = defaultdict(int)
    looked: Counter[str] = Counter()
    for place, sums in groups.items():
        site = names.get(int(place.partition(".")[0]))
        known = sums.get("looked", {}).get(kind, 0) or sums.get(kind, [0])[0]
        if site is not None and known:
            looked[site] += known
            joules[site] += sums[kind][_LIKELY] if kind in sums else 0
    return joules, looked


def _pounds(connection: Connection, content: Mapping[str, Any]) -> dict[str, float]:
    """Return {kind: pounds} of the whole IT estate, where anything of a kind has a price."""
    worth = avoidable_worth.read(connection, content, shifts.current(connection)[0].pence_per_kwh)
    found = {}
    for kind in sorted(avoidable.looked_at(content["groups"].values())):
        total = avoidable_worth.Sums()
        for place, sums in content["groups"].items():
            if kind in sums:
                total = total.plus(worth.sums(int(place.partition(".")[0]), sums[kind]))
        pounds = worth.told(total)["pounds"]
        if pounds is not None:
            found[kind] = pounds
    return found
