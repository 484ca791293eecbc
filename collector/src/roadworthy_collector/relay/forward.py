"""The job that forwards: device after device, each one's reports in the order they were accepted.

1. Nothing happens while the main collector asked for patience, or before the pause after a failure is over.
2. Of each device with something waiting: enrol it there if need be, make one report of its oldest ones, send it.
3. What is held there is let go, twenty devices in one transaction; killed before that, all is sent again, which
   changes nothing there.
4. The first fault of the way or of the main collector ends the run; the device it happened to is tried last.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, update

from roadworthy_collector.ingest.wire import Report
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.relay import content, outbox, state
from roadworthy_collector.relay.bounds import keep_bounds
from roadworthy_collector.relay.delivery import Delivered, EnvelopeRefusedError, Identity, deliver
from roadworthy_collector.relay.enrolling import (
    RE_ENROL_SECONDS,
    Enroller,
    Local,
    Stopped,
    Waits,
    read_local,
)
from roadworthy_collector.relay.errors import RefusalError, RelayError
from roadworthy_collector.relay.sealing import Seal
from roadworthy_collector.relay.upstream import Upstream
from roadworthy_collector.store.schema import relay_devices

DEVICES_PER_LOOK = 200
DEVICES_PER_COMMIT = 20
ROWS_PER_REPORT = 300
REPORT_BYTES = 2_097_152  # of JSON; a main collector takes four times as much
PATIENCE_RATIO = 1.25  # of this relay's interval; calls are spread by less even where both have the same
REFUSED_SECONDS = 3600.0  # until a device whose very envelope is refused is tried again
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
DAY_SECONDS = 86_400.0

_log = logging.getLogger(__name__)


def forward(work: Work) -> int:
    """Forward what is due, and keep the queue within its bounds; return how many reports were let go.

    Does nothing where this collector is no relay. Faults of the network, the main collector and the key files are
    said once when they begin and once when they end; they raise nothing.
    """
    if not work.settings.is_relay:
        return 0
    keep_bounds(work)
    if work.settings.upstream_url is None:
        return 0
    return Run(work).forward()


@dataclass(slots=True)
class Done:
    """What came of one attempt at a device: ids to let go of, and what its row becomes."""

    device: int
    ids: list[int] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    gaps_said: bool = False


class Taken(NamedTuple):
    """A report made of a device's oldest rows; `more` if others wait behind them."""

    ids: list[int]
    report: Report
    says_gaps: bool
    more: bool


class Run:
    """One run of the job."""

    def __init__(self, work: Work, jitter: Callable[[], float] = random.random) -> None:
        self._work = work
        self._jitter = jitter
        self._done: list[Done] = []
        self._let_go = 0
        self._answered = False
        self._refused: Counter[str] = Counter()

    def forward(self) -> int:
        """Forward until nothing is due, a fault ends it or the collector stops."""
        with self._work.engine.connect() as connection:
            held = state.read(connection)
            due = self._due(connection) if self._now() >= float(held.get(state.WAIT_UNTIL, 0)) else []
        if not due:
            return 0
        url = self._work.settings.upstream_url or ""
        try:
            upstream = Upstream(url, self._work.settings.upstream_ca)
            try:
                self._all(upstream, due)
            finally:
                upstream.close()
                self._flush()
        except RelayError as error:
            self._failed(error, held)
        else:
            self._went_well(held)
        return self._let_go

    def _now(self) -> float:
        return self._work.clock()

    def _due(self, connection: Connection) -> list[Any]:
        return outbox.waiting_devices(connection, self._now(), DEVICES_PER_LOOK)

    def _all(self, upstream: Upstream, due: list[Any]) -> None:
        seal = Seal.of(self._work.settings.data, make=True)
        enroller = Enroller(self._work, upstream, seal)
        while due and not self._work.stop.is_set():
            with self._work.engine.connect() as connection:
                local = read_local(connection, [row.device for row in due])
            for row in due:
                if self._work.stop.is_set():
                    return
                if row.device in local:
                    self._one(upstream, enroller, seal, row, local[row.device])
                if len(self._done) >= DEVICES_PER_COMMIT:
                    self._flush()
            self._flush()
            with self._work.engine.connect() as connection:
                due = self._due(connection)
        enroller.settle()

    def _one(self, upstream: Upstream, enroller: Enroller, seal: Seal, row: Any, local: Local) -> None:
        """Forward what one device has waiting; raises what ends the run."""
        done = Done(row.device, values={"tried_at": self._now()})
        self._done.append(done)
        try:
            identity = enroller.identity(row, local)
            taken = self._report(row)
            delivered = deliver(upstream, identity, taken.report)
        except Stopped as stopped:
            done.values |= {"stopped": stopped.code}
        except Waits as waits:
            done.values |= {"not_before": waits.until, "last_refusal": waits.why[:256]}
        except EnvelopeRefusedError as error:
            self._answered = True
            wait = self._now() + REFUSED_SECONDS
            done.values |= {"not_before": wait, "last_refusal": f"{error} ({error.code})"[:256]}
        except RefusalError as error:
            if (values := self._on_refusal(row, error)) is None:
                raise
            self._answered = True
            done.values |= values
        else:
            self._answered = True
            done.ids, done.refused, done.gaps_said = taken.ids, delivered.refused, taken.says_gaps
            done.values |= self._after(row, identity, delivered, seal, more=taken.more)

    def _report(self, row: Any) -> Taken:
        """Return one report of a device's oldest rows."""
        with self._work.engine.connect() as connection:
            rows = outbox.first_rows(connection, row.device, ROWS_PER_REPORT)
        reports: list[Report] = []
        size = 0
        for one in rows:
            report = content.unpack(one.body)
            size += len(content.encode(report))
            if reports and size > REPORT_BYTES:
                break
            reports.append(report)
        count = content.mergeable(reports)
        merged = content.merge(reports[:count])
        saying = content.with_gaps(merged, row.gaps) if row.gaps else None
        more = count < len(rows) or len(rows) == ROWS_PER_REPORT
        return Taken([one.id for one in rows[:count]], saying or merged, saying is not None, more)

    def _after(
        self, row: Any, identity: Identity, delivered: Delivered, seal: Seal, *, more: bool
    ) -> dict[str, Any]:
        """Return what a taken report changes of the device's row."""
        asked = delivered.next_call_seconds
        patient = not more and asked > PATIENCE_RATIO * self._work.settings.report_interval_seconds
        values: dict[str, Any] = {
            "not_before": self._now() + asked if patient else 0.0,
            "policy": delivered.policy,
        }
        if delivered.identity != identity:
            values |= sealed(seal, row.device, delivered.identity)
        if delivered.refused:
            values["refused_items"] = relay_devices.c.refused_items + delivered.refused.total()
            values["last_refusal"] = delivered.last_refusal
        return values

    def _on_refusal(self, row: Any, error: RefusalError) -> dict[str, Any] | None:
        """Return what a typed refusal changes of the device's row; None if it ends the run."""
        now = self._now()
        words = f"{error} ({error.code})"[:256]
        if error.status == 401 and error.code != "missing_token":  # that one is a fault of the way
            age = now - (row.enrolled_at or 0)
            wait = 0.0 if age >= RE_ENROL_SECONDS else now + RE_ENROL_SECONDS - age
            gone = {"upstream_device_id": None, "token": None, "next_token": None}
            return gone | {"not_before": wait, "last_refusal": words}
        if error.status == 403:
            _log.warning("device %s is not forwarded any more: %s", row.upstream_device_id, words)
            return {"stopped": error.code, "last_refusal": words}
        if error.status == 409 or (error.status == 429 and error.code == "rate"):
            wait = max(error.retry_after_seconds or 0.0, FIRST_PAUSE_SECONDS) * (1 + 0.2 * self._jitter())
            return {"not_before": now + wait}
        return None

    def _flush(self) -> None:
        """Write what came of the devices so far."""
        some, self._done = self._done, []
        if not some:
            return
        refused = sum((done.refused for done in some), Counter[str]())
        with self._work.write() as connection:
            outbox.lock_devices(connection, [done.device for done in some])
            for done in some:
                outbox.let_go(connection, done.ids)
                values = done.values | ({"gaps": None} if done.gaps_said else {})
                mine = relay_devices.c.device == done.device
                connection.execute(update(relay_devices).where(mine).values(values))
            outbox.count(connection, outbox.REFUSED, refused)
        self._let_go += sum(len(done.ids) for done in some)
        self._refused += refused

    def _failed(self, error: RelayError, held: dict[str, str]) -> None:
        """Note a fault and how long everything waits; say it if it is new."""
        failures = 0 if self._answered else int(held.get(state.FAILURES, 0))
        pause = min(FIRST_PAUSE_SECONDS * 2.0**failures, LONGEST_PAUSE_SECONDS)
        if isinstance(error, RefusalError):
            pause = DAY_SECONDS if error.status == 426 else max(pause, error.retry_after_seconds or 0.0)
        until = self._now() + min(pause, DAY_SECONDS) * (1 + 0.2 * self._jitter())
        values: dict[str, str | None] = {
            state.WAIT_UNTIL: f"{until:.3f}",
            state.FAILURES: str(min(failures + 1, 20)),
            state.FAULT: str(error)[:500],
        }
        self._write(values)
        self._say_refused(held)
        if state.FAULT not in held:
            _log.warning("reports are not forwarded: %s", error)

    def _went_well(self, held: dict[str, str]) -> None:
        values: dict[str, str | None] = {}
        if self._answered:
            values = {state.LAST_SUCCESS: f"{self._now():.3f}"}
            values |= dict.fromkeys((state.WAIT_UNTIL, state.FAILURES, state.FAULT), None)
            self._write(values)
        if self._answered and state.FAULT in held:
            _log.warning("reports are forwarded again")
        self._say_refused(held)

    def _say_refused(self, held: dict[str, str]) -> None:
        """Say once that items are refused, when it begins."""
        refusing = state.REFUSING in held
        if self._answered and refusing != bool(self._refused):
            self._write({state.REFUSING: "1" if self._refused else None})
        if self._refused and not refusing:
            _log.warning(
                "the main collector refused %d items: %s",
                self._refused.total(),
                ", ".join(f"{code} {times}" for code, times in sorted(self._refused.items())),
            )

    def _write(self, values: dict[str, str | None]) -> None:
        with self._work.write() as connection:
            state.write(connection, values)


def sealed(seal: Seal, device: int, identity: Identity) -> dict[str, Any]:
    """Return the columns that keep an identity."""
    newer = identity.next_token
    return {
        "upstream_device_id": identity.device_id,
        "token": seal.seal(identity.token, device),
        "next_token": None if newer is None else seal.seal(newer, device),
    }
