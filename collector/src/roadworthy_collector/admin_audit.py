"""Commands about the audit: list, export, verify."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from roadworthy_collector.command_support import ConfigFile, Format, show, stored
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.security.audit_files import csv_lines, detail_text, json_lines

Since = Annotated[
    str | None, typer.Option(help="From this day or instant on (UTC), as 2026-04-01 or 2026-04-01T09:30.")
]
Until = Annotated[str | None, typer.Option(help="Before this day or instant (UTC).")]

audits = typer.Typer(help="The record of who did what: list, export, verify.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands on `app`."""
    app.add_typer(audits, name="audit")


@audits.command("list", epilog="Example: roadworthy audit list --since 2026-04-01")
def list_rows(
    config: ConfigFile = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Rows at most, the newest.")] = 100,
    output: Format = "table",
) -> None:
    """List the latest rows, newest first."""
    from roadworthy_collector.store.queries import audit

    with stored(config) as (_, engine), engine.connect() as connection:
        rows = list(
            audit.read(
                connection, since=instant("--since", since), until=instant("--until", until),
                limit=limit, newest_first=True,
            )
        )  # fmt: skip
    if output == "table":
        rows = [
            row | {"detail": detail_text(row["detail"]), "hash": (row["hash"] or "")[:12]} for row in rows
        ]
    show(rows, output)


@audits.command(
    "export", epilog="Example: roadworthy audit export --format csv --since 2026-04-01 > audit.csv"
)
def export(
    config: ConfigFile = None,
    since: Since = None,
    until: Until = None,
    output: Annotated[Literal["json", "csv"], typer.Option("--format", help="JSON lines or CSV.")] = "json",
) -> None:
    """Write all rows to standard output, oldest first, and that it was done to the audit."""
    from roadworthy_collector.security.tokens import COMMAND_LINE
    from roadworthy_collector.store.engine import write_transaction
    from roadworthy_collector.store.queries import audit

    first, last = instant("--since", since), instant("--until", until)
    detail = {"format": output, "since": first, "until": last}
    with stored(config) as (_, engine):
        with write_transaction(engine) as connection:
            audit.record(connection, int(time.time()), COMMAND_LINE, "audit.export", None, detail)
        with engine.connect() as connection:
            rows = audit.read(connection, since=first, until=last)
            sys.stdout.writelines((csv_lines if output == "csv" else json_lines)(rows))


@audits.command("verify", epilog="Example: roadworthy audit verify --known 1042:9f86d081884c7d65...")
def verify(
    config: ConfigFile = None,
    known: Annotated[
        list[str] | None,
        typer.Option(help="ID:HASH as printed by an earlier run and kept elsewhere; again for more."),
    ] = None,
) -> None:
    """Check that no row was changed, left out or put in; end with 2 if one was."""
    from roadworthy_collector.store.queries import audit

    noted = dict(_noted(text) for text in known or ())
    with stored(config) as (_, engine), engine.connect() as connection:
        found = audit.verify(connection, noted)
    if found.broken is not None:
        raise RoadworthyError(f"the audit is not as it was written: {found.broken}")
    if found.unchained:
        typer.echo(f"{found.unchained} rows carry no hash: an older version wrote them during an upgrade")
    typer.echo(f"{found.rows} rows fit together; note the end elsewhere: {found.head_id}:{found.head_hash}")


def instant(option: str, text: str | None) -> int | None:
    """Return a day or instant in UTC as epoch seconds; raise RoadworthyError naming the option."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RoadworthyError(f"{option}: {text!r} is no day or instant; write 2026-04-01") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _noted(text: str) -> tuple[int, str]:
    id_, _, digest = text.partition(":")
    if not (id_.isascii() and id_.isdigit() and digest):
        raise RoadworthyError(f"--known: {text!r} is no ID:HASH as `roadworthy audit verify` prints it")
    return int(id_), digest
