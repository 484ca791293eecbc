"""A relay and a main collector that die at any moment: what was acknowledged arrives, once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from collector.relay.sites import NEWEST, Agent, Site, boot, relay_of
from support import wait_until

from roadworthy_agent.errors import AgentError

FORWARDER = Path(__file__).with_name("forwarder.py")
AGENTS, HALF_HOURS, KILLS = 6, 30, 4


@contextmanager
def forwarding(relay: Site, main: Site) -> Iterator[subprocess.Popen[bytes]]:
    """Run the relay's forwarding in a process of its own."""
    keys = relay.folder / "upstream.key"
    arguments = [str(relay.folder), str(relay.port), main.address, str(keys)]
    process = subprocess.Popen([sys.executable, str(FORWARDER), *arguments], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"forwarding\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Sender(threading.Thread):
    """Sends one half-hour after another; what is acknowledged is in `agent.acknowledged`."""

    def __init__(self, agent: Agent, number: int) -> None:
        super().__init__()
        self._agent = agent
        self._number = number

    def run(self) -> None:
        for n in range(HALF_HOURS):
            starts = [boot(self._number * 100 + n)] if n % 10 == 0 else []
            try:
                self._agent.report(NEWEST - n * 1800, startups=starts)
            except AgentError:
                continue
        self._agent.close()


def test_every_acknowledged_item_is_in_the_main_collector_once(tmp_path: Path, main: Site) -> None:
    """The relay's forwarding is killed four times and the main collector goes away twice while devices report."""
    chance = random.Random(20261122)  # noqa: S311 - when to kill, the same in every run
    relay = relay_of(tmp_path / "relay", main)
    with relay.serving():
        agents = [Agent(relay, hostname=f"pc-{n}") for n in range(AGENTS)]
        senders = [Sender(agent, n) for n, agent in enumerate(agents)]
        for sender in senders:
            sender.start()
        for kill in range(KILLS):
            with ExitStack() as up:
                if kill != 1:  # once nobody is there
                    up.enter_context(main.serving())
                process = up.enter_context(forwarding(relay, main))
                enough = len(main.holding()["periods"]) + chance.randint(3, 25)
                if kill != 1:
                    wait_until(
                        lambda: len(main.holding()["periods"]) >= enough or not relay.waiting(),  # noqa: B023 - used here
                        what="half-hours at the main collector",
                    )
                process.send_signal(signal.SIGKILL)
                process.wait()
        for sender in senders:
            sender.join(60)
            assert not sender.is_alive()
    with main.serving(), forwarding(relay, main):
        wait_until(lambda: not relay.waiting(), timeout=60, what="the queue to be empty")
    assert sum(len(agent.acknowledged) for agent in agents) == AGENTS * HALF_HOURS
    assert main.holding() == relay.holding()
    upstream = {row["upstream_device_id"] for row in relay.relayed()}
    assert upstream <= {row["device_id"] for row in main.devices()}


def test_nothing_is_acknowledged_that_is_not_queued(tmp_path: Path, main: Site) -> None:
    """The relay itself is killed while devices report to it: what it holds and what it forwards are the same."""
    relay = relay_of(tmp_path / "relay", main)
    agents = [Agent(relay, local=True) for _ in range(3)]
    server = Path(__file__).with_name("server.py")
    arguments = [str(relay.folder), str(relay.port), main.address, str(relay.folder / "upstream.key")]
    process = subprocess.Popen([sys.executable, str(server), *arguments])
    try:
        wait_until(lambda: answers(relay, process), what="the relay")
        senders = [Sender(agent, n) for n, agent in enumerate(agents)]
        for sender in senders:
            sender.start()
        wait_until(lambda: sum(len(agent.acknowledged) for agent in agents) >= 20, what="reports")
    finally:
        process.kill()
        process.wait()
    for sender in senders:
        sender.join(60)
    with main.serving():
        relay.forward()
    assert main.holding() == relay.holding()
    held = {row["start"] for row in main.holding()["periods"]}
    assert set().union(*(agent.acknowledged for agent in agents)) <= held


def answers(site: Site, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the relay ended by itself"
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=5)
    try:
        connection.request("GET", "/api/v1/reports")
        return connection.getresponse().status == 405
    except OSError:
        return False
    finally:
        connection.close()
