"""A real collector to do harm to: `roadworthy serve`, as users run it, and what it holds afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from load.bodies import Bodies
from load.certificate import Certificate
from load.fleet import Member, enrol_in_store, write_fleet
from load.ledger import Ledger, balance
from load.measure import Wanted, make_plan
from load.plan import Plan
from load.task import Figures, Task
from sqlalchemy import URL
from support import free_port, wait_until
from support.running import ROADWORTHY, environment

from roadworthy_collector.settings import Settings
from roadworthy_collector.store.upgrade import upgrade

FULL = os.environ.get("FAULTS") == "full"  # larger and longer, never other tests
STAGES = Path(__file__).with_name("stages.py")
HURRIED = "hurried"  # the stage of it at which nothing dies
DEVICES = 400


def sized(usual: int, full: int) -> int:
    """Return a size: the usual one, or the one of `make faults`."""
    return full if FULL else usual


class Answer(NamedTuple):
    """An answer; status 0 where nobody answered."""

    status: int
    text: str
    headers: Message


@dataclass
class Collector:
    """A collector's data, its processes by name, and a fleet of devices enrolled with it."""

    folder: Path
    url: URL | None = None
    certificate: Certificate | None = None
    settings: dict[str, str] = field(default_factory=dict)
    elsewhere: Path | None = None  # the data folder, where it is not in `folder`
    devices: int = DEVICES
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    plan: Plan = field(default_factory=lambda: make_plan(Wanted()))
    fleet: list[Member] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.elsewhere or self.folder / "data"

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path | URL:
        """Its database, as the collector names it."""
        return self.url or Settings(data=self.data).sqlite_file

    def prepare(self, database: Path | URL | None = None) -> None:
        """Make the database and enrol the devices; through another way to it where `database` names one."""
        where = database or self.database
        upgrade(where)
        self.fleet = enrol_in_store(where, self.devices, self.plan, now=int(time.time()))
        write_fleet(self.folder / "fleet", self.fleet)

    def variables(self) -> dict[str, str]:
        """Return the settings as a service manager gives them."""
        found = {"ROADWORTHY_PORT": str(self.port), "ROADWORTHY_DATA": str(self.data)}
        if self.url is not None:
            found["ROADWORTHY_DATABASE_URL"] = self.url.render_as_string()
            found["ROADWORTHY_ROLLUPS_AT"] = "serve"  # one port, as with SQLite
        if self.certificate is not None:
            found["ROADWORTHY_TLS_CERTIFICATE"] = str(self.certificate.certificate)
            found["ROADWORTHY_TLS_KEY"] = str(self.certificate.key)
        return found | {f"ROADWORTHY_{name.upper()}": value for name, value in self.settings.items()}

    def start(self, name: str = "serve", *, preexec: Callable[[], Any] | None = None) -> psutil.Process:
        """Start a command; return its process at once."""
        return self._start(name, [str(ROADWORTHY), name], preexec)

    def start_to_die(self, stage: str, transaction: int, name: str = "serve") -> psutil.Process:
        """Start the same application in a process that kills itself at `stage` of its so many'th transaction."""
        return self._start(name, [sys.executable, str(STAGES), stage, str(transaction)], None)

    def die_in_turn(self, turns: Sequence[tuple[str, int]]) -> None:
        """Have one `serve` after the other kill itself at a stage; return when the last has."""
        words = [word for stage, transaction in turns for word in (stage, str(transaction))]
        forking = self._start("serve", [sys.executable, str(STAGES), *words], None)
        process = self.processes.pop("serve")
        try:
            assert process.wait(60 * len(turns)) == 0, self.said()
        finally:
            if process.poll() is None:
                for one in forking.children():
                    one.kill()
            process.kill()
            process.wait()

    def start_hurried(self) -> psutil.Process:
        """Start `jobs` that rolls up and prunes all the time, so that it is killed at its work."""
        return self.start_to_die(HURRIED, 0, "jobs")

    def _start(self, name: str, command: Sequence[str], preexec: Callable[[], Any] | None) -> psutil.Process:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment(**self.variables()),
                preexec_fn=preexec,  # noqa: PLW1509 - it sets a limit and nothing else
            )
        return psutil.Process(self.processes[name].pid)

    def kill(self, name: str = "serve") -> None:
        """End a process outright."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def wait_dead(self, name: str = "serve") -> None:
        """Wait until a process has killed itself."""
        process = self.processes.pop(name)
        try:
            assert process.wait(60) == -signal.SIGKILL, self.said(name)
        finally:
            process.kill()
            process.wait()

    def end(self) -> None:
        """End all as a service manager does."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(30)
            finally:
                process.kill()
                process.wait()
        self.processes.clear()

    def get(self, path: str, **headers: str) -> Answer:
        """Return what a GET is answered; of a page where `accept` asks for one."""
        request = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), error.headers)
        except OSError:
            return Answer(0, "", Message())

    def page(self) -> Answer:
        """Return the front page as a browser gets it."""
        return self.get("/", accept="text/html")

    def wait_ready(self) -> None:
        """Wait until reports can be taken."""

        def ready() -> bool:
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} has ended: {self.said(name)}"
            return self.get("/readyz").status == 200

        wait_until(ready, timeout=60, what="readiness")

    def said(self, name: str = "serve") -> str:
        """Return what a command logged so far."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def task(self, **parts: Any) -> Task:
        """Return what a generator is told."""
        told = {
            "mode": "closed",
            "host": "127.0.0.1",
            "port": self.port,
            "fleet": str(self.folder / "fleet"),
            "first": 0,
            "last": len(self.fleet),
            "plan": vars(self.plan),
            "result": "",
            "tls": self.certificate is not None,
        }
        return Task(**{**told, **parts})

    def balance(self, figures: Figures, database: Path | URL | None = None) -> Ledger:
        """Compare what was acknowledged with what is held."""
        where = database or self.database
        return balance(where, Bodies(self.plan), self.fleet, figures.acked, figures.unsure)


@contextmanager
def prepared(
    folder: Path, url: URL | None = None, *, via: URL | None = None, **parts: Any
) -> Iterator[Collector]:
    """Make a collector whose database and devices are there; `via` is a way to the database around a proxy."""
    made = Collector(folder, url, **parts)
    made.data.mkdir(mode=0o700, exist_ok=True)
    made.prepare(via)
    try:
        yield made
    finally:
        made.end()
