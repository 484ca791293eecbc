"""All routers of the API under one roof."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from roadworthy_collector.api import (
    benefits,
    carbon,
    carbon_avoidable,
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
    plan,
    ratings,
    reconciliation,
    register,
    relay,
    relay_files,
    reports,
    sites,
    staff_time,
    users,
)

_BEARER = HTTPBearer(
    scheme_name="user token",
    description="A token `rwu1_...` of a user, who has a role. Pages use their session and send X-CSRF-Token.",
    auto_error=False,  # `api.calls.caller` refuses, in the form of every other error
)
router = APIRouter(dependencies=[Depends(_BEARER)])
for _part in (
    devices,
    sites,
    organisation,
    keys,
    users,
    holds,
    relay,
    relay_files,
    register,
    reconciliation,
    ratings,
    lifecycle,
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
    reports,
    meters,
    exports,
    operations,
):
    router.include_router(_part.router)
