"""Recomputes an evidence pack from itself alone: no database, no network. Says what differs, and in which file.

Hashes first; then daily rows to joules by the models, device-months to groups, groups to lines, lines and factors to
tonnes, tonnes to the totals the report prints. Of reports that rest on meters, every day and reading to the kWh of
supplies and lines. Then whatever the report prints that follows from these.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from roadworthy_collector.carbon import (
    pack_drawn,
    pack_kept,
    pack_numbers,
    pack_printed,
    pack_rebuilt,
    pack_records,
    plug_fits,
    power,
)
from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon.estate import ERASED
from roadworthy_collector.carbon.pack_drawn import Draw
from roadworthy_collector.carbon.pack_files import PackError, Unzipped
from roadworthy_collector.carbon.pack_kept import Kept
from roadworthy_collector.carbon.pack_numbers import exact as number
from roadworthy_collector.carbon.pack_printed import Metered
from roadworthy_collector.carbon.pack_recompute import (
    DaysCounted,
    day_of,
    in_order,
    machine_of,
    recompute,
    rests_of,
)
from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.carbon.sums import Sum
from roadworthy_inventory.calendar import financial_year_label
from roadworthy_inventory.carbon.crc_rates import RateBook
from roadworthy_inventory.carbon.ledger import JOULES_PER_KWH, QUALITIES
from roadworthy_inventory.carbon.quantities import half_up

_UNFIT = (
    ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError, StopIteration, RecursionError,
)  # fmt: skip
_ENERGY = ("kwh", "journals_kwh")

_NOT_WORKED_OUT = (
    f"held against their hashes alone: {files.CONTACTS}, {files.SIGNOFF}, {files.CHANGES} and {files.METER_FILES} where they "
    f"are there; of {files.REPORT} notes of tables and, but for CRC, sentences and methods are not read, so somebody who "
    "forged a pack as a whole may have put other words there: the pack is of an older version without what they follow from"
)


@dataclass(slots=True)
class Verified:
    """What was found: `differences` is empty where all fits. `totals`: {sum: recomputed tonnes as printed}."""

    report: int | None = None
    kind: str = ""
    year: str = ""
    sha256: str = ""
    totals: dict[str, float] = field(default_factory=dict)
    kwh: float | None = None
    days: int = 0
    whole: bool = (
        False  # whether the report itself was made again; otherwise it was held against hashes and sums alone
    )
    differences: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        return not self.differences


def verify(path: Path, *, known_sha256: str | None = None, draw: Draw | None = None) -> Verified:
    """Return what a pack's figures come to; PackError where it is no pack that can be read.

    `draw` makes the PDF again, to be held against the pack's; without it that is not done, and said.

    `known_sha256`: of the whole file, noted elsewhere; without it somebody who forged everything goes unnoticed.
    """
    if not path.is_file():
        raise PackError(f"{path}: there is no such file")
    found = Verified(sha256=files.file_digest(path))
    if known_sha256 is not None and found.sha256 != known_sha256.strip().lower():
        found.differences.append(f"the file's SHA-256 is {found.sha256} and not the one that is known")
    with Unzipped(path) as pack:
        if not _hashes(pack, found):
            return found
        if files.written_again(pack) != found.sha256:
            found.differences.append(
                "the ZIP's own records (names, times, headers, or something beside its files) were changed"
            )
            return found
        try:
            _figures(pack, found, draw)
        except _UNFIT as error:
            found.differences.append(f"a file does not hold what it should ({type(error).__name__}: {error})")
    return found


def _hashes(pack: Unzipped, found: Verified) -> bool:
    """Compare every file with the manifest, and the manifest with its seal; return whether all are as they were."""
    sealed = pack.read(files.SEAL).decode("ascii", "replace")
    if sealed != f"{pack.sha256(files.MANIFEST)}  {files.MANIFEST}\n":
        found.differences.append(f"{files.MANIFEST} or {files.SEAL} was changed: its hash does not fit")
        return False
    try:
        manifest = json.loads(pack.read(files.MANIFEST))
        told: Mapping[str, Any] = {name: str(one["sha256"]) for name, one in manifest["files"].items()}
    except _UNFIT as error:
        raise PackError(f"{files.MANIFEST}: is no manifest ({error})") from None
    found.report, found.kind, found.year = (
        manifest.get("report"),
        manifest.get("kind", ""),
        manifest.get("year", ""),
    )
    before = len(found.differences)
    there = {name for name in pack.names if name not in {files.MANIFEST, files.SEAL}}
    for name in sorted(there | set(told)):
        if name not in there:
            found.differences.append(f"{name} is missing")
        elif name not in told:
            found.differences.append(f"{name} is not in the manifest")
        elif pack.sha256(name) != told[name]:
            found.differences.append(f"{name} was changed: its SHA-256 is not the manifest's")
    return len(found.differences) == before


def _figures(pack: Unzipped, found: Verified, draw: Draw | None) -> None:
    content = json.loads(pack.read(files.REPORT))
    manifest = json.loads(pack.read(files.MANIFEST))
    for name in (files.REPORT, files.MANIFEST, files.SIGNOFF, files.RESTS):
        pack_numbers.ensure_bounded(name, json.loads(pack.read(name)))
    if (content["kind"], content["year"]) != (manifest["kind"], manifest["year"]):
        found.differences.append(f"{files.REPORT} is of another kind or year than {files.MANIFEST} says")
    if content["year"] != financial_year_label(int(content["began"])):
        found.differences.append(f"{files.REPORT}: {content['year']} does not begin in {content['began']}")
    rows = _groups(pack)
    _devices(pack, found)
    _daily(pack, found)
    lines = _lines(pack, content, rows, found)
    factors = _factors(pack, content, found)
    exact = {one["name"]: _sum(one, lines, factors, found) for one in content["sums"]}
    found.differences += pack_printed.sums(content, exact)
    entered = {
        one["name"]: number(one["journals_kwh"], f"{files.REPORT}: lines, journals_kwh")
        for one in content["lines"]
    }
    found.differences += pack_printed.journals(content, entered)
    found.differences += pack_printed.excluded(pack, content, manifest)
    found.differences += pack_drawn.differing(pack, content, manifest, draw, found.remarks)
    metered = None
    kept = pack_kept.of_json(pack.read(files.INPUTS)) if files.INPUTS in pack.names else None
    rates = None if kept is None else RateBook(kept.rates)
    if content["kind"] != "carbon":
        if files.READINGS in pack.names:
            metered = pack_printed.metered(pack, int(content["began"]), str(manifest["reporting_timezone"]))
        found.differences += pack_printed.of_meters(metered, content, manifest, found.remarks, rates)
    _whole(pack, content, manifest, metered, kept, found)
    total = Sum()
    for held in rows.values():
        total.add(held)
    energy = total.energy()
    found.kwh = float(half_up(energy.kwh, 3))
    if content["kind"] == "carbon":
        ends = {"value": energy.whole_joules, "low": energy.low_joules, "high": energy.high_joules}
        _printed_energy(content, ends, found)
        found.differences += pack_printed.ledger(content, rows)


def _whole(
    pack: Unzipped,
    content: Mapping[str, Any],
    manifest: Mapping[str, Any],
    held: Metered | None,
    kept: Kept | None,
    found: Verified,
) -> None:
    """Make the whole report again and compare every cell, and hold records against each other."""
    if kept is None:
        if int(manifest["version"]) >= pack_records.SINCE or EVIDENCE in content["rules"]:
            found.differences.append(f"{files.INPUTS} is missing")
        found.remarks.append(_NOT_WORKED_OUT)
        return
    found.differences += pack_records.differing(pack, content, manifest, kept)
    found.remarks.append(pack_records.recorded(pack))
    if not pack_drawn.same_version(manifest):
        found.remarks.append(
            "the whole report was not made again: only the version that made the pack does that"
        )
        return
    supplies = [] if held is None else held.supplies
    made = pack_rebuilt.content(
        pack, kept, content["kind"], int(content["began"]), supplies, files.evidence_digest(pack)
    )
    found.differences += pack_rebuilt.differing(content, made, kept)
    found.whole = True
    found.remarks.append(
        f"the whole of {files.REPORT} was made again: figures, sentences, notes, tables, charts, method, exclusions"
    )
    if kept.differing:
        found.remarks.append(
            f"{len(kept.differing)} cells came out otherwise already when it was closed, such as {min(kept.differing)}"
        )


def _groups(pack: Unzipped) -> dict[tuple[str, str, str], Sum]:
    """Return the ledger by month, place and class."""
    found: dict[tuple[str, str, str], Sum] = {}
    for row in pack.rows(files.GROUPS):
        key = row["month"], row["place"], row["class"]
        found.setdefault(key, Sum()).add(pack_rebuilt.sum_of_group(row))
    return found


def _joules(row: Mapping[str, str]) -> list[int]:
    return [int(row[f"{quality}_joules"]) for quality in QUALITIES]


def _devices(pack: Unzipped, found: Verified) -> None:
    """Compare device-months with groups by month, site and unit; what erased devices drew is in groups alone."""
    mine: dict[tuple[str, ...], list[int]] = {}
    wanted: dict[tuple[str, ...], list[int]] = {}
    erased = 0
    for name, into in ((files.DEVICES, mine), (files.GROUPS, wanted)):
        for row in pack.rows(name):
            numbers = [*_joules(row), int(row["days"]), int(row["unknown_seconds"])]
            if name == files.GROUPS and row["class"] == ERASED:
                erased += sum(_joules(row))
                continue
            held = into.setdefault((row["month"], row["site"], row["unit"]), [0] * len(numbers))
            for at, one in enumerate(numbers):
                held[at] += one
    for key in sorted({*mine, *wanted}):
        own, grouped = (some.get(key, [0] * (len(QUALITIES) + 2)) for some in (mine, wanted))
        if own != grouped:
            told, other = (
                f"{sum(some[:-2]):,} J of {some[-2]:,} days and {some[-1]:,} s not known"
                for some in (own, grouped)
            )
            found.differences.append(
                f"{files.DEVICES}: {', '.join(key)} sums to {told}, and {files.GROUPS} to {other}"
            )
    if erased:
        found.remarks.append(
            f"{erased / JOULES_PER_KWH:,.3f} kWh are of devices erased since: in the sums, not by device"
        )


def _daily(pack: Unzipped, found: Verified) -> None:
    """Work the daily rows out anew and compare with what they came to when the report was closed."""
    told = json.loads(pack.read(files.RESTS))
    if told["models"] != power.digest():
        found.differences.append(
            "this program's power models are not those the pack was made with: install the version in its manifest, "
            "then daily rows can be recomputed too"
        )
        return

    counted = DaysCounted()
    machines = (machine_of(row) for row in pack.rows(files.MACHINES))
    again = recompute(
        counted.of(map(day_of, pack.rows(files.DAYS))),
        in_order(machines),
        rests_of(told["rests"]),
        plug_fits.lines_of(told.get("plug_lines", {})),  # packs of earlier versions have none
    )
    found.days = again.days
    if again.as_json() != told["recomputed"]:
        found.differences.append(
            f"{files.DAYS}: {again.days:,} daily rows come to {sum(again.joules):,} J, and to "
            f"{sum(told['recomputed']['joules'].values()):,} J when the report was closed"
        )
    found.differences += counted.twice()
    ledger = 0
    for row in pack.rows(files.DEVICES):
        if row["device"]:
            ledger += sum(_joules(row))
            counted.expect(int(row["device"]), row["month"][:7], int(row["days"]))
    found.remarks += counted.apart()
    apart = sum(again.joules) - ledger
    found.remarks.append(
        f"{again.days:,} daily rows, worked out anew by the models, come to {sum(again.joules) / JOULES_PER_KWH:,.3f} kWh; "
        f"the ledger's device-months to {ledger / JOULES_PER_KWH:,.3f} kWh, {apart / JOULES_PER_KWH:+,.3f} kWh apart"
    )
    if told.get("restricted_days"):
        found.remarks.append(
            f"{told['restricted_days']:,} days of restricted sites are in totals only and have no daily rows here"
        )


def _lines(
    pack: Unzipped, content: Mapping[str, Any], rows: Mapping[tuple[str, str, str], Sum], found: Verified
) -> dict[str, Fraction]:
    """Return kWh by line: of the ledger worked out from the groups, of other sources as they were told."""
    by_place: dict[str, int] = {}
    for (_, place, _), one in rows.items():
        by_place[place] = by_place.get(place, 0) + sum(one.joules)
    lines = {}
    for at, (row, one) in enumerate(zip(pack.rows(files.LINES), content["lines"], strict=True), 2):
        told, journals = (number(row[name], f"{files.LINES}: line {at}: {name}") for name in _ENERGY)
        printed = (number(one[name], f"{files.REPORT}: lines {at - 1}, {name}") for name in _ENERGY)
        said = (one["name"], *printed)
        if (row["line"], told, journals) != said:
            found.differences.append(f"{files.LINES}: {row['line']} is not what {files.REPORT} says")
        places = row["places"].split()
        used = Fraction(sum(by_place.get(place, 0) for place in places), JOULES_PER_KWH) if places else told
        if used != told:
            found.differences.append(
                f"{row['line']}: {files.GROUPS} sums to {float(used):,.3f} kWh and {files.LINES} says {float(told):,.3f}"
            )
        lines[row["line"]] = used + journals
    return lines


def _factors(pack: Unzipped, content: Mapping[str, Any], found: Verified) -> dict[str, Fraction]:
    """Return each factor as the mean of its rows by days; factors with a row that is missing are left out."""
    text = pack.read(files.FACTORS).decode()
    parts: dict[str, list[tuple[Fraction, int]]] = {}
    missing = set()
    for at, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
        if row["value"] in {"", "None"}:
            missing.add(row["key"])
            continue
        parts.setdefault(row["key"], []).append(
            (number(row["value"], f"{files.FACTORS}: row {at - 1}: value"), int(row["days"]))
        )
    factors = {}
    for key, some in parts.items():
        if key not in missing:
            days = sum(one for _, one in some)
            factors[key] = sum((value * one for value, one in some), Fraction(0)) / days
    for one in content["factors"]:
        if one["value"] is not None and factors.get(one["key"]) != number(
            one["value"], f"{files.REPORT}: factors, {one['key']}, value"
        ):
            found.differences.append(
                f"{files.FACTORS}: {one['title']} does not come to what {files.REPORT} says"
            )
    return factors


def _sum(
    one: Mapping[str, Any],
    lines: Mapping[str, Fraction],
    factors: Mapping[str, Fraction],
    found: Verified,
) -> Fraction:
    """Return a sum's tonnes worked out of lines and factors, exactly; say so where the report has others."""
    where = f"{files.REPORT}: sums, {one['name']}"
    tonnes = sum(
        (
            lines[term["line"]] * factors[term["factor"]] * number(term["uplift"], f"{where}, uplift") / 1000
            for term in one["terms"]
        ),
        number(one["given"], f"{where}, given"),
    )
    found.totals[one["name"]] = float(half_up(tonnes, one["places"]))
    said = number(one["tonnes"], f"{where}, tonnes")
    if tonnes != said:
        found.differences.append(
            f"{one['title']}: comes to {float(tonnes):,.6f} {one['unit']} and the report says "
            f"{float(said):,.6f}"
        )
    return tonnes


def _printed_energy(content: Mapping[str, Any], ends: Mapping[str, int], found: Verified) -> None:
    """Compare the energy and the interval the first page prints with the groups and their errors."""
    journals = sum((number(one["journals_kwh"], files.REPORT) for one in content["lines"]), Fraction(0))
    printed = next(row for row in content["figures"] if row["name"] == "kwh")
    for name, joules in ends.items():
        wanted = float(half_up(max(Fraction(0), Fraction(joules, JOULES_PER_KWH) + journals), 3))
        # Square roots of floats: the last watt-hour may round the other way.
        if abs(printed[name] - wanted) > 0.002:
            found.differences.append(
                f"{printed['title']}: its {name} comes to {wanted:,.3f} kWh, not {printed[name]:,.3f}"
            )
