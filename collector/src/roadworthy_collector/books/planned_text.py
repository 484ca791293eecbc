"""How many years this organisation plans with for each class of things: editions kept, the newest in force, audited."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.books import toml_editions
from roadworthy_collector.books.toml_editions import Edition
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.planned_life import OwnLife, OwnLifeError, parse_own_lives, planned_lives

NAME = "planned_life"
NOBODY = "nobody yet"
LONGEST_CHARACTERS = 60_000
EXAMPLE = """\
# How many years your organisation plans with, by class. Without an entry the published life holds.
# Try it with:  roadworthy lifecycle planned try this-file.toml
# Save it with: roadworthy lifecycle planned save this-file.toml
# What the register says of a single item goes before both.

# [laptop]
# years = 5
# source = "ICT strategy 2026-2030, section 4.2"

# [monitor]
# years = 7
"""


class Planned(NamedTuple):
    """What a text says: planned lives by class, and what names the edition."""

    lives: dict[str, OwnLife]
    digest: str


class Line(NamedTuple):
    """The life in force of a class; years None where nobody published or stated one."""

    item_class: str
    years: float | None
    published_years: float | None
    source: str | None


def current(connection: Connection) -> tuple[Planned, Edition]:
    """Return what is in force and its text."""
    edition = toml_editions.newest(connection, NAME, Edition(EXAMPLE, None, NOBODY))
    return parse(edition.content), edition


def lives(connection: Connection) -> dict[str, OwnLife]:
    """Return the organisation's own planned lives."""
    return current(connection)[0].lives


@lru_cache(maxsize=4)
def parse(text: str) -> Planned:
    """Return what `text` says; RoadworthyError with every problem, each with its line."""
    if len(text) > LONGEST_CHARACTERS:
        raise RoadworthyError(f"the planned lives have more than {LONGEST_CHARACTERS:,} characters")
    try:
        found = parse_own_lives(text)
    except OwnLifeError as error:
        raise RoadworthyError(str(error)) from None
    digest = blake2b(repr(sorted(found.items())).encode(), digest_size=8).hexdigest()
    return Planned(found, digest)


def save(connection: Connection, text: str, *, now: int, actor: str) -> bool:
    """Put planned lives in force and return True; False where they hold already. RoadworthyError where wrong."""
    wanted, (before, edition) = parse(text), current(connection)
    if wanted.digest == before.digest and edition.made_at is not None:
        return False
    digests = before.digest, wanted.digest
    toml_editions.put(connection, NAME, text, digests, now=now, actor=actor, action="lifecycle.planned_life")
    return True


def listed(own: dict[str, OwnLife]) -> list[Line]:
    """Return the life in force of every class that has one, with who says so."""
    found = []
    for item_class in sorted({*own, *planned_lives()}):
        published, stated = planned_lives().get(item_class), own.get(item_class)
        years = None if published is None else published.years
        if stated is not None:
            found.append(Line(item_class, stated.years, years, stated.said()))
        elif published is not None:
            found.append(Line(item_class, published.years, years, published.source))
    return found
