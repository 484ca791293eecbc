"""SQLite files as the migrations make them: made once a process, copied for every test after that."""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path

from roadworthy_collector.store.engine import open_engine, require_estate
from roadworthy_collector.store.sqlite import make_file
from roadworthy_collector.store.upgrade import upgrade


def make_sqlite(path: Path, *, at: float | None = None, real: bool = False) -> None:
    """Make the empty database `path` as `upgrade` does at the moment `at`; `real` stamps it as no simulation."""
    make_file(path)
    path.write_bytes(_empty(at, real=real))


@functools.cache
def _empty(at: float | None, *, real: bool) -> bytes:
    """Return the bytes of a database; unit `unassigned` is as old as it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "roadworthy.db"
        upgrade(path, clock=time.time if at is None else lambda: at)
        if real:
            engine = open_engine(path)
            require_estate(engine, simulated=False)
            engine.dispose()
        assert not path.with_name("roadworthy.db-wal").exists()  # all of it is in the file
        return path.read_bytes()
