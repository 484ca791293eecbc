"""All supplies and the sites each one feeds as one list: a CSV file people keep, load again and edit on the page.

A row is a supply at a site from a day until before another; a supply that feeds none has a row without a site. For
every supply the list names, it says all of its places; supplies it does not name stay as they are, for readings hang
on them. Supplies of restricted sites are in the list of those alone who may see these sites.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from roadworthy_collector.carbon import supplies
from roadworthy_collector.carbon.supplies import Supply
from roadworthy_collector.carbon.supplies_shown import parse_share
from roadworthy_collector.carbon.supply_places import Place, SupplyError, check_places, checked_place
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.carbon_schema import supplies as table
from roadworthy_collector.store.carbon_schema import supply_sites
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.schema import sites

COLUMNS = ("supply", "fuel", "name", "settled", "site", "valid_from", "valid_to", "tenure", "share")
LONGEST_CHARACTERS = 1_000_000
_MOST_ROWS = 10_000
_SETTLED = {"yes": True, "no": False, "": None}


class Loaded(NamedTuple):
    """What a list changes: supplies that are new, known ones that are told anew, and those it says nothing new of."""

    new: int
    changed: int
    unchanged: int


class Change(NamedTuple):
    """A supply as the list wants it; `before` None for a new one."""

    number: str
    fuel: str
    name: str | None
    settled: bool | None
    before: Supply | None
    places: tuple[Place, ...]

    @property
    def told(self) -> dict[str, Any]:
        """What is said of the supply itself and is not held: nothing where the list leaves it out."""
        held = self.before
        said = {"name": self.name, "settled_half_hourly": self.settled}
        return {
            key: value
            for key, value in said.items()
            if value is not None and (held is None or value != getattr(held, key))
        }


def write(connection: Connection, *, restricted: bool = False) -> str:
    """Return what is held as such a list, by number and date."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in supplies.read(connection, restricted=restricted):
        settled = {True: "yes", False: "no", None: ""}[one.settled_half_hourly]
        about = (one.number, one.fuel, one.name or "", settled)
        for place in one.places:
            share = "" if place.share is None else f"{float(place.share):.10g}"
            writer.writerow([*about, place.name, place.valid_from, place.valid_to or "", place.tenure, share])
        if not one.places:
            writer.writerow([*about, "", "", "", "", ""])
    return text.getvalue()


def changes(connection: Connection, text: str, name: str, *, restricted: bool = False) -> list[Change]:
    """Return every supply the list names, as it wants it; RoadworthyError with the line of what cannot be."""
    known = {one.number: one for one in supplies.read(connection, restricted=True)}
    query = select(sites.c.id, sites.c.name, sites.c.kind, sites.c.restricted)
    places = {row.name: row for row in connection.execute(query)}
    told: dict[str, Change] = {}
    for line, row in _rows(text, name):
        where = f"{name}: line {line}"
        try:
            one = _supply(row, known, told)
            held = known.get(one.number)
            if not restricted and held is not None and held.restricted:
                raise SupplyError(
                    f"{one.number} feeds a restricted site; that is for who may see restricted sites"
                )
            new = _place(row, places, restricted=restricted)
            if new is not None:
                check_places(one.number, [*one.places, new], new)
                one = one._replace(places=(*one.places, new))
            told[one.number] = one
        except RoadworthyError as error:
            raise SupplyError(f"{where}: {error}") from None
    return list(told.values())


def load(
    connection: Connection, text: str, name: str, *, restricted: bool = False, actor: str, now: int
) -> Loaded:
    """Take a list, all of it or none; RoadworthyError with the line of what cannot be."""
    wanted = changes(connection, text, name, restricted=restricted)
    new = [one for one in wanted if one.before is None]
    changed = [one for one in wanted if one.before is not None and (one.told or _moves(one))]
    ids = {one.number: one.before.id for one in changed if one.before is not None}
    for one in new:
        values = {
            "number": one.number,
            "fuel": one.fuel,
            "name": one.name,
            "settled_half_hourly": one.settled,
        }
        made = {"made_at": now, "made_by": actor[:128]}
        ids[one.number] = connection.execute(
            insert(table).values(values | made).returning(table.c.id)
        ).scalar_one()
    for one in changed:
        if one.told:
            connection.execute(update(table).where(table.c.id == ids[one.number]).values(**one.told))
        if _moves(one):
            connection.execute(delete(supply_sites).where(supply_sites.c.supply == ids[one.number]))
    rows = [
        _row(ids[one.number], place)
        for one in [*new, *changed]
        if one in new or _moves(one)
        for place in one.places
    ]
    if rows:
        connection.execute(insert(supply_sites), rows)
    for one in [*new, *changed]:
        detail = one.told | {"fuel": one.fuel, "places": [_said(place) for place in one.places]}
        audit.record(connection, now, actor, "meters.supply", one.number, detail)
    return Loaded(len(new), len(changed), len(wanted) - len(new) - len(changed))


def tried(connection: Connection, text: str, name: str, *, restricted: bool = False) -> list[dict[str, Any]]:
    """Return what a list would change, a row for each supply that is new or told anew."""
    found = []
    for one in changes(connection, text, name, restricted=restricted):
        if one.before is not None and not one.told and not _moves(one):
            continue
        before = () if one.before is None else one.before.places
        found.append(
            {
                "supply": one.number,
                "new": one.before is None,
                "told": one.told,
                "before": [_said(place) for place in before],
                "after": [_said(place) for place in one.places],
            }
        )
    return found


def _rows(text: str, name: str) -> list[tuple[int, Mapping[str, str]]]:
    if len(text) > LONGEST_CHARACTERS:
        raise SupplyError(f"{name}: has more than {LONGEST_CHARACTERS:,} characters")
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        header = [(one or "").strip().casefold() for one in reader.fieldnames or ()]
        unknown = [one for one in header if one not in COLUMNS]
        if unknown or "supply" not in header:
            what = f"column {unknown[0]!r} is unknown" if unknown else "has no column supply"
            raise SupplyError(f"{name}: line 1: {what}; columns are {', '.join(COLUMNS)}")
        reader.fieldnames = header
        found: list[tuple[int, Mapping[str, str]]] = []
        for row in reader:
            if None in row:
                raise SupplyError(f"{name}: line {reader.line_num}: has more cells than the header")
            cells: dict[str, str] = defaultdict(
                str, {key: (value or "").strip() for key, value in row.items()}
            )
            if any(cells.values()):
                found.append((reader.line_num, cells))
    except csv.Error as error:
        raise SupplyError(f"{name}: line {reader.line_num}: {error}") from None
    if len(found) > _MOST_ROWS:
        raise SupplyError(f"{name}: has more than {_MOST_ROWS:,} rows")
    return found


def _supply(row: Mapping[str, str], known: Mapping[str, Supply], told: Mapping[str, Change]) -> Change:
    """Return the supply of a row with the places the rows before told."""
    plain = "".join(row["supply"].split()).upper()
    held = known.get(plain)
    fuel = row["fuel"] or (held.fuel if held is not None else "electricity")
    number = supplies.checked_number(row["supply"], fuel)
    held = known.get(number)
    if held is not None and held.fuel != fuel:
        raise SupplyError(f"{number} is a supply of {supplies.FUEL_WORDS[held.fuel]} already")
    settled = row["settled"].casefold()
    if settled not in _SETTLED:
        raise SupplyError(f"settled {row['settled'][:40]!r}: write yes, no or nothing")
    name = supplies.checked_name(row["name"] or None)
    before = told.get(number)
    if before is None:
        return Change(number, fuel, name, _SETTLED[settled], held, ())
    if (fuel, name or before.name) != (before.fuel, before.name or name):
        raise SupplyError(f"{number} has another fuel or name on an earlier line")
    return before._replace(
        name=before.name or name, settled=_SETTLED[settled] if before.settled is None else before.settled
    )


def _place(row: Mapping[str, str], known: Mapping[str, Any], *, restricted: bool) -> Place | None:
    if not row["site"]:
        if row["valid_from"] or row["valid_to"] or row["share"]:
            raise SupplyError("site: is missing; dates and a share are of a site")
        return None
    site = known.get(row["site"])
    if site is None or (site.restricted and not restricted):
        raise SupplyError(f"site {row['site'][:40]!r}: there is no such site; see `roadworthy sites list`")
    first, last = _day(row, "valid_from"), _day(row, "valid_to")
    if first is None:
        raise SupplyError("valid_from: is missing; write its first day as 2026-03-31")
    return checked_place(
        site,
        valid_from=first,
        valid_to=last,
        tenure=row["tenure"] or "unknown",
        share=parse_share(row["share"]),
    )


def _day(row: Mapping[str, str], key: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(row[key]) if row[key] else None
    except ValueError:
        raise SupplyError(f"{key}: {row[key][:40]!r} is no day; write it as 2026-03-31") from None


def _moves(one: Change) -> bool:
    held: Sequence[Place] = () if one.before is None else one.before.places
    return {_key(place) for place in held} != {_key(place) for place in one.places}


def _key(place: Place) -> tuple[Any, ...]:
    share = None if place.share is None else float(place.share)  # as it is kept
    return place.site, place.valid_from, place.valid_to, place.tenure, share


def _row(supply: int, place: Place) -> dict[str, Any]:
    return {
        "supply": supply,
        "site": place.site,
        "valid_from": place.valid_from.isoformat(),
        "valid_to": None if place.valid_to is None else place.valid_to.isoformat(),
        "tenure": place.tenure,
        "share": None if place.share is None else float(place.share),
    }


def _said(place: Place) -> str:
    until = "" if place.valid_to is None else f" until before {place.valid_to}"
    share = "" if place.share is None else f", {float(place.share):.4g} of it"
    return f"{place.name} from {place.valid_from}{until}, {place.tenure}{share}"
