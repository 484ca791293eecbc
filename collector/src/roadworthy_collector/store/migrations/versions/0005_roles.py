"""Roles scoped to units, users' tokens, legal holds, erasure, and an audit that only grows."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SQLITE = (
    # Also by REPLACE, which deletes without asking a trigger about it.
    """CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit only grows: rows are neither changed nor deleted'); END""",
    """CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit only grows: rows are neither changed nor deleted'); END""",
    """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_chain WHERE name = 'pruning' AND row_id >= OLD.id)
BEGIN SELECT RAISE(ABORT, 'the audit only grows: rows are neither changed nor deleted'); END""",
)
_POSTGRESQL = (
    """CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' AND EXISTS
    (SELECT 1 FROM audit_chain WHERE name = 'pruning' AND row_id >= OLD.id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit only grows: rows are neither changed nor deleted';
END $$""",
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_only_grows()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()",
)


def upgrade() -> None:
    """Add; users held stay administrators of every unit, rows of the audit held get their hashes."""
    _people()
    _holds_and_erasure()
    _audit()


def _people() -> None:
    """Make what roles are scoped by, and users' tokens."""
    op.add_column("users", _scoped())
    op.add_column("scrape_tokens", _scoped())
    # The one role there was could do everything, and goes on so.
    op.execute("UPDATE users SET role = 'administrator'")
    op.create_table(
        "user_units",
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        _reference("user_units", "user", "users.name"),
        _reference("user_units", "unit", "units.id"),
        sa.PrimaryKeyConstraint("user", "unit", name="pk_user_units"),
    )
    op.create_table(
        "user_tokens",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("note", sa.String(length=256)),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        _reference("user_tokens", "user", "users.name"),
        sa.PrimaryKeyConstraint("id", name="pk_user_tokens"),
    )
    op.create_index("ix_user_tokens_user", "user_tokens", ["user"])
    op.create_table(
        "scrape_token_units",
        sa.Column("token", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        _reference("scrape_token_units", "token", "scrape_tokens.id"),
        _reference("scrape_token_units", "unit", "units.id"),
        sa.PrimaryKeyConstraint("token", "unit", name="pk_scrape_token_units"),
    )


def _holds_and_erasure() -> None:
    """Make legal holds, what is being erased, and what is left of what was."""
    op.create_table(
        "holds",
        sa.Column("id", _ROWID, nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("lapses_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.String(length=64)),
        sa.Column("approved_at", sa.BigInteger()),
        sa.Column("lifted_by", sa.String(length=64)),
        sa.Column("lifted_at", sa.BigInteger()),
        sa.Column("lifted_reason", sa.String(length=512)),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_table(
        "hold_devices",
        sa.Column("hold", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        _reference("hold_devices", "hold", "holds.id"),
        _reference("hold_devices", "device", "devices.id"),
        sa.PrimaryKeyConstraint("hold", "device", name="pk_hold_devices"),
    )
    op.create_index("ix_hold_devices_device", "hold_devices", ["device"])
    op.create_table(
        "erasures",
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        _reference("erasures", "device", "devices.id"),
        sa.PrimaryKeyConstraint("device", name="pk_erasures"),
    )
    op.create_table(
        "anonymous_site_days",
        sa.Column("site", sa.BigInteger(), nullable=False),
        sa.Column("calendar", sa.String(length=8), nullable=False),
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("joules", sa.BigInteger(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "site", "calendar", "date", "scope", "quality", name="pk_anonymous_site_days"
        ),
    )


def _audit() -> None:
    """Chain the rows held, then let none be changed any more."""
    op.add_column("audit", sa.Column("hash", sa.String(length=64)))
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "audit_chain",
        sa.Column("name", sa.String(length=8), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_audit_chain"),
    )
    connection = op.get_bind()
    audit = sa.table(
        "audit",
        *(sa.column(name) for name in ("id", "at", "actor", "action", "subject", "hash")),
        sa.column("detail", sa.JSON()),
    )
    head, newest = "", 0
    for row in connection.execute(sa.select(audit).order_by(audit.c.id)).all():
        head, newest = _hash(head, row), row.id
        connection.execute(audit.update().where(audit.c.id == row.id).values(hash=head))
    chain = sa.table("audit_chain", *(sa.column(name) for name in ("name", "row_id", "hash")))
    connection.execute(
        chain.insert(),
        [{"name": "floor", "row_id": 0, "hash": ""}, {"name": "head", "row_id": newest, "hash": head}],
    )
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)


def _hash(before: str, row: Any) -> str:
    """Return the hash of a row that follows the row of hash `before`."""
    parts = [before, row.at, row.actor, row.action, row.subject, row.detail]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _scoped() -> sa.Column[bool]:
    return sa.Column("scoped", sa.Boolean(), nullable=False, server_default=sa.false())


def _reference(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=f"fk_{table}_{column}", ondelete="CASCADE")
