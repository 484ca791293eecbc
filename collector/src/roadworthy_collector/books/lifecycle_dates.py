"""The support dates in force: those that ship, newer loaded ones over them, and the override on top.

Everything in the collector that asks until when something gets updates asks here. A loaded row gives way to a shipped
one taken from its source later: an upgraded collector may be newer than the dump. An override always holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection

from roadworthy_collector.books.lifecycle_editions import DATES, OVERRIDE, current, ensure_short, save
from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory import endoflife
from roadworthy_inventory.importing.formats import closest
from roadworthy_inventory.os_rows import SupportRow, format_os_support, os_support, parse_os_support
from roadworthy_inventory.tables import TableError

# The whole of endoflife.date is some 5 MB.
LARGEST_DUMP_BYTES = 32 * 1024 * 1024
_SKIPPED_KEPT = 200
_EASTERNMOST_SECONDS = 14 * 3600  # how far ahead of UTC the calendar is anywhere
_EMPTY_DUMP = (
    "holds no operating system this collector can use; give the answer of /products/full or of one of them"
)


class Dates(NamedTuple):
    """The rows in force, and where each is from: shipped, loaded or override."""

    rows: tuple[SupportRow, ...]
    origins: tuple[str, ...]


class Moved(NamedTuple):
    """What a file would do: rows it holds, changes in force, what could not be taken over, and as of when it is.

    `hints`: products and releases nothing else knows, which may be spelt otherwise.
    """

    rows: int
    added: tuple[endoflife.Change, ...]
    moved: tuple[endoflife.Change, ...]
    gone: tuple[endoflife.Change, ...]
    skipped: tuple[str, ...]
    as_of: dt.date | None
    content: str
    hints: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether any date in force would be another."""
        return bool(self.added or self.moved or self.gone)

    def told(self) -> dict[str, Any]:
        """Return it as JSON can say it, without the text."""
        return {
            "rows": self.rows,
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "added": [change_row(one) for one in self.added],
            "moved": [change_row(one) for one in self.moved],
            "gone": [change_row(one) for one in self.gone],
            "skipped": list(self.skipped),
            "hints": list(self.hints),
        }


def change_row(one: endoflife.Change) -> dict[str, Any]:
    """Return a change as a table or JSON shows it."""
    return {
        "product": one.product,
        "version": one.version,
        "edition": one.edition,
        "what": one.what,
        "before": None if one.before is None else one.before.isoformat(),
        "after": None if one.after is None else one.after.isoformat(),
    }


def in_force(connection: Connection) -> Dates:
    """Return the dates in force."""
    return _dates(current(connection, DATES).content, current(connection, OVERRIDE).content)


@lru_cache(maxsize=4)
def _dates(loaded_text: str, override_text: str) -> Dates:
    shipped = os_support()
    loaded = endoflife.still_newer(_loaded(loaded_text), shipped)
    override = _override(override_text)
    rows = endoflife.merged(shipped, loaded, override)
    by = {_what(row): "loaded" for row in loaded} | {_what(row): "override" for row in override}
    return Dates(rows, tuple(by.get(_what(row), "shipped") for row in rows))


def _what(row: SupportRow) -> tuple[Any, ...]:
    """Return what tells a row of one origin from the same row of another; the build may be filled in."""
    return (*row.key, row.end_of_support, row.source, row.as_of)


def _loaded(text: str) -> tuple[SupportRow, ...]:
    return parse_os_support(text, "loaded dates") if text else ()


def _override(text: str, name: str = "override") -> tuple[SupportRow, ...]:
    return endoflife.read_override(text, name) if text.strip() else ()


# --- a newer dump -------------------------------------------------------------------------------------------


def try_dump(connection: Connection, body: bytes) -> Moved:
    """Return what loading an answer of endoflife.date would change; RoadworthyError where it is none."""
    if len(body) > LARGEST_DUMP_BYTES:
        raise RoadworthyError(
            f"the dump is larger than {LARGEST_DUMP_BYTES // 2**20} MiB; give that of /products/full"
        )
    try:
        dump = endoflife.read_dump(body)
        if not dump.rows:
            raise RoadworthyError(f"the dump {_EMPTY_DUMP}")
        before = _loaded(current(connection, DATES).content)
        # One product may be loaded after all of them: what a dump does not speak of stays as loaded before.
        content = format_os_support(endoflife.merged(before, endoflife.still_newer(dump.rows, before)))
        parse_os_support(content, "the dump")
    except (endoflife.EndOfLifeError, TableError) as error:
        raise RoadworthyError(f"the dump: {error}") from None
    now, then = in_force(connection), _dates(content, current(connection, OVERRIDE).content)
    return _moved(len(dump.rows), now.rows, then.rows, dump.skipped, dump.generated_on, content)


def load_dump(connection: Connection, body: bytes, *, source: str, now: int, actor: str) -> Moved:
    """Put the dates of a dump in force; `source` (a file's name or an address) goes into the audit."""
    found = try_dump(connection, body)
    detail = _detail(found) | {"from": source[:300], "dump": str(found.as_of)}
    save(connection, DATES, found.content, now=now, actor=actor, detail=detail)
    return found


def try_override(connection: Connection, text: str, name: str = "override", *, now: float) -> Moved:
    """Return what an override would change; an empty text takes the one in force away. RoadworthyError where wrong.

    `now` in UTC epoch seconds: nobody has looked a date up later than that.
    """
    ensure_short(OVERRIDE, text)
    try:
        rows = _override(text, name)
    except TableError as error:
        raise RoadworthyError(str(error)) from None
    latest = dt.datetime.fromtimestamp(now + _EASTERNMOST_SECONDS, dt.UTC).date()
    for row in rows:
        if row.as_of > latest:
            raise RoadworthyError(
                f"{name}: {row.product} {row.version}: as_of {row.as_of.isoformat()} is still to come; give the day "
                "somebody looked it up"
            )
    held, loaded = in_force(connection), current(connection, DATES).content
    moved = _moved(len(rows), held.rows, _dates(loaded, text).rows, (), None, text)
    return moved._replace(hints=_hints(rows, _dates(loaded, "").rows))


def _hints(rows: Iterable[SupportRow], known: Sequence[SupportRow]) -> tuple[str, ...]:
    """Return a line for each product or release of `rows` that is not among those `known` without them."""
    products = {row.product for row in known}
    releases = {name: sorted({row.version for row in known if row.product == name}) for name in products}
    unknown = {
        f"{row.product}: no such product is known{closest(row.product, sorted(products))}"
        if row.product not in products
        else f"{row.product} {row.version}: no such release is known{closest(row.version, releases[row.product])}"
        for row in rows
        if row.version not in releases.get(row.product, ())
    }
    return tuple(sorted(unknown)[:_SKIPPED_KEPT])


def save_override(connection: Connection, text: str, *, source: str, now: int, actor: str) -> Moved:
    """Put an override in force."""
    found = try_override(connection, text, source, now=now)
    save(connection, OVERRIDE, text, now=now, actor=actor, detail=_detail(found) | {"from": source[:300]})
    return found


def _detail(found: Moved) -> dict[str, object]:
    return {
        "rows": found.rows,
        "added": len(found.added),
        "moved": len(found.moved),
        "gone": len(found.gone),
    }


def _moved(
    count: int,
    before: Sequence[SupportRow],
    after: Sequence[SupportRow],
    skipped: Sequence[str],
    as_of: dt.date | None,
    content: str,
) -> Moved:
    known, then = _slots(before), _slots(after)
    found = endoflife.changes(before, after)
    return Moved(
        count,
        _only(found, then - known),
        _only(found, then & known),
        _only(found, known - then),
        tuple(skipped[:_SKIPPED_KEPT]),
        as_of,
        content,
    )


def _only(found: Iterable[endoflife.Change], slots: set[tuple[str, ...]]) -> tuple[endoflife.Change, ...]:
    return tuple(one for one in found if (one.product, one.version, one.edition, one.what) in slots)


def _slots(rows: Iterable[SupportRow]) -> set[tuple[str, ...]]:
    return {
        (row.product, row.version, row.edition, "paid" if row.kind == "paid" else "support") for row in rows
    }


def listed(dates: Dates, product: str = "") -> list[dict[str, Any]]:
    """Return the rows in force as a table or JSON shows them, of one product if said."""
    return [
        {
            "product": row.product,
            "version": row.version,
            "edition": row.edition,
            "build": row.build,
            "kind": row.kind,
            "end_of_support": None if row.end_of_support is None else row.end_of_support.isoformat(),
            "origin": origin,
            "as_of": row.as_of.isoformat(),
            "licence": row.licence,
            "source": row.source,
        }
        for row, origin in zip(dates.rows, dates.origins, strict=True)
        if not product or row.product == product
    ]
