"""A real Prometheus that has scraped the demo for a day: a smaller estate's history put in, then a live collector.

The day before is made with the demo's own clock: the estate is built as of yesterday, told on half-hour by half-hour
through ingest, and what `/metrics` and `/metrics/devices` answered at each step goes into Prometheus as blocks, which
promtool writes. Then `roadworthy demo` runs on the same folder and is scraped once a second, rules included.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

import roadworthy_dashboards
from roadworthy_collector.app import create_app
from roadworthy_collector.demo.build import DAYS, MONTHS, plan
from roadworthy_collector.demo.estate import SEED
from roadworthy_collector.demo.live import tick
from roadworthy_collector.demo.show import make_ready
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.runner import JOBS as JOBS_THERE_ARE
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.settings import Settings
from roadworthy_collector.store.engine import open_engine
from support import free_port, wait_until
from support.crowd import Crowd
from support.running import Running, running
from support.web import Client

DEVICES = 60
# What Grafana puts in for its own variables before Prometheus sees a query.
MACROS = {"__rate_interval": "5m", "__range": "24h", "__interval": "1m"}
RULES = Path(roadworthy_dashboards.__file__).parent / "rules"
_MAKE_FIGURES = (
    *("site_half_hours", "meters", "avoidable", "staff_time", "books", "organisation", "costs"),
    *("startup_parts", "site_figures", "yearly"),
)
JOBS = {"/metrics": "roadworthy", "/metrics/devices": "roadworthy-devices"}


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int
    log: Path

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the `data` of an answer of its API; an error of it is raised with its words."""
        query = urllib.parse.urlencode(parameters).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query.decode()}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters.get('query', path)}: {error.read().decode()}") from None

    def vector(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return what an instant query finds: [{metric, value: [time, text]}]."""
        found: list[dict[str, Any]] = self.ask(
            "query", query=query, **({} if at is None else {"time": f"{at:.3f}"})
        )["result"]
        return found


@dataclass(frozen=True)
class Scraped:
    """The demo behind a Prometheus: `now` is when the live part was complete."""

    prometheus: Prometheus
    collector: Running
    now: float


@contextmanager
def scraped_demo(
    folder: Path,
    *,
    devices: int = DEVICES,
    hours: int = 168,
    step_seconds: int = 21_600,
    crowd: bool = True,
    recorded: bool = False,
) -> Iterator[Scraped]:
    """Build, tell on and scrape a demo of `devices`; the block runs with Prometheus and collector alive.

    A week unless said otherwise: on a Sunday or a bank holiday hardly anything starts up. A `crowd` reports over HTTP,
    so that there is something of what the collector says of reports. `recorded`: the recording rules have a past, too.
    """
    data = folder / "data"
    write_history(folder / "history.om", history(data, devices, hours, step_seconds))
    make_blocks(folder / "history.om", folder / "tsdb")
    if recorded:
        _record(folder, time.time() - hours * 3600, step_seconds)
    arguments = ("demo", "--devices", str(devices))
    with (
        running(*arguments, folder=folder, ROADWORTHY_DEVICE_DETAIL="true") as collector,
        prometheus(folder, collector, lookback_seconds=step_seconds if recorded else 300) as started,
    ):
        collector.wait_ready(120)
        with (
            Crowd(collector.data / "roadworthy.db", devices=6).reporting(collector.port)
            if crowd
            else nullcontext()
        ):
            _wait_until_scraped(started)
        yield Scraped(started, collector, time.time())


def history(data: Path, devices: int, hours: int, step_seconds: int) -> Iterator[tuple[float, str, str]]:
    """Build the estate as of `hours` ago, tell it on, and yield (time, path, text) of what was answered at each step."""
    until = int(time.time())
    settings = Settings(data=data, device_detail=True)
    began = until - hours * 3600
    planned = plan(settings, devices=devices, seed=SEED, days=DAYS, months=MONTHS, now=began)
    make_ready(settings, planned, progress=lambda *_: None)
    engine = open_engine(settings.sqlite_file)
    at = [float(began)]
    work = Work(engine, settings, clock=lambda: at[0], rests=False)
    client = Client(create_app(settings, engine, clock=lambda: at[0]))
    try:
        # The last hours closer together: some rates are of an hour.
        for now in sorted({*range(began, until, step_seconds), *range(until - 9000, until - 900, 1800)}):
            at[0] = float(now)
            tick(engine, settings, now, everybody=True)
            fleet.compute(work)
            for path in JOBS:
                answer = client.get(path)
                assert answer.status_code == 200, answer.text
                yield at[0], path, answer.text
        at[0] = float(until)
        _figures(work)
    finally:
        client.close()
        engine.dispose()


def _figures(work: Work) -> None:
    """Have the jobs make their figures, as they would within the first hour; the newest months of energy come first."""
    jobs = {job.name: job.run for job in JOBS_THERE_ARE}
    while jobs["rollup"](work):
        pass
    while jobs["energy"](work):
        pass
    for name in _MAKE_FIGURES:
        jobs[name](work)


def write_history(path: Path, answers: Iterable[tuple[float, str, str]]) -> None:
    """Write what was answered as OpenMetrics with times, as Prometheus would label it."""
    with path.open("w", encoding="utf-8") as out:
        for at, endpoint, text in answers:
            target = {"job": JOBS[endpoint], "instance": "roadworthy"}
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    out.write(f"{series(sample.name, sample.labels | target)} {sample.value!r} {at:.3f}\n")
        out.write("# EOF\n")


def series(name: str, labels: Mapping[str, str]) -> str:
    """Return a series as the text format writes it."""
    told = ",".join(f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in labels.items())
    return f"{name}{{{told}}}"


def make_blocks(history: Path, tsdb: Path) -> None:
    """Have promtool put a history into Prometheus' folder; it reads all of it anew for every block."""
    longest = "--max-block-duration=168h"
    command = ["promtool", "tsdb", "create-blocks-from", longest, "openmetrics", "--quiet", history, tsdb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def _write_rules(folder: Path, interval: str) -> None:
    folder.mkdir(exist_ok=True)
    for number, source in enumerate(sorted(RULES.rglob("*.yaml"))):
        groups = yaml.safe_load(source.read_text("utf-8"))
        for group in groups["groups"]:
            group["interval"] = interval
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(groups), "utf-8")


def _record(folder: Path, since: float, step_seconds: int) -> None:
    """Have promtool evaluate the recording rules over the history; twice, for some rest on others."""
    _write_rules(folder / "past", f"{step_seconds}s")
    for _ in range(2):
        with prometheus(folder, lookback_seconds=step_seconds) as started:
            command = [
                "promtool", "tsdb", "create-blocks-from", "rules", "--quiet" , f"--url=http://127.0.0.1:{started.port}",
                f"--start={since:.0f}", f"--end={time.time():.0f}",                 f"--output-dir={folder / 'tsdb'}", *sorted((folder / "past").glob("*.yaml")),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr


@contextmanager
def prometheus(
    folder: Path, collector: Running | None = None, *, lookback_seconds: int = 300
) -> Iterator[Prometheus]:
    """Run Prometheus over `folder`/tsdb, with the rules, once a second; it scrapes the collector where there is one."""
    _write_rules(folder / "rules", "2s")  # nobody waits five minutes for a recording rule here
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "2s"},
        "rule_files": [str(folder / "rules" / "*.yaml")],
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": path,
                "static_configs": [
                    {"targets": [f"127.0.0.1:{collector.port}"], "labels": {"instance": "roadworthy"}}
                ],
            }
            for path, job in JOBS.items()
            if collector is not None
        ],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config), "utf-8")
    port = free_port()
    started = Prometheus(port, folder / "prometheus.log")
    command = [
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        "--storage.tsdb.retention.time=3650d",
        f"--query.lookback-delta={lookback_seconds}s",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with started.log.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"TZ": "UTC"}
        )
    try:
        wait_until(lambda: _answers(started), timeout=60, what="Prometheus")
        yield started
    finally:
        process.terminate()
        process.wait(30)


def _answers(started: Prometheus) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{started.port}/-/ready", timeout=10):
            return True
    except OSError:  # no answer yet, or the 503 of one that reads its blocks
        return False


def _wait_until_scraped(started: Prometheus) -> None:
    """Wait until both jobs were scraped twice, what the jobs make is there, and every rule ran twice since."""
    for job in JOBS.values():
        query = f'count_over_time(up{{job="{job}"}}[5m]) > 2 and up{{job="{job}"}} == 1'
        wait_until(lambda query=query: started.vector(query), timeout=60, what=query)  # type: ignore[misc] # bound above
    wait_until(lambda: started.vector("roadworthy_site_verdict_devices"), timeout=120, what="the ratings")
    since = time.time() + 4
    wait_until(lambda: all(_evaluated(started, since)), timeout=60, what="the rules")


def _evaluated(started: Prometheus, since: float) -> Iterator[bool]:
    for group in started.ask("rules")["groups"]:
        told = datetime.fromisoformat(group["lastEvaluation"][:19] + "+00:00")
        yield told.timestamp() > since


def variables_of(board: Mapping[str, Any], asked: Prometheus) -> dict[str, str]:
    """Return what Grafana would put in for the variables of a board on opening it; of devices one that is on."""
    found = dict(MACROS)
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "query":
            found[name] = (
                variable["allValue"] if variable.get("includeAll") else newest(variable, found, asked)
            )
        elif variable["type"] == "textbox":
            found[name] = a_device(asked)
        elif variable["type"] == "constant":
            found[name] = variable["query"]
    return found


def newest(variable: Mapping[str, Any], known: Mapping[str, str], asked: Prometheus) -> str:
    selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr] # fails here otherwise
    answers = asked.vector(f"count by ({label}) ({filled(selector, known)})")
    assert answers, f"{variable['name']}: {variable['query']} finds nothing"
    return max(answer["metric"].get(label, "") for answer in answers)


def a_device(asked: Prometheus) -> str:
    """Return a device of which as much is told as of any."""
    answers = asked.vector(
        'topk(1, count by (device_id) (count by (device_id, __name__) ({__name__=~"roadworthy_device_.+"})))'
    )
    return str(answers[0]["metric"]["device_id"])


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables put in; what label_replace calls `$1` is none."""
    return re.sub(
        r"\$\{?(\w+)(?::\w+)?\}?", lambda name: name[0] if name[1].isdigit() else variables[name[1]], text
    )
