"""The rules of the rating as people edit them: editions kept, the newest in force, the shipped one until there is any."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.books_schema import rule_editions
from roadworthy_collector.store.queries import audit
from roadworthy_inventory import tables
from roadworthy_inventory.rating_rules import RuleError, RuleSet, parse_rules

NAME = "rating_rules"
SHIPPED_BY = "shipped"
_SHIPPED_FILE = "rating_rules.toml"
LONGEST_CHARACTERS = 60_000


def current(connection: Connection) -> tuple[RuleSet, str, dict[str, Any]]:
    """Return the rules in force, their text, and who made them when (`made_at` None for the shipped ones)."""
    row = connection.execute(
        select(rule_editions).where(rule_editions.c.name == NAME).order_by(rule_editions.c.id.desc()).limit(1)
    ).one_or_none()
    if row is None:
        text = tables.read_text(_SHIPPED_FILE)
        return parse(text), text, {"made_at": None, "made_by": SHIPPED_BY}
    return parse(row.content), row.content, {"made_at": row.made_at, "made_by": row.made_by}


def editions(connection: Connection) -> list[dict[str, Any]]:
    """Return the saved editions without their texts, newest first."""
    columns = (rule_editions.c[name] for name in ("id", "digest", "made_at", "made_by"))
    query = select(*columns).where(rule_editions.c.name == NAME).order_by(rule_editions.c.id.desc())
    return [dict(row) for row in connection.execute(query).mappings()]


def parse(text: str, name: str = _SHIPPED_FILE) -> RuleSet:
    """Return the rules `text` says; raises RoadworthyError with every problem, each with its line."""
    if len(text) > LONGEST_CHARACTERS:
        raise RoadworthyError(f"{name}: has more than {LONGEST_CHARACTERS:,} characters")
    try:
        return parse_rules(text, name)
    except RuleError as error:
        raise RoadworthyError(str(error)) from None


def save(connection: Connection, text: str, *, now: int, actor: str) -> RuleSet:
    """Put rules in force; the edition before is kept. Raises RoadworthyError where they say what holds already."""
    rules = parse(text, "the rules")
    before, _, _ = current(connection)
    if before.digest == rules.digest:
        raise RoadworthyError("the rules say what those in force say already; nothing was saved")
    values = {"name": NAME, "digest": rules.digest, "content": text, "made_at": now, "made_by": actor[:128]}
    connection.execute(insert(rule_editions).values(**values))
    detail = {"before": before.digest, "rules": len(rules.rules)}
    audit.record(connection, now, actor, "rating_rules.save", rules.digest, detail)
    return rules
