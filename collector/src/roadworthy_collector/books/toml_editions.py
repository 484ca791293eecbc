"""Texts that people edit and that hold from then on: editions kept by name in `rule_editions`, the newest in force."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from roadworthy_collector.store.books_schema import rule_editions
from roadworthy_collector.store.queries import audit


class Edition(NamedTuple):
    """A text in force; `made_at` None for the one that ships."""

    content: str
    made_at: int | None
    made_by: str


def newest(connection: Connection, name: str, shipped: Edition) -> Edition:
    """Return the text in force, `shipped` until somebody saved one."""
    row = connection.execute(
        select(rule_editions).where(rule_editions.c.name == name).order_by(rule_editions.c.id.desc()).limit(1)
    ).one_or_none()
    return shipped if row is None else Edition(row.content, row.made_at, row.made_by)


def put(
    connection: Connection,
    name: str,
    text: str,
    digests: tuple[str, str],
    *,
    now: int,
    actor: str,
    action: str,
) -> None:
    """Put a text in force, on the record as `action`; `digests` are of the text before and of this one."""
    before, digest = digests
    values = {"name": name, "digest": digest, "content": text, "made_at": now, "made_by": actor[:128]}
    connection.execute(insert(rule_editions).values(**values))
    audit.record(connection, now, actor, action, digest, {"before": before})
