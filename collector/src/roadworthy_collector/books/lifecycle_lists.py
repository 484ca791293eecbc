"""The rows behind the figures of the lifecycle, page by page and within a reader's units.

Which records a filter keeps is told by the ready-made rows of numbers; the page itself is read anew, so it says what is
known now, and what no longer fits the filter is left out. Restricted sites are never listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.books.lifecycle_codes import (
    KIND_SIZE,
    KINDS,
    WORDS,
    Codes,
    Release,
    bucket,
    release_of,
)
from roadworthy_collector.books.lifecycle_read import AGENT, MDM, REGISTER, Life, Reader
from roadworthy_collector.books.lifecycle_run import FIGURE, Tally, rows_name
from roadworthy_collector.books.places import Places
from roadworthy_collector.store.books_schema import systems as systems_table
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_inventory.planned_life import age_band

PAGE = 50
_TRIES = 3
_SYSTEM_COLUMN, _UNIT_COLUMN, _RELEASE_COLUMN = (
    Codes._fields.index(name) for name in ("system", "unit", "release")
)


class Wanted(NamedTuple):
    """Which records; an empty text means any. `unit` with all below it. Of a column of WORDS several, with commas."""

    status: str = ""
    extension: str = ""
    bucket: str = ""
    windows11: str = ""
    band: str = ""
    age: str = ""
    kind: str = ""
    product: str = ""
    version: str = ""
    unit: str = ""
    system: str = ""

    def words(self) -> dict[str, list[str]]:
        """Return the columns of numbers that are asked for, and which words of each."""
        return {name: told.split(",") for name in WORDS if (told := getattr(self, name))}

    def in_words(self) -> str:
        """Return the filter as a person reads it."""
        told = [f"{name} {word}" for name, word in self._asdict().items() if word]
        return ", ".join(told) if told else "everything"


class Page(NamedTuple):
    """Records of a page, and the key the next one begins after; None on the last one."""

    rows: list[dict[str, Any]]
    next: int | None


class Counts(NamedTuple):
    """The counts of a reader, when they were worked out (None: not yet), and the day they hold for."""

    content: dict[str, Any]
    made_at: int | None


def counts(connection: Connection, scope: Scope = EVERYTHING) -> Counts:
    """Return the counts: ready-made for the whole IT estate, added up from the rows within `scope`."""
    held = figures.read(connection, FIGURE)
    if held is None:
        return Counts({}, None)
    if scope is None:
        return Counts(held[0], held[1])
    tally = Tally()
    for row in _rows(connection, held[0], 0):
        if row.unit in scope:
            tally.add(row)
    releases = [Release(*one) for one in held[0]["held_releases"]]
    # What is at restricted sites has no rows, and a count of it for one unit is nobody's to read.
    return Counts(tally.told(releases) | {"on": held[0]["on"], "restricted": None, "texts": None}, held[1])


def _rows(connection: Connection, content: dict[str, Any], after: int) -> Iterator[Codes]:
    for number, (_, last) in enumerate(content["pieces"]):
        if last <= after:
            continue
        held = figures.read(connection, rows_name(content["run"], number))
        if held is None:
            raise LookupError(number)  # another run has taken its place meanwhile
        yield from (Codes(*row) for row in zip(*held[0], strict=True))


def list_page(
    connection: Connection,
    reader: Reader,
    wanted: Wanted,
    *,
    after: int = 0,
    limit: int = PAGE,
    scope: Scope = EVERYTHING,
) -> Page:
    """Return records in the order agents, register items, MDM records; by row id in each."""
    places = Places(connection)
    for _ in range(_TRIES):
        held = figures.read(connection, FIGURE)
        if held is None:
            return Page([], None)
        try:
            keys = _keys(connection, held[0], wanted, places, after, limit + 1, scope)
        except LookupError:
            continue
        return _page(connection, reader, wanted, places, keys, limit, scope)
    return Page([], None)


def _keys(
    connection: Connection,
    content: dict[str, Any],
    wanted: Wanted,
    places: Places,
    after: int,
    limit: int,
    scope: Scope,
) -> list[int]:
    """Return the keys of the next records that fit, column by column: most pieces are skipped by one comparison."""
    asked = {
        Codes._fields.index(name): {WORDS[name].index(word) for word in words}
        for name, words in wanted.words().items()
    }
    if wanted.system:
        asked[_SYSTEM_COLUMN] = {places.system(wanted.system) or 0}
    units = None if scope is None else set(scope)
    if wanted.unit:
        below = set(places.units_below(places.unit(wanted.unit)))
        units = below if units is None else units & below
    if units is not None:
        asked[_UNIT_COLUMN] = units
    if wanted.product or wanted.version:
        asked[_RELEASE_COLUMN] = {
            number
            for number, one in enumerate(content["held_releases"])
            if (not wanted.product or (one[0] or "unknown") == wanted.product)
            and (not wanted.version or (one[1] or "unknown") == wanted.version)
        }
    found: list[int] = []
    for number, (_, last) in enumerate(content["pieces"]):
        if last <= after:
            continue
        held = figures.read(connection, rows_name(content["run"], number))
        if held is None:
            raise LookupError(number)
        columns = held[0]
        keeps = range(len(columns[0]))
        for column, words in asked.items():
            values = columns[column]
            keeps = [row for row in keeps if values[row] in words]  # type: ignore[assignment]  # a range at first
        kinds, ids = columns[0], columns[1]
        keys = (kinds[row] * KIND_SIZE + ids[row] for row in keeps)
        found += [key for key in keys if key > after]
        if len(found) >= limit:
            break
    return found[:limit]


def _page(
    connection: Connection,
    reader: Reader,
    wanted: Wanted,
    places: Places,
    keys: list[int],
    limit: int,
    scope: Scope,
) -> Page:
    lives: list[Life] = []
    for kind in (AGENT, REGISTER, MDM):
        mine = [key % KIND_SIZE for key in keys[:limit] if key // KIND_SIZE == kind]
        lives += reader.of(connection, kind, mine)
    names = _system_names(connection, lives)
    rows = [
        _row(life, reader, places, names)
        for life in lives
        if not life.restricted and (scope is None or life.unit in scope) and _fits(life, reader, wanted)
    ]
    return Page(rows, keys[limit - 1] if len(keys) > limit else None)


def _fits(life: Life, reader: Reader, wanted: Wanted) -> bool:
    codes = life.codes(reader.on, 0)
    if any(WORDS[name][getattr(codes, name)] not in words for name, words in wanted.words().items()):
        return False
    support = life.support
    product, version = (None, None) if support is None else (support.product, support.version)
    return (not wanted.product or (product or "unknown") == wanted.product) and (
        not wanted.version or (version or "unknown") == wanted.version
    )


def _system_names(connection: Connection, lives: list[Life]) -> dict[int, str]:
    ids = {life.system for life in lives if life.system is not None}
    if not ids:
        return {}
    query = select(systems_table.c.id, systems_table.c.name).where(systems_table.c.id.in_(ids))
    return {row.id: row.name for row in connection.execute(query)}


def _row(life: Life, reader: Reader, places: Places, names: dict[int, str]) -> dict[str, Any]:
    """Return a record as lists show it; days as ISO texts."""
    support, judged = life.support, life.eligibility
    release = Release(*[None] * 7) if support is None else release_of(support)
    return {
        "number": life.kind * KIND_SIZE + life.id,
        "kind": KINDS[life.kind],
        "item": life.item,
        "device_id": life.device_id,
        "name": life.name,
        "tag": life.tag,
        "serial": life.serial,
        "model": life.model,
        "class": life.device_class,
        "unit": places.unit_path(life.unit),
        "site": places.site_name(life.site),
        "system": names.get(life.system or 0),
        "os": life.os,
        "product": release.product,
        "version": release.version,
        "status": "not_applicable" if support is None else support.status,
        "ends": release.date,
        "ends_bucket": "not_applicable" if support is None else bucket(support, reader.on),
        "source": release.source,
        "source_as_of": release.as_of,
        "why_unknown": None if support is None else support.reason,
        "extension": "none" if support is None else support.extension,
        "extension_until": release.paid_until,
        "extension_source": release.paid_source,
        "covered_until": None
        if support is None or support.covered_until is None
        else support.covered_until.isoformat(),
        "windows11": life.windows11,
        "windows11_against": [] if judged is None else [one.text for one in judged.reasons],
        "windows11_settings": any(one.may_be_a_setting for one in judged.reasons) if judged else False,
        "windows11_missing": [] if judged is None else list(judged.missing),
        "windows11_basis": None if judged is None else judged.basis,
        "since": None if life.since is None else life.since.isoformat(),
        "since_from": life.since_from,
        "age_years": None if life.ageing.age_years is None else round(life.ageing.age_years, 1),
        "age": age_band(life.since, reader.on),
        "band": life.ageing.band,
        "planned_end": None if life.planned_end is None else life.planned_end.isoformat(),
        "planned_source": life.ageing.source,
        "why_no_age": life.ageing.reason,
    }
