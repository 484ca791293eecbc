"""Is this spreadsheet safe to open? An XLSX file is a zip archive, and a few kilobytes of it can fill a machine.

What an archive says of its own sizes is not believed: every member is inflated here once, in pieces, counted and
thrown away, before anything else opens it. A sheet with two cells in opposite corners is as bad: readers make room
for all cells between them, so the corners are looked at too.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import BinaryIO

from roadworthy_inventory.importing.problems import UnreadableFileError

FILE_BYTES = 256 * 1024 * 1024
INFLATED_BYTES = 1024 * 1024 * 1024
SMALL_BYTES = 64 * 1024 * 1024  # below this no ratio is suspicious: empty sheets compress very well
RATIO = 200
MEMBERS = 10_000
CELLS = 20_000_000
_PIECE = 1024 * 1024
_COLUMN = re.compile(rb"""\br\s*=\s*["']\s*([A-Za-z]{1,4})[0-9]""")
_ROW = re.compile(rb"""\br\s*=\s*["']\s*[A-Za-z]{0,4}([0-9]{1,9})""")
_OVERLAP = 64
_REMEDY = "open it in a spreadsheet program and save the sheet as CSV UTF-8"


def check(file: str, stream: BinaryIO) -> frozenset[str]:
    """Return where the XLSX file in `stream` is safe to open; UnreadableFileError naming the reason otherwise.

    What is returned are the members that hold cells whose formulas gave an error. `stream` must be seekable and is left at its start.
    """
    stream.seek(0, 2)
    size = stream.tell()
    if size > FILE_BYTES:
        raise UnreadableFileError(file, f"is a spreadsheet of more than {FILE_BYTES >> 20} MB", _REMEDY)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(file, f"is a broken archive ({error})", _REMEDY) from None
    _check_names(file, members)
    total = 0
    broken = set()
    for member in members:
        corner = _Corner(file, member.filename)
        total += _check_member(file, stream, member, INFLATED_BYTES - total, corner)
        if corner.has_errors:
            broken.add(member.filename)
        if total > SMALL_BYTES and total > size * RATIO:
            raise UnreadableFileError(file, f"unpacks to more than {RATIO} times its size", _REMEDY)
    stream.seek(0)
    return frozenset(broken)


def _check_names(file: str, members: list[zipfile.ZipInfo]) -> None:
    names = {member.filename for member in members}
    if len(members) > MEMBERS:
        raise UnreadableFileError(file, f"is an archive of {len(members):,} members", _REMEDY)
    if "xl/workbook.xml" not in names or "mimetype" in names or "xl/workbook.bin" in names:
        raise UnreadableFileError(file, "is an archive but no XLSX workbook", "save it as XLSX or CSV UTF-8")
    if len(names) != len(members):
        raise UnreadableFileError(file, "holds two members of one name", _REMEDY)
    if any(member.flag_bits & 1 for member in members):
        raise UnreadableFileError(file, "is protected by a password", "save it without one")


def _check_member(file: str, stream: BinaryIO, member: zipfile.ZipInfo, room: int, corner: _Corner) -> int:
    """Inflate one member in pieces and return its true size; UnreadableFileError beyond `room` bytes."""
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise UnreadableFileError(file, f"{member.filename} is packed in an unusual way", _REMEDY)
    if member.file_size > room:
        raise UnreadableFileError(file, f"unpacks to more than {INFLATED_BYTES >> 20} MB", _REMEDY)
    header = b""
    if member.header_offset >= 0:
        stream.seek(member.header_offset)
        header = stream.read(30)
    if len(header) < 30:
        raise UnreadableFileError(file, f"is a broken archive ({member.filename} is cut off)", _REMEDY)
    stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    inflate = zlib.decompressobj(-15) if member.compress_type == zipfile.ZIP_DEFLATED else None
    left, total = member.compress_size, 0
    while left > 0 and (packed := stream.read(min(_PIECE, left))):
        left -= len(packed)
        while packed:
            try:
                piece = inflate.decompress(packed, _PIECE) if inflate else packed
            except zlib.error as error:
                raise UnreadableFileError(
                    file, f"is a broken archive ({member.filename}: {error})", _REMEDY
                ) from None
            packed = inflate.unconsumed_tail if inflate else b""
            total += len(piece)
            if total > room:
                raise UnreadableFileError(file, f"unpacks to more than {INFLATED_BYTES >> 20} MB", _REMEDY)
            corner.see(piece)
    return total


class _Corner:
    """The furthest row and column a member names a cell of, and whether a formula in it gave an error."""

    __slots__ = ("_columns", "_file", "_name", "_row", "_tail", "_watched", "has_errors")

    def __init__(self, file: str, name: str) -> None:
        self._file = file
        self._name = name
        self._watched = "sheet" in name.casefold() or name.casefold().endswith(".xml")
        self._watched = self._watched and not name.casefold().endswith(("sharedstrings.xml", "styles.xml"))
        self._tail = b""
        self._row = 0
        self._columns = 0
        self.has_errors = False

    def see(self, piece: bytes) -> None:
        if not self._watched:
            return
        text = self._tail + piece
        self._tail = text[-_OVERLAP:]
        self.has_errors = self.has_errors or b't="e"' in text or b"t='e'" in text
        self._columns = max([self._columns, *map(column_number, set(_COLUMN.findall(text)))])
        self._row = max([self._row, *map(int, set(_ROW.findall(text)))])
        if self._row * max(self._columns, 1) > CELLS:
            raise UnreadableFileError(
                self._file,
                f"{self._name} reaches to row {self._row:,} and column {self._columns:,}: more than {CELLS:,} cells",
                "delete the empty rows and columns around the table, or save the sheet as CSV UTF-8",
            )


def column_number(letters: bytes) -> int:
    """Return the number of a column from 1: A is 1, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
