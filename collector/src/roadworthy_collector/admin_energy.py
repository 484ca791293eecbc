"""Commands about the energy and carbon of the IT estate, out of the ledger."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.command_support import SIMULATED, ConfigFile, Format, mark_simulated, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

Year = Annotated[
    str | None,
    typer.Option(
        help="A financial year, 2025/26, a month, 2025-09, or a day, 2025-09-30; the newest year if not said."
    ),
]
By = Literal["unit", "site", "class", "model", "place", "month", "quality", "device", "day", "half-hour"]


def add_to(carbon: typer.Typer) -> None:
    """Register these commands under `roadworthy carbon`."""
    carbon.command("energy", epilog="Example: roadworthy carbon energy --year 2025/26 --by site")(show_energy)
    carbon.command("avoidable", epilog="Example: roadworthy carbon avoidable --kind idle_server")(
        show_avoidable
    )
    carbon.add_typer(shifts_app, name="shifts")
    carbon.command("rebuild", epilog="Example: roadworthy carbon rebuild --month 2026-04")(rebuild)


def show_energy(  # noqa: PLR0913, PLR0917 - one argument an option
    year: Year = None,
    by: Annotated[
        By | None, typer.Option(help="The groups to list; months if not said, half-hours of a day.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Only this unit and those below it.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this site; of a day, or by day.")] = None,
    device: Annotated[str | None, typer.Option(help="Only this device; of a day.")] = None,
    reason: Annotated[
        str,
        typer.Option(
            help="Why a device's half-hours are looked at, for the audit; they may be about one person."
        ),
    ] = "",
    rule: Annotated[
        Literal["majority", "blended"] | None,
        typer.Option(
            help="Factor set of most of the days, or by days; that of the carbon settings if not said."
        ),
    ] = None,
    output: Annotated[
        Literal["text", "json", "csv"], typer.Option("--format", help="For people or programs.")
    ] = "text",
    config: ConfigFile = None,
) -> None:
    """Show kWh at the wall by how they are known, with low and high, and the kgCO2e they emit."""
    from roadworthy_collector.carbon.energy_day_shown import date_of
    from roadworthy_collector.carbon.show import Asked, checked_dimension, coverage, flat_row, shown
    from roadworthy_collector.store.queries.console import is_simulated

    now = time.time()
    if (date := date_of(year)) is not None or by in {"day", "half-hour", "device"} or site or device:
        from roadworthy_collector import admin_energy_day

        asked = admin_energy_day.Asked(year, date, by, unit, site, device, reason)
        admin_energy_day.show_finer(asked, output, config)
        return
    by = checked_dimension(by or "month")
    with stored(config) as (settings, engine), engine.connect() as connection:
        found = shown(connection, Asked(year, unit, rule), now=now, zone=settings.reporting_timezone)
        if output == "text":
            mark_simulated(connection)
        made_up = f"{SIMULATED}. " if is_simulated(connection) else ""
    told = found.told(by)
    if output == "json":
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    elif output == "csv":
        _write_csv(
            [flat_row(row) for row in told["rows"]],
            f"{told['period']} by {by}",
            made_up + coverage(found),
            now,
        )
    else:
        _text(told, coverage(found))


def rebuild(
    month: Annotated[str | None, typer.Option(help="Only this month, 2026-04; all if not said.")] = None,
    config: ConfigFile = None,
) -> None:
    """Have the ledger's months made anew from the daily totals; the jobs process does it, some a minute."""
    from roadworthy_collector.carbon import energy_due
    from roadworthy_collector.store.engine import write_transaction

    with stored(config) as (_, engine), write_transaction(engine) as connection:
        wanted = energy_due.ask(connection, month, now=int(time.time()), actor=COMMAND_LINE)
    if month and not wanted:
        raise RoadworthyError(f"--month: the ledger has no month {month}")
    typer.echo(f"{len(wanted)} months will be made anew")


def _write_csv(rows: list[dict[str, Any]], what: str, said: str, now: float) -> None:
    from roadworthy_collector.books.sheets import About, as_at, csv_pieces, plain_rows

    columns = list(rows[0]) if rows else ["key", "group", "kwh"]
    about = About("Energy at the wall", as_at(now), what, said, "")
    for piece in csv_pieces(columns, plain_rows(columns, rows), about):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _text(told: dict[str, Any], said: str) -> None:
    if told["kwh"] is None:
        typer.echo(f"{told['period']}: {said}")
        return
    typer.echo(
        f"{told['period']}: {told['kwh']:,.0f} kWh at the wall (range {told['low_kwh']:,.0f} to {told['high_kwh']:,.0f})"
    )
    parts = [
        f"{name} {one['share']:.1%}" for name, one in told["by_quality"].items() if one["share"] is not None
    ]
    typer.echo(f"known as: {', '.join(parts) or 'nothing yet'}")
    show([_line(row, told["by"]) for row in told["rows"]], "table")
    emitted = told["emissions"]
    stated = "" if emitted["rule_stated"] else ", not chosen in the carbon settings yet"
    typer.echo(f"factor set {emitted['factor_set']}, {emitted['rule']} rule{stated}, location-based")
    show(
        [
            {"line": one["title"], "kWh": f"{one['kwh']:,.0f}", "kgCO2e": _kilograms(one)}
            for one in emitted["lines"]
            if one["kwh"] or one["line"].startswith("scope2")
        ],
        "table",
    )
    for reason in dict.fromkeys(one["reason"] for one in emitted["lines"] if one["reason"]):
        typer.echo(reason)
    if (apart := told["without_agent"])["items"]:
        typer.echo(
            f"beside it, {apart['items']:,} devices without an agent, modelled by class: {apart['kwh']:,.0f} kWh "
            f"(range {apart['low_kwh']:,.0f} to {apart['high_kwh']:,.0f}), in none of the figures above"
        )
        show([_apart(one) for one in apart["rows"] if one["items"] > one["taken_off"]], "table")
    typer.echo(said)
    for sentence in told["how_sure"]:
        typer.echo(sentence)


def _line(row: dict[str, Any], by: str) -> dict[str, Any]:
    ratio = row["coverage_ratio"]
    quality = by == "quality"
    silent = row["kwh"] is None  # not known, which is not nought
    return {
        str(by): row["title"],
        "kWh": "not known" if silent else f"{row['kwh']:,.1f}",
        "range": "" if quality or silent else f"{row['low_kwh']:,.1f} to {row['high_kwh']:,.1f}",
        "devices": "" if quality else f"{row['devices']:,}",
        "time known": "" if ratio is None or quality else f"{ratio:.1%}",
    }


def _apart(one: dict[str, Any]) -> dict[str, Any]:
    known = one["kwh"] is not None
    return {
        "class": one["class"],
        "items": f"{one['items'] - one['taken_off']:,}",
        "kWh": f"{one['kwh']:,.1f}" if known else "not known",
        "range": f"{one['low_kwh']:,.1f} to {one['high_kwh']:,.1f}" if known else "",
        "how": ": ".join(part for part in (one["quality"], one["how"]) if part),
    }


def _kilograms(one: dict[str, Any]) -> str:
    if one["kgco2e"] is None:
        return "not known"
    return f"{one['kgco2e']:,.1f} ({one['low_kgco2e']:,.1f} to {one['high_kgco2e']:,.1f})"


shifts_app = typer.Typer(help="When people work at each site, as TOML.", no_args_is_help=True)
TomlFile = Annotated[Path, typer.Argument(help="A TOML file.")]


def show_avoidable(
    kind: Annotated[
        Literal["unused_on", "sleep_fails", "out_of_family", "idle_server"] | None,
        typer.Option(help="List the devices behind this instead."),
    ] = None,
    output: Format = "table",
    config: ConfigFile = None,
) -> None:
    """Show avoidable electricity of the last 28 days by site: kWh, pounds where a price is stated, kgCO2e."""
    from roadworthy_collector.carbon import avoidable_show as shown
    from roadworthy_collector.store.queries.scope import EVERYTHING

    with stored(config) as (_, engine), engine.connect() as connection:
        found = shown.overview(connection)
        rows = shown.device_rows(connection, kind, None, scope=EVERYTHING, small_groups=True) if kind else []
        if output == "table":
            mark_simulated(connection)
    if found is None:
        raise RoadworthyError("nothing is worked out yet: the jobs process does it daily")
    if output == "json":
        typer.echo(json.dumps(rows if kind else found, indent=2, ensure_ascii=False))
        return
    lines = [
        {"site": row["title"], "what": shown.TITLES[name]} | told
        for row in [*found["rows"], {"title": "all", "kinds": found["kinds"]}]
        for name, told in row["kinds"].items()
    ]
    show(rows if kind else lines, output)
    for one in [] if kind else found["prices"]:
        price = (
            "no price"
            if one["pence_per_kwh"] is None
            else f"{one['pence_per_kwh']:.2f}p a kWh, {one['from']}"
        )
        typer.echo(f"{one['site']}: {price}")
    typer.echo(shown.coverage(found))


@shifts_app.command("show", epilog="Example: roadworthy carbon shifts show > shifts.toml")
def show_shifts(config: ConfigFile = None) -> None:
    """Print the shift calendars in force, to be edited and saved; at first plain office hours, which are ours."""
    from roadworthy_collector.carbon import shifts

    with stored(config) as (_, engine), engine.connect() as connection:
        found, edition = shifts.current(connection)
    typer.echo(f"roadworthy: edition {found.digest}, by {edition.made_by}", err=True)
    typer.echo(edition.content, nl=False)


@shifts_app.command("try", epilog="Example: roadworthy carbon shifts try shifts.toml")
def try_shifts(file: TomlFile, output: Format = "table", config: ConfigFile = None) -> None:
    """Say what shift calendars mean: hours of work a week at each site, and sites that are not there; changing nothing."""
    from roadworthy_collector.carbon import shifts_try

    text = _read(file)
    with stored(config) as (_, engine), engine.connect() as connection:
        found = shifts_try.try_text(connection, text)
    if output == "json":
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    show(found["sites"], output)
    for name in found["unknown_sites"]:
        typer.echo(f"there is no site {name!r}; its calendar says nothing")


@shifts_app.command("save", epilog="Example: roadworthy carbon shifts save shifts.toml")
def save_shifts(file: TomlFile, config: ConfigFile = None) -> None:
    """Put shift calendars in force, on the record; the jobs process works avoidable electricity out again."""
    from roadworthy_collector.carbon import shifts
    from roadworthy_collector.store.engine import write_transaction

    text = _read(file)
    with stored(config) as (_, engine), write_transaction(engine) as connection:
        new = shifts.save(connection, text, now=int(time.time()), actor=COMMAND_LINE)
    typer.echo("saved" if new else "these are in force already; nothing was changed")


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RoadworthyError(f"{file}: cannot be read ({error}); give a TOML file in UTF-8") from None
