"""What smart plugs have told so far, as page, API and command show it: days held, lines of models, imports."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.carbon import meter_import, plug_fits, plug_import, plug_store
from roadworthy_inventory.carbon.calibration import MINIMUM_MACHINES, MINIMUM_PAIRS

ABOUT = (
    "A day a plug covered whole replaces the model for that device and day. A line of metered on modelled watts is "
    f"fitted for each model, and corrects its devices without a plug from {MINIMUM_MACHINES} devices and "
    f"{MINIMUM_PAIRS} days on; its residual is then the error. Devices of restricted sites teach no line."
)
JOULES_PER_KWH = 3_600_000


def shown(connection: Connection) -> dict[str, Any]:
    """Return what is held: devices, days, kWh, first and last day; the newest month's lines; imports, newest first."""
    held = plug_store.read(connection)
    days = [day for some in held.values() for day in some]
    fits = plug_fits.held(connection)
    return {
        "about": ABOUT,
        "devices": len(held),
        "days": len(days),
        "kwh": round(sum(sum(some.values()) for some in held.values()) / JOULES_PER_KWH, 3),
        "first": str(min(days)) if days else None,
        "last": str(max(days)) if days else None,
        "month": None if fits is None else fits[0],
        "made_at": None if fits is None else fits[1],
        "fits": [] if fits is None else fits[2],
        "batches": meter_import.held_batches(connection, plug_import.KIND),
    }
