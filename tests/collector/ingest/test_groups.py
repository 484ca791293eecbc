"""Sign-ins are told of no group smaller than five devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector.ingest.samples import (
    NOW,
    START,
    Device,
    add_device,
    fresh_database,
    report,
    rows,
    startup,
    write,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, update

from roadworthy_collector.ingest.records import SIGNIN_BUCKETS
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

DAY = START // 86400 * 86400


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with fresh_database(tmp_path) as engine:
        yield engine


def signin(number: int = 1, total: float | None = 12.5) -> dict[str, Any]:
    return {
        "signin_id": f"{number:032x}",
        "day": DAY,
        "revision": 1,
        "final": True,
        "quality": "measured",
        "total_seconds": total,
        "phases": [],
    }


def facts(
    model: str | None = "Desk 400", name: str | None = "Debian", version: str | None = "12"
) -> dict[str, Any]:
    return {"os": {"name": name, "version": version}, "hardware": {"model": model}}


def devices(engine: Engine, count: int, first: int = 0) -> list[Device]:
    return [add_device(engine, f"{number:032x}") for number in range(first, first + count)]


def counted(engine: Engine, metric: str = "signin_seconds") -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for row in rows(engine, schema.histograms):
        if row["metric"] == metric:
            key = row["grouping"], row["member"]
            found[key] = found.get(key, 0) + row["count"]
    return found


def describe(engine: Engine, some: list[Device], **parts: Any) -> None:
    for device in some:
        write(engine, device, report(device, facts=facts(**parts)))


def test_five_devices_are_a_group_and_four_are_not(engine: Engine) -> None:
    five, four = devices(engine, 5), devices(engine, 4, first=5)
    describe(engine, five, model="Common")
    describe(engine, four, model="Rare")
    for number, device in enumerate(five + four):
        write(engine, device, report(device, seq=2, signins=[signin(number)], startups=[startup()]))
    assert counted(engine) == {
        ("site", "unassigned"): 9,
        ("unit", "unassigned"): 9,
        ("os", "Debian 12"): 9,
        ("model", "Common"): 5,
        ("model", "other"): 4,
    }
    # What is no person's is told of every group.
    assert counted(engine, "startup_seconds")["model", "Rare"] == 4


def test_what_is_not_known_is_a_group_like_any_other(engine: Engine) -> None:
    some = devices(engine, 5)
    describe(engine, some[:4], model=None, version=None)
    write(engine, some[0], report(some[0], seq=2, signins=[signin(1)]))
    assert counted(engine)["model", ""] == 1  # the fifth has not said its model either
    assert counted(engine)["os", "other"] == 1
    describe(engine, some[4:], model="Desk 400", version=None)
    write(engine, some[0], report(some[0], seq=3, signins=[signin(2)]))
    assert counted(engine)["model", "other"] == 1
    assert counted(engine)["os", "Debian"] == 1


def test_retired_devices_and_restricted_sites_make_no_group_larger(engine: Engine) -> None:
    some = devices(engine, 6)
    describe(engine, some)
    with write_transaction(engine) as connection:
        row = {"name": "Safe house", "kind": "force", "restricted": True}
        hidden = connection.execute(insert(schema.sites).values(row)).inserted_primary_key[0]
        table = schema.devices
        connection.execute(update(table).where(table.c.id == some[4].row).values(retired_at=int(NOW)))
        connection.execute(update(table).where(table.c.id == some[5].row).values(site=hidden))
    write(engine, some[0], report(some[0], seq=2, signins=[signin(1)]))
    write(engine, some[5], report(some[5], seq=2, signins=[signin(2)]))
    assert counted(engine) == {(grouping, "other"): 2 for grouping in ("site", "unit", "model", "os")}


def test_the_sizes_are_those_after_the_facts_of_the_same_report(engine: Engine) -> None:
    some = devices(engine, 5)
    describe(engine, some[:4], model="New")
    write(engine, some[4], report(some[4], facts=facts(model="New"), signins=[signin()]))
    assert counted(engine)["model", "New"] == 1


def test_sign_ins_have_finer_buckets(engine: Engine) -> None:
    device, *_ = devices(engine, 1)
    totals = [0.5, 1.5, 2.5, 4.0, 4000.0, 9000.0, None]
    found = [signin(number, total) for number, total in enumerate(totals)]
    write(engine, device, report(device, signins=found))
    held = {
        row["bucket"]: row["count"] for row in rows(engine, schema.histograms) if row["grouping"] == "site"
    }
    assert list(held) == list(SIGNIN_BUCKETS)
    assert {bound: count for bound, count in held.items() if count} == {
        1.0: 1,
        2.0: 1,
        3.0: 1,
        5.0: 1,
        7200.0: 1,
        float("inf"): 1,
    }


# Steps: a device enrols, or one of those there signs in or is retired.
steps = st.lists(
    st.tuples(st.sampled_from(["enrol", "sign in", "sign in", "retire"]), st.integers(0, 50)), max_size=30
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_no_counter_falls_and_none_is_lost_as_groups_grow_and_shrink(
    engine: Engine, steps: list[tuple[str, int]]
) -> None:
    with write_transaction(engine) as connection:
        connection.execute(delete(schema.histograms))
        connection.execute(delete(schema.devices))
    there: list[Device] = []
    signed = 0
    before: dict[tuple[str, str], int] = {}
    for number, (step, which) in enumerate(steps):
        if step == "enrol" or not there:
            there += devices(engine, 1, first=number)
            continue
        device = there[which % len(there)]
        if step == "retire":
            with write_transaction(engine) as connection:
                table = schema.devices
                connection.execute(update(table).where(table.c.id == device.row).values(retired_at=1))
            continue
        write(engine, device, report(device, signins=[signin(number)]))
        signed += 1
        after = counted(engine)
        assert all(after[key] >= count for key, count in before.items())
        assert sum(count for (grouping, _), count in after.items() if grouping == "site") == signed
        with engine.connect() as connection:
            table = schema.devices
            in_service = len(connection.execute(select(table.c.id).where(table.c.retired_at.is_(None))).all())
        moved = {key for key in after if after[key] > before.get(key, 0) and key[0] == "site"}
        assert moved == {("site", "unassigned" if in_service >= 5 else "other")}
        before = after
