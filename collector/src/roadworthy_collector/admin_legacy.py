"""Commands about systems and the Legacy IT Risk Assessment Framework."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.command_support import ConfigFile, Format, connected, show, stored
from roadworthy_collector.security.tokens import COMMAND_LINE

legacy = typer.Typer(
    help="Systems and the Legacy IT Risk Assessment Framework: systems, show, score, withdraw, export.",
    no_args_is_help=True,
)
_Name = Annotated[str, typer.Argument(help="The system's name.")]
_Criterion = Annotated[str, typer.Option(help="L1 to L7 (likelihood) or C1 to C6 (impact).")]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(legacy, name="legacy")


@legacy.command("systems", epilog="Example: roadworthy legacy systems --standing legacy")
def list_systems(
    config: ConfigFile = None,
    standing: Annotated[
        Literal["legacy", "not_legacy", "unknown", "no_devices"] | None,
        typer.Option(help="Only those, by the evidence of their devices."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most.")] = 1000,
    output: Format = "table",
    *,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Only those with a criterion nobody signed.")
    ] = False,
) -> None:
    """List the systems: what their devices show, and apart from it what people signed."""
    from roadworthy_collector.books import legacy_systems
    from roadworthy_collector.books.legacy_told import system_row

    with stored(config) as (_, engine), engine.connect() as connection:
        page = legacy_systems.list_systems(
            connection, standing=standing or "", unsigned=unsigned, limit=limit
        )
        found = legacy_systems.summarise(connection)
    show([system_row(one) for one in page.rows], output)
    if output == "table":
        typer.echo(f"{legacy_systems.version()}; scores are to be checked against the published guidance")
        typer.echo(
            f"{found.systems:,} systems; {found.signed:,} criteria signed, {found.unsigned:,} unsigned; "
            f"{found.complete:,} complete, {found.red_rated:,} of them red-rated"
        )
        left = sum(found.without_system.values())
        typer.echo(f"{left:,} records serve no system the register names")


@legacy.command("show", epilog="Example: roadworthy legacy show 'Custody records'")
def show_system(name: _Name, config: ConfigFile = None, output: Format = "table") -> None:
    """Show the evidence of a system by criterion, the suggestions, and what people signed."""
    from roadworthy_collector.books import legacy_systems
    from roadworthy_collector.books.legacy_told import detail
    from roadworthy_collector.books.reconciling import local_day

    with stored(config) as (settings, engine), engine.connect() as connection:
        on = local_day(time.time(), settings.reporting_timezone)
        found = detail(connection, legacy_systems.find(connection, name), on)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    _tell(found)


def _tell(found: dict[str, Any]) -> None:
    from roadworthy_collector.books.legacy_told import in_words

    typer.echo(f"{found['name']}: {found['standing'].replace('_', ' ')} by evidence; {found['framework']}")
    show(
        [
            {
                name: in_words(one["value"], one["unit"]) if name == "value" else one[name]
                for name in ("code", "what", "concerned", "known", "unknown", "value", "strength")
            }
            for one in found["evidence"]
        ],
        "table",
    )
    for one in found["suggestions"]:
        typer.echo(f"suggested, not signed: {one['criterion']} {one['score']}: {one['why']}")
    for one in found["scores"]:
        old = "" if one["current"] else f" by {one['framework']}, which is not in force"
        remark = f": {one['remark']}" if one["remark"] else ""
        typer.echo(
            f"signed: {one['criterion']} {one['score']} by {one['assessor']} on {one['assessed_on']}{old}{remark}"
        )
    typer.echo(f"unsigned: {', '.join(found['unsigned']) or 'none'}")
    if found["result"]:
        typer.echo("; ".join(f"{name.replace('_', ' ')} {value}" for name, value in found["result"].items()))


@legacy.command(
    "score",
    epilog="Example: roadworthy legacy score 'Custody records' --criterion L1 --score 4 --remark 'ends 2027'",
)
def score_system(
    name: _Name,
    criterion: _Criterion,
    score: Annotated[int, typer.Option(help="1 to 6 for likelihood, 1 to 5 for impact.")],
    config: ConfigFile = None,
    remark: Annotated[str | None, typer.Option(help="Why.")] = None,
) -> None:
    """Sign a criterion, today; signed in as the command line. In the console and the API it is the user's name."""
    from roadworthy_collector.books import legacy_systems
    from roadworthy_collector.books.reconciling import local_day

    now = time.time()
    with stored(config) as (settings, _):
        today = local_day(now, settings.reporting_timezone)
    with connected(config) as connection:
        found = legacy_systems.score(
            connection,
            legacy_systems.find(connection, name).id,
            legacy_systems.Said(criterion, score, remark),
            today=today,
            now=int(now),
            actor=COMMAND_LINE,
        )
    typer.echo(f"{found.name}: {criterion.upper()} {score}; unsigned: {', '.join(found.unsigned) or 'none'}")


@legacy.command("withdraw", epilog="Example: roadworthy legacy withdraw 'Custody records' --criterion L1")
def withdraw_score(name: _Name, criterion: _Criterion, config: ConfigFile = None) -> None:
    """Take a score back; the criterion is unsigned again."""
    from roadworthy_collector.books import legacy_systems

    with connected(config) as connection:
        system = legacy_systems.find(connection, name).id
        legacy_systems.withdraw(connection, system, criterion, now=int(time.time()), actor=COMMAND_LINE)


@legacy.command("export", epilog="Example: roadworthy legacy export register.xlsx")
def export_register(
    file: Annotated[Path, typer.Argument(help="To write: .csv or .xlsx.")], config: ConfigFile = None
) -> None:
    """Write the framework's register: scores people signed, unsigned ones named so, suggestions in columns apart."""
    from roadworthy_collector.books import tables

    with stored(config) as (settings, engine):
        asked = tables.Asked("legacy-register", {}, time.time(), COMMAND_LINE)
        count = tables.write_file(engine, settings, asked, file)
    typer.echo(f"{count:,} systems written to {file}")
