"""Files of smart plugs become whole days; days beside estimates become a line that corrects siblings."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.ledger import Entry
from roadworthy_inventory.carbon.plug_days import Stretch, days
from roadworthy_inventory.carbon.plug_file import How, PlugFile, PlugImport
from roadworthy_inventory.carbon.plug_fit import Pair, fits
from roadworthy_inventory.importing.problems import BadRow, UnknownFormatError
from roadworthy_inventory.importing.reading import open_table

KWH = 3_600_000
ZONE = "Europe/London"
CALLED = {"PC-1": 1, "PC-2": 2}


def read(text: str, **how: str) -> tuple[PlugFile, list[tuple[int, str, str]], list[tuple[str, ...]]]:
    """Return what a file holds, its bad rows as (line, column, code), and the correction file."""
    bad: list[BadRow] = []
    under_way = PlugImport(
        open_table(io.BytesIO(text.encode()), "plugs.csv"),
        How(**how),  # type: ignore[arg-type]  # words of the test
        on=dt.date(2026, 11, 1),
        device=lambda said: CALLED.get(said, "is no device"),
        quarantine=bad.append,
    )
    found = under_way.read()
    told = [(one.line, one.problems[-1].column, one.problems[-1].code) for one in bad]
    return found, told, [under_way.correction_header, *(under_way.correction_row(one) for one in bad)]


def kwh(found: PlugFile, device: int = 1) -> dict[str, float]:
    return {str(one.date): one.joules / KWH for one in found.devices[device].whole}


def test_rows_of_days_are_taken_and_bad_ones_set_aside_with_line_and_column() -> None:
    found, bad, corrections = read(
        "Asset tag,Date,kWh\nPC-1,2026-10-01,1.2\nPC-1,2026-10-25,1.5\nZ,2026-10-01,1\nPC-1,2026-10-02,-2\n"
        "PC-2,2027-01-01,3\nPC-2,2026-10-01,\nPC-2,2026-10-02,lots\nPC-1,2026-10-01,1.3\nPC-2,2026-02-30,1\n"
        "PC-2,2026-10-03,999\nPC-1,2026-10-01,1.20\n"
    )
    assert kwh(found) == {"2026-10-01": 1.2, "2026-10-25": 1.5}
    assert sorted(bad) == [
        (4, "Asset tag", "device"),
        (5, "kWh", "negative"),
        (6, "Date", "future"),
        (7, "kWh", "missing"),
        (8, "kWh", "not_a_number"),
        (9, "kWh", "overlap"),
        (10, "Date", "not_a_date"),
        (11, "kWh", "too_large"),
    ]
    report = found.report
    assert (report.rows_read, report.good, report.quarantined) == (11, 3, 8)
    assert dict(report.warnings_by_code) == {"duplicate": 1}
    assert corrections[0] == ("Asset tag", "Date", "kWh", "Line", "Column", "Reason")
    put_right = "\n".join(",".join(row) for row in corrections).replace("Z,2026", "PC-2,2026")
    again, still, _ = read(put_right)
    assert kwh(again, 2) == {"2026-10-01": 1.0}
    assert (3, "kWh", "negative") in still


def test_a_register_that_falls_began_anew_and_what_was_used_across_is_not_known() -> None:
    found, bad, _ = read(
        "Serial,Date,Register kWh\nPC-1,2026-10-24,100\nPC-1,2026-10-25,101\nPC-1,2026-10-26,102.5\n"
        "PC-1,2026-10-27,0.2\nPC-1,2026-10-28,1.2\nPC-1,2026-10-31,4\n"
    )
    assert kwh(found) == {"2026-10-24": 1.0, "2026-10-25": 1.5, "2026-10-27": 1.0}
    assert not bad
    (warning,) = found.report.warnings
    assert (warning.line, warning.column, warning.code) == (5, "Register kWh", "register_reset")


@pytest.mark.parametrize(("day", "half_hours"), [("2026-03-29", 46), ("2026-06-01", 48), ("2026-10-25", 50)])
def test_days_of_46_48_and_50_half_hours_are_whole(day: str, half_hours: int) -> None:
    starts = [
        dt.datetime.fromtimestamp(at, dt.UTC) for at in local_day(dt.date.fromisoformat(day), ZONE).starts()
    ]
    assert len(starts) == half_hours
    rows = [f"PC-1,{at:%Y-%m-%d %H:%M},0.02" for at in starts]
    found, bad, _ = read("\n".join(["Host,Timestamp,kWh", *rows]), time="utc")
    assert not bad
    assert kwh(found) == {day: pytest.approx(half_hours * 0.02)}
    gap, _, _ = read("\n".join(["Host,Timestamp,kWh", *rows[:9], *rows[10:]]), time="utc")
    assert (kwh(gap), gap.devices[1].partly) == ({}, (dt.date.fromisoformat(day),))


def test_the_hour_that_comes_twice_is_told_twice_and_one_that_does_not_exist_is_refused() -> None:
    hours = [0, 1, 1, *range(2, 24)]
    rows = [f"PC-1,2026-10-25,{hour:02d}:{minute},50" for hour in hours for minute in ("00", "30")]
    found, _, _ = read("\n".join(["Device,Date,Time,W", *rows, "PC-1,2026-10-26,00:00,0"]))
    assert kwh(found) == {"2026-10-25": 25 * 0.05}
    _, bad, _ = read("Device,Date,Time,W\nPC-1,2026-03-29,01:30,5\nPC-1,2026-03-29,25:00,5\nPC-1,today,1,5\n")
    assert bad == [(2, "Time", "no_such_time"), (3, "Time", "not_a_time"), (4, "Time", "not_a_time")]


def test_a_file_without_time_figure_or_device_is_refused_whole() -> None:
    for text in (
        "Device,kWh\nPC-1,1\n",
        "Device,Date\nPC-1,2026-10-01\n",
        "Device,Date,W\nPC-1,2026-10-01,3\n",
        "Device,Date,kWh,Total kWh\nPC-1,2026-10-01,3,4\n",
        "Date,kWh\n2026-10-01,3\n",
    ):
        with pytest.raises(UnknownFormatError):
            read(text)
    assert kwh(read("Date,kWh\n2026-10-01,3\n", device="PC-2")[0], 2) == {"2026-10-01": 3.0}


@given(
    joules=st.lists(st.integers(0, 10**9), min_size=1, max_size=40),
    seconds=st.integers(1, 3600),
)
def test_parts_of_a_day_never_lose_or_make_a_joule(joules: list[int], seconds: int) -> None:
    day = local_day(dt.date(2026, 10, 25), ZONE)
    begin = day.end - seconds * len(joules) // 2
    told = [Stretch(begin + at * seconds, begin + (at + 1) * seconds, some) for at, some in enumerate(joules)]
    edges = [
        Stretch(day.start, begin, 0),
        Stretch(told[-1].end, local_day(dt.date(2026, 10, 26), ZONE).end, 0),
    ]
    found = days([edges[0], *told, edges[1]], ZONE)
    assert not found.partly
    assert sum(one.joules for one in found.whole) == sum(joules)


def pairs(devices: int, each: int = 5) -> list[Pair]:
    return [
        Pair(one, 20.0 + 5 * at, 5 + 0.8 * (20 + 5 * at) + one)
        for one in range(devices)
        for at in range(each)
    ]


def test_a_line_is_used_from_three_devices_on_and_corrects_within_what_it_was_fitted_to() -> None:
    found = fits({"A": pairs(3), "B": pairs(2), "C": pairs(1, 3), "D": [Pair(1, 9.0, 9.0)] * 6})
    assert [found[name].used for name in "ABCD"] == [True, False, False, False]
    assert found["B"].why == "2 devices with a plug; 3 are needed"
    assert found["C"].why == "3 readings; 5 are needed"
    assert "all estimates are the same" in found["D"].why
    seconds, estimate = 1000.0, 30
    entry = Entry({"metered": 0, "sensor": 4000, "modelled": 20_000, "assumed": 6000})
    after = found["A"].corrected(entry, seconds, "A")
    assert after.wall_joules == round((5 + 0.8 * estimate + 1) * seconds)
    assert after.joules["sensor"] == 4000
    assert after.joules["assumed"] * 20_000 == pytest.approx(after.joules["modelled"] * 6000, abs=30_000)
    line = found["A"].line
    assert line is not None
    assert after.own.up == pytest.approx(2.920 * line.residual_watts * seconds)  # Student's t of two
    assert after.shared["plugs of A"].up == pytest.approx(after.own.up / 3**0.5)
    assert found["A"].corrected(entry, seconds / 10, "A") is entry  # 300 W: nobody metered that
    assert found["B"].corrected(entry, seconds, "B") is entry
