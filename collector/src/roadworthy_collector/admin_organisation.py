"""Commands about the organisation: its dated tree of units, cost centres, systems, and kinds of sites."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE

if TYPE_CHECKING:
    from roadworthy_collector.books.organisation import Action
    from roadworthy_collector.books.organisation_figures import Figures
    from roadworthy_collector.books.organisation_places import Kind, Outcome, Said

organisation = typer.Typer(
    help="The organisation: its units from a day on, cost centres, systems, figures rolled up.",
    no_args_is_help=True,
)
cost_centres = typer.Typer(help="Cost centres: list, add, set.", no_args_is_help=True)
systems = typer.Typer(help="Systems, applications too: list, add, set.", no_args_is_help=True)
sites = typer.Typer(
    help="Kinds of sites: set. `roadworthy sites` lists and restricts them.", no_args_is_help=True
)
organisation.add_typer(cost_centres, name="cost-centres")
organisation.add_typer(systems, name="systems")
organisation.add_typer(sites, name="sites")

Day = Annotated[
    str | None, typer.Option("--from", help="The first day of it, 2026-04-01; today if not said.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would change.")]
UnitPath = Annotated[str, typer.Argument(help="The unit: its path, A / B, or its name if no other has it.")]
What = Literal["units", "cost_centres", "systems", "sites"]


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(organisation, name="organisation")


def _day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RoadworthyError(f"{text}: a day is written 2026-04-01") from None


@organisation.command("tree", epilog="Example: roadworthy organisation tree --at 2026-03-31 --format json")
def show_tree(
    config: ConfigFile = None,
    at: Annotated[str | None, typer.Option("--at", help="The day, 2026-03-31; today if not said.")] = None,
    over: Annotated[int, typer.Option(help="Half-hours of how many days up to that day.")] = 7,
    output: Format = "table",
) -> None:
    """Show the units of a day with figures rolled up; what belongs to none is counted as unassigned."""
    from roadworthy_collector.books.organisation_figures import Asked, Context, figures
    from roadworthy_collector.books.organisation_tree import read
    from roadworthy_inventory.calendar import local_date

    with stored(config) as (settings, engine), engine.connect() as connection:
        now, zone = time.time(), settings.reporting_timezone
        asked = Asked(_day(at) or local_date(now, zone), over)
        found = figures(Context(connection, read(connection), asked, zone, now))
    if output == "json":
        typer.echo(json.dumps(_answer(found), indent=2))
        return
    typer.echo(f"As at the end of {asked.day}; half-hours of the {over} UTC days up to then.")
    show(_table(found), "table")


def _answer(found: Figures) -> dict[str, Any]:
    lines = [asdict(line) for line in found.lines]
    days = {"day": found.asked.day.isoformat(), "first": found.asked.first.isoformat()}
    return {**days, "units": lines, "total": found.total}


def _table(found: Figures) -> list[dict[str, Any]]:
    def row(name: str, told: dict[str, int]) -> dict[str, Any]:
        return {
            "unit": name,
            "devices": told["devices"],
            "items": told["items"],
            "disposed": told.get("items_disposed", 0),
            "half-hours": told["half_hours"],
            "systems": told["systems"],
            "contracts": told["contracts"],
            "GBP a year": _pounds(told["contract_pence"]),
            "ledger GBP": _pounds(told["ledger_pence"]),
        }

    rows = [row("  " * line.depth + line.name, line.total) for line in found.lines]
    return [*rows, row("all", found.total)]


def _pounds(pence: int) -> str:
    return f"{pence / 100:,.2f}"


def _changed(
    config: Path | None, action: Action, unit: str, to: str | None, from_: str | None, *, dry_run: bool
) -> None:
    from roadworthy_collector.books.organisation import Asked, change, describe

    asked = Asked(action, unit, to, _day(from_))
    with stored(config) as (settings, engine):
        done = change(
            engine,
            asked,
            actor=COMMAND_LINE,
            now=time.time(),
            zone=settings.reporting_timezone,
            dry_run=dry_run,
        )
    for line in describe(done):
        typer.echo(line)


@organisation.command(
    "add", epilog="Example: roadworthy organisation add 'Operations / Custody' --from 2026-04-01"
)
def add_unit(
    unit: Annotated[
        str, typer.Argument(help="The path of the new unit, A / B: what it is under is there already.")
    ],
    config: ConfigFile = None,
    from_: Day = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Add a unit from a day on."""
    _changed(config, "add", unit, None, from_, dry_run=dry_run)


@organisation.command(
    "move", epilog="Example: roadworthy organisation move Custody --under Justice --from 2026-04-01 --dry-run"
)
def move_unit(
    unit: UnitPath,
    config: ConfigFile = None,
    under: Annotated[
        str | None, typer.Option(help="What it is under from then on; the top if not said.")
    ] = None,
    from_: Day = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Put a unit, and all under it, under another from a day on; figures before stay where they were."""
    _changed(config, "move", unit, under, from_, dry_run=dry_run)


@organisation.command(
    "rename", epilog="Example: roadworthy organisation rename Custody Detention --from 2026-04-01"
)
def rename_unit(
    unit: UnitPath,
    name: Annotated[str, typer.Argument(help="What it is called from then on.")],
    config: ConfigFile = None,
    from_: Day = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Call a unit something else from a day on. Its series in Prometheus go on under the new name."""
    _changed(config, "rename", unit, name, from_, dry_run=dry_run)


@organisation.command(
    "merge",
    epilog="Example: roadworthy organisation merge Traffic --into 'Operations / Roads' --from 2026-04-01",
)
def merge_unit(
    unit: UnitPath,
    into: Annotated[str, typer.Option(help="The unit that goes on.")],
    config: ConfigFile = None,
    from_: Day = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """End a unit; what belongs to it goes to another from that day on, figures before stay under the old one."""
    _changed(config, "merge", unit, into, from_, dry_run=dry_run)


@organisation.command(
    "close", epilog="Example: roadworthy organisation close 'Support / Typing' --from 2026-04-01"
)
def close_unit(
    unit: UnitPath, config: ConfigFile = None, from_: Day = None, *, dry_run: DryRun = False
) -> None:
    """End a unit nothing in use belongs to; else merge it."""
    _changed(config, "close", unit, None, from_, dry_run=dry_run)


@organisation.command(
    "import", epilog="Example: roadworthy organisation import units.csv --from 2026-04-01 --dry-run"
)
def import_organisation(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX of units, cost centres, systems or sites.")],
    config: ConfigFile = None,
    what: Annotated[What | None, typer.Option(help="What it holds, if its columns are not to say.")] = None,
    from_: Day = None,
    *,
    dry_run: DryRun = False,
    output: Format = "table",
) -> None:
    """Bring units (a path each, or a name and a parent), cost centres, systems or sites in: all rows or none."""
    from roadworthy_collector.books.organisation_files import import_file

    with stored(config, makes=True) as (settings, engine):
        try:
            with file.open("rb") as stream:
                found = import_file(
                    engine, stream, file.name, actor=COMMAND_LINE, now=time.time(), zone=settings.reporting_timezone,
                    day=_day(from_), what=what, dry_run=dry_run,
                )  # fmt: skip
        except OSError as error:
            raise RoadworthyError(f"{file}: cannot be read: {error.strerror}") from None
    if output == "json":
        typer.echo(json.dumps(asdict(found) | {"day": found.day.isoformat()}, indent=2))
        return
    for word, names in (("new", found.new), ("changed", found.changed)):
        for name in names:
            typer.echo(f"{word}: {name}")
    said = "would be " if dry_run else ""
    typer.echo(
        f"{found.what.replace('_', ' ')}: {len(found.new)} {said}new, {len(found.changed)} {said}changed, "
        f"{found.unchanged} as they were"
    )


@organisation.command("export", epilog="Example: roadworthy organisation export units.xlsx --at 2026-03-31")
def export_organisation(
    file: Annotated[Path, typer.Argument(help="To write: .csv or .xlsx.")],
    config: ConfigFile = None,
    what: Annotated[What, typer.Option(help="What to write.")] = "units",
    at: Annotated[str | None, typer.Option("--at", help="Units of which day; today if not said.")] = None,
    marking: Annotated[str, typer.Option(help="Protective marking of the file.")] = "OFFICIAL",
) -> None:
    """Write units, cost centres, systems or sites to a file, which imports again unchanged."""
    from roadworthy_collector.books.organisation_files import noted_export
    from roadworthy_inventory.calendar import local_date

    with stored(config) as (settings, engine):
        day, now = _day(at) or local_date(time.time(), settings.reporting_timezone), time.time()
        count = noted_export(engine, file, what, day=day, now=now, marking=marking, actor=COMMAND_LINE)
    typer.echo(f"{count} rows written to {file}")


# --- cost centres and systems ---------------------------------------------------------------------------------


def _listed(config: Path | None, kind: Kind, output: str) -> None:
    from roadworthy_collector.books.organisation_places import listed

    with stored(config) as (_, engine), engine.connect() as connection:
        show(listed(connection, kind), output)


def _said(config: Path | None, kind: Kind, said: Said, *, new: bool, dry_run: bool) -> None:
    from roadworthy_collector.books.organisation_places import say

    with stored(config) as (settings, engine):
        zone = settings.reporting_timezone
        told = say(
            engine, kind, said, actor=COMMAND_LINE, now=time.time(), zone=zone, new=new, dry_run=dry_run
        )
    _tell(told)


def _tell(told: Outcome) -> None:
    shown = ", ".join(f"{name} {value or 'none'}" for name, value in told.after.items())
    state = "new" if told.before is None else "changed" if told.changed else "as it was"
    typer.echo(f"{state}: {shown}")
    if told.dry_run:
        typer.echo("dry run: nothing was changed")


Unit = Annotated[str | None, typer.Option(help="The unit it belongs to, A / B; none takes it away.")]
Code = Annotated[str, typer.Argument(help="The cost centre's code.")]
CentreName = Annotated[str | None, typer.Option("--name", help="What it is called.")]
SystemName = Annotated[str, typer.Argument(help="The system's name.")]
SystemKind = Annotated[
    Literal["application", "infrastructure", "unknown"] | None, typer.Option(help="What it is.")
]


@cost_centres.command("list", epilog="Example: roadworthy organisation cost-centres list --format json")
def list_cost_centres(config: ConfigFile = None, output: Format = "table") -> None:
    """List the cost centres with the unit each belongs to."""
    _listed(config, "cost_centres", output)


@cost_centres.command(
    "add", epilog="Example: roadworthy organisation cost-centres add 7310 --name Custody --unit Custody"
)
def add_cost_centre(
    code: Code,
    config: ConfigFile = None,
    name: CentreName = None,
    unit: Unit = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Add a cost centre."""
    from roadworthy_collector.books.organisation_places import Said

    _said(config, "cost_centres", Said(code, name, None, unit), new=True, dry_run=dry_run)


@cost_centres.command(
    "set", epilog="Example: roadworthy organisation cost-centres set 7310 --unit Detention --from 2026-04-01"
)
def set_cost_centre(
    code: Code,
    config: ConfigFile = None,
    name: CentreName = None,
    unit: Unit = None,
    from_: Day = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Name a cost centre, or put it under a unit from a day on; pounds of periods before stay with the old unit."""
    from roadworthy_collector.books.organisation_places import Said

    _said(config, "cost_centres", Said(code, name, None, unit, _day(from_)), new=False, dry_run=dry_run)


@systems.command("list", epilog="Example: roadworthy organisation systems list --format json")
def list_systems(config: ConfigFile = None, output: Format = "table") -> None:
    """List the systems with the unit each belongs to."""
    _listed(config, "systems", output)


@systems.command(
    "add",
    epilog="Example: roadworthy organisation systems add 'Command and control' --kind application --unit Contact",
)
def add_system(
    name: SystemName,
    config: ConfigFile = None,
    kind: SystemKind = None,
    unit: Unit = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Add a system: an application, or infrastructure."""
    from roadworthy_collector.books.organisation_places import Said

    _said(config, "systems", Said(name, None, kind, unit), new=True, dry_run=dry_run)


@systems.command(
    "set", epilog="Example: roadworthy organisation systems set PNC --unit Custody --from 2026-04-01"
)
def set_system(
    name: SystemName,
    config: ConfigFile = None,
    kind: SystemKind = None,
    unit: Unit = None,
    from_: Day = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Say what a system is, or which unit it belongs to from a day on."""
    from roadworthy_collector.books.organisation_places import Said

    _said(config, "systems", Said(name, None, kind, unit, _day(from_)), new=False, dry_run=dry_run)


@sites.command(
    "set", epilog="Example: roadworthy organisation sites set 'Data hall 2' --kind data_centre --new"
)
def set_site(
    name: Annotated[str, typer.Argument(help="The site's name.")],
    kind: Annotated[
        Literal["force", "home", "vehicle", "partner", "data_centre", "unknown"],
        typer.Option(help="What kind of place it is; partner: a landlord's or a partner's."),
    ],
    config: ConfigFile = None,
    *,
    new: Annotated[bool, typer.Option("--new", help="Make it if it is not there.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Say what kind of place a site is: it decides where its energy counts."""
    from roadworthy_collector.books import organisation_places

    with stored(config) as (_, engine):
        _tell(
            organisation_places.set_site(
                engine, name, kind, actor=COMMAND_LINE, now=time.time(), new=new, dry_run=dry_run
            )
        )
