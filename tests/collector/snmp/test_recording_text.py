"""Recordings are read strictly, and written so that reading gives the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_collector.snmp.recording import (
    RecordingError,
    parse_recording,
    read_recording,
    recording_text,
)

OIDS = st.lists(st.integers(0, 4294967295), min_size=2, max_size=12).map(tuple)
VALUES = st.one_of(st.integers(-(1 << 31), (1 << 64) - 1), st.binary(max_size=60), OIDS)


EACH_TAG = """# a comment
1.3.1.0|2|-5
.1.3.2.0|4|a|b
1.3.3.0|4x|00FF
1.3.4.0|5|
1.3.5.0|6|1.3.6.1
1.3.6.0|64|10.0.0.1
1.3.7.0|64x|0A000002

1.3.8.0|65|4294967295
1.3.9.0|66|7
1.3.10.0|67|100
1.3.11.0|70|18446744073709551615
1.3.12.0|2x|-1f
1.3.13.0|68x|9f78
1.3.14.0|4|@
"""


def test_each_tag_gives_its_value() -> None:
    text = EACH_TAG.replace("@", "B\xfcro")
    assert parse_recording(text) == {
        (1, 3, 1, 0): -5,
        (1, 3, 2, 0): b"a|b",
        (1, 3, 3, 0): b"\x00\xff",
        (1, 3, 5, 0): (1, 3, 6, 1),
        (1, 3, 6, 0): b"\x0a\x00\x00\x01",
        (1, 3, 7, 0): b"\x0a\x00\x00\x02",
        (1, 3, 8, 0): 4294967295,
        (1, 3, 9, 0): 7,
        (1, 3, 10, 0): 100,
        (1, 3, 11, 0): 18446744073709551615,
        (1, 3, 12, 0): -31,
        (1, 3, 13, 0): b"\x9fx",
        (1, 3, 14, 0): b"B\xfcro",
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.3.1.0|2", "a line is OID|tag|value"),
        ("1.3.x|2|1", "'1.3.x' is no OID: numbers with dots between them"),
        (
            "1.3.1.0|4xx|00",
            "tag '4xx' is not known; known are 2, 4, 4x, 5, 6, 64, 64x, 65, 66, 67, 68, 68x, 70, 2x",
        ),
        (
            "1.3.1.0|2:numeric|1",
            "tag '2:numeric' is not known; known are 2, 4, 4x, 5, 6, 64, 64x, 65, 66, 67, 68, 68x, 70, 2x",
        ),
        ("1.3.1.0|2|one", "'one' is no whole number"),
        ("1.3.1.0|2|1_0", "'1_0' is no whole number"),
        ("1.3.1.0|2x|zz", "'zz' is no hexadecimal number"),
        ("1.3.1.0|2|2147483648", "2147483648 does not fit tag 2 (-2147483648 to 2147483647)"),
        ("1.3.1.0|66|-1", "-1 does not fit tag 66 (0 to 4294967295)"),
        ("1.3.1.0|4x|abc", "'abc' is no hexadecimal text, as tag 4x wants"),
        ("1.3.1.0|6|one", "'one' is no OID: numbers with dots between them"),
        ("1.3.1.0|64|10.0.0.256", "'10.0.0.256' is no IP address of version 4"),
        ("1.3.1.0|64|10.0.0", "'10.0.0' is no IP address of version 4"),
        ("1.3.0.0|2|1", "1.3.0.0 is given a second time"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str) -> None:
    with pytest.raises(RecordingError) as caught:
        parse_recording(f"1.3.0.0|2|1\n{line}\n", name="walk.snmprec")
    assert str(caught.value) == f"walk.snmprec, line 2: {message}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        read_recording(tmp_path / "none.snmprec")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_recording(text)
    except RecordingError as error:
        assert "line " in str(error)  # noqa: PT017  # either outcome is right; only another error is wrong


@given(st.dictionaries(OIDS, VALUES, max_size=12))
def test_what_is_written_reads_the_same(values: dict[Any, Any]) -> None:
    assert parse_recording(recording_text(values)) == values
