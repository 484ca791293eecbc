"""What a relay does with every answer that is not a plain 200."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector.ingest.samples import rows
from collector.relay.sites import NEWEST, Agent, Site, energetic, now_of, relay_of
from collector.relay.upstreams import TOKEN, Answer, Canned, canned, refused, taken

from roadworthy_collector.relay import status
from roadworthy_collector.relay.upstream import retry_after
from roadworthy_collector.security import tokens
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import counters

KEY = "rwe1_" + "0" * 16 + "_" + "0" * 64


@pytest.fixture
def upstream() -> Iterator[Canned]:
    with canned() as found:
        yield found


@pytest.fixture
def relay(tmp_path: Path, main: Site, upstream: Canned) -> Iterator[Site]:
    """Yield a relay of `upstream` with one device that has three half-hours and an open one waiting."""
    relay = relay_of(tmp_path / "relay", main, KEY, upstream_url=upstream.address)
    agent = Agent(relay, local=True)
    for n in range(3):
        relay.accept(agent, agent.body(periods=[energetic(NEWEST - n * 1800)]))
    relay.accept(agent, agent.body(now=now_of()))
    yield relay
    relay.engine.dispose()


def counted(site: Site, name: str) -> dict[str, int]:
    return {row["label"]: row["value"] for row in rows(site.engine, counters) if row["name"] == name}


def test_rejected_items_are_counted_and_let_go(relay: Site, upstream: Canned) -> None:
    rejected = {"item": "period", "key": NEWEST, "code": "too_old", "field": "start", "message": "gone"}
    upstream.report = lambda body: taken(body, accepted=2, rejected=[rejected])
    assert relay.forward() == 4
    assert counted(relay, "relay_refused") == {"too_old": 1}
    (device,) = relay.relayed()
    assert (device["refused_items"], device["last_refusal"]) == (1, "period: too_old")


@pytest.mark.parametrize(("status", "code"), [(400, "schema"), (413, "too_large")])
def test_a_refused_report_is_halved_until_the_offender_is_alone(
    relay: Site, upstream: Canned, status: int, code: str
) -> None:
    got: list[Any] = []

    def answer(body: dict[str, Any]) -> Answer:
        starts = [period["start"] for period in body.get("periods", ())]
        if NEWEST - 1800 in starts:
            return refused(status, code)
        got.extend(starts)
        return taken(body)

    upstream.report = answer
    assert relay.forward() == 4
    assert got == [NEWEST, NEWEST - 3600]
    assert counted(relay, "relay_refused") == {code: 1}
    assert any("now" in body for body in upstream.asked)


def test_a_device_whose_empty_report_is_refused_waits_and_keeps_everything(
    relay: Site, upstream: Canned
) -> None:
    upstream.report = lambda _body: refused(400, "schema")
    assert relay.forward() == 0
    asked = len(upstream.asked)
    assert relay.forward(3000.0) == 0
    assert len(upstream.asked) == asked
    upstream.report = taken
    assert relay.forward(3700.0) == 4
    assert counted(relay, "relay_refused") == {}


def test_an_answer_that_holds_other_items_than_were_sent_is_no_answer(relay: Site, upstream: Canned) -> None:
    upstream.report = lambda body: taken(body, received=0)
    assert relay.forward() == 0
    assert relay.waiting() == 4
    assert "no Roadworthy collector" in relay.state()["fault"]


@pytest.mark.parametrize("code", ["unknown", "re_enrol"])
def test_an_unknown_token_leads_to_one_enrolment_an_hour(relay: Site, upstream: Canned, code: str) -> None:
    upstream.report = lambda _body: refused(401, code)
    for minutes in range(0, 59, 5):
        assert relay.forward(minutes * 60.0) == 0
    assert (len(upstream.enrolments), len(upstream.asked)) == (1, 1)
    relay.forward(3700.0)
    assert (len(upstream.enrolments), len(upstream.asked)) == (2, 2)
    upstream.report = taken
    assert relay.forward(3 * 3700.0) == 4


def test_a_revoked_device_stops_until_somebody_resumes_it(relay: Site, upstream: Canned) -> None:
    upstream.report = lambda _body: refused(403, "revoked")
    for days in range(3):
        assert relay.forward(days * 86400.0) == 0
    assert len(upstream.asked) == 1
    assert relay.waiting() == 4
    (device,) = relay.relayed()
    assert device["stopped"] == "revoked"
    upstream.report = taken
    with write_transaction(relay.engine) as connection:
        assert status.resume(connection, None, now=0) == 1
    assert relay.forward() == 4


@pytest.mark.parametrize("code", ["key_unknown", "key_expired", "key_used_up", "key_revoked"])
def test_a_refused_key_is_left_alone_for_an_hour(relay: Site, upstream: Canned, code: str) -> None:
    good, upstream.enrol = upstream.enrol, lambda _body: refused(403, code)
    for minutes in range(0, 59, 7):
        relay.forward(minutes * 60.0)
    assert len(upstream.enrolments) == 1
    assert code in relay.state()["enrol_fault"]
    upstream.enrol = good
    assert relay.forward(3800.0) == 4
    assert "enrol_fault" not in relay.state()


def test_a_new_key_in_the_file_is_tried_at_once(relay: Site, upstream: Canned) -> None:
    good, upstream.enrol = upstream.enrol, lambda _body: refused(403, "key_expired")
    relay.forward()
    upstream.enrol = good
    key_file = relay.settings.upstream_enrolment_key_file
    assert key_file is not None
    key_file.write_text(tokens.issue("rwe1").text + "\n")
    assert relay.forward(61.0) == 4


def test_retry_after_is_obeyed(relay: Site, upstream: Canned) -> None:
    upstream.report = lambda _body: refused(503, "busy", **{"retry-after": "120"})
    relay.forward()
    relay.forward(119.0)
    assert len(upstream.asked) == 1
    upstream.report = taken
    assert relay.forward(120.0 * 1.2 + 1) == 4


def test_a_rate_limit_holds_back_one_device_only(relay: Site, upstream: Canned) -> None:
    upstream.report = lambda _body: refused(429, "rate", **{"retry-after": "50"})
    relay.forward()
    assert "fault" not in relay.state()
    assert relay.forward(49.0) == 0
    assert len(upstream.asked) == 1
    upstream.report = taken
    assert relay.forward(62.0) == 4


def test_a_limit_on_enrolments_holds_back_enrolments_only(relay: Site, upstream: Canned) -> None:
    good, upstream.enrol = upstream.enrol, lambda _body: refused(429, "rate", **{"retry-after": "40"})
    relay.forward()
    relay.forward(39.0)
    assert len(upstream.enrolments) == 1
    assert "fault" not in relay.state()
    upstream.enrol = good
    assert relay.forward(50.0) == 4


def test_another_version_of_the_contract_waits_a_day(relay: Site, upstream: Canned) -> None:
    upstream.report = lambda _body: refused(426, "upgrade_required")
    for hours in range(0, 24, 4):
        relay.forward(hours * 3600.0)
    assert len(upstream.asked) == 1
    assert relay.waiting() == 4


def test_a_new_token_is_used_and_the_old_one_kept_until_it_works(relay: Site, upstream: Canned) -> None:
    (agent,) = relay.agents
    newer, newest = tokens.issue("rw1").text, tokens.issue("rw1").text
    upstream.report = lambda body: taken(body, token=newer)
    relay.forward()
    upstream.report = lambda body: refused(401, "unknown") if upstream.tokens[-1] == newer else taken(body)
    relay.accept(agent, agent.body(periods=[energetic(NEWEST - 9000)]))
    assert relay.forward() == 1
    assert upstream.tokens == [TOKEN, newer, TOKEN]
    upstream.report = lambda body: taken(body, token=newest)
    for n in range(2):
        relay.accept(agent, agent.body(periods=[energetic(NEWEST - 10800 - n * 1800)]))
        assert relay.forward() == 1
    assert upstream.tokens[3:] == [TOKEN, newest]
    assert relay.relayed()[0]["next_token"] is None


def test_a_sign_in_page_is_no_collector(relay: Site, upstream: Canned) -> None:
    upstream.report = lambda _body: (200, {"welcome": "to our network"}, {})
    assert relay.forward() == 0
    assert relay.waiting() == 4
    upstream.report = lambda _body: (302, {}, {"location": "http://elsewhere.invalid/"})
    assert relay.forward(100.0) == 0
    assert relay.waiting() == 4


def test_a_key_file_others_can_read_is_refused_and_said(relay: Site, upstream: Canned) -> None:
    key_file = relay.settings.upstream_enrolment_key_file
    assert key_file is not None
    key_file.chmod(0o644)
    relay.forward()
    assert "chmod 600" in relay.state()["fault"]
    assert upstream.enrolments == []
    key_file.chmod(0o600)
    assert relay.forward(10.0) == 4


def test_a_lost_seal_is_said_and_nothing_is_enrolled_again_by_itself(relay: Site, upstream: Canned) -> None:
    (agent,) = relay.agents
    relay.forward()
    seal = relay.folder / "relay-seal.key"
    kept = seal.read_text()
    seal.unlink()
    relay.accept(agent, agent.body(periods=[energetic(NEWEST - 9000)]))
    assert relay.forward() == 0
    assert "relay resume --all" in relay.state()["fault"]
    assert len(upstream.enrolments) == 1
    seal.write_text(kept)
    assert relay.forward(10.0) == 1
    assert len(upstream.enrolments) == 1


def test_one_device_the_main_collector_trips_over_does_not_hold_up_the_others(
    relay: Site, upstream: Canned
) -> None:
    for n, agent in enumerate([Agent(relay, local=True) for _ in range(3)]):
        relay.accept(agent, agent.body(periods=[energetic(NEWEST - n * 1800)], boot_id="fine"))
    upstream.report = lambda body: taken(body) if body["boot_id"] == "fine" else refused(503, "busy")
    for n in range(3):
        relay.forward(n * 400.0)
    assert relay.waiting() == 4


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("7", None, 7.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", "Sun, 22 Nov 2026 10:00:00 GMT", 30.0),
        ("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:30 GMT", 0.0),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_retry_after_is_read(value: str | None, date: str | None, seconds: float | None) -> None:
    assert retry_after(value, date) == seconds
