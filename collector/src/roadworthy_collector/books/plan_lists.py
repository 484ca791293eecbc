"""Ready lists kept for pages and exported as tickets: claim under warranty, fit an SSD, collect the unused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine

from roadworthy_collector.books import figures
from roadworthy_collector.books.plan_inputs import Item, Read, fits, read_items
from roadworthy_collector.books.plan_text import Budget, PlanText, parse_plan
from roadworthy_collector.errors import NotFoundError
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.replacement_lists import (
    TICKET_COLUMNS,
    ListedDevice,
    ReadyList,
    claim_under_warranty,
    collect_unused,
    fit_an_ssd,
)

TITLES = {
    "claim_under_warranty": "Claim under warranty",
    "fit_an_ssd": "Fit an SSD",
    "collect_unused": "Collect the unused",
}
EXCEPTED = "an exception holds"  # the reason for which an item is on no list
SHOWN = 500  # tickets kept for pages; an export has all


def make(read: Read, text: PlanText | None, *, replaced: Collection[str] = ()) -> tuple[ReadyList, ...]:
    """Return the three lists on the day `read` is of; what a plan replaces is fitted with no SSD."""
    held = {item.tag for item in read.items if any(hold.kind == "exception" for hold in item.holds)}
    listed = [_listed(item, text, read.on) for item in read.items if item.tag not in held]
    claims = claim_under_warranty(listed, read.on)
    # Not on the list only because an exception took the faults out of the rating.
    quiet = [item.tag for item in read.items if item.excepted_faults and not item.faults]
    return (
        _with_excepted(claims, {*held, *quiet}),
        _with_excepted(fit_an_ssd(listed, read.on, replaced), held),
        _with_excepted(collect_unused(listed, read.on), held),
    )


def _with_excepted(one: ReadyList, tags: Collection[str]) -> ReadyList:
    """Return a list that counts what an exception keeps off it."""
    return replace(one, unknown=one.unknown | dict.fromkeys(tags, EXCEPTED))


def _listed(item: Item, text: PlanText | None, on: date) -> ListedDevice:
    row = item.row
    return ListedDevice(
        tag=item.tag,
        serial=row.serial,
        model=item.model,
        site=row.site,
        unit=row.unit,
        lifecycle_state=None if row.lifecycle_state == "unknown" else row.lifecycle_state,
        usage_profile=row.usage_profile,
        warranty_end=None if item.cover is None else item.cover.ends,
        warranty_level=None if item.cover is None else item.cover.level,
        faults=item.faults,
        system_disk=item.system_disk,  # type: ignore[arg-type]  # hdd, ssd or None
        takes_ssd=_takes_ssd(item, text, on),
        startup_p50_seconds=item.startup_seconds,
        observed_days=item.watched_days,
        in_use_hours=item.in_use_hours,
        # An agent that reports says more than a check-in long ago, even where it may not say who was there.
        mdm_last_seen=None if item.reported_days else item.mdm_last_seen,
    )


def _takes_ssd(item: Item, text: PlanText | None, on: date) -> bool | None:
    """Return whether the plan's file has an SSD that fits; None where no file says anything of SSDs."""
    options = [one for one in (text.options if text else ()) if one.offer.kind == "ssd"]
    answers = [fits(one.fits, item, on) for one in options]
    if True in answers:
        return True
    return None if not answers or None in answers else False


def keep(engine: Engine, lists: Sequence[ReadyList], now: float) -> None:
    """Leave the lists for pages: the first tickets of each, how many there are, and why others could not be told."""
    for one in lists:
        content = {
            "name": one.name,
            "title": TITLES[one.name],
            "total": len(one.tickets),
            "tickets": rows(one)[:SHOWN],
            "unknown": dict(Counter(one.unknown.values())),
        }
        with write_transaction(engine) as connection:
            figures.write(connection, f"list.{one.name}", content, now, 0.0)


def rows(one: ReadyList) -> list[dict[str, Any]]:
    """Return a list's tickets as rows of TICKET_COLUMNS."""
    return [
        dict(zip(TICKET_COLUMNS, ticket, strict=True)) | {"due": ticket.due and ticket.due.isoformat()}
        for ticket in one.tickets
    ]


# As ServiceNow and Jira take them; `correlation_id` is the same in every export, so that a ticket is made once.
TICKET_FIELDS = (
    "correlation_id", "summary", "description", "assignment_group", "configuration_item", "serial_number", "model",
    "location", "unit", "due_date", "category", "basis",
)  # fmt: skip


def ticket_rows(one: ReadyList, assigned_to: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield a list's tickets for a ticket system, each for the group `assigned_to` if one is named."""
    for ticket in one.tickets:
        yield {
            "correlation_id": f"roadworthy:{ticket.list}:{ticket.tag}",
            "summary": ticket.summary,  # it ends in the tag
            "description": ticket.details,
            "assignment_group": assigned_to,
            "configuration_item": ticket.tag,
            "serial_number": ticket.serial,
            "model": ticket.model,
            "location": ticket.site,
            "unit": ticket.unit,
            "due_date": ticket.due and ticket.due.isoformat(),
            "category": TITLES[ticket.list],
            "basis": ticket.basis,
        }


def anew(connection: Connection, now: float, on: date) -> tuple[Read, tuple[ReadyList, ...]]:
    """Return what was looked at and the lists as of now, by the last plan's file where there is one."""
    from roadworthy_collector.books import planning  # which keeps these lists and imports this module

    held = planning.last(connection)
    text = parse_plan(held[0]["text"], Budget(**held[0]["budget"])) if held else None
    replaced = {one["tag"] for one in planning.items(connection, held[0], "replace")} if held else set()
    read = read_items(connection, None, now, on)  # every item, whatever the plan's scope
    return read, make(read, text, replaced=replaced)


def kept(connection: Connection) -> list[dict[str, Any]]:
    """Return what is kept of each list, with `made_at`; of those made so far."""
    found = []
    for name in TITLES:
        held = figures.read(connection, f"list.{name}")
        if held is not None:
            found.append(held[0] | {"made_at": held[1]})
    return found


def require(connection: Connection, name: str) -> dict[str, Any]:
    """Return what is kept of one list; NotFoundError where it was never made."""
    for one in kept(connection):
        if one["name"] == name:
            return one
    raise NotFoundError(f"{name}: this list was not made yet; `roadworthy plan lists` makes them")
