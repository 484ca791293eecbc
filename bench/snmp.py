"""What it costs to poll devices by SNMP, beside Debian's snmp_exporter against the same agents.

    python bench/snmp.py [--devices 1000] [--dead 50] [--interval 60] [--bounded]

The agents are canned (tests/support/snmp_responder.py) and answer in a process of their own: a network management card
of a UPS with 10 readings. Seconds are of processor time of the process that asks.
  get       ten OIDs in one request through the port, as the poller has it
  first     the same of devices each with a community of its own, the first time each is asked
  peer      the same ten OIDs by snmp_exporter, a scrape each
  full      the first poll of a device: who it is, its profiles, its tables, its readings
  known     a poll in between: what changes, in one request
  kept      a poll's report through the ingest path into SQLite, in batches of 64
  a minute  devices polled in a minute on one core, at polls every five minutes with a full one an hour; then with `kept`
  cycle     1,000 devices of which 50 are dead by the poller itself: the longest time between two polls of a living one,
            beside its interval, and the seconds until each was polled once (they begin spread over a minute)
Prints a table and one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from roadworthy_collector.settings import Settings
from roadworthy_collector.snmp import keeping
from roadworthy_collector.snmp.asking import Asking
from roadworthy_collector.snmp.dictionary_port import read_recording, recording_text
from roadworthy_collector.snmp.keeping import Outcome
from roadworthy_collector.snmp.poller import LANES, Poller
from roadworthy_collector.snmp.port import Community, Oid, Target, Value, oid_text
from roadworthy_collector.snmp.profile_file import shipped_profiles
from roadworthy_collector.snmp.pysnmp_port import PysnmpPort
from roadworthy_collector.snmp.redfish import RedfishAsker
from roadworthy_collector.snmp.targets import Login, Polled
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.upgrade import upgrade

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "tests" / "devices" / "snmp" / "generex_cs141-no-power" / "walk.snmprec"
# Of this card two values more are read, the seconds on battery and the VA it is made for: left out, it has ten.
LEFT_OUT = frozenset({(1, 3, 6, 1, 2, 1, 33, 1, 2, 2, 0), (1, 3, 6, 1, 2, 1, 33, 1, 9, 5, 0)})
EXPORTER = "prometheus-snmp-exporter"
COMMUNITY = "ROADWORTHY_BENCH_COMMUNITY"
GETS, FULL_EVERY = 10, 12
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--dead", type=int, default=50)
    parser.add_argument("--interval", type=float, default=60.0)
    parser.add_argument("--bounded", action="store_true", help="a small form, as CI runs it")
    given = parser.parse_args()
    if given.bounded:
        given.devices, given.dead, given.interval = 200, 10, 5.0
    os.environ[COMMUNITY] = "public"
    logging.getLogger("roadworthy_collector.snmp").setLevel(
        logging.ERROR
    )  # the dead are dead, and said to be below
    with agents(given.devices, given.dead) as port:
        polled = [one(number, port, given.interval) for number in range(given.devices)]
        alive = polled[: given.devices - given.dead]
        costs = asyncio.run(asked(alive))
        costs["kept_ms"] = kept(alive)
        costs |= peer(alive, port)
        costs |= cycle(polled, len(alive))
    with agents(given.devices, 0, "--own-communities") as port:
        costs["first_own_community_ms"] = asyncio.run(own([each.host for each in polled], port))
    mixed = (costs["full_ms"] + (FULL_EVERY - 1) * costs["known_ms"]) / FULL_EVERY
    costs["devices_a_minute"] = round(60_000 / mixed)
    costs["devices_a_minute_kept"] = round(60_000 / (mixed + costs["kept_ms"]))
    for name, value in costs.items():
        sys.stdout.write(f"{name:32} {value:>10}\n")
    sys.stdout.write(json.dumps(costs) + "\n")


@contextmanager
def agents(devices: int, dead: int, *more: str) -> Iterator[int]:
    """Run the canned agents in a process of their own and give their port."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "walk.snmprec"
        recording.write_bytes(recording_text(values()).encode("latin-1"))
        command = [
            sys.executable, "-m", "support.snmp_responder", recording, "--devices", str(devices), "--dead", str(dead), *more,
        ]  # fmt: skip
        with subprocess.Popen(command, cwd=ROOT / "tests", stdout=subprocess.PIPE, text=True) as process:
            try:
                if process.stdout is None:
                    raise SystemExit("the agents have no output")
                yield int(process.stdout.readline())
            finally:
                process.terminate()


def values() -> dict[Oid, Value]:
    """Return what each agent answers."""
    return {oid: value for oid, value in read_recording(RECORDING).items() if oid not in LEFT_OUT}


def one(number: int, port: int, interval: float) -> Polled:
    """Return one device to poll."""
    host = str(IPv4Address("127.1.0.1") + number)
    login = Login(version="2c", community_env=COMMUNITY)
    return Polled(
        name=host,
        host=host,
        protocol="snmp",
        port=port,
        login=login,
        login_name="bench",
        every_seconds=interval,
    )


def ten() -> list[Oid]:
    """Return ten OIDs of the recorded device that are numbers."""
    return [oid for oid, value in values().items() if isinstance(value, int) and oid[6:8] == (33, 1)][:GETS]


async def asked(alive: Sequence[Polled]) -> dict[str, float]:
    """Return milliseconds of a GET of ten OIDs, of a full poll and of one in between."""
    port, oids = PysnmpPort(), ten()
    asking = Asking(port, shipped_profiles(), RedfishAsker())

    async def get(polled: Polled) -> int:
        return len(await port.begin(polled.target()).get(oids))

    async def poll(polled: Polled) -> int:
        outcome = await asking.ask(polled)
        if outcome.answer is None:
            raise SystemExit(outcome.reason)
        return len(outcome.answer.readings)

    found: dict[str, float] = {}
    try:
        await many(get, alive)  # the engine is made with the first, and each target known to it once
        for name, what, most in (("get", get, alive), ("full", poll, alive), ("known", poll, alive)):
            began = time.process_time()
            counts = await many(what, most)
            found[f"{name}_ms"] = round((time.process_time() - began) / len(most) * 1000, 3)
            if set(counts) != {GETS}:
                raise SystemExit(f"{name}: {set(counts)} values, not {GETS}")
    finally:
        await port.close()
    return found


async def own(names: Sequence[str], port: int) -> float:
    """Return milliseconds of the first GET of devices that each have a community of their own, all by one engine."""
    asks, oids = PysnmpPort(), ten()
    try:
        await asks.begin(Target("the first", names[0], Community("2c", names[0]), port=port)).get(oids)
        began = time.process_time()  # the engine is made
        for name in names[1:]:
            target = Target(name, name, Community("2c", name), port=port)
            if len(await asks.begin(target).get(oids)) != GETS:
                raise SystemExit(f"own: {name} gave other than {GETS} values")
    finally:
        await asks.close()
    return round((time.process_time() - began) / (len(names) - 1) * 1000, 3)


async def many(what: object, polled: Sequence[Polled]) -> list[int]:
    """Do something for each, as many at once as the poller has lanes."""
    lanes = asyncio.Semaphore(LANES)

    async def in_lane(each: Polled) -> int:
        async with lanes:
            return await what(each)  # type: ignore[operator]  # one of the two above

    return await asyncio.gather(*(in_lane(each) for each in polled))


def kept(alive: Sequence[Polled]) -> float:
    """Return milliseconds to keep a poll: its report by the way every report takes, and how it went."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        upgrade(settings.database)
        engine = open_engine(settings.database)
        with write_transaction(engine) as connection:
            keeping.sync(connection, alive)
        polls = [asyncio.run(answers(alive, at)) for at in (1_700_000_000.0, 1_700_000_300.0)]
        keep(engine, settings, polls[0])  # the first makes the devices
        began = time.process_time()
        keep(engine, settings, polls[1])
        took = time.process_time() - began
        engine.dispose()
    return round(took / len(alive) * 1000, 3)


async def answers(alive: Sequence[Polled], at: float) -> list[Outcome]:
    """Return what each device answers, all as if polled at one moment."""
    port = PysnmpPort()
    asking = Asking(port, shipped_profiles(), RedfishAsker(), clock=lambda: at)
    try:
        first = await asking.ask(alive[0])
    finally:
        await port.close()
    return [Outcome(polled, at, first.seconds, first.answer) for polled in alive]


def keep(engine: object, settings: Settings, outcomes: Sequence[Outcome]) -> None:
    for place in range(0, len(outcomes), 64):
        with write_transaction(engine) as connection:  # type: ignore[arg-type]  # what `open_engine` gave
            keeping.write_outcomes(connection, outcomes[place : place + 64], settings, version="bench")


def peer(alive: Sequence[Polled], port: int) -> dict[str, float]:
    """Return milliseconds of a scrape of ten OIDs by snmp_exporter, nothing where it is not installed."""
    program = shutil.which(EXPORTER)
    if program is None:
        sys.stdout.write(f"{EXPORTER} is not installed: no peer\n")
        return {}
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        config = Path(folder) / "snmp.yml"
        config.write_text(module(ten()))
        probe.bind(("127.0.0.1", 0))
        listen = probe.getsockname()[1]
        probe.close()
        command = [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{listen}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                return scraped(
                    process.pid, f"http://127.0.0.1:{listen}/snmp?module=bench&target=", alive, port
                )
            finally:
                process.terminate()


def scraped(pid: int, url: str, alive: Sequence[Polled], port: int) -> dict[str, float]:
    def scrape(polled: Polled) -> int:
        with urllib.request.urlopen(f"{url}{polled.host}:{port}") as response:  # noqa: S310 - loopback
            return response.read().decode().count("\nbench_")

    until = time.monotonic() + 20
    while True:
        try:
            scrape(alive[0])
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    began = processor_seconds(pid)
    with ThreadPoolExecutor(8) as pool:
        counts = set(pool.map(scrape, alive))
    took = processor_seconds(pid) - began
    if counts != {GETS}:
        raise SystemExit(f"peer: {counts} values, not {GETS}")
    return {"peer_ms": round(took / len(alive) * 1000, 3)}


def module(oids: Sequence[Oid]) -> str:
    """Return a configuration of snmp_exporter that gets ten OIDs."""
    gets = "".join(f"  - {oid_text(oid)}\n" for oid in oids)
    metrics = "".join(
        f"  - name: bench_{place}\n    oid: {oid_text(oid[:-1])}\n    type: gauge\n    help: x\n"
        "    indexes:\n    - labelname: row\n      type: gauge\n"
        for place, oid in enumerate(oids)
    )
    return f"bench:\n  get:\n{gets}  metrics:\n{metrics}  version: 2\n  auth:\n    community: public\n"


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cycle(polled: Sequence[Polled], alive: int) -> dict[str, float]:
    """Poll all until every living device was polled twice; return how far apart its polls were."""
    stop, rng = threading.Event(), random.Random(7)  # noqa: S311 - spreads polls, guards nothing
    profiles = shipped_profiles()
    poller = Poller(lambda: Asking(PysnmpPort(), profiles, RedfishAsker()), stop, rng=rng)
    living = {each.name for each in polled[:alive]}
    times: dict[str, list[float]] = {name: [] for name in living}
    dead = 0
    began, cpu = time.monotonic(), time.process_time()
    poller.poll(polled)
    try:
        while min(len(each) for each in times.values()) < 2:
            for outcome in poller.take(10_000):
                if outcome.polled.name not in living:
                    dead += 1
                elif outcome.answer is None:
                    raise SystemExit(outcome.reason)
                else:
                    times[outcome.polled.name].append(outcome.at)
            if time.monotonic() - began > 6 * polled[0].every_seconds + 60:
                raise SystemExit("the cycle does not come to an end")
            time.sleep(0.1)
    finally:
        stop.set()
        poller.join(10)
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    gaps = sorted(after - before for each in times.values() for before, after in itertools.pairwise(each))
    firsts = [each[0] for each in times.values()]
    return {
        "cycle_devices": len(polled),
        "cycle_dead": len(polled) - alive,
        "cycle_interval_s": polled[0].every_seconds,
        "cycle_first_s": round(max(firsts) - min(firsts), 1),
        "cycle_longest_gap_s": round(gaps[-1], 1),
        "cycle_median_gap_s": round(gaps[len(gaps) // 2], 1),
        "cycle_dead_polls": dead,
        "cycle_core_share": round(cpu / took, 3),
    }


if __name__ == "__main__":
    main()
