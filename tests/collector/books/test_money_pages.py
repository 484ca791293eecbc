"""The pages of cost and of the plan, and the same by the API, as people of different roles meet them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from support.estates import NOW, Estate
from support.modules import beside
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.books import planning
from roadworthy_collector.books.plan_example import EXAMPLE
from roadworthy_collector.jobs import costs, fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.store import books_schema as books

money, plans = beside(__file__, "test_cost_shares"), beside(__file__, "test_planning")


# What both stores are asked is asked of the functions behind the pages, next door.
pytestmark = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


class Page(HTMLParser):
    """What a page says, its links, and whether its headings are in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str | None] = []
        self.levels: list[int] = []
        self.ids: list[str | None] = []
        self.feed(text)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "a":
            self.links.append(told["href"])
        if re.fullmatch(r"h\d", tag):
            self.levels.append(int(tag[1]))
        if "id" in told:
            self.ids.append(told["id"])
        assert "style" not in told
        assert not any(name.startswith("on") for name in told)

    def handle_data(self, data: str) -> None:
        self.text += " " + data


def page(client: Client, path: str, status: int = 200, **arguments: Any) -> Page:
    answer = client.get(path, **arguments)
    assert answer.status_code == status, answer.text
    found = Page(answer.text)
    assert found.levels[0] == 1
    assert len(found.ids) == len(set(found.ids))
    return found


def test_nothing_known_is_said_so(client: Client) -> None:
    assert "nothing is known of cost" in page(client, "/costs").text
    assert "There is no plan yet" in page(client, "/replacement").text
    assert "No line matches" in page(client, "/costs/lines").text
    assert client.get("/costs/lines/" + "f" * 24).status_code == 404
    assert client.get("/costs/lines/nonsense").status_code == 404


def test_shares_lead_to_the_lines_behind_them(client: Client, estate: Estate, tmp_path: Path) -> None:
    money.saved(estate, method=money.METHOD)
    money.taken(estate, money.ledger(tmp_path))
    found = page(client, "/costs?year=2024")
    assert "B maintenance share 40.0% between 40.0% and 45.0%; £40,000.00 of £100,000.00" in found.text
    assert "30 % off share B" in found.text
    assert "Metropolitan Police" in found.text
    assert "2025/26" in page(client, "/costs").text
    behind = next(link for link in found.links if "share=B" in link and "member=in" in link)
    lines = page(client, behind)
    assert "1 line, £40,000.00 in all" in lines.text
    assert "rule maintenance, confidence 0.90" in lines.text
    assert "1 line, £10,000.00 in all" in page(client, "/costs/lines?year=2024&pool=training").text
    assert "2 lines, £50,000.00 in all" in page(client, "/costs/lines?year=2024&centre=IT2").text
    one = page(client, next(link for link in lines.links if re.search(r"/costs/lines/[0-9a-f]{24}", link)))
    assert "Hardware maintenance contract" in one.text
    assert "Correct this line" not in one.text  # an open collector is read and not changed


def test_payments_stand_apart(client: Client, estate: Estate, tmp_path: Path) -> None:
    money.saved(estate, '[[scope]]\nwhen = { words = ["computer*"] }\n' + money.RULES)
    (tmp_path / "paid.csv").write_text(money.PAYMENTS)
    money.taken(estate, tmp_path / "paid.csv", kind="payments")
    found = page(client, "/costs")
    assert "Share of published supplier payments: 2025/26" in found.text
    assert "no target can be set on it" in found.text
    assert "Year on year" not in found.text
    assert "kind=payments&amp;year=2025&amp;member=not_it" in client.get("/costs").text
    assert "not IT by the rules" in page(client, "/costs/lines?kind=payments&year=2025&member=not_it").text
    assert "£1,000.00" in page(client, "/costs/lines?kind=payments&year=2025").text


def test_a_line_is_corrected_by_form(client: Client, estate: Estate, tmp_path: Path) -> None:
    money.saved(estate)
    money.taken(estate, money.ledger(tmp_path))
    fin = Person(estate.engine, "fin", "finance_preparer")
    desk = Person(estate.engine, "desk", "viewer")
    lines = page(client, "/costs/lines?year=2024&member=open", **fin.cookie)
    at = next(link for link in lines.links if re.search(r"/costs/lines/[0-9a-f]{24}", link))
    assert "Correct this line" in page(client, at, **fin.cookie).text
    assert "Correct this line" not in page(client, at, **desk.cookie).text
    form = {"pool": "break_fix", "intent": "run", "reason": "invoice 77 is a repair"}
    headers = {"headers": fin.cookie["headers"] | {"Origin": "http://127.0.0.1:8470"}}
    assert client.post(at, data=form, **headers).status_code == 403  # without the form's own token
    mine = form | {"csrf": desk.csrf}
    assert client.post(at, data=mine, **desk.cookie).status_code == 403
    told = form | {"csrf": fin.csrf}
    assert client.post(at, data=told | {"reason": "x"}, **headers).status_code == 422
    answer = client.post(at, data=told, **headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/costs/lines?year=2024")
    assert "corrected by fin" in page(client, "/costs/lines?year=2024", **fin.cookie).text
    assert "£45,000.00 of £100,000.00" in page(client, "/costs?year=2024", **fin.cookie).text
    money.saved(estate, money.RULES, 'basis = "accruals"')
    assert "Method changed: basis" in page(client, "/costs?year=2024", **fin.cookie).text


def test_a_plan_with_its_reasons_and_lists(client: Client, estate: Estate) -> None:
    plans.reporting(estate, "SLOW", seconds=400.0, medium="hdd")
    plans.item(estate, "SILENT")
    plans.planned(estate)
    found = page(client, "/replacement")
    assert "2 items, 2026/27, 2027/28" in found.text
    assert "SLOW" in found.text
    assert "SILENT" in found.text
    assert "Not known: staff hours while kept" in found.text
    assert "short of the best by" in found.text
    assert "SLOW" not in page(client, "/replacement?action=apart").text.split("Claim under warranty")[0]
    assert "SILENT" in page(client, "/replacement?tag=SILENT").text
    assert "no item with this tag" in page(client, "/replacement?tag=NOBODY").text


def test_whose_device_is_hardly_used_is_not_for_everybody(client: Client, estate: Estate) -> None:
    plans.item(estate, "PC1")
    plans.planned(estate)
    viewer = Person(estate.engine, "vic", "viewer")
    assert "your role is not shown whose" in page(client, "/replacement", **viewer.cookie).text
    answer = client.get("/api/v1/plan/lists/collect_unused", **viewer.bearer)
    assert answer.json()["error"]["code"] == "not_allowed"
    assert client.get("/api/v1/plan/lists/fit_an_ssd", **viewer.bearer).status_code == 200


def test_who_sees_some_units_sees_neither(client: Client, estate: Estate) -> None:
    estate.unit("Custody")
    some = Person(estate.engine, "sam", "finance_preparer", ["Custody"])
    for path in ("/costs", "/costs/lines", "/costs/lines/" + "f" * 24, "/replacement"):
        page(client, path, 403, **some.cookie)
    for path in ("costs/shares", "costs/lines", "costs/batches", "plan", "plan/items", "plan/why?tag=x"):
        assert client.get(f"/api/v1/{path}", **some.bearer).status_code == 403


def test_the_same_by_the_api(client: Client, estate: Estate, tmp_path: Path) -> None:
    fin = Person(estate.engine, "fin", "finance_preparer")
    outcome = money.taken(estate, money.ledger(tmp_path))

    def ask(method: str, path: str, status: int = 200, **sent: Any) -> Any:
        arguments = {"json": sent} if sent else {}
        answer = client.request(method, f"/api/v1/costs/{path}", **fin.bearer, **arguments)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    assert ask("POST", "rules/try", content=money.RULES)["moved"] > 0
    assert ask("PUT", "rules", content=money.RULES) == {"new": True}
    assert ask("GET", "rules")["made_by"] == "fin"
    assert ask("PUT", "method", 422, content="basis = 'guess'")["error"]["code"] == "refused"
    assert ask("PUT", "method", content=money.METHOD) == {"new": True}
    assert "30" in ask("GET", "method")["content"]
    (line,) = ask("GET", "lines?year=2024&member=open")["rows"]
    said = {"pool": "break_fix", "intent": "run", "reason": "invoice 77 is a repair"}
    assert ask("PUT", f"lines/{line['line']}", 204, **said) is None
    first = ask("GET", "shares")
    assert first["current"]
    assert first["figures"]["years"]["2024"]["measures"]["outturn"]["B"]["value"] == 0.45
    half = ask("GET", "lines?year=2024&limit=3")
    rest = ask("GET", f"lines?year=2024&limit=3&after={half['next']}")
    assert (len(half["rows"]), len(rest["rows"]), rest["next"]) == (3, 1, None)
    (second,) = ask("GET", "lines?year=2024&member=counted&period=2")["rows"]
    assert (second["period"], second["pence"]) == (2, 1_000_000)
    assert ask("GET", "lines?year=2024&period=9")["total"] == 0
    budget = (
        ",".join(money.HEADER).replace("Amount", "Budget")
        + "\n2024/25,1,IT1,4001,Bought,Alpha,99.00,invoice\n"
    )
    (tmp_path / "budget.csv").write_text(budget)
    planned = money.taken(estate, tmp_path / "budget.csv")
    found = ask("GET", "lines?year=2024&measure=budget")
    assert (found["total"], found["pence"]) == (1, 9_900)
    assert ask("GET", "lines?year=2024&measure=forecast")["total"] == 0
    assert (
        ask("GET", "lines?year=2024")["total"] == ask("GET", "lines?year=2024&measure=outturn")["total"] == 4
    )
    assert ask("POST", f"batches/{planned.batch}/undo") == {"rows": 1}
    (batch,) = ask("GET", "batches")["rows"]
    assert (batch["id"], batch["file_name"]) == (outcome.batch, "ledger.csv")
    assert ask("POST", f"batches/{batch['id']}/undo") == {"rows": 7}
    assert ask("POST", f"batches/{batch['id']}/undo", 422)["error"]["code"] == "refused"


def test_a_file_is_imported_by_the_api(client: Client, estate: Estate, tmp_path: Path) -> None:
    fin = Person(estate.engine, "fin", "finance_preparer")
    body = money.ledger(tmp_path).read_bytes()

    def send(query: str = "", content: bytes = body, status: int = 200) -> Any:
        answer = client.post(f"/api/v1/costs/import?{query}", content=content, **fin.bearer)
        assert answer.status_code == status, answer.text
        return answer.json()

    assert send("dry_run=true")["batch"] is None
    late = send(
        "dry_run=true&strict=false", content=body + b"2098/99,1,IT1,1,x,A,5,invoice\n2025/26,1,,1,x,A,z,\n"
    )
    (warned,), (bad,) = late["warned_rows"], late["bad_rows"]
    assert (warned["line"], warned["column"], warned["value"]) == (9, "Financial year", "2098/99")
    assert (bad["line"], bad["value"]) == (10, "z")
    assert "is no sum of money" in late["corrections"]
    done = send("name=ledger.csv")
    assert (done["lines"], done["years"]) == (7, [2024, 2025])
    assert send()["already"] == done["batch"]
    assert send("name=../x", status=422)["error"]["field"] == "name"
    assert "count twice" in send(content=body + b"\n", status=422)["error"]["message"]
    assert send("overlap=replace", content=body + b"\n")["replaced"] == [done["batch"]]
    assert send(content=b"x", status=422)["error"]["code"] == "refused"
    assert send("mapping=x", content=b"x,y", status=422)["error"]["code"] == "refused"


def test_a_plan_by_the_api(client: Client, estate: Estate) -> None:
    keeper = Person(estate.engine, "reg", "register_manager")
    plans.reporting(estate, "SLOW", seconds=400.0)
    sent = {"text": EXAMPLE, "capital_pounds": 0}
    answer = client.post("/api/v1/plan", json=sent, **keeper.bearer)
    assert answer.status_code == 200, answer.text
    summary = answer.json()["summary"]
    assert summary["counts"]["replace"] == 0
    assert summary["made_by"] == "reg"
    (one,) = client.get("/api/v1/plan/items", **keeper.bearer).json()["rows"]
    assert one["code"].startswith("capital")
    assert client.get("/api/v1/plan/why?tag=SLOW", **keeper.bearer).json()["item"] == one
    refused = client.get("/api/v1/plan/items?uses=nonsense", **keeper.bearer)
    assert (refused.status_code, "capital" in refused.text) == (422, True)
    assert client.get("/api/v1/plan/why?tag=NO", **keeper.bearer).status_code == 404
    assert client.get("/api/v1/plan/example", **keeper.bearer).json()["text"] == EXAMPLE
    assert client.post("/api/v1/plan", json={"text": "x ="}, **keeper.bearer).status_code == 422
    with estate.engine.connect() as connection:
        kept = planning.require(connection)[0]
        names = set(connection.scalars(select(books.book_figures.c.name)))
    assert {piece["name"] for piece in kept["pieces"]} <= names
    assert json.loads(json.dumps(kept)) == kept


def test_prometheus_sees_shares_with_their_bounds(client: Client, estate: Estate, tmp_path: Path) -> None:
    money.saved(estate)
    money.taken(estate, money.ledger(tmp_path))
    work = Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)
    assert (costs.compute(work), costs.compute(work)) == (1, 0)
    fleet.compute(work)
    said = client.get("/metrics").text
    assert 'roadworthy_cost_share_ratio{definition="maintenance",bound="low",year="2024/25"} 0.4\n' in said
    assert 'roadworthy_cost_share_ratio{definition="maintenance",bound="high",year="2024/25"} 0.45\n' in said
    assert 'roadworthy_cost_gbp{definition="maintenance",year="2025/26"} 29000.0\n' in said
    assert 'roadworthy_cost_unclassified_gbp{definition="maintenance",year="2024/25"} 5000.0\n' in said
