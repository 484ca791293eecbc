"""What settings may say: addresses of databases and collectors without credentials in them, texts on one line.

Each raises ValueError in words that say what to write instead; the settings name themselves.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from roadworthy_collector.store.libpq import in_the_clear

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def one_line(value: str) -> str:
    """Return a text that is not empty and stands on one line, its spaces tidied."""
    if not value.isprintable() or not value.strip():
        message = 'one line of printable characters is wanted; write "none stated" where there is no marking'
        raise ValueError(message)
    return " ".join(value.split())


def checked_database(value: str | None, *, plain: bool) -> str | None:
    """Return the URL of a PostgreSQL database; `plain`: it is on a private network and no TLS is meant."""
    if value is None:
        return None
    try:
        url = make_url(value)
    except ArgumentError:
        message = "this is no URL of a database; write postgresql://user@host/database"
        raise ValueError(message) from None
    if url.get_backend_name() != "postgresql" or not url.database:
        message = "only postgresql://user@host/database is known; without this setting SQLite is used"
        raise ValueError(message)
    if url.password is not None:
        message = "no password here, where settings are shown; put it into a file: database_password_file"
        raise ValueError(message)
    if not plain and (exposed := in_the_clear(url, LOOPBACK)):
        message = (
            f"what is said to {exposed.text()} would cross the network unprotected; add ?sslmode=verify-full, and "
            "&sslrootcert= with the PEM file of who signs its certificate, or set database_plain = true for a "
            "private network"
        )
        raise ValueError(message)
    return value


def checked_receiver(value: str | None) -> str | None:
    """Return the address of a receiver of remote write."""
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "this is no address of a receiver; write https://host[:port]/api/v1/write"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None:
        message = "no credentials here, where settings are shown; use remote_write_username and remote_write_password_file"
        raise ValueError(message)
    return value


def checked_upstream(value: str | None) -> str | None:
    """Return the address of a main collector, without a slash at its end."""
    address = _plain_address(
        value,
        "this is no address of a collector; write https://host or https://host:port",
        "no user or password here; enrolment keys go into upstream_enrolment_key_file",
    )
    parts = urlsplit(address or "")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        message = "plain http goes only to this machine; use https"
        raise ValueError(message)
    return address


def checked_grafana(value: str | None) -> str | None:
    """Return the address people open Grafana at, without a slash at its end."""
    return _plain_address(
        value,
        "this is no address of a Grafana; write https://host or https://host/path",
        "no user or password here; the address is shown in links",
    )


def _plain_address(value: str | None, wrong: str, secret: str) -> str | None:
    """Return an address without a slash at its end; `wrong` says what it should be, `secret` that it names a user."""
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(wrong)
    if parts.username is not None:
        raise ValueError(secret)
    return value.rstrip("/")
