"""How fast a collector takes reports in, what each costs, and whether it loses one.

    make bench-ingest ARGS="--devices 10000 --seconds 20"
    python bench/ingest.py --tls --new-connections --rate 111 --devices 100000    100,000 devices every 15 minutes
    python bench/ingest.py --herd --devices 100000 --compress 10                  a morning: all within ten minutes
    python bench/ingest.py --restart                                              kill -9 in the middle
    python bench/ingest.py --store postgresql
    python bench/ingest.py --ceiling                                              what the generator itself could do
    python bench/ingest.py --bounded                                              small, for CI: judged by right or wrong

Starts a real collector (`roadworthy serve`) on a temporary folder, enrols the devices, and sends the bodies recorded
reports have: gzipped, with each device's token, ids and times. Everything is measured from outside: answers by the
clock of the generator, processor time and memory out of /proc. At the end every acknowledged item must be in the
database exactly once. The last line of the output is one JSON object; the exit code is 1 if anything was lost,
doubled or refused, never because it was slow.

To try a collector of your own: docs/load.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent_measure import free_port
from load import peers
from load.bounded import bounded
from load.crew import Crew
from load.elsewhere import elsewhere
from load.figures import ceiling_summary, faults, summary
from load.measure import Wanted, ceiling_crew, measure
from load.plan import parse_mixture
from load.processes import cpu_seconds
from load.show import peers_table, table
from load.task import Figures

# program: its Debian package
PUSHGATEWAY = {"prometheus-pushgateway": "prometheus-pushgateway"}
POSTGRESQL = {"initdb": "postgresql-15"}


def main() -> None:
    """Measure as asked; print a table and one JSON object."""
    asked = parser().parse_args()
    wanted = read(asked)
    if asked.url is not None:
        sys.exit(elsewhere(asked, wanted))
    install(asked)
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}\n", flush=True)
    told: dict[str, Any]
    if asked.bounded:
        told, wrong = bounded()
    elif asked.ceiling:
        told, wrong = run_ceiling(wanted), []
    else:
        told, wrong = run(wanted, with_peers=not asked.no_peers)
    print(json.dumps(told))
    if wrong:
        sys.exit("\n".join(wrong))


def run(wanted: Wanted, *, with_peers: bool) -> tuple[dict[str, Any], list[str]]:
    """Do one run; return its figures and what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        found = measure(wanted, Path(folder))
    told = summary(found)
    print(table(found, told), flush=True)
    wrong = faults(found)
    if wrong:
        print(f"\nthe collector's last words:\n{found.log}")
    told["peers"] = {}
    if with_peers:
        with tempfile.TemporaryDirectory(prefix="bench-peers-") as folder:
            gateway = peers.pushgateway(wanted.devices, wanted.connections, Path(folder), wanted.seconds)
            told["peers"] = {"pushgateway": gateway, "sqlite3": peers.disk(Path(folder))}
            if wanted.mode == "closed" and not (wanted.tls or wanted.new_connections):
                told["peers"]["prototype"] = run_prototype(wanted, Path(folder))
        print(peers_table(told["peers"]), flush=True)
    return told, wrong


def run_prototype(wanted: Wanted, folder: Path) -> dict[str, Any]:
    """Return what the prototype of docs/performance.md does with the same bodies and connections."""
    short = replace(wanted, seconds=min(wanted.seconds, peers.MOST_SECONDS))
    port = free_port()
    return peers.prototype(ceiling_crew(short, folder, port), port, folder, short.seconds)


def run_ceiling(wanted: Wanted) -> dict[str, Any]:
    """Return what the generator reaches against a server that answers at once."""
    with tempfile.TemporaryDirectory(prefix="bench-ceiling-") as folder, peers.yes_server() as port:
        crew: Crew = ceiling_crew(wanted, Path(folder), port)
        try:
            begin = crew.begin() + wanted.warm_up_seconds
            time.sleep(max(0.0, begin - time.time()))
            before = cpu_seconds(crew.pids)
            time.sleep(wanted.seconds)
            used = cpu_seconds(crew.pids) - before
            figures: Figures = crew.wait()
        finally:
            crew.end()
    told = ceiling_summary(figures, wanted.seconds, used)
    print(
        f"a server that says yes at once: {told['reports_per_s']:,.0f} reports/s with "
        f"{told['generator_cores']:.2f} cores of the generator, {told['generator_cpu_ms_per_report']} ms a report"
    )
    return {"ceiling": told}


def install(asked: argparse.Namespace) -> None:
    """Install what is missing, first of all, so that it is never in a figure."""
    wanted = {} if asked.no_peers or asked.ceiling else dict(PUSHGATEWAY)
    peers.install(wanted)
    if asked.store == "postgresql":
        from load.postgres import programs

        peers.install(POSTGRESQL, missing=lambda _program: programs() is None)


def read(asked: argparse.Namespace) -> Wanted:
    """Return what is asked for."""
    names = set(vars(asked)) & set(Wanted.__dataclass_fields__)
    wanted = Wanted(**{name: getattr(asked, name) for name in names})
    mode = "herd" if asked.herd else "open" if asked.rate else "closed"
    return replace(wanted, mode=mode, mixture=tuple(asked.mixture.items()))


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    plain = Wanted()
    made.add_argument("--devices", type=int, default=plain.devices)
    made.add_argument(
        "--seconds", type=float, default=plain.seconds, help="how long is measured, after the warm-up"
    )
    made.add_argument("--warm-up-seconds", type=float, default=plain.warm_up_seconds)
    made.add_argument("--store", choices=("sqlite", "postgresql"), default=plain.store)
    made.add_argument(
        "--connections", type=int, default=plain.connections, help="kept, or at once (default 64)"
    )
    made.add_argument("--new-connections", action="store_true", help="one for each report, as most agents do")
    made.add_argument(
        "--rate", type=float, default=0.0, help="reports a second, due at random times: an open loop"
    )
    made.add_argument("--tls", action="store_true", help="with a certificate made here, ECDSA P-256")
    made.add_argument("--rsa", action="store_true", help="RSA 2048 instead, to compare")
    made.add_argument("--processes", type=int, default=plain.processes, help="of the generator")
    _add_kinds(made, plain)
    own = made.add_argument_group("a collector of your own (docs/load.md)")
    own.add_argument("--url", help="where it answers, such as https://collector.example:8470")
    own.add_argument("--enrolment-key-file", type=Path, help="file with a key, mode 0600")
    own.add_argument(
        "--ca-file", type=Path, help="certificate authority of its certificate, if it is not a public one"
    )
    own.add_argument(
        "--add-devices", action="store_true", help="yes, put simulated devices into that collector"
    )
    return made


def _add_kinds(made: argparse.ArgumentParser, plain: Wanted) -> None:
    """Add the options of single kinds of run."""
    made.add_argument("--with-jobs", action="store_true", help="run `roadworthy jobs` beside `serve`")
    made.add_argument("--over-api", action="store_true", help="enrol with a key, not straight into the store")
    made.add_argument("--mixture", type=_mixture, default=_mixture("now=48,period=48,startup=2,facts=2"))
    made.add_argument(
        "--restart", action="store_true", help="kill -9 the collector in the middle, and start it again"
    )
    made.add_argument(
        "--herd", action="store_true", help="all devices come within --window-seconds, as they are told"
    )
    made.add_argument(
        "--window-seconds", type=float, default=plain.window_seconds, help="of a herd (default 600)"
    )
    made.add_argument(
        "--compress", type=float, default=plain.compress, help="how much faster a herd's time runs"
    )
    made.add_argument("--calls", type=int, default=plain.calls, help="of each device of a herd (default 2)")
    made.add_argument(
        "--patience-seconds", type=float, default=plain.patience_seconds, help="for a herd to get through"
    )
    made.add_argument("--ceiling", action="store_true", help="measure the generator alone")
    made.add_argument(
        "--bounded", action="store_true", help="small runs of every kind in under two minutes, for CI"
    )
    made.add_argument("--no-peers", action="store_true", help="leave the Pushgateway and the disk out")


def _mixture(text: str) -> dict[str, int]:
    try:
        return parse_mixture(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
