"""Carbon: the energy ledger by month, supplies with meters and tariffs, factor sets, reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Make the tables."""
    _energy()
    _meters()
    _reports()


def _energy() -> None:
    op.create_table(
        "energy_devices",
        sa.Column("month", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("device", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("site", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("unit", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("days", sa.SmallInteger(), nullable=False),
        sa.Column("metered_joules", sa.BigInteger(), nullable=False),
        sa.Column("sensor_joules", sa.BigInteger(), nullable=False),
        sa.Column("modelled_joules", sa.BigInteger(), nullable=False),
        sa.Column("assumed_joules", sa.BigInteger(), nullable=False),
        sa.Column("low_joules", sa.Float(), nullable=False),
        sa.Column("high_joules", sa.Float(), nullable=False),
        sa.Column("unknown_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unused_seconds", sa.BigInteger()),
        sa.PrimaryKeyConstraint("month", "device", "site", "unit", name=op.f("pk_energy_devices")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_energy_devices_device", "energy_devices", ["device"])
    op.create_table(
        "energy_groups",
        sa.Column("month", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("site", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("unit", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("item_class", sa.String(16), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("metered_joules", sa.BigInteger(), nullable=False),
        sa.Column("sensor_joules", sa.BigInteger(), nullable=False),
        sa.Column("modelled_joules", sa.BigInteger(), nullable=False),
        sa.Column("assumed_joules", sa.BigInteger(), nullable=False),
        sa.Column("own_down_squared", sa.Float(), nullable=False),
        sa.Column("own_up_squared", sa.Float(), nullable=False),
        sa.Column("shared", _JSON, nullable=False),
        sa.Column("unknown_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "month", "site", "unit", "item_class", "model", name=op.f("pk_energy_groups")
        ),
    )


def _meters() -> None:
    op.create_table(
        "supplies",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("fuel", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128)),
        sa.Column("settled_half_hourly", sa.Boolean()),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplies")),
        sa.UniqueConstraint("number", name=op.f("uq_supplies_number")),
    )
    op.create_table(
        "supply_sites",
        sa.Column("supply", sa.BigInteger(), nullable=False),
        sa.Column("site", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Integer(), nullable=False),
        sa.Column("valid_to", sa.Integer()),
        sa.Column("tenure", sa.String(16), nullable=False),
        sa.Column("share", sa.Float()),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name=op.f("fk_supply_sites_site")),
        sa.ForeignKeyConstraint(
            ["supply"], ["supplies.id"], name=op.f("fk_supply_sites_supply"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("supply", "site", "valid_from", name=op.f("pk_supply_sites")),
    )
    op.create_table(
        "meter_days",
        sa.Column("supply", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("half_hours", sa.LargeBinary(), nullable=False),
        sa.Column("statuses", sa.String(50), nullable=False),
        sa.Column("kwh_thousandths", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_meter_days_batch"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["supply"], ["supplies.id"], name=op.f("fk_meter_days_supply"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("supply", "day", "channel", name=op.f("pk_meter_days")),
    )
    op.create_index("ix_meter_days_batch", "meter_days", ["batch"])
    op.create_index("ix_meter_days_day", "meter_days", ["day"])
    op.create_table(
        "tariffs",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("supply", sa.BigInteger()),
        sa.Column("fuel", sa.String(16), nullable=False),
        sa.Column("valid_from", sa.Integer(), nullable=False),
        sa.Column("valid_to", sa.Integer()),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(
            ["supply"], ["supplies.id"], name=op.f("fk_tariffs_supply"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariffs")),
    )


def _reports() -> None:
    op.create_table(
        "factor_sets",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("proposed_by", sa.String(128), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger()),
        sa.Column("confirmed_by", sa.String(128)),
        sa.Column("withdrawn_at", sa.BigInteger()),
        sa.Column("withdrawn_by", sa.String(128)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_factor_sets")),
    )
    op.create_index("ix_factor_sets_year", "factor_sets", ["year"])
    op.create_table(
        "carbon_reports",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("content", _JSON),
        sa.Column("steps", _JSON, nullable=False),
        sa.Column("restates", sa.BigInteger()),
        sa.Column("restated_because", sa.Text()),
        sa.Column("pack_name", sa.String(128)),
        sa.Column("pack_sha256", sa.String(64)),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(["restates"], ["carbon_reports.id"], name=op.f("fk_carbon_reports_restates")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carbon_reports")),
    )
    op.create_index("ix_carbon_reports_kind_year", "carbon_reports", ["kind", "year"])
    op.create_table(
        "carbon_journals",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("report", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.String(64), nullable=False),
        sa.Column("kwh_thousandths", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.ForeignKeyConstraint(["report"], ["carbon_reports.id"], name=op.f("fk_carbon_journals_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carbon_journals")),
    )
    op.create_index("ix_carbon_journals_report", "carbon_journals", ["report"])
