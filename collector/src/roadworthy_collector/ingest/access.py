"""Whose token is it? Asked before anything of a report is read, and once more while it is written.

Every token that was ever good is remembered, so that the ordinary report asks the database nothing before it is
written. What may have changed since (revoked, replaced, deleted) is looked at in the very transaction that writes the
report, for a whole group at once: a revocation holds on every process from the moment it is committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Select, select

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest.rotation import Age, Rotation
from roadworthy_collector.security.tokens import Kind, Parsed, matches, parse
from roadworthy_collector.store.schema import devices, tokens
from roadworthy_collector.store.statements import Lookup

# Some 400 bytes each. Past it all are forgotten and asked for again, one by one.
REMEMBERED_TOKENS = 500_000
_STANDING = Lookup(
    select(
        tokens.c.id,
        tokens.c.revoked_at,
        tokens.c.revoked_as,
        tokens.c.first_used_at,
        tokens.c.created_at,
        tokens.c.rotate_asked_at,
    ),
    tokens.c.id,
)
_LOADED_AT_ONCE = 5000


class Holder(NamedTuple):
    """The device a token belongs to: row id and `rwd_...`, and the token's id."""

    device: int
    device_id: str
    token: str


class Standing(NamedTuple):
    """How a token stands in the transaction that writes: never used before, due to be replaced."""

    first_use: bool
    rotate: bool


class _Known(NamedTuple):
    """What never changes of a token."""

    device: int
    device_id: str
    secret_sha256: str


class Access:
    """Knows device tokens."""

    def __init__(self, engine: Engine, rotation: Rotation | None = None) -> None:
        self._engine = engine
        self._rotation = rotation
        self._known: dict[str, _Known] = {}

    def load(self) -> int:
        """Remember all good tokens, up to REMEMBERED_TOKENS; return how many. A collector that starts does it once."""
        query = _tokens().where(tokens.c.revoked_at.is_(None)).limit(REMEMBERED_TOKENS)
        with self._engine.connect() as connection:
            found = connection.execution_options(yield_per=_LOADED_AT_ONCE).execute(query)
            for row in found:
                self._known[row.id] = _Known(row.device, row.device_id, row.secret_sha256)
        return len(self._known)

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
        """Return the holder without asking the database, None if that needs asking; raise unknown (401)."""
        known = self._known.get(token.id)
        if known is None:
            return None
        if not matches(token.secret, known.secret_sha256):
            raise _unknown()
        return Holder(known.device, known.device_id, token.id)

    def look_up(self, token: Parsed) -> Holder:
        """Return the holder, asking the database.

        Raises EnvelopeError: unknown (401), revoked (403) or re_enrol (401). Only who knows the secret learns that
        a token was revoked.
        """
        with self._engine.connect() as connection:
            found = connection.execute(_tokens().where(tokens.c.id == token.id)).one_or_none()
        if found is None or not matches(token.secret, found.secret_sha256):
            raise _unknown()
        if (refusal := _refusal(found)) is not None:
            raise refusal
        if len(self._known) >= REMEMBERED_TOKENS:
            self._known.clear()
        self._known[token.id] = _Known(found.device, found.device_id, found.secret_sha256)
        return Holder(found.device, found.device_id, token.id)

    def standings(
        self, connection: Connection, token_ids: Iterable[str]
    ) -> dict[str, Standing | EnvelopeError]:
        """Return {token id: how it stands now, or why it is refused} of tokens a group of reports came with."""
        wanted = sorted(set(token_ids))
        found: dict[str, Standing | EnvelopeError] = {
            row[0]: _refusal(row) or self._standing(row) for row in _STANDING.rows(connection, wanted)
        }
        for token_id in wanted:
            if isinstance(found.setdefault(token_id, _unknown()), EnvelopeError):
                self._known.pop(token_id, None)
        return found

    def _standing(self, row: Any) -> Standing:
        due = self._rotation is not None and self._rotation.is_due(
            row.id, Age(row.created_at, row.rotate_asked_at)
        )
        return Standing(row.first_used_at is None, due)


def _tokens() -> Select[Any]:
    columns = (tokens.c.id, tokens.c.device, devices.c.device_id, tokens.c.secret_sha256)
    return select(*columns, tokens.c.revoked_at, tokens.c.revoked_as).join(
        devices, tokens.c.device == devices.c.id
    )


def _refusal(row: Any) -> EnvelopeError | None:
    """Return why a token is refused, None for a good one."""
    if row.revoked_at is None:
        return None
    if row.revoked_as == "re_enrol":
        return EnvelopeError(401, "re_enrol", "this token was replaced; enrol again", field="authorization")
    message = "this device's token was revoked; stop reporting"
    return EnvelopeError(403, "revoked", message, field="authorization")


def _unknown() -> EnvelopeError:
    message = "this collector does not know the token; enrol again"
    return EnvelopeError(401, "unknown", message, field="authorization")
