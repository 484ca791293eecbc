"""What another text of bought updates, or of planned lives, would change on the devices, tried before it is saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Engine, func, select

from roadworthy_collector.books import planned_text
from roadworthy_collector.books.imported import Supports
from roadworthy_collector.books.lifecycle_bought import Bought, checked
from roadworthy_collector.books.lifecycle_codes import KINDS
from roadworthy_collector.books.lifecycle_dates import in_force
from roadworthy_collector.books.lifecycle_read import Life, Reader
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.store.schema import devices

AT_ONCE = 500
_KEPT = 100


class Trial(NamedTuple):
    """Records looked at (every so-manyth where there are very many), and how many go from one state to another."""

    records: int
    changed: int
    entries: int
    moves: tuple[tuple[str, str, int], ...]

    def told(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        moves = [{"before": before, "after": after, "records": count} for before, after, count in self.moves]
        return {"records": self.records, "changed": self.changed, "entries": self.entries, "moves": moves}


def try_bought(engine: Engine, text: str, now: float, zone: str, *, most: int | None = None) -> Trial:
    """Return what `text` would change, on at most about `most` devices; RoadworthyError where it is wrong."""
    on = local_day(now, zone)
    with engine.connect() as connection:
        entries = checked(connection, text)
        before = Reader(connection, on)
        rows = in_force(connection).rows
        after = Reader(connection, on, Supports(on, rows, Bought.of_text(connection, text)))
    return _trial(engine, before, after, _said, len(entries), most)


def try_lives(engine: Engine, text: str, now: float, zone: str, *, most: int | None = None) -> Trial:
    """Return what other planned lives would change, on at most about `most` devices; RoadworthyError where wrong."""
    on, wanted = local_day(now, zone), planned_text.parse(text)
    with engine.connect() as connection:
        supports = Supports.read(connection, on)
        before = Reader(connection, on, supports)
        after = Reader(connection, on, supports, wanted.lives)
    return _trial(engine, before, after, _aged, len(wanted.lives), most)


def _trial(
    engine: Engine,
    before: Reader,
    after: Reader,
    said: Callable[[Life], str],
    entries: int,
    most: int | None,
) -> Trial:
    with engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(devices)) or 0
    every = 1 if most is None or count <= most else -(-count // most)
    moves: Counter[tuple[str, str]] = Counter()
    for kind in range(len(KINDS)):
        last = 0
        while True:
            with engine.connect() as connection:
                held = before.after(connection, kind, last, AT_ONCE, every=every)
                then = after.of(connection, kind, [one.id for one in held])
            if not held:
                break
            last = held[-1].id
            new = {one.id: one for one in then}
            moves.update((said(one), said(new[one.id])) for one in held if one.id in new)
    ordered = sorted(moves.items(), key=lambda item: (item[0][0] == item[0][1], -item[1], item[0]))
    changed = sum(number for (was, then_), number in moves.items() if was != then_)
    return Trial(moves.total(), changed, entries, tuple((*pair, number) for pair, number in ordered[:_KEPT]))


def _aged(life: Life) -> str:
    return life.ageing.band.replace("_", " ")


def _said(life: Life) -> str:
    if life.support is None:
        return "not applicable"
    until = "" if life.support.covered_until is None else f" until {life.support.covered_until}"
    extension = (
        "" if life.support.extension == "none" else f", extended updates {life.support.extension}{until}"
    )
    return f"{life.support.status}{extension}".replace("_", " ")
