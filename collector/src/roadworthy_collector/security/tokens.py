"""Tokens: made, read, compared, and kept as hashes.

A token is `<kind>_<16 hex digits of id>_<64 hex digits of secret>`: the kind tells a person (and a secret scanner)
what was leaked, the id finds the row without a search, the 256-bit secret is only ever kept as its SHA-256. No slow
hash: nobody guesses 256 random bits.

Store-facing functions take a connection inside a write transaction and never commit.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, delete, insert, or_, select, update

from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.engine import UNASSIGNED
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.queries.scope import EVERYTHING, Scope, grant, granted, granted_names
from roadworthy_collector.store.schema import (
    devices,
    enrol_keys,
    scrape_token_units,
    scrape_tokens,
    sites,
    tokens,
    units,
)
from roadworthy_collector.store.statements import insert_or_ignore

COMMAND_LINE = "command line"  # who did it, where nobody signed in
REISSUE_SECONDS = 600  # a new token that was not used by then has not arrived
ENDED_SECONDS = 400 * 86_400  # how long a token that was replaced or revoked is answered as that
_FORM = re.compile(r"(rw1|rwe1|rws1|rwu1)_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)


class Kind(StrEnum):
    """What a token is for."""

    DEVICE = "rw1"
    ENROL = "rwe1"
    SCRAPE = "rws1"
    USER = "rwu1"


class Issued(NamedTuple):
    """A new token: `text` is shown once, `sha256` is what is kept."""

    id: str
    text: str
    sha256: str


class Parsed(NamedTuple):
    """The parts of a well-formed token."""

    kind: Kind
    id: str
    secret: str


class Scraper(NamedTuple):
    """A scrape token in force: its id, and what it may read."""

    id: str
    scope: Scope


class KeyRefused(RoadworthyError):  # noqa: N818 - it is an answer to an agent, not a fault of this program
    """An enrolment key does not let anybody in; `code` is key_unknown, key_revoked, key_expired or key_used_up."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Place(NamedTuple):
    """Where a device enrolled with a key will stand: row ids of key, site and unit; and its usage profile."""

    key: str
    site: int
    unit: int
    usage_profile: str = "unknown"


def issue(kind: Kind | str, *, random_hex: Callable[[int], str] = secrets.token_hex) -> Issued:
    """Return a new token of `kind` (rw1, rwe1, rws1 or rwu1)."""
    id_, secret = random_hex(8), random_hex(32)
    return Issued(id_, f"{Kind(kind)}_{id_}_{secret}", sha256(secret))


def parse(text: str) -> Parsed | None:
    """Return the parts of `text`, None if it has not the form of a token."""
    if (match := _FORM.fullmatch(text)) is None:
        return None
    return Parsed(Kind(match[1]), match[2], match[3])


def sha256(secret: str) -> str:
    """Return what is kept of a secret: 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, kept: str) -> bool:
    """Return whether `kept` is the hash of `secret`, in a time that does not depend on where they differ."""
    return hmac.compare_digest(sha256(secret), kept)


def create_enrol_key(  # noqa: PLR0913 - each is a property of the key
    connection: Connection,
    *,
    now: int,
    site: str = UNASSIGNED,
    unit: str = UNASSIGNED,
    expires_in_seconds: int | None = None,
    max_uses: int | None = None,
    note: str | None = None,
    actor: str = COMMAND_LINE,
    usage_profile: str = "unknown",
) -> Issued:
    """Make an enrolment key whose devices stand at `site` and belong to `unit`, both made if new, and audit it."""
    key = issue(Kind.ENROL)
    row = {
        "id": key.id,
        "secret_sha256": key.sha256,
        "site": site_id(connection, site),
        "unit": unit_id(connection, unit, now),
        "note": note,
        "created_at": now,
        "expires_at": None if expires_in_seconds is None else now + expires_in_seconds,
        "max_uses": max_uses,
        "usage_profile": usage_profile,
    }
    connection.execute(insert(enrol_keys).values(row))
    detail = {"site": site, "unit": unit, "expires_at": row["expires_at"], "max_uses": max_uses}
    record(connection, now, actor, "enrol_key.create", key.id, detail)
    return key


def list_enrol_keys(connection: Connection) -> list[dict[str, Any]]:
    """Return all enrolment keys, newest first, with `site` and `unit` as names and without their secrets."""
    kept = [column for column in enrol_keys.c if column.name not in {"secret_sha256", "site", "unit"}]
    query = (
        select(*kept, sites.c.name.label("site"), units.c.name.label("unit"))
        .join_from(enrol_keys, sites, enrol_keys.c.site == sites.c.id)
        .join(units, enrol_keys.c.unit == units.c.id)
        .order_by(enrol_keys.c.created_at.desc(), enrol_keys.c.id)
    )
    return _dicts(connection, query)


def revoke_enrol_key(connection: Connection, id_: str, *, now: int, actor: str = COMMAND_LINE) -> bool:
    """Let nobody in with this key any more; return whether it was still good. Devices stay enrolled."""
    query = update(enrol_keys).where(enrol_keys.c.id == id_, enrol_keys.c.revoked_at.is_(None))
    if connection.execute(query.values(revoked_at=now)).rowcount == 0:
        return False
    record(connection, now, actor, "enrol_key.revoke", id_)
    return True


def check_enrol_key(connection: Connection, text: str, *, now: int) -> Row[Any]:
    """Return the row of an enrolment key that is good now; raise KeyRefused otherwise. Only reads.

    Who does not know the secret learns nothing but that the key is not known.
    """
    parsed = parse(text)
    row = None
    if parsed is not None and parsed.kind is Kind.ENROL:
        row = connection.execute(select(enrol_keys).where(enrol_keys.c.id == parsed.id)).one_or_none()
    if parsed is None or row is None or not matches(parsed.secret, row.secret_sha256):
        raise KeyRefused("key_unknown", "this collector does not know the enrolment key; ask for a new one")
    if row.revoked_at is not None:
        raise KeyRefused("key_revoked", "the enrolment key was revoked; ask for a new one")
    if row.expires_at is not None and row.expires_at <= now:
        raise KeyRefused("key_expired", "the enrolment key has expired; ask for a new one")
    if row.max_uses is not None and row.uses >= row.max_uses:
        raise _used_up(row)
    return row


def spend_enrol_key(connection: Connection, text: str, *, now: int) -> Place:
    """Use an enrolment key once and return where its device stands; raise KeyRefused otherwise.

    Counting and checking are one UPDATE, so of two enrolments racing for the last use one gets it.
    """
    row = check_enrol_key(connection, text, now=now)
    good = and_(
        enrol_keys.c.id == row.id,
        enrol_keys.c.revoked_at.is_(None),
        or_(enrol_keys.c.expires_at.is_(None), enrol_keys.c.expires_at > now),
        or_(enrol_keys.c.max_uses.is_(None), enrol_keys.c.uses < enrol_keys.c.max_uses),
    )
    if connection.execute(update(enrol_keys).where(good).values(uses=enrol_keys.c.uses + 1)).rowcount != 1:
        raise _used_up(row)
    return Place(row.id, row.site, row.unit, row.usage_profile)


def _used_up(row: Row[Any]) -> KeyRefused:
    message = f"the enrolment key was good for {row.max_uses} devices; ask for a new one"
    return KeyRefused("key_used_up", message)


def create_scrape_token(
    connection: Connection, *, now: int, actor: str = COMMAND_LINE, only_units: Sequence[str] | None = None
) -> Issued:
    """Make a read-only token for Prometheus, and audit it; raises UnknownUnitError.

    With `only_units` it reads nothing but these units and those below them.
    """
    token = issue(Kind.SCRAPE)
    scoped = only_units is not None
    row = {"id": token.id, "secret_sha256": token.sha256, "created_at": now, "scoped": scoped}
    connection.execute(insert(scrape_tokens).values(row))
    grant(connection, scrape_token_units, "token", token.id, only_units)
    detail = {"units": sorted(only_units)} if only_units is not None else None
    record(connection, now, actor, "scrape_token.create", token.id, detail)
    return token


def list_scrape_tokens(connection: Connection) -> list[dict[str, Any]]:
    """Return all scrape tokens, newest first, without their secrets; `units` are names, None for every unit."""
    columns = (scrape_tokens.c.id, scrape_tokens.c.created_at, scrape_tokens.c.revoked_at)
    rows = _dicts(
        connection,
        select(*columns, scrape_tokens.c.scoped).order_by(
            scrape_tokens.c.created_at.desc(), scrape_tokens.c.id
        ),
    )
    named = granted_names(connection, scrape_token_units, "token")
    return [row | {"units": named.get(row["id"], []) if row.pop("scoped") else None} for row in rows]


def revoke_scrape_token(connection: Connection, id_: str, *, now: int, actor: str = COMMAND_LINE) -> bool:
    """Refuse this scrape token from now on; return whether it was still good."""
    query = update(scrape_tokens).where(scrape_tokens.c.id == id_, scrape_tokens.c.revoked_at.is_(None))
    if connection.execute(query.values(revoked_at=now)).rowcount == 0:
        return False
    record(connection, now, actor, "scrape_token.revoke", id_)
    return True


def find_scrape_token(connection: Connection, text: str, *, now: float) -> Scraper | None:
    """Return what a scrape token may read, None if it is unknown or revoked."""
    parsed = parse(text)
    if parsed is None or parsed.kind is not Kind.SCRAPE:
        return None
    query = select(scrape_tokens.c.secret_sha256, scrape_tokens.c.scoped).where(
        scrape_tokens.c.id == parsed.id, scrape_tokens.c.revoked_at.is_(None)
    )
    row = connection.execute(query).one_or_none()
    if row is None or not matches(parsed.secret, row.secret_sha256):
        return None
    scope = granted(connection, scrape_token_units, "token", parsed.id, now) if row.scoped else EVERYTHING
    return Scraper(parsed.id, scope)


def create_device_token(connection: Connection, device: int, *, now: int) -> Issued:
    """Make a token for the device of row id `device`.

    Older tokens of the device stay good until the new one is first used (two-phase rotation): an answer that never
    reached the agent must not lock it out.
    """
    token = issue(Kind.DEVICE)
    row = {"id": token.id, "device": device, "secret_sha256": token.sha256, "created_at": now}
    connection.execute(insert(tokens).values(row))
    return token


def rotate(connection: Connection, device: int, *, now: int) -> Issued | None:
    """Make a token that replaces the one the device of row id `device` uses; None if one was made just now.

    At most two are good: one whose answer seems lost, because it was not used within REISSUE_SECONDS, goes first.
    """
    mine = and_(tokens.c.device == device, tokens.c.revoked_at.is_(None))
    unused = and_(mine, tokens.c.first_used_at.is_(None))
    used = connection.scalar(select(tokens.c.id).where(mine, tokens.c.first_used_at.is_not(None)).limit(1))
    newest = connection.scalar(
        select(tokens.c.created_at).where(unused).order_by(tokens.c.created_at.desc()).limit(1)
    )
    if used is None or (newest is not None and now - newest < REISSUE_SECONDS):
        return None
    connection.execute(delete(tokens).where(unused))
    connection.execute(
        delete(tokens).where(tokens.c.device == device, tokens.c.revoked_at < now - ENDED_SECONDS)
    )
    return create_device_token(connection, device, now=now)


def list_device_tokens(connection: Connection, device: int) -> list[dict[str, Any]]:
    """Return the tokens of a device, newest first, without their secrets."""
    kept = [column for column in tokens.c if column.name != "secret_sha256"]
    query = select(*kept).where(tokens.c.device == device).order_by(tokens.c.created_at.desc(), tokens.c.id)
    return _dicts(connection, query)


def revoke_device(
    connection: Connection, device_id: str, *, now: int, reason: str = "revoked", actor: str = COMMAND_LINE
) -> bool:
    """Refuse every token of the device `rwd_...`; return whether one was still good.

    `reason` is what its agent is told: `revoked` (stop) or `re_enrol` (enrol again).
    """
    device = connection.scalar(select(devices.c.id).where(devices.c.device_id == device_id))
    query = update(tokens).where(tokens.c.device == device, tokens.c.revoked_at.is_(None))
    count = connection.execute(query.values(revoked_at=now, revoked_as=reason)).rowcount
    if count:
        record(connection, now, actor, "device.revoke", device_id, {"answer": reason, "tokens": count})
    return count > 0


def first_use(connection: Connection, id_: str, device: int, *, now: int) -> None:
    """Note the first use of a device token and end the older ones it replaces."""
    query = update(tokens).where(tokens.c.id == id_, tokens.c.first_used_at.is_(None))
    if connection.execute(query.values(first_used_at=now)).rowcount == 0:
        return
    created_at = select(tokens.c.created_at).where(tokens.c.id == id_).scalar_subquery()
    before = or_(
        tokens.c.created_at < created_at,
        and_(tokens.c.created_at == created_at, tokens.c.first_used_at.is_not(None)),  # within one second
    )
    older = update(tokens).where(
        tokens.c.device == device, tokens.c.id != id_, before, tokens.c.revoked_at.is_(None)
    )
    connection.execute(older.values(revoked_at=now, revoked_as="re_enrol"))


def _dicts(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """Return the rows of `query` as dicts."""
    return [dict(row) for row in connection.execute(query).mappings()]


def site_id(connection: Connection, name: str) -> int:
    """Return the row id of the site `name`, made if new."""
    connection.execute(insert_or_ignore(sites), {"name": name, "kind": "unknown"})
    row: int = connection.execute(select(sites.c.id).where(sites.c.name == name)).scalar_one()
    return row


def unit_id(connection: Connection, name: str, now: int) -> int:
    """Return the row id of the unit `name`, made if new."""
    connection.execute(insert_or_ignore(units), {"name": name, "valid_from": now})
    row: int = connection.execute(select(units.c.id).where(units.c.name == name)).scalar_one()
    return row
