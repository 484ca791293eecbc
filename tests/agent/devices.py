"""What the agent's tests share: a clock turned by hand, a collector that answers as told, small probes."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from roadworthy_agent.compose import Composer
from roadworthy_agent.database import Database
from roadworthy_agent.delivery import Delivery
from roadworthy_agent.facts import Disk, HardwareFacts, OsFacts
from roadworthy_agent.identity import Identity, StateFolder
from roadworthy_agent.observe import Observations
from roadworthy_agent.outbox import Outbox
from roadworthy_agent.policy import CollectionPolicy
from roadworthy_agent.probe import Context, HardwareReading, ProbeResult, StorageReading
from roadworthy_agent.reading import Sample, Status
from roadworthy_agent.report import StartupRecord
from roadworthy_agent.samples import Recorder
from roadworthy_agent.settings import Settings
from roadworthy_agent.spool import Spool

# 12 May 2026, 10:00:00 UTC: the start of a settlement period.
TEN = 1_778_580_000
DEVICE = "rwd_" + "ab" * 16
TOKEN = "rw1_" + "0" * 16 + "_" + "1" * 64
OTHER_TOKEN = "rw1_" + "2" * 16 + "_" + "3" * 64
KEY = "rwe1_" + "4" * 16 + "_" + "5" * 64


@dataclass
class ManualClock:
    """A device's clocks, turned by hand. `true` is the time nobody on the device can read."""

    true: float = float(TEN)
    boot: str = "boot-1"
    uptime: float = 100.0
    awake: float = 100.0
    wrong_by: float = 0.0

    def boot_id(self) -> str:
        return self.boot

    def boottime(self) -> float:
        return self.uptime

    def monotonic(self) -> float:
        return self.awake

    def wall(self) -> float:
        return self.true + self.wrong_by

    def run(self, seconds: float) -> None:
        """Let time pass with the device awake."""
        self.true += seconds
        self.uptime += seconds
        self.awake += seconds

    def suspend(self, seconds: float) -> None:
        """Let time pass with the device asleep."""
        self.true += seconds
        self.uptime += seconds

    def restart(self, boot: str, off_seconds: float) -> None:
        """Turn the device off for a while and on again."""
        self.true += off_seconds
        self.boot, self.uptime, self.awake = boot, 0.0, 0.0


def static_probe(name: str, result: ProbeResult[Any]) -> Any:
    return SimpleNamespace(NAME=name, WHAT=f"What {name} is.", collect=lambda _context: result)


def probes() -> dict[str, Any]:
    """Return probes that always say the same."""
    hardware = HardwareReading(
        HardwareFacts(vendor="Example", model="Tower 1"), {"system_serial": "S3RIAL-0001"}
    )
    startup = StartupRecord("boot-1:0", "boot-1", True, "cold", 0.0, "measured", total_seconds=12.5)
    values = {
        "os": OsFacts("linux", name="Debian GNU/Linux", version="12"),
        "hardware": hardware,
        "storage": StorageReading((Disk("sda", medium="ssd"),)),
        "startup": (startup,),
    }
    return {name: static_probe(name, ProbeResult(name, Status.OK, value)) for name, value in values.items()}


@dataclass
class Device:
    """One agent without its loop: what it keeps, and the call it can make."""

    clock: ManualClock
    folder: Path
    interval: float = 60.0
    max_bytes: int = 33_554_432
    policy: CollectionPolicy = CollectionPolicy.HALF_HOURLY
    server: str | None = None
    key_file: Path | None = None
    probes: dict[str, Any] = field(default_factory=probes)

    def __post_init__(self) -> None:
        self.state = StateFolder(self.folder)
        self.state.prepare()
        self.open()

    def open(self) -> None:
        """Start the agent's parts over what the folder holds."""
        self.database = Database(self.state.spool)
        self.spool = Spool(self.database, self.max_bytes)
        self.outbox = Outbox(self.database)
        self.recorder = Recorder(self.spool, self.clock, self.interval)
        self.database.put(policy=self.policy)
        context = Context(clock=self.clock)
        self.observations = Observations(context, self.probes)
        self.composer = Composer(
            self.spool, self.outbox, self.observations, self.clock.boottime, self.clock.uptime
        )
        settings = Settings(
            self.server, self.folder, self.key_file, None, int(self.interval), self.max_bytes, ()
        )
        self.delivery = Delivery(settings, self.state, context, self.composer)

    def restart_agent(self) -> None:
        """End the agent and start it again."""
        self.close()
        self.open()
        self.recorder.begin()

    def close(self) -> None:
        self.delivery.close()
        self.database.close()

    def measure(self, seconds: float, cpu: float | None = 0.25, memory: float | None = 0.5) -> None:
        """Let the device work and be sampled at each interval for so long."""
        while seconds > 0:
            step = min(self.interval, seconds)
            self.clock.run(step)
            self.recorder.take(Sample(cpu, memory))
            seconds -= step

    def confirm(self) -> None:
        """Hear the true time from the collector."""
        self.spool.confirm(self.clock.true, self.clock.uptime, self.clock.uptime)

    def enrolled(self, **changes: Any) -> None:
        """Be enrolled since long ago."""
        self.state.save(Identity(self.server or "", DEVICE, TOKEN, 0.0, **changes))

    def frozen(self) -> dict[int, dict[str, Any]]:
        return {
            row["start"]: json.loads(row["payload"]) for row in self.database.rows("SELECT * FROM frozen")
        }

    def gaps(self) -> list[dict[str, Any]]:
        rows = self.database.rows("SELECT payload FROM gaps WHERE payload IS NOT NULL ORDER BY id")
        return [json.loads(row["payload"]) for row in rows]


@dataclass
class Answer:
    """What the collector says: a status, a JSON body (or raw bytes) and headers."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, message: str = "no", **headers: str) -> Answer:
    """Return an error answer in the documented form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"error": {"code": code, "field": None, "message": message}}, named)


@dataclass
class Asked:
    """One request the collector got."""

    path: str
    headers: dict[str, str]
    raw: bytes
    body: dict[str, Any]


class ScriptedCollector:
    """A real HTTP server that answers as a test decides; by default it takes everything."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.now: Callable[[], float] = lambda: float(TEN)
        self.next_call = 900
        self.decide: Callable[[Asked], Answer | None] = lambda _asked: None
        self.connections = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                collector.connections += 1
                super().setup()

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                body = json.loads(gzip.decompress(raw) if packed else raw)
                asked = Asked(self.path, {k.title(): v for k, v in self.headers.items()}, raw, body)
                collector.asked.append(asked)
                self.answer(collector.decide(asked) or collector.usual(asked))

            def answer(self, answer: Answer) -> None:
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in ({"Content-Length": str(len(content))} | answer.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def usual(self, asked: Asked) -> Answer:
        """Return the answer of a collector that is content."""
        if asked.path == "/api/v1/enrol":
            return Answer(
                200,
                {"device_id": DEVICE, "token": TOKEN, "server_time": self.now(), "next_call": self.next_call},
            )
        items = sum(len(asked.body.get(name, ())) for name in ("periods", "startups", "gaps"))
        return self.took(items)

    def took(self, items: int, **more: Any) -> Answer:
        usual = {"received": items, "accepted": items, "rejected": []}
        return Answer(200, usual | {"next_call": self.next_call, "server_time": self.now()} | more)

    def reports(self) -> list[dict[str, Any]]:
        return [asked.body for asked in self.asked if asked.path == "/api/v1/reports"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
