"""Half-hours in gaps by device and month: what the energy ledger needs of gaps that are past their own retention.

Gaps that went before this version did so uncounted, so what is left begins somewhere: months before that are not made
anew (`carbon/energy_due.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_DAY_SECONDS = 86_400


def upgrade() -> None:
    """Make the table, and note since when gaps are whole where earlier ones have gone."""
    op.create_table(
        "away_months",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("half_hours", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("month", "device", name=op.f("pk_away_months")),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    first_day = connection.scalar(sa.text("SELECT min(day) FROM days"))
    # Of devices that ever were under a legal hold older ones are there than of all others.
    whole_from = connection.scalar(
        sa.text('SELECT min("end") FROM gaps WHERE device NOT IN (SELECT device FROM hold_devices)')
    )
    if first_day is None or whole_from is None:
        return
    # In an estate whose first gap came in the month of its first facts none has gone yet.
    if _month(int(first_day) * _DAY_SECONDS) < _month(int(whole_from)):
        connection.execute(
            sa.text("INSERT INTO estate (name, value) VALUES ('gaps_whole_from', :value)"),
            {"value": str(int(whole_from))},
        )


def _month(at: int) -> tuple[int, int]:
    day = datetime.fromtimestamp(at, UTC)
    return day.year, day.month
