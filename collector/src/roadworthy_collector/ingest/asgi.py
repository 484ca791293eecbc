"""POST /api/v1/reports: authenticate, bound, decode, write, and only then acknowledge.

A raw ASGI application, because a routed one costs four times as much per report (docs/decisions). The order is the
point: nothing of a body is read before its sender is known, nothing is decompressed past a limit, nothing is
acknowledged before it is on the disk.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest.access import Access, Holder
from roadworthy_collector.ingest.batch import Outcome
from roadworthy_collector.ingest.decode import Decoded, ReportDecoder, gunzip, gunzip_within
from roadworthy_collector.ingest.http import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    UnfinishedBodyError,
    error_body,
    error_headers,
    header,
    read_body,
    send_json,
)
from roadworthy_collector.ingest.limits import RateLimit
from roadworthy_collector.ingest.openapi import REPORTS_PATH, openapi_paths
from roadworthy_collector.ingest.wire import Answer
from roadworthy_collector.ingest.writer import Incoming, Result, Writer, busy
from roadworthy_collector.settings import Settings

__all__ = ["REPORTS_PATH", "ReportsApp", "openapi_paths"]

JITTER_SECONDS = 60  # on top of the rest of the minute: all who are told to wait would come back with its end
REPORTS_PER_MINUTE = 240  # of one device; an agent that empties a long spool or bisects stays far below
HeaderList = Sequence[tuple[bytes, bytes]]
Answered = Callable[[int, bytes, HeaderList], None]

SMALL_BODY_BYTES = 65_536  # read in the event loop; larger ones would keep other requests waiting
_NONE: Counter[str] = Counter()


class ReportsApp:
    """Takes reports in."""

    def __init__(
        self,
        writer: Writer,
        access: Access,
        settings: Settings,
        clock: Callable[[], float],
        *,
        reports_per_minute: int = REPORTS_PER_MINUTE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = writer.stats
        self._writer = writer
        self._settings = settings
        self._clock = clock
        self._access = access
        self.small_body_bytes = min(SMALL_BODY_BYTES, settings.max_body_bytes)  # what `take` is given at most
        self._decoder = ReportDecoder()
        self._rate = RateLimit(reports_per_minute, monotonic)
        # Look-ups and large bodies leave the event loop; two threads, because more would only share two locks.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="reports")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        try:
            holder = await self._admit(scope)
            body = await read_body(scope, receive, self._settings.max_body_bytes)
            decoded = await self._decode(scope, body)
            _require_own(decoded, holder)
            outcome = await self._writer.submit(Incoming(holder.device, *decoded), holder.token)
        except EnvelopeError as error:
            self.stats.reports[error.code] += 1
            unread = receive if isinstance(error, UnfinishedBodyError) else None
            said = error_body(error, self._clock())
            await send_json(send, error.status, said, error_headers(error), unread=unread)
        except ClientGoneError:
            self.stats.reports["client_gone"] += 1
        else:
            self._count(decoded, outcome)
            await send_json(send, 200, self._answer(outcome))
        self.stats.request_seconds.observe(time.perf_counter() - began)

    def known(self, headers: HeaderList) -> Holder | None:
        """Return whose report it is by its head alone, None where `__call__` has to find out."""
        try:
            return self._access.remembered(self._access.parse(header({"headers": headers}, b"authorization")))
        except EnvelopeError:
            return None

    def take(self, holder: Holder, headers: HeaderList, body: bytes, answered: Answered) -> bool:
        """Take a small report that is all there, without a task of its own; `holder` as `known` gave it.

        `answered` is called with status, body and headers of the answer, now or later, in this thread. Returns False,
        and has then done nothing, where only `__call__` can answer: the body is large once it is decompressed.
        Costs the event loop a third less than `__call__` (docs/decisions/0025).
        """
        began = time.perf_counter()
        try:
            # Who sends too much costs nothing but this: a bomb is not even looked at.
            self._limit(holder)
            if (plain := self._small(_is_gzip({"headers": headers}), body)) is None:
                self._rate.give_back(holder.device)  # `__call__` counts it
                return False
            decoded = self._decoder.decode(plain)
            _require_own(decoded, holder)

            def done(result: Result) -> None:
                if isinstance(result, EnvelopeError):
                    self.refuse(result, answered)
                else:
                    self._count(decoded, result)
                    answered(200, msgspec.json.encode(self._answer(result)), ())
                self.stats.request_seconds.observe(time.perf_counter() - began)

            self._writer.put(Incoming(holder.device, *decoded), holder.token, done)
        except EnvelopeError as error:
            self.refuse(error, answered)
            self.stats.request_seconds.observe(time.perf_counter() - began)
        return True

    def refuse(self, error: EnvelopeError, answered: Answered) -> None:
        """Count a refused report and say why, as `take` answers."""
        self.stats.reports[error.code] += 1
        answered(error.status, msgspec.json.encode(error_body(error, self._clock())), error_headers(error))

    def _small(self, compressed: bool, body: bytes) -> bytes | None:  # noqa: FBT001 - as `_decode_large`
        """Return a body that may be read in the event loop, uncompressed; None for a larger one."""
        if not compressed:
            return body if len(body) <= SMALL_BODY_BYTES else None
        if len(body) > SMALL_BODY_BYTES // 8:
            return None
        return gunzip_within(body, SMALL_BODY_BYTES)

    async def _admit(self, scope: Scope) -> Holder:
        """Say whose report it is, before its body is read."""
        if scope["method"] != "POST":
            raise EnvelopeError(405, "method_not_allowed", "reports are sent with POST")
        token = self._access.parse(header(scope, b"authorization"))
        holder = self._access.remembered(token)
        if holder is None:
            loop = asyncio.get_running_loop()
            try:
                holder = await loop.run_in_executor(self._threads, self._access.look_up, token)
            except SQLAlchemyError as error:
                raise busy(f"the database cannot be read: {type(error).__name__}") from error
        self._limit(holder)
        _is_gzip(scope)
        return holder

    def _limit(self, holder: Holder) -> None:
        """Count a report of a device; raise `rate` (429) if it sends too many."""
        if rest := self._rate.wait_seconds(holder.device):
            wait = rest + random.randint(0, JITTER_SECONDS)  # noqa: S311 - spreads load, hides nothing
            raise EnvelopeError(
                429, "rate", f"too many reports; try again in {wait} s", retry_after_seconds=wait
            )
        self._rate.count(holder.device)

    async def _decode(self, scope: Scope, body: bytes) -> Decoded:
        """Return the report in a body."""
        compressed = _is_gzip(scope)
        if (plain := self._small(compressed, body)) is not None:
            return self._decoder.decode(plain)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._decode_large, body, compressed)

    def _decode_large(self, body: bytes, compressed: bool) -> Decoded:  # noqa: FBT001 - called by an executor
        """Return the report in a large body, outside the event loop."""
        plain = gunzip(body, self._settings.max_report_bytes) if compressed else body
        return self._decoder.decode(plain)

    def _answer(self, outcome: Outcome) -> Answer:
        """Return what a taken report is answered."""
        return Answer(
            *outcome[:3],
            next_call=outcome.next_call_seconds,
            server_time=round(self._clock(), 3),
            collection_policy=outcome.collection_policy or UNSET,
            token=outcome.token or UNSET,
            resend=outcome.resend or UNSET,
        )

    def _count(self, decoded: Decoded, outcome: Outcome) -> None:
        """Count a taken report and its items."""
        report, items = decoded.report, self.stats.items
        self.stats.reports["accepted"] += 1
        rejected = Counter(answer.item for answer in outcome.rejected) if outcome.rejected else _NONE
        unread = Counter(refused.answer.item for refused in decoded.refused) if decoded.refused else _NONE
        read = (
            ("period", len(report.periods)),
            ("day", len(report.days)),
            ("startup", len(report.startups)),
            ("signin", len(report.signins)),
            ("gap", len(report.gaps)),
            ("probe", len(report.probes)),
            ("now", report.now is not None),
            ("facts", report.facts is not None),
        )
        for item, count in read:
            if accepted := count + unread[item] - rejected[item]:
                items[item, "accepted"] += accepted
        for item, times in rejected.items():
            items[item, "rejected"] += times


def _is_gzip(scope: Scope) -> bool:
    """Return whether the body is compressed; raise unsupported_encoding for anything but gzip or nothing."""
    encoding = (header(scope, b"content-encoding") or "identity").lower()
    if encoding not in {"identity", "gzip"}:
        raise EnvelopeError(
            415, "unsupported_encoding", "a body is sent as it is or as gzip", field="content-encoding"
        )
    return encoding == "gzip"


def _require_own(decoded: Decoded, holder: Holder) -> None:
    """Refuse a report that claims to be another device's."""
    if decoded.report.device_id != holder.device_id:
        message = "the report is another device's than the token's"
        raise EnvelopeError(403, "wrong_device", message, field="device_id")
