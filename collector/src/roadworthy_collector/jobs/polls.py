"""Polls the devices of the targets file (APScheduler in a thread of its own) and writes what they answered."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.logs import Failing
from roadworthy_collector.snmp import feeding, keeping, refused_feeds
from roadworthy_collector.snmp.asking import Asking
from roadworthy_collector.snmp.keeping import Outcome
from roadworthy_collector.snmp.poller import Asks, Poller
from roadworthy_collector.snmp.targets import Polled, TargetsError, files_of, read_targets

EVERY_SECONDS = 2.0
_MOST = 2000  # outcomes written in a run
_FIRST = 4
_AT_ONCE = 250  # targets taken up in a transaction
_FEEDS_SECONDS = 600.0

_Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]

_log = logging.getLogger(__name__)


def make_asks() -> Asks:
    """Return what asks for real; imported here: pysnmp and an HTTP client cost memory where nothing is polled."""
    from roadworthy_collector.snmp.profile_file import shipped_profiles
    from roadworthy_collector.snmp.pysnmp_port import PysnmpPort
    from roadworthy_collector.snmp.redfish import RedfishAsker

    return Asking(PysnmpPort(), shipped_profiles(), RedfishAsker())


class _Polls:
    """The poller of one holder of jobs, and the targets file as it was last taken up."""

    def __init__(self, stop: threading.Event) -> None:
        self.poller = Poller(make_asks, stop)
        self.version = version("roadworthy-collector")
        self.targets: tuple[Polled, ...] | None = None
        self._files: tuple[Path, ...] = ()
        self._taken: _Stamp | None = None
        self._first = _FIRST
        self._feeds_due = 0.0
        self._said: set[str] = set()
        self._failing = Failing(_log, "the targets file is not read anew", "the targets file is read again")

    def take_up(self, path: Path, work: Work) -> None:
        """Poll the targets of the file; where one of its files changed since, as it is now. A wrong one leaves the old.

        What was read counts as taken up only when the table says it too: whatever fails before is tried again.
        """
        if self._taken is None or _stamp(self._files) != self._taken:
            try:
                files = files_of(path)
                stamp = _stamp(files)  # before they are read: what changes meanwhile is seen at the next run
                targets = read_targets(path)
            except TargetsError as error:
                self._failing.begin(error)
                if self.targets is None:
                    raise
            else:
                for place in range(0, len(targets), _AT_ONCE):
                    with work.write() as connection:
                        keeping.sync(connection, targets[place : place + _AT_ONCE], whole=False)
                with work.write() as connection:
                    keeping.sync(connection, targets)
                self._failing.heal()
                self._files, self._taken, self.targets, self._feeds_due = files, stamp, targets, 0.0
        if self.targets is not None:
            self.poller.poll(self.targets)

    def became(self, _device: int) -> None:
        """Have feeds stated at the next run: what the file says of this device was said of nobody before."""
        self._feeds_due = 0.0

    def state_feeds(self, work: Work) -> None:
        """State what hangs on what as the file says now and controllers tell.

        At once where the file changed or a target became a device, else seldom: devices enrol later.
        """
        now = work.clock()
        if self.targets is None or now < self._feeds_due:
            return
        zone = work.settings.reporting_timezone
        unknown = set(feeding.take_all(work.reading, work.write, self.targets, now=now, zone=zone))
        refused_feeds.note(work.reading, work.write, self.targets, sorted(unknown))
        self._feeds_due = now + _FEEDS_SECONDS
        for one in sorted(unknown - self._said):
            _log.warning("%s", one)
        self._said = unknown

    def write(self, work: Work) -> int:
        """Write the outcomes there are; return how many. What an error keeps from being written is written later."""
        outcomes = self.poller.take(_MOST)
        committed = at_work = 0

        def write(connection: Connection, some: Sequence[Outcome]) -> None:
            nonlocal committed, at_work
            committed, at_work = committed + at_work, len(some)  # the piece before has been committed
            keeping.write_outcomes(connection, some, work.settings, version=self.version, became=self.became)

        try:
            committed = work.for_each(outcomes, write, first=self._first)
            self._first = _FIRST
        except (DataError, IntegrityError, UnicodeError) as error:
            # One answer that the database does not take must not keep those after it waiting for ever.
            if at_work == 1:
                outcomes[committed] = _unkept(outcomes[committed], error)
            self._first = 1
            raise
        finally:
            # A piece of which nobody knows whether it was committed comes again too: it is written once all the same.
            self.poller.put_back(outcomes[committed:])
        return committed


_HELD: weakref.WeakKeyDictionary[threading.Event, _Polls] = weakref.WeakKeyDictionary()


def poll(work: Work) -> int:
    """Keep the poller at the targets of the file, and write the outcomes there are; return how many."""
    path = work.settings.poll_targets_file
    if path is None:
        return 0
    polls = _HELD.get(work.stop)
    if polls is None:
        polls = _HELD[work.stop] = _Polls(work.stop)
    polls.take_up(path, work)
    written = polls.write(work)
    polls.state_feeds(work)  # after it: what has just become a device may feed others
    return written


def _unkept(one: Outcome, error: Exception) -> Outcome:
    """Return a poll whose answer cannot be kept as one that failed."""
    reason = f"{one.polled.name}: its answer cannot be kept: {type(error).__name__}"
    return replace(one, answer=None, code="bad_answer", reason=reason)


def _stamp(files: Iterable[Path]) -> _Stamp:
    """Return what changes when one of the files does."""
    found = []
    for one in files:
        try:
            stat = one.stat()
        except OSError:
            continue
        found.append((str(one), stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(found)
