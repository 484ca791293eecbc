"""The register: what we own or answer for, whether or not it ever reports.

A *register item* is a row in the register; a *device* is a thing that reports. One item keeps its history over
several device ids: re-imaged, repaired and re-enrolled machines are still the item that was bought. The word lists
here are the only ones; importers translate into them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal

LIFECYCLE_STATES = (
    *("ordered", "stores", "build", "deployed", "loan", "repair"),
    *("exhibit", "lost_or_stolen", "awaiting_disposal", "disposed"),
)
USAGE_PROFILES = (
    *("personal", "shared", "custody", "control_room", "kiosk", "meeting_room", "training", "vdi_host"),
    *("session", "thin_client", "vehicle_terminal", "standalone", "restricted", "pool", "server", "unknown"),
)
ITEM_KINDS = (
    *("desktop", "laptop", "tablet", "server", "thin_client", "phone", "monitor"),
    *("dock", "printer", "ups", "pdu", "network", "other", "unknown"),
)
SITE_KINDS = ("force", "home", "vehicle", "partner", "data_centre", "unknown")
UNKNOWN = "unknown"
# Where an item usually goes from a state. Others happen and are recorded all the same, with a warning: an item may
# be found in an odd place, and a register that refuses to say so is worth less than one that asks.
USUAL_TRANSITIONS: dict[str, frozenset[str]] = {
    "ordered": frozenset({"stores", "build"}),
    "stores": frozenset({"build", "deployed", "loan", "repair", "awaiting_disposal", "lost_or_stolen"}),
    "build": frozenset({"stores", "deployed", "loan", "repair"}),
    "deployed": frozenset(
        {"stores", "build", "loan", "repair", "exhibit", "lost_or_stolen", "awaiting_disposal"}
    ),
    "loan": frozenset({"stores", "build", "deployed", "repair", "lost_or_stolen", "awaiting_disposal"}),
    "repair": frozenset({"stores", "build", "deployed", "loan", "awaiting_disposal"}),
    "exhibit": frozenset({"stores", "deployed", "awaiting_disposal"}),
    "lost_or_stolen": frozenset({"stores", "deployed", "exhibit", "awaiting_disposal", "disposed"}),
    "awaiting_disposal": frozenset({"disposed", "stores"}),
    "disposed": frozenset(),
}
_DAYS_A_YEAR = 365.25


class RegisterError(ValueError):
    """A change the register cannot hold; the text says what, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterItem:
    """One row of the register. None, `unknown` or no MACs where nobody has told.

    `unit` is a name path such as `Operations / Custody / North`, outermost first. `purchase_cost_pence` is whole
    pence, VAT as the source has it. `planned_end` is the last day of planned life (policy), `lease_end` the day it
    goes back, `bios_date` the date of the firmware: a floor under the age where nothing else is known.
    `lifecycle_state` is one of LIFECYCLE_STATES or `unknown`. Texts are as told; canonical serials and UUIDs are
    made where items are matched.
    """

    tag: str | None = None
    serial: str | None = None
    uuid: str | None = None
    macs: tuple[str, ...] = ()
    kind: str = UNKNOWN
    manufacturer: str | None = None
    model: str | None = None
    model_number: str | None = None
    lifecycle_state: str = UNKNOWN
    usage_profile: str = UNKNOWN
    unit: str | None = None
    cost_centre: str | None = None
    command: str | None = None
    site: str | None = None
    legal_owner: str | None = None
    supplier: str | None = None
    order_number: str | None = None
    system: str | None = None
    purchased: dt.date | None = None
    purchase_cost_pence: int | None = None
    lease_end: dt.date | None = None
    warranty_start: dt.date | None = None
    warranty_end: dt.date | None = None
    warranty_level: str | None = None
    planned_end: dt.date | None = None
    os_name: str | None = None
    os_version: str | None = None
    last_seen: dt.date | None = None
    notes: str | None = None
    bios_date: dt.date | None = None
    disposed_on: dt.date | None = None


FIELDS = tuple(field.name for field in fields(RegisterItem))


def transition_warning(before: str, after: str) -> str | None:
    """Return why going from one lifecycle state to another is unusual, None where it is usual or no change.

    RegisterError where `after` is no state at all; from `unknown` everything is usual.
    """
    if after not in LIFECYCLE_STATES:
        raise RegisterError(f"{after!r} is no lifecycle state; use one of {', '.join(LIFECYCLE_STATES)}")
    if before in {after, UNKNOWN}:
        return None
    usual = USUAL_TRANSITIONS.get(before)
    if usual is None:
        raise RegisterError(f"{before!r} is no lifecycle state; use one of {', '.join(LIFECYCLE_STATES)}")
    if after in usual:
        return None
    wonted = ", ".join(state for state in LIFECYCLE_STATES if state in usual)
    said = f"after {before} usually comes {wonted}" if wonted else f"{before} is usually the last state"
    return f"from {before} to {after} is unusual: {said}"


@dataclass(frozen=True, slots=True)
class Age:
    """Years since the item was new, and from which date. `years` is None where it is unknown, and `reason` says why.

    `at_least`: the date is only a floor (the firmware's), the item may be older.
    """

    years: float | None
    since: dt.date | None
    basis: Literal["purchased", "warranty_start", "bios_date", "unknown"]
    at_least: bool = False
    reason: str | None = None


def age(item: RegisterItem, on: dt.date) -> Age:
    """Return the age on the day `on`: from purchase, else the start of warranty, else the firmware's date.

    A date after `on` tells no age: it is passed over and, if nothing else tells, given as the reason. Unknown age
    is a class of its own; it never counts as new, nor as written off.
    """
    later: list[str] = []
    sources: tuple[tuple[Literal["purchased", "warranty_start", "bios_date"], dt.date | None], ...] = (
        ("purchased", item.purchased),
        ("warranty_start", item.warranty_start),
        ("bios_date", item.bios_date),
    )
    for basis, since in sources:
        if since is None:
            continue
        if since > on:
            later.append(f"{basis} {since.isoformat()} is after {on.isoformat()}")
            continue
        years = round((on - since).days / _DAYS_A_YEAR, 2)
        return Age(years, since, basis, at_least=basis == "bios_date")
    why = "; ".join(later) or "no purchase, warranty start or firmware date"
    return Age(None, None, "unknown", reason=why)


def age_bands(
    items: Iterable[RegisterItem], on: dt.date, edges_years: tuple[int, ...] = (1, 2, 3, 4, 5, 7, 10)
) -> dict[str, int]:
    """Return {band: number of items}: `under 1`, `1 to 2`, ..., `10 and over`, `unknown`; they sum to the items."""
    names = [
        f"under {edges_years[0]}",
        *(f"{low} to {high}" for low, high in pairwise(edges_years)),
        f"{edges_years[-1]} and over",
    ]
    bands = dict.fromkeys((*names, UNKNOWN), 0)
    for item in items:
        years = age(item, on).years
        name = UNKNOWN if years is None else names[sum(years >= edge for edge in edges_years)]
        bands[name] += 1
    return bands


LINK_REASONS = ("enrolled", "re_imaged", "repaired", "re_enrolled", "matched", "corrected")
UNLINK_REASONS = ("re_imaged", "repaired", "retired", "cloned", "corrected")


@dataclass(frozen=True, slots=True)
class DeviceLinked:
    """From the day `on` the item reports as `device_id`; `reason` is one of LINK_REASONS."""

    on: dt.date
    device_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceUnlinked:
    """From the day `on` `device_id` is no longer this item; `reason` is one of UNLINK_REASONS."""

    on: dt.date
    device_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class FieldChanged:
    """From the day `on` the field `name` of the item is `after`; `before` is what it was."""

    on: dt.date
    name: str
    before: object
    after: object


ItemEvent = DeviceLinked | DeviceUnlinked | FieldChanged


@dataclass(frozen=True, slots=True)
class DeviceSpan:
    """The days an item reported as `device_id`: from `first` up to but not including `until` (None: still does)."""

    device_id: str
    first: dt.date
    until: dt.date | None


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """One item over time: how it is now, and the dated events that made it so, oldest first.

    Events are only ever appended; what was true on a day stays answerable whatever happens later.
    """

    item: RegisterItem
    events: tuple[ItemEvent, ...] = ()

    def _appended(self, event: ItemEvent) -> ItemHistory:
        if self.events and event.on < self.events[-1].on:
            raise RegisterError(
                f"{event.on.isoformat()} is before the last event of {self.events[-1].on.isoformat()}: "
                "history is appended to, never rewritten; use that day or a later one"
            )
        return replace(self, events=(*self.events, event))

    def link(self, on: dt.date, device_id: str, reason: str) -> ItemHistory:
        """Return the history with the item reporting as `device_id` from `on`.

        Several ids at once are allowed: dual boot, or the day of a re-image. RegisterError where it is linked
        already or the reason is none of LINK_REASONS.
        """
        if reason not in LINK_REASONS:
            raise RegisterError(f"{reason!r} is no reason to link; use one of {', '.join(LINK_REASONS)}")
        if any(span.device_id == device_id and span.until is None for span in self.device_spans()):
            raise RegisterError(f"device {device_id} is linked to this item already")
        return self._appended(DeviceLinked(on, device_id, reason))

    def unlink(self, on: dt.date, device_id: str, reason: str) -> ItemHistory:
        """Return the history with `device_id` no longer this item from `on`; RegisterError where it was not."""
        if reason not in UNLINK_REASONS:
            raise RegisterError(f"{reason!r} is no reason to unlink; use one of {', '.join(UNLINK_REASONS)}")
        if not any(span.device_id == device_id and span.until is None for span in self.device_spans()):
            raise RegisterError(f"device {device_id} is not linked to this item")
        return self._appended(DeviceUnlinked(on, device_id, reason))

    def change(self, on: dt.date, name: str, after: object) -> ItemHistory:
        """Return the history with the field `name` of the item being `after` from `on`; no event for no change."""
        if name not in FIELDS:
            raise RegisterError(f"{name!r} is no field of a register item; use one of {', '.join(FIELDS)}")
        before = getattr(self.item, name)
        if before == after:
            return self
        changed = self._appended(FieldChanged(on, name, before, after))
        new: dict[str, Any] = {name: after}
        return replace(changed, item=replace(self.item, **new))

    def device_spans(self) -> tuple[DeviceSpan, ...]:
        """Return every span of every device id, in the order they were linked."""
        spans: list[DeviceSpan] = []
        for event in self.events:
            if isinstance(event, DeviceLinked):
                spans.append(DeviceSpan(event.device_id, event.on, None))
            elif isinstance(event, DeviceUnlinked):
                place = next(
                    number
                    for number, span in enumerate(spans)
                    if span.device_id == event.device_id and span.until is None
                )
                spans[place] = replace(spans[place], until=event.on)
        return tuple(spans)

    def devices_on(self, day: dt.date) -> frozenset[str]:
        """Return the device ids the item reported as on `day`."""
        return frozenset(
            span.device_id
            for span in self.device_spans()
            if span.first <= day and (span.until is None or day < span.until)
        )

    def item_on(self, day: dt.date) -> RegisterItem:
        """Return the item as it was at the end of `day`: later changes are taken back, newest first."""
        back: dict[str, Any] = {}
        for event in reversed(self.events):
            if isinstance(event, FieldChanged) and event.on > day:
                back[event.name] = event.before
        return replace(self.item, **back)
