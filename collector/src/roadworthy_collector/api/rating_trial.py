"""What other rules of the rating would change, as the API says it."""

from __future__ import annotations

from pydantic import BaseModel

from roadworthy_collector.books import rating_trying
from roadworthy_inventory.rating_groups import Trial


class Move(BaseModel):
    """Devices that go from one rating to another."""

    before: str
    after: str
    devices: int


class Tried(BaseModel):
    """What other rules would change on `devices` devices, which may be every so-manyth of them.

    `imported`, `imported_changed` and `imported_moves`: the same of register items and MDM records without an agent.
    """

    devices: int
    changed: int
    digest: str
    moves: list[Move]
    imported: int
    imported_changed: int
    imported_moves: list[Move]
    rules_added: list[str]
    rules_removed: list[str]
    rules_changed: list[str]


def told(found: rating_trying.Tried) -> Tried:
    """Return a trial as the API says it."""
    agents, imported = found.agents, found.imported
    return Tried(
        devices=agents.devices,
        changed=len(agents.changes),
        digest=agents.after,
        moves=_moves(agents),
        imported=imported.devices,
        imported_changed=len(imported.changes),
        imported_moves=_moves(imported),
        rules_added=list(agents.rules_added),
        rules_removed=list(agents.rules_removed),
        rules_changed=list(agents.rules_changed),
    )


def _moves(of: Trial) -> list[Move]:
    return [Move(before=was, after=then, devices=count) for (was, then), count in sorted(of.moves.items())]
