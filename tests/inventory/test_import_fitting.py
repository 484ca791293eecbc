"""Files too long to be taken are refused before anything of them is held; read in pieces or whole is the same."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.importing import decoding, fitting
from roadworthy_inventory.importing.fitting import Scan, ensure_fits
from roadworthy_inventory.importing.problems import ImportRefusedError, UnreadableFileError
from roadworthy_inventory.importing.reading import open_table

HEAD = 48


class Slow:
    """A stream that gives `head` bytes as they are asked for, and then `at_once` of them, or all that is left."""

    def __init__(self, body: bytes, head: int, at_once: int | None) -> None:
        self._stream = io.BytesIO(body)
        self._head, self._at_once, self._given = head, at_once, 0

    def read(self, size: int, /) -> bytes:
        if self._given < self._head:
            size = min(size, self._head - self._given)
        else:
            size = -1 if self._at_once is None else self._at_once
        piece = self._stream.read(size)
        self._given += len(piece)
        return piece


def outcome(body: bytes, at_once: int | None) -> tuple[object, ...]:
    """Return all that is known of a file: its header, its rows with their lines, its notes; or why it is refused."""
    told: list[object] = []
    try:
        table = open_table(Slow(body, HEAD, at_once), "file.csv")
        told.append(table.header)
        told.extend(table.rows)
    except ImportRefusedError as error:
        told += [type(error).__name__, str(error), error.line, error.column]
    else:
        told += [table.notes, table.may_be_broken, table.is_guessed]
    return tuple(map(repr, told))


PARTS = st.lists(
    st.sampled_from(
        ["a", "Serial", ",", ";", "\t", "|", '"', '""', "\r", "\n", "\r\n", " ", "=1", "\u00e9", "\u20ac", "\U0001f600", "\0", "x" * 9]
    ),
    max_size=60,
).map("".join)  # fmt: skip
STARTS = st.sampled_from(
    ["", "Tag,Serial\r\n", "sep=;\nTag;Serial\n", '"Tag","Se\nrial"\r', "Report of today\n\nTag\tA\tB\n"]
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])


def encoded(text: str, encoding: str) -> bytes:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    return mark + text.encode(encoding, "replace")


@given(STARTS, PARTS, ENCODINGS, st.binary(max_size=3), st.integers(1, 9))
def test_in_pieces_and_whole_is_the_same(
    start: str, text: str, encoding: str, broken: bytes, at_once: int
) -> None:
    body = encoded(start + text, encoding) + broken + encoded("\nlast,row", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            decoding, "PIECE_BYTES", HEAD
        )  # so that the rest of a short file comes after its head too
        assert outcome(body, at_once) == outcome(body, None)


def lines(count: int, ends: bytes) -> bytes:
    return b"Tag,Serial" + ends + b"".join(b"FP%d,S%d%s" % (one, one, ends) for one in range(count))


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([b"\n", b"\r", b"\r\n"]), st.booleans())
def test_a_scan_is_sure_of_no_file_that_is_too_long(
    count: int,
    most: int,
    ends: bytes,
    wide: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    body = lines(count, ends)
    if wide:
        body = body.decode().encode("utf-16")
    scan = Scan()
    for at in range(0, len(body), 7):
        scan.see(body[at : at + 7])
    assert scan.size == len(body)
    if count <= most:
        ensure_fits(io.BytesIO(body), "file.csv", most_rows=most)
        return
    with pytest.raises(UnreadableFileError, match=f"has more than {most} rows") as refused:
        ensure_fits(io.BytesIO(body), "file.csv", most_rows=most)
    assert refused.value.line == most + 2  # after the header
    assert not scan.is_sure(most)


def test_a_long_file_is_refused_with_its_line_and_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    body = io.BytesIO(
        b"Tag,Notes\n" + b"".join(b'FP%d,"%s\n%s"\n' % (one, b"x" * 400, b"y" * 400) for one in range(9000))
    )
    monkeypatch.setattr(fitting, "TEXT_BYTES", 4 * 1024 * 1024)
    tracemalloc.start()
    with pytest.raises(UnreadableFileError, match=r"has 6 MB; at most 4 MB are read") as refused:
        ensure_fits(body, "file.csv", most_rows=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.line is not None
    least = 4 * 1024 * 1024 - decoding.PIECE_BYTES  # a piece is read before its rows are seen
    assert least // 820 * 2 <= refused.value.line <= 4 * 1024 * 1024 // 800 * 2 + 400
    assert peak < 3 * 1024 * 1024


def test_a_workbook_is_looked_at_without_being_held() -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/workbook.xml", b"<workbook/>")
        made.writestr("xl/worksheets/sheet1.xml", b" " * (80 * 1024 * 1024))
    tracemalloc.start()
    with pytest.raises(UnreadableFileError, match="unpacks to more than 200 times its size"):
        ensure_fits(body, "file.xlsx", most_rows=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("body", [b"", b'[{"a": 1}]'])
def test_what_is_no_table_of_text_is_left_to_its_reading(body: bytes) -> None:
    stream: io.BytesIO = io.BytesIO(body)
    ensure_fits(stream, "file", most_rows=1)
    assert stream.tell() == 0
