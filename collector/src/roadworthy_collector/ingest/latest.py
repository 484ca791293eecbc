"""Writes the latest word of each device: its facts, its probes, the open settlement period, the agent.

Reports may arrive late and out of order; none of these is ever overwritten by an older one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from roadworthy_collector.errors import StoreError
from roadworthy_collector.ingest.groups import Description, Members, Sizes
from roadworthy_collector.ingest.parts import write_parts
from roadworthy_collector.ingest.probes import write_probes
from roadworthy_collector.ingest.validate import DAY_SECONDS
from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.ingest.wire import Now, Probe, Report
from roadworthy_collector.ingest.wire_facts import Disk, Facts
from roadworthy_collector.store.schema import device_now, devices, sites, units
from roadworthy_collector.store.statements import BulkUpdate, BulkUpsert, Lookup, json_text
from roadworthy_inventory.device_class import classify

# A device whose clock was never set says 1970; what it sends is taken as sent now, or nothing of it would ever be
# newer than what is held.
WRONG_CLOCK_SECONDS = 366 * DAY_SECONDS
VERSION_LENGTH = 64  # of the agent's version in `devices`; the wire lets it be longer, PostgreSQL does not
_LONG_AGO = float("-inf")
_HEARD = BulkUpdate(devices, "id", ("last_report_at", "next_call_seconds"))
_ENVELOPE = BulkUpdate(
    devices,
    "id",
    (
        *("last_report_at", "next_call_seconds", "latest_sent_at"),
        *("instance", "seq", "boot_id", "agent_version", "platform"),
    ),
)
_AGENT = BulkUpdate(devices, "id", ("agent",))
_IDENTITY = BulkUpdate(devices, "id", ("identity",))
_FINGERPRINT = BulkUpdate(devices, "id", ("fingerprint",))
_FACT_COLUMNS = (
    *("facts", "facts_at", "facts_sent_at", "hostname", "serial", "asset_tag", "vendor", "model"),
    *("device_class", "environment", "os_name", "os_version", "system_medium"),
)
_FACTS = BulkUpdate(devices, "id", _FACT_COLUMNS)
_NOW = BulkUpsert(device_now, newer="at")
_NOW_AT = device_now.columns.keys().index("at")
_HELD = Lookup(
    select(
        devices.c.id,
        sites.c.name,
        units.c.name,
        sites.c.restricted,
        devices.c.model,
        devices.c.os_name,
        devices.c.os_version,
        devices.c.latest_sent_at,
        devices.c.facts_sent_at,
        devices.c.probes_sent_at,
        devices.c.instance,
        devices.c.boot_id,
        devices.c.seq,
        devices.c.identity,
        devices.c.usage_profile,
        devices.c.relayed_by,
    )
    .join(sites, devices.c.site == sites.c.id)
    .join(units, devices.c.unit == units.c.id)
    .order_by(devices.c.id),
    devices.c.id,
    lock="devices",
)


class UnknownDeviceError(StoreError):
    """A report is of a device that is no longer there."""


@dataclass(slots=True)
class HeldDevice:
    """A device as held, kept up to date while a group is read."""

    id: int
    site: str
    unit: str
    restricted: bool
    model: str | None
    os_name: str | None
    os_version: str | None
    latest_sent_at: float
    facts_sent_at: float
    probes_sent_at: float
    # Who sent the newest report, and what is remembered of it (ingest/identity.py).
    instance: str | None
    boot_id: str | None
    seq: int
    identity: str | None
    usage_profile: str
    relayed: bool
    heard: tuple[Any, ...] | None = None  # the columns of _HEARD
    envelope: tuple[Any, ...] | None = None  # the columns of _ENVELOPE
    agent: str | None = None  # its health, as JSON
    identity_changed: bool = False
    fingerprint: dict[str, str] | None = None  # the enrolled one where it was completed
    facts_row: dict[str, Any] | None = None
    probes: tuple[Probe, ...] | None = None

    def described(self) -> Description:
        """Return what decides the groups it is counted under."""
        return Description(self.site, self.unit, self.restricted, self.model, self.os_name, self.os_version)


class Latest:
    """Collects the latest words of the devices of one group, then writes once."""

    def __init__(
        self, connection: Connection, ids: Iterable[int], now: float, vocabulary: Vocabulary
    ) -> None:
        self._connection = connection
        self._now = now
        self._vocabulary = vocabulary
        self._devices = _read(connection, sorted(set(ids)))
        self._nows: dict[int, tuple[Any, ...]] = {}

    def held(self, device: int) -> HeldDevice | None:
        """Return a device as held, what was taken so far included; None if it was deleted meanwhile."""
        return self._devices.get(device)

    def sent(self, sent_at: float) -> float:
        """Return when a report was sent as far as the device's clock can be believed."""
        return self._now if sent_at < self._now - WRONG_CLOCK_SECONDS else min(sent_at, self._now)

    def members(self) -> dict[int, Members]:
        """Return what each device is counted under, its newest facts included."""
        return {device.id: device.described().members() for device in self._devices.values()}

    def members_of_people(self, some: Iterable[int]) -> dict[int, Members]:
        """Return the same of some devices for what is told of people: groups too small for it are `other`.

        Called after `write`, so that the newest facts count towards the sizes.
        """
        sizes = Sizes(self._connection)
        return {device: sizes.folded(self._devices[device].described()) for device in set(some)}

    def take(self, device: int, report: Report, next_call_seconds: int) -> None:
        """Take the latest words of one report; raise UnknownDeviceError if its device was deleted meanwhile."""
        if (held := self._devices.get(device)) is None:
            raise UnknownDeviceError("this collector no longer knows the device")
        sent = self.sent(report.sent_at)
        held.heard = (int(self._now), next_call_seconds)
        if sent >= held.latest_sent_at:
            held.latest_sent_at = sent
            platform = self._vocabulary.read("agent.platform", report.agent.platform)
            version = report.agent.version[:VERSION_LENGTH]
            who = (report.instance, report.seq, report.boot_id, version, platform)
            held.envelope = (sent, *who)
            if (
                report.agent.rss_bytes is not None
            ):  # one that tells nothing of its health leaves the last word
                held.agent = json_text(report.agent)
            held.instance, held.boot_id, held.seq = report.instance, report.boot_id, report.seq
        if report.facts is not None and sent >= held.facts_sent_at:
            held.facts_sent_at = sent
            held.facts_row = self._facts(report.facts, sent)
            held.model = held.facts_row["model"]
            held.os_name, held.os_version = held.facts_row["os_name"], held.facts_row["os_version"]
        if report.probes and sent >= held.probes_sent_at:
            held.probes_sent_at = sent
            held.probes = report.probes
        if report.now is not None:
            kept = self._nows.get(device)
            if kept is None or kept[_NOW_AT] <= int(report.now.at):
                self._nows[device] = _now_row(device, self._readings_in_words(report.now))

    def _readings_in_words(self, now: Now) -> Now:
        """Return `now` with the words of its readings as this version knows them."""
        if not now.readings:
            return now
        read = self._vocabulary.read
        known = tuple(
            msgspec.structs.replace(
                one,
                kind=read("reading.kind", one.kind),
                place=read("reading.place", one.place),
                quality=read("reading.quality", one.quality),
            )
            for one in now.readings
        )
        return msgspec.structs.replace(now, readings=known)

    def write(self) -> None:
        """Write what was taken."""
        changed = [device for device in self._devices.values() if device.heard is not None]
        newest = [device for device in changed if device.envelope is not None]
        late = [device for device in changed if device.envelope is None]
        _ENVELOPE.write(self._connection, [(*d.heard, *d.envelope, d.id) for d in newest])  # type: ignore[misc] # not None above
        _HEARD.write(self._connection, [(*d.heard, d.id) for d in late])  # type: ignore[misc] # not None above
        _AGENT.write(self._connection, [(d.agent, d.id) for d in changed if d.agent is not None])
        # Also of devices whose reports were refused.
        judged = [(d.identity, d.id) for d in self._devices.values() if d.identity_changed]
        _IDENTITY.write(self._connection, judged)
        completed = [
            (json_text(d.fingerprint), d.id) for d in self._devices.values() if d.fingerprint is not None
        ]
        _FINGERPRINT.write(self._connection, completed)
        self._write_facts({d.id: d.facts_row for d in changed if d.facts_row is not None})
        _NOW.write(self._connection, list(self._nows.values()))
        told = {d.id: (d.probes_sent_at, d.probes) for d in changed if d.probes is not None}
        write_probes(self._connection, told, self._vocabulary)

    def _write_facts(self, told: dict[int, dict[str, Any]]) -> None:
        """Write facts, given as {device row id: columns by name}."""
        rows = [
            (json_text(row["facts"]), *(row[name] for name in _FACT_COLUMNS[1:]), device)
            for device, row in told.items()
        ]
        _FACTS.write(self._connection, rows)
        write_parts(self._connection, {device: row["facts"] for device, row in told.items()})

    def _facts(self, facts: Facts, sent: float) -> dict[str, Any]:
        """Return the columns of the facts: what is searched for, and the whole."""
        read = self._vocabulary.read
        whole: dict[str, Any] = msgspec.to_builtins(facts)
        hardware, system = facts.hardware, facts.os
        environment = "unknown"
        if hardware is not None:
            environment = read("facts.hardware.environment", hardware.environment)
            whole["hardware"]["environment"] = environment
            if hardware.kind is not None:
                whole["hardware"]["kind"] = read("facts.hardware.kind", hardware.kind)
            if hardware.boot_mode is not None:
                whole["hardware"]["boot_mode"] = read("facts.hardware.boot_mode", hardware.boot_mode)
        if system is not None and system.family is not None:
            whole["os"]["family"] = read("facts.os.family", system.family)
        for disk in whole.get("storage", ()):
            disk["medium"] = read("facts.storage.medium", disk.get("medium", "unknown"))
        os_name = None if system is None else system.name
        return {
            "facts": whole,
            "facts_at": int(self._now),
            "facts_sent_at": sent,
            "hostname": facts.hostname,
            "serial": None if hardware is None else hardware.serial,
            "asset_tag": None if hardware is None else hardware.asset_tag,
            "vendor": None if hardware is None else hardware.vendor,
            "model": None if hardware is None else hardware.model,
            "device_class": classify(
                None if hardware is None else hardware.chassis_type,
                environment,
                os_name,
                None if hardware is None else hardware.kind,
            ),
            "environment": environment,
            "os_name": os_name,
            "os_version": None if system is None else system.version,
            "system_medium": read("facts.storage.medium", _system_medium(facts.storage or ())),
        }


def _read(connection: Connection, ids: list[int]) -> dict[int, HeldDevice]:
    """Return the devices as held, and lock them.

    Two collectors on one database never wait for each other in a circle, because they lock in the order of ids; and
    whatever belongs to a device may be read, changed and written back while its row is locked.
    """
    found = {}
    for row in _HELD.rows(connection, ids):
        found[row[0]] = _held(row)
    return found


def _held(row: Any) -> HeldDevice:
    """Return a device out of a row of _HELD."""
    device, site, unit, restricted, model, os_name, os_version, latest, facts, probes, *who = row
    instance, boot_id, seq, identity, profile, relayed_by = who
    return HeldDevice(
        id=device,
        site=site,
        unit=unit,
        restricted=bool(restricted),  # a number on SQLite
        model=model,
        os_name=os_name,
        os_version=os_version,
        latest_sent_at=_LONG_AGO if latest is None else latest,
        facts_sent_at=_LONG_AGO if facts is None else facts,
        probes_sent_at=_LONG_AGO if probes is None else probes,
        instance=instance,
        boot_id=boot_id,
        seq=seq or 0,
        identity=identity,
        usage_profile=profile,
        relayed=relayed_by is not None,
    )


def _system_medium(disks: tuple[Disk, ...]) -> str:
    """Return the medium of the first disk that holds the system."""
    return next((disk.medium for disk in disks if disk.holds_system), "unknown")


def _now_row(device: int, now: Now) -> tuple[Any, ...]:
    """Return the row of `device_now`."""
    return (
        *(device, int(now.at), now.start, now.observed_seconds, now.uptime_seconds),
        *(now.cpu_latest_ratio, now.memory_latest_ratio, json_text(now)),
    )
