"""Reconciliation: two keys make a match, one asks a person, junk counts for nothing, and no order changes it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy_inventory.identity import canonical_uuid, normalise_mac, normalise_tag, parse_virtual_macs
from roadworthy_inventory.reconcile import (
    Decision,
    Group,
    Identity,
    ReconcileError,
    Reconciliation,
    identity,
    reconcile,
)
from roadworthy_inventory.tables import TableError

HOST, GUEST = "564d4cbc-c6a9-1969-8c5e-0123456789ab", "BC4C4D56-A9C6-6919-8C5E-0123456789AB"


def one(key: str, serial: str = "", own: str = "", tag: str = "", macs: str = "") -> Identity:
    return Identity(key, serial or None, own or None, tag or None, frozenset(macs.split()))


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("3C-52-82-AA-BB-CC", "3c:52:82:aa:bb:cc"),
        ("3c52.82aa.bbcc", "3c:52:82:aa:bb:cc"),
        (" 3C5282AABBCC ", "3c:52:82:aa:bb:cc"),
        ("00:50:56:aa:bb:cc", None),  # VMware
        ("00-15-5D-00-00-01", None),  # Hyper-V
        ("20:41:53:59:4E:FF", None),  # a RAS adapter many machines have
        ("02:42:ac:11:00:02", None),  # a container: locally administered
        ("da:a1:19:00:00:01", None),  # randomised Wi-Fi
        ("ff:ff:ff:ff:ff:ff", None),
        ("00:00:00:00:00:00", None),
        ("3c:52:82:aa:bb", None),
        ("not a mac at all", None),
        ("", None),
        (None, None),
    ],
)
def test_addresses_name_a_machine_or_nothing(text: str | None, mac: str | None) -> None:
    assert normalise_mac(text) == mac


def test_both_byte_orders_have_one_canonical_form() -> None:
    assert canonical_uuid(HOST) == canonical_uuid(GUEST) is not None
    assert canonical_uuid("00020003-0004-0005-0006-000700080009") is None  # a placeholder read the other way
    assert canonical_uuid("no uuid") is None


@given(st.uuids())
def test_the_canonical_form_does_not_depend_on_the_order(value: uuid.UUID) -> None:
    swapped = uuid.UUID(bytes_le=value.bytes)
    assert canonical_uuid(str(value)) == canonical_uuid(str(swapped).upper())


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (" fp 0012 ", "FP 0012"),
        ("12345", "12345"),
        ("7", "7"),
        ("0000", None),
        ("No Asset Tag", None),
        ("", None),
    ],
)
def test_tags(text: str, tag: str | None) -> None:
    assert normalise_tag(text) == tag


def test_a_wrong_table_of_addresses_is_refused_with_its_line() -> None:
    with pytest.raises(TableError, match=r"virtual_macs.csv: line 2: prefix: '0:5' is none"):
        parse_virtual_macs("prefix,what,source,as_of\n0:5,x,https://example.org,2026-01-01\n")


def test_identity_brings_texts_into_the_canonical_form() -> None:
    made = identity("a", serial=" pf2ab3cd ", uuid=GUEST, tag="fp1", macs=("3C-52-82-AA-BB-CC", None, "x"))
    assert made == Identity("a", "PF2AB3CD", canonical_uuid(HOST), "FP1", frozenset({"3c:52:82:aa:bb:cc"}))
    assert identity("b", serial="Default string", uuid=None, tag=None) == Identity("b")


def test_two_keys_match_and_one_goes_to_review() -> None:
    found = reconcile(
        [one("r1", "S1", tag="T1"), one("r2", "S2"), one("r3", "S3")],
        [one("m1", "S1", "u1"), one("m2", "S2", "u2")],
        [one("a1", "S1", "u1", "T1"), one("a9", "S9", "u9")],
        reporting={"a1"},
    )
    assert [match.group for match in found.matches] == [Group("r1", "m1", "a1")]
    assert found.matches[0].agreed == ("serial", "uuid", "tag")
    (review,) = found.review
    assert (review.left, review.right) == (Group(mdm="m2"), Group("r2"))
    assert (review.agreed, review.reason, review.plain) == (("serial",), "one_key", True)
    assert found.orphans == ("r3",)
    assert found.undecided == ("r2",)
    assert found.ghosts == (Group(agent="a9"), Group(mdm="m2"))
    assert (found.match_rate.numerator, found.match_rate.denominator) == (1, 3)
    assert found.match_rate.ratio == pytest.approx(1 / 3)
    assert (found.device_rate.numerator, found.device_rate.denominator) == (1, 2)


def test_the_second_key_may_come_by_way_of_a_third_record() -> None:
    # The register shares only the serial with the MDM and only the tag with the agent, and those two are one.
    found = reconcile([one("r", "S", tag="T")], [one("m", "S", macs="x")], [one("a", "", "u", "T", "x")])
    assert found.matches == ()  # MDM and agent share but one key, so nothing is known yet
    found = reconcile([one("r", "S", tag="T")], [one("m", "S", "u", macs="x")], [one("a", "", "u", "T", "x")])
    assert [match.group for match in found.matches] == [Group("r", "m", "a")]


def test_a_key_many_carry_is_junk_on_all_sides() -> None:
    register = [one(f"r{n}", "SAME", tag=f"T{n}") for n in range(4)]
    found = reconcile(register, [one("m", "SAME", tag="T0")], few=3)
    assert found.matches == ()
    assert found.review[0].agreed == ("tag",)
    (shared,) = found.shared
    assert (shared.kind, shared.value, shared.side, shared.junk) == ("serial", "SAME", "register", True)
    assert shared.keys == ("r0", "r1", "r2", "r3")


def test_several_candidates_are_a_conflict_and_stop_nothing_else() -> None:
    # A device enrolled twice: which of the two the agent is, nobody can tell; the register item is not affected.
    found = reconcile(
        [one("r", "S", tag="T")],
        [one("m1", "S", "u"), one("m2", "S", "u")],
        [one("a", "S", "u", "T")],
    )
    assert [match.group for match in found.matches] == [Group("r", None, "a")]
    assert {review.reason for review in found.review} == {"one_to_many"}
    assert {review.left.mdm or review.right.mdm for review in found.review} == {"m1", "m2"}
    assert [(shared.kind, shared.junk) for shared in found.shared] == [("serial", False), ("uuid", False)]


def test_a_chain_that_would_hold_two_items_of_one_register_is_not_joined() -> None:
    found = reconcile(
        [one("r1", "S1", tag="T1"), one("r2", "S2", tag="T2")],
        [one("m", "S2", "u", "T2", "x")],
        [one("a", "S1", "u", "T1", "x")],
    )
    assert found.matches == ()
    assert {review.reason for review in found.review} == {"chain"}
    assert found.undecided == ("r1", "r2")


def test_decisions_win() -> None:
    register, mdm = [one("r1", "S1"), one("r2", "S2", tag="T")], [one("m1", "S1"), one("m2", "S2", tag="T")]
    yes = Decision("register", "r1", "mdm", "m1")
    no = Decision("mdm", "m2", "register", "r2")
    gone = Decision("register", "r7", "mdm", "m1")
    found = reconcile(register, mdm, confirmed=[yes, gone], refused=[no])
    (match,) = found.matches
    assert (match.group, match.confirmed) == (Group("r1", "m1"), True)
    assert found.orphans == ("r2",)
    assert found.stale_decisions == (gone,)
    # ... even against two keys, where a person knows of a swapped label
    crossed = Decision("register", "r2", "mdm", "m1")
    found = reconcile(register, mdm, confirmed=[crossed])
    assert [match.group for match in found.matches] == [Group("r2", "m1")]


def test_a_refusal_holds_against_a_third_record_too() -> None:
    sides = [one("r", "S", tag="T")], [one("m", "S", "u", macs="x")], [one("a", "S", "u", "T", "x")]
    assert [match.group for match in reconcile(*sides).matches] == [Group("r", "m", "a")]
    found = reconcile(*sides, refused=[Decision("register", "r", "mdm", "m")])
    assert found.matches == ()
    assert {review.reason for review in found.review} == {"chain"}


def test_unusable_decisions_are_named() -> None:
    register, mdm = [one("r1", "S1")], [one("m1", "S1")]
    yes = Decision("register", "r1", "mdm", "m1")
    with pytest.raises(ReconcileError, match="'r1' and 'm1' are both confirmed and refused"):
        reconcile(register, mdm, confirmed=[yes], refused=[Decision("mdm", "m1", "register", "r1")])
    with pytest.raises(ReconcileError, match="two different sides"):
        reconcile(register, mdm, refused=[Decision("mdm", "m1", "mdm", "m1")])
    with pytest.raises(ReconcileError, match="register: the key 'r1' is there twice"):
        reconcile([*register, *register], mdm)


def test_the_waterfall_lists_the_keys_of_each_gap() -> None:
    machines = [(f"S{n}", f"u{n}") for n in range(5)]
    register = [one(f"r{n}", *machine) for n, machine in enumerate(machines)]
    mdm = [one(f"m{n}", *machines[n]) for n in (0, 1, 2)]
    agents = [one(f"a{n}", *machines[n]) for n in (0, 1, 3)]
    steps = reconcile(register, mdm, agents, reporting={"a0", "a3"}).waterfall
    assert [(step.name, step.count, step.gap, step.seen_later) for step in steps] == [
        ("register", 5, (), ()),
        ("mdm", 3, ("r3", "r4"), ("r3",)),  # r3 has an agent: only the MDM misses it
        ("agent", 2, ("r2",), ()),
        ("reporting", 1, ("r1",), ()),
    ]


def test_contradictions_are_told() -> None:
    (match,) = reconcile([one("r", "S1", "u", "T")], [one("m", "S2", "u", "T")]).matches
    assert (match.agreed, match.contradicting) == (("uuid", "tag"), ("serial",))
    (review,) = reconcile([one("r", "S", "u1")], [one("m", "S", "u2")]).review
    assert (review.contradicting, review.plain) == (("uuid",), False)


def test_nothing_is_something() -> None:
    found = reconcile([], [])
    assert found.match_rate.ratio is None
    assert found.matches == found.review == found.ghosts == ()


# Few values, so that everything collides with everything.
records = st.builds(
    lambda serial, own, tag, macs: Identity("", serial, own, tag, macs),
    st.sampled_from((None, "S1", "S2", "S3")),
    st.sampled_from((None, "u1", "u2", "u3")),
    st.sampled_from((None, "T1", "T2")),
    st.frozensets(st.sampled_from(("x", "y", "z")), max_size=2),
)
sides = st.lists(records, max_size=6)


@st.composite
def estates(draw: st.DrawFn) -> tuple[list[Identity], list[Identity], list[Identity]]:
    made = [
        [record._replace(key=f"{name}{at}") for at, record in enumerate(draw(sides))]
        for name in ("r", "m", "a")
    ]
    return made[0], made[1], made[2]


@st.composite
def decided(draw: st.DrawFn, estate: tuple[Sequence[Identity], ...]) -> tuple[list[Decision], list[Decision]]:
    names = ("register", "mdm", "agent")
    pairs = [
        Decision(names[one], left.key, names[other], right.key)
        for one, other in ((0, 1), (0, 2), (1, 2))
        for left in estate[one]
        for right in estate[other]
    ]
    if not pairs:
        return [], []
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=5))
    cut = draw(st.integers(0, len(chosen)))
    return chosen[:cut], chosen[cut:]


def swapped(found: Reconciliation) -> dict[str, object]:
    """Return the outcome with register and MDM called the other way round, as sets."""

    def turn(group: Group) -> Group:
        return Group(group.mdm, group.register, group.agent)

    return {
        "matches": {match._replace(group=turn(match.group)) for match in found.matches},
        "review": {
            (
                frozenset({turn(review.left), turn(review.right)}),
                review.agreed,
                review.contradicting,
                review.reason,
            )
            for review in found.review
        },
    }


def plain(found: Reconciliation) -> dict[str, object]:
    return {
        "matches": set(found.matches),
        "review": {
            (frozenset({review.left, review.right}), review.agreed, review.contradicting, review.reason)
            for review in found.review
        },
    }


@settings(max_examples=150, deadline=None)
@given(st.data(), estates(), st.randoms(use_true_random=False))
def test_neither_order_nor_names_of_sides_change_the_outcome(
    data: st.DataObject, estate: tuple[list[Identity], list[Identity], list[Identity]], draw: random.Random
) -> None:
    yes, no = data.draw(decided(estate))
    first = reconcile(*estate, confirmed=yes, refused=no, few=2)
    mixed = [draw.sample(side, len(side)) for side in estate]
    assert reconcile(*mixed, confirmed=yes[::-1], refused=no[::-1], few=2) == first
    names = {"register": "mdm", "mdm": "register", "agent": "agent"}
    turned = [
        [Decision(names[d.one_side], d.one_key, names[d.other_side], d.other_key) for d in of]
        for of in (yes, no)
    ]
    other = reconcile(mixed[1], mixed[0], mixed[2], confirmed=turned[0], refused=turned[1], few=2)
    assert swapped(other) == plain(first)


@settings(max_examples=150, deadline=None)
@given(st.data(), estates())
def test_every_record_is_somewhere_once_and_nothing_is_merged_on_one_key(
    data: st.DataObject, estate: tuple[list[Identity], list[Identity], list[Identity]]
) -> None:
    yes, no = data.draw(decided(estate))
    found = reconcile(*estate, confirmed=yes, refused=no)
    register = [match.group.register for match in found.matches if match.group.register]
    everywhere = [*register, *found.orphans, *found.undecided]
    assert sorted(everywhere) == sorted(record.key for record in estate[0])
    devices = [key for match in found.matches for key in match.group[1:] if key and match.group.register]
    devices += [key for ghost in found.ghosts for key in ghost if key]
    assert sorted(devices) == sorted(record.key for side in estate[1:] for record in side)
    for match in found.matches:
        assert len(match.agreed) >= 2 or match.confirmed
    together = [set(match.group) for match in found.matches]
    for decision in no:
        assert not any({decision.one_key, decision.other_key} <= group for group in together)
    counts = [step.count for step in found.waterfall]
    assert counts == sorted(counts, reverse=True)
    for before, step in zip(found.waterfall, found.waterfall[1:], strict=False):
        assert before.count - step.count == len(step.gap)
    assert found.match_rate.numerator == len(register)
