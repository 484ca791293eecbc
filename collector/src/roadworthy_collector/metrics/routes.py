"""What Prometheus and load balancers ask: /metrics, /metrics/devices, /sd/devices, /healthz, /readyz.

Plain functions, so that FastAPI runs them in its threads: rendering a large shard must not hold up the event loop.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.metrics.catalogue import Endpoint
from roadworthy_collector.metrics.fleet import SNAPSHOT
from roadworthy_collector.metrics.health import Health
from roadworthy_collector.metrics.shards import MAX_SHARDS, render_shard
from roadworthy_collector.metrics.text import CONTENT_TYPE
from roadworthy_collector.security.access import is_open, require_scrape
from roadworthy_collector.store.engine import current_revision, head_revision
from roadworthy_collector.store.queries.console import is_simulated
from roadworthy_collector.store.queries.metrics import read_snapshot

_SIMULATED_MARK = b"# SIMULATED IT ESTATE: every device and figure here is made up\n"
# Constant whatever the number of shards: a label that changed with it would make every series a new one.
INSTANCE = "roadworthy"
# The jobs process computes the roll-ups twice a minute. Once they are this old they are no longer true, and leaving
# them out is what makes Prometheus mark them as stale.
SNAPSHOT_SECONDS = 300.0

router = APIRouter(tags=["metrics"])
_protected = [Depends(require_scrape)]
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {CONTENT_TYPE: {}}}}


@router.get(
    Endpoint.METRICS,
    dependencies=_protected,
    response_class=Response,
    responses=_TEXT,
    summary="Roll-ups and own health, for Prometheus",
)
def metrics(request: Request) -> Response:
    """Own health of the collector and the IT estate's roll-ups, in Prometheus' text format."""
    began = time.perf_counter()
    state = request.app.state
    health = _health(request)
    with state.engine.connect() as connection:
        snapshot = read_snapshot(connection, SNAPSHOT)
    fresh = snapshot is not None and state.clock() - snapshot.at <= SNAPSHOT_SECONDS
    body = health.render() + (snapshot.body.encode() if snapshot is not None and fresh else b"")
    health.rendered(Endpoint.METRICS, time.perf_counter() - began)
    return Response(body, media_type=CONTENT_TYPE)


@router.get(
    Endpoint.DEVICES,
    dependencies=_protected,
    response_class=Response,
    responses=_TEXT,
    summary="Detail per device, for Prometheus",
)
def devices(
    request: Request,
    shard: Annotated[int, Query(ge=0, lt=MAX_SHARDS, description="Which part, from 0.")] = 0,
    shards: Annotated[int, Query(ge=1, le=MAX_SHARDS, description="Of how many parts.")] = 1,
) -> Response:
    """One shard of the per-device detail, in Prometheus' text format."""
    if shard >= shards:
        return _refused(422, "shard_out_of_range", f"shard counts from 0 to {shards - 1}", "shard")
    if not _detail_on(request):
        return _refused(403, "device_detail_off", "the setting device_detail turns per-device metrics on")
    began = time.perf_counter()
    state = request.app.state
    body = render_shard(
        state.engine,
        shard,
        shards,
        now=state.clock(),
        interval_seconds=state.settings.report_interval_seconds,
    )
    _health(request).rendered(Endpoint.DEVICES, time.perf_counter() - began)
    return Response(_SIMULATED_MARK + body if _simulated(request) else body, media_type=CONTENT_TYPE)


@router.get("/sd/devices", dependencies=_protected, summary="Targets for Prometheus' service discovery")
def discover(
    request: Request,
    shards: Annotated[
        int | None,
        Query(ge=1, le=MAX_SHARDS, description="How many parts; the setting `shards` if not said."),
    ] = None,
) -> list[dict[str, Any]]:
    """Targets for Prometheus' http_sd: one a shard, none while the detail is off.

    The target is the address this request came to, so that Prometheus scrapes where it found the list. `instance`
    is the same for all; `__meta_roadworthy_shard` is there for those who want `up` told apart. The series of a
    simulated IT estate carry the label `simulated`, those of a real one do not.
    """
    if not _detail_on(request):
        return []
    count = shards or request.app.state.settings.shards
    more = {"__scheme__": "https"} if request.url.scheme == "https" else {}
    if _simulated(request):
        more["simulated"] = "true"
    return [
        {
            "targets": [request.url.netloc],
            "labels": {
                "__metrics_path__": Endpoint.DEVICES,
                "__param_shard": str(shard),
                "__param_shards": str(count),
                "__meta_roadworthy_shard": f"{shard}/{count}",
                "instance": INSTANCE,
                **more,
            },
        }
        for shard in range(count)
    ]


@router.get("/healthz", summary="Is the process alive?")
def healthz() -> dict[str, str]:
    """Say that the process is alive; nothing else is asked."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Can reports be taken?",
    responses={503: {"description": "Not ready; `error` says why."}},
)
def readyz(request: Request) -> JSONResponse:
    """Say whether reports can be taken: the database at this program's schema, the writer alive."""
    state = request.app.state
    try:
        current = current_revision(state.engine)
    except SQLAlchemyError as error:
        return _refused(503, "database", f"the database cannot be read: {type(error).__name__}")
    if current != _head():
        return _refused(503, "schema", f"the database is at schema {current}, this program needs {_head()}")
    if not state.writer.alive:
        return _refused(503, "writer", "the writer does not run, so no report can be acknowledged")
    return JSONResponse({"status": "ready"})


def _simulated(request: Request) -> bool:
    """Return whether the IT estate is a simulated one."""
    with request.app.state.engine.connect() as connection:
        return is_simulated(connection)


@lru_cache(maxsize=1)
def _head() -> str:
    """Return the schema this program needs; its files do not change while it runs."""
    return head_revision()


def _health(request: Request) -> Health:
    """Return the health of this application, made at the first scrape."""
    state = request.app.state
    if getattr(state, "health", None) is None:
        state.health = Health(state.engine, state.settings, state.stats)
    health: Health = state.health
    return health


def _detail_on(request: Request) -> bool:
    """Whether per-device metrics are shown: while everything is open on this machine, or when turned on."""
    state = request.app.state
    return state.settings.device_detail or is_open(state.settings, state.engine)


def _refused(status: int, code: str, message: str, field: str | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "field": field}}, status_code=status)
