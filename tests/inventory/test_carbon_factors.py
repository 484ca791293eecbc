"""Factors: what is held and what is missing, the two rules for a year from April, and the official file confirmed."""

from __future__ import annotations

import io
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory import tables
from roadworthy_inventory.carbon import factor_file
from roadworthy_inventory.carbon.factor_rules import RULES, days_by_year, resolve, set_name, weights
from roadworthy_inventory.carbon.factors import ITEMS, factor_book, parse_factors
from roadworthy_inventory.carbon.quantities import (
    CarbonError,
    Co2,
    Co2e,
    FactorFileError,
    MissingFactorError,
    QuantityError,
    YearError,
    half_up,
    kwh,
    parse_kwh,
)
from roadworthy_inventory.carbon.years import parse_year, require_begun, year_days

BOOK = factor_book()
DAYS = st.dates(date(2010, 1, 1), date(2026, 12, 31))


def test_every_set_has_a_row_for_every_item_and_names_its_source() -> None:
    for year in range(2010, 2027):
        for item in ITEMS:
            row = BOOK.of(year, item)
            assert row.source.startswith("https://")
            assert row.note or row.status == "published"
            assert (row.value is None) == (row.status == "missing")


@pytest.mark.parametrize(
    ("year", "co2e", "co2", "losses"),
    [
        (2010, "0.48531", "0.48219", "0.03908"),
        (2016, "0.41205", "0.40957", "0.03727"),
        (2024, "0.20705", "0.20493", "0.01830"),
        (2025, "0.17700", "0.17489", "0.01853"),
    ],
)
def test_factors_are_those_published(year: int, co2e: str, co2: str, losses: str) -> None:
    assert BOOK.of(year, "generation").value == Decimal(co2e)
    assert BOOK.of(year, "generation", "kgCO2/kWh").value == Decimal(co2)
    assert BOOK.of(year, "transmission_distribution").value == Decimal(losses)


def test_what_was_only_seen_second_hand_is_provisional() -> None:
    assert BOOK.of(2026, "generation").status == "provisional"
    assert resolve(BOOK, "generation", *year_days(2025), "blended").provisional
    assert not resolve(BOOK, "generation", *year_days(2025), "majority").provisional


def test_a_five_year_average_is_another_basis() -> None:
    assert BOOK.of(2011, "generation", basis="five_year_average").value == Decimal("0.48644")
    with pytest.raises(MissingFactorError, match="five_year_average"):
        BOOK.of(2016, "generation", basis="five_year_average")


def test_a_missing_factor_is_never_another_years() -> None:
    row = BOOK.of(2024, "wtt_generation")
    with pytest.raises(MissingFactorError, match=r"factor set 2024 has no .*well-to-tank.*condensed set"):
        _ = row.exact
    blended = resolve(BOOK, "wtt_generation", *year_days(2024), "blended")
    assert blended.value is None
    assert "2024" in (blended.reason or "")
    with pytest.raises(MissingFactorError, match="no factor set 2027: the sets here are 2010 to 2026"):
        BOOK.of(2027, "generation")


def test_the_majority_of_a_financial_year_is_the_year_it_begins_in() -> None:
    for began in range(2010, 2026):
        assert [one.set_year for one in weights(*year_days(began), "majority")] == [began]
    found = resolve(BOOK, "generation", *year_days(2024), "majority")
    assert (found.value, set_name(found)) == (Fraction("0.20705"), "2024 v1.1")


def test_a_blend_is_by_days_as_the_published_example_counts_them() -> None:
    first = date(2020, 5, 24) - timedelta(days=364)
    assert [(one.set_year, one.days) for one in days_by_year(first, date(2020, 5, 24))] == [
        (2019, 220),
        (2020, 145),
    ]
    found = resolve(BOOK, "generation", first, date(2020, 5, 24), "blended")
    assert found.value == (220 * Fraction("0.25560") + 145 * Fraction("0.23314")) / 365


def test_a_leap_day_counts() -> None:
    assert [one.days for one in days_by_year(*year_days(2023))] == [275, 91]
    assert [one.days for one in days_by_year(*year_days(2024))] == [275, 90]
    assert (
        set_name(resolve(BOOK, "generation", *year_days(2024), "blended"))
        == "2024 v1.1 (275 days) and 2025 v1 (90 days)"
    )


@given(first=DAYS, length=st.integers(0, 800))
def test_weights_cover_every_day_once(first: date, length: int) -> None:
    last = first + timedelta(days=length)
    for rule in RULES:
        assert sum(one.days for one in weights(first, last, rule)) == length + 1


@given(first=st.dates(date(2010, 1, 1), date(2024, 12, 31)), length=st.integers(0, 400))
def test_a_blend_lies_between_its_sets(first: date, length: int) -> None:
    found = resolve(BOOK, "generation", first, first + timedelta(days=length), "blended")
    values = [row.exact for _, row in found.parts]
    assert min(values) <= found.require() <= max(values)


def test_a_year_that_ends_before_it_begins_is_none() -> None:
    with pytest.raises(YearError, match="cannot end"):
        days_by_year(date(2024, 4, 1), date(2024, 3, 31))


def test_co2_and_co2e_cannot_be_added() -> None:
    one: Any = Co2(Fraction(1))
    with pytest.raises(TypeError, match="CO2 and CO2e cannot be added"):
        _ = one + Co2e(Fraction(1))
    with pytest.raises(TypeError):
        _ = one - Co2e(Fraction(1))
    assert (one + Co2(Fraction(2))).tonnes == Fraction(3, 1000)
    assert one != Co2e(Fraction(1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6000000", 6_000_000),
        ("1,234.5", Fraction("1234.5")),
        ("1.2 MWh", 1200),
        ("3GWh", 3_000_000),
        ("5e3", 5000),
        ("0", 0),
        ("0e999999999", 0),
        (" 7 kwh ", 7),
    ],
)
def test_energy_is_read_as_people_write_it(text: str, expected: Fraction) -> None:
    assert parse_kwh(text, "x") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1e400", "more than 10,000,000,000,000 kWh"),
        ("1e999999999", "more than"),
        ("nan", "no amount"),
        ("Infinity", "no amount"),
        ("-5", "negative"),
        ("-1e400", "negative"),
        ("12 MJ", "'MJ' is an unknown unit; use kWh, MWh or GWh"),
        ("5 therms", "unknown unit"),
        ("", "no amount"),
        ("MWh", "no amount"),
        ("1,23", "no amount"),
        ("1.5.2", "no amount"),
        ("1e-30", "decimal places"),
        ("9" * 41, "no amount"),
        ("١٢", "no amount"),  # digits of another script
    ],
)
def test_what_is_no_amount_of_energy_is_named(text: str, says: str) -> None:
    with pytest.raises(QuantityError, match=says) as caught:
        parse_kwh(text, "electricity-kwh")
    assert str(caught.value).startswith("electricity-kwh: ")


@pytest.mark.parametrize(
    "number", [Decimal("NaN"), Decimal("Infinity"), Decimal(-1), -1, 10**14, Fraction(-1, 3)]
)
def test_a_number_is_checked_as_a_text_is(number: Any) -> None:
    with pytest.raises(QuantityError):
        kwh(number, "x")


@given(st.text(max_size=50))
def test_any_text_is_an_amount_or_a_named_error(text: str) -> None:
    try:
        found = parse_kwh(text, "x")
    except QuantityError:
        return  # any other exception fails the test
    assert found >= 0


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_halves_round_away_from_nought(number: int, places: int) -> None:
    exact = Fraction(2 * number + 1, 2 * 10**places)
    assert abs(half_up(exact, places)) == Decimal(
        abs(2 * number + 1) // 2 + 1 if number >= 0 else -number
    ).scaleb(-places)


@pytest.mark.parametrize("text", ["2024/25", "2024-25", "2024/2025", " 2024/25 "])
def test_a_year_is_read(text: str) -> None:
    assert parse_year(text) == 2024


@pytest.mark.parametrize("text", ["2024", "2024/26", "2024/24", "", "x", "2024/2", "1e400"])
def test_what_is_no_year_is_named(text: str) -> None:
    with pytest.raises(YearError):
        parse_year(text)


def test_a_year_begins_on_its_first_day() -> None:
    require_begun(2026, date(2026, 4, 1))
    with pytest.raises(YearError, match="2026/27 has not begun: it starts on 1 April 2026"):
        require_begun(2026, date(2026, 3, 31))
    with pytest.raises(YearError):
        year_days(99999)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("value", "CONFLICT 1/2", "is no factor per kWh"),
        ("value", "NaN", "is no factor per kWh"),
        ("value", "20.5", "is no factor per kWh"),
        ("unit", "gCO2e/kWh", "is none of"),
        ("status", "guessed", "is none of"),
        ("source", "http://example.org", "no public https address"),
    ],
)
def test_a_wrong_row_of_the_table_is_named(column: str, value: str, says: str) -> None:
    header, first, *_ = tables.read_text("uk_factors.csv").splitlines()
    names = header.split(",")
    cells = [
        "2025",
        "1",
        "2025-06-10",
        "2023",
        "generation",
        "kgCO2e/kWh",
        "one_year",
        "0.177",
        "published",
        "n",
    ]
    cells += ["https://www.gov.uk/", "OGL-3.0", "2026-11-22"]
    cells[names.index(column)] = value
    with pytest.raises(tables.TableError, match=says) as caught:
        parse_factors(f"{header}\n{','.join(cells)}\n")
    assert "uk_factors.csv: line 2" in str(caught.value)
    assert first


# The official flat file.

HEADER = ["ID", "Scope", "Level 1", "Level 2", "Level 3", "Level 4", "Column Text", "UOM", "GHG/Unit"]
ROWS = [
    ("7_400_4000_5_1", "kWh", "kg CO2e", 0.13096),
    ("7_400_4000_5_2", "kWh", "kg CO2e of CO2 per unit", 0.12),
    ("13_402_4000_5_1", "kWh", "kg CO2e", 0.013),
    ("15_917_4000_5_1", "kWh", "kg CO2e", 0.04),
    ("15_918_4000_5_1", "kWh", "kg CO2e", 0.003),
    ("1_100_1004_6_1", "kWh (Gross CV)", "kg CO2e", 0.18),
    ("1_100_1004_9_1", "tonnes", "kg CO2e", 2500.0),
    ("1_100_1004_7_1", "kWh (Net CV)", "kg CO2e", ""),
]


def flat_file(
    rows: list[tuple[Any, ...]] = ROWS, *, year: int = 2026, header: list[str] = HEADER
) -> io.BytesIO:
    """Return a workbook laid out as the official one: the factors on a sheet of their own under lines of title."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.add_worksheet("Introduction").write(0, 0, "UK Government GHG Conversion Factors")
    sheet = book.add_worksheet("Factors by Category")
    sheet.write(0, 0, "UK Government GHG Conversion Factors for Company Reporting")
    sheet.write_row(5, 0, [*header, f"GHG Conversion Factor {year}"])
    for at, (key, unit, gas, value) in enumerate(rows, 6):
        sheet.write_row(at, 0, [key, "Scope 2", "UK electricity", "", "", "", "", unit, gas, value])
    book.close()
    out.seek(0)
    return out


def read(stream: io.BytesIO, *, sheet: str = factor_file.SHEET, **changed: Any) -> factor_file.ProposedSet:
    given_: dict[str, Any] = {
        "set_year": 2026,
        "version": "1.2",
        "published": "2026-07",
        "source": "https://assets.publishing.service.gov.uk/media/x/flat.xlsx",
        "sha256": "0" * 64,
        "proposed_by": "ada",
    }
    told = factor_file.FileTold(**given_ | changed)
    return factor_file.read_flat_file(stream, "flat.xlsx", told, today=date(2026, 11, 22), sheet=sheet)


def test_the_flat_file_is_a_proposal_until_a_second_person_confirms_it() -> None:
    proposed = read(flat_file())
    assert proposed.absent == ()
    told = {one.item: (one.held, one.proposed) for one in proposed.differences(BOOK)}
    assert "generation" not in told  # the same number as was seen second hand
    assert told["transmission_distribution"] == (None, Decimal("0.013"))
    for same in ("ada", " ADA ", ""):
        with pytest.raises(FactorFileError, match="another person"):
            proposed.confirmed(same)
    with pytest.raises(FactorFileError, match="second person"):
        factor_file.in_force(BOOK, proposed.rows)
    book = factor_file.in_force(BOOK, proposed.confirmed("grace"))
    assert book.of(2026, "generation").status == "confirmed"
    assert not resolve(book, "generation", *year_days(2026), "majority").provisional
    assert resolve(book, "wtt_generation", *year_days(2026), "majority").value == Fraction("0.04")
    assert "confirmed by grace" in book.of(2026, "gas_gross").note


def test_a_proposal_can_be_stored_and_read_again() -> None:
    rows = read(flat_file()).rows
    content = factor_file.content_of(rows)
    assert factor_file.rows_of(content) == rows
    for wrong in (
        [{}],
        [content[0] | {"value": "1e400"}],
        [content[0] | {"item": "coal"}],
        [content[0] | {"as_of": "x"}],
    ):
        with pytest.raises(FactorFileError):
            factor_file.rows_of(wrong)


def test_a_set_no_release_knows_can_be_loaded() -> None:
    proposed = read(flat_file(year=2027), set_year=2027)
    book = factor_file.in_force(BOOK, proposed.confirmed("grace"))
    assert resolve(book, "generation", *year_days(2026), "blended").value is not None
    assert book.years[-1] == 2027


def test_an_optional_row_may_be_absent_and_says_so() -> None:
    assert read(flat_file([ROWS[0], ROWS[2]])).absent == (
        "wtt_generation",
        "wtt_transmission_distribution",
        "gas_gross",
    )


@pytest.mark.parametrize(
    ("stream", "changed", "says"),
    [
        (flat_file(ROWS[2:]), {}, r"no row for UK electricity, generation \(id 7_400_4000_5_1\)"),
        (flat_file(year=2025), {}, "it is the set of 2025, not of 2026"),
        (flat_file(header=["Scope", *HEADER[1:]]), {}, "no column 'ID'"),
        (flat_file([*ROWS, ROWS[0]]), {}, "is there twice"),
        (
            flat_file([("7_400_4000_5_1", "MWh", "kg CO2e", 130.96), *ROWS[1:]]),
            {},
            "kg CO2e per kWh is meant",
        ),
        (flat_file([("7_400_4000_5_1", "kWh", "kg CO2", 0.13), *ROWS[1:]]), {}, "kg CO2e per kWh is meant"),
        (
            flat_file([("7_400_4000_5_1", "kWh", "kg CO2e", "CONFLICT"), *ROWS[1:]]),
            {},
            "line 7: column factor",
        ),
        (flat_file([("7_400_4000_5_1", "kWh", "kg CO2e", ""), *ROWS[1:]]), {}, "is no factor per kWh"),
        (flat_file([("7_400_4000_5_1", "kWh", "kg CO2e", -0.1), *ROWS[1:]]), {}, "is no factor per kWh"),
        (flat_file(), {"sheet": "Elsewhere"}, "has no sheet"),
        (flat_file(), {"source": "flat.xlsx"}, "no public https address"),
        (flat_file(), {"proposed_by": " "}, "names who proposed it"),
        (io.BytesIO(b"PK\x03\x04 no archive"), {}, "flat.xlsx"),
        (io.BytesIO(b""), {}, "is empty"),
    ],
)
def test_a_file_that_is_not_the_official_one_is_refused(
    stream: io.BytesIO, changed: dict[str, Any], says: str
) -> None:
    stream.seek(0)
    with pytest.raises(FactorFileError, match=says):
        read(stream, **changed)


def test_every_error_is_a_carbon_error() -> None:
    for kind in (QuantityError, YearError, MissingFactorError, FactorFileError):
        assert issubclass(kind, CarbonError)
