"""The page of planned lives: what is in force by class, tried on the devices, put in force."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

from roadworthy_collector.books import lifecycle_trying, planned_text
from roadworthy_collector.console.text_forms import TextForm, on_devices
from roadworthy_collector.security.access import require_page
from roadworthy_collector.security.roles import Right

router = APIRouter(include_in_schema=False)


def _held(connection: Connection) -> dict[str, Any]:
    found, edition = planned_text.current(connection)
    return {"text": edition.content, "edition": edition, "lines": planned_text.listed(found.lives)}


_LIVES = TextForm(
    "planned_life.html",
    "/lifecycle/planned",
    _held,
    on_devices(lifecycle_trying.try_lives),
    planned_text.save,
    all_read=True,
)
_LIVES.serve(
    router,
    "/lifecycle/planned",
    who=require_page(Right.READ_ESTATE),
    keeper=require_page(Right.MANAGE_REGISTER),
)
