"""Commands about disposal: lists of contractors imported, certificates that are missing, single records put right."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from roadworthy_collector.admin_benefits import day, pounds, today
from roadworthy_collector.admin_export import export_table
from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

disposal = typer.Typer(help="Disposal: weight, route, certificates, proceeds.", no_args_is_help=True)
_GRAMS_PER_KG = 1000


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(disposal, name="disposal")


@disposal.command("import", epilog="Example: roadworthy disposal import collected.csv --corrections bad.csv")
def import_disposals(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX of the contractor or the stores.")],
    config: ConfigFile = None,
    mapping: Annotated[Path | None, typer.Option(help="TOML: which column is which.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first if not said.")] = None,
    corrections: Annotated[
        Path | None,
        typer.Option(help="Where bad rows go; beside the file, as NAME.corrections.csv, if not said."),
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="One bad row refuses the file.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")
    ] = False,
    output: Format = "table",
) -> None:
    """Import a list of disposals: items that left become disposed, one batch that `register undo` takes back."""
    from roadworthy_collector.books import disposal_import as books
    from roadworthy_collector.books.cost_import import read_mapping, write_corrections

    wishes = books.Wishes(
        mapping=read_mapping(mapping),
        strict=strict,
        dry_run=dry_run,
        corrections=corrections is not None,
        sheet=sheet,
    )
    with stored(config) as (settings, engine):
        try:
            with file.open("rb") as stream:
                done = books.import_file(
                    engine,
                    stream,
                    file.name,
                    wishes,
                    actor=COMMAND_LINE,
                    now=time.time(),
                    on=today(settings),
                )
        except OSError as error:
            raise RoadworthyError(f"{file}: cannot be read ({error.strerror})") from None
    where = None
    if done.corrections is not None and (corrections is not None or done.batch is not None):
        where = corrections or file.with_suffix(".corrections.csv")
        write_corrections(where, done.corrections)
    if output == "json":
        told = None if where is None else str(where)
        typer.echo(json.dumps(_plain(done) | {"corrections": told}, indent=2))
        return
    for line in _said(done, dry_run=dry_run):
        typer.echo(line)
    if where is not None:
        typer.echo(f"set aside in {where}: correct it there and import it")


def _plain(done: Any) -> dict[str, Any]:
    found = {name: getattr(done, name) for name in ("batch", "same_as", "disposed", "awaiting")}
    if done.report is not None:
        found |= {"rows_read": done.report.rows_read, "rows_bad": done.report.quarantined}
        found |= {"problems": dict(done.report.by_code)}
    return found


def _said(done: Any, *, dry_run: bool) -> list[str]:
    if done.same_as is not None:
        return [f"this file is in already, as batch {done.same_as}; nothing was changed"]
    report = done.report
    found = [
        (
            f"{report.rows_read:,} rows: {done.disposed:,} items left, {done.awaiting:,} await disposal, "
            f"{report.quarantined:,} rows are bad"
        )
    ]
    found += [
        f"  line {problem.line}: {problem.column} {problem.message}"
        + (f" ({problem.value})" if problem.value else "")
        for problem in report.problems[:20]
    ]
    if done.batch is None:
        found.append("nothing was written" + (": a dry run" if dry_run else ""))
    else:
        found.append(f"in as batch {done.batch}; to take it back: roadworthy register undo {done.batch}")
    return found


@disposal.command("list", epilog="Example: roadworthy disposal list")
def list_disposals(
    config: ConfigFile = None,
    *,
    items: Annotated[bool, typer.Option("--items", help="The items instead of the totals.")] = False,
    output: Format = "table",
) -> None:
    """Show what went where: items, weight, proceeds by route and financial year; what is not known is counted."""
    from roadworthy_collector.books import disposal as books

    with stored(config) as (settings, engine), engine.connect() as connection:
        held = books.read(connection)
        found = books.overview(held, today(settings))
    rows = [books.row_of(one) for one in held]
    if output == "json":
        typer.echo(json.dumps(rows if items else found, indent=2))
        return
    if items:
        names = ("tag", "kind", "route", "left", "weight_grams", "weee_category", "certificate", "contractor")
        show([{name: row[name] for name in names} for row in rows], output)
        return
    show([_cell(one) for one in found["cells"]], output)
    show([one | {"category": one["category"] or "unknown"} for one in found["categories"]], output)
    typer.echo(
        f"{found['total']['certificates_missing']} certificates are missing; of {found['untold']} items nothing but "
        "their state is recorded"
    )


def _cell(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "route": one["route"],
        "year": one["year"],
        "items": one["items"],
        "kg": None if one["weight_unknown"] == one["items"] else one["weight_grams"] / _GRAMS_PER_KG,
        "weight unknown": one["weight_unknown"],
        "proceeds": pounds(None if one["proceeds_unknown"] == one["items"] else one["proceeds_pence"]),
        "proceeds unknown": one["proceeds_unknown"],
        "cost": pounds(None if one["cost_unknown"] == one["items"] else one["cost_pence"]),
        "certificates missing": one["certificates_missing"],
    }


@disposal.command("missing", epilog="Example: roadworthy disposal missing")
def list_missing(config: ConfigFile = None, output: Format = "table") -> None:
    """List data-bearing items that left without a complete data-destruction certificate, the longest gone first."""
    from roadworthy_collector.books import disposal as books

    with stored(config) as (settings, engine), engine.connect() as connection:
        rows = books.missing(books.read(connection), today(settings))
    names = ("tag", "serial", "kind", "model", "route", "left", "days_since_left", "contractor", "why")
    show([{name: row[name] for name in names} for row in rows], output)


@disposal.command(
    "set", epilog="Example: roadworthy disposal set FP1 --certificate D-9 --certificate-date 2026-03-02"
)
def set_disposal(  # noqa: PLR0913, PLR0917 - one argument an option
    tag: Annotated[str, typer.Argument(help="The item's tag.")],
    config: ConfigFile = None,
    route: Annotated[str | None, typer.Option(help="reuse, resale, recycling, destruction, ...")] = None,
    weight_kg: Annotated[float | None, typer.Option(help="As weighed.")] = None,
    left: Annotated[str | None, typer.Option(help="The day it left.")] = None,
    certificate: Annotated[str | None, typer.Option(help="Number of the certificate.")] = None,
    certificate_date: Annotated[str | None, typer.Option(help="Its day.")] = None,
    proceeds_pence: Annotated[int | None, typer.Option(help="What came in.")] = None,
    cost_pence: Annotated[int | None, typer.Option(help="What was paid.")] = None,
    contractor: Annotated[str | None, typer.Option(help="Who took it.")] = None,
) -> None:
    """Put one item's disposal right, on the record. Its lifecycle state stays."""
    from roadworthy_collector.books import disposal as books
    from roadworthy_collector.store.engine import write_transaction

    told = {
        "route": route,
        "weight_grams": None if weight_kg is None else round(weight_kg * _GRAMS_PER_KG),
        "left": day("--left", left),
        "certificate": certificate,
        "certificate_date": day("--certificate-date", certificate_date),
        "proceeds_pence": proceeds_pence,
        "cost_pence": cost_pence,
        "contractor": contractor,
    }
    told = {name: value for name, value in told.items() if value is not None}
    with stored(config) as (settings, engine), write_transaction(engine) as connection:
        books.change(
            connection,
            tag,
            told,
            on=today(settings),
            actor=COMMAND_LINE,
            now=int(time.time()),
            restricted=True,
        )


@disposal.command("export", epilog="Example: roadworthy disposal export gone.xlsx")
def export_disposals(
    file: Annotated[Path, typer.Argument(help="To write: .csv or .xlsx.")],
    config: ConfigFile = None,
    *,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only those whose certificate is missing.")
    ] = False,
) -> None:
    """Write disposals, or those without their certificate, to a file."""
    export_table("missing-certificates" if missing else "disposal", file, config, None)
