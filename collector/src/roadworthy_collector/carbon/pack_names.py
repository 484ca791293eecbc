"""No restricted site is named in a pack: looked at again when it is issued, for a site may be restricted after closing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon import pack_kept
from roadworthy_collector.carbon.pack_files import Folder
from roadworthy_collector.errors import RoadworthyError
from roadworthy_collector.store.schema import sites


def ensure_none_restricted(
    connection: Connection, number: int, rows: Folder, content: Mapping[str, Any]
) -> None:
    """Raise RoadworthyError where a closed report, or a row collected behind it, names a site that is restricted now."""
    hidden = set(connection.scalars(select(sites.c.name).where(sites.c.restricted.is_(True))))
    if hidden and (named := hidden.intersection(_sites_of(rows, content))):
        raise RoadworthyError(
            f"report {number}: {len(named)} of the sites it names were restricted after it was closed; prepare it again, then "
            "they are in totals alone"
        )


def _sites_of(rows: Folder, content: Mapping[str, Any]) -> Iterator[str]:
    for table in content["tables"]:
        if table["name"] == "by_site":
            yield from (str(row["title"]) for row in table["rows"])
    for name in {files.GROUPS, files.SUPPLY_SITES}.intersection(rows.names):
        yield from (row["site"] for row in rows.rows(name))
    if files.INPUTS in rows.names:
        kept = pack_kept.of_json(rows.read(files.INPUTS))
        yield from kept.keys.get("site", {})
        yield from kept.before_titles.get("site", {}).values()
        named: list[Collection[str]] = [one.sites for one in kept.boundary_changes]
        for some in (*named, *(one.sites for one in kept.supplies_before)):
            yield from some
