"""Statements for many rows: what goes in comes out, whatever characters it holds, on both stores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Engine, Float, Integer, LargeBinary, MetaData, Table, Text, select
from support.estates import Estate

from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.merge import Merge
from roadworthy_collector.store.statements import Bulk, BulkDelete, BulkUpdate, BulkUpsert, Lookup

_METADATA = MetaData()
_THINGS = Table(
    "things",
    _METADATA,
    Column("day", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("told", Text),
    Column("ratio", Float),
    Column("final", Boolean),
    Column("bytes", LargeBinary),
)
_KEY = (_THINGS.c.day, _THINGS.c.name)
_BY_KEY = Lookup(select(_THINGS), *_KEY)
_BY_NAME = Lookup(select(_THINGS.c.day).order_by(_THINGS.c.day), _THINGS.c.name)
_TEXTS = st.one_of(
    st.sampled_from(
        ["", "NULL", "null", "{", "}", '"', "\\", '\\"', "a,b", " ", "%s", "?", "'", "\n", "é€😀"]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)
_ROWS = st.lists(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1),
        _TEXTS,
        st.none() | _TEXTS,
        st.none() | st.floats(allow_nan=False) | st.integers(-(2**50), 2**50),
        st.none() | st.booleans(),
        st.none() | st.binary(max_size=9),
    ),
    unique_by=lambda row: row[:2],
    max_size=12,
)
_EACH_EXAMPLE_EMPTIES_IT = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def things(estate: Estate) -> Iterator[Engine]:
    """Return an engine whose database has the table."""
    _METADATA.create_all(estate.engine)
    yield estate.engine
    _METADATA.drop_all(estate.engine)


def _held(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(_THINGS)))


@_EACH_EXAMPLE_EMPTIES_IT
@given(rows=_ROWS)
def test_values_come_back_as_they_went_in(things: Engine, rows: list[tuple[Any, ...]]) -> None:
    with write_transaction(things) as connection:
        connection.execute(_THINGS.delete())
        assert Bulk(_THINGS).insert(connection, rows) == len(rows)
        assert Bulk(_THINGS).insert(connection, rows) == 0, "rows already held stay as they are"
        found = [tuple(row) for row in _BY_KEY.rows(connection, [row[:2] for row in rows])]
    assert sorted(found) == sorted(rows)
    assert _held(things) == sorted(rows)


@_EACH_EXAMPLE_EMPTIES_IT
@given(rows=_ROWS, texts=st.lists(_TEXTS, min_size=12, max_size=12))
def test_rows_are_replaced_changed_and_deleted_by_their_keys(
    things: Engine, rows: list[tuple[Any, ...]], texts: list[str]
) -> None:
    replaced = [(*row[:2], told, 0.5, True, b"\0") for row, told in zip(rows, texts, strict=False)]
    with write_transaction(things) as connection:
        connection.execute(_THINGS.delete())
        Bulk(_THINGS).insert(connection, rows)
        BulkUpsert(_THINGS).write(connection, replaced)
    assert _held(things) == sorted(replaced)
    with write_transaction(things) as connection:
        BulkDelete(_THINGS, "day", "name").write(connection, [row[:2] for row in rows[::2]])
    assert _held(things) == sorted(replaced[1::2])


def test_of_several_rows_only_those_named_are_changed(things: Engine) -> None:
    with write_transaction(things) as connection:
        Bulk(_THINGS, ("name", "day")).insert(connection, [("a", 1), ("b", 1), ("a", 2)])
        BulkUpdate(_THINGS, "name", ("told", "ratio")).write(connection, [('"a"', math.inf, "a")])
        assert [row[0] for row in _BY_NAME.rows(connection, ["a", "c"])] == [1, 2]
        assert _BY_NAME.rows(connection, []) == ()
    assert [row[:4] for row in _held(things)] == [
        (1, "a", '"a"', math.inf),
        (1, "b", None, None),
        (2, "a", '"a"', math.inf),
    ]


def test_a_newer_row_replaces_and_an_older_one_does_not(things: Engine) -> None:
    newest = BulkUpsert(_THINGS, newer="ratio")
    with write_transaction(things) as connection:
        newest.write(connection, [(1, "a", "first", 2.0, None, None)])
        newest.write(connection, [(1, "a", "older", 1.0, None, None)])
        newest.write(connection, [(1, "a", "as old", 2.0, None, None)])
    assert _held(things)[0][2] == "first"
    with write_transaction(things) as connection:
        newest.write(connection, [(1, "a", "newer", 3.0, None, None)])
    assert _held(things)[0][2] == "newer"


def test_what_is_held_can_be_added_to(things: Engine) -> None:
    added = Merge(_THINGS, {"ratio": "{held} + {new}", "bytes": Merge.JOINED})
    with write_transaction(things) as connection:
        added.write(connection, [(1, "a", "first", 1, None, b"\1")])
        added.write(connection, [(1, "a", "second", 0.5, None, b"\2"), (2, "b", None, None, None, None)])
    assert _held(things) == [(1, "a", "first", 1.5, None, b"\1\2"), (2, "b", None, None, None, None)]
