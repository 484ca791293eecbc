"""When tokens are replaced: in time, not all at once, and never more than two good ones."""

from __future__ import annotations

from typing import Any

import pytest
from collector.ingest.samples import NOW, Device, rows
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, update

from roadworthy_collector.ingest.access import Access
from roadworthy_collector.ingest.rotation import DAY_SECONDS, Age, Rotation, due_at
from roadworthy_collector.security import tokens
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.device_identity import Chosen, ask_rotation
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.schema import tokens as token_rows

AT = int(NOW)


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**32), st.integers(1, 3660))
def test_no_token_grows_older_than_the_setting_nor_goes_before_four_fifths_of_it(
    id_: bytes, created_at: int, days: int
) -> None:
    age = due_at(id_.hex(), created_at, days * DAY_SECONDS) - created_at
    assert 0.8 * days * DAY_SECONDS - 1 <= age <= days * DAY_SECONDS


def test_tokens_made_at_once_are_due_over_a_fifth_of_the_age() -> None:
    days = sorted(due_at(f"{number:08x}00000000", 0, 90 * DAY_SECONDS) for number in range(0, 2**32, 2**24))
    assert days[-1] - days[0] > 17 * DAY_SECONDS


def test_so_many_a_minute_and_none_by_age_where_that_is_off() -> None:
    clock, monotonic = [NOW], [0.0]
    rotation = Rotation(90, 3, lambda: clock[0], lambda: monotonic[0])
    old = Age(AT - 100 * DAY_SECONDS, None)
    assert [rotation.is_due("0" * 16, old) for _ in range(5)] == [True] * 3 + [False] * 2
    monotonic[0] = 61.0
    assert rotation.is_due("0" * 16, old)
    off = Rotation(0, 3, lambda: clock[0], lambda: monotonic[0])
    assert not off.is_due("0" * 16, old)
    assert off.is_due("0" * 16, Age(AT, AT))


def good(engine: Engine, device: Device) -> list[Any]:
    with engine.connect() as connection:
        query = select(token_rows).where(token_rows.c.device == device.row, token_rows.c.revoked_at.is_(None))
        return list(connection.execute(query.order_by(token_rows.c.created_at)))


def use(engine: Engine, device: Device, text: str, now: int) -> None:
    with write_transaction(engine) as connection:
        tokens.first_use(connection, text.split("_")[1], device.row, now=now)


def rotate(engine: Engine, device: Device, now: int) -> tokens.Issued | None:
    with write_transaction(engine) as connection:
        return tokens.rotate(connection, device.row, now=now)


def test_at_most_two_tokens_are_good_and_one_that_seems_lost_is_replaced(
    engine: Engine, device: Device
) -> None:
    use(engine, device, device.token, AT)
    first = rotate(engine, device, AT)
    assert first is not None
    assert rotate(engine, device, AT + tokens.REISSUE_SECONDS - 1) is None
    second = rotate(engine, device, AT + tokens.REISSUE_SECONDS)
    assert second is not None
    assert [row.id for row in good(engine, device)] == [device.token.split("_")[1], second.id]
    access = Access(engine)
    for text in (device.token, second.text):
        assert access.look_up(access.parse(f"Bearer {text}")).device == device.row
    use(engine, device, second.text, AT + 700)
    assert [row.id for row in good(engine, device)] == [second.id]


def test_a_token_that_was_never_used_is_not_rotated(engine: Engine, device: Device) -> None:
    assert rotate(engine, device, AT) is None
    assert len(good(engine, device)) == 1


def test_tokens_that_ended_long_ago_are_forgotten(engine: Engine, device: Device) -> None:
    use(engine, device, device.token, AT)
    second = rotate(engine, device, AT)
    assert second is not None
    use(engine, device, second.text, AT + 1)
    rotate(engine, device, AT + tokens.ENDED_SECONDS + 2)
    assert len(rows(engine, token_rows)) == 2


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (Chosen(), 2),
        (Chosen(site="unassigned"), 2),
        (Chosen(site="Depot"), 0),
        (Chosen("rwd_" + "a" * 32), 1),
    ],
)
def test_an_administrator_asks_for_some_or_all_and_retired_ones_are_left_out(
    engine: Engine, device: Device, chosen: Chosen, count: int
) -> None:
    use(engine, device, device.token, AT)
    with write_transaction(engine) as connection:
        for digits, retired_at in (("b", None), ("c", AT)):
            row = {
                "device_id": f"rwd_{digits * 32}",
                "site": 1,
                "unit": 1,
                "enrolled_at": AT,
                "retired_at": retired_at,
            }
            number = connection.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
            issued = tokens.create_device_token(connection, number, now=AT)
            connection.execute(
                update(token_rows).where(token_rows.c.id == issued.id).values(first_used_at=AT)
            )
        assert ask_rotation(connection, chosen, now=AT) == count
    assert sum(row["rotate_asked_at"] is not None for row in rows(engine, token_rows)) == count
