"""Statements of the targets file that cannot be made, kept with the target they are of: pages and lists say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from sqlalchemy import Connection, select, update

from roadworthy_collector.snmp.targets import Polled
from roadworthy_collector.store.snmp_schema import snmp_targets

CODE = "feeds"  # among what was refused of a target: no reading
_NAME = "statement of the targets file"
_MOST, _REASON_LENGTH = 32, 256  # of one target
_Begin: TypeAlias = Callable[[], AbstractContextManager[Connection]]
_Kept: TypeAlias = Mapping[str, Any]


def note(read: _Begin, write: _Begin, targets: Sequence[Polled], said: Iterable[str]) -> None:
    """Keep with each target which of its statements are not made, and why, as `feeding.take_all` said it."""
    found = _by_target(targets, said)
    column = snmp_targets.c
    query = (
        select(column.id, column.name, column.refused).where(column.removed.is_(False)).order_by(column.id)
    )
    named = {one.name for one in targets}
    with read() as connection:
        rows = [row for row in connection.execute(query) if row.name in named]
    changed = [row.id for row in rows if statements(row.refused) != found.get(row.name, [])]
    if not changed:
        return
    with write() as connection:
        # Read again: a poll may have been written meanwhile.
        for row in connection.execute(query.where(column.id.in_(changed)).with_for_update()).all():
            refused = [*readings(row.refused), *found.get(row.name, [])]
            connection.execute(update(snmp_targets).where(column.id == row.id).values(refused=refused))


def statements(refused: Sequence[_Kept] | None) -> list[_Kept]:
    """Return the statements among what is kept as refused of a target."""
    return [one for one in refused or () if one["code"] == CODE]


def readings(refused: Sequence[_Kept] | None) -> list[_Kept]:
    """Return the readings among what is kept as refused of a target."""
    return [one for one in refused or () if one["code"] != CODE]


def text(refused: Sequence[_Kept] | None) -> str | None:
    """Return in words which statements are not made, None where all are."""
    some = [f"outlet {one['index'] or 'all'}: {one['reason']}" for one in statements(refused)]
    return "; ".join(some) or None


def _by_target(targets: Iterable[Polled], said: Iterable[str]) -> dict[str, list[_Kept]]:
    places = {
        f"{one.name}, outlet {outlet or 'all'}": (one.name, outlet) for one in targets for outlet in one.feeds
    }
    found: dict[str, list[_Kept]] = {}
    for words in said:
        # A name may hold a colon itself.
        parts = words.split(": ")
        for end in range(1, len(parts)):
            place = places.get(": ".join(parts[:end]))
            if place is None:
                continue
            name, outlet = place
            reason = ": ".join(parts[end:])[:_REASON_LENGTH]
            some = found.setdefault(name, [])
            if len(some) < _MOST:
                some.append({"name": _NAME, "index": outlet, "code": CODE, "reason": reason})
            break
    return found
