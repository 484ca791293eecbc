"""What a remote-write receiver has still to get, what it holds, and how sending goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add; all three are empty until a receiver is configured."""
    op.create_table(
        "remote_write_queue",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length_seconds", sa.Integer(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name="fk_remote_write_queue_device", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_remote_write_queue"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_remote_write_queue_device_start", "remote_write_queue", ["device", "start"])
    op.create_table(
        "remote_write_devices",
        sa.Column("device_id", sa.String(length=40), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("series", sa.JSON(), nullable=False),
        sa.Column("silent_after", sa.BigInteger()),
        sa.Column("half_hourly", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_remote_write_devices"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "remote_write_sink",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("open_until", sa.BigInteger(), nullable=False),
        sa.Column("queued_periods", sa.BigInteger(), nullable=False),
        sa.Column("oldest_queued_at", sa.BigInteger()),
        sa.Column("counted_at", sa.Float()),
        sa.Column("swept_at", sa.Float()),
        sa.Column("last_success_at", sa.Float()),
        sa.Column("retry_at", sa.Float()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.Float()),
        sa.Column("last_error", sa.String(length=256)),
        sa.Column("dropping_since", sa.Float()),
        sa.Column("refused_at", sa.Float()),
        sa.PrimaryKeyConstraint("name", name="pk_remote_write_sink"),
    )
