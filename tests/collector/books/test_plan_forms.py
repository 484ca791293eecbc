"""A plan asked for by form: at once of a small register, else by the jobs process, which says how it goes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.books import figures, plan_queue, planning
from roadworthy_collector.books.plan_example import EXAMPLE
from roadworthy_collector.books.plan_text import Budget
from roadworthy_collector.jobs.runner import JOBS
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import register_items
from roadworthy_collector.store.engine import write_transaction

ITEM = {
    "kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1,
    "purchased": "2018-04-01", "model": "EliteBook",
}  # fmt: skip
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
PATH = "/replacement/plan"


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    with write_transaction(estate.engine) as connection:
        for number in range(4):
            connection.execute(insert(register_items).values(tag=f"PC{number}", **ITEM))
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@ONE_STORE
def test_a_small_register_is_planned_at_once(estate: Estate, client: Client) -> None:
    rita = Person(estate.engine, "rita", "register_manager")
    vera = Person(estate.engine, "vera", "viewer")
    assert client.get(PATH, **vera.cookie).status_code == 403
    page = client.get(PATH, **rita.cookie).text
    assert "every price in this example is made up" in page
    assert "made while you wait" in said(page)
    form = {"csrf": rita.csrf, "text": EXAMPLE, "capital": "\u00a325,000", "horizon": "4", "lots": "yes"}
    assert client.post(PATH, data=form | {"csrf": vera.csrf}, **rita.cookie).status_code == 403
    assert client.post(PATH, data=form, **rita.cookie).status_code == 303
    with estate.engine.connect() as connection:
        summary, _ = planning.require(connection)
    assert (summary["budget"]["capital_pounds"], summary["budget"]["lots"]) == (25_000, True)
    assert (summary["items"], summary["horizon_years"], summary["made_by"]) == (4, 4, "rita")
    again = client.get(PATH, **rita.cookie).text
    assert 'value="25000"' in again  # the last plan's words are in the form
    for wrong, why in (
        ({"capital": "much"}, "capital: a whole number from 0 to 1,000,000,000 is wanted"),
        ({"horizon": "0"}, "horizon: a whole number from 1 to 40"),
        ({"text": " "}, "1 to 60,000 characters of TOML"),
        ({"text": "nonsense ["}, "TOML"),
    ):
        answer = client.post(PATH, data=form | wrong, **rita.cookie)
        assert answer.status_code == 422, wrong
        assert why in said(answer.text)


@ONE_STORE
def test_a_large_one_is_queued_and_made_by_the_jobs(
    estate: Estate, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_queue, "MOST_AT_ONCE", 3)
    rita = Person(estate.engine, "rita", "register_manager")
    form = {"csrf": rita.csrf, "text": EXAMPLE, "capital": "25000"}
    assert client.post(PATH, data=form, **rita.cookie).status_code == 303
    assert "waits for the jobs process" in said(client.get("/replacement", **rita.cookie).text)
    refused = client.post(PATH, data=form, **rita.cookie)
    assert "is still being made" in said(refused.text)
    assert plan_queue.make(work_of(estate)) == 1
    assert plan_queue.make(work_of(estate)) == 0
    with estate.engine.connect() as connection:
        queued = plan_queue.read(connection)
        assert planning.require(connection)[0]["made_by"] == "rita"
    assert queued is not None
    assert queued.state == "done"
    assert "waits" not in said(client.get("/replacement", **rita.cookie).text)
    assert plan_queue.make in [job.run for job in JOBS]


def test_what_was_cut_off_is_made_again_and_what_fails_says_why(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        plan_queue.ask(
            connection, planning.Asked(text=EXAMPLE, budget=Budget()), now=NOW, zone="Europe/London"
        )
        held = figures.read(connection, plan_queue.FIGURE)
        assert held is not None
        figures.write(connection, plan_queue.FIGURE, held[0] | {"state": "running"}, NOW, 0.0)
    assert plan_queue.make(work_of(estate)) == 1  # the jobs process that made it is gone
    with estate.engine.connect() as connection:
        queued = plan_queue.read(connection)
    assert queued is not None
    assert (queued.state, queued.open) == ("failed", False)
    assert "the register has no item" in (queued.error or "")


@ONE_STORE
def test_the_api_queues_too(estate: Estate, client: Client) -> None:
    rita = Person(estate.engine, "rita", "register_manager")
    path = "/api/v1/plan/queue"
    assert client.get(path, **rita.bearer).status_code == 404
    asked = client.request("POST", path, json={"text": EXAMPLE, "capital_pounds": 5}, **rita.bearer)
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert client.request("POST", path, json={"text": "["}, **rita.bearer).status_code == 422
    plan_queue.make(work_of(estate))
    assert client.get(path, **rita.bearer).json()["state"] == "done"
