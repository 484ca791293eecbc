"""Bodies larger than a form: every route that takes a file or a long text gets it, and bounds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from support.estates import NOW
from support.people import Person
from support.web import Client, client_of

from roadworthy_collector.books.lifecycle_editions import BOUGHT, LONGEST_CHARACTERS, OVERRIDE
from roadworthy_collector.security.guard import FORM_BYTES

LARGE = b"a,b\n" + b"1,2\n" * (FORM_BYTES // 2)
TOO_MUCH = str(1024 * 1024 * 1024)


def _uploads(client: Client) -> list[tuple[str, str]]:
    """Return (method, path with its parameters filled in) of every operation that takes a file."""
    paths: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "application/octet-stream" in operation.get("requestBody", {}).get("content", {})
    ]


def test_every_operation_that_takes_a_file_gets_one_larger_than_a_form(
    engine: Engine, tmp_path: Path, client: Client
) -> None:
    who = Person(engine, "ada", "administrator").bearer["headers"]
    refused = []
    uploads = _uploads(client)
    assert len(uploads) > 8
    for method, path in uploads:
        answer = client.request(method, path, content=LARGE, headers=who)
        if answer.status_code in {408, 413} or answer.status_code >= 500:
            refused.append((path, answer.text))
        endless = client.request(method, path, content=b"1", headers=who | {"Content-Length": TOO_MUCH})
        if endless.status_code not in {403, 404, 409, 413, 422}:
            refused.append((path, endless.text))
    assert refused == []


def test_nobody_sends_a_file_unknown(engine: Engine, client: Client) -> None:
    Person(engine, "ada", "administrator")
    for method, path in _uploads(client):
        assert client.request(method, path, content=LARGE).status_code == 401, path


@pytest.mark.parametrize(
    ("path", "characters"),
    [
        ("/api/v1/lifecycle/dates/override", LONGEST_CHARACTERS[OVERRIDE]),
        ("/api/v1/lifecycle/bought/try", LONGEST_CHARACTERS[BOUGHT]),
        ("/api/v1/lifecycle/bought", LONGEST_CHARACTERS[BOUGHT]),
    ],
)
def test_a_long_text_is_read_of_who_is_known(
    engine: Engine, client: Client, path: str, characters: int
) -> None:
    who = Person(engine, "ada", "administrator").bearer["headers"]
    text = "# a remark\n" * (characters // 11)
    assert len(text) > FORM_BYTES
    answer = client.post(path, json={"text": text}, headers=who)
    assert answer.status_code not in {408, 413}, answer.text
    assert client.post(path, json={"text": text}).status_code == 413
    assert client.post(path, json={"text": text * 10}, headers=who).status_code == 413


@pytest.mark.parametrize("path", ["/register/import", "/costs/import", "/register/change", "/carbon/factors"])
def test_forms_with_a_file_are_read_of_who_is_known(engine: Engine, tmp_path: Path, path: str) -> None:
    ada = Person(engine, "ada", "administrator")
    client = client_of(engine, tmp_path, NOW)
    try:
        answer = client.post(
            path,
            data={"csrf": ada.csrf},
            files={"file": ("x.csv", LARGE)},
            headers=ada.cookie["headers"] | {"Origin": "http://127.0.0.1:8470"},
        )
    finally:
        client.close()
    assert answer.status_code in {200, 400, 422}, answer.text
