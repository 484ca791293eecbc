"""Indexes pages are answered from at 100,000 devices (docs/decisions/0026).

What lists narrow and sort by, names as they are searched for, and the lengths of start-ups, each without a look at the
wide rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_LISTED = (
    "last_report_at",
    "site",
    "unit",
    "device_class",
    "model",
    "hostname",
    "retired_at",
    "next_call_seconds",
    "enrolled_at",
)


def upgrade() -> None:
    """Make the new ones and take away those they hold."""
    op.create_index("ix_devices_listed", "devices", list(_LISTED))
    op.drop_index("ix_devices_last_report_at", "devices")
    for name in ("hostname", "serial", "asset_tag"):
        op.create_index(
            f"ix_devices_lower_{name}",
            "devices",
            [sa.func.lower(sa.column(name)).label(f"lower_{name}")],
            postgresql_ops={f"lower_{name}": "text_pattern_ops"},
        )
    op.create_index(
        "ix_startups_lengths", "startups", ["device", "started_at", "kind", "final", "total_seconds"]
    )
    op.drop_index("ix_startups_device_started_at", "startups")
