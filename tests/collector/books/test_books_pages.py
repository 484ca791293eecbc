"""The pages, the API and the commands of reconciliation and ratings, asked of the whole collector."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of
from typer.testing import CliRunner

from roadworthy_collector.books import rating, reconciling
from roadworthy_collector.cli import app
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import match_decisions, register_items, rule_editions
from roadworthy_collector.store.engine import write_transaction

ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
DEVICE = {"device_class": "laptop", "environment": "physical", "system_medium": "hdd", "hostname": "nb<1>"}


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def work_out(estate: Estate) -> None:
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    reconciling.reconcile_now(work)
    rating.rate_now(work)


def put_books(estate: Estate) -> None:
    """Put in a matched item, a pair to decide, an orphan and a hidden device, worked out."""
    with write_transaction(estate.engine) as connection:
        row = {
            "kind": "laptop",
            "lifecycle_state": "deployed",
            "usage_profile": "personal",
            "updated_at": 1,
            "warranty_end": None,
        }
        for number in range(1, 4):
            values = row | {"tag": f"FP{number}", "serial": f"5CG000000{number}"}
            connection.execute(insert(register_items).values(**values))
    estate.device(**DEVICE, serial="5CG0000001", asset_tag="FP1", site="North", unit="Ops")
    estate.device(**DEVICE, serial="5CG0000002", site="North", unit="Ops")
    estate.device(**DEVICE | {"hostname": "hidden-1"}, site="Annexe", restricted=True)
    work_out(estate)


@pytest.fixture
def books(filled_once: Callable[..., Estate]) -> Estate:
    return filled_once(put_books)


@pytest.fixture
def client(books: Estate) -> Iterator[Client]:
    client = client_of(books.engine, books.path.parent, NOW)
    yield client
    client.close()


PATHS = (
    "/reconciliation",
    "/reconciliation/review",
    *(f"/reconciliation/{place}" for place in ("not_in_mdm", "no_agent", "silent", "reporting", "ghost")),
    "/ratings",
    "/ratings?imported=yes",
    "/ratings/rules",
    "/ratings/exceptions",
)


@pytest.mark.parametrize("path", PATHS)
@ONE_STORE
def test_pages_answer_before_anything_is_worked_out(estate: Estate, path: str) -> None:
    client = client_of(estate.engine, estate.path.parent, NOW)
    assert client.get(path).status_code == 200
    client.close()


@pytest.mark.parametrize("path", PATHS)
@ONE_STORE
def test_pages_carry_no_script_or_style_and_name_their_tables(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    page = answer.text
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", re.sub(r"&lt;.*?&gt;", "", page))
    assert page.count("<table") == page.count("<caption")
    assert "hidden-1" not in page
    assert "nb<1>" not in page


def test_the_waterfall_links_each_gap_to_its_rows(client: Client) -> None:
    page = client.get("/reconciliation").text
    assert "Matched 1 of 3 register items, 33.3%" in text_of(page)
    assert 'href="/reconciliation/no_agent"' in page
    rows = text_of(client.get("/reconciliation/no_agent").text)
    assert "2 records" in rows
    assert "FP3" in rows
    assert "FP1" not in rows
    assert "No record stands here" in text_of(client.get("/reconciliation/silent").text)
    assert client.get("/reconciliation/elsewhere").status_code == 404
    ghosts = text_of(client.get("/reconciliation/ghost?state=agent").text)
    assert "2 records" in ghosts  # the hidden one is counted


@ONE_STORE
def test_a_register_manager_decides_a_pair_with_a_form_of_ours(books: Estate, client: Client) -> None:
    rita = Person(books.engine, "rita", "register_manager")
    vera = Person(books.engine, "vera", "viewer")
    page = client.get("/reconciliation/review", **rita.cookie).text
    (address,) = set(re.findall(r'action="(/reconciliation/review/\d+)"', page))
    (item,) = set(re.findall(r'href="(/register/item/\d+)"', page))  # the register's side opens its item
    assert "FP2" in client.get(item, **rita.cookie).text
    assert "one key alone agrees" in page
    assert 'action="/reconciliation/review/' not in client.get("/reconciliation/review", **vera.cookie).text
    form = {"answer": "same", "csrf": rita.csrf}
    assert client.post(address, data=form | {"csrf": "x"}, **rita.cookie).status_code == 403
    assert client.post(address, data=form | {"csrf": vera.csrf}, **vera.cookie).status_code == 403
    assert client.post(address, data=form | {"answer": "perhaps"}, **rita.cookie).status_code == 422
    assert client.post(address, data=form, **rita.cookie).status_code == 303
    assert client.post(address, data=form, **rita.cookie).status_code == 404
    assert "Nothing waits" in client.get("/reconciliation/review", **rita.cookie).text
    with books.engine.connect() as connection:
        assert connection.scalar(select(match_decisions.c.made_by)) == "rita"


def test_ratings_show_classes_coverage_and_reasons(client: Client) -> None:
    page = client.get("/ratings").text
    said = text_of(page)
    assert "Needs attention 3" in said
    assert "3 of 3 devices" in said
    assert "the system starts from a hard disk" in said
    assert "not known: until when it gets updates" in said
    assert 'href="/devices/rwd_' in page
    assert "No rating matches" in text_of(client.get("/ratings?site=South").text)
    assert "nb<1>" in text_of(
        client.get("/ratings?site=North&unit=Ops&rule=hard-disk&rating=needs+attention").text
    )
    assert "FP3" in text_of(client.get("/ratings?imported=yes").text)


def test_what_has_no_agent_opens_its_item_which_says_how_it_stands(books: Estate, client: Client) -> None:
    page = client.get("/ratings?imported=yes").text
    reads = text_of(page)
    assert "nothing current is known, and nothing in the books is wrong: no agent and no Endpoint" in reads
    assert reads.count("no agent and no Endpoint Analytics export (") == reads.count(" not judged ")
    link = re.search(r'href="(/register/item/[0-9]+)"><bdi>FP3<', page)
    assert link is not None
    item = text_of(client.get(link[1]).text)
    assert "no data import only, no agent" in item
    assert "Updates of its operating system" in item
    assert "In the last replacement plan not in a plan" in item
    with books.engine.connect() as connection:
        first = connection.scalar(select(register_items.c.id).where(register_items.c.tag == "FP1"))
    item = text_of(client.get(f"/register/item/{first}").text)
    assert "needs attention by its agent" in item
    assert "the system starts from a hard disk" in item


@ONE_STORE
def test_figures_of_one_devices_sign_ins_are_not_for_every_role(books: Estate, client: Client) -> None:
    device = books.device(**DEVICE)
    midnight = int(NOW) // 86_400 * 86_400 - 86_400
    for number in range(5):
        told = {"signin_id": f"s{number}", "revision": 1, "final": True, "quality": "measured", "record": {}}
        told |= {"day": midnight, "total_seconds": 111.0, "content_hash": b"12345678"}
        books.put(schema.signins, device=device, **told)
    work_out(books)
    rita, vera = Person(books.engine, "rita", "register_manager"), Person(books.engine, "vera", "viewer")
    paths = ("/ratings", "/api/v1/ratings", f"/api/v1/devices/{books.device_id(device)}/rating")
    for path in (*paths, f"/devices/{books.device_id(device)}"):
        assert "111 s" in client.get(path, **rita.cookie).text
        hidden = client.get(path, **vera.cookie).text
        assert "111 s" not in hidden
        assert "111.0" not in hidden
        assert "how slow is not shown" in hidden


@ONE_STORE
def test_rules_are_tried_and_saved_with_a_form(books: Estate, client: Client) -> None:
    rita = Person(books.engine, "rita", "register_manager")
    some = Person(books.engine, "some", "register_manager", ["Ops"])
    shown = client.get("/ratings/rules", **rita.cookie).text
    text = html.unescape(re.search(r"<textarea[^>]*>\n?(.*)</textarea>", shown, re.DOTALL)[1])  # type: ignore[index]  # it is there
    assert text.lstrip("\n").startswith("# The rules of the rating")
    other = text.replace('value_word = "hdd"', 'value_word = "ssd"')
    form = {"text": other, "do": "try", "csrf": rita.csrf}
    tried = text_of(client.post("/ratings/rules", data=form, **rita.cookie).text)
    assert "3 devices with an agent: 3 devices would be rated otherwise" in tried
    assert "Rules changed: hard-disk" in tried
    wrong = client.post("/ratings/rules", data=form | {"text": "format = 2"}, **rita.cookie)
    assert wrong.status_code == 422
    assert "line 1: format: must be 1" in text_of(wrong.text)
    saved = form | {"do": "save"}
    assert client.post("/ratings/rules", data=saved | {"csrf": some.csrf}, **some.cookie).status_code == 403
    assert client.post("/ratings/rules", data=saved, **rita.cookie).status_code == 303
    assert client.post("/ratings/rules", data=saved, **rita.cookie).status_code == 422
    with books.engine.connect() as connection:
        assert connection.scalar(select(rule_editions.c.made_by)) == "rita"
    assert "by rita" in text_of(client.get("/ratings/rules", **rita.cookie).text)


def test_the_api_tells_the_same_and_keeps_to_units(books: Estate, client: Client) -> None:
    rita = Person(books.engine, "rita", "register_manager")
    ann = Person(books.engine, "ann", "register_manager", ["IT"])

    def get(path: str, who: Person = rita) -> Any:
        answer = client.get(f"/api/v1{path}", **who.bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(path: str, sent: Any, status: int, who: Person = rita) -> Any:
        answer = client.request("POST", f"/api/v1{path}", json=sent, **who.bearer)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    found = get("/reconciliation")
    assert found["match_rate"] == [1, 3]
    assert [step["items"] for step in found["steps"]] == [3, 1, 1]
    assert get("/reconciliation", ann)["match_rate"] is None
    assert [row["tag"] for row in get("/reconciliation/gaps?place=reporting")["rows"]] == ["FP1"]
    assert get("/reconciliation/gaps?place=reporting", ann)["rows"] == []
    (pair,) = get("/reconciliation/review")["rows"]
    post(f"/reconciliation/review/{pair['id']}", {"same": True}, 404, ann)
    noted = post(f"/reconciliation/review/{pair['id']}", {"same": True}, 200)["pairs"]
    assert [[row["one"], row["other"]] for row in get("/reconciliation/decisions")["rows"]] == noted
    post("/reconciliation/decisions/withdraw", {"one": noted[0][0], "other": noted[0][1]}, 403, ann)
    post("/reconciliation/decisions/withdraw", {"one": noted[0][0], "other": noted[0][1]}, 204)
    counts = get("/ratings/counts")
    assert (counts["devices"], counts["rated"], counts["counts"]["needs attention"]) == (3, 3, 3)
    assert get("/ratings/counts", ann)["devices"] == 1
    first = get("/ratings?limit=1")
    assert first["rows"][0]["reasons"][0]["rule"] == "hard-disk"
    assert len(get(f"/ratings?after={first['next']}")["rows"]) == 1
    device = first["rows"][0]["device_id"]
    assert get(f"/devices/{device}/rating")["rating"] == "needs attention"
    assert get(f"/ratings/why?name={device}") == get(f"/devices/{device}/rating") | {"name": device}
    assert get("/ratings/why?name=fp1")["device_id"] is not None
    assert get("/ratings/why?name=FP2")["device_id"] is None
    assert client.get("/api/v1/ratings/why?name=FP2", **ann.bearer).status_code == 404
    assert [row["tag"] for row in get("/ratings/imported")["rows"]] == ["FP2", "FP3"]
    assert post("/reconciliation/run", None, 202)["within_seconds"] == 60
    text = get("/rating-rules")["text"]
    tried = post("/rating-rules/try", {"text": text.replace('"hdd"', '"ssd"')}, 200)
    assert (tried["changed"], tried["rules_changed"]) == (3, ["hard-disk"])
    post("/rating-rules", {"text": text}, 422)
    entry = {
        "what": device,
        "reason": "spare ordered",
        "owner": "a",
        "expires": "2026-09-30",
    }
    number = post("/exceptions", entry, 201)["number"]
    post("/exceptions", entry | {"approver": "A"}, 422)  # nobody approves by being named
    post("/exceptions", entry, 404, ann)
    assert [row["state"] for row in get("/exceptions")["rows"]] == ["waiting"]
    assert get("/exceptions", ann)["rows"] == []
    post(f"/exceptions/{number}/end", None, 204)


@ONE_STORE
def test_an_exception_is_ended_on_its_page(books: Estate, client: Client) -> None:
    rita = Person(books.engine, "rita", "register_manager")
    with books.engine.connect() as connection:
        device = str(connection.scalar(select(schema.devices.c.device_id).limit(1)))
    entry = {
        "what": device,
        "reason": "spare ordered",
        "owner": "a",
        "expires": "2026-09-30",
    }
    assert client.request("POST", "/api/v1/exceptions", json=entry, **rita.bearer).status_code == 201
    page = client.get("/ratings/exceptions", **rita.cookie).text
    (address,) = re.findall(r'action="(/ratings/exceptions/\d+/end)"', page)
    assert client.post(address, data={"csrf": rita.csrf}, **rita.cookie).status_code == 303
    assert client.post(address, data={"csrf": rita.csrf}, **rita.cookie).status_code == 404


@pytest.fixture
def command(books: Estate, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = books.settings()
    monkeypatch.setenv("ROADWORTHY_DATA", str(settings.data))
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str, code: int = 0) -> str:
        found = CliRunner().invoke(app, list(arguments))
        assert found.exit_code == code or (code and found.exception), found.output
        return found.output + str(found.exception or "")

    return run


@ONE_STORE
def test_the_commands_do_it_all(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "register items matched: 1 of 3 (33.3%)" in command("reconcile", "run")
    assert "FP3" in command("reconcile", "gaps", "no_agent")
    (pair,) = json.loads(command("reconcile", "review", "--format", "json"))
    assert pair["agree"] == "serial"
    assert "not the same" in command("reconcile", "decide", str(pair["id"]), "--different")
    (noted,) = json.loads(command("reconcile", "decisions", "--format", "json"))
    command("reconcile", "withdraw", noted["one"], noted["other"])
    monkeypatch.setenv("COLUMNS", "300")
    assert "│ hard-disk │ the system starts from a hard disk" in " ".join(command("ratings", "list").split())
    assert "│ 33.3% │" in " ".join(command("reconcile", "run").split())
    assert "a hard disk" in command("ratings", "list", "--rule", "hard-disk")
    assert "rated: " in command("ratings", "run")  # by the real clock: all have been silent for long
    rows = json.loads(command("ratings", "list", "--format", "json"))
    assert "hard-disk" in command("ratings", "why", rows[0]["device_id"])
    assert "hard-disk" in command("ratings", "why", "fp1")
    assert "hard-disk" in command("ratings", "why", "5CG0000001")
    alone = command("ratings", "why", "FP3")
    assert "FP3: no data (import only, no agent; " in alone
    assert "not judged: no agent and no Endpoint Analytics export (" in alone
    assert "nothing with this id" in command("ratings", "why", "FP99", code=1)
    assert "with an agent, in the MDM export or not: 1 of 3" in command("reconcile", "run")
    text = command("ratings", "rules", "show")
    file = tmp_path / "rules.toml"
    file.write_text(text[: text.rindex("Roadworthy's own bands: edition")].replace('"hdd"', '"ssd"'), "utf-8")
    tried = command("ratings", "rules", "try", str(file))
    assert "rules changed: hard-disk" in tried
    assert "known from imports alone would change" in tried
    assert "is in force" in command("ratings", "rules", "save", str(file))
    assert "cannot be read" in command("ratings", "rules", "try", str(tmp_path / "none.toml"), code=1)
    wanted = ("exceptions", "add", "FP3", "--reason", "kept for parts", "--owner", "a")
    until = ("--expires", "2027-01-01", "--begins", "2026-12-01")
    assert "holds until" in command(*wanted, "--approver", "b", *until)
    assert "same person" in command(*wanted, "--approver", "a", *until, code=1)
    assert "kept for parts" in command("exceptions", "list")
    every = ("exceptions", "add", "FP1", "--rule", "all", "--reason", "kept for parts", "--owner", "a")
    assert "waits for an approver" in command(*every, "--expires", "2027-01-01")
    assert '"rules": null' in command("exceptions", "list", "--format", "json")
    assert "a day is written" in command(*wanted, "--approver", "b", "--expires", "tomorrow", code=1)
