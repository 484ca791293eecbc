"""All routers of the API under one roof."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer

from roadworthy_collector.api import (
    costs,
    devices,
    holds,
    keys,
    operations,
    plan,
    ratings,
    reconciliation,
    register,
    relay,
    sites,
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
    keys,
    users,
    holds,
    relay,
    register,
    reconciliation,
    ratings,
    costs,
    plan,
    operations,
):
    router.include_router(_part.router)
