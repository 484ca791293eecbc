"""Many items changed at once from pasted tags on the console: preview, apply, undo, devices retired with their items."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.books import batches, changes
from roadworthy_collector.books.changes import Asked, ChangeRefusedError, change_items, parse_pasted
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.register import LIFECYCLE_STATES

ITEM = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1}
ONE_STORE = pytest.mark.parametrize("estate", ["sqlite"], indirect=True)


@pytest.fixture
def books(estate: Estate) -> Estate:
    """Return three items, the first of which is a device with a token."""
    device = estate.device(serial="S1")
    with write_transaction(estate.engine) as connection:
        for number in (1, 2, 3):
            connection.execute(insert(register_items).values(tag=f"FP{number}", **ITEM))
        link = {"item": 1, "device": device, "valid_from": "2026-01-01", "matched_on": ["serial"]}
        connection.execute(insert(register_devices).values(**link))
    return estate


def states(estate: Estate) -> list[str]:
    with estate.engine.connect() as connection:
        return list(
            connection.scalars(select(register_items.c.lifecycle_state).order_by(register_items.c.id))
        )


def retired(estate: Estate) -> list[int | None]:
    with estate.engine.connect() as connection:
        return list(connection.scalars(select(schema.devices.c.retired_at)))


def live_tokens(estate: Estate) -> int:
    with estate.engine.connect() as connection:
        return len(
            connection.execute(select(schema.tokens).where(schema.tokens.c.revoked_at.is_(None))).all()
        )


def test_devices_go_and_come_back_with_their_items(books: Estate) -> None:
    asked = Asked(state="disposed", retire_devices=True)
    before = live_tokens(books)
    pasted = parse_pasted("FP1\nfp2, FP1; FP9")
    assert pasted == (["FP1", "fp2", "FP9"], ["FP1"])
    tried = change_items(books.engine, pasted, asked, actor="ada", now=NOW, dry_run=True)
    assert (tried.changed, tried.retired, tried.not_found, tried.duplicates) == (2, 1, ["FP9"], ["FP1"])
    assert retired(books) == [None]
    done = change_items(books.engine, pasted, asked, actor="ada", now=NOW)
    assert states(books) == ["disposed", "disposed", "deployed"]
    assert retired(books) == [int(NOW)]
    with books.engine.connect() as connection:
        rows = connection.execute(select(schema.audit).where(schema.audit.c.actor == "ada")).all()
    assert [(row.action, row.detail["devices_retired"]) for row in rows] == [("register.change", 1)]
    assert done.batch is not None
    batches.undo(books.engine, done.batch, actor="ada", now=NOW + 5)
    assert states(books) == ["deployed"] * 3
    assert retired(books) == [None]
    assert live_tokens(books) == before


def test_what_is_made_is_named_before_it_is(books: Estate) -> None:
    asked = Asked(unit="A / B", site="Stores", enrol=True)
    tried = change_items(books.engine, parse_pasted("FP1 \n new1"), asked, actor="ada", now=NOW, dry_run=True)
    assert tried.made == {"units": ["A / B"], "sites": ["Stores"]}
    assert [(one.fields["unit"][1], one.fields["site"][1]) for one in tried.changes] == [
        ("A / B (new)", "Stores (new)")
    ] * 2
    done = change_items(books.engine, ["FP1"], asked, actor="ada", now=NOW)
    assert done.made == tried.made
    (change,) = done.changes
    assert (change.fields["unit"][1], change.fields["site"][1]) == ("A / B", "Stores")
    again = change_items(books.engine, ["FP1"], asked, actor="ada", now=NOW, dry_run=True)
    assert (again.made, again.unchanged) == ({}, 1)


def test_what_was_retired_by_hand_stays_so(books: Estate) -> None:
    with write_transaction(books.engine) as connection:
        connection.execute(schema.devices.update().values(retired_at=5))
    asked = Asked(state="disposed", retire_devices=True)
    done = change_items(books.engine, ["FP1"], asked, actor="ada", now=NOW)
    assert done.retired == 0
    assert done.batch is not None
    batches.undo(books.engine, done.batch, actor="ada", now=NOW + 5)
    assert retired(books) == [5]


def test_a_device_is_not_retired_in_a_state_it_comes_back_from(books: Estate) -> None:
    with pytest.raises(ChangeRefusedError, match="devices are retired with a state of awaiting_disposal"):
        change_items(books.engine, ["FP1"], Asked(state="repair", retire_devices=True), actor="a", now=NOW)
    assert set(changes.RETIRING) <= set(LIFECYCLE_STATES)


@pytest.fixture
def client(books: Estate) -> Iterator[Client]:
    client = client_of(books.engine, books.path.parent, NOW)
    yield client
    client.close()


def said(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def hidden(page: str) -> dict[str, str]:
    """Return the fields of the form that applies what was tried."""
    form = next(one for one in page.split("<form") if 'value="apply"' in one)
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in pairs} | {"do": "apply"}


@ONE_STORE
def test_the_form_tries_applies_and_undoes(books: Estate, client: Client) -> None:
    rita = Person(books.engine, "rita", "register_manager")
    vera = Person(books.engine, "vera", "viewer")
    path = "/register/change"
    assert client.get(path, **vera.cookie).status_code == 403
    assert "Change many items" in client.get("/register", **rita.cookie).text
    form = {
        "csrf": rita.csrf, "do": "try", "tags": "FP1\r\nfp2\r\nNEW<1>\r\nFP1", "unit": "Ops / Custody", "state": "disposed",
        "enrol": "yes", "retire": "yes",
    }  # fmt: skip
    assert client.post(path, data=form | {"csrf": "x"}, **rita.cookie).status_code == 403
    tried = client.post(path, data=form, **rita.cookie)
    assert tried.status_code == 200
    assert (
        "New 1 Changed 2 Unchanged 0 Not in the register 0 Given more than once 1 Devices retired 1"
        in said(tried.text)
    )
    assert "NEW&lt;1&gt;" in tried.text
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", tried.text)
    assert states(books) == ["deployed"] * 3
    done = client.post(path, data=hidden(tried.text), **rita.cookie)
    assert states(books) == ["disposed", "disposed", "deployed", "disposed"]
    (address,) = re.findall(r'action="(/register/batches/\d+/undo)"', done.text)
    assert client.post(address, data={"csrf": rita.csrf}, **rita.cookie).status_code == 303
    assert states(books) == ["deployed"] * 3
    assert retired(books) == [None]


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        ({"tags": ""}, 422, "there is no tag in what was given"),
        ({"tags": "x" * 65}, 422, "line 1: a tag is at most 64"),
        ({"tags": "FP1"}, 422, "say what is to change"),
        ({"tags": "FP1", "state": "zoe"}, 422, "is no state"),
        ({"tags": "FP1", "state": "repair", "retire": "yes"}, 422, "devices are retired with a state of"),
        ({"tags": "FP404", "state": "repair"}, 200, "Nothing is done with these. FP404"),
        ({"tags": "FP1\n" * 2_000_000, "state": "repair"}, 413, "at most 4 MB are taken here"),
    ],
)
@ONE_STORE
def test_what_is_wrong_is_said(
    books: Estate, client: Client, sent: dict[str, str], status: int, why: str
) -> None:
    rita = Person(books.engine, "rita", "register_manager")
    answer = client.post("/register/change", data=sent | {"csrf": rita.csrf}, **rita.cookie)
    assert answer.status_code == status
    assert why in said(answer.text)


@ONE_STORE
def test_more_tags_than_a_form_of_other_pages_holds(books: Estate, client: Client) -> None:
    rita = Person(books.engine, "rita", "register_manager")
    tags = "\n".join(f"NEW{number:06d}" for number in range(20_000))
    form = {"csrf": rita.csrf, "tags": tags, "enrol": "yes", "kind": "dock"}
    tried = client.post("/register/change", data=form, **rita.cookie)
    assert "New 20,000" in said(tried.text)
