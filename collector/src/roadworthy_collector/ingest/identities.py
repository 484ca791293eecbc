"""What a group of reports does to the identities of its devices: refusals, tokens to be rotated, what is asked back.

The ordinary report costs a comparison of values already in memory: only one that carries facts, does not go on
where the last one stopped, or is of a device about which something is remembered is looked at closely.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest import identity
from roadworthy_collector.ingest.identity import Held, Spoken, Verdict
from roadworthy_collector.ingest.tally import Tally
from roadworthy_collector.ingest.wire import Report
from roadworthy_collector.security import tokens
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.queries.audit import record
from roadworthy_collector.store.schema import devices
from roadworthy_collector.store.statements import Lookup

if TYPE_CHECKING:
    from roadworthy_collector.ingest.latest import HeldDevice, Latest

HELD_RETRY_SECONDS = (600, 1200)
STRICTEST_FIRST = ("off", "daily")  # half-hourly asks nothing of anybody: a device only ever becomes stricter
_FINGERPRINT = Lookup(select(devices.c.fingerprint), devices.c.id)
_AUDITED = frozenset({"held", "proven", "shared", "repaired"})


class Rules(NamedTuple):
    """How identities are judged: how long other hardware waits, and what is asked of a usage profile's devices."""

    wait_seconds: int = 86_400
    policies: Mapping[str, str] = MappingProxyType({"personal": "daily"})

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Return the rules the settings say."""
        policies = {
            profile: policy
            for profile, policy in settings.collection_policies.items()
            if policy in STRICTEST_FIRST
        }
        return cls(settings.clone_wait_hours * 3600, policies)


class Orders(NamedTuple):
    """What an answer asks of an agent beside the next call; None and empty ask nothing."""

    token: str | None = None
    collection_policy: str | None = None
    resend: tuple[str, ...] | None = None


class Identities:
    """Judges the reports of one group, inside its transaction and with its devices' rows locked."""

    def __init__(
        self, connection: Connection, latest: Latest, now: float, rules: Rules, tally: Tally
    ) -> None:
        self._connection = connection
        self._latest = latest
        self._now = now
        self._rules = rules
        self._tally = tally

    def refusal(self, device: int, report: Report) -> EnvelopeError | None:
        """Return why a report is not taken: another machine sends it. None for the device's own."""
        held = self._latest.held(device)
        if held is None or held.relayed or _goes_on(held, report):
            return None
        state, before = identity.read(held.identity), held.identity
        spoken = self._spoken(report)
        enrolled = self._enrolled(device, held, spoken)
        verdict, events = identity.judge(
            state,
            Held(held.instance, held.boot_id, held.seq, held.latest_sent_at),
            spoken,
            enrolled,
            now=int(self._now),
            wait_seconds=self._rules.wait_seconds,
        )
        held.identity = identity.write(state)
        if held.identity != before:
            held.identity_changed = True
        for event in events:
            self._tally.count("identity", event)
            if event in _AUDITED:
                record(self._connection, int(self._now), "agent", f"device.{event}", report.device_id)
        return _refusal(verdict)

    def orders(self, device: int, report: Report, *, rotate: bool) -> Orders:
        """Return what the answer to a report that was taken asks."""
        held = self._latest.held(device)
        if held is None:
            return Orders()
        policy = self._rules.policies.get(held.usage_profile)
        if not rotate and held.identity is None:
            return Orders(None, policy)
        state = identity.read(held.identity)
        resend = ("facts",) if identity.wants_facts(state, report.boot_id) else None
        token = None
        # A token rotated while two machines hold it could lock out the one it belongs to.
        if rotate and state.rival is None and state.shared_at is None:
            token = tokens.rotate(self._connection, device, now=int(self._now))
        if token is not None:
            self._tally.count("identity", "rotated")
        return Orders(None if token is None else token.text, policy, resend)

    def _spoken(self, report: Report) -> Spoken:
        facts = report.facts
        items = (report.periods, report.days, report.startups, report.signins, report.gaps)
        return Spoken(
            report.instance,
            report.boot_id,
            report.seq,
            report.sent_at,
            self._latest.sent(report.sent_at),
            report.now is not None or any(items) or facts is not None,
            None if facts is None else facts.fingerprint or {},
        )

    def _enrolled(self, device: int, held: HeldDevice, spoken: Spoken) -> dict[str, str]:
        """Return the enrolled fingerprint where it is needed, completed by facts that were not known before."""
        if not spoken.fingerprint:
            return {}
        enrolled = held.fingerprint
        if enrolled is None:
            enrolled = _decoded(_FINGERPRINT.rows(self._connection, [device]))
        if more := identity.completed(enrolled, spoken.fingerprint):
            held.fingerprint = enrolled = more
        return enrolled


def stricter(one: str | None, other: str | None) -> str | None:
    """Return the stricter of two collection policies; None asks nothing."""
    asked = [policy for policy in STRICTEST_FIRST if policy in (one, other)]
    return asked[0] if asked else one or other


def _goes_on(held: HeldDevice, report: Report) -> bool:
    """Return whether a report simply follows the last one of a device about which nothing is odd."""
    return (
        held.identity is None
        and report.facts is None
        and report.boot_id == held.boot_id
        and report.seq == held.seq + 1
        and report.instance == held.instance
    )


def _decoded(rows: Sequence[Any]) -> dict[str, str]:
    """Return the fingerprint a row holds; SQLite gives it as text."""
    found = rows[0][0] if rows else None
    fingerprint: dict[str, str] | None = msgspec.json.decode(found) if isinstance(found, str) else found
    return fingerprint or {}


def _refusal(verdict: Verdict) -> EnvelopeError | None:
    if verdict is Verdict.OWN:
        return None
    if verdict is Verdict.HELD:
        wait = random.randint(*HELD_RETRY_SECONDS)  # noqa: S311 - spreads load, hides nothing
        message = (
            "two or more hardware facts differ from those enrolled; the report is taken once it is clear "
            "whether the device was repaired or copied"
        )
        return EnvelopeError(
            409, "identity_unclear", message, field="facts.fingerprint", retry_after_seconds=wait
        )
    message = "this token is another machine's, of which this one is a copy; trade it for one of its own"
    return EnvelopeError(401, "cloned", message, field="authorization")
