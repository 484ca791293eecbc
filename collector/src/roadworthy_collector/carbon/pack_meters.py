"""The meters in an evidence pack: supplies, where they go, every day and reading that decides their kWh, changes, files.

What is written when a report is closed is added up on its way out by `Meters`, and by the same code when a pack is
verified. Supplies of restricted sites are one row for each fuel, as in the report: their readings are not here, and
their kWh are as told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.carbon import meter_days, supplies
from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon.meter_undo import KIND
from roadworthy_collector.carbon.report_crc_tables import line_name
from roadworthy_collector.carbon.supplies import CrcSupply, Supply
from roadworthy_collector.carbon.supply_places import Place
from roadworthy_collector.store.books_schema import batches
from roadworthy_collector.store.carbon_schema import meter_days as days_table
from roadworthy_inventory.carbon import crc
from roadworthy_inventory.carbon.quantities import half_up
from roadworthy_inventory.carbon.registers import Reading
from roadworthy_inventory.carbon.years import year_days

_SECR_LINES = {"electricity_grid": "electricity", "gas": "gas"}
_PARTS = (
    "half_hours",
    "estimated_half_hours",
    "estimated_thousandths",
    "unstated_half_hours",
    "unstated_thousandths",
)
_MOST_DIGITS = 255  # as many as a reading is kept with


@dataclass(slots=True)
class Meters:
    """Adds rows of READINGS up: sums of half-hours by supply and channel, registers by supply."""

    first: dt.date
    last: dt.date
    sums: dict[str, dict[str, meter_days.Sum]] = field(default_factory=dict)
    registers: dict[str, list[Reading]] = field(default_factory=dict)
    imports: set[int] = field(default_factory=set)
    rows: int = 0

    def add(self, row: Mapping[str, str]) -> None:
        """Add a row; ValueError where it is none of this year."""
        day = dt.date.fromisoformat(row["day"])
        self.rows += 1
        self.imports.add(int(row["import"]))
        if row["channel"] == meter_days.REGISTER:
            reading = Reading(
                day=day,
                thousandths=int(row["thousandths"]),
                actual=row["actual"] == "1",
                digits=_digits(row),
                kwh_thousandths_per_unit=int(row["kwh_thousandths_per_unit"]),
                reset_before=row["reset_before"] == "1",
            )
            self.registers.setdefault(row["supply"], []).append(reading)
            return
        if not self.first <= day <= self.last:
            raise ValueError(f"{row['supply']}: {day} is not in the year")
        held = self.sums.setdefault(row["supply"], {}).setdefault(row["channel"], meter_days.Sum())
        held.days += 1
        held.thousandths += int(row["thousandths"])
        for name in _PARTS:
            setattr(held, name, getattr(held, name) + int(row[name]))
        if int(row["actual"]):
            held.first_actual = min(held.first_actual or day, day)
            held.last_actual = max(held.last_actual or day, day)

    def of(self, one: Supply, zone: str) -> CrcSupply | None:
        """Return the year's row of a supply, None where it fed nothing in the year."""
        span = one.responsible(self.first, self.last)
        if span is None:
            return None
        told = dict(self.sums.get(one.number, {}))
        register = meter_days.of_register(self.registers.get(one.number, ()), self.first, self.last)
        if register is not None:
            told[meter_days.REGISTER] = register
        return supplies.crc_row(one, told, span, zone)


def _digits(row: Mapping[str, str]) -> int:
    digits = int(row["digits"])
    if not 0 < digits <= _MOST_DIGITS:
        raise ValueError(f"{files.READINGS}: {row['supply']}: a register of {digits:,} digits")
    return digits


def collect(
    connection: Connection, kind: str, began: int, zone: str, left_out: Mapping[str, str], target: Path
) -> list[CrcSupply]:
    """Write the meters' files of a year into a folder; return the rows of the year worked out of them, in their order.

    `left_out`: {number: rule} of supplies in no sum. Of the ledger's own report there are headings only.
    """
    first, last = year_days(began)
    known = supplies.read(connection, restricted=True) if kind != "carbon" else []
    open_ones = {one.id: one for one in known if not one.restricted}
    meters = Meters(first, last)
    with files.gzipped(target / files.READINGS) as writer:
        for cells in _reading_rows(connection, first, last, open_ones):
            writer.writerow(cells)
            meters.add(dict(zip(files.COLUMNS[files.READINGS], map(str, cells), strict=True)))
    hidden = []
    if kind != "carbon":
        rows = supplies.crc_supplies(connection, began, zone=zone, today=last + dt.timedelta(days=1))
        hidden = [one for one in rows if not one.number]
    found = [row for one in open_ones.values() if (row := meters.of(one, zone)) is not None]
    found += hidden
    _write(target / files.SUPPLIES, supply_rows(kind, found, left_out))
    _write(target / files.SUPPLY_SITES, _place_rows(open_ones.values()))
    placed = [(one.number, place) for one in open_ones.values() for place in one.places]
    _write(target / files.CHANGES, change_rows(placed, first, last))
    _write(target / files.METER_FILES, _file_rows(connection, meters.imports))
    return found


def _write(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("xb") as file:
        path.chmod(0o600)
        file.write(files.csv_bytes(path.name, rows))


def _reading_rows(
    connection: Connection, first: dt.date, last: dt.date, known: Mapping[int, Supply]
) -> Iterator[tuple[Any, ...]]:
    for row in meter_days.days(connection, first, last) if known else ():
        if row.supply in known:
            one = meter_days.Sum()
            one.add_row(row)
            actual = row.statuses.count(meter_days.ACTUAL)
            parts = (getattr(one, name) for name in _PARTS)
            yield (
                known[row.supply].number,
                row.day,
                row.channel,
                one.thousandths,
                actual,
                *parts,
                "",
                "",
                "",
                row.batch,
            )
    query = meter_days.counting().where(days_table.c.channel == meter_days.REGISTER)
    for row in connection.execute(query.order_by(days_table.c.supply, days_table.c.day)) if known else ():
        if row.supply in known:
            one_ = meter_days.reading_of(row)
            told = (
                one_.thousandths,
                int(one_.actual),
                *[""] * len(_PARTS),
                one_.digits,
                one_.kwh_thousandths_per_unit,
            )
            yield (known[row.supply].number, row.day, row.channel, *told, int(one_.reset_before), row.batch)


def supply_rows(
    kind: str, rows: Sequence[CrcSupply], left_out: Mapping[str, str]
) -> Iterator[tuple[Any, ...]]:
    """Yield the list of supplies with the line each is in; empty where it is in no sum."""
    place = 0
    for one in rows:
        rule = left_out.get(one.number, "") if kind == "crc" else ""
        place += not rule
        line = line_name(place) if kind == "crc" else _SECR_LINES.get(one.fuel, "")
        yield (
            "" if rule or not one.has_reading else line,
            one.number,
            one.name or "",
            one.fuel,
            "; ".join(one.sites),
            *one.responsible,
            ("estimated" if one.estimated else "actual") if one.has_reading else "no reading",
            one.first_actual or "",
            one.last_actual or "",
            _decimal(one.kwh) if one.has_reading else "",
            *(_decimal(kwh) for kwh in (one.estimated_kwh, one.unstated_kwh, one.export_kwh)),
            one.expected_half_hours,
            one.missing_half_hours,
            "" if one.settled_half_hourly is None else int(one.settled_half_hourly),
            rule,
        )


def _decimal(kwh: Fraction) -> str:
    """Return kWh as a decimal: meters tell thousandths, so it is exact."""
    text = f"{half_up(kwh, 3):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def lines_of(kind: str, rows: Sequence[CrcSupply], left_out: Mapping[str, str]) -> dict[str, Fraction]:
    """Return {line: kWh} of what a report takes from meters."""
    found: dict[str, Fraction] = {}
    for one, cells in zip(rows, supply_rows(kind, rows, left_out), strict=True):
        if cells[0]:
            found[cells[0]] = found.get(cells[0], Fraction(0)) + one.kwh
    return found


def left_out_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return {supply: rule} of what a report says it leaves out."""
    table = next((one for one in content["tables"] if one["name"] == "excluded"), None)
    return {} if table is None else {row["supply"]: row["rule"] for row in table["rows"]}


def _place_rows(known: Iterable[Supply]) -> Iterator[tuple[Any, ...]]:
    for one in known:
        for place in one.places:
            share = "" if place.share is None else place.share
            yield (
                one.number, place.name, place.kind, place.tenure, place.valid_from, place.valid_to or "", share,
            )  # fmt: skip


def change_rows(placed: Iterable[tuple[str, Place]], first: dt.date, last: dt.date) -> list[tuple[Any, ...]]:
    """Return the supplies that began to feed a site in the year, or ended; by day. `placed`: (supply, a place of it)."""
    found = []
    for supply, place in placed:
        if first < place.valid_from <= last:
            found.append((place.valid_from, "joined", supply, place.name, place.tenure))
        if place.valid_to is not None and first < place.valid_to <= last:
            found.append((place.valid_to, "left", supply, place.name, place.tenure))
    return sorted(found)


def _file_rows(connection: Connection, imports: Collection[int]) -> Iterator[tuple[Any, ...]]:
    """Yield the files the readings came in; the digest is of the file and of how it was read."""
    names = ("id", "file_name", "file_sha256", "made_at", "made_by", "rows_read", "rows_good", "rows_bad")
    query = select(*(batches.c[name] for name in names)).where(
        batches.c.kind == KIND, batches.c.undone_at.is_(None), batches.c.unfinished.is_(False)
    )
    for row in connection.execute(query.order_by(batches.c.id)):
        if row.id not in imports:
            continue
        at = dt.datetime.fromtimestamp(row.made_at, dt.UTC).isoformat()
        yield (row.id, row.file_name or "", row.file_sha256 or "", at, *row[4:])


def place_of(row: Mapping[str, str]) -> Place:
    """Return a place from its row of a pack; ValueError for what is none."""
    until = dt.date.fromisoformat(row["to"]) if row["to"] else None
    share = Fraction(row["share"]) if row["share"] else None
    since = dt.date.fromisoformat(row["from"])
    return Place(0, row["site"], row["kind"], False, since, until, row["tenure"], share)


def known_of(supply_cells: Sequence[Mapping[str, str]], places: Iterable[Mapping[str, str]]) -> list[Supply]:
    """Return the supplies of a pack that have a number, with their places; ValueError for what is none."""
    placed: dict[str, list[Place]] = {}
    for row in places:
        placed.setdefault(row["supply"], []).append(place_of(row))
    fuels: dict[str, str] = {name: fuel for fuel, name in supplies.CRC_FUELS.items()}
    return [
        Supply(
            at,
            row["supply"],
            fuels[row["fuel"]],
            row["name"] or None,
            None if row["settled_half_hourly"] == "" else row["settled_half_hourly"] == "1",
            tuple(placed.get(row["supply"], ())),
        )
        for at, row in enumerate(supply_cells)
        if row["supply"]
    ]


def as_told(row: Mapping[str, str]) -> CrcSupply:
    """Return the row of supplies of restricted sites as a pack tells it."""
    fuel = next(one for one in supplies.CRC_FUELS.values() if one == row["fuel"])
    kwh = Fraction(row["kwh"]) if row["kwh"] else Fraction(0)
    span = dt.date.fromisoformat(row["responsible_from"]), dt.date.fromisoformat(row["responsible_to"])
    told: dict[str, Any] = {one.name: None for one in fields(CrcSupply)}
    told |= {
        "number": "",
        "name": row["name"],
        "fuel": fuel,
        "kwh": kwh,
        "estimated": row["basis"] != "actual",
    }
    uplift = kwh * crc.UPLIFT if row["basis"] == "estimated" else Fraction(0)
    told |= {"uplift_kwh": uplift, "responsible": span, "sites": (), "tenures": ()}
    told |= {name: Fraction(row[f"{name}"]) for name in ("estimated_kwh", "unstated_kwh", "export_kwh")}
    told |= {name: int(row[name]) for name in ("expected_half_hours", "missing_half_hours")}
    return CrcSupply(**told | {"has_reading": bool(row["kwh"])})
