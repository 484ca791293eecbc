"""Who this collector is to those it exchanges carried files with: its id as a relay and its public key."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from roadworthy_collector.relay import signing, state
from roadworthy_collector.relay.trust import ACTOR
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record


def make(engine: Engine, data: Path, *, now: int, actor: str = ACTOR) -> signing.Told:
    """Make the key this collector signs with, in its data folder, and return what others are to trust.

    Raises SecretError if there is one, or it cannot be kept.
    """
    with write_transaction(engine) as connection:
        relay = state.own_id(connection)
        told = signing.Told(relay, signing.public_hex(signing.make_key(data)))
        record(connection, now, actor, "relay.keygen", relay, {"public_key": told.public_key})
    return told


def read(engine: Engine, data: Path) -> signing.Told:
    """Return what others are to trust; raise SecretError if there is no key."""
    public_key = signing.public_hex(signing.read_key(data))
    with write_transaction(engine) as connection:
        return signing.Told(state.own_id(connection), public_key)
