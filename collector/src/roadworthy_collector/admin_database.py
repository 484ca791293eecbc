"""Commands about the database, and the first start."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from roadworthy_collector.command_support import ConfigFile, require_database, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.settings import Settings, load

database = typer.Typer(help="The database: upgrade, back up, restore.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(database, name="db")
    app.command("first-start", epilog="Example: roadworthy first-start --secrets /run/roadworthy")(
        first_start
    )


@database.command("upgrade", epilog="Example: roadworthy db upgrade --config /etc/roadworthy/collector.toml")
def upgrade_database(config: ConfigFile = None) -> None:
    """Bring the database's schema to this program's: SQLite after a copy, PostgreSQL under a lock.

    Of several collectors on PostgreSQL upgrade the database first, then one program after another: the version
    before runs on a database that is one ahead. Back up first; the way back is to restore.
    """
    from roadworthy_collector.security.tokens import COMMAND_LINE
    from roadworthy_collector.store.engine import named
    from roadworthy_collector.store.upgrade import head_revision, upgrade

    settings = load(config)
    upgrade(settings.database, actor=COMMAND_LINE)
    typer.echo(f"{named(settings.database)} is at this program's schema, {head_revision()}")


@database.command("backup", epilog="Example: roadworthy db backup /backup/roadworthy-monday.db")
def backup_database(
    target: Annotated[Path, typer.Argument(help="File to write.")], config: ConfigFile = None
) -> None:
    """Copy the database of a running collector, consistently; PostgreSQL by pg_dump."""
    from roadworthy_collector.copying import progress_on_stderr
    from roadworthy_collector.store.backup import backup

    settings = load(config)
    require_database(settings)
    with progress_on_stderr() as progress:
        backup(settings.database, target, progress=progress)
    typer.echo(f"{target} holds a consistent copy")
    _note(settings, "database.backup", target, {})


@database.command("restore", epilog="Example: roadworthy db restore /backup/roadworthy-monday.db")
def restore_database(
    source: Annotated[Path, typer.Argument(help="Backup to put back.")], config: ConfigFile = None
) -> None:
    """Put a backup in the database's place. End Roadworthy first; what is there is moved aside, never deleted.

    A PostgreSQL database must be empty: make a new one with createdb and name it in database_url.
    """
    from roadworthy_collector.store.backup import chain_end, restore
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
    # What was written down since the backup is not in the restored audit: this row says where that one had come to.
    replaced = None if aside is None else chain_end(aside)
    detail = {"moved_aside": None if aside is None else aside.name, "replaced": replaced}
    _note(settings, "database.restore", source, detail)


def _note(settings: Settings, action: str, file: Path, detail: Mapping[str, object]) -> None:
    """Write down what was done with `file`; where that cannot be, say so: what was done stays done."""
    from sqlalchemy.exc import SQLAlchemyError

    from roadworthy_collector.security.audit import record_alone
    from roadworthy_collector.security.tokens import COMMAND_LINE
    from roadworthy_collector.store.engine import open_engine
    from roadworthy_collector.store.upgrade import misfit

    engine = open_engine(settings.database)
    try:
        # A backup comes before an upgrade, when the audit may not yet have the columns this program writes.
        if (unfit := misfit(engine)) is None:
            detail = {"file": str(file.absolute()), **detail}
            record_alone(engine, time.time(), COMMAND_LINE, action, file.name, detail)
    except SQLAlchemyError as error:
        unfit = f"the database cannot be written: {type(error).__name__}"
    finally:
        engine.dispose()
    if unfit is not None:
        typer.echo(f"roadworthy: not written to the audit ({action}): {unfit}", err=True)


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
    with stored(config, makes=True) as (_, engine):
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
