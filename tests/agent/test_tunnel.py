"""TLS to the collector, in a process of its own and in the agent: real sockets, a real authority."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from agent.devices import TEN, TOKEN, ScriptedCollector
from agent.tls import read_request, serving
from support import free_port

from roadworthy_agent import apart, tunnel
from roadworthy_agent.errors import TransportError
from roadworthy_agent.send import Collector

BODY = gzip.compress(b"{}")

# TLS, with an authority made for the test by the openssl program


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority and a certificate for localhost."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    openssl(
        "req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", *curve, "-keyout", "server.key", "-out", "server.pem",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2",
        "-addext", "basicConstraints=CA:FALSE",
    )  # fmt: skip
    return folder


@contextlib.contextmanager
def tls_server(authority: Path) -> Iterator[int]:
    """Serve one 200 answer per connection over TLS on a free port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    with serving(context) as port:
        yield port


# TLS is spoken by a process beside the agent where one can be started, else by the agent: both do the same.
both_ways = pytest.mark.parametrize("own", [True, False], ids=["own process", "in the agent"])


@both_ways
def test_a_private_authority_is_trusted_when_named(authority: Path, *, own: bool) -> None:
    with tls_server(authority) as port:
        url = f"https://localhost:{port}"
        line = Collector(url, authority / "ca.pem", environment={}, own_process=own)
        assert line.report(TOKEN, BODY).server_time == TEN
        line.close()


@both_ways
def test_an_unknown_authority_is_refused_with_advice(authority: Path, *, own: bool) -> None:
    with (
        tls_server(authority) as port,
        pytest.raises(TransportError, match=r"cannot be trusted.*set ca_file"),
    ):
        Collector(f"https://localhost:{port}", environment={}, own_process=own).report(TOKEN, BODY)


@both_ways
def test_a_certificate_for_another_name_is_refused(authority: Path, *, own: bool) -> None:
    with tls_server(authority) as port:
        line = Collector(f"https://127.0.0.1:{port}", authority / "ca.pem", environment={}, own_process=own)
        with pytest.raises(TransportError, match="cannot be trusted"):
            line.report(TOKEN, BODY)


@both_ways
def test_nobody_behind_tls_is_said_plainly(*, own: bool) -> None:
    url = f"https://localhost:{free_port()}"
    with pytest.raises(TransportError, match=rf"^{url}: Connection refused$"):
        Collector(url, environment={}, own_process=own).report(TOKEN, BODY)


@both_ways
def test_what_speaks_no_tls_is_told_and_leaves_nothing_behind(
    collector: ScriptedCollector, *, own: bool
) -> None:
    url = collector.url.replace("http://127.0.0.1", "https://localhost")
    line = Collector(url, environment={}, own_process=own)
    with pytest.raises(TransportError, match=rf"^{url}: "):
        line.report(TOKEN, BODY)
    assert line._connection is None
    assert children() == []


def children() -> list[str]:
    """Return the command lines of the processes that run a tunnel for this one."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(child.cmdline())
            if "tunnel.py" in command or child.status() == psutil.STATUS_ZOMBIE:
                found.append(command)
    return found


@contextlib.contextmanager
def kept_tls_server(authority: Path, answers: int) -> Iterator[int]:
    """Serve `answers` answers on one TLS connection, then close it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    body = json.dumps({"rejected": [], "server_time": float(TEN), "next_call": 60}).encode()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            plain, _peer = server.accept()
            with plain, context.wrap_socket(plain, server_side=True) as peer:
                for _ in range(answers):
                    read_request(peer)
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join()


@pytest.mark.skipif(not apart.possible(), reason="no process can be started here in the way this needs")
def test_the_process_lives_as_long_as_the_connection_and_tells_no_secret(authority: Path) -> None:
    with kept_tls_server(authority, answers=3) as port:
        environment = {"NO_PROXY": "*"}
        line = Collector(f"https://localhost:{port}", authority / "ca.pem", environment=environment)
        large = gzip.compress(random.Random(7).randbytes(700_000))  # noqa: S311 - filling, no secret
        for body in (BODY, large, BODY):
            assert line.report(TOKEN, body).next_call_seconds == 60
            [command] = children()
        assert command.endswith("-I -S " + tunnel.__file__)  # its arguments are for every user to read
        line.close()
        assert children() == []


@pytest.mark.skipif(not apart.possible(), reason="no process can be started here in the way this needs")
def test_a_process_that_ends_by_itself_is_replaced_or_told(authority: Path) -> None:
    with tls_server(authority) as port:
        line = Collector(f"https://localhost:{port}", authority / "ca.pem", environment={})
        connection = line._connect()
        line._connection = connection
        assert isinstance(connection, apart.Apart)
        assert connection._process is not None
        os.kill(connection._process, signal.SIGKILL)
        assert line.report(TOKEN, BODY).server_time == TEN  # as after any kept connection that broke off
        line.close()
        assert children() == []


def test_a_silent_server_does_not_hold_the_tls_process(authority: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes the connection and never speaks
        url = f"https://localhost:{server.getsockname()[1]}"
        line = Collector(url, authority / "ca.pem", environment={}, answer_seconds=0.5)
        with pytest.raises(TransportError, match="no answer in time"):
            line.report(TOKEN, BODY)
        assert children() == []


@pytest.mark.skipif(not apart.possible(), reason="no process can be started here in the way this needs")
def test_an_agent_told_to_ignore_its_children_s_ends_still_sends(authority: Path) -> None:
    """The disposition of SIGCHLD is inherited; the kernel then leaves no exit code to take."""
    ended = signal.Signals["SIGCHLD"]  # by name: Windows, where this is type-checked too, has none
    before = signal.signal(ended, signal.SIG_IGN)
    try:
        with tls_server(authority) as port:
            line = Collector(f"https://localhost:{port}", authority / "ca.pem", environment={})
            assert line.report(TOKEN, BODY).server_time == TEN
            line.close()
    finally:
        signal.signal(ended, before)
    assert children() == []


def test_a_proxy_whose_answer_trickles_in_does_not_hold_an_agent_that_speaks_tls_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tunnel, "TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        ended = threading.Event()

        def trickle() -> None:
            peer, _address = proxy.accept()
            with peer, contextlib.suppress(OSError):
                while not ended.wait(0.05):
                    peer.sendall(b"H")

        thread = threading.Thread(target=trickle)
        thread.start()
        line = Collector(
            "https://localhost",
            environment={},
            proxy=f"http://127.0.0.1:{proxy.getsockname()[1]}",
            own_process=False,
        )
        rescue = threading.Timer(30.0, ended.set)  # so that a failure ends too
        rescue.start()
        began = time.monotonic()
        with pytest.raises(TransportError, match="no answer in time"):
            line.report(TOKEN, BODY)
        assert time.monotonic() - began < 10
        rescue.cancel()
        ended.set()
        thread.join()


def test_old_tls_is_not_spoken() -> None:
    way = dict.fromkeys(tunnel.FIELDS, "")
    assert tunnel.tls_context(way).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_missing_authority_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"ca.pem: cannot read the certificates: No such file"):
        Collector("https://localhost:1", tmp_path / "ca.pem", environment={}).report(TOKEN, BODY)
