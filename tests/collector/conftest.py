"""An IT estate in a database of its own for each test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import functools
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
import typer.testing
from argon2 import PasswordHasher
from sqlalchemy import URL
from support import postgres
from support.estates import NOW, Estate, make_database

from roadworthy_collector.security import passwords
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


@dataclass(frozen=True)
class _Kept:
    """What was put into an empty SQLite database: its file, and the number of the next device."""

    content: bytes
    number: int


def _beside(database: Path) -> set[Path]:
    """Return what else there is in the folder of a database that nobody has open."""
    return {path for path in database.parent.iterdir() if not path.name.startswith(database.name)}


Filling = Callable[[Estate], object]


@pytest.fixture(scope="module")
def kept() -> dict[Filling, _Kept]:
    return {}


@pytest.fixture
def filled_once(estate: Estate, kept: dict[Filling, _Kept]) -> Callable[[Filling], Estate]:
    """Return what fills the test's estate: on SQLite once a file of tests, copied for each test after the first.

    Every test has a database of its own all the same. What fills it writes nothing beside the database.
    """

    def fill(filling: Filling) -> Estate:
        if estate.url is not None:
            filling(estate)
        elif (held := kept.get(filling)) is None:
            beside = _beside(estate.path)
            filling(estate)
            estate.engine.dispose()  # all of it is in the file then
            assert _beside(estate.path) == beside
            held = kept[filling] = _Kept(estate.path.read_bytes(), next(estate._number))
            estate._number = itertools.count(held.number)  # the one just taken is still free
        else:
            estate.engine.dispose()
            estate.path.write_bytes(held.content)
            estate._number = itertools.count(held.number)
        return estate

    return fill


@pytest.fixture(scope="session", autouse=True)
def commands_are_made_once() -> Iterator[None]:
    """Typer makes hundreds of commands anew whenever one is run in this process, for a tenth of a second."""
    made = typer.main.get_command

    @functools.cache
    def once(app: typer.Typer, _groups: int) -> Any:  # other distributions may add groups
        return made(app)

    def get_command(app: typer.Typer) -> Any:
        return once(app, len(app.registered_groups))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(typer.main, "get_command", get_command)
        patched.setattr(typer.testing, "_get_command", get_command)
        yield


@pytest.fixture(scope="session", autouse=True)
def hasher_of_passwords() -> Iterator[Callable[[], PasswordHasher]]:
    """Hash passwords as little as argon2id can: as it is meant, each takes a fifth of a second of a processor.

    Yield what makes the hasher a collector has.
    """
    meant = passwords._hasher
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passwords, "_hasher", lambda: quick)
        yield meant


@pytest.fixture
def now() -> float:
    return NOW
