"""How long pages and the API's reading operations take on a large IT estate, signed in, one request after the other.

    python bench/pages.py [--devices 100000] [--times 15] [--store sqlite|postgresql] [--data FOLDER | --url URL]

An estate is put straight into the tables (load/estate.py says what is thinner in it than in life) and what the jobs
keep ready is computed; then a real `roadworthy serve` is asked by an administrator, by a reader scoped to a tenth of
the units and by one of a single unit. Times are wall milliseconds of the whole answer, new figures and old alike: the
first request of each page counts too. With --data or --url the estate is kept and used again, its clock set forward.
Bounded form for continuous integration: --devices 5000 --times 5. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from load.collector import Collector, collector
from load.estate import Density, build, device_id, set_forward
from load.postgres import postgres
from load.processes import look
from sqlalchemy import URL, func, select

from roadworthy_collector.jobs.runner import JOBS
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import sessions
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, require_estate, write_transaction
from roadworthy_collector.store.queries.scope import grant
from roadworthy_collector.store.upgrade import upgrade

GOAL_MS = 200.0
READERS = {"whole estate": None, "tenth of it": 30, "one unit": 1}  # units
_ROLLUPS = ("fleet_metrics", "console_devices", "console_startups")


@dataclass(frozen=True)
class Asked:
    """How one page answered: milliseconds, sorted, and bytes of the last answer."""

    name: str
    milliseconds: Sequence[float]
    size: int
    status: int

    def rank(self, percent: int) -> float:
        """Return a percentile, nearest rank."""
        return self.milliseconds[(len(self.milliseconds) * percent + 99) // 100 - 1]


def main() -> None:
    """Print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=15, help="requests a page")
    parser.add_argument("--startups-a-day", type=float, default=Density.startups_a_day)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--data", type=Path, help="folder of a database that is kept and used again")
    parser.add_argument("--url", help="PostgreSQL to use instead of one of its own")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        made = _collector(stack, arguments)
        settings = made.read_settings()
        _fill(settings, arguments.devices, Density(startups_a_day=arguments.startups_a_day))
        cookies = {
            reader: _sign_in(settings, reader.replace(" ", "-"), units) for reader, units in READERS.items()
        }
        rollups = _compute(settings)
        made.start("serve")
        answers = list(_ask_all(made, settings, cookies, arguments.times))
        rss = max(process.rss_bytes for process in look(made.pids)) / 1e6
    _print(answers, rollups, rss)
    count, store = arguments.devices, "postgresql" if settings.database_url else "sqlite"
    worst = max(answer.rank(95) for answer in answers)
    pages = {answer.name: round(answer.rank(95), 1) for answer in answers}
    print(
        json.dumps(
            {
                "devices": count,
                "store": store,
                "p95_ms_max": round(worst, 1),
                "pages": pages,
                "rss_mb": round(rss),
            }
            | {"jobs": rollups}
        )
    )
    if failed := [answer.name for answer in answers if answer.status >= 400]:
        sys.exit(f"refused: {', '.join(failed)}")


def _collector(stack: ExitStack, arguments: argparse.Namespace) -> Collector:
    """Return a collector, not started, on the database that is asked for."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-pages-")))
    more: dict[str, str] = {}
    store = None
    if arguments.data is not None:
        arguments.data.mkdir(parents=True, exist_ok=True)
        more["data"] = str(arguments.data.resolve())
    if arguments.url is not None:
        more["database_url"] = arguments.url
    elif arguments.store == "postgresql":
        store = stack.enter_context(postgres(folder))
    return stack.enter_context(collector(folder, store=store, settings=more))


def _fill(settings: Settings, devices: int, density: Density) -> None:
    """Put the estate into an empty database; set the clock of one that is there forward."""
    upgrade(settings.database)
    engine = open_engine(settings.database)
    require_estate(engine, simulated=False)
    with engine.connect() as connection:
        held = connection.scalar(select(func.count()).select_from(schema.devices)) or 0
    now = int(time.time())
    if not held:
        engine.dispose()
        began = time.perf_counter()
        build(settings.database, devices, now=now, density=density)
        print(f"{devices:,} devices in {time.perf_counter() - began:.0f} s; {density}", flush=True)
        return
    if held != devices:
        sys.exit(
            f"the database holds {held:,} devices, not {devices:,}: name another or say --devices {held}"
        )
    set_forward(engine, now)
    engine.dispose()


def _compute(settings: Settings) -> dict[str, dict[str, float]]:
    """Run the jobs that keep figures ready; return what each costs without its rests."""
    engine = open_engine(settings.database)
    found = {}
    for job in (job for job in JOBS if job.name in _ROLLUPS):
        work = Work(engine, settings, rests=False)
        cpu, wall = time.process_time(), time.perf_counter()
        job.run(work)
        found[job.name] = {
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "wall_seconds": round(time.perf_counter() - wall, 2),
            "longest_write_ms": round(1000 * (work.longest_transaction_seconds or 0.0), 1),
            "longest_read_ms": round(1000 * (work.longest_read_seconds or 0.0), 1),
        }
    engine.dispose()
    return found


def _ask_all(made: Collector, settings: Settings, cookies: dict[str, str], times: int) -> Iterator[Asked]:
    """Ask every page of every reader."""
    database = settings.database
    for reader, units in READERS.items():
        for name, path in _pages(database, whole=units is None):
            yield _ask(made.port, f"{reader}: {name}", path, cookies[reader], times)
    yield _ask(made.port, "sign-in page", "/login", "", times)


def _sign_in(settings: Settings, name: str, units: int | None) -> str:
    """Make a user scoped to that many units, None for all, and return the cookie of a session."""
    engine = open_engine(settings.database)
    role = "administrator" if units is None else "service_desk"
    row = {"password_argon2": "none", "role": role, "created_at": 0, "scoped": units is not None}
    names = None if units is None else [f"Unit {n * 7:03d}" for n in range(units)]
    with write_transaction(engine) as connection:
        connection.execute(schema.users.delete().where(schema.users.c.name == name))
        connection.execute(schema.users.insert().values(name=name, **row))
        grant(connection, schema.user_units, "user", name, names)
    secret = sessions.start(engine, name, time.time())
    engine.dispose()
    return f"{sessions.cookie_name(settings)}={secret}"


def _pages(database: URL | Path, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield what is asked: a name and an address. No device's history: that wants a reason, and is one device's."""
    yield "overview", "/"
    yield "devices", "/devices"
    for query in (
        "state=reporting", "state=late", "state=missing", "state=retired", "site=Station+007", "class=server",
        "class=laptop", "model=Model+031", "class=server&state=late&site=Station+007", "q=pc-00", "q=mp0001",
        "q=nothing-like-it", "q=PC-0000097", "sort=name&order=desc", "sort=site", "sort=model", "sort=class&order=desc",
        "sort=report&order=desc", "sort=report", "sort=cpu&order=desc", "sort=memory", "sort=cpu&class=server",
        "sort=model&state=reporting&class=laptop",
    ):  # fmt: skip
        yield f"devices {query}", f"/devices?{query}"
    yield "devices, page 900", f"/devices?page=900{_deep(database)}"
    if whole:
        yield "one device", f"/devices/{device_id(1)}"
    for days in (7, 30, 90):
        for kind in ("boot", "resume", "all"):
            yield f"start-ups {days} {kind}", f"/startups?days={days}&kind={kind}"
    yield "about", "/about"
    if whole:
        yield "audit", "/audit"
    yield "metrics", "/metrics"
    for path in (
        "/estate", "/devices", "/devices?limit=500", "/devices?state=late", "/devices?site=Station+007",
        "/devices?search=PC-0000097", "/sites",
    ):  # fmt: skip
        yield f"api {path}", f"/api/v1{path}"
    if whole:
        for path in (
            "/jobs",
            f"/devices/{device_id(1)}",
            "/enrol-keys",
            "/users",
            "/scrape-tokens",
            "/holds",
        ):
            yield f"api {path.replace(device_id(1), 'ID')}", f"/api/v1{path}"


def _deep(database: URL | Path) -> str:
    """Return what the address of a page deep in the list says besides its number."""
    engine = open_engine(database)
    ordered = select(schema.devices.c.id, func.lower(schema.devices.c.hostname))
    with engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(schema.devices)) or 1
        row = connection.execute(
            ordered.order_by(func.lower(schema.devices.c.hostname)).offset(count // 2).limit(1)
        ).one()
    engine.dispose()
    return f"&after={row[0]}:{quote(row[1])}"


def _ask(port: int, name: str, path: str, cookie: str, times: int) -> Asked:
    """Ask for one page again and again over one connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    taken, size, status = [], 0, 0
    for _ in range(times):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
        answer = connection.getresponse()
        size, status = len(answer.read()), answer.status
        taken.append(1000 * (time.perf_counter() - began))
    connection.close()
    return Asked(name, sorted(taken), size, status)


def _print(answers: Sequence[Asked], rollups: dict[str, dict[str, float]], rss: float) -> None:
    print(f"\n{'milliseconds':<62}{'p50':>9}{'p95':>9}{'max':>9}{'kB':>8}")
    for answer in answers:
        over = "" if answer.rank(95) <= GOAL_MS else "  over the goal"
        shown = "".join(
            f"{value:>9.1f}" for value in (answer.rank(50), answer.rank(95), answer.milliseconds[-1])
        )
        print(
            f"{answer.name:<62}{shown}{answer.size / 1000:>8.1f}{over}{'' if answer.status < 400 else f'  {answer.status}'}"
        )
    for name, cost in rollups.items():
        print(f"{name:<20}" + ", ".join(f"{word.replace('_', ' ')} {value}" for word, value in cost.items()))
    print(f"serve: {rss:.0f} MB resident at most a process")


if __name__ == "__main__":
    main()
