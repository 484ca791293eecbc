"""A real collector for a run: `roadworthy serve`, as users start it, on a temporary folder."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent_measure import free_port

from load.certificate import Certificate
from load.postgres import Postgres
from load.processes import cpu_seconds
from roadworthy_collector.settings import Settings, load

ROADWORTHY = Path(sys.executable).with_name("roadworthy")
READY_SECONDS = 90.0


@dataclass
class Collector:
    """A collector and its processes, in their own words and figures."""

    folder: Path
    port: int
    certificate: Certificate | None = None
    store: Postgres | None = None
    with_jobs: bool = False
    settings: dict[str, str] = field(default_factory=dict)  # further ones, by name
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ended_cpu_seconds: float = 0.0  # of processes that were killed

    @property
    def pids(self) -> list[int]:
        """The processes of the collector, without its database."""
        return [process.pid for process in self.started.values()]

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        """Return the processor seconds of the collector so far, killed processes included."""
        return self.ended_cpu_seconds + cpu_seconds(self.pids)

    def values(self) -> dict[str, str]:
        """Return the settings, by their names in a settings file."""
        values = {"data": str(self.folder / "data"), "port": str(self.port)} | self.settings
        if self.certificate is not None:
            values |= {
                "tls_certificate": str(self.certificate.certificate),
                "tls_key": str(self.certificate.key),
            }
        if self.store is not None:
            values |= {
                "database_url": self.store.url,
                "database_password_file": str(self.store.password_file),
                "rollups_at": "serve",
            }
        return values

    def read_settings(self) -> Settings:
        """Return the same as the collector reads them."""
        return load(None, **self.values())

    def run(self, *arguments: str) -> str:
        """Run a `roadworthy` command on the collector's data and return what it printed."""
        done = subprocess.run(
            [ROADWORTHY, *arguments], env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"roadworthy {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    @property
    def names(self) -> tuple[str, ...]:
        """What is run: each is a `roadworthy` command."""
        return ("serve", "jobs") if self.with_jobs else ("serve",)

    def start(self, *names: str) -> None:
        """Start these commands and wait until reports are taken."""
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.started[name] = subprocess.Popen(
                    [ROADWORTHY, name], env=self._environment(), stdout=log, stderr=log
                )
        self._wait_ready()

    def kill(self, name: str) -> None:
        """End a process as a power cut would."""
        process = self.started.pop(name)
        self.ended_cpu_seconds += cpu_seconds([process.pid])
        process.kill()
        process.wait()

    def end(self) -> None:
        """End all as a service manager would."""
        for process in self.started.values():
            process.send_signal(signal.SIGTERM)
        for process in self.started.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def said(self) -> str:
        """Return the last lines of what it logged."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(
            line for log in logs for line in log.read_text("utf-8", "replace").splitlines()[-15:]
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROADWORTHY_")}
        return kept | {f"ROADWORTHY_{name.upper()}": value for name, value in self.values().items()}

    def _wait_ready(self) -> None:
        context = (
            None
            if self.certificate is None
            else ssl.create_default_context(cafile=self.certificate.certificate)
        )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self.started.values()):
                break
            try:
                with urllib.request.urlopen(f"{self.address}/readyz", timeout=5, context=context) as answer:  # noqa: S310 - its own
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                time.sleep(0.02)
        raise SystemExit(f"the collector did not start:\n{self.said()}")


@contextmanager
def collector(
    folder: Path,
    *,
    certificate: Certificate | None = None,
    store: Postgres | None = None,
    with_jobs: bool = False,
    settings: dict[str, str] | None = None,
) -> Iterator[Collector]:
    """Make a collector with an upgraded database, not started yet, and end what was started of it."""
    made = Collector(folder, free_port(), certificate, store, with_jobs, settings or {})
    made.run("db", "upgrade")
    try:
        yield made
    finally:
        made.end()
