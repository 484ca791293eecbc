"""Any table by a mapping file, and a mapping that is wrong says on which line."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
import xlsxwriter

from roadworthy_inventory.importing import generic
from roadworthy_inventory.importing.items import read_items
from roadworthy_inventory.importing.problems import MappingRefusedError
from roadworthy_inventory.importing.reading import open_table
from roadworthy_inventory.register import RegisterItem

ON = dt.date(2026, 11, 1)
MAPPING = """\
title = "Fleet book"
date_order = "month first"
unit_separator = ">"

[columns]
"Asset No." = "tag"
"S/N" = "serial"
Division = "unit"
"Bought on" = "purchased"
"Years of cover" = "warranty_years"
'Where it is' = "lifecycle_state"

[fixed]
kind = "Laptop"
legal_owner = "Force"
purchase_cost_pence = 450.5
warranty_level = ""

[words.lifecycle_state]
"With officer" = "deployed"
"""
CSV = "asset_no,S/N,Division,Bought On,Years of cover,Where it is,Keeper\nA1,S1,Ops > R&D/IT,01/02/2024,3,with  officer,P Q\n"
ITEM = RegisterItem(
    tag="A1",
    serial="S1",
    kind="laptop",
    legal_owner="Force",
    purchase_cost_pence=45050,
    unit="Ops / R&D-IT",
    purchased=dt.date(2024, 1, 2),
    warranty_start=dt.date(2024, 1, 2),
    warranty_end=dt.date(2027, 1, 1),
    lifecycle_state="deployed",
)


def read(mapping: str, body: bytes, file: str = "book.csv") -> tuple[list[Any], Any]:
    parsed = generic.parse_mapping(mapping, "map.toml")
    table = open_table(io.BytesIO(body), file, sheet=parsed.form.sheet)
    under_way = read_items(table, generic.check(parsed, table), on=ON)
    return [item for _line, item in under_way], under_way.report()


def test_a_mapping_reads_what_it_maps() -> None:
    found, report = read(MAPPING, CSV.encode())
    assert found == [ITEM]
    assert "read as Fleet book" in report.notes
    assert "columns about people dropped unread: Keeper" in report.notes


def test_a_mapping_reads_a_named_sheet() -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.add_worksheet("Cover").write(0, 0, "nothing")
    sheet, days = book.add_worksheet("Assets"), book.add_format({"num_format": "mm/dd/yyyy"})
    sheet.write_row(0, 0, ["Asset No.", "S/N", "Division", "Bought on", "Years of cover", "Where it is"])
    sheet.write_row(1, 0, ["A1", "S1", "Ops > R&D/IT", None, 3, "With officer"])
    sheet.write_datetime(1, 3, dt.date(2024, 1, 2), days)
    book.close()
    assert read('sheet = "Assets"\n' + MAPPING, out.getvalue(), "book.xlsx")[0] == [ITEM]


def test_a_value_of_the_row_goes_over_a_fixed_one() -> None:
    mapping = '[columns]\nTag = "tag"\nType = "kind"\n[fixed]\nkind = "desktop"\n'
    found, _report = read(mapping, b"Tag,Type\nA1,Laptop\nA2,\n")
    assert [item.kind for item in found] == ["laptop", "desktop"]


@pytest.mark.parametrize(
    ("mapping", "line", "says"),
    [
        ("title = \n", 1, "is no TOML"),
        ('[columns]\nTag = "tag"\nTag = "serial"\n', 3, "is no TOML"),
        (
            'colums = 1\n[columns]\nTag = "tag"\n',
            1,
            "'colums' is no setting of a mapping; did you mean 'columns'?",
        ),
        ('[columns]\nTag = "tag"\n"S/N" = "serail"\n', 3, "'serail' is no field .*did you mean 'serial'?"),
        ('[columns]\nTag = "tag"\n"E-mail" = "notes"\n', 3, "reads like a column about people"),
        ('[columns]\nTag = "tag"\nUser = "unit"\n', 3, "reads like a column about people"),
        ('[columns]\nTag = "tag"\nNo = "tag"\n', 3, "'tag' is given to 'Tag' and 'No'"),
        ('title = "x"\n[columns]\nModel = "model"\n', 2, "no column is the tag, serial, uuid or macs"),
        ('title = "x"\n', None, "no column is the tag"),
        ('title = 5\n[columns]\nTag = "tag"\n', 1, "title is 5"),
        ('columns = "tag"\n', 1, r"columns is 'tag'; write a table \[columns\]"),
        (
            '[columns]\nTag = "tag"\n\n[fixed]\nkind = "spaceship"\n',
            5,
            "'spaceship' is no kind; use one of: desktop",
        ),
        ('[columns]\nTag = "tag"\n[fixed]\ncolour = "red"\n', 4, "'colour' is no field"),
        ('[columns]\nTag = "tag"\n[fixed]\npurchased = "soon"\n', 4, "purchased 'soon' is no date"),
        (
            'date_order = "us"\n[columns]\nTag = "tag"\n',
            1,
            "date_order is 'us'; use 'day first' or 'month first'",
        ),
        (
            '[columns]\nTag = "tag"\n[words.colour]\nx = "y"\n',
            3,
            r"words.colour is none; use \[words.lifecycle_state\]",
        ),
        ('[columns]\nTag = "tag"\n[words.kind]\n"Box" = "crate"\n', 4, "'crate' is no kind; use one of"),
    ],
)
def test_a_wrong_mapping_says_on_which_line(mapping: str, line: int | None, says: str) -> None:
    with pytest.raises(MappingRefusedError, match=says) as told:
        generic.parse_mapping(mapping, "map.toml")
    assert told.value.line == line
    assert str(told.value).startswith("map.toml: ")


def test_a_column_that_is_not_there_names_what_is() -> None:
    with pytest.raises(MappingRefusedError) as told:
        read('[columns]\nTag = "tag"\nSerail = "serial"\n', b"Tag,Serial,Keeper\nA,B,C\n")
    assert str(told.value) == (
        "map.toml: line 3: column Serail: book.csv has no column 'Serail'; did you mean 'Serial'?; its columns are: Tag, Serial"
    )


@pytest.mark.parametrize("name", generic.FIELDS)
def test_every_field_can_be_mapped(name: str) -> None:
    title = "x" if name != "tag" else "Tag"
    mapping = (
        f'[columns]\n{"" if name == "tag" else "Tag = " + chr(34) + "tag" + chr(34)}\n{title} = "{name}"\n'
    )
    header = "Tag" if name == "tag" else "Tag,x"
    found, _report = read(mapping, f"{header}\nA1,\n".encode())
    assert found == [RegisterItem(tag="A1")]
