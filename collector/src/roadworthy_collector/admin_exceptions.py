"""Commands about the exceptions register: ask for an exception, approve, refuse, end and list them."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from roadworthy_collector.command_support import (
    ConfigFile,
    Format,
    connected,
    password_from_person,
    show,
    stored,
)
from roadworthy_collector.errors import RoadworthyError

exceptions = typer.Typer(
    help="The exceptions register: what somebody agreed to leave as it is.", no_args_is_help=True
)
_ACTOR = "command line"


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(exceptions, name="exceptions")


def _day(option: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RoadworthyError(f"{option}: a day is written 2026-03-31, not {text!r}") from None


@exceptions.command(
    "add",
    epilog="Example: roadworthy exceptions add FP0123 --rule battery-weak --reason 'spare ordered, CHG-17' "
    "--owner 'Desk lead' --expires 2026-09-30",
)
def add_exception(
    what: Annotated[str, typer.Argument(help="A device id, or a register item's tag.")],
    reason: Annotated[str, typer.Option(help="Why it is left as it is.")],
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    expires: Annotated[str, typer.Option(help="Its last day, such as 2026-09-30.")],
    config: ConfigFile = None,
    approver: Annotated[
        str | None,
        typer.Option(
            help="Who agreed to it on paper: somebody else. Without, it waits for `roadworthy exceptions approve`."
        ),
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option(help="A rule it is about; all where none is named, or `--rule all`.")
    ] = None,
    begins: Annotated[str | None, typer.Option(help="Its first day; today if not said.")] = None,
) -> None:
    """Ask for a device or item to be out of a rule until a day; the day after, the rule holds again."""
    from roadworthy_collector.books import excepting
    from roadworthy_collector.books import rules as editions
    from roadworthy_collector.books.reconciling import local_day

    now = time.time()
    with stored(config) as (settings, _):
        today = local_day(now, settings.reporting_timezone)
    asked = excepting.Asked(
        what,
        rule or None,
        reason,
        owner,
        approver,
        _day("--begins", begins) if begins else today,
        _day("--expires", expires),
    )
    with connected(config) as connection:
        known = {one.rule_id for one in editions.current(connection)[0].rules}
        number = excepting.add(connection, asked, known_rules=known, now=int(now), actor=_ACTOR)
    if approver is None:
        typer.echo(
            f"exception {number} of {what} waits for an approver: roadworthy exceptions approve {number} --as NAME"
        )
    else:
        typer.echo(f"exception {number} of {what} holds until {expires}, approved on paper")


_As = Annotated[
    str, typer.Option("--as", help="The approver; their password is asked for, or read from standard input.")
]
_Number = Annotated[int, typer.Argument(help="Its number in `roadworthy exceptions list`.")]


@exceptions.command("approve", epilog="Example: roadworthy exceptions approve 7 --as grace < password-file")
def approve_exception(number: _Number, name: _As, config: ConfigFile = None) -> None:
    """Let an exception hold that waits; by an approver who did not ask for it."""
    _decide_exception(number, name, config, "approve")


@exceptions.command("refuse", epilog="Example: roadworthy exceptions refuse 7 --as grace < password-file")
def refuse_exception(number: _Number, name: _As, config: ConfigFile = None) -> None:
    """Refuse an exception that waits; by an approver who did not ask for it."""
    _decide_exception(number, name, config, "refuse")


def _decide_exception(
    number: int, name: str, config: Path | None, what: Literal["approve", "refuse"]
) -> None:
    from roadworthy_collector.books import approving
    from roadworthy_collector.books.reconciling import local_day
    from roadworthy_collector.security import access
    from roadworthy_collector.store.engine import write_transaction

    password = password_from_person(confirm=False)
    with stored(config) as (settings, engine):
        now = time.time()
        reader = access.reader_by_password(engine, name, password, now)
        today = local_day(now, settings.reporting_timezone)
        decide = approving.approve if what == "approve" else approving.refuse
        with write_transaction(engine) as connection:
            decide(connection, number, reader, today=today, now=int(now))


@exceptions.command("list", epilog="Example: roadworthy exceptions list")
def list_exceptions(config: ConfigFile = None, output: Format = "table") -> None:
    """List every exception, those in force first."""
    from roadworthy_collector.books import excepting
    from roadworthy_collector.books.reconciling import local_day

    with stored(config) as (settings, engine), engine.connect() as connection:
        today = local_day(time.time(), settings.reporting_timezone)
        rows = excepting.list_entries(connection, today)
    if output == "table":
        rows = [row | {"rules": ", ".join(row["rules"]) if row["rules"] else "all"} for row in rows]
    show(rows, output)


@exceptions.command("end", epilog="Example: roadworthy exceptions end 7")
def end_exception(number: _Number, config: ConfigFile = None) -> None:
    """End an exception from today on; it stays on the register."""
    from roadworthy_collector.books import excepting
    from roadworthy_collector.books.reconciling import local_day

    now = time.time()
    with stored(config) as (settings, _):
        today = local_day(now, settings.reporting_timezone)
    with connected(config) as connection:
        excepting.end(connection, number, today=today, now=int(now), actor=_ACTOR)
