"""What is known today of one register item: its rating, its updates, and what the replacement plan does with it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books import lists, planning, standing
from roadworthy_collector.books.lifecycle_read import AGENT, REGISTER, Life
from roadworthy_collector.books.lifecycle_read import Reader as Records
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.console.lifecycle import SAID
from roadworthy_collector.console.view import View
from roadworthy_collector.console.words import LOOKS
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.schema import devices


def of_item(connection: Connection, view: View, item: int, tag: str | None) -> dict[str, Any]:
    """Return what the page of an item shows of it, for whoever may see the item."""
    rating = standing.of_item(connection, item, view.scope)
    if rating is not None and not (view.reader is not None and view.reader.sees_small_groups):
        rating = lists.without_people(rating)
    return {
        "rating": rating,
        "by_reason": standing.by_reason,
        "looks": LOOKS,
        "life": _life(connection, view, item, rating),
        "said": SAID,
        "planned": _planned(connection, view, tag or f"#{item}"),
        "actions": planning.ACTION_WORDS,
    }


def _life(connection: Connection, view: View, item: int, rating: dict[str, Any] | None) -> Life | None:
    """Return its lifecycle by its device in service, else by the register; None where it is in neither."""
    records = Records(connection, local_day(view.now, view.settings.reporting_timezone))
    kind, id_ = REGISTER, item
    if rating is not None and rating["device_id"] is not None:
        row = connection.scalar(select(devices.c.id).where(devices.c.device_id == rating["device_id"]))
        if row is not None:
            kind, id_ = AGENT, row
    found = records.of(connection, kind, [id_])
    return found[0] if found else None


def _planned(connection: Connection, view: View, tag: str) -> dict[str, Any] | None:
    """Return what the last plan does with it; a plan is of the whole IT estate and for nobody of some units."""
    held = planning.last(connection) if view.scope is None else None
    if held is None:
        return None
    try:
        return planning.item(connection, held[0], tag)
    except NotFoundError:
        return None
