"""The exceptions register: what somebody has agreed to leave as it is, why, who answers for it, and until when.

An entry takes one register item or device out of one rule, of several or of all, from `starts` to `expires`, both
included; the day after, the rule holds again without anybody doing anything. An entry hides nothing: what it covers
is counted and shown beside the rating.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

# Ours: longer than this is a decision to keep the item, and belongs in its planned end.
LONGEST_DAYS = 366
_DAY = dt.timedelta(days=1)


class ExceptionEntryError(ValueError):
    """An entry that cannot stand in the register; `problems` has every reason as a sentence."""

    def __init__(self, entry_id: str, problems: Sequence[str]) -> None:
        super().__init__(f"exception {entry_id}: {'; '.join(problems)}")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionEntry:
    """One agreed exception.

    `item`: a register item's tag or a device id, as the caller keys them. `rules`: rule ids; None means all rules.
    `owner` answers for it, `approver` agreed to it and is somebody else; both are posts or accounts of the caller's.
    `starts` and `expires` are the first and the last day it holds. `withdrawn`: the first day it no longer holds,
    where somebody ended it early.
    """

    entry_id: str
    item: str
    rules: frozenset[str] | None
    reason: str
    owner: str
    approver: str
    starts: dt.date
    expires: dt.date
    withdrawn: dt.date | None = None

    @property
    def last_day(self) -> dt.date:
        """The last day it holds; before `starts` where it was withdrawn before it began."""
        if self.withdrawn is None:
            return self.expires
        return min(self.expires, self.withdrawn - _DAY)

    def holds(self, on: dt.date) -> bool:
        """Whether it holds on the day `on`."""
        return self.starts <= on <= self.last_day

    def covers(self, rule: str) -> bool:
        """Whether it speaks of the rule `rule`, whatever the day."""
        return self.rules is None or rule in self.rules


def _person(text: str) -> str:
    """Return `text` so that two spellings of one person are equal."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def check_entry(
    entry: ExceptionEntry, *, known_rules: Collection[str] | None = None, longest_days: int = LONGEST_DAYS
) -> None:
    """Raise ExceptionEntryError with every problem of `entry`; return where there is none.

    `known_rules`: the ids of the rules in force, so that an exception from a misspelt rule is not believed in.
    `longest_days`: how many days an exception may last, both ends counted.
    """
    problems = [
        f"{name} is empty"
        for name in ("item", "reason", "owner", "approver")
        if not getattr(entry, name).strip()
    ]
    if entry.owner.strip() and _person(entry.owner) == _person(entry.approver):
        problems.append("owner and approver are the same person; somebody else has to approve it")
    if entry.rules is not None:
        if not entry.rules:
            problems.append("rules is empty: name one or more, or say all")
        unknown = sorted(entry.rules - set(known_rules)) if known_rules is not None else []
        if unknown:
            problems.append(f"no such rule: {', '.join(unknown)}")
    days = (entry.expires - entry.starts).days + 1
    if days < 1:
        problems.append(f"expires {entry.expires} before it starts {entry.starts}")
    elif days > longest_days:
        problems.append(f"lasts {days} days; {longest_days} at most, then agree it again")
    if problems:
        raise ExceptionEntryError(entry.entry_id, problems)


def by_item(entries: Iterable[ExceptionEntry]) -> Mapping[str, tuple[ExceptionEntry, ...]]:
    """Return {item: its entries}, in the order given."""
    found: defaultdict[str, list[ExceptionEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.item].append(entry)
    return {item: tuple(of) for item, of in found.items()}


def covering(entries: Iterable[ExceptionEntry], rule: str, on: dt.date) -> ExceptionEntry | None:
    """Return the entry that takes `rule` out on the day `on`, None where there is none.

    `entries` are those of one item. Where several hold, the one that ends last: that is when the rule returns.
    """
    held = [entry for entry in entries if entry.covers(rule) and entry.holds(on)]
    return max(held, key=lambda entry: (entry.last_day, entry.entry_id), default=None)


def returns_on(entries: Iterable[ExceptionEntry], rule: str, on: dt.date) -> dt.date | None:
    """Return the first day on or after `on` on which `rule` holds again; None where it holds on the day `on`.

    `entries` are those of one item; entries that overlap or follow each other without a day between are one stretch.
    """
    returns = None
    for entry in sorted((one for one in entries if one.covers(rule)), key=lambda one: one.starts):
        day = on if returns is None else returns
        if entry.starts <= day <= entry.last_day:
            returns = entry.last_day + _DAY
    return returns


def overlaps(entries: Iterable[ExceptionEntry]) -> tuple[tuple[ExceptionEntry, ExceptionEntry], ...]:
    """Return the pairs of entries that take the same item out of the same rule on the same day, for somebody to tidy.

    Harmless to the ratings, which take the one that ends last.
    """
    found = []
    for of in by_item(entries).values():
        ordered = sorted(of, key=lambda entry: (entry.starts, entry.entry_id))
        for place, first in enumerate(ordered):
            for second in ordered[place + 1 :]:
                if second.starts > first.last_day:
                    break
                if second.last_day >= second.starts and _share_a_rule(first, second):
                    found.append((first, second))
    return tuple(found)


def _share_a_rule(first: ExceptionEntry, second: ExceptionEntry) -> bool:
    if first.rules is None:
        return second.rules is None or bool(second.rules)
    if second.rules is None:
        return bool(first.rules)
    return bool(first.rules & second.rules)


@dataclass(frozen=True, slots=True)
class ExceptionCounts:
    """How many entries there are on one day, each in exactly one class but `expiring`, which is part of `in_force`.

    `items`: register items or devices with at least one entry in force.
    """

    total: int
    in_force: int
    expiring: int
    not_started: int
    expired: int
    withdrawn: int
    items: int


def count(entries: Iterable[ExceptionEntry], on: dt.date, *, within_days: int = 28) -> ExceptionCounts:
    """Return the counts of the day `on`; `expiring` have `within_days` days or fewer left, the last day is 0."""
    total = in_force = expiring = not_started = expired = withdrawn = 0
    items: set[str] = set()
    for entry in entries:
        total += 1
        if entry.holds(on):
            in_force += 1
            expiring += (entry.last_day - on).days <= within_days
            items.add(entry.item)
        elif entry.withdrawn is not None and entry.withdrawn <= min(on, entry.expires):
            withdrawn += 1
        elif on < entry.starts:
            not_started += 1
        else:
            expired += 1
    return ExceptionCounts(total, in_force, expiring, not_started, expired, withdrawn, len(items))
