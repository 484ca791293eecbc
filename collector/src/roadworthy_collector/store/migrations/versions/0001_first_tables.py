"""The first tables: the organisation, credentials, facts, totals and what the jobs make of them.

Longer than other modules: a migration is one step, never edited once released, and holds every table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table, parents before children."""
    _organisation()
    _enrolment_keys()
    _devices()
    _credentials()
    _latest()
    _periods()
    _states()
    _energy()
    _gaps()
    _records()
    _totals()
    _counts()
    _books()
    _work()


def downgrade() -> None:
    """Refuse: there is nothing before this."""
    raise NotImplementedError("restore the backup made before the upgrade")


def _organisation() -> None:
    """Make what this database is, units, sites."""
    op.create_table(
        "estate",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_estate"),
    )
    op.create_table(
        "units",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("parent", sa.BigInteger()),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger()),
        sa.ForeignKeyConstraint(["parent"], ["units.id"], name="fk_units_parent"),
        sa.PrimaryKeyConstraint("id", name="pk_units"),
        sa.UniqueConstraint("name", name="uq_units_name"),
    )
    op.create_table(
        "sites",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sites"),
        sa.UniqueConstraint("name", name="uq_sites_name"),
    )


def _enrolment_keys() -> None:
    """Make who may enrol."""
    op.create_table(
        "enrol_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("site", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=256)),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("max_uses", sa.Integer()),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name="fk_enrol_keys_site"),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name="fk_enrol_keys_unit"),
        sa.PrimaryKeyConstraint("id", name="pk_enrol_keys"),
    )


def _devices() -> None:
    """Make the things that report."""
    op.create_table(
        "devices",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("site", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("enrol_key", sa.String(length=16)),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("last_report_at", sa.BigInteger()),
        sa.Column("next_call_seconds", sa.Integer()),
        sa.Column("retired_at", sa.BigInteger()),
        sa.Column("instance", sa.String(length=16)),
        sa.Column("seq", sa.BigInteger()),
        sa.Column("boot_id", sa.String(length=64)),
        sa.Column("agent_version", sa.String(length=64)),
        sa.Column("platform", sa.String(length=16)),
        sa.Column("hostname", sa.String(length=256)),
        sa.Column("serial", sa.String(length=256)),
        sa.Column("asset_tag", sa.String(length=256)),
        sa.Column("vendor", sa.String(length=256)),
        sa.Column("model", sa.String(length=256)),
        sa.Column("device_class", sa.String(length=16), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("os_name", sa.String(length=256)),
        sa.Column("os_version", sa.String(length=256)),
        sa.Column("system_medium", sa.String(length=16), nullable=False),
        sa.Column("facts", sa.JSON()),
        sa.Column("facts_at", sa.BigInteger()),
        sa.Column("latest_sent_at", sa.Float()),
        sa.Column("facts_sent_at", sa.Float()),
        sa.Column("probes_sent_at", sa.Float()),
        sa.Column("agent", sa.JSON()),
        sa.Column("fingerprint", sa.JSON()),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name="fk_devices_site"),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name="fk_devices_unit"),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.UniqueConstraint("device_id", name="uq_devices_device_id"),
    )
    op.create_index("ix_devices_asset_tag", "devices", ["asset_tag"])
    op.create_index("ix_devices_hostname", "devices", ["hostname"])
    op.create_index("ix_devices_last_report_at", "devices", ["last_report_at"])
    op.create_index("ix_devices_serial", "devices", ["serial"])
    op.create_index("ix_devices_site", "devices", ["site"])


def _credentials() -> None:
    """Make who may report, scrape and sign in."""
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("first_used_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revoked_as", sa.String(length=16)),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_tokens_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_device", "tokens", ["device"])
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password_argon2", sa.String(length=256), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "sessions",
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_sessions_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("secret_sha256", name="pk_sessions"),
    )
    op.create_table(
        "scrape_tokens",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_scrape_tokens"),
    )


def _latest() -> None:
    """Make the latest word of each device."""
    op.create_table(
        "device_now",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("observed_seconds", sa.Integer(), nullable=False),
        sa.Column("uptime_seconds", sa.Float()),
        sa.Column("cpu_ratio", sa.Float()),
        sa.Column("memory_ratio", sa.Float()),
        sa.Column("now", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_device_now_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", name="pk_device_now"),
    )
    op.create_table(
        "probe_status",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("probe", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=256)),
        sa.Column("source", sa.String(length=256)),
        sa.Column("missing", sa.JSON()),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name="fk_probe_status_device", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "probe", name="pk_probe_status"),
    )


def _periods() -> None:
    """Make settlement periods."""
    op.create_table(
        "periods",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("observed_seconds", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("cpu_mean_ratio", sa.Float()),
        sa.Column("cpu_p95_ratio", sa.Float()),
        sa.Column("cpu_quality", sa.String(length=16)),
        sa.Column("cpu_source", sa.String(length=128)),
        sa.Column("memory_mean_ratio", sa.Float()),
        sa.Column("memory_p95_ratio", sa.Float()),
        sa.Column("memory_quality", sa.String(length=16)),
        sa.Column("memory_source", sa.String(length=128)),
        sa.Column("content_hash", sa.LargeBinary(length=8), nullable=False),
        sa.Column("incomplete", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_periods_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "start", name="pk_periods"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_periods_start", "periods", ["start"])


def _states() -> None:
    """Make device state per settlement period."""
    op.create_table(
        "state_periods",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("in_use_seconds", sa.Integer(), nullable=False),
        sa.Column("idle_seconds", sa.Integer(), nullable=False),
        sa.Column("locked_seconds", sa.Integer(), nullable=False),
        sa.Column("asleep_seconds", sa.Integer(), nullable=False),
        sa.Column("off_seconds", sa.Integer(), nullable=False),
        sa.Column("unobserved_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "in_use_seconds + idle_seconds + locked_seconds + asleep_seconds + off_seconds + unobserved_seconds = 1800",
            name=op.f("ck_state_periods_sum"),
        ),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name="fk_state_periods_device", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "start", name="pk_state_periods"),
        sqlite_with_rowid=False,
    )


def _energy() -> None:
    """Make energy per settlement period and scope."""
    op.create_table(
        "energy_periods",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("joules", sa.BigInteger(), nullable=False),
        sa.Column("counter_end_joules", sa.BigInteger(), nullable=False),
        sa.Column("covered_seconds", sa.Integer()),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("relative_error", sa.Float()),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name="fk_energy_periods_device", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "scope", "start", name="pk_energy_periods"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_energy_periods_start", "energy_periods", ["start"])


def _gaps() -> None:
    """Make gaps."""
    op.create_table(
        "gaps",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("begin", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=64)),
        sa.Column("content_hash", sa.LargeBinary(length=8), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_gaps_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "begin", name="pk_gaps"),
    )


def _records() -> None:
    """Make start-ups and sign-ins."""
    op.create_table(
        "startups",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("start_id", sa.String(length=96), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("total_seconds", sa.Float()),
        sa.Column("usable_seconds", sa.Float()),
        sa.Column("attended", sa.Boolean()),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=256)),
        sa.Column("source", sa.String(length=128)),
        sa.Column("phases", sa.JSON(), nullable=False),
        sa.Column("factors", sa.JSON(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=8), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_startups_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "start_id", name="pk_startups"),
    )
    op.create_index("ix_startups_started_at", "startups", ["started_at"])
    op.create_index("ix_startups_device_started_at", "startups", ["device", "started_at"])
    op.create_table(
        "signins",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("signin_id", sa.String(length=96), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("total_seconds", sa.Float()),
        sa.Column("usable_seconds", sa.Float()),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=8), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_signins_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "signin_id", name="pk_signins"),
    )


def _totals() -> None:
    """Make daily totals and what they wait for."""
    op.create_table(
        "days",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("periods", sa.Integer(), nullable=False),
        sa.Column("observed_seconds", sa.Integer(), nullable=False),
        sa.Column("cpu_mean_ratio", sa.Float()),
        sa.Column("memory_mean_ratio", sa.Float()),
        sa.Column("in_use_seconds", sa.Integer(), nullable=False),
        sa.Column("idle_seconds", sa.Integer(), nullable=False),
        sa.Column("locked_seconds", sa.Integer(), nullable=False),
        sa.Column("asleep_seconds", sa.Integer(), nullable=False),
        sa.Column("off_seconds", sa.Integer(), nullable=False),
        sa.Column("unobserved_seconds", sa.Integer(), nullable=False),
        sa.Column("startups", sa.Integer(), nullable=False),
        sa.Column("startup_seconds_sum", sa.Float()),
        sa.Column("startup_seconds_max", sa.Float()),
        sa.Column("joules", sa.JSON()),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_days_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "day", name="pk_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_days_day", "days", ["day"])
    op.create_table(
        "local_days",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("half_hours", sa.Integer(), nullable=False),
        sa.Column("site", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("periods", sa.Integer(), nullable=False),
        sa.Column("observed_seconds", sa.Integer(), nullable=False),
        sa.Column("cpu_mean_ratio", sa.Float()),
        sa.Column("memory_mean_ratio", sa.Float()),
        sa.Column("in_use_seconds", sa.Integer(), nullable=False),
        sa.Column("idle_seconds", sa.Integer(), nullable=False),
        sa.Column("locked_seconds", sa.Integer(), nullable=False),
        sa.Column("asleep_seconds", sa.Integer(), nullable=False),
        sa.Column("off_seconds", sa.Integer(), nullable=False),
        sa.Column("unobserved_seconds", sa.Integer(), nullable=False),
        sa.Column("startups", sa.Integer(), nullable=False),
        sa.Column("startup_seconds_sum", sa.Float()),
        sa.Column("startup_seconds_max", sa.Float()),
        sa.Column("joules", sa.JSON()),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_local_days_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "date", name="pk_local_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_local_days_date", "local_days", ["date"])
    op.create_table(
        "dirty",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_dirty_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device", "day", name="pk_dirty"),
        sqlite_with_rowid=False,
    )


def _counts() -> None:
    """Make counts that only grow."""
    op.create_table(
        "histograms",
        sa.Column("metric", sa.String(length=64), nullable=False),
        sa.Column("grouping", sa.String(length=8), nullable=False),
        sa.Column("member", sa.String(length=256), nullable=False),
        sa.Column("bucket", sa.Float(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "grouping", "member", "bucket", name="pk_histograms"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name="pk_counters"),
    )


def _books() -> None:
    """Make what was refused and who did what."""
    op.create_table(
        "quarantine",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("device", sa.BigInteger()),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("field", sa.String(length=128)),
        sa.Column("content", sa.JSON()),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_quarantine_device", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
        sa.UniqueConstraint("device", "item", "key", "code", name="uq_quarantine_device_item_key_code"),
    )
    op.create_index("ix_quarantine_device", "quarantine", ["device"])
    op.create_table(
        "audit",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128)),
        sa.Column("detail", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )


def _work() -> None:
    """Make what the jobs process makes."""
    op.create_table(
        "charts",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("drawn_at", sa.BigInteger()),
        sa.Column("svg", sa.Text()),
        sa.Column("error", sa.String(length=256)),
        sa.PrimaryKeyConstraint("hash", name="pk_charts"),
    )
    op.create_index("ix_charts_drawn_at", "charts", ["drawn_at"])
    op.create_table(
        "snapshots",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_snapshots"),
    )
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("last_started_at", sa.Float()),
        sa.Column("last_finished_at", sa.Float()),
        sa.Column("last_success_at", sa.Float()),
        sa.Column("last_duration_seconds", sa.Float()),
        sa.Column("longest_transaction_seconds", sa.Float()),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.String(length=256)),
        sa.PrimaryKeyConstraint("name", name="pk_jobs"),
    )
