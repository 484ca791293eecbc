"""One run: a collector, a fleet, the generator, and what both cost; then the ledger."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from load.bodies import Bodies
from load.certificate import make_certificate
from load.collector import Collector, collector
from load.crew import Crew
from load.fleet import Member, enrol_in_store, enrol_over_api, new_run, write_fleet
from load.ledger import Ledger, balance
from load.plan import MIXTURE, PERIOD_SECONDS, Plan
from load.postgres import Postgres, postgres
from load.processes import Process, Watch, cpu_seconds, look
from load.task import Figures, Task

PREBUILT = 60_000  # 70 MB of ready requests
SETTLE_SECONDS = 30.0  # after a restart, for what was on its way to go again
MARGIN_SECONDS = 5  # so that the newest settlement period is over on the collector's clock too


@dataclass(frozen=True)
class Wanted:
    """What is to be measured; the names are those of the options of bench/ingest.py."""

    devices: int = 10_000
    seconds: float = 20.0
    warm_up_seconds: float = 1.0
    store: str = "sqlite"
    mode: str = "closed"
    connections: int = 64
    rate: float = 0.0
    new_connections: bool = False
    tls: bool = False
    rsa: bool = False
    processes: int = 1
    with_jobs: bool = False
    over_api: bool = False
    restart: bool = False
    window_seconds: float = 600.0
    compress: float = 10.0
    calls: int = 2
    patience_seconds: float = 600.0
    mixture: tuple[tuple[str, int], ...] = tuple(MIXTURE.items())
    settings: tuple[tuple[str, str], ...] = ()  # further ones of the collector, by name


@dataclass
class Measured:
    """What was seen."""

    wanted: Wanted
    figures: Figures
    ledger: Ledger
    seconds: float  # the processor time is of these
    collector_cpu_seconds: float
    store_cpu_seconds: float  # of a database server, 0 without one
    generator_cpu_seconds: float
    most: list[Process]  # of the collector when its processes held most together
    store_processes: list[Process]  # of a database server at the end, pages shared with others shared out
    recovered_seconds: float | None = None  # from kill -9 to taking reports again
    log: str = ""  # what the collector said, if anything is wrong


def measure(wanted: Wanted, folder: Path) -> Measured:
    """Do one run in `folder`, an empty one."""
    with ExitStack() as stack:
        certificate = make_certificate(folder, use_rsa=wanted.rsa) if wanted.tls else None
        store = stack.enter_context(postgres(folder)) if wanted.store == "postgresql" else None
        settings = dict(wanted.settings)
        made = stack.enter_context(
            collector(
                folder, certificate=certificate, store=store, with_jobs=wanted.with_jobs, settings=settings
            )
        )
        plan = make_plan(wanted)
        fleet = _enrol(wanted, made, plan)
        # Devices that came in over the API found `serve` running.
        made.start(*(name for name in made.names if name not in made.started))
        crew = _crew(wanted, made, plan, folder, fleet)
        stack.callback(crew.end)
        found = _run(wanted, made, store, crew)
        # What was kept is asked of a collector that has ended, in its own words: nothing of it is in memory only.
        made.end()
        bodies = Bodies(plan)
        found.ledger = balance(
            made.read_settings().database, bodies, fleet, found.figures.acked, found.figures.unsure
        )
        found.log = made.said()
        return found


def make_plan(wanted: Wanted, now: Callable[[], float] = time.time) -> Plan:
    """Return what the devices send, by the current clock."""
    newest = int(now() - PERIOD_SECONDS - MARGIN_SECONDS) // PERIOD_SECONDS * PERIOD_SECONDS
    return Plan(new_run(), newest, dict(wanted.mixture), startup_first=wanted.mode == "herd")


def _enrol(wanted: Wanted, made: Collector, plan: Plan) -> list[Member]:
    """Enrol the fleet, straight into the store or through the collector's front door."""
    if not wanted.over_api:
        return enrol_in_store(made.read_settings().database, wanted.devices, plan, now=int(time.time()))
    key = made.run("enrol-key", "create", "--note", "load").split()
    text = next(word for word in key if word.startswith("rwe1_"))
    made.start("serve")
    context = None
    if made.certificate is not None:
        context = ssl.create_default_context(cafile=made.certificate.certificate)
    return enrol_over_api("127.0.0.1", made.port, text, wanted.devices, context=context)


def generator_task(wanted: Wanted, **where: Any) -> Task:
    """Return what the generator is told; `where` says to whom, as `Task` names it."""
    common: dict[str, Any] = {
        "connections": wanted.connections,
        "new_connections": wanted.new_connections,
        "first": 0,
        "result": "",
        "mode": wanted.mode,
    }
    if wanted.mode == "herd":
        span = wanted.window_seconds / wanted.compress
        herd = {
            name: getattr(wanted, name)
            for name in ("window_seconds", "compress", "calls", "patience_seconds")
        }
        return Task(**common, **herd, **where, seconds=span, warm_up_seconds=0.0)
    expected = wanted.rate * (wanted.seconds + wanted.warm_up_seconds) or PREBUILT
    return Task(
        **common,
        **where,
        rate=wanted.rate,
        seconds=wanted.seconds,
        warm_up_seconds=wanted.warm_up_seconds,
        settle_seconds=SETTLE_SECONDS if wanted.restart else 0.0,
        prebuilt=min(PREBUILT, round(expected)),
    )


def _crew(wanted: Wanted, made: Collector, plan: Plan, folder: Path, fleet: list[Member]) -> Crew:
    """Return the generator's processes, ready to begin."""
    write_fleet(folder / "fleet", fleet)
    task = generator_task(
        wanted,
        host="127.0.0.1",
        port=made.port,
        fleet=str(folder / "fleet"),
        last=len(fleet),
        plan=asdict(plan),
        tls=made.certificate is not None,
        ca_file=None if made.certificate is None else str(made.certificate.certificate),
    )
    return Crew(task, wanted.processes, folder)


def _run(wanted: Wanted, made: Collector, store: Postgres | None, crew: Crew) -> Measured:
    """Let the generator send; read what all cost at the beginning and at the end of the measured time."""
    stores = [store.pid] if store is not None else []
    recovered = None
    with Watch(made.pids) as watch:
        begin = crew.begin() + (0.0 if wanted.mode == "herd" else wanted.warm_up_seconds)
        time.sleep(max(0.0, begin - time.time()))
        before = made.cpu(), cpu_seconds(stores), cpu_seconds(crew.pids)
        after, began = before, time.monotonic()

        def look_again() -> None:
            nonlocal after
            now = made.cpu(), cpu_seconds(stores), cpu_seconds(crew.pids)
            after = (now[0], now[1], max(now[2], after[2]))  # a process that has ended is not read again

        if wanted.mode == "herd":
            figures = crew.wait(look_again)
            took = time.monotonic() - began
        else:
            end = began + wanted.seconds
            if wanted.restart:
                time.sleep(wanted.seconds / 2)
                recovered = _restart(made)
                watch.pids = made.pids
            time.sleep(max(0.0, end - time.monotonic()))
            look_again()
            took = wanted.seconds
            figures = crew.wait()
    return Measured(
        wanted=wanted,
        figures=figures,
        ledger=Ledger(),
        seconds=took,
        collector_cpu_seconds=after[0] - before[0],
        store_cpu_seconds=after[1] - before[1],
        generator_cpu_seconds=after[2] - before[2],
        most=watch.most,
        store_processes=look(stores, pss=True),
        recovered_seconds=recovered,
    )


def _restart(made: Collector) -> float:
    """Kill the serving process and start it again; return how long nobody could report, in seconds."""
    began = time.monotonic()
    made.kill("serve")
    made.start("serve")
    return time.monotonic() - began


def ceiling_crew(wanted: Wanted, folder: Path, port: int) -> Crew:
    """Return a generator for a server on `port` that says yes to everybody."""
    plan = make_plan(wanted)
    fleet = [
        Member(f"rwd_{plan.name(n, 0)}", f"rw1_{secrets.token_hex(8)}_{secrets.token_hex(32)}")
        for n in range(wanted.devices)
    ]
    return _crew(replace(wanted, mode="closed"), Collector(folder, port), plan, folder, fleet)
