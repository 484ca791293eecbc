"""Device state and energy by the day, battery use, and how long the shutdown before a start-up took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")


def upgrade() -> None:
    """Add; nothing held is changed."""
    op.add_column("startups", sa.Column("shutdown_seconds", sa.Float()))
    op.create_table(
        "state_days",
        _device(),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("observed_seconds", sa.Integer(), nullable=False),
        *(sa.Column(f"{state}_seconds", sa.Integer(), nullable=False) for state in _STATES),
        sa.Column("content_hash", sa.LargeBinary(length=8), nullable=False),
        sa.CheckConstraint(
            "in_use_seconds + idle_seconds + locked_seconds + asleep_seconds + off_seconds + unobserved_seconds"
            " = 86400",
            name=op.f("ck_state_days_sum"),
        ),
        _to_devices("state_days"),
        sa.PrimaryKeyConstraint("device", "day", name="pk_state_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_state_days_day", "state_days", ["day"])
    op.create_table(
        "energy_days",
        _device(),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("joules", sa.BigInteger(), nullable=False),
        sa.Column("counter_end_joules", sa.BigInteger(), nullable=False),
        sa.Column("covered_seconds", sa.Integer()),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("relative_error", sa.Float()),
        _to_devices("energy_days"),
        sa.PrimaryKeyConstraint("device", "scope", "day", name="pk_energy_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_energy_days_day", "energy_days", ["day"])
    op.create_table(
        "battery_use",
        _device(),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length_seconds", sa.Integer(), nullable=False),
        sa.Column("discharge_joules", sa.BigInteger(), nullable=False),
        sa.Column("discharge_seconds", sa.Integer(), nullable=False),
        sa.Column("cpu_joules", sa.BigInteger()),
        sa.Column("source", sa.String(length=128), nullable=False),
        _to_devices("battery_use"),
        sa.PrimaryKeyConstraint("device", "start", "length_seconds", name="pk_battery_use"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_battery_use_start", "battery_use", ["start"])


def _device() -> sa.Column[int]:
    return sa.Column("device", sa.BigInteger(), nullable=False)


def _to_devices(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["device"], ["devices.id"], name=f"fk_{table}_device", ondelete="CASCADE")
