"""Commands about staff time in slow start-ups and sign-ins: hours by month and group, and the assumptions behind them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from roadworthy_collector.admin_export import export_table
from roadworthy_collector.command_support import ConfigFile, Format, show, stored, text_of
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

staff_time = typer.Typer(help="Staff time in slow start-ups and sign-ins, in hours.", no_args_is_help=True)
assumptions = typer.Typer(help="What it is worked out by: good lengths, rate, factor.", no_args_is_help=True)
staff_time.add_typer(assumptions, name="assumptions")
TomlFile = Annotated[Path, typer.Argument(help="A TOML file.")]
By = Annotated[
    Literal["unit", "site", "class", "model", "system"] | None,
    typer.Option(help="Its groups, of one period."),
]
Period = Annotated[str | None, typer.Option(help="A month, 2026-09, or a financial year, 2026/27.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(staff_time, name="staff-time")


@staff_time.command("show", epilog="Example: roadworthy staff-time show --period 2026-09 --by site")
def show_staff_time(
    config: ConfigFile = None, period: Period = None, by: By = None, output: Format = "table"
) -> None:
    """Show hours lost by month and financial year, or by group of one; money and posts where you stated yours."""
    from roadworthy_collector.books import staff_time_show as shown

    if by is not None and period is None:
        raise RoadworthyError("--by: give --period too, a month or a financial year")
    with stored(config) as (_, engine), engine.connect() as connection:
        found = shown.overview(connection)
        rows = shown.groups(connection, period, by or "unit") if period else found["periods"]
    if output == "json":
        typer.echo(json.dumps(rows if period else found, indent=2))
        return
    show(shown.flat(rows, "group" if period else "period"), output)
    typer.echo(f"{shown.NON_CASHABLE}; groups under {found['minimum_group']} devices are in other")
    if not found["periods"]:
        typer.echo("nothing is worked out yet: `roadworthy jobs` does it, a month a minute")


@staff_time.command(
    "export", epilog="Example: roadworthy staff-time export hours.xlsx --period 2026/27 --by unit"
)
def export_staff_time(
    file: Annotated[Path, typer.Argument(help="To write: .csv or .xlsx.")],
    config: ConfigFile = None,
    period: Period = None,
    by: By = None,
) -> None:
    """Write hours lost to a file, with what is left out and why it is not cashable."""
    told = [f"period={period}"] if period else []
    export_table("staff-time", file, config, [*told, f"by={by}"] if by else told)


@assumptions.command("show", epilog="Example: roadworthy staff-time assumptions show > assumptions.toml")
def show_assumptions(config: ConfigFile = None) -> None:
    """Print the assumptions in force, to be edited and saved; at first an annotated file that states none."""
    from roadworthy_collector.books import staff_time_text

    with stored(config) as (_, engine), engine.connect() as connection:
        found, edition = staff_time_text.current(connection)
    at = f" on {datetime.fromtimestamp(edition.made_at, UTC):%Y-%m-%d %H:%M} UTC" if edition.made_at else ""
    typer.echo(f"roadworthy: edition {found.digest}, by {edition.made_by}{at}", err=True)
    typer.echo(edition.content, nl=False)


@assumptions.command("try", epilog="Example: roadworthy staff-time assumptions try assumptions.toml")
def try_assumptions(file: TomlFile, config: ConfigFile = None, output: Format = "table") -> None:
    """Say what assumptions would make of the newest twelve months, changing nothing."""
    from roadworthy_collector.books import staff_time_show as shown

    with stored(config) as (_, engine), engine.connect() as connection:
        found = shown.try_text(connection, text_of(file))
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [
        {"month": one["month"], "hours": one["hours"]}
        | {f"{name} {when}": one[when][name] for when in ("now", "then") for name in one[when]}
        for one in found["months"]
    ]
    show(rows, output)
    if found["hours_change"]:
        typer.echo("good lengths are others: the hours themselves are worked out again once this is saved")


@assumptions.command("save", epilog="Example: roadworthy staff-time assumptions save assumptions.toml")
def save_assumptions(file: TomlFile, config: ConfigFile = None) -> None:
    """Put assumptions in force, on the record; the jobs process works the months out again where lengths changed."""
    from roadworthy_collector.books import staff_time_text
    from roadworthy_collector.store.engine import write_transaction

    text = text_of(file)
    with stored(config) as (_, engine), write_transaction(engine) as connection:
        new = staff_time_text.save(connection, text, now=int(time.time()), actor=COMMAND_LINE)
    typer.echo("saved" if new else "these are in force already; nothing was changed")
