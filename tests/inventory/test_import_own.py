"""What the register exports imports again unchanged."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import replace

import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy_inventory.importing import own
from roadworthy_inventory.importing.formats import format_of, read_items
from roadworthy_inventory.importing.reading import open_table
from roadworthy_inventory.register import FIELDS, ITEM_KINDS, LIFECYCLE_STATES, USAGE_PROFILES, RegisterItem

ON = dt.date(2026, 11, 1)
# What no import takes: control characters, but for tabs and line ends.
CONTROL = "".join(chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\r\n")
LETTERS = st.characters(codec="utf-8", exclude_characters=f"{CONTROL}\ufffd")
# As the register holds texts: not empty, no spaces around them; anything else goes, formulas too.
TEXT = st.text(LETTERS, min_size=1, max_size=20).map(str.strip).filter(bool) | st.sampled_from(
    [
        "=1+1",
        "'=1",
        "''",
        "-5",
        "@SUM(A1)",
        "+44",
        "'quoted'",
        "a,b;c|d",
        'say "x"',
        "two\r\nlines",
        "1.50E+12",
        "25/12/2023",
    ]
)
NAME = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)
DAY = st.dates(dt.date(1990, 1, 1), dt.date(2026, 10, 31))
MAC = (
    st.binary(min_size=6, max_size=6)
    .filter(lambda raw: raw not in {bytes(6), b"\xff" * 6})
    .map(lambda raw: raw.hex(":"))
)


@st.composite
def items(draw: st.DrawFn, number: int) -> RegisterItem:
    """Return an item the register can hold: its dates are in an order that can be."""
    days = [
        day if keep else None
        for day, keep in zip(
            sorted(draw(st.lists(DAY, min_size=4, max_size=4))),
            draw(st.lists(st.booleans(), min_size=4, max_size=4)),
            strict=True,
        )
    ]
    texts = {
        name: draw(st.none() | TEXT)
        for name in (
            *("serial", "uuid", "manufacturer", "model", "model_number", "cost_centre", "command", "site"),
            *(
                "legal_owner",
                "supplier",
                "order_number",
                "system",
                "warranty_level",
                "os_name",
                "os_version",
                "notes",
            ),
        )
    }
    return RegisterItem(
        **texts,
        tag=f"{draw(TEXT)} {number}",
        macs=tuple(dict.fromkeys(draw(st.lists(MAC, max_size=3)))),
        kind=draw(st.sampled_from(ITEM_KINDS)),
        lifecycle_state=draw(st.sampled_from((*LIFECYCLE_STATES, "unknown"))),
        usage_profile=draw(st.sampled_from(USAGE_PROFILES)),
        unit=draw(st.none() | st.lists(NAME, min_size=1, max_size=4).map(" / ".join)),
        purchased=days[0],
        purchase_cost_pence=draw(st.none() | st.integers(0, 10**9)),
        warranty_start=days[1],
        warranty_end=days[2],
        planned_end=days[3],
        disposed_on=days[3],
        lease_end=draw(st.none() | DAY),
        last_seen=draw(st.none() | DAY),
        bios_date=draw(st.none() | DAY),
    )


REGISTERS = st.integers(1, 6).flatmap(lambda count: st.tuples(*(items(number) for number in range(count))))


def exported(register: tuple[RegisterItem, ...]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(own.export_header())
    writer.writerows(own.export_row(item) for item in register)
    return out.getvalue().encode()


def imported(body: bytes, name: str = "register.csv") -> tuple[RegisterItem, ...]:
    table = open_table(io.BytesIO(body), name)
    under_way = read_items(table, format_of(table), on=ON, strict=True)
    assert under_way.format is own.REGISTER
    return tuple(item for _line, item in under_way)


@settings(max_examples=40)  # each a whole register
@given(REGISTERS)
def test_what_is_exported_imports_unchanged(register: tuple[RegisterItem, ...]) -> None:
    assert imported(exported(register)) == register


@settings(max_examples=40)  # each a whole register
@given(REGISTERS)
def test_no_cell_of_an_export_is_a_formula(register: tuple[RegisterItem, ...]) -> None:
    for item in register:
        for cell in own.export_row(item):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_workbook_of_the_export_imports_unchanged_with_marking_and_coverage_above_it() -> None:
    item = RegisterItem(
        tag="=A1", macs=("aa:bb:cc:dd:ee:ff",), purchased=dt.date(2024, 3, 1), purchase_cost_pence=120050
    )
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write(0, 0, "OFFICIAL")
    sheet.write_row(1, 0, ["As at", "2026-11-01"])
    sheet.write_row(3, 0, own.export_header())
    sheet.write_row(4, 0, own.export_row(item))
    book.close()
    assert imported(out.getvalue(), "register.xlsx") == (replace(item),)


def test_every_field_is_exported() -> None:
    assert tuple(name for name, _title, _kind in own.COLUMNS) == FIELDS
    assert len(set(own.export_header())) == len(FIELDS)
