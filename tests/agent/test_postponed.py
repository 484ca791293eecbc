"""Items that lie ahead of the collector's clock: held back until it has caught up, lost by nobody."""

from __future__ import annotations

from typing import Any

import pytest
from agent.devices import TEN, Answer, Asked, Device, ScriptedCollector

from roadworthy_agent.delivery import Kind

HOUR, DAY = 3600.0, 86_400.0
AHEAD = 600.0  # what the collector forgives


def starts(report: dict[str, Any]) -> list[int]:
    return [period["start"] for period in report.get("periods", ())]


def sent(collector: ScriptedCollector) -> list[int]:
    return [start for report in collector.reports() for start in starts(report)]


def quarantine(device: Device) -> list[tuple[str, str, str]]:
    rows = device.database.rows("SELECT item, key, code FROM quarantine ORDER BY id")
    return [(row["item"], row["key"], row["code"]) for row in rows]


@pytest.fixture
def behind(sending: Device, collector: ScriptedCollector) -> Device:
    """Give a device that heard the true time, measured two half-hours, and whose collector then fell an hour behind."""
    sending.confirm()
    sending.delivery.call()  # its facts and start-up
    sending.measure(2 * 1800 + 60)
    collector.asked.clear()
    collector.now = lambda: sending.clock.true - HOUR

    def decide(asked: Asked) -> Answer:
        early = [start for start in starts(asked.body) if start + 1800 > collector.now() + AHEAD]
        why = [{"item": "period", "key": start, "code": "in_future", "field": "start"} for start in early]
        return collector.took(len(starts(asked.body)), rejected=why)

    collector.decide = decide
    return sending


def test_half_hours_are_held_back_until_the_collector_has_caught_up(
    behind: Device, collector: ScriptedCollector
) -> None:
    assert behind.delivery.call().kind is Kind.ANSWERED
    assert sent(collector) == [TEN, TEN + 1800]
    assert (behind.outbox.waiting(), behind.outbox.due()) == (2, False)
    behind.restart_agent()
    behind.clock.run(1000)
    assert behind.delivery.call().kind is Kind.ANSWERED
    assert sent(collector) == [TEN, TEN + 1800]  # not once more
    collector.now = lambda: behind.clock.true
    assert behind.delivery.call().kind is Kind.ANSWERED  # hears the time, and sends in the same call
    assert sent(collector)[2:] == [TEN, TEN + 1800]
    assert (behind.outbox.waiting(), quarantine(behind)) == (0, [])
    assert behind.database.get("postponed") is None


def test_the_rest_goes_on_and_each_follows_when_its_time_has_come(
    behind: Device, collector: ScriptedCollector
) -> None:
    behind.delivery.call()
    behind.database.put(
        batch_limit=2
    )  # the open period and one more: an early item in front must block nothing
    with behind.database.transaction() as connection:
        connection.execute("INSERT INTO frozen SELECT 999999000, payload FROM frozen LIMIT 1")
        connection.execute(
            "UPDATE frozen SET payload = json_set(payload, '$.start', start) WHERE start = 999999000"
        )
        connection.execute(
            "INSERT INTO gaps (kind, basis, payload) VALUES ('off', 'x', ?)",
            (f'{{"from": {TEN - 7200}, "to": {TEN - 5400}, "kind": "off"}}',),
        )
    behind.delivery.call()
    assert sent(collector)[2:] == [999_999_000]
    assert [gap["from"] for report in collector.reports() for gap in report.get("gaps", ())] == [TEN - 7200]
    assert behind.outbox.waiting() == 2
    behind.clock.run(1800)
    behind.delivery.call()
    assert sent(collector)[3:] == [TEN]
    behind.clock.run(1800)
    behind.delivery.call()
    assert TEN + 1800 in sent(collector)[4:]
    assert quarantine(behind) == []


def test_refused_for_a_day_an_item_goes_to_quarantine(behind: Device, collector: ScriptedCollector) -> None:
    collector.now = lambda: behind.clock.true - 3 * DAY
    behind.delivery.call()
    assert behind.outbox.quarantined() == 0
    behind.clock.run(DAY - 60)
    behind.delivery.call()
    assert sent(collector).count(TEN) == 1
    behind.clock.run(120)
    behind.delivery.call()  # tells the agent that the day is over
    behind.delivery.call()
    assert sent(collector).count(TEN) == 2
    assert ("period", str(TEN), "in_future") in quarantine(behind)
    assert TEN not in behind.frozen()


def test_the_day_is_counted_anew_where_the_collector_s_clock_steps_back(
    behind: Device, collector: ScriptedCollector
) -> None:
    behind.delivery.call()
    collector.now = lambda: behind.clock.true - 30 * DAY
    behind.delivery.call()
    held = behind.database.get("postponed")
    assert {since for _until, since in held.values()} == {behind.clock.true - 30 * DAY}
    collector.now = lambda: behind.clock.true
    behind.delivery.call()
    assert (behind.outbox.waiting(), quarantine(behind)) == (0, [])


def test_only_what_was_sent_can_be_held_back(sending: Device, collector: ScriptedCollector) -> None:
    """An answer that names strange items fills no memory with them."""
    sending.confirm()
    why = [
        {"item": "period", "key": TEN + 1800 * n, "code": "in_future", "field": "start"} for n in range(50)
    ]
    collector.decide = lambda _asked: collector.took(0, rejected=why)
    sending.delivery.call()
    assert sending.database.get("postponed") is None
