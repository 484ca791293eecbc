"""Prometheus and Alertmanager as they are shipped, in a hurry, and everybody who is told: webhooks, chat, e-mail."""

from __future__ import annotations

import email
import json
import re
import socketserver
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.policy import default as modern
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from roadworthy_dashboards.rules import rule_files
from support import free_port, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
AUDIENCES = ("desktop_support", "sustainability", "replacement", "operations")


@dataclass
class Told:
    """What came: webhooks by receiver, chat messages by audience, mails; and what `/metrics` answers meanwhile."""

    metrics: str
    hooks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    chats: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    mails: list[Message] = field(default_factory=list)

    def of(self, alert: str) -> list[tuple[str, dict[str, Any]]]:
        """Return (receiver, payload) of the webhooks about an alert."""
        return [one for one in list(self.hooks) if one[1]["groupLabels"].get("alertname") == alert]


@dataclass(frozen=True)
class Alerting:
    """The running pair."""

    prometheus: int
    alertmanager: int
    told: Told

    def alerts(self) -> list[dict[str, Any]]:
        """Return what Alertmanager holds, each with labels, status and fingerprint."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.alertmanager}/api/v2/alerts", timeout=30
        ) as answer:
            held: list[dict[str, Any]] = json.load(answer)
        return held

    def post(self, *labels: dict[str, str]) -> None:
        """Hand alerts to Alertmanager as Prometheus would."""
        body = json.dumps([{"labels": one, "annotations": {"summary": "Posted"}} for one in labels]).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.alertmanager}/api/v2/alerts",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()


@contextmanager
def alerting(folder: Path, metrics: str, extra: str, *, dead_job: str) -> Iterator[Alerting]:
    """Run both on `metrics`, with the shipped rules and those of `extra`; a target of `dead_job` does not answer."""
    told = Told(metrics)
    with ExitStack() as stack:
        web = stack.enter_context(_web(told))
        post = stack.enter_context(_post_office(told))
        manager, asked = free_port(), free_port()
        stack.enter_context(_manager(folder, manager, web, post))
        config = _prometheus(folder, web, manager, extra, dead_job)
        stack.enter_context(
            _running(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{asked}",
                    "--rules.alert.resend-delay=5s",
                ],
                folder / "prometheus.log",
            )
        )
        for port in (manager, asked):
            wait_until(lambda port=port: _ready(port), timeout=60, what="Prometheus and Alertmanager")  # type: ignore[misc] # bound above
        yield Alerting(asked, manager, told)


@contextmanager
def manager_alone(folder: Path) -> Iterator[Alerting]:
    """Run Alertmanager without a Prometheus, for what it makes of alerts that are posted."""
    told = Told("")
    with ExitStack() as stack:
        web, post = stack.enter_context(_web(told)), stack.enter_context(_post_office(told))
        port = free_port()
        stack.enter_context(_manager(folder, port, web, post))
        wait_until(lambda: _ready(port), timeout=60, what="Alertmanager")
        yield Alerting(0, port, told)


@contextmanager
def _manager(folder: Path, port: int, web: int, post: int) -> Iterator[None]:
    command = [
        "prometheus-alertmanager",
        f"--config.file={_alertmanager(folder, web, post)}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _running(command, folder / "alertmanager.log"):
        yield


def _alertmanager(folder: Path, web: int, post: int) -> Path:
    """Return the shipped configuration with addresses of the test, and a webhook at every receiver."""
    config = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text("utf-8"))
    config["global"] |= {"smtp_smarthost": f"127.0.0.1:{post}", "smtp_require_tls": False}
    config["templates"] = [str(DEPLOY / "alertmanager/templates/*.tmpl")]
    config["global"]["smtp_auth_password_file"] = str(_secret(folder, "smtp-password", "not a real one"))
    for receiver in config["receivers"]:
        for chat in receiver.get("slack_configs", ()):
            name = Path(chat["api_url_file"]).name
            chat["api_url_file"] = str(_secret(folder, name, f"http://127.0.0.1:{web}/chat/{name}"))
        receiver["webhook_configs"] = [{"url": f"http://127.0.0.1:{web}/hook/{receiver['name']}"}]
    hurry(config["route"])
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    return path


def hurry(route: dict[str, Any]) -> None:
    """Have nobody wait: a group's first message after seconds, and no second one while the test runs."""
    if "group_wait" in route:
        route["group_wait"] = "15s"  # as long as it takes to hand over 5,000 alerts on a busy machine
    if "group_interval" in route:
        route["group_interval"] = "10m"
    for inner in route.get("routes", ()):
        hurry(inner)


def _prometheus(folder: Path, web: int, manager: int, extra: str, dead_job: str) -> Path:
    rules = folder / "rules"
    rules.mkdir()
    for name, text in {**rule_files(), "extra.yaml": extra}.items():
        hasty = re.sub(r"^( +)(for|interval): .*$", r"\1\2: 1s", text, flags=re.MULTILINE)
        (rules / Path(name).name).write_text(hasty, "utf-8")
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(rules / "*.yaml")]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{manager}"]
    config["scrape_configs"] = [
        {"job_name": "roadworthy", "static_configs": [{"targets": [f"127.0.0.1:{web}"]}]},
        {"job_name": dead_job, "static_configs": [{"targets": [f"127.0.0.1:{free_port()}"]}]},
    ]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    return path


def _secret(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return path


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10):
            return True
    except OSError:  # no answer yet, or the 503 of one that starts
        return False


@contextmanager
def _running(command: list[str], output: Path) -> Iterator[None]:
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _web(told: Told) -> Iterator[int]:
    """Answer `/metrics`, and take what is posted to `/hook/NAME` and `/chat/NAME`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(told.metrics.encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, kind, name = self.path.split("/")
            (told.hooks if kind == "hook" else told.chats).append((name, body))
            self._answer(b"ok")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        yield int(server.server_address[1])


@contextmanager
def _post_office(told: Told) -> Iterator[int]:
    """Take mail as an SMTP server with a sign-in does, as far as Alertmanager asks."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 test")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "EHLO":
                    self.wfile.write(b"250-test\r\n250 AUTH PLAIN\r\n")
                elif word == "AUTH":
                    self._say("235 welcome")
                elif word == "DATA":
                    self._say("354 go on")
                    told.mails.append(email.message_from_bytes(self._body(), policy=modern))
                    self._say("250 taken")
                elif word == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 yes")

        def _body(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

        def _say(self, words: str) -> None:
            self.wfile.write(f"{words}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        yield int(server.server_address[1])


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
