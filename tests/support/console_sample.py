"""A small IT estate for the console's tests, written as reports through the store: every kind of blank is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine, insert, select, update

from roadworthy_collector.ingest.wire import Report
from roadworthy_collector.ingest.writer import Incoming, write_reports
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, require_estate, write_transaction
from support.databases import make_sqlite

NOW = 1_795_200_000.0  # 20 November 2026, 18:40 GMT
# What somebody who owns a device could call it to get at the reader's browser.
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;{{7*7}}\u202e\x07.service"
RESTRICTED_HOST = "COVERT-01"
_SOURCE = "psutil"
_HALF_HOUR = 1800


@dataclass(frozen=True)
class Machine:
    """One device of the sample; `slow` scales its start-ups."""

    hostname: str
    site: str
    vendor: str
    model: str | None
    chassis: int | None
    medium: str
    slow: float
    serial: str | None = None
    tag: str | None = None


MACHINES = (
    Machine("HQ-PC-0001", "Headquarters", "Dell Inc.", "OptiPlex 3050", 3, "hdd", 3.4, "4QX8ZR2", "MP000118"),
    Machine("HQ-PC-0002", "Headquarters", "Dell Inc.", "OptiPlex 3050", 3, "hdd", 2.9, "4QX8ZR3", "MP000119"),
    Machine("HQ-PC-0003", "Headquarters", "HP", "EliteDesk 800 G6", 3, "nvme", 0.7, "CZC0417PQ1", "MP000733"),
    Machine(
        "ST-LAP-0101", "Brixton station", "HP", "EliteBook 840 G5", 10, "ssd", 1.1, "5CG9021ABC", "MP001101"
    ),
    Machine(
        "ST-LAP-0102", "Brixton station", "HP", "EliteBook 840 G5", 10, "ssd", 1.3, "5CG9021ABD", "MP001102"
    ),
    Machine(
        "CU-PC-0007", "Custody suite", "LENOVO", "ThinkCentre M720q", 35, "ssd", 1.6, "PC1ABCDE", "MP002007"
    ),
    Machine(
        "HQ-SRV-0001", "Headquarters", "Dell Inc.", "PowerEdge R740", 23, "ssd", 5.2, "7YX1QD3", "MP009001"
    ),
    Machine(
        HOSTILE, "Brixton station", "Evil & Sons", '<script>alert("model")</script>', 3, "hdd", 4.4, "EVIL-1"
    ),
    Machine("CU-PC-0008", "Custody suite", "LENOVO", None, None, "unknown", 1.0),
)


EVERYTHING = 3  # the machine that reports all there is to report


def make(path: Path, now: float, *, simulated: bool = False) -> Engine:
    """Build the database `path` and fill it as of `now`; return its engine."""
    make_sqlite(path)
    engine = open_engine(path)
    require_estate(engine, simulated=simulated)
    with write_transaction(engine) as connection:
        for number, machine in enumerate(MACHINES):
            _enrol(connection, number, machine.site, now)
        _enrol(connection, 90, "Covert unit", now, restricted=True)
        _enrol(connection, 91, "Brixton station", now)
    for number, machine in enumerate(MACHINES):
        _write(engine, number, report(number, machine, now), now)
    covert = Machine(RESTRICTED_HOST, "Covert unit", "HP", "Covert Model 1", 3, "ssd", 9.0, "COVERTSER")
    _write(engine, 90, report(90, covert, now), now)
    with write_transaction(engine) as connection:  # one that fell silent for weeks, one out of service
        silent = int(now) - 20 * 86400
        missing = schema.devices.c.device_id == device_id(5)
        connection.execute(update(schema.devices).where(missing).values(last_report_at=silent))
        retired = schema.devices.c.device_id == device_id(4)
        connection.execute(update(schema.devices).where(retired).values(retired_at=int(now)))
    return engine


def device_id(number: int) -> str:
    """Return the id of the sample's device `number`; 90 stands at a restricted site, 91 has never reported."""
    return f"rwd_{number:032x}"


def _enrol(connection: Any, number: int, site: str, now: float, *, restricted: bool = False) -> None:
    found = connection.scalar(select(schema.sites.c.id).where(schema.sites.c.name == site))
    if found is None:
        row = {"name": site, "kind": "force", "restricted": restricted}
        found = connection.execute(insert(schema.sites).values(row)).inserted_primary_key[0]
    unit = connection.scalar(select(schema.units.c.id))
    values = {
        "device_id": device_id(number),
        "site": found,
        "unit": unit,
        "enrolled_at": int(now) - 40 * 86400,
    }
    connection.execute(insert(schema.devices).values(values))


def _write(engine: Engine, number: int, content: dict[str, Any], now: float) -> None:
    parsed = msgspec.convert(content, Report)
    with write_transaction(engine) as connection:
        row = connection.scalar(
            select(schema.devices.c.id).where(schema.devices.c.device_id == device_id(number))
        )
        (outcome,) = write_reports(connection, [Incoming(row, parsed)], now)
    assert outcome.rejected == [], outcome.rejected


def report(number: int, machine: Machine, now: float) -> dict[str, Any]:
    """Return what `machine` reports at `now`, as on the wire."""
    said = _desk(number, machine, now)
    return _with_all_probes(said, now) if number == EVERYTHING else said


def _with_all_probes(said: dict[str, Any], now: float) -> dict[str, Any]:
    """Add to a laptop's report what a device under the daily policy tells, sign-ins, batteries, disk health, displays."""
    battery = {
        "name": "BAT0", "vendor": "LGC", "model": "5B10W13930", "technology": "Li-poly", "cycles": 812,
        "design_watt_hours": 50.0, "full_watt_hours": 31.2, "health_ratio": 0.624, "source": "power_supply:BAT0",
    }  # fmt: skip
    today = int(now) // 86_400 * 86_400
    states = {
        "in_use": 21_600,
        "idle": 5400,
        "locked": 1800,
        "asleep": 3600,
        "off": 50_400,
        "unobserved": 3600,
    }
    energy = {"quality": "sensor", "source": "rapl:package-0", "scope": "cpu", "relative_error": 0.05}
    signin = {"revision": 1, "final": True, "quality": "measured", "source": "logind", "connection": "wifi"}
    facts = said["facts"]
    hidden = {"in_use": 0, "unobserved": 1800} | dict.fromkeys(("idle", "locked", "asleep", "off"), 0)
    return said | {
        "facts": facts | {
            "os": facts["os"] | {"edition": "EnterpriseS", "installation_type": "client", "long_term": True, "build": "19044.4291"},
            "hardware": facts["hardware"] | {
                "tpm_version": "2.0", "secure_boot": True, "boot_mode": "uefi",
                "monitors": [{"vendor": "DEL", "model": "DELL U2419H", "year": 2019, "internal": False}],
            },
            "storage": [facts["storage"][0] | {"wear_ratio": 0.83, "reallocated_sectors": 4, "power_on_hours": 21_044, "failing": False}],
            "battery": [battery],
        },
        "periods": [period | {"state_seconds": hidden} for period in said["periods"]],
        "days": [
            {
                "day": today - ago * 86_400, "observed_seconds": 28_800, "state_seconds": states,
                "energy": [energy | {"joules": 288_000, "counter_end_joules": 288_000 * (4 - ago), "covered_seconds": 28_800}],
                "battery": {"discharge_joules": 90_000, "discharge_seconds": 7200, "source": "power_supply:BAT0"},
            }
            for ago in (3, 2, 1)
        ],
        "signins": [
            signin | {
                "signin_id": f"{ago:032x}", "day": today - ago * 86_400, "total_seconds": 24.5 + ago, "usable_seconds": 41.0,
                "first_on_device": ago == 3,
                "factors": [{"kind": "subscriber", "name": "GPClient", "seconds": 11.5}],
            }
            for ago in (3, 2, 1)
        ],
    }  # fmt: skip


def _desk(number: int, machine: Machine, now: float) -> dict[str, Any]:
    start = int(now) // _HALF_HOUR * _HALF_HOUR
    return {
        "schema_version": "1.0",
        "device_id": device_id(number),
        "instance": f"{number:016x}",
        "seq": 1,
        "boot_id": f"boot-{number}",
        "sent_at": now - 90,
        "agent": {
            "version": "0.1.0",
            "platform": "linux",
            "rss_bytes": 26_500_000,
            "spool_items": 0,
            "quarantined_items": 0,
            "clock_offset_seconds": 0.4,
        },
        "probes": _probes(machine),
        "facts": _facts(machine),
        "now": {
            "at": now - 90,
            "start": start,
            "observed_seconds": int(now - start) if now > start + 90 else 0,
            "uptime_seconds": 30_000 + number,
            "cpu": _use(number, 0),
            "memory": _use(number, 5),
            "cpu_latest_ratio": _ratio(number, 1),
            "memory_latest_ratio": _ratio(number, 6) + 0.2,
        },
        "periods": [_period(number, start - index * _HALF_HOUR) for index in range(1, 90) if index % 24 > 8],
        "startups": [_startup(number, machine, now, day) for day in range(12)],
        "gaps": [
            {"from": start - 8 * _HALF_HOUR, "to": start - 60, "kind": "off", "basis": "boot_id_changed"},
            {"from": start - 90_000, "to": start - 88_000, "kind": "unobserved"},
        ],
    }


def _probes(machine: Machine) -> list[dict[str, Any]]:
    known = machine.model is not None
    hardware = {"status": "ok", "source": "smbios:/sys/firmware/dmi/tables"}
    if known:
        hardware["missing"] = [
            {"field": "sku", "status": "not_supported", "reason": "the firmware leaves it empty"}
        ]
    else:
        hardware = {
            "status": "no_permission",
            "reason": "/sys/firmware/dmi/tables/DMI may be read by root only",
        }
    return [
        {"probe": "utilisation", "status": "ok", "source": _SOURCE},
        {"probe": "startup", "status": "ok", "source": "systemd:manager"},
        {"probe": "storage", "status": "ok", "source": "sysfs:block"},
        {"probe": "os", "status": "ok", "source": "os-release"},
        {
            "probe": "power",
            "status": "not_supported",
            "reason": "no RAPL, no battery and no meter on this device",
        },
        {"probe": "hardware", **hardware},
    ]


def _facts(machine: Machine) -> dict[str, Any]:
    modules = [
        {
            "slot": f"DIMM {slot}",
            "size_bytes": 8 * 2**30,
            "type": "DDR4",
            "speed_mts": 2666,
            "manufacturer": "Samsung",
        }
        for slot in "AB"
    ]
    memory = {"total_bytes": 16_600_000_000, "source": "smbios", "modules": modules if machine.model else []}
    return {
        "hostname": machine.hostname,
        "os": {"family": "linux", "name": "Debian GNU/Linux", "version": "12", "kernel": "6.1.0-18-amd64"},
        "hardware": {
            "vendor": machine.vendor,
            "model": machine.model,
            "serial": machine.serial,
            "asset_tag": machine.tag,
            "chassis_type": machine.chassis,
            "bios_vendor": machine.vendor,
            "bios_version": "1.24.0",
            "bios_date": "2021-03-04",
            "environment": "physical" if machine.model else "unknown",
            "cpu": {"model": "Intel(R) Core(TM) i5-7500 CPU @ 3.40GHz", "sockets": 1, "cores": 4, "threads": 4},
            "memory": memory,
            "source": "smbios",
        },
        "storage": [
            {"name": "sda", "model": "WDC WD10EZEX", "size_bytes": 10**12, "medium": machine.medium, "bus": "sata",
             "holds_system": True, "source": "sysfs:block"},
            {"name": "sdb", "medium": "unknown"},
        ],
    }  # fmt: skip


def _ratio(number: int, salt: int) -> float:
    """Return a ratio that is always the same for the same place, between 0.02 and 0.72."""
    digest = hashlib.sha256(f"{number} {salt}".encode()).digest()
    return round(0.02 + digest[0] / 255 * 0.7, 4)


def _use(number: int, salt: int) -> dict[str, Any]:
    mean = _ratio(number, salt)
    return {"mean_ratio": mean, "p95_ratio": round(mean * 1.35, 4), "quality": "sensor", "source": _SOURCE}


def _period(number: int, start: int) -> dict[str, Any]:
    busy = 1200 if number % 2 else 600
    return {
        "start": start,
        "observed_seconds": 1790,
        "samples": 30,
        "cpu": _use(number, start),
        "memory": {**_use(number, start // 86400), "source": "psutil.virtual_memory"},
        "state_seconds": {
            "in_use": busy,
            "idle": 0,
            "locked": 0,
            "asleep": 0,
            "off": 0,
            "unobserved": 1800 - busy,
        },
    }


def _startup(number: int, machine: Machine, now: float, day: int) -> dict[str, Any]:
    factor = machine.slow * (1 + _ratio(number, day) / 3)
    phases: list[dict[str, Any]] = [
        {"name": "firmware", "seconds": round(6.2 * factor, 3)},
        {"name": "loader", "seconds": round(1.4 * factor, 3)},
        {"name": "kernel", "seconds": round(2.3 * factor, 3)},
        {"name": "initrd", "seconds": round(3.1 * factor, 3)},
        {"name": "userspace", "seconds": round(17.5 * factor, 3)},
    ]
    if day == 0 and number == 0:
        phases[0] |= {
            "seconds": 1391.0,
            "counted": False,
            "quality": "suspect",
            "reason": "longer than the device was off",
        }
    total = sum(phase["seconds"] for phase in phases if phase.get("counted", True))
    return {
        "start_id": f"boot-{number}-{day}:0",
        "boot_id": f"boot-{number}-{day}",
        "revision": 1,
        "final": True,
        "kind": "resume" if day == 5 else "cold",
        "environment": "physical",
        "started_at": now - day * 86400 - 30_000,
        "total_seconds": round(total, 3),
        "usable_seconds": round(total * 0.8, 3),
        "quality": "measured",
        "source": "systemd:manager",
        "phases": phases,
        "factors": [
            {
                "kind": "unit",
                "name": "NetworkManager-wait-online.service",
                "seconds": 6.1 * factor,
                "began_seconds": 9.0,
            },
            {"kind": "unit", "name": HOSTILE, "seconds": 3.3 * factor},
            {"kind": "driver", "name": "tpm_tis", "degradation_seconds": 1.2},
            {"kind": "device", "name": "dev-sda2.device"},
        ],
    }
