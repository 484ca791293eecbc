"""Good rows come out, bad ones are set aside with line, column and reason, and come back corrected."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest
import xlsxwriter

from roadworthy_inventory.importing.formats import format_of, read_items
from roadworthy_inventory.importing.problems import (
    BadRow,
    DateOrderConflictError,
    Problem,
    StrictRefusedError,
    UnreadableFileError,
)
from roadworthy_inventory.importing.reading import open_table
from roadworthy_inventory.register import RegisterItem

ON = dt.date(2026, 11, 1)
HEADER = "Asset Tag,Model,Company,Serial,Purchase Date,Purchase Cost,Email"


def start(*rows: str, header: str = HEADER, **options: Any) -> Any:
    table = open_table(io.BytesIO("\n".join([header, *rows, ""]).encode()), "book.csv")
    return read_items(table, format_of(table), on=ON, **options)


def read(*rows: str, header: str = HEADER, **options: Any) -> tuple[list[RegisterItem], Any]:
    under_way = start(*rows, header=header, **options)
    return [item for _line, item in under_way], under_way.report()


@pytest.mark.parametrize(
    ("row", "column", "code", "value"),
    [
        ("A2,M,F,S2,31/02/2024,1,", "Purchase Date", "not_a_date", "31/02/2024"),
        ("A2,M,F,S2,2027-05-01,1,", "Purchase Date", "future_date", "2027-05-01"),
        ("A2,M,F,S2,2024-01-01,-5.00,", "Purchase Cost", "negative_cost", "-5.00"),
        ("A2,M,F,S2,2024-01-01,(5.00),", "Purchase Cost", "negative_cost", "-5.00"),
        ("A2,M,F,S2,2024-01-01,$5,", "Purchase Cost", "other_currency", "$5"),
        ("a1,M,F,S2,2024-01-01,5,", "Asset Tag", "duplicate_tag", "a1"),
        ("A2,M,F,4.5E+12,2024-01-01,5,", "Serial", "rounded", "4.5E+12"),
        (",M,F,,2024-01-01,5,", "Asset Tag", "no_identity", ""),
        (",M,F,To be filled by O.E.M.,,5,", "Serial", "no_identity", "To be filled by O.E.M."),
        (",M,F,0,,5,", "Serial", "no_identity", "0"),
        (",M,F,Default string,,5,", "Serial", "no_identity", "Default string"),
        ("A2,M,F,S2,2024-01-01,5,,", "", "long_row", ""),
        ("A2,M,F", "", "short_row", ""),
        (f"A2,{'m' * 300},F,S2,,,", "Model", "too_long", "m" * 59 + "\u2026"),
        ("A2,M\ufffd,F,S2,,,", "Model", "broken_bytes", "M\ufffd"),
        ("A2,M\0,F,S2,,,", "Model", "broken_bytes", "M "),
    ],
)
def test_a_bad_row_is_set_aside_with_line_column_and_reason(
    row: str, column: str, code: str, value: str
) -> None:
    aside: list[BadRow] = []
    extra = "x" if code == "long_row" else ""
    found, report = read("A1,M,F,S1,,,", row + extra, "A3,M,F,S3,,,", quarantine=aside.append)
    assert [item.tag for item in found] == ["A1", "A3"]
    assert (report.rows_read, report.good, report.quarantined, report.by_code) == (3, 2, 1, {code: 1})
    problem = report.problems[0]
    assert (problem.line, problem.column, problem.code, problem.value) == (3, column, code, value)
    assert aside[0].problems == (problem,)


def test_a_day_that_is_none_proves_no_order_and_takes_only_its_row() -> None:
    found, report = read("A1,M,F,S1,25/12/2024,1,", "A2,M,F,S2,02/30/2024,1,", "A3,M,F,S3,03/04/2024,1,")
    assert [item.purchased for item in found] == [dt.date(2024, 12, 25), dt.date(2024, 4, 3)]
    assert [(one.line, one.code, one.value) for one in report.problems] == [(3, "not_a_date", "02/30/2024")]


@pytest.mark.parametrize(("slips", "taken"), [(1, True), (2, False)])
def test_a_few_dates_the_other_way_round_are_set_aside(*, slips: int, taken: bool) -> None:
    rows = [f"A{at},M,F,S{at},{13 + at % 15}/{1 + at // 15:02}/2024,1," for at in range(30)]
    rows += [f"B{at},M,F,T{at},11/{20 + at}/2023,1," for at in range(slips)]
    if not taken:
        with pytest.raises(DateOrderConflictError, match=r"line 2 .* line 32 "):
            read(*rows)
        return
    found, report = read(*rows)
    assert len(found) == 30
    assert [(one.line, one.code) for one in report.problems] == [(32, "date_order")]


def test_people_in_free_text_are_blanked_and_counted() -> None:
    aside: list[BadRow] = []
    found, report = read(
        "A1,S1,ask Jane Doe jane.doe@x.gov.uk 07700900123,",
        "A2,S2,PO 4500012345 of 01-02-2024 10:00,",
        "A3,S3,ring (01632) 960 123 or +44 7700 900123,not a date",
        header="Asset Tag,Serial,Notes,Purchase Date",
        quarantine=aside.append,
    )
    assert [item.notes for item in found] == [
        "ask Jane Doe [removed] [removed]",
        "PO 4500012345 of 01-02-2024 10:00",
    ]
    assert report.warnings_by_code == {"contact_blanked": 2}
    assert "[removed]" in aside[0].cells[2]
    assert "7700" not in aside[0].cells[2]


@pytest.mark.parametrize("before", [0, 40_000], ids=["near the top", "far down"])
def test_letters_of_a_guessed_encoding_are_named_by_line_and_column(before: int) -> None:
    rows = b"".join(b"B%d,M,F,T%d,,,\n" % (number, number) for number in range(before))
    rows += b"A1,M,F,S1,,\xa35.00,\nA2,M,F,S\xff\xfe4,,,\n"
    table = open_table(io.BytesIO(HEADER.encode() + b"\n" + rows), "book.csv")
    under_way = read_items(table, format_of(table), on=ON)
    assert len(list(under_way)) == before + 2
    (told,) = under_way.report().warnings
    assert (told.line, told.column, told.code) == (before + 3, "Serial", "guessed_encoding")


def test_what_is_disposed_of_before_it_was_bought() -> None:
    header = "Serial number,Inventory number,Date of purchase,Decommission date,Start date of warranty,Warranty expiration date"
    _found, report = read("S1,T1,2024-05-01,2023-01-01,,", "S2,T2,,,2024-05-01,2023-05-01", header=header)
    assert [(problem.line, problem.column, problem.code) for problem in report.problems] == [
        (2, "Decommission date", "disposed_before_purchase"),
        (3, "Warranty expiration date", "ends_before_start"),
    ]


@pytest.mark.parametrize("serial", ["N/A", "123456", "System Serial Number", "0000"])
def test_a_placeholder_beside_something_that_names_the_item_is_no_matter(serial: str) -> None:
    for row in (
        f"A2,{serial},,",
        f",{serial},4c4c4544-0042-3510-8052-b4c04f4d3732,",
        f",{serial},,00:11:22:33:44:55",
    ):
        found, report = read(row, header="Asset tag,Serial number,UUID,MAC address")
        assert (len(found), report.quarantined) == (1, 0)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("A2,01/01/2024,01/01/2020,,", "warranty_before_purchase"),
        ("A2,01/01/2024,14-Oct-99,,", "warranty_before_purchase"),
        ("A2,01/01/2024,,deployed,01/05/2025", "disposed_and_in_use"),
        ("A2,01/01/2024,01/01/2027,disposed,01/05/2025", None),
        ("A2,01/01/2024,01/01/2024,,01/05/2025", None),
    ],
)
def test_dates_that_contradict_each_other_are_warned_of(row: str, code: str | None) -> None:
    header = "Asset tag,Purchase date,Warranty end,Lifecycle state,Disposal date"
    found, report = read(row, header=header)
    assert len(found) == 1
    assert report.warnings_by_code == ({code: 1} if code else {})


def test_a_formula_that_failed_is_no_serial_and_no_price() -> None:
    header = "Asset tag,Serial number,Model,Purchase date,Purchase cost"
    rows = ("A1,#N/A,M,,", "A2,S2,#REF!,#N/A,", "A3,S3,M,,#DIV/0!", "A4,S4,M,,#N/A", "A5,S5,#1 dock,,")
    found, report = read(*rows, header=header)
    assert [(item.tag, item.model) for item in found] == [("A2", None), ("A4", "M"), ("A5", "#1 dock")]
    said = [(one.line, one.column, one.code) for one in report.problems]
    assert said == [(2, "Serial number", "formula_error"), (4, "Purchase cost", "formula_error")]
    warned = [(one.line, one.column) for one in report.warnings]
    assert warned == [(3, "Model"), (3, "Purchase date"), (5, "Purchase cost")]


def test_tags_that_look_alike_are_one() -> None:
    rows = ("\u00c41,S1", "A\u03081,S2", "T1,S3", "T\u200b1,S4", "T1\u202e,S5", "t1,S6")
    for more in (0, 40):  # many at a time, and one by one
        filler = [f"F{number},X{number}" for number in range(more)]
        found, report = read(*filler, *rows, header="Asset tag,Serial number")
        assert [item.tag for item in found][more:] == ["\u00c41", "T1"]
        codes = [(one.line - more, one.code) for one in report.problems]
        assert codes == [(3, "duplicate_tag"), (5, "invisible"), (6, "invisible"), (7, "duplicate_tag")]


def test_what_is_on_order_may_be_bought_in_the_future() -> None:
    header = "Asset Tag,Model,Company,Purchase Date,Status"
    found, _report = read("A1,M,F,2027-01-01,On order", "A2,M,F,2027-01-01,Deployed", header=header)
    assert [item.tag for item in found] == ["A1"]


def test_every_problem_of_a_row_is_told() -> None:
    _found, report = read("A1,M,F,S1,soon,much,")
    assert [problem.column for problem in report.problems] == ["Purchase Date", "Purchase Cost"]


def test_blank_rows_are_no_rows() -> None:
    found, report = read("A1,M,F,S1,,,", ",,,,,,", "", "A2,M,F,S2,,,")
    assert (len(found), report.rows_read) == (2, 2)


def test_short_rows_without_people_are_kept_with_a_warning() -> None:
    found, report = read("A1,M,F", "A2,M,F,2024-01-01", header="Asset Tag,Model,Company,Purchase Date")
    assert [item.tag for item in found] == ["A1", "A2"]
    assert report.warnings[0] == Problem(
        2, "", "short_row", "has 3 cells, the header 4; the rest is missing", quarantines=False
    )


def test_rows_that_all_end_with_a_delimiter_are_no_problem() -> None:
    found, report = read("A1,M,F,S1,,,,", "A2,M,F,S2,,,,")
    assert (len(found), report.warnings) == (2, ())
    found, report = read("A1,M,F,S1,,", "A2,M,F,S2,,")
    assert (len(found), report.warnings) == (2, ())


# --- the order of dates ---


def bought(*dates: str, **options: Any) -> tuple[list[dt.date | None], Any]:
    rows = [f"A{number},M,F,S,{day},," for number, day in enumerate(dates)]
    found, report = read(*rows, **options)
    return [item.purchased for item in found], report


def test_dates_are_day_first_unless_told_or_proved() -> None:
    assert bought("01/02/2024")[0] == [dt.date(2024, 2, 1)]
    assert bought("01/02/2024", date_order="month first")[0] == [dt.date(2024, 1, 2)]
    days, report = bought("01/02/2024", "01/25/2024", "2024-03-04")
    assert days == [dt.date(2024, 1, 2), dt.date(2024, 1, 25), dt.date(2024, 3, 4)]
    assert "dates in 'Purchase Date' are month first: line 3 can be nothing else" in report.notes


def test_a_column_that_proves_both_is_an_error_naming_both_lines() -> None:
    with pytest.raises(DateOrderConflictError) as told:
        bought("01/02/2024", "25/01/2024", "01/25/2024")
    assert str(told.value) == (
        "book.csv: line 4: column Purchase Date: line 3 is a date only when read day first, line 4 only when read "
        "month first; correct the one that is wrong, or say the order of dates"
    )


def test_when_told_the_other_order_is_a_bad_row() -> None:
    days, report = bought("25/01/2024", "01/25/2024", date_order="day first")
    assert days == [dt.date(2024, 1, 25)]
    assert report.by_code == {"date_order": 1}


def test_a_proof_after_the_rows_looked_at_is_an_error_too() -> None:
    rows = [f"A{number},M,F,S,01/02/2024,," for number in range(20_001)]
    with pytest.raises(
        DateOrderConflictError, match=r"dates above were read day first, .*line 20003 can only"
    ):
        read(*rows, "B,M,F,S,01/25/2024,,")


def test_a_column_without_proof_follows_the_others() -> None:
    header = "Asset Tag,Model,Company,Purchase Date,Asset EOL Date"
    found, report = read("A1,M,F,01/25/2024,02/01/2028", header=header)
    assert found[0].planned_end == dt.date(2028, 2, 1)
    assert "dates in 'Asset EOL Date' are month first, for nothing says otherwise" in report.notes


# --- all or nothing ---


def test_strict_is_all_or_nothing_and_looks_at_the_whole_file() -> None:
    under_way = start("A1,M,F,S1,,,", "A2,M,F,S2,soon,,", "A3,M,F,S3,,,", "A4,M,F,S4,,x,", strict=True)
    came: list[int] = []
    with pytest.raises(
        StrictRefusedError, match=r"book\.csv: line 3: column Purchase Date: 2 of 4 rows are bad"
    ) as told:
        came.extend(line for line, _item in under_way)
    assert came == [2]
    assert [problem.line for problem in told.value.report.problems] == [3, 5]


def test_strict_names_the_first_twenty_bad_rows() -> None:
    rows = [f"A{number},M,F,S{number},31/02/2024,," for number in range(25)]
    with pytest.raises(StrictRefusedError) as refused:
        read(*rows, strict=True)
    first, *lines = str(refused.value).splitlines()
    assert "line 2: column Purchase Date: 25 of 25 rows are bad" in first
    assert (
        lines[0]
        == "  line 3, column Purchase Date: is no day of the calendar; write it as 2025-10-14 (31/02/2024)"
    )
    assert (len(lines), lines[-1]) == (20, "  and 5 more")


def test_strict_with_warnings_only_is_fine() -> None:
    header = "Asset Tag,Model,Company,Purchase Date,Status"
    found, report = read("A1,M,F,2024-01-01,Elsewhere", header=header, strict=True)
    assert (len(found), report.warnings_by_code) == (1, {"unknown_word": 1})


def test_no_register_is_a_million_rows_long() -> None:
    rows = [f"A{number},M,F,S,,," for number in range(5)]
    assert len(read(*rows, most_rows=5)[0]) == 5
    with pytest.raises(UnreadableFileError, match=r"line 6: has more than 4 rows; split it"):
        read(*rows, most_rows=4)


# --- the correction file ---


def correction(under_way: Any, aside: list[BadRow]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(under_way.correction_header)
    writer.writerows(under_way.correction_row(bad) for bad in aside)
    return out.getvalue()


def test_the_correction_file_has_the_bad_rows_and_why() -> None:
    aside: list[BadRow] = []
    under_way = start(
        "A1,=M,F,S1,01/25/2024,much,x@example.org",
        "A2,M,F,S2,01/02/2024,5,",
        "A3,'M,F,S3,01/02/2024,1e9,",
        quarantine=aside.append,
    )
    assert len(list(under_way)) == 1
    rows = list(csv.reader(io.StringIO(correction(under_way, aside))))
    assert rows == [
        [
            "Asset Tag",
            "Model",
            "Company",
            "Serial",
            "Purchase Date",
            "Purchase Cost",
            "Line",
            "Column",
            "Reason",
        ],
        ["A1", "'=M", "F", "S1", "2024-01-25", "much", "2", "Purchase Cost", rows[1][8]],
        ["A3", "''M", "F", "S3", "2024-01-02", "1e9", "4", "Purchase Cost", rows[2][8]],
    ]
    assert rows[1][8] == "Purchase Cost is no sum of money; write it as 1234.56"


def test_a_corrected_file_imports_as_if_it_had_been_right() -> None:
    aside: list[BadRow] = []
    rows = ["A1,=M,F,S1,01/25/2024,{},", "A2,M,F,S2,01/02/2024,5,", "A3,'M,F,S3,01/02/2024,{},"]
    under_way = start(*(row.format("much") for row in rows), quarantine=aside.append)
    good = [item for _line, item in under_way]
    text = correction(under_way, aside).replace("much", "7.00")
    table = open_table(io.BytesIO(text.encode()), "corrected.csv")
    again = read_items(table, format_of(table), on=ON)
    good += [item for _line, item in again]
    right, _report = read(*(row.format("7.00") for row in rows))
    assert sorted(good, key=lambda item: item.tag or "") == right


def test_uncorrected_rows_come_back_with_the_same_reasons() -> None:
    aside: list[BadRow] = []
    under_way = start("A1,M,F,S1,soon,much,", quarantine=aside.append)
    assert list(under_way) == []
    text = correction(under_way, aside)
    again: list[BadRow] = []
    table = open_table(io.BytesIO(text.encode()), "corrected.csv")
    second = read_items(table, format_of(table), on=ON, quarantine=again.append)
    assert list(second) == []
    assert correction(second, again) == text


def test_a_workbook_reads_as_the_text_would() -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet, days = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy"})
    sheet.write_row(
        0, 0, ["Asset Tag", "Model", "Company", "Serial", "Purchase Date", "Purchase Cost", "Warranty"]
    )
    sheet.write_row(1, 0, [1234, "M", "F", 5678901, None, 1200.5, 36])
    sheet.write_datetime(1, 4, dt.date(2024, 3, 1), days)
    sheet.write_row(2, 0, ["A2", "M", "F", 5.02e18, 45352, -1, None])
    book.close()
    aside: list[BadRow] = []
    table = open_table(io.BytesIO(out.getvalue()), "book.xlsx")
    under_way = read_items(table, format_of(table), on=ON, quarantine=aside.append)
    assert [item for _line, item in under_way] == [
        RegisterItem(
            tag="1234",
            serial="5678901",
            model="M",
            unit="F",
            purchased=dt.date(2024, 3, 1),
            purchase_cost_pence=120050,
            warranty_start=dt.date(2024, 3, 1),
            warranty_end=dt.date(2027, 2, 28),
        )
    ]
    assert under_way.report().by_code == {"rounded": 1, "negative_cost": 1}
    assert under_way.correction_row(aside[0])[4] == "2024-03-01"


def test_five_thousand_rows_with_a_bad_one_in_ten() -> None:
    rows = [
        f"A{number},M{number % 7},F,S{number},0{1 + number % 9}/02/2024,{'x' if number % 10 == 0 else number},"
        for number in range(5000)
    ]
    found, report = read(*rows)
    assert (len(found), report.quarantined, report.by_code) == (4500, 500, {"not_money": 500})
    assert sum(item.purchase_cost_pence or 0 for item in found) == sum(n * 100 for n in range(5000) if n % 10)
