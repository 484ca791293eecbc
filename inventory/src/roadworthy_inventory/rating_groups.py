"""Ratings of many devices: counted by group, never averaged, and two sets of rules tried on the same devices."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roadworthy_inventory.rating import DeviceCondition, Rater, Rating
from roadworthy_inventory.rating_measures import ACTION, ATTENTION, MEETS, RATINGS
from roadworthy_inventory.rating_rules import RuleSet

_RATED = (MEETS, ATTENTION, ACTION)


@dataclass(frozen=True, slots=True)
class GroupReason:
    """How many devices of a group one rule was met on."""

    rule_id: str
    rating: str
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRating:
    """What the devices of a group are rated.

    `counts` has every word of RATINGS and adds up to `devices`. `rated`: those that meet, need attention or action;
    observed ones and those without data are not. `rules_judged` of `rules_meant` is how much could be judged,
    over all devices. `excepted`: devices with at least one rule covered by an exception. `reasons`: action first,
    then by devices; `not_judged`: {rule id: devices it could not be judged on}.
    """

    group: str
    devices: int
    counts: Mapping[str, int]
    rated: int
    rules_judged: int
    rules_meant: int
    import_only: int
    excepted: int
    reasons: tuple[GroupReason, ...]
    not_judged: Mapping[str, int]

    @property
    def coverage_ratio(self) -> float | None:
        """Rated devices over all of the group; None for a group without devices."""
        return self.rated / self.devices if self.devices else None


def group_rating(group: str, ratings: Iterable[Rating]) -> GroupRating:
    """Return what `ratings` come to; none at all gives a group without devices, and no coverage."""
    of = tuple(ratings)
    counts = Counter(one.rating for one in of)
    met = Counter((reason.rule_id, reason.rating) for one in of for reason in one.reasons)
    not_judged = Counter(left.rule_id for one in of for left in one.not_judged)
    judged = sum(one.judged for one in of)
    reasons = sorted(met.items(), key=lambda item: (item[0][1] != ACTION, -item[1], item[0][0]))
    return GroupRating(
        group=group,
        devices=len(of),
        counts={word: counts[word] for word in RATINGS},
        rated=sum(counts[word] for word in _RATED),
        rules_judged=judged,
        rules_meant=judged + not_judged.total(),
        import_only=sum(one.import_only for one in of),
        excepted=sum(bool(one.excepted) for one in of),
        reasons=tuple(GroupReason(rule_id, rating, devices) for (rule_id, rating), devices in reasons),
        not_judged=dict(sorted(not_judged.items(), key=lambda item: (-item[1], item[0]))),
    )


def group_ratings(ratings: Iterable[tuple[str, Rating]]) -> dict[str, GroupRating]:
    """Return {group: its rating} of (group, rating) pairs, by name; a device counts in every group it is given for."""
    groups: defaultdict[str, list[Rating]] = defaultdict(list)
    for group, one in ratings:
        groups[group].append(one)
    return {group: group_rating(group, of) for group, of in sorted(groups.items())}


@dataclass(frozen=True, slots=True)
class Change:
    """What other rules make of one device: its rating, and the rules met before only and after only."""

    device: str
    before: str
    after: str
    no_longer_met: tuple[str, ...]
    newly_met: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Two sets of rules on the same devices and day.

    `moves`: {(rating before, rating after): devices} of all devices, so that its sum is theirs. `changes`: devices
    whose rating or reasons differ, in the order given. `rules_added`, `rules_removed`, `rules_changed`: ids.
    """

    before: str
    after: str
    devices: int
    counts_before: Mapping[str, int]
    counts_after: Mapping[str, int]
    moves: Mapping[tuple[str, str], int]
    changes: tuple[Change, ...]
    rules_added: tuple[str, ...]
    rules_removed: tuple[str, ...]
    rules_changed: tuple[str, ...]


def try_rules(before: RuleSet, after: RuleSet, devices: Iterable[DeviceCondition], on: dt.date) -> Trial:
    """Return what changes when the rules `after` take the place of `before`; nothing is saved by it."""
    old, new = Rater(before, on), Rater(after, on)
    moves: Counter[tuple[str, str]] = Counter()
    changes = []
    for condition in devices:
        was, would = old.rate(condition), new.rate(condition)
        moves[was.rating, would.rating] += 1
        met = {reason.rule_id for reason in was.reasons}
        would_meet = {reason.rule_id for reason in would.reasons}
        if was.rating != would.rating or met != would_meet:
            gone, fresh = tuple(sorted(met - would_meet)), tuple(sorted(would_meet - met))
            changes.append(Change(condition.device, was.rating, would.rating, gone, fresh))
    rules_before = {rule.rule_id: rule for rule in before.rules}
    rules_after = {rule.rule_id: rule for rule in after.rules}
    both = rules_before.keys() & rules_after.keys()
    return Trial(
        before=before.digest,
        after=after.digest,
        devices=moves.total(),
        counts_before={word: sum(n for (was, _), n in moves.items() if was == word) for word in RATINGS},
        counts_after={word: sum(n for (_, would), n in moves.items() if would == word) for word in RATINGS},
        moves=dict(moves),
        changes=tuple(changes),
        rules_added=tuple(sorted(rules_after.keys() - both)),
        rules_removed=tuple(sorted(rules_before.keys() - both)),
        rules_changed=tuple(sorted(one for one in both if rules_before[one] != rules_after[one])),
    )
