"""Files of any make become tables; hostile ones become errors that say where and what to do."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.importing import archive, plain
from roadworthy_inventory.importing.decoding import PIECE_BYTES
from roadworthy_inventory.importing.formats import format_of
from roadworthy_inventory.importing.problems import (
    EmptyFileError,
    ImportRefusedError,
    UnknownFormatError,
    UnreadableFileError,
)
from roadworthy_inventory.importing.reading import Table, open_table


class Pipe:
    """A stream that cannot seek and gives a few bytes at a time, as sockets do."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int, /) -> bytes:
        if not self._left:
            self._left = next(self._pieces, b"")
        given_, self._left = self._left[:size], self._left[size:]
        return given_


def table_of(body: bytes, *, at_once: int | None = None) -> Table:
    if at_once is None:
        return open_table(io.BytesIO(body), "file.csv")
    return open_table(Pipe(body[at : at + at_once] for at in range(0, len(body), at_once)), "file.csv")


def read(
    body: bytes, *, at_once: int | None = None
) -> tuple[tuple[str, ...], list[tuple[int, list[object]]], Table]:
    table = table_of(body, at_once=at_once)
    return table.header, [(line, list(cells)) for line, cells in table.rows], table


SIMPLE = "Tag,Site\r\nA1,Zürich £\r\nA2,\r\n"


@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("at_once", [None, 1, 7])
@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with BOM"),
        ("utf-16", "UTF-16 little-endian"),
        ("cp1252", "Windows-1252, for it is no UTF-8"),
    ],
)
def test_encodings_and_line_ends(ends: str, at_once: int | None, encoding: str, named: str) -> None:
    header, rows, table = read(SIMPLE.replace("\r\n", ends).encode(encoding), at_once=at_once)
    assert header == ("Tag", "Site")
    assert rows == [(2, ["A1", "Zürich £"]), (3, ["A2", ""])]
    assert table.notes[0] == f"encoding {named}"
    assert not table.may_be_broken


def test_utf_16_big_endian() -> None:
    _header, rows, table = read(b"\xfe\xff" + SIMPLE.encode("utf-16-be"))
    assert rows[0] == (2, ["A1", "Zürich £"])
    assert table.notes[0] == "encoding UTF-16 big-endian"


def test_windows_1252_may_show_only_after_a_megabyte() -> None:
    body = b"Tag,Cost\n" + b"A,1\n" * 300_000 + b"B,\xa35\n"
    table = table_of(body)
    rows = list(table.rows)
    assert rows[-1] == (300_002, ["B", "£5"])
    assert table.notes[0] == "encoding Windows-1252, for it is no UTF-8"


@pytest.mark.parametrize("at_once", [None, 1, 3])
def test_broken_bytes_stay_where_they_are(at_once: int | None) -> None:
    _header, rows, table = read("Tag,Site\né,1\nA2,x".encode() + b"\xffy\nA3,z\n", at_once=at_once)
    assert rows == [(2, ["é", "1"]), (3, ["A2", "x\ufffdy"]), (4, ["A3", "z"])]
    assert table.may_be_broken
    assert table.notes[0] == "encoding UTF-8"


def test_bytes_windows_1252_does_not_have_are_broken_too() -> None:
    _header, rows, table = read(b"Tag,Site\nA1,\xa35\nA2,\x81\n")
    assert rows == [(2, ["A1", "£5"]), (3, ["A2", "\ufffd"])]
    assert table.may_be_broken


@pytest.mark.parametrize(
    ("delimiter", "named"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")]
)
def test_delimiters(delimiter: str, named: str) -> None:
    text = f'Tag{delimiter}Cost{delimiter}Notes\nA1{delimiter}"1,5"{delimiter}a; b; c\n' * 3
    text = text.replace("a; b; c", '"a; b, c|d"')
    header, rows, table = read(text.encode())
    assert header == ("Tag", "Cost", "Notes")
    assert rows[0] == (2, ["A1", "1,5", "a; b, c|d"])
    assert f"delimiter {named}" in table.notes


def test_decimal_commas_do_not_make_a_comma_the_delimiter() -> None:
    header, rows, _table = read(b"Tag;Cost;Value\nA1;1,5;2,5\nA2;1,5;2,5\n")
    assert header == ("Tag", "Cost", "Value")
    assert rows[0] == (2, ["A1", "1,5", "2,5"])


def test_the_sep_line_of_spreadsheets() -> None:
    header, rows, _table = read(b"sep=;\r\nTag;Notes\r\nA1;a,b,c,d\r\n")
    assert (header, rows) == (("Tag", "Notes"), [(3, ["A1", "a,b,c,d"])])


def test_quoted_newlines_and_the_lines_of_rows() -> None:
    header, rows, _table = read(b'Tag,Notes\r\nA1,"one\r\ntwo\rthree ""x"""\r\n\r\n,\r\nA2,z\r\n')
    assert header == ("Tag", "Notes")
    assert rows == [(2, ["A1", 'one\r\ntwo\rthree "x"']), (7, ["A2", "z"])]


def test_duplicate_and_empty_headers_are_named() -> None:
    table = table_of(b"Category,Tag,category,,Category\nx,y,z,,\n")
    assert table.header == ("Category", "Tag", "category (2)", "Column 4", "Category (3)")
    assert "column 4 has no name" in table.notes
    assert "column 'category' is there 2 times; this one is called 'category (2)'" in table.notes


def test_title_lines_above_the_header() -> None:
    body = b"OFFICIAL - SENSITIVE\nRegister of devices,as of,1 November,,\n,,,,\nTag,Serial,Make,Model,Site\nA1,S1,Dell,X,HQ\n"
    table = table_of(body)
    assert table.header == ("Tag", "Serial", "Make", "Model", "Site")
    assert table.header_line == 4
    assert list(table.rows) == [(5, ["A1", "S1", "Dell", "X", "HQ"])]
    assert "2 title lines above the header passed over" in table.notes


def test_a_row_of_too_many_cells_is_no_header_in_a_short_file_either() -> None:
    header, rows, table = read(b"Asset Tag,Serial,Model\nT1,SN0001\nT2,SN2,M2,extra,more\nT3,S3,M3\n")
    assert header == ("Asset Tag", "Serial", "Model")
    assert [line for line, _cells in rows] == [2, 3, 4]
    assert table.header_line == 1
    # A header wider than its rows, under a title of some cells, is still the header.
    assert (
        table_of(b"Register,as of,May\nTag,Serial,Make,Model,Site\nA1,S1,Dell,X\nA2,S2,HP,Y\n").header_line
        == 2
    )


def test_one_column_is_a_table() -> None:
    assert read(b"Tag\nA1\nA2\n")[:2] == (("Tag",), [(2, ["A1"]), (3, ["A2"])])


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf", b"\r\n \n\n", b"\xff\xfe", b",,,\n,,\n"])
def test_empty_files(body: bytes) -> None:
    with pytest.raises((EmptyFileError, UnreadableFileError), match=r"file\.csv: "):
        list(table_of(body).rows)


def test_a_header_without_rows() -> None:
    with pytest.raises(EmptyFileError, match=r"file\.csv: line 1: has a header and no rows; export it again"):
        table_of(b"Tag,Serial\n")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(600), "old binary spreadsheet"),
        (b"\x1f\x8b" + bytes(20), "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"<html><table>", "web page"),
        (b"T\0a\0g\0,\0S\0\n\0", "binary, or UTF-16 without its mark"),
        (b"\xff\xfe\0\0T\0\0\0", "UTF-32"),
        (b"{not json", "no JSON"),
        (b'{"a": 1}', "no inventory of the GLPI agent"),
        (b"PK\x03\x04 broken", "broken archive"),
    ],
)
def test_files_that_are_no_table(body: bytes, says: str) -> None:
    with pytest.raises(ImportRefusedError, match=says) as told:
        list(table_of(body).rows)
    assert told.value.file == "file.csv"
    assert told.value.remedy


def test_a_cell_too_long_is_an_error_with_its_line() -> None:
    body = b"Tag,Notes\nA1,x\nA2," + b"y" * 200_000 + b"\n"
    with pytest.raises(UnreadableFileError, match=r"line 3: .*field larger") as told:
        list(table_of(body).rows)
    assert told.value.line == 3


@pytest.mark.parametrize("filler", [b"x,y\n", b"x" * 1000])
def test_a_quote_that_never_closes_is_an_error_with_its_line_and_not_all_memory(filler: bytes) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'Tag,Notes\nA1,x\nA2,"open\n'
        while True:
            yield filler

    with pytest.raises(UnreadableFileError, match=r"line 3: .*; close the quote"):
        list(open_table(Pipe(pieces()), "file.csv").rows)


def test_a_line_without_end_is_an_error() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"Tag,Notes\nA1,x\n"
        while True:
            yield b"a," * 1000

    with pytest.raises(UnreadableFileError, match="line 3"):
        list(open_table(Pipe(pieces()), "file.csv").rows)


def test_too_many_columns() -> None:
    with pytest.raises(UnreadableFileError, match="has 3,000 columns"):
        table_of(b",".join(b"c%d" % number for number in range(3000)) + b"\n" + b"x," * 2999 + b"x\n")


def test_memory_holds_a_piece_whatever_the_size() -> None:
    row = b"A1,Serial 1,Dell,Model,Site\r\n"

    def pieces() -> Iterator[bytes]:
        yield b"Tag,Serial,Make,Model,Site\r\n"
        for _ in range(30):
            yield row * 3000

    table = open_table(Pipe(pieces()), "file.csv")
    tracemalloc.start()
    count = sum(1 for _row in table.rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 90_000
    assert len(row) * count > 8 * PIECE_BYTES
    assert peak < 8 * PIECE_BYTES


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufffd"), max_size=12)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3).filter(any), min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.integers(1, 50),
)
def test_what_was_written_is_read(
    rows: list[list[str]], delimiter: str, encoding: str, ends: str, at_once: int
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL)
    writer.writerows([["Tag", "Serial", "Notes"], *rows])
    # A pipe of single bytes and a file must come to the same.
    header, found, _table = read(out.getvalue().encode(encoding), at_once=at_once)
    assert header == ("Tag", "Serial", "Notes")
    assert [cells for _line, cells in found] == rows


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    for start in (b"", b"Tag,Serial\n", b"\xff\xfe", b"PK\x03\x04", b"{"):
        said = "file.csv"
        try:
            assert all(cells for _line, cells in table_of(start + body).rows)
        except ImportRefusedError as error:
            said = str(error)
        assert said.startswith("file.csv")


# --- workbooks ---


def workbook(**sheets: list[list[object]]) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    days = book.add_format({"num_format": "dd/mm/yyyy"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, dt.date):
                    sheet.write_datetime(number, column, dt.datetime.combine(cell, dt.time()), days)
                elif cell is not None:
                    sheet.write(number, column, cell)
    book.close()
    return out.getvalue()


ASSETS = [
    ["Register", None, None, None],
    [None],
    ["Tag", "Bought", "Cost", "Kept"],
    ["A1", dt.date(2024, 3, 1), 12.5, True],
]


def test_a_workbook_keeps_its_types_and_lines() -> None:
    table = open_table(Pipe(iter([workbook(Assets=ASSETS)])), "a.xlsx")
    assert table.header == ("Tag", "Bought", "Cost", "Kept")
    assert table.typed
    assert table.notes == ("sheet 'Assets' of 1", "1 title line above the header passed over")
    assert list(table.rows) == [(4, ["A1", dt.date(2024, 3, 1), 12.5, True])]


def test_sheets_by_name() -> None:
    body = workbook(Cover=[["nothing here"], ["at all"]], Assets=ASSETS)
    assert open_table(io.BytesIO(body), "a.xlsx", sheet="assets").header[0] == "Tag"
    with pytest.raises(UnreadableFileError, match="has no sheet 'Kit'; name one of: Cover, Assets"):
        open_table(io.BytesIO(body), "a.xlsx", sheet="Kit")


def test_the_sheets_of_a_workbook_are_named() -> None:
    body = workbook(Cover=[["Register of assets"]], Assets=ASSETS, Old=[["x"], ["y"]])
    with pytest.raises(
        EmptyFileError, match=r"sheet 'Cover' has a header and no rows; say which .* Cover, Assets, Old"
    ):
        open_table(io.BytesIO(body), "a.xlsx")
    table = open_table(io.BytesIO(body), "a.xlsx", sheet="Assets")
    assert (table.sheet, table.sheets) == ("Assets", ("Cover", "Assets", "Old"))
    assert "sheet 'Old' not read: it has 2 lines" in table.notes
    with pytest.raises(UnknownFormatError, match=r"sheet 'Old' has a header .* \(Cover, Assets, Old\)"):
        format_of(open_table(io.BytesIO(body), "a.xlsx", sheet="Old"))
    assert 'sheet = "Assets"' in plain.starter(table)


@pytest.mark.parametrize("first", [0, 3])
def test_what_a_formula_failed_to_give_is_no_empty_cell(first: int) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("Cover").write_formula(0, 0, "=1/0", None, "#DIV/0!")
        sheet = book.add_worksheet("Assets & more")
        for number, cells in enumerate(
            [["Tag", "Serial", "Model"], ["A1", "S1", "M1"], ["A2", "", ""], ["A3", "S3", ""]]
        ):
            for column, cell in enumerate(cells):
                sheet.write(first + number, column, cell)
        sheet.write_formula(first + 2, 1, "=NA()", None, "#N/A")
        sheet.write_formula(first + 3, 2, "=1/0", None, "#DIV/0!")
    table = open_table(io.BytesIO(out.getvalue()), "a.xlsx", sheet="Assets & more")
    assert [(line, list(cells)) for line, cells in table.rows] == [
        (first + 2, ["A1", "S1", "M1"]),
        (first + 3, ["A2", "#N/A", ""]),
        (first + 4, ["A3", "S3", "#DIV/0!"]),
    ]


def test_an_empty_sheet() -> None:
    with pytest.raises(EmptyFileError, match="has no rows"):
        open_table(io.BytesIO(workbook(Empty=[])), "a.xlsx")


def rewritten(body: bytes, changes: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in {*old.namelist(), *changes}:
            new.writestr(name, changes.get(name) or old.read(name))
    return out.getvalue()


def test_a_bomb_that_says_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SMALL_BYTES", 4 * 1024 * 1024)
    body = rewritten(workbook(A=ASSETS), {"xl/bomb.xml": bytes(100 * 1024 * 1024)})
    with pytest.raises(UnreadableFileError, match="unpacks to more than 200 times its size"):
        open_table(io.BytesIO(body), "bomb.xlsx")


def test_a_bomb_that_lies_about_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SMALL_BYTES", 4 * 1024 * 1024)
    body = rewritten(workbook(A=ASSETS), {"xl/bomb.xml": bytes(100 * 1024 * 1024)})
    true = (100 * 1024 * 1024).to_bytes(4, "little")
    assert body.count(true) == 2
    with pytest.raises(UnreadableFileError, match="unpacks to more than 200 times its size"):
        open_table(io.BytesIO(body.replace(true, (1000).to_bytes(4, "little"))), "bomb.xlsx")


def test_two_cells_in_opposite_corners_are_refused() -> None:
    body = workbook(A=ASSETS)
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml")
    far = sheet.replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')
    with pytest.raises(UnreadableFileError, match=r"reaches to row 1,048,576 and column 16,384"):
        open_table(io.BytesIO(rewritten(body, {"xl/worksheets/sheet1.xml": far})), "far.xlsx")


def test_archives_that_are_no_workbook() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("content.xml", "<x/>")
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(UnreadableFileError, match="no XLSX workbook; save it as XLSX or CSV UTF-8"):
        open_table(io.BytesIO(out.getvalue()), "a.ods")


def test_a_spreadsheet_too_large_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FILE_BYTES", 1024 * 1024)
    with pytest.raises(UnreadableFileError, match="is larger than 1 MB"):
        open_table(Pipe(iter([b"PK\x03\x04", *[bytes(100_000)] * 50])), "a.xlsx")


def test_damaged_workbooks_are_errors_that_name_the_file() -> None:
    body, some = workbook(A=ASSETS), random.Random(1)  # noqa: S311  # the same damage every time
    for _ in range(300):
        broken = bytearray(body)
        for _byte in range(some.randint(1, 12)):
            broken[some.randrange(4, len(broken))] = some.randrange(256)
        file = "a.xlsx"
        try:
            list(open_table(io.BytesIO(bytes(broken)), "a.xlsx").rows)
        except ImportRefusedError as error:
            file = error.file
        assert file == "a.xlsx"


def test_members_packed_in_an_unusual_way_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as book:
        book.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(UnreadableFileError, match="unusual way"):
        open_table(io.BytesIO(out.getvalue()), "a.xlsx")


def test_a_member_cut_short_is_no_endless_loop() -> None:
    body = workbook(A=ASSETS)
    with pytest.raises(ImportRefusedError):
        open_table(io.BytesIO(body[: len(body) // 2]), "a.xlsx")
