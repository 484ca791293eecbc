"""What is known from imports alone: register items and MDM records no agent reports for, and another tool's scores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Text, and_, cast, or_, select

from roadworthy_collector.books.lifecycle_bought import Bought
from roadworthy_collector.books.lifecycle_dates import in_force
from roadworthy_collector.books.warranties import Cover, later
from roadworthy_collector.books.warranties import latest as latest_covers
from roadworthy_collector.store.books_schema import batches, mdm_devices, reconciled, register_items
from roadworthy_inventory.exceptions import ExceptionEntry
from roadworthy_inventory.identity import normalise_serial
from roadworthy_inventory.lifecycle import SupportStatus, System, support_of
from roadworthy_inventory.os_rows import SupportRow
from roadworthy_inventory.rating import DeviceCondition
from roadworthy_inventory.support_bought import NOT_TOLD, Told

ENDPOINT_ANALYTICS = "Endpoint Analytics"
_HEALTH = {"needs attention": "needs_attention", "meeting goals": "meeting_goals"}
_CLASS_OF_KIND = {kind: kind for kind in ("laptop", "desktop", "tablet", "server")}
# The rules' words; a release without a named last day is not called supported.
_SUPPORT_WORDS = {
    "supported": "supported",
    "ends_within": "ends_within",
    "extended": "paid",
    "ended": "ended",
}


class Entries(NamedTuple):
    """The exceptions, by register item and by device (row ids)."""

    items: Mapping[int, tuple[ExceptionEntry, ...]]
    devices: Mapping[int, tuple[ExceptionEntry, ...]]


class Supports:
    """Answers of the dates in force, each asked once: an IT estate has few operating systems."""

    def __init__(
        self, on: dt.date, rows: Sequence[SupportRow] | None = None, bought: Bought | None = None
    ) -> None:
        self._on, self._rows, self._bought = on, rows, bought or Bought()
        self._held: dict[tuple[Any, ...], SupportStatus] = {}

    @classmethod
    def read(cls, connection: Connection, on: dt.date) -> Supports:
        """Return the answers by the dates and by what was bought as in force now."""
        return cls(on, in_force(connection).rows, Bought.read(connection))

    def of(self, system: System, names: Iterable[str | None] = (), unit: int | None = None) -> SupportStatus:
        """Return the support of `system` on a device known by `names`, of `unit` (row id)."""
        key = (
            *(system.os_id, system.name, system.version, system.build, system.edition),
            *(system.installation_type, system.long_term),
        )
        found = self._asked(key, system, NOT_TOLD)
        if found.extension != "unknown":
            return found
        told = self._bought.of(found.product, found.version, names, unit)
        return found if told.bought == "unknown" else self._asked(key, system, told)

    def _asked(self, key: tuple[Any, ...], system: System, told: Told) -> SupportStatus:
        whole = (key, told.bought, told.until)
        if whole not in self._held:
            self._held[whole] = support_of(
                system, self._on, bought=told.bought, bought_until=told.until, rows=self._rows
            )
        return self._held[whole]


def support_fields(found: SupportStatus) -> dict[str, Any]:
    """Return the fields of a condition that say until when there are updates."""
    word = _SUPPORT_WORDS.get(found.status)
    if word is None:
        return {}
    if word == "ended" and found.extension == "unknown":
        word = "ended_unless_bought"
    return {"support_status": word, "support_end": found.covered_until if word == "paid" else found.date}


def date_of(text: str | None) -> dt.date | None:
    """Return the day an ISO date names, None for none."""
    return None if text is None else dt.date.fromisoformat(text)


class Scores:
    """The newest Endpoint Analytics export, by the MDM's own id and by serial number; kept as text until asked for."""

    def __init__(self, connection: Connection) -> None:
        self._by_id: dict[str, str] = {}
        self._by_serial: dict[str, str] = {}
        self.on: dt.date | None = None
        batch = connection.execute(
            select(batches.c.id, batches.c.made_at)
            .where(
                batches.c.kind == "experience",
                batches.c.undone_at.is_(None),
                batches.c.unfinished.is_(False),
            )
            .order_by(batches.c.id.desc())
            .limit(1)
        ).one_or_none()
        if batch is None:
            return
        self.on = dt.datetime.fromtimestamp(batch.made_at, dt.UTC).date()
        query = select(
            mdm_devices.c.mdm_id, mdm_devices.c.serial, cast(mdm_devices.c.scores, Text).label("told")
        ).where(mdm_devices.c.batch == batch.id)
        for row in connection.execute(query):
            if row.told is None:
                continue
            if row.mdm_id is not None:
                self._by_id[row.mdm_id] = row.told
            if (serial := normalise_serial(row.serial)) is not None:
                self._by_serial[serial] = row.told

    def of(self, mdm_id: str | None, *serials: str | None) -> dict[str, Any]:
        """Return the fields of a condition it tells of a machine, none where it does not know it."""
        if self.on is None:
            return {}
        told = self._by_id.get(mdm_id or "")
        for serial in serials:
            told = told or self._by_serial.get(normalise_serial(serial) or "")
        return {} if told is None else _fields(msgspec.json.decode(told), self.on)


def _fields(scores: Mapping[str, Any], on: dt.date) -> dict[str, Any]:
    """Return scores as the fields of a condition; its days are not told, so the import's day stands for them."""
    parts = [
        scores[name] for name in ("gp_logon_seconds", "core_logon_seconds") if scores.get(name) is not None
    ]
    return {
        "startup_p50_seconds": scores.get("core_boot_seconds"),
        "signin_p50_seconds": sum(parts) if parts else None,
        "imported_from": ENDPOINT_ANALYTICS,
        "imported_on": on,
        "imported_health": _HEALTH.get(str(scores.get("health"))),
        "imported_startup_points": scores.get("startup_score"),
    }


def beside_an_agent(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands beside an agent's own figures: the other tool's are counted otherwise, and not mixed in."""
    return {name: value for name, value in told.items() if name.startswith("imported_")}


class Alone(NamedTuple):
    """What is known of a record no agent reports for; `item` or `mdm` names it (row ids)."""

    item: int | None
    mdm: int | None
    unit: int | None
    site: int | None
    condition: DeviceCondition


def read_alone(
    connection: Connection,
    run: int,
    supports: Supports,
    entries: Entries,
    scores: Scores,
    *,
    after: int,
    limit: int,
) -> tuple[int, list[Alone]]:
    """Return the row id to go on after, and what is known of the next records of a reconciliation without an agent."""
    items = (
        "tag",
        "serial",
        "os_name",
        "os_version",
        "kind",
        "usage_profile",
        "warranty_end",
        "unit",
        "site",
    )
    managed = ("mdm_id", "serial", "os_name", "os_version", "edition", "last_check_in")
    query = (
        select(
            *(reconciled.c[name] for name in ("id", "item", "mdm")),
            register_items.c.last_seen,
            *(register_items.c[name].label(f"item_{name}") for name in items),
            *(mdm_devices.c[name].label(f"mdm_{name}") for name in managed),
        )
        .select_from(reconciled)
        .outerjoin(register_items, register_items.c.id == reconciled.c.item)
        .outerjoin(mdm_devices, mdm_devices.c.id == reconciled.c.mdm)
        .where(
            reconciled.c.run == run,
            reconciled.c.device.is_(None),
            or_(
                reconciled.c.place.in_(("not_in_mdm", "no_agent")),
                and_(reconciled.c.place == "ghost", reconciled.c.state == "mdm"),
            ),
            reconciled.c.id > after,
        )
        .order_by(reconciled.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    covers = latest_covers(connection, (row.item_serial or row.mdm_serial for row in rows))
    return (rows[-1].id if rows else 0), [_alone(row, supports, entries, scores, covers) for row in rows]


def _alone(
    row: Any, supports: Supports, entries: Entries, scores: Scores, covers: Mapping[str, Cover]
) -> Alone:
    managed = row.mdm_os_name is not None
    system = System(
        name=row.mdm_os_name if managed else row.item_os_name,
        version=row.mdm_os_version if managed else row.item_os_version,
        edition=row.mdm_edition,
    )
    names = (row.item_tag, row.item_serial, row.mdm_serial)
    support = supports.of(system, names, row.item_unit)
    told: dict[str, Any] = {
        "imported_from": "the register" if row.mdm is None else "an MDM export",
        "imported_on": date_of(row.mdm_last_check_in) or date_of(row.last_seen),
        **scores.of(row.mdm_mdm_id, row.mdm_serial, row.item_serial),
    }
    cover = later(date_of(row.item_warranty_end), row.item_serial or row.mdm_serial, covers)
    condition = DeviceCondition(
        device=f"item {row.item}" if row.item is not None else f"MDM record {row.mdm}",
        usage_profile=row.item_usage_profile or "unknown",
        device_class=_CLASS_OF_KIND.get(row.item_kind, "unknown"),
        warranty_end=None if cover is None else cover.ends,
        exceptions=entries.items.get(row.item, ()),
        **support_fields(support),
        **told,
    )
    return Alone(row.item, row.mdm, row.item_unit, row.item_site, condition)
