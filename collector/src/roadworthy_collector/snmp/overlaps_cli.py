"""`roadworthy snmp overlaps`: what was measured twice and is counted once, and what is in no sum."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH


def list_overlaps(
    config: ConfigFile = None,
    month: Annotated[str | None, typer.Option(help="As 2026-10; left out: the newest there is.")] = None,
    output: Format = "table",
) -> None:
    """List what was measured twice and is counted once, and what is in no sum of energy, restricted sites too."""
    from roadworthy_collector.snmp import overlaps

    with stored(config) as (_, engine), engine.connect() as connection:
        found = overlaps.read(connection, month)
    if output == "json":
        typer.echo(json.dumps(overlaps.told(found), indent=2))
        return
    if found is None or not found.rows:
        typer.echo(
            f"{month or 'no month yet'}: nothing was measured twice, and all that was measured is counted"
        )
        return
    names = ("month", "feeder_name", "outlet", "fed_name", "why", "days", "kwh")
    show([{name: one[name] for name in names} for one in found.rows], output)
    if output == "table":
        for why, joules in sorted(found.joules.items()):
            typer.echo(f"{why}: {joules / JOULES_PER_KWH:,.1f} kWh left out ({overlaps.WHYS[why]})")
