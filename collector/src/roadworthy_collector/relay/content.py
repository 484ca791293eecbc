"""What a relay keeps of a report and how it makes one of several: pure functions, no I/O.

Items go on as the structs they were read into: their bytes, and so the content hashes at the main collector, are
those of the device's own report.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from roadworthy_collector.ingest import validate, wire

_CHECKS = (
    ("periods", validate.check_period),
    ("days", validate.check_day),
    ("startups", validate.check_startup),
    ("signins", validate.check_signin),
    ("gaps", validate.check_gap),
)
HISTORY = tuple(name for name, _ in _CHECKS)
LATEST = ("probes", "facts", "now")
GAP_KIND = "unobserved"
GAP_BASIS = "spool_full"
MOST_GAPS = 400  # of a device at once; a report holds 500


class _Sent(wire.Report, omit_defaults=True):
    """A report as it is kept and sent: what is not there is left out, as the contract has it."""


_DECODER = msgspec.json.Decoder(_Sent)


class Part(NamedTuple):
    """One thing a report carries: the name of its field, and the item or, for `probes`, all of them."""

    field: str
    value: Any


def keep_good(report: wire.Report, bounds: validate.Bounds) -> wire.Report:
    """Return the report without the items this collector does not take."""
    changes: dict[str, Any] = {}
    for name, check in _CHECKS:
        found: Sequence[Any] = getattr(report, name)
        good = tuple(item for item in found if check(item, bounds) is None)
        if len(good) < len(found):
            changes[name] = good
    if report.now is not None and validate.check_now(report.now, bounds) is not None:
        changes["now"] = None
    return msgspec.structs.replace(report, **changes) if changes else report


def is_passing(report: wire.Report) -> bool:
    """Return whether a report holds nothing but the open half-hour, which the next one replaces."""
    return not history_items(report) and report.facts is None and not report.probes


def history_items(report: wire.Report) -> int:
    """Return how many items of history a report carries: what an answer counts."""
    return sum(len(getattr(report, name)) for name in HISTORY)


def pack(report: wire.Report) -> bytes:
    """Return a report as it is kept."""
    return zlib.compress(encode(report), 1)


def unpack(body: bytes) -> wire.Report:
    """Return a kept report."""
    return decode(zlib.decompress(body))


def encode(report: wire.Report, device_id: str | None = None) -> bytes:
    """Return a report as JSON, as `device_id`'s if that is given; nothing else is changed."""
    fields = {name: getattr(report, name) for name in wire.Report.__struct_fields__}
    if device_id is not None:
        fields["device_id"] = device_id
    return msgspec.json.encode(_Sent(**fields))


def decode(text: bytes) -> wire.Report:
    """Return the report in JSON text this module wrote; raises msgspec's errors."""
    return _DECODER.decode(text)


def mergeable(reports: Iterable[wire.Report]) -> int:
    """Return how many of the first reports fit into one: of one stream, and within the lists' lengths."""
    counts = dict.fromkeys(HISTORY, 0)
    first: wire.Report | None = None
    taken = 0
    for report in reports:
        first = first or report
        if (report.instance, report.schema_version) != (first.instance, first.schema_version):
            break
        for name in HISTORY:
            counts[name] += len(getattr(report, name))
        if taken and any(counts[name] > wire.LISTS[name] for name in HISTORY):
            break
        taken += 1
    return taken


def merge(reports: Sequence[wire.Report]) -> wire.Report:
    """Return one report of several of one device, given in the order they came; there is at least one.

    Every item of history is in it, in order. Of the latest words (facts, probes, the open half-hour) only the newest
    is worth forwarding, and the envelope is the last one's.
    """
    if len(reports) == 1:
        return reports[0]
    changes: dict[str, Any] = {
        name: tuple(item for report in reports for item in getattr(report, name)) for name in HISTORY
    }
    for name in LATEST:
        found = [getattr(report, name) for report in reports if getattr(report, name)]
        changes[name] = found[-1] if found else getattr(reports[-1], name)
    return msgspec.structs.replace(reports[-1], **changes)


def with_gaps(report: wire.Report, spans: Iterable[Sequence[int]]) -> wire.Report | None:
    """Return the report with a gap for each span the relay had to give up; None if it has no room for them."""
    gaps = tuple(wire.Gap(begin, end, GAP_KIND, GAP_BASIS) for begin, end in spans)
    if len(report.gaps) + len(gaps) > wire.LISTS["gaps"]:
        return None
    return msgspec.structs.replace(report, gaps=report.gaps + gaps)


def parts(report: wire.Report) -> list[Part]:
    """Return everything a report carries, in order."""
    found = [Part(name, item) for name in HISTORY for item in getattr(report, name)]
    return [*found, *(Part(name, getattr(report, name)) for name in LATEST if getattr(report, name))]


def rebuilt(report: wire.Report, some: Iterable[Part]) -> wire.Report:
    """Return a report with the envelope of `report` that carries only `some`."""
    fields: dict[str, Any] = {"probes": (), "facts": None, "now": None} | {name: [] for name in HISTORY}
    for name, value in some:
        if name in LATEST:
            fields[name] = value
        else:
            fields[name].append(value)
    return msgspec.structs.replace(
        report, **{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    )


def lost_spans(report: wire.Report) -> list[tuple[int, int]]:
    """Return the stretches, in epoch seconds, whose half-hours and days a given-up report held."""
    spans = [(period.start, period.start + validate.PERIOD_SECONDS) for period in report.periods]
    return spans + [(day.day, day.day + validate.DAY_SECONDS) for day in report.days]


def joined(spans: Iterable[tuple[int, int]], most: int = MOST_GAPS) -> list[tuple[int, int]]:
    """Return spans in order, those that touch as one; of more than `most` the nearest are joined."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    while len(found) > most:
        index = min(range(1, len(found)), key=lambda at: found[at][0] - found[at - 1][1])
        found[index - 1 : index + 1] = [(found[index - 1][0], found[index][1])]
    return found
