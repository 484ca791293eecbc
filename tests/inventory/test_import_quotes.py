"""A quote that is not closed must not swallow rows unsaid; a note of many lines is a note."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.importing.finance import flat
from roadworthy_inventory.importing.ledgers import read_ledger
from roadworthy_inventory.importing.problems import UnreadableFileError
from roadworthy_inventory.importing.reading import Table, open_table

HEADER = "Tag,Size,Site,Cost,Notes"


def opened(body: str) -> Table:
    return open_table(io.BytesIO(body.encode()), "file.csv")


def tags(body: str) -> list[object]:
    return [cells[0] for _line, cells in opened(body).rows]


def rows(count: int, columns: int = 5) -> list[list[str]]:
    return [[f"T{number}", "15", "HQ", "10.00", "", "x"][:columns] for number in range(1, count + 1)]


def text(cells: list[list[str]], header: str = HEADER) -> str:
    return "\n".join((header, *map(",".join, cells))) + "\n"


@pytest.mark.parametrize("count", [3, 1_000])
@pytest.mark.parametrize("column", [1, 4])
@pytest.mark.parametrize("row", [1, -1])
def test_a_quote_never_closed_is_refused_at_its_line(count: int, column: int, row: int) -> None:
    cells = rows(count)
    cells[row][column] = '"15 inch'
    line = 2 + row % count
    with pytest.raises(
        UnreadableFileError, match=f"cell {column + 1} opens a quote that is never closed"
    ) as refused:
        tags(text(cells))
    assert refused.value.line == line


def test_the_line_is_where_the_quote_opens_not_where_its_row_begins() -> None:
    with pytest.raises(UnreadableFileError, match="line 4: cell 5"):
        tags(f'{HEADER}\nT1,15,HQ,1.00,x\nT2,15,"HQ\nAnnexe",1.00,"never\nT3,15,HQ,1.00,x\n')


def test_a_ledger_with_an_open_quote_is_refused_whole() -> None:
    lines = "".join("2025/26,1,4100,a,100.00\n" for _ in range(998))
    body = f'Year,Period,Account,Description,Amount\n2025/26,1,4100,"15 inch,100.00\n{lines}'
    with pytest.raises(UnreadableFileError, match="line 2: cell 4 opens a quote"):
        list(flat(read_ledger(opened(body), on=dt.date(2026, 9, 1))))


@pytest.mark.parametrize(("first", "second"), [(1, 2), (1, 40), (150, 1_500)])
@pytest.mark.parametrize("columns", [2, 3, 5, 6])
def test_two_stray_quotes_do_not_hide_the_rows_between_them(first: int, second: int, columns: int) -> None:
    cells = rows(max(200, second + 20), columns)
    cells[first][1] = cells[second][1] = '"15 inch'
    header = ",".join(("Tag", "Size", "Site", "Cost", "Notes", "Extra")[:columns])
    with pytest.raises(UnreadableFileError, match="reads like rows of the table") as refused:
        tags(text(cells, header))
    assert refused.value.line == first + 2


@pytest.mark.parametrize("closing", ['24"', '"24, flat"', '"a ""b"""'])
@pytest.mark.parametrize("second", [2, 30])
def test_however_the_quote_is_closed_in_the_end(closing: str, second: int) -> None:
    cells = rows(40)
    cells[1][4], cells[second][1] = '"15 inch', closing
    with pytest.raises(UnreadableFileError, match="line 3: cell 5"):
        tags(text(cells))


@pytest.mark.parametrize(
    "note",
    [
        "one line\nanother",
        "Dock, charger, bag\nMouse, keyboard, cable, lid, pen",
        "Moved to HQ, room 5\nBack, repaired\n\nLoaned, again",
        "call 1\ncall 2\ncall 3, 4, 5, 6, 7\ncall 8",
        'a 15" screen\r\nand a 24" one',
        "\nbegins with a blank line\n",
        "\n".join(f"log {number}" for number in range(900)),
    ],
)
@pytest.mark.parametrize("place", [1, 2, 4])
def test_a_note_of_many_lines_loads(note: str, place: int) -> None:
    cells = rows(300)
    cells[3][place] = cells[200][place] = note
    target = io.StringIO()
    csv.writer(target).writerows([HEADER.split(","), *cells])
    table = opened(target.getvalue())
    read = [list(one) for _line, one in table.rows]
    assert read == cells
    assert "2 rows go over several lines" in table.notes


# Too short for three lines as wide as the table.
_prose = st.text(st.sampled_from("ab 7,\n\"'."), max_size=14).map(lambda said: f"note {said}")


@given(st.lists(_prose, min_size=1, max_size=5))
def test_whatever_notes_say_they_load(notes: list[str]) -> None:
    cells = [[f"T{number}", "15", "HQ", "10.00", note] for number, note in enumerate(notes)]
    target = io.StringIO()
    csv.writer(target).writerows([HEADER.split(","), *cells])
    assert [list(one) for _line, one in opened(target.getvalue()).rows] == cells
