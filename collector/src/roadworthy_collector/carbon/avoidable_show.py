"""Avoidable electricity as commands, the API, exports and the console show it: kWh first, then pounds and tonnes.

How a device is used may be about one person: sites with fewer than five devices that tell it are in `other` for who
may not see small groups, with the next smallest where those too would be fewer than five; sums close. Restricted sites
are in `other` whoever asks, with the smallest two that have a name: they have no row of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.books.table_rows import Made, Source
from roadworthy_collector.carbon import avoidable_worth, internal_price, shifts
from roadworthy_collector.carbon.avoidable import ADDED, DAYS, FIGURE, KINDS, PEOPLE, looked_at
from roadworthy_collector.carbon.avoidable_worth import Sums, Worth
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.schema import devices, sites, units
from roadworthy_inventory.carbon.factor_rules import set_name
from roadworthy_inventory.staff_value import MINIMUM_GROUP

OTHER = "other"
_BESIDE_RESTRICTED = 2
TITLES: Mapping[str, str] = {
    "unused_on": "on and unused outside the shifts",
    "sleep_fails": "of that, where sleep fails",
    "out_of_family": "power out of family for its model",
    "idle_server": "idle servers",
}
_TITLES = {OTHER: "other"}


class _Place:
    """One site of the answer: how many devices tell their use, and its sums by kind."""

    def __init__(self) -> None:
        self.told = 0
        self.sums: dict[str, Sums] = {}

    def add(self, kind: str, sums: Sums) -> None:
        self.sums[kind] = self.sums[kind].plus(sums) if kind in self.sums else sums

    def take(self, other: _Place) -> None:
        """Add another place."""
        self.told += other.told
        for kind, sums in other.sums.items():
            self.add(kind, sums)

    @property
    def joules(self) -> int:
        """The likely joules of all kinds."""
        return sum(one.joules[1] for one in self.sums.values())


def overview(
    connection: Connection, *, scope: Scope = EVERYTHING, small_groups: bool = True
) -> dict[str, Any] | None:
    """Return what is avoidable by kind and site, None while nothing is worked out."""
    held = figures.read(connection, FIGURE)
    if held is None:
        return None
    content, made_at = held
    said, edition = shifts.current(connection)
    worth = avoidable_worth.read(connection, content, said.pence_per_kwh)
    names = {row.id: row for row in connection.execute(select(sites))}
    places = _hidden(_places(content["groups"], names, scope, worth), names)
    if not small_groups:
        places = _folded(places)
    total = _Place()
    for one in places.values():
        total.told += one.told
        for kind, sums in one.sums.items():
            total.add(kind, sums)
    seen = looked_at(held for key, held in content["groups"].items() if covers(scope, int(key.split(".")[1])))
    unknown = [kind for kind in KINDS if kind not in seen]
    hidden = PEOPLE if not small_groups and total.told < MINIMUM_GROUP else frozenset()
    titles = {str(key): row.name for key, row in names.items()} | _TITLES
    rows = [_row(key, titles[key], one, worth, hidden) for key, one in places.items()]
    open_sites = [key for key in places if key.isdigit() and places[key].sums]
    whole = scope is EVERYTHING
    whole_row = _row("", "", total, worth, hidden)
    if set(ADDED) <= set(unknown):  # nothing of what is added was looked at, and that is not nought
        whole_row["total"] = dict.fromkeys(whole_row["total"])
    return {
        **{name: content[name] for name in ("first", "last")},
        **{name: content[name] if whole else None for name in ("untold", "must_be_on", "no_watts")},
        "no_profile": content.get("no_profile") if whole else None,
        "told_days": content.get("told_days", DAYS),
        "days": DAYS,
        "made_at": made_at,
        "calendar": {
            "digest": said.digest,
            "made_by": edition.made_by,
            "in_figures": content["calendar"] == said.digest,
        },
        "pence_per_kwh": None if said.pence_per_kwh is None else float(said.pence_per_kwh),
        "prices": worth.shown((titles[key], int(key)) for key in sorted(open_sites, key=titles.__getitem__)),
        "factor_set": set_name(worth.factor) if worth.factor.parts else None,
        "internal_price": internal_price.told(worth.carbon),
        "suppressed": sorted(hidden),
        "not_known": unknown,
        **{name: whole_row[name] for name in ("kinds", "total")},
        "rows": sorted(rows, key=lambda row: (-row["total"]["kwh"], row["title"])),
    }


def device_rows(
    connection: Connection, kind: str | None, site: str | None, *, scope: Scope, small_groups: bool
) -> list[dict[str, Any]]:
    """Return the devices behind a kind, or all, of a site by its row id, the most kWh first; restricted sites left out.

    NotFoundError for a kind there is none of; RoadworthyError for one that may be about one person.
    """
    if kind is not None and kind not in KINDS:
        raise NotFoundError(f"{kind!r}: what is avoidable is one of {', '.join(KINDS)}")
    if kind in PEOPLE and not small_groups:
        raise RoadworthyError(
            "how little a device is used may be about one person; your role does not include it"
        )
    held = figures.read(connection, FIGURE)
    if held is None:
        return []
    worth = avoidable_worth.read(connection, held[0], shifts.current(connection)[0].pence_per_kwh)
    wanted = [
        one
        for one in held[0]["devices"]
        if kind in {None, one[3]}
        and site in {None, str(one[1])}
        and (small_groups or one[3] not in PEOPLE)
        and covers(scope, one[2])
    ]
    known = _devices(connection, {one[0] for one in wanted})
    return [
        known[one[0]] | {"kind": one[3]} | _of_one(worth, one) | one[8] for one in wanted if one[0] in known
    ]


def table(of: Source) -> Made:
    """Return what is avoidable by site for a file; small groups are folded, whoever asks."""
    found = overview(of.connection, scope=of.scope, small_groups=False)
    columns = [
        "site",
        "kind",
        "devices",
        "hours",
        "kwh",
        "low_kwh",
        "high_kwh",
        "pounds",
        "unpriced_kwh",
        "kgco2e",
        "internal_carbon_pounds",
    ]
    if found is None:
        return Made(columns, [], "nothing is worked out yet")
    rows = [
        {"site": row["title"], "kind": TITLES[kind]} | told
        for row in found["rows"]
        for kind, told in row["kinds"].items()
    ]
    return Made(columns, rows, coverage(found), found["made_at"])


def device_table(of: Source) -> Made:
    """Return the devices behind for a file."""
    rows = device_rows(
        of.connection, of.filters.get("kind"), of.filters.get("site"), scope=of.scope, small_groups=of.people
    )
    columns = list(dict.fromkeys(name for row in rows for name in row)) or ["device_id", "kind", "kwh"]
    return Made(columns, rows, f"{len(rows):,} devices; restricted sites left out")


def coverage(found: Mapping[str, Any]) -> str:
    """Return in a sentence what is counted and what is not."""
    said = f"{found['first']} to {found['last']}, local days"
    if found["told_days"] < found["days"]:
        said += f", of which half-hours were told of {found['told_days']} alone: unused time of the others is not counted, while "
        said += "idle servers and power out of family rest on daily totals of all of them"
    if found["not_known"]:
        said += f"; not known, for no device told enough of it: {', '.join(TITLES[one] for one in found['not_known'])}"
    if found["untold"] is not None:
        said += (
            f"; {found['untold']:,} devices tell no half-hours, {found['must_be_on']:,} must be on and never appear, "
            f"of {found['no_watts']:,} findings no watts are published"
        )
    if priced := found["internal_price"]:
        said += f"; internal carbon price £{priced['gbp_per_tco2e']:,.2f} a tCO2e since {priced['since']} ({priced['source']})"
    if found["no_profile"]:
        said += (
            f"; {found['no_profile']:,} devices have no usage profile and are taken for office ones: give them one, or name "
            "their site or unit under [must_be_on] of the shift calendars"
        )
    return said + "; power out of family is beside the total, for it may be in the unused time too"


def _places(
    groups: Mapping[str, Any], names: Mapping[int, Any], scope: Scope, worth: Worth
) -> dict[str, _Place]:
    found: dict[str, _Place] = {}
    for key, held in groups.items():
        site, unit = map(int, key.split("."))
        if site not in names or not covers(scope, unit):
            continue
        place = found.setdefault(str(site), _Place())
        place.told += int(held.get("told", [0])[0])
        for kind in KINDS:
            if kind in held:
                place.add(kind, worth.sums(site, held[kind]))
    return found


def _hidden(places: dict[str, _Place], names: Mapping[int, Any]) -> dict[str, _Place]:
    """Return the places with restricted ones in `other`, and the smallest of the others beside them."""
    hidden = [key for key in places if names[int(key)].restricted]
    if not hidden:
        return places
    named = sorted((key for key in places if key not in hidden), key=lambda key: (places[key].joules, key))
    other = _Place()
    for key in (*hidden, *named[:_BESIDE_RESTRICTED]):
        other.take(places.pop(key))
    return places | {OTHER: other}


def _folded(places: dict[str, _Place]) -> dict[str, _Place]:
    """Return the places with what is about people of small ones in `other`."""
    using = sorted(((one.told, key) for key, one in places.items() if one.told), key=lambda pair: pair)
    moved: list[str] = []
    told = 0
    for count, key in using:
        if count >= MINIMUM_GROUP and (not moved or told >= MINIMUM_GROUP):
            break
        moved.append(key)
        told += count
    if not moved:
        return places
    other = _Place()
    for key in moved:
        other.told += places[key].told
        places[key].told = 0
        for kind in PEOPLE & places[key].sums.keys():
            other.add(kind, places[key].sums.pop(kind))
    if OTHER in places:
        other.take(places.pop(OTHER))
    kept = {key: one for key, one in places.items() if one.sums}
    return kept | {OTHER: other}


def _row(key: str, title: str, one: _Place, worth: Worth, hidden: frozenset[str]) -> dict[str, Any]:
    shown = {kind: one.sums[kind] for kind in KINDS if kind in one.sums and kind not in hidden}
    total = Sums()
    for kind in ADDED:
        total = total.plus(shown.get(kind, Sums()))
    return {
        "key": key,
        "title": title,
        "kinds": {kind: worth.told(sums) for kind, sums in shown.items()},
        "total": worth.told(total),
    }


def _of_one(worth: Worth, one: Sequence[Any]) -> dict[str, Any]:
    told = worth.told(worth.sums(one[1], [1, one[7], *one[4:7]]))
    return {name: value for name, value in told.items() if name != "devices"}


def _devices(connection: Connection, wanted: set[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    ids = sorted(wanted)
    for begin in range(0, len(ids), 500):
        query = (
            select(
                devices.c.id,
                *(devices.c[name] for name in ("device_id", "hostname", "device_class", "model")),
                sites.c.name.label("site"),
                units.c.name.label("unit"),
            )
            .join(sites, sites.c.id == devices.c.site)
            .join(units, units.c.id == devices.c.unit)
            .where(devices.c.id.in_(ids[begin : begin + 500]), sites.c.restricted.is_(False))
        )
        for row in connection.execute(query).mappings():
            found[row["id"]] = {name: value for name, value in row.items() if name != "id"}
    return found
