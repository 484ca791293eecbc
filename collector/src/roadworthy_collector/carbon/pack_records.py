"""Checks of a pack's records: what was not worked out of anything, but has to fit the rest of the pack.

Sign-off in its order by different people, the papers made of it, files the readings came in, changes of supplies, what a
restating report says it changed, and the manifest itself.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import pack_files as files
from roadworthy_collector.carbon import pack_meters, report_compare
from roadworthy_collector.carbon import pack_papers as papers
from roadworthy_collector.carbon.pack_files import Unzipped
from roadworthy_collector.carbon.pack_kept import Kept
from roadworthy_collector.carbon.report_compare import EVIDENCE
from roadworthy_collector.carbon.settings_changes import Contact
from roadworthy_inventory.carbon.years import year_days

SINCE = 4  # packs of older versions hold nothing the whole report could be made of
_OPEN, _PROVISIONAL, _CLOSED, _APPROVED, _PUBLISHED = (
    "open", "provisional", "closed", "approved", "published",
)  # fmt: skip
_FOLLOWS: Mapping[str, tuple[str, ...]] = {
    _OPEN: (_PROVISIONAL,),
    _PROVISIONAL: (_CLOSED, _OPEN),
    _CLOSED: (_APPROVED, _OPEN),
    _APPROVED: (_PUBLISHED, _OPEN),
    _PUBLISHED: (),
}
_LEAST_DIGITS = 32
# What people or devices told: nothing in a pack says whether it is true. `report verify` prints it.
RECORDED: Mapping[str, Sequence[str]] = {
    files.SIGNOFF: ("person", "at", "remark", "contacts", "marking", "restates"),
    files.CONTACTS: ("name", "did", "at", "reach"),
    files.DAYS: files.COLUMNS[files.DAYS],
    files.MACHINES: files.COLUMNS[files.MACHINES],
    files.DEVICES: ("device", "class", "model", "low_joules", "high_joules"),
    files.GROUPS: ("devices", "own_down_squared", "own_up_squared", "shared"),
    files.RESTS: ("rests", "plug_lines", "restricted_days"),
    files.READINGS: files.COLUMNS[files.READINGS],
    files.SUPPLIES: ("name", "settled_half_hourly", "rows of restricted sites"),
    files.SUPPLY_SITES: ("site", "kind", "tenure", "from", "to", "share"),
    files.METER_FILES: ("file", "digest", "imported_at", "imported_by", "rows_read", "rows_good", "rows_bad"),
    files.INPUTS: (
        "the year before",
        "carbon settings",
        "factors",
        "adjustments",
        "devices without an agent",
    ),
}


def recorded(pack: Unzipped) -> str:
    """Return in words what of a pack is recorded and follows from nothing else in it."""
    told = "; ".join(f"{name}: {', '.join(some)}" for name, some in RECORDED.items() if name in pack.names)
    return (
        f"recorded, not derivable (a change shows by its digest, and where a figure follows from it; whoever forges a pack "
        f"as a whole is only caught by --sha256): {told}"
    )


def differing(
    pack: Unzipped, content: Mapping[str, Any], manifest: Mapping[str, Any], kept: Kept
) -> Iterator[str]:
    """Yield each record that does not fit the rest of the pack."""
    signed = json.loads(pack.read(files.SIGNOFF))
    yield from _manifest(pack, content, manifest, kept, signed)
    yield from _signed(content, signed, kept)
    yield from _papers(pack, content, signed)
    yield from _restates(content, signed)
    if content["kind"] != "carbon":
        yield from _changes(pack, content)
    yield from _meter_files(pack, signed)


def _manifest(
    pack: Unzipped,
    content: Mapping[str, Any],
    manifest: Mapping[str, Any],
    kept: Kept,
    signed: Mapping[str, Any],
) -> Iterator[str]:
    sums = [{name: one[name] for name in ("name", "tonnes", "unit", "places")} for one in content["sums"]]
    wanted = {
        "version": SINCE,
        "code_version": content["code_version"],
        "models": json.loads(pack.read(files.RESTS))["models"],
        "rules": content["rules"],
        "reporting_timezone": kept.zone,
        "exclusions": content["exclusions"],
        "sums": sums,
        "report": signed["report"],
        "sealed_at": signed["steps"][-1]["at"],
    }
    for name, value in wanted.items():
        if manifest.get(name) != value:
            yield f"{files.MANIFEST}: {name} is not what the rest of the pack says"
    for name, one in manifest["files"].items():
        if one["bytes"] != pack.size(name):
            yield f"{files.MANIFEST}: {name} has other bytes than it says"
    if content["rules"].get(EVIDENCE) != files.evidence_digest(pack):
        yield f"{files.REPORT}: the rows behind it are not those it was closed, approved and issued with ({EVIDENCE})"


def _signed(content: Mapping[str, Any], signed: Mapping[str, Any], kept: Kept) -> Iterator[str]:
    """Yield what is wrong with the order of steps, their times, or who took them."""
    steps = signed["steps"]
    states = [one["state"] for one in steps]
    if states[:1] != [_OPEN] or states[-1:] != [_PUBLISHED]:
        yield f"{files.SIGNOFF}: does not begin with being prepared and end with being published"
    for one, other in itertools.pairwise(states):
        if other not in _FOLLOWS.get(one, ()):
            yield f"{files.SIGNOFF}: {other} cannot follow {one}"
    times = [one["at"] for one in steps]
    if times != sorted(times):
        yield f"{files.SIGNOFF}: its steps are not in the order of their times"
    if any(not str(one["person"]).strip() for one in steps):
        yield f"{files.SIGNOFF}: a step has no name"
    yield from _closed(content, steps, kept)
    yield from _people(content, steps)


def _closed(content: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], kept: Kept) -> Iterator[str]:
    closed = next((one["at"] for one in reversed(steps) if one["state"] == _CLOSED), None)
    if closed is None:
        return
    if closed != content["made_at"]:
        yield f"{files.SIGNOFF}: it was closed at another time than {files.REPORT} was made"
    if local_day(closed, kept.zone) <= year_days(int(content["began"]))[1]:
        yield f"{files.SIGNOFF}: it was closed before its year was over"


def _people(content: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield whoever took a step of somebody else: preparer, reviewer and approver are three people."""
    since = max((at for at, one in enumerate(steps) if one["state"] == _OPEN), default=0)
    did: dict[str, set[str]] = {}
    for one in steps[since:]:
        did.setdefault(one["state"], set()).add(str(one["person"]).strip().casefold())
    table = next((one for one in content["tables"] if one["name"] == "journals"), None)
    entered = {str(row["made_by"]).strip().casefold() for row in (table["rows"] if table else ())}
    prepared = did.get(_OPEN, set()) | entered
    reviewed, approved = did.get(_PROVISIONAL, set()), did.get(_APPROVED, set())
    for name in sorted(reviewed & prepared):
        yield f"{files.SIGNOFF}: {name} prepared a part and reviewed it"
    for name in sorted(approved & (prepared | reviewed | did.get(_CLOSED, set()))):
        yield f"{files.SIGNOFF}: {name} approved what they prepared, reviewed or closed"


def _papers(pack: Unzipped, content: Mapping[str, Any], signed: Mapping[str, Any]) -> Iterator[str]:
    """Yield each paper that is not what report and sign-off come to."""
    contacts = [Contact(*one) for one in signed["contacts"]]
    made = {
        files.FACTORS: papers.factor_rows(content),
        files.LINES: papers.line_rows(content),
        files.EXCLUSIONS: papers.exclusion_rows(content),
        files.CONTACTS: papers.contact_rows(signed["steps"], contacts),
    }
    for name, rows in made.items():
        if pack.read(name) != files.csv_bytes(name, rows):
            yield f"{name} is not what {files.REPORT} and {files.SIGNOFF} come to"


def _restates(content: Mapping[str, Any], signed: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a restating report says it changed and does not say itself."""
    told = content.get("restates")
    plain = None if told is None else {name: value for name, value in told.items() if name != "changes"}
    if plain != signed.get("restates"):
        yield f"{files.SIGNOFF}: names another report it restates, or another reason, than {files.REPORT}"
    if told is None:
        return
    said = dict(report_compare.said(content))
    for one in told["changes"]:
        if one["before"] == one["after"]:
            yield f"{files.REPORT}: {one['what']} is no change"
        elif said.get(one["what"]) != one["after"]:
            yield f"{files.REPORT}: {one['what']} changed to {one['after']}, and it says {said.get(one['what'])}"


def _changes(pack: Unzipped, content: Mapping[str, Any]) -> Iterator[str]:
    """Yield whether supplies joined and left otherwise than the places of supplies say."""
    first, last = year_days(int(content["began"]))
    places = [(row["supply"], pack_meters.place_of(row)) for row in pack.rows(files.SUPPLY_SITES)]
    made = files.csv_bytes(files.CHANGES, pack_meters.change_rows(places, first, last))
    if pack.read(files.CHANGES) != made:
        yield f"{files.CHANGES} is not what {files.SUPPLY_SITES} comes to"


def _meter_files(pack: Unzipped, signed: Mapping[str, Any]) -> Iterator[str]:
    """Yield each file of readings no reading names, or that cannot be one, and readings of a file that is not there."""
    named: dict[str, int] = {}
    for row in pack.rows(files.READINGS):
        named[row["import"]] = named.get(row["import"], 0) + 1
    told = {row["import"]: row for row in pack.rows(files.METER_FILES)}
    for name in sorted({*named} ^ {*told}):
        where = files.METER_FILES if name in named else files.READINGS
        yield f"{where}: there is no import {name}"
    for name, row in told.items():
        # What came in no file, such as by a form, has neither name nor digest.
        is_one = len(row["digest"]) >= _LEAST_DIGITS and not set(row["digest"]) - set(
            string.hexdigits.lower()
        )
        if not (is_one if row["file"] else row["digest"] == ""):
            yield f"{files.METER_FILES}: the digest of import {name} is none"
        if dt.datetime.fromisoformat(row["imported_at"]).timestamp() > signed["steps"][-1]["at"]:
            yield f"{files.METER_FILES}: import {name} came after the report was issued"
        if not row["imported_by"].strip():
            yield f"{files.METER_FILES}: nobody imported import {name}"
        if (
            int(row["rows_read"]) < int(row["rows_good"])
            or int(row["rows_good"]) < 1
            or int(row["rows_bad"]) < 0
        ):
            yield f"{files.METER_FILES}: import {name} has more good rows than it had rows"
