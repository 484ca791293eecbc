"""Bringing money in by form: tried, applied, undone; correction files downloaded whole; rules tried before they hold."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from support.estates import NOW, Estate
from support.modules import beside
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.books import uploads
from roadworthy_collector.store import books_schema as books
from roadworthy_collector.store import schema

money = beside(__file__, "test_cost_shares")
pytestmark = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)
PATH = "/costs/import"


@pytest.fixture
def client(estate: Estate, tmp_path: Path) -> Iterator[Client]:
    client = client_of(estate.engine, tmp_path, NOW)
    yield client
    client.close()


@pytest.fixture
def fin(estate: Estate) -> Person:
    return Person(estate.engine, "fin", "finance_preparer")


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def send(client: Client, who: Person, body: bytes, name: str = "ledger.csv", **fields: str) -> str:
    answer = client.post(
        PATH, data={"csrf": who.csrf, "kind": "ledger"} | fields, files={"file": (name, body)}, **who.cookie
    )
    assert answer.status_code == int(fields.get("status", "200")), said(answer.text)
    return str(answer.text)


def token_in(page: str) -> str:
    (found,) = re.findall(r'name="token" value="([0-9a-f]{32})"', page)
    return str(found)


def lines(estate: Estate) -> int:
    with estate.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(books.ledger_lines)) or 0


def test_a_ledger_is_tried_applied_and_undone(
    client: Client, estate: Estate, tmp_path: Path, fin: Person
) -> None:
    vera = Person(estate.engine, "vera", "viewer")
    assert client.get(PATH, **vera.cookie).status_code == 403
    money.saved(estate)
    body = money.ledger(tmp_path).read_bytes()
    tried = send(client, fin, body)
    assert "What would be imported" in said(tried)
    assert lines(estate) == 0
    form = {"csrf": fin.csrf, "token": token_in(tried)}
    assert client.post(f"{PATH}/apply", data=form | {"csrf": "x"}, **fin.cookie).status_code == 403
    done = client.post(f"{PATH}/apply", data=form, **fin.cookie)
    assert "This is batch 1" in said(done.text)
    assert lines(estate) > 0
    assert client.post(f"{PATH}/apply", data=form, **fin.cookie).status_code == 404  # it is kept no longer
    assert "in already, as batch 1" in said(send(client, fin, body))
    with estate.engine.connect() as connection:
        assert connection.scalar(select(books.batches.c.file_name)) == "ledger.csv"
    again = send(client, fin, body + b"\n", name="again.csv")  # other bytes, the same lines
    assert "of this file are in already" in said(again)
    refused = client.post(f"{PATH}/apply", data={"csrf": fin.csrf, "token": token_in(again)}, **fin.cookie)
    assert refused.status_code == 422
    assert "would count twice" in said(refused.text)
    assert "Undo batch 1" in client.get("/costs", **fin.cookie).text
    assert "Undo batch 1" not in client.get("/costs", **vera.cookie).text
    undo = "/costs/batches/1/undo"
    assert client.post(undo, data={"csrf": vera.csrf}, **vera.cookie).status_code == 403
    assert client.post(undo, data={"csrf": fin.csrf}, **fin.cookie).status_code == 303
    assert lines(estate) == 0
    assert client.post(undo, data={"csrf": fin.csrf}, **fin.cookie).status_code == 409
    assert client.post("/costs/batches/99/undo", data={"csrf": fin.csrf}, **fin.cookie).status_code == 404


def test_one_bad_row_refuses_a_ledger_and_all_bad_rows_can_be_fetched(
    client: Client, estate: Estate, tmp_path: Path, fin: Person
) -> None:
    good = money.ledger(tmp_path).read_text().rstrip("\n").splitlines()
    names = next(csv.reader([good[0]]))
    amount = next(number for number, name in enumerate(names) if "amount" in name.lower())
    cells = next(csv.reader([good[1]]))
    cells[amount] = "twelve" + "x" * 50
    bad = io.StringIO()
    csv.writer(bad).writerow(cells)
    body = "\n".join([*good, *[bad.getvalue().strip()] * 6000]).encode()
    refused = send(client, fin, body, status="422")
    assert "6,000 of" in said(refused)
    assert 'value="token"' not in refused
    (at,) = re.findall(r'href="(/imports/[0-9a-f]{32}/corrections)"', refused)
    got = client.get(at, **fin.cookie)
    assert "ledger.corrections.csv" in got.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(got.content.decode("utf-8-sig"))))
    assert len(rows) == 6001  # all of them, where a page once showed the first 256 kB
    assert len(got.content) > 256 * 1024
    assert rows[0][-3:] == ["Line", "Column", "Reason"]
    other = Person(estate.engine, "other", "finance_preparer")
    assert client.get(at, **other.cookie).status_code == 404  # it is whose file it was
    assert client.get(at, **Person(estate.engine, "vera", "viewer").cookie).status_code == 403
    assert client.get(f"/imports/{'f' * 32}/corrections", **fin.cookie).status_code == 404
    tried = send(client, fin, body, strict="no")
    assert "Bad rows 6,000" in said(tried)
    assert (
        client.get(f"/imports/{token_in(tried)}/corrections", **fin.cookie).status_code == 404
    )  # the file itself


def test_what_is_kept_is_bounded(client: Client, estate: Estate, tmp_path: Path, fin: Person) -> None:
    for number in range(25):
        send(client, fin, f"Supplier,Amount\nA{number},x\n".encode(), kind="payments")
    assert len(list((tmp_path / uploads.FOLDER).glob("*.upload"))) <= 20


@pytest.mark.parametrize(
    ("name", "body", "fields", "why"),
    [
        ("empty.csv", b"", {}, "empty"),
        ("odd.csv", b"a,b\n1,2\n", {}, ""),
        ("x.csv", b"a,b\n1,2\n", {"kind": "zoe"}, "kind: choose one of"),
    ],
)
def test_a_file_that_is_none_is_refused(
    client: Client, estate: Estate, fin: Person, name: str, body: bytes, fields: dict[str, str], why: str
) -> None:
    page = send(client, fin, body, name, status="422", **fields)
    assert why in said(page)
    assert 'role="alert"' in page
    nothing = client.post(PATH, data={"csrf": fin.csrf}, files={"other": ("x", b"")}, **fin.cookie)
    assert nothing.status_code == 422
    assert "Choose a file first" in said(nothing.text)


def test_payments_and_contracts_come_in_too(client: Client, estate: Estate, fin: Person) -> None:
    tried = send(client, fin, money.PAYMENTS.encode(), "paid.csv", kind="payments")
    form = {"csrf": fin.csrf, "token": token_in(tried)}
    assert "This is batch 1" in said(client.post(f"{PATH}/apply", data=form, **fin.cookie).text)


def test_rules_are_tried_on_the_ledger_before_they_hold(
    client: Client, estate: Estate, tmp_path: Path, fin: Person
) -> None:
    money.saved(estate)
    money.taken(estate, money.ledger(tmp_path))
    vera = Person(estate.engine, "vera", "viewer")
    path = "/costs/texts/rules"
    assert "<textarea" not in client.get(path, **vera.cookie).text
    page = client.get(path, **fin.cookie).text
    text = html.unescape(page.split("<textarea")[1].split(">\n", 1)[1].split("</textarea>")[0])
    assert "[[rule]]" in text
    form = {"csrf": fin.csrf, "text": text.replace("\n", "\r\n"), "do": "try"}
    same = client.post(path, data=form, **fin.cookie)
    assert "0 lines would be classified otherwise" in said(same.text)
    pool = re.search(r'pool = "maintenance_contract"|pool = "(\w+)"', text)
    assert pool is not None
    other = client.post(path, data=form | {"text": text.replace(pool[0], 'pool = "training"')}, **fin.cookie)
    assert re.search(r"[1-9]\d* lines? would be classified otherwise", said(other.text))
    assert "Lines that would move" in other.text
    wrong = client.post(path, data=form | {"text": "not toml ["}, **fin.cookie)
    assert wrong.status_code == 422
    assert "not toml [" in wrong.text  # what was typed is not lost
    with estate.engine.connect() as connection:
        before = connection.scalar(select(func.count()).select_from(books.rule_editions))
    assert client.post(path, data=form | {"csrf": vera.csrf, "do": "save"}, **vera.cookie).status_code == 403
    saved = client.post(path, data=form | {"text": text + "\n# noted\n", "do": "save"}, **fin.cookie)
    assert saved.status_code == 303
    method = client.get("/costs/texts/method", **fin.cookie).text
    assert "How cost is counted" in method
    counted = {"csrf": fin.csrf, "text": 'basis = "accruals"\n', "do": "try"}
    assert "What would change" in said(client.post("/costs/texts/method", data=counted, **fin.cookie).text)
    assert client.post("/costs/texts/method", data=counted | {"do": "save"}, **fin.cookie).status_code == 303
    with estate.engine.connect() as connection:
        after = connection.scalar(select(func.count()).select_from(books.rule_editions))
        actions = connection.scalars(select(schema.audit.c.action).where(schema.audit.c.actor == "fin")).all()
    assert (after or 0) > (before or 0)
    assert "costs.method" in actions
    assert client.get("/costs/texts/zoe", **fin.cookie).status_code == 422
