"""Devices that go out of service with the register items they are: with the batch, and back with it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select, update

from roadworthy_collector.books import figures
from roadworthy_collector.store.books_schema import register_devices
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import devices, tokens

_FIGURE = "retired."  # by batch: whose devices went, so that undoing it brings back those and no others
_PIECE = 200


def linked_devices(connection: Connection, items: Sequence[int]) -> list[int]:
    """Return the row ids of the devices in service that are these items now."""
    found: list[int] = []
    for begin in range(0, len(items), _PIECE):
        query = (
            select(devices.c.id)
            .join(register_devices, register_devices.c.device == devices.c.id)
            .where(
                register_devices.c.item.in_(items[begin : begin + _PIECE]),
                register_devices.c.valid_to.is_(None),
                devices.c.retired_at.is_(None),
            )
        )
        found += connection.scalars(query.order_by(devices.c.id))
    return sorted(set(found))


def retire(engine: Engine, batch: int, ids: Sequence[int], now: int) -> None:
    """Retire these devices, a piece a transaction: their tokens end, their facts stay."""
    with write_transaction(engine) as connection:
        figures.write(connection, f"{_FIGURE}{batch}", {"devices": list(ids), "at": now}, now, 0.0)
    for begin in range(0, len(ids), _PIECE):
        some = ids[begin : begin + _PIECE]
        with write_transaction(engine) as connection:
            gone = connection.scalars(
                update(devices)
                .where(devices.c.id.in_(some), devices.c.retired_at.is_(None))
                .values(retired_at=now)
                .returning(devices.c.id)
            ).all()
            connection.execute(
                update(tokens)
                .where(tokens.c.device.in_(gone), tokens.c.revoked_at.is_(None))
                .values(revoked_at=now, revoked_as="revoked")
            )


def bring_back(engine: Engine, batch: int) -> int:
    """Put the devices a batch retired into service again, with the tokens that ended with it; return how many."""
    with engine.connect() as connection:
        held = figures.read(connection, f"{_FIGURE}{batch}")
    if held is None:
        return 0
    ids, at, back = held[0]["devices"], held[0]["at"], 0
    for begin in range(0, len(ids), _PIECE):
        some = ids[begin : begin + _PIECE]
        with write_transaction(engine) as connection:
            here = connection.scalars(
                update(devices)
                .where(devices.c.id.in_(some), devices.c.retired_at == at)
                .values(retired_at=None)
                .returning(devices.c.id)
            ).all()
            connection.execute(
                update(tokens)
                .where(tokens.c.device.in_(here), tokens.c.revoked_at == at, tokens.c.revoked_as == "revoked")
                .values(revoked_at=None, revoked_as=None)
            )
        back += len(here)
    return back
