"""Every route that changes something, whoever adds it: none does it for a foreign page with a reader's cookie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from support.people import Person
from support.web import Client

from roadworthy_collector.app import create_app
from roadworthy_collector.security.roles import Role
from roadworthy_collector.settings import Settings

READING = {"GET", "HEAD", "OPTIONS"}
# Routes a browser's cookie means nothing to: each authenticates every request by a secret in it.
BY_SECRET = {"/api/v1/enrol", "/api/v1/reports"}
# Has a token of its own, in a cookie of its own (test_login.py).
BEFORE_A_SESSION = {"/login"}


def api_of(app: Any) -> FastAPI:
    """Return the FastAPI application inside what `create_app` wraps around it."""
    seen: list[Any] = [app]
    while seen:
        one = seen.pop()
        if isinstance(one, FastAPI):
            return one
        seen += [value for value in vars(one).values() if callable(value) and hasattr(value, "__dict__")]
    raise AssertionError("there is no FastAPI application")


def address(route: APIRoute) -> str:
    """Return an address of the route, with a word it takes where it takes only some: any other is answered 422."""

    def word(part: re.Match[str]) -> str:
        hint = get_type_hints(route.endpoint).get(part[1].partition(":")[0])
        return str(get_args(hint)[0]) if get_origin(hint) is Literal else "1"

    return re.sub(r"\{([^}]*)\}", word, route.path)


def changing(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Yield (method, path, an address of it) of every route that is not for reading."""
    waiting: list[Any] = [*app.routes]
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            for method in sorted((route.methods or set()) - READING):
                yield method, route.path, address(route)
        else:
            # FastAPI keeps what was included as a router of its own.
            inner = getattr(route, "original_router", None) or getattr(route, "app", None)
            waiting += getattr(inner, "routes", [])


@pytest.fixture
def routes(engine: Engine, tmp_path: Path) -> set[tuple[str, str, str]]:
    return set(changing(api_of(create_app(Settings(data=tmp_path), engine))))


def test_the_walk_finds_them(routes: set[tuple[str, str, str]]) -> None:
    assert {("POST", "/login"), ("POST", "/logout"), ("POST", "/devices/{device_id}/open")} <= {
        (method, path) for method, path, _ in routes
    }


def test_none_of_them_takes_a_cookie_alone(
    client: Client, engine: Engine, routes: set[tuple[str, str, str]]
) -> None:
    person = Person(engine, "ada", Role.ADMINISTRATOR)
    for method, path, where in sorted(routes):
        if path in BY_SECRET | BEFORE_A_SESSION:
            continue
        for body in ({"json": {}}, {"data": {"csrf": "guessed"}}, {"data": {}}):
            answer = client.request(method, where, **body, **person.cookie)
            assert answer.status_code in {401, 403}, (
                f"{method} {path}: {answer.status_code} {answer.text[:200]}"
            )


def test_none_of_them_is_open_while_reading_is(client: Client, routes: set[tuple[str, str, str]]) -> None:
    for method, path, where in sorted(routes):
        if path in BY_SECRET | BEFORE_A_SESSION:
            continue
        answer = client.request(method, where, json={})
        assert answer.status_code in {401, 403}, f"{method} {path}: {answer.status_code} {answer.text[:200]}"


def test_no_page_has_anything_inline(client: Client, engine: Engine, device_id: str) -> None:
    """The policy forbids it, so it would not run; here it is not even written."""
    person = Person(engine, "ada", Role.ADMINISTRATOR)
    form = {"csrf": person.csrf, "reason": "ticket 42"}
    pages = [
        "/",
        "/devices",
        "/startups",
        "/about",
        "/docs",
        "/audit",
        "/login",
        "/nothing",
        f"/devices/{device_id}",
    ]
    texts = [client.get(path, **person.cookie).text for path in pages]
    assert client.post(f"/devices/{device_id}/open", data=form, **person.cookie).status_code == 303
    texts.append(client.get(f"/devices/{device_id}", **person.cookie).text)
    for text in texts:
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", text)
        assert not re.search(r'(?:src|action)="(?:https?:)?//', text)
