"""One real PostgreSQL a run, started by whoever asks first, with databases for every test of its own."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from roadworthy_collector.store import schema
from roadworthy_collector.store.lock import file_lock
from roadworthy_collector.store.upgrade import upgrade
from support import free_port, wait_until

# The folder of this run, made by the first process of it (tests/conftest.py) and inherited by the others.
RUN_FOLDER = "ROADWORTHY_TEST_RUN"
USER = "postgres"
_TEMPLATE = "roadworthy_template"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian keeps them off PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class Server:
    """A PostgreSQL server in `folder`; it refuses to run as root, so as root it runs as its own user."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        found = programs()
        assert found is not None, "PostgreSQL is not installed"
        self.folder = folder
        self.port = free_port()
        self._programs = found
        self._durable = durable

    def create(self) -> None:
        """Make the server's files."""
        self.folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER, USER)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "max_connections": 200,
            **(
                {}
                if self._durable
                else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            ),
        }
        said = " ".join(f"-c {name}={value}" for name, value in options.items())
        log = str(self.folder / "server.log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-l", log, "-o", said, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends its clients, `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-m", mode, "stop")

    def url(self, database: str) -> URL:
        """Return the URL of a database of this server."""
        return server_url(self.port, database)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
        # Not captured: what pg_ctl starts would hold the pipe open for as long as it runs.
        with (self.folder.parent / f"{self.folder.name}.{program}.log").open("ab") as output:
            done = subprocess.run(command, stdout=output, stderr=output, cwd="/", check=False)
        assert done.returncode == 0, f"{program} failed; see {output.name}"


def server_url(port: int, database: str) -> URL:
    """Return the URL of a database of a server on this port."""
    return URL.create("postgresql", username=USER, host="127.0.0.1", port=port, database=database)


def run_folder() -> Path:
    """Return the folder all processes of this run share."""
    return Path(os.environ[RUN_FOLDER])


def make_run_folder() -> Path:
    """Make it; others may enter, because the server is another user."""
    folder = Path(tempfile.mkdtemp(prefix="roadworthy-tests-"))
    folder.chmod(0o711)
    os.environ[RUN_FOLDER] = str(folder)
    return folder


def end_run(folder: Path) -> None:
    """Stop the server of the run, if anybody asked for one, and remove the folder."""
    if (folder / "port").exists():
        server = Server(folder / "postgres")
        server.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)


def shared_port() -> int:
    """Return the port of the run's server, started now if need be."""
    folder = run_folder()
    with file_lock(folder / "start.lock"):
        said = folder / "port"
        if not said.exists():
            server = Server(folder / "postgres")
            server.create()
            server.start()
            create_database(server.port, _TEMPLATE)
            upgrade(server_url(server.port, _TEMPLATE))
            said.write_text(str(server.port))
    return int(said.read_text())


_free: list[URL] = []  # databases of this process that no test uses just now
_cleaners: dict[str | None, psycopg.Connection] = {}  # by database: each knows its tables already


def fresh_database(*, empty: bool = False) -> URL:
    """Return a new database of the run's server, at this program's schema unless `empty`.

    One that a test has given back is emptied and used again: that takes a tenth of the time a new one does.
    """
    while _free and not empty:
        url = _free.pop()
        try:
            _clean(url)
        except psycopg.OperationalError:  # a test has dropped it
            continue
        return url
    port = shared_port()
    name = f"test_{secrets.token_hex(6)}"
    create_database(port, name, template=None if empty else _TEMPLATE)
    return server_url(port, name)


def give_back(url: URL) -> None:
    """Let another test of this process have a database whose schema was not changed."""
    _free.append(url)


def _clean(url: URL) -> None:
    """Bring a database back to what the migrations leave."""
    if (kept := _cleaners.pop(url.database, None)) is not None:
        try:
            kept.execute(_cleaning(url.port))
        except psycopg.OperationalError:  # a test has ended every connection to it
            kept.close()
        else:
            _cleaners[url.database] = kept
            return
    one = psycopg.connect(host="127.0.0.1", port=url.port, user=USER, dbname=url.database, autocommit=True)
    one.execute(_cleaning(url.port))
    _cleaners[url.database] = one


def let_go() -> None:
    """Close what this process has open."""
    while _cleaners:
        _cleaners.popitem()[1].close()


@functools.cache
def _cleaning(port: int | None) -> bytes:
    """Return what does it, all in one message: alone each statement would take longer to arrive than to run."""
    seeds, version = _seeds(port)
    statements: list[sql.Composable] = [
        sql.SQL(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ),
        sql.SQL("SET session_replication_role = replica"),  # no foreign keys, no triggers
        sql.SQL("UPDATE alembic_version SET version_num = {}").format(version),
        *(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in schema.metadata.tables),
        sql.SQL("ALTER TABLE audit ENABLE TRIGGER ALL"),  # tests that tamper turn them off
        sql.SQL(
            "SELECT setval(format('%I', sequencename)::regclass, 1, false) "
            "FROM pg_sequences WHERE schemaname = 'public'"
        ),
    ]
    for table, rows in seeds.items():
        name = sql.Identifier(table)
        statements += [
            sql.SQL("INSERT INTO {} VALUES ({})").format(name, sql.SQL(", ").join(row)) for row in rows
        ]
        if "id" in schema.metadata.tables[table].c:
            counted = sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), {})")
            statements.append(counted.format(table, len(rows)))
    with psycopg.connect(host="127.0.0.1", port=port, user=USER, dbname=_TEMPLATE) as one:
        return sql.SQL(";").join(statements).as_bytes(one)


def _seeds(port: int | None) -> tuple[dict[str, list[tuple[object, ...]]], str]:
    """Return the rows the migrations leave, by table, and the schema they lead to."""
    found = {}
    with psycopg.connect(host="127.0.0.1", port=port, user=USER, dbname=_TEMPLATE) as one:
        for table in schema.metadata.sorted_tables:
            if rows := one.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table.name))).fetchall():
                found[table.name] = rows
        (version,) = one.execute("SELECT version_num FROM alembic_version").fetchone() or (None,)
    assert version is not None
    return found, version


def create_database(port: int, name: str, *, template: str | None = None) -> None:
    """Make a database; a copy of `template` waits until nobody is connected to that."""

    def made() -> bool:
        copied = f' TEMPLATE "{template}"' if template else ""
        with psycopg.connect(
            host="127.0.0.1", port=port, user=USER, dbname="postgres", autocommit=True
        ) as one:
            try:
                one.execute(f'CREATE DATABASE "{name}"{copied}'.encode())
            except psycopg.errors.ObjectInUse:
                return False
        return True

    wait_until(made, what=f"the database {name}")


def drop_database(url: URL) -> None:
    """Remove a database, whoever is connected to it."""
    with psycopg.connect(
        host="127.0.0.1", port=url.port, user=USER, dbname="postgres", autocommit=True
    ) as one:
        one.execute(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)'.encode())
