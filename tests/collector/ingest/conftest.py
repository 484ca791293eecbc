"""A database and a device for each ingest test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.conftest import STORES
from collector.ingest.samples import Device, add_device, fresh_database
from sqlalchemy import Engine

from roadworthy_collector.store.engine import open_engine


@pytest.fixture(params=STORES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Yield an engine on a database made by the migrations."""
    if request.param == "sqlite":
        with fresh_database(tmp_path) as engine:
            yield engine
        return
    engine = open_engine(request.getfixturevalue("server_database"))
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """Yield an engine on a SQLite database made by the migrations."""
    with fresh_database(tmp_path) as engine:
        yield engine


@pytest.fixture
def device(engine: Engine) -> Device:
    """Return a device with a token."""
    return add_device(engine)
