"""Is this file one that can be taken at all? A first pass over a large one counts its rows and keeps none of them.

Rows that are understood are held until the last of them proves right, and so is what is set aside: some kilobyte a row.
A file of two gigabytes would fill a machine before the row that refuses it. So what is too long is found out before.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from roadworthy_inventory.importing import archive
from roadworthy_inventory.importing.decoding import read_head
from roadworthy_inventory.importing.problems import UnreadableFileError
from roadworthy_inventory.importing.reading import ZIP, is_text, open_table

TEXT_BYTES = 512 * 1024 * 1024
SURE_BYTES = 64 * 1024 * 1024  # whatever a file of this size holds, its cells are no more
_REMEDY = "split it"


class Scan:
    """What a pass over the bytes of a file shows: its size, and how many rows it can have at the most."""

    __slots__ = ("most_rows", "size")

    def __init__(self) -> None:
        self.size = 0
        self.most_rows = 1

    def see(self, piece: bytes) -> None:
        """Take the next bytes. A row ends with CR, LF or both; in UTF-16 these bytes may be half of something else."""
        self.size += len(piece)
        self.most_rows += piece.count(b"\n") + piece.count(b"\r")

    def is_sure(self, most_rows: int) -> bool:
        """Whether the file is short enough without being looked through."""
        return self.size <= SURE_BYTES and self.most_rows <= most_rows


def ensure_fits(stream: BinaryIO, file: str, *, most_rows: int) -> None:
    """Return where a seekable file has at most `most_rows` rows under its header and TEXT_BYTES of text.

    Memory holds a piece and a row. UnreadableFileError names the line that is too many. A workbook is unpacked in
    pieces and counted (see `archive`); other files are as long as their own reading allows. The stream is left at its
    start.
    """
    stream.seek(0)
    head = read_head(stream)
    if head.startswith(ZIP):
        archive.check(file, stream)
    elif is_text(head):
        _count(stream, file, most_rows)
    stream.seek(0)


def _count(stream: BinaryIO, file: str, most_rows: int) -> None:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    for number, (line, _cells) in enumerate(open_table(stream, file).rows, 1):
        if number > most_rows:
            raise too_many(file, most_rows, line)
        if size > TEXT_BYTES and number % 100 == 1 and stream.tell() > TEXT_BYTES:
            raise UnreadableFileError(
                file, f"has {size >> 20:,} MB; at most {TEXT_BYTES >> 20} MB are read", _REMEDY, line=line
            )


def too_many(file: str, most_rows: int, line: int) -> UnreadableFileError:
    """Return the refusal of a file with more than `most_rows` rows; the first too many begins on `line`."""
    return UnreadableFileError(file, f"has more than {most_rows:,} rows", _REMEDY, line=line)
