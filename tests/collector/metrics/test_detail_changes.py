"""The detail kept up to date says the same, to the byte, as one read from scratch, whatever has happened."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update
from support.estates import NOW, Estate

from roadworthy_collector.metrics.shards import Shards, render_shard
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.statements import upsert

INTERVAL_SECONDS = 900
STEPS = 80


class History:
    """Lets things happen to a small IT estate, as ingest and administrators do them, on a clock that may step."""

    def __init__(self, estate: Estate, seed: int) -> None:
        self.estate = estate
        self.random = random.Random(seed)  # noqa: S311 - chooses, hides nothing
        self.now = int(NOW)
        self._boots = self._renamed = 0
        for _ in range(12):
            self.enrol()

    def happen(self) -> str:
        """Let one thing happen; return what."""
        events: tuple[Callable[[], None], ...] = (
            *(self.hear, self.hear, self.hear, self.hear_out_of_order, self.tell_facts, self.tell_probes),
            *(self.start_up, self.start_up, self.finish_start_up, self.close_half_hour, self.enrol),
            *(self.retire, self.restrict_or_release, self.move, self.rename, self.erase),
            *(self.wait, self.wait_long, self.step_back),
        )
        event = self.random.choice(events)
        event()
        return event.__name__

    def enrol(self) -> None:
        site = self.random.choice(("HQ", "Depot", "Safe house"))
        now = {"cpu_ratio": 0.5, "now": {}} if self.random.random() < 0.8 else None
        heard = self.now if self.random.random() < 0.8 else None
        self.estate.device(site=site, model="A", now=now, last_report_at=heard, latest_sent_at=0.0)

    def hear(self) -> None:
        """Report: the columns ingest always writes, and the open half-hour."""
        self._report(lambda *_: None)

    def hear_out_of_order(self) -> None:
        """Report what was sent before the newest report, which may be of the same second: only a start-up shows."""
        self._report(self._put_startup, in_order=False)

    def tell_facts(self) -> None:
        def write(connection: Connection, device: int) -> None:
            values = {"model": self.random.choice("ABC"), "facts_at": self.now, "facts_sent_at": self._sent()}
            connection.execute(update(schema.devices).where(schema.devices.c.id == device).values(values))
            for table, row in (
                (schema.batteries, {"name": "BAT0", "health_ratio": self.random.random(), "cycles": 3}),
                (schema.disks, {"name": "sda", "medium": "ssd", "wear_ratio": self.random.random()}),
            ):
                connection.execute(delete(table).where(table.c.device == device))
                if self.random.random() < 0.7:
                    connection.execute(insert(table).values(device=device, **row))

        self._report(write)

    def tell_probes(self) -> None:
        def write(connection: Connection, device: int) -> None:
            table = schema.probe_status
            connection.execute(delete(table).where(table.c.device == device))
            for probe in self.random.sample(("os", "storage", "power"), 2):
                status = self.random.choice(("ok", "error"))
                row = {"probe": probe, "status": status, "since": 0, "updated_at": 0}
                connection.execute(insert(table).values(device=device, **row))
            values = {"probes_sent_at": self._sent()}
            connection.execute(update(schema.devices).where(schema.devices.c.id == device).values(values))

        self._report(write)

    def start_up(self) -> None:
        self._report(self._put_startup)

    def finish_start_up(self) -> None:
        def write(connection: Connection, device: int) -> None:
            table = schema.startups
            mine = (table.c.device == device) & table.c.final.is_(False)
            connection.execute(
                update(table).where(mine).values(final=True, total_seconds=self.random.random())
            )

        self._report(write)

    def close_half_hour(self) -> None:
        def write(connection: Connection, device: int) -> None:
            scope = self.random.choice(("cpu", "wall"))
            row = {"until": self.now, "quality": "sensor", "counter_end_joules": self.random.randrange(2**40)}
            connection.execute(upsert(schema.energy_counters), {"device": device, "scope": scope, **row})

        self._report(write)

    def retire(self) -> None:
        self._change(retired_at=self.random.choice((None, self.now)))

    def move(self) -> None:
        site, unit = self.random.choice(("HQ", "Depot")), self.random.choice(("IT", "Fleet"))
        self._change(site=self.estate.site(site), unit=self.estate.unit(unit))

    def restrict_or_release(self) -> None:
        table = schema.sites
        with write_transaction(self.estate.engine) as connection:
            restricted = self.random.random() < 0.5
            connection.execute(
                update(table).where(table.c.name == "Safe house").values(restricted=restricted)
            )

    def rename(self) -> None:
        """Rename a site or unit; who enrols later finds the old name free."""
        table, name = self.random.choice(((schema.sites, "HQ"), (schema.units, "IT")))
        self._renamed += 1
        with write_transaction(self.estate.engine) as connection:
            connection.execute(
                update(table).where(table.c.name == name).values(name=f"{name} {self._renamed}")
            )

    def erase(self) -> None:
        """Let a device go; on SQLite the next one may get its row id."""
        device = self._device(newest=True)
        with write_transaction(self.estate.engine) as connection:
            connection.execute(delete(schema.devices).where(schema.devices.c.id == device))

    def wait(self) -> None:
        self.now += self.random.choice((0, 1, 4, 60))

    def wait_long(self) -> None:
        self.now += 1800

    def step_back(self) -> None:
        self.now -= self.random.choice((1, 60, 3600))

    def _report(self, write: Callable[[Connection, int], None], *, in_order: bool = True) -> None:
        device = self._device()
        values: dict[str, Any] = {
            "last_report_at": self.now,
            "next_call_seconds": self.random.choice((None, 600, 900)),
        }
        if in_order:
            values["latest_sent_at"] = self._sent()
        with write_transaction(self.estate.engine) as connection:
            connection.execute(update(schema.devices).where(schema.devices.c.id == device).values(values))
            if in_order:
                now = {
                    "energy": [{"scope": "cpu", "quality": "sensor", "latest_watts": self.random.random()}]
                }
                row = {
                    "at": self.now,
                    "start": 0,
                    "observed_seconds": 60,
                    "uptime_seconds": self.random.random(),
                }
                ratios = {"cpu_ratio": None, "memory_ratio": self.random.random()}
                connection.execute(upsert(schema.device_now), {"device": device, "now": now, **row, **ratios})
            write(connection, device)

    def _put_startup(self, connection: Connection, device: int) -> None:
        """Put a start-up in: newer or older than others, sometimes of the same instant as another."""
        self._boots += 1
        row = {
            "start_id": f"{self.random.randrange(2**32):08x}-{self._boots}",
            "revision": 1,
            "final": self.random.random() < 0.6,
            "kind": "cold",
            "environment": "physical",
            "started_at": float(NOW + self.random.randrange(-4, 4)),
            "total_seconds": self.random.choice((None, 12.5)),
            "quality": "measured",
            "phases": [{"name": "kernel", "seconds": self.random.random()}],
            "factors": [],
            "content_hash": b"12345678",
        }
        connection.execute(insert(schema.startups).values(device=device, **row))

    def _change(self, **values: Any) -> None:
        """Change a device as an administrator does; no report comes with it."""
        device = self._device()
        with write_transaction(self.estate.engine) as connection:
            connection.execute(update(schema.devices).where(schema.devices.c.id == device).values(values))

    def _device(self, *, newest: bool = False) -> int:
        with self.estate.engine.connect() as connection:
            found = connection.scalars(select(schema.devices.c.id).order_by(schema.devices.c.id)).all()
        return found[-1] if newest else self.random.choice(found)

    def _sent(self) -> float:
        """Return when a device sent something: no two say the same."""
        return self.now + self.random.random()


@pytest.mark.parametrize("seed", range(2))
def test_kept_up_to_date_is_as_read_from_scratch(estate: Estate, seed: int) -> None:
    history = History(estate, seed)
    kept = Shards(estate.engine, interval_seconds=INTERVAL_SECONDS)
    said = 0
    for _ in range(STEPS):
        happened = history.happen()
        if history.random.random() < 0.3:
            continue  # several things happen between two looks
        kept.look(history.now)
        # Not every shard is asked for each time, nor always of as many.
        shards = history.random.choice((1, 2, 5))
        for shard in history.random.sample(range(shards), min(shards, 2)):
            body = b"".join(kept.render(shard, shards, now=history.now))
            scratch = render_shard(
                estate.engine, shard, shards, now=history.now, interval_seconds=INTERVAL_SECONDS
            )
            assert body == scratch, f"after {happened}"
            said += len(body)
    assert said > 0


def test_only_what_has_changed_is_read_again(estate: Estate, now: float) -> None:
    devices = [estate.device(now={"cpu_ratio": 0.5}) for _ in range(4)]
    kept = Shards(estate.engine, interval_seconds=INTERVAL_SECONDS)
    assert kept.look(now) == 4
    kept.render(0, 1, now=now)
    assert kept.look(now) == 0
    with write_transaction(estate.engine) as connection:
        one = schema.devices.c.id == devices[2]
        connection.execute(update(schema.devices).where(one).values(last_report_at=int(now) - 30))
        # Told of a device that says nothing of it: nobody looks there.
        connection.execute(update(schema.device_now).values(cpu_ratio=0.75))
    assert kept.look(now) == 1
    body = b"".join(kept.render(0, 1, now=now)).decode()
    assert body.count("} 0.75\n") == 1
    assert body.count("} 0.5\n") == 3
