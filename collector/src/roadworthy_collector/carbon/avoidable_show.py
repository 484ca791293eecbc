"""Avoidable electricity as commands, the API, exports and the console show it: kWh first, then pounds and tonnes.

How a device is used may be about one person: sites with fewer than five devices that tell it are in `other` for who
may not see small groups, with the next smallest where those too would be fewer than five; sums close.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.books.table_rows import Made, Source
from roadworthy_collector.carbon import factor_store, settings_edition, shifts, tariff_store
from roadworthy_collector.carbon.avoidable import ADDED, FIGURE, KINDS, PEOPLE
from roadworthy_collector.carbon.emitted import DEFAULT_RULE
from roadworthy_collector.carbon.sums import kwh_number
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, covers
from roadworthy_collector.store.schema import devices, sites, units
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.carbon.factor_rules import Resolved, resolve, set_name
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.years import year_days
from roadworthy_inventory.staff_value import MINIMUM_GROUP

OTHER, RESTRICTED = "other", "restricted"
TITLES: Mapping[str, str] = {
    "unused_on": "on and unused outside the shifts",
    "sleep_fails": "of that, where sleep fails",
    "out_of_family": "power out of family for its model",
    "idle_server": "idle servers",
}
_TITLES = {OTHER: "other", RESTRICTED: "restricted sites, together"}
_ENDS = ("low", "likely", "high")


class Worth(NamedTuple):
    """What a kWh is worth: pence where somebody stated them or loaded a tariff of one rate, kgCO2e of generation where there is a factor."""

    pence: Fraction | None
    factor: Resolved

    def told(self, sums: Sequence[float]) -> dict[str, Any]:
        """Return [devices, seconds, low, likely, high joules] as JSON says it."""
        joules = dict(zip(_ENDS, map(int, sums[2:]), strict=True))
        found: dict[str, Any] = {"devices": int(sums[0]), "hours": round(sums[1] / 3600, 1)}
        found |= {
            ("kwh" if end == "likely" else f"{end}_kwh"): kwh_number(one) for end, one in joules.items()
        }
        kwh = Fraction(joules["likely"], JOULES_PER_KWH)
        found["pounds"] = None if self.pence is None else round(float(kwh * self.pence / 100), 2)
        found["kgco2e"] = None if self.factor.value is None else round(float(kwh * self.factor.value), 3)
        return found


class _Place:
    """One site of the answer: how many devices tell their use, and its sums by kind."""

    def __init__(self) -> None:
        self.told = 0
        self.sums: dict[str, list[float]] = {}

    def add(self, kind: str, sums: Sequence[float]) -> None:
        held = self.sums.setdefault(kind, [0.0] * 5)
        for place, value in enumerate(sums):
            held[place] += value


def overview(
    connection: Connection, *, scope: Scope = EVERYTHING, small_groups: bool = True
) -> dict[str, Any] | None:
    """Return what is avoidable by kind and site, None while nothing is worked out."""
    held = figures.read(connection, FIGURE)
    if held is None:
        return None
    content, made_at = held
    said, edition = shifts.current(connection)
    worth = _worth(connection, content, said.pence_per_kwh)
    names = {row.id: row for row in connection.execute(select(sites))}
    places = _places(content["groups"], names, scope)
    if not small_groups:
        places = _folded(places)
    total = _Place()
    for one in places.values():
        total.told += one.told
        for kind, sums in one.sums.items():
            total.add(kind, sums)
    hidden = PEOPLE if not small_groups and total.told < MINIMUM_GROUP else frozenset()
    titles = {str(key): row.name for key, row in names.items()} | _TITLES
    rows = [_row(key, titles[key], one, worth, hidden) for key, one in places.items()]
    whole = scope is EVERYTHING
    return {
        **{name: content[name] for name in ("first", "last")},
        **{name: content[name] if whole else None for name in ("untold", "must_be_on", "no_watts")},
        "made_at": made_at,
        "calendar": {
            "digest": said.digest,
            "made_by": edition.made_by,
            "in_figures": content["calendar"] == said.digest,
        },
        "pence_per_kwh": None if worth.pence is None else float(worth.pence),
        "factor_set": set_name(worth.factor) if worth.factor.parts else None,
        "suppressed": sorted(hidden),
        **{
            name: value
            for name, value in _row("", "", total, worth, hidden).items()
            if name in {"kinds", "total"}
        },
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
    worth = _worth(connection, held[0], shifts.current(connection)[0].pence_per_kwh)
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
    columns = ["site", "kind", "devices", "hours", "kwh", "low_kwh", "high_kwh", "pounds", "kgco2e"]
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
    if found["untold"] is not None:
        said += (
            f"; {found['untold']:,} devices tell no half-hours, {found['must_be_on']:,} must be on and never appear, "
            f"of {found['no_watts']:,} findings no watts are published"
        )
    return said + "; power out of family is beside the total, for it may be in the unused time too"


def _tariff_pence(connection: Connection, day: dt.date) -> Fraction | None:
    """Return what a kWh of electricity without a tariff of its own costs by its one rate, levies included."""
    for _, tariff in tariff_store.read(connection):
        general = tariff.supply is None and tariff.fuel == "electricity" and tariff.on(day)
        if general and tariff.unit_pence is not None:
            return tariff.unit_pence + sum(tariff.levies.values(), Fraction(0))
    return None


def _worth(connection: Connection, content: Mapping[str, Any], stated: Decimal | None) -> Worth:
    first, last = year_days(financial_year_of(dt.date.fromisoformat(content["last"])))
    rule = settings_edition.settings(connection).rule or DEFAULT_RULE
    last_day = dt.date.fromisoformat(content["last"])
    pence = _tariff_pence(connection, last_day) if stated is None else Fraction(stated)
    return Worth(pence, resolve(factor_store.book(connection), "generation", first, last, rule))


def _places(groups: Mapping[str, Any], names: Mapping[int, Any], scope: Scope) -> dict[str, _Place]:
    found: dict[str, _Place] = {}
    for key, held in groups.items():
        site, unit = map(int, key.split("."))
        if site not in names or not covers(scope, unit):
            continue
        place = found.setdefault(RESTRICTED if names[site].restricted else str(site), _Place())
        place.told += int(held.get("told", [0])[0])
        for kind in KINDS:
            if kind in held:
                place.add(kind, held[kind])
    return found


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
    kept = {key: one for key, one in places.items() if one.sums}
    return kept | {OTHER: other}


def _row(key: str, title: str, one: _Place, worth: Worth, hidden: frozenset[str]) -> dict[str, Any]:
    shown = {kind: one.sums[kind] for kind in KINDS if kind in one.sums and kind not in hidden}
    added = [shown[kind] for kind in ADDED if kind in shown] or [[0.0] * 5]
    return {
        "key": key,
        "title": title,
        "kinds": {kind: worth.told(sums) for kind, sums in shown.items()},
        "total": worth.told([sum(column) for column in zip(*added, strict=True)]),
    }


def _of_one(worth: Worth, one: Sequence[Any]) -> dict[str, Any]:
    told = worth.told([1, one[7], *one[4:7]])
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
