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
    # Two may ask at once: neither may forget what the other asked.
    held = connection.scalar(
        select(book_figures.c.content).where(book_figures.c.name == ASKED).with_for_update()
    )
    figures.write(connection, ASKED, (held or {}) | dict.fromkeys(names, now + 1), now, 0.0)


def ask_between(connection: Connection, first: dt.date, last: dt.date, now: int) -> None:
    """Have the months made anew that have a day from `first` to `last`, of the last ten years."""
    first = max(first, last - _LONGEST)
    if first <= last:
        ask(connection, (f"{year}-{number:02}" for year, number in months(first, last)), now)
