"""Register items as the table holds them: raw values in and out, and what changed as JSON.

Raw values are what the drivers take without conversion: days since 1970 for dates, JSON text for addresses, row ids for
places. A hundred thousand items are read and written at once; a conversion a cell would cost more than the database.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import select

from roadworthy_collector.books.places import Places, Wanted
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.statements import Lookup
from roadworthy_inventory.register import UNKNOWN, RegisterItem

# The columns of the table between its id and `batch`, in its order; tests hold both against each other.
NAMES = (
    "tag", "serial", "uuid", "macs", "kind", "manufacturer", "model", "model_number", "lifecycle_state",
    "usage_profile", "unit", "cost_centre", "command", "site", "legal_owner", "supplier", "order_number", "system",
    "purchased", "purchase_cost_pence", "lease_end", "warranty_start", "warranty_end", "warranty_level",
    "planned_end", "os_name", "os_version", "last_seen", "notes", "bios_date", "disposed_on",
)  # fmt: skip
DATES = frozenset(
    {
        "purchased", "lease_end", "warranty_start", "warranty_end", "planned_end", "last_seen", "bios_date",
        "disposed_on",
    }
)  # fmt: skip
WORDS = frozenset({"kind", "lifecycle_state", "usage_profile"})
PLACES = frozenset({"unit", "cost_centre", "site", "system"})
_EPOCH = dt.date(1970, 1, 1).toordinal()
_INDEXES = {name: index for index, name in enumerate(NAMES)}
_MACS = _INDEXES["macs"]
_DATE_INDEXES = tuple(_INDEXES[name] for name in NAMES if name in DATES)
_ENCODER = msgspec.json.Encoder()

Values = Sequence[Any]  # one per name of NAMES
Unplaced = tuple[Any, ...]  # the same with the names of places where Values have their row ids
_UNTOLD = {"kind": UNKNOWN, "lifecycle_state": UNKNOWN, "usage_profile": UNKNOWN}
_UNIT, _COST_CENTRE, _SITE, _SYSTEM = (_INDEXES[name] for name in ("unit", "cost_centre", "site", "system"))
_FIELDS = attrgetter(*NAMES)


def day_number(day: dt.date | None) -> int | None:
    """Return a day as days since 1970-01-01."""
    return None if day is None else day.toordinal() - _EPOCH


def day_of(number: int | None) -> dt.date | None:
    """Return the day of a number of days since 1970-01-01."""
    return None if number is None else dt.date.fromordinal(number + _EPOCH)


def values_of(item: RegisterItem, places: Places) -> Values:
    """Return the raw values of an item; places that are not there yet are MISSING."""
    return placed([unplaced(item)], places)[0]


def unplaced(item: RegisterItem) -> Unplaced:
    """Return the raw values of an item, but for its places."""
    found = list(_FIELDS(item))
    for index in _DATE_INDEXES:
        found[index] = day_number(found[index])
    found[_MACS] = _macs_text(found[_MACS])
    return tuple(found)


def unplaced_rows(columns: Mapping[str, Sequence[Any]], count: int) -> list[Unplaced]:
    """Return the raw values of `count` items, but for their places, of {field: their values}."""
    found: list[Iterable[Any]] = []
    for name in NAMES:
        column = columns.get(name)
        if column is None:
            found.append(repeat(_UNTOLD.get(name), count))
        elif name in DATES:
            found.append([None if day is None else day.toordinal() - _EPOCH for day in column])
        else:
            found.append(map(_macs_text, column) if name == "macs" else column)
    return list(zip(*found, strict=True))


def _macs_text(macs: tuple[str, ...]) -> str | None:
    return msgspec.json.encode(macs).decode() if macs else None


def wanted_places(rows: Sequence[Unplaced]) -> Wanted:
    """Return the names of the places of some items."""
    return Wanted(
        {row[_UNIT] for row in rows},
        {row[_SITE] for row in rows},
        {row[_COST_CENTRE] for row in rows},
        {row[_SYSTEM] for row in rows},
    )


def placed(rows: Sequence[Unplaced], places: Places) -> list[Values]:
    """Return the raw values of some items; places that are not there yet are MISSING."""
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    finders = (
        (_UNIT, places.unit), (_COST_CENTRE, places.cost_centre), (_SITE, places.site), (_SYSTEM, places.system),
    )  # fmt: skip
    for index, find in finders:
        found = {name: find(name) for name in {*columns[index]}}
        columns[index] = map(found.__getitem__, columns[index])
    return list(zip(*columns, strict=True))


def values_of_row(row: Sequence[Any]) -> Values:
    """Return the raw values of a row of the whole table, whichever driver gave it."""
    values = list(row[1 : len(NAMES) + 1])
    macs = values[_MACS]
    if macs is not None and not isinstance(macs, str):
        values[_MACS] = msgspec.json.encode(macs).decode()
    return values


def item_of(values: Sequence[Any], places: Places) -> RegisterItem:
    """Return the item of raw values."""
    found = dict(zip(NAMES, values, strict=True))
    for name in DATES:
        found[name] = day_of(found[name])
    found["macs"] = tuple(json.loads(found["macs"])) if found["macs"] else ()
    found["unit"] = places.unit_path(found["unit"])
    found["cost_centre"] = places.cost_centre_code(found["cost_centre"])
    found["site"] = places.site_name(found["site"])
    found["system"] = places.system_name(found["system"])
    return RegisterItem(**found)


def merged(held: Values, new: Values, defaults: Collection[str] = ()) -> Values:
    """Return what is held with what is new over it: what says nothing (None, `unknown`) changes nothing.

    Of `defaults` what is held stays, wherever something is.
    """
    found = list(held)
    for index, value in enumerate(new):
        if value is None or value == held[index]:
            continue
        name = NAMES[index]
        if name in WORDS and value == UNKNOWN:
            continue
        if name in defaults and held[index] not in (None, UNKNOWN):
            continue
        found[index] = value
    return found


def difference(before: Values, after: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ({name: value} before, the same after) of the values that differ, as JSON can say them."""
    names = [name for index, name in enumerate(NAMES) if before[index] != after[index]]
    return told(before, names), told(after, names)


def told(values: Values, names: Sequence[str] = NAMES) -> dict[str, Any]:
    """Return {name: value} as JSON can say it: dates as YYYY-MM-DD, places by row id."""
    return {name: _said(name, values[_INDEXES[name]]) for name in names}


def known_texts(columns: Sequence[Sequence[Any]]) -> list[str]:
    """Return what is known of each item, as JSON text that says it as `told` does; `columns` in the order of NAMES."""
    if not columns:
        return []
    said = told_columns(dict(zip(NAMES, columns, strict=True)))
    for name in DATES & said.keys():
        days = {number: None if number is None else _iso(number) for number in {*said[name]}}
        said[name] = [days[number] for number in said[name]]
    if "macs" in said:
        said["macs"] = [None if macs is None else msgspec.Raw(macs.encode()) for macs in said["macs"]]
    known = list(map(_known(tuple(said)), *said.values()))
    # JSON has no line end within a text: what ends a line ends an item.
    return _ENCODER.encode_lines(known).decode().split("\n")[:-1]


def told_columns(columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return those of {name: column} in which anything stands: half of a register's are empty in most files."""
    return {
        name: column
        for name, column in columns.items()
        if column and (column[0] is not None or column.count(None) < len(column))
    }


@lru_cache(maxsize=64)
def _known(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return what leaves out what is None while it is written: a third of the time a dict of the rest takes."""
    return msgspec.defstruct("_Known", [(name, Any, None) for name in names], omit_defaults=True)


@lru_cache(maxsize=65_536)
def _iso(number: int) -> str:
    return dt.date.fromordinal(number + _EPOCH).isoformat()


def with_told(values: Values, said: Mapping[str, Any]) -> Values:
    """Return the values with those of `told` put in their places."""
    found = list(values)
    for name, value in said.items():
        found[_INDEXES[name]] = _raw(name, value)
    return found


def agree(values: Values, said: Mapping[str, Any]) -> bool:
    """Return whether the values are those of `told`."""
    return all(values[_INDEXES[name]] == _raw(name, value) for name, value in said.items())


def _said(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in DATES:
        return _iso(value)
    return json.loads(value) if name == "macs" else value


def _raw(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in DATES:
        return dt.date.fromisoformat(value).toordinal() - _EPOCH
    return msgspec.json.encode(value).decode() if name == "macs" else value


def held_by_id() -> Lookup:
    """Return the lookup of whole rows by id."""
    return Lookup(select(register_items), register_items.c.id)
