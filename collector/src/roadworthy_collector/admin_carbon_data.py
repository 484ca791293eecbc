"""Commands about what carbon figures rest on: factor sets loaded, the carbon settings, embodied carbon, returns."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector import admin_carbon_rates
from roadworthy_collector.admin_benefits import today
from roadworthy_collector.admin_carbon_rates import body_of, factor_rows
from roadworthy_collector.command_support import (
    ConfigFile,
    Format,
    mark_simulated,
    password_from_person,
    show,
    stored,
)
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

settings_commands = typer.Typer(
    help="What your organisation says of itself for carbon figures.", no_args_is_help=True
)
Number = Annotated[int, typer.Argument(help="Its number in `roadworthy carbon factors sets`.")]
Year = Annotated[str, typer.Option(help="Financial year, such as 2025/26.")]


def add_to(carbon: typer.Typer, factors: typer.Typer) -> None:
    """Register these commands on the groups `carbon` and `carbon factors`."""
    carbon.add_typer(settings_commands, name="settings")
    for group, words, commands in (
        (carbon, "carbon", _of_carbon),
        (factors, "carbon factors", _of_factors),
    ):
        for name, (run, example) in commands().items():
            group.command(name, epilog=f"Example: roadworthy {words} {name} {example}")(run)


_Commands = dict[str, tuple[Callable[..., None], str]]


def _of_carbon() -> _Commands:
    return {
        "embodied": (show_embodied, "--year 2025/26 --by class"),
        "keep-or-replace": (show_keep_or_replace, "--with laptop"),
        "returns": (show_return, "ggc --year 2025/26"),
        "intensity": (show_intensity, "--format json"),
    }


def _of_factors() -> _Commands:
    return {
        "load": (
            load_set,
            "flat.xlsx --year 2026 --version revised --published 2026-07 --source https://... --as grace",
        ),
        "load-crc": (admin_carbon_rates.load_crc_rates, "crc-rates.csv --as grace < password-file"),
        "sets": (list_sets, "--format json"),
        "confirm": (confirm_set, "3 --as grace < password-file"),
        "withdraw": (withdraw_set, "3 --reason 'the file was revised' --as grace < password-file"),
    }


def load_set(
    file: Annotated[Path, typer.Argument(help="The official flat file (XLSX).")],
    year: Annotated[int, typer.Option(help="The set's year, such as 2026.")],
    version: Annotated[str, typer.Option(help="Its version, as the file names it.")],
    published: Annotated[str, typer.Option(help="Day or month it was published: 2026-06-10 or 2026-06.")],
    source: Annotated[str, typer.Option(help="The public https address it is published at.")],
    name: Annotated[
        str,
        typer.Option(
            "--as", help="Who proposes it; their password is asked for, or read from standard input."
        ),
    ],
    config: ConfigFile = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet; Factors by Category if not said.")] = None,
) -> None:
    """Propose a factor set out of the government's flat file; it holds once a second person has confirmed it."""
    from roadworthy_collector.carbon import factor_list, factor_store
    from roadworthy_collector.security import access
    from roadworthy_collector.store.engine import write_transaction

    told = factor_store.Told(year, version, published, source, *([sheet] if sheet else []))
    body = body_of(file)
    password = password_from_person(confirm=False)
    with stored(config) as (settings, engine):
        now = time.time()
        reader = access.reader_by_password(engine, name, password, now)
        factor_store.require_proposer(reader)
        found = factor_store.read_file(body, file.name, told, actor=reader.name, today=today(settings))
        with write_transaction(engine) as connection:
            number = factor_store.propose(connection, found, actor=reader.name, now=int(now))
            one = next(each for each in factor_list.list_sets(connection) if each.id == number)
    show(factor_rows(one.rows), "table")
    typer.echo(
        f"factor set {number} waits for a second person: roadworthy carbon factors confirm {number} --as NAME"
    )


def list_sets(config: ConfigFile = None, output: Format = "table") -> None:
    """List the factor sets loaded here; of those that wait, what they would change."""
    from dataclasses import asdict

    from roadworthy_collector.carbon import factor_list

    with stored(config) as (_, engine), engine.connect() as connection:
        found = factor_list.list_sets(connection)
    if output == "json":
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    names = (
        "id",
        "set_year",
        "version",
        "state",
        "proposed_at",
        "proposed_by",
        "confirmed_by",
        "withdrawn_by",
    )
    show([{name: getattr(one, name) for name in names} for one in found], output)
    for one in found:
        if one.state == "waiting":
            typer.echo(f"set {one.id} would change:")
            show(factor_rows(one.differences), output)


def _named(number: int) -> str:
    from roadworthy_collector.carbon import crc_rate_files

    return f"{'the file of CRC rates' if number > crc_rate_files.FIRST else 'factor set'} {number}"


def confirm_set(
    number: Number,
    name: Annotated[
        str,
        typer.Option(
            "--as", help="The second person; their password is asked for, or read from standard input."
        ),
    ],
    config: ConfigFile = None,
) -> None:
    """Put a factor set in force; by somebody other than its proposer, who prepares or approves carbon figures."""
    from roadworthy_collector.carbon import factor_store
    from roadworthy_collector.security import access
    from roadworthy_collector.store.engine import write_transaction

    password = password_from_person(confirm=False)
    with stored(config) as (_, engine):
        now = time.time()
        reader = access.reader_by_password(engine, name, password, now)
        with write_transaction(engine) as connection:
            factor_store.confirm(connection, number, reader, now=int(now))
    typer.echo(f"{_named(number)} is in force")


def withdraw_set(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
    name: Annotated[
        str,
        typer.Option(
            "--as", help="Who takes it back; their password is asked for, or read from standard input."
        ),
    ],
    config: ConfigFile = None,
) -> None:
    """Take a factor set back; what was held before it holds again. By whoever prepares carbon figures."""
    from roadworthy_collector.carbon import factor_store
    from roadworthy_collector.security import access
    from roadworthy_collector.store.engine import write_transaction

    password = password_from_person(confirm=False)
    with stored(config) as (_, engine):
        now = time.time()
        reader = access.reader_by_password(engine, name, password, now)
        factor_store.require_proposer(reader, "withdraw")
        with write_transaction(engine) as connection:
            factor_store.withdraw(connection, number, actor=reader.name, reason=reason, now=int(now))
    typer.echo(f"{_named(number)} is withdrawn")


@settings_commands.command("example", epilog="Example: roadworthy carbon settings example > carbon.toml")
def print_example() -> None:
    """Print an example with every setting as a comment; as it is, it says nothing."""
    from roadworthy_collector.carbon.settings_edition import EXAMPLE

    typer.echo(EXAMPLE, nl=False)


@settings_commands.command("show", epilog="Example: roadworthy carbon settings show")
def show_settings(config: ConfigFile = None) -> None:
    """Print the carbon settings in force."""
    from roadworthy_collector.carbon import settings_edition

    with stored(config) as (_, engine), engine.connect() as connection:
        held = settings_edition.current(connection)
    typer.echo(held.content, nl=False)
    said = "nobody saved any" if held.made_at is None else f"edition {held.digest}, saved by {held.made_by}"
    typer.echo(f"roadworthy: {said}", err=True)


File = Annotated[Path, typer.Argument(help="TOML file; - for standard input.")]


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RoadworthyError(f"{file}: cannot be read ({error})") from None


@settings_commands.command("try", epilog="Example: roadworthy carbon settings try carbon.toml")
def try_settings(file: File, config: ConfigFile = None, output: Format = "table") -> None:
    """Say what a file says other than the settings in force; nothing is saved."""
    from roadworthy_collector.carbon import settings_edition

    with stored(config) as (_, engine), engine.connect() as connection:
        found = settings_edition.try_text(connection, _text(file))
    show([one._asdict() for one in found], output)


@settings_commands.command("save", epilog="Example: roadworthy carbon settings save carbon.toml")
def save_settings(file: File, config: ConfigFile = None) -> None:
    """Put carbon settings in force; the edition before is kept."""
    from roadworthy_collector.carbon import settings_edition
    from roadworthy_collector.store.engine import write_transaction

    with stored(config) as (_, engine), write_transaction(engine) as connection:
        found = settings_edition.save(connection, _text(file), actor=COMMAND_LINE, now=int(time.time()))
    typer.echo(f"edition {found.digest} is in force")


def show_embodied(
    year: Year,
    config: ConfigFile = None,
    by: Annotated[Literal["class", "unit", "site"], typer.Option(help="What to group by.")] = "class",
    output: Format = "table",
) -> None:
    """Show the embodied carbon of a year: as bought in it, and as it falls on a year of life."""
    from roadworthy_collector.carbon import embodied

    with stored(config) as (_, engine), engine.connect() as connection:
        found = embodied.overview(connection, embodied.year_of(year))
        if output == "table":
            mark_simulated(connection)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    for view, title in (("purchase", "bought in the year"), ("life", "of the year of life")):
        rows = [{by: "all", **_spread(found[view])}]
        rows += [{by: one["title"], **_spread(one)} for one in found["groups"][view][by]]
        typer.echo(f"{found['year']}, {title}:")
        show(rows, output)
    typer.echo(f"{found['devices_without_item']:,} devices are no register item. Source: {found['basis']}")


def _spread(one: Mapping[str, Any]) -> dict[str, Any]:
    low, likely, high = one["kgco2e"]
    known = one["items"] > one["unknown"]
    told = {"kgCO2e": f"{likely:,.0f}", "from": f"{low:,.0f}", "to": f"{high:,.0f}"}
    return (told if known else dict.fromkeys(told, "not known")) | {
        "items": one["items"],
        "not known": one["unknown"],
    }


def show_keep_or_replace(
    config: ConfigFile = None,
    new_class: Annotated[
        str,
        typer.Option(
            "--with", help="Class of a new computer: desktop, laptop or tablet; its own if not said."
        ),
    ] = "same",
    output: Format = "table",
) -> None:
    """Show by model after how many years a new device has made up for its making, at the factor of today."""
    from roadworthy_collector.carbon import keep_or_replace

    with stored(config) as (settings, engine), engine.connect() as connection:
        found = keep_or_replace.told(
            keep_or_replace.compare(connection, today(settings), new_class=new_class)
        )
        if output == "table":
            mark_simulated(connection)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    show(
        [
            {
                "model": row["model"],
                "devices": row["devices"],
                "kWh a year": f"{row['kwh'][1]:,.0f} ({'of ' + str(row['told']) if row['told'] else 'typical'})",
                "saved": f"{row['saved_kwh'][0]:,.0f} to {row['saved_kwh'][2]:,.0f}",
                **_at_price(row),
                "break-even, years": " / ".join(
                    "never" if one is None else f"{one:,.0f}" for one in row["break_even_years"]
                ),
            }
            for row in found["rows"]
        ],
        output,
    )
    typer.echo(f"at {found['factor_kgco2e_per_kwh']} kgCO2e/kWh, factor set {found['factor_set']}")
    if price := found["internal_price"]:
        typer.echo(
            f"internal carbon price £{price['gbp_per_tco2e']:,.2f} a tCO2e since {price['since']} ({price['source']})"
        )


def _at_price(row: Mapping[str, Any]) -> dict[str, str]:
    low, _, high = row["making_at_internal_price"]
    return {} if low is None else {"£ of making": f"{low:,.2f} to {high:,.2f}"}


def show_return(
    kind: Annotated[Literal["ggc", "scotland", "secr"], typer.Argument(help="Which return.")],
    year: Year,
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Show a year's return out of the collector's own data and the carbon settings."""
    from roadworthy_collector.carbon import returns_told
    from roadworthy_collector.carbon.embodied import year_of

    with stored(config) as (settings, engine), engine.connect() as connection:
        found = returns_told.read(
            connection, kind, year_of(year), today=today(settings), zone=settings.reporting_timezone
        )
        if output == "table":
            mark_simulated(connection)
    if output == "json":
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{found['year']}, factor set {found['factor_set']}. {found['basis']}.")
    # How a group is known is a sentence or two: a line of its own below the table.
    apart = {"group", "how_known", "unknown"} if kind == "ggc" else set()
    show(
        [{name: _of_return(row, name) for name in row if name not in apart} for row in found["rows"]],
        output,
    )
    for row in found["rows"] if apart else []:
        typer.echo(f"{row['title']}: {'; '.join(one for one in (row['unknown'], row['how_known']) if one)}")
    if found["e_waste"] and found["e_waste_kg"]:
        names = {"title": "equipment that left", "items": "items", "not_weighed": "not weighed", "kg": "kg"}
        show([{words: _cell(one[name]) for name, words in names.items()} for one in found["e_waste"]], output)
    for note in found["notes"]:
        typer.echo(note)


def _of_return(row: Mapping[str, Any], name: str) -> str:
    """Return a cell of a return; what has no value says why in its place, and what needs no reason has none."""
    value = row[name]
    if value is None and name in {"reason", "scope"}:
        return ""
    if value is None and name in {"kwh", "tco2e", "count"} and row.get("unknown"):
        return str(row["unknown"]).partition(":")[0]
    return _cell(value)


def _cell(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, list):
        return " / ".join(_cell(one) for one in value)
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def show_intensity(config: ConfigFile = None, output: Format = "table") -> None:
    """Show the grid's carbon intensity of this half-hour, where the carbon settings ask for it."""
    from roadworthy_collector.carbon import intensity

    with stored(config) as (_, engine), engine.connect() as connection:
        told = intensity.told(connection, time.time())
    if output == "json":
        typer.echo(json.dumps(told, indent=2))
        return
    if told["gco2_per_kwh"] is None:
        typer.echo(f"no figure: {told['why']}")
    else:
        what = "forecast" if told["forecast"] else "actual"
        typer.echo(f"{told['gco2_per_kwh']} gCO2/kWh, {what}, {told['index']}, {told['place']}")
    typer.echo(told["credit"])
