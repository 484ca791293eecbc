"""The command that writes a table of the console to a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from roadworthy_collector.command_support import ConfigFile, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE


class _Listing(TyperCommand):
    """Names every table in its help: read only then, for the tables take a tenth of a second to know."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, the first with the tables there are."""
        from roadworthy_collector.books.tables import TABLES

        found: list[Any] = list(super().get_params(ctx))
        for one in found:
            if one.name == "table":
                one.help = f"Which: {', '.join(sorted(TABLES))}."
        return found


def add_to(app: typer.Typer) -> None:
    """Register this command on `app`."""
    app.command(
        "export",
        cls=_Listing,
        epilog="Example: roadworthy export ratings ratings.xlsx --filter 'rating=action required'",
    )(export_table)


def export_table(
    table: Annotated[str, typer.Argument(help="Which table.")],
    file: Annotated[Path, typer.Argument(help="To write: .csv or .xlsx.")],
    config: ConfigFile = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", help="name=value, as its page narrows it; again for more.")
    ] = None,
) -> None:
    """Write a table with its filter, as-at time, coverage and the protective marking of the settings."""
    from roadworthy_collector.books import tables

    told: dict[str, str] = {}
    for one in filters or ():
        name, equals, value = one.partition("=")
        if not equals:
            raise RoadworthyError(f"--filter {one}: write name=value")
        told[name] = value
    narrowed = tables.filters_of(table, told)
    with stored(config) as (settings, engine):
        asked = tables.Asked(table, narrowed, time.time(), COMMAND_LINE)
        count = tables.write_file(engine, settings, asked, file)
    typer.echo(f"{count:,} rows written to {file}")
