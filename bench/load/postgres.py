"""A PostgreSQL of its own for a run: a new cluster in a folder, fsync on, ended with the run."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_measure import free_port

from load.processes import is_root

PROGRAMS = "/usr/lib/postgresql"  # Debian's, a folder for each version
ACCOUNT = "postgres"  # it refuses to run as root
DATABASE = "roadworthy"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Postgres:
    """A running server: what the collector's settings need to know."""

    pid: int
    url: str
    password_file: Path


def programs() -> Path | None:
    """Return the folder of the newest server's programs, None if none is installed."""
    found = [path.parent for path in Path(PROGRAMS).glob("*/bin/initdb")]
    if not found and (program := shutil.which("initdb")):
        found = [Path(program).parent]
    return max(found, default=None, key=lambda path: [int(part) for part in path.parts if part.isdigit()])


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a server on a new cluster in `folder`; raises SystemExit with its words if it does not start."""
    if (found := programs()) is None:
        raise SystemExit("PostgreSQL is not installed: apt-get install postgresql, or --store sqlite")
    home = folder / "postgresql"
    home.mkdir(mode=0o700)
    password = secrets.token_hex(16)
    for name in ("password", "for-initdb"):
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{password}\n")
    if is_root():
        # A folder of mode 0700 that belongs to somebody else lets nobody through.
        folder.chmod(0o711)
        for path in (home, folder / "for-initdb"):
            shutil.chown(path, ACCOUNT, ACCOUNT)
    options = [
        f"--pwfile={folder / 'for-initdb'}",
        "--auth=scram-sha-256",
        "--username=roadworthy",
        "--encoding=UTF8",
    ]
    made = _as_account([str(found / "initdb"), "-D", str(home / "data"), "--locale=C", *options])
    if made.wait(120) != 0:
        raise SystemExit(f"{home}: initdb failed: {made.stdout.read().decode() if made.stdout else ''}")
    port = free_port()
    listen = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", str(home), "-c", "fsync=on"]
    server = _as_account([str(found / "postgres"), "-D", str(home / "data"), *listen], home / "log")
    try:
        _make_database(port, password, server)
        yield Postgres(
            server.pid, f"postgresql://roadworthy@127.0.0.1:{port}/{DATABASE}", folder / "password"
        )
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown: connections are ended
        server.wait(60)


def _as_account(command: list[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a program of PostgreSQL, as its own account where this one is root."""
    account = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if is_root() else {}
    # A file of its own, because a pipe nobody reads fills up.
    output = subprocess.PIPE if log is None else log.open("wb")
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return] # one set of options for both accounts
        command, stdout=output, stderr=subprocess.STDOUT, cwd="/", env={"PATH": os.environ["PATH"]}, **account
    )


def _make_database(port: int, password: str, server: subprocess.Popen[bytes]) -> None:
    """Wait for the server, and make the collector's database."""
    import psycopg

    deadline = time.monotonic() + START_SECONDS
    where = f"host=127.0.0.1 port={port} user=roadworthy dbname=postgres"
    while True:
        try:
            connection = psycopg.connect(where, password=password, autocommit=True, connect_timeout=5)
            break
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"PostgreSQL did not start: {error}") from None
            time.sleep(0.1)
    with connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
