"""Receivers to send to: a small real HTTP server that answers as told, real Prometheus, real VictoriaMetrics."""

from __future__ import annotations

import http.client
import json
import struct
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cramjam
from support import free_port, wait_until

STALE = 0x7FF0000000000002
Labels = tuple[tuple[str, str], ...]
# (milliseconds, value's 64 bits): a stale marker is one NaN of many
Sample = tuple[int, int]
# What the server says to a request: status, text, headers.
Reply = tuple[int, str, dict[str, str]]
TAKEN: Reply = (204, "", {})


def bits(value: float) -> int:
    """Return the 64 bits of a double."""
    number: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return number


def fields(message: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield (field number, wire type, value) of a protobuf message, read by the format's own rules."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            yield number, kind, varint()
        elif kind == 1:
            yield number, kind, struct.unpack_from("<Q", message, at)[0]
            at += 8
        elif kind == 2:
            size = varint()
            assert at + size <= len(message), "a field is longer than its message"
            yield number, kind, message[at : at + size]
            at += size
        else:
            raise AssertionError(f"wire type {kind}")


def decode(message: bytes) -> list[tuple[Labels, list[Sample]]]:
    """Return (labels, samples) of the series of a WriteRequest."""
    series = []
    for number, kind, body in fields(message):
        assert (number, kind) == (1, 2)
        labels, samples = [], []
        for part, kind_of_part, inner in fields(body):
            assert kind_of_part == 2
            if part == 1:
                pair = {found: text.decode() for found, _, text in fields(inner)}
                labels.append((pair[1], pair[2]))
            else:
                assert part == 2
                values = {found: (sort, value) for found, sort, value in fields(inner)}
                assert values[1][0] == 1
                assert values[2][0] == 0
                stamp = values[2][1]
                samples.append((stamp - (1 << 64) if stamp >> 63 else stamp, values[1][1]))
        series.append((tuple(labels), samples))
    return series


@dataclass
class Receiver:
    """A server that keeps what it took. `reply` decides over each request, seen as its series."""

    port: int
    reply: Callable[[list[tuple[Labels, list[Sample]]]], Reply] = lambda _: TAKEN
    asked: list[list[tuple[Labels, list[Sample]]]] = field(default_factory=list)
    taken: list[list[tuple[Labels, list[Sample]]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def samples(self) -> dict[Labels, list[Sample]]:
        """Return what was taken by series, in the order it came."""
        found: dict[Labels, list[Sample]] = {}
        for request in self.taken:
            for labels, samples in request:
                found.setdefault(labels, []).extend(samples)
        return found

    def of(self, **labels: str) -> list[tuple[float, float | None]]:
        """Return (seconds, value) of the one series with these labels; None is a stale marker."""
        wanted = set(labels.items())
        (found,) = [samples for named, samples in self.samples().items() if wanted <= set(named)]
        return [
            (at / 1000, None if value == STALE else struct.unpack("<d", struct.pack("<Q", value))[0])
            for at, value in found
        ]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver(port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = bytes(cramjam.snappy.decompress_raw(body))
            series = decode(message)
            receiver.headers.append(dict(self.headers.items()))
            receiver.sizes.append(len(message))
            receiver.asked.append(series)
            status, text, headers = receiver.reply(series)
            if status < 300:
                receiver.taken.append(series)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        receiver.port = server.server_address[1]
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )  # how often it looks whether it is over
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Store:
    """A real store of time series with Prometheus' API."""

    address: str
    write_path: str
    log: Path
    flush: str | None = None  # where to ask that all it took can be queried

    @property
    def url(self) -> str:
        return self.address + self.write_path

    def ask(self, path: str, **parameters: str) -> Any:
        if self.flush is not None:
            urllib.request.urlopen(self.address + self.flush, timeout=60).close()
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.address}/api/v1/{path}?{query}", timeout=60) as answer:
            return json.load(answer)["data"]

    def value(self, query: str, at: float) -> float | None:
        """Return the single value of an instant query, None while there is none."""
        # VictoriaMetrics looks back as far as a step where it cannot see how often samples come.
        found = self.ask("query", query=query, time=f"{at:.3f}", step="35m")["result"]
        assert len(found) <= 1
        return float(found[0]["value"][1]) if found else None


@contextmanager
def _running(command: Sequence[str], store: Store, ready: str) -> Iterator[Store]:
    with store.log.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:

        def answers() -> bool:
            assert process.poll() is None, store.log.read_text()[-2000:]
            try:
                with urllib.request.urlopen(store.address + ready, timeout=10) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError, http.client.HTTPException):
                return False

        wait_until(answers, what=f"{command[0]} to be ready")
        yield store
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def prometheus(folder: Path, *, window: str | None = "14d", port: int | None = None) -> Iterator[Store]:
    """Run Prometheus as a receiver; without `window` it takes no late samples."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    config = folder / "prometheus.yml"
    storage = {"storage": {"tsdb": {"out_of_order_time_window": window}}} if window else {}
    config.write_text(json.dumps(storage))  # JSON is YAML
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--query.lookback-delta=35m",
    ]
    store = Store(f"http://127.0.0.1:{port}", "/api/v1/write", folder / "prometheus.log")
    with _running(command, store, "/-/ready") as found:
        yield found


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[Store]:
    """Run VictoriaMetrics."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        "victoria-metrics",
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-search.latencyOffset=1s",
        "-retentionPeriod=12",
    ]
    store = Store(
        f"http://127.0.0.1:{port}", "/api/v1/write", folder / "victoria.log", "/internal/force_flush"
    )
    with _running(command, store, "/health") as found:
        yield found
