"""What Prometheus and load balancers ask: /metrics, /metrics/devices, /sd/devices, /healthz, /readyz.

Plain functions, so that FastAPI runs them in its threads and none holds up the event loop; all but the device detail,
which a process of its own renders and which is only waited for here.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.metrics.catalogue import Endpoint
from roadworthy_collector.metrics.detail import PATIENCE_SECONDS, DetailError, DetailProcess
from roadworthy_collector.metrics.detail_process import Wanted
from roadworthy_collector.metrics.health import Health
from roadworthy_collector.metrics.rollups import SNAPSHOT_SECONDS, rollups_of
from roadworthy_collector.metrics.shards import MAX_SHARDS, advised_shards
from roadworthy_collector.metrics.text import CONTENT_TYPE
from roadworthy_collector.security.access import (
    Reader,
    Scraper,
    is_open,
    require_device_scrape,
    require_scrape,
)
from roadworthy_collector.security.detail_reads import DetailReads
from roadworthy_collector.store.queries.console import is_simulated
from roadworthy_collector.store.queries.detail import count_in_service
from roadworthy_collector.store.queries.scope import Scope
from roadworthy_collector.store.upgrade import misfit

__all__ = ["INSTANCE", "SNAPSHOT_SECONDS", "accepts_gzip", "router"]

# Constant whatever the number of shards: a label that changed with it would make every series a new one.
INSTANCE = "roadworthy"

router = APIRouter(tags=["metrics"])
_protected = [Depends(require_scrape)]
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {CONTENT_TYPE: {}}}}


@router.get(
    Endpoint.METRICS,
    response_class=Response,
    responses=_TEXT,
    summary="Roll-ups and own health, for Prometheus",
)
def metrics(request: Request, scope: Annotated[Scope, Depends(require_scrape)]) -> Response:
    """Own health of the collector and the IT estate's roll-ups, in Prometheus' text format.

    A token or user of some units reads the roll-ups of these units, and nothing else. With the setting `rollups_at`
    = "jobs" the roll-ups, and all else that is of the database and not of this process, are at `roadworthy jobs`.
    """
    began = time.perf_counter()
    state = request.app.state
    health = _health(request)
    here = state.settings.rollups == "serve"
    rollups = rollups_of(state.engine, scope, now=state.clock()) if here else ""
    if scope is not None:
        return Response(rollups, media_type=CONTENT_TYPE)
    body = health.render() + rollups.encode()
    health.rendered(Endpoint.METRICS, time.perf_counter() - began)
    return Response(body, media_type=CONTENT_TYPE)


def _detail_on(request: Request) -> bool:
    """Whether per-device metrics are shown: while everything is open on this machine, or when turned on."""
    state = request.app.state
    return state.settings.device_detail or is_open(state.settings, state.engine)


@router.get(
    Endpoint.DEVICES,
    response_class=Response,
    responses=_TEXT | {503: {"description": "It cannot be rendered now; `error` says why."}},
    summary="Detail per device, for Prometheus",
)
async def devices(
    request: Request,
    scraper: Annotated[Scraper, Depends(require_device_scrape)],
    shown: Annotated[bool, Depends(_detail_on)],
    shard: Annotated[int, Query(ge=0, lt=MAX_SHARDS, description="Which part, from 0.")] = 0,
    shards: Annotated[int, Query(ge=1, le=MAX_SHARDS, description="Of how many parts.")] = 1,
) -> Response:
    """One shard of the per-device detail, in Prometheus' text format; compressed if gzip is accepted.

    For scrape tokens, and for users who may read a device's history: that they read it is a row of the audit, one an
    hour.
    """
    if shard >= shards:
        return _refused(422, "shard_out_of_range", f"shard counts from 0 to {shards - 1}", "shard")
    if not shown:
        return _refused(403, "device_detail_off", "the setting device_detail turns per-device metrics on")
    began = time.perf_counter()
    state = request.app.state
    detail: DetailProcess = state.detail
    gzip = accepts_gzip(request.headers.get("accept-encoding", ""))
    try:
        body = await detail.render(
            Wanted(shard, shards, state.clock(), gzip, scraper.scope), patience_seconds=_patience(request)
        )
    except DetailError as error:
        return _refused(503, "device_detail", f"per-device metrics cannot be rendered now: {error}")
    await _note(request, scraper.reader)
    _health(request).rendered(Endpoint.DEVICES, time.perf_counter() - began)
    headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if gzip else {})
    return Response(body, media_type=CONTENT_TYPE, headers=headers)


def accepts_gzip(header: str) -> bool:
    """Return whether an Accept-Encoding header takes gzip (RFC 9110 section 12.5.3)."""
    for part in header.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        if name in {"gzip", "x-gzip", "*"}:
            weights = [word.partition("=")[2].strip() for word in parameters if word.startswith("q")]
            return not any(weight and not weight.strip("0.") for weight in weights)
    return False


def _patience(request: Request) -> float:
    """Return how long this scrape waits: Prometheus says it with every one."""
    try:
        said = float(request.headers.get("x-prometheus-scrape-timeout-seconds", ""))
    except ValueError:
        return PATIENCE_SECONDS
    return min(said, PATIENCE_SECONDS) if said > 0 else PATIENCE_SECONDS


@router.get("/sd/devices", dependencies=_protected, summary="Targets for Prometheus' service discovery")
def discover(
    request: Request,
    shards: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_SHARDS,
            description="How many parts; if not said the setting `shards`, else by the number of devices.",
        ),
    ] = None,
) -> list[dict[str, Any]]:
    """Targets for Prometheus' http_sd: one a shard, none while the detail is off.

    The target is the address this request came to, so that Prometheus scrapes where it found the list. `instance`
    is the same for all; `__meta_roadworthy_shard` is there for those who want `up` told apart. The series of a
    simulated IT estate carry the label `simulated`, those of a real one do not.
    """
    if not _detail_on(request):
        return []
    count = shards or request.app.state.settings.shards or _advised_shards(request)
    more = {"__scheme__": "https"} if _scheme(request) == "https" else {}
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
async def healthz() -> dict[str, str]:
    """Say that the process is alive; nothing else is asked, and no thread needed that may wait for the database."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Can reports be taken?",
    responses={503: {"description": "Not ready; `error` says why."}},
)
def readyz(request: Request) -> JSONResponse:
    """Say whether reports can be taken: the database at a schema this program runs on, the writer alive.

    Not while the process drains before its end (setting `drain_seconds`): it still answers, and wants no more.
    """
    state = request.app.state
    if state.draining.is_set():
        return _refused(503, "draining", "this process is about to end; send reports to another")
    try:
        unfit = misfit(state.engine)
    except SQLAlchemyError as error:
        return _refused(503, "database", f"the database cannot be read: {type(error).__name__}")
    if unfit is not None:
        return _refused(503, "schema", unfit)
    if not state.writer.alive:
        return _refused(503, "writer", "the writer does not run, so no report can be acknowledged")
    return JSONResponse({"status": "ready"})


def _scheme(request: Request) -> str:
    """Return how the list was asked for; a proxy that ends TLS says it in a header, which is believed only of one."""
    told = request.headers.get("x-forwarded-proto")
    return told if told is not None and request.app.state.settings.behind_tls_proxy else request.url.scheme


def _simulated(request: Request) -> bool:
    """Return whether the IT estate is a simulated one."""
    with request.app.state.engine.connect() as connection:
        return is_simulated(connection)


def _advised_shards(request: Request) -> int:
    """Return into how many shards the devices in service belong."""
    with request.app.state.engine.connect() as connection:
        return advised_shards(count_in_service(connection))


def _health(request: Request) -> Health:
    """Return the health of this application, made at the first scrape."""
    state = request.app.state
    if getattr(state, "health", None) is None:
        state.health = Health(
            state.engine, state.settings, state.stats, state.detail.stats, clock=state.clock
        )
    health: Health = state.health
    return health


async def _note(request: Request, reader: Reader | None) -> None:
    """Have a person who reads the device detail on the record before anything is shown.

    One at a time and in no thread of the pages': while the database is locked the shards of one scrape would take
    all of those.
    """
    state = request.app.state
    if getattr(state, "detail_reads", None) is None:
        state.detail_reads = DetailReads(state.engine, state.clock), anyio.CapacityLimiter(1)
    reads, one = state.detail_reads
    if reader is not None and reads.is_due(reader):
        await anyio.to_thread.run_sync(reads.note, reader, limiter=one)


def _refused(status: int, code: str, message: str, field: str | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "field": field}}, status_code=status)
