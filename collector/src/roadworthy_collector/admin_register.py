"""Commands about the register: import, export, list, show, change, undo."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from roadworthy_collector.admin_register_told import (
    SHOWN,
    event_line,
    item_answer,
    tell_changes,
    tell_import,
    tell_made,
)
from roadworthy_collector.command_support import ConfigFile, Format, show, stored, told
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

if TYPE_CHECKING:
    from roadworthy_collector.books.importing import Outcome
    from roadworthy_collector.books.importing import Progress as Told

register = typer.Typer(help="The register: import, export, list, show, change, undo.", no_args_is_help=True)
_MAPPING_BYTES = 1024 * 1024
_IN_TABLE = (
    "tag",
    "serial",
    "kind",
    "model",
    "lifecycle_state",
    "usage_profile",
    "unit",
    "site",
    "purchased",
)
Output = Annotated[Literal["table", "json"], typer.Option("--output", help="For people or for programs.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(register, name="register")


@contextmanager
def _progress() -> Iterator[Told]:
    """Yield what shows progress: bars on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _stage, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield tell


@contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, str]]:
    """Yield an open, seekable file and its name; `-` is standard input."""
    if file == "-":
        with tempfile.TemporaryFile() as spool:
            while piece := sys.stdin.buffer.read(1024 * 1024):
                spool.write(piece)
            spool.seek(0)
            yield cast("BinaryIO", spool), "standard input"
        return
    path = Path(file)
    try:
        with path.open("rb") as stream:
            yield stream, path.name
    except IsADirectoryError:
        raise RoadworthyError(f"{file}: is a folder; name a file") from None
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise RoadworthyError(f"{file}: cannot be read: {error.strerror}") from None


def _text_of(path: Path, what: str) -> str:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise RoadworthyError(f"{path}: cannot be read: {error.strerror}") from None
    if len(body) > _MAPPING_BYTES:
        raise RoadworthyError(f"{path}: is larger than any {what}")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RoadworthyError(f"{path}: is no UTF-8 text; save the {what} as UTF-8") from None


@register.command(
    "import",
    epilog="Example: roadworthy register import assets.csv --dry-run; roadworthy register import fleet.xlsx "
    "--mapping fleet.toml --strict",
)
def import_register(  # noqa: PLR0913 - options of a command
    file: Annotated[str, typer.Argument(help="CSV, XLSX or JSON; - is standard input.")],
    config: ConfigFile = None,
    *,
    format_: Annotated[
        str | None, typer.Option("--format", help="The file's format, if it is not to be found out; or json.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="TOML that says which column is which field.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first if not said.")] = None,
    date_order: Annotated[
        Literal["day first", "month first"] | None, typer.Option(help="How dates are written, if not told.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="All rows or none.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would change.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also a file that came in already.")] = False,
    corrections: Annotated[
        Path | None,
        typer.Option(help="Where rows set aside go; beside the file, as NAME.corrections.csv, if not said."),
    ] = None,
    output: Output = "table",
) -> None:
    """Bring a file into the register. Good rows come in; bad ones go to a correction file that imports again."""
    from roadworthy_collector.books.importing import Wishes, import_file

    text = None if mapping is None else _text_of(mapping, "mapping file")
    # `--format json` asks for the answer's form, as with every other command; no file format is called so.
    shown: str = "json" if format_ == "json" else output
    wishes = Wishes(
        format=None if format_ == "json" else format_,
        mapping=text,
        mapping_name="mapping" if mapping is None else mapping.name,
        date_order=date_order,
        strict=strict,
        dry_run=dry_run,
        again=again,
        sheet=sheet,
    )
    with stored(config, makes=True) as (_, engine), _opened(file) as (stream, name), _progress() as progress:
        found = import_file(
            engine, stream, name, wishes, actor=COMMAND_LINE, now=time.time(), progress=progress
        )
    where = None
    if found.corrections is not None and (corrections is not None or not dry_run):
        where = corrections or _beside(file)
        _write_corrections(found, where)
    tell_import(found, where, shown)


@register.command("mapping", epilog="Example: roadworthy register mapping assets.csv > assets.toml")
def print_mapping(
    file: Annotated[str, typer.Argument(help="CSV or XLSX; - is standard input.")],
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first if not said.")] = None,
) -> None:
    """Print a mapping file for a file's headers, to be edited; columns about people are left out of it."""
    from roadworthy_collector.books.importing import starter_mapping

    with _opened(file) as (stream, name):
        text = starter_mapping(stream, name, sheet)
    typer.echo(text, nl=False)


def _beside(file: str) -> Path:
    return Path("register.corrections.csv") if file == "-" else Path(file).with_suffix(".corrections.csv")


def _write_corrections(found: Outcome, where: Path) -> None:
    if found.corrections is None:
        return
    try:
        with where.open("w", encoding="utf-8-sig", newline="") as target:
            target.write(found.corrections.getvalue())
    except OSError as error:
        raise RoadworthyError(
            f"{where}: the correction file cannot be written: {error.strerror}; the good rows are in"
        ) from None


@register.command("export", epilog="Example: roadworthy register export register.xlsx --site Headquarters")
def export_register(  # noqa: PLR0913 - options of a command
    file: Annotated[Path, typer.Argument(help="To write: .csv or .xlsx.")],
    config: ConfigFile = None,
    *,
    unit: Annotated[str | None, typer.Option(help="Only those of this unit, A / B, and below it.")] = None,
    site: Annotated[str | None, typer.Option(help="Only those at this site.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this lifecycle state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only those of this kind.")] = None,
    search: Annotated[str | None, typer.Option(help="Tag, serial or model that begins so.")] = None,
    command: Annotated[str | None, typer.Option(help="Only those of this command.")] = None,
    cost_centre: Annotated[str | None, typer.Option(help="Only those of this cost centre's code.")] = None,
    system: Annotated[str | None, typer.Option(help="Only those of this system.")] = None,
    marking: Annotated[
        str, typer.Option(help="Protective marking of the file; that of the settings if not said.")
    ] = "",
    restricted: Annotated[
        bool, typer.Option("--restricted", help="Those at restricted sites too; mark the file accordingly.")
    ] = False,
) -> None:
    """Write the register to a file, which imports again unchanged."""
    from roadworthy_collector.books import export_notes
    from roadworthy_collector.books.exporting import checked_marking, write
    from roadworthy_collector.books.register_wanted import Wanted

    said = checked_marking(marking)
    ending: Literal["csv", "xlsx"] = "csv" if file.suffix.lower() == ".csv" else "xlsx"
    if file.suffix.lower() != f".{ending}":
        raise RoadworthyError(f"{file}: end the name with .csv or .xlsx")
    wanted = Wanted(
        unit, site, state, kind, search, restricted=restricted, command=command, cost_centre=cost_centre, system=system
    )  # fmt: skip
    with stored(config) as (settings, engine), engine.connect() as connection:
        said, now = said or settings.protective_marking, time.time()
        try:
            with file.open("wb") as target:
                count = write(connection, target, wanted, ending, now=now, marking=said)
        except OSError as error:
            raise RoadworthyError(f"{file}: cannot be written: {error.strerror}") from None
        connection.rollback()  # reading is over: the record is written by a transaction of its own
        export_notes.note(
            engine, now, COMMAND_LINE, "register", kind=ending, rows=count, told=wanted.in_words()
        )


@register.command(
    "list", epilog="Example: roadworthy register list --unit 'Operations / Custody' --state deployed"
)
def list_register(  # noqa: PLR0913, PLR0917 - options of a command
    config: ConfigFile = None,
    unit: Annotated[str | None, typer.Option(help="Only those of this unit, A / B, and below it.")] = None,
    site: Annotated[str | None, typer.Option(help="Only those at this site.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this lifecycle state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only those of this kind.")] = None,
    search: Annotated[str | None, typer.Option(help="Tag, serial or model that begins so.")] = None,
    command: Annotated[str | None, typer.Option(help="Only those of this command.")] = None,
    cost_centre: Annotated[str | None, typer.Option(help="Only those of this cost centre's code.")] = None,
    system: Annotated[str | None, typer.Option(help="Only those of this system.")] = None,
    output: Format = "table",
) -> None:
    """List items, those at restricted sites too."""
    from roadworthy_collector.books.register import read_all
    from roadworthy_collector.books.register_wanted import Wanted

    wanted = Wanted(
        unit, site, state, kind, search, restricted=True, command=command, cost_centre=cost_centre, system=system
    )  # fmt: skip
    with stored(config) as (_, engine), engine.connect() as connection:
        rows = [item_answer(row.id, row.item, row.updated_at) for row in read_all(connection, wanted)]
    if output == "table":
        rows = [{name: row[name] for name in _IN_TABLE} for row in rows]
    show(rows, output)


@register.command("show", epilog="Example: roadworthy register show FP012345")
def show_item(
    tag: Annotated[str, typer.Argument(help="Its tag, or its serial number.")],
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Show one item with what was changed and the devices it is or was."""
    from roadworthy_collector.books import register as queries

    with stored(config) as (_, engine), engine.connect() as connection:
        id_ = queries.find_tag(connection, tag, scope=None, restricted=True)
        row = queries.read_one(connection, id_)
        events = queries.history(connection, id_)
        devices = queries.linked_devices(connection, id_)
    found = item_answer(row.id, row.item, row.updated_at)
    if output == "json":
        history = [event._asdict() for event in events]
        linked = [json.loads(json.dumps(one._asdict(), default=str)) for one in devices]
        typer.echo(json.dumps(found | {"history": history, "devices": linked}, indent=2))
        return
    show([{"name": name, "value": told(name, value)} for name, value in found.items()], output)
    typer.echo("History:")
    show([event_line(event) for event in events], output)
    typer.echo("Devices:")
    show(
        [
            {"device": one.device_id, "hostname": one.hostname, "from": one.first, "until": one.until}
            for one in devices
        ],
        output,
    )


@register.command(
    "change",
    epilog="Example: roadworthy register change --tags-file tags.txt --state awaiting_disposal --dry-run; "
    "roadworthy register change --tags-file - --enrol --kind dock --site Headquarters",
)
def change_register(  # noqa: PLR0913 - options of a command
    tags_file: Annotated[str, typer.Option("--tags-file", help="One tag a line; - is standard input.")],
    config: ConfigFile = None,
    *,
    unit: Annotated[str | None, typer.Option(help="Move them to this unit, A / B; made if new.")] = None,
    site: Annotated[str | None, typer.Option(help="Move them to this site; made if new.")] = None,
    state: Annotated[str | None, typer.Option(help="Put them into this lifecycle state.")] = None,
    profile: Annotated[str | None, typer.Option(help="Give them this usage profile.")] = None,
    kind: Annotated[str | None, typer.Option(help="Say what they are: laptop, monitor, dock.")] = None,
    enrol: Annotated[bool, typer.Option("--enrol", help="Make items of tags the register lacks.")] = False,
    retire_devices: Annotated[
        bool, typer.Option("--retire-devices", help="Put the devices they are out of service, tokens ended.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would change.")] = False,
    output: Format = "table",
) -> None:
    """Change many items at once: one batch, one audit entry, and undo takes it back."""
    from roadworthy_collector.books.changes import Asked, change_items, parse_pasted

    text = sys.stdin.read() if tags_file == "-" else _text_of(Path(tags_file), "list of tags")
    asked = Asked(unit, site, state, profile, kind, enrol, retire_devices)
    with stored(config) as (_, engine), _progress() as progress:
        found = change_items(
            engine,
            parse_pasted(text),
            asked,
            actor=COMMAND_LINE,
            now=time.time(),
            dry_run=dry_run,
            progress=progress,
        )
    if output == "json":
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2))
        return
    would = "would be " if dry_run else ""
    typer.echo(
        f"{would}new {found.new}, {would}changed {found.changed}, unchanged {found.unchanged}, "
        f"not in the register {len(found.not_found)}"
    )
    tell_made(found.made, would)
    if dry_run:
        tell_changes(found.changes)
    if retire_devices:
        typer.echo(f"devices {would}retired {found.retired}")
    for tag in found.duplicates[:SHOWN]:
        typer.echo(f"  given more than once: {tag}")
    for tag in found.not_found[:SHOWN]:
        typer.echo(f"  not in the register: {tag}")
    for tag, why in found.warnings[:SHOWN]:
        typer.echo(f"  warning: {tag}: {why}")
    if found.batch is not None:
        typer.echo(f"batch {found.batch}; `roadworthy register undo {found.batch}` takes it back")


@register.command("undo", epilog="Example: roadworthy register undo 12")
def undo_batch(
    batch: Annotated[
        int, typer.Argument(min=1, max=2**63 - 1, help="Its number; see `roadworthy register batches`.")
    ],
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Put every item of a batch back as it was before; what a later batch changed is left, and named."""
    from roadworthy_collector.books import batches

    with stored(config) as (_, engine), _progress() as progress:
        found = batches.undo(engine, batch, actor=COMMAND_LINE, now=time.time(), progress=progress)
    if output == "json":
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2))
        return
    typer.echo(
        f"batch {batch}: restored {found.restored}, removed {found.removed}, rows removed {found.rows}, "
        f"left {found.left_count}"
    )
    for item, why in found.left[:SHOWN]:
        typer.echo(f"  left: {item}: {why}")


@register.command("batches", epilog="Example: roadworthy register batches --format json")
def list_batches(config: ConfigFile = None, output: Format = "table") -> None:
    """List imports and changes by hand, newest first."""
    from roadworthy_collector.books.register import read_batches

    rows: list[dict[str, Any]] = []
    before = None
    with stored(config) as (_, engine), engine.connect() as connection:
        while True:
            page = read_batches(connection, before=before)
            rows += page.rows
            before = page.next
            if before is None:
                break
    shown = (
        "id", "kind", "format", "file_name", "made_at", "made_by", "rows_read", "rows_bad", "new", "changed",
        "undone_at", "unfinished",
    )  # fmt: skip
    show(rows if output == "json" else [{name: row[name] for name in shown} for row in rows], output)
