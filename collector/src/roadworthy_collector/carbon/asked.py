"""Which months of the energy ledger are to be made anew, whatever else there is to say for it.

Somebody asked for it, or what was known of days in them is another now: what hangs on what.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from sqlalchemy import Connection, select

from roadworthy_collector.books import figures
from roadworthy_collector.store.books_schema import book_figures
from roadworthy_inventory.calendar import months

ASKED = "energy_asked"
LATE = "energy_asked_late"
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
    _note(connection, ASKED, dict.fromkeys(names, now + 1), now)


def ask_between(connection: Connection, first: dt.date, last: dt.date, now: int) -> None:
    """Have the months made anew that have a day from `first` to `last`, of the last ten years."""
    ask(connection, _months(first, last), now)


def read_late(connection: Connection) -> dict[str, int]:
    """Return {month as 2026-04: when it is to be made anew for facts that came late}; a time may be to come."""
    held = figures.read(connection, LATE)
    return {} if held is None else dict(held[0])


def ask_late(connection: Connection, first: dt.date, last: dt.date, now: int) -> None:
    """Have the months from `first` to `last` made anew once the day is over, whoever else asks for them until then.

    After a holiday a thousand devices come back one by one: each would have the same months made.
    """
    at = (now // _LATE_EVERY_SECONDS + 1) * _LATE_EVERY_SECONDS + _COMMITTED_WITHIN_SECONDS
    held = read_late(connection)
    wanted = {month: at for month in _months(first, last) if held.get(month, 0) < at}
    if wanted:  # mostly somebody asked already, and nobody waits for anybody
        _note(connection, LATE, wanted, now)


def _months(first: dt.date, last: dt.date) -> list[str]:
    first = max(first, last - _LONGEST)
    return [f"{year}-{number:02}" for year, number in months(first, last)] if first <= last else []


def _note(connection: Connection, name: str, wanted: dict[str, int], now: int) -> None:
    # Two may ask at once: neither may forget what the other asked.
    mine = select(book_figures.c.content).where(book_figures.c.name == name).with_for_update()
    held = connection.scalar(mine)
    figures.write(connection, name, (held or {}) | wanted, now, 0.0)
