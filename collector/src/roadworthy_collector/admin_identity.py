"""Commands about who devices are: another token, and who uses them."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from roadworthy_collector.command_support import ConfigFile
from roadworthy_collector.command_support import connected as _connection
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.queries.device_identity import (
    Chosen,
    UsageProfile,
    ask_rotation,
    require_one,
    set_profile,
)

Device = Annotated[str | None, typer.Argument(help="rwd_...")]
Site = Annotated[str | None, typer.Option("--site", help="All devices of this site.")]
Unit = Annotated[str | None, typer.Option("--unit", help="All devices of this unit.")]
Everything = Annotated[bool, typer.Option("--all", help="All devices in service.")]


def add_to(devices: typer.Typer) -> None:
    """Register these commands on `roadworthy devices`."""
    devices.command("rotate", epilog="Example: roadworthy devices rotate --site Headquarters")(rotate)
    devices.command("profile", epilog="Example: roadworthy devices profile personal --unit Patrol")(profile)


def rotate(
    device_id: Device = None,
    config: ConfigFile = None,
    site: Site = None,
    unit: Unit = None,
    *,
    everything: Everything = False,
) -> None:
    """Give devices another token with their next calls; the old one holds until the new one was used."""
    chosen = require_one(device_id, site, unit, everything=everything)
    with _connection(config) as connection:
        count = ask_rotation(connection, chosen, now=int(time.time()))
        _require_some(count, chosen)
    typer.echo(f"{count} devices get another token with their next calls")


def profile(
    usage_profile: Annotated[UsageProfile, typer.Argument(help="Who uses them.")],
    device_id: Device = None,
    config: ConfigFile = None,
    site: Site = None,
    unit: Unit = None,
    *,
    everything: Everything = False,
) -> None:
    """Say who uses devices: it decides whether they may tell of their use by the half-hour, the day or not at all."""
    chosen = require_one(device_id, site, unit, everything=everything)
    with _connection(config) as connection:
        count = set_profile(connection, chosen, usage_profile, now=int(time.time()))
        _require_some(count, chosen)
    typer.echo(f"{count} devices have the usage profile {usage_profile}")


def _require_some(count: int, chosen: Chosen) -> None:
    if not count:
        raise RoadworthyError(
            f"no device in service is meant by {chosen.words()}; see `roadworthy devices list`"
        )
