"""The tables, as SQLAlchemy Core; `migrations/` builds them.

Times are integer UTC epoch seconds unless a name says otherwise. Physical facts only: carbon and money are
derived from them elsewhere. Device state lives apart from energy because the two have their own rights and
retention. One file, although a long one: the tables refer to each other and are read together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ROWID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only for INTEGER
_JSON = JSON(none_as_null=True)  # no value is NULL, not the text `null`


def _state_seconds() -> list[Column[int]]:
    """Return a column of seconds for each device state."""
    return [
        Column(f"{state}_seconds", Integer, nullable=False)
        for state in ("in_use", "idle", "locked", "asleep", "off", "unobserved")
    ]


def _energy_facts() -> list[Column[Any]]:
    """Return what is told of one scope's energy, beside its key."""
    return [
        Column("joules", BigInteger, nullable=False),
        Column("counter_end_joules", BigInteger, nullable=False),
        Column("covered_seconds", Integer),
        Column("quality", String(16), nullable=False),
        Column("source", String(128), nullable=False),
        Column("relative_error", Float),
    ]


def _device() -> Column[int]:
    """Return the key column of a per-device fact."""
    return Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True)


# What this database is: schema-wide facts such as `simulated` and `created_at`.
estate = Table(
    "estate", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False)
)

# The organisation: a dated tree of units, and the sites where devices stand.
units = Table(
    "units",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("parent", BigInteger, ForeignKey("units.id")),
    Column("name", String(128), nullable=False, unique=True),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),
)
sites = Table(
    "sites",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    # force, home, vehicle, partner, data_centre or unknown
    Column("kind", String(16), nullable=False),
    Column("restricted", Boolean, nullable=False, default=False),
)

enrol_keys = Table(
    "enrol_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("site", BigInteger, ForeignKey("sites.id"), nullable=False),
    Column("unit", BigInteger, ForeignKey("units.id"), nullable=False),
    Column("note", String(256)),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("max_uses", Integer),
    Column("uses", Integer, nullable=False, default=0),
    Column("revoked_at", BigInteger),
)
devices = Table(
    "devices",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("device_id", String(40), nullable=False, unique=True),
    Column("site", BigInteger, ForeignKey("sites.id"), nullable=False),
    Column("unit", BigInteger, ForeignKey("units.id"), nullable=False),
    Column("enrol_key", String(16)),
    Column("enrolled_at", BigInteger, nullable=False),
    Column("last_report_at", BigInteger),
    Column("next_call_seconds", Integer),  # what the device was last told; "late" is measured against it
    Column("retired_at", BigInteger),
    Column("instance", String(16)),
    Column("seq", BigInteger),
    Column("boot_id", String(64)),
    Column("agent_version", String(64)),
    Column("platform", String(16)),
    # The searchable part of the facts; the whole is in `facts`.
    Column("hostname", String(256)),
    Column("serial", String(256)),
    Column("asset_tag", String(256)),
    Column("vendor", String(256)),
    Column("model", String(256)),
    Column("device_class", String(16), nullable=False, default="unknown"),
    Column("environment", String(16), nullable=False, default="unknown"),
    Column("os_name", String(256)),
    Column("os_version", String(256)),
    Column("system_medium", String(16), nullable=False, default="unknown"),
    Column("facts", _JSON),
    Column("facts_at", BigInteger),
    # When (by the device's clock, never ahead of ours) the newest report was sent that carried each of these: an
    # older report that arrives late must not overwrite them.
    Column("latest_sent_at", Float),
    Column("facts_sent_at", Float),
    Column("probes_sent_at", Float),
    Column("agent", _JSON),
    Column(
        "fingerprint", _JSON
    ),  # SHA-256 of hardware facts as sent at enrolment: what a clone would differ in
    Index(None, "hostname"),
    Index(None, "serial"),
    Index(None, "asset_tag"),
    Index(None, "site"),
    # How large a group is, is asked before each sign-in is counted: four seeks of five rows at most.
    Index(None, "unit"),
    Index(None, "model"),
    Index(None, "os_name", "os_version"),
    Index(None, "last_report_at"),
)
tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("first_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    # Why: `revoked` stops the agent, `re_enrol` asks it to enrol again.
    Column("revoked_as", String(16)),
)
users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password_argon2", String(256), nullable=False),
    Column("role", String(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
sessions = Table(
    "sessions",
    metadata,
    Column("secret_sha256", String(64), primary_key=True),
    Column("user", String(64), ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
scrape_tokens = Table(
    "scrape_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

# The latest word of a device: overwritten by each report, never history.
device_now = Table(
    "device_now",
    metadata,
    _device(),
    Column("at", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("observed_seconds", Integer, nullable=False),
    Column("uptime_seconds", Float),
    Column("cpu_ratio", Float),
    Column("memory_ratio", Float),
    Column("now", JSON, nullable=False),  # the whole `now` object as sent
)
probe_status = Table(
    "probe_status",
    metadata,
    _device(),
    Column("probe", String(32), primary_key=True),
    Column("status", String(32), nullable=False),
    Column("reason", String(256)),
    Column("source", String(256)),
    Column("missing", _JSON),
    Column("since", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# What wears out, out of the newest facts: scrapes and roll-ups need it of every device, and the facts of 100,000
# devices are too much JSON to read for it (bench/shards.py).
batteries = Table(
    "batteries",
    metadata,
    _device(),
    Column("name", String(256), primary_key=True),
    Column("health_ratio", Float),
    Column("cycles", BigInteger),
    sqlite_with_rowid=False,
)
disks = Table(
    "disks",
    metadata,
    _device(),
    Column("name", String(256), primary_key=True),
    Column("medium", String(16), nullable=False),
    Column("holds_system", Boolean),
    Column("wear_ratio", Float),
    Column("failing", Boolean),  # the disk's own word
    sqlite_with_rowid=False,
)

# Facts per settlement period, inserted once.
periods = Table(
    "periods",
    metadata,
    _device(),
    Column("start", BigInteger, primary_key=True),
    Column("observed_seconds", Integer, nullable=False),
    Column("samples", Integer, nullable=False),
    Column("cpu_mean_ratio", Float),
    Column("cpu_p95_ratio", Float),
    Column("cpu_quality", String(16)),
    Column("cpu_source", String(128)),
    Column("memory_mean_ratio", Float),
    Column("memory_p95_ratio", Float),
    Column("memory_quality", String(16)),
    Column("memory_source", String(128)),
    Column("content_hash", LargeBinary(8), nullable=False),  # tells a replay from a conflict
    Column(
        "incomplete", Boolean, nullable=False, default=False
    ),  # booked by the sweeper, never closed by the agent
    Index(None, "start"),
    sqlite_with_rowid=False,
)
state_periods = Table(
    "state_periods",
    metadata,
    _device(),
    Column("start", BigInteger, primary_key=True),
    *_state_seconds(),
    CheckConstraint(
        "in_use_seconds + idle_seconds + locked_seconds + asleep_seconds + off_seconds + unobserved_seconds = 1800",
        name="sum",
    ),
    sqlite_with_rowid=False,
)
energy_periods = Table(
    "energy_periods",
    metadata,
    _device(),
    Column("scope", String(16), primary_key=True),
    Column("start", BigInteger, primary_key=True),
    *_energy_facts(),
    Index(None, "start"),
    sqlite_with_rowid=False,
)
# The same by UTC day, from devices whose collection policy is daily: their half-hours tell neither.
state_days = Table(
    "state_days",
    metadata,
    _device(),
    Column("day", BigInteger, primary_key=True),  # midnight UTC
    Column("observed_seconds", Integer, nullable=False),
    *_state_seconds(),
    Column("content_hash", LargeBinary(8), nullable=False),
    CheckConstraint(
        "in_use_seconds + idle_seconds + locked_seconds + asleep_seconds + off_seconds + unobserved_seconds = 86400",
        name="sum",
    ),
    Index(None, "day"),
    sqlite_with_rowid=False,
)
energy_days = Table(
    "energy_days",
    metadata,
    _device(),
    Column("scope", String(16), primary_key=True),
    Column("day", BigInteger, primary_key=True),
    *_energy_facts(),
    Index(None, "day"),
    sqlite_with_rowid=False,
)
# What was drawn from the batteries over a half-hour or a day: the whole device, measured. The books fit from it what
# everything but the processor draws.
battery_use = Table(
    "battery_use",
    metadata,
    _device(),
    Column("start", BigInteger, primary_key=True),
    Column("length_seconds", Integer, primary_key=True),  # 1800 or 86400
    Column("discharge_joules", BigInteger, nullable=False),
    Column("discharge_seconds", Integer, nullable=False),
    Column("cpu_joules", BigInteger),  # scope cpu over the same seconds
    Column("source", String(128), nullable=False),
    Index(None, "start"),
    sqlite_with_rowid=False,
)
gaps = Table(
    "gaps",
    metadata,
    _device(),
    Column("begin", BigInteger, primary_key=True),
    Column("end", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("basis", String(64)),
    Column("content_hash", LargeBinary(8), nullable=False),
)
startups = Table(
    "startups",
    metadata,
    _device(),
    Column("start_id", String(96), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("total_seconds", Float),
    Column("usable_seconds", Float),
    Column("shutdown_seconds", Float),  # of the shutdown before it
    Column("attended", Boolean),
    Column("quality", String(16), nullable=False),
    Column("reason", String(256)),
    Column("source", String(128)),
    Column("phases", JSON, nullable=False),  # as on the wire
    Column("factors", JSON, nullable=False),  # as on the wire
    Column("content_hash", LargeBinary(8), nullable=False),
    Index(None, "started_at"),
    Index(None, "device", "started_at"),  # each device's newest: asked for by every scrape and every list
)
signins = Table(
    "signins",
    metadata,
    _device(),
    Column("signin_id", String(96), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("total_seconds", Float),
    Column("usable_seconds", Float),
    Column("quality", String(16), nullable=False),
    Column("record", JSON, nullable=False),  # the whole item as sent
    Column("content_hash", LargeBinary(8), nullable=False),
)


def _totals() -> list[Column[Any]]:
    """Return the columns of a day's totals: where the device stood, and what the day adds up to."""
    return [
        Column("site", BigInteger, nullable=False),
        Column("unit", BigInteger, nullable=False),
        Column("periods", Integer, nullable=False),
        Column("observed_seconds", Integer, nullable=False),
        Column("cpu_mean_ratio", Float),  # weighted by observed seconds
        Column("memory_mean_ratio", Float),
        *_state_seconds(),
        Column("startups", Integer, nullable=False),
        Column("startup_seconds_sum", Float),
        Column("startup_seconds_max", Float),
        Column("joules", _JSON),  # {scope: {quality: joules}}
    ]


# Daily totals in UTC days (always 48 slots); `days` outlives the half-hours.
days = Table(
    "days",
    metadata,
    _device(),
    Column("day", BigInteger, primary_key=True),  # midnight UTC
    *_totals(),
    Index(None, "day"),
    sqlite_with_rowid=False,
)
# The same for days as people count them, in the reporting time zone: financial years begin at its midnight, and
# once the half-hours are gone nothing could tell. 46 or 50 half-hours long where the clocks change.
local_days = Table(
    "local_days",
    metadata,
    _device(),
    Column("date", String(10), primary_key=True),  # 2026-03-29
    Column("start", BigInteger, nullable=False),  # its midnight
    Column("half_hours", Integer, nullable=False),  # how many it has
    *_totals(),
    Index(None, "date"),
    sqlite_with_rowid=False,
)
dirty = Table(
    "dirty",
    metadata,
    _device(),
    Column("day", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)

# Histograms Prometheus sees: append-only counters, bumped once when a start-up or sign-in is first final.
histograms = Table(
    "histograms",
    metadata,
    Column("metric", String(64), primary_key=True),  # startup_seconds, signin_seconds
    Column("grouping", String(8), primary_key=True),  # site, unit, model, os
    Column("member", String(256), primary_key=True),
    # Upper bound; the last is infinity. A member has a row for each bucket from its first observation on.
    Column("bucket", Float, primary_key=True),
    Column("count", BigInteger, nullable=False),  # in this bucket alone, not cumulative
    Column("sum", Float, nullable=False),  # of the observations in this bucket
)
# Named counts that must survive a restart: conflicts, rejected{code}, unknown_enum{field} ...
counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("label", String(128), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), index=True),
    Column("received_at", BigInteger, nullable=False),
    Column("item", String(16), nullable=False),
    Column("key", String(128), nullable=False),
    Column("code", String(32), nullable=False),
    Column("field", String(128)),
    Column("content", _JSON),
    UniqueConstraint("device", "item", "key", "code"),
)
audit = Table(
    "audit",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(128)),
    Column("detail", _JSON),
)

# Charts: asked for by a page, drawn by the jobs process, kept by the hash of their data.
charts = Table(
    "charts",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("spec", JSON, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("drawn_at", BigInteger),
    Column("svg", Text),
    Column("error", String(256)),
    Index(None, "drawn_at"),
)
# What the jobs process last computed, as text ready to serve.
snapshots = Table(
    "snapshots",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("at", Float, nullable=False),
    Column("body", Text, nullable=False),
)
jobs = Table(
    "jobs",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("last_started_at", Float),
    Column("last_finished_at", Float),
    Column("last_success_at", Float),
    Column("last_duration_seconds", Float),
    Column("longest_transaction_seconds", Float),
    Column("failures", BigInteger, nullable=False, default=0),
    Column("last_error", String(256)),
)
