"""Rotated tokens, cloned devices and collection policies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add; nothing held is changed. Devices and keys from before have the usage profile `unknown`."""
    for table in ("enrol_keys", "devices"):
        op.add_column(
            table,
            sa.Column("usage_profile", sa.String(length=16), nullable=False, server_default="unknown"),
        )
    op.add_column("devices", sa.Column("cloned_from", sa.String(length=40)))
    op.add_column("devices", sa.Column("identity", sa.Text()))
    op.create_index("ix_devices_cloned_from", "devices", ["cloned_from"])
    op.add_column("tokens", sa.Column("rotate_asked_at", sa.BigInteger()))
