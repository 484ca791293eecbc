"""Planned lives an organisation states itself: tried, put in force by page, API and command, and what goes by them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy import insert
from support.estates import NOW, Estate
from support.people import Person
from support.web import client_of
from typer.testing import CliRunner

from roadworthy_collector.books import legacy_run, lifecycle_run, lifecycle_trying, planned_text, reconciling
from roadworthy_collector.books.lifecycle_lists import Wanted, list_page
from roadworthy_collector.books.lifecycle_read import Reader
from roadworthy_collector.cli import app
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store.books_schema import register_items, systems
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit

TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
TEXT = '[laptop]\nyears = 6\nsource = "ICT strategy"\n\n[dock]\nyears = 4.5\n'


def fill(estate: Estate) -> None:
    bought = (TODAY - dt.timedelta(days=5 * 365)).isoformat()
    estate.put(systems, id=1, name="Custody", kind="application")
    usual = {"lifecycle_state": "deployed", "usage_profile": "unknown", "updated_at": 1, "purchased": bought}
    with write_transaction(estate.engine) as connection:
        for tag, kind in (("FP1", "laptop"), ("FP2", "dock")):
            values = usual | {"tag": tag, "kind": kind, "system": 1}
            connection.execute(insert(register_items).values(**values))
    reconciling.reconcile_now(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))


def worked_out(estate: Estate) -> tuple[list[tuple[str, str, str | None]], int]:
    """Return (tag, band, who says so) of each record, and the records past their life that a system has."""
    lifecycle_run.work_out(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    with estate.engine.connect() as connection:
        page = list_page(connection, Reader(connection, TODAY), Wanted())
        evidence = legacy_run.figures.read(connection, legacy_run.FIGURE)
    assert evidence is not None
    (system,) = evidence[0]["systems"].values()
    return [(row["tag"], row["band"], row["planned_source"]) for row in page.rows], system["concerned"]["L5"]


def test_ageing_and_the_evidence_for_legacy_go_by_them(estate: Estate) -> None:
    fill(estate)
    (before, past) = worked_out(estate)
    assert [one[:2] for one in before] == [("FP1", "past"), ("FP2", "no_planned_life")]
    tried = lifecycle_trying.try_lives(estate.engine, TEXT, NOW, "UTC")
    assert tried.told() == {
        "records": 2,
        "changed": 2,
        "entries": 2,
        "moves": [
            {"before": "no planned life", "after": "past", "records": 1},
            {"before": "past", "after": "second half", "records": 1},
        ],
    }
    with write_transaction(estate.engine) as connection:
        assert planned_text.save(connection, TEXT, now=int(NOW), actor="alice")
        assert not planned_text.save(connection, TEXT + "# again\n", now=int(NOW), actor="alice")
    after, then_past = worked_out(estate)
    assert after == [
        ("FP1", "second_half", "stated by the organisation: ICT strategy"),
        ("FP2", "past", "stated by the organisation"),
    ]
    assert (past, then_past) == (1, 1)  # the laptop before, the dock then
    with estate.engine.connect() as connection:
        assert "lifecycle.planned_life" in [row["action"] for row in audit.read(connection)]


@pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
def test_page_api_and_command_do_the_same(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(estate)
    rita = Person(estate.engine, "rita", "register_manager")
    vera = Person(estate.engine, "vera", "viewer")
    client = client_of(estate.engine, tmp_path, NOW)
    page = client.get("/lifecycle/planned", **vera.cookie)
    assert "Nobody has stated your own yet" in page.text
    assert "<form" not in page.text.partition('<section class="card" aria-labelledby="text">')[2]
    told = client.get("/api/v1/lifecycle/planned", **vera.bearer).json()
    assert (told["made_at"], {row["item_class"]: row["years"] for row in told["rows"]}["laptop"]) == (None, 4)
    form = {"text": TEXT, "csrf": rita.csrf}
    tried = client.request("POST", "/lifecycle/planned", data=form | {"do": "try"}, **rita.cookie)
    assert "2 records would change" in tried.text
    wrong = client.request(
        "POST",
        "/lifecycle/planned",
        data=form | {"text": "[laptop]\nyears = -1", "do": "save"},
        **rita.cookie,
    )
    assert (wrong.status_code, "line 2: years" in wrong.text) == (422, True)
    saved = client.request("POST", "/lifecycle/planned", data=form | {"do": "save"}, **rita.cookie)
    assert saved.status_code == 303
    assert "stated by the organisation: ICT strategy" in client.get("/lifecycle/planned", **vera.cookie).text
    tried_again = client.request("POST", "/api/v1/lifecycle/planned/try", json={"text": ""}, **rita.bearer)
    assert tried_again.json()["changed"] == 2
    put = client.request("PUT", "/api/v1/lifecycle/planned", json={"text": TEXT}, **rita.bearer)
    assert put.json() == {"new": False}
    client.close()

    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.settings().data))
    file = tmp_path / "planned.toml"

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["lifecycle", "planned", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    assert "[dock]" in run("show")
    file.write_text("[laptop]\nyears = 5.5\n", "utf-8-sig")
    assert "1 of 2 records would change" in run("try", str(file))
    assert "saved" in run("save", str(file))
    assert "stated by the organisation" in run("show", "--in-force", "--format", "json")
    file.write_text("[laptop]\nyears = 0\n")
    with pytest.raises(RoadworthyError, match="line 2: years"):
        run("save", str(file))
