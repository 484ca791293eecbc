"""An IT estate in a database of its own for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.estates import NOW, Estate, make_database

from roadworthy_collector.store.engine import open_engine


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "roadworthy.db"
    make_database(path)
    return path


@pytest.fixture
def estate(empty_database: Path, tmp_path: Path) -> Iterator[Estate]:
    path = tmp_path / "roadworthy.db"
    shutil.copy(empty_database, path)
    engine = open_engine(path)
    yield Estate(engine, path)
    engine.dispose()


@pytest.fixture
def now() -> float:
    return NOW
