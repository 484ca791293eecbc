"""A database built by the migrations, and a way to put devices into it without going through ingest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, Table, delete, insert, select

from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from support.databases import make_sqlite

NOW = 1_790_000_000.0


@dataclass
class Estate:
    """Puts rows into the tables; `device` returns the row id."""

    engine: Engine
    path: Path
    url: URL | None = None
    _number: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def settings(self, **values: Any) -> Settings:
        """Return settings that name this database."""
        url = None if self.url is None else self.url.render_as_string(hide_password=False)
        values.setdefault("rollups_at", "serve")  # so that both stores are asked in one place
        return Settings(data=self.path.parent, database_url=url, **values)

    def put(self, table: Table, **values: Any) -> None:
        with write_transaction(self.engine) as connection:
            connection.execute(insert(table).values(**values))

    def site(self, name: str, *, restricted: bool = False) -> int:
        return self._place(schema.sites, name, kind="force", restricted=restricted)

    def unit(self, name: str) -> int:
        return self._place(schema.units, name, valid_from=0)

    def _place(self, table: Table, name: str, **values: Any) -> int:
        with write_transaction(self.engine) as connection:
            found = connection.scalar(select(table.c.id).where(table.c.name == name))
            if found is not None:
                return int(found)
            key = connection.execute(insert(table).values(name=name, **values)).inserted_primary_key
            return int(key[0])

    def device(
        self,
        *,
        site: str = "HQ",
        unit: str = "IT",
        restricted: bool = False,
        now: dict[str, Any] | None = None,
        **values: Any,
    ) -> int:
        number = next(self._number)
        row = {
            "device_id": f"rwd_{number:032x}",
            "site": self.site(site, restricted=restricted),
            "unit": self.unit(unit),
            "enrolled_at": int(NOW) - 90 * 86400,
            "last_report_at": int(NOW) - 60,
            "next_call_seconds": 900,
            **values,
        }
        with write_transaction(self.engine) as connection:
            key = connection.execute(insert(schema.devices).values(**row)).inserted_primary_key
            device = int(key[0])
            if now is not None:
                start = int(NOW) // 1800 * 1800
                held = {"at": int(NOW) - 60, "start": start, "observed_seconds": 600, "now": {}, **now}
                connection.execute(insert(schema.device_now).values(device=device, **held))
        return device

    def device_id(self, device: int) -> str:
        with self.engine.connect() as connection:
            found = connection.scalar(select(schema.devices.c.device_id).where(schema.devices.c.id == device))
        return str(found)

    def startup(self, device: int, **values: Any) -> None:
        row = {
            "device": device,
            "start_id": f"boot-{next(self._number)}:1",
            "revision": 1,
            "final": True,
            "kind": "cold",
            "environment": "physical",
            "started_at": NOW - 3600,
            "total_seconds": 30.0,
            "quality": "measured",
            "phases": [],
            "factors": [],
            "content_hash": b"12345678",
            **values,
        }
        self.put(schema.startups, **row)

    def clear(self) -> None:
        with write_transaction(self.engine) as connection:
            for table in reversed(schema.metadata.sorted_tables):
                if table.name != "estate":
                    connection.execute(delete(table))


def make_database(path: Path) -> None:
    """Build an empty database of a real IT estate."""
    make_sqlite(path, real=True)
