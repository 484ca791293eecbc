"""A main collector that answers what a test wants, over real HTTP: what a real one says only when it is in trouble."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any], dict[str, str]]
DEVICE = "rwd_" + "c" * 32
TOKEN = "rw1_" + "1" * 16 + "_" + "2" * 64


def taken(body: dict[str, Any], **more: Any) -> Answer:
    """Return the answer to a report that is taken whole."""
    count = sum(len(body.get(name, ())) for name in ("periods", "days", "startups", "signins", "gaps"))
    answer = {
        "received": count,
        "accepted": count,
        "rejected": [],
        "next_call": 60,
        "server_time": time.time(),
    }
    return 200, answer | more, {}


def refused(status: int, code: str, **headers: str) -> Answer:
    return (
        status,
        {"error": {"code": code, "field": None, "message": code}, "server_time": time.time()},
        headers,
    )


def enrolled(_body: dict[str, Any]) -> Answer:
    return 200, {"device_id": DEVICE, "token": TOKEN, "server_time": time.time(), "next_call": 60}, {}


class Canned:
    """Answers enrolments and reports by two functions; `asked` are the reports that came, `enrolments` the others."""

    def __init__(self) -> None:
        self.report: Callable[[dict[str, Any]], Answer] = taken
        self.enrol: Callable[[dict[str, Any]], Answer] = enrolled
        self.asked: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.enrolments: list[dict[str, Any]] = []
        self.address = ""


@contextmanager
def canned() -> Iterator[Canned]:
    """Run one until the block ends."""
    state = Canned()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            asked = json.loads(body)
            if self.path == "/api/v1/enrol":
                state.enrolments.append(asked)
                answer = state.enrol(asked)
            else:
                state.asked.append(asked)
                state.tokens.append(self.headers["authorization"].removeprefix("Bearer "))
                answer = state.report(asked)
            self.send(*answer)

        def send(self, status: int, value: dict[str, Any], headers: dict[str, str]) -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            for name, header in {"content-length": str(len(text)), **headers}.items():
                self.send_header(name, header)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
