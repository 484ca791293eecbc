"""The whole collector on a small IT estate, and somebody of each kind who calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.estates import NOW, Estate
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.store.queries import audit


class Api:
    """Calls the management API as somebody."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.client: Client = client_of(estate.engine, estate.path.parent, NOW)
        self.people: dict[str, Person] = {}

    def person(self, name: str, role: str, units: list[str] | None = None) -> Person:
        self.people[name] = Person(self.estate.engine, name, role, units)
        return self.people[name]

    def call(self, who: str | None, method: str, path: str, sent: Any = None) -> httpx.Response:
        """Ask as `who`, by their token; as nobody with None."""
        headers = {"Accept": "application/json"} | (self.people[who].bearer["headers"] if who else {})
        arguments = {"headers": headers} | ({} if sent is None else {"json": sent})
        return self.client.request(method, f"/api/v1{path}", **arguments)

    def get(self, path: str, who: str = "ada") -> Any:
        answer = self.call(who, "GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, sent: Any = None, who: str = "ada", status: int = 204) -> Any:
        answer = self.call(who, "POST", path, sent)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def error(self, status: int, method: str, path: str, sent: Any = None, who: str | None = "ada") -> str:
        """Return the code of an error of the one form, which the answer must be."""
        answer = self.call(who, method, path, sent)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert set(body) == {"error"}
        assert set(body["error"]) == {"code", "message", "field"}
        assert re.fullmatch(r"[a-z_]+", body["error"]["code"])
        return str(body["error"]["code"])

    def audited(self, action: str) -> list[tuple[str, str | None]]:
        """Return (actor, subject) of each row of this action, oldest first."""
        with self.estate.engine.connect() as connection:
            rows = list(audit.read(connection))
        assert "rwu1_" not in json.dumps(rows)
        return [(row["actor"], row["subject"]) for row in rows if row["action"] == action]


@pytest.fixture
def api(estate: Estate) -> Iterator[Api]:
    """Yield an API with an administrator, `ada`."""
    found = Api(estate)
    found.person("ada", "administrator")
    yield found
    found.client.close()
