"""What an adjustment may be of: a line of its report, and for CRC a supply or site it names."""

from __future__ import annotations

from sqlalchemy import Connection, select

from roadworthy_collector.carbon import report_make
from roadworthy_collector.carbon.report_crc_tables import Adjusted
from roadworthy_collector.carbon.report_model import Kind
from roadworthy_collector.store.carbon_schema import supplies
from roadworthy_collector.store.schema import sites

LINE_LENGTH = 64


def named(line: str, of: str) -> str:
    """Return a line of a supply or site, as it is kept and printed; the line alone for an empty one."""
    plain = " ".join(of.split())
    return f"{line}, of {plain}" if plain else line


def refusal(connection: Connection, kind: Kind, line: str) -> str | None:
    """Return why there can be no adjustment of a line, None where there can."""
    lines = report_make.JOURNAL_LINES[kind]
    if line in lines:
        return None
    said = Adjusted.of_line(line) if kind == "crc" else None
    if said is None or not said.of:
        return f"line {line[:LINE_LENGTH]!r}: is none of {'; '.join(lines)}" + (
            "" if kind == "crc" else "; only adjustments of a CRC report name a supply or site"
        )
    if len(line) > LINE_LENGTH:
        return f"{said.of[:LINE_LENGTH]!r}: is too long a name to be printed in a line; name its supply by number"
    supply = select(supplies.c.id).where(supplies.c.number == said.of)
    site = select(sites.c.id).where(sites.c.name == said.of, sites.c.restricted.is_(False))
    if connection.scalar(supply) is None and connection.scalar(site) is None:
        return f"{said.of!r}: is no supply and no site; see `roadworthy meters supplies` and `roadworthy sites list`"
    return None
