"""Tokens: their form, their hashes, and what a key lets in."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select
from support.estates import Estate

from roadworthy_collector.security import tokens
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import audit, devices, enrol_keys, scrape_tokens, sites
from roadworthy_collector.store.schema import tokens as token_rows

NOW = 1789002000


@pytest.fixture
def connection(estate: Estate) -> Iterator[Connection]:
    """Yield a connection in a write transaction."""
    with write_transaction(estate.engine) as connection:
        yield connection


def add_device(connection: Connection) -> int:
    row = {"device_id": f"rwd_{'a' * 32}", "site": 1, "unit": 1, "enrolled_at": NOW}
    number: int = connection.execute(insert(devices).values(row).returning(devices.c.id)).scalar_one()
    return number


def refusal(connection: Connection, text: str, now: int = NOW) -> str:
    with pytest.raises(tokens.KeyRefused) as caught:
        tokens.spend_enrol_key(connection, text, now=now)
    return caught.value.code


@pytest.mark.parametrize("kind", ["rw1", "rwe1", "rws1"])
def test_an_issued_token_reads_back(kind: str) -> None:
    issued = tokens.issue(kind)
    parsed = tokens.parse(issued.text)
    assert parsed is not None
    assert (parsed.kind, parsed.id) == (kind, issued.id)
    assert tokens.matches(parsed.secret, issued.sha256)
    assert parsed.secret not in issued.sha256
    assert len({tokens.issue(kind).text for _ in range(50)}) == 50


@given(st.text(alphabet=string.hexdigits + "rwse1_\n ", max_size=100) | st.text(max_size=100))
def test_nothing_else_reads_as_a_token(text: str) -> None:
    parsed = tokens.parse(text)
    assert parsed is None or text == f"{parsed.kind}_{parsed.id}_{parsed.secret}"


@pytest.mark.parametrize(
    "spoil", [str.upper, lambda text: text + "\n", lambda text: " " + text, lambda text: text[:-1]]
)
def test_an_almost_right_token_is_no_token(spoil: Any) -> None:
    assert tokens.parse(spoil(tokens.issue("rw1").text)) is None


def test_no_secret_is_kept(connection: Connection) -> None:
    key = tokens.create_enrol_key(connection, now=NOW)
    scrape = tokens.create_scrape_token(connection, now=NOW)
    token = tokens.create_device_token(connection, add_device(connection), now=NOW)
    kept = str(
        [connection.execute(select(table)).all() for table in (enrol_keys, scrape_tokens, token_rows, audit)]
    )
    for issued in (key, scrape, token):
        parsed = tokens.parse(issued.text)
        assert parsed is not None
        assert parsed.secret not in kept
        assert issued.sha256 in kept


def test_a_key_leads_to_its_site_and_unit_which_are_made_once(connection: Connection) -> None:
    first = tokens.create_enrol_key(connection, now=NOW, site="Harbour station", unit="Patrol", note="van 3")
    again = tokens.create_enrol_key(connection, now=NOW + 1, site="Harbour station", unit="Patrol")
    places = {tokens.spend_enrol_key(connection, key.text, now=NOW + 2)[1:] for key in (first, again)}
    assert len(places) == 1
    assert connection.scalars(select(sites.c.name).order_by(sites.c.id)).all() == [
        "unassigned",
        "Harbour station",
    ]
    listed = tokens.list_enrol_keys(connection)
    assert [(key["id"], key["site"], key["unit"], key["uses"], key["note"]) for key in listed] == [
        (again.id, "Harbour station", "Patrol", 1, None),
        (first.id, "Harbour station", "Patrol", 1, "van 3"),
    ]
    assert all("secret_sha256" not in key for key in listed)


def test_a_key_ends_by_use_by_time_and_by_revocation(connection: Connection) -> None:
    used = tokens.create_enrol_key(connection, now=NOW, max_uses=2)
    tokens.spend_enrol_key(connection, used.text, now=NOW)
    tokens.spend_enrol_key(connection, used.text, now=NOW)
    assert refusal(connection, used.text) == "key_used_up"
    timed = tokens.create_enrol_key(connection, now=NOW, expires_in_seconds=10)
    tokens.spend_enrol_key(connection, timed.text, now=NOW + 9)
    assert refusal(connection, timed.text, NOW + 10) == "key_expired"
    revoked = tokens.create_enrol_key(connection, now=NOW)
    assert tokens.revoke_enrol_key(connection, revoked.id, now=NOW)
    assert not tokens.revoke_enrol_key(connection, revoked.id, now=NOW)
    assert refusal(connection, revoked.text) == "key_revoked"
    assert {key["id"]: key["uses"] for key in tokens.list_enrol_keys(connection)} == {
        used.id: 2,
        timed.id: 1,
        revoked.id: 0,
    }


def test_only_the_right_secret_of_the_right_kind_is_a_key(connection: Connection) -> None:
    key = tokens.create_enrol_key(connection, now=NOW)
    for text in (
        "",
        "hello",
        tokens.issue("rwe1").text,
        f"rwe1_{key.id}_{'0' * 64}",
        key.text.replace("rwe1", "rw1"),
    ):
        assert refusal(connection, text) == "key_unknown"


def test_a_wrong_secret_does_not_learn_that_a_key_was_revoked(connection: Connection) -> None:
    key = tokens.create_enrol_key(connection, now=NOW)
    tokens.revoke_enrol_key(connection, key.id, now=NOW)
    assert refusal(connection, f"rwe1_{key.id}_{'0' * 64}") == "key_unknown"


def test_a_scrape_token_holds_until_it_is_revoked(connection: Connection) -> None:
    token = tokens.create_scrape_token(connection, now=NOW)
    assert tokens.find_scrape_token(connection, token.text, now=NOW) is not None
    assert tokens.find_scrape_token(connection, f"rws1_{token.id}_{'0' * 64}", now=NOW) is None
    assert tokens.find_scrape_token(connection, tokens.issue("rws1").text, now=NOW) is None
    assert tokens.find_scrape_token(connection, token.text.replace("rws1", "rw1"), now=NOW) is None
    assert tokens.revoke_scrape_token(connection, token.id, now=NOW + 5)
    assert not tokens.revoke_scrape_token(connection, token.id, now=NOW + 5)
    assert tokens.find_scrape_token(connection, token.text, now=NOW) is None
    assert [row["revoked_at"] for row in tokens.list_scrape_tokens(connection)] == [NOW + 5]


def test_rotation_keeps_the_old_token_until_the_new_one_is_used(connection: Connection) -> None:
    device = add_device(connection)
    old = tokens.create_device_token(connection, device, now=NOW)
    tokens.first_use(connection, old.id, device, now=NOW)
    new = tokens.create_device_token(connection, device, now=NOW)
    tokens.first_use(connection, old.id, device, now=NOW + 1)  # still in use, and not a first use

    def state() -> dict[str, tuple[int | None, str | None]]:
        return {
            row["id"]: (row["first_used_at"], row["revoked_as"])
            for row in tokens.list_device_tokens(connection, device)
        }

    assert state() == {old.id: (NOW, None), new.id: (None, None)}
    tokens.first_use(connection, new.id, device, now=NOW + 2)
    assert state() == {old.id: (NOW, "re_enrol"), new.id: (NOW + 2, None)}


def test_revoking_a_device_says_what_its_agent_is_told(connection: Connection) -> None:
    device = add_device(connection)
    tokens.create_device_token(connection, device, now=NOW)
    name = f"rwd_{'a' * 32}"
    assert tokens.revoke_device(connection, name, reason="re_enrol", now=NOW)
    assert not tokens.revoke_device(connection, name, now=NOW)
    assert not tokens.revoke_device(connection, "rwd_unheard_of", now=NOW)
    assert [row["revoked_as"] for row in tokens.list_device_tokens(connection, device)] == ["re_enrol"]


def test_everything_done_to_credentials_is_in_the_audit(connection: Connection) -> None:
    key = tokens.create_enrol_key(connection, now=NOW, site="Depot", max_uses=5, actor="ada")
    tokens.revoke_enrol_key(connection, key.id, now=NOW + 1)
    token = tokens.create_scrape_token(connection, now=NOW + 2)
    tokens.revoke_scrape_token(connection, token.id, now=NOW + 3, actor="ada")
    tokens.create_device_token(connection, add_device(connection), now=NOW + 4)
    tokens.revoke_device(connection, f"rwd_{'a' * 32}", now=NOW + 5)
    found = [(row.at, row.actor, row.action, row.subject) for row in connection.execute(select(audit))]
    assert found == [
        (NOW, "ada", "enrol_key.create", key.id),
        (NOW + 1, "command line", "enrol_key.revoke", key.id),
        (NOW + 2, "command line", "scrape_token.create", token.id),
        (NOW + 3, "ada", "scrape_token.revoke", token.id),
        (NOW + 5, "command line", "device.revoke", f"rwd_{'a' * 32}"),
    ]
    assert connection.scalar(select(audit.c.detail)) == {
        "site": "Depot",
        "unit": "unassigned",
        "expires_at": None,
        "max_uses": 5,
    }
