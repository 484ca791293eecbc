"""How the collector's processes run: each command of `cli` that keeps going, without the command line."""

from __future__ import annotations

import errno
import gc
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from roadworthy_collector.errors import AddressError, RoadworthyError, SettingsError
from roadworthy_collector.logs import speaker
from roadworthy_collector.settings import Settings
from roadworthy_collector.supervisor import Program, Supervisor, stop_on_signals

if TYPE_CHECKING:  # loaded where they are needed: `serve` knows nothing of jobs
    from roadworthy_collector.jobs.holder import Place

_READY_SECONDS = 60.0
# Everything must be gone within 2 s of a signal.
_END_SECONDS, _STOP_LOOK_SECONDS = 1.5, 0.1
# One machine on its own page: a call a minute keeps the page fresh and costs nothing.
_SINGLE_MACHINE_INTERVAL_SECONDS = 60


def listen(settings: Settings, setting: Literal["port", "jobs_port"] = "port") -> socket.socket:
    """Return a socket bound to the settings' address; raises AddressError saying what to do."""
    port: int = getattr(settings, setting)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, port))
    except OSError as error:
        bound.close()
        where = f"{settings.host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise AddressError(
                f"{where} is taken by another program; choose a free port with ROADWORTHY_{setting.upper()}"
            ) from None
        raise AddressError(
            f"cannot listen on {where}: {error.strerror}; see `host` and `{setting}`"
        ) from None
    return bound


def serve(settings: Settings, *, simulated: bool = False) -> None:
    """Answer requests until SIGTERM or SIGINT. Raises StoreError, EstateError or AddressError before that.

    `simulated` says which kind of IT estate the database must hold; the other kind is refused.
    """
    from roadworthy_collector.jobs.garbage import put_off

    with put_off():  # all of it stays: to look for garbage there takes a tenth of a second each time
        from roadworthy_collector.app import create_app
        from roadworthy_collector.connections import allow_connections
        from roadworthy_collector.ingest.direct import protocol_for
        from roadworthy_collector.security.access import ensure_may_bind
        from roadworthy_collector.serving import Draining, make_server, warn_of_others
        from roadworthy_collector.store.engine import open_engine, require_estate
        from roadworthy_collector.store.upgrade import make_ready

        gc.freeze()

    with _in_use(settings):
        make_ready(settings.database)
        program = f"serve {socket.gethostname()}:{settings.port}"
        engine = open_engine(settings.database, program=program)
        require_estate(engine, simulated=simulated)
        warn_of_others(settings, engine, program)
        allow_connections()
        ensure_may_bind(settings, engine)
        draining = Draining(settings.drain_seconds)
        app = create_app(settings, engine, draining=draining.begun)
        with closing(listen(settings)) as bound:
            server = make_server(settings, app, http=protocol_for(app.reports), started=app.warming.begin)
            draining.on_signals(server)
            server.run(sockets=[bound])


def jobs(settings: Settings, stop: threading.Event) -> None:
    """Do background work until `stop` is set; stand by while another process does it."""
    from roadworthy_collector.jobs.garbage import pass_over_what_is_there, put_off

    with put_off():  # as `serve`
        from roadworthy_collector.jobs.holder import Place
        from roadworthy_collector.jobs.runner import run_jobs
        from roadworthy_collector.store.upgrade import make_ready

    place = Place()
    with _in_use(settings):
        make_ready(settings.database)
        with _exposing(settings, place) if settings.rollups == "jobs" else nullcontext():
            pass_over_what_is_there()
            _until_stopped(lambda: run_jobs(settings, stop, place=place), stop)


def _until_stopped(run: Callable[[], None], stop: threading.Event) -> None:
    """Run until `run` ends; once `stop` is set wait for it no longer than _END_SECONDS, and leave it.

    It may wait for a server that has taken a question and never answers, for a lock there, for a connection. What it
    has not committed by then is simply not there, and its locks end with the process.
    """
    ended = threading.Event()
    failed: list[BaseException] = []

    def attempt() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody is told of it
            failed.append(error)
        finally:
            ended.set()

    threading.Thread(target=attempt, name="jobs", daemon=True).start()
    while not ended.wait(_STOP_LOOK_SECONDS):
        if stop.is_set() and not ended.wait(_END_SECONDS):
            return
    for error in failed:
        raise error


@contextmanager
def _exposing(settings: Settings, place: Place) -> Iterator[None]:
    """Answer /metrics and /healthz of the jobs while the block runs."""
    from roadworthy_collector.metrics.jobs_app import create_jobs_app
    from roadworthy_collector.security.access import ensure_may_bind
    from roadworthy_collector.serving import in_background, make_server
    from roadworthy_collector.store.engine import open_engine

    engine = open_engine(settings.database, program="jobs metrics")
    try:
        ensure_may_bind(settings, engine)
        app = create_jobs_app(settings, engine, lambda: place.holds)
        with (
            closing(listen(settings, "jobs_port")) as bound,
            in_background(make_server(settings, app), bound),
        ):
            yield
    finally:
        engine.dispose()


@contextmanager
def _in_use(settings: Settings) -> Iterator[None]:
    """Say that a program runs on the data folder: nothing may be restored into it meanwhile."""
    from roadworthy_collector.store.lock import file_lock
    from roadworthy_collector.store.sqlite import IN_USE_LOCK, make_folder

    make_folder(settings.data)
    with file_lock(settings.data / IN_USE_LOCK, shared=True):
        yield


def up(settings: Settings, *, with_agent: bool) -> None:
    """Run serve and jobs, and with `with_agent` an agent on this machine, until a stop signal."""
    stop = threading.Event()
    stop_on_signals(stop)
    with _alone(settings), _in_use(settings):
        _prepare(settings, simulated=False)
        environment = _child_environment(settings)
        if with_agent and "report_interval_seconds" not in settings.model_fields_set:
            environment["ROADWORTHY_REPORT_INTERVAL_SECONDS"] = str(_SINGLE_MACHINE_INTERVAL_SECONDS)
        companion = (lambda: _agent(settings)) if with_agent else None
        _supervise(settings, environment, stop, companion=companion)


def demo(settings: Settings, *, devices: int, seed: int) -> None:
    """Build the simulated estate if need be, then run the collector on it until a stop signal."""
    from roadworthy_collector.demo.show import prepare_demo

    if settings.database_url is not None:
        raise SettingsError(
            "database_url: the demo builds a SQLite file of its own; leave this setting out for it"
        )
    stop = threading.Event()
    stop_on_signals(stop)
    with _alone(settings), _in_use(settings):
        with closing(listen(settings)):
            pass  # a taken port should be said before a minute of building, not after
        prepare_demo(settings, devices=devices, seed=seed, stop=stop)
        if stop.is_set():
            return
        _prepare(settings, simulated=True)
        environment = _child_environment(settings)
        live = _program("demo-live", environment)
        _supervise(settings, environment, stop, "--simulated", companion=lambda: live)


def demo_files(settings: Settings, folder: Path, *, devices: int, seed: int) -> None:
    """Write the files that the simulated organisation would export to `folder`, and say what they are."""
    from roadworthy_collector.demo.build import plan
    from roadworthy_collector.demo.papers import write_files

    planned = plan(settings, devices=devices, seed=seed, now=int(time.time()))
    for path in write_files(planned, folder):
        print(path)  # noqa: T201 - the answer of a command
    print("Nothing in these files is real.")  # noqa: T201 - as above


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data folder: two supervisors on one database would both do its jobs, and fight over one agent."""
    from roadworthy_collector.store.lock import file_lock
    from roadworthy_collector.store.sqlite import make_folder

    make_folder(settings.data)
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(settings.data / "running.lock", wait=False))
        except OSError:
            raise RoadworthyError(
                f"{settings.data.resolve()}: Roadworthy runs on this data already; end it, "
                "or name another folder with ROADWORTHY_DATA"
            ) from None
        yield


def _supervise(
    settings: Settings,
    environment: dict[str, str],
    stop: threading.Event,
    *serve_options: str,
    companion: Callable[[], Program] | None,
) -> None:
    """Run serve, jobs and, once they are ready, `companion`, until a stop signal; then end all of them."""
    say = speaker(settings.log_format)
    supervisor = Supervisor(say=say)
    try:
        _start_collector(supervisor, settings, environment, stop, *serve_options)
        if companion is not None and not stop.is_set():
            program = companion()
            supervisor.start(program)
            if program.name == "agent":
                say("An agent on this machine is starting; its first figures come within seconds.")
        if not stop.is_set():
            what = "A SIMULATED IT estate" if "--simulated" in serve_options else "Roadworthy"
            say(f"{what} is at {address(settings)} (data in {settings.data.resolve()}). Ctrl-C ends it.")
        healthy = supervisor.watch(stop)
    finally:
        supervisor.end()
    if not healthy:
        raise RoadworthyError("a part keeps failing; its last lines are above")


def demo_live(settings: Settings, stop: threading.Event) -> None:
    """Write what the simulated devices would report now, once a minute, until `stop` is set."""
    from roadworthy_collector.jobs.garbage import put_off

    with put_off():  # as `serve`
        from roadworthy_collector.demo.live import keep_alive
        from roadworthy_collector.store.engine import open_engine

    keep_alive(open_engine(settings.database), settings, stop)


def address(settings: Settings) -> str:
    """Return the address a person opens."""
    scheme = "https" if settings.tls_certificate else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port}"


def _prepare(settings: Settings, *, simulated: bool) -> None:
    """Check what would stop a child, so that it is one clear line here and not a restart loop there."""
    from roadworthy_collector.remote_write.target import read_target
    from roadworthy_collector.security.access import ensure_certificate, ensure_may_bind
    from roadworthy_collector.store.engine import open_engine, require_estate
    from roadworthy_collector.store.upgrade import make_ready

    read_target(settings)
    with closing(listen(settings)):
        make_ready(settings.database)
    engine = open_engine(settings.database)
    try:
        require_estate(engine, simulated=simulated)
        ensure_certificate(settings)
        ensure_may_bind(settings, engine)
    finally:
        engine.dispose()


def _child_environment(settings: Settings) -> dict[str, str]:
    """Hand every setting down, so that children need neither the options nor the file."""
    import json

    values = settings.model_dump(mode="json", include=settings.model_fields_set | {"host", "port"})
    values["data"] = str(settings.data.resolve())
    values["drain_seconds"] = 0  # all is gone within 2 s, and beside this one there is no other to take over
    return {
        f"ROADWORTHY_{name.upper()}": json.dumps(value) if isinstance(value, list) else str(value)
        for name, value in values.items()
        if value is not None
    } | {"ROADWORTHY_CONFIG": ""}


def _program(command: str, environment: dict[str, str], *options: str) -> Program:
    return Program(command, (sys.executable, "-m", "roadworthy_collector", command, *options), environment)


def _agent(settings: Settings) -> Program:
    """Return the agent beside this program, with a fresh one-use enrolment key in a file only we can read."""
    from roadworthy_collector.security import tokens
    from roadworthy_collector.store.engine import open_engine, write_transaction

    executable = Path(sys.executable).with_name("roadworthy-agent")
    if not executable.exists():
        raise RoadworthyError(f"{executable} is missing; `make install` puts it there")
    key_file = settings.data / "agent-enrolment.key"
    engine = open_engine(settings.database)
    try:
        with write_transaction(engine) as connection:
            issued = tokens.create_enrol_key(
                connection,
                now=int(time.time()),
                note="this machine, by `roadworthy up`",
                max_uses=1,
                expires_in_seconds=86400,
            )
    finally:
        engine.dispose()
    write_secret(key_file, issued.text)
    state = settings.data / "agent"
    environment = {
        "ROADWORTHY_AGENT_SERVER": address(settings),
        "ROADWORTHY_AGENT_STATE_DIR": str(state.resolve()),
        "ROADWORTHY_AGENT_ENROLMENT_KEY_FILE": str(key_file.resolve()),
    }
    return Program("agent", (str(executable), "run"), environment)


def write_secret(path: Path, text: str) -> None:
    """Write `text` to `path` so that only this account can read it, from the first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def _start_collector(
    supervisor: Supervisor,
    settings: Settings,
    environment: dict[str, str],
    stop: threading.Event,
    *serve_options: str,
) -> None:
    supervisor.start(_program("serve", environment, *serve_options))
    supervisor.start(_program("jobs", environment))
    deadline = time.monotonic() + _READY_SECONDS
    while not _ready(settings) and not stop.wait(0.1):
        if (name := supervisor.failed_early()) is not None:
            raise RoadworthyError(f"{name} ended before it was ready; its last lines are above")
        if time.monotonic() > deadline:
            raise RoadworthyError(f"the collector was not ready within {_READY_SECONDS:g} s")


def _ready(settings: Settings) -> bool:
    """Ask the collector whether it is ready; over TLS, whether it accepts a connection."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - reading it
    try:
        if settings.tls_certificate:
            with socket.create_connection((host, settings.port), timeout=1):
                return True
        where = f"[{host}]" if ":" in host else host
        with urllib.request.urlopen(f"http://{where}:{settings.port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
