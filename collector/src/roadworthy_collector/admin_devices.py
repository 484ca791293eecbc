"""Commands about devices and the sites they stand at."""

from __future__ import annotations

import json
import time
from typing import Annotated, Literal

import typer

from roadworthy_collector.command_support import (
    ConfigFile,
    Format,
    checked_name,
    connected,
    show,
    stored,
    told,
)
from roadworthy_collector.errors import RoadworthyError

devices = typer.Typer(help="Devices: list, show, retire, revoke, erase.", no_args_is_help=True)
_IN_TABLE = (
    "device_id", "hostname", "asset_tag", "serial", "device_class", "site", "unit", "state", "last_report_at",
    "retired_at", "relayed_by",
)  # fmt: skip
sites = typer.Typer(help="Sites: list, restrict.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(devices, name="devices")
    app.add_typer(sites, name="sites")


@devices.command("list", epilog="Example: roadworthy devices list --site Headquarters --state missing")
def list_devices(
    config: ConfigFile = None,
    site: Annotated[str | None, typer.Option(help="Only those of this site.")] = None,
    unit: Annotated[str | None, typer.Option(help="Only those of this unit.")] = None,
    state: Annotated[
        Literal["reporting", "late", "missing", "retired"] | None, typer.Option(help="Only those.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="A whole device id, host name, serial number or asset tag.")
    ] = None,
    output: Format = "table",
) -> None:
    """List the devices with site, unit and last report, those at restricted sites too."""
    from roadworthy_collector.store.queries.device_list import Wanted, read_all

    wanted = Wanted(site=site, unit=unit, state=state, search=search, restricted=True)
    with stored(config) as (settings, engine), engine.connect() as connection:
        interval = settings.report_interval_seconds
        rows = list(read_all(connection, wanted, now=time.time(), interval_seconds=interval))
    shown = _IN_TABLE if output == "table" else tuple(rows[0]) if rows else ()
    show([{name: row[name] for name in shown} for row in rows], output)


@devices.command("show", epilog="Example: roadworthy devices show rwd_...")
def show_device(
    device_id: Annotated[str, typer.Argument(help="rwd_...")],
    config: ConfigFile = None,
    output: Format = "table",
) -> None:
    """Show one device with its facts as it told them last."""
    from roadworthy_collector.store.queries.device_list import read_one

    with stored(config) as (settings, engine), engine.connect() as connection:
        interval = settings.report_interval_seconds
        row = read_one(connection, device_id, now=time.time(), interval_seconds=interval)
    if output == "json":
        typer.echo(json.dumps(row, indent=2))
        return
    facts = row.pop("facts") or {}
    lines = [{"name": name, "value": told(name, value)} for name, value in row.items()]
    lines += [{"name": f"facts.{name}", "value": json.dumps(value)} for name, value in facts.items()]
    show(lines, output)


@devices.command("revoke", epilog="Example: roadworthy devices revoke rwd_... --re-enrol")
def revoke_device(
    device_id: Annotated[str, typer.Argument(help="rwd_...")],
    config: ConfigFile = None,
    *,
    re_enrol: Annotated[
        bool, typer.Option("--re-enrol", help="Ask the agent to enrol again instead of stopping.")
    ] = False,
) -> None:
    """Refuse a device's tokens, on every process within five seconds."""
    from roadworthy_collector.security import tokens

    reason = "re_enrol" if re_enrol else "revoked"
    with connected(config) as connection:
        if not tokens.revoke_device(connection, device_id, reason=reason, now=int(time.time())):
            raise RoadworthyError(
                f"no device with a token in force has the id {device_id}; see `roadworthy devices list`"
            )


@devices.command("retire", epilog="Example: roadworthy devices retire rwd_...")
def retire_device(
    device_id: Annotated[str, typer.Argument(help="rwd_...")], config: ConfigFile = None
) -> None:
    """Retire a device: its tokens end, its facts stay."""
    from roadworthy_collector.store.queries import devices as queries

    with connected(config) as connection:
        if not queries.retire(connection, device_id, now=int(time.time())):
            raise RoadworthyError(
                f"no device in service has the id {device_id}; see `roadworthy devices list`"
            )


@sites.command("list", epilog="Example: roadworthy sites list --format json")
def list_sites(config: ConfigFile = None, output: Format = "table") -> None:
    """List the sites, restricted ones too: this is for whoever runs the collector."""
    from roadworthy_collector.store.queries import sites as queries

    with connected(config) as connection:
        show(queries.list_sites(connection), output)


@sites.command("restrict", epilog="Example: roadworthy sites restrict 'Annexe R'")
def restrict_site(
    name: Annotated[str, typer.Argument(help="The site; made if new.")], config: ConfigFile = None
) -> None:
    """Keep a site and its devices out of every list, page and metric but totals. Do it before they enrol."""
    from roadworthy_collector.store.queries import sites as queries

    with connected(config) as connection:
        queries.restrict(connection, checked_name("site", name), now=int(time.time()))


@sites.command("release", epilog="Example: roadworthy sites release 'Annexe R'")
def release_site(name: Annotated[str, typer.Argument(help="The site.")], config: ConfigFile = None) -> None:
    """Show a restricted site and its devices again."""
    from roadworthy_collector.store.queries import sites as queries

    with connected(config) as connection:
        if not queries.release(connection, name, now=int(time.time())):
            raise RoadworthyError(f"no restricted site is called {name}; see `roadworthy sites list`")
