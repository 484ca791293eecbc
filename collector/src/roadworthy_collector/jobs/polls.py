"""Polls the devices of the targets file (APScheduler in a thread of its own) and writes what they answered."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Connection

from roadworthy_collector.jobs.work import Work
from roadworthy_collector.logs import Failing
from roadworthy_collector.snmp import feeding, keeping
from roadworthy_collector.snmp.asking import Asking
from roadworthy_collector.snmp.keeping import Outcome
from roadworthy_collector.snmp.poller import Asks, Poller
from roadworthy_collector.snmp.targets import Polled, TargetsError, read_targets

EVERY_SECONDS = 2.0
_MOST = 2000  # outcomes written in a run
_FIRST = 4
_FEEDS_SECONDS = 600.0

_log = logging.getLogger(__name__)


def make_asks() -> Asks:
    """Return what asks for real; imported here: pysnmp and an HTTP client cost memory where nothing is polled."""
    from roadworthy_collector.snmp.profile_file import shipped_profiles
    from roadworthy_collector.snmp.pysnmp_port import PysnmpPort
    from roadworthy_collector.snmp.redfish import RedfishAsker

    return Asking(PysnmpPort(), shipped_profiles(), RedfishAsker())


class _Polls:
    """The poller of one holder of jobs, and the targets file as it was last read."""

    def __init__(self, stop: threading.Event) -> None:
        self.poller = Poller(make_asks, stop)
        self.version = version("roadworthy-collector")
        self.targets: tuple[Polled, ...] | None = None
        self._read: tuple[tuple[str, int, int], ...] | None = None
        self._feeds_due = 0.0
        self._said: set[str] = set()
        self._failing = Failing(_log, "the targets file is not read anew", "the targets file is read again")

    def changed(self, path: Path) -> tuple[Polled, ...] | None:
        """Return the targets where a file of them changed since the last call; a wrong file leaves the old ones."""
        stamp = _stamp(path)
        if stamp == self._read:
            return None
        try:
            targets = read_targets(path)
        except TargetsError as error:
            self._failing.begin(error)
            if self.targets is None:
                raise
            return None
        self._failing.heal()
        self._read, self.targets, self._feeds_due = stamp, targets, 0.0
        return targets

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
        unknown = feeding.take_all(work.write, self.targets, now=now, zone=work.settings.reporting_timezone)
        self._feeds_due = now + _FEEDS_SECONDS
        for one in unknown:
            if one not in self._said:
                self._said.add(one)
                _log.warning("%s", one)


_HELD: weakref.WeakKeyDictionary[threading.Event, _Polls] = weakref.WeakKeyDictionary()


def poll(work: Work) -> int:
    """Keep the poller at the targets of the file, and write the outcomes there are; return how many."""
    path = work.settings.poll_targets_file
    if path is None:
        return 0
    polls = _HELD.get(work.stop)
    if polls is None:
        polls = _HELD[work.stop] = _Polls(work.stop)
    targets = polls.changed(path)
    if targets is not None:
        with work.write() as connection:
            keeping.sync(connection, targets)
        polls.poller.poll(targets)
    polls.state_feeds(work)
    outcomes = polls.poller.take(_MOST)
    committed = at_work = 0

    def write(connection: Connection, some: Sequence[Outcome]) -> None:
        nonlocal committed, at_work
        committed, at_work = committed + at_work, len(some)  # the piece before has been committed
        keeping.write_outcomes(connection, some, work.settings, version=polls.version, became=polls.became)

    try:
        return work.for_each(outcomes, write, first=_FIRST)
    except Exception:
        polls.poller.put_back(outcomes[committed:])
        raise


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when the file or a CSV file beside it does."""
    found = []
    for one in sorted({path, *path.parent.glob("*.csv")}):
        try:
            stat = one.stat()
        except OSError:
            continue
        found.append((one.name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)
