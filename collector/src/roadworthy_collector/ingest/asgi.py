"""POST /api/v1/reports: authenticate, bound, decode, write, and only then acknowledge.

A raw ASGI application, because a routed one costs four times as much per report (docs/decisions). The order is the
point: nothing of a body is read before its sender is known, nothing is decompressed past a limit, nothing is
acknowledged before it is on the disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest.access import Access, Holder
from roadworthy_collector.ingest.batch import Outcome, next_call
from roadworthy_collector.ingest.decode import Decoded, ReportDecoder, gunzip
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
from roadworthy_collector.ingest.writer import Incoming, Writer, busy
from roadworthy_collector.settings import Settings

__all__ = ["REPORTS_PATH", "ReportsApp", "openapi_paths"]

REPORTS_PER_MINUTE = 240  # of one device; an agent that empties a long spool or bisects stays far below
SMALL_BODY_BYTES = 65_536  # read in the event loop; larger ones would keep other requests waiting


class ReportsApp:
    """Takes reports in."""

    def __init__(
        self,
        writer: Writer,
        engine: Engine,
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
        self._access = Access(engine, monotonic)
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
            incoming = Incoming(holder.device, *decoded, holder.first_token)
            outcome = await self._writer.submit(incoming)
        except EnvelopeError as error:
            self.stats.reports[error.code] += 1
            unread = receive if isinstance(error, UnfinishedBodyError) else None
            said = error_body(error, self._clock())
            await send_json(send, error.status, said, error_headers(error), unread=unread)
        except ClientGoneError:
            self.stats.reports["client_gone"] += 1
        else:
            self._count(decoded, outcome)
            await send_json(send, 200, self._answer(holder, outcome))
        self.stats.request_seconds.observe(time.perf_counter() - began)

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
        if wait := self._rate.wait_seconds(holder.device):
            raise EnvelopeError(
                429, "rate", f"too many reports; try again in {wait} s", retry_after_seconds=wait
            )
        self._rate.count(holder.device)
        _is_gzip(scope)
        return holder

    async def _decode(self, scope: Scope, body: bytes) -> Decoded:
        """Return the report in a body."""
        compressed = _is_gzip(scope)
        if len(body) <= SMALL_BODY_BYTES and not compressed:
            return self._decoder.decode(body)
        if compressed and len(body) <= SMALL_BODY_BYTES // 8:
            plain = gunzip(body, self._settings.max_report_bytes)
            if len(plain) <= SMALL_BODY_BYTES:
                return self._decoder.decode(plain)
            body, compressed = plain, False
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._decode_large, body, compressed)

    def _decode_large(self, body: bytes, compressed: bool) -> Decoded:  # noqa: FBT001 - called by an executor
        """Return the report in a large body, outside the event loop."""
        plain = gunzip(body, self._settings.max_report_bytes) if compressed else body
        return self._decoder.decode(plain)

    def _answer(self, holder: Holder, outcome: Outcome) -> Answer:
        """Return what a taken report is answered."""
        seconds = next_call(holder.device_id, self._settings.report_interval_seconds)
        return Answer(*outcome, next_call=seconds, server_time=round(self._clock(), 3))

    def _count(self, decoded: Decoded, outcome: Outcome) -> None:
        """Count a taken report and its items."""
        report = decoded.report
        self.stats.reports["accepted"] += 1
        rejected = Counter(answer.item for answer in outcome.rejected)
        unread = Counter(refused.answer.item for refused in decoded.refused)
        read: dict[str, int] = {
            "period": len(report.periods),
            "day": len(report.days),
            "startup": len(report.startups),
            "signin": len(report.signins),
            "gap": len(report.gaps),
            "probe": len(report.probes),
            "now": int(report.now is not None),
            "facts": int(report.facts is not None),
        }
        for item, count in read.items():
            if accepted := count + unread[item] - rejected[item]:
                self.stats.items[item, "accepted"] += accepted
        for item, count in rejected.items():
            self.stats.items[item, "rejected"] += count


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
