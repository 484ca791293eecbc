"""Three texts of the lifecycle, each edition kept and audited: dates loaded, dates overridden, what was bought.

`support_dates`: the rows of loaded endoflife.date dumps (CSV); `support_override`: rows that go before all others
(TOML or CSV); `support_bought`: which paid extended updates were bought (TOML). An empty text means none. Undoing puts
the edition before in force again as a new edition, so that it can be undone too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, insert, select

from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.books_schema import rule_editions
from roadworthy_collector.store.queries import audit

DATES, OVERRIDE, BOUGHT = "support_dates", "support_override", "support_bought"
NAMES = (DATES, OVERRIDE, BOUGHT)
Name = Literal["support_dates", "support_override", "support_bought"]
SHIPPED = "shipped with Roadworthy"
# A whole dump makes some 300 kB; what people type is far shorter.
LONGEST_CHARACTERS = {DATES: 4_000_000, OVERRIDE: 200_000, BOUGHT: 1_000_000}


class Held(NamedTuple):
    """An edition; id 0 and an empty text where none was saved."""

    id: int
    content: str
    digest: str
    made_at: int | None
    made_by: str


def current(connection: Connection, name: str) -> Held:
    """Return the edition in force."""
    columns = (rule_editions.c[part] for part in Held._fields)
    query = select(*columns).where(rule_editions.c.name == name).order_by(rule_editions.c.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Held(0, "", digest_of(""), None, SHIPPED) if row is None else Held(*row)


def editions(connection: Connection, name: str | None = None) -> list[dict[str, Any]]:
    """Return who saved which edition when, without the texts, newest first."""
    columns = (rule_editions.c[part] for part in ("id", "name", "digest", "made_at", "made_by"))
    wanted = rule_editions.c.name.in_(NAMES) if name is None else rule_editions.c.name == name
    query = select(*columns).where(wanted).order_by(rule_editions.c.id.desc())
    rows = [dict(row) for row in connection.execute(query).mappings()]
    newest: set[str] = set()
    for row in rows:
        row["in_force"] = row["name"] not in newest
        newest.add(row["name"])
    return rows


def digest_of(content: str) -> str:
    """Return what names an edition: the SHA-256 of its text."""
    return hashlib.sha256(content.encode()).hexdigest()


def ensure_short(name: str, content: str) -> None:
    """Raise RoadworthyError where a text is longer than an edition may be."""
    if len(content) > LONGEST_CHARACTERS[name]:
        raise RoadworthyError(f"{name}: has more than {LONGEST_CHARACTERS[name]:,} characters")


def save(
    connection: Connection, name: str, content: str, *, now: int, actor: str, detail: Mapping[str, object]
) -> Held:
    """Put a text in force; RoadworthyError where it says what holds already. `detail` goes into the audit."""
    ensure_short(name, content)
    before, digest = current(connection, name), digest_of(content)
    if before.digest == digest:
        raise RoadworthyError(f"{name}: this is what holds already; nothing was saved")
    return _put(connection, name, content, now, actor, "save", {"before": before.digest, **detail})


def undo(connection: Connection, name: str, *, now: int, actor: str, to: int | None = None) -> Held:
    """Put the edition before (or the one of id `to`) in force again; NotFoundError where there is none."""
    held = current(connection, name)
    if held.id == 0:
        raise NotFoundError(f"{name}: nothing was saved, so there is nothing to undo")
    query = select(rule_editions.c.id, rule_editions.c.content).where(rule_editions.c.name == name)
    if to is None:
        query = (
            query.where(rule_editions.c.digest != held.digest).order_by(rule_editions.c.id.desc()).limit(1)
        )
        row = connection.execute(query).one_or_none()
    else:
        row = connection.execute(query.where(rule_editions.c.id == to)).one_or_none()
        if row is None:
            raise NotFoundError(
                f"{name}: there is no edition {to}; `roadworthy lifecycle editions` lists them"
            )
    content = "" if row is None else str(row.content)
    if digest_of(content) == held.digest:
        raise RoadworthyError(f"{name}: edition {to} is what holds already")
    detail = {"before": held.digest, "to": None if row is None else int(row.id)}
    return _put(connection, name, content, now, actor, "undo", detail)


def _put(
    connection: Connection,
    name: str,
    content: str,
    now: int,
    actor: str,
    done: str,
    detail: Mapping[str, object],
) -> Held:
    digest = digest_of(content)
    values = {"name": name, "digest": digest, "content": content, "made_at": now, "made_by": actor[:128]}
    id_ = connection.execute(
        insert(rule_editions).values(**values).returning(rule_editions.c.id)
    ).scalar_one()
    audit.record(connection, now, actor, f"lifecycle.{name}.{done}", digest, detail)
    return Held(int(id_), content, digest, now, actor)
