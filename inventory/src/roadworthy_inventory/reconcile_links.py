"""The arithmetic of reconciliation: who shares which key, and who may be one with whom.

Records are numbered over all sides; a pair of them is one whole number (first * how many + second), for a hundred
thousand a side that is what fits into seconds. Everything here is decided for all links of a round at once, so no
order of the input can change what comes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import NamedTuple


class Identity(NamedTuple):
    """What one source says of one machine: `key` is the source's own, the rest in canonical form or None.

    Make it with `reconcile.identity`, which brings what was read into the canonical form.
    """

    key: str
    serial: str | None = None
    uuid: str | None = None
    tag: str | None = None
    macs: frozenset[str] = frozenset()


KINDS = ("serial", "uuid", "tag", "mac")
_MAC = 3  # its place in KINDS


class Shared(NamedTuple):
    """A key that several records of one side carry; `junk` where they are too many to mean anything."""

    kind: str
    value: str
    side: int
    records: tuple[int, ...]
    junk: bool


@dataclass(slots=True)
class World:
    """All records of all sides, numbered through; `pairs` holds the kinds of keys two records share, as bits."""

    records: list[Identity]
    sides: list[int]
    pairs: dict[int, int] = field(default_factory=dict)
    shared: list[Shared] = field(default_factory=list)

    def pair(self, one: int, other: int) -> int:
        """Return the number of the pair, the same for both orders."""
        return min(one, other) * len(self.records) + max(one, other)

    def ends(self, pair: int) -> tuple[int, int]:
        """Return the two records of a pair."""
        return divmod(pair, len(self.records))


def world_of(sides: Sequence[Sequence[Identity]], few: int) -> World:
    """Return the records with every pair across sides that shares a key, and the keys shared within a side."""
    records = [record for side in sides for record in side]
    world = World(records, [number for number, side in enumerate(sides) for _ in side])
    starts = [sum(map(len, sides[:at])) for at in range(len(sides))]
    for kind in range(_MAC):
        carried = [
            ([record[kind + 1] for record in side], range(start, start + len(side)))
            for start, side in zip(starts, sides, strict=True)
        ]
        _count(world, kind, [_Carried(values, numbers) for values, numbers in carried], few)  # type: ignore[arg-type]  # fields 1 to 3 are texts
    by_mac = [
        (
            [mac for record in side for mac in record.macs],
            [number for number, record in enumerate(side, start) for _ in record.macs],
        )
        for start, side in zip(starts, sides, strict=True)
    ]
    _count(world, _MAC, [_Carried(values, numbers) for values, numbers in by_mac], few)
    return world


class _Carried:
    """Who on one side carries which value of a kind: `by_value` those of one record, `several` those of more."""

    def __init__(self, values: Sequence[str | None], numbers: Sequence[int]) -> None:
        self.by_value: dict[str | None, int] = dict(zip(values, numbers, strict=True))
        self.by_value.pop(None, None)
        self.several: dict[str | None, list[int]] = {}
        if len(self.by_value) == len(values):
            return
        often = {value for value, count in Counter(values).items() if count > 1 and value is not None}
        for value, number in zip(values, numbers, strict=True):
            if value in often:
                self.several.setdefault(value, []).append(number)


def _count(world: World, kind: int, sides: list[_Carried], few: int) -> None:
    """Count one kind of key into the pairs."""
    pairs, count, bit = world.pairs, len(world.records), 1 << kind
    for value in set().union(*(side.several for side in sides)):
        carriers = [side.several.get(value) or _list(side.by_value.get(value)) for side in sides]
        for side in sides:
            side.by_value.pop(value, None)
        junk = any(len(of) > few for of in carriers)
        world.shared.extend(
            Shared(KINDS[kind], str(value), at, tuple(of), junk)
            for at, of in enumerate(carriers)
            if len(of) > 1
        )
        for left, right in combinations([] if junk else carriers, 2):
            for one, other in product(left, right):
                pairs[one * count + other] = pairs.get(one * count + other, 0) | bit
    seen = pairs.get
    for first, second in combinations(sides, 2):
        others = map(second.by_value.get, first.by_value)
        for one, match in zip(first.by_value.values(), others, strict=True):
            if match is not None:
                pair = one * count + match
                pairs[pair] = seen(pair, 0) | bit


def _list(number: int | None) -> list[int]:
    return [] if number is None else [number]


@dataclass(slots=True)
class Groups:
    """Which records are held to be one machine; at most one of each side.

    A group bears the number of its first record; `sides` are the sides it has a record of, as bits; `rest` the
    links left between groups: {pair of groups: kinds of keys shared, as bits}.
    """

    world: World
    group: list[int]
    sides: list[int]
    rest: dict[int, int]
    members: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def of(self, group: int) -> tuple[int, ...]:
        """Return the records of a group, in order."""
        return self.members.get(group, (group,))

    def lift(self, pairs: Iterable[int]) -> set[int]:
        """Return the pairs of groups that hold these pairs of records (a pair inside one group has none)."""
        ends = (self.world.ends(pair) for pair in pairs)
        between = ((self.group[one], self.group[other]) for one, other in ends)
        return {self.world.pair(left, right) for left, right in between if left != right}

    def join(self, parts: Iterable[Sequence[int]]) -> None:
        """Make one group of each part, and see what links are left."""
        for part in parts:
            records = tuple(sorted(record for group in part for record in self.members.pop(group, (group,))))
            first = records[0]
            self.members[first] = records
            for record in records:
                self.group[record] = first
                self.sides[first] |= 1 << self.world.sides[record]
        group, count = self.group, len(self.group)
        found: dict[int, int] = {}
        for link, kinds in self.rest.items():
            left, right = group[link // count], group[link % count]
            if left != right:
                pair = left * count + right if left < right else right * count + left
                found[pair] = found.get(pair, 0) | kinds
        self.rest = found


def settle(world: World, confirmed: Collection[int], refused: Collection[int]) -> Groups:
    """Return the groups: what shares two kinds of keys or is confirmed, one to one, and nothing refused.

    Round by round, for a group may share its second key with another group only once that has two records.
    """
    for pair in confirmed:
        world.pairs.setdefault(pair, 0)
    for pair in refused:
        world.pairs.pop(pair, None)
    groups = Groups(world, list(range(len(world.records))), [1 << side for side in world.sides], world.pairs)
    while True:
        decided, never = groups.lift(confirmed), groups.lift(refused)
        keep = one_to_one(groups, strong_links(groups, decided, never), decided)
        parts = [
            fit for part in _components(world, keep) for fit in _fitting(groups, part, decided & keep, never)
        ]
        if not parts:
            return groups
        groups.join(parts)


def strong_links(groups: Groups, decided: Collection[int], never: Collection[int]) -> set[int]:
    """Return the links that rest on two kinds of keys or on a person's decision."""
    found = {link for link, kinds in groups.rest.items() if kinds & (kinds - 1)}
    found.update(link for link in decided if link in groups.rest)
    found.difference_update(never)
    return found


def one_to_one(groups: Groups, strong: Iterable[int], decided: Collection[int]) -> set[int]:
    """Return the links that compete with no other for a side; a decided link beats those nobody decided."""
    count, sides = len(groups.group), groups.sides
    first: dict[int, int] = {}
    rivals: dict[int, set[int]] = {}
    keep = set(strong)
    for link in tuple(keep):
        left, right = link // count, link % count
        if sides[left] & sides[right]:
            keep.remove(link)
            continue
        for group, other in ((left, right), (right, left)):
            for side in _SIDES_OF[sides[other]]:
                known = first.setdefault(group * 4 + side, link)
                if known != link:
                    rivals.setdefault(group * 4 + side, {known}).add(link)
    for links in rivals.values():
        chosen = [link for link in links if link in decided]
        keep.difference_update(links if len(chosen) != 1 else links - {chosen[0]})
    return keep


# Which of at most three sides a number's bits say: sought millions of times.
_SIDES_OF = tuple(tuple(side for side in range(3) if bits & 1 << side) for bits in range(8))


def _components(world: World, links: Iterable[int]) -> list[list[int]]:
    """Return the groups that hang together, each as a list of groups."""
    count = len(world.records)
    part_of: dict[int, list[int]] = {}
    for link in links:
        left, right = link // count, link % count
        one, other = part_of.get(left), part_of.get(right)
        if one is None and other is None:
            part_of[left] = part_of[right] = [left, right]
        elif one is None:
            other.append(left)  # type: ignore[union-attr]  # one of the two is there
            part_of[left] = other  # type: ignore[assignment]  # the same
        elif other is None:
            one.append(right)
            part_of[right] = one
        elif one is not other:
            one.extend(other)
            for group in other:
                part_of[group] = one
    return list({id(part): part for part in part_of.values()}.values())


def _fitting(
    groups: Groups, part: Sequence[int], decided: Collection[int], never: Collection[int]
) -> list[Sequence[int]]:
    """Return the part if it can be one machine, else what people's decisions alone make of it."""
    if _may_be_one(groups, part, never):
        return [part]
    inside = set(part)
    own = [link for link in decided if set(groups.world.ends(link)) <= inside]
    return [one for one in _components(groups.world, own) if _may_be_one(groups, one, never)]


def _may_be_one(groups: Groups, part: Sequence[int], never: Collection[int]) -> bool:
    """Whether the groups together hold at most one record of each side and nothing refused."""
    seen = 0
    for group in part:
        if seen & groups.sides[group]:
            return False
        seen |= groups.sides[group]
    return not never or not any(
        groups.world.pair(one, other) in never for one, other in combinations(part, 2)
    )
