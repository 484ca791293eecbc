"""Commands that look after a collector: keys, tokens, users, devices, sites, the database, the first start."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from roadworthy_collector import admin_audit, admin_identity, admin_people
from roadworthy_collector.command_support import ConfigFile, Format
from roadworthy_collector.command_support import checked_name as _name
from roadworthy_collector.command_support import connected as _connection
from roadworthy_collector.command_support import show as _show
from roadworthy_collector.command_support import stored as _store
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.settings import load
from roadworthy_collector.store.queries.device_identity import UsageProfile

enrol_keys = typer.Typer(help="Keys that let agents enrol.", no_args_is_help=True)
scrape_tokens = typer.Typer(help="Tokens that let Prometheus read.", no_args_is_help=True)
devices = typer.Typer(help="Devices: list, retire, revoke.", no_args_is_help=True)
sites = typer.Typer(help="Sites: list, restrict.", no_args_is_help=True)
database = typer.Typer(help="The database: upgrade, back up.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(enrol_keys, name="enrol-key")
    app.add_typer(scrape_tokens, name="scrape-token")
    app.add_typer(devices, name="devices")
    app.add_typer(sites, name="sites")
    app.add_typer(database, name="db")
    admin_people.add_to(app, devices)
    admin_audit.add_to(app)
    admin_identity.add_to(devices)
    app.command("first-start", epilog="Example: roadworthy first-start --secrets /run/roadworthy")(
        first_start
    )


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

    site, unit = _name("--site", site), _name("--unit", unit)
    with _connection(config) as connection:
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


@enrol_keys.command("list")
def list_enrol_keys(config: ConfigFile = None, output: Format = "table") -> None:
    """List the keys: where they lead, how often they were used."""
    from roadworthy_collector.security import tokens

    with _connection(config) as connection:
        _show(tokens.list_enrol_keys(connection), output)


@enrol_keys.command("revoke")
def revoke_enrol_key(
    key_id: Annotated[str, typer.Argument(help="The key's id.")], config: ConfigFile = None
) -> None:
    """Let nobody enrol with this key any more."""
    from roadworthy_collector.security import tokens

    with _connection(config) as connection:
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

    with _connection(config) as connection:
        issued = tokens.create_scrape_token(connection, now=int(time.time()), only_units=unit or None)
    typer.echo(issued.text)


@scrape_tokens.command("list")
def list_scrape_tokens(config: ConfigFile = None, output: Format = "table") -> None:
    """List the tokens by id."""
    from roadworthy_collector.security import tokens

    with _connection(config) as connection:
        _show(tokens.list_scrape_tokens(connection), output)


@scrape_tokens.command("revoke")
def revoke_scrape_token(token_id: Annotated[str, typer.Argument()], config: ConfigFile = None) -> None:
    """Stop this token from reading, on every process within five seconds."""
    from roadworthy_collector.security import tokens

    with _connection(config) as connection:
        if not tokens.revoke_scrape_token(connection, token_id, now=int(time.time())):
            raise RoadworthyError(f"no scrape token in force has the id {token_id}")


@devices.command("list")
def list_devices(config: ConfigFile = None, output: Format = "table") -> None:
    """List the devices with site, unit and last report."""
    from roadworthy_collector.store.queries import devices as queries

    with _connection(config) as connection:
        _show(queries.list_devices(connection), output)


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
    with _connection(config) as connection:
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

    with _connection(config) as connection:
        if not queries.retire(connection, device_id, now=int(time.time())):
            raise RoadworthyError(
                f"no device in service has the id {device_id}; see `roadworthy devices list`"
            )


@sites.command("list")
def list_sites(config: ConfigFile = None, output: Format = "table") -> None:
    """List the sites, restricted ones too: this is for whoever runs the collector."""
    from roadworthy_collector.store.queries import sites as queries

    with _connection(config) as connection:
        _show(queries.list_sites(connection), output)


@sites.command("restrict", epilog="Example: roadworthy sites restrict 'Annexe R'")
def restrict_site(
    name: Annotated[str, typer.Argument(help="The site; made if new.")], config: ConfigFile = None
) -> None:
    """Keep a site and its devices out of every list, page and metric but totals. Do it before they enrol."""
    from roadworthy_collector.store.queries import sites as queries

    with _connection(config) as connection:
        queries.restrict(connection, _name("site", name), now=int(time.time()))


@sites.command("release")
def release_site(name: Annotated[str, typer.Argument(help="The site.")], config: ConfigFile = None) -> None:
    """Show a restricted site and its devices again."""
    from roadworthy_collector.store.queries import sites as queries

    with _connection(config) as connection:
        if not queries.release(connection, name, now=int(time.time())):
            raise RoadworthyError(f"no restricted site is called {name}; see `roadworthy sites list`")


@database.command("upgrade")
def upgrade_database(config: ConfigFile = None) -> None:
    """Bring the database's schema to this program's: SQLite after a copy, PostgreSQL under a lock.

    Of several collectors on PostgreSQL upgrade the database first, then one program after another: the version
    before runs on a database that is one ahead. Back up first; the way back is to restore.
    """
    from roadworthy_collector.store.engine import named
    from roadworthy_collector.store.upgrade import head_revision, upgrade

    settings = load(config)
    upgrade(settings.database)
    typer.echo(f"{named(settings.database)} is at this program's schema, {head_revision()}")


@database.command("backup", epilog="Example: roadworthy db backup /backup/roadworthy-monday.db")
def backup_database(
    target: Annotated[Path, typer.Argument(help="File to write.")], config: ConfigFile = None
) -> None:
    """Copy the database of a running collector, consistently; PostgreSQL by pg_dump."""
    from roadworthy_collector.store.backup import backup

    settings = load(config)
    backup(settings.database, target)
    typer.echo(f"{target} holds a consistent copy")


@database.command("restore", epilog="Example: roadworthy db restore /backup/roadworthy-monday.db")
def restore_database(
    source: Annotated[Path, typer.Argument(help="Backup to put back.")], config: ConfigFile = None
) -> None:
    """Put a backup in the database's place. End Roadworthy first; what is there is moved aside, never deleted.

    A PostgreSQL database must be empty: make a new one with createdb and name it in database_url.
    """
    from roadworthy_collector.store.backup import restore
    from roadworthy_collector.store.engine import named
    from roadworthy_collector.store.sqlite import make_folder
    from roadworthy_collector.store.upgrade import make_ready

    settings = load(config)
    make_folder(settings.data)
    aside = restore(settings.database, source)
    if settings.database_url is None:  # an older backup is brought to this program's schema
        make_ready(settings.database)
    if aside is not None:
        typer.echo(f"what was there is kept as {aside}")
    typer.echo(f"{named(settings.database)} holds {source} again")


def first_start(
    config: ConfigFile = None,
    secrets_folder: Annotated[
        Path, typer.Option("--secrets", help="Folder to write admin-password and scrape-token to.")
    ] = Path("secrets"),
) -> None:
    """Make the first user and a scrape token, each in a 0600 file; does nothing once they are there."""
    from roadworthy_collector.running import write_secret
    from roadworthy_collector.security import tokens
    from roadworthy_collector.security import users as accounts
    from roadworthy_collector.store.engine import require_estate, write_transaction

    try:
        secrets_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RoadworthyError(
            f"{secrets_folder}: cannot keep secrets here: {error.strerror}; name another folder with --secrets"
        ) from None
    password_file, token_file = secrets_folder / "admin-password", secrets_folder / "scrape-token"
    with _store(config) as (_, engine):
        require_estate(engine, simulated=False)
        if not accounts.list_users(engine):
            password = secrets.token_urlsafe(18)
            accounts.create_user(engine, "admin", password, now=time.time())
            write_secret(password_file, password)
            typer.echo(f"user admin: password in {password_file}")
        if not token_file.exists():
            with write_transaction(engine) as connection:
                issued = tokens.create_scrape_token(connection, now=int(time.time()))
            write_secret(token_file, issued.text)
            typer.echo(f"scrape token in {token_file}")
