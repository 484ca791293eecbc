"""All routers of the API under one roof."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from roadworthy_collector.api import (
    benefits,
    carbon,
    carbon_avoidable,
    carbon_calibration,
    carbon_data,
    carbon_energy,
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

_BEARER = HTTPBearer(
    scheme_name="user token",
    description="A token `rwu1_...` of a user, who has a role. Pages use their session and send X-CSRF-Token.",
    auto_error=False,  # `api.calls.caller` refuses, in the form of every other error
)
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
    carbon_avoidable,
    carbon_calibration,
    reports,
    meters,
    exports,
    operations,
)


def include_in(router: APIRouter) -> None:
    """Include every operation of the API in `router`.

    Each part by itself, not through a router of the API's own: FastAPI works out anew at every level what each
    operation takes, and a collector would start half a second later.
    """
    for part in _PARTS:
        router.include_router(part.router, dependencies=[Depends(_BEARER)])
