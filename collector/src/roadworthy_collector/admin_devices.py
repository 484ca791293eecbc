"""Commands about devices and the sites they stand at."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from roadworthy_collector.command_support import ConfigFile, Format, checked_name, connected, show
from roadworthy_collector.errors import RoadworthyError

devices = typer.Typer(help="Devices: list, retire, revoke.", no_args_is_help=True)
sites = typer.Typer(help="Sites: list, restrict.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(devices, name="devices")
    app.add_typer(sites, name="sites")


@devices.command("list")
def list_devices(config: ConfigFile = None, output: Format = "table") -> None:
    """List the devices with site, unit and last report."""
    from roadworthy_collector.store.queries import devices as queries

    with connected(config) as connection:
        show(queries.list_devices(connection), output)


@devices.command("revoke")
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


@devices.command("retire")
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


@sites.command("list")
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


@sites.command("release")
def release_site(name: Annotated[str, typer.Argument(help="The site.")], config: ConfigFile = None) -> None:
    """Show a restricted site and its devices again."""
    from roadworthy_collector.store.queries import sites as queries

    with connected(config) as connection:
        if not queries.release(connection, name, now=int(time.time())):
            raise RoadworthyError(f"no restricted site is called {name}; see `roadworthy sites list`")
