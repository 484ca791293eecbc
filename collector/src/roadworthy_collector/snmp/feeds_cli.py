"""`roadworthy snmp feeds`: what hangs on what, as people say it."""

from __future__ import annotations

import datetime as dt
import time
from typing import Annotated

import typer

from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.tokens import COMMAND_LINE
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.calendar import local_date

feeds = typer.Typer(
    help="What hangs on what: outlets of a PDU, a UPS, a server's controller.", no_args_is_help=True
)


@feeds.command("list", epilog="Example: roadworthy snmp feeds list --ended")
def list_feeds(
    config: ConfigFile = None,
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Those that no longer hold too.")] = False,
    output: Format = "table",
) -> None:
    """List what hangs on what, since when, and who said so, at restricted sites too."""
    from roadworthy_collector.snmp.feeding import list_feeds as read

    with stored(config) as (_, engine), engine.connect() as connection:
        show(read(connection, ended=ended), output)


@feeds.command("state", epilog="Example: roadworthy snmp feeds state rack-4-pdu-a --outlet 3 --fed A-00417")
def state_feed(
    feeder: Annotated[str, typer.Argument(help="Device id, host name, serial number or asset tag.")],
    config: ConfigFile = None,
    outlet: Annotated[str, typer.Option(help="As the unit calls it; left out: the whole unit.")] = "",
    fed: Annotated[str | None, typer.Option(help="What hangs there; left out: nothing known.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="2026-04-01; left out: today.")] = None,
) -> None:
    """Say what hangs on an outlet, so that its energy is counted once. An outlet that the unit has not is refused."""
    from roadworthy_collector.snmp.called import find_device
    from roadworthy_collector.snmp.feeding import state
    from roadworthy_collector.snmp.outlets import unchecked

    now = int(time.time())
    with stored(config) as (settings, engine), write_transaction(engine) as connection:
        day = local_date(now, settings.reporting_timezone) if since is None else _date(since)
        number = state(connection, feeder, outlet, fed, day, now=now, actor=COMMAND_LINE)
        doubt = unchecked(connection, find_device(connection, feeder), outlet)
    if doubt is not None:
        typer.echo(f"Taken, unchecked: {doubt}.", err=True)
    typer.echo(
        f"{number}: {feeder}, outlet {outlet or 'all'}: {fed or 'nothing known'} from {day.isoformat()}"
    )


@feeds.command("end", epilog="Example: roadworthy snmp feeds end 12 --on 2026-04-01")
def end_feed(
    number: Annotated[int, typer.Argument(help="The statement's number, as `feeds list` shows it.", min=1)],
    config: ConfigFile = None,
    on: Annotated[str | None, typer.Option(help="The first day it no longer holds; left out: today.")] = None,
) -> None:
    """End a statement of what hangs where."""
    from roadworthy_collector.snmp.feeding import end

    now = int(time.time())
    with stored(config) as (settings, engine), write_transaction(engine) as connection:
        day = local_date(now, settings.reporting_timezone) if on is None else _date(on)
        end(connection, number, day, now=now, actor=COMMAND_LINE)
    typer.echo(f"{number}: ended on {day.isoformat()}")


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RoadworthyError(f"{text!r} is no date; write it as 2026-04-01") from None
