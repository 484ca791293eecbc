"""Which items of the register a list, a count or a file is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import ColumnElement, and_, func, not_, or_, select, true

from roadworthy_collector.books.identities import takes_part
from roadworthy_collector.books.places import Places
from roadworthy_collector.store.books_schema import register_changes, register_devices, register_items
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.register import UNKNOWN

SEARCH_LENGTH = 128
# What can be known of an item, or not; `device` is being linked to a device today.
Tellable = Literal[
    "serial", "unit", "site", "command", "cost_centre", "purchased", "purchase_cost_pence", "warranty_end", "kind",
    "lifecycle_state", "system", "device",
]  # fmt: skip
# What coverage is told of: how many items say it.
COVERED: tuple[Tellable, ...] = (
    "serial", "unit", "site", "command", "cost_centre", "purchased", "purchase_cost_pence", "warranty_end", "kind",
    "lifecycle_state",
)  # fmt: skip
TELLABLE: tuple[Tellable, ...] = get_args(Tellable)
_WORDS = ("kind", "lifecycle_state")  # these say `unknown` where nobody has told


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items: None means any. `unit` is a path, units below it included; `search` begins a tag, serial or model.

    `kind`: several with commas. `restricted`: items at restricted sites too. `known`, `unknown`: one of TELLABLE that is, or is not, told of them.
    `matched`: those reconciliation takes part in (True), or leaves out as never reporting (False). `made_by`,
    `changed_by`: those a batch of this number made, or changed.
    """

    unit: str | None = None
    site: str | None = None
    state: str | None = None
    kind: str | None = None
    search: str | None = None
    scope: Scope = EVERYTHING
    restricted: bool = False
    command: str | None = None
    cost_centre: str | None = None
    system: str | None = None
    known: str | None = None
    unknown: str | None = None
    matched: bool | None = None
    made_by: int | None = None
    changed_by: int | None = None

    def in_words(self) -> str:
        """Return the filter as people read it, `all items` where there is none."""
        names = ("unit", "site", "command", "cost_centre", "system", "state", "kind", "search")
        told_of = [(name.replace("_", " "), getattr(self, name)) for name in names]
        parts = [f"{name} {value}" for name, value in told_of if value is not None]
        parts += [] if self.known is None else [f"{covered_words(self.known)} known"]
        parts += [] if self.unknown is None else [f"{covered_words(self.unknown)} not known"]
        if self.matched is not None:
            parts.append("that could report" if self.matched else "left out of reconciliation")
        parts += [] if self.made_by is None else [f"made by batch {self.made_by}"]
        parts += [] if self.changed_by is None else [f"changed by batch {self.changed_by}"]
        if self.scope is not None:
            parts.append("units of the reader only")
        return ", ".join(parts) or "all items"


def covered_words(name: str) -> str:
    """Return one of TELLABLE as people read it."""
    return name.removesuffix("_pence").replace("_", " ")


def conditions(wanted: Wanted, places: Places) -> ColumnElement[bool]:
    """Return the condition over `register_items` that keeps what is wanted; of an unknown place it keeps none."""
    columns = register_items.c
    found = [visible(wanted.scope, restricted=wanted.restricted)]
    if wanted.unit is not None:
        found.append(columns.unit.in_(places.units_below(places.unit(wanted.unit))))
    if wanted.site is not None:
        found.append(columns.site == places.site(wanted.site))
    if wanted.cost_centre is not None:
        found.append(columns.cost_centre == places.cost_centre(wanted.cost_centre))
    if wanted.system is not None:
        found.append(columns.system == places.system(wanted.system))
    found += [] if wanted.command is None else [columns.command == wanted.command]
    found += [] if wanted.state is None else [columns.lifecycle_state == wanted.state]
    found += [] if wanted.kind is None else [columns.kind.in_(wanted.kind.split(","))]
    if wanted.search:
        begins = wanted.search.replace("\0", "")[:SEARCH_LENGTH].strip().lower()
        texts = (columns.tag, columns.serial, columns.model)
        found.append(or_(*(func.lower(text).startswith(begins, autoescape=True) for text in texts)))
    found += [] if wanted.known is None else [told(wanted.known)]
    found += [] if wanted.unknown is None else [not_(told(wanted.unknown))]
    if wanted.matched is not None:
        found.append(takes_part(columns) if wanted.matched else not_(takes_part(columns)))
    for batch, made in ((wanted.made_by, True), (wanted.changed_by, False)):
        if batch is not None:
            before = register_changes.c.before
            touched = select(register_changes.c.item).where(
                register_changes.c.batch == batch, before.is_(None) if made else before.is_not(None)
            )
            found.append(columns.id.in_(touched))
    return and_(*found)


def told(name: str) -> ColumnElement[bool]:
    """Return the condition that one of TELLABLE is told of an item; ValueError for any other."""
    if name not in TELLABLE:
        raise ValueError(f"{name}: is none of {', '.join(TELLABLE)}")
    if name == "device":
        linked = select(register_devices.c.item).where(register_devices.c.valid_to.is_(None))
        return register_items.c.id.in_(linked)
    column = register_items.c[name]
    return column != UNKNOWN if name in _WORDS else column.is_not(None)


def visible(scope: Scope, *, restricted: bool) -> ColumnElement[bool]:
    """Return the condition that keeps items a reader may see."""
    mine = true() if scope is None else register_items.c.unit.in_(sorted(scope))
    if restricted:
        return mine
    hidden = select(sites.c.id).where(sites.c.restricted.is_(True))
    return and_(mine, or_(register_items.c.site.is_(None), register_items.c.site.not_in(hidden)))
