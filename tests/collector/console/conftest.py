"""The sample estate, built once; tests that write get a copy of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support import console_sample
from support.console_sample import NOW
from support.web import Client, client_of

from roadworthy_collector.store.engine import open_engine


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "roadworthy.db"
    console_sample.make(path, NOW).dispose()
    return path


@pytest.fixture
def engine(sample: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(sample, tmp_path / "roadworthy.db")
    engine = open_engine(tmp_path / "roadworthy.db")
    yield engine
    engine.dispose()


@pytest.fixture
def client(engine: Engine, tmp_path: Path) -> Iterator[Client]:
    client = client_of(engine, tmp_path, NOW)
    yield client
    client.close()
