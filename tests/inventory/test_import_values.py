"""Cells become values, and nothing is guessed in silence."""

from __future__ import annotations

import datetime as dt
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadworthy_inventory.importing import values
from roadworthy_inventory.importing.problems import CellError, neutralised, restored, shortened

CHRISTMAS = dt.date(2023, 12, 25)


@pytest.mark.parametrize(
    "cell",
    [
        *("2023-12-25", "2023-12-25T10:11:12Z", "2023-12-25 10:11:12.0000000", "2023/12/25", "20231225"),
        *(
            "25/12/2023",
            "25.12.2023",
            "25-12-23",
            "25/12/23 09:00",
            "25 Dec 2023",
            "25-Dec-23",
            "25th December 2023",
        ),
        *("Mon, 25 Dec 2023", "December 25, 2023", "Dec 25 2023", "45285", "45285.5", 45285, 45285.0),
        *(dt.date(2023, 12, 25), dt.datetime.fromisoformat("2023-12-25T09:30"), " 25/12/2023 "),
    ],
)
def test_dates_day_first(cell: values.Cell) -> None:
    assert values.date(cell) == CHRISTMAS


@pytest.mark.parametrize(
    "cell", ["12/25/2023", "12/25/23", "12/25/2023 9:22:10 AM", "2023-12-25", "25 Dec 2023"]
)
def test_dates_month_first(cell: str) -> None:
    assert values.date(cell, "month first") == CHRISTMAS


@pytest.mark.parametrize(
    "cell",
    [
        "",
        " ",
        "-",
        "N/A",
        "0",
        "0000-00-00",
        "0001-01-01T00:00:00Z",
        "1/1/0001 12:00:00 AM",
        "01/01/1900",
        "1970-01-01",
    ],
)
def test_never_is_missing(cell: str) -> None:
    assert values.date(cell) is None


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *(
            (text, "not_a_date")
            for text in ("soon", "31/02/2023", "2023-02-30", "12/2023", "25 Juin 2023", "99999")
        ),
        *(
            (text, "not_a_date")
            for text in ("25/12/1899", "2023-13-01", "31/31/2023", "25-12/2023", "\u0662\u0665/12/2023")
        ),
        ("12/25/2023", "date_order"),
        (True, "not_a_date"),
    ],
)
def test_what_is_no_date(cell: values.Cell, code: str) -> None:
    with pytest.raises(CellError) as told:
        values.date(cell)
    assert told.value.code == code


def test_two_digit_years_turn_at_seventy() -> None:
    assert values.date("01/02/69") == dt.date(2069, 2, 1)
    assert values.date("01/02/70") == dt.date(1970, 2, 1)


@given(st.dates(dt.date(1971, 1, 1), dt.date(2149, 12, 31)))
def test_every_way_to_write_a_day_is_read_back(day: dt.date) -> None:
    assert values.date(day.isoformat()) == day
    assert values.date(f"{day:%d/%m/%Y}") == day
    assert values.date(f"{day:%m/%d/%Y}", "month first") == day
    assert values.date(f"{day:%d %b %Y}") == day
    assert values.date(str((day - dt.date(1899, 12, 30)).days)) == day
    proof = values.proves(f"{day:%d/%m/%Y}")
    assert proof == ("day first" if day.day > 12 else None)


@pytest.mark.parametrize(
    ("cell", "pence"),
    [
        *(("1234.56", 123456), ("\u00a31,234.56", 123456), ("GBP 1,234.56", 123456), ("1 234.56", 123456)),
        *(("1234", 123400), ("1234.5", 123450), (".5", 50), ("0", 0), ("0.00", 0), ("+12.00", 1200)),
        *(("(1,234.56)", -123456), ("1234.56-", -123456), ("-\u00a31234.56", -123456), ("\u00a3-5", -500)),
        *(
            ("\u22125.00", -500),
            ("12.00 CR", -1200),
            ("12.00CR", -1200),
            ("CR 12.00", -1200),
            ("12.00 DR", 1200),
        ),
        *(
            ("(\u00a35.00)", -500),
            ("\u00a3(5.00)", -500),
            ("12.3400", 1234),
            ("1,234.5000", 123450),
            (12.5, 1250),
        ),
        *((1234, 123400), (-0.29, -29), (1.005, 101), (" 7 ", 700)),
    ],
)
def test_money(cell: values.Cell, pence: int) -> None:
    assert values.pence(cell) == pence


@pytest.mark.parametrize(
    ("cell", "code", "says"),
    [
        ("$12.00", "other_currency", "dollars"),
        ("12.00 EUR", "other_currency", "EUR"),
        ("\u20ac12,50", "other_currency", "euros"),
        ("1.234,56", "not_money", "decimal comma"),
        ("1.234", "not_money", "is it 1,234 or 1.23?"),
        ("\u00a31.000", "not_money", "is it 1,000 or 1.00?"),
        ("-12.345", "not_money", "is it 12,345 or 12.34?"),
        ("1,234.567", "not_money", "more than two decimals"),
        ("12.3450", "not_money", "12.34 with the rest rounded away"),
        ("12,34", "not_money", "decimal comma"),
        ("-(5.00)", "not_money", "no sum"),
        ("(5.00) CR", "not_money", "two signs"),
        ("1,23,456.00", "not_money", "no sum"),
        ("POA", "not_money", "no sum"),
        ("--5", "not_money", "no sum"),
        ("1e9", "not_money", "no sum"),
        ("9" * 20, "not_money", "IT estate"),
        (float("nan"), "not_money", "IT estate"),
        (float("inf"), "not_money", "IT estate"),
        (True, "not_money", "no sum"),
        (dt.date(2024, 1, 1), "not_money", "no sum"),
        ("\u0661\u0662", "not_money", "no sum"),
    ],
)
def test_what_is_no_money(cell: values.Cell, code: str, says: str) -> None:
    with pytest.raises(CellError, match=says) as told:
        values.pence(cell)
    assert told.value.code == code


@pytest.mark.parametrize("cell", ["", "-", "n/a", "nil", " "])
def test_no_money_is_missing_and_not_zero(cell: str) -> None:
    assert values.pence(cell) is None


@given(st.integers(-(10**12), 10**12))
def test_pence_come_back_however_written(pence: int) -> None:
    plain = values.pounds(pence)
    grouped = f"{abs(pence) // 100:,}.{abs(pence) % 100:02}"
    assert values.pence(plain) == pence
    assert values.pence(f"\N{POUND SIGN}{grouped}") == abs(pence)
    assert values.pence(f"({grouped})") == -abs(pence)
    assert values.pence(f"{grouped} CR") == -abs(pence)


@pytest.mark.parametrize(
    ("cell", "months"),
    [
        *(("3 years", 36), ("36", 36), ("36 months", 36), (36.0, 36), ("3yrs", 36), ("1 year 6 months", 18)),
        *(
            ("1 year, 6 months", 18),
            ("2.5 years", 30),
            ("Lifelong", -1),
            ("lifetime", -1),
            ("-1", -1),
            ("", None),
        ),
        *(("0", 0), ("12 mths", 12)),
    ],
)
def test_lengths_of_time(cell: values.Cell, months: int | None) -> None:
    assert values.months(cell) == months


@pytest.mark.parametrize("cell", ["3 weeks", "three", "0.3 months", "-5", "99999", "1e3"])
def test_what_is_no_length_of_time(cell: str) -> None:
    with pytest.raises(CellError):
        values.months(cell)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        (dt.date(2024, 3, 1), 36, dt.date(2027, 2, 28)),
        (dt.date(2024, 1, 31), 1, dt.date(2024, 2, 29)),
        (dt.date(2023, 1, 31), 1, dt.date(2023, 2, 28)),
        (dt.date(2024, 2, 29), 12, dt.date(2025, 2, 28)),
        (dt.date(2024, 5, 15), 12, dt.date(2025, 5, 14)),
    ],
)
def test_the_last_day_of_a_length(start: dt.date, count: int, end: dt.date) -> None:
    assert values.add_months(start, count) == end


@given(st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)), st.integers(1, 240))
def test_a_month_more_never_ends_earlier(start: dt.date, count: int) -> None:
    assert start <= values.add_months(start, count) < values.add_months(start, count + 1)


@pytest.mark.parametrize(
    ("cell", "macs"),
    [
        ("AA-BB-CC-DD-EE-FF", ("aa:bb:cc:dd:ee:ff",)),
        ("aabb.ccdd.eeff", ("aa:bb:cc:dd:ee:ff",)),
        ("AABBCCDDEEFF; 00:11:22:33:44:55", ("aa:bb:cc:dd:ee:ff", "00:11:22:33:44:55")),
        ("aa bb cc dd ee ff", ("aa:bb:cc:dd:ee:ff",)),
        ("AABBCCDDEEFF aabbccddeeff", ("aa:bb:cc:dd:ee:ff",)),
        *((text, ()) for text in ("", "N/A", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")),
    ],
)
def test_hardware_addresses(cell: str, macs: tuple[str, ...]) -> None:
    assert values.macs(cell) == macs


@pytest.mark.parametrize("cell", ["AA-BB-CC", "gg:bb:cc:dd:ee:ff", "laptop"])
def test_what_is_no_hardware_address(cell: str) -> None:
    with pytest.raises(CellError, match="hardware address"):
        values.macs(cell)


def test_yes_and_no() -> None:
    assert [values.yes_or_no(cell) for cell in ("Yes", "TRUE", "1", True, 1.0)] == [True] * 5
    assert [values.yes_or_no(cell) for cell in ("no", "False", "0", False)] == [False] * 4
    assert values.yes_or_no("") is None
    with pytest.raises(CellError):
        values.yes_or_no("perhaps")


def test_whole_numbers() -> None:
    assert [values.whole(cell) for cell in ("1,234", "12.0", "-3", 7.0, "", "N/A")] == [
        1234,
        12,
        -3,
        7,
        None,
        None,
    ]
    for cell in ("1.5", "12,34", "one", "1e3"):
        with pytest.raises(CellError):
            values.whole(cell)


@pytest.mark.parametrize("cell", ["-1", "-2", "2147483647", -1.0, "-1.0", "", "2.147483647E9"])
def test_sentinels_are_no_measure(cell: values.Cell) -> None:
    assert values.measure(cell) is None


def test_measures() -> None:
    assert values.measure("45") == 45.0
    assert values.measure("0") == 0.0
    with pytest.raises(CellError, match="negative"):
        values.measure("-3")
    with pytest.raises(CellError):
        values.measure("fast")


def test_a_decimal_comma_is_no_thousand() -> None:
    assert values.measure("1,234,567.5") == 1234567.5
    assert values.measure("1,500") == 1500.0
    assert [values.weight(cell) for cell in ("2.5", "1.500", "1,234.5", 2.4, "", "n/a")] == [
        2.5,
        1.5,
        1234.5,
        2.4,
        None,
        None,
    ]
    for cell in ("1,5", "2,45", "12,34", "0,7"):
        for read in (values.measure, values.weight):
            with pytest.raises(CellError, match="decimal comma"):
                read(cell)
    with pytest.raises(CellError, match=r"1\.500 or 1500"):
        values.weight("1,500")


@pytest.mark.parametrize("cell", ["-1", "-2", -1.0, "-0.5"])
def test_what_is_none_in_endpoint_analytics_is_no_weight(cell: values.Cell) -> None:
    with pytest.raises(CellError, match="negative"):
        values.weight(cell)


@pytest.mark.parametrize("cell", ["4.5473E+12", "5.02e+18", 5.02e18])
def test_serials_a_spreadsheet_rounded_are_refused(cell: values.Cell) -> None:
    with pytest.raises(CellError, match="rounded"):
        values.key(cell)


def test_keys_and_texts() -> None:
    assert values.key(1234567.0) == "1234567"
    assert values.key(" 00123 ") == "00123"
    assert values.text("  ") is None
    with pytest.raises(CellError, match="256 characters"):
        values.text("x" * 256)


def is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" and letter not in "\t\r\n"


@given(st.text() | st.sampled_from(["=1+1", "'=1", "''", "-5", "@x", "\tx", "\x1b[31m", "a\x9bb"]))
@example("'abc")
def test_neutralised_texts_come_back(text: str) -> None:
    safe = neutralised(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    shown = "".join("\ufffd" if is_control(letter) else letter for letter in text)
    assert restored(safe) == shown
    assert neutralised(shown) == safe


def test_values_in_messages_are_short_and_printable() -> None:
    assert shortened("a\x1b[31m\nb") == "a [31m b"
    assert len(shortened("x" * 10_000)) == 60


CELLS = (
    st.text()
    | st.floats()
    | st.integers()
    | st.booleans()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
)


@given(CELLS)
def test_no_cell_breaks_a_reader(cell: values.Cell) -> None:
    readers = (
        values.text,
        values.key,
        values.notes,
        values.date,
        values.iso_date,
        values.bios_date,
        values.pence,
    )
    for read in (*readers, values.whole, values.measure, values.months, values.yes_or_no, values.macs):
        code = "fine"
        try:
            read(cell)
        except CellError as error:
            code = error.code
        assert code.isidentifier()
