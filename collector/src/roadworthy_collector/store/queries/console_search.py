"""Searching devices by how their names begin: hostname, serial number, asset tag or id, letter case aside.

Each is looked up in an index of its own (`ix_devices_lower_*`), and no search looks further than MOST_FOUND of each: a
letter that half the devices begin with costs no more than a whole serial number.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, within
from roadworthy_collector.store.schema import devices, sites

SEARCH_LENGTH = 128
MOST_FOUND = 500
# So few units are looked through instead, by their own index.
_FEW_UNITS = 5
_LAST = "\U0010ffff"
_ID, _ID_DIGITS = "rwd_", 32


def begins_with(connection: Connection, text: str, scope: Scope = EVERYTHING) -> tuple[list[int], bool]:
    """Return row ids of devices within `scope` one of whose names begins with `text`, restricted sites left out.

    And whether there are more: of each name only the first MOST_FOUND are looked up.
    """
    wanted = _lowered(connection, text)
    found: set[int] = set()
    more = False
    ranges = [_range(connection, column, wanted) for column in _columns()]
    if (ids := _ids_beginning(wanted)) is not None:
        ranges.append(devices.c.device_id.between(*ids))
    for condition in ranges:
        rows = _ids(connection, condition, scope, MOST_FOUND + 1)
        more = more or len(rows) > MOST_FOUND
        found.update(rows[:MOST_FOUND])
    return sorted(found), more


def exact_matches(connection: Connection, text: str, scope: Scope = EVERYTHING) -> list[str]:
    """Return up to two device ids whose asset tag, serial, hostname or id is exactly `text`, letter case aside."""
    wanted = _lowered(connection, text)
    found: set[int] = set()
    for column in (*_columns(), devices.c.device_id):  # ids are in lower case already
        found.update(_ids(connection, column == wanted, scope, 2))
    query = select(devices.c.device_id).where(devices.c.id.in_(found)).order_by(devices.c.id).limit(2)
    return list(connection.scalars(query)) if found else []


def _columns() -> list[ColumnElement[Any]]:
    """Return the names that are searched, as the indexes hold them."""
    return [func.lower(devices.c[name]) for name in ("hostname", "serial", "asset_tag")]


def _ids_beginning(text: str) -> tuple[str, str] | None:
    """Return the first and the last device id that begins with `text`, None where no id does.

    Ids are of one length, `rwd_` and hexadecimal digits, which every language sorts alike: their unique index serves.
    """
    if _ID[: len(text)] == text:
        text = _ID
    if re.fullmatch(rf"{_ID}[0-9a-f]{{0,{_ID_DIGITS}}}", text) is None:
        return None
    length = len(_ID) + _ID_DIGITS
    return text.ljust(length, "0"), text.ljust(length, "f")


def _lowered(connection: Connection, text: str) -> str:
    """Return `text` as the database's `lower` would: SQLite's knows no letters but those of ASCII."""
    text = text[:SEARCH_LENGTH].replace("\0", "")
    if connection.dialect.name == "postgresql":
        return text.lower()
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _range(connection: Connection, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Return the condition of beginning with `text`, so that an index finds it in either database."""
    if connection.dialect.name == "postgresql":
        # By code points as the index is (text_pattern_ops), not by the rules of the database's language.
        return and_(column.op("~>=~")(text), column.op("~<=~")(text + _LAST))
    return and_(column >= text, column <= text + _LAST)


def _ids(connection: Connection, condition: ColumnElement[bool], scope: Scope, limit: int) -> list[int]:
    shown = devices.c.site.not_in(select(sites.c.id).where(sites.c.restricted.is_(True)))
    mine = [condition, shown]
    if scope is not None:
        few = len(scope) <= _FEW_UNITS
        mine.append(within(scope) if few else (devices.c.unit + 0).in_(sorted(scope)))
    return list(connection.scalars(select(devices.c.id).where(*mine).limit(limit)))
