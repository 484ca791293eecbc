"""Avoidable electricity by site and in pounds for metrics, out of what its job found.

How devices are used may be about one person: of a site with fewer devices than may be told of, those count with the
smallest sites as `other`, so that neither they nor what is missing of the whole tell of a few. In all, too, it is told of no fewer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures
from roadworthy_collector.books.rating_places import open_sites
from roadworthy_collector.books.small_groups import folded_beside
from roadworthy_collector.carbon import avoidable, avoidable_worth, shifts
from roadworthy_collector.store.queries.states import SMALLEST_GROUP

_LIKELY = 3


def read(connection: Connection) -> dict[str, Any]:
    """Return likely joules by site and kind, and pounds by kind; empty while nothing was worked out."""
    held = figures.read(connection, avoidable.FIGURE)
    if held is None:
        return {}
    content = held[0]
    names = open_sites(connection)
    worth = avoidable_worth.read(connection, content, shifts.current(connection)[0].pence_per_kwh)
    rows = []
    told: dict[str, frozenset[int | None]] = {}
    for kind in sorted(avoidable.looked_at(content["groups"].values())):
        joules, looked, hidden = _of_kind(content["groups"], kind, names)
        if kind in avoidable.PEOPLE:
            joules = folded_beside(joules, looked, hidden)
        rows += [[site, kind, value] for site, value in sorted(joules.items())]
        told[kind] = frozenset(site for site, name in names.items() if name in joules)
    return {"avoidable_joules": rows, "avoidable_gbp": pounds(worth, content["groups"], told)}


def told_of_enough(groups: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Return whether a kind may be told of some groups together: how devices are used, only of five that tell it."""
    return kind not in avoidable.PEOPLE or sum(_known(sums, kind) for sums in groups) >= SMALLEST_GROUP


def _known(sums: Mapping[str, Any], kind: str) -> int:
    """Return how many devices of a group enough is known of to say what of a kind they have."""
    return int(sums.get("looked", {}).get(kind, 0) or sums.get(kind, [0])[0])


def _of_kind(
    groups: Mapping[str, Mapping[str, Any]], kind: str, names: Mapping[int | None, str]
) -> tuple[dict[str, float], Counter[str], int]:
    """Return joules by site, of how many devices enough is known to say so, and how many are at restricted sites.

    Joules of restricted sites are left out.
    """
    joules: defaultdict[str, float] = defaultdict(int)
    looked: Counter[str] = Counter()
    hidden = 0
    for place, sums in groups.items():
        site = names.get(int(place.partition(".")[0]))
        known = _known(sums, kind)
        if site is None:
            hidden += known
        elif known:
            looked[site] += known
            joules[site] += sums[kind][_LIKELY] if kind in sums else 0
    return joules, looked, hidden


def pounds(
    worth: avoidable_worth.Worth,
    groups: Mapping[str, Mapping[str, Any]],
    told: Mapping[str, frozenset[int | None]],
) -> dict[str, float]:
    """Return {kind: pounds} of the whole IT estate, where anything of a kind has a price and it tells of no few devices.

    `told` are the sites of which each kind is told by name.
    """
    found = {}
    sites = {place: int(place.partition(".")[0]) for place in groups}
    for kind in sorted(avoidable.looked_at(groups.values())):
        total = avoidable_worth.Sums()
        for place, sums in groups.items():
            if kind in sums:
                total = total.plus(worth.sums(sites[place], sums[kind]))
        value = worth.told(total)["pounds"]
        if value is not None and _priced_enough(worth, groups, kind, told.get(kind, frozenset())):
            found[kind] = value
    return found


def _priced_enough(
    worth: avoidable_worth.Worth,
    groups: Mapping[str, Mapping[str, Any]],
    kind: str,
    told: frozenset[int | None],
) -> bool:
    """Return whether pounds of a kind tell of no fewer than five devices, whatever they are compared with.

    Pounds by the price are joules of the sites that have one. Less the joules of those that are told by name they are
    those of the others with a price, and what is missing of the whole then is of the others without one: so each of the
    two is none or enough.
    """
    if kind not in avoidable.PEOPLE:
        return True
    devices: Counter[tuple[bool, bool]] = Counter()
    for place, sums in groups.items():
        site = int(place.partition(".")[0])
        devices[worth.price(site) is not None, site in told] += _known(sums, kind)
    rests = (devices[True, False], devices[False, False])
    return devices[True, True] + devices[True, False] >= SMALLEST_GROUP and not any(
        0 < rest < SMALLEST_GROUP for rest in rests
    )
