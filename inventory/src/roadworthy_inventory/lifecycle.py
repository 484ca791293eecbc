"""Until when an operating system gets security updates, from dated, sourced rows (`data/os_support.csv`).

One release has several end dates: its build number is shared by editions, by client and server, and paid
extensions come on top. So a row is (product, version, edition, kind), and what the device does not say is not
guessed: where editions differ and the edition is not known, the answer is `unknown` with the reason.

`kind`: mainstream and extended (everybody with the product gets them), lts (free, by the vendor or volunteers),
paid (ESU, ESM, ELS, ELTS: whether this device has bought it, no build number tells). Support here ends with the
last of the first three; `paid_until` says what could be bought.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from roadworthy_inventory import tables

_FILE = "os_support.csv"
_COLUMNS = ("product", "version", "edition", "build", "end_of_support", "kind", "source", "licence", "as_of")
KINDS = ("mainstream", "extended", "lts", "paid")
EDITIONS = ("", "home_pro", "enterprise_education", "ltsc", "iot_ltsc")
HORIZON_DAYS = 365

Status = Literal["supported", "ends_within", "ended", "unknown"]


@dataclass(frozen=True, slots=True)
class SupportRow:
    """One end date; `end_of_support` is the last day with updates."""

    product: str
    version: str
    edition: str
    build: str
    end_of_support: dt.date
    kind: str
    source: str
    licence: str
    as_of: dt.date


@dataclass(frozen=True, slots=True)
class SupportStatus:
    """What the books say of one operating system on one day.

    `date`: the last day with updates (where editions differ but agree on the status: the earliest still to come,
    or the last one gone). `paid_until`: the last day of an extension that can be bought. `reason` says why the
    status is unknown.
    """

    status: Status
    date: dt.date | None = None
    source: str | None = None
    as_of: dt.date | None = None
    paid_until: dt.date | None = None
    reason: str | None = None


def parse_os_support(text: str) -> tuple[SupportRow, ...]:
    """Return the rows of the table's text; TableError where one is wrong or there twice."""
    found: dict[tuple[str, ...], SupportRow] = {}
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        key = (row["product"], row["version"], row["edition"], row["kind"])
        if key in found:
            raise tables.TableError(
                f"{_FILE}: line {line}: {' '.join(part for part in key if part)} is there twice"
            )
        for column in ("product", "version", "licence"):
            if not row[column].strip():
                raise tables.TableError(f"{_FILE}: line {line}: {column}: is empty")
        found[key] = SupportRow(
            product=row["product"],
            version=row["version"],
            edition=tables.one_of(_FILE, line, "edition", row["edition"], EDITIONS),
            build=row["build"],
            end_of_support=tables.iso_date(_FILE, line, "end_of_support", row["end_of_support"]),
            kind=tables.one_of(_FILE, line, "kind", row["kind"], KINDS),
            source=row["source"],
            licence=row["licence"],
            as_of=tables.iso_date(_FILE, line, "as_of", row["as_of"]),
        )
    return tuple(found.values())


@cache
def os_support() -> tuple[SupportRow, ...]:
    """Return the rows that ship with this package, read once."""
    return parse_os_support(tables.read_text(_FILE))


def product_of(os_id: str | None, name: str | None) -> str | None:
    """Return the table's product for an os-release ID (or `windows`, `macos`) and a display name."""
    said = (name or "").casefold()
    if "windows" in (os_id or "").casefold() or said.startswith(("windows", "microsoft windows")):
        if "server" in said:
            return "windows-server"
        found = re.search(r"windows (\d+(?:\.\d)?)\b", said)
        return f"windows-{found[1]}" if found else None
    known = {row.product for row in os_support() if not row.product.startswith("windows")}
    by_id = (os_id or "").casefold()
    if by_id:
        return by_id if by_id in known else None
    by_name = {"debian": "debian", "ubuntu": "ubuntu", "red hat": "rhel", "macos": "macos", "mac os": "macos"}
    return next((product for start, product in by_name.items() if said.startswith(start)), None)


def edition_of(name: str | None) -> str | None:
    """Return the servicing edition a Windows display name tells, None where it does not."""
    said = (name or "").casefold()
    if "ltsc" in said or "ltsb" in said:
        return "iot_ltsc" if "iot" in said else "ltsc"
    if "enterprise" in said or re.search(r"(?<!pro )education", said):
        return "enterprise_education"
    return "home_pro" if re.search(r"\b(?:home|pro)\b", said) else None


def _releases(product: str, version: str | None, name: str | None) -> list[SupportRow]:
    """Return the rows of the release meant by `version` (`22H2`, `10.0.19045`, `12.11`) or by the name."""
    rows = [row for row in os_support() if row.product == product]
    if product == "windows-server":
        found = re.search(r"server (\d{4}(?: r2)?)\b", (name or "").casefold())
        if found:
            return [row for row in rows if row.version.casefold() == found[1]]
    said = (version or "").strip().casefold()
    if not said:
        return []
    parts = said.replace("(", " ").split()[0].split(".")
    spellings = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    # macOS 10.15 and Ubuntu 22.04 are releases of their own; 13.7 and 12.11 are point releases of 13 and 12.
    exact = [row for row in rows if row.version.casefold() in spellings]
    if exact:
        longest = max(len(row.version) for row in exact)
        return [row for row in exact if len(row.version) == longest]
    return [row for row in rows if row.build and row.build in parts]


def _status(end: dt.date, on: dt.date, within_days: int) -> Status:
    if on > end:
        return "ended"
    return "ends_within" if (end - on).days <= within_days else "supported"


def _free_end(rows: Iterable[SupportRow]) -> SupportRow | None:
    """Return the row of the last day anybody gets updates without paying."""
    return max((row for row in rows if row.kind != "paid"), key=lambda row: row.end_of_support, default=None)


def _unknown(reason: str) -> SupportStatus:
    return SupportStatus("unknown", reason=reason)


def support(
    os_id: str | None,
    version: str | None,
    on: dt.date,
    *,
    name: str | None = None,
    within_days: int = HORIZON_DAYS,
) -> SupportStatus:
    """Return the support status on the day `on`.

    `os_id` is the os-release ID or `windows`/`macos`, `name` the display name (it tells the Windows edition and
    server release), `version` what the device reports: `22H2`, `10.0.19045`, `12`, `22.04`. `within_days` bounds
    `ends_within`. Nothing is guessed: what the table or the device does not say is `unknown`, with the reason.
    """
    product = product_of(os_id, name)
    if product is None:
        return _unknown(
            f"no support dates are held for {name or os_id or 'an operating system without a name'}"
        )
    rows = _releases(product, version, name)
    if not rows:
        return _unknown(f"no support dates are held for {product} {version or 'of unknown version'}")
    edition = edition_of(name) if product in {"windows-10", "windows-11"} else ""
    editions = sorted({row.edition for row in rows} if edition is None else {edition})
    ends = [(_free_end(of), of) for of in ([row for row in rows if row.edition == one] for one in editions)]
    known = [(end, of) for end, of in ends if end is not None]
    if not known:
        return _unknown(f"no support dates are held for this edition of {product} {version}")
    return _agreed(known, on, within_days)


def _agreed(
    known: Sequence[tuple[SupportRow, list[SupportRow]]], on: dt.date, within_days: int
) -> SupportStatus:
    """Return the status all candidate editions share, or unknown where they do not."""
    statuses = {_status(end.end_of_support, on, within_days) for end, _ in known}
    if len(statuses) > 1:
        dates = ", ".join(sorted(f"{end.edition or 'all'} {end.end_of_support}" for end, _ in known))
        return _unknown(f"the edition is not known and editions differ: {dates}")
    status = statuses.pop()
    pick = max if status == "ended" else min
    end = pick((end for end, _ in known), key=lambda row: row.end_of_support)
    paid = [row.end_of_support for _, of in known for row in of if row.kind == "paid"]
    return SupportStatus(status, end.end_of_support, end.source, end.as_of, max(paid, default=None))
