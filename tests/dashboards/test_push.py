"""Pushing and comparing, against a server that answers as Grafana's HTTP API documentation says Grafana does.

Paths, bodies, answers and status codes are those of the pages on the folder, data source and dashboard API for Grafana
11; nobody has run this against a live Grafana yet, and the help says so.
"""

from __future__ import annotations

import ast
import copy
import functools
import gzip
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import free_port
from typer.testing import CliRunner, Result

import roadworthy_dashboards
from roadworthy_dashboards import push_errors, render
from roadworthy_dashboards.addresses import CONSOLE
from roadworthy_dashboards.cli import app
from roadworthy_dashboards.delivery import SOURCE_UID, Wanted, differences, folder_uid, push, read_token
from roadworthy_dashboards.push import MOST_BYTES, Grafana
from roadworthy_dashboards.push_errors import PushError, TimedOutError, TokenError

PACKAGE = Path(roadworthy_dashboards.__file__).parent
TOKEN = "glsa_0123456789abcdef_secret"  # noqa: S105 - made up for this test
rendered_once = functools.cache(render.rendered)
BOARDS = [json.loads(text) for text in rendered_once(CONSOLE).values()]
UIDS = [board["uid"] for board in BOARDS]
Answer = tuple[int, Any]
DRIPS = -1


class Stand(ThreadingHTTPServer):
    """Holds folders, data sources and boards by uid, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.prefix = ""
        self.grafana_version = "12.1.1"
        self.folders: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.boards: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.refusals: dict[tuple[str, str], tuple[int, Any, dict[str, str]]] = {}
        self.release = threading.Event()
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}{self.prefix}"

    @property
    def written(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path in self.asked if method != "GET"]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that does not trust the certificate goes away in the middle."""

    def answer(self, method: str, path: str, body: Any) -> Answer:
        kind, _, uid = path.partition("/")
        handler: Callable[[str, str, Any], Answer] = {
            "health": self._health,
            "folders": self._folders,
            "datasources": self._sources,
            "dashboards": self._dashboards,
        }[kind]
        return handler(method, uid, body)

    def _health(self, *_: Any) -> Answer:
        return 200, {"commit": "x", "database": "ok", "version": self.grafana_version}

    def _folders(self, method: str, uid: str, body: Any) -> Answer:
        if method == "POST":
            if body["uid"] in self.folders or body["title"] in {
                one["title"] for one in self.folders.values()
            }:
                return 409, {"message": "a folder with the same name already exists", "status": "name-exists"}
            self.folders[body["uid"]] = {"id": len(self.folders) + 1, "version": 1, **body}
            return 200, self.folders[body["uid"]]
        if not uid:
            return 200, list(self.folders.values())
        return _found(self.folders.get(uid), "folder not found")

    def _sources(self, method: str, uid: str, body: Any) -> Answer:
        uid = uid.removeprefix("uid/")
        if method == "GET":
            return _found(self.sources.get(uid), "Data source not found")
        if method == "POST":
            if body["name"] in {one["name"] for one in self.sources.values()}:
                return 409, {"message": "data source with the same name already exists"}
            self.sources[body["uid"]] = {"id": 1, "readOnly": False, "version": 1, "basicAuth": False, **body}
            return 200, {"datasource": self.sources[body["uid"]], "message": "Datasource added"}
        self.sources[uid] = {**body, "version": body["version"] + 1}
        return 200, {"datasource": self.sources[uid], "message": "Datasource updated"}

    def _dashboards(self, method: str, uid: str, body: Any) -> Answer:
        if method == "GET":
            return _found(self.boards.get(uid.removeprefix("uid/")), "Dashboard not found")
        board = body["dashboard"]
        there = self.boards.get(board["uid"])
        if there and there["dashboard"]["version"] != board["version"] and not body["overwrite"]:
            return 412, {
                "message": "The dashboard has been changed by someone else",
                "status": "version-mismatch",
            }
        if body["folderUid"] not in self.folders:
            return 404, {"message": "folder not found"}
        version = there["dashboard"]["version"] + 1 if there else 1
        kept = {**board, "id": board["id"] or 100 + len(self.boards), "version": version}
        self.boards[board["uid"]] = {
            "dashboard": kept,
            "meta": {"folderUid": body["folderUid"], "provisioned": False},
        }
        return 200, {"id": kept["id"], "uid": kept["uid"], "status": "success", "version": version}


def _found(there: Any, missing: str) -> Answer:
    return (200, there) if there is not None else (404, {"message": missing})


class _Asked(BaseHTTPRequestHandler):
    server: Stand
    protocol_version = "HTTP/1.1"
    # Head and body in one piece, at once: else each answer waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.partition("?")[0]
        headers: dict[str, str] = {}
        if not path.startswith(f"{self.server.prefix}/api/"):
            status, said = 404, {"message": "Not found"}
        else:
            path = path.removeprefix(f"{self.server.prefix}/api/")
            self.server.asked.append((method, path))
            if (method, path) in self.server.refusals:
                status, said, headers = self.server.refusals[method, path]
            elif path != "health" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, said = 401, {"message": "Invalid API key"}
            else:
                status, said = self.server.answer(method, path, body)
        if status == 0:
            self.server.release.wait(20)
            return
        if status == DRIPS:
            self._drip(said)
            return
        text = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json; charset=UTF-8"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _drip(self, begun: bytes) -> None:
        """Go on with an answer a byte at a time, and leave it unfinished."""
        self.close_connection = True
        self.wfile.write(begun)
        for _ in range(250):
            self.wfile.write(b"x")
            self.wfile.flush()
            if self.server.release.wait(0.02):
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name for it
        """Keep the test's output to the test."""


def run(stand: Stand) -> Iterator[Stand]:
    thread = threading.Thread(target=stand.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stand
    finally:
        stand.release.set()
        stand.shutdown()
        stand.server_close()
        thread.join()


@pytest.fixture
def stand() -> Iterator[Stand]:
    yield from run(Stand())


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def call(stand: Stand, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    # Rendering is a second of work and its own tests' business.
    monkeypatch.setattr(render, "rendered", rendered_once)

    def invoke(command: str, *words: str, url: str | None = None) -> Result:
        arguments = [command, "--url", url or stand.url, "--token-file", str(token_file), *words]
        done = CliRunner().invoke(app, arguments)
        assert TOKEN not in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return invoke


def board_paths() -> list[tuple[str, str]]:
    return [("POST", "dashboards/db")] * len(BOARDS)


def test_the_first_push_creates_everything_and_the_second_nothing(
    stand: Stand, call: Callable[..., Result]
) -> None:
    words = ("--datasource-url", "http://prometheus:9090")
    done = call("push", *words)
    assert done.exit_code == 0
    assert stand.written == [("POST", "folders"), ("POST", "datasources"), *board_paths()]
    assert done.stdout.count(": created") == 2 + len(BOARDS)
    assert stand.folders["roadworthy"]["title"] == "Roadworthy"
    assert stand.sources[SOURCE_UID]["url"] == "http://prometheus:9090"
    for board in BOARDS:
        held = stand.boards[board["uid"]]
        assert held["meta"]["folderUid"] == "roadworthy"
        assert held["dashboard"]["panels"] == board["panels"]
        (source,) = [one for one in held["dashboard"]["templating"]["list"] if one["type"] == "datasource"]
        assert source["current"]["value"] == SOURCE_UID
    stand.asked.clear()
    done = call("push", *words)
    assert done.exit_code == 0
    assert stand.written == []
    assert done.stdout.count(": unchanged") == 2 + len(BOARDS)
    assert call("check", *words).exit_code == 0


def test_without_an_address_data_sources_are_left_alone(stand: Stand, call: Callable[..., Result]) -> None:
    assert call("push").exit_code == 0
    assert not [path for _, path in stand.asked if path.startswith("datasources")]
    assert stand.boards[UIDS[0]]["dashboard"]["templating"] == BOARDS[0]["templating"]


def test_a_dry_run_writes_nothing(stand: Stand, call: Callable[..., Result]) -> None:
    done = call("push", "--dry-run", "--datasource-url", "http://prometheus:9090")
    assert done.exit_code == 0
    assert done.stdout.count("would be created") == 2 + len(BOARDS)
    assert stand.written == []


@pytest.fixture(scope="module")
def full() -> dict[str, Any]:
    """Return what a server holds after a push: folders, sources, boards."""
    running = run(Stand())
    stand = next(running)
    with Grafana(stand.url, TOKEN) as grafana:
        list(push(grafana, Wanted("Roadworthy", BOARDS)))
    for _ in running:
        pass
    return {"folders": stand.folders, "boards": stand.boards}


@pytest.fixture
def pushed(stand: Stand, full: dict[str, Any]) -> Stand:
    stand.folders, stand.boards = copy.deepcopy(full["folders"]), copy.deepcopy(full["boards"])
    return stand


def drifted(stand: Stand, call: Callable[..., Result]) -> list[str]:
    done = call("check")
    lines = [line for line in done.stdout.splitlines() if "as it should be" not in line]
    assert done.exit_code == (1 if lines else 0)
    assert stand.written == []
    return lines


def test_drift_is_shown_and_put_right_and_the_rest_is_not_written(
    pushed: Stand, call: Callable[..., Result]
) -> None:
    assert drifted(pushed, call) == []
    pushed.boards[UIDS[0]]["dashboard"]["panels"][1]["title"] = "Mine"
    pushed.boards[UIDS[0]]["dashboard"]["version"] = 7
    pushed.boards[UIDS[1]]["meta"]["folderUid"] = "elsewhere"
    del pushed.boards[UIDS[2]]
    assert drifted(pushed, call) == [
        f"board {UIDS[0]}: differs (panels[1].title is another)",
        f"board {UIDS[1]}: differs (it is in the folder elsewhere)",
        f"board {UIDS[2]}: missing",
    ]
    done = call("push")
    assert done.exit_code == 0
    assert len(pushed.written) == 3
    assert pushed.boards[UIDS[0]]["dashboard"]["version"] == 8
    assert pushed.boards[UIDS[1]]["meta"]["folderUid"] == "roadworthy"
    pushed.asked.clear()
    assert drifted(pushed, call) == []


def test_what_grafana_adds_by_itself_is_no_drift(pushed: Stand, call: Callable[..., Result]) -> None:
    board = pushed.boards[UIDS[0]]["dashboard"]
    board |= {
        "schemaVersion": 99,
        "graphTooltip": board.get("graphTooltip", 0),
        "liveNow": False,
        "weekStart": "",
    }
    board["panels"][1]["pluginVersion"] = "12.1.1"
    assert drifted(pushed, call) == []


def test_a_folder_of_the_same_title_is_used(stand: Stand, call: Callable[..., Result]) -> None:
    stand.folders["made-by-hand"] = {"uid": "made-by-hand", "title": "IT estate"}
    assert call("push", "--folder", "IT estate").exit_code == 0
    assert stand.written == board_paths()
    assert {held["meta"]["folderUid"] for held in stand.boards.values()} == {"made-by-hand"}
    assert call("check", "--grafana-folder", "IT estate").exit_code == 0


def test_a_changed_data_source_keeps_what_is_set_beside(pushed: Stand, call: Callable[..., Result]) -> None:
    words = ("--datasource-url", "https://new:9090")
    assert call("push", "--datasource-url", "http://old:9090").exit_code == 0
    pushed.sources[SOURCE_UID]["jsonData"]["tlsAuthWithCACert"] = True
    done = call("push", *words)
    assert f"data source {SOURCE_UID}: changed (url is another)" in done.stdout
    assert pushed.sources[SOURCE_UID]["url"] == "https://new:9090"
    assert pushed.sources[SOURCE_UID]["jsonData"] == {"timeInterval": "60s", "tlsAuthWithCACert": True}
    assert call("push", *words).stdout.count("changed") == 2 + len(BOARDS)  # every line says unchanged
    pushed.sources[SOURCE_UID] |= {"readOnly": True, "url": "http://old:9090"}
    done = call("push", *words)
    assert done.exit_code == 4
    assert "comes from a file on the Grafana server" in done.stderr


def test_a_board_from_a_file_is_not_pushed_over(pushed: Stand, call: Callable[..., Result]) -> None:
    pushed.boards[UIDS[0]]["meta"]["provisioned"] = True
    assert call("push").exit_code == 0
    pushed.boards[UIDS[0]]["dashboard"]["title"] = "Another"
    done = call("push")
    assert done.exit_code == 4
    assert "comes from a file on the Grafana server" in done.stderr
    assert pushed.written == []


def test_what_somebody_saves_meanwhile_is_not_lost(pushed: Stand) -> None:
    """Between the look and the write somebody else saves: Grafana answers 412, and theirs stays."""
    with Grafana(pushed.url, TOKEN) as grafana:
        found = grafana.board(UIDS[0])
        assert found is not None
        pushed.boards[UIDS[0]]["dashboard"] |= {"version": 2, "title": "Theirs"}
        with pytest.raises(push_errors.ChangedError, match="version-mismatch"):
            grafana.write_board(found["dashboard"], "roadworthy", "mine")
    assert pushed.boards[UIDS[0]]["dashboard"]["title"] == "Theirs"


WRITES = {
    "read the folder roadworthy": ("GET", "folders/roadworthy"),
    "create the folder Roadworthy": ("POST", "folders"),
    f"read the data source {SOURCE_UID}": ("GET", f"datasources/uid/{SOURCE_UID}"),
    "create the data source Roadworthy Prometheus": ("POST", "datasources"),
    f"read the board {UIDS[0]}": ("GET", f"dashboards/uid/{UIDS[0]}"),
    f"write the board {UIDS[0]}": ("POST", "dashboards/db"),
}
STATUSES: list[tuple[int, str, type[PushError], int]] = [
    (400, "Bad request", push_errors.RefusedError, 4),
    (401, "make a new one", push_errors.UnknownTokenError, 4),
    (403, "docs/dashboards.md", push_errors.ForbiddenError, 4),
    (404, "sub-path", push_errors.NotFoundError, 4),
    (409, "has this name", push_errors.ConflictError, 4),
    (412, "somebody else", push_errors.ChangedError, 4),
    (422, "Grafana 11 to 13", push_errors.RefusedError, 4),
    (429, "too many requests", push_errors.RefusedError, 4),
    (500, "its log", push_errors.BrokenError, 3),
    (502, "try again later", push_errors.BrokenError, 3),
    (503, "try again later", push_errors.BrokenError, 3),
]


@pytest.mark.parametrize(("status", "words", "kind", "code"), STATUSES)
def test_a_refusal_says_what_where_and_what_to_do(
    stand: Stand, status: int, words: str, kind: type[PushError], code: int
) -> None:
    for doing, asked in WRITES.items():
        if status == 404 and asked[0] == "GET":
            continue  # there is none yet, which is no refusal
        stand.refusals = {asked: (status, {"message": f"Bad request, {TOKEN}\x1b[2J"}, {})}
        stand.folders, stand.sources, stand.boards = {}, {}, {}
        with Grafana(stand.url, TOKEN) as grafana, pytest.raises(kind) as caught:
            list(push(grafana, Wanted("Roadworthy", BOARDS[:1], "http://prometheus:9090")))
        said = str(caught.value)
        assert said.startswith(
            f"{stand.url}: could not {doing}: it answers {status} (Bad request, (token)[2J); "
        )
        assert words in said
        assert type(caught.value) is kind
        assert caught.value.code == code


def test_a_refusal_ends_the_command_with_its_code(stand: Stand, call: Callable[..., Result]) -> None:
    stand.refusals["POST", "dashboards/db"] = (403, {"message": "You'll need additional permissions"}, {})
    done = call("push", "--format", "json")
    assert done.exit_code == 4
    assert done.stderr.startswith(f"roadworthy: {stand.url}: could not write the board")
    assert [step["state"] for step in json.loads(done.stdout)] == ["missing"]


def test_steps_are_json_when_asked(pushed: Stand, call: Callable[..., Result]) -> None:
    del pushed.boards[UIDS[0]]
    done = call("check", "--format", "json")
    assert done.exit_code == 1
    steps = json.loads(done.stdout)
    assert {step["kind"] for step in steps} == {"folder", "board"}
    assert [step["uid"] for step in steps if step["state"] == "missing"] == [UIDS[0]]


def test_without_an_address_check_is_about_the_files(tmp_path: Path) -> None:
    (tmp_path / "extra.json").write_text("{}")
    done = CliRunner().invoke(app, ["check", "--folder", str(tmp_path), "--format", "json"])
    assert done.exit_code == 1
    faults = json.loads(done.stdout)["faults"]
    assert len(faults) == len(BOARDS) + 1
    assert any("extra.json: no board makes it" in fault for fault in faults)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, b"<html>hello", {"Content-Type": "text/html"}), "not a Grafana"),
        ((200, b"hello", {}), "not JSON"),
        ((200, {"status": "ok"}, {}), "not a Grafana"),
        ((302, b"", {"Location": "https://sso.example/"}), "answers with a redirect"),
        ((404, b"<html>", {"Content-Type": "text/html"}), "sub-path"),
    ],
)
def test_what_is_no_grafana_is_said(
    stand: Stand, call: Callable[..., Result], answer: tuple[int, Any, dict[str, str]], words: str
) -> None:
    stand.refusals["GET", "health"] = answer
    done = call("push")
    assert done.exit_code == 4
    assert words in done.stderr
    assert stand.written == []


@pytest.mark.parametrize("version", ["10.4.2", "14.0.0-pre"])
def test_another_version_is_said_and_tried(stand: Stand, call: Callable[..., Result], version: str) -> None:
    stand.grafana_version = version
    done = call("push")
    assert done.exit_code == 0
    assert f"written for Grafana 11 to 13, and this is {version}" in done.stderr


def test_a_grafana_under_a_path_is_found(stand: Stand, call: Callable[..., Result]) -> None:
    stand.prefix = "/grafana"
    assert call("push", url=stand.url + "/").exit_code == 0
    stand.prefix = "/elsewhere"
    done = call("push", url=stand.url.replace("elsewhere", "grafana"))
    assert done.exit_code == 4
    assert "does --url have Grafana's sub-path?" in done.stderr


def test_nobody_there_is_said(call: Callable[..., Result]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = call("push", url=url)
    assert done.exit_code == 3
    assert done.stderr.startswith(f"roadworthy: {url}: could not ask how it is: Failed to establish")
    assert "Connection refused; is the address right" in done.stderr


def test_https_where_there_is_none_is_not_called_a_bad_certificate(
    stand: Stand, call: Callable[..., Result]
) -> None:
    done = call("push", url=stand.url.replace("http:", "https:"))
    assert done.exit_code == 3
    assert "there is no TLS connection" in done.stderr
    assert "--ca-file" not in done.stderr


def test_no_answer_in_time_is_said(stand: Stand) -> None:
    stand.refusals["GET", "health"] = (0, b"", {})
    with (
        Grafana(stand.url, TOKEN, timeout_seconds=(5, 0.1)) as grafana,
        pytest.raises(TimedOutError, match="no answer in time"),
    ):
        grafana.version()


@pytest.mark.parametrize(
    "begun", [b"HTTP/1.1 200 OK\r\nX-So: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n["]
)
def test_an_answer_that_drips_ends_with_the_time_for_all_of_it(stand: Stand, begun: bytes) -> None:
    stand.refusals["GET", "health"] = (DRIPS, begun, {})
    with (
        Grafana(stand.url, TOKEN, timeout_seconds=(5, 5), deadline_seconds=0.2) as grafana,
        pytest.raises(TimedOutError, match="no answer in time"),
    ):
        grafana.version()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("status", [200, 403])
def test_no_more_is_read_of_an_answer_than_any_grafana_says(
    stand: Stand, call: Callable[..., Result], status: int, *, packed: bool
) -> None:
    said = b" " * (MOST_BYTES + 1)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    stand.refusals["GET", "health"] = (status, gzip.compress(said, 1) if packed else said, headers)
    done = call("check")
    assert done.exit_code == 4
    assert "an answer of more than 16 MB" in done.stderr


def test_only_a_trusted_certificate_gets_the_token(tmp_path: Path, token_file: Path) -> None:
    key, made = tmp_path / "key.pem", tmp_path / "cert.pem"
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    name = ["-subj", "/CN=grafana", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*new, *name, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_bytes(made.read_bytes() + key.read_bytes())
    running = run(Stand(both))
    stand = next(running)
    words = ["push", "--url", stand.url, "--token-file", str(token_file)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 3
    assert "its certificate is not trusted" in done.stderr
    assert "--ca-file" in done.stderr
    assert stand.asked == []
    assert CliRunner().invoke(app, [*words, "--ca-file", str(made)]).exit_code == 0
    assert CliRunner().invoke(app, [*words, "--ca-file", str(token_file)]).exit_code == 2
    for _ in running:
        pass


def test_a_proxy_never_sees_a_token_in_plain(
    stand: Stand, call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert call("push", "--dry-run").exit_code == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://grafana.example", "use https"),
        ("https://admin:word@grafana.example", "no name or password"),
        ("https://grafana.example/?orgId=1", "after ?"),
        ("grafana.example", "starts with https://"),
        ("ftp://grafana.example", "starts with https://"),
        ("https://grafana.example:port", "not an address"),
    ],
)
def test_an_address_the_token_should_not_go_to_is_refused(
    call: Callable[..., Result], url: str, words: str
) -> None:
    done = call("push", url=url)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "word@" not in done.stderr


def test_a_loopback_address_of_either_kind_is_taken() -> None:
    for url in ("http://localhost:3000", "http://[::1]:3000", "http://127.0.0.2:3000"):
        with Grafana(url, TOKEN) as grafana:
            assert grafana.url == url


def test_the_token_is_read_from_a_private_file_or_the_environment(tmp_path: Path, token_file: Path) -> None:
    assert read_token(token_file) == TOKEN
    assert read_token(None, {"GRAFANA_TOKEN": f" {TOKEN} "}) == TOKEN
    with pytest.raises(TokenError, match="no token"):
        read_token(None, {})
    with pytest.raises(TokenError, match="one word"):
        read_token(None, {"GRAFANA_TOKEN": "two words"})
    for mode in (0o640, 0o604):
        token_file.chmod(mode)
        with pytest.raises(TokenError, match="chmod 600"):
            read_token(token_file)
    token_file.chmod(0o600)
    for text, words in (("", "is empty"), ("a\nb", "one word"), ("\xe9", "one word")):
        token_file.write_text(text)
        with pytest.raises(TokenError, match=words) as caught:
            read_token(token_file)
        assert str(token_file) in str(caught.value)
    with pytest.raises(TokenError, match="cannot be read"):
        read_token(tmp_path / "none")


def test_options_that_would_carry_a_secret_are_refused(call: Callable[..., Result]) -> None:
    done = call("push", "--datasource-url", "http://me:word@prometheus:9090")
    assert (done.exit_code, "word@" in done.output) == (2, False)
    done = call("push", "--console", "javascript:alert(1)")
    assert done.exit_code == 2


def test_the_console_address_reaches_the_boards(stand: Stand, call: Callable[..., Result]) -> None:
    assert call("push", "--console", "https://roadworthy.example").exit_code == 0
    assert "https://roadworthy.example" in json.dumps(stand.boards)
    assert "http://127.0.0.1:8470" not in json.dumps(stand.boards)


def test_the_help_says_what_was_not_tried() -> None:
    for command in ("push", "check"):
        done = CliRunner().invoke(app, [command, "--help"])
        assert "not run against a live Grafana" in " ".join(done.stdout.split())


def test_one_file_talks_to_grafana() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.startswith(("grafana_client", "requests")) for name in names):
                assert path.name == "push.py"


def test_importing_warns_of_nothing_and_does_nothing() -> None:
    """Sockets are taken away first, so that whatever would use one fails."""
    script = "import socket; socket.socket.connect = None; import roadworthy_dashboards.push, roadworthy_dashboards.cli"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("title", "uid"),
    [
        ("Roadworthy", "roadworthy"),
        ("IT estate (north)", "it-estate-north"),
        ("Zürich", "z-rich"),
        ("…", "roadworthy"),
    ],
)
def test_a_folder_has_the_same_uid_every_time(title: str, uid: str) -> None:
    assert folder_uid(title) == uid


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=12,
)


@given(wanted=_VALUES, found=_VALUES)
def test_nothing_differs_from_itself_and_something_does_from_another(wanted: Any, found: Any) -> None:
    """What is only added to an object is no difference; anything else that is not equal is one."""

    def holds(one: Any, other: Any) -> bool:
        if isinstance(one, dict) and isinstance(other, dict):
            return all(
                holds(value, other.get(key))
                for key, value in one.items()
                if value is not None or key in other
            )
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(holds, one, other))
        return type(one) is type(other) and one == other

    assert list(differences(wanted, wanted, "it")) == []
    assert (list(differences(wanted, found, "it")) == []) == holds(wanted, found)
