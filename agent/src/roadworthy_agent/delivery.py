"""One call to the collector: enrol if need be, send all that waits, and act on what is answered.

What an answer leads to:
- 200: what is held is let go, what is rejected goes to quarantine (or, as `in_future`, is held back), the next call
  is planned
- 400 schema or malformed_json, 413: the report is halved until the offender is alone, which goes to quarantine
- 401: a token just handed out gives way to the one before it, and an unknown one to the one it replaced; else enrol
  again with the key, or stop
- 401 cloned: this machine is a copy of the one the token belongs to; it trades the token for one of its own
- 403: stop sending, keep measuring
- 426: keep everything, ask again in a day
- 429, 5xx, no answer: back off
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from roadworthy_agent import __version__, history
from roadworthy_agent.clock import Clock
from roadworthy_agent.compose import PLATFORMS, Composer, Sender
from roadworthy_agent.copied import forget_original
from roadworthy_agent.errors import AnswerError, KeyFileError, TransportError
from roadworthy_agent.identity import Identity, StateFolder, fingerprint, hostname, read_key
from roadworthy_agent.outbox import Outbox, Pending
from roadworthy_agent.probe import Context
from roadworthy_agent.send import Accepted, Collector
from roadworthy_agent.settings import Settings

log = logging.getLogger(__name__)

MOST_REPORTS = 200  # in one call; the rest waits for the next
RE_ENROL_SECONDS = 3600.0  # an identity younger than this is not traded for another
HALVED = frozenset({"schema", "malformed_json", "too_large", "decompressed_too_large"})


class Kind(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    FAILED = "failed"  # trying again soon may help
    REFUSED = "refused"  # trying again soon cannot help
    UPGRADE = "upgrade_required"
    STOPPED = "stopped"  # nothing is sent until somebody enrols this device


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, in words if not well."""

    kind: Kind
    message: str = ""
    next_call_seconds: float = 0.0
    retry_after_seconds: float | None = None


class _EndedError(Exception):
    """A call cannot go on."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class Delivery:
    """Calls the collector. `connect` opens the way to it."""

    def __init__(
        self,
        settings: Settings,
        state: StateFolder,
        context: Context,
        composer: Composer,
        connect: Callable[[Settings], Collector] | None = None,
    ) -> None:
        self._settings = settings
        self._state = state
        self._context = context
        self._composer = composer
        self._outbox: Outbox = composer.outbox
        self._connect = connect or connection_to
        self._collector: Collector | None = None
        self._resent = False

    @property
    def _clock(self) -> Clock:
        return self._context.clock

    def call(self) -> Outcome:
        """Call once and return how it ended; raises only where the state folder cannot be used."""
        self._resent = False
        try:
            if self._settings.server is None:
                return Outcome(Kind.STOPPED, "no server is set; measuring only")
            return self._send_all(self._enrolled())
        except _EndedError as ended:
            return ended.outcome
        except TransportError as error:
            return Outcome(Kind.FAILED, str(error))
        except AnswerError as error:
            message = f"{error} ({error.code})"
            if error.status == 426:
                return Outcome(Kind.UPGRADE, message)
            return Outcome(Kind.FAILED, message, retry_after_seconds=error.retry_after_seconds)

    def close_unless_soon(self, seconds: float, kept_seconds: float) -> None:
        """Close the connection if the next call is further away than servers keep one."""
        if seconds > kept_seconds:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._collector is not None:
            self._collector.close()

    def _line(self) -> Collector:
        if self._collector is None:
            self._collector = self._connect(self._settings)
        return self._collector

    # Identity

    def _enrolled(self) -> Identity:
        """Return the identity to send with; enrols where there is none that works."""
        identity = self._state.identity()
        if identity is None:
            return self._enrol("not enrolled")
        if identity.server != self._settings.server:
            identity = self._moved(identity)
        if identity.stopped in {None, "cloned"}:  # an agent from before knew no trade, and stopped
            return replace(identity, stopped=None)
        if identity.stopped in {"revoked", "wrong_device"}:
            raise _EndedError(Outcome(Kind.STOPPED, stopped_message(identity.stopped)))
        return self._enrol_again(identity)

    def _moved(self, identity: Identity) -> Identity:
        """Keep this device's identity at the address the settings name now.

        A collector that moved knows the device still; were it enrolled again, its history would break in two. A
        collector that is another one answers `unknown`, and the device enrols there.
        """
        log.info("the collector is at %s now, not at %s", self._settings.server, identity.server)
        identity = replace(identity, server=self._settings.server or "", stopped=None)
        self._state.save(identity)
        return identity

    def _enrol_again(self, identity: Identity) -> Identity:
        age = abs(self._now() - identity.enrolled_at)
        if age < RE_ENROL_SECONDS:
            message = (
                f"{stopped_message(identity.stopped or '')}; enrolled only {age:.0f} s ago, so waiting first"
            )
            raise _EndedError(Outcome(Kind.STOPPED, message))
        return self._enrol(stopped_message(identity.stopped or ""))

    def _enrol(self, why: str) -> Identity:
        if self._settings.enrolment_key_file is None:
            message = f"{why}; run: roadworthy-agent enrol, or set enrolment_key_file"
            raise _EndedError(Outcome(Kind.STOPPED, message))
        try:
            key = read_key(self._settings.enrolment_key_file)
        except KeyFileError as error:
            raise _EndedError(Outcome(Kind.STOPPED, f"{why}; {error}")) from error
        try:
            return self.enrol(key)
        except AnswerError as error:
            if error.status == 429 or error.status >= 500 or error.status == 426:
                raise
            message = f"the collector refused the enrolment: {error} ({error.code})"
            raise _EndedError(Outcome(Kind.REFUSED, message)) from error

    def enrol(self, key: str) -> Identity:
        """Enrol with a key and keep the identity; raises AnswerError or TransportError."""
        identity = self._join(enrolment_key=key)
        self._outbox.discard()
        self._state.save(identity)
        log.info("enrolled with %s as %s", identity.server, identity.device_id)
        return identity

    def _join(self, **credential: str) -> Identity:
        """Return the identity the collector gives for a key, or for a token of which this machine is a copy."""
        sent = self._clock.boottime()
        answer = self._line().enrol(
            {
                "schema_version": "1.0",
                "platform": PLATFORMS.get(sys.platform, sys.platform),
                "agent_version": __version__,
                "hostname": hostname(self._context),
                "fingerprint": fingerprint(self._composer.observations.identifiers()),
                **credential,
            }
        )
        self._composer.spool.confirm(answer.server_time, sent, self._clock.boottime())
        return Identity(self._settings.server or "", answer.device_id, answer.token, answer.server_time)

    def _trade(self, identity: Identity) -> Outcome:
        """Become a device of its own, with nothing of the history of the one this is a copy of.

        That history goes before the identity is kept: killed in between, the agent trades again and is given the
        same device. Traded within the last hour already, it waits, so that two that disagree make no loop.
        """
        age = abs(self._now() - identity.enrolled_at)
        if age < RE_ENROL_SECONDS:
            message = (
                f"the collector takes this machine for a copy; enrolled only {age:.0f} s ago, so waiting"
            )
            return Outcome(Kind.FAILED, message, retry_after_seconds=RE_ENROL_SECONDS - age)
        new = self._join(token=identity.next_token or identity.token)
        forget_original(self._composer.spool.database, self._composer.spool.boots())
        self._keep(new, replaces=identity.device_id)
        log.info("a copy of %s: reporting as %s", identity.device_id, new.device_id)
        return Outcome(Kind.FAILED, "this machine is a copy; calling as a device of its own")

    def _now(self) -> float:
        return history.corrected_now(self._composer.spool, self._clock.boottime()) or self._clock.wall()

    # Reports

    def _send_all(self, identity: Identity) -> Outcome:
        """Send reports until nothing waits.

        1. A report that was on its way goes first, with its number and its bytes.
        2. While the collector has not told the time in this boot, a light report asks for it.
        3. Then full ones; the first holds the open period.
        """
        outcome = Outcome(Kind.ANSWERED, next_call_seconds=60.0)
        fresh = proven = False  # a full report went in this call; the collector took any report in this call
        doubtful = False  # one part was refused alone, so the envelope itself must be proven
        for _ in range(MOST_REPORTS):
            sender = self._sender(identity)
            pending = self._outbox.pending()
            if pending is None and (doubtful or not self._confirmed()):
                pending = self._composer.light(sender)
            elif pending is None:
                pending = self._composer.full(sender, with_now=not fresh)
                fresh = True
            try:
                identity, answer = self._post(identity, pending)
            except AnswerError as error:
                doubtful = self._on_refusal(identity, pending, error, proven=proven)
                if (doubtful or len(pending.parts) > 1) and any(part.item == "now" for part in pending.parts):
                    fresh = False  # it is still to be sent, or to be refused alone
                continue
            proven, doubtful = True, False
            self._on_accepted(pending, answer)
            outcome = Outcome(Kind.ANSWERED, next_call_seconds=answer.next_call_seconds)
            if fresh and not self._outbox.due() and not self._composer.owes():
                break
        return outcome

    def _sender(self, identity: Identity) -> Sender:
        return Sender(identity.device_id, self._state.instance() or "0" * 16, self._clock.boot_id())

    def _confirmed(self) -> bool:
        boot = self._composer.spool.current()
        return boot is not None and boot.confirmed

    def _keep(self, identity: Identity, *, replaces: str | None = None) -> None:
        """Keep what a call changed of its identity, unless somebody enrolled this device while it was under way."""
        held = self._state.identity()
        if held is not None and held.device_id != (replaces or identity.device_id):
            self._outbox.discard()  # what was on its way carries the old device id
            raise _EndedError(
                Outcome(Kind.FAILED, "enrolled anew during the call; calling as the new device")
            )
        self._state.save(identity)

    def _post(self, identity: Identity, pending: Pending) -> tuple[Identity, Accepted]:
        """Send one report with the newest token that works."""
        sent = self._clock.boottime()
        newest = identity.next_token
        if newest is None:
            identity, answer = self._post_known(identity, pending)
        else:
            try:
                answer = self._line().report(newest, pending.body)
            except AnswerError as error:
                # Eaten on the way, or the token is good and its holder a copy: neither says that it never worked.
                if error.status != 401 or error.code in {"missing_token", "cloned"}:
                    raise
                identity = replace(identity, next_token=None)  # it never worked: back to the old one
                self._keep(identity)
                sent = self._clock.boottime()
                identity, answer = self._post_known(identity, pending)
            else:
                identity = replace(identity, token=newest, next_token=None, previous_token=identity.token)
                self._keep(identity)
        self._composer.spool.confirm(answer.server_time, sent, self._clock.boottime())
        if answer.token is not None and answer.token != identity.token:
            identity = replace(identity, next_token=answer.token)
            self._keep(identity)
        return identity, answer

    def _post_known(self, identity: Identity, pending: Pending) -> tuple[Identity, Accepted]:
        """Send one report with the token that worked, and where it is unknown once with the one it replaced.

        A collector restored from a backup knows the tokens of that day. The two change places: collectors that
        disagree, one of them restored, each find theirs.
        """
        try:
            return identity, self._line().report(identity.token, pending.body)
        except AnswerError as error:
            previous = identity.previous_token
            if error.code != "unknown" or error.status != 401 or previous is None:
                raise
            try:
                answer = self._line().report(previous, pending.body)
            except AnswerError as again:
                if again.status != 401:  # turned away for a while, say: what it is worth shows next time
                    raise
                raise error from again
            identity = replace(identity, token=previous, previous_token=identity.token)
            self._keep(identity)
            log.info("the collector knows the token before this one; sending with that")
            return identity, answer

    def _on_accepted(self, pending: Pending, answer: Accepted) -> None:
        now = self._now()
        taken = self._outbox.accepted(pending, answer.rejected, now, answer.server_time)
        if taken.postponed:
            log.warning("%d items lie ahead of the collector's clock; held back until then", taken.postponed)
        if taken.quarantined:
            first = taken.quarantined[0]
            log.warning(
                "the collector rejected %d items, first %s %s: %s; kept in quarantine",
                len(taken.quarantined),
                first.item,
                first.key,
                first.message or first.code,
            )
        self._composer.spool.database.put(last_answer_at=now, asked_policy=answer.collection_policy)
        if answer.resend_facts and not self._resent:  # once a call, whatever the collector says
            self._resent = True
            self._outbox.resend_facts()

    def _on_refusal(self, identity: Identity, pending: Pending, error: AnswerError, *, proven: bool) -> bool:
        """React to an error answer; return whether the envelope must be proven next. Raises to end the call."""
        if error.code == "cloned":
            self._outbox.discard()
            raise _EndedError(self._trade(identity)) from error
        if error.status in {401, 403} and error.code != "missing_token":  # that one is a fault of the way
            self._outbox.discard()
            self._keep(replace(identity, stopped=error.code))
            if error.status == 403:
                raise _EndedError(Outcome(Kind.STOPPED, stopped_message(error.code))) from error
            raise _EndedError(self._after_unknown(error)) from error
        if error.code not in HALVED:
            if error.status == 426:
                self._outbox.discard()  # the next agent writes another report
            raise error
        if not pending.parts:
            self._outbox.refused(pending, error, self._now(), quarantine=False)
            message = f"the collector refuses even an empty report: {error} ({error.code})"
            raise _EndedError(Outcome(Kind.REFUSED, message)) from error
        if self._outbox.refused(pending, error, self._now(), quarantine=proven):
            part = pending.parts[0]
            log.warning("the collector refuses %s %s: %s; kept in quarantine", part.item, part.key, error)
            return False
        return len(pending.parts) == 1

    def _after_unknown(self, error: AnswerError) -> Outcome:
        """Return what follows a 401: a prompt next call that enrols again where there is a key, else a stop."""
        if self._settings.enrolment_key_file is None:
            return Outcome(Kind.STOPPED, f"{stopped_message(error.code)}; run: roadworthy-agent enrol")
        return Outcome(Kind.FAILED, f"{stopped_message(error.code)}; enrolling again")


def connection_to(settings: Settings) -> Collector:
    """Return the collector the settings name."""
    client = None
    if settings.client_certificate is not None:
        from roadworthy_agent.client_certificate import ClientCertificate

        client = ClientCertificate(settings.client_certificate, settings.client_key)
    return Collector(settings.server or "", settings.ca_file, proxy=settings.proxy, client=client)


def stopped_message(code: str) -> str:
    """Return in words why nothing is sent after an answer."""
    return {
        "revoked": "the collector revoked this device's token; enrol again to send",
        "wrong_device": "the token belongs to another device; enrol again to send",
        "unknown": "the collector does not know this device's token",
        "re_enrol": "the collector asks this device to enrol again",
    }.get(code, f"the collector refuses this device ({code})")
