"""Commands about how many years this organisation plans with for each class of things."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from roadworthy_collector.command_support import ConfigFile, Format, connected, show, stored, text_of
from roadworthy_collector.security.tokens import COMMAND_LINE

planned = typer.Typer(help="Planned life by class: show, try, save.", no_args_is_help=True)
_LivesFile = Annotated[Path, typer.Argument(help="The planned lives (TOML); an empty file for none.")]


@planned.command("show", epilog="Example: roadworthy lifecycle planned show > planned.toml")
def show_planned(
    config: ConfigFile = None,
    output: Format = "table",
    *,
    in_force: Annotated[
        bool, typer.Option("--in-force", help="The life of each class with who says so, instead.")
    ] = False,
) -> None:
    """Print your own planned lives as a file to edit."""
    from roadworthy_collector.books import planned_text

    with stored(config) as (_, engine), engine.connect() as connection:
        found, edition = planned_text.current(connection)
    if in_force:
        show([one._asdict() for one in planned_text.listed(found.lives)], output)
        return
    typer.echo(edition.content, nl=False)
    typer.echo(f"edition {found.digest}, by {edition.made_by}", err=True)


@planned.command("try", epilog="Example: roadworthy lifecycle planned try planned.toml")
def try_planned(file: _LivesFile, config: ConfigFile = None, output: Format = "table") -> None:
    """Say what the file would change on the devices; nothing is saved."""
    from roadworthy_collector.books import lifecycle_trying

    text = text_of(file)
    with stored(config) as (settings, engine):
        found = lifecycle_trying.try_lives(engine, text, time.time(), settings.reporting_timezone)
    if output == "json":
        typer.echo(json.dumps(found.told(), indent=2))
        return
    show([{"now": before, "then": after, "records": count} for before, after, count in found.moves], output)
    typer.echo(f"{found.changed:,} of {found.records:,} records would change; {found.entries} classes stated")


@planned.command("save", epilog="Example: roadworthy lifecycle planned save planned.toml")
def save_planned(file: _LivesFile, config: ConfigFile = None) -> None:
    """Put your planned lives in force, on the record; the jobs process works the ageing out again."""
    from roadworthy_collector.books import planned_text

    text = text_of(file)
    with connected(config) as connection:
        new = planned_text.save(connection, text, now=int(time.time()), actor=COMMAND_LINE)
    typer.echo("saved" if new else "these are in force already; nothing was changed")
