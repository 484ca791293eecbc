"""The organisation as a file and from one: units, cost centres, systems or sites, in CSV or XLSX.

A file holds one of the four, told by its columns. Rows are taken all together or not at all: half a tree is none. What
is wrong is said with line and column. What the file does not name stays as it is. An export imports again unchanged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, Engine, func, select

from roadworthy_collector.books import export_notes, organisation_moves, organisation_places, sheets
from roadworthy_collector.books.organisation import checked_day
from roadworthy_collector.books.organisation_rows_told import (
    COLUMNS,
    NEEDED,
    WHATS,
    Faults,
    Imported,
    Job,
    Row,
    What,
)
from roadworthy_collector.books.organisation_tree import OrganisationError, read
from roadworthy_collector.books.organisation_units import take_units
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import cost_centres, systems
from roadworthy_collector.store.engine import UNASSIGNED, write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.calendar import local_date
from roadworthy_inventory.importing.problems import ImportRefusedError, restored
from roadworthy_inventory.importing.reading import open_table
from roadworthy_inventory.importing.values import as_text
from roadworthy_inventory.units import path_key

MOST_ROWS = 20_000
_TITLE_LINES = 25  # a header further down is none
_TITLES = {"units": "Units", "cost_centres": "Cost centres", "systems": "Systems", "sites": "Sites"}


def import_file(  # noqa: PLR0913 - all but three by name
    engine: Engine,
    stream: BinaryIO,
    file: str,
    *,
    actor: str,
    now: float,
    zone: str,
    day: dt.date | None = None,
    what: What | None = None,
    dry_run: bool = False,
) -> Imported:
    """Bring a file in, its changes of units from `day` on (today if not said); OrganisationError says what is wrong."""
    today = local_date(now, zone)
    on = checked_day(day or today)
    found, header, rows = _read(stream, file, what)
    with engine.connect() as connection:
        job = Job(connection, found, header, on, Faults(file), today, zone, now, dry_run=True)
        outcome = _apply(job, rows)
    if dry_run or not (outcome.new or outcome.changed):
        return replace(outcome, dry_run=dry_run)
    with write_transaction(engine) as connection:
        outcome = _apply(replace(job, connection=connection, faults=Faults(file), dry_run=False), rows)
        detail = {
            "file": file,
            "day": on.isoformat(),
            "new": len(outcome.new),
            "changed": len(outcome.changed),
        }
        record(connection, int(now), actor, "organisation.import", found, detail)
    if found == "units":
        organisation_moves.catch_up(engine, now=now, today=today, zone=zone, actor=actor)
    return outcome


def _read(stream: BinaryIO, file: str, what: What | None) -> tuple[What, dict[str, str], list[Row]]:
    """Return what a file holds, its columns by field, and its rows."""
    try:
        table = open_table(stream, file)
        given = iter(table.rows)
        found, columns, places = _header(table.header, given, file, what)
        rows: list[Row] = []
        for line, cells in given:
            if len(rows) >= MOST_ROWS:
                raise OrganisationError(
                    f"{file}: line {line}: more than {MOST_ROWS:,} rows; is it the right file?"
                )
            texts = {
                name: " ".join(restored(as_text(cells[place])).split())
                for name, place in places.items()
                if place < len(cells)
            }
            rows.append(Row(line, {name: text for name, text in texts.items() if text}))
    except ImportRefusedError as error:
        raise OrganisationError(str(error)) from None
    if not rows:
        raise OrganisationError(f"{file}: has a header and no rows")
    return found, columns, rows


def _header(
    first: Sequence[str], rows: Iterator[Any], file: str, what: What | None
) -> tuple[What, dict[str, str], dict[str, int]]:
    """Return what the file holds, and its columns and their places by field.

    The header is the first row that says what it holds: lines of a title may stand above, and rows up to it are taken.
    """
    cells: Sequence[Any] = first
    for _ in range(_TITLE_LINES):
        header = [" ".join(restored(as_text(cell)).split()) for cell in cells]
        if (found := _recognised(header, what)) is not None:
            return (*found, {name: header.index(column) for name, column in found[1].items()})
        row = next(rows, None)
        if row is None:
            break
        cells = row[1]
    wanted = "; ".join(f"{one.replace('_', ' ')}: {COLUMNS[one][NEEDED[one]][0]}" for one in WHATS)
    raise OrganisationError(f"{file}: no column says what it holds; name one ({wanted})")


def _recognised(header: Sequence[str], what: What | None) -> tuple[What, dict[str, str]] | None:
    known = {name.casefold(): name for name in reversed(header)}

    def bound(one: What) -> dict[str, str]:
        return {
            name: known[title.casefold()]
            for name, titles in COLUMNS[one].items()
            if (title := next((title for title in titles if title.casefold() in known), None)) is not None
        }

    for one in (what,) if what else ("cost_centres", "systems", "sites", "units"):
        columns = bound(one)
        if NEEDED[one] in columns:
            return one, columns
    return None


def _apply(job: Job, rows: Sequence[Row]) -> Imported:
    seen: dict[str, int] = {}
    key = NEEDED[job.what]
    for row in rows:
        text = row.texts.get(key)
        if text is None:
            job.faults.add(row.line, job.header[key], "is empty")
            continue
        first = seen.setdefault(path_key(text) if job.what == "units" else text.casefold(), row.line)
        if first != row.line:
            job.faults.add(row.line, job.header[key], f"{text} is on line {first} already")
    job.faults.raise_any()
    return take_units(job, rows) if job.what == "units" else _places(job, rows)


# --- cost centres, systems, sites -----------------------------------------------------------------------------


def _places(job: Job, rows: Sequence[Row]) -> Imported:
    outcome = Imported(job.what, job.on, job.dry_run)
    unchanged = 0
    held = None if job.what == "sites" else _Held(job)
    for row in rows:
        try:
            is_new, changed = _site(job, row) if held is None else held.take(row)
        except RoadworthyError as error:
            job.faults.add(row.line, _column(job, row, str(error)), str(error))
            continue
        if is_new:
            outcome.new.append(row.texts["key"])
        elif changed:
            outcome.changed.append(row.texts["key"])
        else:
            unchanged += 1
    job.faults.raise_any()
    return Imported(job.what, job.on, job.dry_run, outcome.new, outcome.changed, unchanged)


def _column(job: Job, row: Row, said: str) -> str:
    """Return the column an error is about: the one whose text it begins with, else the one that names the row."""
    for name in ("kind", "unit"):
        text = row.texts.get(name)
        if text is not None and said.startswith((text, repr(text))):
            return job.header[name]
    return job.header["key"]


class _Held:
    """The rows of a table by their key, and the units' paths: read once for all rows of a file."""

    def __init__(self, job: Job) -> None:
        table, key = (cost_centres, "code") if job.what == "cost_centres" else (systems, "name")
        self._job = job
        self._kind: Any = job.what
        rows = job.connection.execute(select(table))
        self._rows = {getattr(row, key).casefold(): row for row in rows}
        self._organisation = read(job.connection)
        self._paths = organisation_places.unit_paths(job.connection, self._organisation)

    def take(self, row: Row) -> tuple[bool, bool]:
        """Take a row; return whether it is new, and whether it changes anything."""
        job, texts = self._job, row.texts
        # A column that is there says all: an empty cell is no name, no unit; a column that is not leaves them.
        unit = texts.get("unit", organisation_places.NO_UNIT) if "unit" in job.header else None
        name = texts.get("name", "") if "name" in job.header else None
        said = organisation_places.Said(texts["key"], name, texts.get("kind"), unit, job.on)
        found = organisation_places.plan(
            job.connection,
            self._organisation,
            self._kind,
            said,
            self._rows.get(texts["key"].casefold()),
            paths=self._paths,
            today=job.today,
        )
        if not job.dry_run and found.before != found.after:
            organisation_places.put(job.connection, self._kind, found, now=job.now)
        return found.before is None, found.before != found.after


def _site(job: Job, row: Row) -> tuple[bool, bool]:
    """Take a row about a site; return as `_Held.take` does."""
    name, said = row.texts["key"], row.texts.get("kind", "unknown")
    kind = organisation_places.checked_kind(said)
    before = job.connection.scalar(select(sites.c.kind).where(sites.c.name == name))
    if not job.dry_run and before != kind:
        organisation_places.put_site(job.connection, name, kind)
    return before is None, before != kind


# --- export ---------------------------------------------------------------------------------------------------


def export_rows(connection: Connection, what: What, day: dt.date) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns and rows of an export: units as the tree of `day` has them, the others as of today.

    Restricted sites are left out, as of everything that leaves as a file.
    """
    titles = {name: names[0] for name, names in COLUMNS[what].items()}
    if what == "units":
        organisation = read(connection)
        tree = organisation.at(day)
        paths = sorted((tree.path(unit) for unit in tree.units), key=path_key)
        return ["Unit"], [{"Unit": path} for path in paths]
    if what == "sites":
        query = select(sites.c.name, sites.c.kind).where(
            sites.c.restricted.is_(False), sites.c.name != UNASSIGNED
        )
        rows = connection.execute(query.order_by(func.lower(sites.c.name)))
        return ["Site", "Kind"], [{"Site": row.name, "Kind": row.kind} for row in rows]
    found = organisation_places.listed(connection, what)
    columns = [titles["key"], "Name" if what == "cost_centres" else "Kind", "Unit"]
    keys = ("code", "name", "unit") if what == "cost_centres" else ("name", "kind", "unit")
    return columns, [{column: row[key] for column, key in zip(columns, keys, strict=True)} for row in found]


def export_file(
    connection: Connection, target: Path, what: What, *, day: dt.date, now: float, marking: str = "OFFICIAL"
) -> int:
    """Write an export to a .csv or .xlsx file and return how many rows it has."""
    columns, rows = export_rows(connection, what, day)
    at = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    coverage = "restricted sites are left out" if what == "sites" else f"all {len(rows)}"
    as_of = f"{day.isoformat()}, exported {at}" if what == "units" else at
    about = sheets.About(f"{_TITLES[what]} of Roadworthy", as_of, "none", coverage, marking)
    return sheets.write_table(target, columns, rows, about)


def noted_export(
    engine: Engine, target: Path, what: What, *, day: dt.date, now: float, marking: str, actor: str
) -> int:
    """As `export_file`, and put on the record who took it."""
    with engine.connect() as connection:
        rows = export_file(connection, target, what, day=day, now=now, marking=marking)
    kind, told = target.suffix.lower().removeprefix("."), {"at": day.isoformat()}
    export_notes.note(engine, now, actor, what, kind=kind, rows=rows, told=told)
    return rows
