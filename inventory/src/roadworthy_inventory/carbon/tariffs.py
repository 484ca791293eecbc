"""Tariffs of supplies, and what half-hours cost by them: pence exact until the sum is rounded to whole pence once.

A tariff is a unit rate, or a day and a night rate by the local clock, a standing charge a day, and levies by the kWh. Prices are without VAT
unless the file's source says otherwise; nothing is added. A file is CSV with a row a tariff, or TOML with a [[tariff]] each.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from roadworthy_inventory.carbon.quantities import CarbonError
from roadworthy_inventory.toml_lines import TomlLines

COLUMNS = (
    "supply",
    "fuel",
    "valid_from",
    "valid_to",
    "unit_pence",
    "day_pence",
    "night_pence",
    "night_from",
    "night_to",
    "standing_pence_per_day",
    "levies",
    "source",
)
FUELS = ("electricity", "gas", "onsite")
_MOST_PENCE = Decimal(100_000)
_LONGEST = 256
_MOST_TARIFFS = 5_000


class TariffError(CarbonError):
    """A tariff that cannot be: the text says which row and column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a supply costs from `valid_from` until before `valid_to`; `supply` None: all of the fuel without their own.

    Prices are pence, exact. Either `unit_pence`, or `day_pence` and `night_pence` with the hours of the night in
    minutes after midnight by the local clock. `levies` {name: pence a kWh}.
    """

    supply: str | None
    fuel: str
    valid_from: dt.date
    valid_to: dt.date | None
    unit_pence: Fraction | None
    day_pence: Fraction | None
    night_pence: Fraction | None
    night: tuple[int, int] | None
    standing_pence: Fraction
    levies: Mapping[str, Fraction]
    source: str

    def on(self, day: dt.date) -> bool:
        """Whether it holds on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

    def overlaps(self, other: Tariff) -> bool:
        """Whether both hold on some day for the same supply."""
        if (self.supply, self.fuel) != (other.supply, other.fuel):
            return False
        far = dt.date.max
        return self.valid_from < (other.valid_to or far) and other.valid_from < (self.valid_to or far)

    def is_night(self, minute: int) -> bool:
        """Whether a half-hour that begins `minute` minutes after midnight by the local clock has the night rate."""
        if self.night is None:
            return False
        start, end = self.night
        return start <= minute < end if start < end else minute >= start or minute < end


@dataclass(slots=True)
class Cost:
    """What some days cost: parts in pence, exact; kWh with a price and without one."""

    energy_pence: Fraction = Fraction(0)
    standing_pence: Fraction = Fraction(0)
    levies_pence: Fraction = Fraction(0)
    priced_thousandths: int = 0
    unpriced_thousandths: int = 0

    @property
    def pence(self) -> Fraction:
        """All parts together."""
        return self.energy_pence + self.standing_pence + self.levies_pence

    def add(self, other: Cost) -> None:
        """Add another cost."""
        self.energy_pence += other.energy_pence
        self.standing_pence += other.standing_pence
        self.levies_pence += other.levies_pence
        self.priced_thousandths += other.priced_thousandths
        self.unpriced_thousandths += other.unpriced_thousandths


def cost(tariff: Tariff | None, by_day: int, by_night: int, days: int) -> Cost:
    """Return what so many thousandths of a kWh cost, by day and by the tariff's night, over `days` of standing charge.

    Without a tariff nothing is priced, and the energy is counted as such.
    """
    whole = by_day + by_night
    if tariff is None:
        return Cost(unpriced_thousandths=whole)
    if tariff.unit_pence is not None:
        energy = tariff.unit_pence * whole
    else:
        energy = (tariff.day_pence or Fraction(0)) * by_day + (tariff.night_pence or Fraction(0)) * by_night
    levies = sum(tariff.levies.values(), Fraction(0)) * whole / 1000
    return Cost(energy / 1000, tariff.standing_pence * days, levies, whole)


def tariff_on(tariffs: Sequence[Tariff], supply: str, fuel: str, day: dt.date) -> Tariff | None:
    """Return the tariff of a supply on a day: its own before the one for all of its fuel."""
    mine = [one for one in tariffs if one.fuel == fuel and one.on(day) and one.supply in (supply, None)]
    return max(mine, key=lambda one: one.supply is not None, default=None)


def refuse_overlaps(tariffs: Sequence[Tariff]) -> None:
    """Raise TariffError where two tariffs of the same supply hold on the same day."""
    for at, one in enumerate(tariffs):
        for other in tariffs[:at]:
            if one.overlaps(other):
                of = one.supply or f"all supplies of {one.fuel}"
                raise TariffError(
                    f"two tariffs of {of} hold on {max(one.valid_from, other.valid_from)}; "
                    "end one (valid_to is the first day without it) before the other begins"
                )


def parse(text: str, name: str) -> list[Tariff]:
    """Return the tariffs of a CSV or TOML file called `name`; TariffError with the line and column of what is wrong."""
    found = _toml(text, name) if name.casefold().endswith(".toml") else _csv(text, name)
    if not found:
        raise TariffError(f"{name}: has no tariff")
    if len(found) > _MOST_TARIFFS:
        raise TariffError(f"{name}: has more than {_MOST_TARIFFS:,} tariffs")
    try:
        refuse_overlaps(found)
    except TariffError as error:
        raise TariffError(f"{name}: {error}") from None
    return found


def from_content(content: Mapping[str, Any]) -> Tariff:
    """Return the tariff `to_content` wrote."""
    return _tariff({key: content.get(key, "") for key in COLUMNS}, "kept tariff")


def to_content(tariff: Tariff) -> dict[str, str]:
    """Return a tariff as texts: what a row of a CSV file holds, exact."""
    night = tariff.night
    return {
        "supply": tariff.supply or "",
        "fuel": tariff.fuel,
        "valid_from": tariff.valid_from.isoformat(),
        "valid_to": "" if tariff.valid_to is None else tariff.valid_to.isoformat(),
        "unit_pence": _said(tariff.unit_pence),
        "day_pence": _said(tariff.day_pence),
        "night_pence": _said(tariff.night_pence),
        "night_from": "" if night is None else _clock(night[0]),
        "night_to": "" if night is None else _clock(night[1]),
        "standing_pence_per_day": _said(tariff.standing_pence),
        "levies": "; ".join(f"{name}={_said(pence)}" for name, pence in tariff.levies.items()),
        "source": tariff.source,
    }


def _said(pence: Fraction | None) -> str:
    return "" if pence is None else format(Decimal(pence.numerator) / Decimal(pence.denominator), "f")


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _csv(text: str, name: str) -> list[Tariff]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = [(one or "").strip().casefold() for one in reader.fieldnames or ()]
    unknown = [one for one in header if one not in COLUMNS]
    if unknown or "valid_from" not in header:
        what = f"column {unknown[0]!r} is unknown" if unknown else "has no column valid_from"
        raise TariffError(f"{name}: line 1: {what}; columns are {', '.join(COLUMNS)}")
    reader.fieldnames = header
    found = []
    try:
        for row in reader:
            if None in row:
                raise TariffError(f"{name}: line {reader.line_num}: has more cells than the header")
            if any(row.values()):
                found.append(
                    _tariff(
                        {key: (value or "").strip() for key, value in row.items()},
                        f"{name}: line {reader.line_num}",
                    )
                )
    except csv.Error as error:
        raise TariffError(f"{name}: line {reader.line_num}: {error}") from None
    return found


def _toml(text: str, name: str) -> list[Tariff]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TariffError(f"{name}: {error}") from None
    tables = content.pop("tariff", [])
    if content or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise TariffError(f"{name}: holds [[tariff]] tables and nothing else")
    lines = TomlLines(text)
    found = []
    for at, one in enumerate(tables):
        where = f"{name}: line {lines.of(('tariff', at))}"
        unknown = [key for key in one if key not in COLUMNS]
        if unknown:
            raise TariffError(
                f"{name}: line {lines.of(('tariff', at, unknown[0]))}: {unknown[0]!r} is unknown; use {', '.join(COLUMNS)}"
            )
        levies = one.get("levies", "")
        if isinstance(levies, dict):
            one["levies"] = "; ".join(f"{key}={value}" for key, value in levies.items())
        found.append(_tariff({key: str(value).strip() for key, value in one.items()}, where))
    return found


def _tariff(row: Mapping[str, str], where: str) -> Tariff:
    row = {key: row.get(key, "") for key in COLUMNS}
    fuel = row["fuel"] or "electricity"
    if fuel not in FUELS:
        raise TariffError(f"{where}: fuel: {fuel!r} is none of {', '.join(FUELS)}")
    first, last = _day(row, "valid_from", where), _day(row, "valid_to", where)
    if first is None:
        raise TariffError(f"{where}: valid_from: is missing")
    if last is not None and last <= first:
        raise TariffError(
            f"{where}: valid_to: {last} is not after {first}; it is the first day without the tariff"
        )
    unit, day, night = (_pence(row, key, where) for key in ("unit_pence", "day_pence", "night_pence"))
    hours = _night(row, where)
    if unit is None and (day is None or night is None or hours is None):
        raise TariffError(f"{where}: unit_pence: give it, or day_pence, night_pence, night_from and night_to")
    if unit is not None and (day is not None or night is not None):
        raise TariffError(f"{where}: unit_pence: there are day and night rates too; give one or the other")
    if len(row["source"]) > _LONGEST or not row["source"]:
        raise TariffError(f"{where}: source: say where the prices are from, in at most {_LONGEST} characters")
    return Tariff(
        supply="".join(row["supply"].split()).upper() or None,
        fuel=fuel,
        valid_from=first,
        valid_to=last,
        unit_pence=unit,
        day_pence=day,
        night_pence=night,
        night=hours,
        standing_pence=_pence(row, "standing_pence_per_day", where) or Fraction(0),
        levies=_levies(row["levies"], where),
        source=row["source"],
    )


def _day(row: Mapping[str, str], key: str, where: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(row[key]) if row[key] else None
    except ValueError:
        raise TariffError(f"{where}: {key}: {row[key][:40]!r} is no day; write it as 2026-04-01") from None


def _pence(row: Mapping[str, str], key: str, where: str) -> Fraction | None:
    return _amount(row[key], f"{where}: {key}") if row[key] else None


def _amount(said: str, where: str) -> Fraction:
    try:
        number = Decimal(said)
    except InvalidOperation:
        raise TariffError(f"{where}: {said[:40]!r} is no number of pence") from None
    # Below nought would be paid for using more; a credit belongs to the bill and not to the rate.
    if not number.is_finite() or not 0 <= number <= _MOST_PENCE:
        raise TariffError(f"{where}: {said[:40]} pence cannot be")
    if -int(number.normalize().as_tuple().exponent) > 9:
        raise TariffError(f"{where}: {said[:40]} has more than 9 decimal places")
    return Fraction(number)


def _night(row: Mapping[str, str], where: str) -> tuple[int, int] | None:
    if not row["night_from"] and not row["night_to"]:
        return None
    minutes = []
    for key in ("night_from", "night_to"):
        hour, parted, minute = row[key].partition(":")
        if not (parted and hour.isdecimal() and minute[:2] in {"00", "30"} and int(hour) <= 24):
            raise TariffError(f"{where}: {key}: {row[key][:20]!r} is no half-hour; write it as 00:30")
        minutes.append((int(hour) * 60 + int(minute[:2])) % 1440)
    if minutes[0] == minutes[1]:
        raise TariffError(f"{where}: night_to: the night has no hours")
    return minutes[0], minutes[1]


def _levies(said: str, where: str) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for part in filter(None, (one.strip() for one in said.split(";"))):
        name, parted, pence = (piece.strip() for piece in part.partition("="))
        if not parted or not name or name in found:
            raise TariffError(
                f"{where}: levies: write them as `CCL=0.775; RO=3.1`, each once, in pence a kWh"
            )
        found[name] = _amount(pence, f"{where}: levies: {name}")
    return found
