"""Where a contract belongs: the unit and cost centre its row names, made where missing, and the system it covers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from roadworthy_collector.books.places import CODE_LENGTH, MISSING, Places, Wanted
from roadworthy_inventory.contracts import Contract


def placed(connection: Connection, values: Sequence[Contract], now: float) -> list[dict[str, int | None]]:
    """Return {unit, cost_centre, system} of each contract as row ids, in a writing transaction.

    A system is taken where the contract covers one thing and a system is called that; none is made: what a contract
    covers may be a model or a tag. Raises PlaceError for a unit that cannot be made as named.
    """
    places = Places(connection)
    units = {one.unit for one in values}
    codes = {one.cost_centre and one.cost_centre[:CODE_LENGTH] for one in values}
    places.make(connection, Wanted(units=units, cost_centres=codes), now)
    return [
        {
            "unit": places.unit(one.unit),
            "cost_centre": places.cost_centre(one.cost_centre and one.cost_centre[:CODE_LENGTH]),
            "system": _found(places.system(one.covers[0])) if len(one.covers) == 1 else None,
        }
        for one in values
    ]


def _found(id_: int | None) -> int | None:
    return None if id_ == MISSING else id_
