"""What was loaded here of factors and CRC rates, the newest first, and how each stands to what is held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from roadworthy_collector.carbon import crc_rate_files, crc_rate_store, factor_store
from roadworthy_collector.carbon.crc_rate_files import RateFile
from roadworthy_collector.carbon.factor_store import FactorRow, LoadedSet, State
from roadworthy_collector.store.carbon_schema import factor_sets

_MOST_SETS = 500
_Row = Row[Any] | RateFile


def list_sets(connection: Connection) -> list[LoadedSet]:
    """Return the sets loaded here, the newest first: those that wait with how they differ from what is in force."""
    held, rates = factor_store.book(connection), crc_rate_store.rates(connection)
    query = select(factor_sets).order_by(factor_sets.c.id.desc()).limit(_MOST_SETS)
    rows: list[_Row] = [*connection.execute(query), *crc_rate_files.read(connection)[:_MOST_SETS]]
    newest = _newest(rows)
    found = []
    for row in sorted(rows, key=lambda one: (one.proposed_at, one.id), reverse=True):
        if isinstance(row, RateFile):
            shown = crc_rate_store.shown(row.content, rates)
            found.append(_told(row, newest, "", row.content["file"], shown))
        else:
            proposed = factor_store.proposed_of(row)
            shown = factor_store.rows_shown(proposed, held)
            found.append(_told(row, newest, proposed.rows[0].published, proposed.file, shown))
    return found


def _newest(rows: Sequence[_Row]) -> set[int]:
    """Return the sets something is in force of: of each thing the one confirmed last."""
    last: dict[Any, int] = {}
    there = [row for row in rows if row.confirmed_at is not None and row.withdrawn_at is None]
    for row in sorted(there, key=lambda one: (one.confirmed_at, one.id)):
        keys: Iterable[Any] = (
            crc_rate_store.keys_of(row.content) if isinstance(row, RateFile) else (row.year,)
        )
        last.update(dict.fromkeys(keys, row.id))
    return set(last.values())


def _told(row: _Row, newest: set[int], published: str, file: str, rows: tuple[FactorRow, ...]) -> LoadedSet:
    state: State = "waiting" if row.confirmed_at is None else "superseded"
    if row.withdrawn_at is not None:
        state = "withdrawn"
    elif row.id in newest:
        state = "in_force"
    return LoadedSet(
        id=row.id,
        set_year=row.year,
        version=row.version,
        published=published,
        source=row.source,
        file=file,
        file_sha256=row.file_sha256,
        state=state,
        proposed_at=row.proposed_at,
        proposed_by=row.proposed_by,
        confirmed_at=row.confirmed_at,
        confirmed_by=row.confirmed_by,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by,
        rows=rows,
    )
