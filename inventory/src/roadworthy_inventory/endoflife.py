"""A newer dump of endoflife.date in place of the shipped dates, with an override on top.

Reads the answers of its API v1 (https://endoflife.date/docs/api/v1/): `/products/full` or a single product, as bytes
from a file or a download. All or nothing: what is not such an answer is refused with what it is instead. The
booleans (`isEol` and the like) are true for the day the site was built only and are never read; a release that is
said to have ended without a date has no date here either and is listed in `skipped`.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from roadworthy_inventory.os_rows import COLUMNS, SupportRow, parse_os_support
from roadworthy_inventory.tables import TableError
from roadworthy_inventory.toml_lines import TomlLines

MAJOR = "1"
LICENCE = "MIT"
_NAMES = {"esxi": "vmware-esxi"}
# The project's column "extended" is Debian's LTS, which is free.
_FREE_EXTENSIONS = {"debian": "lts"}
# Builds are taken of these only: of older releases some are wrong (Vista's), and no two share one.
_BUILDS = frozenset({"windows-10", "windows-11", "windows-server"})
_EDITIONS = {
    "w": ("home_pro",),
    "e": ("enterprise_education",),
    "": ("home_pro", "enterprise_education"),
    "e-lts": ("ltsc", "iot_ltsc"),
    "lts": ("ltsc", "iot_ltsc"),
    "iot-lts": ("iot_ltsc",),
}


class EndOfLifeError(ValueError):
    """What was given is no answer of the API v1; the text says what it is and what to do."""


@dataclass(frozen=True, slots=True)
class Dump:
    """The rows of a dump, the day the site was built, and what could not be taken over, each with the reason."""

    rows: tuple[SupportRow, ...]
    generated_on: dt.date
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One release whose last day differs: `what` is support (free updates) or paid; None where there was no row.

    `dated` is False where the release has a row, yet the vendor names no day.
    """

    product: str
    version: str
    edition: str
    what: str
    before: dt.date | None
    after: dt.date | None
    dated: bool


def read_dump(body: bytes) -> Dump:
    """Return the operating systems of an answer of the API v1; EndOfLifeError where it is none."""
    answer = _answer(body)
    generated = _date(str(answer.get("generated_at", ""))[:10], "generated_at")
    if generated is None:
        raise EndOfLifeError("generated_at is missing, so nobody could tell how old the dates are")
    result = answer.get("result")
    products = [result] if isinstance(result, dict) else result
    if not isinstance(products, list) or not all(isinstance(product, dict) for product in products):
        raise EndOfLifeError("result holds no products; give the answer of /products/full or of one product")
    if not any("releases" in product for product in products):
        raise EndOfLifeError(
            "the products have no releases: this is the summary /products; give /products/full"
        )
    rows: dict[tuple[str, str, str, str], SupportRow] = {}
    skipped: list[str] = []
    for product in products:
        if product.get("category") == "os":
            _add(rows, skipped, product, generated)
    return Dump(tuple(rows.values()), generated, tuple(skipped))


def _answer(body: bytes) -> dict[str, Any]:
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if not start:
        raise EndOfLifeError("the file is empty; download it again")
    if start == b"<":
        raise EndOfLifeError(
            "this is a web page (HTML), as the site sends for an address it does not have; "
            "the address is https://endoflife.date/api/v1/products/full"
        )
    try:
        answer = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise EndOfLifeError(f"this is no text in UTF-8 (byte {error.start}); download it again") from error
    except json.JSONDecodeError as error:
        raise EndOfLifeError(
            f"this is no whole JSON (line {error.lineno}, column {error.colno}: {error.msg}); download it again"
        ) from error
    except RecursionError as error:
        raise EndOfLifeError("this JSON is nested deeper than any answer of the API") from error
    if isinstance(answer, list):
        raise EndOfLifeError(
            "this is a list, as the older API v0 answers; give the answer of /api/v1/products/full"
        )
    version = answer.get("schema_version") if isinstance(answer, dict) else None
    if not isinstance(version, str):
        raise EndOfLifeError("schema_version is missing: this is no answer of the endoflife.date API v1")
    if version.split(".")[0] != MAJOR:
        raise EndOfLifeError(f"schema_version is {version}; version {MAJOR}.x is understood")
    return dict(answer)


def _add(
    rows: dict[tuple[str, str, str, str], SupportRow],
    skipped: list[str],
    product: Mapping[str, Any],
    generated: dt.date,
) -> None:
    """Add the rows of one product; of several that mean one release (service packs) the last day counts."""
    name = str(product.get("name", ""))
    releases = product.get("releases")
    if not name or not isinstance(releases, list):
        raise EndOfLifeError(f"product {name or 'without a name'}: releases are missing")
    links = product.get("links")
    source = links.get("html") if isinstance(links, dict) else None
    if not isinstance(source, str) or not source.startswith("https://"):
        source = f"https://endoflife.date/{name}"
    for release in releases:
        if not isinstance(release, dict) or not isinstance(release.get("name"), str):
            raise EndOfLifeError(f"{name}: a release without a name")
        dates = _dates(name, release)
        if isinstance(dates, str):
            skipped.append(f"{name} {release['name']}: {dates}")
            continue
        meant = list(_meant(name, release))
        if not meant:
            skipped.append(f"{name} {release['name']}: it is not known which release this name means")
        for table, version, edition in meant:
            for kind, day in dates:
                build = _build(release) if table in _BUILDS else ""
                row = SupportRow(table, version, edition, build, day, kind, source, LICENCE, generated)
                known = rows.get(row.key)
                own = "iot" in release["name"] or edition != "iot_ltsc"
                if known is None or (own and (day or dt.date.max) > (known.end_of_support or dt.date.max)):
                    rows[row.key] = row


def _dates(name: str, release: Mapping[str, Any]) -> list[tuple[str, dt.date | None]] | str:
    """Return [(kind, last day)], or why the release has none."""
    where = f"{name} {release['name']}"
    active, end, extension = (
        _date(release.get(field), f"{where}: {field}") for field in ("eoasFrom", "eolFrom", "eoesFrom")
    )
    if end is None:
        # The one use of the boolean: "ended, nobody knows when" must not read as "no end is named".
        if release.get("isEol"):
            return "is said to have ended, but no day is named"
        return [("undated", None)]
    dates: list[tuple[str, dt.date | None]] = [("mainstream" if active in {None, end} else "extended", end)]
    if active is not None and active < end:
        dates.insert(0, ("mainstream", active))
    if extension is not None:
        dates.append((_FREE_EXTENSIONS.get(name, "paid"), extension))
    return dates


def _date(text: object, where: str) -> dt.date | None:
    if text is None or text == "":
        return None
    try:
        return dt.date.fromisoformat(str(text))
    except ValueError:
        raise EndOfLifeError(f"{where}: {text!r} is no date such as 2025-10-14") from None


def _build(release: Mapping[str, Any]) -> str:
    latest = release.get("latest")
    return str(latest.get("name") or "").rpartition(".")[2] if isinstance(latest, dict) else ""


def _meant(name: str, release: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the table's (product, version, edition) of a release."""
    said = release["name"].casefold()
    if name == "windows":
        yield from _windows(said, str(release.get("label") or ""))
    elif name == "windows-server":
        found = re.fullmatch(r"(\d{4}|\d\dh\d)(-r2)?(?:-sp\d)?(-s?ac)?", said)
        if found and found[3]:
            yield name, found[1].upper(), "channel"
        elif found:
            yield name, f"{found[1]} R2" if found[2] else found[1], ""
    else:
        yield _NAMES.get(name, name), release["name"], ""


def _windows(said: str, label: str) -> Iterator[tuple[str, str, str]]:
    found = re.fullmatch(r"(1[01])-(\d\dh\d|\d{4})(?:-((?:e|w|iot)?(?:-?lts)?))?", said)
    if found:
        for edition in _EDITIONS.get(found[3] or "", ()):
            yield f"windows-{found[1]}", found[2].upper(), edition
        return
    old = re.search(r"\b(xp|vista|7|8\.1|8)\b(?: (sp\d))?", label.casefold()) or re.fullmatch(
        r"(7|8\.1|8)(?:-(sp\d))?", said
    )
    if old:
        yield f"windows-{old[1]}", (old[2] or old[1]).upper(), ""


_OVERRIDE_WORDS = frozenset(COLUMNS)


def read_override(text: str, name: str = "") -> tuple[SupportRow, ...]:
    """Return the rows of an override file: TOML tables `[[date]]` with the columns of `os_support.csv`, or that CSV.

    `edition`, `build` and `licence` may be left out, `end_of_support` of an undated row has to be. Raises TableError
    naming file, line and key or column where a row is wrong.
    """
    if text.lstrip().startswith("product,"):
        return parse_os_support(text, name or "override.csv")
    name = name or "override.toml"
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{name}: {error}") from None
    lines = TomlLines(text)
    for key in content:
        if key != "date":
            raise TableError(f"{name}: line {lines.of((key,))}: {key}: only [[date]] tables are known here")
    dates = content.get("date", [])
    if not isinstance(dates, list) or not all(isinstance(date, dict) for date in dates):
        raise TableError(f"{name}: line {lines.of(('date',))}: date: write each as a table [[date]]")
    found: dict[tuple[str, str, str, str], SupportRow] = {}
    for number, told in enumerate(dates):
        row = _override_row(told, name, lines, number)
        if row.key in found:
            said = " ".join(part for part in row.key if part)
            raise TableError(f"{name}: line {lines.of(('date', number))}: {said} is there twice")
        found[row.key] = row
    return tuple(found.values())


def _override_row(told: Mapping[str, Any], name: str, lines: TomlLines, number: int) -> SupportRow:
    at = lines.of(("date", number))
    cells = {"edition": "", "build": "", "end_of_support": "", "licence": "own"}
    for key, value in told.items():
        line = lines.of(("date", number, key))
        if key not in _OVERRIDE_WORDS:
            raise TableError(f"{name}: line {line}: {key} is none of {', '.join(COLUMNS)}")
        if isinstance(value, dt.datetime) or not isinstance(value, (str, dt.date)) or "\n" in str(value):
            raise TableError(f"{name}: line {line}: {key}: a text or a day such as 2028-10-10 is wanted")
        cells[key] = str(value)
    if missing := [key for key in COLUMNS if key not in cells]:
        raise TableError(f"{name}: line {at}: {missing[0]} is missing")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((COLUMNS, [cells[key] for key in COLUMNS]))
    try:
        return parse_os_support(text.getvalue(), name)[0]
    except TableError as error:  # which knows the line of the row alone
        raise TableError(str(error).replace("line 2:", f"line {at}:", 1)) from None


def merged(shipped: Iterable[SupportRow], *newer: Iterable[SupportRow]) -> tuple[SupportRow, ...]:
    """Return the shipped rows with each newer set over them, in order of product, version and edition.

    A newer set replaces all free rows of a release it has free rows of, and its paid rows likewise; what it does not
    speak of stays, and the build of a release where it names none.
    """
    rows = list(shipped)
    for over in newer:
        builds = {(row.product, row.version): row.build for row in rows}
        fresh = [replace(row, build=row.build or builds.get((row.product, row.version), "")) for row in over]
        replaced = {_slot(row) for row in fresh}
        rows = [row for row in rows if _slot(row) not in replaced] + fresh
    return tuple(sorted(rows, key=lambda row: row.key))


def still_newer(loaded: Iterable[SupportRow], shipped: Iterable[SupportRow]) -> tuple[SupportRow, ...]:
    """Return the loaded rows without those the shipped ones are newer than: a program may be newer than a dump."""
    taken: dict[tuple[str, str, str, str], dt.date] = {}
    for row in shipped:
        taken[_slot(row)] = max(row.as_of, taken.get(_slot(row), row.as_of))
    return tuple(row for row in loaded if row.as_of >= taken.get(_slot(row), row.as_of))


def _slot(row: SupportRow) -> tuple[str, str, str, str]:
    return (row.product, row.version, row.edition, "paid" if row.kind == "paid" else "support")


def changes(before: Iterable[SupportRow], after: Iterable[SupportRow]) -> tuple[Change, ...]:
    """Return the releases whose last day (free or paid) is not the same, in order; what is gone has no `after`."""
    old, new = _last_days(before), _last_days(after)
    return tuple(
        Change(*slot, old.get(slot), new.get(slot), slot not in new or new[slot] is not None)
        for slot in sorted(old.keys() | new.keys())
        if (slot in old, old.get(slot)) != (slot in new, new.get(slot))
    )


def _last_days(rows: Iterable[SupportRow]) -> dict[tuple[str, str, str, str], dt.date | None]:
    found: dict[tuple[str, str, str, str], dt.date | None] = {}
    for row in rows:
        slot = _slot(row)
        if slot not in found:
            found[slot] = row.end_of_support
        elif row.end_of_support is not None:
            known = found[slot]
            found[slot] = row.end_of_support if known is None else max(known, row.end_of_support)
    return found
