"""An IT estate in a database of its own for each test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL
from support import postgres
from support.estates import NOW, Estate, make_database

from roadworthy_collector.store.engine import open_engine, require_estate

# The contract of the store is one suite: what takes an estate or an engine runs on both databases.
STORES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.needs("postgresql")),
]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "roadworthy.db"
    make_database(path)
    return path


@pytest.fixture
def server_database() -> Iterator[URL]:
    """Yield the URL of a PostgreSQL database at this program's schema."""
    url = postgres.fresh_database()
    yield url
    postgres.give_back(url)


@pytest.fixture(params=STORES)
def estate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Estate]:
    if request.param == "sqlite":
        path = tmp_path / "roadworthy.db"
        shutil.copy(request.getfixturevalue("empty_database"), path)
        estate = Estate(open_engine(path), path)
    else:
        url: URL = request.getfixturevalue("server_database")
        estate = Estate(open_engine(url), tmp_path / "roadworthy.db", url)
        require_estate(estate.engine, simulated=False)
    yield estate
    estate.engine.dispose()


@pytest.fixture
def now() -> float:
    return NOW
