"""Delivers what one device has waiting: one report, halved where the main collector refuses it as a whole.

What an answer leads to:
- 200: the reports are let go; items rejected are counted, they will never be taken
- 400 schema or malformed_json, 413: the report is halved until the offender is alone, which is given up and counted
- 401: a token just handed out gives way to the one before it; else the device is enrolled again, once an hour
- 403: nothing of this device is forwarded until somebody resumes it
- 429 rate, 409: this device waits as long as it is told; any other device goes on
- 426: everything waits a day
- 429, 5xx otherwise, no answer: everything backs off
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from roadworthy_collector.ingest.wire import Report
from roadworthy_collector.relay import content
from roadworthy_collector.relay.content import Part
from roadworthy_collector.relay.errors import RefusalError, UnreachableError
from roadworthy_collector.relay.upstream import Taken, Upstream

HALVED = frozenset({"schema", "malformed_json", "too_large", "decompressed_too_large"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is at the main collector, in clear. The next token has not worked yet."""

    device_id: str
    token: str
    next_token: str | None = None


@dataclass(slots=True)
class Delivered:
    """What became of a report: `refused` counts items by code, `last_refusal` says one of them in words."""

    identity: Identity
    next_call_seconds: float = 0.0
    policy: str | None = None
    refused: Counter[str] = field(default_factory=Counter)
    last_refusal: str | None = None


class EnvelopeRefusedError(RefusalError):
    """The main collector refuses even an empty report of this device."""


def deliver(upstream: Upstream, identity: Identity, report: Report) -> Delivered:
    """Send a report and return what became of it; raises RefusalError or UnreachableError.

    Where it raises, parts may have arrived: sending all again changes nothing there.
    """
    sending = _Sending(upstream, report, Delivered(identity))
    sending.send(content.parts(report))
    return sending.delivered


class _Sending:
    """One report on its way."""

    def __init__(self, upstream: Upstream, envelope: Report, delivered: Delivered) -> None:
        self.delivered = delivered
        self._upstream = upstream
        self._envelope = envelope
        self._proven = False  # the envelope was taken, so that what is refused is the item's fault

    def send(self, some: Sequence[Part]) -> None:
        """Send parts in order, in halves where that is needed."""
        try:
            self._post(some)
        except RefusalError as error:
            if error.code not in HALVED:
                raise
            if not some:
                raise EnvelopeRefusedError(error.status, error.code, str(error)) from error
            if len(some) > 1:
                self.send(some[: len(some) // 2])
                self.send(some[len(some) // 2 :])
                return
            if not self._proven:
                self.send(())
            self._refuse(some[0].field, error.code)

    def _post(self, some: Sequence[Part]) -> None:
        report = content.rebuilt(self._envelope, some)
        body = content.encode(report, self.delivered.identity.device_id)
        answer = self._with_token(body)
        if answer.received != content.history_items(report):
            raise UnreachableError(
                f"the main collector says that {answer.received} items came of the "
                f"{content.history_items(report)} sent; what answers is no Roadworthy collector"
            )
        self._proven = True
        self.delivered.next_call_seconds = answer.next_call_seconds
        self.delivered.policy = answer.policy
        for item, _, code in answer.rejected:
            self._refuse(item, code)

    def _with_token(self, body: bytes) -> Taken:
        """Send with the newest token that works, and keep it."""
        identity = self.delivered.identity
        if (newer := identity.next_token) is not None:
            try:
                answer = self._upstream.report(newer, body)
            except RefusalError as error:
                if error.status != 401:
                    raise
                identity = Identity(
                    identity.device_id, identity.token
                )  # it never worked: back to the old one
                answer = self._upstream.report(identity.token, body)
            else:
                identity = Identity(identity.device_id, newer)
        else:
            answer = self._upstream.report(identity.token, body)
        if answer.token is not None and answer.token != identity.token:
            identity = Identity(identity.device_id, identity.token, answer.token)
        self.delivered.identity = identity
        return answer

    def _refuse(self, item: str, code: str) -> None:
        self.delivered.refused[code] += 1
        self.delivered.last_refusal = f"{item}: {code}"
