"""The numbers docs/reports states are those the product works by: read out of the pages, tried on the product."""

from __future__ import annotations

import datetime as dt
import re
from fractions import Fraction
from pathlib import Path

import pytest

from roadworthy_collector.carbon import avoidable as found_here
from roadworthy_collector.carbon import (
    crc_rate_store,
    energy_facts,
    intensity,
    lifecycle,
    pack_files,
    pack_records,
)
from roadworthy_collector.carbon.settings_reading import CarbonSettingsError
from roadworthy_collector.carbon.settings_text import parse
from roadworthy_inventory.carbon import avoidable, calibration, ledger, returns
from roadworthy_inventory.carbon.calibration import CalibrationError, Evidence, rest_of_machine
from roadworthy_inventory.carbon.meter_numbers import MeterNumberError, mpan, mprn
from roadworthy_inventory.carbon.quantities import half_up
from roadworthy_inventory.carbon.registers import Reading, RegisterError, consumption
from roadworthy_inventory.carbon.tariffs import cost
from roadworthy_inventory.carbon.tariffs import parse as parse_tariffs

DOCS = Path(__file__).parents[3] / "docs" / "reports"
WORDS = {"three": 3, "four": 4, "five": 5, "two million": 2_000_000}


def said(page: str, pattern: str) -> tuple[str, ...]:
    """Return the groups of `pattern` in a page, whose line breaks count as spaces; the page must say it."""
    found = re.search(pattern, " ".join((DOCS / f"{page}.md").read_text("utf-8").split()))
    assert found is not None, pattern
    return found.groups()


def test_energy_md_on_losses_and_siblings() -> None:
    low, high, likely = map(int, said("energy", r"loses \((\d+) to (\d+) %, likely (\d+) %\)"))
    assert tuple(round(one * 100) for one in ledger.EFFICIENCY) == (low, likely, high)
    days, least = said(
        "energy", r"an hour on battery in the (\d+) days up to the month's end, (\w+) at least"
    )
    assert int(days) == energy_facts.EVIDENCE_DAYS
    assert calibration.MINIMUM_SECONDS == 3600
    some = [Evidence(str(number), 3600, 40_000 + number, 10_000) for number in range(WORDS[least])]
    assert rest_of_machine(some).machines == WORDS[least]
    with pytest.raises(CalibrationError):
        rest_of_machine(some[1:])


def test_energy_md_on_what_is_avoidable() -> None:
    percent, days = said("energy", r"processor below (\d+) % on each of (\d+) days")
    ratio = int(percent) / 100
    assert avoidable.idle_server([ratio - 0.001] * int(days)) is True
    assert avoidable.idle_server([ratio] * int(days)) is False
    assert avoidable.idle_server([0.0] * (int(days) - 1)) is None
    assert int(said("energy", r"Of the last (\d+) whole local days")[0]) == found_here.DAYS
    nights = WORDS[said("energy", r"told (\w+) nights or more and slept through none")[0]]
    assert avoidable.UnusedOn(1.0, 1.0, nights, 0).sleep_fails
    assert not avoidable.UnusedOn(1.0, 1.0, nights - 1, 0).sleep_fails
    assert not avoidable.UnusedOn(1.0, 1.0, nights, 1).sleep_fails
    deviations, size = said(
        "energy", r"half as much again as its model's median and (\w+) deviations above it \((\w+) devices"
    )
    assert (WORDS[deviations], WORDS[size]) == (avoidable.FAMILY_DEVIATIONS, avoidable.FAMILY_SIZE)
    like = {str(number): 100.0 for number in range(WORDS[size] - 1)}
    assert avoidable.out_of_family(like | {"far": 150.0}) == {}
    assert set(avoidable.out_of_family(like | {"far": 150.1})) == {"far"}


def test_meters_md_on_check_digits() -> None:
    (weights,) = said("meters", r"the first twelve digits times ([\d, ]+), added up, modulo 11, modulo 10")
    example = said("meters", r"meters add (\d{13}) ")[0]
    digit = sum(int(one) * int(prime) for one, prime in zip(example[:12], weights.split(", "), strict=True))
    assert int(example[-1]) == digit % 11 % 10
    assert mpan(example) == example
    with pytest.raises(MeterNumberError):
        mpan(example[:-1] + str((int(example[-1]) + 1) % 10))
    said("meters", r"each times how many digits are left with it, added up, modulo 11, are the last two")
    body = "12345678"
    check = sum(int(one) * (len(body) - at) for at, one in enumerate(body)) % 11
    assert mprn(f"{body}{check:02}") == f"{body}{check:02}"


def test_meters_md_on_registers_that_go_round() -> None:
    said("meters", r"if that leaves at most a tenth of its range used")
    days = dt.date(2025, 4, 1), dt.date(2025, 5, 1)

    def used(after: int) -> int | None:
        some = (Reading(day, 1000 * at, True, 5, 1000) for day, at in zip(days, (99_999, after), strict=True))
        return consumption(list(some))[0].thousandths

    assert used(9_999) == 10_000 * 1000  # of 100,000
    with pytest.raises(RegisterError):
        used(10_000)


def test_meters_md_works_its_bill_out() -> None:
    day, night, standing, levies = said(
        "meters",
        r"with (\d+)p a kWh by day, (\d+)p from 00:00 to 07:00, (\d+)p a day and ([\d.]+)p of levies",
    )
    rows = {
        name: (Fraction(number), int(whole.replace(",", "")))
        for name, number, whole in (
            (name, *said("meters", rf"\| {name} \| (\d+) \w+ x [^|]* \| ([\d,]+)"))
            for name in ("by day", "by night", "standing charge")
        )
    }
    assert rows["by day"] == (68, 68 * int(day))
    assert rows["by night"] == (30, 30 * int(night))
    assert rows["standing charge"] == (2, 2 * int(standing))
    head = "supply,fuel,valid_from,valid_to,unit_pence,day_pence,night_pence,night_from,night_to"
    line = f",electricity,2026-04-01,,,{day},{night},00:00,07:00"
    text = f"{head},standing_pence_per_day,levies,source\n{line},{standing},CCL={levies},contract\n"
    (tariff,) = parse_tariffs(text, "t.csv")
    bill = cost(tariff, 68_000, 30_000, 2)
    (whole,) = said("meters", r"\*\*the bill\*\* \| rounded once \| \*\*([\d,]+)\*\*")
    assert half_up(bill.pence, 0) == int(whole.replace(",", ""))


def test_reports_md_on_limits() -> None:
    (days,) = said("reports", r"Beyond (two million) device-days")
    assert WORDS[days] == lifecycle.MOST_DEVICE_DAYS_ONLINE
    assert (
        int(said("reports", r"rows that unpack to more than (\d+) times their size")[0])
        == pack_files.MOST_RATIO
    )


def test_reports_md_names_what_is_recorded_and_not_derivable() -> None:
    (table,) = said("reports", r"\| file \| recorded, not derivable \|(.*?) Only `--sha256`")
    assert set(re.findall(r"`([a-z_.]+)`", table)) == set(pack_records.RECORDED)


def test_factors_md_shows_a_row_of_crc_rates_that_can_be_loaded() -> None:
    (columns,) = said("factors", r"with the columns `([a-z_,]+)`")
    (row,) = said("factors", r"(2015/16,price_forecast,\S+ \S+ \S+ \S+)")
    text = f"{columns}\n{row.replace('https://...', 'https://www.gov.uk/')}\n"
    (rate,) = crc_rate_store.read_file(text.encode(), "rates.csv", today=dt.date(2026, 12, 1))
    assert (rate.began, rate.item) == (2015, "price_forecast")


def test_factors_md_on_the_grid_and_homes() -> None:
    seconds, kilobytes = map(int, said("factors", r"over https, for at most (\d+) seconds and (\d+) kB"))
    assert (seconds, kilobytes * 1024) == (intensity.WHOLE_SECONDS, intensity.MOST_BYTES)
    assert 60 * int(said("factors", r"tried again after (\d+) minutes")[0]) == intensity.AGAIN_SECONDS
    (regions,) = said("factors", r"Regions: (.*?)\. A region")
    numbers = [int(one.split()[0]) for one in regions.split(", ")]
    for number in range(-1, 30):
        text = f"[grid_intensity]\nfetch = true\nregion = {number}\n"
        if number in numbers:
            assert parse(text).grid_intensity is not None
        else:
            with pytest.raises(CarbonSettingsError, match="region"):
                parse(text)
    watts = tuple(map(int, said("factors", r"(\d+) W for a workstation and (\d+) W for light")))
    assert watts == (returns.HOME_WORKSTATION_WATTS, returns.HOME_LIGHT_WATTS)
    assert int(said("factors", r"kWh = hours x (\d+) W / 1000")[0]) == sum(watts)
