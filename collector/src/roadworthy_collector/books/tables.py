"""The tables of the console as files: which there are, who may have each, and one way out for all of them.

A table is read with its page's own queries, in pieces, within the reader's units and without restricted sites.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote, urlencode

from sqlalchemy import Connection, Engine

from roadworthy_collector.books import (
    benefits,
    book_tables,
    contracts,
    disposal_lists,
    export_notes,
    legacy_systems,
    lifecycle_tables,
    organisation_tables,
    plan_chosen,
    polled_tables,
    rating_tables,
    sheets,
    summary_tables,
    table_rows,
    table_rows_money,
)
from roadworthy_collector.books.sheets import About, as_at
from roadworthy_collector.books.table_rows import Made, Source
from roadworthy_collector.carbon import avoidable_show, meter_tables
from roadworthy_collector.carbon import show as carbon_show
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.roles import Reader, Right
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_inventory.importing.formats import closest
from roadworthy_inventory.importing.problems import shortened

FILTER_LENGTH = 256


class Table(NamedTuple):
    """One table: what it is, the filters of its page, how it is read, and who may have it.

    `whole`: it is about the whole IT estate, so nobody whose role holds for some units has it. `people`: it tells how
    one device is used, which may be about one person.
    """

    title: str
    filters: tuple[str, ...]
    make: Callable[[Source], Made]
    right: Right = Right.READ_ESTATE
    whole: bool = False
    people: bool = False
    audited: bool = False
    imported: bool = (
        False  # by a ticket system: the header stands first, and what it is in columns of each row
    )


TABLES: dict[str, Table] = {
    "devices": Table("Devices", ("q", "site", "state", "class", "model"), table_rows.devices),
    "polled-devices": Table("Polled devices and what they say of themselves", (), polled_tables.facts),
    "startups-models": Table("Start-ups by model", ("days", "kind"), table_rows.startups_by("models")),
    "startups-sites": Table("Start-ups by site", ("days", "kind"), table_rows.startups_by("sites")),
    "startups-slowest": Table("Slowest devices", ("days", "kind"), table_rows.slowest),
    "reconciliation": Table("Reconciliation", ("place", "state"), table_rows.gaps),
    "review": Table("Review queue of reconciliation", (), table_rows.review),
    "ratings": Table(
        "Ratings",
        ("rating", "site", "unit", "rule", "model", "not_judged", "imported", "excepted", "asks"),
        table_rows.ratings,
    ),
    "ratings-sites": Table("Ratings by site", (), rating_tables.by("site"), whole=True),
    "ratings-units": Table("Ratings by unit", (), rating_tables.by("unit"), whole=True),
    "ratings-models": Table("Ratings by model", (), rating_tables.by("model"), whole=True),
    "exceptions": Table("Exceptions register", ("state",), table_rows.exceptions),
    "cost-lines": Table(
        "Cost lines",
        ("kind", "year", "measure", "share", "member", "centre", "none", "pool", "text", "period"),
        table_rows_money.cost_lines,
        whole=True,
    ),
    "cost-bridge": Table(
        "Lines of the bridge",
        ("part", "year", "measure", "centre", "none", "period", "reason"),
        table_rows_money.cost_bridge_lines,
        whole=True,
    ),
    "cost-shares": Table("Cost shares", ("by", "year"), table_rows_money.cost_shares, whole=True),
    "plan": Table(
        "Replacement plan", (*plan_chosen.Wanted._fields, "tag"), table_rows_money.plan, whole=True
    ),
    "plan-models": Table("Replacement plan by model", (), summary_tables.plan_models, whole=True),
    "plan-limits": Table("Limits of the replacement plan", (), summary_tables.plan_limits, whole=True),
    "register-batches": Table("Imports and changes of the register", (), summary_tables.batches, whole=True),
    "organisation": Table("Units with their figures", ("at", "over"), summary_tables.organisation),
    "organisation-rows": Table(
        "Rows behind a figure of a unit",
        ("kind", "unit", "state", "at", "over"),
        organisation_tables.unit_rows,
    ),
    "organisation-site-rows": Table(
        "Rows behind a figure of a site", ("kind", "site", "at", "over"), organisation_tables.site_rows
    ),
    "claim_under_warranty": Table(
        "Claim under warranty", ("assign",), table_rows_money.tickets, whole=True, imported=True
    ),
    "fit_an_ssd": Table("Fit an SSD", ("assign",), table_rows_money.tickets, whole=True, imported=True),
    "collect_unused": Table(
        "Collect the unused", ("assign",), table_rows_money.tickets, whole=True, people=True, imported=True
    ),
    "staff-time": Table("Staff time", ("period", "by"), book_tables.staff_time),
    "benefits": Table("Benefits", benefits.Wanted._fields, book_tables.benefit_rows, whole=True),
    "contracts": Table("Contracts", contracts.Wanted._fields, book_tables.contract_rows, whole=True),
    "warranties": Table("Warranties", ("month",), book_tables.warranty_rows),
    "disposal": Table("Disposal", disposal_lists.Wanted._fields, book_tables.disposal_rows),
    "missing-certificates": Table("Missing certificates", (), book_tables.missing_rows),
    "lifecycle": Table("Support, Windows 11 and ageing", lifecycle_tables.FILTERS, lifecycle_tables.records),
    "support-dates": Table("Support dates", ("product",), lifecycle_tables.dates),
    "support-bought": Table("Extended updates bought", (), lifecycle_tables.bought, whole=True),
    "legacy-register": Table("Legacy IT Asset Register", legacy_systems.FILTERS, lifecycle_tables.register),
    "energy": Table("Energy at the wall", ("year", "by", "unit"), carbon_show.energy_rows),
    "energy-devices": Table("Energy by device", ("year", "by", "key"), carbon_show.device_rows),
    "avoidable": Table("Avoidable electricity", (), avoidable_show.table),
    "avoidable-devices": Table(
        "Avoidable electricity by device", ("kind", "site"), avoidable_show.device_table, people=True
    ),
    "meter-supplies": Table("Supplies and their sites", (), meter_tables.supply_rows, whole=True),
    "meter-days": Table("Days of meters", ("year", "supply"), meter_tables.day_rows, whole=True),
    "meter-gaps": Table("Gaps of meters", ("year",), meter_tables.gap_rows, whole=True),
    "meter-tariffs": Table("Tariffs", (), meter_tables.tariff_rows, whole=True),
    "meter-share": Table("Devices' share of the meters", ("month",), meter_tables.share_rows, whole=True),
    "meter-bill": Table("Bill by supply", ("year",), meter_tables.bill_rows, whole=True),
    "audit": Table("Audit", (), table_rows.audit_rows, right=Right.EXPORT_AUDIT, audited=True),
}


class Asked(NamedTuple):
    """A table somebody asks for, with the filters of its page; `people`: figures of one device's sign-ins too."""

    name: str
    filters: Mapping[str, str]
    now: float
    actor: str
    scope: Scope = EVERYTHING
    people: bool = True


class NotForYouError(RoadworthyError):
    """A table the reader may not have."""


def find(name: str) -> Table:
    """Return a table by its name; NotFoundError where there is none."""
    if name not in TABLES:
        raise NotFoundError(f"{name}: there is no such table; there are {', '.join(TABLES)}")
    return TABLES[name]


def ensure_may(reader: Reader, name: str) -> None:
    """Raise NotForYouError where `reader` may not have the table, NotFoundError where there is none."""
    table = find(name)
    if not reader.may(table.right):
        raise NotForYouError(f"{table.title}: your role does not include this ({table.right})")
    if table.whole and reader.scope is not None:
        raise NotForYouError(f"{table.title}: is about the whole IT estate; your role holds for some units")
    if table.people and not reader.sees_small_groups:
        raise NotForYouError(
            f"{table.title}: how little a device is used may be about one person; your role does not include it"
        )


class FilterError(RoadworthyError):
    """A table is asked to be narrowed by what it does not know; `name` is what was said."""

    def __init__(self, table: str, name: str) -> None:
        """Say what `table` is narrowed by."""
        filters = find(table).filters
        meant, known = closest(name, filters), ", ".join(filters) or "none"
        super().__init__(f"{shortened(name)}: {table} has no such filter; it is narrowed by: {known}{meant}")
        self.name = name


def filters_of(name: str, query: Mapping[str, str]) -> dict[str, str]:
    """Return the filters an address or a command names, those that say something; FilterError for one it has not."""
    known = find(name).filters
    for one in query:
        if one not in known:
            raise FilterError(name, one)
    told = {one: str(query[one]).replace("\0", "").strip()[:FILTER_LENGTH] for one in known if one in query}
    return {one: text for one, text in told.items() if text}


def address(name: str, kind: str, filters: Mapping[str, Any]) -> str:
    """Return the address of the table as a `kind` of file, narrowed as its page is: what a page's link is made of.

    A page that narrows by what its table does not take raises FilterError here, so that the two cannot come apart.
    """
    said = {one: str(value) for one, value in filters.items() if value is not None}
    return f"/export/{name}?" + urlencode({"as": kind} | filters_of(name, said), quote_via=quote, safe="/")


class Opened(NamedTuple):
    """A table being read."""

    columns: Sequence[str]
    cells: Iterator[list[Any]]
    about: About | None


def _open(connection: Connection, engine: Engine, settings: Settings, asked: Asked) -> Opened:
    table = find(asked.name)
    source = Source(
        connection, engine, settings, asked.now, asked.scope, asked.people, asked.name, asked.filters
    )
    made = table.make(source)
    said = [f"{name} {text}" for name, text in asked.filters.items()]
    said += [] if asked.scope is None else ["units of the reader only"]
    about = About(
        f"{table.title} of Roadworthy",
        as_at(asked.now if made.made_at is None else made.made_at),
        ", ".join(said) or "all rows",
        made.coverage,
        settings.protective_marking,
    )
    if table.imported:
        told = {"protective_marking": about.marking, "as_at": about.as_at, "coverage": about.coverage}
        columns = (*made.columns, *told)
        return Opened(columns, sheets.plain_rows(columns, (dict(row) | told for row in made.rows)), None)
    return Opened(made.columns, sheets.plain_rows(made.columns, made.rows), about)


def csv_pieces(engine: Engine, settings: Settings, asked: Asked) -> Iterator[bytes]:
    """Return the CSV file, a piece at a time; what cannot be made or put on the record is refused before the first."""

    def make(target: BinaryIO) -> int:
        with engine.connect() as connection:
            found = _open(connection, engine, settings, asked)
            cells = sheets.Counted(found.cells)
            target.writelines(sheets.csv_pieces(found.columns, cells, found.about))
        return cells.count

    return export_notes.noted_pieces(make, lambda rows: _note(engine, asked, "csv", rows))


def xlsx_pieces(engine: Engine, settings: Settings, asked: Asked) -> Iterator[bytes]:
    """As `csv_pieces`, of the XLSX file."""

    def make(target: BinaryIO) -> int:
        with engine.connect() as connection:
            found = _open(connection, engine, settings, asked)
            return sheets.write_xlsx(target, found.columns, found.cells, found.about)

    return export_notes.noted_pieces(make, lambda rows: _note(engine, asked, "xlsx", rows))


def write_file(engine: Engine, settings: Settings, asked: Asked, path: Path) -> int:
    """Write the table to .csv or .xlsx by its name and return how many rows; RoadworthyError where it cannot be."""
    with engine.connect() as connection:
        found = _open(connection, engine, settings, asked)
        rows = sheets.write_cells(path, found.columns, found.cells, found.about)
    _note(engine, asked, path.suffix.lower().removeprefix("."), rows)
    return rows


def _note(engine: Engine, asked: Asked, kind: str, rows: int) -> None:
    action = f"{asked.name}.export" if find(asked.name).audited else export_notes.EXPORT
    export_notes.note(
        engine, asked.now, asked.actor, asked.name, kind=kind, rows=rows, told=asked.filters, action=action
    )
