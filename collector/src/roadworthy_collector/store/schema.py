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
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    func,
)
from sqlalchemy.schema import DDL

from roadworthy_collector.store import append_only
from roadworthy_collector.store import books_schema as _books  # noqa: F401 - its tables are in the same metadata
from roadworthy_collector.store import carbon_schema as _carbon  # noqa: F401 - its tables are in the same metadata
from roadworthy_collector.store import snmp_schema as _snmp  # noqa: F401 - its tables are in the same metadata
from roadworthy_collector.store.columns import IsoDate, Joules, Midnight, Packed, PeriodStart, Ratio
from roadworthy_collector.store.metadata import JSON_VALUE as _JSON
from roadworthy_collector.store.metadata import ROWID as _ROWID
from roadworthy_collector.store.metadata import metadata as _metadata

metadata = _metadata  # with the tables of the books


def _state_seconds(kind: type[Integer] = Integer) -> list[Column[int]]:
    """Return a column of seconds for each device state."""
    return [
        Column(f"{state}_seconds", kind, nullable=False)
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


def _day() -> Column[int]:
    """Return the first key column of what is kept by day: midnight UTC."""
    return Column("day", BigInteger, primary_key=True, autoincrement=False)


def _plain_device() -> Column[int]:
    """Return the second key column of what is kept by day."""
    return Column("device", BigInteger, primary_key=True, autoincrement=False)


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
    Column("usage_profile", String(16), nullable=False, default="unknown", server_default="unknown"),
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
    Column("relayed_by", String(128)),  # ids of the relays it came through, the first one first
    # personal, shared, kiosk, server or unknown: what decides the collection policy asked of it
    Column("usage_profile", String(16), nullable=False, default="unknown", server_default="unknown"),
    Column("cloned_from", String(40)),  # the device_id it was copied from, where it traded that one's token
    Column("identity", Text),  # what is odd about who speaks as it (ingest/identity.py); mostly nothing
    Index(None, "hostname"),
    Index(None, "serial"),
    Index(None, "asset_tag"),
    Index(None, "site"),
    # How large a group is, is asked before each sign-in is counted: four seeks of five rows at most.
    Index(None, "unit"),
    Index(None, "model"),
    Index(None, "os_name", "os_version"),
    # What lists narrow and sort by, state included, so that no list looks at all the wide rows. It changes with each
    # report, as an index of the first column alone would. Not on PostgreSQL: there a report changes no index at all as
    # long as it changes no indexed column, and rows are narrow because what is wide stands beside them.
    Index("ix_devices_listed", "last_report_at", "site", "unit", "device_class", "model", "hostname",
          "retired_at", "next_call_seconds", "enrolled_at").ddl_if(dialect="sqlite"),
    Index(None, "cloned_from"),
)  # fmt: skip
for _name in ("hostname", "serial", "asset_tag"):  # searched for by how they begin, letter case aside
    Index(
        f"ix_devices_lower_{_name}",
        func.lower(devices.c[_name]).label(f"lower_{_name}"),
        postgresql_ops={f"lower_{_name}": "text_pattern_ops"},
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
    Column("rotate_asked_at", BigInteger),  # since when an administrator wants it replaced
)
users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password_argon2", String(256), nullable=False),
    Column("role", String(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Only the units in `user_units` and those below them; apart from it, so that a unit that goes never widens it.
    Column("scoped", Boolean, nullable=False, default=False, server_default=false()),
)
user_units = Table(
    "user_units",
    metadata,
    Column("user", String(64), ForeignKey("users.name", ondelete="CASCADE"), primary_key=True),
    Column("unit", BigInteger, ForeignKey("units.id", ondelete="CASCADE"), primary_key=True),
)
# What a user's scripts sign in with: their role and scope, without the password.
user_tokens = Table(
    "user_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("user", String(64), ForeignKey("users.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("note", String(256)),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
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
    Column("scoped", Boolean, nullable=False, default=False, server_default=false()),  # as of users
)
scrape_token_units = Table(
    "scrape_token_units",
    metadata,
    Column("token", String(16), ForeignKey("scrape_tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("unit", BigInteger, ForeignKey("units.id", ondelete="CASCADE"), primary_key=True),
)
# Facts of these devices are neither pruned nor erased: in force from being asked for, and from `lapses_at` on only
# if somebody else has approved.
holds = Table(
    "holds",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("reason", String(512), nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("lapses_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("approved_by", String(64)),
    Column("approved_at", BigInteger),
    Column("lifted_by", String(64)),
    Column("lifted_at", BigInteger),
    Column("lifted_reason", String(512)),
)
hold_devices = Table(
    "hold_devices",
    metadata,
    Column("hold", BigInteger, ForeignKey("holds.id", ondelete="CASCADE"), primary_key=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True, index=True),
)
# Devices whose tokens are gone and whose facts go once every process has forgotten the tokens.
erasures = Table(
    "erasures",
    metadata,
    _device(),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("reason", String(512), nullable=False),
)
# What erased devices drew, added up by site and day: sums of the IT estate stay as they were. By UTC days as `days`
# and by the days of the reporting time zone as `local_days`, of which those that are UTC days stand as `utc` alone.
anonymous_site_days = Table(
    "anonymous_site_days",
    metadata,
    Column("site", BigInteger, primary_key=True, autoincrement=False),
    Column("calendar", String(8), primary_key=True),  # utc or local
    Column("date", String(10), primary_key=True),  # 2026-03-29
    Column("scope", String(16), primary_key=True),
    Column("quality", String(16), primary_key=True),
    Column("joules", BigInteger, nullable=False),
    Column("devices", Integer, nullable=False),
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
# devices are too much JSON to read for it (bench/scrape.py).
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

# Facts per settlement period, each inserted once: a row per UTC day and device, to whose bytes half-hours are appended
# (store/slots.py; store/half_hours.py is the only way in and out). Keyed by day first, so that a day's rows lie
# together: they are written together, rolled up together and pruned together. No reference to `devices`: to look for
# rows of one device is to look at every day, so who deletes a device calls `half_hours.forget` first.
use_slots = Table(
    "use_slots",
    metadata,
    _day(),
    _plain_device(),
    Column("held", BigInteger, nullable=False),  # bit n: the half-hour of slot n is here
    Column("slots", LargeBinary, nullable=False),
)
state_slots = Table(
    "state_slots", metadata, _day(), _plain_device(), Column("slots", LargeBinary, nullable=False)
)
energy_slots = Table(
    "energy_slots",
    metadata,
    _day(),
    _plain_device(),
    Column("slots", LargeBinary, nullable=False),
    # What was drawn from the batteries: the whole device, measured. The books fit from it what everything but the
    # processor draws.
    Column("battery", LargeBinary, nullable=False),
)
# Where values come from, in the agents' words, by the number half-hours hold.
sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("source", String(128), nullable=False, unique=True),
)
# The newest counter of each scope, for every scrape to read; `until` is the end of the half-hour or day it is of.
energy_counters = Table(
    "energy_counters",
    metadata,
    _device(),
    Column("scope", String(16), primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("quality", String(16), nullable=False),
    Column("counter_end_joules", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
# What all devices of a site did in a half-hour: kept when their own half-hours are gone.
site_half_hours = Table(
    "site_half_hours",
    metadata,
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("site", BigInteger, ForeignKey("sites.id"), primary_key=True, autoincrement=False),
    Column("devices", Integer, nullable=False),  # that told anything of it
    Column("observed_seconds", BigInteger, nullable=False),
    *_state_seconds(BigInteger),
    Column("joules", Joules),
    sqlite_with_rowid=False,
)
# UTC days whose site half-hours have to be added up again; `marks` counts up with each reason.
site_dirty = Table(
    "site_dirty",
    metadata,
    _day(),
    Column("marks", BigInteger, nullable=False),
    Column("rolled_at", BigInteger),
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
battery_days = Table(
    "battery_days",
    metadata,
    _device(),
    Column("day", BigInteger, primary_key=True),
    Column("discharge_joules", BigInteger, nullable=False),
    Column("discharge_seconds", Integer, nullable=False),
    Column("cpu_joules", BigInteger),  # scope cpu over the same seconds
    Column("source", String(128), nullable=False),
    Index(None, "day"),
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
    # Each device's newest, asked for by every scrape and every list; all lengths, without a look at the rows.
    Index("ix_startups_lengths", "device", "started_at", "kind", "final", "total_seconds"),
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


def _device_and_totals(*narrow: Column[Any]) -> list[Column[Any]]:
    """Return the second key column and a day's totals: where the device stood, and what the day adds up to.

    By alignment, which PostgreSQL fills up otherwise: eight bytes, four with those of `narrow`, two, and bytes.
    """
    return [
        Column("device", Integer, primary_key=True, autoincrement=False),
        Column("startup_seconds_sum", Float),
        Column("startup_seconds_max", Float),
        *narrow,
        Column("site", Integer, nullable=False),
        Column("unit", Integer, nullable=False),
        Column("observed_seconds", Integer, nullable=False),
        *_state_seconds(),
        Column("periods", SmallInteger, nullable=False),
        Column("startups", SmallInteger, nullable=False),
        Column("cpu_mean_ratio", Ratio),  # weighted by observed seconds
        Column("memory_mean_ratio", Ratio),
        Column("joules", Joules),  # {scope: {quality: joules}}
    ]


# Daily totals in UTC days (always 48 slots); `days` outlives the half-hours. Both are keyed by day first and without a
# reference to `devices`, as the half-hours are and for the same reasons.
days = Table(
    "days",
    metadata,
    Column("day", Midnight, primary_key=True, autoincrement=False),
    *_device_and_totals(),
    sqlite_with_rowid=False,
)
# The same for days as people count them, in the reporting time zone: financial years begin at its midnight, and
# once the half-hours are gone nothing could tell. 46 or 50 half-hours long where the clocks change. A local day that is
# a UTC day is in `days` alone: read both through `queries.local_totals`.
local_days = Table(
    "local_days",
    metadata,
    Column("date", IsoDate, primary_key=True, autoincrement=False),  # 2026-03-29
    *_device_and_totals(Column("start", PeriodStart, nullable=False)),  # its midnight
    Column("half_hours", SmallInteger, nullable=False),  # how many it has
    sqlite_with_rowid=False,
)
# How many half-hours of each local day lay in gaps that are gone by now, by state: what a day's account needs of them
# (queries/away.py). A month a row: nights are as many as days, and most of a row a day would be its key.
away_months = Table(
    "away_months",
    metadata,
    Column("month", IsoDate, primary_key=True, autoincrement=False),  # its first day
    Column("device", Integer, primary_key=True, autoincrement=False),
    Column("half_hours", LargeBinary, nullable=False),  # three bytes a day: asleep, off, nobody knows which
    sqlite_with_rowid=False,
)
dirty = Table(
    "dirty",
    metadata,
    _device(),
    Column("day", BigInteger, primary_key=True),
    # When the first fact came that is not rolled up yet: the day that is still going on waits for more.
    Column("marked_at", BigInteger, nullable=False, server_default="0"),
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
    # SHA-256 over the row before and this one: what is changed, left out or put in later shows.
    # Nothing where a program from before the chain wrote the row.
    Column("hash", String(64)),
    Index(None, "at"),
)
# Where the chain of hashes begins (`floor`: the last row pruned) and ends (`head`), and, while rows are pruned, up to
# which id they may go (`pruning`).
audit_chain = Table(
    "audit_chain",
    metadata,
    Column("name", String(8), primary_key=True),
    Column("row_id", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)
for _dialect, _statements in append_only.STATEMENTS.items():
    for _statement in _statements:
        event.listen(
            audit_chain,
            "after_create",
            DDL(_statement).execute_if(dialect=_dialect),  # type: ignore[no-untyped-call] # not typed there
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
    Column("body", Packed, nullable=False),
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

# A relay: what it has still to forward to its main collector, and who its devices are there.
relay_devices = Table(
    "relay_devices",
    metadata,
    _device(),
    Column("upstream_device_id", String(40)),
    # Sealed (relay/sealing.py): a token is needed in clear to be sent. The newer one has not worked yet.
    Column("token", LargeBinary),
    Column("next_token", LargeBinary),
    Column("enrolled_at", BigInteger),
    Column("restricted", Boolean),  # whether it was enrolled as standing at a restricted site
    Column("stopped", String(32)),  # the code of the answer after which nothing is forwarded any more
    Column("not_before", Float, nullable=False, default=0),
    Column("tried_at", Float, nullable=False, default=0),
    Column("policy", String(32)),  # the collection policy the main collector asks for
    Column("gaps", _JSON),  # [[from, to], ...]: half-hours given up and not yet said to be missing
    Column("refused_items", BigInteger, nullable=False, default=0),
    Column("last_refusal", String(256)),
)
relay_outbox = Table(
    "relay_outbox",
    metadata,
    Column("id", _ROWID, primary_key=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("bytes", Integer, nullable=False),
    # Whether it holds nothing but the open half-hour and no file holds it: the next report replaces it.
    Column("passing", Boolean, nullable=False),
    Column("file", BigInteger),  # the newest file that holds it (relay_files), where files are carried
    Column("body", LargeBinary, nullable=False),
    Index(None, "device", "id"),
    Index(None, "device", "passing"),  # asked with every report: a long queue must not slow it
    Index(None, "received_at", "bytes"),
    Index(None, "file"),
    # A number given twice would let go of the wrong row: of one queued while the other was on its way.
    sqlite_autoincrement=True,
)
relay_files = Table(
    "relay_files",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("made_at", BigInteger, nullable=False),
    Column("written_at", BigInteger),  # none while it is being written: it is written again
    Column("reports", Integer, nullable=False),
    Column("sha256", String(64)),
    Column("acknowledged_at", BigInteger),
)
relay_state = Table(
    "relay_state",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
# Whose files this collector reads, and what it has read of them.
relay_trust = Table(
    "relay_trust",
    metadata,
    Column("public_key", String(64), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("relay", String(16), nullable=False),
    Column("site", BigInteger, ForeignKey("sites.id"), nullable=False),
    Column("unit", BigInteger, ForeignKey("units.id"), nullable=False),
    Column("every_days", Integer, nullable=False),  # how often a file is expected
    Column("added_at", BigInteger, nullable=False),
)
relay_members = Table(
    "relay_members",
    metadata,
    Column("relay", String(16), primary_key=True),
    Column("local_device_id", String(40), primary_key=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False, index=True),
)
relay_imports = Table(
    "relay_imports",
    metadata,
    Column("relay", String(16), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("imported_at", BigInteger, nullable=False),
    Column("reports", Integer, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
)

# Closed half-hours and days a remote-write receiver has not acknowledged. Filled with the facts, in their transaction.
remote_write_queue = Table(
    "remote_write_queue",
    metadata,
    Column("seq", _ROWID, primary_key=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length_seconds", Integer, nullable=False),  # 1800 or 86400
    Column("queued_at", BigInteger, nullable=False),
    Index(None, "device", "start"),
    # A number given twice would let go of the wrong row: of one queued while the other was on its way.
    sqlite_autoincrement=True,
)
# Which series of a device the receiver holds: what is late, and what must end when the device leaves. Not tied to
# `devices`, because the series of an erased device are to end too.
remote_write_devices = Table(
    "remote_write_devices",
    metadata,
    Column("device_id", String(40), primary_key=True),
    Column("newest", BigInteger, nullable=False),  # of its samples and markers, milliseconds
    Column("sent_at", BigInteger, nullable=False),
    Column(
        "series", JSON, nullable=False
    ),  # {series: [end of its newest sample, length_seconds]}, live ones only
    Column("silent_after", BigInteger),  # when the first of them has missed three; none where none is live
    Column("half_hourly", Boolean, nullable=False),  # whether one of them is of half-hours
    sqlite_with_rowid=False,
)
# The receiver: one row while one is configured.
remote_write_sink = Table(
    "remote_write_sink",
    metadata,
    Column("name", String(16), primary_key=True),
    # Half-hours are queued until then; the sender moves it on, so a queue nobody drains ends growing by itself.
    Column("open_until", BigInteger, nullable=False),
    Column("queued_periods", BigInteger, nullable=False),
    Column("oldest_queued_at", BigInteger),
    Column("counted_at", Float),
    Column("swept_at", Float),
    Column("last_success_at", Float),
    Column("retry_at", Float),
    Column("tries", Integer, nullable=False),  # that failed in a row
    Column("failing_since", Float),
    Column("last_error", String(256)),
    Column("dropping_since", Float),
    Column("refused_at", Float),  # when samples were last refused for good
)
