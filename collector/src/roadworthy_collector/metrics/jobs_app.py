"""What `roadworthy jobs` answers, with the setting `rollups_at` = "jobs": /metrics and /healthz, nothing else.

Of several processes that could do the jobs one does, so what is of the whole database (the roll-ups, the jobs, the
sending by remote write) is exposed once, by that one. Those that stand by expose themselves only.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from roadworthy_collector import __version__
from roadworthy_collector.metrics.catalogue import Endpoint
from roadworthy_collector.metrics.health import family, stored
from roadworthy_collector.metrics.rollups import rollups_of
from roadworthy_collector.metrics.text import CONTENT_TYPE
from roadworthy_collector.security.access import AccessRefusedError, require_scrape
from roadworthy_collector.security.guard import Guard
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.scope import Scope

ASGIApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]],
    Awaitable[None],
]


class JobsHealth(Collector):
    """What one jobs process says about itself, and while `holds` about the database too."""

    def __init__(
        self, engine: Engine, settings: Settings, holds: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._holds = holds
        self._clock = clock
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(namespace="roadworthy", registry=self._registry)

    def render(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Family]:
        """Return nothing: otherwise the registry would collect once just to learn the names."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield every family but the process's."""
        holds = self._holds()
        yield family("roadworthy_jobs_holding", {(): float(holds)})
        if holds:
            yield from stored(self._engine, self._settings, self._clock)


def create_jobs_app(
    settings: Settings,
    engine: Engine,
    holds: Callable[[], bool],
    *,
    clock: Callable[[], float] = time.time,
) -> ASGIApp:
    """Return the application; `holds` says whether this process does the jobs at the moment."""
    health = JobsHealth(engine, settings, holds, clock)
    api = FastAPI(
        title="Roadworthy jobs", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    api.state.settings, api.state.engine, api.state.clock = settings, engine, clock

    @api.get(Endpoint.METRICS)
    def metrics(scope: Annotated[Scope, Depends(require_scrape)]) -> Response:
        rollups = rollups_of(engine, scope, now=clock()) if holds() else ""
        own = health.render() if scope is None else b""
        return Response(own + rollups.encode(), media_type=CONTENT_TYPE)

    @api.get("/healthz")
    def healthz() -> dict[str, object]:
        return {"status": "alive", "holds_jobs": holds()}

    @api.exception_handler(AccessRefusedError)
    async def refused(_: Request, error: AccessRefusedError) -> Response:
        return Response(error.body(), error.status_code, error.headers, media_type="application/json")

    return Guard(api, settings, engine)
