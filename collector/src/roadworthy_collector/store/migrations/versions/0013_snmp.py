"""Devices asked over the network: how polls go, energy by outlet, what feeds what, what is counted once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Make the tables."""
    _targets()
    _feeds()
    _outlets()
    op.create_table(
        "energy_overlaps",
        sa.Column("month", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("feeder", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("outlet", sa.String(64), nullable=False),
        sa.Column("fed", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("joules", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "feeder", "outlet", "fed", "why", name=op.f("pk_energy_overlaps")),
        sqlite_with_rowid=False,
    )


def _targets() -> None:
    op.create_table(
        "snmp_targets",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("device", sa.BigInteger()),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("protocol", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False, server_default="other"),
        sa.Column("profile", sa.String(64)),
        sa.Column("outcome", sa.String(16), nullable=False, server_default="never"),
        sa.Column("reason", sa.String(256)),
        sa.Column("polled_at", sa.BigInteger()),
        sa.Column("succeeded_at", sa.BigInteger()),
        sa.Column("duration_seconds", sa.Float()),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("polls", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("successes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("readings", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("refused", _JSON),
        sa.Column("state", _JSON),
        sa.Column("removed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snmp_targets")),
        sa.UniqueConstraint("name", name=op.f("uq_snmp_targets_name")),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name=op.f("fk_snmp_targets_device"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_snmp_targets_device", "snmp_targets", ["device"])


def _feeds() -> None:
    op.create_table(
        "feeds",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("feeder", sa.BigInteger(), nullable=False),
        sa.Column("outlet", sa.String(64), nullable=False),
        sa.Column("fed", sa.BigInteger()),
        sa.Column("valid_from", sa.Integer(), nullable=False),
        sa.Column("valid_to", sa.Integer()),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("stated_by", sa.String(64)),
        sa.Column("stated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_feeds_span")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.ForeignKeyConstraint(["feeder"], ["devices.id"], name=op.f("fk_feeds_feeder"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["fed"], ["devices.id"], name=op.f("fk_feeds_fed"), ondelete="CASCADE"),
    )
    op.create_index("ix_feeds_feeder", "feeds", ["feeder"])
    op.create_index("ix_feeds_fed", "feeds", ["fed"])


def _outlets() -> None:
    for table, time in (("outlet_half_hours", "start"), ("outlet_days", "date")):
        kind = sa.BigInteger() if time == "start" else sa.Integer()
        op.create_table(
            table,
            sa.Column("device", sa.BigInteger(), nullable=False),
            sa.Column("outlet", sa.String(64), nullable=False),
            sa.Column(time, kind, nullable=False, autoincrement=False),
            sa.Column("joules", sa.BigInteger(), nullable=False),
            sa.Column("covered_seconds", sa.Integer(), nullable=False),
            sa.Column("quality", sa.String(16), nullable=False),
            sa.PrimaryKeyConstraint("device", "outlet", time, name=op.f(f"pk_{table}")),
            sa.ForeignKeyConstraint(
                ["device"], ["devices.id"], name=op.f(f"fk_{table}_device"), ondelete="CASCADE"
            ),
            sqlite_with_rowid=False,
        )
    op.create_index("ix_outlet_half_hours_start", "outlet_half_hours", ["start"])
