"""Which paid extended updates were bought, for which devices and until when, as somebody tells it in a TOML file.

No build number tells whether a device has bought them, so without this file the answer stays unknown. The first
entry that fits decides; what no entry speaks of stays unknown, so `bought = false` is how to say that the rest has
none.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from roadworthy_inventory.lifecycle import Bought
from roadworthy_inventory.toml_lines import TomlLines

_KEYS = {
    "product": str,
    "versions": list,
    "bought": bool,
    "until": dt.date,
    "units": list,
    "devices": list,
    "evidence": str,
}
MOST_ENTRIES, MOST_NAMES, LONGEST = 500, 20_000, 300


class BoughtError(ValueError):
    """The file is wrong; the text names each problem with its line, one a line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing bought, or said not to be. Empty `versions`, `units` and `devices` mean all.

    `units`: paths ("Operations / Custody"), those below included. `devices`: device ids, tags or serial numbers, in
    lower case. `until`: the last day paid for; None: as long as it is sold. `evidence`: an order, a contract.
    """

    product: str
    versions: tuple[str, ...]
    bought: bool
    until: dt.date | None
    units: tuple[str, ...]
    devices: frozenset[str]
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the file says of one device."""

    bought: Bought = "unknown"
    until: dt.date | None = None
    evidence: str | None = None


NOT_TOLD = Told()


def parse_bought(text: str, name: str = "support_bought.toml") -> tuple[Entry, ...]:
    """Return the entries of the file, in order; BoughtError with every problem where it is wrong."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BoughtError(f"{name}: {error}") from None
    lines = TomlLines(text)
    problems = [
        f"{name}: line {lines.of((key,))}: {key}: only [[entry]] tables are known here"
        for key in content
        if key != "entry"
    ]
    tables = content.get("entry", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BoughtError(f"{name}: line {lines.of(('entry',))}: entry: write each as a table [[entry]]")
    if len(tables) > MOST_ENTRIES:
        raise BoughtError(f"{name}: has more than {MOST_ENTRIES} entries")
    for number, table in enumerate(tables):
        for key, said in _problems(table):
            problems.append(f"{name}: line {lines.of(('entry', number, key))}: {said}")
    if problems:
        raise BoughtError("\n".join(problems))
    return tuple(_entry(table) for table in tables)


def _problems(table: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        kind = _KEYS.get(key)
        if kind is None:
            yield key, f"{key} is none of {', '.join(_KEYS)}"
        elif not isinstance(value, kind) or isinstance(value, dt.datetime):
            wanted = {
                str: "a text",
                list: "a list of texts",
                bool: "true or false",
                dt.date: "a day such as 2028-10-10",
            }
            yield key, f"{key}: {wanted[kind]} is wanted"
        elif isinstance(value, list) and (
            len(value) > MOST_NAMES
            or not all(isinstance(one, str) and 0 < len(one) <= LONGEST for one in value)
        ):
            yield key, f"{key}: a list of at most {MOST_NAMES:,} texts of 1 to {LONGEST} characters is wanted"
        elif isinstance(value, list) and not value:
            yield key, f"{key}: is empty; leave it out to mean all"
        elif isinstance(value, str) and not 0 < len(value.strip()) <= LONGEST:
            yield key, f"{key}: 1 to {LONGEST} characters are wanted"
    for key in ("product", "bought"):
        if key not in table:
            yield "product", f"{key} is missing"
    if table.get("bought") is False and "until" in table:
        yield "until", "until: says until when it was bought, and this entry says it was not"


def _entry(table: Mapping[str, Any]) -> Entry:
    return Entry(
        product=table["product"].strip().casefold(),
        versions=tuple(one.strip().casefold() for one in table.get("versions", ())),
        bought=table["bought"],
        until=table.get("until"),
        units=tuple(table.get("units", ())),
        devices=frozenset(one.strip().casefold() for one in table.get("devices", ())),
        evidence=table.get("evidence"),
    )


def told_of(
    entries: Iterable[tuple[Entry, Collection[int] | None]],
    product: str | None,
    version: str | None,
    names: Iterable[str | None],
    unit: int | None,
) -> Told:
    """Return what the first entry that fits says of a device of `unit` known by `names`.

    `entries` come with the unit ids they mean (None: all). Of an unknown product or version nothing is told by an
    entry that asks for one.
    """
    known: frozenset[str] | None = None
    for entry, units in entries:
        if entry.product != product or (entry.versions and (version or "").casefold() not in entry.versions):
            continue
        if units is not None and unit not in units:
            continue
        if entry.devices:
            if known is None:
                known = frozenset(name.strip().casefold() for name in names if name)
            if not known & entry.devices:
                continue
        return Told("yes" if entry.bought else "no", entry.until, entry.evidence)
    return NOT_TOLD
