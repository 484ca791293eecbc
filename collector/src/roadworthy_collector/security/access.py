"""Who may read.

On a loopback bind without users everything readable is open, so that the first start needs no set-up. That ends
when the first user exists: pages then need a session, metrics a scrape token. Beyond loopback nothing starts
without a user.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from fastapi import HTTPException, Request
from sqlalchemy import Engine

from roadworthy_collector.errors import AddressError, SettingsError
from roadworthy_collector.security import sessions
from roadworthy_collector.security.tokens import scrape_token_holds
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.console import has_users

LOCAL = "local"


@dataclass(frozen=True)
class Reader:
    """Who reads: a signed-in user, or `local` while the collector is open. `csrf` belongs to their forms."""

    name: str
    role: str
    csrf: str
    signed_in: bool


class AccessRefusedError(HTTPException):
    """A machine may not read this; `code` is documented, `message` says what to do."""

    def __init__(self, status: int, code: str, message: str) -> None:
        headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
        self._error = {"code": code, "message": message, "field": "authorization"}
        super().__init__(status, self._error, headers)

    def body(self) -> str:
        """Return the answer's JSON, of the same form as every typed error."""
        return json.dumps({"error": self._error})


def is_open(settings: Settings, engine: Engine) -> bool:
    """Return whether everything readable is open: a loopback bind on which nobody can sign in yet."""
    if not settings.loopback:
        return False
    with engine.connect() as connection:
        return not has_users(connection)


def ensure_may_bind(settings: Settings, engine: Engine) -> None:
    """Raise AddressError where listening on the settings' address would show the IT estate to the network."""
    if settings.loopback:
        return
    if settings.tls_certificate is None and not settings.behind_tls_proxy:
        raise AddressError(
            f"{settings.host}: plain http is for loopback only; set tls_certificate and tls_key, "
            "or behind_tls_proxy if a proxy in front ends TLS"
        )
    with engine.connect() as connection:
        if not has_users(connection):
            raise AddressError(
                f"{settings.host}: nobody can sign in yet; create a user before listening beyond loopback"
            )


def ensure_certificate(settings: Settings) -> None:
    """Raise SettingsError naming what is wrong with the certificate or its key."""
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise SettingsError("tls_key: there is no tls_certificate to go with it")
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, path in (("tls_certificate", settings.tls_certificate), ("tls_key", settings.tls_key)):
        if path is not None and not os.access(path, os.R_OK):
            raise SettingsError(f"{name}: {path} is missing or may not be read")
    try:
        # Without a passphrase to give, OpenSSL would ask for one at a terminal nobody watches.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"tls_certificate, tls_key: {settings.tls_certificate} and {settings.tls_key or 'no key'} "
            f"are no PEM chain and its key without a passphrase: {error}"
        ) from None


def current_reader(request: Request) -> Reader | None:
    """Return who is reading, or None if they have to sign in."""
    state = request.app.state
    if (secret := request.cookies.get(sessions.cookie_name(state.settings))) and (
        user := sessions.find(state.engine, secret, state.clock())
    ):
        return Reader(user.name, user.role, csrf_of(secret), signed_in=True)
    if is_open(state.settings, state.engine):
        return Reader(LOCAL, "administrator", "", signed_in=False)
    return None


def require_reader(request: Request) -> Reader:
    """Return who is reading a page; send everybody else to sign in. A FastAPI dependency."""
    reader = current_reader(request)
    if reader is None:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        where = f"/login?next={quote(wanted, safe='/')}" if request.method == "GET" else "/login"
        raise HTTPException(HTTPStatus.SEE_OTHER, headers={"Location": where})
    return reader


def require_scrape(request: Request) -> None:
    """Let a scrape token or a session through, anybody while open; raise 401 or 403. A FastAPI dependency."""
    state = request.app.state
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        if not _is_scrape_token(state.engine, token.strip()):
            raise AccessRefusedError(403, "scrape_token_refused", "this scrape token is unknown or revoked")
        return
    if current_reader(request) is None:
        raise AccessRefusedError(
            401, "scrape_token_required", "send a scrape token: Authorization: Bearer ..."
        )


def csrf_of(secret: str) -> str:
    """Return the token that a session's forms carry; knowing it does not give the session away."""
    return hmac.new(secret.encode(), b"roadworthy form", hashlib.sha256).hexdigest()


def _is_scrape_token(engine: Engine, token: str) -> bool:
    with engine.connect() as connection:
        return scrape_token_holds(connection, token)
