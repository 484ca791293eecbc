"""Commands about the list of supplies and their sites: `roadworthy meters list` and `load-list`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from roadworthy_collector.admin_meters import text_of
from roadworthy_collector.command_support import ConfigFile, stored

ACTOR = "command line"


def add_lists(meters: typer.Typer) -> None:
    """Register these commands beside the others of meters."""
    meters.command("list", epilog="Example: roadworthy meters list > supplies.csv")(print_list)
    meters.command("load-list", epilog="Example: roadworthy meters load-list supplies.csv --dry-run")(
        load_list
    )


def print_list(config: ConfigFile = None) -> None:
    """Print all supplies with their sites as CSV, restricted sites too, to be edited and loaded."""
    from roadworthy_collector.carbon import supply_list

    with stored(config) as (_, engine), engine.connect() as connection:
        typer.echo(supply_list.write(connection, restricted=True), nl=False)


def load_list(
    file: Annotated[Path, typer.Argument(help="CSV with a row a supply and site, as `list` prints it.")],
    config: ConfigFile = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and do nothing.")] = False,
) -> None:
    """Take supplies with all their sites from a file, all or none; supplies it does not name stay."""
    from roadworthy_collector.carbon import supply_list
    from roadworthy_collector.store.engine import write_transaction

    text = text_of(file, "CSV UTF-8")
    if dry_run:
        with stored(config) as (_, engine), engine.connect() as connection:
            for one in supply_list.tried(connection, text, file.name, restricted=True):
                before = "new" if one["new"] else "; ".join(one["before"]) or "no site"
                typer.echo(f"{one['supply']}: {before} -> {'; '.join(one['after']) or 'no site'}")
        return
    with stored(config) as (_, engine), write_transaction(engine) as connection:
        done = supply_list.load(
            connection, text, file.name, restricted=True, actor=ACTOR, now=int(time.time())
        )
    typer.echo(f"{done.new:,} new supplies, {done.changed:,} changed, {done.unchanged:,} as held")
