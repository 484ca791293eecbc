"""Changes of items in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from roadworthy_collector.books import items
from roadworthy_collector.books.batches import Change
from roadworthy_collector.books.places import MISSING, Places
from roadworthy_inventory.register import FIELDS

SHOWN_CHANGES = 100


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What happens to one item: {field: (before, after)} in words; of a new one only after."""

    item: str
    new: bool
    fields: dict[str, tuple[str, str]]


def item_change(change: Change, places: Places, named: Mapping[str, str | None] | None = None) -> ItemChange:
    """Return a change in words; `named` {field: name} of places that are made with it."""
    named = named or {}
    fresh = {
        one: f"{name} (new)"
        for one in sorted(items.PLACES)
        if _is_missing(change.after, one) and (name := named.get(one))
    }
    after = items.item_of(_plain(change.after), places)
    if change.before is None:
        name = after.tag or after.serial or after.uuid or " ".join(after.macs)
        shown = {
            one: ("", said(getattr(after, one))) for one in FIELDS if getattr(after, one) not in (None, ())
        }
        return ItemChange(name, new=True, fields=shown | {one: ("", told) for one, told in fresh.items()})
    before = items.item_of(change.before, places)
    name = before.tag or before.serial or before.uuid or " ".join(before.macs)
    differing = [one for index, one in enumerate(items.NAMES) if change.before[index] != change.after[index]]
    fields = {
        one: (
            said(getattr(before, one)),
            fresh.get(one, "new") if _is_missing(change.after, one) else said(getattr(after, one)),
        )
        for one in differing
    }
    return ItemChange(name, new=False, fields=fields)


def said(value: object) -> str:
    """Return a value of an item in words; nothing for none."""
    if value is None:
        return ""
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _is_missing(values: items.Values, name: str) -> bool:
    return name in items.PLACES and values[items.NAMES.index(name)] == MISSING


def _plain(values: items.Values) -> items.Values:
    """Return the values without places that are not there yet."""
    return [
        None if name in items.PLACES and value == MISSING else value
        for name, value in zip(items.NAMES, values, strict=True)
    ]
