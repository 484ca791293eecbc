"""A PostgreSQL server to do harm to."""

from __future__ import annotations

import secrets
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import URL
from support import postgres


class HarmedServer(postgres.Server):
    """A server as durable as an administrator runs it, with small files of its log so that it fits on a small disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, durable=True)
        self._name = ""

    def begin(self) -> None:
        """Make and start it."""
        self.create()
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("min_wal_size = 32MB\nmax_wal_size = 48MB\n")
        self.start()

    def renew(self) -> None:
        """Have it run with no database but an empty one, as an administrator finds it who has set nothing."""
        if not self.runs():
            self.start()
        if self._name:
            postgres.drop_database(self.database)
        with psycopg.connect(self.url("postgres").render_as_string(), autocommit=True) as administrator:
            administrator.execute("ALTER SYSTEM RESET ALL")
            administrator.execute("SELECT pg_reload_conf()")
        self._name = f"roadworthy_{secrets.token_hex(4)}"
        postgres.create_database(self.port, self._name)

    @property
    def database(self) -> URL:
        """The database."""
        return self.url(self._name)

    def runs(self) -> bool:
        """Return whether its main process is alive."""
        try:
            return psutil.pid_exists(int((self._data / "postmaster.pid").read_text().split()[0]))
        except (FileNotFoundError, IndexError):
            return False
