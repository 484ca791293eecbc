"""Pages that take files and forms of the books: tried, applied, refused, and for whom they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.books.lifecycle_dates import in_force
from roadworthy_collector.store.books_schema import (
    batches,
    contracts,
    cost_centres,
    disposals,
    register_items,
)
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import audit

pytestmark = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


@pytest.fixture
def client(estate: Estate) -> Iterator[Client]:
    estate.unit("Ops")
    usual = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "unknown", "updated_at": 1}
    with write_transaction(estate.engine) as connection:
        for tag in ("FP1", "FP2"):
            connection.execute(insert(register_items).values(**usual, tag=tag))
    client = client_of(estate.engine, estate.path.parent, NOW)
    yield client
    client.close()


def send(client: Client, path: str, who: Person, body: bytes, name: str, **fields: str) -> Any:
    """Send a file by a page's form."""
    marks = [
        f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in {"csrf": who.csrf, **fields}.items()
    ]
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    content = b"".join(marks) + head + body + b"\r\n--x--\r\n"
    headers = {**who.cookie["headers"], "Content-Type": "multipart/form-data; boundary=x"}
    return client.request("POST", path, content=content, headers=headers)


def apply(client: Client, path: str, who: Person, page: str) -> Any:
    found = re.search(r'name="token" value="([0-9a-f]+)"', page)
    assert found is not None, page
    form = {"token": found[1], "csrf": who.csrf}
    return client.request("POST", f"{path}/apply", data=form, **who.cookie)


def test_a_list_of_disposals(estate: Estate, client: Client) -> None:
    rita = Person(estate.engine, "rita", "register_manager")
    body = b"Asset tag,Route,Left,Weight kg\nFP1,recycling,2026-09-01,2.5\nFP9,recycling,2026-09-01,2\n"
    tried = send(client, "/disposal/import", rita, body, "left.csv")
    assert "2 rows: 1 items left, 0 await disposal, 1 rows are bad" in tried.text
    assert "is no item of the register" in tried.text
    assert "Download the correction file" in tried.text
    with estate.engine.connect() as connection:
        assert connection.execute(select(disposals)).first() is None
    done = apply(client, "/disposal/import", rita, tried.text)
    assert "This is batch" in done.text
    again = send(client, "/disposal/import", rita, body, "left.csv")
    assert "This very file is in already" in again.text
    assert "There is nothing to apply" not in client.get("/disposal/import", **rita.cookie).text
    wrong = send(client, "/disposal/import", rita, b"a,b\n1,2\n", "odd.csv")
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    gone = client.request(
        "POST", "/disposal/import/apply", data={"token": "0" * 32, "csrf": rita.csrf}, **rita.cookie
    )
    assert gone.status_code == 404


def test_a_file_of_the_organisation_is_for_who_may_change_that_part(estate: Estate, client: Client) -> None:
    fin = Person(estate.engine, "fin", "finance_preparer")
    page = client.get("/organisation/import", **fin.cookie).text
    assert ('value="cost_centres"' in page, 'value="units"' in page) == (True, False)
    body = b"Code,Name,Unit\n7310,Custody,Ops\n"
    assert send(client, "/organisation/import", fin, body, "c.csv", kind="units").status_code == 422
    tried = send(client, "/organisation/import", fin, body, "c.csv", kind="cost_centres")
    assert "1 new, 0 changed, 0 as they were" in tried.text
    # What one page keeps is not for another.
    assert apply(client, "/costs/import", fin, tried.text).status_code == 404
    assert "new: 7310" in apply(client, "/organisation/import", fin, tried.text).text
    none = send(client, "/organisation/import", fin, body, "c.csv", kind="cost_centres")
    assert "There is nothing to apply" in none.text
    with estate.engine.connect() as connection:
        assert connection.scalars(select(cost_centres.c.code)).all() == ["7310"]
    vera = Person(estate.engine, "vera", "viewer")
    assert client.get("/organisation/import", **vera.cookie).status_code == 403


def test_support_dates_are_loaded_and_overridden(estate: Estate, client: Client) -> None:
    rita = Person(estate.engine, "rita", "register_manager")
    release = {"name": "14", "eolFrom": "2031-06-30", "isEol": False, "latest": {"name": "14.0"}}
    dump = {
        "schema_version": "1.2.1",
        "generated_at": "2027-01-01T00:00:00+00:00",
        "result": [{"name": "debian", "category": "os", "releases": [release]}],
    }
    path = "/lifecycle/dates/load"
    tried = send(client, path, rita, json.dumps(dump).encode(), "full.json")
    assert "added: debian 14, support: no day to 2031-06-30" in tried.text
    assert "Done" in apply(client, path, rita, tried.text).text
    assert send(client, path, rita, b"{}", "full.json").status_code == 422
    text = (
        '[[date]]\nproduct = "debian"\nversion = "14"\nkind = "mainstream"\nend_of_support = 2032-01-01\n'
        'source = "https://example.org/letter"\nas_of = 2026-01-05\n'
    )
    path = "/lifecycle/dates/override"
    tried = send(client, path, rita, text.encode(), "own.toml")
    assert "moved: debian 14, support: 2031-06-30 to 2032-01-01" in tried.text
    apply(client, path, rita, tried.text)
    with estate.engine.connect() as connection:
        ends = [
            str(row.end_of_support) for row in in_force(connection).rows if (row.product, row.version) == ("debian", "14")
        ]  # fmt: skip
    assert ends == ["2032-01-01"]
    assert "is no text in UTF-8" in send(client, path, rita, b"\xff\xfe", "own.toml").text
    vera = Person(estate.engine, "vera", "viewer")
    assert client.get(path, **vera.cookie).status_code == 403
    assert "Override dates" in client.get("/lifecycle/dates", **rita.cookie).text
    assert "Override dates" not in client.get("/lifecycle/dates", **vera.cookie).text


def test_cost_centres_are_added_and_put_right(estate: Estate, client: Client) -> None:
    fin = Person(estate.engine, "fin", "finance_preparer")
    form = {"code": "7310", "name": "Custody", "unit": "Ops", "csrf": fin.csrf}

    def post(**more: str) -> Any:
        return client.request("POST", "/organisation/cost-centres", data=form | more, **fin.cookie)

    assert "Nothing was changed yet" in post(do="try").text
    assert "New: " in post(do="apply").text
    assert "As it was" in post(do="apply").text
    assert "Changed: " in post(do="apply", unit="").text
    assert post(do="apply", unit="Nowhere").status_code == 422
    assert post(day="soon").status_code == 422
    page = client.get("/organisation/cost-centres?code=7310", **fin.cookie).text
    assert 'value="Custody"' in page
    vera = Person(estate.engine, "vera", "viewer")
    assert "put one right" not in client.get("/organisation/cost-centres", **vera.cookie).text
    una = Person(estate.engine, "una", "viewer", ["Ops"])
    assert client.get("/organisation/cost-centres", **una.cookie).status_code == 403


def test_a_contract_is_put_right(estate: Estate, client: Client) -> None:
    fin = Person(estate.engine, "fin", "finance_preparer")
    with write_transaction(estate.engine) as connection:
        told = {
            "made_at": 1,
            "made_by": "fin",
            "kind": "contracts",
            "format": "contracts",
            "rows_read": 1,
            "rows_good": 1,
        }
        batch = connection.execute(
            insert(batches)
            .values(**told, rows_bad=0, unfinished=False, file_name="c.csv")
            .returning(batches.c.id)
        ).scalar_one()
        connection.execute(
            insert(contracts).values(batch=batch, reference="C/1", name="Servers", supplier="Alpha")
        )
    assert "/contracts/set?reference=C/1" in client.get("/contracts", **fin.cookie).text
    assert "Servers" in client.get("/contracts/set?reference=C/1", **fin.cookie).text
    assert client.get("/contracts/set?reference=none", **fin.cookie).status_code == 404
    form = {"reference": "C/1", "unit": "Ops", "replaced_by": "order 7", "csrf": fin.csrf}
    done = client.request("POST", "/contracts/set", data=form, **fin.cookie)
    assert done.status_code == 303, done.text
    page = client.get("/contracts/set?reference=C/1", **fin.cookie).text
    assert ('value="Ops"' in page, 'value="order 7"' in page) == (True, True)
    wrong = client.request("POST", "/contracts/set", data=form | {"system": "Nothing"}, **fin.cookie)
    assert (wrong.status_code, "system Nothing: there is none" in wrong.text) == (422, True)
    with estate.engine.connect() as connection:
        assert "contracts.set" in [row["action"] for row in audit.read(connection)]
