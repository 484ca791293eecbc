"""The command that loads CRC factors and prices, and how what is loaded is shown beside what is held."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from roadworthy_collector.admin_benefits import today
from roadworthy_collector.command_support import ConfigFile, password_from_person, show, stored
from roadworthy_collector.errors import RoadworthyError


def body_of(file: Path) -> bytes:
    """Return a file's bytes; RoadworthyError where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise RoadworthyError(f"{file}: cannot be read ({error.strerror})") from None


def load_crc_rates(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV: compliance_year, item, value, unit, status, note, source, as_of; its rows replace those held."
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            "--as", help="Who proposes them; their password is asked for, or read from standard input."
        ),
    ],
    config: ConfigFile = None,
) -> None:
    """Propose factors and prices of CRC's years out of a CSV file; they hold once a second person has confirmed them."""
    from roadworthy_collector.carbon import crc_rate_store, factor_list, factor_store
    from roadworthy_collector.security import access
    from roadworthy_collector.store.engine import write_transaction

    body = body_of(file)
    password = password_from_person(confirm=False)
    with stored(config) as (settings, engine):
        now = time.time()
        reader = access.reader_by_password(engine, name, password, now)
        factor_store.require_proposer(reader)
        on = today(settings)
        with write_transaction(engine) as connection:
            number = crc_rate_store.propose(
                connection, body, file.name, actor=reader.name, now=int(now), today=on
            )
            one = next(each for each in factor_list.list_sets(connection) if each.id == number)
    show(factor_rows(one.rows), "table")
    typer.echo(f"CRC rates wait for a second person: roadworthy carbon factors confirm {number} --as NAME")


def factor_rows(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return factors of a loaded set as a table shows them."""
    return [
        {
            "factor": row.title,
            "in the file": row.value or "no row",
            "held": row.held or "nothing",
            "year before": row.year_before or "nothing",
            "": "" if not row.differs else "differs by more than half" if row.far else "differs",
        }
        for row in rows
    ]
