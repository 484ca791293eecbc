"""Which months of the energy ledger are to be made anew, whatever else there is to say for it.

Somebody asked for it, or what was known of days in them is another now: what hangs on what.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_collector.store.statements import insert_or_ignore
from roadworthy_inventory.calendar import months

ASKED = "energy_asked"
LATE = "energy_asked_for_late"
_LATE_EVERY_SECONDS = 86_400
_COMMITTED_WITHIN_SECONDS = 300  # what was taken before a time is to be read from that much after it
_LONGEST = dt.timedelta(days=3660)  # longer than daily totals are kept: no month before it could be made anew


def read(connection: Connection) -> dict[str, int]:
    """Return {month as 2026-04: since when it is to be made anew}."""
    held = figures.read(connection, ASKED)
    return {} if held is None else dict(held[0])


def ask(connection: Connection, wanted: Iterable[str], now: int) -> None:
    """Have months made anew that were made up to `now`."""
    names = list(wanted)
    if not names:
        return
    held = _lock(connection, ASKED, now)
    figures.write(connection, ASKED, held | dict.fromkeys(names, now + 1), now, 0.0)


def ask_between(connection: Connection, first: dt.date, last: dt.date, now: int) -> None:
    """Have the months made anew that have a day from `first` to `last`, of the last ten years."""
    ask(connection, _months(first, last), now)


def read_late(connection: Connection) -> dict[str, list[int]]:
    """Return {month as 2026-04: times at which it is to be made anew for facts that came late}; some are to come."""
    held = figures.read(connection, LATE)
    return {} if held is None else dict(held[0])


def ask_late(connection: Connection, first: dt.date, last: dt.date, now: int) -> None:
    """Have the months from `first` to `last` made anew once the day is over, whoever else asks for them until then.

    After a holiday a thousand devices come back one by one: each would have the same months made.
    """
    at = (now // _LATE_EVERY_SECONDS + 1) * _LATE_EVERY_SECONDS + _COMMITTED_WITHIN_SECONDS
    wanted = _months(first, last)
    held = read_late(connection)
    if all(at in held.get(month, ()) for month in wanted):
        return  # mostly somebody asked already, and nobody waits for anybody
    held = _lock(connection, LATE, now)
    # A time that came stays until a later one has come: nobody here knows whether it has been acted on.
    late = {month: _still_to_make([*held.get(month, ()), at], now) for month in wanted}
    figures.write(connection, LATE, held | late, now, 0.0)


def _still_to_make(times: Iterable[int], now: int) -> list[int]:
    """Return the last of the times that have come, and those to come."""
    ordered = sorted(set(times))
    return ordered[max(sum(at <= now for at in ordered) - 1, 0) :]


def _months(first: dt.date, last: dt.date) -> list[str]:
    first = max(first, last - _LONGEST)
    return [f"{year}-{number:02}" for year, number in months(first, last)] if first <= last else []


def _lock(connection: Connection, name: str, now: int) -> dict[str, Any]:
    """Return what is noted under a name, which nobody else changes until this transaction ends.

    Two may ask at once, and neither may forget what the other asked. A row that is not there cannot be locked.
    """
    row = {"name": name, "content": {}, "made_at": now, "seconds": 0.0}
    connection.execute(insert_or_ignore(book_figures), row)
    mine = select(book_figures.c.content).where(book_figures.c.name == name).with_for_update()
    return dict(connection.scalars(mine).one())
