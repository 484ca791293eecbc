"""Which paid extended updates this organisation says it has bought, applied to devices by unit, id, tag or serial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy import Connection

from roadworthy_collector.books.lifecycle_editions import BOUGHT, Held, current, ensure_short, save
from roadworthy_collector.books.places import MISSING, Places
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.os_rows import products
from roadworthy_inventory.support_bought import NOT_TOLD, BoughtError, Entry, Told, parse_bought, told_of

EXAMPLE = """\
# Which paid extended updates were bought: no build number tells, so without this the answer is "unknown".
# The first entry that fits a device decides; what no entry speaks of stays unknown.
# Try with: roadworthy lifecycle bought try FILE; save with: roadworthy lifecycle bought save FILE

# [[entry]]
# product = "windows-10"              # as in `roadworthy lifecycle dates`
# versions = ["22H2"]                 # left out: all
# bought = true
# until = 2027-10-12                  # the last day paid for; left out: as long as it is sold
# units = ["Operations / Custody"]    # these and all below them; left out: all
# devices = ["FP0123"]                # device ids, tags or serial numbers; left out: all
# evidence = "order 4711"

# [[entry]]                           # nobody else has it
# product = "windows-10"
# bought = false
"""


class Bought:
    """What was bought, by unit; read once for a run or a page."""

    def __init__(self, entries: Sequence[tuple[Entry, frozenset[int] | None]] = ()) -> None:
        self._by_product: dict[str, list[tuple[Entry, frozenset[int] | None]]] = {}
        for one in entries:
            self._by_product.setdefault(one[0].product, []).append(one)

    @classmethod
    def read(cls, connection: Connection) -> Bought:
        """Return what is in force."""
        return cls.of_text(connection, current(connection, BOUGHT).content)

    @classmethod
    def of_text(cls, connection: Connection, text: str) -> Bought:
        """Return what a text says; it has to be one that was checked."""
        entries = entries_of(text)
        if not entries:
            return cls()
        places = Places(connection)
        return cls([(entry, _units(places, entry.units)) for entry in entries])

    def of(
        self, product: str | None, version: str | None, names: Iterable[str | None], unit: int | None
    ) -> Told:
        """Return what is told of a device of `unit` (row id) known by `names`."""
        mine = self._by_product.get(product or "")
        return told_of(mine, product, version, names, unit) if mine else NOT_TOLD


@lru_cache(maxsize=4)
def entries_of(text: str) -> tuple[Entry, ...]:
    """Return the entries of a text that was checked, in order."""
    return parse_bought(text) if text.strip() else ()


def _units(places: Places, paths: Sequence[str]) -> frozenset[int] | None:
    if not paths:
        return None
    return frozenset(below for path in paths for below in places.units_below(places.unit(path)))


def checked(connection: Connection, text: str) -> tuple[Entry, ...]:
    """Return the entries of a text; RoadworthyError with every problem: its lines, products and units nobody has."""
    ensure_short(BOUGHT, text)
    try:
        entries = parse_bought(text, "what was bought") if text.strip() else ()
    except BoughtError as error:
        raise RoadworthyError(str(error)) from None
    from roadworthy_collector.books.lifecycle_dates import in_force

    places, known = Places(connection), products(in_force(connection).rows)
    paid = {row.product for row in in_force(connection).rows if row.kind == "paid"}
    problems = []
    for number, entry in enumerate(entries, 1):
        if entry.product not in known:
            problems.append(f"entry {number}: {entry.product} is no product of `roadworthy lifecycle dates`")
        elif entry.product not in paid:
            problems.append(
                f"entry {number}: no paid updates are held for {entry.product}; add a date by an override"
            )
        problems += [
            f"entry {number}: there is no unit {path}" for path in entry.units if places.unit(path) == MISSING
        ]
    if problems:
        raise RoadworthyError("\n".join(problems))
    return entries


def save_bought(connection: Connection, text: str, *, now: int, actor: str) -> Held:
    """Put what was bought in force; the edition before is kept, and it is audited."""
    entries = checked(connection, text)
    return save(connection, BOUGHT, text, now=now, actor=actor, detail={"entries": len(entries)})
