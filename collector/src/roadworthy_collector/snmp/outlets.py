"""Which outlets a power unit has, as far as it told: so that nobody says that something hangs on one it has not.

A unit tells its outlets only where each has a meter. Of a unit that was never polled, or that tells nothing of single
outlets, nobody can check what is stated; that is said, and the statement is taken.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.schema import device_now, devices
from roadworthy_collector.store.snmp_schema import outlet_days, snmp_targets

_MOST_READINGS = 512  # of an answer that is as long as answers are kept, more outlets may have been cut off
_MOST_NAMED = 60


def ensure_outlet(connection: Connection, device: int, outlet: str) -> None:
    """Raise RoadworthyError where the unit told its outlets and this is none of them; "" is the whole unit."""
    known = _told(connection, device) if outlet else None
    if known is None or not known or outlet in known:
        return
    names = [f"{index} ({label})" if label else index for index, label in sorted(known.items(), key=_order)]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    raise RoadworthyError(
        f"{_name(connection, device)} has no outlet {outlet}; it told of {', '.join(names[:_MOST_NAMED])}{more}"
    )


def unchecked(connection: Connection, device: int, outlet: str) -> str | None:
    """Return in words why nobody can tell whether the unit has this outlet; None where it told of it."""
    known = _told(connection, device) if outlet else {}
    if known is None:
        return f"{_name(connection, device)} was never polled: whether it has an outlet {outlet} is not known yet"
    if outlet and outlet not in known:
        return (
            f"{_name(connection, device)} tells nothing of single outlets: whether it has an outlet {outlet} is "
            "not known, and what goes through it is not measured apart"
        )
    return None


def _told(connection: Connection, device: int) -> Mapping[str, str | None] | None:
    """Return {outlet: what the unit calls it} of all it ever told, empty where it tells none; None: never polled."""
    now = connection.execute(select(device_now.c.now).where(device_now.c.device == device)).first()
    refused = connection.scalar(select(snmp_targets.c.refused).where(snmp_targets.c.device == device))
    days = select(outlet_days.c.outlet).where(outlet_days.c.device == device).distinct()
    found: dict[str, str | None] = dict.fromkeys(connection.scalars(days))
    readings = ((now.now or {}).get("readings") or []) if now is not None else []
    if now is None and not found:
        return None
    if len(readings) >= _MOST_READINGS:
        return {}
    # An outlet whose meter said nothing at the last poll is there all the same.
    found |= {one["index"]: None for one in refused or () if one["name"].startswith("outlet_")}
    for one in readings:
        if one["place"] == "outlet" and (one.get("index") or "") not in found:
            found[one.get("index") or ""] = None
        if one["place"] == "outlet" and one.get("label"):
            found[one.get("index") or ""] = one["label"]
    found.pop("", None)
    return found


def _name(connection: Connection, device: int) -> str:
    row = connection.execute(
        select(devices.c.hostname, devices.c.device_id).where(devices.c.id == device)
    ).one()
    return str(row.hostname or row.device_id)


def _order(one: tuple[str, str | None]) -> tuple[tuple[int, int, str], ...]:
    """Sort outlets as people count: 2 before 10, and 1.2 before 1.10."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in one[0].split("."))
