"""What the lifecycle says of one record, as words, and as the small whole numbers its ready-made rows are kept in."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from roadworthy_inventory.lifecycle import SupportStatus
from roadworthy_inventory.planned_life import AGE_BANDS, BANDS

KINDS = ("agent", "register", "mdm")  # who tells: the device itself; the register alone; an MDM export alone
STATUSES = ("supported", "ends_within", "extended", "ended", "unknown_end", "unknown", "not_applicable")
EXTENSIONS = ("none", "bought", "not_bought", "unknown", "over")
BUCKETS = (
    "ended",
    "within_90_days",
    "within_1_year",
    "within_2_years",
    "within_3_years",
    "later",
    "no_date",
    "unknown",
    "not_applicable",
)
WINDOWS11 = ("runs", "meets", "does_not", "unknown", "not_applicable")
_LIMITS = ((90, "within_90_days"), (365, "within_1_year"), (730, "within_2_years"), (1095, "within_3_years"))
# A record's place in a list of all kinds; row ids stay far below it.
KIND_SIZE = 1 << 40


class Release(NamedTuple):
    """A release of the table with the days and sources held of it; None where there is none."""

    product: str | None
    version: str | None
    date: str | None
    source: str | None
    as_of: str | None
    paid_until: str | None
    paid_source: str | None


class Codes(NamedTuple):
    """One record in numbers: indices into the tuples above; `release` into the releases of the same figures.

    `unit` and `system` are row ids, 0 for none.
    """

    kind: int
    id: int
    unit: int
    system: int
    status: int
    extension: int
    bucket: int
    release: int
    windows11: int
    band: int
    age: int

    @property
    def key(self) -> int:
        """The record's place in lists."""
        return self.kind * KIND_SIZE + self.id


# Which words a column's numbers stand for.
WORDS: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "status": STATUSES,
    "extension": EXTENSIONS,
    "bucket": BUCKETS,
    "windows11": WINDOWS11,
    "band": BANDS,
    "age": AGE_BANDS,
}


def last_day(support: SupportStatus) -> dt.date | None:
    """Return the last day of updates, free or bought; None where no day is told."""
    return support.covered_until if support.status == "extended" else support.date


def bucket(support: SupportStatus, on: dt.date) -> str:
    """Return when updates end, as one of BUCKETS; bought ones count until the last day paid for."""
    if support.status in {"unknown", "unknown_end"}:
        return "no_date" if support.status == "unknown_end" else "unknown"
    last = last_day(support)
    if last is None:
        return "no_date"
    if last < on:
        return "ended"
    return next((word for days, word in _LIMITS if (last - on).days <= days), "later")


def release_of(support: SupportStatus) -> Release:
    """Return the release a status is about."""

    def day(value: dt.date | None) -> str | None:
        return None if value is None else value.isoformat()

    return Release(
        support.product,
        support.version,
        day(support.date),
        support.source,
        day(support.as_of),
        day(support.paid_until),
        support.paid_source,
    )
