"""Commands about keys: those that let agents enrol, and those that let Prometheus read."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from roadworthy_collector.command_support import ConfigFile, Format, checked_name, connected, show
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.queries.device_identity import UsageProfile

enrol_keys = typer.Typer(help="Keys that let agents enrol.", no_args_is_help=True)
scrape_tokens = typer.Typer(help="Tokens that let Prometheus read.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(enrol_keys, name="enrol-key")
    app.add_typer(scrape_tokens, name="scrape-token")


@enrol_keys.command(
    "create", epilog="Example: roadworthy enrol-key create --site Headquarters --unit 'IT' --days 14"
)
def create_enrol_key(
    config: ConfigFile = None,
    site: Annotated[str, typer.Option(help="Site the devices join.")] = "unassigned",
    unit: Annotated[str, typer.Option(help="Unit the devices join.")] = "unassigned",
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until the key expires.")] = 7,
    uses: Annotated[int | None, typer.Option(min=1, help="How many devices may use it.")] = None,
    note: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    profile: Annotated[UsageProfile, typer.Option(help="Who uses the devices.")] = UsageProfile.UNKNOWN,
) -> None:
    """Make a key and print it once; only its hash is kept."""
    from roadworthy_collector.security import tokens

    site, unit = checked_name("--site", site), checked_name("--unit", unit)
    with connected(config) as connection:
        issued = tokens.create_enrol_key(
            connection,
            now=int(time.time()),
            site=site,
            unit=unit,
            note=note,
            max_uses=uses,
            expires_in_seconds=days * 86400,
            usage_profile=str(profile),
        )
    typer.echo(issued.text)


@enrol_keys.command("list", epilog="Example: roadworthy enrol-key list --format json")
def list_enrol_keys(config: ConfigFile = None, output: Format = "table") -> None:
    """List the keys: where they lead, how often they were used."""
    from roadworthy_collector.security import tokens

    with connected(config) as connection:
        show(tokens.list_enrol_keys(connection), output)


@enrol_keys.command("revoke", epilog="Example: roadworthy enrol-key revoke 3f1c9a0b5d7e2468")
def revoke_enrol_key(
    key_id: Annotated[str, typer.Argument(help="The key's id.")], config: ConfigFile = None
) -> None:
    """Let nobody enrol with this key any more."""
    from roadworthy_collector.security import tokens

    with connected(config) as connection:
        if not tokens.revoke_enrol_key(connection, key_id, now=int(time.time())):
            raise RoadworthyError(
                f"no enrolment key in force has the id {key_id}; see `roadworthy enrol-key list`"
            )


@scrape_tokens.command("create", epilog="Example: roadworthy scrape-token create --unit 'Traffic'")
def create_scrape_token(
    config: ConfigFile = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="Only this unit and those below it; again for more.")
    ] = None,
) -> None:
    """Make a token for Prometheus and print it once; only its hash is kept."""
    from roadworthy_collector.security import tokens

    with connected(config) as connection:
        issued = tokens.create_scrape_token(connection, now=int(time.time()), only_units=unit or None)
    typer.echo(issued.text)


@scrape_tokens.command("list", epilog="Example: roadworthy scrape-token list")
def list_scrape_tokens(config: ConfigFile = None, output: Format = "table") -> None:
    """List the tokens by id."""
    from roadworthy_collector.security import tokens

    with connected(config) as connection:
        show(tokens.list_scrape_tokens(connection), output)


@scrape_tokens.command("revoke", epilog="Example: roadworthy scrape-token revoke 3f1c9a0b5d7e2468")
def revoke_scrape_token(
    token_id: Annotated[str, typer.Argument(help="Its id.")], config: ConfigFile = None
) -> None:
    """Stop this token from reading, on every process within five seconds."""
    from roadworthy_collector.security import tokens

    with connected(config) as connection:
        if not tokens.revoke_scrape_token(connection, token_id, now=int(time.time())):
            raise RoadworthyError(f"no scrape token in force has the id {token_id}")
