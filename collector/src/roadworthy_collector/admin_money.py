"""Commands about cost: the ledger and payments imported, classified, added up to shares, and put right."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.admin_register_told import problem_lines
from roadworthy_collector.command_support import ConfigFile, Format, show, stored, text_of
from roadworthy_collector.errors import RoadworthyError

costs = typer.Typer(help="Cost: import a ledger, shares, lines, rules.", no_args_is_help=True)
rules = typer.Typer(help="The rules that say what a line pays for.", no_args_is_help=True)
method = typer.Typer(help="How cost is counted: basis, target, control totals.", no_args_is_help=True)
costs.add_typer(rules, name="rules")
costs.add_typer(method, name="method")
_ACTOR = "command line"
_Measure = Literal["budget", "forecast", "outturn"]
TomlFile = Annotated[Path, typer.Argument(help="A TOML file.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    from roadworthy_collector.admin_plan import plan

    app.add_typer(costs, name="costs")
    app.add_typer(plan, name="plan")


def pounds(pence: int | None) -> str:
    """Return pence as people write them, nothing where nothing is known."""
    from roadworthy_inventory.money import pounds as written

    return "not known" if pence is None else written(pence)


def percent(ratio: float | None) -> str:
    """Return a ratio as per cent, `no figure` for None."""
    return "no figure" if ratio is None else f"{ratio * 100:.1f} %"


@costs.command("import", epilog="Example: roadworthy costs import ledger-2025.csv --mapping finance.toml")
def import_money(  # noqa: PLR0913 - one argument an option
    file: Annotated[Path, typer.Argument(help="CSV or XLSX of the finance system.")],
    config: ConfigFile = None,
    kind: Annotated[
        Literal["ledger", "payments", "contracts"], typer.Option(help="What it holds.")
    ] = "ledger",
    mapping: Annotated[Path | None, typer.Option(help="TOML: which column is which.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first if not said.")] = None,
    corrections: Annotated[
        Path | None,
        typer.Option(help="Where bad rows go; beside the file, as NAME.corrections.csv, if not said."),
    ] = None,
    *,
    strict: Annotated[
        bool | None,
        typer.Option(
            "--strict/--no-strict", help="One bad row refuses the file: so for a ledger if not said."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Undo earlier imports that hold lines of this file.")
    ] = False,
    keep_both: Annotated[
        bool, typer.Option("--keep-both", help="Lines alike in an earlier import are other lines.")
    ] = False,
    output: Format = "table",
) -> None:
    """Import a general ledger, published supplier payments or contracts. The same file again changes nothing."""
    from roadworthy_collector.books import shares
    from roadworthy_collector.books.cost_import import Choices, import_file, read_mapping, write_corrections

    if replace and keep_both:
        raise RoadworthyError("--replace and --keep-both are two answers to one question; give one")
    choices = Choices(
        kind=kind,
        mapping=read_mapping(mapping),
        strict=strict,
        sheet=sheet,
        dry_run=dry_run,
        overlap="replace" if replace else "keep" if keep_both else "refuse",
        corrections_to=corrections,
    )
    now = int(time.time())
    with stored(config, makes=True) as (settings, engine):
        on = _today(settings.reporting_timezone, now)
        done = import_file(engine, file, choices, actor=_ACTOR, now=now, on=on, progress=_progress)
        if done.batch is not None:
            shares.refresh(engine, now)
    typer.echo(err=True)
    if done.batch is not None and corrections is None and done.corrections is not None:
        corrections = file.with_suffix(".corrections.csv")
        write_corrections(corrections, done.corrections)
    where = None if corrections is None or done.corrections is None else str(corrections)
    if output == "json":
        typer.echo(json.dumps(_plain_outcome(done) | {"corrections": where}, indent=2))
        return
    for line in _said(done, dry_run=dry_run):
        typer.echo(line)
    if where is not None:
        typer.echo(f"set aside in {where}: correct it there and import it")


def _today(zone: str, now: int) -> Any:
    from zoneinfo import ZoneInfo

    return datetime.fromtimestamp(now, ZoneInfo(zone)).date()


def _progress(what: str, lines: int) -> None:
    typer.echo(f"\r{lines:,} lines {what}    ", nl=False, err=True)


def _plain_outcome(done: Any) -> dict[str, Any]:
    report = done.report
    names = ("batch", "already", "lines", "pence", "years", "overlapping", "replaced", "passed_over")
    found = {name: getattr(done, name) for name in names}
    if report is not None:
        found |= {"rows_read": report.rows_read, "rows_good": report.good, "rows_bad": report.quarantined}
        found |= {"problems": dict(report.by_code), "warnings": dict(report.warnings_by_code)}
        found["bad_rows"] = [asdict(one) for one in report.problems]
        found["warned_rows"] = [asdict(one) for one in report.warnings]
        found["notes"] = list(report.notes)
    return found


def _said(done: Any, *, dry_run: bool) -> list[str]:
    """Return an import's outcome in lines for people."""
    if done.already is not None:
        return [
            (
                f"this file is in already, as batch {done.already}; nothing was changed. To import it another way, "
                f"undo that first: roadworthy costs undo {done.already}"
            )
        ]
    report = done.report
    found = [
        f"{report.good:,} of {report.rows_read:,} rows are good, {report.quarantined:,} bad: {done.lines:,} lines"
    ]
    found += [f"  {measure}: {pounds(pence)}" for measure, pence in sorted(done.pence.items())]
    found += [f"  {note}" for note in report.notes]
    found += problem_lines(report)
    if done.passed_over:
        found.append(
            f"  {done.passed_over:,} warranties passed over: `roadworthy register import` takes them"
        )
    if done.overlapping and dry_run:
        found.append(f"  {sum(done.overlapping.values()):,} lines are in already: --replace or --keep-both")
    if done.replaced:
        found.append(f"  undone with it: batch {', '.join(map(str, done.replaced))}")
    found.append("nothing was written: a dry run" if dry_run else f"in as batch {done.batch}")
    return found


@costs.command("batches", epilog="Example: roadworthy costs batches")
def list_batches(config: ConfigFile = None, output: Format = "table") -> None:
    """List the imports that count."""
    from roadworthy_collector.books.cost_lines import in_force

    with stored(config) as (_, engine), engine.connect() as connection:
        rows = in_force(connection, "ledger", "payments", "contracts")
    names = ("id", "kind", "file_name", "made_at", "made_by", "rows_good")
    show([{name: getattr(row, name) for name in names} for row in rows], output)


@costs.command("undo", epilog="Example: roadworthy costs undo 7")
def undo_batch(
    batch: Annotated[int, typer.Argument(help="Its number, by `roadworthy costs batches`.")],
    config: ConfigFile = None,
) -> None:
    """Take an import back. What people said of single lines stays, for when they come again."""
    from roadworthy_collector.books import cost_import, shares

    now = int(time.time())
    with stored(config) as (_, engine):
        gone = cost_import.undo(engine, batch, actor=_ACTOR, now=now)
        shares.refresh(engine, now)
    typer.echo(f"batch {batch} is undone: {gone:,} rows went")


@costs.command("shares", epilog="Example: roadworthy costs shares --by cost_centre --year 2025")
def show_shares(
    config: ConfigFile = None,
    by: Annotated[
        Literal["year", "cost_centre", "accounting_period", "bridge"], typer.Option(help="Added up by what.")
    ] = "year",
    year: Annotated[int | None, typer.Option(help="Of the financial year that begins in this one.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write the rows to this .csv or .xlsx.")] = None,
    output: Format = "table",
) -> None:
    """Show run, maintenance and legacy share with their bounds, and payments under their own title."""
    from roadworthy_collector.books import money_tables, shares

    now = time.time()
    with stored(config) as (settings, engine):
        shares.refresh(engine, now)
        with engine.connect() as connection:
            found = shares.kept(connection)
            content = found[0] if found else {}
            if by == "bridge":
                rows = money_tables.bridge_rows(shares.cells(shares.read_inputs(connection)), year)
            else:
                rows = money_tables.share_rows(content, by, year)
    if export is not None:
        chosen = f"by {by}" + (f", {year}" if year else "")
        money_tables.export(export, rows, content, now, chosen, settings.protective_marking)
        typer.echo(f"{len(rows):,} rows written to {export}")
        return
    if output == "json" and by == "year":
        typer.echo(json.dumps(content, indent=2))
        return
    show(money_tables.worded(rows), output)
    if output == "json":
        return
    for line in money_tables.notes(content):
        typer.echo(line)


@costs.command("lines", epilog="Example: roadworthy costs lines --year 2025 --share B --member open")
def list_lines(  # noqa: PLR0913, PLR0917 - one argument an option
    config: ConfigFile = None,
    kind: Annotated[Literal["ledger", "payments"], typer.Option(help="Of what.")] = "ledger",
    year: Annotated[int | None, typer.Option(help="The year the financial year begins in.")] = None,
    share: Annotated[Literal["A", "B", "C"], typer.Option(help="Of which share.")] = "B",
    member: Annotated[
        Literal["in", "out", "open", "counted", "committed", "not_it"] | None,
        typer.Option(help="In it, not in it, unclassified; all three; in none: prepaid only, or no IT."),
    ] = None,
    centre: Annotated[str | None, typer.Option(help="Only this cost centre.")] = None,
    period: Annotated[
        int | None, typer.Option(min=0, max=13, help="Only this accounting period; 0: none told.")
    ] = None,
    measure: Annotated[_Measure, typer.Option(help="Which of them; they are never added up.")] = "outturn",
    text: Annotated[str, typer.Option(help="Only with this in description, supplier, code or rule.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="So many, the largest first.")] = 50,
    export: Annotated[Path | None, typer.Option(help="Write all of them to this .csv or .xlsx.")] = None,
    output: Format = "table",
) -> None:
    """List lines with the rule and confidence that put each where it is."""
    from roadworthy_collector.books import money_tables, shares
    from roadworthy_collector.books.cost_review import Wanted, read_lines

    wanted = Wanted(
        kind=kind,
        year=year,
        definition=share,
        member=member,
        centre=centre,
        text=text,
        period=period,
        measure=measure,
    )
    with stored(config) as (settings, engine), engine.connect() as connection:
        found = read_lines(connection, wanted, limit=limit if export is None else 10**9)
        content = shares.kept(connection)
    rows = [money_tables.line_row(one, share) for one in found.rows]
    if export is not None:
        held = content[0] if content else {}
        money_tables.export(export, rows, held, time.time(), wanted.in_words(), settings.protective_marking)
        typer.echo(f"{len(rows):,} rows written to {export}")
        return
    show(money_tables.worded(rows), output)
    if output == "table":
        typer.echo(f"{len(rows):,} of {found.total:,} lines, {pounds(found.pence)} in all")


@costs.command("bridge", epilog="Example: roadworthy costs bridge --part moved --year 2025")
def list_bridge(
    config: ConfigFile = None,
    part: Annotated[
        Literal["ledger", "left_out", "moved"],
        typer.Option(help="As booked, left out by the basis, or moved by spreading prepaid."),
    ] = "ledger",
    year: Annotated[int | None, typer.Option(help="The year the financial year begins in.")] = None,
    centre: Annotated[str | None, typer.Option(help="Only this cost centre.")] = None,
    measure: Annotated[_Measure | None, typer.Option(help="Only this; without it all.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many, the largest first.")] = 50,
    output: Format = "table",
) -> None:
    """List the lines behind the bridge from the ledger to what is counted."""
    from roadworthy_collector.books.cost_bridge import Wanted, read_lines

    with stored(config) as (_, engine), engine.connect() as connection:
        found = read_lines(
            connection, Wanted(part=part, year=year, centre=centre, measure=measure), limit=limit
        )
    show([one._asdict() for one in found.rows], output)
    if output == "table":
        typer.echo(f"{len(found.rows):,} of {found.total:,} lines, {pounds(found.pence)} in all")


@costs.command(
    "correct", epilog="Example: roadworthy costs correct KEY --pool break_fix --reason 'invoice 77'"
)
def correct_line(
    key: Annotated[str, typer.Argument(help="The line's key, by `roadworthy costs lines`.")],
    pool: Annotated[str, typer.Option(help="What is bought.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    config: ConfigFile = None,
    intent: Annotated[Literal["run", "change", "unknown"], typer.Option(help="Run or change.")] = "run",
    maintenance: Annotated[
        Literal["yes", "no", "unknown"], typer.Option(help="By definition B; by the pool if it settles it.")
    ] = "unknown",
    legacy: Annotated[Literal["yes", "no", "unknown"], typer.Option(help="Of what is legacy.")] = "unknown",
) -> None:
    """Say of one line what it pays for: it beats every rule, also when the line is imported again."""
    from roadworthy_collector.books import cost_review, shares
    from roadworthy_collector.store.engine import write_transaction

    now = int(time.time())
    told = cost_review.Said(pool=pool, intent=intent, maintenance=maintenance, legacy=legacy, reason=reason)
    with stored(config) as (_, engine):
        with write_transaction(engine) as connection:
            cost_review.correct(connection, key, told, actor=_ACTOR, now=now)
        shares.refresh(engine, now)


def _show_edition(config: Path | None, which: Any) -> None:
    from roadworthy_collector.books import cost_texts

    with stored(config) as (_, engine), engine.connect() as connection:
        held = cost_texts.current(connection, which)
    at = f" on {datetime.fromtimestamp(held.made_at, UTC):%Y-%m-%d %H:%M} UTC" if held.made_at else ""
    typer.echo(f"roadworthy: edition {held.digest}, by {held.made_by}{at}", err=True)
    typer.echo(held.content, nl=False)


def _save_edition(config: Path | None, which: Any, file: Path) -> None:
    from roadworthy_collector.books import cost_texts, shares
    from roadworthy_collector.store.engine import write_transaction

    now = int(time.time())
    with stored(config) as (_, engine):
        with write_transaction(engine) as connection:
            new = cost_texts.save(connection, which, text_of(file), actor=_ACTOR, now=now)
        shares.refresh(engine, now)
    typer.echo("saved" if new else "these are in force already; nothing was changed")


@rules.command("show", epilog="Example: roadworthy costs rules show > my-rules.toml")
def show_rules(config: ConfigFile = None) -> None:
    """Print the rules in force, to be edited and saved."""
    _show_edition(config, "cost_rules")


@rules.command("save", epilog="Example: roadworthy costs rules save my-rules.toml")
def save_rules(file: TomlFile, config: ConfigFile = None) -> None:
    """Put rules in force. Years classified by other rules are marked as such."""
    _save_edition(config, "cost_rules", file)


@rules.command("try", epilog="Example: roadworthy costs rules try my-rules.toml")
def try_rules(file: TomlFile, config: ConfigFile = None, output: Format = "table") -> None:
    """Say what rules would change on the ledger as it is, changing nothing."""
    from roadworthy_collector.books import cost_review

    with stored(config) as (_, engine), engine.connect() as connection:
        found = cost_review.try_rules(connection, text_of(file))
    if output == "json":
        typer.echo(json.dumps(found._asdict(), indent=2))
        return
    rows = [
        {
            "year": year,
            "share": letter,
            "now": percent(before["value"]),
            "then": percent(after["value"]),
            "unclassified now": pounds(before["unclassified_pence"]),
            "unclassified then": pounds(after["unclassified_pence"]),
        }
        for year, letters in found.years.items()
        for letter, (before, after) in letters.items()
    ]
    show(rows, output)
    typer.echo(
        f"{found.moved:,} lines would be classified otherwise, {pounds(found.moved_pence)} in size; the largest:"
    )
    show([{**one, "pence": pounds(one["pence"])} for one in found.examples], output)


@method.command("show", epilog="Example: roadworthy costs method show > method.toml")
def show_method(config: ConfigFile = None) -> None:
    """Print how cost is counted, to be edited and saved; annotated where nobody has saved one yet."""
    _show_edition(config, "cost_method")


@method.command("save", epilog="Example: roadworthy costs method save method.toml")
def save_method(file: TomlFile, config: ConfigFile = None) -> None:
    """Choose basis, target and control totals."""
    _save_edition(config, "cost_method", file)
