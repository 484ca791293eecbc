"""Signing in and out. Forms carry a token: before there is a session it is also in a cookie of its own."""

from __future__ import annotations

import hmac
import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from roadworthy_collector.console.view import View
from roadworthy_collector.security import audit, sessions, users
from roadworthy_collector.security.access import (
    Reader,
    current_reader,
    is_own_origin,
    parts_of,
    require_reader,
)

router = APIRouter(include_in_schema=False)

_WRONG = "Name or password is not right."


@router.get("/login")
def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the sign-in form, or go on where nobody needs it."""
    if current_reader(request) is not None:
        return RedirectResponse(safe_next(next), HTTPStatus.SEE_OTHER)
    return _form(request, safe_next(next), None, HTTPStatus.OK)


@router.post("/login")
def sign_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    csrf: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - the name of the form's field
) -> Response:
    """Check name and password: numbered, because the order matters."""
    state = request.app.state
    now, name = state.clock(), name.strip()[:64]
    # 1. The form is ours: nobody can sign a reader in under another name.
    ensure_own_form(request, csrf, request.cookies.get(_form_cookie(request), ""))
    # 2. Guessing is slow, also with a right password, or waiting would tell which one was right.
    if wait := state.login_limiter.wait_seconds(name, now):
        page = _form(
            request,
            safe_next(next),
            f"Too many attempts. Try again in {wait} s.",
            HTTPStatus.TOO_MANY_REQUESTS,
        )
        page.headers["Retry-After"] = str(wait)
        return page
    # 3. The password.
    if not users.check_password(state.engine, name, password):
        state.login_limiter.failed(name, now)
        audit.record_alone(state.engine, now, "nobody", "login.failed", name)
        return _form(request, safe_next(next), _WRONG, HTTPStatus.UNAUTHORIZED)
    # 4. A session of its own secret: one from before signing in is never reused.
    state.login_limiter.succeeded(name)
    secret = sessions.start(state.engine, name, now)
    audit.record_alone(state.engine, now, name, "login")
    return _signed_in(request, secret, safe_next(next))


def _signed_in(request: Request, secret: str, next_path: str) -> Response:
    settings = request.app.state.settings
    answer = RedirectResponse(next_path, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        sessions.cookie_name(settings),
        secret,
        max_age=sessions.LIFETIME_SECONDS,
        path="/",
        secure=sessions.secure(settings),
        httponly=True,
        samesite="lax",
    )
    answer.delete_cookie(_form_cookie(request), path="/login")
    return answer


@router.post("/logout")
def sign_out(
    request: Request, reader: Annotated[Reader, Depends(require_reader)], csrf: Annotated[str, Form()] = ""
) -> Response:
    """End the session here and in the table."""
    ensure_own_form(request, csrf, reader.csrf)
    state = request.app.state
    cookie = sessions.cookie_name(state.settings)
    sessions.end(state.engine, request.cookies.get(cookie, ""), state.clock())
    audit.record_alone(state.engine, state.clock(), reader.name, "logout")
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(
        cookie, path="/", secure=sessions.secure(state.settings), httponly=True, samesite="lax"
    )
    return answer


def ensure_own_form(request: Request, given: str, expected: str) -> None:
    """Raise 403 unless a form carries the token it was given and comes from one of our own pages."""
    if (
        not is_own_origin(request)
        or not expected
        or not hmac.compare_digest(given.encode(), expected.encode())
    ):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "This form is out of date. Go back, reload the page and try again."
        )


def safe_next(wanted: str) -> str:
    """Return a path on this collector to go to after signing in; anything that could lead elsewhere is `/`."""
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and parts_of(wanted) == ("", "")
    return wanted if ours and wanted.isprintable() and "\\" not in wanted else "/"


def _form(request: Request, next_path: str, error: str | None, status: int) -> HTMLResponse:
    view = View(request, None)
    token = request.cookies.get(_form_cookie(request)) or secrets.token_urlsafe(24)
    page = view.html("login.html", {"next": next_path, "csrf": token, "error": error}, status)
    page.set_cookie(
        _form_cookie(request),
        token,
        max_age=3600,
        path="/login",
        secure=sessions.secure(view.settings),
        httponly=True,
        samesite="strict",
    )
    return page


def _form_cookie(request: Request) -> str:
    return f"roadworthy_form_{request.app.state.settings.port}"
