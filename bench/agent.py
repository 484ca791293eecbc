"""What the agent costs a device in a day, beside node_exporter and collectd on the same machine.

    python bench/agent.py [--seconds 170]        (make bench-agent)

A whole day at the default settings passes in `--seconds`: the real command in a process of its own, over HTTPS to a
real collector, both on a clock that runs faster; every sample and every call of that day is made, and what they used
is read at the end. The two others do what they do in a day often enough to say what once costs. MB and kB are
millions and thousands of bytes. The last line is one JSON object; the exit code says whether the limits are kept.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import random
import re
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_measure import (
    DAY_SECONDS,
    Memory,
    Result,
    children_bytes,
    environment,
    free_port,
    mb,
    started,
    wakes,
)
from agent_peers import Collectd, Exporter, collectd_here, install, node_exporter
from agent_relay import Relay

from roadworthy_agent.schedule import USUAL_SECONDS, Calls

SCRAPES = 240
STEADY_SHARE = 0.1  # of the day passes before what a process holds counts as steady
LOOK_SECONDS = 0.2
DEVICES = 200
CHILD_LOOK_SECONDS = 0.005
PROCESS = str(Path(__file__).with_name("agent_process.py"))
# rss_mb and cpu_s_per_day against node_exporter's, and wire_kb_per_day: limit and goal
LIMITS = {"rss_mb": (1.25, 1.0), "cpu_s_per_day": (0.15, 0.1), "wire_kb_per_day": (100.0, 100.0)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=170.0, help="how long the day takes")
    seconds = parser.parse_args().seconds
    install()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        exporter = stack.enter_context(node_exporter())
        collectd = stack.enter_context(collectd_here(folder, seconds))
        day = stack.enter_context(agent_day(folder, seconds))
        watch(day, exporter, collectd, seconds)
        results = {
            "agent": day.result(),
            "node_exporter": exporter and exporter.result(),
            "collectd": collectd and collectd.result(),
        }
    kept = judge(results["agent"], results["node_exporter"])
    print(json.dumps({name: result and result.json() for name, result in results.items()}))
    return 0 if kept else 1


def machine() -> str:
    """Return what this was measured on."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    python = f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, SQLite {sqlite3.sqlite_version}"
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} x {model}, {platform.platform()}, {python}"


# The agent


@dataclass
class Day:
    """A day of the agent: its process, what stands before the collector, and where it leaves what it used."""

    process: subprocess.Popen[bytes]
    relay: Relay
    used: Path
    memory: Memory
    wakes: int = 0
    details: str = ""
    child_bytes: int = 0

    def look_for_children(self, until: float) -> None:
        """Look until then what the processes that speak TLS hold; each is there for some hundredths of a second."""
        while time.monotonic() < until:
            self.child_bytes = max(self.child_bytes, children_bytes(self.process.pid))
            time.sleep(CHILD_LOOK_SECONDS)

    def look_last(self) -> None:
        """Look at what can only be seen while the process is there, and end it."""
        self.details = self.memory.details()
        self.wakes = wakes(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, "the agent did not end well"

    def result(self) -> Result:
        """Print the arithmetic and return the day."""
        used: dict[str, float] = ast.literal_eval(self.used.read_text())
        counted = self.relay.counted
        scale, usual = DAY_SECONDS / used["fast_seconds"], calls_a_day()
        start, samples, calls = used["start_cpu_seconds"], used["samples"], used["calls"]
        in_samples = used["main_cpu_seconds"] - start
        in_calls = used["cpu_seconds"] - used["main_cpu_seconds"]
        in_children = used["children_cpu_seconds"]
        cpu = start + in_samples * scale + (in_calls + in_children) / calls * usual
        http = counted.up + counted.down
        wire = http / calls * usual / 1e3
        tls = counted.tcp_up + counted.tcp_down - http
        print(
            f"\nagent: {samples:.0f} samples and {calls:.0f} calls in {used['fast_seconds'] / 3600:.2f} h of its clock"
        )
        print(
            f"    a day's schedule makes {usual:.1f} calls, the mean of {DEVICES} devices; here time was faster"
        )
        print(f"    memory: {self.details}")
        print(f"    beside it while it calls: a process of {mb(self.child_bytes)} RSS that speaks TLS")
        print(f"    woken: {self.wakes / samples:.2f} times a sample, calls and waiting for the disk counted")
        print(
            f"    processor: start {start:.3f} s + {samples * scale:.0f} samples x {in_samples / samples * 1e3:.2f} ms "
            f"+ {usual:.0f} calls x ({in_calls / calls * 1e3:.2f} ms, probes and enrolment in them, "
            f"+ {in_children / calls * 1e3:.2f} ms in the process that speaks TLS) = {cpu:.2f} s a day"
        )
        print(
            f"    HTTP, headers and bodies both ways: {counted.requests} requests, {counted.up / counted.requests:.0f} bytes up "
            f"and {counted.down / counted.requests:.0f} down each; {wire:.1f} kB a day"
        )
        print(
            f"    TLS beside it: {counted.connections} connections, {tls / max(1, counted.connections):.0f} bytes each for "
            f"handshake and records, with a chain of one small certificate; {tls / calls * usual / 1e3:.1f} kB a day"
        )
        return Result(self.memory.steady / 1e6, cpu, wire)


def calls_a_day() -> float:
    """Return how many calls the agent's own schedule makes in a day at the usual interval.

    While an hour passes in seconds, an answer takes a third of a minute of that clock, so the calls of the run
    itself fall a little otherwise than on a device.
    """
    made = 0
    for device in range(DEVICES):
        dice = random.Random(device)  # noqa: S311 - the same devices in every run
        now, calls = 0.0, Calls(0.0, f"{dice.getrandbits(64):016x}", dice.uniform)
        wall = 1_800_000_000 + dice.uniform(0, DAY_SECONDS)
        while now < DAY_SECONDS:
            made += 1
            calls.answered(now, wall + now, USUAL_SECONDS)
            now = calls.due_at()
    return made / DEVICES


@contextmanager
def agent_day(folder: Path, seconds: float) -> Iterator[Day]:
    """Start collector, relay and agent on one accelerated clock."""
    certificates(folder)
    factor = DAY_SECONDS / seconds
    with ExitStack() as stack:
        port = free_port()
        clock = {"BENCH_CLOCK": f"{time.monotonic()} {factor} {time.time() - DAY_SECONDS}"}
        collector = {
            "ROADWORTHY_DATA": str(folder / "data"),
            "ROADWORTHY_PORT": str(port),
            "ROADWORTHY_TLS_CERTIFICATE": str(folder / "server.pem"),
            "ROADWORTHY_TLS_KEY": str(folder / "server.key"),
        }
        key = folder / "enrolment.key"
        create = [sys.executable, PROCESS, "collector", "enrol-key", "create"]
        made = subprocess.run(
            create, env=environment(collector | clock), capture_output=True, text=True, check=True
        )
        key.touch(0o600)
        key.write_text(re.findall(r"rwe1_\w+", made.stdout)[0] + "\n")
        server = stack.enter_context(
            started(sys.executable, PROCESS, "collector", "serve", **collector, **clock)
        )
        wait_ready(folder, port, server)
        relay = stack.enter_context(Relay(folder, port))
        settings = {
            "ROADWORTHY_AGENT_SERVER": f"https://localhost:{relay.port}",
            "ROADWORTHY_AGENT_STATE_DIR": str(folder / "state"),
            "ROADWORTHY_AGENT_ENROLMENT_KEY_FILE": str(key),
            "ROADWORTHY_AGENT_CA_FILE": str(folder / "ca.pem"),
            "BENCH_RESULT": str(folder / "used"),
        }
        process = stack.enter_context(started(sys.executable, PROCESS, "agent", **settings, **clock))
        yield Day(process, relay, folder / "used", Memory(process.pid))


def certificates(folder: Path) -> None:
    """Make an authority and a certificate for localhost."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    ca = ("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench authority")
    server = ("-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem")
    name = (
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=CA:FALSE",
    )
    for arguments in ((*curve, *ca, "-addext", "keyUsage=critical,keyCertSign"), (*curve, *server, *name)):
        command = ["openssl", "req", "-x509", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def wait_ready(folder: Path, port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until the collector answers."""
    trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    deadline = time.monotonic() + 60
    while True:
        assert server.poll() is None, "the collector ended"
        assert time.monotonic() < deadline, "the collector is not ready after 60 s"
        try:
            urllib.request.urlopen(f"https://localhost:{port}/readyz", context=trusting, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return


def watch(day: Day, exporter: Exporter | None, collectd: Collectd | None, seconds: float) -> None:
    """Let the day pass: scrape, and look at what each process holds."""
    began = time.monotonic()
    programs = [program for program in (day, exporter, collectd) if program is not None]
    print(f"A day passes in {seconds:.0f} s, one hour in {seconds / 24:.1f} s ...", flush=True)
    while (passed := time.monotonic() - began) < seconds:
        assert day.process.poll() is None, "the agent ended"
        if exporter is not None and exporter.scrapes < SCRAPES * passed / seconds:
            exporter.scrape()
        if passed > STEADY_SHARE * seconds:
            for program in programs:
                program.memory.look()
        day.look_for_children(time.monotonic() + LOOK_SECONDS)
    for program in programs:
        program.look_last()


def judge(agent: Result, exporter: Result | None) -> bool:
    """Print the limits beside what was measured; return whether all are kept."""
    kept = True
    print()
    for name, (limit, goal) in LIMITS.items():
        measured, unit = getattr(agent, name), ""
        if name != "wire_kb_per_day":
            if exporter is None:
                print(f"{name}: nothing to compare with")
                continue
            measured, unit = measured / getattr(exporter, name), " of node_exporter's"
        kept &= measured <= limit
        said = "NOT KEPT" if measured > limit else "kept" if measured > goal else "kept, and the goal reached"
        print(f"{name}: {measured:.2f}{unit}; limit {limit:g}, goal {goal:g}: {said}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
