"""Ready-made figures of the books: worked out once by a job or a command, read by pages, the API and metrics."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.statements import upsert


def read(connection: Connection, name: str) -> tuple[Any, int] | None:
    """Return (what was written under `name`, when in UTC epoch seconds), None where nothing was."""
    row = connection.execute(
        select(book_figures.c.content, book_figures.c.made_at).where(book_figures.c.name == name)
    ).one_or_none()
    return None if row is None else (row.content, row.made_at)


def write(connection: Connection, name: str, content: Any, now: float, seconds: float) -> None:
    """Leave `content` (what JSON can say) under `name`, at most 64 characters; `seconds` is what it took to make."""
    row = {"name": name, "content": content, "made_at": int(now), "seconds": seconds}
    connection.execute(upsert(book_figures), row)
