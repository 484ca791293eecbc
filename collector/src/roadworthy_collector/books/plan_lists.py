"""Ready lists kept for pages and exported as tickets: claim under warranty, fit an SSD, collect the unused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine

from roadworthy_collector.books import figures
from roadworthy_collector.books.plan_inputs import Item, Read, fits
from roadworthy_collector.books.plan_text import PlanText
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
SHOWN = 500  # tickets kept for pages; an export has all


def make(read: Read, text: PlanText | None, *, replaced: Collection[str] = ()) -> tuple[ReadyList, ...]:
    """Return the three lists on the day `read` is of; what a plan replaces is fitted with no SSD."""
    listed = [_listed(item, text, read.on) for item in read.items]
    return (
        claim_under_warranty(listed, read.on),
        fit_an_ssd(listed, read.on, replaced),
        collect_unused(listed, read.on),
    )


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
        warranty_end=None if row.warranty_end is None else date.fromisoformat(row.warranty_end),
        warranty_level=row.warranty_level,
        faults=item.faults,
        system_disk=item.system_disk,  # type: ignore[arg-type]  # hdd, ssd or None
        takes_ssd=_takes_ssd(item, text, on),
        startup_p50_seconds=item.startup_seconds,
        observed_days=item.watched_days,
        in_use_hours=item.in_use_hours,
        mdm_last_seen=item.mdm_last_seen,
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
