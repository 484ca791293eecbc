"""The real program in processes of its own: killed, stopped, started twice, and left to work."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from agent.devices import DEVICE, TOKEN, ScriptedCollector, refusal
from support import wait_until

from roadworthy_agent.database import Database
from roadworthy_agent.identity import Identity, StateFolder
from roadworthy_agent.probes import PROBES

STATUSES = "SELECT value FROM meta WHERE name = 'statuses'"
INTERVAL = 5.0  # the shortest there is
TOLERANCE = 4.0  # for a loaded machine; with it, still less than two intervals
PROMPT = 5.0  # a loaded machine is slow, an agent that waits for its next sample or an answer far slower

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give a starter of agents over one state folder, sampling every 5 s; all are gone after the test."""
    with starting(tmp_path) as begin:
        yield begin


@pytest.fixture(scope="module", autouse=True)
def switched_off(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Give an agent whose policy is off: nobody touches it, so it runs beside the tests before its own."""
    folder = tmp_path_factory.mktemp("off")
    with starting(folder) as begin:
        yield folder, begin(collection_policy="off")


@pytest.fixture(scope="module", autouse=True)
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ScriptedCollector]]:
    """Give the folder and the collector of an agent that reports, and runs beside the tests before its own."""
    folder, collector = tmp_path_factory.mktemp("alone"), ScriptedCollector()
    collector.now = time.time
    enrolled(folder, collector.url)
    with starting(folder) as begin:
        begin(server=collector.url)
        yield folder, collector
    collector.close()


@contextmanager
def starting(folder: Path) -> Iterator[Start]:
    """Yield a starter of agents over the state below `folder`; all are gone after the block."""
    running: list[subprocess.Popen[str]] = []

    def begin(*, prefix: tuple[str, ...] = (), **settings: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "ROADWORTHY_AGENT_STATE_DIR": str(folder / "state"),
            "ROADWORTHY_AGENT_SAMPLE_INTERVAL_SECONDS": f"{INTERVAL:g}",
        } | {f"ROADWORTHY_AGENT_{name.upper()}": value for name, value in settings.items()}
        command = [*prefix, sys.executable, "-m", "roadworthy_agent"]
        agent = subprocess.Popen([*command, "run"], env=environment, stderr=subprocess.PIPE, text=True)
        running.append(agent)
        return agent

    yield begin
    for agent in running:
        agent.kill()
        agent.wait()
        if agent.stderr is not None:
            agent.stderr.close()


def rows(tmp_path: Path, sql: str) -> list[Any]:
    """Return what the agent's spool holds, read beside it."""
    path = tmp_path / "state/spool.db"
    if not path.exists():
        return []
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as spool:
        try:
            return spool.execute(sql).fetchall()
        except sqlite3.OperationalError:  # not made yet
            return []
        finally:
            spool.rollback()


def samples(tmp_path: Path) -> list[Any]:
    return rows(tmp_path, 'SELECT begin, "end", cpu, memory FROM samples ORDER BY begin')


def test_a_killed_agent_loses_at_most_one_sample(start: Start, tmp_path: Path) -> None:
    """At no moment does more than the sample under way wait outside the disk, and a kill takes nothing off it."""
    agent = start()
    seen = wait_until(lambda: samples(tmp_path), what="a first sample")
    longest = 0.0
    deadline = time.monotonic() + 60
    while len(seen) < 3:
        assert time.monotonic() < deadline, "waited 60 s for three samples"
        time.sleep(0.02)
        seen = samples(tmp_path)
        longest = max(longest, boot_seconds() - seen[-1][1])
    agent.kill()
    killed_at = boot_seconds()
    agent.wait()
    # An agent that held back two samples would come to two intervals at every second one, and a kill then lost both.
    assert longest < INTERVAL + TOLERANCE < 2 * INTERVAL
    kept = samples(tmp_path)
    assert kept[: len(seen)] == seen
    assert 0 <= killed_at - kept[-1][1] < INTERVAL + TOLERANCE
    assert all(later[0] == earlier[1] for earlier, later in pairwise(kept))  # none is missing in between
    start()
    after = wait_until(lambda: samples(tmp_path)[len(kept) :], what="a sample of the next agent")
    assert samples(tmp_path)[: len(kept)] == kept
    assert after[0][0] >= killed_at


def boot_seconds() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_spool_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    """A writer is killed over and over in the middle of its work: each commit it announced is there."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from roadworthy_agent.clock import SystemClock\n"
        "from roadworthy_agent.database import Database\n"
        "from roadworthy_agent.reading import Sample\n"
        "from roadworthy_agent.spool import Spool\n"
        "spool = Spool(Database(Path(sys.argv[1])), 1 << 30)\n"
        "boot = spool.current() or spool.open_boot(SystemClock())\n"
        "number = spool.database.number('SELECT coalesce(max(begin), 0) + 1 FROM samples')\n"
        "while True:\n"
        "    spool.add_sample(boot, float(number), number + 0.5, Sample(0.5, 0.5))\n"
        "    print(number, flush=True)\n"
        "    number += 1\n"
    )
    path = tmp_path / "spool.db"
    dice = random.Random(7)  # noqa: S311 - dice that fall the same way again, no secret
    announced = 0
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _line in range(dice.randint(1, 60)):
            announced = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate()[0].split()
        announced = int(rest[-1]) if rest else announced
        database = Database(path)
        kept = [int(row["begin"]) for row in database.rows("SELECT begin FROM samples ORDER BY begin")]
        database.close()
        assert kept[:announced] == list(range(1, announced + 1))
        assert len(kept) <= announced + 1


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_agent_at_once_and_keeps_the_last_sample(
    start: Start, tmp_path: Path, name: signal.Signals
) -> None:
    agent = start()
    wait_until(lambda: rows(tmp_path, STATUSES), what="the first look")
    held = len(samples(tmp_path))
    agent.send_signal(name)
    assert agent.wait(PROMPT) == 0
    assert len(samples(tmp_path)) > held


def test_an_agent_whose_policy_is_off_runs_on(switched_off: tuple[Path, subprocess.Popen[str]]) -> None:
    folder, agent = switched_off
    wait_until(lambda: len(samples(folder)) >= 2, what="two samples")
    assert agent.poll() is None


def test_an_inherited_ignored_interrupt_is_heard(start: Start, tmp_path: Path) -> None:
    agent = start(prefix=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    wait_until(lambda: rows(tmp_path, STATUSES), what="the first look")
    agent.send_signal(signal.SIGINT)
    assert agent.wait(PROMPT) == 0


def test_a_signal_ends_an_agent_that_waits_for_an_answer(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        enrolled(tmp_path, url)
        agent = start(server=url)
        caller, _peer = silent.accept()
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(PROMPT) == 0
        caller.close()


def enrolled(tmp_path: Path, url: str) -> None:
    state = StateFolder(tmp_path / "state")
    state.prepare()
    state.save(Identity(url, DEVICE, TOKEN, 0.0))


def said_by(agent: subprocess.Popen[str]) -> list[str]:
    """Return a list to which every line the agent says is added, until it ends."""
    lines: list[str] = []

    def listen() -> None:
        for line in agent.stderr or ():
            lines.append(line)  # noqa: PERF402 - extend would show them only at the end

    threading.Thread(target=listen, daemon=True).start()
    return lines


def test_two_agents_do_not_share_a_state_folder(start: Start, tmp_path: Path) -> None:
    first = start()
    wait_until((tmp_path / "state/spool.db").exists, what="the first agent")
    second = start()
    assert second.wait(60) == 1
    assert second.stderr is not None
    assert f"{tmp_path / 'state'}: another agent is running with this state folder" in second.stderr.read()
    assert first.poll() is None


def test_the_agent_enrols_reports_and_says_a_fault_once(
    start: Start, tmp_path: Path, collector: ScriptedCollector, key_file: Path
) -> None:
    collector.now = time.time
    collector.decide = lambda _asked: refusal(503, "busy") if len(collector.asked) < 2 else None
    agent = start(server=collector.url, enrolment_key_file=str(key_file))
    report = wait_until(lambda: next(iter(collector.reports()), None), timeout=120, what="a report")
    assert report["facts"]["os"]["family"] == "linux"
    assert report["now"]["cpu_latest_ratio"] >= 0  # the first report has figures to show
    assert {probe["probe"] for probe in report["probes"]} == set(PROBES)
    lines = said_by(agent)
    wait_until(lambda: any("works again" in line for line in lines), what="the return of the collector")
    agent.terminate()
    assert agent.wait(60) == 0
    log = wait_until(lambda: "INFO stopped" in "".join(lines) and "".join(lines), what="its last words")
    assert log.count("WARNING collector: no (busy)") == 1
    assert log.count("INFO collector: works again") == 1
    assert "Traceback" not in log
    assert (tmp_path / "state/identity.json").stat().st_mode & 0o777 == 0o600


def test_an_agent_is_enrolled_beside_its_running_self(
    start: Start, tmp_path: Path, collector: ScriptedCollector, key_file: Path
) -> None:
    collector.now = time.time
    start(server=collector.url)
    wait_until(
        lambda: rows(tmp_path, "SELECT 1 FROM meta WHERE name = 'last_outcome'"), what="the first refusal"
    )
    environment = {
        "ROADWORTHY_AGENT_STATE_DIR": str(tmp_path / "state"),
        "ROADWORTHY_AGENT_SERVER": collector.url,
    }
    command = [sys.executable, "-m", "roadworthy_agent", "enrol"]
    done = subprocess.run(
        command, env=environment, input=key_file.read_text(), capture_output=True, text=True, check=True
    )
    assert DEVICE in done.stdout
    assert wait_until(collector.reports, what="the first report")[0]["device_id"] == DEVICE


def test_the_running_agent_is_small_and_idle(left_alone: tuple[Path, ScriptedCollector]) -> None:
    folder, collector = left_alone
    wait_until(lambda: len(samples(folder)) >= 2 and collector.reports(), what="two samples and a report")
    wait_until(
        lambda: [report for report in collector.reports() if "now" in report],
        what="a report after the light one",
    )
    health = collector.reports()[-1]["agent"]
    assert health["rss_bytes"] < 40 * 1024 * 1024
    assert health["cpu_seconds"] < 5.0


def test_status_reads_beside_a_running_agent(start: Start, tmp_path: Path) -> None:
    start()
    wait_until(lambda: samples(tmp_path), what="a first sample")
    wait_until(lambda: "utilisation" in str(rows(tmp_path, STATUSES)), what="the first statuses")
    environment = {"ROADWORTHY_AGENT_STATE_DIR": str(tmp_path / "state")}
    command = [sys.executable, "-m", "roadworthy_agent", "status", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["running"]
    assert not found["enrolled"]
    assert found["spool"]["samples"] >= 1
    assert {probe["probe"] for probe in found["probes"]} >= {"os", "utilisation"}


def test_what_a_collector_answers_writes_no_lines_of_its_own_into_the_log(
    start: Start, tmp_path: Path, collector: ScriptedCollector
) -> None:
    enrolled(tmp_path, collector.url)
    forged = "no\nWARNING all is well\x1b[2J"
    collector.decide = lambda _asked: refusal(403, "revoked\n\x1b[2J", forged)
    agent = start(server=collector.url)
    wait_until(lambda: collector.asked, what="a call")
    wait_until(lambda: rows(tmp_path, "SELECT 1 FROM meta WHERE name = 'last_outcome'"), what="its outcome")
    agent.terminate()
    log = agent.communicate()[1]
    assert "revoked" in log
    assert log.replace("\n", "").isprintable()
    assert not [line for line in log.splitlines() if not line.startswith(("WARNING collector", "INFO"))]


def test_a_damaged_spool_is_put_aside_and_measuring_goes_on(start: Start, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/spool.db").write_bytes(b"this is no database" * 1000)
    (tmp_path / "state/instance").write_text("0123456789abcdef\n")
    agent = start()
    wait_until((tmp_path / "state/spool.db.damaged").exists, what="the old spool")
    wait_until(lambda: rows(tmp_path, STATUSES), what="the new spool")
    agent.terminate()
    log = agent.communicate()[1]
    assert "the spool is damaged" in log
    assert "Traceback" not in log
    # Its reports count from one again: under the old instance they would look like a clone's.
    assert (tmp_path / "state/instance").read_text() != "0123456789abcdef\n"
