"""Where Alembic enters: it runs the migrations on the connection `store.engine` hands over.

The caller owns the transaction, so a migration that fails leaves nothing behind.
"""

from __future__ import annotations

from alembic import context

from roadworthy_collector.errors import SchemaError
from roadworthy_collector.store import schema

connection = context.config.attributes.get("connection")
if connection is None:
    raise SchemaError("migrations run through `roadworthy db upgrade`, which locks and backs up first")
context.configure(connection=connection, target_metadata=schema.metadata)
context.run_migrations()
