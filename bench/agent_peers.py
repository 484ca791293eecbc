"""What the agent is measured beside.

node_exporter: Debian's, default collectors, scraped as Prometheus does (gzip, one kept connection). collectd:
Debian's, the plugins that read what the agent reads, sent to a UDP sink on loopback.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_measure import DAY_SECONDS, Memory, Result, cpu_seconds, free_port, started

PACKAGES = {
    "prometheus-node-exporter": "prometheus-node-exporter",
    "collectd": "collectd-core",
}  # program: package
POLICY = Path("/usr/sbin/policy-rc.d")
SCRAPE_SECONDS = 15
INTERVAL_SECONDS = 60  # of collectd, as of the agent
ROUNDS = 240  # of collectd in a run
COLLECTD_PLUGINS = ("cpu", "memory", "disk", "uptime", "network")
UNITS = ("prometheus-node-exporter.service", "collectd.service")
WANTS = Path("/etc/systemd/system/multi-user.target.wants")
SCRAPE = (
    "GET /metrics HTTP/1.1\r\nHost: localhost:9100\r\nUser-Agent: Prometheus/2.42.0\r\n"
    "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n"
    "Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
)


def install() -> None:
    """Install the peers that are missing, as root on Debian; starts nothing and leaves nothing enabled."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print(f"Installing {' '.join(missing)}; their services are neither started nor enabled", flush=True)
    enabled = {unit for unit in UNITS if (WANTS / unit).is_symlink()}
    made = not POLICY.exists()
    if made:
        POLICY.write_text("#!/bin/sh\nexit 101\n")  # invoke-rc.d(8): no service is started
        POLICY.chmod(0o755)
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    try:
        subprocess.run(["apt-get", "update", "-qq"], check=True, **quiet)  # type: ignore[call-overload] # one set for both # noqa: S607 - Debian's
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, **quiet)  # type: ignore[call-overload] # as above
    finally:
        if made:
            POLICY.unlink()
        for unit in UNITS:
            if unit not in enabled and (systemctl := shutil.which("systemctl")):
                disable = [systemctl, "disable", "--quiet", unit]
                subprocess.run(disable, check=False, stderr=subprocess.DEVNULL)


class Scraper:
    """One kept connection to a node_exporter, as Prometheus keeps it."""

    def __init__(self, port: int) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), 10)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self._lines = self._socket.makefile("rb")

    def scrape(self) -> int:
        """Scrape once and return the bytes both ways."""
        request = SCRAPE.encode()
        self._socket.sendall(request)
        count, length = len(request), None
        line = self._lines.readline()
        assert line.startswith(b"HTTP/1.1 200"), line
        while line.strip():
            count += len(line)
            name, _colon, value = line.lower().partition(b":")
            if name == b"content-length":
                length = int(value)
            line = self._lines.readline()
        count += len(line)
        return count + (self._chunks() if length is None else len(self._lines.read(length)))

    def _chunks(self) -> int:
        count = 0
        while True:
            head = self._lines.readline()
            body = self._lines.read(int(head, 16) + 2)
            count += len(head) + len(body)
            if len(body) == 2:
                return count

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._socket.close()


class Sink:
    """A UDP port that counts what collectd sends."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.5)
        self.port: int = self._socket.getsockname()[1]
        self.bytes = self.packets = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                self.bytes += len(self._socket.recv(65536))
                self.packets += 1

    def close(self) -> None:
        """Stop listening."""
        self._ended.set()
        self._thread.join()
        self._socket.close()


def collectd_config(folder: Path, port: int, interval_seconds: float) -> Path:
    """Write a configuration and return it."""
    path = folder / "collectd.conf"
    plugins = "".join(f"LoadPlugin {name}\n" for name in COLLECTD_PLUGINS)
    path.write_text(
        f'Hostname "device"\nFQDNLookup false\nBaseDir "{folder}"\nPIDFile "{folder}/collectd.pid"\n'
        f'TypesDB "/usr/share/collectd/types.db"\nInterval {interval_seconds}\n{plugins}'
        f'<Plugin network>\n  Server "127.0.0.1" "{port}"\n</Plugin>\n'
    )
    return path


@dataclass
class Exporter:
    """A node_exporter and how it is scraped."""

    pid: int
    scraper: Scraper
    memory: Memory
    started_cpu: float
    scrapes: int = 0
    bytes: int = 0
    details: str = ""
    cpu: float = 0.0

    def scrape(self) -> None:
        """Scrape once."""
        self.bytes += self.scraper.scrape()
        self.scrapes += 1

    def look_last(self) -> None:
        """Look at what can only be seen while the process is there."""
        self.details, self.cpu = self.memory.details(), cpu_seconds(self.pid)

    def result(self) -> Result:
        """Print the arithmetic and return the day."""
        a_day = DAY_SECONDS // SCRAPE_SECONDS
        once = (self.cpu - self.started_cpu) / self.scrapes
        total = self.started_cpu + a_day * once
        print(f"\nnode_exporter, default collectors, {self.scrapes} scrapes, gzip, one kept connection")
        print(f"    memory: {self.details}")
        print(
            f"    processor: start {self.started_cpu:.2f} s + {a_day} scrapes x {once * 1e3:.2f} ms = {total:.2f} s a day"
        )
        wire = a_day * self.bytes / self.scrapes / 1e3
        print(
            f"    HTTP: {a_day} scrapes x {self.bytes / self.scrapes:.0f} bytes both ways = {wire:.0f} kB a day"
        )
        return Result(self.memory.steady / 1e6, total, wire)


@contextmanager
def node_exporter() -> Iterator[Exporter | None]:
    """Start a node_exporter, where there is one."""
    if (program := shutil.which("prometheus-node-exporter")) is None:
        print("prometheus-node-exporter is not installed: not measured")
        yield None
        return
    port = free_port()
    with started(program, f"--web.listen-address=127.0.0.1:{port}") as process:
        scraper = Scraper(port)
        try:
            yield Exporter(process.pid, scraper, Memory(process.pid), cpu_seconds(process.pid))
        finally:
            scraper.close()


@dataclass
class Collectd:
    """A collectd and what hears it."""

    pid: int
    sink: Sink
    memory: Memory
    interval: float
    began: float
    started_cpu: float
    details: str = ""
    cpu: float = 0.0
    rounds: float = 0.0

    def look_last(self) -> None:
        """Look at what can only be seen while the process is there."""
        self.details, self.cpu = self.memory.details(), cpu_seconds(self.pid)
        self.rounds = (time.monotonic() - self.began) / self.interval

    def result(self) -> Result:
        """Print the arithmetic and return the day."""
        a_day = DAY_SECONDS // INTERVAL_SECONDS
        once = (self.cpu - self.started_cpu) / self.rounds
        total = self.started_cpu + a_day * once
        wire = a_day * self.sink.bytes / self.rounds / 1e3
        print(
            f"\ncollectd, {', '.join(COLLECTD_PLUGINS)} each {INTERVAL_SECONDS} s (its default is 10 s), {self.rounds:.0f} rounds"
        )
        print(f"    memory: {self.details}")
        print(
            f"    processor: start {self.started_cpu:.2f} s + {a_day} rounds x {once * 1e3:.2f} ms = {total:.2f} s a day"
        )
        print(
            f"    UDP payload: {a_day} rounds x {self.sink.bytes / self.rounds:.0f} bytes = {wire:.0f} kB a day"
        )
        return Result(self.memory.steady / 1e6, total, wire)


@contextmanager
def collectd_here(folder: Path, seconds: float) -> Iterator[Collectd | None]:
    """Start a collectd that sends to a sink, where there is one."""
    if (program := shutil.which("collectd")) is None:
        print("collectd is not installed: not measured")
        yield None
        return
    sink, interval = Sink(), seconds / ROUNDS
    config = collectd_config(folder, sink.port, interval)
    try:
        with started(program, "-f", "-C", str(config)) as process:
            deadline = time.monotonic() + 30
            while not sink.packets:
                assert process.poll() is None, "collectd ended"
                assert time.monotonic() < deadline, "nothing came from collectd in 30 s"
                time.sleep(0.05)
            sink.bytes = 0
            pid = process.pid
            yield Collectd(pid, sink, Memory(pid), interval, time.monotonic(), cpu_seconds(pid))
    finally:
        sink.close()
