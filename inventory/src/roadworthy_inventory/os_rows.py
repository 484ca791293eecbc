"""The rows of `data/os_support.csv`: until when which release of an operating system gets updates."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from roadworthy_inventory import tables

FILE = "os_support.csv"
COLUMNS = ("product", "version", "edition", "build", "end_of_support", "kind", "source", "licence", "as_of")
KINDS = ("mainstream", "extended", "lts", "paid", "undated")
EDITIONS = ("", "home_pro", "enterprise_education", "ltsc", "iot_ltsc", "channel")
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class SupportRow:
    """One end date; `end_of_support` is the last day with updates.

    `kind`: mainstream and extended (everybody with the product gets them), lts (free, by the vendor or volunteers),
    paid (ESU, ESM, ELS, LTSS: whether this device has bought it, no build number tells), undated (updates were given
    on `as_of` and the vendor names no last day; `end_of_support` is None). `edition` is the servicing edition of a
    Windows client, or `channel` for a server release of the semi-annual or annual channel.
    """

    product: str
    version: str
    edition: str
    build: str
    end_of_support: dt.date | None
    kind: str
    source: str
    licence: str
    as_of: dt.date

    @property
    def key(self) -> Key:
        """Return what makes the row one of its kind: product, version, edition and kind."""
        return (self.product, self.version, self.edition, self.kind)


def parse_os_support(text: str, name: str = FILE) -> tuple[SupportRow, ...]:
    """Return the rows of the table's text; TableError (naming `name`) where one is wrong or there twice."""
    found: dict[Key, SupportRow] = {}
    for line, row in tables.rows(name, text, COLUMNS):
        for column in ("product", "version", "licence"):
            if not row[column].strip():
                raise tables.TableError(f"{name}: line {line}: {column}: is empty")
        kind = tables.one_of(name, line, "kind", row["kind"], KINDS)
        if kind == "undated" and row["end_of_support"]:
            raise tables.TableError(f"{name}: line {line}: end_of_support: an undated row has none")
        support = SupportRow(
            product=row["product"],
            version=row["version"],
            edition=tables.one_of(name, line, "edition", row["edition"], EDITIONS),
            build=row["build"],
            end_of_support=None
            if kind == "undated"
            else tables.iso_date(name, line, "end_of_support", row["end_of_support"]),
            kind=kind,
            source=row["source"],
            licence=row["licence"],
            as_of=tables.iso_date(name, line, "as_of", row["as_of"]),
        )
        if support.key in found:
            told = " ".join(part for part in support.key if part)
            raise tables.TableError(f"{name}: line {line}: {told} is there twice")
        found[support.key] = support
    return tuple(found.values())


@cache
def os_support() -> tuple[SupportRow, ...]:
    """Return the rows that ship with this package, read once."""
    return parse_os_support(tables.read_text(FILE))


def products(rows: Iterable[SupportRow]) -> frozenset[str]:
    """Return the products the rows are about."""
    return frozenset(row.product for row in rows)


def format_os_support(rows: Iterable[SupportRow]) -> str:
    """Return rows as the text `parse_os_support` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        end = "" if row.end_of_support is None else row.end_of_support.isoformat()
        told = (row.product, row.version, row.edition, row.build, end, row.kind, row.source, row.licence)
        writer.writerow((*told, row.as_of.isoformat()))
    return text.getvalue()
