"""Rows read many at a time are what they are one by one: the same items, the same problems, the same order."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadworthy_inventory.importing import generic, ocs, own, plain, reading, snipe_it
from roadworthy_inventory.importing.fields import Format
from roadworthy_inventory.importing.items import read_items
from roadworthy_inventory.importing.problems import BadRow, ImportRefusedError
from roadworthy_inventory.importing.sums import pence, usual_pence

ON = dt.date(2026, 11, 1)
COLUMNS = {
    "tag": ["", "T1", "T2", "t2", " T3 ", "4.5E+12", "O'Neil", "'=1", "T\x07", "T\n4", "T" * 300, "\N{POUND SIGN}1"],
    "serial": ["", "S1", "S2", "0000", "S 3", "N/A"],
    "uuid": ["", "4c4c4544-0042-3510-8052-b4c04f4d3732", "none"],
    "macs": ["", "00:11:22:33:44:55", "00:00:00:00:00:00", "nonsense"],
    "kind": ["", "Laptop", "desktop", "a word of ours"],
    "lifecycle_state": ["", "In use", "ordered", "what"],
    "unit": ["", "Operations/Custody", "A / B"],
    "purchased": ["", "13/01/2024", "01/02/2024", "2024-02-30", "31/12/2099", "1970-01-01", "12/25/2023"],
    "purchase_cost_pence": ["", "\N{POUND SIGN}1,234.50", "12", "-3.20", "(4)", "1.234", "0", "\N{POUND SIGN}"],
    "warranty_start": ["", "15/01/2024", "2020-01-01"],
    "warranty_end": ["", "15/01/2027", "2019-01-01"],
    "warranty_months": ["", "36", "0", "Lifelong", "3 years", "13200"],
    "warranty_years": ["", "3", "18 months"],
    "planned_months": ["", "60", "14/05/2029", "0"],
    "bios_date": ["", "01/31/2023", "12/31/2098"],
    "disposed_on": ["", "14/03/2025", "2019-01-01"],
    "notes": ["", "plain", "two\nlines", "ask ann@example.org", "ring 020 7946 0000", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"],
    "model": ["", "M1", "\x1b[2J", "m" * 256, "\ufffd"],
}  # fmt: skip
NAMES = tuple(COLUMNS)


def form(fixed: dict[str, Any] | None = None) -> Format:
    lines = [f'"{name}" = "{plain.mapped_name(name)}"' for name in NAMES]
    found = generic.parse_mapping("[columns]\n" + "\n".join(lines), "m.toml").form
    return replace(found, fixed=fixed or {})


def body(rows: list[list[str]], encoding: str = "utf-8") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([NAMES, *rows])
    return out.getvalue().encode(encoding, "replace")


def come(data: bytes, form_: Format, **options: Any) -> tuple[Any, ...]:
    """Return all that can be seen of an import: rows, report, what was set aside, why it ended."""
    aside: list[BadRow] = []
    rows: list[Any] = []
    ended, report = None, None
    try:
        under_way = read_items(
            reading.open_table(io.BytesIO(data), "f.csv"), form_, on=ON, quarantine=aside.append, **options
        )
        for one in under_way:
            rows.append((*one, under_way.report().good))  # noqa: PERF401  # what came before it fails counts
        report = under_way.report()
    except ImportRefusedError as error:
        ended = (type(error), str(error))
    return rows, report, aside, ended


def same(data: bytes, form_: Format, **options: Any) -> tuple[Any, ...]:
    together = come(data, form_, **options)
    assert together == come(data, replace(form_, check_many=None), **options)
    return together


rows_of = st.lists(
    st.integers(0, 8).flatmap(
        # Most rows are as they should be, or nothing would be read in blocks.
        lambda odd: st.tuples(
            *(st.sampled_from(cells if odd == 0 else cells[:2]) for cells in COLUMNS.values())
        ).map(list)
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40)
@given(
    rows=rows_of,
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-8-sig"]),
    strict=st.booleans(),
    numbered=st.booleans(),
)
@example(rows=[["T1", *[""] * 17], ["t1", *[""] * 17]], encoding="utf-8", strict=False, numbered=False)
@example(rows=[["T1", "S1", *[""] * 16], ["", "S2"]], encoding="cp1252", strict=True, numbered=False)
def test_many_rows_at_a_time_are_what_they_are_one_by_one(
    *, rows: list[list[str]], encoding: str, strict: bool, numbered: bool
) -> None:
    if numbered:
        rows = [[f"N{number}", *row[1:]] for number, row in enumerate(rows)]
    same(body(rows, encoding), form(), strict=strict)
    same(body(rows, encoding), form({"kind": "monitor", "notes": "ring 020 7946 0000"}), most_rows=20)


@pytest.mark.parametrize("form_", [plain.PLAIN, own.REGISTER, ocs.COMPUTERS])
@settings(max_examples=20)
@given(rows_of)
def test_so_they_are_in_every_format_that_makes_items(form_: Format, rows: list[list[str]]) -> None:
    aliases = {column.field: column.aliases[0] for column in form_.columns}
    data = body(rows).split(b"\r\n", 1)
    header = ",".join(aliases.get(name, f"x{number}") for number, name in enumerate(NAMES))
    same(header.encode() + b"\r\n" + data[1], form_)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "Force"]),
            st.sampled_from(["", "Custody"]),
            st.sampled_from(["", "Deployed", "Ready to Deploy", "odd"]),
            st.sampled_from(["", "user"]),
        ),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(["Checkout Type", "Else"]),
    st.sampled_from(["Status", "State of it"]),
)
def test_so_are_units_and_check_outs_of_snipe_it(
    rows: list[tuple[str, ...]], checkout: str, status: str
) -> None:
    header = f"Asset Tag,Model,Purchase Date,Company,Department,{status},{checkout}\r\n"
    lines = [f"T{number},M,2024-01-01,{','.join(row)}\r\n" for number, row in enumerate(rows)]
    same((header + "".join(lines)).encode(), snipe_it.IMPORT)


def test_a_date_in_the_other_order_is_set_aside_where_a_column_has_one_order_only() -> None:
    header = "Asset tag,Lifecycle state,Usage profile,Purchase cost (GBP),Purchased,Firmware date"
    _rows, report, aside, ended = same(f"{header}\r\nT1,deployed,,,12/25/2023,\r\n".encode(), own.REGISTER)
    assert ended is None
    assert [bad.problems[0].code for bad in aside] == ["date_order"]
    assert report.quarantined == 1


def test_a_bad_row_among_a_thousand_is_the_only_one_set_aside() -> None:
    rows = [[f"T{number}", f"S{number}", *[""] * 16] for number in range(1500)]
    rows[700][7] = "yesterday"
    rows[701][3] = "nonsense"
    found, report, aside, ended = same(body(rows), form())
    assert ended is None
    assert len(found) == 1498
    assert [bad.line for bad in aside] == [702, 703]
    assert report.by_code == {"not_a_date": 1, "not_a_mac": 1}


def test_a_file_that_breaks_off_gives_the_rows_before_it_first() -> None:
    rows = [[f"T{number}", *[""] * 17] for number in range(30_000)]
    data = body(rows) + b'T,"' + b"x" * 2_000_000
    found, _report, _aside, ended = same(data, form())
    assert len(found) == 30_000
    assert ended is not None
    assert "30002" in ended[1]


def test_a_row_too_many_is_named_wherever_a_block_ends() -> None:
    rows = [[f"T{number}", *[""] * 17] for number in range(600)]
    assert same(body(rows), form(), most_rows=600)[3] is None
    assert "601" in same(body(rows), form(), most_rows=599)[3][1]


cells = st.lists(
    st.one_of(
        st.sampled_from(["", "\N{POUND SIGN}1,234.50", "-\N{POUND SIGN}0.50", "12", "1\n2", "1,23", "007", ".5", " 1"]),
        st.text("-0123456789,.\N{POUND SIGN}", max_size=9),
        st.integers(0, 10**11).map(lambda amount: f"{amount / 100:,.2f}"),
    ),
    max_size=12,
)  # fmt: skip


@given(cells)
def test_sums_read_together_are_what_each_is(said: list[str]) -> None:
    together = usual_pence(said)
    assert together is None or together == [None if cell == "" else pence(cell) for cell in said]


def test_usual_sums_are_read_together() -> None:
    assert usual_pence(["\N{POUND SIGN}1,234.50", "", "-3.20", "7"]) == [123450, None, -320, 700]
    assert usual_pence(["1,234.50", "12 CR"]) is None
    assert usual_pence(["1\n2", "3"]) is None
