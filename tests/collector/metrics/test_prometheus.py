"""A real Prometheus finds the shards of a running collector, with its token, and is asked for what it stored."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from collector.commands import call_here
from sqlalchemy import update
from support import free_port, wait_until
from support.estates import Estate
from support.running import Running, running

from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import open_engine, write_transaction

SHIPPED = Path(__file__).parents[3] / "deploy/prometheus/prometheus.yml"
DEVICES = 40
JOB = "roadworthy-devices"


@dataclass
class Prometheus:
    """A running Prometheus."""

    port: int
    log: Path

    def ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(
            {name.replace("match", "match[]"): text for name, text in parameters.items()}
        )
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=60
        ) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        """Return the single value of a query now, None while there is none."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def waits_for(self, query: str, value: float) -> None:
        last: list[Any] = []

        def met() -> bool:
            last[:] = [self.value(query)]
            return last[0] == value

        try:
            wait_until(met, timeout=60, what=f"{query} == {value}")
        except AssertionError as error:
            error.add_note(f"it is {last[0]}; targets: {self.targets()}; {self.log.read_text()[-2000:]}")
            raise

    def targets(self) -> list[tuple[str, str, str]]:
        """Return (health, address, last error) of the targets of the device job."""
        found = self.ask("targets", state="active")["activeTargets"]
        return sorted(
            (target["health"], target["scrapeUrl"], target["lastError"])
            for target in found
            if target["labels"]["job"] == JOB
        )

    def series(self) -> set[str]:
        """Return every device series it has ever stored, as text."""
        found = self.ask("series", match='{__name__=~"roadworthy_device_.+"}')
        return {json.dumps(labels, sort_keys=True) for labels in found}


@contextmanager
def prometheus(collector: Running, token: Path, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus with the shipped configuration, in a hurry."""
    config = yaml.safe_load(
        SHIPPED.read_text("utf-8").replace("127.0.0.1:8470", f"127.0.0.1:{collector.port}")
    )
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    for scrape in config["scrape_configs"]:
        scrape["authorization"]["credentials_file"] = str(token)
        for discovery in scrape.get("http_sd_configs", ()):
            discovery["refresh_interval"] = "1s"
            discovery["authorization"]["credentials_file"] = str(token)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    port = free_port()
    started = Prometheus(port, folder / "prometheus.log")
    command = [
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with started.log.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield started
    finally:
        process.terminate()
        process.wait(30)


def fill(database: Path) -> list[int]:
    """Put devices into the collector's database that were heard just now and need not call for a day."""
    engine = open_engine(database)
    estate = Estate(engine, database)
    made = []
    for number in range(DEVICES):
        device = estate.device(
            site=f"Site {number % 3}",
            model='19" \\ rack' if number == 0 else f"Model {number % 5}",
            last_report_at=int(time.time()),
            next_call_seconds=86400,
            now={"cpu_ratio": number / DEVICES, "uptime_seconds": float(number)},
        )
        estate.startup(
            device, total_seconds=float(number), phases=[{"name": "kernel", "seconds": float(number)}]
        )
        made.append(device)
    engine.dispose()
    return made


def fall_silent(database: Path, device: int) -> None:
    engine = open_engine(database)
    with write_transaction(engine) as connection:
        silent = update(schema.devices).where(schema.devices.c.id == device).values(last_report_at=1)
        connection.execute(silent)
    engine.dispose()


@pytest.mark.needs("prometheus")
def test_prometheus_finds_scrapes_and_forgets_devices(tmp_path: Path) -> None:
    done = call_here("first-start", "--secrets", str(tmp_path / "secrets"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    database = tmp_path / "data/roadworthy.db"
    devices = fill(database)
    token = tmp_path / "secrets/scrape-token"
    port = free_port()

    with running("up", folder=tmp_path, port=port, ROADWORTHY_DEVICE_DETAIL="true") as collector:
        collector.wait_ready()
        assert collector.get("/sd/devices")[0] == collector.get("/metrics")[0] == 401
        with prometheus(collector, token, tmp_path) as found:
            wait_until(lambda: "Server is ready" in found.log.read_text(), what="Prometheus")
            found.waits_for("count(roadworthy_device_info)", DEVICES)
            found.waits_for(f'sum(up{{job="{JOB}"}})', 1)
            found.waits_for("sum(roadworthy_device_startup_seconds)", sum(range(DEVICES)))
            found.waits_for('roadworthy_devices{site="Site 1",state="reporting"}', 13)
            found.waits_for("count(roadworthy_process_resident_memory_bytes)", 1)
            before = found.series()
            assert len(before) == 7 * DEVICES
            labels = [json.loads(text) for text in before]
            assert {series["instance"] for series in labels} == {"roadworthy"}
            assert {series["job"] for series in labels} == {JOB}
            assert not any("shard" in series for series in labels)
            assert '19" \\ rack' in {series.get("model") for series in labels}

            collector.process.terminate()
            collector.process.wait(60)
            # Without jobs: what is asked from here on is of devices, and `serve` answers it alone.
            with running(
                "serve", folder=tmp_path, port=port, ROADWORTHY_DEVICE_DETAIL="true", ROADWORTHY_SHARDS="3"
            ) as again:
                again.wait_ready()
                found.waits_for(f'count(up{{job="{JOB}",shard=~"[012]/3"}} == 1)', 3)
                wait_until(
                    lambda: [target[0] for target in found.targets()] == ["up"] * 3, what="three targets"
                )
                found.waits_for("count(roadworthy_device_info)", DEVICES)
                assert found.series() == before, "another number of shards made new series"

                fall_silent(database, devices[0])
                found.waits_for("count(roadworthy_device_info)", DEVICES - 1)
                found.waits_for("count(roadworthy_device_startup_seconds)", DEVICES - 1)
