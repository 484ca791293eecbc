"""The way to the main collector: https, and only to whom the certificate is for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from collector.relay.sites import NEWEST, Agent, Site, energetic, relay_of

from roadworthy_collector.relay.errors import SecretError
from roadworthy_collector.relay.upstream import Upstream


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority and a certificate for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")

    def openssl(*arguments: str) -> None:
        subprocess.run(
            ["openssl", "req", "-x509", *curve, *arguments], cwd=folder, check=True, capture_output=True
        )

    openssl(
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=authority",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    ours = ("-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    openssl(*ours, *name, "-addext", "basicConstraints=CA:FALSE")
    (folder / "server.key").chmod(0o600)
    return folder


def secured(folder: Path, authority: Path) -> Site:
    folder.mkdir()
    options = {"tls_certificate": authority / "server.pem", "tls_key": authority / "server.key"}
    return Site(folder, options=options)


def test_reports_go_over_tls_to_the_collector_its_authority_vouches_for(
    tmp_path: Path, authority: Path
) -> None:
    main = secured(tmp_path / "secured", authority)
    relay = relay_of(tmp_path / "relay", main, upstream_ca=authority / "ca.pem")
    agent = Agent(relay, local=True)
    relay.accept(agent, agent.body(periods=[energetic(NEWEST)]))
    with main.serving():
        relay.options["upstream_url"] = main.address.replace("localhost", "127.0.0.1")
        assert relay.forward() == 0  # the certificate is for another name
        del relay.options["upstream_ca"]
        relay.options["upstream_url"] = main.address
        assert relay.forward(1000.0) == 0  # nobody this system knows vouches for it
        assert "CERTIFICATE_VERIFY_FAILED" in relay.state()["fault"]
        assert main.devices() == []
        relay.options["upstream_ca"] = authority / "ca.pem"
        assert relay.forward(2000.0) == 1
    assert main.holding() == relay.holding()
    main.engine.dispose()
    relay.engine.dispose()


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("not a certificate")
    with pytest.raises(SecretError, match="upstream_ca"):
        Upstream("https://main.example", wrong)
