"""How long pages and the API's reading operations take on a large IT estate, signed in, one request after the other.

    python bench/pages.py [--devices 100000] [--times 40] [--store sqlite|postgresql] [--data FOLDER | --url URL]

An estate is put straight into the tables (load/estate.py says what is thinner in it than in life) and what the jobs
keep ready is computed; then a real `roadworthy serve` is asked by an administrator, by a reader scoped to a tenth of
the units and by one of a single unit. Times are wall milliseconds of the whole answer: the first request of each page
counts too, --rest seconds after the collector has said that it is ready; beside them stand the processor milliseconds of the collector and its database's connections, which say
what a quieter machine would take. With --data or --url the estate is kept and used again, its clock set forward.
Bounded form for continuous integration: --devices 5000 --times 5. Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from load.collector import Collector, collector
from load.estate import Density, build, set_forward
from load.postgres import postgres
from load.processes import family, look
from pages_asked import asked, forgotten
from pages_estate import add_records, open_history
from sqlalchemy import URL, func, select, text

from roadworthy_collector.jobs.runner import JOBS
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.security import sessions
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, require_estate, write_transaction
from roadworthy_collector.store.queries.scope import grant
from roadworthy_collector.store.upgrade import upgrade

GOAL_MS = 200.0
ADMINISTRATOR = "whole-estate"
READERS = {"whole estate": None, "tenth of it": 30, "one unit": 1}  # units
_ROLLUPS = ("fleet_metrics", "console_devices", "console_startups")


@dataclass(frozen=True)
class Asked:
    """How one page answered: wall and processor milliseconds, each sorted, and bytes of the last answer."""

    name: str
    milliseconds: Sequence[float]
    processor: Sequence[float]
    size: int
    status: int


def rank(values: Sequence[float], percent: int) -> float:
    """Return a percentile of sorted values, nearest rank."""
    return values[(len(values) * percent + 99) // 100 - 1]


class Spent:
    """Tells the processor seconds of the collector and, on this machine, of its database's connections so far."""

    def __init__(self, pids: Sequence[int], database: URL | Path) -> None:
        self._pids = [one for pid in pids for one in family(pid)]
        self._engine = open_engine(database) if isinstance(database, URL) else None

    def __call__(self) -> float:
        """Return them; read anew each time, because connections come and go."""
        return sum(map(_seconds, [*self._pids, *self._backends()]))

    def _backends(self) -> Sequence[int]:
        if self._engine is None:
            return ()
        query = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        with self._engine.connect() as connection:
            own = connection.scalar(text("SELECT pg_backend_pid()"))
            return [pid for pid in connection.scalars(query) if pid != own]


def _seconds(pid: int) -> float:
    """Return the processor seconds of all threads of a process; none where it is of another machine or gone."""
    total = 0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text("ascii").split()[0])  # nanoseconds
    return total / 1e9


def main() -> None:
    """Print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=40, help="requests a page")
    parser.add_argument("--startups-a-day", type=float, default=Density.startups_a_day)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--data", type=Path, help="folder of a database that is kept and used again")
    parser.add_argument(
        "--rest", type=float, default=2.0, help="seconds between its being ready and the first request"
    )
    parser.add_argument("--only", default="", help="ask only pages whose name holds this")
    parser.add_argument("--url", help="PostgreSQL to use instead of one of its own")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        made = _collector(stack, arguments)
        settings = made.read_settings()
        _fill(settings, arguments.devices, Density(startups_a_day=arguments.startups_a_day))
        add_records(settings.database, int(time.time()))
        cookies = {
            reader: _sign_in(settings, reader.replace(" ", "-"), units) for reader, units in READERS.items()
        }
        open_history(settings.database, ADMINISTRATOR, int(time.time()))
        rollups = _compute(settings)
        made.start("serve")
        time.sleep(arguments.rest)
        answers = list(_ask_all(made, settings, cookies, arguments))
        rss = max(process.rss_bytes for process in look(made.pids)) / 1e6
    _print(answers, rollups, rss)
    count, store = arguments.devices, "postgresql" if settings.database_url else "sqlite"
    worst = max(rank(answer.milliseconds, 95) for answer in answers)
    pages = {answer.name: round(rank(answer.milliseconds, 95), 1) for answer in answers}
    print(
        json.dumps(
            {
                "devices": count,
                "store": store,
                "p95_ms_max": round(worst, 1),
                "p95_cpu_ms_max": round(max(rank(answer.processor, 95) for answer in answers), 1),
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


def _ask_all(
    made: Collector, settings: Settings, cookies: dict[str, str], arguments: argparse.Namespace
) -> Iterator[Asked]:
    """Ask every page of every reader."""
    database = settings.database
    spent = Spent(made.pids, database)
    if unasked := forgotten([path for _, path in asked(database, whole=True)] + ["/login"]):
        sys.exit(f"pages_asked.py neither asks nor leaves out: {', '.join(unasked)}")
    for reader, units in READERS.items():
        for name, path in asked(database, whole=units is None):
            if arguments.only in f"{reader}: {name}":
                yield _ask(made, spent, f"{reader}: {name}", path, cookies[reader], arguments.times)
    yield _ask(made, spent, "sign-in page", "/login", "", arguments.times)


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


def _ask(made: Collector, spent: Spent, name: str, path: str, cookie: str, times: int) -> Asked:
    """Ask for one page again and again over one connection."""
    connection = HTTPConnection("127.0.0.1", made.port, timeout=120)
    taken, used, size, status = [], [], 0, 0
    for _ in range(times):
        before, began = spent(), time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
        answer = connection.getresponse()
        size, status = len(answer.read()), answer.status
        taken.append(1000 * (time.perf_counter() - began))
        used.append(1000 * (spent() - before))
    connection.close()
    return Asked(name, sorted(taken), sorted(used), size, status)


def _print(answers: Sequence[Asked], rollups: dict[str, dict[str, float]], rss: float) -> None:
    columns = ("p50", "p95", "max", "cpu p50", "cpu p95", "kB")
    print(f"\n{'milliseconds':<66}" + "".join(f"{column:>9}" for column in columns))
    for answer in answers:
        wall, used = answer.milliseconds, answer.processor
        shown = (rank(wall, 50), rank(wall, 95), wall[-1], rank(used, 50), rank(used, 95), answer.size / 1000)
        said = "" if rank(wall, 95) <= GOAL_MS else "  over the goal"
        said += "" if answer.status < 400 else f"  {answer.status}"
        print(f"{answer.name:<66}" + "".join(f"{value:>9.1f}" for value in shown) + said)
    for name, cost in rollups.items():
        print(f"{name:<20}" + ", ".join(f"{word.replace('_', ' ')} {value}" for word, value in cost.items()))
    print(f"serve: {rss:.0f} MB resident at most a process")


if __name__ == "__main__":
    main()
