"""Reports through a relay: everything acknowledged by the relay is at the main collector, once."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest
from collector.ingest.samples import rows
from collector.relay.sites import NEWEST, Agent, Site, boot, energetic, now_of, relay_of
from sqlalchemy import update

from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import counters, device_now, devices


def test_what_a_relay_accepts_is_at_the_main_collector_once(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with main.serving(), relay.serving():
        agents = [Agent(relay, hostname=f"pc-{n}") for n in range(3)]
        for number, agent in enumerate(agents):
            agent.report(NEWEST, NEWEST - 1800, startups=[boot(number)], now=now_of())
            agent.report(NEWEST - 3600)
        assert relay.waiting() == 6
        assert relay.forward() == 6
        assert relay.waiting() == 0
        assert main.holding() == relay.holding()
        assert len(main.holding()["periods"]) == 9
        for agent in agents:  # a report repeated by its device arrives again and changes nothing
            agent.report(NEWEST, startups=[])
            agent.close()
        relay.forward()
        assert main.holding() == relay.holding()
    assert [row["hostname"] for row in main.devices()] == ["pc-0", "pc-1", "pc-2"]
    assert {row["relayed_by"] for row in main.devices()} == {relay.state()["id"]}
    local = {row["device_id"] for row in relay.devices()}
    assert local.isdisjoint(row["device_id"] for row in main.devices())
    assert not any(row["last_refusal"] for row in relay.relayed())


def test_items_the_relay_refuses_are_not_forwarded(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with main.serving(), relay.serving():
        agent = Agent(relay)
        answer = agent.report(NEWEST, NEWEST + 1, NEWEST + 86400)
        agent.close()
        assert [rejected.code for rejected in answer.rejected] == ["not_aligned", "in_future"]
        relay.forward()
    assert [row["start"] for row in main.holding()["periods"]] == [NEWEST]
    assert rows(main.engine, counters) == []


def test_only_the_last_open_half_hour_is_kept_and_no_item_of_history_goes(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with relay.serving():
        agent = Agent(relay)
        for number in range(5):
            agent.report(now=now_of(time.time() - 60 + number))
        assert relay.waiting() == 1
        agent.report(NEWEST)
        agent.report(NEWEST - 1800, now=now_of())
        agent.close()
    with main.serving():
        relay.forward()
    assert main.holding() == relay.holding()
    (ours,), (theirs,) = rows(relay.engine, device_now), rows(main.engine, device_now)
    assert ours["now"] == theirs["now"]


def test_a_main_collector_that_is_down_loses_nothing_and_is_said_once(
    tmp_path: Path, main: Site, caplog: pytest.LogCaptureFixture
) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with relay.serving():
        agent = Agent(relay)
        agent.report(NEWEST)
        with caplog.at_level(logging.WARNING, "roadworthy_collector.relay"):
            for n in range(4):
                assert relay.forward(n * 400.0) == 0
            assert [record.getMessage().split(":")[0] for record in caplog.records] == [
                "reports are not forwarded"
            ]
            assert relay.state()["failures"] == "4"
            assert relay.forward(1200.5) == 0  # within the pause nobody is asked
            assert relay.state()["failures"] == "4"
            agent.report(NEWEST - 1800)
            agent.close()
            with main.serving():
                assert relay.forward(5000.0) == 2
            assert caplog.records[-1].getMessage() == "reports are forwarded again"
            assert len(caplog.records) == 2
    assert main.holding() == relay.holding()
    assert "fault" not in relay.state()


def test_a_backlog_of_one_device_arrives_whole_and_in_few_reports(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with relay.serving():
        agent = Agent(relay)
        agent.report(NEWEST)
        agent.close()
    relay.accept(agent, *(agent.body(periods=[energetic(NEWEST - n * 1800)]) for n in range(1, 700)))
    assert relay.waiting() == 700
    with main.serving():
        relay.forward()
    assert relay.waiting() == 0
    assert main.holding() == relay.holding()
    assert len(main.holding()["periods"]) == 700
    assert main.devices()[0]["seq"] == 700


def test_the_collection_policy_the_main_collector_asks_for_reaches_the_device(
    tmp_path: Path, main: Site
) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with main.serving(), relay.serving():
        agent = Agent(relay)
        assert agent.report(NEWEST).collection_policy is None
        relay.forward()
        with write_transaction(main.engine) as connection:
            connection.execute(update(devices).values(usage_profile="personal"))
        agent.report(NEWEST - 1800)
        relay.forward()
        assert agent.report(NEWEST - 3600).collection_policy == "daily"
        agent.close()


def test_a_main_collector_with_longer_intervals_is_left_in_peace(tmp_path: Path, main: Site) -> None:
    main.options["report_interval_seconds"] = 3600
    relay = relay_of(tmp_path / "relay", main)
    with main.serving(), relay.serving():
        agent = Agent(relay)
        agent.report(NEWEST)
        assert relay.forward() == 1
        agent.report(NEWEST - 1800)
        agent.close()
        assert relay.forward() == 0
        assert relay.forward(7201.0) == 1  # a busy main collector spreads calls over up to twice the interval
    assert main.holding() == relay.holding()


def test_tokens_are_not_in_the_database_in_clear(tmp_path: Path, main: Site) -> None:
    relay = relay_of(tmp_path / "relay", main)
    with main.serving(), relay.serving():
        agent = Agent(relay)
        agent.report(NEWEST)
        agent.close()
        relay.forward()
    relay.engine.dispose()
    assert b"rw1_" not in relay.settings.sqlite_file.read_bytes()
    assert (relay.folder / "relay-seal.key").stat().st_mode & 0o077 == 0
    assert json.dumps(relay.state()).count("rwe1_") == 0
