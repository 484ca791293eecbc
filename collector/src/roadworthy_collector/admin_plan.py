"""Commands about what to replace first: a plan for a budget, why for one item, ready lists as tickets."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

plan = typer.Typer(help="What to replace, repair or keep for a budget.", no_args_is_help=True)
Action = Literal["replace", "ssd", "ram", "battery", "keep", "fixed", "apart", "no_offer"]


@plan.command("example", epilog="Example: roadworthy plan example > plan.toml")
def print_example() -> None:
    """Print an annotated file of options, prices, budget and weights, to be edited."""
    from roadworthy_collector.books.plan_example import EXAMPLE

    typer.echo(EXAMPLE, nl=False)


@plan.command("run", epilog="Example: roadworthy plan run plan.toml --capital 250000 --lots")
def run_plan(  # noqa: PLR0913, PLR0917 - one argument an option
    file: Annotated[Path, typer.Argument(help="TOML, as `roadworthy plan example` prints it.")],
    config: ConfigFile = None,
    capital: Annotated[int | None, typer.Option(min=0, help="Pounds of capital each year.")] = None,
    revenue: Annotated[int | None, typer.Option(min=0, help="Pounds of revenue each year.")] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Years over which savings count.")] = None,
    installations: Annotated[int | None, typer.Option(min=0, help="Of all crews in a week.")] = None,
    lots: Annotated[
        bool | None, typer.Option("--lots/--no-lots", help="One model at one site together or not at all.")
    ] = None,
    runs: Annotated[
        int, typer.Option(min=1, max=500, help="How often inputs are varied to see who stays.")
    ] = 20,
    output: Format = "table",
) -> None:
    """Make a plan from the register and keep it. What the options say goes before the file."""
    from roadworthy_collector.books import planning
    from roadworthy_collector.books.plan_text import Budget

    budget = Budget(
        capital_pounds=capital,
        revenue_pounds=revenue,
        horizon_years=horizon,
        installations_per_week=installations,
        lots=lots,
    )
    try:
        asked = planning.Asked(text=file.read_text("utf-8"), budget=budget, runs=runs)
    except (OSError, UnicodeDecodeError) as error:
        raise RoadworthyError(f"{file}: cannot be read ({error}); give a TOML file in UTF-8") from None
    now = time.time()
    with stored(config) as (settings, engine):
        summary = planning.run(
            engine, asked, now=now, on=_today(settings.reporting_timezone, now), progress=_progress
        )
    typer.echo(err=True)
    _print(summary, now, output)


def _today(zone: str, now: float) -> date:
    return datetime.fromtimestamp(now, ZoneInfo(zone)).date()


def _progress(what: str, count: int) -> None:
    typer.echo(f"\r{count:,} {what}" + " " * 30, nl=False, err=True)


def _print(summary: dict[str, Any], made_at: float, output: str) -> None:
    from roadworthy_collector.books.plan_rows import FIGURES
    from roadworthy_collector.books.planning import ACTION_WORDS
    from roadworthy_inventory.money import pounds

    if output == "json":
        typer.echo(json.dumps({name: value for name, value in summary.items() if name != "pieces"}, indent=2))
        return
    at = f"{datetime.fromtimestamp(made_at, UTC):%Y-%m-%d %H:%M} UTC"
    typer.echo(f"plan of {at} over {summary['items']:,} items, {', '.join(summary['years'])}")
    show([{"what": ACTION_WORDS[name], "items": count} for name, count in summary["counts"].items()], "table")
    rows = []
    for name, (title, unit) in FIGURES.items():
        low, likely, high = summary["estate"]["figures"][name]
        row = {"against keeping": title, "likely": likely, "from": low, "to": high}
        rows.append(
            {key: told if isinstance(told, str) else f"{told / unit:,.0f}" for key, told in row.items()}
        )
        rows[-1]["not known of"] = summary["estate"]["unknown"][name]
    show(rows, "table")
    show([_use(one) for one in summary["uses"]], "table")
    typer.echo(
        f"nets {pounds(summary['net_pence'])} at likely figures; no plan within the limits nets more than "
        f"{pounds(summary['bound_pence'])} (gap {summary['gap_ratio'] * 100:.3f} %)"
    )
    for name, counts in summary["known"].items():
        typer.echo(f"{name}: " + ", ".join(f"{count:,} {how}" for how, count in counts.items()))
    for reason, count in summary["left_out"].items():
        typer.echo(f"not in the plan: {count:,} items: {reason}")
    typer.echo(
        "Why for one: roadworthy plan why TAG. Hours are not cashable. Carbon alone usually argues for keeping."
    )


def _use(one: dict[str, Any]) -> dict[str, Any]:
    money = one["what"] in {"capital", "revenue"}

    def told(value: int | None) -> str:
        return "no limit" if value is None else f"£{value / 100:,.0f}" if money else f"{value:,}"

    span = f"{told(one['used_low'])} to {told(one['used_high'])}" if money else ""
    return {
        "year": one["year"],
        "of": one["what"],
        "used": told(one["used"]),
        "at low and high prices": span,
        "limit": told(one["limit"]),
    }


@plan.command("show", epilog="Example: roadworthy plan show --action replace")
def show_plan(
    config: ConfigFile = None,
    action: Annotated[Action | None, typer.Option(help="List the items of this.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many.")] = 50,
    output: Format = "table",
) -> None:
    """Show the last plan, or the items of one action."""
    from roadworthy_collector.books import planning
    from roadworthy_collector.books.plan_rows import plan_row

    with stored(config) as (_, engine), engine.connect() as connection:
        summary, made_at = planning.require(connection)
        if action is None:
            _print(summary, made_at, output)
            return
        rows, total = planning.page(connection, summary, action, 0, limit)
    show(rows if output == "json" else [plan_row(one, short=True) for one in rows], output)
    if output == "table":
        typer.echo(f"{len(rows):,} of {total:,} items")


@plan.command("why", epilog="Example: roadworthy plan why PC-0042")
def say_why(
    tag: Annotated[str, typer.Argument(help="The item's tag.")],
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Say why one item is in the last plan or out of it."""
    from roadworthy_collector.books import planning
    from roadworthy_collector.books.plan_rows import plan_row

    with stored(config) as (_, engine), engine.connect() as connection:
        summary, _ = planning.require(connection)
        one = planning.item(connection, summary, tag)
    if output == "json":
        typer.echo(json.dumps(one, indent=2))
        return
    row = plan_row(one) | {"stays in the plan": plan_row(one, short=True)["stays in the plan"]}
    show(
        [{"name": name, "value": value} for name, value in row.items() if name not in {"why", "carbon"}],
        output,
    )
    typer.echo(one["why"])
    if one["carbon"]:
        typer.echo(one["carbon"])


@plan.command("lists", epilog="Example: roadworthy plan lists --export fit_an_ssd tickets.csv")
def ready_lists(
    config: ConfigFile = None,
    export: Annotated[
        tuple[str, Path] | None,
        typer.Option(
            help="Write the tickets of claim_under_warranty, fit_an_ssd or collect_unused to .csv or .xlsx."
        ),
    ] = None,
    assign: Annotated[str | None, typer.Option(help="The group the exported tickets are for.")] = None,
    output: Format = "table",
) -> None:
    """Make the ready lists anew: claim under warranty, fit an SSD, collect the unused."""
    from roadworthy_collector.books import plan_lists, tables

    if export is not None and export[0] not in plan_lists.TITLES:
        raise RoadworthyError(f"{export[0]}: no such list; there are {', '.join(plan_lists.TITLES)}")
    now = time.time()
    with stored(config) as (settings, engine):
        with engine.connect() as connection:
            _, lists = plan_lists.anew(connection, now, _today(settings.reporting_timezone, now))
        plan_lists.keep(engine, lists, now)
        if export is not None:
            filters = {"assign": assign} if assign else {}
            asked = tables.Asked(export[0], filters, now, COMMAND_LINE)
            count = tables.write_file(engine, settings, asked, export[1])
            typer.echo(f"{count:,} tickets written to {export[1]}")
            return
    rows = [
        {"list": one.name, "tickets": len(one.tickets), "could not be told": len(one.unknown)}
        for one in lists
    ]
    show(rows, output)


@plan.command("export", epilog="Example: roadworthy plan export plan.xlsx --action replace")
def export_plan(
    file: Annotated[Path, typer.Argument(help="Ends with .csv or .xlsx.")],
    config: ConfigFile = None,
    action: Annotated[Action | None, typer.Option(help="Only items of this.")] = None,
) -> None:
    """Write the last plan, an item a row with its figures and its reason."""
    from roadworthy_collector.books import tables

    with stored(config) as (settings, engine):
        asked = tables.Asked("plan", {"action": action} if action else {}, time.time(), COMMAND_LINE)
        count = tables.write_file(engine, settings, asked, file)
    typer.echo(f"{count:,} rows written to {file}")
