"""Columns that are smaller in the tables than in Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError
from support.estates import NOW, Estate

from roadworthy_collector.store import schema
from roadworthy_collector.store.columns import Midnight, Packed, PeriodStart, pack_text
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.metrics import read_snapshot

DIALECT = sqlite.dialect()
DAY = {f"{name}_seconds": 0 for name in ("in_use", "idle", "locked", "asleep", "off", "unobserved")} | {
    "device": 1, "site": 1, "unit": 1, "periods": 1, "observed_seconds": 0, "startups": 0,
}  # fmt: skip


@given(st.integers(-(2**20), 2**20))
def test_times_come_back_as_they_went(number: int) -> None:
    for kind, length in ((Midnight(), 86_400), (PeriodStart(), 1800)):
        stored = kind.process_bind_param(number * length, DIALECT)
        assert stored == number
        assert kind.process_result_value(stored, DIALECT) == number * length


@given(st.text(), st.integers(1, 70_000))
def test_a_long_text_comes_back_as_it_went(start: str, times: int) -> None:
    given_text = start * (times // max(1, len(start)))
    assert Packed().process_result_value(pack_text(given_text), DIALECT) == given_text


def test_a_day_that_begins_at_no_midnight_is_refused(estate: Estate) -> None:
    with pytest.raises(StatementError, match="1790000001 is no multiple of 86400 s"):
        estate.put(schema.days, day=int(NOW) + 1, **DAY)


def test_a_long_snapshot_takes_a_tenth_of_its_bytes(estate: Estate) -> None:
    body = "".join(f'roadworthy_site_devices{{site="Station {n:03d}"}} {n}\n' for n in range(4000))
    with write_transaction(estate.engine) as connection:
        row = {"name": "fleet_metrics", "at": NOW, "body": pack_text(body)}
        connection.execute(schema.snapshots.insert().values(row))
        assert read_snapshot(connection, "fleet_metrics").body == body
        stored = connection.scalar(select(text("length(body)")).select_from(schema.snapshots))
    assert stored is not None
    assert stored < len(body) / 5
