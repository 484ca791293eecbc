"""Commands about smart plugs and plug-in meters: `roadworthy carbon calibration`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.admin_benefits import today
from roadworthy_collector.command_support import ConfigFile, mark_simulated, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

calibration = typer.Typer(
    help="Readings of smart plugs, and what they teach the power models.", no_args_is_help=True
)
Output = Annotated[Literal["text", "json"], typer.Option("--format", help="For people or for programs.")]


def add_to(carbon: typer.Typer) -> None:
    """Register these commands under `roadworthy carbon`."""
    carbon.add_typer(calibration, name="calibration")


@calibration.command("import", epilog="Example: roadworthy carbon calibration import plugs.csv --dry-run")
def import_plugs(  # noqa: PLR0913 - one argument an option
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX: device, day or time, and register kWh, kWh or W.")
    ],
    config: ConfigFile = None,
    time_: Annotated[
        Literal["local", "utc"], typer.Option("--time", help="What its dates and times are in.")
    ] = "local",
    device: Annotated[str | None, typer.Option(help="The device a file without that column is of.")] = None,
    kind: Annotated[
        Literal["register", "interval", "watts"] | None,
        typer.Option(help="What its figures are, if the header does not say."),
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first if not said.")] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="Write rows that are bad to this CSV, to be put right and imported.")
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")
    ] = False,
    output: Output = "text",
) -> None:
    """Import readings of single devices. The same file again changes nothing."""
    from roadworthy_collector.carbon import plug_import
    from roadworthy_inventory.carbon.plug_file import How

    choices = plug_import.Choices(how=How(time=time_, device=device, kind=kind), sheet=sheet, dry_run=dry_run)
    with stored(config) as (settings, engine):
        choices = plug_import.in_zone(choices, settings.reporting_timezone)
        try:
            with file.open("rb") as stream:
                found = plug_import.import_file(
                    engine,
                    stream,
                    file.name,
                    choices,
                    actor=COMMAND_LINE,
                    now=int(time.time()),
                    on=today(settings),
                )
        except OSError as error:
            raise RoadworthyError(f"{file}: cannot be read ({error.strerror})") from None
    if corrections is not None and found.corrections is not None:
        corrections.write_text("\ufeff" + found.corrections, "utf-8", newline="")
    said = plug_import.as_json(found)
    if output == "json":
        typer.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    for line in _said(said, dry_run=dry_run):
        typer.echo(line)


def _said(found: dict[str, Any], *, dry_run: bool) -> list[str]:
    if found["already"] is not None:
        return [f"this file is in already, as batch {found['already']}; nothing was changed"]
    lines = [
        f"{found['rows_read'] - found['rows_bad']:,} of {found['rows_read']:,} rows are good, {found['rows_bad']:,} bad",
        (
            f"{found['devices']:,} devices, {found['kwh']:,} kWh: {found['new']:,} new days, {found['changed']:,} "
            f"changed, {found['unchanged']:,} as held; {found['partly']:,} days covered in part are left out"
        ),
    ]
    lines += [f"  {note}" for note in found["notes"]]
    for what, key in (("", "first_problems"), ("warning: ", "first_warnings")):
        lines += [
            f"  line {one['line']}: {what}{one['column']} {one['message']}"
            + (f" ({one['value']})" if one["value"] else "")
            for one in found[key][:20]
        ]
    lines += [f"  {one['device']}: {one['day']} is covered in part" for one in found["gaps"][:20]]
    if found["batch"] is None:
        return [*lines, "nothing was written" + (": a dry run" if dry_run else "")]
    return [*lines, f"in as batch {found['batch']}; the ledger's months are made anew by the jobs process"]


@calibration.command("show", epilog="Example: roadworthy carbon calibration show --format json")
def show_calibration(config: ConfigFile = None, output: Output = "text") -> None:
    """Show the days plugs metered, each model's line with its residual, and the imports."""
    from roadworthy_collector.carbon.plug_shown import shown

    with stored(config) as (_, engine), engine.connect() as connection:
        found = shown(connection)
        if output == "text":
            mark_simulated(connection)
    if output == "json":
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    span = f" from {found['first']} to {found['last']}" if found["days"] else ""
    typer.echo(
        f"{found['devices']:,} devices with a plug, {found['days']:,} days{span}, {found['kwh']:,} kWh"
    )
    typer.echo(found["about"])
    typer.echo(f"Lines of {found['month']}:" if found["month"] else "The ledger has no month with lines yet.")
    show([_row(one) for one in found["fits"]], "table")
    show(found["batches"], "table")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    """Return a line as the table shows it."""
    figures = {
        name: None if one[key] is None else f"{one[key]:.{places}f}"
        for name, key, places in (
            ("slope", "slope", 3),
            ("intercept W", "intercept_watts", 1),
            ("residual W", "residual_watts", 1),
        )
    }
    names = ("model", "estimated_by", "devices", "days")
    return {name: one[name] for name in names} | figures | {"used": "yes" if one["used"] else one["why"]}


@calibration.command("undo", epilog="Example: roadworthy carbon calibration undo 7")
def undo_batch(
    batch: Annotated[int, typer.Argument(help="Its number, by `roadworthy carbon calibration show`.")],
    config: ConfigFile = None,
) -> None:
    """Take an import back: days it changed are as they were, days it brought go."""
    from roadworthy_collector.carbon.plug_import import undo

    with stored(config) as (_, engine):
        done = undo(engine, batch, actor=COMMAND_LINE, now=int(time.time()))
    typer.echo(f"batch {batch} is undone: {done.days:,} days of {done.devices:,} devices")
