"""Exceptions as people ask for them, agree to them and see them: forms, API, commands, lists and gauges."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.books import approving, excepting, plan_lists, rating, rules
from roadworthy_collector.books.plan_inputs import read_items
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs import books as job
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import books as gauges
from roadworthy_collector.security.roles import RIGHTS, Reader, Role
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import exceptions, ratings, register_items
from roadworthy_collector.store.engine import write_transaction

DAY = 86_400
TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
DEVICE = {"device_class": "laptop", "environment": "physical", "system_medium": "hdd", "hostname": "nb1"}
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


def work_of(estate: Estate, now: float = NOW) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: now, rests=False)


def reader(name: str, role: Role = Role.APPROVER) -> Reader:
    return Reader(name, role, "", signed_in=True, rights=RIGHTS[role])


def asked(estate: Estate, device: int, *, days: int = 10, approver: str | None = None) -> int:
    wanted = excepting.Asked(
        estate.device_id(device), ["hard-disk"], "spare ordered", "desk", approver, TODAY,
        TODAY + dt.timedelta(days=days),
    )  # fmt: skip
    with write_transaction(estate.engine) as connection:
        known = {one.rule_id for one in rules.current(connection)[0].rules}
        return excepting.add(connection, wanted, known_rules=known, now=int(NOW), actor="rita")


def decide(estate: Estate, number: int, who: Reader, act: Any = approving.approve) -> None:
    with write_transaction(estate.engine) as connection:
        act(connection, number, who, today=TODAY, now=int(NOW))


def states(estate: Estate) -> list[str]:
    with estate.engine.connect() as connection:
        return [one["state"] for one in excepting.list_entries(connection, TODAY)]


def verdict(estate: Estate, now: float = NOW) -> tuple[str, int]:
    rating.rate_now(work_of(estate, now))
    with estate.engine.connect() as connection:
        row = connection.execute(select(ratings)).one()
    return row.verdict, row.excepted


def test_it_holds_only_once_somebody_else_agreed(estate: Estate) -> None:
    device = estate.device(**DEVICE)
    number = asked(estate, device)
    assert states(estate) == ["waiting"]
    assert verdict(estate) == ("needs attention", 0)
    for who in (reader("RITA"), reader("desk-viewer", Role.VIEWER)):  # who asked; who has no such right
        with pytest.raises(approving.ApprovalError, match="rita asked for this one"):
            decide(estate, number, who)
    with pytest.raises(RoadworthyError, match="same person"):
        decide(estate, number, reader("Desk"))  # its owner
    with estate.engine.connect() as connection:
        before = job.seen(connection)
    decide(estate, number, reader("grace"))
    with estate.engine.connect() as connection:
        assert job.seen(connection) != before  # the job rates again at once
        (row,) = excepting.list_entries(connection, TODAY)
    assert (row["approver"], row["asked_by"], row["on_paper"]) == ("grace", "rita", False)
    assert verdict(estate) == ("meets", 1)
    with pytest.raises(NotFoundError):
        decide(estate, number, reader("grace"))


def test_the_rule_returns_the_day_after(estate: Estate) -> None:
    device = estate.device(**DEVICE)
    decide(estate, asked(estate, device, days=1), reader("grace"))
    midnight = dt.datetime.combine(TODAY + dt.timedelta(days=2), dt.time(), dt.UTC).timestamp()
    summer = 3600  # Europe/London, in whose days it counts, is an hour ahead
    assert verdict(estate, midnight - summer - 1) == ("meets", 1)
    assert verdict(estate, midnight - summer) == ("needs attention", 0)


def test_what_is_refused_or_taken_back_or_too_late_never_holds(estate: Estate) -> None:
    device = estate.device(**DEVICE)
    decide(estate, asked(estate, device), reader("grace"), approving.refuse)
    back = asked(estate, device)
    with write_transaction(estate.engine) as connection:
        excepting.end(connection, back, today=TODAY, now=int(NOW), actor="rita")
    asked(estate, device, days=0)
    with estate.engine.connect() as connection:
        later = excepting.list_entries(connection, TODAY + dt.timedelta(days=1))
    assert [one["state"] for one in later] == ["ended", "refused", "lapsed"]
    assert verdict(estate) == ("needs attention", 0)


def test_approving_late_does_not_reach_back(estate: Estate) -> None:
    number = asked(estate, estate.device(**DEVICE))
    with write_transaction(estate.engine) as connection:
        when = TODAY + dt.timedelta(days=3)
        approving.approve(connection, number, reader("grace"), today=when, now=int(NOW))
        assert connection.scalar(select(exceptions.c.begins)) == when.isoformat()


def test_gauges_and_lists_count_what_it_takes_out(estate: Estate) -> None:
    device = estate.device(**DEVICE)
    values = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1}
    with write_transaction(estate.engine) as connection:
        for tag in ("FP1", "FP2"):
            connection.execute(insert(register_items).values(tag=tag, **values))
        everything = excepting.Asked("FP1", None, "evidence", "desk", "Head", TODAY, TODAY)
        excepting.add(connection, everything, known_rules=(), now=int(NOW), actor="rita")
    decide(estate, asked(estate, device, days=200), reader("grace"))
    rating.rate_now(work_of(estate))
    with estate.engine.connect() as connection:
        text = gauges.render(gauges.read(connection))
        lists = plan_lists.make(read_items(connection, None, NOW, TODAY), None)
    assert 'roadworthy_exceptions{state="in_force"} 1' in text
    assert 'roadworthy_exceptions{state="expiring"} 1' in text
    assert "roadworthy_excepted_devices 1" in text
    assert [one.unknown.get("FP1") for one in lists] == [plan_lists.EXCEPTED] * 3
    assert [one.unknown.get("FP2") for one in lists].count(plan_lists.EXCEPTED) == 0


@pytest.fixture
def client(estate: Estate) -> Iterator[Client]:
    client = client_of(estate.engine, estate.path.parent, NOW)
    yield client
    client.close()


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@ONE_STORE
def test_the_forms(estate: Estate, client: Client) -> None:
    rita = Person(estate.engine, "rita", "register_manager")
    grace = Person(estate.engine, "grace", "approver")
    vera = Person(estate.engine, "vera", "viewer")
    device = estate.device_id(estate.device(**DEVICE))
    rating.rate_now(work_of(estate))
    path = "/ratings/exceptions"
    assert "Ask for an exception" in client.get(path, **rita.cookie).text
    assert "Ask for an exception" not in client.get(path, **grace.cookie).text
    form = {
        "what": device, "rule": "hard-disk", "reason": "spare <ordered>", "owner": "desk", "expires": "2026-09-30",
    }  # fmt: skip
    mine = form | {"csrf": rita.csrf}
    assert client.post(path, data=form, **rita.cookie).status_code == 403
    assert client.post(path, data=form | {"csrf": vera.csrf}, **vera.cookie).status_code == 403
    for wrong, why in (
        ({"expires": "soon"}, "last day: write a day as"),
        ({"expires": "2020-01-01"}, "is over"),
        ({"reason": "x"}, "reason: give one of"),
        ({"owner": " "}, "owner: say who"),
        ({"rule": "nonsense"}, "no such rule: nonsense"),
        ({"what": "FP9"}, "no register item this tag"),
    ):
        answer = client.post(path, data=mine | wrong, **rita.cookie)
        assert answer.status_code == 422
        assert why in said(answer.text)
        assert "spare" in answer.text or "reason" in wrong  # what was typed is not lost
    assert client.post(path, data=mine, **rita.cookie).status_code == 303
    page = client.get(path, **grace.cookie).text
    assert "spare &lt;ordered&gt;" in page
    assert "asked for by rita nobody agreed to it yet" in said(page)
    (address,) = re.findall(r'action="(/ratings/exceptions/\d+/approve)"', page)
    assert address not in client.get(path, **rita.cookie).text
    assert client.post(address, data={"csrf": rita.csrf}, **rita.cookie).status_code == 403
    assert "1 wait for approval" in said(client.get("/ratings", **vera.cookie).text)
    assert client.post(address, data={"csrf": grace.csrf}, **grace.cookie).status_code == 303
    assert client.post(address, data={"csrf": grace.csrf}, **grace.cookie).status_code == 404
    rating.rate_now(work_of(estate))
    assert "approved by grace" in said(client.get(path, **vera.cookie).text)
    told = said(client.get("/ratings", **vera.cookie).text)
    assert "they take reasons out of the rating of 1 device counted here" in told
    with estate.engine.connect() as connection:
        about = "exception.%"
        rows = connection.execute(
            select(schema.audit.c.action, schema.audit.c.actor).where(schema.audit.c.action.like(about))
        ).all()
    assert [tuple(row) for row in rows] == [("exception.ask", "rita"), ("exception.approve", "grace")]


@ONE_STORE
def test_nobody_approves_their_own_by_the_api(estate: Estate, client: Client) -> None:
    grace = Person(estate.engine, "grace", "approver")
    number = asked(estate, estate.device(**DEVICE))
    with write_transaction(estate.engine) as connection:
        excepting.write_about(connection, number, {"asked_by": "Grace", "paper": False}, NOW)
    answer = client.post(f"/api/v1/exceptions/{number}/approve", **grace.bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "approval_refused")
    page = client.get("/ratings/exceptions", **grace.cookie).text
    assert "not yours to decide" in page
