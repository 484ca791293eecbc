"""Factor sets loaded here: proposed from the official flat file, in force once a second person confirmed them.

`book` is how the collector reads conversion factors: what ships, with every confirmed set over it in the order of
confirmation. A set that was withdrawn is kept and counts no more.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from roadworthy_collector.books.approving import ApprovalError
from roadworthy_collector.carbon import crc_rate_files
from roadworthy_collector.carbon.crc_rate_files import RateFile
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.security.roles import Reader, Right
from roadworthy_collector.security.tokens import COMMAND_LINE
from roadworthy_collector.store.carbon_schema import factor_sets
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.carbon.factor_file import (
    SHEET,
    FileTold,
    ProposedSet,
    content_of,
    in_force,
    read_flat_file,
    rows_of,
)
from roadworthy_inventory.carbon.factors import ITEM_WORDS, FactorBook, Item, factor_book
from roadworthy_inventory.carbon.quantities import FactorFileError, MissingFactorError

MOST_BYTES = 16 * 1024 * 1024  # the flat files of 2021 to 2026 are below 1 MB
_TEXTS = {"version": 64, "published": 10, "source": 512, "file": 128}
State = Literal["waiting", "in_force", "superseded", "withdrawn"]


class FactorSetError(RoadworthyError):
    """A factor set that cannot be taken, confirmed or withdrawn; the message says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says of a flat file: the set's year, its version, when and at which address it was published."""

    set_year: int
    version: str
    published: str
    source: str
    sheet: str = SHEET


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A factor of a loaded set beside what is held of it, and of the set of the year before; kgCO2e/kWh if not said."""

    item: str
    title: str
    value: str | None
    held: str | None
    year_before: str | None

    @property
    def differs(self) -> bool:
        """Whether the set says other than what is held."""
        return self.value is not None and self.value != self.held

    @property
    def far(self) -> bool:
        """Whether both are known and more than half of what is held apart: the unit may have slipped."""
        try:
            value, held = Fraction(self.value or ""), Fraction(self.held or "")
        except ValueError:
            return False
        return abs(value - held) > held / 2


@dataclass(frozen=True, slots=True)
class LoadedSet:
    """A set that was loaded here. Of one that waits, `rows` stand beside what is in force without it."""

    id: int
    set_year: int
    version: str
    published: str
    source: str
    file: str
    file_sha256: str
    state: State
    proposed_at: int
    proposed_by: str
    confirmed_at: int | None
    confirmed_by: str | None
    withdrawn_at: int | None
    withdrawn_by: str | None
    rows: tuple[FactorRow, ...]

    @property
    def differences(self) -> tuple[FactorRow, ...]:
        """The rows that differ from what is held."""
        return tuple(row for row in self.rows if row.differs)


def book(connection: Connection) -> FactorBook:
    """Return every factor in force: the shipped sets, and the confirmed ones over them. Cheap: kept by content."""
    return _book(json.dumps([_confirmed_content(row) for row in _in_force(connection)]))


def _in_force(connection: Connection) -> Sequence[Row[Any]]:
    query = (
        select(factor_sets)
        .where(factor_sets.c.confirmed_at.is_not(None), factor_sets.c.withdrawn_at.is_(None))
        .order_by(factor_sets.c.confirmed_at, factor_sets.c.id)
    )
    return connection.execute(query).all()


def _confirmed_content(row: Row[Any]) -> dict[str, Any]:
    return {"set": _proposal_content(row), "confirmed_by": row.confirmed_by}


def _proposal_content(row: Row[Any]) -> dict[str, Any]:
    return {"year": row.year, "sha256": row.file_sha256, "proposed_by": row.proposed_by, **row.content}


@lru_cache(maxsize=8)
def _book(content: str) -> FactorBook:
    found = factor_book()
    try:
        for one in json.loads(content):
            found = in_force(found, _proposed(one["set"]).confirmed(one["confirmed_by"]))
    except FactorFileError as error:
        raise FactorSetError(str(error)) from None
    return found


def _proposed(content: dict[str, Any]) -> ProposedSet:
    rows = rows_of(content["rows"])
    there = {one.item for one in rows}
    absent = tuple(item for item in ITEM_WORDS if item not in there)
    return ProposedSet(
        content["year"], rows, absent, content["file"], content["sha256"], content["proposed_by"]
    )


def read_file(body: bytes, file: str, told: Told, *, actor: str, today: date) -> ProposedSet:
    """Return the set in the official flat file's bytes; FactorSetError names file, line and column that are wrong."""
    _check(file, told, today)
    if len(body) > MOST_BYTES:
        raise FactorSetError(f"{file}: is larger than {MOST_BYTES:,} bytes; the flat file is below 1 MB")
    try:
        return read_flat_file(
            io.BytesIO(body),
            file,
            FileTold(
                set_year=told.set_year,
                version=told.version.strip(),
                published=told.published.strip(),
                source=told.source.strip(),
                sha256=hashlib.sha256(body).hexdigest(),
                proposed_by=actor,
            ),
            today=today,
            sheet=told.sheet,
        )
    except FactorFileError as error:
        raise FactorSetError(str(error)) from None


def ensure_line(name: str, text: str, most: int = _TEXTS["file"]) -> None:
    """Raise FactorSetError where `text` is no one line that can be printed, such as the name of a file."""
    if not text.strip() or len(text) > most or not text.isprintable():
        raise FactorSetError(f"{name}: give one line of at most {most} characters")


def _check(file: str, told: Told, today: date) -> None:
    for name, most in _TEXTS.items():
        ensure_line(name, file if name == "file" else getattr(told, name), most)
    first = min(factor_book().years)
    if not first <= told.set_year <= today.year:
        raise FactorSetError(
            f"year {told.set_year}: a factor set is of {first} to {today.year}; a later one is not published yet"
        )
    parts = told.published.split("-")
    try:
        published = date(*(int(part) for part in (parts if len(parts) == 3 else [*parts, "1"])))
    except (TypeError, ValueError):
        raise FactorSetError(
            f"published: {told.published!r} is no day or month; write 2026-06-10 or 2026-06"
        ) from None
    if published > today:
        raise FactorSetError(f"published: {told.published} has not come yet; say when the file was published")


def propose(connection: Connection, found: ProposedSet, *, actor: str, now: int) -> int:
    """Keep a set that waits for a second person; return its id. FactorSetError where the same file is in already."""
    held = connection.execute(
        select(factor_sets.c.id).where(
            factor_sets.c.file_sha256 == found.sha256, factor_sets.c.withdrawn_at.is_(None)
        )
    ).first()
    if held is not None:
        raise FactorSetError(f"{found.file}: this file is in already, as factor set {held.id}")
    first = found.rows[0]
    values = {
        "year": found.set_year,
        "version": first.version,
        "content": {"file": found.file, "rows": content_of(found.rows)},
        "source": first.source,
        "file_sha256": found.sha256,
        "proposed_at": now,
        "proposed_by": actor,
    }
    number = connection.execute(insert(factor_sets).values(**values).returning(factor_sets.c.id)).scalar_one()
    told = {one.item: str(one.value) for one in found.rows}
    detail = {"number": number, "file": found.file, "sha256": found.sha256, "values": told}
    audit.record(connection, now, actor, "carbon.factors.propose", first.set_name, detail)
    return int(number)


def require_proposer(reader: Reader, act: Literal["propose", "withdraw"] = "propose") -> None:
    """Raise ApprovalError where `reader` may not do that to a set: a preparer of carbon figures of the whole IT estate."""
    if not (reader.signed_in and reader.may(Right.PREPARE_CARBON) and reader.scope is None):
        raise ApprovalError(
            f"{reader.name} may not {act} a factor set: who prepares carbon figures of the whole IT estate does"
        )


def may_confirm(reader: Reader, proposed_by: str) -> bool:
    """Whether `reader` may confirm a set: somebody else who approves or prepares, of the whole IT estate, signed in.

    Never one that nobody's name is on: who loaded it may be who asks.
    """
    mine = proposed_by.strip().casefold() in {reader.name.strip().casefold(), COMMAND_LINE.casefold()}
    may = reader.may(Right.APPROVE) or reader.may(Right.PREPARE_CARBON)
    return reader.signed_in and may and reader.scope is None and not mine


def confirm(connection: Connection, number: int, reader: Reader, *, now: int) -> None:
    """Put a set that waits in force. NotFoundError where none of that number does, ApprovalError for its proposer."""
    row = _of(connection, number)
    if row.confirmed_at is not None or row.withdrawn_at is not None:
        raise NotFoundError(f"no factor set {number} waits for a second person")
    if not may_confirm(reader, row.proposed_by):
        raise ApprovalError(
            f"factor set {number} was proposed by {row.proposed_by}: another person, who may prepare or approve carbon "
            "figures of the whole IT estate, confirms it"
            + (
                "; nobody is named there, so withdraw it and load it again with --as"
                if row.proposed_by == COMMAND_LINE
                else ""
            )
        )
    if not _mark(connection, row, confirmed_at=now, confirmed_by=reader.name):
        raise NotFoundError(f"no factor set {number} waits for a second person any more")
    detail = {"number": number, "proposed_by": row.proposed_by, "sha256": row.file_sha256}
    audit.record(connection, now, reader.name, "carbon.factors.confirm", f"{row.year} {row.version}", detail)


def withdraw(connection: Connection, number: int, *, actor: str, reason: str, now: int) -> None:
    """Take a set back, waiting or in force: what was held before it holds again. Kept, with the reason in the audit."""
    row = _of(connection, number)
    if row.withdrawn_at is not None:
        raise NotFoundError(f"factor set {number} was withdrawn already, by {row.withdrawn_by}")
    if not 5 <= len(reason.strip()) <= 512 or not reason.isprintable():
        raise FactorSetError("reason: say why on one line of 5 to 512 characters")
    if not _mark(connection, row, withdrawn_at=now, withdrawn_by=actor):
        raise NotFoundError(f"factor set {number} was confirmed or withdrawn meanwhile; look again")
    detail = {
        "number": number,
        "was_in_force": row.confirmed_at is not None,
        "reason": reason.strip(),
        "sha256": row.file_sha256,
    }
    audit.record(connection, now, actor, "carbon.factors.withdraw", f"{row.year} {row.version}", detail)


def _mark(connection: Connection, row: Row[Any] | RateFile, **values: Any) -> bool:
    """Write a step of a set or a file of CRC rates; return False where somebody else took one meanwhile."""
    if isinstance(row, RateFile):
        return crc_rate_files.mark(connection, row, **values)
    table = factor_sets.c
    confirmed_at = table.confirmed_at
    same = confirmed_at.is_(None) if row.confirmed_at is None else confirmed_at == row.confirmed_at
    mine = update(factor_sets).where(table.id == row.id, same, table.withdrawn_at.is_(None))
    return connection.execute(mine.values(**values)).rowcount == 1


def _of(connection: Connection, number: int) -> Row[Any] | RateFile:
    row: Row[Any] | RateFile | None
    if number > crc_rate_files.FIRST:
        row = crc_rate_files.find(connection, number)
    else:
        row = connection.execute(select(factor_sets).where(factor_sets.c.id == number)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no factor set {number}; `roadworthy carbon factors sets` lists them")
    return row


def proposed_of(row: Row[Any]) -> ProposedSet:
    """Return the set a row of `factor_sets` keeps; FactorFileError where it is none."""
    return _proposed(_proposal_content(row))


def rows_shown(proposed: ProposedSet, held: FactorBook) -> tuple[FactorRow, ...]:
    """Return the factors of a loaded set beside what `held` has of them and of the set of the year before."""
    values = {one.item: str(one.value) for one in proposed.rows}
    year = proposed.set_year
    return tuple(
        FactorRow(item, title, values.get(item), _held(held, year, item), _held(held, year - 1, item))
        for item, title in ITEM_WORDS.items()
    )


def _held(held: FactorBook, year: int, item: Item) -> str | None:
    try:
        value = held.of(year, item).value
    except MissingFactorError:
        return None
    return None if value is None else str(value)
