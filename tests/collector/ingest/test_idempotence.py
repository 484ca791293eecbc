"""Any mix, order and repetition of reports leaves the same facts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from collector.conftest import STORES
from collector.ingest.samples import (
    NOW,
    START,
    add_device,
    fresh_database,
    period,
    report,
    rows,
    startup,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from support import postgres

from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine

FACTS = (
    "periods",
    "states",
    "energy",
    schema.energy_counters,
    schema.gaps,
    schema.startups,
    schema.signins,
    schema.device_now,
    schema.dirty,
    schema.histograms,
    schema.probe_status,
    schema.devices,
)
# When a status was first heard is about the hearing; so is what is remembered of streams that seemed to take turns.
ABOUT_HEARING = frozenset({"since", "marked_at", "identity"})
STATE = {"in_use": 600, "idle": 0, "locked": 0, "asleep": 0, "off": 0, "unobserved": 1200}


def energy(scope: str, joules: int) -> dict[str, Any]:
    return {
        "scope": scope,
        "joules": joules,
        "counter_end_joules": joules * 2,
        "quality": "sensor",
        "source": "rapl",
    }


def one_report(number: int, slots: list[int], revision: int | None, *, with_facts: bool) -> dict[str, Any]:
    """Return the report `number` of a device: what an item says depends on its key alone, as with a real agent."""
    parts: dict[str, Any] = {
        "seq": number + 1,
        "sent_at": NOW - 100 + number,
        "periods": [
            period(START - slot * 1800, samples=slot, state_seconds=STATE, energy=[energy("cpu", slot + 1)])
            for slot in slots
        ],
        "gaps": [
            {"from": START - (slot + 3) * 1800, "to": START - slot * 1800, "kind": "off"}
            for slot in slots[:1]
        ],
        "now": {"at": NOW - 100 + number, "start": START + 1800, "observed_seconds": number},
        "probes": [
            {"probe": "os", "status": "ok"},
            {"probe": f"extra_{'abc'[number % 3]}", "status": "error"},
        ],
    }
    if with_facts:
        # The model is the same throughout: under which model a start-up is counted is decided when it is final.
        parts["facts"] = {"hostname": f"host-{number}", "hardware": {"model": "M1"}}
    if revision is not None:
        total = {"total_seconds": 30.0 + revision, "phases": []}
        parts["startups"] = [startup("boot-1:0", revision=revision, final=revision == 4, **total)]
        parts["signins"] = [
            {
                "signin_id": "s1",
                "revision": revision,
                "final": revision == 4,
                "day": START // 86400 * 86400,
                "quality": "measured",
                "total_seconds": 3.0 * revision,
            }
        ]
    return parts


REPORTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 60), max_size=5, unique=True),
        st.none() | st.integers(1, 4),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@contextmanager
def empty(store: str) -> Iterator[Engine]:
    """Yield an engine on a database of its own."""
    if store == "sqlite":
        with tempfile.TemporaryDirectory() as folder, fresh_database(Path(folder)) as engine:
            yield engine
        return
    url = postgres.fresh_database()
    engine = open_engine(url)
    yield engine
    engine.dispose()
    postgres.give_back(url)


def facts_after(store: str, groups: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Return all facts after writing each group in its own transaction."""
    with empty(store) as engine:
        device = add_device(engine)
        # Under which model a first final start-up counts is known from the first report on.
        write(engine, device, report(device, sent_at=NOW - 500, facts={"hardware": {"model": "M1"}}))
        for group in groups:
            write(engine, device, *(report(device, **parts) for parts in group))
        return {str(table): rows(engine, table, without=ABOUT_HEARING) for table in FACTS}


@pytest.mark.parametrize("store", STORES)
@settings(max_examples=15, deadline=None)
@given(drawn=REPORTS, data=st.data())
def test_any_order_mix_and_repetition_leaves_the_same_facts(
    store: str, drawn: list[tuple[list[int], int | None, bool]], data: st.DataObject
) -> None:
    reports = [
        one_report(number, slots, revision, with_facts=facts)
        for number, (slots, revision, facts) in enumerate(drawn)
    ]
    repeated = data.draw(st.lists(st.sampled_from(reports), max_size=4))
    shuffled = data.draw(st.permutations([*reports, *repeated]))
    cut = data.draw(st.integers(0, len(shuffled)))
    in_order = facts_after(store, [[each] for each in reports])
    mixed = facts_after(store, [shuffled[:cut], shuffled[cut:]])
    assert mixed == in_order
    states = in_order["states"]
    assert all(
        sum(value for name, value in row.items() if name.endswith("_seconds")) == 1800 for row in states
    )
    assert len(states) == len(in_order["periods"]) == len({slot for slots, _, _ in drawn for slot in slots})
