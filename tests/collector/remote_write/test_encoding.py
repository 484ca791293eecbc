"""The message, read back by a decoder that knows nothing of how it was written."""

from __future__ import annotations

import math

from collector.remote_write.receivers import STALE, bits, decode
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.remote_write import protobuf
from roadworthy_collector.remote_write.series import Labels, Row, encode

texts = st.text(st.characters(codec="utf-8"), max_size=300)
values = st.one_of(st.none(), st.floats(allow_nan=False))
samples = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), values), max_size=5)


@given(st.lists(st.tuples(st.dictionaries(texts, texts, max_size=8), samples), max_size=6))
def test_what_is_written_is_what_is_read(series: list[tuple[dict[str, str], list[protobuf.Sample]]]) -> None:
    message = protobuf.write_request((protobuf.labels(pairs), told) for pairs, told in series)
    assert decode(message) == [
        (
            tuple(sorted((name, value) for name, value in pairs.items() if value)),
            [(at, STALE if value is None else bits(value)) for at, value in told],
        )
        for pairs, told in series
    ]


def test_the_stale_marker_is_prometheus_own_nan() -> None:
    ((_, ((_, marker),)),) = decode(protobuf.write_request([(b"", [(0, None)])]))
    ((_, ((_, nan),)),) = decode(protobuf.write_request([(b"", [(0, math.nan)])]))
    assert marker == 0x7FF0000000000002
    assert nan != marker


@given(st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,9}", fullmatch=True), texts, max_size=6))
def test_labels_are_sorted_and_none_is_empty(extra: dict[str, str]) -> None:
    found = Labels(extra).of("rwd_1", "energy:cpu:sensor")
    ((named, _),) = decode(protobuf.write_request([(found, [])]))
    names = [name for name, _ in named]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert all(value for _, value in named)
    own = {
        "__name__": "roadworthy_device_energy_joules_total",
        "device_id": "rwd_1",
        "scope": "cpu",
        "quality": "sensor",
        "job": "roadworthy-remote-write",
        "instance": "roadworthy",
    }
    assert dict(named) == {name: value for name, value in extra.items() if value and name not in own} | own


def test_only_the_energy_counter_tells_scope_and_quality() -> None:
    for key in ("cpu", "memory"):
        ((named, _),) = decode(protobuf.write_request([(Labels({}).of("rwd_1", key), [])]))
        assert dict(named) == {
            "__name__": f"roadworthy_device_half_hour_{key}_ratio",
            "device_id": "rwd_1",
            "job": "roadworthy-remote-write",
            "instance": "roadworthy",
        }


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 50), st.sampled_from(["cpu", "memory"]), st.floats(0, 1)),
        max_size=30,
        unique_by=lambda one: one[:3],
    )
)
def test_each_series_stands_once_in_order_of_time(told: list[tuple[int, int, str, float]]) -> None:
    rows = [
        Row(number, f"rwd_{device}", slot * 1800, 1800, [(key, value)])
        for number, (device, slot, key, value) in enumerate(sorted(told, key=lambda one: one[1]))
    ]
    found = decode(encode(rows, Labels({})))
    assert len({labels for labels, _ in found}) == len(found)
    for _, held in found:
        assert [at for at, _ in held] == sorted({at for at, _ in held})
    assert sum(len(held) for _, held in found) == len(told)
