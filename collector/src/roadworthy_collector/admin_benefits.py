"""Commands about benefits of switching systems off, and about contracts and warranties."""

from __future__ import annotations

import json
import time
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from roadworthy_collector.admin_export import export_table
from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE
from roadworthy_collector.settings import Settings

benefits = typer.Typer(help="Benefits of systems switched off.", no_args_is_help=True)
contracts = typer.Typer(help="Contracts and warranties: ends, notice, value.", no_args_is_help=True)
ToWrite = Annotated[Path, typer.Argument(help="To write: .csv or .xlsx.")]
Number = Annotated[int, typer.Argument(help="Its number, by `roadworthy benefits list`.")]
By = Annotated[str, typer.Option(help="Account name of the person who says so.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(benefits, name="benefits")
    app.add_typer(contracts, name="contracts")


def today(settings: Settings) -> date:
    """Return the day it is where the collector reports for."""
    return datetime.now(ZoneInfo(settings.reporting_timezone)).date()


def day(option: str, text: str | None) -> date | None:
    """Return the day of an option; RoadworthyError naming it where it is none."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise RoadworthyError(f"{option} {text}: write a day as 2026-03-31") from None


def pounds(pence: int | None) -> str:
    """Return pence as people write them."""
    from roadworthy_inventory.money import pounds as written

    return "not known" if pence is None else written(pence)


@benefits.command(
    "add", epilog="Example: roadworthy benefits add B-1 --system Atlas --year 2026=120000-30000 --by jo"
)
def add_benefit(
    reference: Annotated[str, typer.Argument(help="A reference of your own.")],
    system: Annotated[str, typer.Option(help="The system switched off, as the register names it.")],
    year: Annotated[
        list[str], typer.Option(help="2026=120000-30000: year it begins in, pounds saved, double running.")
    ],
    by: By,
    config: ConfigFile = None,
    centre: Annotated[str | None, typer.Option(help="Cost centre whose budget it is.")] = None,
    decommissioned: Annotated[str | None, typer.Option(help="Day it was or will be switched off.")] = None,
    *,
    cashable: Annotated[
        bool, typer.Option("--cashable/--not-cashable", help="Whether a budget can be cut by it.")
    ] = True,
) -> None:
    """Claim a benefit. Another person agrees to it, and only finance removes it from the budget."""
    from roadworthy_collector.books import benefits as books
    from roadworthy_collector.store.engine import write_transaction

    years = [books.parse_year(one) for one in year]
    off = day("--decommissioned", decommissioned)
    claim = books.Claim(reference, system, cashable, years, centre, off)
    with stored(config) as (settings, engine), write_transaction(engine) as connection:
        number = books.add(connection, claim, actor=by, on=today(settings), now=int(time.time()))
    typer.echo(f"benefit {number}: identified")


def _advance(
    config: Path | None, number: int, step: str, by: str, role: Literal["service", "finance"]
) -> None:
    from roadworthy_collector.books import benefits as books
    from roadworthy_collector.store.engine import write_transaction

    with stored(config) as (settings, engine), write_transaction(engine) as connection:
        found = books.advance_one(
            connection, number, step, actor=by, role=role, on=today(settings), now=int(time.time())
        )
    typer.echo(f"benefit {number}: {found.state}")


@benefits.command("agree", epilog="Example: roadworthy benefits agree 3 --by sam")
def agree(number: Number, by: By, config: ConfigFile = None) -> None:
    """Agree to a benefit somebody else claims."""
    _advance(config, number, "agree", by, "service")


@benefits.command("deliver", epilog="Example: roadworthy benefits deliver 3 --by jo")
def deliver(number: Number, by: By, config: ConfigFile = None) -> None:
    """Say that a benefit is delivered: the system is off and its cost has stopped."""
    _advance(config, number, "deliver", by, "service")


@benefits.command("remove", epilog="Example: roadworthy benefits remove 3 --by fin --as-finance")
def remove(
    number: Number,
    by: By,
    config: ConfigFile = None,
    *,
    as_finance: Annotated[
        bool, typer.Option("--as-finance", help="The person is finance; nobody else removes one.")
    ] = False,
) -> None:
    """Remove a delivered, cashable benefit from the budget: finance, and never the claimant."""
    _advance(config, number, "remove", by, "finance" if as_finance else "service")


@benefits.command("list", epilog="Example: roadworthy benefits list --sums")
def list_benefits(
    config: ConfigFile = None,
    *,
    sums: Annotated[bool, typer.Option("--sums", help="By state, cashable or not, and year.")] = False,
    output: Format = "table",
) -> None:
    """List benefits with their steps, or sum them; cashable and not are never added together."""
    from roadworthy_collector.books import benefits as books

    with stored(config) as (_, engine), engine.connect() as connection:
        found = books.overview(connection)
    if output == "json":
        typer.echo(json.dumps(found["sums"] if sums else found["rows"], indent=2))
        return
    rows = [_sum_row(one) for one in found["sums"]] if sums else [_row(one) for one in found["rows"]]
    show(rows, output)


def _sum_row(one: dict[str, Any]) -> dict[str, Any]:
    money = ("saving_pence", "double_running_pence", "net_pence", "saving_of_unknown_pence")
    return {
        name.removesuffix("_pence"): pounds(value) if name in money else value for name, value in one.items()
    }


def _row(one: dict[str, Any]) -> dict[str, Any]:
    names = (
        "number",
        "reference",
        "system",
        "state",
        "cashable",
        "claimant",
        "cost_centre",
        "decommissioned",
    )
    net = [f"{year['financial_year']}: {pounds(year['net_pence'])}" for year in one["years"]]
    return {name: one[name] for name in names} | {"net": "; ".join(net)}


@benefits.command("export", epilog="Example: roadworthy benefits export benefits.xlsx")
def export_benefits(file: ToWrite, config: ConfigFile = None) -> None:
    """Write benefits to a file, a row a financial year, without people."""
    export_table("benefits", file, config, None)


@contracts.command("list", epilog="Example: roadworthy contracts list --notice 180")
def list_contracts(
    config: ConfigFile = None,
    notice: Annotated[
        int | None, typer.Option(min=0, help="Only those whose notice is due within so many days.")
    ] = None,
    output: Format = "table",
) -> None:
    """List contracts by end: notice, value a year, system, unit, cost centre, what replaces each."""
    from roadworthy_collector.books import contracts as books

    with stored(config) as (settings, engine), engine.connect() as connection:
        within = books.NOTICE_DAYS if notice is None else notice
        found = books.overview(connection, today(settings), within_days=within)
    rows = found["rows"] if notice is None else found["notice_due"]
    if output == "json":
        typer.echo(json.dumps(found | {"rows": rows}, indent=2))
        return
    show([_contract(row) for row in rows], output)
    typer.echo(
        f"running: {pounds(found['running_pence'])} a year, and {found['running_unknown']} whose value is not told; "
        f"{len(found['notice_due'])} must be given notice within {found['within_days']} days"
    )
    if found["endless"]:
        typer.echo(
            f"no end date known: {len(found['endless'])}, {pounds(found['endless_pence'])} a year, and "
            f"{found['endless_unknown']} whose value is not told; in no sum of running ones, and nobody is warned"
        )


def _contract(row: dict[str, Any]) -> dict[str, Any]:
    told = dict(row)
    told["a year"] = pounds(told.pop("value_pence_per_year"))
    return {name: value for name, value in told.items() if name not in {"source", "notice_due"}}


@contracts.command("set", epilog="Example: roadworthy contracts set C-77 --system Atlas --replaced-by C-90")
def set_contract(
    reference: Annotated[str, typer.Argument(help="The contract's reference.")],
    config: ConfigFile = None,
    system: Annotated[str | None, typer.Option(help="The system it is for; '' for none.")] = None,
    unit: Annotated[str | None, typer.Option(help="The unit it belongs to, A / B; '' for none.")] = None,
    centre: Annotated[str | None, typer.Option(help="The cost centre that pays; '' for none.")] = None,
    replaced_by: Annotated[str | None, typer.Option(help="What replaces it; '' for nothing.")] = None,
) -> None:
    """Say what a contract is for and what replaces it, on the record."""
    from roadworthy_collector.books import contracts as books
    from roadworthy_collector.store.engine import write_transaction

    told = books.Told(system, unit, centre, replaced_by)
    with stored(config) as (_, engine), write_transaction(engine) as connection:
        books.change(connection, reference, told, actor=COMMAND_LINE, now=int(time.time()))


@contracts.command("warranties", epilog="Example: roadworthy contracts warranties --month 2026-12")
def list_warranties(
    config: ConfigFile = None,
    month: Annotated[
        str | None, typer.Option(help="2026-12, ended, later or unknown; if not said the coming 90 days.")
    ] = None,
    output: Format = "table",
) -> None:
    """Show when warranties end, and whose do in one month; the later of register and imported lists, named."""
    from roadworthy_collector.books import warranties as books

    with stored(config) as (settings, engine), engine.connect() as connection:
        found = books.ends(connection, today(settings), month=month, limit=None)
    if output == "json":
        typer.echo(json.dumps(found._asdict(), indent=2))
        return
    show(found.rows, output)
    typer.echo(", ".join(f"{name}: {count}" for name, count in found.months.items() if count))


@contracts.command("export", epilog="Example: roadworthy contracts export contracts.xlsx")
def export_contracts(
    file: ToWrite,
    config: ConfigFile = None,
    *,
    warranties: Annotated[
        bool, typer.Option("--warranties", help="The items whose warranty ends in 90 days instead.")
    ] = False,
) -> None:
    """Write contracts, or warranties about to end, to a file."""
    export_table("warranties" if warranties else "contracts", file, config, None)
