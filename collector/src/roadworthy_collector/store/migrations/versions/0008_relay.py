"""What a relay has still to forward, and the devices it forwards for; whose files a main collector reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Add; nothing held is changed."""
    op.add_column("devices", sa.Column("relayed_by", sa.String(length=128)))
    _relay()
    _main()


def _relay() -> None:
    """Make what a relay keeps."""
    op.create_table(
        "relay_devices",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("upstream_device_id", sa.String(length=40)),
        sa.Column("token", sa.LargeBinary()),
        sa.Column("next_token", sa.LargeBinary()),
        sa.Column("enrolled_at", sa.BigInteger()),
        sa.Column("restricted", sa.Boolean()),
        sa.Column("stopped", sa.String(length=32)),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("tried_at", sa.Float(), nullable=False),
        sa.Column("policy", sa.String(length=32)),
        sa.Column("gaps", _JSON),
        sa.Column("refused_items", sa.BigInteger(), nullable=False),
        sa.Column("last_refusal", sa.String(length=256)),
        _to_devices("relay_devices"),
        sa.PrimaryKeyConstraint("device", name="pk_relay_devices"),
    )
    op.create_table(
        "relay_outbox",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("passing", sa.Boolean(), nullable=False),
        sa.Column("file", sa.BigInteger()),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _to_devices("relay_outbox"),
        sa.PrimaryKeyConstraint("id", name="pk_relay_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_relay_outbox_device_id", "relay_outbox", ["device", "id"])
    op.create_index("ix_relay_outbox_device_passing", "relay_outbox", ["device", "passing"])
    op.create_index("ix_relay_outbox_received_at_bytes", "relay_outbox", ["received_at", "bytes"])
    op.create_index("ix_relay_outbox_file", "relay_outbox", ["file"])
    op.create_table(
        "relay_files",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.BigInteger()),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64)),
        sa.Column("acknowledged_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("sequence", name="pk_relay_files"),
    )
    op.create_table(
        "relay_state",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_relay_state"),
    )


def _main() -> None:
    """Make what the reader of a relay's files keeps."""
    op.create_table(
        "relay_trust",
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("relay", sa.String(length=16), nullable=False),
        sa.Column("site", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name="fk_relay_trust_site"),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name="fk_relay_trust_unit"),
        sa.PrimaryKeyConstraint("public_key", name="pk_relay_trust"),
        sa.UniqueConstraint("name", name="uq_relay_trust_name"),
    )
    op.create_table(
        "relay_members",
        sa.Column("relay", sa.String(length=16), nullable=False),
        sa.Column("local_device_id", sa.String(length=40), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        _to_devices("relay_members"),
        sa.PrimaryKeyConstraint("relay", "local_device_id", name="pk_relay_members"),
    )
    op.create_index("ix_relay_members_device", "relay_members", ["device"])
    op.create_table(
        "relay_imports",
        sa.Column("relay", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("relay", "sequence", name="pk_relay_imports"),
    )


def _to_devices(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["device"], ["devices.id"], name=f"fk_{table}_device", ondelete="CASCADE")
