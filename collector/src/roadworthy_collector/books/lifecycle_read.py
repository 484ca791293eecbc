"""Devices in service, and records no agent reports for, with their support, Windows 11 answer and ageing.

Read in pieces by row id for the job, or by ids for one page of a list. What is not told is None and counts as unknown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, exists, select

from roadworthy_collector.books import figures, planned_text
from roadworthy_collector.books.conditions import system_of
from roadworthy_collector.books.identities import DEVICE_KINDS, GONE_STATES
from roadworthy_collector.books.imported import Supports, date_of
from roadworthy_collector.books.lifecycle_codes import (
    BUCKETS,
    EXTENSIONS,
    KINDS,
    STATUSES,
    WINDOWS11,
    Codes,
    bucket,
)
from roadworthy_collector.books.reconciling import FIGURE as RECONCILED
from roadworthy_collector.store.books_schema import mdm_devices, reconciled, register_devices, register_items
from roadworthy_collector.store.queries.states import RUNS_AGENT
from roadworthy_collector.store.schema import devices, sites
from roadworthy_inventory.lifecycle import SupportStatus, System
from roadworthy_inventory.planned_life import AGE_BANDS, BANDS, DAYS_A_YEAR, Ageing, OwnLife, age_band, ageing
from roadworthy_inventory.windows11 import Eligibility, Machine, eligibility

AGENT, REGISTER, MDM = range(len(KINDS))
NOT_APPLICABLE = "not_applicable"
_ITEM = (
    "id", "tag", "serial", "kind", "model", "lifecycle_state", "unit", "site", "system", "purchased", "warranty_start",
    "warranty_end", "planned_end", "os_name", "os_version", "last_seen", "updated_at",
)  # fmt: skip
_MDM = (
    "mdm_id",
    "name",
    "serial",
    "model",
    "os_name",
    "os_version",
    "edition",
    "last_check_in",
    "upgrade_eligibility",
)
# What may be asked for Windows 11 although nobody says what it runs.
_PERSONAL = frozenset({"laptop", "desktop", "all_in_one", "tablet", "unknown"})


class _Aged(NamedTuple):
    since: dt.date | None
    since_from: str | None
    ageing: Ageing
    planned_end: dt.date | None


class Life(NamedTuple):
    """What the lifecycle says of one record.

    `kind` AGENT, REGISTER or MDM, `id` the row id in the table of its kind. `windows11`: one of WINDOWS11, with
    `eligibility` where it was judged. `since`: the day it was bought, else the day its warranty began
    (`since_from` says which). `planned_end`: the last day of its planned life.
    """

    kind: int
    id: int
    item: int | None
    device_id: str | None
    name: str | None
    tag: str | None
    serial: str | None
    model: str | None
    device_class: str
    unit: int | None
    site: int | None
    system: int | None
    restricted: bool
    os: str | None
    support: SupportStatus | None
    windows11: str
    eligibility: Eligibility | None
    since: dt.date | None
    since_from: str | None
    ageing: Ageing
    planned_end: dt.date | None
    as_of: dt.date | None
    memory_bytes: int | None
    system_disk_bytes: int | None
    system_medium: str | None
    warranty_end: dt.date | None

    def codes(self, on: dt.date, release: int) -> Codes:
        """Return it in numbers; `release` is the index of `lifecycle_codes.release_of` its support."""
        support = self.support
        return Codes(
            self.kind,
            self.id,
            self.unit or 0,
            self.system or 0,
            STATUSES.index(NOT_APPLICABLE if support is None else support.status),
            EXTENSIONS.index("none" if support is None else support.extension),
            BUCKETS.index(NOT_APPLICABLE if support is None else bucket(support, on)),
            release,
            WINDOWS11.index(self.windows11),
            BANDS.index(self.ageing.band),
            AGE_BANDS.index(age_band(self.since, on)),
        )


class Reader:
    """Reads records on one day; `run` is the newest reconciliation, 0 where there is none."""

    def __init__(
        self,
        connection: Connection,
        on: dt.date,
        supports: Supports | None = None,
        lives: Mapping[str, OwnLife] | None = None,
    ) -> None:
        """Take what to judge by where it is not what is in force: support data, the organisation's planned lives."""
        held = figures.read(connection, RECONCILED)
        self.run: int = 0 if held is None else held[0]["run"]
        self.on = on
        self._supports = Supports.read(connection, on) if supports is None else supports
        self._lives = planned_text.lives(connection) if lives is None else lives
        query = select(sites.c.id).where(sites.c.restricted.is_(True))
        self._restricted = frozenset(connection.scalars(query))

    def after(
        self, connection: Connection, kind: int, after: int, limit: int, *, every: int = 1
    ) -> list[Life]:
        """Return the next `limit` records of a kind after row id `after`, every so-manyth by it if said."""
        query, key = self._query(kind)
        if every > 1:
            query = query.where(key % every == 0)
        return self._read(connection, kind, query.where(key > after).order_by(key).limit(limit))

    def of(self, connection: Connection, kind: int, ids: Sequence[int]) -> list[Life]:
        """Return the records of a kind with these row ids, as far as they are still there."""
        if not ids:
            return []
        query, key = self._query(kind)
        return self._read(connection, kind, query.where(key.in_(ids)).order_by(key))

    def _query(self, kind: int) -> tuple[Select[Any], Any]:
        if kind == AGENT:
            return _agents(), devices.c.id
        if kind == REGISTER:
            return _register(self.run), register_items.c.id
        return _managed(self.run), reconciled.c.mdm

    def _read(self, connection: Connection, kind: int, query: Select[Any]) -> list[Life]:
        rows = connection.execute(query).all()
        if kind != AGENT:
            return [self._recorded(kind, dict(row._mapping)) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
        ids = [row.id for row in rows]
        items, told = _items_of(connection, ids), _eligibility_of(connection, ids, self.run)
        return [self._agent(row, items.get(row.id), told.get(row.id)) for row in rows]

    def _agent(self, row: Any, item: Any, told: str | None) -> Life:
        hardware: Mapping[str, Any] = row.hardware or {}
        system = system_of(row.os, row.os_name, row.os_version)
        serial = row.serial if item is None else row.serial or item["serial"]
        tag = (None if item is None else item["tag"]) or row.asset_tag
        support = self._supports.of(
            system,
            (row.device_id, row.serial, row.asset_tag, None if item is None else item["tag"]),
            row.unit,
        )
        device_class = _class(None if item is None else item["kind"], row.device_class)
        disk = _system_disk(row.storage)
        machine = _machine(hardware, row.environment, disk, told)
        word, judged = _windows11(system, support, device_class, machine)
        aged = self._aged(device_class, item)
        return Life(
            *(AGENT, row.id, None if item is None else item["id"], row.device_id, row.hostname, tag, serial),
            *(row.model, device_class, row.unit, row.site, None if item is None else item["system"]),
            row.site in self._restricted or (item is not None and item["site"] in self._restricted),
            " ".join(part for part in (system.name, system.version) if part) or None,
            *(support, word, judged),
            aged.since,
            aged.since_from,
            aged.ageing,
            aged.planned_end,
            None if row.facts_at is None else dt.datetime.fromtimestamp(row.facts_at, dt.UTC).date(),
            *(machine.memory_bytes, disk, None if row.system_medium == "unknown" else row.system_medium),
            date_of(None if item is None else item["warranty_end"]),
        )

    def _recorded(self, kind: int, row: Mapping[str, Any]) -> Life:
        item = {name: row[f"item_{name}"] for name in _ITEM} if kind == REGISTER else None
        managed = row["mdm_os_name"] is not None
        system = System(
            name=row["mdm_os_name"] if managed or item is None else item["os_name"],
            version=row["mdm_os_version"] if managed or item is None else item["os_version"],
            edition=row["mdm_edition"],
        )
        unit, site = (None, None) if item is None else (item["unit"], item["site"])
        tag, serial = (None, row["mdm_serial"]) if item is None else (item["tag"], item["serial"])
        device_class = _class(None if item is None else item["kind"], "unknown")
        support: SupportStatus | None = None
        word, judged = NOT_APPLICABLE, None
        if item is None or system.name or item["kind"] in DEVICE_KINDS:
            support = self._supports.of(system, (tag, serial, row["mdm_serial"]), unit)
            machine = Machine(upgrade_eligibility=row["mdm_upgrade_eligibility"])
            word, judged = _windows11(system, support, device_class, machine)
        aged = self._aged(device_class, item)
        return Life(
            *(kind, row["id"], None if item is None else item["id"], None, row["mdm_name"], tag, serial),
            (None if item is None else item["model"]) or row["mdm_model"],
            *(device_class, unit, site, None if item is None else item["system"], site in self._restricted),
            " ".join(part for part in (system.name, system.version) if part) or None,
            *(support, word, judged),
            aged.since,
            aged.since_from,
            aged.ageing,
            aged.planned_end,
            date_of(row["mdm_last_check_in"]) or _told_on(item),
            *(None, None, None),
            date_of(None if item is None else item["warranty_end"]),
        )

    def _aged(self, device_class: str, item: Mapping[str, Any] | None) -> _Aged:
        """Return since when it is in use, who says so, its ageing, and the last day of its planned life."""
        since, since_from, planned_end = None, None, None
        if item is not None:
            planned_end = date_of(item["planned_end"])
            for name, words in (("purchased", "bought"), ("warranty_start", "warranty began")):
                if since is None and item[name] is not None:
                    since, since_from = date_of(item[name]), words
        aged = ageing(device_class, since, self.on, planned_end=planned_end, own=self._lives)
        if aged.planned_years is not None and since is not None and planned_end is None:
            planned_end = since + dt.timedelta(days=round(aged.planned_years * DAYS_A_YEAR))
        return _Aged(since, since_from, aged, planned_end)


def _agents() -> Select[Any]:
    names = (
        "id", "device_id", "hostname", "serial", "asset_tag", "model", "device_class", "environment", "system_medium",
        "os_name", "os_version", "site", "unit", "facts_at",
    )  # fmt: skip
    parts = (devices.c.facts[name].label(name) for name in ("os", "hardware", "storage"))
    return select(*(devices.c[name] for name in names), *parts).where(
        devices.c.retired_at.is_(None), RUNS_AGENT
    )


def _register(run: int) -> Select[Any]:
    """Return register items that are still here and no device in service reports as."""
    agent = exists().where(
        register_devices.c.item == register_items.c.id,
        register_devices.c.valid_to.is_(None),
        devices.c.id == register_devices.c.device,
        devices.c.retired_at.is_(None),
    )
    placed = and_(
        reconciled.c.item == register_items.c.id,
        reconciled.c.run == run,
        reconciled.c.place.in_(("not_in_mdm", "no_agent", "silent", "reporting")),
    )
    return (
        select(
            register_items.c.id,
            *(register_items.c[name].label(f"item_{name}") for name in _ITEM),
            *(mdm_devices.c[name].label(f"mdm_{name}") for name in _MDM),
        )
        .select_from(register_items)
        .outerjoin(reconciled, placed)
        .outerjoin(mdm_devices, mdm_devices.c.id == reconciled.c.mdm)
        .where(register_items.c.lifecycle_state.not_in(GONE_STATES), ~agent)
    )


def _managed(run: int) -> Select[Any]:
    """Return records of the MDM export that neither the register nor an agent knows."""
    return (
        select(mdm_devices.c.id, *(mdm_devices.c[name].label(f"mdm_{name}") for name in _MDM))
        .join_from(reconciled, mdm_devices, mdm_devices.c.id == reconciled.c.mdm)
        .where(reconciled.c.run == run, reconciled.c.place == "ghost", reconciled.c.state == "mdm")
    )


def _items_of(connection: Connection, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Return the register item each device reports as now."""
    query = (
        select(register_devices.c.device, *(register_items.c[name] for name in _ITEM))
        .join(register_items, register_items.c.id == register_devices.c.item)
        .where(register_devices.c.device.in_(ids), register_devices.c.valid_to.is_(None))
        .order_by(register_devices.c.valid_from)
    )
    return {row["device"]: dict(row) for row in connection.execute(query).mappings()}


def _eligibility_of(connection: Connection, ids: Sequence[int], run: int) -> dict[int, str]:
    """Return what the MDM says of devices' upgrade."""
    query = (
        select(reconciled.c.device, mdm_devices.c.upgrade_eligibility)
        .join(mdm_devices, mdm_devices.c.id == reconciled.c.mdm)
        .where(
            reconciled.c.device.in_(ids),
            reconciled.c.run == run,
            reconciled.c.place != "review",
            mdm_devices.c.upgrade_eligibility.is_not(None),
        )
    )
    return {row.device: row.upgrade_eligibility for row in connection.execute(query)}


def _class(kind: str | None, told: str) -> str:
    """Return the class for planned life: what the register calls it, else what the device says."""
    return told if kind in {None, "unknown", "other"} else str(kind)


def _told_on(item: Mapping[str, Any] | None) -> dt.date | None:
    if item is None:
        return None
    return date_of(item["last_seen"]) or dt.datetime.fromtimestamp(item["updated_at"], dt.UTC).date()


def _system_disk(storage: Sequence[Mapping[str, Any]] | None) -> int | None:
    sizes = [one.get("size_bytes") for one in storage or () if one.get("holds_system")]
    return max((size for size in sizes if size), default=None)


def _machine(hardware: Mapping[str, Any], environment: str, disk: int | None, told: str | None) -> Machine:
    cpu = hardware.get("cpu") or {}
    return Machine(
        cpu_vendor=cpu.get("vendor"),
        cpu_family=cpu.get("family"),
        cpu_model=cpu.get("model_number"),
        cpu_stepping=cpu.get("stepping"),
        cpu_name=cpu.get("model"),
        cpu_cores=cpu.get("cores"),
        cpu_mhz=cpu.get("max_mhz"),
        memory_bytes=(hardware.get("memory") or {}).get("total_bytes"),
        system_disk_bytes=disk,
        boot_mode=hardware.get("boot_mode"),
        secure_boot=hardware.get("secure_boot"),
        tpm_version=hardware.get("tpm_version"),
        environment=environment,
        upgrade_eligibility=told,
    )


def _windows11(
    system: System, support: SupportStatus, device_class: str, machine: Machine
) -> tuple[str, Eligibility | None]:
    """Return one of WINDOWS11, and the judgement where one was made: of Windows clients, and of what does not say."""
    said = f"{support.product or ''} {system.name or ''} {system.os_id or ''}".casefold()
    if support.product == "windows-11":
        return "runs", None
    if said.strip():
        asked = (
            "windows" in said
            and "server" not in said
            and system.installation_type not in {"server", "server_core"}
        )
    else:
        asked = device_class in _PERSONAL
    if not asked:
        return NOT_APPLICABLE, None
    judged = eligibility(machine)
    return {"eligible": "meets", "not_eligible": "does_not", "unknown": "unknown"}[judged.answer], judged
