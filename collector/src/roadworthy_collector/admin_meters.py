"""Commands about meters: half-hourly files, supplies and their sites, tariffs, gaps, the bill, the devices' share."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from roadworthy_collector.admin_benefits import day, pounds, today
from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError

meters = typer.Typer(
    help="Meters and supplies: half-hours, tariffs, gaps, the bill. Restricted sites too: mark what it prints.",
    no_args_is_help=True,
)
_ACTOR = "command line"
Number = Annotated[str, typer.Argument(help="MPAN, MPRN, or the name of a generation meter.")]
Year = Annotated[str | None, typer.Option(help="Financial year, 2025/26; the running one if not said.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    from roadworthy_collector.admin_meter_lists import add_lists

    add_lists(meters)
    app.add_typer(meters, name="meters")


@meters.command("import", epilog="Example: roadworthy meters import hh-2026-10.csv --status A")
def import_meters(  # noqa: PLR0913, PLR0917 - one argument an option
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: half-hours, or readings of registers.")],
    config: ConfigFile = None,
    time_: Annotated[
        Literal["local", "utc"], typer.Option("--time", help="What its dates and times are in.")
    ] = "local",
    stamps: Annotated[
        Literal["start", "end"] | None, typer.Option(help="What a time stands for, if no header says it.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="kWh, MWh, Wh, kW or MW, if the file does not say.")
    ] = None,
    status: Annotated[
        Literal["A", "E"] | None, typer.Option(help="Actual or estimated, if the file does not say.")
    ] = None,
    long_day: Annotated[
        Literal["dropped", "summed"],
        typer.Option(help="What 48 columns hold on the day of 50: an hour dropped, or sums."),
    ] = "dropped",
    supply: Annotated[str | None, typer.Option(help="The supply a file without that column is of.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first if not said.")] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="Write rows that are bad to this CSV, to be put right and imported.")
    ] = None,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Actual figures that are held already give way to this file's.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")
    ] = False,
    output: Format = "table",
) -> None:
    """Import half-hourly meter files or register readings. The same file again changes nothing."""
    from roadworthy_collector.carbon import meter_import
    from roadworthy_inventory.carbon.meters import How

    choices = meter_import.Choices(
        how=How(time=time_, stamps=stamps, unit=unit, status=status, long_day=long_day, number=supply),
        sheet=sheet,
        overlap="replace" if replace else "keep",
        dry_run=dry_run,
    )
    with stored(config) as (settings, engine):
        choices = meter_import.in_zone(choices, settings.reporting_timezone)
        try:
            with file.open("rb") as stream:
                found = meter_import.import_file(
                    engine, stream, file.name, choices, actor=_ACTOR, now=int(time.time()), on=today(settings)
                )
        except OSError as error:
            raise RoadworthyError(f"{file}: cannot be read ({error.strerror})") from None
    if corrections is not None and found.corrections is not None:
        corrections.write_text("\ufeff" + found.corrections, "utf-8", newline="")
    if output == "json":
        typer.echo(json.dumps(meter_import.as_json(found), indent=2))
        return
    for line in _said(meter_import.as_json(found), dry_run=dry_run):
        typer.echo(line)


def _said(found: dict[str, Any], *, dry_run: bool) -> list[str]:
    if found["already"] is not None:
        return [f"this file is in already, as batch {found['already']}; nothing was changed"]
    lines = [
        (
            f"{found['rows_read'] - found['rows_bad']:,} of {found['rows_read']:,} rows are good, {found['rows_bad']:,} bad: "
            f"{found['new']:,} new days, {found['changed']:,} changed, {found['unchanged']:,} as held, "
            f"{found['overlapping']:,} left because actual figures differ"
        )
    ]
    lines += [f"  {note}" for note in found["notes"]]
    lines += [f"  {count:,} warnings: {code}" for code, count in found["warnings"].items()]
    problems = found["first_problems"][:20]
    lines += [f"  line {one['line']}: {one['column']} {one['message']} ({one['value']})" for one in problems]
    if more := sum(found["problems"].values()) - len(problems):
        lines.append(f"  and {more:,} more faults: --corrections FILE writes every bad row with its own")
    lines += [f"  missing: {count:,} half-hours of {key}" for key, count in found["missing"].items()]
    lines += [
        f"  {one['number']} {one['day']} {one['channel']}: half-hour {one['half_hour']} differs from batch {one['batch']}"
        for one in found["overlaps"][:20]
    ]
    if found["supplies_made"]:
        lines.append(
            f"  new supplies: {', '.join(found['supplies_made'])}; say their sites: roadworthy meters place"
        )
    if dry_run or found["batch"] is None:
        return [*lines, "nothing was written" + (": a dry run" if dry_run else "")]
    return [*lines, f"in as batch {found['batch']}"]


@meters.command("batches", epilog="Example: roadworthy meters batches")
def list_batches(config: ConfigFile = None, output: Format = "table") -> None:
    """List the imports of meter files, newest first."""
    from roadworthy_collector.carbon.meter_import import held_batches

    with stored(config) as (_, engine), engine.connect() as connection:
        show(held_batches(connection), output)


@meters.command("undo", epilog="Example: roadworthy meters undo 7")
def undo_batch(
    batch: Annotated[int, typer.Argument(help="Its number, by `roadworthy meters batches`.")],
    config: ConfigFile = None,
) -> None:
    """Take an import back: days it changed are as they were, days it brought go."""
    from roadworthy_collector.carbon.meter_undo import undo

    with stored(config) as (_, engine):
        done = undo(engine, batch, actor=_ACTOR, now=int(time.time()))
    typer.echo(
        f"batch {batch} is undone: {done.restored:,} days restored, {done.removed:,} removed, {done.left:,} left "
        "because a later import changed them"
    )


@meters.command("supplies", epilog="Example: roadworthy meters supplies --format json")
def list_supplies(config: ConfigFile = None, output: Format = "table") -> None:
    """List the supplies and where each goes, those of restricted sites too."""
    from roadworthy_collector.carbon import supplies, supplies_shown

    with stored(config) as (_, engine), engine.connect() as connection:
        show(supplies_shown.supply_rows(supplies.read(connection, restricted=True)), output)


@meters.command("add", epilog="Example: roadworthy meters add 1312345678907 --name 'HQ main' --settled")
def add_supply(
    number: Number,
    config: ConfigFile = None,
    fuel: Annotated[
        Literal["electricity", "gas", "onsite"], typer.Option(help="What it supplies.")
    ] = "electricity",
    name: Annotated[str | None, typer.Option(help="A name of your own.")] = None,
    *,
    settled: Annotated[
        bool | None, typer.Option("--settled/--not-settled", help="Whether it is settled half-hourly.")
    ] = None,
) -> None:
    """Make a supply, or say its name and settlement anew."""
    from roadworthy_collector.carbon import supplies
    from roadworthy_collector.store.engine import write_transaction

    with stored(config) as (_, engine), write_transaction(engine) as connection:
        supplies.save(
            connection,
            number,
            fuel,
            name=name,
            settled_half_hourly=settled,
            actor=_ACTOR,
            now=int(time.time()),
        )
    typer.echo(f"{number}: held")


def text_of(file: Path, kind: str) -> str:
    """Return the text of a file; RoadworthyError where it cannot be read, naming how to save it."""
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RoadworthyError(f"{file}: cannot be read ({error}); save it as {kind}") from None


@meters.command("sites", epilog="Example: roadworthy meters sites")
def list_sites(config: ConfigFile = None, output: Format = "table") -> None:
    """List which supply feeds which site, from when until when, with what share, restricted sites too."""
    from roadworthy_collector.carbon import supplies, supplies_shown

    with stored(config) as (_, engine), engine.connect() as connection:
        show(supplies_shown.site_rows(supplies.read(connection, restricted=True)), output)


@meters.command(
    "place", epilog="Example: roadworthy meters place 1312345678907 HQ --from 2025-04-01 --tenure tenant"
)
def place_supply(
    number: Number,
    site: Annotated[str, typer.Argument(help="The site it feeds.")],
    first: Annotated[str, typer.Option("--from", help="Its first day.")],
    config: ConfigFile = None,
    last: Annotated[str | None, typer.Option("--to", help="The first day without it.")] = None,
    tenure: Annotated[
        Literal["owner", "tenant", "landlord", "unknown"], typer.Option(help="What you are there.")
    ] = "unknown",
    share: Annotated[str | None, typer.Option(help="Of the supply that is this site's: 0.25 or 25%.")] = None,
) -> None:
    """Say that a supply feeds a site from a day. The same supply, site and day again replaces it."""
    from roadworthy_collector.carbon import supplies, supplies_shown
    from roadworthy_collector.store.engine import write_transaction

    start = _required("--from", first)
    with stored(config) as (_, engine), write_transaction(engine) as connection:
        supplies.place(
            connection,
            number,
            site,
            valid_from=start,
            valid_to=day("--to", last),
            tenure=tenure,
            share=supplies_shown.parse_share(share),
            actor=_ACTOR,
            now=int(time.time()),
        )
    typer.echo(f"{number} feeds {site} from {start}")


@meters.command("unplace", epilog="Example: roadworthy meters unplace 1312345678907 HQ --from 2025-04-01")
def unplace_supply(
    number: Number,
    site: Annotated[str, typer.Argument(help="The site it was said to feed.")],
    first: Annotated[str, typer.Option("--from", help="The first day that was said.")],
    config: ConfigFile = None,
) -> None:
    """Take back that a supply feeds a site from a day."""
    from roadworthy_collector.carbon import supplies
    from roadworthy_collector.store.engine import write_transaction

    start = _required("--from", first)
    with stored(config) as (_, engine), write_transaction(engine) as connection:
        supplies.unplace(connection, number, site, start, actor=_ACTOR, now=int(time.time()))
    typer.echo(f"{number} does not feed {site} from {start}")


def _required(option: str, text: str) -> date:
    found = day(option, text)
    if found is None:
        raise RoadworthyError(f"{option}: write a day as 2026-03-31")
    return found


@meters.command("tariffs", epilog="Example: roadworthy meters tariffs")
def list_tariffs(config: ConfigFile = None, output: Format = "table") -> None:
    """List the tariffs; one without a supply holds for all of its fuel that have none of their own."""
    from roadworthy_collector.carbon import tariff_store

    with stored(config) as (_, engine), engine.connect() as connection:
        show(tariff_store.listed(connection, restricted=True), output)


@meters.command("load-tariffs", epilog="Example: roadworthy meters load-tariffs tariffs.csv")
def load_tariffs(
    file: Annotated[Path, typer.Argument(help="CSV with a row a tariff, or TOML with a [[tariff]] each.")],
    config: ConfigFile = None,
    *,
    whole: Annotated[
        bool, typer.Option("--whole", help="The file holds all tariffs: those it has not go.")
    ] = False,
) -> None:
    """Take tariffs from a file, all or none; two of one supply on the same day are refused."""
    from roadworthy_collector.carbon import tariff_store
    from roadworthy_collector.store.engine import write_transaction

    text = text_of(file, "CSV UTF-8 or TOML")
    with stored(config) as (_, engine), write_transaction(engine) as connection:
        if whole:
            done = tariff_store.replace(
                connection, text, file.name, restricted=True, actor=_ACTOR, now=int(time.time())
            )
            typer.echo(f"{len(done.new):,} new tariffs, {len(done.gone):,} gone")
            return
        new, held = tariff_store.load(connection, text, file.name, actor=_ACTOR, now=int(time.time()))
    typer.echo(f"{new:,} new tariffs, {held:,} held alike")


@meters.command("drop-tariff", epilog="Example: roadworthy meters drop-tariff 3")
def drop_tariff(
    number: Annotated[int, typer.Argument(help="Its number, by `roadworthy meters tariffs`.")],
    config: ConfigFile = None,
) -> None:
    """Take a tariff back; the audit keeps what it said."""
    from roadworthy_collector.carbon import tariff_store
    from roadworthy_collector.store.engine import write_transaction

    with stored(config) as (_, engine), write_transaction(engine) as connection:
        tariff_store.drop(connection, number, actor=_ACTOR, now=int(time.time()))
    typer.echo(f"tariff {number} is gone")


@meters.command("gaps", epilog="Example: roadworthy meters gaps --year 2025/26")
def show_gaps(config: ConfigFile = None, year: Year = None, output: Format = "table") -> None:
    """Say which half-hours of a year each supply misses, and what share is estimated, restricted sites too."""
    from roadworthy_collector.carbon import meter_coverage, meter_figures

    with stored(config) as (settings, engine), engine.connect() as connection:
        on = today(settings)
        began = meter_figures.year_of(year, on)
        found = meter_coverage.year(
            connection, began, zone=settings.reporting_timezone, today=on, restricted=True
        )
    rows = [one.shown() for one in found]
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        gaps = "; ".join(
            f"{one['first']} to {one['last']}: {one['half_hours']}" for one in row.pop("gaps")[:5]
        )
        row.pop("months")
        row["sites"] = ", ".join(row["sites"])
        row["gaps"] = gaps
    show(rows, output)


@meters.command("share", epilog="Example: roadworthy meters share --month 2026-10")
def show_share(
    config: ConfigFile = None,
    month: Annotated[str | None, typer.Option(help="2026-10; the last closed month if not said.")] = None,
    site: Annotated[str | None, typer.Option(help="One site only.")] = None,
    output: Format = "table",
) -> None:
    """Hold devices' energy beside their site's meters, restricted sites too: an allocation inside the billed total."""
    from roadworthy_collector.carbon import meter_share

    with stored(config) as (settings, engine), engine.connect() as connection:
        first = meter_share.last_closed(today(settings)) if month is None else meter_share.parse_month(month)
        zone = settings.reporting_timezone
        rows = meter_share.of_month(
            connection, first, zone_name=zone, site=site, restricted=True, today=today(settings)
        )
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        if row["ratio"] is not None:
            low, likely, high = row["ratio"]
            row["ratio"] = f"{likely:.1%} ({low:.1%} to {high:.1%})"
        for name in ("above", "profile"):
            row.pop(name)
        for name in ("metered_kwh", "claimed_kwh", "compared_meter_kwh"):
            row[name] = None if row[name] is None else f"{row[name]:,.1f}"
    show(rows, output)


@meters.command("bill", epilog="Example: roadworthy meters bill --year 2025/26")
def show_bill(config: ConfigFile = None, year: Year = None, output: Format = "table") -> None:
    """Say what supplies cost in a year, those of restricted sites too, and whose prices; energy without one is counted."""
    from roadworthy_collector.carbon import bill, meter_figures

    with stored(config) as (settings, engine), engine.connect() as connection:
        on = today(settings)
        began = meter_figures.year_of(year, on)
        found = bill.year(connection, began, zone_name=settings.reporting_timezone, today=on, restricted=True)
    if output == "json":
        typer.echo(json.dumps(bill.shown(found), indent=2))
        return
    rows = [
        {
            "supply": one.number,
            "kwh": f"{one.kwh_thousandths / 1000:,.1f}",
            "without a price": f"{one.unpriced_thousandths / 1000:,.1f}",
            "cost": pounds(one.pence),
            "by site": "; ".join(f"{name} {pounds(pence)}" for name, pence in one.by_site.items()),
            "prices from": "; ".join(one.sources),
        }
        for one in found.rows
    ]
    show(rows, output)
    typer.echo(f"{pounds(found.pence)} from {found.first} to {found.last}")
