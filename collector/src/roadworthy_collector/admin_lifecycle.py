"""Commands about support dates, what was bought, Windows 11 and ageing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.admin_planned import planned
from roadworthy_collector.command_support import ConfigFile, Format, connected, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

lifecycle = typer.Typer(
    help="Support dates, extended updates, Windows 11, planned life: show, devices, dates, load, override, bought, planned.",
    no_args_is_help=True,
)
bought = typer.Typer(help="Which paid extended updates were bought: show, try, save.", no_args_is_help=True)
lifecycle.add_typer(bought, name="bought")
lifecycle.add_typer(planned, name="planned")
_Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; save nothing.")]
_LONGEST_FILE_BYTES = 4 << 20
_IN_TABLE = {
    "status": ("tag", "device_id", "name", "model", "os", "status", "ends", "extension", "covered_until"),
    "windows11": ("tag", "device_id", "name", "model", "windows11", "windows11_against", "windows11_missing"),
    "band": ("tag", "device_id", "model", "class", "since", "age_years", "planned_end", "band", "why_no_age"),
}


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(lifecycle, name="lifecycle")


def _ready(config: Path | None) -> dict[str, Any]:
    """Return the counts, worked out now where the jobs process has not yet."""
    from roadworthy_collector.books import lifecycle_lists, lifecycle_run
    from roadworthy_collector.jobs.work import Work

    with stored(config) as (settings, engine):
        with engine.connect() as connection:
            found = lifecycle_lists.counts(connection)
        return found.content or lifecycle_run.work_out(Work(engine, settings, rests=False))


@lifecycle.command("run", epilog="Example: roadworthy lifecycle run")
def run_lifecycle(config: ConfigFile = None, output: Format = "table") -> None:
    """Work support, Windows 11, ageing and the evidence for legacy out now; the jobs process does it hourly."""
    from roadworthy_collector.books import lifecycle_run
    from roadworthy_collector.jobs.work import Work

    with stored(config) as (settings, engine):
        found = lifecycle_run.work_out(Work(engine, settings, rests=False))
    _tell(found, output)


@lifecycle.command("show", epilog="Example: roadworthy lifecycle show")
def show_counts(config: ConfigFile = None, output: Format = "table") -> None:
    """Show how many records run what, until when it gets updates, and where that date is from."""
    _tell(_ready(config), output)


def _tell(found: dict[str, Any], output: str) -> None:
    if output == "json":
        kept = ("held_releases", "pieces", "run")
        typer.echo(json.dumps({name: value for name, value in found.items() if name not in kept}, indent=2))
        return
    rows = [
        {
            "product": one["product"] or "unknown",
            "version": one["version"] or "",
            "status": one["status"],
            "ends": one["date"] or "",
            "extension": one["extension"] if one["extension"] != "none" else "",
            "count": one["count"],
            "source": one["source"] or "",
        }
        for one in found["releases"]
    ]
    show(rows, output)
    for name, title in (
        ("status", "support"),
        ("bucket", "updates end"),
        ("windows11", "Windows 11"),
        ("band", "planned life"),
    ):
        told = ", ".join(f"{word} {count:,}" for word, count in found[name].items() if count)
        typer.echo(f"{title}: {told or 'no records'}")
    typer.echo(
        f"{found['records']:,} records on {found['on']}; {found['restricted']:,} of them at restricted sites"
    )


@lifecycle.command("devices", epilog="Example: roadworthy lifecycle devices --status ended")
def list_devices(  # noqa: PLR0913, PLR0917 - one argument an option
    config: ConfigFile = None,
    status: Annotated[
        Literal["supported", "ends_within", "extended", "ended", "unknown_end", "unknown", "not_applicable"]
        | None,
        typer.Option(help="Only those."),
    ] = None,
    ends: Annotated[
        Literal[
            "ended", "within_90_days", "within_1_year", "within_2_years", "within_3_years", "later", "no_date"
        ]
        | None,
        typer.Option(help="Only those whose updates end then."),
    ] = None,
    extension: Annotated[
        Literal["none", "bought", "not_bought", "unknown", "over"] | None, typer.Option(help="Paid updates.")
    ] = None,
    ageing: Annotated[
        Literal["first_half", "second_half", "past", "long_past", "unknown_age", "no_planned_life"] | None,
        typer.Option(help="Only those of this band of planned life."),
    ] = None,
    kind: Annotated[Literal["agent", "register", "mdm"] | None, typer.Option(help="Who tells.")] = None,
    product: Annotated[str, typer.Option(help="Only this, such as windows-10; unknown too.")] = "",
    unit: Annotated[str, typer.Option(help="Only this unit and those below it.")] = "",
    system: Annotated[str, typer.Option(help="Only what serves this system.")] = "",
    limit: _Limit = 1000,
    output: Format = "table",
) -> None:
    """List devices, register items and MDM records behind a count, without those at restricted sites."""
    told = {
        "status": status, "bucket": ends, "extension": extension, "band": ageing, "kind": kind, "product": product,
        "unit": unit, "system": system,
    }  # fmt: skip
    _list(config, told, "band" if ageing else "status", limit, output)


@lifecycle.command("windows11", epilog="Example: roadworthy lifecycle windows11 --answer does_not")
def list_windows11(
    config: ConfigFile = None,
    answer: Annotated[
        Literal["runs", "meets", "does_not", "unknown", "not_applicable"] | None,
        typer.Option(help="Only those."),
    ] = None,
    unit: Annotated[str, typer.Option(help="Only this unit and those below it.")] = "",
    limit: _Limit = 1000,
    output: Format = "table",
) -> None:
    """Show what can have Windows 11, and what stands against it or is not told; with --answer list the devices."""
    if answer is not None or unit:
        _list(config, {"windows11": answer, "unit": unit}, "windows11", limit, output)
        return
    found = _ready(config)
    if output == "json":
        texts = {name: found["texts"][name] for name in ("against", "missing")}
        typer.echo(json.dumps({"windows11": found["windows11"]} | texts, indent=2))
        return
    show([{"answer": word, "count": count} for word, count in found["windows11"].items()], output)
    for name, title in (("against", "against it"), ("missing", "not told, so unknown")):
        for text, count in found["texts"][name]:
            typer.echo(f"{title}: {text}: {count:,}")


def _list(config: Path | None, told: dict[str, str | None], columns: str, limit: int, output: str) -> None:
    from roadworthy_collector.books import lifecycle_lists
    from roadworthy_collector.books.lifecycle_read import Reader
    from roadworthy_collector.books.lifecycle_tables import wanted_of
    from roadworthy_collector.books.reconciling import local_day

    wanted = wanted_of({name: word or "" for name, word in told.items()})
    with stored(config) as (settings, engine), engine.connect() as connection:
        reader = Reader(connection, local_day(time.time(), settings.reporting_timezone))
        page = lifecycle_lists.list_page(connection, reader, wanted, limit=limit)
    if output == "json":
        typer.echo(json.dumps(page.rows, indent=2))
        return
    show([{name: _cell(row[name]) for name in _IN_TABLE[columns]} for row in page.rows], output)
    if page.next is not None:
        typer.echo(
            f"the first {limit:,} only; ask for more with --limit, or: roadworthy export lifecycle FILE",
            err=True,
        )


def _cell(value: Any) -> Any:
    return "; ".join(value) if isinstance(value, list) else value


@lifecycle.command("dates", epilog="Example: roadworthy lifecycle dates --product windows-10")
def list_dates(
    config: ConfigFile = None,
    product: Annotated[str, typer.Option(help="Only this, such as windows-11.")] = "",
    output: Format = "table",
) -> None:
    """List the support dates in force, each with its source, when it was taken, and who set it."""
    from roadworthy_collector.books import lifecycle_dates

    with stored(config) as (_, engine), engine.connect() as connection:
        show(lifecycle_dates.listed(lifecycle_dates.in_force(connection), product), output)


def _read(file: Path, most: int) -> bytes:
    try:
        if file.stat().st_size > most:
            raise RoadworthyError(f"{file}: is larger than {most // 2**20} MiB")
        return file.read_bytes()
    except OSError as error:
        raise RoadworthyError(f"{file}: cannot be read ({error.strerror})") from None


def _text(file: Path) -> str:
    try:
        return _read(file, _LONGEST_FILE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RoadworthyError(f"{file}: is no text in UTF-8 (byte {error.start})") from None


@lifecycle.command("load", epilog="Example: roadworthy lifecycle load full.json --dry-run")
def load_dates(
    source: Annotated[
        str, typer.Argument(help="A file, or an https address such as that of /products/full.")
    ],
    config: ConfigFile = None,
    output: Format = "table",
    *,
    dry_run: _DryRun = False,
) -> None:
    """Put the dates of a newer endoflife.date dump in force; what it does not speak of stays as it is."""
    from roadworthy_collector.books import lifecycle_dates

    if "://" in source:
        from roadworthy_collector.books.lifecycle_fetch import fetch

        body = fetch(source)
    else:
        body = _read(Path(source), lifecycle_dates.LARGEST_DUMP_BYTES)
    with connected(config) as connection:
        if dry_run:
            found = lifecycle_dates.try_dump(connection, body)
        else:
            name = source if "://" in source else Path(source).name
            found = lifecycle_dates.load_dump(
                connection, body, source=name, now=int(time.time()), actor=COMMAND_LINE
            )
    _tell_moved(found, output, dry_run=dry_run)


@lifecycle.command("override", epilog="Example: roadworthy lifecycle override own-dates.toml --dry-run")
def override_dates(
    file: Annotated[
        Path, typer.Argument(help="Tables [[date]] (TOML), or the CSV of `lifecycle dates`; empty for none.")
    ],
    config: ConfigFile = None,
    output: Format = "table",
    *,
    dry_run: _DryRun = False,
) -> None:
    """Put dates of your own in force before all others, each with its source."""
    from roadworthy_collector.books import lifecycle_dates

    text = _text(file)
    with connected(config) as connection:
        now = int(time.time())
        if dry_run:
            found = lifecycle_dates.try_override(connection, text, file.name, now=now)
        else:
            found = lifecycle_dates.save_override(
                connection, text, source=file.name, now=now, actor=COMMAND_LINE
            )
    _tell_moved(found, output, dry_run=dry_run)


def _tell_moved(found: Any, output: str, *, dry_run: bool) -> None:
    told = found.told()
    if output == "json":
        typer.echo(json.dumps(told, indent=2))
        return
    rows = [{"change": name} | row for name in ("added", "moved", "gone") for row in told[name]]
    show(rows, output)
    for text in found.skipped:
        typer.echo(f"not taken over: {text}")
    for text in found.hints:
        typer.echo(f"look again: {text}")
    done = "would be" if dry_run else "are"
    typer.echo(
        f"{found.rows:,} rows read; {len(found.added):,} dates {done} added, {len(found.moved):,} moved, "
        f"{len(found.gone):,} gone" + ("; nothing was saved" if dry_run else "")
    )


_Text = Literal["support_dates", "support_override", "support_bought"]


@lifecycle.command("editions", epilog="Example: roadworthy lifecycle editions")
def list_editions(config: ConfigFile = None, output: Format = "table") -> None:
    """List who loaded, overrode or said bought what, newest first."""
    from roadworthy_collector.books import lifecycle_editions

    with stored(config) as (_, engine), engine.connect() as connection:
        show(lifecycle_editions.editions(connection), output)


@lifecycle.command("undo", epilog="Example: roadworthy lifecycle undo support_dates")
def undo_edition(
    name: Annotated[_Text, typer.Argument(help="Which text.")],
    config: ConfigFile = None,
    to: Annotated[
        int | None, typer.Option(help="The edition to go back to, by `lifecycle editions`.")
    ] = None,
) -> None:
    """Put the edition before in force again, as a new one: undoing twice brings it back."""
    from roadworthy_collector.books import lifecycle_editions

    with connected(config) as connection:
        found = lifecycle_editions.undo(connection, name, now=int(time.time()), actor=COMMAND_LINE, to=to)
    said = "as shipped" if not found.content else f"edition {found.digest[:12]}"
    typer.echo(f"{name}: {said} is in force")


@bought.command("show", epilog="Example: roadworthy lifecycle bought show > bought.toml")
def show_bought(config: ConfigFile = None) -> None:
    """Print what was said to be bought, as a file to edit; an example where nothing was said."""
    from roadworthy_collector.books import lifecycle_bought, lifecycle_editions

    with stored(config) as (_, engine), engine.connect() as connection:
        held = lifecycle_editions.current(connection, lifecycle_editions.BOUGHT)
    typer.echo(held.content or lifecycle_bought.EXAMPLE, nl=False)
    typer.echo(f"by {held.made_by if held.content else 'nobody yet: this is an example'}", err=True)


@bought.command("try", epilog="Example: roadworthy lifecycle bought try bought.toml")
def try_bought(
    file: Annotated[Path, typer.Argument(help="Tables [[entry]] (TOML).")],
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Say what the file would change on the devices; nothing is saved."""
    from roadworthy_collector.books import lifecycle_trying

    text = _text(file)
    with stored(config) as (settings, engine):
        found = lifecycle_trying.try_bought(engine, text, time.time(), settings.reporting_timezone)
    if output == "json":
        typer.echo(json.dumps(found.told(), indent=2))
        return
    show([{"now": before, "then": after, "records": count} for before, after, count in found.moves], output)
    typer.echo(f"{found.changed:,} of {found.records:,} records would change; {found.entries} entries")


@bought.command("save", epilog="Example: roadworthy lifecycle bought save bought.toml")
def save_bought(
    file: Annotated[Path, typer.Argument(help="Tables [[entry]] (TOML); an empty file for none.")],
    config: ConfigFile = None,
) -> None:
    """Put what was bought in force from the next rating on; the edition before is kept, and it is audited."""
    from roadworthy_collector.books import lifecycle_bought

    text = _text(file)
    with connected(config) as connection:
        found = lifecycle_bought.save_bought(connection, text, now=int(time.time()), actor=COMMAND_LINE)
    typer.echo(f"support_bought: edition {found.digest[:12]} is in force")
