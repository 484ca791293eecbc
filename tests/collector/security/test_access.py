"""Who may read: open on loopback until the first user exists, then by session and scrape token."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.estates import NOW
from support.web import Client

from roadworthy_collector.errors import AddressError, SettingsError
from roadworthy_collector.security.access import ensure_certificate, ensure_may_bind
from roadworthy_collector.security.tokens import create_scrape_token, revoke_scrape_token
from roadworthy_collector.security.users import create_user
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction

PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's own
PAGES = ("/", "/devices", "/startups", "/about", "/docs")
MACHINES = ("/metrics", "/metrics/devices", "/sd/devices")


@pytest.mark.parametrize("path", PAGES + MACHINES)
def test_on_loopback_without_users_all_is_open(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, f"/charts/{'0' * 64}.svg", "/devices/rwd_1?hours=24"])
def test_the_first_user_closes_the_pages(client: Client, engine: Engine, path: str) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)
    answer = client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/")
    assert answer.text == "" or "device" not in answer.text


@pytest.mark.parametrize("path", MACHINES)
def test_the_first_user_closes_the_metrics(client: Client, engine: Engine, path: str) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "scrape_token_required"


def _bearer(text: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {text}"}}


def test_a_scrape_token_reads_metrics_and_nothing_else(client: Client, engine: Engine) -> None:
    create_user(engine, "ada", PASSWORD, now=NOW)
    with write_transaction(engine) as connection:
        token = create_scrape_token(connection, now=int(NOW), actor="test")
    assert client.get("/metrics", **_bearer(token.text)).status_code == 200
    assert client.get("/", **_bearer(token.text)).status_code == 303
    wrong = token.text[:-1] + ("0" if token.text[-1] != "0" else "1")
    for refused in (wrong, "nonsense", token.id, "rw1_" + token.text[5:]):
        answer = client.get("/metrics", **_bearer(refused))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scrape_token_refused")
    with write_transaction(engine) as connection:
        assert revoke_scrape_token(connection, token.id, now=int(NOW), actor="test")
    assert client.get("/metrics", **_bearer(token.text)).status_code == 403


def test_a_wrong_scrape_token_is_refused_even_while_open(client: Client) -> None:
    assert client.get("/metrics", **_bearer("nonsense")).status_code == 403  # a mistake is said, not hidden


def test_beyond_loopback_needs_tls_and_a_user(engine: Engine, tmp_path: Path) -> None:
    ensure_may_bind(Settings(host="127.0.0.1", data=tmp_path), engine)
    with pytest.raises(AddressError, match=r"0\.0\.0\.0: plain http is for loopback only"):
        ensure_may_bind(Settings(host="0.0.0.0", data=tmp_path), engine)  # noqa: S104 - what is refused
    proxied = Settings(host="0.0.0.0", data=tmp_path, behind_tls_proxy=True)  # noqa: S104 - what is refused
    with pytest.raises(AddressError, match="nobody can sign in yet"):
        ensure_may_bind(proxied, engine)
    create_user(engine, "ada", PASSWORD, now=NOW)
    ensure_may_bind(proxied, engine)
    with pytest.raises(AddressError, match="plain http"):
        ensure_may_bind(Settings(host="::", data=tmp_path), engine)
    ensure_may_bind(
        Settings(host="::", data=tmp_path, tls_certificate=tmp_path / "c", tls_key=tmp_path / "k"), engine
    )


def test_a_certificate_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    settings = Settings(data=tmp_path, tls_certificate=certificate, tls_key=key)
    with pytest.raises(SettingsError, match=r"tls_certificate: .*c\.pem is missing"):
        ensure_certificate(settings)
    certificate.write_text("no certificate")
    with pytest.raises(SettingsError, match=r"tls_key: .*k\.pem is missing"):
        ensure_certificate(settings)
    key.write_text("no key")
    key.chmod(0o644)
    with pytest.raises(SettingsError, match=r"tls_key: .*k\.pem .*can be read by others; chmod 600 it"):
        ensure_certificate(settings)
    certificate.chmod(0o644)
    with pytest.raises(SettingsError, match=r"tls_certificate: .*c\.pem holds the private key"):
        ensure_certificate(Settings(data=tmp_path, tls_certificate=certificate))
    key.chmod(0o600)
    with pytest.raises(SettingsError, match="no PEM chain and its key"):
        ensure_certificate(settings)
    with pytest.raises(SettingsError, match="no tls_certificate to go with it"):
        ensure_certificate(Settings(data=tmp_path, tls_key=key))
    ensure_certificate(Settings(data=tmp_path))
