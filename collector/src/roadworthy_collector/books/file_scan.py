"""The first pass over a file that is to be imported: what names it, and whether it is short enough to be read."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from roadworthy_inventory.importing.fitting import Scan, ensure_fits
from roadworthy_inventory.importing.items import MOST_ROWS

_PIECE = 1024 * 1024


def scanned(
    stream: BinaryIO, name: str, *, before: bytes = b"", after: bytes = b"", most_rows: int = MOST_ROWS
) -> str:
    """Return the SHA-256 of a seekable file between `before` and `after`; the stream is left at its start.

    Raises ImportRefusedError where it has more than `most_rows` rows or is too large, holding none of it.
    """
    found, scan = hashlib.sha256(before), Scan()
    stream.seek(0)
    while piece := stream.read(_PIECE):
        found.update(piece)
        scan.see(piece)
    found.update(after)
    if not scan.is_sure(most_rows):
        ensure_fits(stream, name, most_rows=most_rows)
    stream.seek(0)
    return found.hexdigest()
