"""What comes in is bounded before it is read, and read before it is believed."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from collector.ingest.samples import DECODER, Device, encoded, period, recorded, report, startup
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.errors import EnvelopeError
from roadworthy_collector.ingest.decode import gunzip

DEVICE = Device(1, f"rwd_{'a' * 32}", "")
LIMIT = 100_000


def refusal(body: bytes) -> EnvelopeError:
    with pytest.raises(EnvelopeError) as caught:
        DECODER.decode(body)
    return caught.value


@given(st.binary(max_size=5000))
def test_gzip_returns_what_was_compressed(plain: bytes) -> None:
    assert gunzip(gzip.compress(plain), LIMIT) == plain


def test_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert len(gunzip(gzip.compress(b"x" * LIMIT), LIMIT)) == LIMIT
    with pytest.raises(EnvelopeError) as caught:
        gunzip(gzip.compress(b"x" * (LIMIT + 1)), LIMIT)
    assert (caught.value.status, caught.value.code) == (413, "decompressed_too_large")


def test_a_zip_bomb_is_stopped_at_the_limit() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()
    assert len(bomb) < 1_048_576  # 300 MB that fit into a body
    with pytest.raises(EnvelopeError, match="larger than 100000 bytes"):
        gunzip(bomb, LIMIT)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"not gzip", "not gzip"),
        (b"", "ends early"),
        (gzip.compress(b"hello")[:-4], "ends early"),
        (gzip.compress(b"hello") + b"more", "4 bytes follow"),
        (gzip.compress(b"hello") + gzip.compress(b"again"), "bytes follow"),
        (gzip.compress(b"hello")[:-8] + bytes(8), "not gzip"),
    ],
    ids=["garbage", "empty", "cut short", "trailing garbage", "second member", "wrong checksum"],
)
def test_broken_gzip_is_named(body: bytes, said: str) -> None:
    with pytest.raises(EnvelopeError, match=said) as caught:
        gunzip(body, LIMIT)
    assert (caught.value.status, caught.value.code) == (400, "bad_gzip")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"schema_version": "1.0"} tail',
        b'{"schema_version": NaN}',
        b'{"schema_version": "\xff"}',
        b'{"schema_version": "\\ud800"}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["empty", "cut", "binary", "tail", "nan", "utf-8", "surrogate", "deep unknown field"],
)
def test_malformed_json_is_named(body: bytes) -> None:
    error = refusal(body)
    assert (error.status, error.code) == (400, "malformed_json")


@pytest.mark.parametrize("version", ["2.0", "0.9", "17.3"])
def test_another_major_version_asks_for_an_upgrade_whatever_else_it_holds(version: str) -> None:
    error = refusal(encoded({"schema_version": version, "unheard_of": [1]}))
    assert (error.status, error.code, error.field) == (426, "upgrade_required", "schema_version")
    error = refusal(encoded(report(DEVICE, schema_version=version)))
    assert (error.status, error.code) == (426, "upgrade_required")


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"schema_version": "one"}, "schema_version"),
        ({"schema_version": 1}, "schema_version"),
        ({"device_id": "rwd_short"}, "device_id"),
        ({"instance": "Z" * 16}, "instance"),
        ({"seq": 0}, "seq"),
        ({"seq": 2**63}, "seq"),
        ({"boot_id": ""}, "boot_id"),
        ({"sent_at": "yesterday"}, "sent_at"),
        ({"agent": {"platform": "linux"}}, "agent.version"),
        ({"agent": {"version": "1", "platform": "linux", "rss_bytes": -1}}, "agent.rss_bytes"),
        ({"periods": {}}, "periods"),
        ({"periods": [period()] * 2001}, "periods"),
        ({"gaps": [{}] * 501}, "gaps"),
    ],
)
def test_a_fault_of_the_envelope_names_its_field(parts: dict[str, object], field: str) -> None:
    error = refusal(encoded(report(DEVICE, **parts)))
    assert (error.status, error.code, error.field) == (400, "schema", field)


@pytest.mark.parametrize(
    "field", ["schema_version", "device_id", "instance", "seq", "boot_id", "sent_at", "agent"]
)
def test_every_required_field_of_the_envelope_is_required(field: str) -> None:
    body = report(DEVICE, periods=[{"start": "bad"}])
    del body[field]
    error = refusal(encoded(body))
    assert (error.code, error.field) == ("schema", field)


def test_a_report_that_is_no_object_is_refused() -> None:
    error = refusal(b"[1, 2]")
    assert (error.status, error.code) == (400, "schema")


def test_bad_items_are_found_and_the_others_kept() -> None:
    body = report(
        DEVICE,
        periods=[period(), period(1789000200, samples="many"), {"start": 1788998400}, 7],
        startups=[startup(), startup("boot-2:0", phases=[{"name": "Not A Name", "seconds": 1}])],
        gaps=[{"from": 5, "to": 6}],
        probes=[{"probe": "ok_one", "status": "ok"}, {"probe": "x"}],
        facts={"hostname": 5},
        now={"at": 1},
    )
    decoded = DECODER.decode(encoded(body))
    assert [each.start for each in decoded.report.periods] == [period()["start"]]
    assert [each.start_id for each in decoded.report.startups] == ["boot-1:0"]
    assert [each.probe for each in decoded.report.probes] == ["ok_one"]
    assert (decoded.report.gaps, decoded.report.facts, decoded.report.now) == ((), None, None)
    assert {(each.answer.item, each.answer.key, each.answer.field) for each in decoded.refused} == {
        ("period", 1789000200, "samples"),
        ("period", 1788998400, "observed_seconds"),
        ("period", None, None),
        ("startup", "boot-2:0", "phases[0].name"),
        ("gap", 5, "kind"),
        ("probe", "x", "status"),
        ("facts", None, "hostname"),
        ("now", None, "start"),
    }
    assert {each.answer.code for each in decoded.refused} == {"schema"}


def test_reading_item_by_item_reads_good_items_the_same() -> None:
    body = recorded("full")
    whole = DECODER.decode(encoded(body))
    piecewise = DECODER.decode(encoded(body | {"gaps": [*body["gaps"], "bad"]}))
    assert whole.refused == []
    assert piecewise.report == whole.report
    assert len(piecewise.refused) == 1


def test_a_large_bad_item_is_not_kept_whole() -> None:
    large = period(samples="x" * 5000)
    decoded = DECODER.decode(encoded(report(DEVICE, periods=[large])))
    assert decoded.refused[0].content is None


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from(["periods", "startups", "signins", "gaps", "probes", "facts", "now", "agent", "sent_at"]),
)
def test_nothing_but_a_typed_error_ever_comes_of_any_json(value: object, field: str) -> None:
    body = json.dumps(report(DEVICE, **{field: value})).encode("utf-8", "surrogatepass")
    try:
        DECODER.decode(body)
    except EnvelopeError as error:
        code = error.code
    else:
        code = "taken"
    assert code in {"taken", "schema", "malformed_json"}
