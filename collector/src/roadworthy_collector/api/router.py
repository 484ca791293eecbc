"""All routers of the API under one roof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter
from starlette.routing import BaseRoute

from roadworthy_collector.api import (
    benefits,
    carbon,
    carbon_avoidable,
    carbon_calibration,
    carbon_data,
    carbon_energy,
    carbon_rates,
    costs,
    devices,
    disposal,
    exports,
    holds,
    keys,
    legacy,
    lifecycle,
    meters,
    operations,
    organisation,
    organisation_groups,
    plan,
    planned_life,
    ratings,
    reconciliation,
    register,
    relay,
    relay_files,
    reports,
    sites,
    snmp,
    staff_time,
    users,
)

# In the words of OpenAPI; `api.calls.caller` finds out who it is, and refuses in the form of every other error.
_SCHEME_NAME = "user token"
_SCHEME = {
    "type": "http",
    "description": "A token `rwu1_...` of a user, who has a role. Pages use their session and send X-CSRF-Token.",
    "scheme": "bearer",
}
_PARTS = (
    devices,
    sites,
    snmp,
    organisation,
    organisation_groups,
    keys,
    users,
    holds,
    relay,
    relay_files,
    register,
    reconciliation,
    ratings,
    lifecycle,
    planned_life,
    legacy,
    costs,
    plan,
    staff_time,
    benefits,
    disposal,
    carbon,
    carbon_data,
    carbon_energy,
    carbon_rates,
    carbon_avoidable,
    carbon_calibration,
    reports,
    meters,
    exports,
    operations,
)


def routes() -> Iterator[BaseRoute]:
    """Yield every operation of the API."""
    for part in _PARTS:
        yield from flat(part.router)


def flat(router: APIRouter) -> Iterator[BaseRoute]:
    """Yield the routes of a router and of those included in it, each as its module defines it.

    None is included under a prefix or with anything of its own, so that each is whole as it stands. Of a router that
    is included, FastAPI works out anew what each operation takes: a collector would start a quarter of a second later.
    """
    for route in router.routes:
        if isinstance(inner := getattr(route, "original_router", None), APIRouter):
            yield from flat(inner)
        else:
            yield route


def tell_who_may(document: dict[str, Any], theirs: Iterable[BaseRoute]) -> None:
    """Write into OpenAPI's `document` that the operations at `theirs` want a user's token."""
    document["components"].setdefault("securitySchemes", {})[_SCHEME_NAME] = _SCHEME
    for route in theirs:
        told = document["paths"].get(getattr(route, "path_format", ""), {})
        for method in getattr(route, "methods", None) or ():
            if (operation := told.get(method.lower())) is not None:
                operation["security"] = [{_SCHEME_NAME: []}]
