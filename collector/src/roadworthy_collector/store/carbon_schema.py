"""The tables of carbon: the energy ledger by month, supplies with their meters and tariffs, factor sets, reports.

What meters say and people enter is kept as it came; the ledger's months are worked out from daily facts and can be
made anew. Emissions and pounds are never kept but in a report that was issued. Energy is whole joules, or thousandths
of a kWh where a meter told it; dates are days (`IsoDate`), times UTC epoch seconds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from roadworthy_collector.store.columns import IsoDate
from roadworthy_collector.store.metadata import JSON_VALUE as _JSON
from roadworthy_collector.store.metadata import ROWID as _ROWID
from roadworthy_collector.store.metadata import metadata

NAME, CODE = String(128), String(64)


def _id() -> Column[int]:
    return Column("id", _ROWID, primary_key=True)


def _joules() -> list[Column[int]]:
    """Return a column of joules at the wall for each quality."""
    return [
        Column(f"{quality}_joules", BigInteger, nullable=False)
        for quality in ("metered", "sensor", "modelled", "assumed")
    ]


# One device's month at the wall, where it stood then: what stands behind every figure. No reference to `devices`, as
# in `days`: an erased device's rows go, its energy stays in `energy_groups`.
energy_devices = Table(
    "energy_devices",
    metadata,
    Column("month", IsoDate, primary_key=True, autoincrement=False),  # its first day
    Column("device", Integer, primary_key=True, autoincrement=False),
    Column("site", Integer, primary_key=True, autoincrement=False),
    Column("unit", Integer, primary_key=True, autoincrement=False),
    Column("days", SmallInteger, nullable=False),  # with any fact
    *_joules(),
    Column("low_joules", Float, nullable=False),  # of the sum, 90 % interval
    Column("high_joules", Float, nullable=False),
    Column("unknown_seconds", BigInteger, nullable=False),
    Column("unused_seconds", BigInteger),  # on and unused in all known states
    Index(None, "device"),
    sqlite_with_rowid=False,
)
# The same added up: errors of a model shared by a class add in a line, so they are kept by model.
energy_groups = Table(
    "energy_groups",
    metadata,
    Column("month", IsoDate, primary_key=True, autoincrement=False),
    Column("site", Integer, primary_key=True, autoincrement=False),
    Column("unit", Integer, primary_key=True, autoincrement=False),
    Column("item_class", String(16), primary_key=True),
    Column("model", NAME, primary_key=True),  # empty: not told
    Column("devices", Integer, nullable=False),
    Column("days", Integer, nullable=False),  # device-days with any fact
    *_joules(),
    Column("own_down_squared", Float, nullable=False),
    Column("own_up_squared", Float, nullable=False),
    Column("shared", _JSON, nullable=False),  # {model of power: [down, up]} in joules
    Column("unknown_seconds", BigInteger, nullable=False),
)
# A supply: what a bill is about. Its sites are many to many, by date.
supplies = Table(
    "supplies",
    metadata,
    _id(),
    Column("number", CODE, nullable=False, unique=True),  # MPAN or MPRN
    Column("fuel", String(16), nullable=False),  # electricity or gas
    Column("name", NAME),
    Column("settled_half_hourly", Boolean),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
)
supply_sites = Table(
    "supply_sites",
    metadata,
    Column("supply", BigInteger, ForeignKey("supplies.id", ondelete="CASCADE"), primary_key=True),
    Column("site", BigInteger, ForeignKey("sites.id"), primary_key=True),
    Column("valid_from", IsoDate, primary_key=True),
    Column("valid_to", IsoDate),  # exclusive; NULL: until further notice
    Column("tenure", String(16), nullable=False),  # owner, tenant, landlord or unknown
    Column("share", Float),  # of the supply that is this site's; NULL: nobody knows
)
# A local day of one meter: 46, 48 or 50 half-hours, each with A (actual) or E (estimated).
meter_days = Table(
    "meter_days",
    metadata,
    Column("supply", BigInteger, ForeignKey("supplies.id", ondelete="CASCADE"), primary_key=True),
    Column("day", IsoDate, primary_key=True),
    Column("channel", String(8), primary_key=True),  # import or export
    Column(
        "half_hours", LargeBinary, nullable=False
    ),  # thousandths of a kWh, 32 bits each; all ones: missing
    Column("statuses", String(50), nullable=False),
    Column("kwh_thousandths", BigInteger, nullable=False),  # of those that are there
    Column("batch", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Index(None, "day"),
    Index(None, "batch"),
)
tariffs = Table(
    "tariffs",
    metadata,
    _id(),
    Column("supply", BigInteger, ForeignKey("supplies.id", ondelete="CASCADE")),  # NULL: of all without one
    Column("fuel", String(16), nullable=False),
    Column("valid_from", IsoDate, nullable=False),
    Column("valid_to", IsoDate),
    Column("content", _JSON, nullable=False),  # rates and levies as read, with their source
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
)
# Factor sets that were loaded here; in force once a second person confirmed them.
factor_sets = Table(
    "factor_sets",
    metadata,
    _id(),
    Column("year", Integer, nullable=False),
    Column("version", CODE, nullable=False),
    Column("content", _JSON, nullable=False),
    Column("source", Text, nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    Column("proposed_by", NAME, nullable=False),
    Column("confirmed_at", BigInteger),
    Column("confirmed_by", NAME),
    Column("withdrawn_at", BigInteger),
    Column("withdrawn_by", NAME),
    Index(None, "year"),
)
# A report on its way from open to published; restating makes another row that names it.
carbon_reports = Table(
    "carbon_reports",
    metadata,
    _id(),
    Column("kind", String(16), nullable=False),  # crc, secr or carbon
    Column("year", Integer, nullable=False),  # the financial year it begins in
    Column("state", String(16), nullable=False),
    Column("content", _JSON),  # the figures as they stood when it was closed
    Column("steps", _JSON, nullable=False),  # [{state, person, at, remark}], oldest first
    Column("restates", BigInteger, ForeignKey("carbon_reports.id")),
    Column("restated_because", Text),
    Column("pack_name", NAME),  # file of the evidence pack in the data folder
    Column("pack_sha256", String(64)),
    Column("simulated", Boolean, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
    Index(None, "kind", "year"),
)
carbon_journals = Table(
    "carbon_journals",
    metadata,
    _id(),
    Column("report", BigInteger, ForeignKey("carbon_reports.id"), nullable=False),
    Column("line", CODE, nullable=False),
    Column("kwh_thousandths", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
    Index(None, "report"),
)
