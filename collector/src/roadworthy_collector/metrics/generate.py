"""Writes what is made from the catalogue: docs/metrics.md and the dashboards' catalogue.json.

Run as `make generate`; both files are committed and a test holds them against the catalogue.
"""

from __future__ import annotations

import json
from pathlib import Path

from roadworthy_collector.metrics.catalogue import CATALOGUE, MAX_MEMBERS, Endpoint, Metric

DOCS = Path("docs/metrics.md")
DASHBOARDS = Path("dashboards/src/roadworthy_dashboards/catalogue.json")
_ROOT = Path(__file__).resolve().parents[4]

_INTRODUCTION = f"""\
# Metrics

<!-- Made by `make generate` from collector/src/roadworthy_collector/metrics/catalogue.py; edit that. -->

Every name starts with `roadworthy_`, is in base units and carries one set of labels for ever. A value that is not
known makes no sample: missing is never zero. A grouping shows its {MAX_MEMBERS} largest members by name and adds the
rest up under `other`; devices that have not said which member they are stand under `unknown`. Restricted sites are
counted in totals only. What is told of people (sign-ins, device state, how busy their devices are) is told of no group of fewer than five
devices; sign-ins of smaller groups count under `other`, for good, at the moment they are counted. How many devices of a
site report, are late or are missing is told of every open site, however small: a site nobody hears must be noticed. At a
site of one device that says within the hour whether it is on; who must not know it marks the site restricted.
"""
_SECTIONS = {
    Endpoint.METRICS: "The collector's own health and roll-ups of the IT estate; thousands of series, never one per device.",
    Endpoint.DEVICES: "Per-device detail, off by default beyond loopback, in shards listed by `/sd/devices`. "
    "`device_id` is the only label that identifies a device. A device silent for three of its intervals leaves.",
    Endpoint.REMOTE_WRITE: "Sent to a receiver at the end of each closed half-hour, together with "
    "`roadworthy_device_energy_joules_total`; see [remote-write.md](remote-write.md). Never scraped.",
    Endpoint.JOBS: 'With the setting `rollups_at` = "jobs", at `roadworthy jobs`, beside all that is of the whole '
    "database; see [several-collectors.md](several-collectors.md).",
}


def catalogue_markdown() -> str:
    """Return docs/metrics.md."""
    parts = [_INTRODUCTION]
    for endpoint, words in _SECTIONS.items():
        rows = [row for row in CATALOGUE if row.endpoint is endpoint]
        parts.append(
            f"\n## `{endpoint}`\n\n{words}\n\n| metric | kind | unit | labels | meaning | how known | since |\n"
        )
        parts.append("|---|---|---|---|---|---|---|\n")
        parts += [_line(row) for row in rows]
    return "".join(parts)


def catalogue_json() -> str:
    """Return the dashboards' catalogue: the rows, and under `series` the names queries may use with their labels."""
    document = {
        "metrics": [
            {
                "name": row.name,
                "kind": row.kind,
                "unit": row.unit,
                "help": row.help,
                "known": row.known,
                "labels": list(row.labels),
                "endpoint": row.endpoint,
                "since": row.since,
                "series": list(row.series),
            }
            for row in CATALOGUE
        ]
    }
    return json.dumps(document, indent=2) + "\n"


def write(root: Path) -> list[Path]:
    """Write both files under `root`, the repository; return their paths."""
    made = {DOCS: catalogue_markdown(), DASHBOARDS: catalogue_json()}
    for path, text in made.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(made)


def _line(row: Metric) -> str:
    cells = (
        f"`{row.name}`",
        row.kind,
        row.unit or "1",
        ", ".join(f"`{label}`" for label in row.labels) or "none",
        row.help,
        row.known,
        row.since,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    for path in write(_ROOT):
        print(path)  # noqa: T201 - a command's output
