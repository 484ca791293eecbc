"""Until when an operating system gets security updates, from dated, sourced rows (`data/os_support.csv`).

One release has several end dates: its build number is shared by editions, by client and server, and paid
extensions come on top. So a row is (product, version, edition, kind), and what the device does not say is not
guessed: where the releases or editions it may be differ, the answer is `unknown` with the reason. Support ends with
the last day anybody gets updates without paying; `paid_until` says what could be bought, and whether it was is told
by the user or stays unknown. Where a vendor names no last day the answer is `unknown_end`, never "supported".
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Literal

from roadworthy_inventory import tables
from roadworthy_inventory.os_names import System, is_windows, product_of, with_version
from roadworthy_inventory.os_rows import (
    EDITIONS,
    KINDS,
    SupportRow,
    os_support,
    parse_os_support,
)

__all__ = (
    "EDITIONS",
    "HORIZON_DAYS",
    "KINDS",
    "SupportRow",
    "System",
    "os_support",
    "parse_os_support",
    "support",
)

HORIZON_DAYS = 365
_EDITION_FILE = "windows_editions.csv"
_EDITION_COLUMNS = ("edition_id", "edition", "kind", "source", "as_of")
_CLIENT_EDITIONS = ("home_pro", "enterprise_education", "ltsc", "iot_ltsc")

Status = Literal["supported", "ends_within", "extended", "ended", "unknown_end", "unknown"]
Bought = Literal["yes", "no", "unknown"]
Extension = Literal["none", "bought", "not_bought", "unknown", "over"]


@dataclass(frozen=True, slots=True)
class SupportStatus:
    """What the books say of one operating system on one day.

    `date`: the last day with free updates (where editions differ but agree on the status: the earliest still to
    come, or the last one gone). `paid_until`: the last day of an extension that can be bought; `extension` whether
    this device has it, as far as told (`over` after its last day). Status `extended`: free updates have ended and
    the bought extension runs until `covered_until`. `reason` says why the status is unknown. `product` and `version`:
    the table's release, None where it is not one; `paid_source` is where `paid_until` stands.
    """

    status: Status
    date: dt.date | None = None
    source: str | None = None
    as_of: dt.date | None = None
    paid_until: dt.date | None = None
    reason: str | None = None
    extension: Extension = "none"
    covered_until: dt.date | None = None
    product: str | None = field(default=None, compare=False)
    version: str | None = field(default=None, compare=False)
    paid_source: str | None = field(default=None, compare=False)


@cache
def windows_editions() -> MappingProxyType[str, tuple[str, str]]:
    """Return {EditionID in lower case: (servicing edition, client or server)}, read once."""
    found: dict[str, tuple[str, str]] = {}
    for line, row in tables.rows(_EDITION_FILE, tables.read_text(_EDITION_FILE), _EDITION_COLUMNS):
        edition = tables.one_of(_EDITION_FILE, line, "edition", row["edition"], EDITIONS)
        kind = tables.one_of(_EDITION_FILE, line, "kind", row["kind"], ("client", "server"))
        found[row["edition_id"].casefold()] = (edition, kind)
    return MappingProxyType(found)


def edition_of(name: str | None) -> str | None:
    """Return the servicing edition that an EditionID or a Windows display name tells, None where neither does."""
    said = (name or "").casefold()
    if said in windows_editions():
        return windows_editions()[said][0]
    if "ltsc" in said or "ltsb" in said:
        return "iot_ltsc" if "iot" in said else "ltsc"
    if "enterprise" in said or re.search(r"(?<!pro )education", said):
        return "enterprise_education"
    return "home_pro" if re.search(r"\b(?:home|pro|professional)\b", said) else None


def _installed_as(system: System) -> Literal["client", "server"] | None:
    """Return client or server as the device says it: by installation type, edition, or name, in this order."""
    told = (system.installation_type or "").casefold()
    if told:
        return "server" if told.startswith("server") else "client" if told == "client" else None
    edition = (system.edition or "").casefold()
    if edition in windows_editions():
        return "server" if windows_editions()[edition][1] == "server" else "client"
    if "server" in (system.name or "").casefold() or "server" in edition:
        return "server"
    return "client" if edition_of(system.edition) in _CLIENT_EDITIONS else None


def _windows_edition(system: System) -> str | None:
    """Return the servicing edition; an EditionID says more than a name, and the channel more than either."""
    edition = edition_of(system.edition)
    if edition is None:
        edition = edition_of(system.name)
    if system.long_term and edition in {None, "enterprise_education"}:
        iot = "iot" in f"{system.edition or ''} {system.name or ''}".casefold()
        return "iot_ltsc" if iot else "ltsc"
    return edition


def _windows(system: System, rows: Sequence[SupportRow]) -> list[SupportRow]:
    """Return the rows of every Windows release the device may be."""
    kind = _installed_as(system)
    named = product_of("windows", system.name)
    if kind is None and named:
        kind = "server" if named == "windows-server" else "client"
    of = [row for row in rows if row.product.startswith("windows-")]
    if kind:
        of = [row for row in of if (row.product == "windows-server") == (kind == "server")]
    told = _parts(system.build) | _parts(system.version)
    if named == "windows-10" and any(row.build in told for row in of if row.product == "windows-11"):
        named = "windows-11"  # whose registry still says Windows 10
    if named and (kind == "server") == (named == "windows-server"):
        of = [row for row in of if row.product == named]
    year = re.search(r"server (\d{4}(?: r2)?)\b", (system.name or "").casefold())
    if kind == "server" and year:
        return [row for row in of if row.version.casefold() == year[1]]
    found = _of_build(of, told, kind, named=system.name is not None)
    edition = _windows_edition(system)
    if edition in _CLIENT_EDITIONS:
        return [row for row in found if row.edition in {edition, ""} and row.product != "windows-server"]
    return [row for row in found if edition is None or kind != "server" or row.edition == edition]


def _of_build(
    rows: Sequence[SupportRow], told: frozenset[str], kind: str | None, *, named: bool
) -> list[SupportRow]:
    """Return the rows of the build that is told, or where none is, of the release that is (22H2)."""
    found = [row for row in rows if row.build in told]
    if not found and kind == "server":
        # 1809 is Server 2019 and a channel release alike: both have the build, and the edition tells them apart.
        meant = {row.build for row in rows if row.version.casefold() in told}
        found = [row for row in rows if row.build in meant]
    if not found and (named or kind):
        found = [row for row in rows if row.version.casefold() in told]
    return found


def _parts(text: str | None) -> frozenset[str]:
    said = (text or "").strip().casefold()
    return frozenset((*re.sub(r"[.()]", " ", said).split(), said)) - {""}


def _releases(product: str, version: str | None, rows: Sequence[SupportRow]) -> list[SupportRow]:
    """Return the rows of the release meant by `version` (`12.11`, `22.04.5`, `10.15.7`, `15-SP4`)."""
    of = [row for row in rows if row.product == product]
    said = re.sub(r"[ -]*sp", ".", (version or "").strip().casefold())
    if not said:
        return []
    parts = said.replace("(", " ").split()[0].split(".")
    spellings = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    # macOS 10.15 and Ubuntu 22.04 are releases of their own; 13.7 and 12.11 are point releases of 13 and 12.
    exact = [row for row in of if row.version.casefold() in spellings]
    longest = max((len(row.version) for row in exact), default=0)
    chosen = [row for row in exact if len(row.version) == longest]
    if chosen and chosen[0].version.casefold() != ".".join(parts):
        # Where the table has point releases as rows of their own, one it does not hold is not the first of them.
        start = f"{chosen[0].version}."
        if any(row.version.startswith(start) for row in of):
            return []
    return chosen


def support(
    os_id: str | None,
    version: str | None,
    on: dt.date,
    *,
    name: str | None = None,
    within_days: int = HORIZON_DAYS,
) -> SupportStatus:
    """Return the support status on the day `on`, as `support_of` with what a name and a version tell."""
    return support_of(System(os_id=os_id, version=version, name=name), on, within_days=within_days)


def support_of(
    system: System,
    on: dt.date,
    *,
    bought: Bought = "unknown",
    bought_until: dt.date | None = None,
    within_days: int = HORIZON_DAYS,
    rows: Sequence[SupportRow] | None = None,
) -> SupportStatus:
    """Return the support status on the day `on`.

    `bought`: whether this device has the paid extension, `bought_until` its last day where it is bought by the year
    (None: as long as it is sold). `within_days` bounds `ends_within`. `rows` replaces the shipped table (a newer
    dump). Nothing is guessed: what the table or the device does not say is `unknown`, with the reason.
    """
    rows = os_support() if rows is None else rows
    system = with_version(system, rows)
    what = system.name or system.os_id or "an operating system without a name"
    if is_windows(system.os_id, (system.name or "").casefold()):
        product = product_of(system.os_id, system.name) or "windows"
        found = _windows(system, rows)
        known_release = _windows(_without_edition(system), rows)
    else:
        told = product_of(system.os_id, system.name, rows)
        if told is None:
            return _unknown(f"no support dates are held for {what}")
        product = told
        found = known_release = _releases(product, system.version, rows)
    if not found:
        version = system.version or system.build or "of unknown version"
        edition = "this edition of " if known_release else ""
        reason = f"no support dates are held for {edition}{product} {version}"
        return replace(_unknown(reason), product=product)
    known = _by_release(found)
    return _named(_extended(_agreed(known, on, within_days), on, bought, bought_until), known)


def _named(status: SupportStatus, known: Sequence[tuple[SupportRow, list[SupportRow]]]) -> SupportStatus:
    """Return the status with the release it is about, as far as it is one, and the source of the extension's day."""
    names, versions = {end.product for end, _ in known}, {end.version for end, _ in known}
    paid = [
        row for _, of in known for row in of if row.kind == "paid" and row.end_of_support == status.paid_until
    ]
    return replace(
        status,
        product=names.pop() if len(names) == 1 else None,
        version=versions.pop() if len(versions) == 1 else None,
        paid_source=paid[0].source if paid and status.paid_until else None,
    )


def _without_edition(system: System) -> System:
    """Return the system as it would be told without its edition."""
    product = product_of(system.os_id, system.name)
    name = system.name if product == "windows-server" else (product or "").replace("-", " ") or None
    kind = _installed_as(system)
    return replace(system, name=name, edition=None, long_term=None, installation_type=kind)


def _by_release(rows: Iterable[SupportRow]) -> list[tuple[SupportRow, list[SupportRow]]]:
    """Return of each release the row of the last day anybody gets updates without paying, and all its rows."""
    releases: dict[tuple[str, str, str], list[SupportRow]] = {}
    for row in rows:
        releases.setdefault((row.product, row.version, row.edition), []).append(row)
    return [(free, of) for of in releases.values() if (free := _free(of)) is not None]


def _free(rows: Iterable[SupportRow]) -> SupportRow | None:
    free = [row for row in rows if row.kind != "paid"]
    return max(free, key=lambda row: row.end_of_support or dt.date.max, default=None)


def _unknown(reason: str) -> SupportStatus:
    return SupportStatus("unknown", reason=reason)


def _status(row: SupportRow, on: dt.date, within_days: int) -> Status:
    if row.end_of_support is None:
        return "unknown_end"
    if on > row.end_of_support:
        return "ended"
    return "ends_within" if (row.end_of_support - on).days <= within_days else "supported"


def _agreed(
    known: Sequence[tuple[SupportRow, list[SupportRow]]], on: dt.date, within_days: int
) -> SupportStatus:
    """Return the status all candidates share, or unknown where they do not."""
    if not known:
        return _unknown("the table holds only a paid extension of this release")
    statuses = {_status(end, on, within_days) for end, _ in known}
    if len(statuses) > 1:
        return _unknown(_differing([end for end, _ in known]))
    status = statuses.pop()
    pick = max if status == "ended" else min
    end = pick((end for end, _ in known), key=lambda row: row.end_of_support or dt.date.max)
    paid = {
        max((row.end_of_support for row in of if row.kind == "paid" and row.end_of_support), default=None)
        for _, of in known
    }
    reason = None
    if status == "unknown_end":
        reason = f"the vendor names no last day; updates were still given on {end.as_of}"
    until = max((day for day in paid if day), default=None)
    return SupportStatus(status, end.end_of_support, end.source, end.as_of, until, reason)


def _differing(ends: Sequence[SupportRow]) -> str:
    one = len({(end.product, end.version) for end in ends}) == 1
    dates = ", ".join(
        sorted(
            f"{end.edition or 'all'} {end.end_of_support}"
            if one
            else " ".join(
                str(part) for part in (end.product, end.version, end.edition, end.end_of_support) if part
            )
            for end in ends
        )
    )
    if one:
        return f"the edition is not known and editions differ: {dates}"
    return f"it is not told which of these shares the build: {dates}"


def _extended(
    found: SupportStatus, on: dt.date, bought: Bought, bought_until: dt.date | None
) -> SupportStatus:
    """Return the status with what is known of a paid extension."""
    if found.paid_until is None or found.status == "unknown":
        return found
    last = min(found.paid_until, bought_until) if bought_until else found.paid_until
    extension: Extension = {"yes": "bought", "no": "not_bought", "unknown": "unknown"}[bought]  # type: ignore[assignment]  # three of its words
    status = found.status
    if on > found.paid_until or (bought == "yes" and on > last):
        extension = "over"
    elif bought == "yes" and status == "ended":
        status = "extended"
    return SupportStatus(
        status,
        found.date,
        found.source,
        found.as_of,
        found.paid_until,
        found.reason,
        extension,
        last if extension == "bought" else None,
    )
