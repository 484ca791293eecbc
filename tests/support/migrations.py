"""A database one version ahead of the program, for tests of what happens then."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadworthy_collector.store import upgrade as store
from roadworthy_collector.store.engine import Database

REVISION = "0999"
# What a version that only adds does: a column, with a default, of a table every report writes to, and a table.
ADDS = """
    op.add_column('devices', sa.Column('more', sa.Text(), server_default='none'))
    op.create_table('more', sa.Column('id', sa.Integer(), primary_key=True))
"""


def copied(folder: Path, steps: str = ADDS) -> Path:
    """Return a copy of the migrations with one more, whose `upgrade` does `steps`."""
    own = Path(store.__file__).parent / "migrations"
    (folder / "versions").mkdir(parents=True)
    for path in (own / "env.py", *own.glob("versions/[0-9]*.py")):
        (folder / path.relative_to(own)).write_text(path.read_text())
    (folder / "versions" / f"{REVISION}_more.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        f"revision = {REVISION!r}\ndown_revision = {store.head_revision()!r}\ndef upgrade():\n{steps}"
    )
    return folder


def with_one_more(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    database: Database,
    *,
    steps: str = ADDS,
    runs_from: str | None = None,
) -> None:
    """Upgrade `database` as the next version would, whose oldest fellow program is of schema `runs_from`."""
    migrations = copied(folder / "migrations", steps)
    with monkeypatch.context() as patched:
        patched.setattr(store, "_MIGRATIONS", migrations)
        if runs_from is not None:
            patched.setattr(store, "RUNS_FROM", runs_from)
        store.upgrade(database)
