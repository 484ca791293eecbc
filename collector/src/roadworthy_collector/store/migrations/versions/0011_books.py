"""The books: register, imports, contracts, ledger, exceptions, ratings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _organisation_and_register()
    _imports()
    _judgements()
    _outcomes()
    _systems()


def _organisation_and_register() -> None:
    op.create_table(
        "batches",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("file_name", sa.String(256)),
        sa.Column("file_sha256", sa.String(64)),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("rows_good", sa.Integer(), nullable=False),
        sa.Column("rows_bad", sa.Integer(), nullable=False),
        sa.Column("problems", sa.JSON()),
        sa.Column("undone_at", sa.BigInteger()),
        sa.Column("undone_by", sa.String(128)),
        sa.Column("unfinished", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_kind_made_at", "batches", ["kind", "made_at"])
    op.create_table(
        "unit_places",
        sa.Column("unit", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("valid_from", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("valid_to", sa.Integer()),
        sa.Column("name", sa.String(128)),
        sa.Column("parent", sa.BigInteger()),
        sa.Column("merged_into", sa.BigInteger()),
        sa.ForeignKeyConstraint(["merged_into"], ["units.id"], name=op.f("fk_unit_places_merged_into")),
        sa.ForeignKeyConstraint(["parent"], ["units.id"], name=op.f("fk_unit_places_parent")),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name=op.f("fk_unit_places_unit"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("unit", "valid_from", name=op.f("pk_unit_places")),
    )
    op.create_table(
        "cost_centres",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128)),
        sa.Column("unit", sa.BigInteger()),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name=op.f("fk_cost_centres_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_centres")),
        sa.UniqueConstraint("code", name=op.f("uq_cost_centres_code")),
    )
    op.create_table(
        "systems",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("unit", sa.BigInteger()),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name=op.f("fk_systems_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_systems")),
        sa.UniqueConstraint("name", name=op.f("uq_systems_name")),
    )
    op.create_table(
        "register_items",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("tag", sa.String(64)),
        sa.Column("serial", sa.String(128)),
        sa.Column("uuid", sa.String(36)),
        sa.Column("macs", sa.JSON()),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("manufacturer", sa.String(128)),
        sa.Column("model", sa.String(128)),
        sa.Column("model_number", sa.String(128)),
        sa.Column("lifecycle_state", sa.String(24), nullable=False),
        sa.Column("usage_profile", sa.String(24), nullable=False),
        sa.Column("unit", sa.BigInteger()),
        sa.Column("cost_centre", sa.BigInteger()),
        sa.Column("command", sa.String(128)),
        sa.Column("site", sa.BigInteger()),
        sa.Column("legal_owner", sa.String(128)),
        sa.Column("supplier", sa.String(128)),
        sa.Column("order_number", sa.String(64)),
        sa.Column("system", sa.BigInteger()),
        sa.Column("purchased", sa.Integer()),
        sa.Column("purchase_cost_pence", sa.BigInteger()),
        sa.Column("lease_end", sa.Integer()),
        sa.Column("warranty_start", sa.Integer()),
        sa.Column("warranty_end", sa.Integer()),
        sa.Column("warranty_level", sa.String(128)),
        sa.Column("planned_end", sa.Integer()),
        sa.Column("os_name", sa.String(128)),
        sa.Column("os_version", sa.String(128)),
        sa.Column("last_seen", sa.Integer()),
        sa.Column("notes", sa.Text()),
        sa.Column("bios_date", sa.Integer()),
        sa.Column("disposed_on", sa.Integer()),
        sa.Column("batch", sa.BigInteger()),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cost_centre"], ["cost_centres.id"], name=op.f("fk_register_items_cost_centre")
        ),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name=op.f("fk_register_items_unit")),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_register_items_batch"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["system"], ["systems.id"], name=op.f("fk_register_items_system")),
        sa.ForeignKeyConstraint(["site"], ["sites.id"], name=op.f("fk_register_items_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_items")),
        sa.UniqueConstraint("tag", name=op.f("uq_register_items_tag")),
    )
    op.create_index("ix_register_items_lifecycle_state", "register_items", ["lifecycle_state"])
    op.create_index("ix_register_items_serial", "register_items", ["serial"])
    op.create_index("ix_register_items_site", "register_items", ["site"])
    op.create_index("ix_register_items_unit", "register_items", ["unit"])
    op.create_index("ix_register_items_uuid", "register_items", ["uuid"])
    op.create_table(
        "register_devices",
        sa.Column("item", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("device", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("valid_from", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("valid_to", sa.Integer()),
        sa.Column("matched_on", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name=op.f("fk_register_devices_device"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["item"], ["register_items.id"], name=op.f("fk_register_devices_item"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item", "device", "valid_from", name=op.f("pk_register_devices")),
    )
    op.create_index("ix_register_devices_device", "register_devices", ["device"])
    op.create_table(
        "register_changes",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_register_changes_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_changes")),
    )
    op.create_index("ix_register_changes_batch", "register_changes", ["batch"])
    op.create_index("ix_register_changes_item", "register_changes", ["item"])


def _imports() -> None:
    op.create_table(
        "mdm_devices",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("mdm_id", sa.String(64)),
        sa.Column("name", sa.String(128)),
        sa.Column("serial", sa.String(128)),
        sa.Column("uuid", sa.String(36)),
        sa.Column("tag", sa.String(64)),
        sa.Column("macs", sa.JSON()),
        sa.Column("manufacturer", sa.String(128)),
        sa.Column("model", sa.String(128)),
        sa.Column("os_name", sa.String(128)),
        sa.Column("os_version", sa.String(128)),
        sa.Column("edition", sa.String(64)),
        sa.Column("last_check_in", sa.Integer()),
        sa.Column("upgrade_eligibility", sa.String(16)),
        sa.Column("scores", sa.JSON()),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_mdm_devices_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mdm_devices")),
    )
    op.create_index("ix_mdm_devices_batch", "mdm_devices", ["batch"])
    op.create_index("ix_mdm_devices_serial", "mdm_devices", ["serial"])
    op.create_table(
        "warranties",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.String(128), nullable=False),
        sa.Column("starts", sa.Integer()),
        sa.Column("ends", sa.Integer()),
        sa.Column("level", sa.String(128)),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_warranties_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warranties")),
    )
    op.create_index("ix_warranties_serial", "warranties", ["serial"])
    op.create_table(
        "contracts",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(64)),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("supplier", sa.String(128)),
        sa.Column("starts", sa.Integer()),
        sa.Column("ends", sa.Integer()),
        sa.Column("notice", sa.Integer()),
        sa.Column("value_pence_per_year", sa.BigInteger()),
        sa.Column("system", sa.BigInteger()),
        sa.Column("replaced_by", sa.String(64)),
        sa.Column("unit", sa.BigInteger()),
        sa.Column("cost_centre", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_contracts_batch"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["cost_centre"], ["cost_centres.id"], name=op.f("fk_contracts_cost_centre")),
        sa.ForeignKeyConstraint(["unit"], ["units.id"], name=op.f("fk_contracts_unit")),
        sa.ForeignKeyConstraint(["system"], ["systems.id"], name=op.f("fk_contracts_system")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
    )
    op.create_index("ix_contracts_ends", "contracts", ["ends"])
    op.create_table(
        "ledger_lines",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("financial_year", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer()),
        sa.Column("cost_centre", sa.String(64)),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_ledger_lines_batch"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_lines")),
    )
    op.create_index("ix_ledger_lines_batch", "ledger_lines", ["batch"])
    op.create_index(
        "ix_ledger_lines_financial_year_cost_centre", "ledger_lines", ["financial_year", "cost_centre"]
    )
    op.create_table(
        "ledger_corrections",
        sa.Column("line_hash", sa.LargeBinary(16), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("line_hash", name=op.f("pk_ledger_corrections")),
    )


def _judgements() -> None:
    op.create_table(
        "rule_editions",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_editions")),
    )
    op.create_index("ix_rule_editions_name_id", "rule_editions", ["name", "id"])
    op.create_table(
        "exceptions",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("item", sa.BigInteger()),
        sa.Column("device", sa.BigInteger()),
        sa.Column("rules", sa.JSON()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("approver", sa.String(128), nullable=False),
        sa.Column("begins", sa.Integer(), nullable=False),
        sa.Column("expires", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["item"], ["register_items.id"], name=op.f("fk_exceptions_item"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name=op.f("fk_exceptions_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exceptions")),
    )
    op.create_index("ix_exceptions_expires", "exceptions", ["expires"])
    op.create_table(
        "match_decisions",
        sa.Column("one", sa.String(160), nullable=False),
        sa.Column("other", sa.String(160), nullable=False),
        sa.Column("same", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("one", "other", name=op.f("pk_match_decisions")),
    )
    op.create_table(
        "ratings",
        sa.Column("device", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("verdict", sa.String(24), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("not_judged", sa.JSON()),
        sa.Column("excepted", sa.Integer(), nullable=False),
        sa.Column("rules", sa.String(64), nullable=False),
        sa.Column("rated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["devices.id"], name=op.f("fk_ratings_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_ratings")),
    )
    op.create_index("ix_ratings_verdict", "ratings", ["verdict"])
    op.create_table(
        "book_figures",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_book_figures")),
    )
    op.create_table(
        "disposals",
        sa.Column("item", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("batch", sa.BigInteger()),
        sa.Column("left", sa.Integer()),
        sa.Column("weight_grams", sa.Integer()),
        sa.Column("weee_category", sa.Integer()),
        sa.Column("stores_data", sa.Boolean()),
        sa.Column("route", sa.String(24), nullable=False),
        sa.Column("certificate", sa.String(128)),
        sa.Column("certificate_date", sa.Integer()),
        sa.Column("proceeds_pence", sa.BigInteger()),
        sa.Column("cost_pence", sa.BigInteger()),
        sa.Column("contractor", sa.String(128)),
        sa.ForeignKeyConstraint(
            ["batch"], ["batches.id"], name=op.f("fk_disposals_batch"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["item"], ["register_items.id"], name=op.f("fk_disposals_item"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_disposals")),
    )


def _systems() -> None:
    op.create_table(
        "system_scores",
        sa.Column("system", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("criterion", sa.String(8), nullable=False),
        sa.Column("framework", sa.String(64), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("remark", sa.Text()),
        sa.Column("assessor", sa.String(128), nullable=False),
        sa.Column("assessed_on", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["system"], ["systems.id"], name=op.f("fk_system_scores_system"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("system", "criterion", name=op.f("pk_system_scores")),
    )
    op.create_table(
        "benefits",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("system", sa.BigInteger()),
        sa.Column("claimant", sa.String(128), nullable=False),
        sa.Column("cashable", sa.Boolean(), nullable=False),
        sa.Column("cost_centre", sa.BigInteger()),
        sa.Column("decommissioned", sa.Integer()),
        sa.Column("years", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["cost_centre"], ["cost_centres.id"], name=op.f("fk_benefits_cost_centre")),
        sa.ForeignKeyConstraint(["system"], ["systems.id"], name=op.f("fk_benefits_system")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benefits")),
        sa.UniqueConstraint("reference", name=op.f("uq_benefits_reference")),
    )


def _outcomes() -> None:
    op.create_table(
        "import_ratings",
        sa.Column("side", sa.String(8), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("verdict", sa.String(24), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("not_judged", sa.JSON()),
        sa.Column("excepted", sa.Integer(), nullable=False),
        sa.Column("rules", sa.String(64), nullable=False),
        sa.Column("rated_at", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger()),
        sa.Column("site", sa.BigInteger()),
        sa.PrimaryKeyConstraint("side", "record", name=op.f("pk_import_ratings")),
    )
    op.create_index("ix_import_ratings_verdict", "import_ratings", ["verdict"])
    op.create_table(
        "reconciled",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.String(16), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("unit", sa.BigInteger()),
        sa.Column("item", sa.BigInteger()),
        sa.Column("mdm", sa.BigInteger()),
        sa.Column("device", sa.BigInteger()),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciled")),
    )
    op.create_index("ix_reconciled_run_place_state_unit", "reconciled", ["run", "place", "state", "unit"])
    op.create_index("ix_reconciled_item", "reconciled", ["item"])
    op.create_index("ix_reconciled_device", "reconciled", ["device"])
