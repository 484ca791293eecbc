"""The command that shows figures by command, cost centre and site."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.admin_benefits import day
from roadworthy_collector.command_support import ConfigFile, Format, show, stored


def add_to(app: typer.Typer) -> None:
    """Register this command on `app`."""
    app.command("groups", epilog="Example: roadworthy organisation groups --by site --format json")(
        show_groups
    )


def show_groups(
    config: ConfigFile = None,
    by: Annotated[Literal["command", "cost_centre", "site"], typer.Option(help="By what.")] = "command",
    at: Annotated[
        str | None, typer.Option("--at", help="Half-hours until this day, 2026-03-31; today if not said.")
    ] = None,
    over: Annotated[int, typer.Option(help="Half-hours of how many days up to that day.")] = 7,
    output: Format = "table",
) -> None:
    """Show register items by state, and of sites devices and half-hours, restricted sites together."""
    from roadworthy_collector.books.organisation_figures import Asked, Context
    from roadworthy_collector.books.organisation_groups import Group, groups
    from roadworthy_collector.books.organisation_tree import read
    from roadworthy_inventory.calendar import local_date

    def row(one: Group) -> dict[str, Any]:
        name = "restricted sites" if one.restricted else one.name or "not told"
        return {by.replace("_", " "): name} | {
            figure.replace("_", " "): amount for figure, amount in one.figures.items()
        }

    with stored(config) as (settings, engine), engine.connect() as connection:
        now, zone = time.time(), settings.reporting_timezone
        asked = Asked(day("--at", at) or local_date(now, zone), over)
        found = groups(Context(connection, read(connection), asked, zone, now), by)
    if output == "json":
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    rows = [row(one) for one in found]
    columns = list(dict.fromkeys(name for one in rows for name in one))
    show([{name: one.get(name, 0) for name in columns} for one in rows], "table")
