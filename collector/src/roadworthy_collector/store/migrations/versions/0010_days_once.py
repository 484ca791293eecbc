"""Daily totals in narrower rows, and a local day that is a UTC day in `days` alone (docs/decisions/0020, 0026).

Whole days and half-hours are counted instead of seconds, device ids take four bytes, and columns stand by their
alignment, which PostgreSQL otherwise fills up.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_STATES = ("in_use", "idle", "locked", "asleep", "off", "unobserved")


def upgrade() -> None:
    """Make both tables anew and move what they hold."""
    for table in ("days", "local_days"):
        op.rename_table(table, f"old_{table}")
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER TABLE old_{table} RENAME CONSTRAINT pk_{table} TO pk_old_{table}")
    op.create_table(
        "days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        *_device_and_totals(),
        sa.PrimaryKeyConstraint("day", "device", name="pk_days"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "local_days",
        sa.Column("date", sa.Integer(), autoincrement=False, nullable=False),
        *_device_and_totals(sa.Column("start", sa.Integer(), nullable=False)),
        sa.Column("half_hours", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("date", "device", name="pk_local_days"),
        sqlite_with_rowid=False,
    )
    same = ", ".join(column.name for column in _device_and_totals())
    # In the order of the key: SQLite then appends, and PostgreSQL fills its index.
    op.execute(
        f"INSERT INTO days (day, {same}) SELECT day / 86400, {same} FROM old_days ORDER BY day, device"  # noqa: S608 - constants
    )
    op.execute(
        f"INSERT INTO local_days (date, start, half_hours, {same}) "  # noqa: S608 - constants
        f"SELECT date, start / 1800, half_hours, {same} FROM old_local_days "
        "WHERE start <> CAST(date AS BIGINT) * 86400 OR half_hours <> 48 ORDER BY date, device"
    )
    for table in ("days", "local_days"):
        op.drop_table(f"old_{table}")
    if op.get_bind().dialect.name == "postgresql":
        _let_reports_change_no_index()


def _let_reports_change_no_index() -> None:
    """Have PostgreSQL keep a report's new version of its device's row on the same page, without a new entry anywhere.

    That takes room on the page and no index of what each report changes. Facts move out of the row (docs/decisions/0026).
    """
    op.drop_index("ix_devices_listed", "devices")
    op.execute("ALTER TABLE devices SET (fillfactor = 80, toast_tuple_target = 512)")
    # Said anew, or it would stay where it is.
    op.execute("UPDATE devices SET facts = CAST(CAST(facts AS TEXT) AS JSON) WHERE facts IS NOT NULL")


def _device_and_totals(*narrow: sa.Column[Any]) -> list[sa.Column[Any]]:
    """Return the second key column and all that follows, `narrow` among those of four bytes."""
    return [
        sa.Column("device", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("startup_seconds_sum", sa.Float()),
        sa.Column("startup_seconds_max", sa.Float()),
        *narrow,
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("observed_seconds", sa.Integer(), nullable=False),
        *(sa.Column(f"{state}_seconds", sa.Integer(), nullable=False) for state in _STATES),
        sa.Column("periods", sa.SmallInteger(), nullable=False),
        sa.Column("startups", sa.SmallInteger(), nullable=False),
        sa.Column("cpu_mean_ratio", sa.SmallInteger()),
        sa.Column("memory_mean_ratio", sa.SmallInteger()),
        sa.Column("joules", sa.LargeBinary()),
    ]
