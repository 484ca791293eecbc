"""The tables of devices that run no agent and are asked over the network: what polls gave, and what feeds what.

What such a device measured stands in the same tables as every device's facts. Here is the rest: how each poll went,
half-hours and days of single outlets, which device is fed from where, and how much energy was therefore not counted
twice. Times are UTC epoch seconds, dates days (`IsoDate`), energy whole joules.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    false,
)

from roadworthy_collector.store.columns import IsoDate
from roadworthy_collector.store.metadata import JSON_VALUE as _JSON
from roadworthy_collector.store.metadata import ROWID as _ROWID
from roadworthy_collector.store.metadata import metadata

OUTLET = String(64)  # what the device calls it; empty: all it takes or gives


def _device(name: str, *, index: bool = False) -> Column[int]:
    return Column(name, BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=index)


def _outlet_key() -> list[Column[int] | Column[str]]:
    return [
        Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
        Column("outlet", OUTLET, primary_key=True),
    ]


def _outlet_energy() -> list[Column[int] | Column[str]]:
    return [
        Column("joules", BigInteger, nullable=False),
        Column("covered_seconds", Integer, nullable=False),
        Column("quality", String(16), nullable=False),
    ]


# Whom this collector polls, as its targets file names them, and how the last poll went.
snmp_targets = Table(
    "snmp_targets",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), index=True),
    Column("host", String(255), nullable=False),
    Column("protocol", String(8), nullable=False),  # snmp or redfish
    Column("kind", String(24), nullable=False, default="other", server_default="other"),
    Column("profile", String(64)),  # the most particular that matched; none: nothing did, or never reached
    Column("outcome", String(16), nullable=False, default="never", server_default="never"),
    Column("reason", String(256)),  # of the last failure, while it lasts
    Column("polled_at", BigInteger),
    Column("succeeded_at", BigInteger),
    Column("duration_seconds", Float),
    Column(
        "failures", Integer, nullable=False, default=0, server_default="0"
    ),  # one after another, up to now
    Column("polls", BigInteger, nullable=False, default=0, server_default="0"),
    Column("successes", BigInteger, nullable=False, default=0, server_default="0"),
    Column("readings", Integer, nullable=False, default=0, server_default="0"),
    Column("refused", _JSON),  # [{name, index, code, reason}] of the last answer
    Column("state", _JSON),  # registers and counters: what the next poll goes on from
    Column(
        "removed", Boolean, nullable=False, default=False, server_default=false()
    ),  # no longer in the file
)
# Which device takes its power through which: an outlet of a PDU, a UPS, a server's management controller (which
# measures the very server). Without a fed device: somebody said that nothing known hangs there.
feeds = Table(
    "feeds",
    metadata,
    Column("id", _ROWID, primary_key=True),
    _device("feeder", index=True),
    Column("outlet", OUTLET, nullable=False),
    Column("fed", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), index=True),
    Column("valid_from", IsoDate, nullable=False),
    Column("valid_to", IsoDate),  # the first day it is no longer so
    Column("source", String(16), nullable=False),  # stated, targets or register
    Column("stated_by", String(64)),
    Column("stated_at", BigInteger, nullable=False),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="span"),
)
# Of outlets that feed something known only, each settlement period once; kept as long as half-hours are.
outlet_half_hours = Table(
    "outlet_half_hours",
    metadata,
    *_outlet_key(),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    *_outlet_energy(),
    Index(None, "start"),
    sqlite_with_rowid=False,
)
# The same by local day, for the energy ledger.
outlet_days = Table(
    "outlet_days",
    metadata,
    *_outlet_key(),
    Column("date", IsoDate, primary_key=True, autoincrement=False),
    *_outlet_energy(),
    sqlite_with_rowid=False,
)
# What was measured twice and is counted once, by month: of `fed`, in favour of or instead of `feeder`.
energy_overlaps = Table(
    "energy_overlaps",
    metadata,
    Column("month", IsoDate, primary_key=True, autoincrement=False),  # its first day
    Column("feeder", Integer, primary_key=True, autoincrement=False),
    Column("outlet", OUTLET, primary_key=True),
    Column("fed", Integer, primary_key=True, autoincrement=False),  # 0: nobody said what it feeds, -1: erased
    Column("why", String(16), primary_key=True),  # outlet, feeder, controller or undeclared
    Column("days", Integer, nullable=False),
    Column("joules", BigInteger, nullable=False),  # left out of the ledger
    sqlite_with_rowid=False,
)
