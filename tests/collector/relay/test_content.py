"""Many reports made one: no item of history goes, the newest of the latest words stays, every byte of an item too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from collector.ingest.samples import DECODER, NOW, Device, encoded, period, recorded, report, startup
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from roadworthy_collector.ingest import validate, wire
from roadworthy_collector.ingest.history import content_hash
from roadworthy_collector.relay import content

DEVICE = Device(1, "rwd_" + "a" * 32, "")
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/wire/report-v1.schema.json").read_text())
RECORDED = [
    path.stem
    for path in sorted((Path(__file__).parents[2] / "contract" / "reports").glob("*.json"))
    if json.loads(path.read_text("utf-8"))["schema_version"].startswith("1.")
]

some_reports = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "periods": st.lists(st.integers(0, 9).map(lambda n: period(1800 * n)), max_size=3),
            "startups": st.lists(st.integers(0, 9).map(lambda n: startup(f"boot:{n}")), max_size=2),
            "gaps": st.lists(
                st.integers(0, 9).map(lambda n: {"from": n, "to": n + 1, "kind": "off"}), max_size=2
            ),
            "now": st.integers(0, 99).map(lambda at: {"at": float(at), "start": 0, "observed_seconds": 1}),
            "facts": st.sampled_from([{"hostname": "a"}, {"hostname": "b"}]),
            "probes": st.sampled_from([[{"probe": "x", "status": "ok"}]]),
        },
    ),
    min_size=1,
    max_size=8,
)


def decoded(**parts: Any) -> wire.Report:
    return DECODER.decode(encoded(report(DEVICE, **parts))).report


@given(some_reports)
def test_merging_loses_no_item_of_history_and_keeps_the_newest_words(found: list[dict[str, Any]]) -> None:
    reports = [decoded(seq=n + 1, **parts) for n, parts in enumerate(found)]
    merged = content.merge(reports)
    for name in content.HISTORY:
        assert list(getattr(merged, name)) == [item for one in reports for item in getattr(one, name)]
    for name in content.LATEST:
        told = [getattr(one, name) for one in reports if getattr(one, name)]
        assert getattr(merged, name) == (told[-1] if told else getattr(reports[-1], name))
    assert merged.seq == len(reports)
    assert content.decode(content.encode(merged)) == content.decode(
        content.encode(content.unpack(content.pack(merged)))
    )


@given(some_reports)
def test_the_parts_of_a_report_make_it_again(found: list[dict[str, Any]]) -> None:
    whole = content.merge([decoded(**parts) for parts in found])
    parts = content.parts(whole)
    assert content.rebuilt(whole, parts) == whole
    middle = len(parts) // 2
    halves = [content.rebuilt(whole, parts[:middle]), content.rebuilt(whole, parts[middle:])]
    assert content.history_items(whole) == sum(map(content.history_items, halves))
    assert content.parts(content.rebuilt(whole, ())) == []


@pytest.mark.parametrize("name", RECORDED)
def test_a_forwarded_report_is_the_devices_own_in_the_contracts_form(name: str) -> None:
    own = DECODER.decode(encoded(recorded(name) | {"device_id": DEVICE.device_id})).report
    sent = content.encode(content.unpack(content.pack(own)), "rwd_" + "b" * 32)
    Draft202012Validator(SCHEMA).validate(json.loads(sent))
    again = DECODER.decode(sent)
    assert again.refused == []
    assert again.report.device_id == "rwd_" + "b" * 32
    assert msgspec.structs.replace(again.report, device_id=own.device_id) == own
    for field in content.HISTORY:
        assert [*map(content_hash, getattr(again.report, field))] == [*map(content_hash, getattr(own, field))]


def test_reports_of_two_streams_or_too_many_items_are_not_merged() -> None:
    one, other = decoded(), decoded(instance="f" * 16)
    assert content.mergeable([one, one, other, one]) == 2
    long = decoded(gaps=[{"from": n, "to": n + 1, "kind": "off"} for n in range(400)])
    assert content.mergeable([long, long]) == 1
    assert content.with_gaps(long, [(n, n + 1) for n in range(101)]) is None


def test_only_what_was_accepted_is_kept() -> None:
    bounds = validate.Bounds.at(NOW, 30)
    found = decoded(periods=[period(), period(7)], now={"at": 1.0, "start": 0, "observed_seconds": 1})
    kept = content.keep_good(found, bounds)
    assert [item.start for item in kept.periods] == [period()["start"]]
    assert kept.now is None
    good = decoded(periods=[period()])
    assert content.keep_good(good, bounds) is good


def test_what_is_passing() -> None:
    now = {"at": 1.0, "start": 0, "observed_seconds": 1}
    assert content.is_passing(decoded(now=now))
    assert not content.is_passing(decoded(now=now, periods=[period()]))
    assert not content.is_passing(decoded(now=now, facts={"hostname": "x"}))
    assert not content.is_passing(decoded(now=now, probes=[{"probe": "x", "status": "ok"}]))
