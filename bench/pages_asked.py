"""What bench/pages.py asks for: every page and reading operation a person or a script uses, and why others are left out.

`forgotten` holds the list against the routes of the program itself, so that a new one is asked or named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from fastapi.routing import APIRoute
from load.estate import device_id
from pages_estate import OFTEN_OPENED
from sqlalchemy import URL, func, select

from roadworthy_collector.console import routes as console
from roadworthy_collector.metrics import routes as metrics
from roadworthy_collector.security import routes as people
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine

API = "/api/v1"
LEFT_OUT = {
    "/healthz": "asks no database",
    "/readyz": "asks for the schema alone",
    "/static/{name}": "a file",
    "/openapi.json": "made once a process",
    "/charts/{name}": "one row by its key, or a wait for the drawing",
    "/metrics/devices": "a scrape, not a page: bench/scrape.py",
    f"{API}/audit/export": "streams the whole audit, as a file",
    f"{API}/audit/verify": "walks the whole chain on purpose; some 15 s for a million rows",
    f"{API}/relay/status": "of a collector that is a relay",
    f"{API}/relay/devices": "of a collector that is a relay",
    f"{API}/relay/identity": "reads a key file and one row",
    f"{API}/relay/acknowledgements/{{relay}}": "a file to carry, of a collector that has read a relay's",
}
_LISTS = (
    "state=reporting", "state=late", "state=missing", "state=retired", "site=Station+007", "class=server",
    "class=laptop", "model=Model+031", "class=server&state=late&site=Station+007", "q=pc-00", "q=mp0001",
    "q=nothing-like-it", "q=PC-0000097", "sort=name&order=desc", "sort=site", "sort=model", "sort=class&order=desc",
    "sort=report&order=desc", "sort=report", "sort=cpu&order=desc", "sort=memory", "sort=cpu&class=server",
    "sort=model&state=reporting&class=laptop",
)  # fmt: skip
_API_LISTS = (
    "", "?limit=500", "?limit=500&after=50000", "?state=late", "?state=missing&limit=500", "?site=Station+007",
    "?unit=Unit+007", "?device_class=server&limit=500", "?usage_profile=kiosk", "?search=PC-0000097",
)  # fmt: skip


def asked(database: URL | Path, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield what a reader is asked: a name and an address; with `whole` what is for administrators too."""
    yield "overview", "/"
    yield "devices", "/devices"
    yield from ((f"devices {query}", f"/devices?{query}") for query in _LISTS)
    yield "devices, page 900", f"/devices?page=900{_deep(database)}"
    for days in (7, 30, 90):
        for kind in ("boot", "resume", "all"):
            yield f"start-ups {days} {kind}", f"/startups?days={days}&kind={kind}"
    yield from (("about", "/about"), ("API", "/docs"), ("metrics", "/metrics"), ("sd", "/sd/devices"))
    yield from ((f"api {path}", f"{API}{path}") for path in ("/me", "/estate", "/sites"))
    yield from ((f"api /devices{query}", f"{API}/devices{query}") for query in _API_LISTS)
    if whole:
        yield from _administrators()


def _administrators() -> Iterator[tuple[str, str]]:
    yield "one device, asked for a reason", f"/devices/{device_id(OFTEN_OPENED + 1)}"
    yield "api /devices/ID", f"{API}/devices/{device_id(OFTEN_OPENED)}"
    for hours in (48, 168, 720):
        yield f"one device, {hours} h", f"/devices/{device_id(OFTEN_OPENED)}?hours={hours}"
    yield "audit", "/audit"
    for path in (
        "/jobs", "/settings", "/database/backups", "/enrol-keys", "/enrol-keys?limit=500", "/users", "/user-tokens",
        "/scrape-tokens", "/holds", "/relay/trust", "/audit", "/audit?limit=1000&after=30000",
        "/audit?since=2100-01-01", "/audit?until=2000-01-01",
    ):  # fmt: skip
        yield f"api {path}", f"{API}{path}"


def forgotten(addresses: Iterable[str]) -> list[str]:
    """Return the paths of the program's reading operations that are neither asked nor left out for a reason."""
    paths = {address.partition("?")[0] for address in addresses}
    known = {
        route.path
        for router in (console.router, people.router, metrics.router)
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }
    return sorted(path for path in known - set(LEFT_OUT) if not any(_is_of(one, path) for one in paths))


def _is_of(address: str, path: str) -> bool:
    """Return whether `address` is one of a route's: `path` has names in braces for parts of it."""
    return re.fullmatch("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", path))), address) is not None


def _deep(database: URL | Path) -> str:
    """Return what the address of a page deep in the list says besides its number."""
    engine = open_engine(database)
    ordered = select(schema.devices.c.id, func.lower(schema.devices.c.hostname))
    with engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(schema.devices)) or 1
        row = connection.execute(
            ordered.order_by(func.lower(schema.devices.c.hostname)).offset(count // 2).limit(1)
        ).one()
    engine.dispose()
    return f"&after={row[0]}:{quote(row[1])}"
