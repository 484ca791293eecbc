"""What a main collector asks of a relay that enrols a device: no loop, and no restricted device in an open site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta
from sqlalchemy import Connection, select

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.relay.state import known_id
from roadworthy_collector.store.schema import sites

MOST_RELAYS = 6  # behind each other
RelayId = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Relays = Annotated[tuple[RelayId, ...], Meta(max_length=MOST_RELAYS)]
_PATH = re.compile(r"[0-9a-f]{16}(,[0-9a-f]{16})*")


def admit(connection: Connection, relays: Sequence[str], *, restricted: bool, site: int) -> str | None:
    """Return what `devices.relayed_by` holds of a device that enrols; None for one that came without a relay.

    Raises EnvelopeError relay_loop where the device came through this very collector before, site_not_restricted
    where a device of a restricted site would come to stand at a site that is not (`site` is its row id).
    """
    if relays and known_id(connection) in relays:
        message = "this collector is itself among the relays before it: two collectors forward to each other"
        raise EnvelopeError(403, "relay_loop", message, field="relay")
    if restricted and not connection.scalar(select(sites.c.restricted).where(sites.c.id == site)):
        message = "the device's site is restricted, the enrolment key's is not; restrict it here first"
        raise EnvelopeError(403, "site_not_restricted", message, field="restricted")
    return path(relays)


def path(relays: Sequence[str]) -> str | None:
    """Return the relays as one text."""
    return ",".join(relays) or None


def relays_of(text: str | None) -> tuple[str, ...]:
    """Return the relays in a text `path` made."""
    return tuple(text.split(",")) if text and _PATH.fullmatch(text) else ()
