"""Warranties by serial, as makers' portals and resellers send them: serial, start, end, level."""

from __future__ import annotations

from typing import Any

from roadworthy_inventory.importing.fields import Column, Context, Format
from roadworthy_inventory.importing.rows import Warranty

_SERIAL = ("Serial", "Serial number", "Service tag", "Serial no")
_END = (
    "End",
    "Warranty end",
    "End date",
    "Warranty end date",
    "Expiry",
    "Warranty expiry",
    "Expires",
    "Warranty Expires",
)


def _warranty(found: dict[str, Any], context: Context) -> object:
    warranty = Warranty(**{"serial": "", **found})
    if not context.problems:
        if not warranty.serial:
            context.refuse("serial", "no_identity", "the row has no serial")
        if warranty.start and warranty.end and warranty.end < warranty.start:
            context.refuse(
                "end",
                "ends_before_start",
                f"is before its start on {warranty.start.isoformat()}",
                warranty.end,
            )
        if warranty.end is None:
            context.refuse("end", "missing", "has no end of warranty")
    return warranty


SERIALS = Format(
    name="warranties",
    title="Warranties by serial",
    yields="warranty",
    columns=(
        Column("serial", "key", _SERIAL),
        Column(
            "start", "date", ("Start", "Warranty start", "Start date", "Warranty start date", "Ship date")
        ),
        Column("end", "date", _END),
        Column(
            "level", "text", ("Level", "Service level", "Warranty level", "Warranty", "Entitlement", "Offer")
        ),
    ),
    required=(_SERIAL, _END),
    telling=(
        "Start",
        "Warranty start",
        "Start date",
        "Warranty start date",
        "Ship date",
        "Level",
        "Service level",
    ),
    make=_warranty,
)
FORMATS = (SERIALS,)
