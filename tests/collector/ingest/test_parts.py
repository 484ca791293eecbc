"""Batteries and disks stand in rows of their own, always those of the newest facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector.ingest.samples import NOW, Device, add_device, fresh_database, report, rows, write
from sqlalchemy import Engine, inspect
from support import old_databases

from roadworthy_collector.store import schema
from roadworthy_collector.store.upgrade import upgrade

BATTERY = {"name": "BAT0", "health_ratio": 0.81, "cycles": 412}
DISK = {"name": "nvme0n1", "medium": "nvme", "holds_system": True, "wear_ratio": 0.04, "failing": False}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fresh_database(tmp_path) as engine:
        yield engine


@pytest.fixture
def device(engine: Engine) -> Device:
    return add_device(engine)


def held(engine: Engine) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    without = frozenset({"device"})
    return rows(engine, schema.batteries, without=without), rows(engine, schema.disks, without=without)


def test_the_newest_facts_count(engine: Engine, device: Device) -> None:
    write(engine, device, report(device, facts={"battery": [BATTERY], "storage": [DISK]}))
    assert held(engine) == ([BATTERY], [DISK])
    older = report(device, seq=2, sent_at=NOW - 100, facts={"battery": [BATTERY | {"cycles": 1}]})
    write(engine, device, older)
    assert held(engine) == ([BATTERY], [DISK])
    write(engine, device, report(device, seq=3))  # no facts: nothing is said
    assert held(engine) == ([BATTERY], [DISK])
    write(engine, device, report(device, seq=4, facts={"battery": [BATTERY | {"name": "BAT1"}]}))
    assert held(engine) == ([BATTERY | {"name": "BAT1"}], [])


def test_what_is_not_told_is_nothing(engine: Engine, device: Device) -> None:
    write(engine, device, report(device, facts={"battery": [{"name": "BAT0"}], "storage": [{"name": "sda"}]}))
    assert held(engine) == (
        [{"name": "BAT0", "health_ratio": None, "cycles": None}],
        [{"name": "sda", "medium": "unknown", "holds_system": None, "wear_ratio": None, "failing": None}],
    )


def test_of_two_that_go_by_one_name_the_first_counts(engine: Engine, device: Device) -> None:
    twice = [DISK, DISK | {"wear_ratio": 0.9}]
    write(engine, device, report(device, facts={"storage": twice}))
    assert held(engine) == ([], [DISK])


def test_a_database_from_before_is_filled_from_its_facts(sqlite_engine: Engine, tmp_path: Path) -> None:
    engine = sqlite_engine
    device = add_device(engine)
    other = add_device(engine, "b")
    add_device(engine, "c")  # has never said anything
    odd = [DISK | {"medium": "plasma"}, {"name": 'sd"a'}, {"name": 'sd"a', "failing": True}]
    write(engine, device, report(device, facts={"battery": [BATTERY], "storage": [DISK]}))
    write(engine, other, report(other, facts={"battery": [], "storage": odd}))
    tables = (schema.batteries, schema.disks)
    now = [rows(engine, table) for table in tables]
    assert len(now[1]) == 3
    database = tmp_path / "before" / "roadworthy.db"
    before = old_databases.make_at(database, "0002")
    for table in (schema.sites, schema.units, schema.devices):
        with before.connect() as connection:
            known = {column["name"] for column in inspect(connection).get_columns(table.name)}
        held = rows(engine, table)
        old_databases.insert(
            before, table.name, [{name: row[name] for name in row if name in known} for row in held]
        )
    upgrade(database, clock=lambda: NOW)
    assert [rows(before, table) for table in tables] == now
    before.dispose()
