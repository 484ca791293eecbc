"""Which requests may bring more than a form does: each route says so where it is defined, in its `openapi_extra`.

A route that takes a file (`application/octet-stream`, or the `multipart/form-data` of FILE_FORM) finds out who sends
before it reads, and bounds the file itself. One that takes a long text in a form or in JSON says how long by
`long_text`: the framework reads those before it asks who sends, so the guard must bound them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

_LONGEST = "x-longest-body-bytes"
_FILES = frozenset({"application/octet-stream", "multipart/form-data"})
# JSON may write a character in six bytes, a form in nine; texts people write are nearly all ASCII.
_BYTES_A_CHARACTER = 4
_REST_BYTES = 65_536
# For routes of pages that read a form with a file by `console.forms.read_form`.
FILE_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": {"type": "object"}}},
    }
}


class _Bound(NamedTuple):
    methods: frozenset[str]
    path: re.Pattern[str]
    most_bytes: int | None


def long_text(characters: int) -> dict[str, Any]:
    """Return the `openapi_extra` of a route whose body holds a text of so many characters."""
    return {_LONGEST: characters * _BYTES_A_CHARACTER + _REST_BYTES}


class Bounds:
    """What the routes said of their bodies."""

    def __init__(self, routes: Iterable[BaseRoute] = ()) -> None:
        self._bounds = tuple(_bounds(routes))

    def reads_itself(self, method: str, path: str) -> bool:
        """Return whether a route takes a file there, which it bounds itself."""
        return any(one.most_bytes is None for one in self._at(method, path))

    def most_bytes(self, method: str, path: str, otherwise: int) -> int:
        """Return how long a body may be there, of somebody known."""
        return max([otherwise, *(one.most_bytes or 0 for one in self._at(method, path))])

    def _at(self, method: str, path: str) -> Iterable[_Bound]:
        return (one for one in self._bounds if method in one.methods and one.path.match(path))


def _bounds(routes: Iterable[BaseRoute]) -> Iterable[_Bound]:
    waiting = list(routes)
    while waiting:
        route = waiting.pop()
        if isinstance(inner := getattr(route, "original_router", None), APIRouter):
            waiting += (
                inner.routes
            )  # no router is included under a prefix, so that a path is what its route says
            continue
        told = getattr(route, "openapi_extra", None) or {}
        if not isinstance(route, APIRoute) or not told:
            continue
        methods = frozenset(route.methods or ())
        if _FILES & set(told.get("requestBody", {}).get("content", {})):
            yield _Bound(methods, route.path_regex, None)
        elif _LONGEST in told:
            yield _Bound(methods, route.path_regex, told[_LONGEST])
