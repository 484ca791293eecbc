"""The pages, the API and the commands of staff time, benefits, contracts and disposal, as people of roles meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.estates import NOW, Estate
from support.modules import beside
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector import cli
from roadworthy_collector.books import staff_time

pages, steps, hours = (
    beside(__file__, "test_money_pages"),
    beside(__file__, "test_money_steps"),
    beside(__file__, "test_staff_time"),
)
pytestmark = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
ORIGIN = {"Origin": "http://127.0.0.1:8470"}


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


def form(person: Person) -> dict[str, Any]:
    return {"headers": person.cookie["headers"] | ORIGIN}


def told(estate: Estate) -> None:
    hours.said(estate, hours.FIXED)
    for device in hours.fleet_of(estate, 6, unit="Patrol"):
        estate.startup(device, started_at=hours.at(1), total_seconds=90.0, attended=True)
    while staff_time.refresh(steps.work_of(estate)):
        pass


def test_nothing_known_is_said_so(client: Client) -> None:
    assert "being worked out for the first time" in pages.page(client, "/staff-time").text
    assert "No benefit is claimed yet" in pages.page(client, "/benefits").text
    assert "No contracts are imported" in pages.page(client, "/contracts").text
    assert "None." in pages.page(client, "/contracts/warranties").text
    assert "Nothing is disposed of" in pages.page(client, "/disposal").text


def test_staff_time_shows_hours_and_says_what_is_missing(client: Client, estate: Estate) -> None:
    told(estate)
    found = pages.page(client, "/staff-time")
    assert "Non-cashable" in found.text
    assert "no rate stated" in found.text
    assert "Patrol" in found.text
    month = hours.MONTH.name
    assert "unattended" not in pages.page(client, f"/staff-time?period={month}&by=site").text
    assert "by" in pages.page(client, "/staff-time?period=nonsense&by=nonsense").text
    assert "Patrol" in client.get(f"/export/staff-time?period={month}&by=unit").text


def test_assumptions_are_tried_and_saved_by_form(client: Client, estate: Estate) -> None:
    told(estate)
    fin, desk = Person(estate.engine, "fin", "finance_preparer"), Person(estate.engine, "desk", "viewer")
    text = hours.FIXED.replace("[good]", "rate_pence_per_hour = 3600\n[good]")
    assert "Save" not in pages.page(client, "/staff-time/assumptions", **desk.cookie).text
    sent = {"content": text, "what": "try", "csrf": fin.csrf}
    tried = client.post("/staff-time/assumptions", data=sent, **form(fin))
    assert "Nothing is saved yet" in tried.text
    assert "£0.90 to £3.60" in " ".join(tried.text.split())
    bad = client.post("/staff-time/assumptions", data=sent | {"content": "x"}, **form(fin))
    assert bad.status_code == 422
    assert client.post("/staff-time/assumptions", data=sent | {"csrf": ""}, **form(fin)).status_code == 403
    refused = client.post("/staff-time/assumptions", data=sent | {"csrf": desk.csrf}, **form(desk))
    assert refused.status_code == 403
    saved = client.post("/staff-time/assumptions", data=sent | {"what": "save"}, **form(fin))
    assert saved.status_code == 303
    assert "£0.90 to £3.60" in pages.page(client, "/staff-time", **fin.cookie).text


def test_a_benefit_is_claimed_agreed_delivered_and_removed_by_three(client: Client, estate: Estate) -> None:
    steps.system(estate, "Atlas")
    jo = Person(estate.engine, "jo", "finance_preparer")
    sam = Person(estate.engine, "sam", "finance_preparer")
    ann = Person(estate.engine, "ann", "approver")
    sent = {
        "reference": "B-1",
        "system": "Atlas",
        "year": "2026",
        "saving": "1,000",
        "double": "",
        "cashable": "yes",
    }
    assert client.post("/benefits", data=sent | {"csrf": ann.csrf}, **form(ann)).status_code == 403
    assert client.post("/benefits", data=sent | {"csrf": jo.csrf, "year": "x"}, **form(jo)).status_code == 422
    assert client.post("/benefits", data=sent | {"csrf": jo.csrf}, **form(jo)).status_code == 303
    said = {person.name: {"csrf": person.csrf} for person in (jo, sam, ann)}
    mine = pages.page(client, "/benefits", **jo.cookie).text
    assert "by somebody else" in mine
    assert "1, saving £1,000.00 gross" in mine
    assert client.post("/benefits/1/agree", data=said["jo"], **form(jo)).status_code == 403
    assert client.post("/benefits/1/deliver", data=said["jo"], **form(jo)).status_code == 409
    assert client.post("/benefits/1/agree", data=said["sam"], **form(sam)).status_code == 303
    assert client.post("/benefits/1/deliver", data=said["jo"], **form(jo)).status_code == 303
    assert client.post("/benefits/1/remove", data=said["sam"], **form(sam)).status_code == 403
    assert "Remove from budget" in pages.page(client, "/benefits", **ann.cookie).text
    assert client.post("/benefits/1/remove", data=said["ann"], **form(ann)).status_code == 303
    assert "removed from budget" in pages.page(client, "/benefits", **ann.cookie).text
    assert client.post("/benefits/77/remove", data=said["ann"], **form(ann)).status_code == 404


def test_contracts_and_warranties_have_pages(client: Client, estate: Estate, tmp_path: Path) -> None:
    steps.taken(estate, tmp_path)
    found = pages.page(client, "/contracts")
    assert "Give notice soon" in found.text
    assert "in 20 days" in found.text
    steps.item(estate, "A", serial="5CG1")
    steps.warranties_in(estate, "Serial number,Warranty end\n5CG1,2026-12-24\n5CG1,2026-12-25\n")
    covered = pages.page(client, "/contracts/warranties?month=2026-12")
    assert "2026-12-25" in covered.text
    assert "maker.csv" in covered.text
    assert "2026-12-25" in client.get("/export/warranties?month=2026-12").text


def test_disposal_shows_what_is_missing_and_takes_what_is_said(client: Client, estate: Estate) -> None:
    steps.five(estate)
    steps.gone(estate)
    manager = Person(estate.engine, "reg", "register_manager")
    assert "no certificate" in pages.page(client, "/disposal", **manager.cookie).text
    sent = {"tag": "B", "certificate": "D-2", "certificate_date": "2026-05-02", "weight_kg": "2.25"}
    bad = client.post("/disposal", data=sent | {"weight_kg": "x", "csrf": manager.csrf}, **form(manager))
    assert bad.status_code == 422
    assert client.post("/disposal", data=sent | {"csrf": manager.csrf}, **form(manager)).status_code == 303
    found = pages.page(client, "/disposal", **manager.cookie).text
    assert "no certificate" not in found
    assert "6.0 kg" in found


def test_the_api_says_the_same(client: Client, estate: Estate, tmp_path: Path) -> None:
    told(estate)
    steps.taken(estate, tmp_path)
    steps.five(estate)
    manager = Person(estate.engine, "reg", "register_manager")
    headers = manager.cookie["headers"] | ORIGIN | {"X-CSRF-Token": manager.csrf}
    sent = client.post(
        "/api/v1/disposal/import?name=gone.csv",
        content=steps.GONE,
        headers=headers | {"Content-Type": "application/octet-stream"},
    )
    assert sent.status_code == 200, sent.text
    assert (sent.json()["disposed"], sent.json()["rows_bad"]) == (2, 4)
    assert client.get("/api/v1/disposal/missing", **manager.cookie).json()["total"] == 1
    assert client.get("/api/v1/contracts", **manager.cookie).json()["notice_due"][0]["reference"] == "C-1"
    months = client.get("/api/v1/staff-time", **manager.cookie).json()
    assert months["periods"][0]["time"]["hours"] == 0.1
    assert client.get("/api/v1/staff-time/groups?period=2026/27", **manager.cookie).json()["rows"]
    assert client.get("/api/v1/staff-time/groups?period=1999-01", **manager.cookie).status_code == 404


def test_the_commands_say_the_same(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_DATA", str(estate.settings().data))
    told(estate)
    steps.system(estate, "Atlas")
    steps.five(estate)
    (tmp_path / "gone.csv").write_text(steps.GONE)
    (tmp_path / "a.toml").write_text(hours.FIXED + "# mine\n")

    def run(*words: str, status: int = 0) -> str:
        found = CliRunner().invoke(cli.app, words)
        assert found.exit_code == status, (found.output, found.exception)
        return found.output

    assert "non-cashable" in run("staff-time", "show", "--period", hours.MONTH.name, "--by", "unit")
    assert json.loads(run("staff-time", "show", "--format", "json"))["cashable"] is False
    assert "in force already" in run("staff-time", "assumptions", "save", str(tmp_path / "a.toml"))
    assert "good" in run("staff-time", "assumptions", "show")
    run("staff-time", "assumptions", "try", str(tmp_path / "a.toml"))
    run("benefits", "add", "B-1", "--system", "Atlas", "--year", "2026=1000-200", "--by", "jo")
    run("benefits", "agree", "1", "--by", "sam")
    run("benefits", "deliver", "1", "--by", "jo")
    run("benefits", "remove", "1", "--by", "jo", "--as-finance", status=1)
    assert "removed from budget" in run("benefits", "remove", "1", "--by", "fin", "--as-finance")
    assert "£800.00" in run("benefits", "list", "--sums")
    took = run("disposal", "import", str(tmp_path / "gone.csv"))
    assert "2 items left" in took
    # Rows that are bad are never dropped unsaid: beside the file, and again where they are asked for.
    assert "gone.corrections.csv" in took
    corrections = (tmp_path / "gone.corrections.csv").read_text("utf-8-sig")
    assert len(corrections.splitlines()) == 1 + 4
    bad = tmp_path / "bad.csv"
    again = run("disposal", "import", str(tmp_path / "gone.csv"), "--corrections", str(bad))
    assert "this file is in already" in again
    assert bad.read_text("utf-8-sig") == corrections
    assert "1 certificates are missing" in run("disposal", "list")
    run("disposal", "set", "B", "--certificate", "D-2", "--certificate-date", "2026-05-02")
    assert "none" in run("disposal", "missing")
    assert "running" in run("contracts", "list")
    assert "unknown: 3" in run("contracts", "warranties")
    for words in (("staff-time",), ("benefits",), ("contracts",), ("disposal",)):
        run(*words, "export", str(tmp_path / f"{words[0]}.xlsx"))
        assert (tmp_path / f"{words[0]}.xlsx").stat().st_size > 0
