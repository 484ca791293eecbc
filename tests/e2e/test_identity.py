"""Real agents and a real collector: tokens that are rotated, disks that are copied, answers that are lost."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from agent.devices import Device, ManualClock, static_probe
from collector.ingest.samples import Device as Sender
from collector.ingest.samples import report
from sqlalchemy import Engine, select
from support import free_port, wait_until
from support.databases import make_sqlite
from support.facts import held
from support.running import AGENT, Running, call, environment, running
from support.serving import serving as threaded

from roadworthy_agent.copied import keep_machine
from roadworthy_agent.delivery import Delivery, Kind, Outcome
from roadworthy_agent.errors import TransportError
from roadworthy_agent.facts import HardwareFacts
from roadworthy_agent.identity import Identity, fingerprint
from roadworthy_agent.probe import Context, HardwareReading, ProbeResult
from roadworthy_agent.reading import Status
from roadworthy_agent.send import Accepted, Collector, Enrolled
from roadworthy_agent.settings import Settings as AgentSettings
from roadworthy_collector.app import create_app
from roadworthy_collector.security import tokens
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries.device_identity import (
    Chosen,
    UsageProfile,
    ask_rotation,
    set_profile,
)
from roadworthy_collector.store.schema import audit, counters, devices
from roadworthy_collector.store.schema import tokens as token_rows

DAY = 86_400
QUARTER = 900


class Line(Collector):
    """The way to the collector; `lost` says which of the next answers are."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.lost: list[bool] = []

    def _lose(self) -> None:
        if self.lost and self.lost.pop(0):
            raise TransportError("the answer was lost")

    def report(self, token: str, body: bytes) -> Accepted:
        answer = super().report(token, body)
        self._lose()
        return answer

    def enrol(self, request: Any) -> Enrolled:
        answer = super().enrol(request)
        self._lose()
        return answer


class World:
    """A collector on a real port under a clock turned by hand, and the machines that call it."""

    def __init__(self, folder: Path, engine: Engine, settings: Settings) -> None:
        self.folder = folder
        self.engine = engine
        self.settings = settings
        self.time = ManualClock()
        self.machines: list[Machine] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def machine(self, name: str, like: Machine | None = None) -> Machine:
        """Return a machine whose parts are its own; with `like`, its disk is a copy of that one's."""
        made = Machine(self, name, like)
        self.machines.append(made)
        return made

    def rows(self, *columns: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(*columns)))

    def run(self, seconds: float) -> None:
        """Let time pass, with every machine measuring."""
        for machine in self.machines:
            machine.device.measure(seconds)
        self.time.run(seconds)

    def sleep(self, seconds: float) -> None:
        """Let time pass, with every machine asleep."""
        for machine in self.machines:
            machine.clock.suspend(seconds)
        self.time.run(seconds)


class Machine:
    """One machine: its hardware, and the agent on it."""

    def __init__(self, world: World, name: str, like: Machine | None) -> None:
        self.world, self.name = world, name
        self.folder = world.folder / name
        if like is not None:
            like.device.close()
            shutil.copytree(like.folder, self.folder)
            like.device.open()
            like.connect()
        self.clock = ManualClock(true=world.time.true, boot=f"boot of {name}", uptime=0.0, awake=0.0)
        self.device = Device(self.clock, self.folder, server=world.url)
        self.swap(name)
        self.device.recorder.begin()
        self.connect()
        self.look()

    def swap(self, name: str, *parts: str) -> None:
        """Put other parts in; all of them if none is named."""
        words = ("system_uuid", "system_serial", "board_serial", "disk_serial")
        made = {word: f"SERIAL{word}{name}" for word in words if not parts or word in parts}
        if "system_uuid" in made:
            made["system_uuid"] = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        known = getattr(self, "parts", {})
        self.parts = made if not parts else known | {part: made[part] for part in parts}
        reading = HardwareReading(HardwareFacts(vendor="Example", model="Tower 1"), dict(self.parts))
        self.device.probes["hardware"] = static_probe("hardware", ProbeResult("hardware", Status.OK, reading))

    def connect(self) -> None:
        self.line = Line(self.world.url)
        settings = AgentSettings(self.world.url, self.folder, None, None, 60, self.device.max_bytes, ())
        self.device.delivery = Delivery(
            settings,
            self.device.state,
            Context(clock=self.device.clock),
            self.device.composer,
            lambda _settings: self.line,
        )

    def look(self) -> None:
        """Look at the hardware as the running agent does before its first call."""
        self.device.observations.look(self.device.probes)
        current = self.device.spool.current()
        assert current is not None
        known = fingerprint(self.device.observations.identifiers())
        keep_machine(self.device.database, known, current, self.clock.boottime())

    def restart(self) -> None:
        self.clock.restart(f"{self.clock.boot}+", 60)
        self.device.restart_agent()
        self.connect()
        self.look()

    def enrol(self, **key: Any) -> Identity:
        with write_transaction(self.world.engine) as connection:
            issued = tokens.create_enrol_key(connection, now=int(self.world.time.true), **key)
        return self.device.delivery.enrol(issued.text)

    def call(self) -> Outcome:
        return self.device.delivery.call()

    @property
    def identity(self) -> Identity:
        found = self.device.state.identity()
        assert found is not None
        return found


@contextmanager
def serving(world: World) -> Iterator[None]:
    """Serve the collector from a thread of this process."""
    app = create_app(
        world.settings, world.engine, clock=lambda: world.time.true, monotonic=world.time.monotonic
    )
    config = uvicorn.Config(
        app, port=world.settings.port, loop="asyncio", log_level="warning", access_log=False
    )
    with threaded(config):
        yield


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = Settings(data=tmp_path, port=free_port())
    make_sqlite(settings.sqlite_file)
    engine = open_engine(settings.database)
    made = World(tmp_path, engine, settings)
    with serving(made):
        yield made
        for machine in made.machines:
            machine.device.close()
    engine.dispose()


def good_tokens(world: World) -> list[tuple[bool, bool]]:
    """Return of each token in force whether it was used and whether somebody wants it replaced."""
    query = select(token_rows).where(token_rows.c.revoked_at.is_(None)).order_by(token_rows.c.created_at)
    with world.engine.connect() as connection:
        return [
            (row.first_used_at is not None, row.rotate_asked_at is not None)
            for row in connection.execute(query)
        ]


def events(world: World) -> dict[str, int]:
    with world.engine.connect() as connection:
        query = select(counters.c.label, counters.c.value).where(counters.c.name == "identity")
        return {row.label: row.value for row in connection.execute(query)}


# Tokens


def test_a_token_that_grew_old_is_replaced_and_the_old_one_ends_with_the_first_use(world: World) -> None:
    machine = world.machine("a")
    first = machine.enrol()
    assert machine.call().kind is Kind.ANSWERED
    world.run(60)
    machine.call()
    assert machine.identity.next_token is None
    world.sleep(90 * DAY)
    machine.call()
    machine.call()
    assert machine.identity.token != first.token
    assert machine.identity.device_id == first.device_id
    assert good_tokens(world) == [(True, False)]
    assert [row.revoked_as for row in world.rows(token_rows.c.revoked_as)].count("re_enrol") == 1


def test_answers_that_are_lost_pile_no_tokens_up_and_lock_nobody_out(world: World) -> None:
    machine = world.machine("a")
    first = machine.enrol()
    machine.call()
    with write_transaction(world.engine) as connection:
        assert ask_rotation(connection, Chosen(), now=int(world.time.true)) == 1
    for _ in range(5):
        machine.line.lost = [True]
        world.run(QUARTER)
        assert machine.call().kind is Kind.FAILED
        assert machine.identity == first
        assert good_tokens(world) == [(True, True), (False, False)]
    world.run(QUARTER)
    machine.line.lost = [False, True]  # the answer that brings the token comes, the first one to it does not
    assert machine.call().kind is Kind.FAILED
    assert machine.identity.next_token is not None
    assert good_tokens(world) == [(True, False)]
    world.run(60)
    assert machine.call().kind is Kind.ANSWERED
    assert (machine.identity.token != first.token, machine.identity.next_token) == (True, None)
    assert events(world)["rotated"] == 6


def test_an_agent_killed_between_storing_and_using_its_new_token_goes_on(tmp_path: Path) -> None:
    key, state = tmp_path / "key", tmp_path / "agent"
    with running("serve", folder=tmp_path, ROADWORTHY_REPORT_INTERVAL_SECONDS="60") as collector:
        collector.wait_ready()
        engine = open_engine(collector.data / "roadworthy.db")
        now = int(time.time())
        key.touch(0o600)
        with write_transaction(engine) as connection:
            key.write_text(tokens.create_enrol_key(connection, now=now).text)
        variables = environment(
            ROADWORTHY_AGENT_SERVER=collector.address,
            ROADWORTHY_AGENT_STATE_DIR=str(state),
            ROADWORTHY_AGENT_ENROLMENT_KEY_FILE=str(key),
        )

        def rotated() -> int:
            with write_transaction(engine) as connection:
                return ask_rotation(connection, Chosen(), now=int(time.time()) + 1)

        with started_agent(variables) as agent:
            wait_until(rotated, what="its first report")
            agent.send_signal(signal.SIGKILL)
            agent.wait()
        if not _kept(state).get("next_token"):
            rotated()  # it may have been so quick that it uses a new one already
        with started_agent(variables) as agent:
            wait_until(lambda: _kept(state).get("next_token"), what="a new token on the disk")
            agent.send_signal(signal.SIGKILL)
        new = _kept(state)["next_token"]
        key.unlink()  # it could not enrol again
        with started_agent(variables):
            wait_until(lambda: _kept(state)["token"] == new, what="the new token in use")
        assert _kept(state)["next_token"] is None
        with engine.connect() as connection:
            assert len(connection.execute(select(devices.c.id)).all()) == 1
        engine.dispose()


def _kept(state: Path) -> dict[str, Any]:
    """Return what an agent keeps of its identity."""
    try:
        found: dict[str, Any] = json.loads((state / "identity.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found


@contextmanager
def started_agent(variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([str(AGENT), "run"], env=variables, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


# Copies


def test_a_copied_disk_becomes_a_device_of_its_own_and_nothing_is_booked_twice(world: World) -> None:
    owner = world.machine("owner")
    enrolled = owner.enrol(site="Headquarters", usage_profile="personal")
    owner.call()
    world.run(2 * 3600)  # four half-hours nobody has sent yet: both disks hold them
    other = world.machine("other", like=owner)
    assert other.identity.token == enrolled.token
    assert other.call().retry_after_seconds is not None
    world.run(QUARTER)
    assert owner.call().kind is Kind.ANSWERED
    assert other.call().message == "this machine is a copy; calling as a device of its own"
    assert other.call().kind is Kind.ANSWERED
    world.run(3600)
    assert [owner.call().kind, other.call().kind] == [Kind.ANSWERED, Kind.ANSWERED]

    assert (owner.identity.device_id, owner.identity.stopped) == (enrolled.device_id, None)
    made = {row.device_id: row for row in world.rows(devices)}
    assert set(made) == {owner.identity.device_id, other.identity.device_id}
    copy = made[other.identity.device_id]
    assert copy.cloned_from == enrolled.device_id
    assert (copy.site, copy.usage_profile) == (made[enrolled.device_id].site, "personal")
    booked = {row["device"]: set() for row in held(world.engine, "periods")}
    for row in held(world.engine, "periods"):
        booked[row["device"]].add(row["start"])
    copied_at = other.clock.true - other.clock.uptime
    assert len([start for start in booked[made[enrolled.device_id].id] if start < copied_at]) >= 4
    assert all(start >= copied_at for start in booked[copy.id])
    actions = {row.action: row for row in world.rows(audit)}
    assert actions["device.clone"].detail["cloned_from"] == enrolled.device_id
    assert events(world)["traded"] == 1


def test_a_copy_whose_answers_are_lost_is_made_into_one_device_only(world: World) -> None:
    owner = world.machine("owner")
    owner.enrol()
    owner.call()
    world.run(2 * 3600)
    other = world.machine("other", like=owner)
    other.call()
    world.run(QUARTER)
    owner.call()
    for _ in range(3):
        other.line.lost = [True]
        assert other.call().kind is Kind.FAILED
        assert other.identity.device_id == owner.identity.device_id
    other.call()
    assert other.call().kind is Kind.ANSWERED
    assert len(world.rows(devices.c.id)) == 2
    assert len([used for used, _ in good_tokens(world) if used]) == 2


def test_a_new_mainboard_waits_and_then_goes_on_as_the_same_device(world: World) -> None:
    machine = world.machine("a")
    enrolled = machine.enrol()
    machine.call()
    world.run(3600)
    machine.swap("b", "system_uuid", "board_serial")
    machine.restart()
    assert "repaired or copied" in machine.call().message
    for _ in range(23):
        world.run(3600)
        assert machine.call().kind is Kind.FAILED
    world.run(2 * 3600)
    assert machine.call().kind is Kind.ANSWERED
    assert machine.identity.device_id == enrolled.device_id
    assert len(world.rows(devices.c.id)) == 1
    starts = sorted(row["start"] for row in held(world.engine, "periods"))
    assert starts == list(range(starts[0], starts[-1] + 1, 1800))  # nothing was lost while it waited
    assert set(events(world)) == {"held", "repaired"}


def test_a_reimaged_machine_is_another_device_and_its_old_one_stays(world: World) -> None:
    machine = world.machine("a")
    before = machine.enrol()
    machine.call()
    machine.device.close()
    shutil.rmtree(machine.folder)
    again = world.machine("a")
    after = again.enrol()
    assert again.call().kind is Kind.ANSWERED
    assert before.device_id != after.device_id
    assert [row.cloned_from for row in world.rows(devices.c.cloned_from)] == [None, None]


def test_copies_that_nothing_tells_apart_are_asked_for_their_hardware_and_left_alone(world: World) -> None:
    """A container without hardware facts, or two halves of one virtual machine."""
    one = world.machine("a")
    one.enrol()
    one.call()
    two = world.machine("b", like=one)
    two.swap("a")
    two.look()
    for _ in range(6):
        for machine in (one, two):
            world.run(QUARTER)
            assert machine.call().kind is Kind.ANSWERED
    assert events(world) == {"shared": 1}
    assert one.identity.device_id == two.identity.device_id
    two.swap("b", "system_uuid")
    two.look()
    two.call()
    world.run(QUARTER)
    two.call()
    assert two.identity.device_id != one.identity.device_id
    assert one.call().kind is Kind.ANSWERED


# Policy


def test_a_personal_device_tells_days_and_stops_being_asked_when_its_profile_changes(world: World) -> None:
    machine = world.machine("a")
    machine.enrol(usage_profile="personal")
    machine.call()
    assert machine.device.database.get("asked_policy") == "daily"
    with write_transaction(world.engine) as connection:
        chosen = Chosen(device_id=machine.identity.device_id)
        assert set_profile(connection, chosen, UsageProfile.SHARED, now=int(world.time.true)) == 1
    world.run(60)
    machine.call()
    assert machine.device.database.get("asked_policy") is None


# Several processes on one database


def test_a_revocation_holds_on_every_process_within_five_seconds(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    data = str(tmp_path / "data")
    with (
        running("serve", folder=tmp_path) as one,
        running("serve", "--data", data, folder=tmp_path / "two") as two,
    ):
        one.wait_ready()
        two.wait_ready()
        key = call("enrol-key", "create", folder=tmp_path).stdout.strip()
        asked = {"schema_version": "1.0", "enrolment_key": key, "platform": "linux", "agent_version": "1.0.0"}
        answer = httpx.post(f"{one.address}/api/v1/enrol", json=asked, timeout=60).json()
        device = Sender(0, answer["device_id"], answer["token"])

        def said(collector: Running, number: int) -> tuple[int, str]:
            body = report(device, seq=number, sent_at=time.time())
            headers = {"Authorization": f"Bearer {device.token}"}
            found = httpx.post(f"{collector.address}/api/v1/reports", json=body, headers=headers, timeout=60)
            return found.status_code, found.json().get("error", {}).get("code", "")

        assert [said(one, 1), said(two, 2)] == [(200, ""), (200, "")]
        assert call("devices", "revoke", device.device_id, folder=tmp_path).returncode == 0
        for number, collector in enumerate((one, two), start=3):
            ended = partial(said, collector, number)
            wait_until(lambda ended=ended: ended() == (403, "revoked"), timeout=5, what="the revocation")
