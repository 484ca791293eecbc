"""The load generator: what it sends is taken whole, it does as it is told, and its ledger finds every fault."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from load import herd
from load.bodies import Bodies
from load.client import content_length, header
from load.drivers import Closed, Driver
from load.figures import percentile
from load.fleet import Member, enrol_in_store, read_fleet, write_fleet
from load.herd import Herd
from load.ledger import balance
from load.measure import Wanted, make_plan
from load.plan import DAY_SLOTS, MOST_SLOTS, PERIOD_SECONDS, Plan, parse_mixture
from load.task import Figures, Task, packed, unpacked
from load.work import Reports

from roadworthy_collector.ingest import validate
from roadworthy_collector.ingest.batch import Incoming, write_reports
from roadworthy_collector.ingest.decode import ReportDecoder
from roadworthy_collector.store import half_hours
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.upgrade import upgrade

BENCH = Path(__file__).parents[3] / "bench"
NOW = 1_790_000_000
PLAN = Plan("0badcafe", NOW // PERIOD_SECONDS * PERIOD_SECONDS - PERIOD_SECONDS)
BODIES = Bodies(PLAN)
DECODER = ReportDecoder()


def decoded(device: int, number: int, bodies: Bodies = BODIES, now: float = NOW) -> Any:
    """Return a report as the collector reads it off the wire."""
    device_id = f"rwd_{PLAN.name(device, 0)}"
    found = DECODER.decode(gzip.decompress(bodies.body(device, device_id, number, now)))
    assert found.refused == []
    return found.report


# Bodies


@given(device=st.integers(0, 2**31), number=st.integers(0, 2 * MOST_SLOTS))
def test_every_report_is_taken_whole_and_holds_the_items_the_ledger_expects(device: int, number: int) -> None:
    report, bounds = decoded(device, number), validate.Bounds.at(NOW, 30)
    assert validate.check_now(report.now, bounds) is None
    found = []
    for kind, items, key, check in (
        ("period", report.periods, "start", validate.check_period),
        ("startup", report.startups, "start_id", validate.check_startup),
        ("signin", report.signins, "signin_id", validate.check_signin),
        ("gap", report.gaps, "begin", validate.check_gap),
    ):
        assert [check(item, bounds) for item in items] == [None] * len(items)  # type: ignore[operator]
        found += [(kind, getattr(item, key)) for item in items]
    assert found == BODIES.items(device, number)


@given(st.lists(st.integers(0, MOST_SLOTS - 1), unique=True, min_size=2))
def test_no_two_reports_of_a_device_tell_the_same_settlement_period(numbers: list[int]) -> None:
    starts = {PLAN.period_start(number) for number in numbers}
    assert len(starts) == len(numbers)
    assert max(starts) <= PLAN.newest


def test_settlement_periods_come_in_the_order_of_time_within_a_day() -> None:
    starts = [PLAN.period_start(number) for number in range(DAY_SLOTS)]
    assert starts == sorted(starts)
    assert starts[-1] == PLAN.newest


def test_the_mixture_is_what_it_says() -> None:
    kinds = [PLAN.kind(device, number) for device in range(500) for number in range(20)]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert shares == pytest.approx({"now": 0.48, "period": 0.48, "startup": 0.02, "facts": 0.02}, abs=0.02)


def test_a_mixture_that_means_nothing_is_refused() -> None:
    assert parse_mixture("period=1") == {"period": 1}
    for text in ("", "breakfast=1", "now=a", "now=0"):
        with pytest.raises(ValueError, match=r"write KIND=SHARE|nothing would be sent"):
            parse_mixture(text)


# Figures


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1), st.sampled_from((1, 50, 99, 100)))
def test_a_percentile_is_a_value_and_that_many_are_not_above_it(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)  # type: ignore[operator]


def test_figures_survive_the_way_between_processes(tmp_path: Path) -> None:
    figures = Figures(answered=2, behind_seconds=0.25)
    figures.refused["503 busy"] += 3
    figures.by_second[7] += 1
    figures.latencies.extend([0.5, 0.25])
    figures.acked.append(packed(99_999, 41))
    figures.write(tmp_path / "figures.json")
    total = Figures()
    for _ in range(2):
        total.add(Figures.read(tmp_path / "figures.json"))
    assert (total.answered, total.refused["503 busy"], total.by_second[7]) == (4, 6, 2)
    assert (total.behind_seconds, list(total.latencies)) == (0.25, [0.5, 0.25] * 2)
    assert unpacked(total.acked) == [(99_999, 41)] * 2


def test_an_answer_s_head_is_read_whatever_its_case() -> None:
    head = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 12"
    assert content_length(head + b"\r\n\r\n", len(head)) == 12
    assert header(head, b"retry-after") == b"7"
    assert header(head, b"date") is None


# The ledger


@pytest.fixture
def store(tmp_path: Path) -> tuple[Path, list[Member], list[int]]:
    """Three devices whose first ten reports were taken in: the database, the fleet, the reports."""
    plan, database = make_plan(Wanted()), tmp_path / "roadworthy.db"
    plan = Plan(PLAN.run, plan.newest, {"period": 2, "startup": 1})
    upgrade(database)
    fleet = enrol_in_store(database, 3, plan, now=int(time.time()))
    bodies, engine = Bodies(plan), open_engine(database)
    reports = [(device, number) for device in range(3) for number in range(10)]
    incoming = [
        Incoming(device + 1, decoded(device, number, bodies, time.time())) for device, number in reports
    ]
    with write_transaction(engine) as connection:
        outcomes = write_reports(connection, incoming, time.time())
    engine.dispose()
    assert all(outcome.received == outcome.accepted for outcome in outcomes)
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(asdict(plan)))
    return database, fleet, [packed(*report) for report in reports]


def bodies_of(database: Path) -> Bodies:
    return Bodies(Plan(**json.loads((database.parent / "plan.json").read_text())))


def test_a_ledger_balances_where_everything_acknowledged_is_held_once(
    store: tuple[Path, list[Member], list[int]],
) -> None:
    database, fleet, acked = store
    found = balance(database, bodies_of(database), fleet, acked, [])
    assert found.balanced
    assert found.acknowledged == found.held > 0


def test_a_ledger_names_what_was_acknowledged_and_is_not_held(
    store: tuple[Path, list[Member], list[int]],
) -> None:
    database, fleet, acked = store
    bodies = bodies_of(database)
    found = balance(database, bodies, fleet, [*acked, packed(0, 10)], [])
    assert not found.balanced
    assert {key[1:] for key in found.lost} == set(bodies.items(0, 10))
    assert "acknowledged and not held" in found.faults()[0]


def test_an_item_whose_answer_never_came_may_be_held_and_one_nobody_sent_may_not(
    store: tuple[Path, list[Member], list[int]],
) -> None:
    database, fleet, acked = store
    bodies = bodies_of(database)
    assert balance(database, bodies, fleet, acked[:-1], acked[-1:]).balanced
    assert balance(database, bodies, fleet, acked[:-1], acked[-1:]).unsure == len(bodies.items(2, 9))
    assert len(balance(database, bodies, fleet, acked[:-1], []).unknown) == len(bodies.items(2, 9))


def test_a_ledger_finds_what_is_held_twice(store: tuple[Path, list[Member], list[int]]) -> None:
    database, fleet, acked = store
    plan = Plan(**json.loads((database.parent / "plan.json").read_text()))
    number = next(number for number in range(10) if plan.kind(0, number) == "period")
    engine = open_engine(database)
    with write_transaction(engine) as connection:
        start = plan.period_start(number)
        one = half_hours.HalfHour(1, start, 1800, 30, None, None, b"8 bytes.", (0, 0, 0, 0, 0, 1800))
        half_hours.append(connection, [one])
    engine.dispose()
    assert balance(database, Bodies(plan), fleet, acked, []).doubled == [
        (fleet[0].device_id, "period", start)
    ]


# Drivers

Answering = Callable[[int], bytes | None]
TAKEN = b'{"received":0,"accepted":0,"rejected":[],"next_call":900,"server_time":1.0}'
BUSY = b'{"error":{"code":"busy","field":null,"message":"later"},"server_time":1.0}'


def ok() -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(TAKEN), TAKEN)


def busy() -> bytes:
    return b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: %d\r\n\r\n%s" % (len(BUSY), BUSY)


async def listening(answering: Answering, seen: list[bytes]) -> asyncio.Server:
    """Serve on a free port; `answering` gets how often that very body came, None ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(content_length(head, len(head) - 4))
                seen.append(body)
                answer = answering(seen.count(body))
                if answer is None:
                    return
                writer.write(answer)
        except asyncio.IncompleteReadError:
            return  # the client has gone
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def driven(
    kind: type[Driver], folder: Path, answering: Answering, seen: list[bytes], **wanted: Any
) -> Figures:
    """Let one process's driver send to a server that answers as told."""
    fleet = [Member(f"rwd_{PLAN.name(n, 0)}", f"rw1_{n:016x}_{n:064x}") for n in range(3)]
    write_fleet(folder / "fleet", fleet)
    assert read_fleet(folder / "fleet", 1, 3) == fleet[1:]

    async def run() -> Figures:
        server = await listening(answering, seen)
        port = server.sockets[0].getsockname()[1]
        task = Task(
            host="127.0.0.1",
            port=port,
            first=0,
            last=3,
            result="",
            warm_up_seconds=0.0,
            fleet=str(folder / "fleet"),
            plan=asdict(PLAN),
            **wanted,
        )
        work: Awaitable[Figures] = kind(task, Reports(task), None).run(time.perf_counter())
        found = await work
        server.close()
        return found

    return asyncio.run(run())


def test_a_herd_that_is_turned_away_comes_again_with_the_same_bytes_until_it_is_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herd, "BACKOFF_FIRST_SECONDS", 1.0)
    seen: list[bytes] = []
    found = driven(
        Herd,
        tmp_path,
        lambda times: ok() if times > 1 else busy(),
        seen,
        mode="herd",
        window_seconds=0.1,
        calls=1,
    )
    assert found.refused == {"503 busy": 3}
    assert found.attempts == {2: 3}
    assert sorted(unpacked(found.acked)) == [(0, 0), (1, 0), (2, 0)]
    assert len(seen) == 6
    assert len(set(seen)) == 3
    assert (found.left, list(found.unsure)) == (0, [])


def test_a_report_whose_connection_ends_without_an_answer_is_sent_again(tmp_path: Path) -> None:
    seen: list[bytes] = []
    found = driven(
        Closed,
        tmp_path,
        lambda times: ok() if times > 1 or len(seen) > 3 else None,
        seen,
        mode="closed",
        connections=2,
        seconds=1.0,
        settle_seconds=5.0,
    )
    assert found.broken > 0
    assert list(found.unsure) == []
    assert {report >> 32 for report in found.acked} == {0, 1, 2}
    # Each device's reports arrive in the order of their numbers, however often its connection broke.
    numbers: dict[int, list[int]] = {}
    for device, number in unpacked(found.acked):
        numbers.setdefault(device, []).append(number)
    assert all(some == sorted(some) for some in numbers.values())


# All of it


def test_a_run_ends_with_one_line_of_json_and_a_ledger_that_balances() -> None:
    command = [sys.executable, BENCH / "ingest.py", "--devices", "20", "--seconds", "1", "--connections", "4"]
    done = subprocess.run([*command, "--no-peers"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ledger"]["balanced"]
    assert told["ledger"]["acknowledged"] == told["ledger"]["held"]
    wanted = {
        "devices",
        "store",
        "reports_per_s",
        "p50_ms",
        "p99_ms",
        "cpu_ms_per_report",
        "rss_mb",
        "body_bytes",
    }
    assert wanted | {"peers", "generator_cpu_ms_per_report", "connections", "tls"} <= told.keys()
    assert (told["devices"], told["store"], told["refused"]) == (20, "sqlite", {})


def test_a_collector_of_one_s_own_gets_no_simulated_devices_by_accident(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("rwe1_x_y\n")
    key.chmod(0o600)
    command = [sys.executable, BENCH / "ingest.py", "--url", "https://collector.example:8470"]
    done = subprocess.run(
        [*command, "--enrolment-key-file", key], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "say --add-devices" in done.stderr
    done = subprocess.run(
        [sys.executable, BENCH / "ingest.py", "--url", "http://collector.example", "--add-devices"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "use https" in done.stderr
