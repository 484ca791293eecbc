"""Who may read.

On a loopback bind without users everything readable is open, so that the first start needs no set-up. That ends
when the first user exists: pages then need a session, metrics a scrape token. Beyond loopback nothing starts
without a user.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, HTTPException, Request
from sqlalchemy import Engine

from roadworthy_collector.errors import AddressError
from roadworthy_collector.security import audit, sessions, users
from roadworthy_collector.security.client_certificates import server_context
from roadworthy_collector.security.roles import OPEN_RIGHTS, Reader, Right, Role, rights_of
from roadworthy_collector.security.sessions import SessionUser
from roadworthy_collector.security.tokens import Kind, find_scrape_token
from roadworthy_collector.security.user_tokens import find_user
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.console import has_users
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, granted
from roadworthy_collector.store.schema import user_units

__all__ = [
    "CSRF_HEADER",
    "LOCAL",
    "AccessRefusedError",
    "Reader",
    "Scraper",
    "api_reader",
    "csrf_of",
    "current_reader",
    "ensure_certificate",
    "ensure_may_bind",
    "is_known",
    "is_open",
    "is_own_origin",
    "parts_of",
    "reader_by_password",
    "require_device_scrape",
    "require_page",
    "require_reader",
    "require_scrape",
]

LOCAL = "local"
CSRF_HEADER = "X-CSRF-Token"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessRefusedError(HTTPException):
    """A machine may not read this; `code` is documented, `message` says what to do."""

    def __init__(self, status: int, code: str, message: str, field: str = "authorization") -> None:
        headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
        self._error = {"code": code, "message": message, "field": field}
        super().__init__(status, self._error, headers)

    def body(self) -> str:
        """Return the answer's JSON, of the same form as every typed error."""
        return json.dumps({"error": self._error})


class Scraper(NamedTuple):
    """What may be read of the metrics, and by which person; None for a machine's scrape token."""

    scope: Scope
    reader: Reader | None


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
    """Raise SettingsError naming what is wrong with the certificate, its key or the authority of clients."""
    server_context(settings)


def current_reader(request: Request) -> Reader | None:
    """Return who is reading, or None if they have to sign in.

    A user's token wins over a session. Raises AccessRefusedError for a token that is unknown, revoked or expired.
    """
    state = request.app.state
    now = state.clock()
    if (token := _bearer(request)) is not None and token.startswith(f"{Kind.USER}_"):
        with state.engine.connect() as connection:
            user = find_user(connection, token, now)
        if user is None:
            raise AccessRefusedError(
                401, "user_token_refused", "this user token is unknown, revoked or expired; ask for a new one"
            )
        return _reader(state.engine, user, now, csrf="", by_token=True)
    if (secret := request.cookies.get(sessions.cookie_name(state.settings))) and (
        user := sessions.find(state.engine, secret, now)
    ):
        return _reader(state.engine, user, now, csrf=csrf_of(secret), by_token=False)
    if is_open(state.settings, state.engine):
        return Reader(LOCAL, Role.VIEWER, "", signed_in=False, rights=OPEN_RIGHTS)
    return None


def is_known(app: FastAPI, scope: MutableMapping[str, Any]) -> bool:
    """Return whether a request comes from somebody who may read; for what stands before the routes."""
    try:
        reader = current_reader(Request({**scope, "app": app}))
    except AccessRefusedError:
        return False
    return reader is not None and reader.signed_in


def reader_by_password(engine: Engine, name: str, password: str, now: float) -> Reader:
    """Return the user of this name and password, for a command; raises UserError if they are not right."""
    if not users.check_password(engine, name, password):
        audit.record_alone(engine, now, "nobody", "login.failed", name, {"at": "command line"})
        raise users.UserError(f"{name}: name or password is not right")
    with engine.connect() as connection:
        user = sessions.user_of(connection, name)
    if user is None:
        raise users.UserError(f"{name}: there is no such user")
    return _reader(engine, user, now, csrf="", by_token=True)


def require_reader(request: Request) -> Reader:
    """Return who is reading a page; send everybody else to sign in. A FastAPI dependency."""
    reader = current_reader(request)
    if reader is None:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        where = f"/login?next={quote(wanted, safe='/')}" if request.method == "GET" else "/login"
        raise HTTPException(HTTPStatus.SEE_OTHER, headers={"Location": where})
    return reader


def require_page(right: Right) -> Callable[[Request], Reader]:
    """Return a FastAPI dependency for pages: as `require_reader`, and 403 without `right`."""

    def reader_of_page(request: Request) -> Reader:
        reader = require_reader(request)
        if not reader.may(right):
            raise HTTPException(HTTPStatus.FORBIDDEN, _why_not(reader, right))
        return reader

    return reader_of_page


def _why_not(reader: Reader, right: Right) -> str:
    """Return why a page is not shown, and what to do: in a new collector nobody can sign in yet."""
    if reader.signed_in:
        return f"Your role does not include this ({right})."
    return (
        "Nobody can sign in to this collector yet, and until then it is only read. Make the first user: on the "
        "collector\u2019s machine run \u201croadworthy user create NAME\u201d, which asks for a password; then sign in and open "
        "this page again."
    )


def api_reader(request: Request, right: Right) -> Reader:
    """Return who calls the API with `right`; raise AccessRefusedError otherwise (see `roles.require`)."""
    reader = current_reader(request)
    if reader is None:
        message = "sign in, or send a user token: Authorization: Bearer rwu1_..."
        raise AccessRefusedError(401, "sign_in_required", message)
    if not reader.may(right):
        if not reader.signed_in:
            message = "while nobody can sign in only reading is open; create a user first (`roadworthy user create`)"
            raise AccessRefusedError(401, "sign_in_required", message)
        raise AccessRefusedError(403, "not_allowed", f"your role does not include {right}")
    if request.method not in _READING and not reader.by_token:
        _ensure_meant(request, reader)
    return reader


def require_scrape(request: Request) -> Scope:
    """Return what may be read of the metrics: of a scrape token, a user's token, a session, everything while open.

    Raises AccessRefusedError 401 or 403. A FastAPI dependency.
    """
    return _scraped(request, Right.READ_METRICS).scope


def require_device_scrape(request: Request) -> Scraper:
    """As `require_scrape`, for metrics per device: of a person who may read what one device does.

    The use of a one-person laptop tells of that person. A scrape token is given to a machine, by an administrator.
    Before anything is shown to a person, that goes on the record (`detail_reads`).
    """
    return _scraped(request, Right.READ_DEVICE_HISTORY)


def _scraped(request: Request, right: Right) -> Scraper:
    """Return what a scrape token, or a reader who has `right`, may read of the metrics."""
    state = request.app.state
    token = _bearer(request)
    if token is not None and not token.startswith(f"{Kind.USER}_"):
        with state.engine.connect() as connection:
            scraper = find_scrape_token(connection, token, now=state.clock())
        if scraper is None:
            raise AccessRefusedError(403, "scrape_token_refused", "this scrape token is unknown or revoked")
        return Scraper(scraper.scope, None)
    reader = current_reader(request)
    if reader is None:
        raise AccessRefusedError(
            401, "scrape_token_required", "send a scrape token: Authorization: Bearer ..."
        )
    if not reader.may(right):
        raise AccessRefusedError(403, "not_allowed", f"your role does not include {right}")
    return Scraper(reader.scope, reader)


def is_own_origin(request: Request) -> bool:
    """Return whether a request comes from one of our own pages, or from no page at all."""
    origin = request.headers.get("origin")
    return origin is None or parts_of(origin)[1] == request.headers.get("host", "")


def parts_of(address: str) -> tuple[str, str]:
    """Return scheme and host of an address; what is none has a host nobody goes by."""
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets without an address between them
        return "", "?"
    return parts.scheme, parts.netloc


def _ensure_meant(request: Request, reader: Reader) -> None:
    """Refuse a change that a foreign page may have asked for with the session's cookie."""
    given = request.headers.get(CSRF_HEADER, "")
    meant = bool(reader.csrf) and hmac.compare_digest(given.encode(), reader.csrf.encode())
    if not (meant and is_own_origin(request)):
        message = (
            f"a change asked for with a session carries its token in {CSRF_HEADER}; scripts use a user token"
        )
        raise AccessRefusedError(403, "csrf", message, CSRF_HEADER.lower())


def _bearer(request: Request) -> str | None:
    """Return the token of the Authorization header, if there is one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _reader(engine: Engine, user: SessionUser, now: float, *, csrf: str, by_token: bool) -> Reader:
    """Return a signed-in reader with the rights and scope their user has now."""
    scope: Scope = EVERYTHING
    if user.scoped:
        with engine.connect() as connection:
            scope = granted(connection, user_units, "user", user.name, now)
    try:
        role = Role(user.role)
        rights = rights_of(role, scope)
    except ValueError:  # a role of a newer version: whatever it may mean there, here it may nothing
        role, rights = Role.VIEWER, frozenset()
    return Reader(
        user.name, role, csrf, signed_in=True, rights=rights, scope=scope, by_token=by_token, token=user.token
    )


def csrf_of(secret: str) -> str:
    """Return the token that a session's forms carry; knowing it does not give the session away."""
    return hmac.new(secret.encode(), b"roadworthy form", hashlib.sha256).hexdigest()
