"""TLS as the collector serves it, asked by real clients: versions, curves, client certificates."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import free_port, wait_until
from support.running import Running, call, running

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.security.client_certificates import server_context
from roadworthy_collector.settings import Settings

_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two authorities, the server's certificate and one client of each authority."""
    folder = tmp_path_factory.mktemp("tls")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")

    def certificate(name: str, signer: str | None, *more: str) -> None:
        signed = () if signer is None else ("-CA", f"{signer}.pem", "-CAkey", f"{signer}.key")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
        command = ["openssl", "req", "-x509", *curve, *signed, *files, *more]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    for name in ("ours", "theirs"):
        certificate(name, None, "-addext", "keyUsage=critical,keyCertSign")
    leaf = ("-addext", "basicConstraints=CA:FALSE")
    certificate("localhost", "ours", *leaf, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    certificate("device", "ours", *leaf)
    certificate("stranger", "theirs", *leaf)
    return folder


@contextmanager
def serving(authority: Path, folder: Path, asked: str) -> Iterator[Running]:
    """Run `roadworthy serve` over TLS, asking for client certificates as `asked` says."""
    more = {} if asked == "none" else {"ROADWORTHY_TLS_CLIENT_CA": str(authority / "ours.pem")}
    with running(
        "serve",
        folder=folder,
        ROADWORTHY_TLS_CERTIFICATE=str(authority / "localhost.pem"),
        ROADWORTHY_TLS_KEY=str(authority / "localhost.key"),
        ROADWORTHY_TLS_CLIENT_CERTIFICATES=asked,
        **more,
    ) as server:

        def listening() -> bool:
            assert server.process.poll() is None, server.said()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", server.port)) == 0

        wait_until(listening, timeout=60, what="the server")
        yield server


def ask(server: Running, authority: Path, shown: str | None = None) -> str:
    """Return the first line of the answer to a client that shows the certificate `shown`; raises OSError."""
    context = ssl.create_default_context(cafile=str(authority / "ours.pem"))
    if shown is not None:
        context.load_cert_chain(authority / f"{shown}.pem", authority / f"{shown}.key")
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(_REQUEST)
        told = connection.recv(4096)
    if not told:
        raise ConnectionError("closed without an answer")
    return told.split(b"\r\n")[0].decode()


def openssl(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief", *options],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_this_client_can_speak_what_is_refused(authority: Path) -> None:
    """What proves the next test: a server that takes TLS 1.1 gets it from the very same client."""
    port = free_port()
    own = ("-cert", authority / "localhost.pem", "-key", authority / "localhost.key")
    old = ("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", *own, *old]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: "TLSv1.1" in openssl(port, *old).stderr, what="the old server")
        finally:
            server.kill()


def test_old_versions_of_tls_are_refused(authority: Path, tmp_path: Path) -> None:
    with serving(authority, tmp_path, "none") as server:
        # The client is made to offer them: its own default would not even try.
        for version in ("-tls1", "-tls1_1"):
            refused = openssl(server.port, version, "-cipher", "DEFAULT@SECLEVEL=0")
            assert refused.returncode != 0
            assert "Protocol version" not in refused.stderr
        for version, said in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            taken = openssl(server.port, version)
            assert f"Protocol version: {said}" in taken.stderr
            assert "ECDSA" in taken.stderr or "ecdsa" in taken.stderr
        # Without forward secrecy nobody gets in: what is recorded today must not be read tomorrow.
        assert openssl(server.port, "-tls1_2", "-cipher", "AES256-GCM-SHA384:AES128-SHA").returncode != 0
        assert ask(server, authority) == "HTTP/1.1 200 OK"
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        with plain:
            plain.sendall(_REQUEST)
            assert b"200 OK" not in plain.recv(4096)


def test_required_holds_for_everybody(authority: Path, tmp_path: Path) -> None:
    with serving(authority, tmp_path, "required") as server:
        assert ask(server, authority, "device") == "HTTP/1.1 200 OK"
        for shown in (None, "stranger"):
            with pytest.raises(OSError, match=r"(?i)alert|reset|closed|eof"):
                ask(server, authority, shown)


def test_optional_checks_what_is_shown(authority: Path, tmp_path: Path) -> None:
    with serving(authority, tmp_path, "optional") as server:
        assert ask(server, authority) == "HTTP/1.1 200 OK"
        assert ask(server, authority, "device") == "HTTP/1.1 200 OK"
        with pytest.raises(OSError, match=r"(?i)alert|reset|closed|eof"):
            ask(server, authority, "stranger")


def test_the_context_says_what_it_is(authority: Path, tmp_path: Path) -> None:
    assert server_context(Settings(data=tmp_path)) is None
    own = {
        "data": tmp_path,
        "tls_certificate": authority / "localhost.pem",
        "tls_key": authority / "localhost.key",
    }
    context = server_context(Settings(**own))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE
    names = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"}
    assert names
    assert all(name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name) for name in names)


def test_half_a_setting_is_one_clear_line(authority: Path, tmp_path: Path) -> None:
    own = {
        "data": tmp_path,
        "tls_certificate": authority / "localhost.pem",
        "tls_key": authority / "localhost.key",
    }
    for values, said in (
        (
            {"data": tmp_path, "tls_client_certificates": "required"},
            "only a collector with a tls_certificate",
        ),
        (own | {"tls_client_certificates": "required"}, "name the authority"),
        (own | {"tls_client_ca": authority / "ours.pem"}, "tls_client_certificates is `none`"),
        (
            own | {"tls_client_certificates": "optional", "tls_client_ca": tmp_path / "none.pem"},
            r"tls_client_ca: .*none\.pem is missing",
        ),
        (
            own | {"tls_client_certificates": "optional", "tls_client_ca": authority / "ours.key"},
            "is no PEM file of certificates",
        ),
    ):
        with pytest.raises(SettingsError, match=said):
            server_context(Settings(**values))
    done = call("serve", folder=tmp_path, ROADWORTHY_TLS_CLIENT_CERTIFICATES="sometimes")
    assert done.returncode == 2
    assert "ROADWORTHY_TLS_CLIENT_CERTIFICATES" in done.stderr
