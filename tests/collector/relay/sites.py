"""Real collectors on loopback and the agent's own client, for the tests of relays."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from collector.ingest.samples import DECODER, Device, add_device, period, report, rows, startup
from sqlalchemy import Engine, select, update
from support import free_port
from support.databases import make_sqlite
from support.serving import serving

from roadworthy_agent.send import Accepted, Collector
from roadworthy_collector.app import create_app
from roadworthy_collector.ingest.batch import Incoming, write_reports
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay.forward import forward
from roadworthy_collector.security import tokens
from roadworthy_collector.settings import Settings, load
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import (
    devices,
    relay_devices,
    relay_outbox,
    relay_state,
    sites,
    startups,
)

NEWEST = (int(time.time()) - 1800) // 1800 * 1800  # the last half-hour that is over


@dataclass
class Site:
    """One collector: its folder, database and address; `serving` runs it."""

    folder: Path
    port: int = field(default_factory=free_port)
    options: dict[str, Any] = field(default_factory=dict)
    keeps: bool = False  # the database that is there is used
    agents: list[Agent] = field(default_factory=list)  # in the order they enrolled

    def __post_init__(self) -> None:
        if "database_url" not in self.options and not self.keeps:
            make_sqlite(self.settings.sqlite_file, real=True)
        self.engine: Engine = open_engine(self.settings.database)

    @property
    def settings(self) -> Settings:
        return load(None, data=self.folder, port=self.port, **self.options)

    @property
    def address(self) -> str:
        if "tls_certificate" in self.options:
            return f"https://localhost:{self.port}"
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer requests in a thread of this process until the block ends."""
        engine = open_engine(self.settings.database)
        config = uvicorn.Config(
            create_app(self.settings, engine),
            port=self.port,
            log_level="critical",
            access_log=False,
            ssl_certfile=self.settings.tls_certificate,
            ssl_keyfile=self.settings.tls_key,
        )
        with serving(config):
            yield

    def key(self, *, site: str = "unassigned", note: str | None = None, max_uses: int | None = None) -> str:
        with write_transaction(self.engine) as connection:
            return tokens.create_enrol_key(
                connection, now=int(time.time()), site=site, note=note, max_uses=max_uses
            ).text

    def forward(self, after_seconds: float = 0.0) -> int:
        """Run the forwarding job once, as if `after_seconds` had passed."""
        work = Work(self.engine, self.settings, clock=lambda: time.time() + after_seconds)
        return forward(work)

    def waiting(self) -> int:
        return len(rows(self.engine, relay_outbox))

    def state(self) -> dict[str, str]:
        return {row["name"]: row["value"] for row in rows(self.engine, relay_state)}

    def relayed(self) -> list[dict[str, Any]]:
        return rows(self.engine, relay_devices)

    def holding(self) -> dict[str, list[dict[str, Any]]]:
        """Return the history, without the row ids of devices, which each database numbers by itself."""
        found = {"periods": rows(self.engine, "periods"), "energy": rows(self.engine, "energy")}
        found["startups"] = rows(self.engine, startups)
        return {
            name: sorted(({**row, "device": None} for row in some), key=repr) for name, some in found.items()
        }

    def devices(self) -> list[dict[str, Any]]:
        return rows(self.engine, devices)

    def accept(self, agent: Agent, *bodies: dict[str, Any]) -> None:
        """Take reports of a device in, in this process and one transaction: no limit counts them."""
        decoded = [DECODER.decode(json.dumps(body).encode()) for body in bodies]
        with write_transaction(self.engine) as connection:
            write_reports(
                connection,
                [Incoming(agent.device.row, *each) for each in decoded],
                time.time(),
                relay=self.settings.is_relay,
            )

    def restrict(self, site: str) -> None:
        with write_transaction(self.engine) as connection:
            connection.execute(update(sites).where(sites.c.name == site).values(restricted=True))

    def device_row(self, device_id: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(select(devices.c.id).where(devices.c.device_id == device_id)) or 0)


def relay_of(folder: Path, main: Site, *keys: str, **options: Any) -> Site:
    """Return a relay that forwards to `main` with enrolment keys of it (lines of the key file)."""
    folder.mkdir(exist_ok=True)
    key_file = folder / "upstream.key"
    key_file.write_text("\n".join(keys or (main.key(note="relay"),)) + "\n")
    key_file.chmod(0o600)
    return Site(
        folder,
        options={"upstream_url": main.address, "upstream_enrolment_key_file": key_file, **options},
    )


class Agent:
    """A device that reports as the agent does; `local` ones are known to the site without having asked it."""

    def __init__(self, site: Site, *, hostname: str = "pc-1", local: bool = False) -> None:
        self._collector = Collector(site.address)
        self._seq = 0
        self.acknowledged: list[int] = []
        self.device = (
            add_device(site.engine, f"{len(site.agents):x}e") if local else self._enrol(site, hostname)
        )
        site.agents.append(self)

    def _enrol(self, site: Site, hostname: str) -> Device:
        enrolled = self._collector.enrol(
            {
                "schema_version": "1.0",
                "enrolment_key": site.key(),
                "platform": "linux",
                "agent_version": "1.0.0",
                "hostname": hostname,
            }
        )
        return Device(site.device_row(enrolled.device_id), enrolled.device_id, enrolled.token)

    def body(self, **parts: Any) -> dict[str, Any]:
        self._seq += 1
        return report(self.device, **{"seq": self._seq, "sent_at": time.time(), **parts})

    def send(self, body: dict[str, Any]) -> Accepted:
        return self._collector.report(self.device.token, gzip.compress(json.dumps(body).encode()))

    def report(self, *starts: int, **parts: Any) -> Accepted:
        """Send half-hours; those answered with 200 and not rejected are acknowledged."""
        answer = self.send(self.body(periods=[energetic(start) for start in starts], **parts))
        refused = {rejected.key for rejected in answer.rejected if rejected.item == "period"}
        self.acknowledged += [start for start in starts if str(start) not in refused]
        return answer

    def close(self) -> None:
        self._collector.close()


def energetic(start: int) -> dict[str, Any]:
    joules = start % 997
    return period(
        start,
        energy=[
            {
                "scope": "cpu",
                "joules": joules,
                "counter_end_joules": joules,
                "quality": "sensor",
                "source": "rapl",
            }
        ],
    )


def now_of(at: float | None = None) -> dict[str, Any]:
    """Return an open half-hour."""
    moment = time.time() if at is None else at
    return {"at": moment, "start": int(moment) // 1800 * 1800, "observed_seconds": 60}


def boot(number: int, **parts: Any) -> dict[str, Any]:
    return startup(f"boot-{number}:0", started_at=float(NEWEST - 600), **parts)
