"""Batteries and disks beside the facts they come from, and how large a group of devices is without a scan."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Of two parts that go by one name the first counts, as in ingest.
_BATTERIES = """
INSERT OR IGNORE INTO batteries (device, name, health_ratio, cycles)
SELECT devices.id, json_extract(value, '$.name'), json_extract(value, '$.health_ratio'),
       json_extract(value, '$.cycles')
FROM devices, json_each(devices.facts, '$.battery') ORDER BY devices.id, json_each.id
"""
_DISKS = """
INSERT OR IGNORE INTO disks (device, name, medium, holds_system, wear_ratio, failing)
SELECT devices.id, json_extract(value, '$.name'), coalesce(json_extract(value, '$.medium'), 'unknown'),
       json_extract(value, '$.holds_system'), json_extract(value, '$.wear_ratio'),
       json_extract(value, '$.failing')
FROM devices, json_each(devices.facts, '$.storage') ORDER BY devices.id, json_each.id
"""


def upgrade() -> None:
    """Add, and fill from the facts held; nothing held is changed."""
    op.create_table(
        "batteries",
        _device(),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("health_ratio", sa.Float()),
        sa.Column("cycles", sa.BigInteger()),
        _to_devices("batteries"),
        sa.PrimaryKeyConstraint("device", "name", name="pk_batteries"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "disks",
        _device(),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("medium", sa.String(length=16), nullable=False),
        sa.Column("holds_system", sa.Boolean()),
        sa.Column("wear_ratio", sa.Float()),
        sa.Column("failing", sa.Boolean()),
        _to_devices("disks"),
        sa.PrimaryKeyConstraint("device", "name", name="pk_disks"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":  # no PostgreSQL database is older than this
        op.execute(_BATTERIES)
        op.execute(_DISKS)
    op.create_index("ix_devices_unit", "devices", ["unit"])
    op.create_index("ix_devices_model", "devices", ["model"])
    op.create_index("ix_devices_os_name_os_version", "devices", ["os_name", "os_version"])


def _device() -> sa.Column[int]:
    return sa.Column("device", sa.BigInteger(), nullable=False)


def _to_devices(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["device"], ["devices.id"], name=f"fk_{table}_device", ondelete="CASCADE")
