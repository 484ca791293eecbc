"""Triggers that let the audit only grow, whoever writes to the database.

A row may leave only while table `audit_chain` holds a row `pruning`, and only up to the id that row names:
`store.queries.audit.prune` writes it, deletes, and takes it away again, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
STATEMENTS: Mapping[str, tuple[str, ...]] = MappingProxyType({"sqlite": _SQLITE, "postgresql": _POSTGRESQL})
