"""The running agent: one thread samples and waits, one does all that can take long.

The main thread takes a sample per interval and never touches network, D-Bus or slow files, so the samples stay
regular and a signal ends the agent at once. The worker runs the probes and calls the collector.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from roadworthy_agent import days, lock, signins, startups
from roadworthy_agent.compose import Composer
from roadworthy_agent.copied import keep_machine
from roadworthy_agent.database import Database
from roadworthy_agent.delivery import Delivery, Kind, Outcome
from roadworthy_agent.errors import AgentError
from roadworthy_agent.history import corrected_now
from roadworthy_agent.identity import StateFolder, fingerprint
from roadworthy_agent.observe import FACTS, Observations
from roadworthy_agent.outbox import Outbox
from roadworthy_agent.policy import CollectionPolicy, policy_of
from roadworthy_agent.probe import Context, HardwareReading, Probe
from roadworthy_agent.probes import startup
from roadworthy_agent.probes.platforms import reader
from roadworthy_agent.reading import Status
from roadworthy_agent.report import to_wire
from roadworthy_agent.samples import Recorder
from roadworthy_agent.sampling import POWER, STATE, UTILISATION, Makers, Sampling
from roadworthy_agent.schedule import DAY_SECONDS, KEPT_SECONDS, Calls
from roadworthy_agent.settings import Settings
from roadworthy_agent.spool import Spool
from roadworthy_agent.wake import Waker

log = logging.getLogger(__name__)

RECHECK_SECONDS = 300.0  # how often a stopped agent looks whether somebody enrolled it; costs no call
REFUSED_SECONDS = 3600.0
FIRST_CALL_SECONDS = 2.0  # after the start, so that the first report has a first sample to show
SAMPLED = (UTILISATION, STATE, POWER)


class Fault:
    """Logs once when something breaks and once when it heals."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._message: str | None = None

    def broke(self, message: str) -> None:
        """Say what broke, unless that was said last."""
        if self._message is None or _shape(message) != _shape(self._message):
            log.warning("%s: %s", self._what, message)
        self._message = message

    def healed(self) -> None:
        """Say that it works again, if it was said to be broken."""
        if self._message is not None:
            log.info("%s: works again", self._what)
        self._message = None


def _shape(message: str) -> str:
    """Return a message without its digits: how long ago or how often is no news."""
    return "".join(letter for letter in message if not letter.isdigit())


class Agent:
    """All parts of a running agent, wired. Use `run`."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        probes: Mapping[str, Probe[Any]],
        samplers: Makers,
    ) -> None:
        self._settings = settings
        self._context = context
        self._clock = context.clock
        self._started = self._clock.boottime()
        self._state = StateFolder(settings.state_dir)
        self._state.prepare()
        self._lock = lock.hold(self._state.lock)
        self._database = Database(self._state.spool)
        if self._database.begun_anew:
            self._state.renew_instance()
        self._spool = Spool(self._database, settings.spool_max_bytes)
        self._recorder = Recorder(self._spool, self._clock, settings.sample_interval_seconds)
        context = replace(
            context,
            last_seen_at=self._last_seen_at(),
            last_ended=self._last_ended(),
            allow=frozenset(settings.allow),
        )
        self._sampling = Sampling.of(context, samplers)
        self._observations = Observations(context, probes)
        composer = Composer(
            self._spool,
            Outbox(self._database),
            self._observations,
            self._clock.boottime,
            self._started,
        )
        self._delivery = Delivery(settings, self._state, context, composer)
        self._calls = Calls(self._started + FIRST_CALL_SECONDS, self._state.instance() or "")
        self._facts_due = self._started
        self._startup_settled = False
        self._called = False
        self._statuses_kept = 0
        self._go = threading.Event()
        self._working = threading.Event()
        self._faults = {name: Fault(name) for name in ("collector", "spool", *SAMPLED)}
        self._identity_seen = self._identity_stamp()

    def run(self) -> None:
        """Run until SIGINT or SIGTERM."""
        with Waker() as waker:
            worker = threading.Thread(target=self._work, args=(waker,), name="worker", daemon=True)
            first = self._sampling.begin(self._policy())
            self._guarded(lambda: self._recorder.begin(first))
            self._start_work()
            worker.start()
            interval = float(self._settings.sample_interval_seconds)
            next_sample = self._clock.monotonic() + interval
            while not waker.stopping:
                if not worker.is_alive():
                    raise RuntimeError("the worker ended unexpectedly; its traceback is above")
                waker.wait(self._until_next(next_sample))
                late = next_sample - self._clock.monotonic() <= 0
                if not waker.stopping and (late or self._call_is_due()):
                    self._sample()
                    next_sample = self._clock.monotonic() + interval
                    self._start_work()
            self._sample()  # what a planned end would otherwise lose
            self._guarded(self._keep_ending)
        log.info("stopped")

    def _last_seen_at(self) -> float | None:
        """Return the system's time at the last look in an earlier boot: no firmware took longer than since then."""
        here = self._clock.boot_id()
        earlier = [boot.wall for boot in self._spool.boots() if boot.boot_id != here]
        return earlier[-1] if earlier else None

    def _last_ended(self) -> str | None:
        """Return how the boot before this one was being ended when the agent was last told to stop."""
        told = self._database.get("ended") or {}
        return told.get("word") if told.get("boot_id") != self._clock.boot_id() else None

    def _keep_ending(self) -> None:
        """Keep how this boot is being ended, if it is: the next start-up is a restart or a cold one by that."""
        ending = getattr(reader(startup.__name__, self._context.platform), "ending", None)
        word = None if ending is None else ending()
        self._database.put(ended={"boot_id": self._clock.boot_id(), "word": word})

    # Main thread

    def _until_next(self, next_sample: float) -> float:
        """Return the seconds until a sample is due, or the first call: later ones wait for a sample.

        A device wakes up for a reason once per sample and never more often.
        """
        until_sample = next_sample - self._clock.monotonic()
        if self._called or self._working.is_set():
            return until_sample
        return min(until_sample, self._calls.due_at() - self._clock.boottime())

    def _call_is_due(self) -> bool:
        return (
            not self._called and not self._working.is_set() and self._calls.due_at() <= self._clock.boottime()
        )

    def _sample(self) -> None:
        sample, results = self._sampling.take(self._policy())
        for result in results:
            self._observations.keep(result)
            fault = self._faults[result.probe]
            if result.status is Status.ERROR:
                fault.broke(result.reason or str(result.status))
            else:
                fault.healed()
        self._guarded(lambda: self._recorder.take(sample))
        self._guarded(self._thin)
        self._guarded(self._keep_statuses)
        if self._recorder.slept:
            self._recorder.slept = False
            self._startup_settled = False  # it woke up: that may be a start-up of its own

    def _policy(self) -> CollectionPolicy:
        return days.policy_in(self._database)

    def _keep_statuses(self) -> None:
        """Keep what the probes say for `status`, when it changed; from either thread."""
        if (changes := self._observations.changes) == self._statuses_kept:
            return  # at each sample: making statuses only to see that they are the same was half of its cost
        statuses = self._observations.statuses(corrected_now(self._spool, 0.0))
        self._database.put(statuses=[to_wire(status) for status in statuses])
        self._statuses_kept = changes

    def _thin(self) -> None:
        samples, periods = self._spool.thin()
        if samples or periods:
            log.warning(
                "the spool is full (%d bytes): gave up the oldest %d samples and %d periods",
                self._settings.spool_max_bytes,
                samples,
                periods,
            )

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do something with the spool; a full or failing disk loses the sample, not the agent."""
        try:
            action()
        except sqlite3.Error as error:
            self._faults["spool"].broke(
                f"{self._database.path}: {error}; measuring goes on, this sample is lost"
            )
        else:
            self._faults["spool"].healed()

    def _start_work(self) -> None:
        """Wake the worker if it is idle and there is something to do."""
        if self._working.is_set():
            return
        now = self._clock.boottime()
        if (stamp := self._identity_stamp()) != self._identity_seen:
            self._identity_seen = stamp
            self._calls = Calls(now, self._state.instance() or "")
        if self._calls.due_at() <= now or self._facts_due <= now or not self._startup_settled:
            self._working.set()
            self._go.set()

    def _identity_stamp(self) -> int | None:
        """Return what changes when somebody enrols this device beside the running agent."""
        try:
            return (self._state.path / "identity.json").stat().st_mtime_ns
        except OSError:
            return None

    # Worker thread

    def _work(self, waker: Waker) -> None:
        while True:
            self._go.wait()
            self._go.clear()
            try:
                self._look()
                if self._calls.due_at() <= self._clock.boottime():
                    self._call()
            except sqlite3.Error as error:
                self._faults["spool"].broke(f"{self._database.path}: {error}")
                self._calls.failed(self._clock.boottime())
            except AgentError as error:
                self._faults["collector"].broke(str(error))
                self._calls.failed(self._clock.boottime())
            finally:
                self._working.clear()
                waker.wake()

    def _look(self) -> None:
        """Run the probes that are due: facts once a day, start-ups until they are final."""
        now = self._clock.boottime()
        if now >= self._facts_due:
            self._observations.look(FACTS)
            self._facts_due = now + DAY_SECONDS
            self._keep_machine(now)
        self._settle_policy()
        if not self._startup_settled:
            self._look_at_startup(now)
        if self._calls.due_at() <= now:
            self._look_at_signins(now)
        self._keep_statuses()

    def _keep_machine(self, now: float) -> None:
        """Keep on which hardware the spool is written: its folder may be a copy of another machine's."""
        current = self._spool.current()
        if current is not None:
            known = fingerprint(self._observations.identifiers())
            keep_machine(self._database, known, current, now)

    def _settle_policy(self) -> None:
        """Keep the collection policy that the settings, the kind of device and the collector come to."""
        hardware = self._observations.value("hardware")
        chassis = hardware.facts.chassis_type if isinstance(hardware, HardwareReading) else None
        policy = policy_of(
            self._settings.collection_policy,
            chassis,
            self._database.get("asked_policy"),
            # A device that cannot say what it is may be somebody's laptop: then days, not half-hours.
            has_battery=not isinstance(hardware, HardwareReading)
            or bool(self._observations.value("battery")),
        )
        if days.keep_policy(self._database, policy, self._spool.current(), self._clock.boottime()):
            log.info("collection policy: %s", policy)

    def _look_at_signins(self, now: float) -> None:
        """Look at sign-ins before a call; sending waits until their day is over."""
        if self._policy() is CollectionPolicy.OFF or "signin" not in self._observations.names:
            return
        result = self._observations.look_at("signin")
        signins.keep(self._spool, result.value or (), now, self._settings.suppress)

    def _look_at_startup(self, now: float) -> None:
        """Look until the start-up is final, or it is clear that none can be seen."""
        result = self._observations.look_at("startup")
        records = self._observations.startups()
        if startups.keep(self._spool, records, now, self._settings.suppress):
            self._calls.at_once(now)
        waiting = result.status in {Status.OK, Status.NO_DATA_YET, Status.ERROR}
        too_late = now - self._started > startups.FINAL_AFTER_SECONDS
        self._startup_settled = startups.all_final(self._spool) if records else too_late or not waiting

    def _call(self) -> None:
        self._called = True
        outcome = self._delivery.call()
        self._settle_policy()  # the answer may have asked for another
        self._identity_seen = self._identity_stamp()
        self._plan(outcome)
        wait = self._calls.due_at() - self._clock.boottime()
        self._delivery.close_unless_soon(wait, KEPT_SECONDS)
        self._database.put(
            last_outcome={
                name: str(value) for name, value in asdict(outcome).items() if name in {"kind", "message"}
            },
            last_call_at=corrected_now(self._spool, self._clock.boottime()),
        )

    def _plan(self, outcome: Outcome) -> None:
        now = self._clock.boottime()
        fault = self._faults["collector"]
        if outcome.kind is Kind.ANSWERED:
            fault.healed()
            wall = corrected_now(self._spool, now) or self._clock.wall()
            self._calls.answered(now, wall, outcome.next_call_seconds)
            return
        fault.broke(outcome.message)
        match outcome.kind:
            case Kind.STOPPED:
                self._calls.postponed(now, RECHECK_SECONDS)
            case Kind.UPGRADE:
                self._calls.postponed(now, DAY_SECONDS)
            case Kind.REFUSED:
                self._calls.postponed(now, REFUSED_SECONDS)
            case _:
                self._calls.failed(now, outcome.retry_after_seconds)

    def close(self) -> None:
        """Close the spool and let the folder go.

        A worker in the middle of a call keeps them until the process ends: nothing is lost by that, and it must
        not find its spool closed.
        """
        if not self._working.is_set():
            self._database.close()
            self._lock.close()


def state_database(path: Path) -> Database:
    """Return the spool of a state folder for reading."""
    return Database(path, read_only=True)
