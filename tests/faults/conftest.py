"""Databases for collectors that are harmed; bench/ is no distribution and is put where its ledger can be found."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.conftest import STORES
from faults import disks, servers
from sqlalchemy import URL
from support import postgres

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[URL | None]:
    """Yield the URL of an empty PostgreSQL database, None for SQLite in the data folder."""
    if request.param == "sqlite":
        yield None
        return
    url = postgres.fresh_database(empty=True)
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def harmed_server() -> Iterator[servers.HarmedServer]:
    """Yield a PostgreSQL server of these tests' own, as durable as an administrator runs it."""
    folder = postgres.run_folder() / f"server-{secrets.token_hex(4)}"
    made = servers.HarmedServer(folder)
    made.begin()
    yield made
    if made.runs():
        made.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def server(harmed_server: servers.HarmedServer) -> servers.HarmedServer:
    """Return that server, running again whatever was done to it, with an empty database."""
    harmed_server.renew()
    return harmed_server


@pytest.fixture
def disk() -> Iterator[disks.SmallDisk]:
    """Yield a small disk of the test's own."""
    with disks.mounted(postgres.run_folder() / f"disk-{secrets.token_hex(4)}") as mounted:
        yield mounted
