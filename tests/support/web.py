"""Asks an ASGI application for pages in process, as a browser would: cookies kept, redirects not followed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine

from roadworthy_collector.app import ASGIApp, create_app
from roadworthy_collector.settings import Settings

PAGE = {"Accept": "text/html"}


class Client:
    """A browser without a screen; `close` it."""

    def __init__(self, app: ASGIApp, base_url: str = "http://127.0.0.1:8470") -> None:
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url, headers=PAGE)

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._http.get(path, **arguments))

    def head(self, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._http.head(path, **arguments))

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._http.post(path, **arguments))

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **arguments))

    @property
    def cookies(self) -> httpx.Cookies:
        return self._http.cookies

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()


def client_of(engine: Engine, data: Path, now: float, **settings: Any) -> Client:
    """Return a client of the whole collector on `engine`, its clock standing at `now`."""
    return Client(create_app(Settings(data=data, **settings), engine, clock=lambda: now))
