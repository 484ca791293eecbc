"""Whose token is it? Asked before anything of a report is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Engine, select

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.security.tokens import Kind, Parsed, matches, parse
from roadworthy_collector.store.schema import devices, tokens

# A revocation must hold on every process within 5 s; what is held this long plus a slow look-up stays inside.
CACHE_SECONDS = 4.0
CACHE_ENTRIES = 20_000


class Holder(NamedTuple):
    """The device a token belongs to: row id and `rwd_...`; `first_token` if the token was never used before."""

    device: int
    device_id: str
    first_token: str | None


class _Row(NamedTuple):
    """A token as kept."""

    device: int
    device_id: str
    secret_sha256: str
    revoked_as: str | None
    used: bool


class Access:
    """Looks device tokens up, remembering each for CACHE_SECONDS."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._held: dict[str, tuple[float, _Row]] = {}

    def parse(self, authorization: str | None) -> Parsed:
        """Return the device token of an Authorization header; raise missing_token or unknown."""
        if not authorization:
            message = "a report comes with `Authorization: Bearer <token>`"
            raise EnvelopeError(401, "missing_token", message, field="authorization")
        scheme, _, text = authorization.partition(" ")
        parsed = parse(text.strip()) if scheme.lower() == "bearer" else None
        if parsed is None or parsed.kind is not Kind.DEVICE:
            raise EnvelopeError(401, "unknown", "this is no device token", field="authorization")
        return parsed

    def remembered(self, token: Parsed) -> Holder | None:
        """Return the holder without asking the database, None if that needs asking; raise as `look_up` does."""
        held = self._held.get(token.id)
        if held is None or held[0] <= self._monotonic():
            return None
        return _judge(token, held[1])

    def look_up(self, token: Parsed) -> Holder:
        """Return the holder, asking the database.

        Raises EnvelopeError: unknown (401), revoked (403) or re_enrol (401). Only who knows the secret learns that
        a token was revoked.
        """
        asked_at = (
            self._monotonic()
        )  # before the answer, so that the memory is never younger than what it holds
        query = (
            select(
                tokens.c.device,
                devices.c.device_id,
                tokens.c.secret_sha256,
                tokens.c.revoked_at,
                tokens.c.revoked_as,
                tokens.c.first_used_at,
            )
            .join(devices, tokens.c.device == devices.c.id)
            .where(tokens.c.id == token.id)
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            raise _unknown()
        revoked_as = None if found.revoked_at is None else found.revoked_as or "revoked"
        row = _Row(found[0], found[1], found[2], revoked_as, found.first_used_at is not None)
        if len(self._held) >= CACHE_ENTRIES:
            self._held.clear()
        self._held[token.id] = (asked_at + CACHE_SECONDS, row)
        return _judge(token, row)


def _judge(token: Parsed, row: _Row) -> Holder:
    """Return the holder of a good token; raise for any other."""
    if not matches(token.secret, row.secret_sha256):
        raise _unknown()
    if row.revoked_as == "re_enrol":
        raise EnvelopeError(401, "re_enrol", "this token was replaced; enrol again", field="authorization")
    if row.revoked_as is not None:
        message = "this device's token was revoked; stop reporting"
        raise EnvelopeError(403, "revoked", message, field="authorization")
    return Holder(row.device, row.device_id, None if row.used else token.id)


def _unknown() -> EnvelopeError:
    message = "this collector does not know the token; enrol again"
    return EnvelopeError(401, "unknown", message, field="authorization")
