"""Disposal: where register items went, what they weighed and brought, and which certificates are missing.

Weights are whole grams, money whole pence. A weight, a route, a date or a price nobody wrote down stays unknown and
is counted; no typical weight is put in its place. WEEE categories are those of the UK's regulations of 2013, from
`data/weee_categories.csv`; where the list does not name a kind the row says `ours`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from roadworthy_inventory import tables
from roadworthy_inventory.calendar import financial_year_of
from roadworthy_inventory.money import pounds

ROUTES = (
    "reuse",
    "resale",
    "recycling",
    "energy_recovery",
    "landfill",
    "destruction",
    "return_to_lessor",
    "unknown",
)
UNDATED = "undated"
_FILE = "weee_categories.csv"
_COLUMNS = ("kind", "category", "category_name", "stores_data", "basis", "note", "source", "as_of")
_CATEGORIES = range(1, 15)  # the regulations have fourteen
# What no single item of a kind weighs, in kg; ours, and wide: it is there for slips of a comma and whole lots.
_HEAVIEST_KG: Mapping[str, int] = MappingProxyType(
    {"phone": 5, "tablet": 10, "laptop": 15, "dock": 15, "thin_client": 25, "desktop": 75, "monitor": 75}
)

Years = Literal["financial", "calendar"]


@dataclass(frozen=True, slots=True)
class WeeeCategory:
    """The WEEE category of a kind of register item.

    `stores_data`: whether such items keep data of their owner, None where only the model tells. `basis`: `named` in
    the source's list, or `ours`.
    """

    kind: str
    category: int
    category_name: str
    stores_data: bool | None
    basis: str
    note: str
    source: str
    as_of: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposalRecord:
    """One register item on its way out, or gone.

    `left`: the day it left the organisation's hands, None where it is still awaiting disposal. `stores_data` and
    `weee_category` overrule what the kind says. `certificate`: the number of the data-destruction certificate;
    `certificate_date`: its day. `proceeds_pence` and `cost_pence` are both positive amounts.
    """

    tag: str
    kind: str = "unknown"
    route: str = "unknown"
    weight_grams: int | None = None
    weee_category: int | None = None
    stores_data: bool | None = None
    certificate: str | None = None
    certificate_date: dt.date | None = None
    left: dt.date | None = None
    proceeds_pence: int | None = None
    cost_pence: int | None = None
    contractor: str | None = None


def parse_weee_categories(text: str) -> dict[str, WeeeCategory]:
    """Return {kind: category} of the table's text; TableError where a row is wrong or there twice."""
    found: dict[str, WeeeCategory] = {}
    words = {"yes": True, "no": False, "unknown": None}
    for line, row in tables.rows(_FILE, text, _COLUMNS):
        kind, number = row["kind"], row["category"]
        if kind in found:
            raise tables.TableError(f"{_FILE}: line {line}: kind: {kind} is there twice")
        if not (number.isascii() and number.isdigit() and int(number) in _CATEGORIES):
            raise tables.TableError(f"{_FILE}: line {line}: category: {number!r} is none of 1 to 14")
        found[kind] = WeeeCategory(
            kind=kind,
            category=int(number),
            category_name=row["category_name"],
            stores_data=words[tables.one_of(_FILE, line, "stores_data", row["stores_data"], words)],
            basis=tables.one_of(_FILE, line, "basis", row["basis"], ("named", "ours")),
            note=row["note"],
            source=row["source"],
            as_of=tables.iso_date(_FILE, line, "as_of", row["as_of"]),
        )
    return found


@cache
def weee_categories() -> Mapping[str, WeeeCategory]:
    """Return {kind: category} of the table that ships with this package, read once."""
    return MappingProxyType(parse_weee_categories(tables.read_text(_FILE)))


def category_of(record: DisposalRecord) -> int | None:
    """Return the WEEE category, 1 to 14: the record's own, else its kind's, else None."""
    if record.weee_category is not None:
        return record.weee_category
    row = weee_categories().get(record.kind)
    return None if row is None else row.category


def stores_data(record: DisposalRecord) -> bool | None:
    """Return whether the item keeps data: the record's own word, else its kind's, None where nobody knows."""
    if record.stores_data is not None:
        return record.stores_data
    row = weee_categories().get(record.kind)
    return None if row is None else row.stores_data


def too_heavy(kind: str, weight_grams: int | None) -> str | None:
    """Return why no single item of a kind weighs so much, None where one may or the kind has no bound."""
    most = _HEAVIEST_KG.get(kind)
    if most is None or weight_grams is None or weight_grams <= most * 1000:
        return None
    return (
        f"{weight_grams / 1000:,.1f} kg is more than one {kind.replace('_', ' ')} weighs (at most {most} kg)"
    )


def _no_weight(record: DisposalRecord) -> str | None:
    if record.weight_grams is not None and record.weight_grams <= 0:
        return f"{record.weight_grams} is no weight; leave it out where it is not known"
    return too_heavy(record.kind, record.weight_grams)


def check_record(record: DisposalRecord, on: dt.date) -> tuple[str, ...]:
    """Return what cannot be right about `record` on the day `on`, as sentences that name the field."""
    found = []
    if record.route not in ROUTES:
        found.append(f"route: {record.route!r} is none of {', '.join(ROUTES)}")
    if record.weee_category is not None and record.weee_category not in _CATEGORIES:
        found.append(f"weee_category: {record.weee_category} is none of 1 to 14")
    if why := _no_weight(record):
        found.append(f"weight_grams: {why}")
    for field in ("proceeds_pence", "cost_pence"):
        amount = getattr(record, field)
        if amount is not None and amount < 0:
            found.append(
                f"{field}: {pounds(amount)} is negative; what was paid is a cost, what came in is proceeds"
            )
    for field in ("left", "certificate_date"):
        day = getattr(record, field)
        if day is not None and day > on:
            found.append(f"{field}: {day} is still to come")
    if record.certificate_date is not None and not (record.certificate or "").strip():
        found.append("certificate: a date without the certificate's number")
    if record.route == "return_to_lessor" and record.proceeds_pence:
        found.append("proceeds_pence: an item of the lessor's cannot be sold by returning it")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class MissingCertificate:
    """An item that has left without a complete data-destruction certificate; `why` is a sentence."""

    record: DisposalRecord
    days_since_left: int
    why: str


def missing_certificates(records: Iterable[DisposalRecord], on: dt.date) -> tuple[MissingCertificate, ...]:
    """Return the items that left by the day `on` and are owed a certificate, the longest gone first.

    Owed where the item keeps data, whatever the route, and where nobody knows whether it does.
    """
    found = []
    for record in records:
        keeps = stores_data(record)
        if record.left is None or record.left > on or keeps is False:
            continue
        why = _lacking(record, on)
        if why is None:
            continue
        if keeps is None:
            why = f"{why}; it is not known whether the item keeps data"
        found.append(MissingCertificate(record, (on - record.left).days, why))
    return tuple(sorted(found, key=lambda one: (-one.days_since_left, one.record.tag)))


def _lacking(record: DisposalRecord, on: dt.date) -> str | None:
    """Return what the certificate lacks, None where it is complete."""
    if not (record.certificate or "").strip():
        return "no certificate"
    if record.certificate_date is None:
        return "the certificate has no date"
    return "the certificate's date is still to come" if record.certificate_date > on else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposalTotal:
    """What a set of items adds up to; the `..._unknown` counts are the items the sum beside them lacks.

    `certificates_owed` = `certificates_held` + `certificates_missing`. `weee_grams` and `weee_items` are by
    category, None for items without one.
    """

    items: int
    weight_grams: int
    weight_unknown: int
    proceeds_pence: int
    proceeds_unknown: int
    cost_pence: int
    cost_unknown: int
    certificates_owed: int
    certificates_held: int
    certificates_missing: int
    weee_items: Mapping[int | None, int]
    weee_grams: Mapping[int | None, int]


def total(records: Iterable[DisposalRecord], on: dt.date) -> DisposalTotal:
    """Return the totals of `records` as of the day `on`."""
    of = tuple(records)
    missing = len(missing_certificates(of, on))
    owed = sum(one.left is not None and one.left <= on and stores_data(one) is not False for one in of)
    items: Counter[int | None] = Counter(category_of(one) for one in of)
    grams: Counter[int | None] = Counter()
    for one in of:
        grams[category_of(one)] += one.weight_grams or 0
    return DisposalTotal(
        items=len(of),
        weight_grams=sum(one.weight_grams or 0 for one in of),
        weight_unknown=sum(one.weight_grams is None for one in of),
        proceeds_pence=sum(one.proceeds_pence or 0 for one in of),
        proceeds_unknown=sum(one.proceeds_pence is None for one in of),
        cost_pence=sum(one.cost_pence or 0 for one in of),
        cost_unknown=sum(one.cost_pence is None for one in of),
        certificates_owed=owed,
        certificates_held=owed - missing,
        certificates_missing=missing,
        weee_items=dict(items),
        weee_grams=dict(grams),
    )


def year_of(record: DisposalRecord, years: Years = "financial") -> str:
    """Return the year the item left in: `2026/27` (1 April to 31 March), `2026`, or `undated`."""
    if record.left is None:
        return UNDATED
    if years == "calendar":
        return str(record.left.year)
    began = financial_year_of(record.left)
    return f"{began}/{(began + 1) % 100:02}"


def totals(
    records: Iterable[DisposalRecord], on: dt.date, *, years: Years = "financial"
) -> dict[tuple[str, str], DisposalTotal]:
    """Return {(route, year): total}; every record is in exactly one cell, an unheard-of route under `unknown`."""
    cells: defaultdict[tuple[str, str], list[DisposalRecord]] = defaultdict(list)
    for record in records:
        route = record.route if record.route in ROUTES else "unknown"
        cells[route, year_of(record, years)].append(record)
    return {cell: total(of, on) for cell, of in sorted(cells.items())}
