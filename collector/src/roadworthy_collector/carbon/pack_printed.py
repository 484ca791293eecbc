"""Compares what a pack's report prints with what its meters, lines and factors come to: figures, tables, totals.

A CRC report is worked out again from the readings by the code that made it. Of the others: kWh of meters from the
readings, and every number that is kWh x factor, a sum of the report, or a total of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from roadworthy_collector.carbon import (
    pack_drawn,
    pack_meters,
    report_crc_around,
    report_crc_tables,
    report_crc_years,
)
from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon.estate import PLACE_TITLES
from roadworthy_collector.carbon.pack_files import Reader, Unzipped
from roadworthy_collector.carbon.pack_numbers import exact
from roadworthy_collector.carbon.report_model import Figure, Table, number
from roadworthy_collector.carbon.sums import Sum
from roadworthy_collector.carbon.supplies import CrcSupply
from roadworthy_inventory.carbon.crc_rates import RateBook
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH
from roadworthy_inventory.carbon.quantities import half_up
from roadworthy_inventory.carbon.years import year_days

_JOURNAL = "journal "
_LINES, _SUMS = f"{files.REPORT}: lines", f"{files.REPORT}: sums, tonnes"
_ADDED = {
    "kwh",
    "tonnes",
    "tco2",
    "tco2e",
}  # columns whose total is that of its rows; the league's is of all participants
_NO_SUMS = {"league", "ict_share"}  # their last row is what the others are held against
_MOST_TOLD = 20
_KWH_PLACES = 3


class Metered(NamedTuple):
    """The supplies of a pack: each row of its list with what its readings come to, None where it fed nothing."""

    rows: list[tuple[Mapping[str, str], CrcSupply | None]]
    readings: int
    told_kwh: Fraction

    @property
    def supplies(self) -> list[CrcSupply]:
        """All supplies, in the order of the list."""
        return [one for _, one in self.rows if one is not None]

    @property
    def counted(self) -> list[CrcSupply]:
        """Those in a sum."""
        return [one for row, one in self.rows if one is not None and not row["left_out"]]


def metered(pack: Reader, began: int, zone: str) -> Metered:
    """Return the supplies worked out of the pack's readings; ValueError for a reading of none in the list."""
    meters = pack_meters.Meters(*year_days(began))
    for row in pack.rows(files.READINGS):
        meters.add(row)
    listed = list(pack.rows(files.SUPPLIES))
    known = {one.number: one for one in pack_meters.known_of(listed, pack.rows(files.SUPPLY_SITES))}
    found: list[tuple[Mapping[str, str], CrcSupply | None]] = []
    told = Fraction(0)
    for row in listed:
        one = known.get(row["supply"])
        worked = pack_meters.as_told(row) if one is None else meters.of(one, zone)
        told += worked.kwh if one is None and worked is not None else 0
        found.append((row, worked))
    return Metered(found, meters.rows, told)


def _listed(kind: str, held: Metered, left_out: Mapping[str, str]) -> Iterator[str]:
    """Yield each cell of the list of supplies that does not follow from readings, places and the report."""
    for row, worked in held.rows:
        if worked is None:
            yield f"{files.SUPPLIES}: {row['supply']} feeds nothing in that year by {files.SUPPLY_SITES}"
        else:
            yield from _differing(row, worked)
    made = pack_meters.supply_rows(kind, held.supplies, left_out)
    for (row, _), cells in zip((one for one in held.rows if one[1] is not None), made, strict=True):
        for name, cell in zip(files.COLUMNS[files.SUPPLIES], cells, strict=True):
            if name not in {"basis", "kwh"} and row[name] != str(cell):
                yield f"{files.SUPPLIES}: {row['supply']}: {name} is {row[name]!r} there and {str(cell)!r} comes out"


def _differing(row: Mapping[str, str], worked: CrcSupply) -> Iterator[str]:
    basis = ("estimated" if worked.estimated else "actual") if worked.has_reading else "no reading"
    if row["basis"] != basis:
        yield f"{files.SUPPLIES}: {row['supply']} is {row['basis']} there and {basis} by its readings"
    kwh = worked.kwh if worked.has_reading else None
    if (Fraction(row["kwh"]) if row["kwh"] else None) != kwh:
        said = "not known" if kwh is None else f"{float(kwh):,.3f} kWh"
        yield f"{files.SUPPLIES}: {row['supply']} says {row['kwh'] or 'nothing'} kWh and its readings come to {said}"


def excluded(pack: Unzipped, content: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield each count of what is left out that `exclusions.csv` or the manifest tells otherwise than the report."""
    told = {row["what"]: (row["count"], row["unit"]) for row in pack.rows(files.EXCLUSIONS)}
    for one in content["exclusions"]:
        count = "not known" if one["count"] is None else str(one["count"])
        if (held := told.get(one["what"])) != (count, one["unit"]):
            said = "nothing" if held is None else " ".join(held)
            yield f"{one['what']}: {files.REPORT} says {count} {one['unit']} and {files.EXCLUSIONS} {said}"
    if manifest.get("exclusions") != content["exclusions"]:
        yield f"{files.MANIFEST}: what is left out is not what {files.REPORT} says"


def lines(kind: str, content: Mapping[str, Any], rows: Sequence[CrcSupply]) -> Iterator[str]:
    """Yield each line of meters that is not what the readings come to."""
    told = pack_meters.lines_of(kind, rows, {})
    for one in content["lines"]:
        if not one["ledger"] and exact(one["kwh"], _LINES) != told.pop(one["name"], 0):
            yield f"{one['title']}: {float(exact(one['kwh'], _LINES)):,.3f} kWh is not what its readings come to"
    for name, kwh in told.items():
        if kwh:
            yield f"{name}: {float(kwh):,.3f} kWh of readings are in no line of the report"


def _entered(journals: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return {
        name.removeprefix(_JOURNAL): kwh
        for name, kwh in journals.items()
        if name.startswith(_JOURNAL) and kwh
    }


def crc(
    content: Mapping[str, Any],
    rows: Sequence[CrcSupply],
    journals: Mapping[str, Fraction],
    rates: RateBook | None = None,
) -> list[str]:
    """Return what a CRC report prints that is not what its readings and rates come to; shipped ones in old packs."""
    named = _entered(journals)
    choice = report_crc_tables.Choice.of_rules(content["rules"])
    worked = report_crc_tables.work_out(int(content["began"]), rows, named, choice, rates)
    found = worked.found
    made = (
        report_crc_tables.supplies_table(rows, worked),
        report_crc_tables.subtotals(worked),
        report_crc_around.prices(found),
        report_crc_around.de_minimis(found),
        report_crc_around.league_table(found),
        report_crc_years.years(found),
    )
    differences = list(_figures(content, report_crc_tables.figures(worked)))
    for table in made:
        if table is not None:
            differences += _table(content, table)
    tonnes = found.exact.tonnes
    differences += [
        _says(one["title"], float(exact(one["tonnes"], _SUMS)), float(tonnes))
        for one in content["sums"]
        if exact(one["tonnes"], _SUMS) != tonnes
    ]
    held = {one["key"]: one["value"] for one in content["factors"]}
    for factor in report_crc_tables.factors(worked):
        if held.get(factor.key) != (None if factor.value is None else str(factor.value)):
            differences.append(
                f"{factor.title}: {held.get(factor.key)} is not this program's factor or price of that year"
            )
    return differences


def _figures(content: Mapping[str, Any], made: Sequence[Figure]) -> Iterator[str]:
    printed = {one["name"]: one for one in content["figures"]}
    for one in made:
        held = printed.get(one.name, {})
        for name in ("value", "low", "high"):
            if not _same(held.get(name), getattr(one, name)):
                yield _says(one.title, held.get(name), getattr(one, name))


def _table(content: Mapping[str, Any], made: Table) -> Iterator[str]:
    held = next((one for one in content["tables"] if one["name"] == made.name), None)
    rows: Sequence[Mapping[str, Any]] = [] if held is None else held["rows"]
    if len(rows) != len(made.rows):
        yield f"{made.title}: {len(rows)} rows are printed and {len(made.rows)} come out"
        return
    ends = ((held or {}).get("total") or {}, made.total or {})
    for place, (old, new) in enumerate([*zip(rows, made.rows, strict=True), ends], 1):
        for column in made.columns:
            # Words may be put otherwise by another version; numbers and what decides them may not.
            if column.kind == "number" or column.name in {"basis", "fuel"}:
                name = column.name
                if not _same(old.get(name), new.get(name)):
                    yield _says(f"{made.title}, row {place}, {column.title}", old.get(name), new.get(name))


def _same(printed: Any, made: Any) -> bool:
    if isinstance(printed, (int, float)) and isinstance(made, (int, float)):
        return abs(printed - made) <= 1e-9 * max(1.0, abs(made))
    return bool(printed == made)


def _says(what: str, printed: Any, made: Any) -> str:
    told = (
        "not known" if one is None else f"{one:,}" if isinstance(one, (int, float)) else one
        for one in (printed, made)
    )
    return "{}: {} is printed and {} comes out".format(what, *told)


def sums(content: Mapping[str, Any], worked: Mapping[str, Fraction]) -> Iterator[str]:
    """Yield what is printed and is a sum of the report, tonnes of a row's kWh or a total of rows, and differs.

    `worked`: {sum: its tonnes worked out of lines and factors}.
    """
    for one in content["figures"]:
        if one["name"] in worked and not _same(one["value"], number(worked[one["name"]], one["places"])):
            yield _says(one["title"], one["value"], number(worked[one["name"]], one["places"]))
    values = {one["key"]: one["value"] for one in content["factors"]}
    for table in content["tables"]:
        for row in table["rows"]:
            yield from _row(table, row, worked, values)
        if table["total"]:
            yield from _total(table, values)


def _row(
    table: Mapping[str, Any],
    row: Mapping[str, Any],
    worked: Mapping[str, Fraction],
    factors: Mapping[str, str | None],
) -> Iterator[str]:
    label = f"{table['title']}, {row.get(table['columns'][0]['name'])}"
    name = str(row.get("name"))
    if name in worked and row.get("value") is not None and not _same(row["value"], number(worked[name])):
        yield _says(label, row["value"], number(worked[name]))
    if how := table.get("tonnes_of"):
        yield from _product(label, row, how, factors)


def _product(
    label: str, row: Mapping[str, Any], how: Sequence[str], factors: Mapping[str, str | None]
) -> Iterator[str]:
    result, kwh, factor = how
    value = factors.get(factor)
    if row.get(kwh) is None or row.get(result) is None or value is None:
        return
    made = exact(row[kwh], label) * exact(value, files.FACTORS) / 1000
    # kWh are printed to the watt-hour, and tonnes were worked out of exact ones.
    if abs(exact(row[result], label) - Fraction(half_up(made, _KWH_PLACES))) > Fraction(2, 1000):
        yield _says(label, row[result], number(made))


def _total(table: Mapping[str, Any], factors: Mapping[str, str | None]) -> Iterator[str]:
    if how := table.get("tonnes_of"):
        yield from _product(f"{table['title']}, total", table["total"], how, factors)
    for column in table["columns"]:
        name, value = column["name"], table["total"].get(column["name"])
        cells = [cell for row in table["rows"] if (cell := row.get(name)) is not None]
        if name not in _ADDED or table["name"] in _NO_SUMS or value is None:
            continue
        apart = 0.0006 * (len(cells) + 1)
        if cells and abs(sum(cells) - value) > apart:
            yield f"{table['title']}, {column['title']}: {value:,} is printed and the rows come to {sum(cells):,.3f}"


def journals(content: Mapping[str, Any], held: Mapping[str, Fraction]) -> Iterator[str]:
    """Yield each line whose adjustments are not the sum of the entries the report prints."""
    table = next((one for one in content["tables"] if one["name"] == "journals"), None)
    told: dict[str, Fraction] = {}
    for row in [] if table is None else table["rows"]:
        told[row["line"]] = told.get(row["line"], Fraction(0)) + exact(
            row["kwh"], f"{files.REPORT}: journals, kwh"
        )
    for name, kwh in held.items():
        if told.get(name.removeprefix(_JOURNAL), Fraction(0)) != kwh:
            yield f"{files.LINES}: adjustments of {name} are {float(kwh):,.3f} kWh and the entries come to something else"


def ledger(content: Mapping[str, Any], rows: Mapping[tuple[str, str, str], Sum]) -> Iterator[str]:
    """Yield each row by month, place or class whose kWh are not those of the ledger's groups; `rows` by these three."""
    for at, by in enumerate(("month", "place", "class")):
        joules: dict[str, int] = {}
        for group, one in rows.items():
            joules[group[at]] = joules.get(group[at], 0) + sum(one.joules)
        titles = {PLACE_TITLES.get(key, key) if by == "place" else key: key for key in joules}
        table = next((one for one in content["tables"] if one["name"] == f"by_{by}"), None)
        for row in [] if table is None else table["rows"]:
            if (key := titles.get(row["title"])) is None:
                continue
            made = number(Fraction(joules[key], JOULES_PER_KWH))
            if not _same(row["kwh"], made) and (row["kwh"] is not None or made):
                yield _says(f"{content['title']}, by {by}, {row['title']}, kWh", row["kwh"], made)


def of_meters(
    held: Metered | None,
    content: Mapping[str, Any],
    manifest: Mapping[str, Any],
    remarks: list[str],
    rates: RateBook | None,
) -> list[str]:
    """Return what of a report that rests on meters differs from the readings in its pack, the first of them in words."""
    if held is None:
        remarks.append(
            "the pack is of an older version without readings: kWh of meters are taken as its lines tell them"
        )
        return []
    remarks.append(f"{held.readings:,} days and readings of meters were added up anew")
    if held.told_kwh:
        remarks.append(
            f"{float(held.told_kwh):,.3f} kWh of supplies of restricted sites are as told: their readings are not here"
        )
    rows = held.counted
    found = list(_listed(content["kind"], held, pack_meters.left_out_of(content)))
    found += lines(content["kind"], content, rows)
    entered = {one["name"]: exact(one["journals_kwh"], _LINES) for one in content["lines"]}
    if content["kind"] == "crc":
        found += crc(content, rows, entered, rates)
        if pack_drawn.same_version(manifest):
            found += pack_drawn.crc_words(content, rows, _entered(entered), rates)
    more = len(found) - _MOST_TOLD
    return [*found[:_MOST_TOLD], *([f"and {more:,} more"] if more > 0 else [])]
