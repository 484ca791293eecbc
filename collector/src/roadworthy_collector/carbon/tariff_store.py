"""Tariffs as they are kept: read from CSV or TOML, refused where two overlap, ended and never written over."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from roadworthy_collector.carbon import supplies
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.store.carbon_schema import tariffs as table
from roadworthy_collector.store.queries import audit
from roadworthy_inventory.carbon import tariffs as domain
from roadworthy_inventory.carbon.tariffs import Tariff, TariffError

LONGEST_CHARACTERS = 1_000_000


def read(connection: Connection) -> list[tuple[int, Tariff]]:
    """Return (row id, tariff) of all, by supply and date."""
    rows = connection.execute(select(table).order_by(table.c.supply, table.c.valid_from, table.c.id))
    return [(row.id, domain.from_content(row.content)) for row in rows]


def load(connection: Connection, text: str, name: str, *, actor: str, now: int) -> tuple[int, int]:
    """Take the tariffs of a file and return how many are new, and how many were held alike. All of them or none.

    Raises RoadworthyError where one is wrong, is of a supply nobody knows, or overlaps another of the same supply.
    """
    if len(text) > LONGEST_CHARACTERS:
        raise RoadworthyError(f"{name}: has more than {LONGEST_CHARACTERS:,} characters")
    try:
        found = domain.parse(text, name)
        ids = {one.number: one for one in supplies.read(connection, restricted=True)}
        _refuse_strange(found, ids, name)
        held = [one for _, one in read(connection)]
        new = [one for one in found if one not in held]
        domain.refuse_overlaps([*held, *new])
    except TariffError as error:
        raise RoadworthyError(str(error)) from None
    _insert(connection, new, name, actor=actor, now=now)
    return len(new), len(found) - len(new)


def write(connection: Connection, *, restricted: bool = False) -> str:
    """Return the tariffs held as a CSV file, which loads again; those of restricted sites only with `restricted`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, domain.COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in listed(connection, restricted=restricted):
        row.pop("id")
        writer.writerow(row)
    return text.getvalue()


class Replaced(NamedTuple):
    """What a whole list changes: tariffs that come, and row ids with tariffs that go."""

    new: list[Tariff]
    gone: list[tuple[int, Tariff]]


def compare(connection: Connection, text: str, name: str, *, restricted: bool = False) -> Replaced:
    """Return what would change if a file held all tariffs there are; its header alone holds none.

    Tariffs of restricted sites stay, whatever it says, without `restricted`. Raises RoadworthyError as `load` does.
    """
    if len(text) > LONGEST_CHARACTERS:
        raise RoadworthyError(f"{name}: has more than {LONGEST_CHARACTERS:,} characters")
    known = {one.number: one for one in supplies.read(connection, restricted=restricted)}
    try:
        found = [] if _is_empty(text) else domain.parse(text, name)
        _refuse_strange(found, known, name)
        held = read(connection)
        mine = [(key, one) for key, one in held if one.supply is None or one.supply in known]
        kept = [pair[1] for pair in held if pair not in mine]
        domain.refuse_overlaps([*kept, *found])
    except TariffError as error:
        raise RoadworthyError(str(error)) from None
    before = [one for _, one in mine]
    return Replaced(
        [one for one in found if one not in before], [(key, one) for key, one in mine if one not in found]
    )


def replace(
    connection: Connection, text: str, name: str, *, restricted: bool = False, actor: str, now: int
) -> Replaced:
    """Make the tariffs of a file all there are: what it has not goes, and the audit keeps what that said."""
    found = compare(connection, text, name, restricted=restricted)
    for key, _ in found.gone:
        connection.execute(delete(table).where(table.c.id == key))
    _insert(connection, found.new, name, actor=actor, now=now)
    for key, one in found.gone:
        audit.record(connection, now, actor, "meters.tariff_drop", str(key), domain.to_content(one))
    return found


def _is_empty(text: str) -> bool:
    """Whether it is the header of a list and nothing else: anything less is no list, and drops nothing."""
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    return bool(lines) and lines[0].split(",") == list(domain.COLUMNS) and not any(lines[1:])


def _insert(connection: Connection, new: Sequence[Tariff], name: str, *, actor: str, now: int) -> None:
    ids = {one.number: one.id for one in supplies.read(connection, restricted=True)}
    rows = [
        {
            "supply": None if one.supply is None else ids[one.supply],
            "fuel": one.fuel,
            "valid_from": one.valid_from.isoformat(),
            "valid_to": None if one.valid_to is None else one.valid_to.isoformat(),
            "content": domain.to_content(one),
            "made_at": now,
            "made_by": actor[:128],
        }
        for one in new
    ]
    if rows:
        connection.execute(insert(table), rows)
        audit.record(connection, now, actor, "meters.tariffs", name[:128], {"new": len(new)})


def _refuse_strange(found: Sequence[Tariff], ids: Mapping[str, supplies.Supply], name: str) -> None:
    for one in found:
        if one.supply is None:
            continue
        supply = ids.get(one.supply)
        if supply is None:
            raise TariffError(f"{name}: {one.supply} is no supply held here; add it first")
        if supply.fuel != one.fuel:
            raise TariffError(f"{name}: {one.supply} is a supply of {supply.fuel}, not {one.fuel}")


def drop(connection: Connection, number: int, *, actor: str, now: int) -> None:
    """Take a tariff back; NotFoundError where there is none of that number."""
    row = connection.execute(select(table).where(table.c.id == number)).one_or_none()
    if row is None:
        raise NotFoundError(f"{number}: there is no tariff of that number; see `roadworthy meters tariffs`")
    connection.execute(delete(table).where(table.c.id == number))
    audit.record(connection, now, actor, "meters.tariff_drop", str(number), dict(row.content))


def listed(connection: Connection, *, restricted: bool = False) -> list[dict[str, Any]]:
    """Return the tariffs as rows for people and programs; those of restricted sites only with `restricted`."""
    shown = {one.number for one in supplies.read(connection, restricted=restricted)}
    return [
        {"id": number, **domain.to_content(one)}
        for number, one in read(connection)
        if one.supply is None or one.supply in shown
    ]
