"""The only place that wires: settings, engine, writer and routes become one ASGI application."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from sqlalchemy import Engine
from starlette.routing import BaseRoute

from roadworthy_collector import __version__
from roadworthy_collector.api import errors as api_errors
from roadworthy_collector.api import router as management
from roadworthy_collector.console import routes as console
from roadworthy_collector.console.view import templates
from roadworthy_collector.ingest import enrol
from roadworthy_collector.ingest.access import Access
from roadworthy_collector.ingest.asgi import REPORTS_PATH, ReportsApp, openapi_paths
from roadworthy_collector.ingest.rotation import Rotation
from roadworthy_collector.ingest.stats import Stats
from roadworthy_collector.ingest.writer import Writer
from roadworthy_collector.metrics import routes as metrics
from roadworthy_collector.metrics.detail import DetailProcess
from roadworthy_collector.security import routes as people
from roadworthy_collector.security.access import is_known
from roadworthy_collector.security.bounds import Bounds
from roadworthy_collector.security.guard import Guard
from roadworthy_collector.settings import Settings
from roadworthy_collector.warming import Warming

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# The document of the API takes longest by far, and is read once in a while: a collector that just began does not
# make its agents wait for it.
DOCUMENT_AFTER_SECONDS = 30.0


class _Entrance:
    """Sends reports past FastAPI: the raw route costs a quarter of a routed one. Answers HEAD as a GET without body."""

    def __init__(self, reports: ASGIApp, rest: ASGIApp) -> None:
        self._reports = reports
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == REPORTS_PATH:
            await self._reports(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "HEAD":
            await self._rest({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await self._rest(scope, receive, send)


class Collector:
    """The whole application; `reports` is the part that a server may hand reports straight to.

    `warming` is for the server to begin once it answers.
    """

    def __init__(self, app: ASGIApp, reports: ReportsApp, warming: Warming) -> None:
        self._app = app
        self.reports = reports
        self.warming = warming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        await self._app(scope, receive, send)


def _without_body(send: Send) -> Send:
    """Return `send` with every body emptied; the headers still tell its length, as RFC 9110 section 9.3.2 has it."""

    async def send_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return send_headers


def create_app(
    settings: Settings,
    engine: Engine,
    *,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    draining: threading.Event | None = None,
) -> Collector:
    """Return the collector as an ASGI application on `engine`, whose schema must be at head.

    Once `draining` is set it says that it is not ready, and answers all the same.
    """
    stats = Stats()
    rotation = Rotation(settings.token_rotation_days, settings.token_rotations_per_minute, clock, monotonic)
    access = Access(engine, rotation)
    writer = Writer(engine, settings, clock, stats, access)
    reports = ReportsApp(writer, access, settings, clock, monotonic=monotonic)
    detail = DetailProcess(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(access.load)
        await writer.start()
        try:
            yield
        finally:
            await warming.end()
            await asyncio.to_thread(detail.close)
            await writer.stop()
            engine.dispose()

    api = FastAPI(
        title="Roadworthy collector",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # `_document` answers it
        lifespan=lifespan,
        routes=_routes(),
    )
    api.state.settings = settings
    api.state.engine = engine
    api.state.clock = clock
    api.state.stats = stats
    api.state.writer = writer
    api.state.detail = detail
    api.state.draining = draining or threading.Event()
    console.install(api)
    api_errors.install(api)
    _document(api)
    warming = Warming(lambda: _beforehand(api))
    guard = Guard(_Entrance(reports, api), settings, engine, _bounds(), lambda scope: is_known(api, scope))
    return Collector(guard, reports, warming)


@lru_cache(maxsize=1)
def _routes() -> list[BaseRoute]:
    """Return every route, which holds nothing of one application."""
    found = [*management.flat(enrol.router), *management.flat(metrics.router), *management.routes()]
    return [*found, *management.flat(people.router), *management.flat(console.router)]


@lru_cache(maxsize=1)
def _bounds() -> Bounds:
    """Return what the routes say of their bodies."""
    return Bounds(_routes())


@lru_cache(maxsize=1)
def _described(title: str, version: str) -> dict[str, Any]:
    """Return the document of all routes, which is the same for every application; nobody changes it."""
    document = get_openapi(title=title, version=version, routes=_routes())
    management.tell_who_may(document, management.routes())
    document["paths"].update(openapi_paths())
    components = document["components"]
    components["schemas"] = dict(sorted((components["schemas"] | api_errors.schemas()).items()))
    return document


def _beforehand(api: FastAPI) -> Iterator[float]:
    """Make what the first requests need, a piece a step; the front page's first, what few ask for last."""
    environment = templates()
    names = sorted(environment.list_templates(), key=lambda name: name != "overview.html")
    for name in names:
        environment.get_template(name)
        yield 0.0
    yield DOCUMENT_AFTER_SECONDS
    api.openapi()
    yield 0.0


def _document(api: FastAPI) -> None:
    """Answer /openapi.json, with the raw report route, which FastAPI cannot see by itself.

    The document takes most of a second to make. It is made once, and not in the event loop, as FastAPI would.
    """
    making = threading.Lock()

    def openapi() -> dict[str, Any]:
        with making:  # who comes meanwhile waits for it: two at once would each take twice as long
            if api.openapi_schema is None:
                api.openapi_schema = _described(api.title, api.version)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign] # the documented way to extend it

    @lru_cache(maxsize=1)
    def text() -> bytes:
        return json.dumps(openapi(), ensure_ascii=False, separators=(",", ":")).encode()

    def show_openapi() -> Response:
        """Answer what every operation takes, answers and refuses."""
        return Response(text(), media_type="application/json")

    api.add_api_route("/openapi.json", show_openapi, include_in_schema=False)
