"""Load on a collector that runs already, somewhere: what a client sees of it."""

from __future__ import annotations

import argparse
import json
import ssl
import tempfile
from dataclasses import asdict
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from load.crew import Crew
from load.figures import milliseconds, percentile
from load.fleet import enrol_over_api, write_fleet
from load.measure import Wanted, generator_task, make_plan
from load.task import Figures
from roadworthy_collector.settings import LOOPBACK, read_secret

USUAL_PORTS = {"http": 80, "https": 443}


def elsewhere(asked: argparse.Namespace, wanted: Wanted) -> int:
    """Enrol, send, print; return the exit code. Raises SystemExit where it is told too little."""
    parts = _checked(asked)
    tls = parts.scheme == "https"
    context = ssl.create_default_context(cafile=asked.ca_file) if tls else None
    host, port = parts.hostname or "", parts.port or USUAL_PORTS[parts.scheme]
    key = read_secret("--enrolment-key-file", asked.enrolment_key_file)
    plan = make_plan(wanted)
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        print(f"enrolling {wanted.devices:,} devices at {asked.url}", flush=True)
        fleet = enrol_over_api(
            host, port, key, wanted.devices, context=context, prefix=parts.path.rstrip("/")
        )
        write_fleet(Path(folder) / "fleet", fleet)
        task = generator_task(
            wanted,
            host=host,
            port=port,
            name=parts.netloc,
            prefix=parts.path.rstrip("/"),
            tls=tls,
            ca_file=None if asked.ca_file is None else str(asked.ca_file),
            fleet=str(Path(folder) / "fleet"),
            last=len(fleet),
            plan=asdict(plan),
        )
        crew = Crew(task, wanted.processes, Path(folder))
        try:
            crew.begin()
            figures = crew.wait()
        finally:
            crew.end()
    return _print(wanted, figures)


def _checked(asked: argparse.Namespace) -> SplitResult:
    """Return the address, or say what is missing."""
    parts: SplitResult = urlsplit(asked.url)
    if parts.scheme not in USUAL_PORTS or not parts.hostname:
        raise SystemExit(f"{asked.url}: write http://host:port or https://host:port")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SystemExit(f"{asked.url}: tokens go over plain http only within one machine; use https")
    if asked.enrolment_key_file is None:
        raise SystemExit("--enrolment-key-file is missing: `roadworthy enrol-key create` there makes a key")
    if not asked.add_devices:
        raise SystemExit(
            f"{asked.url} would count {asked.devices:,} simulated devices among its own, in every figure and report; "
            "if that is a collector to try things with, say --add-devices"
        )
    return parts


def _print(wanted: Wanted, figures: Figures) -> int:
    """Print what a client saw; return 1 if anything was refused for good."""
    told = {
        "devices": wanted.devices,
        "mode": wanted.mode,
        "reports": figures.answered,
        "reports_per_s": None if wanted.mode == "herd" else round(figures.answered / wanted.seconds, 1),
        "p50_ms": milliseconds(percentile(figures.latencies, 50)),
        "p99_ms": milliseconds(percentile(figures.latencies, 99)),
        "refused": dict(figures.refused),
        "rejected": dict(figures.rejected),
        "broken": figures.broken,
        "left": figures.left,
        "never_sent": figures.never_sent,
    }
    for name, value in told.items():
        print(f"    {name:<20}{value}")
    print(json.dumps(told))
    for_good = [said for said in figures.refused if said[:3] not in {"429", "500", "502", "503", "504"}]
    return 1 if for_good or figures.rejected else 0
