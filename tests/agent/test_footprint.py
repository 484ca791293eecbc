"""How light a guest the agent is: the real program, over TLS to a real collector. Memory and wake-ups, not time."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from support import free_port, wait_until
from support.running import call, running

LIMIT_BYTES = 28_000_000
REPORTS = 2
INTERVAL = 5
SAMPLES = 2


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[str]:
    """Run a collector with a certificate and an enrolment key; give its address."""
    certificate(tmp_path)
    port = free_port()
    tls = {
        "ROADWORTHY_TLS_CERTIFICATE": str(tmp_path / "server.pem"),
        "ROADWORTHY_TLS_KEY": str(tmp_path / "server.key"),
    }
    call("db", "upgrade", folder=tmp_path)
    key = call("enrol-key", "create", folder=tmp_path).stdout
    (tmp_path / "enrolment.key").touch(0o600)
    (tmp_path / "enrolment.key").write_text(next(word for word in key.split() if word.startswith("rwe1_")))
    with running("serve", folder=tmp_path, port=port, **tls) as started:

        def listens() -> bool:
            assert started.process.poll() is None, started.said()
            return port in listening(started.process.pid)

        wait_until(listens, timeout=60, what="the collector")
        yield f"https://localhost:{port}"


def listening(pid: int) -> set[int]:
    return {each.laddr.port for each in psutil.Process(pid).net_connections() if each.status == "LISTEN"}


def certificate(folder: Path) -> None:
    """Make an authority, and a certificate for localhost."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    ca = ("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    server = ("-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    usage = ("-addext", "keyUsage=critical,keyCertSign")
    for arguments in (
        (*curve, *ca, *usage),
        (*curve, *server, *name, "-addext", "basicConstraints=CA:FALSE"),
    ):
        subprocess.run(["openssl", "req", "-x509", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def agent(tmp_path: Path, collector: str) -> Iterator[subprocess.Popen[str]]:
    """Run an agent that enrols with that collector and samples every 5 s."""
    environment = {
        "PATH": os.environ["PATH"],
        "ROADWORTHY_AGENT_SERVER": collector,
        "ROADWORTHY_AGENT_CA_FILE": str(tmp_path / "ca.pem"),
        "ROADWORTHY_AGENT_STATE_DIR": str(tmp_path / "state"),
        "ROADWORTHY_AGENT_ENROLMENT_KEY_FILE": str(tmp_path / "enrolment.key"),
        "ROADWORTHY_AGENT_SAMPLE_INTERVAL_SECONDS": str(INTERVAL),
    }
    with (tmp_path / "agent.log").open("w") as log:
        command = [sys.executable, "-m", "roadworthy_agent", "run"]
        process = subprocess.Popen(command, env=environment, stderr=log, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def asked(tmp_path: Path, sql: str) -> int:
    """Return a number from the agent's spool, 0 while there is none."""
    path = tmp_path / "state/spool.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as spool:
        try:
            row = spool.execute(sql).fetchone()
        except sqlite3.OperationalError:  # not made yet
            return 0
        return 0 if row is None or row[0] is None else int(row[0])


def reports(tmp_path: Path) -> int:
    return asked(tmp_path, "SELECT value FROM meta WHERE name = 'seq'")


def samples(tmp_path: Path) -> int:
    return asked(tmp_path, "SELECT count(*) FROM samples")


def status(pid: int, name: str) -> int:
    """Return a number of /proc/PID/status."""
    text = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    return int(text.partition(f"\n{name}:")[2].split()[0])


def wakes(pid: int) -> int:
    """Return how often the agent's threads went to sleep by themselves, which is how often they were woken."""
    return sum(
        status(int(task.name), "voluntary_ctxt_switches") for task in Path(f"/proc/{pid}/task").iterdir()
    )


def test_the_agent_is_small_after_it_has_sent_and_sleeps_between_samples(
    agent: subprocess.Popen[str], tmp_path: Path
) -> None:
    for number in range(1, REPORTS + 1):

        def sent(number: int = number) -> bool:
            assert agent.poll() is None, (tmp_path / "agent.log").read_text()
            return reports(tmp_path) >= number and psutil.Process(agent.pid).children() == []

        wait_until(sent, timeout=60, what=f"report {number}, and the end of the process that spoke TLS")
        if number < REPORTS:  # as if somebody had enrolled the device anew: it calls at its next sample
            (tmp_path / "state/identity.json").touch()
    before, seen = samples(tmp_path), []

    def looked() -> bool:
        seen.append((wakes(agent.pid), status(agent.pid, "VmRSS") * 1024))
        return samples(tmp_path) >= before + SAMPLES

    wait_until(looked, timeout=60, what="samples")
    assert max(resident for _wakes, resident in seen) <= LIMIT_BYTES
    # It wakes for a sample, and a look may fall into the middle of that. Asleep, nothing changes from look to look;
    # a loop that woke each second would be seen five times a sample.
    changes = sum(earlier[0] != later[0] for earlier, later in pairwise(seen))
    assert 1 <= changes <= 2 * (SAMPLES + 1)
