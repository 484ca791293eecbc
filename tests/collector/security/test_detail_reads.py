"""Who reads per-device metrics as a person is on the record: once an hour, with the units; a scrape token is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from support.estates import NOW, Estate
from support.people import Person, devices_in
from support.web import Client

from roadworthy_collector.app import create_app
from roadworthy_collector.security.detail_reads import NAMED_UNITS, READ_DETAIL
from roadworthy_collector.security.roles import Role
from roadworthy_collector.security.tokens import create_scrape_token, parse
from roadworthy_collector.security.users import set_scope
from roadworthy_collector.store import postgresql, schema, sqlite
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries import audit

PATH = "/metrics/devices"


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def web(estate: Estate, clock: Clock) -> Iterator[Client]:
    for unit in ("Traffic", "Custody"):
        estate.device(unit=unit, now={"cpu_ratio": 0.5})
    with collector(estate, clock) as client:
        yield client


@contextmanager
def collector(estate: Estate, clock: Clock) -> Iterator[Client]:
    client = Client(create_app(estate.settings(device_detail=True), estate.engine, clock=clock))
    try:
        yield client
    finally:
        client.close()


def read(estate: Estate) -> list[tuple[str, str | None, Any]]:
    """Return (actor, subject, detail) of each reading, oldest first."""
    with estate.engine.connect() as connection:
        rows = list(audit.read(connection))
        assert audit.verify(connection).broken is None
    return [(row["actor"], row["subject"], row["detail"]) for row in rows if row["action"] == READ_DETAIL]


def id_of(person: Person) -> str:
    parsed = parse(person.token)
    assert parsed is not None
    return parsed.id


def test_a_users_token_is_on_the_record_once_an_hour(web: Client, estate: Estate, clock: Clock) -> None:
    person = Person(estate.engine, "ada", Role.SERVICE_DESK, ["Traffic"])
    expected = ("ada", id_of(person), {"by": "token", "units": ["Traffic"]})
    for minute in range(0, 60, 5):
        clock.now = NOW + 60 * minute
        answers = [web.get(f"{PATH}?shard={shard}&shards=2", **person.bearer) for shard in (0, 1)]
        assert minute or len(devices_in("".join(answer.text for answer in answers))) == 1
        assert [answer.status_code for answer in answers] == [200, 200]
        assert read(estate) == [expected]
    clock.now = NOW + 3600
    web.get(PATH, **person.bearer)
    assert read(estate) == [expected] * 2
    with collector(estate, clock) as anew:  # another process, or this one after a restart
        assert anew.get(PATH, **person.bearer).status_code == 200
        assert read(estate) == [expected] * 2
    assert person.token not in str(read(estate))


def test_another_token_session_or_scope_is_another_reading(web: Client, estate: Estate) -> None:
    ada = Person(estate.engine, "ada", Role.SERVICE_DESK)
    bob = Person(estate.engine, "bob", Role.SERVICE_DESK, ["Custody"])
    for how in (ada.bearer, ada.cookie, bob.bearer, ada.bearer, ada.cookie, bob.bearer):
        assert web.get(PATH, **how).status_code == 200
    set_scope(estate.engine, "bob", ["Traffic"], now=NOW)
    assert web.get(PATH, **bob.bearer).status_code == 200
    assert read(estate) == [
        ("ada", id_of(ada), {"by": "token", "units": "every unit"}),
        ("ada", None, {"by": "session", "units": "every unit"}),
        ("bob", id_of(bob), {"by": "token", "units": ["Custody"]}),
        ("bob", id_of(bob), {"by": "token", "units": ["Traffic"]}),
    ]


def test_many_units_are_named_within_a_bound(web: Client, estate: Estate) -> None:
    above = estate.unit("Force")
    for number in range(NAMED_UNITS + 20):
        estate.put(schema.units, name=f"Team {number:03}", parent=above, valid_from=0)
    ada = Person(estate.engine, "ada", Role.SERVICE_DESK, ["Force"])
    for _ in range(2):
        web.get(PATH, **ada.bearer)
    ((_, _, detail),) = read(estate)
    assert (len(detail["units"]), detail["more_units"]) == (NAMED_UNITS, 21)


def test_a_scrape_token_and_who_is_refused_leave_no_row(web: Client, estate: Estate) -> None:
    viewer = Person(estate.engine, "vic", Role.VIEWER)
    with write_transaction(estate.engine) as connection:
        scrape = create_scrape_token(connection, now=int(NOW), only_units=["Traffic"])
    assert web.get(PATH, headers={"Authorization": f"Bearer {scrape.text}"}).status_code == 200
    assert web.get(PATH, **viewer.bearer).status_code == 403
    assert web.get("/metrics", **viewer.bearer).status_code == 200
    assert web.get(PATH).status_code == 401
    ada = Person(estate.engine, "ada", Role.SERVICE_DESK)
    assert web.get(f"{PATH}?shard=2&shards=2", **ada.bearer).status_code == 422
    assert read(estate) == []


def test_an_open_collector_has_no_names_to_note(web: Client, estate: Estate) -> None:
    assert web.get(PATH).status_code == 200
    assert read(estate) == []


def test_nothing_is_shown_that_cannot_be_put_on_the_record(
    web: Client, estate: Estate, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(postgresql, "LOCK_TIMEOUT_SECONDS", 1)
    ada = Person(estate.engine, "ada", Role.SERVICE_DESK)
    impatient = Estate(open_engine(estate.url or estate.path), estate.path, estate.url)
    with write_transaction(estate.engine) as connection, collector(impatient, clock) as client:
        if estate.url is not None:
            connection.execute(text("LOCK TABLE audit_chain"))
        answer = client.get(PATH, **ada.bearer)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert 30 <= int(answer.headers["retry-after"]) <= 90
    impatient.engine.dispose()
    assert web.get(PATH, **ada.bearer).status_code == 200
    assert len(read(estate)) == 1
