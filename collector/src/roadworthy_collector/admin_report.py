"""Commands about carbon reports: their figures in five forms, their way to being issued, and evidence packs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.command_support import (
    ConfigFile,
    Format,
    mark_simulated,
    password_from_person,
    show,
    stored,
)
from roadworthy_collector.errors import RoadworthyError

report = typer.Typer(
    help="Carbon reports: carbon, CRC and SECR figures, closed, approved, issued.", no_args_is_help=True
)
Kind = Literal["carbon", "crc", "secr"]
Sale = Literal["compliance", "forecast"]
Form = Annotated[
    Literal["pdf", "xlsx", "csv", "json", "html"], typer.Option("--format", help="What to write it as.")
]
Year = Annotated[str, typer.Option(help="A financial year, such as 2025/26.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write; else standard output, or a name of its own."),
]
Number = Annotated[int, typer.Argument(min=1, help="Its number, by `roadworthy report list`.")]
As = Annotated[
    str, typer.Option("--as", help="Who does this; their password is asked for, or read from standard input.")
]
Live = Annotated[
    bool, typer.Option("--live", help="The figures as they stand now, whatever was closed or published.")
]
Remark = Annotated[str, typer.Option(help="A remark for the record.")]
_BINARY = ("pdf", "xlsx")


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(report, name="report")


def _write(
    kind: Kind,
    year: str,
    form: Any,
    output: Path | None,
    config: Path | None,
    *,
    live: bool,
    sale: Sale = "compliance",
    de_minimis: bool = False,
) -> None:
    from roadworthy_collector.carbon import report_newest, report_render
    from roadworthy_collector.carbon.report_crc_tables import Choice

    choice = Choice(sale, de_minimis)
    with stored(config) as (settings, engine), engine.connect() as connection:
        content, frame = report_newest.newest(
            connection, settings, kind, year, now=time.time(), live=live, choice=choice
        )
    body = report_render.rendered(content, frame, form)
    if output is None and form not in _BINARY:
        typer.echo(body.decode(), nl=False)
        return
    target = output or Path(report_render.file_name(content, frame, form))
    try:
        target.write_bytes(body)
    except OSError as error:
        raise RoadworthyError(f"{target}: cannot be written ({error.strerror})") from None
    typer.echo(f"{len(body):,} bytes written to {target}")


@report.command(
    "carbon", epilog="Example: roadworthy report carbon --year 2025/26 --format pdf -o carbon.pdf"
)
def write_carbon(
    year: Year, output: Output = None, config: ConfigFile = None, *, form: Form = "pdf", live: Live = False
) -> None:
    """Write the report of the IT estate's energy and carbon: the newest that was prepared, else live figures."""
    _write("carbon", year, form, output, config, live=live)


@report.command("crc", epilog="Example: roadworthy report crc --year 2016/17 --format xlsx -o crc.xlsx")
def write_crc(
    year: Year,
    output: Output = None,
    config: ConfigFile = None,
    sale: Annotated[
        Sale,
        typer.Option(help="Sale the price is of: compliance (buy to comply) or forecast. Of live figures."),
    ] = "compliance",
    *,
    form: Form = "pdf",
    live: Live = False,
    apply_de_minimis: Annotated[
        bool,
        typer.Option(
            "--apply-de-minimis", help="Leave out gas below 2 % of the electricity. Of live figures."
        ),
    ] = False,
) -> None:
    """Write the notional CRC annual report: a row a supply, tCO2, whole tonnes, allowances and price."""
    _write("crc", year, form, output, config, live=live, sale=sale, de_minimis=apply_de_minimis)


@report.command("secr", epilog="Example: roadworthy report secr --year 2025/26 --format html -o secr.html")
def write_secr(
    year: Year, output: Output = None, config: ConfigFile = None, *, form: Form = "pdf", live: Live = False
) -> None:
    """Write the table in the shape of SECR."""
    _write("secr", year, form, output, config, live=live)


@contextmanager
def _stepping(config: Path | None, name: str) -> Iterator[Any]:
    """Yield (settings, engine, who it is, now) for a step of a person who gave their password."""
    from roadworthy_collector.carbon import report_doors
    from roadworthy_collector.security import access

    password = password_from_person(confirm=False)
    with stored(config) as (settings, engine):
        now = time.time()
        reader = access.reader_by_password(engine, name, password, now)
        yield report_doors.Door(engine, settings, reader, now)


@report.command("prepare", epilog="Example: roadworthy report prepare carbon --year 2025/26 --as ann")
def prepare(
    kind: Annotated[Kind, typer.Argument(help="Which report.")],
    year: Year,
    name: As,
    config: ConfigFile = None,
) -> None:
    """Begin a report, or take one that is not issued back to open; its figures are live until it is closed."""
    from roadworthy_collector.carbon import report_doors

    with _stepping(config, name) as door:
        number = report_doors.prepare(door, kind, year)
    typer.echo(f"report {number}: open")


def _take(number: int, step: str, name: str, config: Path | None, remark: str) -> None:
    from roadworthy_collector.carbon import report_doors

    with _stepping(config, name) as door:
        state = report_doors.take(door, number, step, remark=remark, online=False)
    typer.echo(f"report {number}: {state}")


@report.command("review", epilog="Example: roadworthy report review 3 --as ben")
def review(number: Number, name: As, config: ConfigFile = None, remark: Remark = "") -> None:
    """Say that somebody else than the preparer has looked at the figures."""
    _take(number, "review", name, config, remark)


@report.command("close", epilog="Example: roadworthy report close 3 --as ann")
def close(number: Number, name: As, config: ConfigFile = None, remark: Remark = "") -> None:
    """Freeze a reviewed report and the rows behind it; takes minutes where there are very many devices."""
    _take(number, "close", name, config, remark)


@report.command("approve", epilog="Example: roadworthy report approve 3 --as cat")
def approve(number: Number, name: As, config: ConfigFile = None, remark: Remark = "") -> None:
    """Approve a closed report: an approver who neither prepared nor reviewed it."""
    _take(number, "approve", name, config, remark)


@report.command("publish", epilog="Example: roadworthy report publish 3 --as ann")
def publish(number: Number, name: As, config: ConfigFile = None, remark: Remark = "") -> None:
    """Issue an approved report and seal its evidence pack; warns where its contacts are accounts alone."""
    from roadworthy_collector.carbon import report_doors

    with _stepping(config, name) as door:
        with door.engine.connect() as connection:
            warning = report_doors.contacts_warning(connection, number)
        if warning:
            typer.echo(f"warning: {warning}", err=True)
        state = report_doors.take(door, number, "publish", remark=remark, online=False)
    typer.echo(f"report {number}: {state}")


@report.command(
    "restate", epilog="Example: roadworthy report restate 3 --reason 'two meters were read late' --as ann"
)
def restate(
    number: Number,
    name: As,
    reason: Annotated[str, typer.Option(help="Why; it is printed.")],
    config: ConfigFile = None,
) -> None:
    """Begin a report in the place of a published one; both are kept, and the new one says what changed."""
    from roadworthy_collector.carbon import report_doors

    with _stepping(config, name) as door:
        found = report_doors.restate(door, number, reason)
    typer.echo(f"report {found}: open, restates report {number}")


@report.command(
    "journal",
    epilog="Example: roadworthy report journal 3 --line force --kwh 1250 --reason 'kit without agents' --as ann",
)
def journal(
    number: Number,
    name: As,
    line: Annotated[str, typer.Option(help="The line it adjusts; a wrong one lists them.")],
    kwh: Annotated[str, typer.Option(help="kWh to add; --kwh=-12.5 takes away.")],
    reason: Annotated[str, typer.Option(help="Why; it is printed.")],
    config: ConfigFile = None,
    of: Annotated[str, typer.Option(help="Of CRC: the supply (MPAN, MPRN) or site it is of.")] = "",
) -> None:
    """Enter an adjustment of a report that is not closed; a reviewed one has to be reviewed again."""
    from roadworthy_collector.carbon import report_doors

    with _stepping(config, name) as door:
        report_doors.journal(door, number, line, kwh, reason, of)
    typer.echo(f"report {number}: adjusted")


@report.command("list", epilog="Example: roadworthy report list --format json")
def list_reports(config: ConfigFile = None, output: Format = "table") -> None:
    """List every report with its state, newest first."""
    from roadworthy_collector.carbon import report_reading

    with stored(config) as (_, engine), engine.connect() as connection:
        rows = report_reading.listed(connection)
        if output == "table":
            mark_simulated(connection)
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    names = ("number", "kind", "year", "state", "next", "journals", "restates", "made_by", "made_at", "pack")
    show([{name: row[name] for name in names} for row in rows], output)


@report.command("show", epilog="Example: roadworthy report show 3")
def show_report(number: Number, config: ConfigFile = None, output: Format = "table") -> None:
    """Show a report's steps, adjustments, late data, and what it changed against the one it restates."""
    from roadworthy_collector.carbon import report_doors

    with stored(config) as (settings, engine), engine.connect() as connection:
        found = report_doors.told(connection, settings, number, now=time.time())
        if output == "table":
            mark_simulated(connection)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"report {number}: {found['kind']} {found['year']}, {found['state']}")
    for title, rows in (
        (
            "Figures",
            [
                {name: one[name] for name in ("title", "value", "low", "high", "unit")}
                for one in found["figures"]
            ],
        ),
        ("Steps", found["steps"]),
        ("Adjustments", found["journals"]),
        ("What came after it was closed", found["late"]),
        ("What it changed", found["changes"]),
    ):
        if rows:
            typer.echo(f"\n{title}")
            show(rows, output)
    if found["pack"]:
        typer.echo(f"\nevidence pack {found['pack']}, SHA-256 {found['pack_sha256']}")


@report.command("pack", epilog="Example: roadworthy report pack 3 -o pack.zip")
def copy_pack(number: Number, output: Output = None, config: ConfigFile = None) -> None:
    """Write the evidence pack of an issued report to a file."""
    from roadworthy_collector.carbon import report_doors

    with stored(config) as (settings, engine), engine.connect() as connection:
        path = report_doors.pack_path(connection, settings, number)
    import shutil

    target = output or Path(path.name)
    try:
        shutil.copyfile(path, target)
    except OSError as error:
        raise RoadworthyError(f"{target}: cannot be written ({error.strerror})") from None
    typer.echo(f"{target.stat().st_size:,} bytes written to {target}")


@report.command("verify", epilog="Example: roadworthy report verify roadworthy-carbon-2025-3.zip")
def verify(
    pack: Annotated[Path, typer.Argument(help="The evidence pack, a ZIP.")],
    sha256: Annotated[
        str | None, typer.Option(help="The pack's SHA-256 as `report show` said it when it was issued.")
    ] = None,
    output: Format = "table",
) -> None:
    """Recompute a pack's totals from itself alone: no settings, no database, no network. Ends with 1 if anything differs."""
    from dataclasses import asdict

    from roadworthy_collector.carbon.pack_verify import verify as recompute
    from roadworthy_collector.carbon.report_render import pdf_by_child

    found = recompute(pack, known_sha256=sha256, draw=pdf_by_child)
    if output == "json":
        typer.echo(json.dumps(asdict(found) | {"ok": found.ok}, indent=2))
    else:
        for name, tonnes in found.totals.items():
            typer.echo(f"{name}: {tonnes:,} t")
        for text in found.remarks:
            typer.echo(text)
        for text in found.differences:
            typer.echo(f"differs: {text}")
        # Somebody who forges a pack can have it be of an older version, of which less is known.
        in_part = "" if found.whole else ", as far as it goes: the report itself was not made again"
        typer.echo(f"ok{in_part}" if found.ok else "not ok")
        if sha256 is None and found.ok:
            typer.echo(f"SHA-256 {found.sha256}: compare it with the one noted when it was issued (--sha256)")
    if not found.ok:
        raise typer.Exit(1)
