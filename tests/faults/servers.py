"""A PostgreSQL server to do harm to."""

from __future__ import annotations

from pathlib import Path

import psutil
from sqlalchemy import URL
from support import postgres

DATABASE = "roadworthy"


class HarmedServer(postgres.Server):
    """A server as durable as an administrator runs it, with small files of its log so that it fits on a small disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, durable=True)

    def begin(self) -> None:
        """Make and start it, with an empty database."""
        self.create()
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("min_wal_size = 32MB\nmax_wal_size = 48MB\n")
        self.start()
        postgres.create_database(self.port, DATABASE)

    @property
    def database(self) -> URL:
        """The database."""
        return self.url(DATABASE)

    def runs(self) -> bool:
        """Return whether its main process is alive."""
        try:
            return psutil.pid_exists(int((self._data / "postmaster.pid").read_text().split()[0]))
        except (FileNotFoundError, IndexError):
            return False
