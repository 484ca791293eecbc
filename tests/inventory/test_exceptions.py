"""The exceptions register: who may agree to what, until when, and what returns."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.exceptions import (
    ExceptionEntry,
    ExceptionEntryError,
    by_item,
    check_entry,
    count,
    covering,
    overlaps,
    returns_on,
)

FIRST = date(2026, 11, 1)
LAST = date(2026, 11, 30)
DAY = timedelta(days=1)


def entry(
    entry_id: str = "E1",
    *,
    item: str = "PC-1",
    rules: frozenset[str] | None = frozenset({"disk-worn"}),
    reason: str = "replacement is ordered",
    owner: str = "desktop support lead",
    approver: str = "head of IT",
    starts: date = FIRST,
    expires: date = LAST,
    withdrawn: date | None = None,
) -> ExceptionEntry:
    return ExceptionEntry(
        entry_id=entry_id,
        item=item,
        rules=rules,
        reason=reason,
        owner=owner,
        approver=approver,
        starts=starts,
        expires=expires,
        withdrawn=withdrawn,
    )


@pytest.mark.parametrize(
    ("on", "held"), [(FIRST - DAY, False), (FIRST, True), (LAST, True), (LAST + DAY, False)]
)
def test_both_ends_are_included(on: date, *, held: bool) -> None:
    assert entry().holds(on) is held
    assert (covering([entry()], "disk-worn", on) is not None) is held


def test_an_entry_of_one_day() -> None:
    one = entry(expires=FIRST)
    check_entry(one)
    assert [one.holds(FIRST + n * DAY) for n in (-1, 0, 1)] == [False, True, False]


@pytest.mark.parametrize("withdrawn", [FIRST - DAY, FIRST])
def test_withdrawn_before_it_began_never_holds(withdrawn: date) -> None:
    one = entry(withdrawn=withdrawn)
    assert not any(one.holds(FIRST + n * DAY) for n in range(-3, 40))
    assert returns_on([one], "disk-worn", FIRST) is None


def test_withdrawn_ends_the_day_before() -> None:
    one = entry(withdrawn=date(2026, 11, 10))
    assert one.holds(date(2026, 11, 9))
    assert not one.holds(date(2026, 11, 10))
    assert returns_on([one], "disk-worn", FIRST) == date(2026, 11, 10)


def test_all_rules_and_named_rules() -> None:
    assert covering([entry(rules=None)], "anything", FIRST) is not None
    assert covering([entry()], "hard-disk", FIRST) is None
    assert covering([], "hard-disk", FIRST) is None


def test_of_several_the_one_that_ends_last_is_named() -> None:
    short, longer = entry("short"), entry("longer", rules=None, expires=LAST + 5 * DAY)
    found = covering([longer, short], "disk-worn", FIRST)
    assert found is longer
    assert returns_on([short, longer], "disk-worn", FIRST) == LAST + 6 * DAY


def test_entries_that_follow_each_other_are_one_stretch() -> None:
    first = entry("1", expires=date(2026, 11, 10))
    second = entry("2", starts=date(2026, 11, 11), expires=date(2026, 11, 20))
    later = entry("3", starts=date(2026, 11, 22))
    assert returns_on([later, second, first], "disk-worn", FIRST) == date(2026, 11, 21)
    assert returns_on([later, second, first], "disk-worn", date(2026, 11, 21)) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"approver": "Desktop  Support LEAD "}, "same person"),
        ({"approver": "  "}, "approver is empty"),
        ({"owner": ""}, "owner is empty"),
        ({"reason": "\n"}, "reason is empty"),
        ({"item": ""}, "item is empty"),
        ({"expires": FIRST - DAY}, "before it starts"),
        ({"expires": FIRST + 366 * DAY}, "lasts 367 days; 366 at most"),
        ({"expires": date.max}, "at most"),
        ({"rules": frozenset[str]()}, "rules is empty"),
        ({"rules": frozenset({"disk-wron"})}, "no such rule: disk-wron"),
    ],
)
def test_what_cannot_stand_is_refused_with_its_reason(changed: dict[str, object], said: str) -> None:
    fields = {name: getattr(entry(), name) for name in ExceptionEntry.__slots__}
    bad = ExceptionEntry(**{**fields, **changed})
    with pytest.raises(ExceptionEntryError, match="exception E1: ") as caught:
        check_entry(bad, known_rules=["disk-worn"])
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ExceptionEntryError) as caught:
        check_entry(entry(reason="", approver="desktop support lead", expires=FIRST - DAY))
    assert len(caught.value.problems) == 3


def test_a_year_is_long_enough() -> None:
    check_entry(entry(expires=FIRST + 365 * DAY), known_rules=["disk-worn"])


def test_overlaps_share_an_item_a_rule_and_a_day() -> None:
    base = entry("base")
    touching = entry("touching", starts=LAST, expires=LAST + 9 * DAY, rules=None)
    after = entry("after", starts=LAST + DAY, expires=LAST + 2 * DAY)
    other_rule = entry("other rule", rules=frozenset({"hard-disk"}))
    other_item = entry("other item", item="PC-2")
    never = entry("never", withdrawn=FIRST)
    pairs = overlaps([after, base, touching, other_rule, other_item, never])
    assert {frozenset((one.entry_id, two.entry_id)) for one, two in pairs} == {
        frozenset(("base", "touching")),
        frozenset(("touching", "after")),
        frozenset(("touching", "other rule")),
    }


def test_counts_of_a_day() -> None:
    entries = [
        entry("in force"),
        entry("the same item", rules=None, expires=date(2027, 10, 1)),
        entry("to come", item="PC-2", starts=LAST),
        entry("over", item="PC-3", starts=FIRST - 9 * DAY, expires=FIRST - DAY),
        entry("ended early", item="PC-4", withdrawn=FIRST),
    ]
    found = count(entries, FIRST, within_days=29)
    assert (found.total, found.in_force, found.not_started, found.expired, found.withdrawn) == (5, 2, 1, 1, 1)
    assert (found.expiring, found.items) == (1, 1)
    assert count(entries, FIRST, within_days=28).expiring == 0


DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 31))
ENTRIES = st.lists(
    st.builds(
        entry,
        st.uuids().map(str),
        item=st.sampled_from(["PC-1", "PC-2"]),
        rules=st.none() | st.frozensets(st.sampled_from(["a", "b"]), min_size=1),
        starts=DAYS,
        expires=DAYS,
        withdrawn=st.none() | DAYS,
    ),
    max_size=8,
)


@given(ENTRIES, DAYS)
def test_every_entry_is_in_one_class(entries: list[ExceptionEntry], on: date) -> None:
    found = count(entries, on)
    assert found.in_force + found.not_started + found.expired + found.withdrawn == found.total == len(entries)
    assert found.expiring <= found.in_force
    assert found.items <= found.in_force


@given(ENTRIES, DAYS)
def test_a_rule_returns_on_the_first_day_nothing_covers_it(entries: list[ExceptionEntry], on: date) -> None:
    mine = by_item(entries).get("PC-1", ())
    day = on
    while covering(mine, "a", day) is not None:
        day += DAY
    assert returns_on(mine, "a", on) == (None if day == on else day)
