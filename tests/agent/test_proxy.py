"""The way through a proxy (a real tinyproxy), and certificates on both sides (real TLS)."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from agent.devices import TEN, TOKEN
from agent.tls import serving
from support import free_port, wait_until

from roadworthy_agent.client_certificate import ClientCertificate
from roadworthy_agent.delivery import connection_to
from roadworthy_agent.errors import KeyFileError, TransportError
from roadworthy_agent.proxy import proxy_fault, proxy_for
from roadworthy_agent.send import Collector
from roadworthy_agent.settings import Settings

BODY = gzip.compress(b"{}")


@pytest.mark.parametrize(
    ("environment", "setting", "expected"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, None, "proxy:3128"),
        ({"https_proxy": "proxy:3128"}, None, "proxy:3128"),
        ({"ALL_PROXY": "http://every:1"}, None, "every:1"),
        ({"ALL_PROXY": "http://every:1", "HTTPS_PROXY": "http://proxy:3128"}, None, "proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "localhost, example.org"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".example.org"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "notexample.org"}, None, "proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, "http://mine:8080", "mine:8080"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "none", None),
    ],
)
def test_the_proxy_is_the_settings_or_the_environment_s(
    environment: dict[str, str], setting: str | None, expected: str | None
) -> None:
    found = proxy_for("rw.example.org", environment, setting)
    assert (None if found is None else found.netloc) == expected


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("socks5://proxy:1080", "must be an address such as http://proxy.example.org:3128"),
        ("https://proxy:443", "must be an address such as http://proxy.example.org:3128"),
        ("http://proxy:99999", "must be an address such as http://proxy.example.org:3128"),
        (
            "http://wpad.example.org/wpad.dat",
            "names a configuration script (PAC), which the agent does not run",
        ),
        ("pac+http://wpad.example.org/x", "names a configuration script (PAC), which the agent does not run"),
    ],
)
def test_what_is_no_proxy_is_told_and_no_password_repeated(address: str, said: str) -> None:
    assert (proxy_fault(address) or "").startswith(said)
    with pytest.raises(TransportError, match=r"^HTTPS_PROXY ") as caught:
        proxy_for("rw.example.org", {"HTTPS_PROXY": address.replace("//", "//user:hunter2@")})
    assert "hunter2" not in str(caught.value)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority, a certificate for localhost and one for a device."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl(
        "req", "-x509", *curve, "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority",
        "-days", "2", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    for name, more in (
        ("localhost", ("-nodes",)),
        ("device", ("-nodes",)),
        ("locked", ("-passout", "pass:word")),
    ):
        openssl(
            "req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", *curve, *more, "-keyout", f"{name}.key",
            "-out", f"{name}.pem", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2",
            "-addext", "basicConstraints=CA:FALSE",
        )  # fmt: skip
        (folder / f"{name}.key").chmod(0o600)
    return folder


@dataclass
class TlsServer:
    """A collector behind TLS; `peers` are the names in the certificates it was shown."""

    port: int
    peers: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@contextlib.contextmanager
def tls_server(authority: Path, *, mutual: bool = False) -> Iterator[TlsServer]:
    """Answer each connection once with 200, over TLS, on a free port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "localhost.pem", authority / "localhost.key")
    if mutual:
        context.load_verify_locations(authority / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    found = TlsServer(0)

    def see(peer: ssl.SSLSocket) -> None:
        shown = peer.getpeercert() or {}
        found.peers += [
            str(value)
            for ((name, value),) in shown.get("subject", ())  # type: ignore[misc]  # typeshed: any nesting
            if name == "commonName"
        ]

    with serving(context, see) as found.port:
        yield found


@dataclass
class Proxy:
    """A running tinyproxy."""

    port: int
    log: Path

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")


@contextlib.contextmanager
def tinyproxy(folder: Path, *lines: str) -> Iterator[Proxy]:
    """Run a real proxy until the block ends."""
    port, log, config = free_port(), folder / "proxy.log", folder / "tinyproxy.conf"
    config.write_text(
        "\n".join(
            (f"Port {port}", "Listen 127.0.0.1", "Timeout 30", f'LogFile "{log}"', "LogLevel Connect",
             "MaxClients 10", "Allow 127.0.0.1", *lines, "")
        )
    )  # fmt: skip
    running = subprocess.Popen(["tinyproxy", "-d", "-c", str(config)], stdout=subprocess.DEVNULL)

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        assert running.poll() is None, log.read_text()
        return False

    try:
        wait_until(listens, what="the proxy")
        yield Proxy(port, log)
    finally:
        running.terminate()
        running.wait(60)


@pytest.mark.needs("tinyproxy")
@pytest.mark.parametrize("way", ["setting", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_report_goes_through_a_real_proxy(authority: Path, tmp_path: Path, way: str) -> None:
    with tls_server(authority) as server, tinyproxy(tmp_path) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        line = Collector(
            server.url,
            authority / "ca.pem",
            environment={} if way == "setting" else {way: address},
            proxy=address if way == "setting" else None,
        )
        assert line.report(TOKEN, BODY).server_time == TEN
        line.close()
        wait_until(lambda: f"CONNECT localhost:{server.port}" in proxy.said(), what="the proxy's log")


@pytest.mark.needs("tinyproxy")
def test_a_proxy_that_wants_a_sign_in_gets_a_basic_one_or_is_told_of(authority: Path, tmp_path: Path) -> None:
    with tls_server(authority) as server, tinyproxy(tmp_path, "BasicAuth user secret") as proxy:
        where = f"127.0.0.1:{proxy.port}"
        line = Collector(
            server.url, authority / "ca.pem", environment={"HTTPS_PROXY": f"http://user:secret@{where}"}
        )
        assert line.report(TOKEN, BODY).next_call_seconds == 900
        line.close()
        line = Collector(server.url, authority / "ca.pem", environment={}, proxy=f"http://{where}")
        with pytest.raises(TransportError, match=f"the proxy {where} asks for a sign-in; .* no NTLM"):
            line.report(TOKEN, BODY)


@pytest.mark.needs("tinyproxy")
def test_a_proxy_that_refuses_the_way_is_told_of(authority: Path, tmp_path: Path) -> None:
    with tls_server(authority) as server, tinyproxy(tmp_path, "ConnectPort 443") as proxy:
        line = Collector(
            server.url, authority / "ca.pem", environment={}, proxy=f"http://127.0.0.1:{proxy.port}"
        )
        with pytest.raises(TransportError, match=r"the proxy \S+ refuses the way to the collector: 403"):
            line.report(TOKEN, BODY)


def test_a_client_certificate_is_shown_to_a_server_that_asks(authority: Path, tmp_path: Path) -> None:
    settings = Settings(
        None, tmp_path, None, authority / "ca.pem", 60, 1 << 20, (), proxy="none",
        client_certificate=authority / "device.pem", client_key=authority / "device.key",
    )  # fmt: skip
    with tls_server(authority, mutual=True) as server:
        from dataclasses import replace

        line = connection_to(replace(settings, server=server.url))
        assert line.report(TOKEN, BODY).server_time == TEN
        line.close()
        assert server.peers == ["device"]
        without = connection_to(
            replace(settings, server=server.url, client_certificate=None, client_key=None)
        )
        with pytest.raises(TransportError):
            without.report(TOKEN, BODY)


def test_certificate_and_key_may_be_one_file(authority: Path, tmp_path: Path) -> None:
    both = tmp_path / "device.pem"
    both.write_bytes((authority / "device.pem").read_bytes() + (authority / "device.key").read_bytes())
    both.chmod(0o600)
    with tls_server(authority, mutual=True) as server:
        line = Collector(server.url, authority / "ca.pem", environment={}, client=ClientCertificate(both))
        assert line.report(TOKEN, BODY).server_time == TEN
        line.close()
        assert server.peers == ["device"]


def test_a_key_that_cannot_be_used_says_why(authority: Path, tmp_path: Path) -> None:
    def fault(client: ClientCertificate) -> str:
        with pytest.raises(KeyFileError) as caught:
            Collector("https://localhost:1", environment={}, client=client).report(TOKEN, BODY)
        return str(caught.value)

    certificate, open_key = authority / "device.pem", tmp_path / "open.key"
    open_key.write_bytes((authority / "device.key").read_bytes())
    os.chmod(open_key, 0o640)  # noqa: PTH101 - the mode is what is tested
    said = fault(ClientCertificate(certificate, open_key))
    assert said == f"{open_key}: others may read this client key (mode 0640); run: chmod 600 {open_key}"
    assert "has a passphrase" in fault(ClientCertificate(authority / "locked.pem", authority / "locked.key"))
    other = fault(ClientCertificate(certificate, authority / "localhost.key"))
    assert other.endswith("no certificate with its key in PEM form: key values mismatch")
    assert "cannot read the client key: No such file" in fault(
        ClientCertificate(certificate, tmp_path / "none")
    )
    assert "cannot read it: No such file" in fault(
        ClientCertificate(tmp_path / "none", authority / "device.key")
    )
