"""Which register item is which device: register, MDM export and agents brought together, and what is left over.

Two of {serial, UUID, asset tag, network addresses} make a match; one alone goes to a review queue with what speaks
for and against it, and nothing is merged silently. What competes with something else for the same place goes there
too. A key many records carry ("junk") counts for nothing and is reported. What people decided is an input and wins.
The result depends neither on the order of the records nor on which side is called which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from roadworthy_inventory.identity import canonical_uuid, normalise_mac, normalise_serial, normalise_tag
from roadworthy_inventory.reconcile_links import (
    KINDS,
    Groups,
    Identity,
    World,
    one_to_one,
    settle,
    strong_links,
    world_of,
)

__all__ = ("FEW", "KINDS", "SIDES", "Decision", "Identity", "Reconciliation", "identity", "reconcile")

Side = Literal["register", "mdm", "agent"]
SIDES: tuple[Side, ...] = ("register", "mdm", "agent")
FEW = 3  # records of one side that may carry the same key before it means nothing
Reason = Literal[
    "one_key", "already_matched", "one_to_many", "chain", "refused_elsewhere", "decisions_contradict"
]


class ReconcileError(ValueError):
    """Something given to `reconcile` is not usable; the text says what and where."""


class Decision(NamedTuple):
    """What a person decided about two records, each told by its side and key: the same machine or not."""

    one_side: Side
    one_key: str
    other_side: Side
    other_key: str


class Group(NamedTuple):
    """The keys of the records held to be one machine; None where a side has none."""

    register: str | None = None
    mdm: str | None = None
    agent: str | None = None


class Match(NamedTuple):
    """One machine seen by two or three sides.

    `agreed` are the kinds of keys that agree between any two of its records, `contradicting` those told twice and
    never the same (a replaced board, a typing mistake): worth a look, no reason to part them. `confirmed` by a
    person.
    """

    group: Group
    agreed: tuple[str, ...]
    contradicting: tuple[str, ...]
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Review:
    """Two groups somebody should look at, with what agrees, what contradicts, and why they were not joined.

    `plain`: a single key agrees, nothing contradicts, and neither side has another candidate, so that a person may
    confirm many of these at once.
    """

    left: Group
    right: Group
    agreed: tuple[str, ...]
    contradicting: tuple[str, ...]
    reason: Reason
    plain: bool


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key carried by several records of one side; `junk` keys were left out of matching on all sides."""

    kind: str
    value: str
    side: Side
    keys: tuple[str, ...]
    junk: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with both its parts; `ratio` is None where there is nothing to divide by."""

    numerator: int
    denominator: int

    @property
    def ratio(self) -> float | None:
        """Return the share, 0 to 1."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the waterfall: how many register items are left, and the keys of those that dropped out here.

    `seen_later` are those of the gap that a later source does see (an agent reports, but the MDM does not know it).
    """

    name: str
    count: int
    gap: tuple[str, ...]
    seen_later: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What came out. Every record is in exactly one of matches, undecided, orphans and ghosts.

    `orphans`: register keys no device or MDM record shares anything with. `ghosts`: devices and MDM records without
    a register item (`Match` where MDM and agent agree). `undecided`: register keys that wait in the review queue.
    `stale_decisions` name a record that is no more.
    """

    matches: tuple[Match, ...]
    review: tuple[Review, ...]
    shared: tuple[SharedKey, ...]
    orphans: tuple[str, ...]
    undecided: tuple[str, ...]
    ghosts: tuple[Group, ...]
    waterfall: tuple[Step, ...]
    match_rate: Rate
    device_rate: Rate
    stale_decisions: tuple[Decision, ...]


def identity(
    key: str, *, serial: str | None, uuid: str | None, tag: str | None, macs: Iterable[str | None] = ()
) -> Identity:
    """Return the identity of what a source says, in canonical form; placeholders and shared addresses are None."""
    return Identity(
        key,
        normalise_serial(serial),
        canonical_uuid(uuid),
        normalise_tag(tag),
        frozenset(mac for text in macs if (mac := normalise_mac(text))),
    )


def reconcile(
    register: Sequence[Identity],
    mdm: Sequence[Identity],
    agents: Sequence[Identity] = (),
    *,
    reporting: Collection[str] = frozenset(),
    confirmed: Collection[Decision] = (),
    refused: Collection[Decision] = (),
    few: int = FEW,
) -> Reconciliation:
    """Bring the three together.

    `reporting` are the keys of agents that reported this week; `confirmed` and `refused` people's decisions, which
    win over the keys; `few` how many records of one side may carry a key before it is junk. Raises ReconcileError
    where a key is there twice on one side, a decision is about two records of one side, or was made both ways.
    """
    sides = (register, mdm, agents)
    numbers = _numbers(sides)
    world = world_of(sides, few)
    same, never, stale = _decided(world, numbers, confirmed, refused)
    groups = settle(world, same, never)
    named = {number: _group(world, groups.of(number)) for number in set(groups.group)}
    reviews = tuple(sorted(_reviews(groups, named, same, never), key=_order))
    waiting = {group.register for review in reviews for group in (review.left, review.right)}
    items = {group.register: group for group in named.values() if group.register is not None}
    alone = sorted(key for key, group in items.items() if group.mdm is None and group.agent is None)
    known = sum(group.agent is not None for group in items.values())
    return Reconciliation(
        matches=tuple(sorted(_matches(groups, named, same), key=lambda match: _texts(match.group))),
        review=reviews,
        shared=_shared(world),
        orphans=tuple(key for key in alone if key not in waiting),
        undecided=tuple(key for key in alone if key in waiting),
        ghosts=tuple(sorted((group for group in named.values() if group.register is None), key=_texts)),
        waterfall=_waterfall(items, frozenset(reporting)),
        match_rate=Rate(len(items) - len(alone), len(items)),
        device_rate=Rate(known, len(agents)),
        stale_decisions=stale,
    )


def _numbers(sides: Sequence[Sequence[Identity]]) -> dict[str, dict[str, int]]:
    """Return {side: {key: number of the record}}; a key that is there twice is refused."""
    numbers: dict[str, dict[str, int]] = {}
    start = 0
    for name, side in zip(SIDES, sides, strict=True):
        numbers[name] = {record.key: number for number, record in enumerate(side, start)}
        start += len(side)
        if len(numbers[name]) != len(side):
            twice = min(key for key, count in Counter(record.key for record in side).items() if count > 1)
            raise ReconcileError(f"{name}: the key {twice!r} is there twice; keys name one record each")
    return numbers


def _decided(
    world: World,
    numbers: dict[str, dict[str, int]],
    confirmed: Collection[Decision],
    refused: Collection[Decision],
) -> tuple[set[int], set[int], tuple[Decision, ...]]:
    """Return confirmed and refused pairs of records, and the decisions about records that are gone."""
    pairs: tuple[set[int], set[int]] = (set(), set())
    stale: list[Decision] = []
    for into, decisions in zip(pairs, (confirmed, refused), strict=True):
        for decision in decisions:
            if decision.one_side == decision.other_side:
                raise ReconcileError(f"{decision}: a decision is about records of two different sides")
            one = numbers[decision.one_side].get(decision.one_key)
            other = numbers[decision.other_side].get(decision.other_key)
            if one is None or other is None:
                stale.append(decision)
            else:
                into.add(world.pair(one, other))
    for pair in pairs[0] & pairs[1]:
        names = " and ".join(repr(world.records[number].key) for number in world.ends(pair))
        raise ReconcileError(f"{names} are both confirmed and refused; withdraw one of the two")
    return pairs[0], pairs[1], tuple(sorted(set(stale)))


def _group(world: World, records: Iterable[int]) -> Group:
    keys: list[str | None] = [None, None, None]
    for record in records:
        keys[world.sides[record]] = world.records[record].key
    return Group(*keys)


def _texts(group: Group) -> tuple[str, str, str]:
    return (group.register or "", group.mdm or "", group.agent or "")


def _order(review: Review) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    return _texts(review.left), _texts(review.right)


_NAMES = tuple(tuple(name for at, name in enumerate(KINDS) if kinds & 1 << at) for kinds in range(16))


def _told(record: Identity) -> int:
    """Return the kinds of keys a record tells, as bits."""
    _, serial, uuid, tag, macs = record
    return (1 if serial else 0) | (2 if uuid else 0) | (4 if tag else 0) | (8 if macs else 0)


def _against(world: World, left: Sequence[int], right: Sequence[int], agreed: int) -> tuple[str, ...]:
    """Return the kinds told on both hands that agree nowhere between any two."""
    told = [0, 0]
    for at, of in enumerate((left, right)):
        for number in of:
            told[at] |= _told(world.records[number])
    return _NAMES[told[0] & told[1] & ~agreed]


def _matches(groups: Groups, named: Mapping[int, Group], same: Collection[int]) -> Iterator[Match]:
    world, group, count = groups.world, groups.group, len(groups.group)
    agreed: dict[int, int] = {}
    for pair, kinds in world.pairs.items():
        of = group[pair // count]
        if of == group[pair % count]:
            agreed[of] = agreed.get(of, 0) | kinds
    by_hand = {group[pair // count] for pair in same if group[pair // count] == group[pair % count]}
    for number, records in groups.members.items():
        kinds = agreed.get(number, 0)
        once = twice = 0
        for at in records:
            told = _told(world.records[at])
            twice |= once & told
            once |= told
        yield Match(named[number], _NAMES[kinds], _NAMES[twice & ~kinds], number in by_hand)


def _reviews(
    groups: Groups, named: Mapping[int, Group], same: Collection[int], never: Collection[int]
) -> Iterator[Review]:
    """Yield what is left over between groups, each with the reason it was not joined."""
    world = groups.world
    decided, forbidden = groups.lift(same), groups.lift(never)
    strong = strong_links(groups, decided, forbidden)
    single = one_to_one(groups, strong, decided)
    free = one_to_one(groups, groups.rest, ())
    for link, kinds in groups.rest.items():
        left, right = world.ends(link)
        reason: Reason = "one_key"
        if link in forbidden:
            reason = "refused_elsewhere"
        elif link in decided:
            reason = "decisions_contradict"
        elif groups.sides[left] & groups.sides[right]:
            reason = "already_matched" if link not in strong else "one_to_many"
        elif link in strong:
            reason = "chain" if link in single else "one_to_many"
        ends = sorted((named[left], named[right]), key=_texts)
        against = _against(world, groups.of(left), groups.of(right), kinds)
        plain = reason == "one_key" and not against and link in free
        yield Review(ends[0], ends[1], _NAMES[kinds], against, reason, plain)


def _shared(world: World) -> tuple[SharedKey, ...]:
    return tuple(
        sorted(
            (
                SharedKey(
                    shared.kind,
                    shared.value,
                    SIDES[shared.side],
                    tuple(sorted(world.records[number].key for number in shared.records)),
                    shared.junk,
                )
                for shared in world.shared
            ),
            key=lambda shared: (not shared.junk, shared.kind, shared.value, shared.side),
        )
    )


def _waterfall(items: dict[str, Group], reporting: frozenset[str]) -> tuple[Step, ...]:
    """Return register, in the MDM, with an agent, reporting this week: each what is left of the one before."""
    seen = (
        ("mdm", {key for key, group in items.items() if group.mdm is not None}),
        ("agent", {key for key, group in items.items() if group.agent is not None}),
        ("reporting", {key for key, group in items.items() if group.agent in reporting}),
    )
    steps = [Step("register", len(items), (), ())]
    left = set(items)
    for at, (name, known) in enumerate(seen):
        gap = left - known
        later = gap.intersection(set().union(*(others for _, others in seen[at + 1 :])))
        left &= known
        steps.append(Step(name, len(left), tuple(sorted(gap)), tuple(sorted(later))))
    return tuple(steps)
