"""The queue's bounds: what goes is the oldest, is counted, is said once, and its half-hours become gaps."""

from __future__ import annotations

import logging
import time
from itertools import pairwise
from pathlib import Path

import pytest
from collector.ingest.samples import rows
from collector.relay.sites import NEWEST, Agent, Site, boot, energetic, relay_of
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay import bounds, content, outbox
from roadworthy_collector.relay.exporting import Exporter
from roadworthy_collector.relay.signing import make_key
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import counters, devices, gaps, relay_devices, relay_outbox

DAY = 86400


def given_up(site: Site) -> dict[str, int]:
    return {
        row["label"]: row["value"] for row in rows(site.engine, counters) if row["name"] == outbox.GIVEN_UP
    }


def work(site: Site, after_days: float, **options: int) -> Work:
    site.options |= options
    return Work(site.engine, site.settings, clock=lambda: time.time() + after_days * DAY)


def test_what_is_too_old_goes_and_its_half_hours_are_reported_as_gaps(
    tmp_path: Path, main: Site, caplog: pytest.LogCaptureFixture
) -> None:
    relay = relay_of(tmp_path / "relay", main)
    agent = Agent(relay, local=True)
    relay.accept(agent, *(agent.body(periods=[energetic(NEWEST - n * 1800)]) for n in (5, 4, 2)))
    relay.accept(agent, agent.body(startups=[boot(1)]))
    with caplog.at_level(logging.WARNING, "roadworthy_collector.relay"):
        assert bounds.keep_bounds(work(relay, 31)) == 4
        bounds.keep_bounds(work(relay, 31.01))
    assert given_up(relay) == {"periods": 3, "startups": 1}
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the main collector was not reached for too long",
        "the queue for the main collector is within its bounds again",
    ]
    relay.accept(agent, agent.body(periods=[energetic(NEWEST)]))
    with main.serving():
        assert relay.forward() == 1
    found = [(row["begin"], row["end"], row["kind"], row["basis"]) for row in rows(main.engine, gaps)]
    assert found == [
        (NEWEST - 5 * 1800, NEWEST - 3 * 1800, "unobserved", "spool_full"),
        (NEWEST - 2 * 1800, NEWEST - 1800, "unobserved", "spool_full"),
    ]
    assert relay.relayed()[0]["gaps"] is None


def test_past_the_bytes_the_oldest_go_and_no_more_than_needed(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    agent = Agent(relay, local=True)
    relay.accept(agent, *(agent.body(periods=[energetic(NEWEST - n * 1800)]) for n in range(9, -1, -1)))
    with write_transaction(relay.engine) as connection:
        connection.execute(update(relay_outbox).values(bytes=200_000))
    assert bounds.keep_bounds(work(relay, 0, relay_outbox_max_bytes=1_048_576)) == 5
    assert given_up(relay) == {"periods": 5}
    kept = [content.unpack(row["body"]).periods[0].start for row in rows(relay.engine, relay_outbox)]
    assert kept == [NEWEST - n * 1800 for n in range(4, -1, -1)]


def test_what_a_file_holds_expires_without_being_lost(tmp_path: Path) -> None:
    (tmp_path / "relay").mkdir()
    relay = Site(tmp_path / "relay", options={"relay_file_drop": True})
    make_key(relay.folder)
    agent = Agent(relay, local=True)
    relay.accept(agent, agent.body(periods=[energetic(NEWEST)]))
    assert len(list(Exporter(relay.engine, relay.settings, tmp_path).run())) == 1
    relay.accept(agent, agent.body(periods=[energetic(NEWEST - 1800)]))
    assert bounds.keep_bounds(work(relay, 31)) == 2
    assert given_up(relay) == {"periods": 1}
    relay.accept(agent, agent.body(periods=[energetic(NEWEST - 9000)]))
    assert list(Exporter(relay.engine, relay.settings, tmp_path).run())
    kept = [content.unpack(row["body"]) for row in rows(relay.engine, relay_outbox)]
    assert [(gap.begin, gap.end) for report in kept for gap in report.gaps] == [(NEWEST - 1800, NEWEST)]


def test_an_erased_device_leaves_nothing_in_the_queue(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    for agent in [Agent(relay, local=True) for _ in range(2)]:
        relay.accept(agent, agent.body(periods=[energetic(NEWEST)]))
    with write_transaction(relay.engine) as connection:
        connection.execute(delete(devices).where(devices.c.id == relay.agents[0].device.row))
        outbox.forget_device(connection, relay.agents[1].device.row)
    assert rows(relay.engine, relay_outbox) == rows(relay.engine, relay_devices) == []


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 5)).map(lambda pair: (pair[0], sum(pair)))),
    st.integers(1, 10),
)
def test_joined_spans_hold_all_and_are_few_and_apart(spans: list[tuple[int, int]], most: int) -> None:
    found = content.joined(spans, most)
    assert len(found) <= most
    covered = {second for begin, end in found for second in range(begin, end)}
    assert covered >= {second for begin, end in spans for second in range(begin, end)}
    assert all(one[1] < other[0] for one, other in pairwise(found))
    if len(content.joined(spans, 10_000)) <= most:
        assert covered == {second for begin, end in spans for second in range(begin, end)}
