"""From a targets file to the page: an agent that answers over UDP, the job that polls it, and what people see of it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from collector.commands import call_here
from collector.ingest.samples import rows
from collector.relay.sites import Site, relay_of
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from support import wait_until
from support.databases import make_sqlite
from support.snmp_responder import Agent, Responder
from support.web import client_of

from roadworthy_collector.jobs import fleet, polls
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import polled as polled_metrics
from roadworthy_collector.settings import Settings
from roadworthy_collector.snmp import feeding, keeping, refused_feeds
from roadworthy_collector.snmp.poller import Poller
from roadworthy_collector.snmp.readings import DeviceAnswer, Identity
from roadworthy_collector.snmp.recording import read_recording
from roadworthy_collector.snmp.shown import list_targets
from roadworthy_collector.snmp.targets import read_targets
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.schema import device_now, devices
from roadworthy_collector.store.snmp_schema import feeds, snmp_targets

RECORDING = Path(__file__).parents[2] / "devices" / "snmp" / "apc_smt3000-nmc3" / "walk.snmprec"
HOST = "127.77.0.1"


class AtOnce(random.Random):
    """Asks each target at once in place of some time within its first interval."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the way random.Random has it
        return a


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls, "Poller", partial(Poller, rng=AtOnce()))


@pytest.fixture
def port() -> Iterator[int]:
    with Responder({HOST: Agent(read_recording(RECORDING))}) as responder:
        yield responder.port


def targets(folder: Path, port: int, *, named: str = "comms 1") -> Path:
    community = folder / "community"
    community.write_text("public\n")
    community.chmod(0o600)
    path = folder / "targets.toml"
    path.write_text(f"""
[credentials.old]
version = "2c"
community_file = "{community}"
[[target]]
name = "{named}"
host = "{HOST}"
port = {port}
credentials = "old"
site = "County Hall"
every_seconds = 30
[target.feeds]
all = "nothing known"
""")
    return path


class Job:
    """The polls of one jobs process; `end` stops it as the process does."""

    def __init__(self, engine: Any, settings: Settings) -> None:
        self.stop = threading.Event()
        self.work = Work(engine, settings, stop=self.stop, rests=False)
        self.written = 0

    def until_written(self, count: int = 1) -> None:
        def look() -> bool:
            self.written += polls.poll(self.work)
            return self.written >= count

        wait_until(look, what="a poll that was written")

    def end(self) -> None:
        self.stop.set()
        polls._HELD[self.stop].poller.join(5)


def test_a_target_becomes_a_device_on_the_page_and_in_metrics(tmp_path: Path, port: int) -> None:
    settings = Settings(data=tmp_path, poll_targets_file=targets(tmp_path, port))
    make_sqlite(settings.sqlite_file, real=True)
    engine = open_engine(settings.database)
    first = Job(engine, settings)
    first.until_written()
    polls.poll(first.work)  # the run after: what the file says of it holds from now, not in ten minutes
    (device,) = rows(engine, devices)
    assert [(row["feeder"], row["source"]) for row in rows(engine, feeds)] == [(device["id"], "targets")]
    first.end()
    assert (device["device_class"], device["vendor"], device["model"]) == ("ups", "APC", "Smart-UPS 3000")
    fleet.compute(Work(engine, settings, rests=False))
    client = client_of(engine, tmp_path, time.time())
    page = client.get("/power").text
    for words in ("comms 1", "1,134 W", "County Hall", "battery replace"):
        assert words in page, words
    assert "efficiency" in client.get(f"/devices/{device['device_id']}").text  # refused, with its reason
    metrics = client.get("/metrics").text
    assert 'roadworthy_target_up{target="comms 1",kind="ups",site="County Hall"} 1' in metrics
    assert 'roadworthy_site_polled_watts{site="County Hall",kind="ups"} 1134' in metrics
    client.close()

    # Another process goes on with the same device, and states what hangs on it, now that it is one.
    second = Job(engine, settings)
    second.until_written()
    assert [row["device_id"] for row in rows(engine, devices)] == [device["device_id"]]
    assert [(row["feeder"], row["fed"], row["source"]) for row in rows(engine, feeds)] == [
        (device["id"], None, "targets")
    ]
    # Taken out of the file it is asked no more; the device and its history stay.
    targets(tmp_path, port, named="another name for it")
    wait_until(
        lambda: polls.poll(second.work) >= 0 and len(rows(engine, snmp_targets)) == 2,
        what="the file read anew",
    )
    second.end()
    assert {row["name"]: row["removed"] for row in rows(engine, snmp_targets)} == {
        "comms 1": True,
        "another name for it": False,
    }
    engine.dispose()


def test_a_targets_file_counts_as_taken_up_once_the_table_says_so(tmp_path: Path, port: int) -> None:
    settings = Settings(data=tmp_path, poll_targets_file=targets(tmp_path, port))
    make_sqlite(settings.sqlite_file, real=True)
    engine = open_engine(settings.database)
    job = Job(engine, settings)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE snmp_targets RENAME TO away"))
    with pytest.raises(OperationalError):
        polls.poll(job.work)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO snmp_targets"))
    job.until_written()
    assert [row["name"] for row in rows(engine, snmp_targets)] == ["comms 1"]
    job.end()
    engine.dispose()


def test_neither_a_wrong_feed_nor_an_answer_that_cannot_be_kept_stops_the_others(
    tmp_path: Path, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = targets(tmp_path, port)
    path.write_text(path.read_text().replace('"nothing known"', '"AS1912000001"'))  # its own serial number
    settings = Settings(data=tmp_path, poll_targets_file=path)
    make_sqlite(settings.sqlite_file, real=True)
    engine = open_engine(settings.database)
    job = Job(engine, settings)
    job.until_written()
    polls.poll(job.work)
    assert "comms 1, outlet all: a device cannot feed itself" in caplog.text
    with engine.connect() as connection:
        (shown,) = list_targets(connection)
    assert shown["feeds_refused"] == "outlet all: a device cannot feed itself"
    client = client_of(engine, tmp_path, time.time())
    page = client.get("/power").text
    assert "the targets file says what cannot be: <bdi>outlet all: a device cannot feed itself</bdi>" in page
    client.close()

    # No text of ours holds half a character; should one ever, the database refuses it.
    poller = polls._HELD[job.stop].poller
    (polled,) = read_targets(path)
    bad = DeviceAnswer(identity=Identity(kind="ups", model="\ud800"), profiles=("x",), why=(), readings=())
    now = time.time()
    some = [keeping.Outcome(polled, now + 1 + second, 0.1, bad) for second in (0, 10)]
    poller.put_back([*some, keeping.Outcome(polled, now + 20, 0.1, code="no_answer", reason="none")])
    refused = 0
    while refused < 20:
        try:
            polls.poll(job.work)
        except UnicodeError:
            refused += 1
        else:
            break
    (row,) = rows(engine, snmp_targets)
    assert (row["outcome"], row["failures"]) == ("no_answer", 3)

    # What is kept stays through polls, is no reading, and goes when the file says something else.
    later = replace(polled, feeds={"": ("nothing known",)})
    good = DeviceAnswer(identity=Identity(kind="ups"), profiles=("x",), why=(), readings=())
    with write_transaction(engine) as connection:
        keeping.write_outcomes(
            connection, [keeping.Outcome(polled, now + 30, 0.1, good)], settings, version="1"
        )
        assert list_targets(connection)[0]["feeds_refused"] == "outlet all: a device cannot feed itself"
        found = polled_metrics.read(connection, now + 30, "UTC")
    assert 'roadworthy_target_refused_readings{target="comms 1",kind="ups"} 0' in polled_metrics.render(found)
    write = partial(write_transaction, engine)
    said = feeding.take_all(engine.connect, write, [later], now=now, zone="UTC")
    refused_feeds.note(engine.connect, write, [later], said)
    (row,) = rows(engine, snmp_targets)
    assert row["refused"] == []
    job.end()
    engine.dispose()


def test_a_csv_file_the_targets_file_names_is_looked_at_wherever_it_lies(tmp_path: Path, port: int) -> None:
    path = targets(tmp_path, port)
    (tmp_path / "lists").mkdir()
    more = tmp_path / "lists" / "more.csv"
    more.write_text("name,host,credentials\n")
    path.write_text('include = ["lists/more.csv"]\n' + path.read_text())
    settings = Settings(data=tmp_path, poll_targets_file=path)
    make_sqlite(settings.sqlite_file, real=True)
    engine = open_engine(settings.database)
    job = Job(engine, settings)
    polls.poll(job.work)
    more.write_text("name,host,credentials\nprinter,127.77.0.9,old\n")
    polls.poll(job.work)
    assert {row["name"] for row in rows(engine, snmp_targets)} == {"comms 1", "printer"}
    job.end()
    engine.dispose()


def test_polling_once_states_feeds_and_names_duplicates(tmp_path: Path, port: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    settings = Settings(data=data)
    make_sqlite(settings.sqlite_file, real=True)
    path = targets(tmp_path, port)
    # The same address by another login: a file cannot tell that it is one device, its serial number does.
    other = path.read_text().replace("[credentials.old]", "[credentials.new]").replace("comms 1", "comms 2")
    (tmp_path / "both.toml").write_text(path.read_text() + other.replace('= "old"', '= "new"'))
    done = call_here(
        *("snmp", "poll", "--once", "--targets", str(tmp_path / "both.toml"), "--format", "json"),
        folder=tmp_path,
    )
    told = {one["target"]: (one["outcome"], one["why"]) for one in json.loads(done.stdout)}
    assert (done.returncode, told["comms 1"]) == (1, ("ok", None))
    assert told["comms 2"][0] == "duplicate"
    assert "the device of the target comms 1" in told["comms 2"][1]
    engine = open_engine(settings.database)
    (device,) = rows(engine, devices)
    assert [(row["feeder"], row["fed"], row["source"]) for row in rows(engine, feeds)] == [
        (device["id"], None, "targets")
    ]
    engine.dispose()


def test_polling_another_file_once_takes_nobodys_place(tmp_path: Path, port: int) -> None:
    data = tmp_path / "data"
    data.mkdir()
    settings = Settings(data=data, poll_targets_file=targets(tmp_path, port))
    make_sqlite(settings.sqlite_file, real=True)
    engine = open_engine(settings.database)
    job = Job(engine, settings)
    job.until_written()
    polls.poll(job.work)
    other = tmp_path / "other"
    other.mkdir()
    (other / "two.toml").write_text((tmp_path / "targets.toml").read_text().replace("comms 1", "comms 2"))
    call_here(
        *("snmp", "poll", "--once", "--targets", str(other / "two.toml")),
        folder=tmp_path,
        ROADWORTHY_POLL_TARGETS_FILE=str(tmp_path / "targets.toml"),
    )
    assert {row["name"]: row["removed"] for row in rows(engine, snmp_targets)} == {
        "comms 1": False,
        "comms 2": False,
    }
    assert [row["valid_to"] for row in rows(engine, feeds)] == [None]
    job.end()
    engine.dispose()


def test_what_a_relay_polls_appears_at_the_main_collector(tmp_path: Path, port: int) -> None:
    (tmp_path / "main").mkdir()
    main = Site(tmp_path / "main")
    relay = relay_of(tmp_path / "relay", main, poll_targets_file=targets(tmp_path, port))
    job = Job(relay.engine, relay.settings)
    job.until_written()
    job.end()
    with main.serving():
        assert relay.forward() == 1
    (there,) = main.devices()
    (here,) = relay.devices()
    assert there["device_id"] != here["device_id"]
    assert there["relayed_by"] == relay.state()["id"]
    assert (there["device_class"], there["serial"]) == ("ups", here["serial"])
    (told,) = rows(main.engine, device_now)
    readings = {one["name"]: one.get("value", one.get("text")) for one in told["now"]["readings"]}
    assert readings["output_power"] == 1134
    assert told["now"]["flags"]["battery_replace"] is True
    assert rows(main.engine, snmp_targets) == []  # how polls go stays at the relay
    client = client_of(main.engine, tmp_path / "main", time.time())
    assert "1,134 W" in client.get("/power").text
    assert "By another collector" in client.get(f"/devices/{there['device_id']}").text
    client.close()
    relay.engine.dispose()
    main.engine.dispose()
