"""Rows matched many at a time find the items, and say the problems, that they do one by one."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from roadworthy_collector.books import items
from roadworthy_collector.books.importing import Wishes, import_file
from roadworthy_collector.books.matching import Keys, Matcher, matching
from roadworthy_collector.books.places import Places
from roadworthy_collector.store.engine import open_engine
from roadworthy_collector.store.upgrade import upgrade
from roadworthy_inventory.identity import serial_key, serial_keys
from roadworthy_inventory.importing import plain, reading
from roadworthy_inventory.importing.items import read_items
from roadworthy_inventory.importing.problems import BadRow
from roadworthy_inventory.register import RegisterItem

NOW = 1_790_000_000.0
HEADER = "Asset tag,Serial number,UUID,MAC addresses,Model,Unit,Notes\r\n"
UUIDS = ("4c4c4544-0042-4b10-8036-b7c04f4a3232", "44454c4c-4200-104b-8036-b7c04f4a3232")
HELD = (
    f"A1,S1,{UUIDS[0]},,M,Ours,\r\nA2,S2,,,M,Theirs,\r\n,S3,,,M,Ours,\r\nA4,S4,,,,Ours,\r\nA5,S4,,,,Ours,\r\n"
)
TAGS = ("A1", "N1", "a5", "N2", "A4")
CELLS = (  # and how many of them stand in usual rows
    (("", "A1", "a2", "B1", "B2", "B3", "B" * 65), 4),
    (("", "S1", "S3", "S4", "T1", "T2", "T 3", "0000", "n/a", "LETTERS"), 4),
    (("", *UUIDS, "00000000-0000-0000-0000-000000000000", "11111111-2222-3333-4444-555555555556"), 1),
    (("", "3c:52:82:00:00:01"), 2),
    (("", "M1", "m" * 129), 2),
    (("", "Ours", "Theirs"), 2),
    (("", '"two\nlines"', "one"), 3),
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Keys]]:
    database: Path = tmp_path_factory.mktemp("books") / "roadworthy.db"
    upgrade(database)
    engine = open_engine(database)
    import_file(engine, io.BytesIO((HEADER + HELD).encode()), "held.csv", Wishes(), actor="ada", now=NOW)
    with engine.connect() as connection:
        places = Places(connection)
        ours = frozenset(places.units_below(places.unit("Ours")))
        yield engine, Keys(connection, scope=ours)
    engine.dispose()


def come(rows: str, keys: Keys, *, together: bool) -> tuple[Any, ...]:
    form = plain.PLAIN if together else replace(plain.PLAIN, check_many=None)
    aside: list[BadRow] = []
    under_way = read_items(
        reading.open_table(io.BytesIO((HEADER + rows).encode()), "f.csv"),
        matching(form, Matcher(keys), lambda unit: unit != "Theirs"),
        on=dt.date(2026, 11, 1),
        quarantine=aside.append,
    )
    return list(under_way), under_way.report(), aside


@settings(max_examples=60)
@given(
    rows=st.lists(
        st.integers(0, 6).flatmap(
            lambda odd: st.tuples(
                *(st.sampled_from(cells if odd == 0 else cells[:usual]) for cells, usual in CELLS)
            )
        ),
        min_size=1,
        max_size=30,
    ),
    numbered=st.booleans(),
)
@example(rows=[("B1", "T1", "", "", "", "", ""), ("B2", "T1", "", "", "", "", "")], numbered=False)
@example(rows=[("", "T1", "", "", "", "", ""), ("", "T2", "", "", "", "", "")], numbered=False)
@example(rows=[("", "", "", "3c:52:82:00:00:01", "", "", "")] * 2, numbered=False)
@example(rows=[("A1", "S4", "", "", "", "", ""), ("", "S1", "", "", "", "", "")], numbered=False)
def test_rows_find_the_same_items_however_they_are_read(
    keys: tuple[Engine, Keys], *, rows: list[tuple[str, ...]], numbered: bool
) -> None:
    told = [
        ((*TAGS, f"N{number}")[min(number, len(TAGS))], f"U{number}x", *row[2:]) if numbered else row
        for number, row in enumerate(rows)
    ]
    text = "\r\n".join(map(",".join, [*told, ("Z", "Z9", "", "", "", "", "")])) + "\r\n"
    assert come(text, keys[1], together=True) == come(text, keys[1], together=False)


@given(
    st.lists(
        st.sampled_from(["S1", "s1", "0000", "N/A", "TEXT", "A B", "7", "\N{LATIN SMALL LETTER SHARP S}1"])
    )
)
def test_serials_have_the_keys_each_has(serials: list[str]) -> None:
    assert serial_keys(serials) == [serial_key(serial) for serial in serials]


def test_items_told_by_columns_have_the_values_each_has(keys: tuple[Engine, Keys]) -> None:
    told = [
        RegisterItem(tag="A", macs=("00:11:22:33:44:55",), kind="laptop", purchased=dt.date(2024, 2, 29), unit="Ours"),
        RegisterItem(serial="S", notes='two\nlines, "quoted"', site="Nowhere"),
    ]  # fmt: skip
    columns = {name: [getattr(item, name) for item in told] for name in items.NAMES}
    assert items.unplaced_rows(columns, 2) == [items.unplaced(item) for item in told]
    with keys[0].connect() as connection:
        places = Places(connection)
    values = items.placed(items.unplaced_rows(columns, 2), places)
    assert values == [items.values_of(item, places) for item in told]
    texts = items.known_texts(list(zip(*values, strict=True)))
    known = [{name: value for name, value in items.told(one).items() if value is not None} for one in values]
    assert [msgspec.json.decode(text) for text in texts] == known
