"""What the commands share: the settings' database opened, rows shown, names and passwords taken."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from sqlalchemy import Connection, Engine

from roadworthy_collector.errors import RoadworthyError, StoreError
from roadworthy_collector.settings import Settings, load

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")]
Format = Annotated[Literal["table", "json"], typer.Option("--format", help="For people or for programs.")]

_NAME_LENGTH = 100
SIMULATED = "SIMULATED IT ESTATE: every device and figure here is made up"


_LONGEST_TEXT_BYTES = 4 << 20


def text_of(file: Path) -> str:
    """Return the text of a TOML file somebody wrote; RoadworthyError where it is none, or longer than any can be."""
    try:
        if file.stat().st_size > _LONGEST_TEXT_BYTES:
            raise RoadworthyError(f"{file}: is larger than {_LONGEST_TEXT_BYTES >> 20} MiB")
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RoadworthyError(f"{file}: cannot be read ({error}); give a TOML file in UTF-8") from None


def require_database(settings: Settings) -> None:
    """Raise StoreError where there is no file of a database: one made here would not be the one that was meant."""
    if settings.database_url is None and not settings.sqlite_file.exists():
        raise StoreError(
            f"no database at {settings.sqlite_file.resolve()}: start `roadworthy up` first (or `roadworthy db upgrade` "
            "to make one), or name the folder it is in with ROADWORTHY_DATA or --config"
        )


@contextmanager
def stored(config: Path | None, *, makes: bool = False) -> Iterator[tuple[Settings, Engine]]:
    """Yield the settings and an engine on an upgraded database.

    Raises StoreError where there is none, unless the command `makes` one.
    """
    from roadworthy_collector.store.engine import open_engine
    from roadworthy_collector.store.upgrade import make_ready

    settings = load(config)
    if not makes:
        require_database(settings)
    make_ready(settings.database)
    engine = open_engine(settings.database)
    try:
        yield settings, engine
    finally:
        engine.dispose()


def mark_simulated(connection: Connection) -> None:
    """Print that every figure is made up, where the IT estate is a simulated one."""
    from roadworthy_collector.store.queries.console import is_simulated

    if is_simulated(connection):
        typer.echo(SIMULATED)


@contextmanager
def connected(config: Path | None) -> Iterator[Connection]:
    """Yield a connection in one writing transaction on an upgraded database."""
    from roadworthy_collector.store.engine import write_transaction

    with stored(config) as (_, engine), write_transaction(engine) as connection:
        yield connection


def show(rows: list[dict[str, Any]], output: str) -> None:
    """Print `rows` as a table for people or as JSON for scripts."""
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("none")
        return
    from rich.console import Console  # programs that keep running show no tables
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(told(name, value) for name, value in row.items()))
    # An id is for copying into the next command: a line too long for the window beats half an id.
    whole = Measurement.get(roomy := Console(width=1000), roomy.options, table).maximum
    Console(width=max(Console().width, whole)).print(table)


def checked_name(option: str, text: str) -> str:
    """Return `text` as the name of a site or unit, which a typing slip would otherwise make for good."""
    name = text.strip()
    if not 1 <= len(name) <= _NAME_LENGTH or not name.isprintable():
        raise RoadworthyError(f"{option}: a name is 1 to {_NAME_LENGTH} characters on one line, not {text!r}")
    return name


def told(name: str, value: object) -> str:
    """Return a value as a table shows it to people."""
    if value is None:
        return ""
    if (name == "at" or name.endswith("_at")) and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return str(value)


def password_from_person(*, confirm: bool) -> str:
    """Return a password: asked for at a terminal, else the first line of standard input; never an argument."""
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm)
        return asked
    return sys.stdin.readline().rstrip("\n")
