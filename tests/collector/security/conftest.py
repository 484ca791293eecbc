"""A small database, and the whole collector on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.estates import NOW, Estate, make_database
from support.web import Client, client_of

from roadworthy_collector.store.engine import open_engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    make_database(tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    yield engine
    engine.dispose()


@pytest.fixture
def device_id(engine: Engine, tmp_path: Path) -> str:
    estate = Estate(engine, tmp_path / "roadworthy.db")
    return estate.device_id(estate.device(hostname="HQ-1", facts={}))


@pytest.fixture
def client(engine: Engine, tmp_path: Path) -> Iterator[Client]:
    client = client_of(engine, tmp_path, NOW)
    yield client
    client.close()
