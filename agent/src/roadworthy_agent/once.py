"""Measuring once, and enrolling, without a running agent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from roadworthy_agent import startups
from roadworthy_agent.clock import Clock
from roadworthy_agent.compose import Composer, Sender, agent_about_itself, assemble
from roadworthy_agent.database import Database
from roadworthy_agent.days import DAY_SECONDS
from roadworthy_agent.delivery import Delivery
from roadworthy_agent.energy import Accumulator, Added, Moment, Piece, energies
from roadworthy_agent.errors import SettingsError, StateError
from roadworthy_agent.identity import UNENROLLED_DEVICE, Identity, StateFolder
from roadworthy_agent.observe import FACTS, Observations
from roadworthy_agent.outbox import Outbox
from roadworthy_agent.periods import period_of
from roadworthy_agent.probe import Context, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.reading import PowerReading, Sample
from roadworthy_agent.report import Now, SigninRecord, Startup, StartupRecord, to_json, to_wire
from roadworthy_agent.samples import Recorder
from roadworthy_agent.settings import Settings
from roadworthy_agent.spool import Spool

NO_INSTANCE = "0" * 16
RECORDED = ("roadworthy", "proc", "sys", "etc")  # folders of a recorded tree


def context_of(root: Path | None, allow: Iterable[str] = ()) -> Context:
    """Return the context of this machine, with what its settings allow, or of a recorded tree."""
    if root is None:
        return Context(allow=frozenset(allow))
    if not root.is_dir():
        raise SettingsError(f"{root}: no such folder; --root takes a recorded tree")
    if not any((root / name).is_dir() for name in RECORDED):
        raise SettingsError(
            f"{root}: holds no recording, which has {', '.join(RECORDED)} or several of them; "
            "roadworthy-agent record makes one"
        )
    return Context.recorded(root)


def measure(settings: Settings, context: Context, warn: Callable[[str], None]) -> dict[str, Any]:
    """Return a report of this moment, as on the wire; takes about a second.

    Without enrolment the device id and instance are zeros, and `warn` is told.
    """
    clock = context.clock
    observations = Observations(context, PROBES)
    began = clock.boottime()
    drawn = Accumulator()
    drawn.look(_power(context), _moment(clock))
    observations.look(PROBES)
    later = context.later()
    stretches = [] if later is None else drawn.look(_power(later), _moment(later.clock))
    boottime = clock.boottime()
    anchor = clock.wall() - boottime
    sample = observations.value("utilisation")
    report = assemble(
        _sender(settings, clock.boot_id(), warn),
        1,
        anchor + boottime,
        agent_about_itself(context.platform, started_at=round(anchor + began, 3)),
        now=_now(anchor, boottime, sample if isinstance(sample, Sample) else None, stretches),
        facts=observations.facts(),
        probes=observations.statuses(anchor),
        items={
            "startup": [
                _startup(record, anchor)
                for record in startups.shown(observations.startups(), settings.suppress)
            ],
            "signin": [
                _signin(number, record, anchor, settings.suppress)
                for number, record in enumerate(observations.value("signin") or ())
            ],
        },
    )
    wire: dict[str, Any] = json.loads(to_json(to_wire(report)))
    return wire


def enrol(settings: Settings, key: str) -> Identity:
    """Enrol this device and keep its identity; a running agent sees it and reports."""
    state = StateFolder(settings.state_dir)
    state.prepare()
    context = Context()
    observations = Observations(context, PROBES)
    observations.look(FACTS)
    database = Database(state.spool)
    try:
        spool = Spool(database, settings.spool_max_bytes)
        current = spool.current()
        # No agent ran in this boot yet: the time the collector tells belongs to this one and not to one before.
        if current is None or current.boot_id != context.clock.boot_id():
            Recorder(spool, context.clock, settings.sample_interval_seconds).begin()
        boottime = context.clock.boottime
        composer = Composer(spool, Outbox(database), observations, boottime, boottime())
        delivery = Delivery(settings, state, context, composer)
        try:
            return delivery.enrol(key)
        finally:
            delivery.close()
    finally:
        database.close()


def _sender(settings: Settings, boot_id: str, warn: Callable[[str], None]) -> Sender:
    state = StateFolder(settings.state_dir)
    try:
        identity, instance = state.identity(), state.instance()
    except StateError as error:
        warn(f"{error}; the report carries a device id of zeros")
        return Sender(UNENROLLED_DEVICE, NO_INSTANCE, boot_id)
    if identity is None:
        warn("not enrolled; the report carries a device id of zeros")
    return Sender(identity.device_id if identity else UNENROLLED_DEVICE, instance or NO_INSTANCE, boot_id)


def _power(context: Context) -> PowerReading | None:
    result = run(PROBES["power"], context)
    return result.value if isinstance(result.value, PowerReading) else None


def _moment(clock: Clock) -> Moment:
    return Moment(0, clock.boottime(), clock.monotonic())


def _now(anchor: float, boottime: float, sample: Sample | None, drawn: Iterable[Added]) -> Now:
    at = anchor + boottime
    told, _battery, _ends = energies(
        (
            *(
                Piece(
                    one.scope,
                    one.begin,
                    one.end,
                    0,
                    one.microjoules,
                    one.source,
                    str(one.quality),
                    one.relative_error,
                )
                for one in drawn
            ),
        ),
        {},
        latest=True,
    )
    return Now(
        at=round(at, 3),
        start=period_of(at),
        observed_seconds=0,
        uptime_seconds=round(boottime, 1) if boottime > 0 else None,
        cpu_latest_ratio=None if sample is None else sample.cpu_ratio,
        memory_latest_ratio=None if sample is None else sample.memory_ratio,
        energy=told,
    )


def _signin(number: int, record: SigninRecord, anchor: float, suppress: Iterable[str] = ()) -> dict[str, Any]:
    """Return a sign-in as on the wire; its id, random when sent, is its number here."""
    hidden = frozenset(name.casefold() for name in suppress)
    factors = startups.without_suppressed(record.factors, hidden)
    wire: dict[str, Any] = to_wire(replace(record, factors=factors))
    del wire["key"], wire["began_boottime_seconds"]
    day = int((anchor + record.began_boottime_seconds) // DAY_SECONDS) * DAY_SECONDS
    return {"signin_id": f"{number:032x}", "revision": 1, "day": day} | wire


def _startup(record: StartupRecord, anchor: float) -> Startup:
    return Startup(
        revision=1,
        started_at=round(max(anchor + record.began_boottime_seconds, 0.0), 3),
        **{
            name: getattr(record, name)
            for name in record.__dataclass_fields__
            if name != "began_boottime_seconds"
        },
    )
