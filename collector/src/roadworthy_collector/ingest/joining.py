"""How a device comes to be: an enrolment key, or the token of the device it was copied from, for an identity."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct
from sqlalchemy import Connection, Engine, Row, delete, insert, select

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import identity
from roadworthy_collector.ingest.access import Access, Holder
from roadworthy_collector.ingest.vocabulary import Vocabulary
from roadworthy_collector.ingest.wire_parts import Hash, Text, Word
from roadworthy_collector.relay.admission import Relays, admit
from roadworthy_collector.security import tokens
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import counters, devices
from roadworthy_collector.store.schema import tokens as tokens_table
from roadworthy_collector.store.statements import upsert


class EnrolRequest(Struct):
    """What an agent sends to enrol; unknown fields are ignored.

    `enrolment_key` of an administrator, or `token` of a device this machine was told to be a copy of.
    """

    schema_version: Annotated[str, Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}$")]
    platform: Word
    agent_version: Annotated[str, Meta(max_length=64)]
    enrolment_key: Annotated[str, Meta(max_length=256)] | None = None
    token: Annotated[str, Meta(max_length=256)] | None = None
    hostname: Text | None = None
    fingerprint: Annotated[dict[Word, Hash], Meta(max_length=16)] | None = None
    relay: Relays = ()  # ids of the relays it comes through, the first one first; none from an agent
    restricted: bool = False  # a relay's device stands at a restricted site


class Joined(NamedTuple):
    """A device that may report: its id, and its token, which is never shown again."""

    device_id: str
    token: str


def check(engine: Engine, asked: EnrolRequest, now: int) -> Holder | None:
    """Return the device whose token is to be traded, None for a good enrolment key. Only reads.

    Raises KeyRefused, or EnvelopeError as for a report (unknown, revoked, re_enrol).
    """
    if asked.token is not None:
        access = Access(engine)
        return access.look_up(access.parse(f"Bearer {asked.token}"))
    with engine.connect() as connection:
        tokens.check_enrol_key(connection, asked.enrolment_key or "", now=now)
    return None


def enrol(engine: Engine, asked: EnrolRequest, now: int) -> Joined:
    """Spend the key, make the device and its token, and write the audit, all or nothing.

    A machine that was enrolled before becomes another device: nothing of its hardware decides who it is.
    """
    with write_transaction(engine) as connection:
        place = tokens.spend_enrol_key(connection, asked.enrolment_key or "", now=now)
        relayed_by = admit(connection, asked.relay, restricted=asked.restricted, site=place.site)
        row = {
            "site": place.site,
            "unit": place.unit,
            "enrol_key": place.key,
            "usage_profile": place.usage_profile,
            "relayed_by": relayed_by,
        }
        joined, platform = _add(connection, asked, row, now)
        detail = {"enrol_key": place.key, "platform": platform, "agent_version": asked.agent_version}
        record(connection, now, "agent", "device.enrol", joined.device_id, detail)
    return joined


def trade(engine: Engine, asked: EnrolRequest, holder: Holder, now: int) -> Joined:
    """Make a device of its own for a copy of `holder`, standing where that stands; the copied one is left alone.

    Asked again, because the answer was lost, the same device is answered, with another token. Raises EnvelopeError
    not_cloned where nothing shows that the machine is a copy.
    """
    with write_transaction(engine) as connection:
        query = select(devices).where(devices.c.id == holder.device).with_for_update()
        original = connection.execute(query).one()
        fingerprint = asked.fingerprint or {}
        if not identity.may_trade(identity.read(original.identity), original.fingerprint or {}, fingerprint):
            message = "this machine is not known to be a copy; report with the token it has"
            raise EnvelopeError(409, "not_cloned", message, field="token")
        if (waiting := _waiting(connection, original, fingerprint)) is not None:
            connection.execute(delete(tokens_table).where(tokens_table.c.device == waiting.id))
            token = tokens.create_device_token(connection, waiting.id, now=now)
            return Joined(waiting.device_id, token.text)
        kept = ("site", "unit", "enrol_key", "usage_profile")
        row = {name: getattr(original, name) for name in kept} | {"cloned_from": original.device_id}
        joined, platform = _add(connection, asked, row, now)
        detail = {"cloned_from": original.device_id, "platform": platform}
        record(connection, now, "agent", "device.clone", joined.device_id, detail)
        counted = {"name": "identity", "label": "traded", "value": 1}
        connection.execute(upsert(counters, add=("value",)), counted)
    return joined


def _add(connection: Connection, asked: EnrolRequest, row: Mapping[str, Any], now: int) -> tuple[Joined, str]:
    """Add a device and its token; return both and its platform."""
    device_id = f"rwd_{secrets.token_hex(16)}"
    platform = Vocabulary().read("agent.platform", asked.platform)
    added = {
        "device_id": device_id,
        "enrolled_at": now,
        "platform": platform,
        "agent_version": asked.agent_version,
        "hostname": asked.hostname,
        "fingerprint": asked.fingerprint,
        **row,
    }
    device = connection.execute(insert(devices).values(added).returning(devices.c.id)).scalar_one()
    return Joined(device_id, tokens.create_device_token(connection, device, now=now).text), platform


def _waiting(connection: Connection, original: Row[Any], fingerprint: Mapping[str, str]) -> Any:
    """Return the row of the device this copy was made into already and has never reported as, or None."""
    query = select(devices.c.id, devices.c.device_id, devices.c.fingerprint).where(
        devices.c.cloned_from == original.device_id, devices.c.last_report_at.is_(None)
    )
    return next((row for row in connection.execute(query) if row.fingerprint == fingerprint), None)
