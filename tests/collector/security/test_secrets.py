"""Secrets planted everywhere, and looked for in everything the collector says."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from collector.commands import call_here
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.estates import NOW, make_database
from support.people import Person
from support.running import call, running
from support.web import Client

from roadworthy_collector.security import tokens
from roadworthy_collector.security.redact import HIDDEN, RedactingFormatter, redact, shown_setting
from roadworthy_collector.security.roles import Role
from roadworthy_collector.security.users import create_user
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import write_transaction

HEX = "0123456789abcdef"
PLANTED = "PLANTED-s3cret-7f3a"
TOKEN = f"rw1_{'1' * 16}_{'2' * 64}"


@given(
    st.sampled_from(["rw1", "rwe1", "rws1", "rwu1"]),
    st.text(HEX, min_size=80, max_size=80),
    st.text(),
    st.text(),
)
def test_no_token_survives_whatever_stands_around_it(kind: str, digits: str, before: str, after: str) -> None:
    assume(digits[16:] not in before + after)
    token = f"{kind}_{digits[:16]}_{digits[16:]}"
    for left, right in ((before + " ", " " + after), ('"', '"'), ("Bearer ", "\n"), ("=", "&")):
        assert digits[16:] not in redact(f"{left}{token}{right}")
    assert digits[:16] in redact(f"a token {token} leaked")  # which one it was stays known


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+psycopg://roadworthy:{PLANTED}@db.example/roadworthy",
        f"https://{PLANTED}@receiver.example/api/v1/write",
        f"password={PLANTED}",
        f"connection to server failed: host=db password='{PLANTED}' user=x",
        f'{{"password": "{PLANTED}", "user": "x"}}',
        f"Authorization: Bearer {PLANTED}",
        f"authorization=Basic {PLANTED}",
        f"('authorization', 'Bearer {PLANTED}')",
        f"https://receiver.example/?token={PLANTED}&x=1",
        f"X-Api-Key: {PLANTED}",
    ],
)
def test_passwords_and_headers_are_hidden(text: str) -> None:
    assert PLANTED not in redact(text)
    assert HIDDEN in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://collector.example:8470/devices?q=ada@example",
        "no enrolment key in force has the id 0123456789abcdef",
        "tls_key: /etc/roadworthy/key.pem is missing or may not be read",
        "a password has 12 to 1024 characters",
        "rwd_0123456789abcdef0123456789abcdef reported",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_settings_that_hold_secrets_are_not_shown() -> None:
    for name in ("password", "scrape_token", "client_secret", "api_key", "credentials"):
        assert shown_setting(name, PLANTED) == HIDDEN
        assert shown_setting(name, None) == "None"
    assert shown_setting("tls_key", "/etc/key.pem") == "'/etc/key.pem'"
    assert shown_setting("database_password_file", "/run/secret") == "'/run/secret'"
    assert shown_setting("remote_write_url", f"https://u:{PLANTED}@x/w") == f"'https://{HIDDEN}@x/w'"


def test_no_setting_of_ours_is_a_secret_itself() -> None:
    """Secrets come from files: a setting that held one would be in an environment anybody may read."""
    secret = re.compile(r"(password|secret|token|credential|key)s?$")
    assert {name for name in Settings.model_fields if secret.search(name)} == {"tls_key"}


def test_a_traceback_is_logged_without_its_secrets() -> None:
    formatter = RedactingFormatter("%(message)s")
    try:
        int(f"postgresql://x:{PLANTED}@db failed with {TOKEN}")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "it failed: %s", (TOKEN,), (ValueError, error, error.__traceback__)
        )
    line = formatter.format(record)
    assert "Traceback" in line
    assert PLANTED not in line
    assert TOKEN not in line


def test_no_secret_is_in_what_a_collector_says(tmp_path: Path) -> None:
    """Everything that takes a secret is given one: on the network, in files, in addresses and in wrong places."""
    (tmp_path / "receiver").write_text(PLANTED + "\n")
    (tmp_path / "receiver").chmod(0o600)
    make_database(tmp_path / "data" / "roadworthy.db")
    assert call("user", "create", "ada", folder=tmp_path, stdin=PLANTED + "\n").returncode == 0
    scrape = call_here("scrape-token", "create", folder=tmp_path).stdout.strip()
    user = call_here("user", "tokens", "create", "ada", folder=tmp_path).stdout.strip()
    key = call_here("enrol-key", "create", folder=tmp_path).stdout.strip()
    secrets = [PLANTED, *(one.rpartition("_")[2] for one in (scrape, user, key, TOKEN))]
    said = [
        call_here("check-config", folder=tmp_path, ROADWORTHY_REMOTE_WRITE_TOKEN_FILE=str(tmp_path / "receiver"),
             ROADWORTHY_REMOTE_WRITE_URL="http://127.0.0.1:1/write"),
        call_here("check-config", folder=tmp_path, ROADWORTHY_DATABASE_URL=f"postgresql://x:{PLANTED}@localhost/x"),
        call("check-config", folder=tmp_path, ROADWORTHY_PORT=TOKEN),
        call_here("user", "list", folder=tmp_path),
        call_here("user", "tokens", "list", folder=tmp_path),
        call_here("scrape-token", "list", "--format", "json", folder=tmp_path),
        call_here("enrol-key", "list", "--format", "json", folder=tmp_path),
        call_here("audit", "export", folder=tmp_path),
        call_here("user", "create", "ada", folder=tmp_path, stdin=PLANTED + "\n"),
        call_here("user", "tokens", "revoke", TOKEN, folder=tmp_path),
        call_here("no-such-command", folder=tmp_path),
    ]  # fmt: skip
    texts = [done.stdout + done.stderr for done in said]
    with running("serve", folder=tmp_path) as server:
        server.wait_ready()
        for path in ("/", "/metrics", "/openapi.json", "/nothing", "/devices/rwd_nobody", "/docs", "/login"):
            texts += [
                server.get(path, Authorization=f"Bearer {token}", Accept="text/html")[1]
                for token in (scrape, user, TOKEN, key)
            ]
        texts.append(server.get("/", Cookie=f"roadworthy_{server.port}={PLANTED}")[1])
    texts.append(server.said())
    for text in texts:
        found = [secret for secret in secrets if secret in text]
        assert found == [], text[:2000]


def test_nothing_of_a_session_is_on_a_page(client: Client, engine: Engine, device_id: str) -> None:
    create_user(engine, "grace", PLANTED, now=NOW)
    person = Person(engine, "ada", Role.ADMINISTRATOR)
    with write_transaction(engine) as connection:
        scrape = tokens.create_scrape_token(connection, now=int(NOW))
    for path in (
        "/",
        "/devices",
        f"/devices/{device_id}",
        "/audit",
        "/about",
        "/docs",
        "/openapi.json",
        "/metrics",
    ):
        text = client.get(path, **person.cookie).text
        for secret in (person.secret, person.token, PLANTED, scrape.text, scrape.sha256, "$argon2"):
            assert secret not in text
