"""Meter files read: 48 columns and long form, both clock changes, leap days, registers, and every bad row named."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy_inventory.calendar import local_day, zone
from roadworthy_inventory.carbon.meter_numbers import (
    MeterNumberError,
    mpan,
    mpan_check_digit,
    mprn,
    mprn_check_digits,
)
from roadworthy_inventory.carbon.meters import How, MeterDay, MeterFile, MeterImport
from roadworthy_inventory.carbon.registers import Reading, RegisterError, consumption, used_between
from roadworthy_inventory.importing.problems import UnknownFormatError
from roadworthy_inventory.importing.reading import open_table

ON = dt.date(2026, 11, 20)
MPAN = "1312345678907"
HERE = "Europe/London"
SPRING, AUTUMN, LEAP, PLAIN = (
    dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2024, 2, 29), dt.date(2026, 6, 1),
)  # fmt: skip
COLUMNS = "MPAN,Date," + ",".join(f"HH{number:02d}" for number in range(1, 49))
CLOCK = "MPAN,Date," + ",".join(
    f"{(at + 1) // 2 % 24 if at < 47 else 0:02d}:{(at + 1) % 2 * 30:02d}" for at in range(48)
)


def parse(*lines: str, **how: Any) -> tuple[MeterFile, list[tuple[str, ...]]]:
    bad: list[tuple[str, ...]] = []
    reader = MeterImport(
        open_table(io.BytesIO("\n".join(lines).encode()), "hh.csv"),
        How(**how),
        on=ON,
        quarantine=lambda row: bad.append(reader.correction_row(row)),
    )
    return reader.read(), bad


def wide(day: dt.date, values: list[Any], number: str = MPAN) -> str:
    return f"{number},{day},{','.join(map(str, values))}"


def one_day(*lines: str, **how: Any) -> MeterDay:
    found, bad = parse(*lines, **how)
    assert not bad
    (day,) = found.days
    return day


@pytest.mark.parametrize(
    "text",
    [
        MPAN,
        "13 1234 5678 907",
        "S 00 801 100 13 1234 5678 907",
        "008011001312345678907",
        "00111A2C1312345678907",
    ],
)
def test_an_mpan_is_its_thirteen_digits_however_it_is_written(text: str) -> None:
    assert mpan(text) == MPAN


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_of_an_mpan_is_found_unless_the_check_is_ten(twelve: str, at: int, more: int) -> None:
    right = twelve + str(mpan_check_digit(twelve))
    assert mpan(right) == right
    wrong = right[:at] + str((int(right[at]) + more) % 10) + right[at + 1 :]
    # Modulo 11 and then 10 lets 10 and 0 pass for one another; everything else is found.
    if mpan_check_digit(wrong[:12]) != int(wrong[12]):
        with pytest.raises(MeterNumberError, match="does not check"):
            mpan(wrong)


def test_an_mprn_is_checked_by_its_last_two_digits() -> None:
    assert mprn("3938 424 403") == "3938424403"  # https://en.everybodywiki.com/Meter_Point_Reference_Number
    assert mprn_check_digits("39384244") == "03"
    with pytest.raises(MeterNumberError, match="would be 03"):
        mprn("3938424404")
    for text in ("12345", "12345678901", "39384x4403", ""):
        with pytest.raises(MeterNumberError, match="no MPRN"):
            mprn(text)


def long_form(day: dt.date, values: list[str], *, ends: bool = False) -> list[str]:
    span, here = local_day(day, HERE), zone(HERE)
    times = [dt.datetime.fromtimestamp(start + 1800 * ends, here) for start in span.starts()]
    name = "End" if ends else "Start"
    rows = [f"{MPAN},{time:%Y-%m-%d %H:%M},{value},A" for time, value in zip(times, values, strict=True)]
    return [f"MPAN,{name},kWh,Status", *rows]


@pytest.mark.parametrize("day", [PLAIN, LEAP, SPRING, AUTUMN])
@settings(max_examples=30)  # of each kind of day, in five forms
@given(data=st.data())
def test_columns_and_long_form_give_the_same_and_half_hours_add_up_to_the_day(
    day: dt.date, data: Any
) -> None:
    length = local_day(day, HERE).periods
    told = st.integers(0, 9_999_999).map(lambda number: f"{number / 1000:.3f}")
    values = data.draw(st.lists(told, min_size=length, max_size=length))
    header = "MPAN,Date," + ",".join(f"HH{number:02d}" for number in range(1, 51))
    by_columns = one_day(header, wide(day, values + [""] * (50 - length)), status="A")
    assert len(by_columns.values) == length == len(by_columns.statuses)
    assert by_columns.kwh_thousandths == sum(round(float(value) * 1000) for value in values)
    assert one_day(*long_form(day, values)) == by_columns
    assert one_day(*long_form(day, values, ends=True)) == by_columns
    periods = [f"{MPAN},{day},{at},{value},A" for at, value in enumerate(values, 1)]
    assert one_day("MPAN,Date,Settlement period,kWh,Status", *periods) == by_columns
    stamps = [
        f"{MPAN},{dt.datetime.fromtimestamp(start, dt.UTC):%Y-%m-%dT%H:%MZ},{value},A"
        for start, value in zip(local_day(day, HERE).starts(), values, strict=True)
    ]
    assert one_day("MPAN,Start,kWh,Status", *stamps) == by_columns


NAUGHT = ["0", "0"]


@pytest.mark.parametrize(
    "values",
    [
        [str(at) for at in range(1, 47)] + ["", ""],
        [str(at) for at in range(1, 47)] + NAUGHT,
        ["1", "2", "", "", *(str(at) for at in range(3, 47))],
        ["1", "2", *NAUGHT, *(str(at) for at in range(3, 47))],
    ],
)
@pytest.mark.parametrize("header", [COLUMNS, CLOCK])
def test_the_day_of_46_is_read_however_suppliers_write_it(header: str, values: list[str]) -> None:
    day = one_day(header, wide(SPRING, values))
    assert [value and value // 1000 for value in day.values] == list(range(1, 47))


def test_48_figures_on_the_day_of_46_are_refused_unless_the_file_is_in_utc() -> None:
    rows = [
        wide(day, [1] * 48) for day in (SPRING - dt.timedelta(days=1), SPRING, SPRING + dt.timedelta(days=1))
    ]
    found, bad = parse(COLUMNS, *rows)
    assert [day.day for day in found.days] == [SPRING - dt.timedelta(days=1), SPRING + dt.timedelta(days=1)]
    assert bad[0][-3:-1] == ("3", "Date")
    assert "46" in bad[0][-1]
    whole, none = parse(COLUMNS, *rows, time="utc")
    assert not none
    assert [(day.day, len(day.values), day.missing) for day in whole.days] == [
        (SPRING - dt.timedelta(days=1), 48, 0),
        (SPRING, 46, 0),
        (SPRING + dt.timedelta(days=1), 48, 0),
        (SPRING + dt.timedelta(days=2), 48, 46),  # its first hour is the file's last
    ]
    assert sum(day.kwh_thousandths for day in whole.days) == 3 * 48_000


def test_48_columns_on_the_day_of_50_leave_an_hour_missing_or_are_halved_if_told_so() -> None:
    values = [str(at) for at in range(1, 49)]
    dropped = one_day(COLUMNS, wide(AUTUMN, values), status="A")
    assert dropped.missing == 2
    assert dropped.values[2:6] == (3000, 4000, None, None)
    assert dropped.statuses[4:6] == "--"
    summed = one_day(COLUMNS, wide(AUTUMN, values), status="A", long_day="summed")
    assert summed.missing == 0
    assert summed.values[2:6] == (1500, 2000, 1500, 2000)
    assert summed.statuses[2:6] == "EEEE"
    assert summed.kwh_thousandths == sum(range(1, 49)) * 1000


def test_statuses_stand_beside_each_half_hour_by_number_or_once_for_the_row() -> None:
    marks = "".join("E" if at % 5 == 0 else "A" for at in range(48))
    beside = "MPAN,Date," + ",".join(f"HH{number:02d},A/E" for number in range(1, 49))
    cells = [cell for mark in marks for cell in ("1", mark)]
    assert one_day(beside, wide(PLAIN, cells)).statuses == marks
    by_number = COLUMNS + "," + ",".join(f"Status {number}" for number in range(1, 49))
    assert one_day(by_number, wide(PLAIN, [*["1"] * 48, *marks])).statuses == marks
    assert one_day(COLUMNS + ",Status", wide(PLAIN, [*["1"] * 48, "Estimated"])).statuses == "E" * 48
    assert one_day(COLUMNS, wide(PLAIN, ["1"] * 48)).statuses == "U" * 48


def test_units_and_channels_are_read_and_power_becomes_energy() -> None:
    header = COLUMNS.replace("Date", "Date,Channel,Unit")
    found, bad = parse(
        header,
        wide(PLAIN, ["AI", "kW", *["3"] * 48]),
        wide(PLAIN, ["export", "MWh", *["0.001"] * 48]),
        wide(PLAIN, ["RI", "kVArh", *["9"] * 48]).replace("kVArh", "kWh"),
        wide(PLAIN, ["AI", "therms", *["9"] * 48]),
        wide(PLAIN, ["sideways", "kWh", *["9"] * 48]),
    )
    assert {day.channel: day.kwh_thousandths for day in found.days} == {"import": 72_000, "export": 48_000}
    assert [(row[-3], row[-2]) for row in bad] == [("5", "Unit"), ("6", "Channel")]
    assert found.report.warnings_by_code["reactive"] == 1


def test_import_and_export_may_stand_in_one_row() -> None:
    found, _ = parse(
        "MPAN,Timestamp,Import kWh,Export kWh",
        *(f"{MPAN},01/06/2026 {at // 2:02d}:{at % 2 * 30:02d},1.5,0.5" for at in range(48)),
    )
    assert [(day.channel, day.kwh_thousandths) for day in found.days] == [
        ("export", 24_000),
        ("import", 72_000),
    ]


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (wide(PLAIN, ["1", "-2", *["1"] * 46]), "HH02", "negative"),
        (wide(PLAIN, ["1", "x", *["1"] * 46]), "HH02", "not_a_number"),
        (wide(PLAIN, ["1", "99999999999", *["1"] * 46]), "HH02", "too_large"),
        (wide(ON + dt.timedelta(days=1), ["1"] * 48), "Date", "future"),
        (f"{MPAN},2025-02-29,{','.join(['1'] * 48)}", "Date", "not_a_date"),
        (wide(PLAIN, ["1"] * 48, "1312345678908"), "MPAN", "supply_number"),
        (wide(PLAIN, ["1"] * 48, "1.31235E+12"), "MPAN", "supply_number"),
        (wide(dt.date(2026, 5, 1), ["7"] * 48), "HH01", "overlap"),
        (wide(PLAIN, ["1"] * 50), "", "long_row"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column_and_the_good_ones_stay(
    row: str, column: str, code: str
) -> None:
    found, bad = parse(COLUMNS, wide(dt.date(2026, 5, 1), ["1"] * 48), row)
    assert found.report.by_code == {code: 1}
    assert bad[0][-3:-1] == ("3", column)
    assert [day.day for day in found.days] == [dt.date(2026, 5, 1)]


def test_a_correction_file_comes_back_by_itself() -> None:
    _, bad = parse(COLUMNS, wide(PLAIN, ["-2", *["1"] * 47]))
    reader_header = COLUMNS + ",Line,Column,Reason"
    again = ",".join(f'"{cell}"' for cell in bad[0]).replace("'-2", "2")
    found, none = parse(reader_header, again)
    assert not none
    assert found.days[0].kwh_thousandths == 49_000


def test_gaps_are_counted_and_a_row_told_twice_is_a_warning() -> None:
    first, third = wide(dt.date(2026, 5, 1), ["1"] * 48), wide(dt.date(2026, 5, 3), ["1", "", *["1"] * 46])
    found, bad = parse(COLUMNS, first, first, third)
    assert not bad
    assert found.missing == {(MPAN, "import"): 49}
    assert found.report.warnings_by_code == {"duplicate": 1, "gap": 1}
    assert found.days[1].values[1] is None


def test_local_times_that_do_not_exist_and_times_off_the_half_hour_are_refused() -> None:
    found, bad = parse(
        "MPAN,Start,kWh",
        f"{MPAN},2026-03-29 00:30,1",
        f"{MPAN},2026-03-29 01:30,1",
        f"{MPAN},2026-03-29 02:15,1",
        f"{MPAN},2026-03-29,1",
    )
    assert found.report.by_code == {"no_such_time": 1, "not_half_hour": 1, "not_a_time": 1}
    assert [row[-3] for row in bad] == ["3", "4", "5"]
    _, beyond = parse("MPAN,Date,Period,kWh", f"{MPAN},2026-03-29,47,1")
    assert "46 settlement periods" in beyond[0][-1]


def test_a_time_that_says_neither_start_nor_end_is_asked_for() -> None:
    lines = ["MPAN,Timestamp,kWh", f"{MPAN},2026-06-01 09:00,1", f"{MPAN},2026-06-01 09:30,2"]
    with pytest.raises(UnknownFormatError, match="start or the end"):
        parse(*lines)
    assert one_day(*lines, stamps="start").values[18:20] == (1000, 2000)
    assert one_day(*lines, stamps="end").values[17:19] == (1000, 2000)
    whole = [
        "MPAN,Date,Time,kWh",
        *(f"{MPAN},01/06/2026,{at // 2:02d}:{at % 2 * 30:02d},{at}" for at in range(1, 49)),
    ]
    assert one_day(*whole).values[0] == 1000  # 00:30 ... 24:00 are ends


@pytest.mark.parametrize("header", ["MPAN,Name,Postcode", "Date,kWh", "MPAN,HH01,HH02"])
def test_what_is_no_meter_file_is_refused_with_what_is_needed(header: str) -> None:
    with pytest.raises(UnknownFormatError, match="line 1"):
        parse(header, ",".join("1" for _ in header.split(",")))


def reading(day: str, units: float, **values: Any) -> Reading:
    told = {"actual": True, "digits": 5, "kwh_thousandths_per_unit": 1000} | values
    return Reading(day=dt.date.fromisoformat(day), thousandths=round(units * 1000), **told)


def test_registers_become_consumption_with_rollovers_and_resets_named() -> None:
    read = [
        reading("2026-01-01", 99_900),
        reading("2026-02-01", 100),
        reading("2026-03-01", 350.5),
        reading("2026-04-01", 10, reset_before=True),
        reading("2026-05-01", 20, actual=False),
    ]
    assert [(one.how, one.thousandths, one.actual) for one in consumption(read)] == [
        ("rollover", 200_000, True),
        ("plain", 250_500, True),
        ("reset", None, True),
        ("plain", 10_000, False),
    ]
    with pytest.raises(RegisterError, match="less than 90000 on 2026-01-01"):
        consumption([reading("2026-01-01", 90_000), reading("2026-02-01", 50_000)])


@given(st.integers(0, 10**7), st.integers(1, 400), st.integers(0, 400))
def test_parts_of_a_span_add_up_to_it(used: int, days: int, cut: int) -> None:
    start = dt.date(2025, 1, 1)
    end = start + dt.timedelta(days=days)
    read = [
        Reading(start, 0, True, 9, 1000),
        Reading(end, used, True, 9, 1000),
    ]
    middle = start + dt.timedelta(days=min(cut, days))
    parts = used_between(read, start, middle - dt.timedelta(days=1)) + used_between(read, middle, end)
    assert sum(part.thousandths for part in parts) == used
    assert sum(part.days for part in parts) == days


def test_a_file_of_readings_is_read_and_a_register_that_fell_is_refused() -> None:
    found, bad = parse(
        "MPRN,Date,Meter reading,Unit,Type,Digits",
        "3938424403,2026-01-01,09000,kWh,A,5",
        "3938424403,2026-02-01,09500,kWh,E,5",
        "3938424403,2026-03-01,04000,kWh,A,5",
        "3938424403,2026-04-01,09800,m3,A,5",
    )
    assert [(number, one.day.isoformat(), one.actual) for number, one in found.readings] == [
        ("3938424403", "2026-01-01", True),
        ("3938424403", "2026-02-01", False),
    ]
    assert found.fuels == {"3938424403": "gas"}
    assert [(row[-3], row[-2]) for row in bad] == [("4", "Meter reading"), ("5", "Unit")]
