"""Where each site's energy is used, as one list: the place of consumption decides meter check and scope of a return.

The list is CSV with a row a site; sites it does not name stay as they are. Restricted sites are not in it.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.books.organisation_places import checked_kind, put_site
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.queries import audit
from roadworthy_collector.store.schema import sites
from roadworthy_inventory.carbon.places import PLACES
from roadworthy_inventory.register import SITE_KINDS

COLUMNS = ("site", "place")
LONGEST_CHARACTERS = 1_000_000
_MEANING = {
    one.name: f"{one.title}; scope {one.scope}{', held beside the site meter' if one.in_site_meter else ''}"
    for one in PLACES
}


def kinds() -> list[tuple[str, str]]:
    """Return the words a list may use, each with what it means."""
    untold = "nobody told: counted as the organisation's own, in no check against a meter"
    return [(kind, _MEANING.get(kind, untold)) for kind in SITE_KINDS]


def write(connection: Connection) -> str:
    """Return the sites that are not restricted, with the place of each, by name."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_held(connection).items())
    return text.getvalue()


def changes(connection: Connection, text: str) -> list[dict[str, Any]]:
    """Return {site, before, after} of each site whose place would change; RoadworthyError with the line of a fault."""
    held = _held(connection)
    wanted: dict[str, str] = {}
    for line, site, place in _rows(text):
        if site not in held:
            raise RoadworthyError(
                f"line {line}: {site[:80]!r}: there is no such site; see `roadworthy sites list`"
            )
        if wanted.setdefault(site, place) != place:
            raise RoadworthyError(f"line {line}: {site} has another place on an earlier line")
    return [
        {"site": site, "before": held[site], "after": place}
        for site, place in wanted.items()
        if held[site] != place
    ]


def save(connection: Connection, text: str, *, actor: str, now: int) -> int:
    """Put a list in force, on the record, and return how many sites changed."""
    found = changes(connection, text)
    for one in found:
        put_site(connection, one["site"], one["after"])
    for one in found:
        audit.record(connection, now, actor, "site.kind", one["site"], {"kind": one["after"]})
    return len(found)


def _held(connection: Connection) -> dict[str, str]:
    query = select(sites.c.name, sites.c.kind).where(sites.c.restricted.is_(False)).order_by(sites.c.name)
    return {row.name: row.kind for row in connection.execute(query)}


def _rows(text: str) -> list[tuple[int, str, str]]:
    if len(text) > LONGEST_CHARACTERS:
        raise RoadworthyError(f"the list has more than {LONGEST_CHARACTERS:,} characters")
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    found = []
    try:
        header = tuple(cell.strip().casefold() for cell in next(reader, []))
        if header != COLUMNS:
            raise RoadworthyError(f"line 1: the columns are {', '.join(COLUMNS)}")
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                found.append((reader.line_num, *_cells(reader.line_num, cells)))
    except csv.Error as error:
        raise RoadworthyError(f"line {reader.line_num}: {error}") from None
    return found


def _cells(line: int, cells: list[str]) -> tuple[str, str]:
    if len(cells) != len(COLUMNS):
        raise RoadworthyError(f"line {line}: has {len(cells)} cells; a row is a site and its place")
    try:
        return cells[0], checked_kind(cells[1])
    except RoadworthyError as error:
        raise RoadworthyError(f"line {line}: {error}") from None
