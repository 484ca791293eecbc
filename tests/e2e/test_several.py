"""Two `roadworthy serve`, one `roadworthy jobs` and one that stands by, on one PostgreSQL, behind a real nginx."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
from sqlalchemy import URL
from support import crowd as crowds
from support import free_port, postgres, wait_until
from support.crowd import Crowd, Member, enrol_over_api, make_certificate, packed
from support.migrations import with_one_more
from support.running import Running, call, running

pytestmark = [pytest.mark.needs("postgresql"), pytest.mark.needs("nginx")]

CONFIGURATION = Path(__file__).parents[2] / "deploy/nginx/roadworthy.conf"
NAME = "roadworthy.example.org"


@dataclass
class Place:
    """A database, and what every program on it is told."""

    folder: Path
    url: URL
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.variables = {
            "ROADWORTHY_DATABASE_URL": self.url.render_as_string(),
            "ROADWORTHY_ROLLUPS_AT": "jobs",
            "ROADWORTHY_BEHIND_TLS_PROXY": "true",
            "ROADWORTHY_ALLOWED_HOSTS": json.dumps([NAME]),
        }

    @cached_property
    def scrape_token(self) -> str:
        """Return what Prometheus signs in with; the first to ask makes it, and with it the first user."""
        self.run("first-start", "--secrets", str(self.folder / "secrets"))
        return (self.folder / "secrets/scrape-token").read_text().strip()

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        done = call(*arguments, folder=self.folder, **self.variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def program(self, command: str, name: str, port: int | None = None, **more: str) -> Iterator[Running]:
        """Run `serve` or `jobs` in a folder of its own, as on a machine of its own."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        port = port or free_port()
        jobs_port = {"ROADWORTHY_JOBS_PORT": str(port)} if command == "jobs" else {}
        told = self.variables | jobs_port | more
        with running(
            command, folder=folder, port=port if command == "serve" else free_port(), **told
        ) as started:
            started.port = port
            if command == "serve":
                started.wait_ready()
            else:
                wait_until(lambda: started.get("/healthz")[0] == 200, what=f"{name}: {started.said()}")
            yield started

    def metrics(self, program: Running) -> str:
        """Return what Prometheus reads of a program."""
        status, text = program.get("/metrics", Authorization=f"Bearer {self.scrape_token}")
        assert status == 200, text
        return text

    def holds(self, program: Running) -> bool:
        """Return whether this program does the jobs."""
        return bool(json.loads(program.get("/healthz")[1] or "{}").get("holds_jobs"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    url = postgres.fresh_database()
    yield Place(tmp_path, url)
    postgres.drop_database(url)


@dataclass(frozen=True)
class Pair:
    """Two collectors on one database that nobody harms, each told to expose the roll-ups."""

    place: Place
    a: Running
    b: Running


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    url = postgres.fresh_database()
    place = Place(tmp_path_factory.mktemp("pair"), url)
    assert place.scrape_token  # there is a user, before anything serves
    at_serve = {"ROADWORTHY_ROLLUPS_AT": "serve"}
    with (
        place.program("serve", "a", **at_serve) as a,
        place.program("serve", "b", **at_serve) as b,
    ):
        yield Pair(place, a, b)
    postgres.drop_database(url)


@contextmanager
def nginx(folder: Path, *ports: int) -> Iterator[tuple[int, ssl.SSLContext]]:
    """Run nginx with the shipped configuration, but for addresses and the certificate; yield where and whom to trust."""
    listening, made = free_port(), make_certificate(folder)
    text = CONFIGURATION.read_text("utf-8")
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{listening} ssl"),
        ("127.0.0.1:8470", f"127.0.0.1:{ports[0]}"),
        ("127.0.0.1:8480", f"127.0.0.1:{ports[1]}"),
        ("/etc/roadworthy/tls/chain.pem", str(made.certificate)),
        ("/etc/roadworthy/tls/key.pem", str(made.key)),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "roadworthy.conf").write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''}\nworker_processes 1;\npid {folder}/nginx.pid;\n"
        f"error_log {folder}/nginx.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/roadworthy.conf;\n}}\n"
    )
    program = "/usr/sbin/nginx"
    with (folder / "nginx.out").open("wb") as output:
        process = subprocess.Popen(
            [program, "-p", folder, "-c", main, "-e", folder / "nginx.log", "-g", "daemon off;"],
            stdout=output,
            stderr=output,
        )
    context = ssl.create_default_context(cafile=made.certificate)
    try:
        wait_until(lambda: asked(listening, context, "/healthz")[0] == 200, what="nginx")
        yield listening, context
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def asked(port: int, context: ssl.SSLContext, path: str, host: str = NAME) -> tuple[int, str]:
    """Return status and text of a GET through nginx."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def more(crowd: Crowd, reports: int = 60) -> None:
    """Wait until so many more reports are acknowledged."""
    wanted = len(crowd.acknowledged) + reports
    wait_until(lambda: len(crowd.acknowledged) >= wanted, timeout=60, what=f"reports; {crowd.answers}")


def kill(program: Running) -> None:
    """End a program as a power cut would."""
    program.process.kill()
    program.process.wait()


def test_a_rolling_restart_under_load_loses_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `serve` in turn, one killed, the holder of the jobs killed, the schema one version ahead meanwhile."""
    assert place.scrape_token
    crowd = Crowd(place.url)
    ports = free_port(), free_port()
    with (
        place.program("jobs", "jobs-1") as first_jobs,
        place.program("serve", "b", ports[1]) as b,
        nginx(place.folder, *ports) as (port, context),
    ):
        wait_until(lambda: place.holds(first_jobs), what="a holder of the jobs")
        with place.program("jobs", "jobs-2") as second_jobs, ExitStack() as load:
            load.enter_context(crowd.reporting(port, context=context))
            with place.program("serve", "a", ports[0]) as a:
                more(crowd)
                with_one_more(monkeypatch, place.folder, place.url)
                more(crowd)
                a.process.send_signal(signal.SIGTERM)
                assert a.process.wait(60) == 0
            more(crowd)
            with place.program("serve", "a", ports[0]) as a:  # runs on a schema one version ahead
                more(crowd)
                kill(b)
                more(crowd)
                with place.program("serve", "b", ports[1]) as again:
                    assert not place.holds(second_jobs)
                    kill(first_jobs)
                    wait_until(lambda: place.holds(second_jobs), what="the other to do the jobs")
                    more(crowd)
                    wait_until(
                        lambda: "roadworthy_estate_devices" in place.metrics(second_jobs), what="the roll-ups"
                    )
                    for each in (a, again):
                        assert "roadworthy_ingest_reports_total" in place.metrics(each)
                        assert "roadworthy_estate_" not in place.metrics(each)
                    load.close()
    assert crowd.unfinished == set()
    ledger = crowd.ledger(place.url)
    assert ledger.balanced, ledger.faults()
    assert ledger.acknowledged > 0
    # What clients saw besides: nginx could reach neither, or the collector asked them to wait.
    assert set(crowd.answers) <= {200} | crowds.RETRYABLE, crowd.answers


def test_through_nginx_names_are_checked_and_metrics_are_not_shown(pair: Pair) -> None:
    with nginx(pair.place.folder, pair.a.port, pair.b.port) as (port, context):
        status, _ = asked(port, context, "/")
        assert status == 303  # to sign in; X-Forwarded-* is no reason to refuse once somebody can
        assert asked(port, context, "/", host="evil.example")[0] == 421
        for path in ("/metrics", "/metrics/devices", "/sd/devices"):
            assert asked(port, context, path)[0] == 404, path


def test_what_one_collector_does_to_a_token_holds_at_the_other(pair: Pair) -> None:
    place, a, b = pair.place, pair.a, pair.b
    key = place.run("enrol-key", "create").split()[-1]
    crowd = Crowd(place.url, devices=0)
    crowd.fleet = enrol_over_api("127.0.0.1", a.port, key, 2, context=None)
    moved, revoked = crowd.fleet
    line = crowds.line(crowd)
    assert line(b, revoked, 0)[0] == 200  # enrolled at one, reporting at the other
    assert line(b, moved, 0)[0] == 200
    place.run("devices", "rotate", moved.device_id)
    status, answer = line(a, moved, 1)
    assert status == 200
    newer = Member(moved.device_id, answer["token"])
    assert line(b, moved, 2)[0] == 200  # the old one works until the new one is used
    assert line(b, newer, 3)[0] == 200
    status, answer = line(a, moved, 4)
    assert (status, answer["error"]["code"]) == (401, "re_enrol")
    assert line(a, newer, 4)[0] == 200
    place.run("devices", "revoke", revoked.device_id)
    for each in (a, b):
        status, answer = line(each, revoked, 1)
        assert (status, answer["error"]["code"]) == (403, "revoked")


def test_it_says_that_it_is_not_ready_before_it_ends(place: Place) -> None:
    crowd = Crowd(place.url, devices=1)
    line = crowds.line(crowd)
    with place.program("serve", "a", ROADWORTHY_DRAIN_SECONDS="300") as a:
        a.process.send_signal(signal.SIGTERM)
        _, text = wait_until(
            lambda: said if (said := a.get("/readyz"))[0] == 503 else None, what="being unready"
        )
        assert json.loads(text)["error"]["code"] == "draining"
        assert line(a, crowd.fleet[0], 0)[0] == 200
        a.process.send_signal(signal.SIGTERM)  # a second one is an order
        assert a.process.wait(60) == 0
    with place.program("serve", "a", ROADWORTHY_DRAIN_SECONDS="0.5") as a:
        a.process.send_signal(signal.SIGTERM)
        assert a.process.wait(60) == 0
    crowd.acknowledged = {packed(0, 0)}
    assert crowd.ledger(place.url).balanced


def test_several_that_each_expose_the_rollups_are_told_so(pair: Pair) -> None:
    assert "rollups_at" not in pair.a.said()
    (line,) = [line for line in pair.b.said().splitlines() if "rollups_at" in line]
    assert f":{pair.a.port}" in line
    assert f":{pair.b.port}" not in line


def test_a_database_that_was_not_upgraded_is_one_clear_line(tmp_path: Path) -> None:
    url = postgres.fresh_database(empty=True)
    for command in ("serve", "jobs"):
        done = call(command, folder=tmp_path, ROADWORTHY_DATABASE_URL=url.render_as_string())
        assert done.returncode == 2
        (line,) = done.stderr.strip().splitlines()
        assert line.endswith("run `roadworthy db upgrade` once, then start again")
    postgres.drop_database(url)
