"""The invented organisation's supplies: which site each feeds, what its meters read, what it costs.

Numbers begin with 99, which no distributor has: nobody's supply is meant. One supply has a gap of twelve days and a night, one a
month of estimates, one is shared by two sites, and one meter sees less than the devices of its site claim.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from roadworthy_collector.carbon.supply_list import COLUMNS as SUPPLIES_HEADER
from roadworthy_collector.demo.assets import Row
from roadworthy_collector.demo.patterns import is_working_day
from roadworthy_inventory.calendar import local_day
from roadworthy_inventory.carbon.meter_numbers import mpan_check_digit, mprn_check_digits
from roadworthy_inventory.carbon.tariffs import COLUMNS as TARIFFS_HEADER

__all__ = ["SUPPLIES_HEADER", "TARIFFS_HEADER"]

WIDE_HEADER = ("Supply", "Date", *(f"HH{at:02d}" for at in range(1, 51)), "Status")
LONG_HEADER = ("MPAN", "Period start", "kWh", "A/E")
GAS_HEADER = ("MPRN", "Date", "Reading", "Digits", "kWh per unit", "Status")
SOLAR = "HQ-SOLAR"
_LONG_DAYS = 92  # of the data centre come as a row a half-hour; the time before as columns
_PERIOD_SECONDS = 1800
_GAP = (75, 64)  # days before today of the first and last day without a row
_ESTIMATED = (60, 31)
_KWH_PER_M3 = "11.22"


@dataclass(frozen=True, slots=True)
class _Meter:
    """A supply: kilowatts by night and in working hours per 1,000 devices of the estate, and whether it never rests."""

    number: str
    name: str
    places: tuple[tuple[str, str, str], ...]  # site, tenure, share
    night_kw: float
    day_kw: float
    always: bool = False
    settled: str = "yes"


def _mpan(tail: int) -> str:
    twelve = f"99{tail:010d}"
    return twelve + str(mpan_check_digit(twelve))


def _mprn(tail: int) -> str:
    rest = f"99{tail:06d}"
    return rest + mprn_check_digits(rest)


_METERS = (
    _Meter(_mpan(1), "Headquarters main", (("Headquarters", "landlord", "0.9"), ("Partnership Hub", "tenant", "0.1")), 11, 44),
    _Meter(_mpan(2), "Headquarters annexe", (("Headquarters", "owner", ""),), 2, 7, settled="no"),
    _Meter(_mpan(3), "Northgate", (("Northgate Station", "owner", ""),), 8, 21),
    _Meter(_mpan(4), "Riverside", (("Riverside Station", "owner", ""),), 7, 19),
    _Meter(_mpan(5), "Harbour", (("Harbour Station", "tenant", ""),), 4, 12),
    _Meter(_mpan(6), "Custody East", (("Custody Centre East", "owner", ""),), 13, 19, always=True),
    _Meter(_mpan(7), "Custody West, terminals only", (("Custody Centre West", "owner", ""),), 0.08, 2.2),
    _Meter(_mpan(8), "Data Centre A", (("Data Centre A", "owner", ""),), 20, 23, always=True),
    _Meter(_mpan(9), "Annexe R", (("Annexe R", "owner", ""),), 1.5, 5),
)  # fmt: skip
_NORTHGATE, _RIVERSIDE, DATA_CENTRE = (_METERS[at].number for at in (2, 3, 7))
_GAS = (
    (_mprn(1), "Headquarters heating", "Headquarters", 90),
    (_mprn(2), "Northgate heating", "Northgate Station", 40),
)


def begins(today: date, first_day: date) -> date:
    """Return the first day files hold: that of the financial year before, or the first there are devices of."""
    year = today.year if today >= date(today.year, 4, 1) else today.year - 1
    return max(date(year - 1, 4, 1), first_day)


def supplies(first: date) -> Iterator[Row]:
    """Yield the list of supplies with their sites."""
    since = first.isoformat()
    for meter in _METERS:
        for site, tenure, share in meter.places:
            yield (meter.number, "electricity", meter.name, meter.settled, site, since, "", tenure, share)
    for number, name, site, _ in _GAS:
        yield (number, "gas", name, "", site, since, "", "owner", "")
    yield (SOLAR, "onsite", "Solar roof", "", "Headquarters", since, "", "owner", "")


def half_hours(devices: int, seed: int, first: date, today: date, zone: str) -> Iterator[Row]:
    """Yield a row a supply and local day, up to yesterday, with 46, 48 or 50 figures in kWh."""
    long_from = today - timedelta(days=_LONG_DAYS)
    for day in _days(first, today):
        for meter in _METERS:
            if (meter.number == DATA_CENTRE and day >= long_from) or _is_gap(meter.number, day, today):
                continue
            values = _values(meter, devices, seed, day, zone)
            if meter.number == _NORTHGATE and day == today - timedelta(days=_GAP[1] - 1):
                values[:20] = [None] * 20  # it came back in the morning
            yield _wide(meter.number, day, values, "E" if _is_estimated(meter.number, day, today) else "A")
        yield _wide(SOLAR, day, _sun(devices, seed, day, zone), "A")


def long_half_hours(devices: int, seed: int, first: date, today: date, zone: str) -> Iterator[Row]:
    """Yield the data centre's last months, a row a half-hour."""
    meter = next(one for one in _METERS if one.number == DATA_CENTRE)
    for day in _days(max(first, today - timedelta(days=_LONG_DAYS)), today):
        values = _values(meter, devices, seed, day, zone)
        for start, value in zip(local_day(day, zone).starts(), values, strict=True):
            yield (meter.number, _utc(start), _kwh(value), "A")


def gas(devices: int, seed: int, first: date, today: date) -> Iterator[Row]:
    """Yield monthly readings of the gas meters in cubic metres: less in summer, one of them an estimate."""
    for number, _, _, daily in _GAS:
        rng = random.Random(f"{seed}:gas:{number}")  # noqa: S311 - a simulation must be repeatable, not secret
        reading, read = 41_000.0, first
        at = 0
        while read < today:
            yield (number, read.isoformat(), f"{reading:.0f}", "6", _KWH_PER_M3, "E" if at == 3 else "A")
            following = (read.replace(day=1) + timedelta(days=32)).replace(day=1)
            for day in _days(read, following):
                reading += daily * devices / 1000 * _cold(day) * rng.uniform(0.8, 1.2)
            read, at = following, at + 1


def tariffs(first: date, today: date) -> Iterator[Row]:
    """Yield tariffs: one of all electricity by contract year, the data centre's day and night, and gas."""
    year = today.year if today >= date(today.year, 4, 1) else today.year - 1
    turn = date(year, 4, 1).isoformat()
    begun = min(first, date(year - 1, 4, 1)).isoformat()
    levies = "CCL=0.80; RO=3.10"
    for since, until, unit, day, night, of_gas in (
        (begun, turn, "22.4", "24.1", "15.2", "5.6"),
        (turn, "", "23.9", "25.6", "16.4", "5.1"),
    ):
        source = f"electricity contract from {since} (invented)"
        yield ("", "electricity", since, until, unit, "", "", "", "", "58", levies, source)
        yield (
            DATA_CENTRE,
            "electricity",
            since,
            until,
            "",
            day,
            night,
            "00:00",
            "07:00",
            "194",
            levies,
            source,
        )
        yield ("", "gas", since, until, of_gas, "", "", "", "", "31", "CCL=0.80", f"gas contract from {since} (invented)")  # fmt: skip


def _days(first: date, until: date) -> Iterator[date]:
    for number in range((until - first).days):
        yield first + timedelta(days=number)


def _is_gap(number: str, day: date, today: date) -> bool:
    return number == _NORTHGATE and _GAP[1] <= (today - day).days <= _GAP[0]


def _is_estimated(number: str, day: date, today: date) -> bool:
    return number == _RIVERSIDE and _ESTIMATED[1] <= (today - day).days <= _ESTIMATED[0]


def _cold(day: date) -> float:
    """Return how cold the season is, from 0.1 in late July to 1.9 in late January."""
    return 1 + 0.9 * math.cos((day.timetuple().tm_yday - 24) / 365.25 * 2 * math.pi)


def _values(meter: _Meter, devices: int, seed: int, day: date, zone: str) -> list[int | None]:
    """Return thousandths of a kWh by half-hour of a local day."""
    rng = random.Random(f"{seed}:{meter.number}:{day}")  # noqa: S311 - a simulation must be repeatable, not secret
    starts = local_day(day, zone).starts()
    works = meter.always or is_working_day(day)
    whole = devices / 1000 * (1 + 0.12 * (_cold(day) - 1)) * rng.uniform(0.94, 1.06) * 500
    wobbles = rng.choices((0.93, 0.96, 0.98, 1.0, 1.02, 1.05, 1.09), k=len(starts))
    offset = 48 - len(starts)
    return [
        round(whole * wobble * (meter.night_kw + (meter.day_kw - meter.night_kw) * _busy(at + offset * (at > 1), works)))
        for at, wobble in enumerate(wobbles)
    ]  # fmt: skip


def _busy(slot: int, works: bool) -> float:  # noqa: FBT001 - of a day
    """Return how much of the working day's load a half-hour from midnight has."""
    hour = slot / 2
    hump = max(0.0, min(hour - 6.5, 19.0 - hour, 2.0)) / 2
    return hump if works else 0.15 * hump


def _sun(devices: int, seed: int, day: date, zone: str) -> list[int | None]:
    rng = random.Random(f"{seed}:sun:{day}")  # noqa: S311 - a simulation must be repeatable, not secret
    peak = devices / 1000 * 9_000 * (2.0 - _cold(day)) * rng.uniform(0.25, 1.0)
    count = len(local_day(day, zone).starts())
    return [round(peak * max(0.0, math.sin((at / 2 - 6.5) / 12 * math.pi))) for at in range(count)]


def _wide(number: str, day: date, values: list[int | None], status: str) -> Row:
    return (number, day.isoformat(), *map(_kwh, values), *[""] * (50 - len(values)), status)


def _kwh(value: int | None) -> str:
    return "" if value is None else f"{value // 1000}.{value % 1000:03d}"


def _utc(start: int) -> str:
    whole, second = divmod(start, 86_400)
    day = date.fromordinal(date(1970, 1, 1).toordinal() + whole)
    return f"{day}T{second // 3600:02d}:{second % 3600 // 60:02d}Z"
