from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from roadworthy_collector.metrics import generate
from roadworthy_collector.metrics.catalogue import CATALOGUE, Endpoint, Kind, Metric, metric
from roadworthy_collector.metrics.text import labels

ROOT = Path(__file__).parents[3]


def test_a_name_stands_once_and_carries_one_set_of_labels() -> None:
    names = [row.name for row in CATALOGUE]
    series = [name for row in CATALOGUE for name in row.series]
    assert len(set(names)) == len(names)
    assert len(set(series)) == len(series)
    for row in CATALOGUE:
        assert len(set(row.labels)) == len(row.labels)


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)
def test_a_row_says_everything(row: Metric) -> None:
    assert re.fullmatch(r"roadworthy_[a-z0-9_]+", row.name)
    assert row.help.endswith(".")
    assert row.known
    assert re.fullmatch(r"\d+\.\d+\.\d+", row.since)
    assert (row.kind is Kind.COUNTER) == row.name.endswith("_total")
    assert (row.kind is Kind.INFO) == row.name.endswith("_info")
    if row.unit in {"seconds", "bytes", "ratio", "joules"} and not row.name.endswith(f"_{row.unit}"):
        assert row.name.endswith(f"_{row.unit}_total")
    if row.endpoint in {Endpoint.DEVICES, Endpoint.REMOTE_WRITE}:
        assert row.labels[0] == "device_id"
    else:
        assert "device_id" not in row.labels


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        metric("roadworthy_nonsense")


@pytest.mark.parametrize(
    ("path", "made"),
    [(generate.DOCS, generate.catalogue_markdown), (generate.DASHBOARDS, generate.catalogue_json)],
    ids=["docs", "dashboards"],
)
def test_what_is_made_from_it_is_current(path: Path, made: Callable[[], str]) -> None:
    assert (ROOT / path).read_text("utf-8") == made(), "run `make generate`"


def test_generate_writes_both_files(tmp_path: Path) -> None:
    for path in (generate.DOCS, generate.DASHBOARDS):
        (tmp_path / path).parent.mkdir(parents=True)
    for path in generate.write(tmp_path):
        assert (tmp_path / path).read_text("utf-8") == (ROOT / path).read_text("utf-8")


@pytest.mark.needs("promtool")
def test_promtools_linter_accepts_every_row() -> None:
    lines = []
    for row in CATALOGUE:
        pair = labels(row.labels, ["x"] * len(row.labels))
        lines.append(row.header)
        if row.kind is Kind.HISTOGRAM:
            bucket = labels((*row.labels, "le"), [*["x"] * len(row.labels), "+Inf"])
            lines += [
                f"{row.name}_bucket{bucket} 1\n",
                f"{row.name}_sum{pair} 1\n",
                f"{row.name}_count{pair} 1\n",
            ]
        else:
            lines.append(f"{row.name}{pair} 1\n")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input="".join(lines), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)
def test_no_label_is_one_prometheus_sets_itself(row: Metric) -> None:
    """A scraped `job` or `instance` would be renamed to `exported_job`, and `le` belongs to the buckets."""
    assert not set(row.labels) & {"job", "instance", "le", "quantile", "exported_job", "exported_instance"}
