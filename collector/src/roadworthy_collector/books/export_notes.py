"""What left as a file, on the record: who took which table, narrowed how, how many rows, as what kind of file.

A file is made whole before it is noted and noted before any of it is sent, so that the count is what was sent and
nothing leaves that cannot be put on the record.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, cast

from sqlalchemy import Engine

from roadworthy_collector.security import audit

EXPORT = "table.export"
_PIECE = 64 * 1024


def note(
    engine: Engine,
    now: float,
    actor: str,
    table: str,
    *,
    kind: str,
    rows: int,
    told: Mapping[str, str] | str,
    action: str = EXPORT,
) -> None:
    """Record that `actor` took `rows` rows of a table as a file of `kind`, narrowed as `told`."""
    audit.record_alone(engine, now, actor, action, table, {"format": kind, "rows": rows, "filter": told})


def noted_pieces(make: Callable[[BinaryIO], int], noted: Callable[[int], None]) -> Iterator[bytes]:
    """Return the pieces of a file `make` writes, whose rows it counts, after `noted` took that count.

    What goes wrong in either is raised before the first piece.
    """
    target = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed when it was sent
    try:
        noted(make(target))
    except BaseException:
        target.close()
        raise
    return _sent(target)


def _sent(target: BinaryIO) -> Iterator[bytes]:
    with target:
        target.seek(0)
        while piece := target.read(_PIECE):
            yield piece
