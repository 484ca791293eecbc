"""The rules as data: every refusal names file, line and key, and the digest names what they say."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.rating import DeviceCondition, value_of
from roadworthy_inventory.rating_measures import MEASURES, VALUE_KEYS, Value, shown
from roadworthy_inventory.rating_rules import RuleError, parse_rules, shipped_rules
from roadworthy_inventory.tables import read_text

HEAD = """format = 1
name = "mine"
observing_days = 28
silent_days = 28

[[rule]]
"""
RULE = """id = "slow"
looks_at = "startup_p90_seconds"
comparison = "above"
value_seconds = 120
rating = "needs attention"
reason = "{value} is above {threshold}"
source = "ours"
"""


def test_the_shipped_rules_are_ours_and_say_so() -> None:
    rules = shipped_rules()
    assert len({rule.rule_id for rule in rules.rules}) == len(rules.rules) >= 20
    assert {rule.source for rule in rules.rules} == {"ours"}
    assert re.fullmatch("[0-9a-f]{64}", rules.digest)
    assert rules.observing_days == 28
    looked = {rule.tests[0].looks_at for rule in rules.rules}
    assert {
        *("startup_p90_seconds", "startup_p50_seconds", "startup_growth_ratio", "signin_p90_seconds"),
        *("support_status", "support_left_days", "warranty_left_days", "disk_wear_ratio", "disk_failing"),
        *("system_medium", "battery_health_ratio", "battery_cycles", "unexpected_shutdowns_count"),
        *("power_against_family_ratio", "silent_days", "imported_health"),
    } <= looked


def test_every_measure_can_be_read_from_a_condition() -> None:
    empty = DeviceCondition(device="d")
    for name, measure in MEASURES.items():
        assert value_of(empty, name, date(2026, 11, 21)) is None, name
        assert measure.unit in VALUE_KEYS
        assert measure.evidence is None or measure.evidence in MEASURES


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value_seconds = 120", "value_minutes = 2", "line 10: value_minutes: is no key of this table"),
        (
            "value_seconds = 120",
            "value_days = 2",
            "line 10: value_days: startup_p90_seconds is compared with",
        ),
        ("value_seconds = 120", "", "line 6: value_seconds: is missing"),
        ("value_seconds = 120", 'value_seconds = "120"', "line 10: value_seconds: must be a number"),
        ("value_seconds = 120", "value_seconds = true", "line 10: value_seconds: must be a number"),
        ("value_seconds = 120", "value_seconds = nan", "line 10: value_seconds: must be a number"),
        ("value_seconds = 120", "value_seconds = inf", "line 10: value_seconds: must be a number"),
        ("value_seconds = 120", "value_seconds = -1", "line 10: value_seconds: must not be negative"),
        ('"above"', '"over"', "line 9: comparison: 'over' is none of above, at_least, below, at_most, is"),
        ('"above"', '"is"', "line 9: comparison: startup_p90_seconds takes above, at_least"),
        ('"startup_p90_seconds"', '"boot_time"', "line 8: looks_at: 'boot_time' is none of"),
        (
            '"needs attention"',
            '"fail"',
            "line 11: rating: 'fail' is none of needs attention, action required",
        ),
        ('"needs attention"', '"meets"', "line 11: rating: 'meets' is none of"),
        ("{value} is", "{seconds} is", "line 12: reason: {seconds} is none of {value}, {threshold}, {date}"),
        ("{value} is", "{value.__class__} is", "line 12: reason: {value.__class__} is none of"),
        ("{value} is", "{value:>999999999} is", "line 12: reason: {value} is none of"),
        ("{value} is", "{value!r} is", "line 12: reason: {value} is none of"),
        ("{value} is", "{value is", "line 12: reason: "),
        ("{value} is", "since {date}", "line 12: reason: startup_p90_seconds has no {date}"),
        (
            '"ours"',
            '"http://example.org"',
            "line 13: source: 'http://example.org' is neither ours nor a public",
        ),
        ('"ours"', '"https://["', "line 13: source: "),
        ('"ours"', '""', "line 13: source: must be text, and not empty"),
        ('id = "slow"', "id = 7", "line 7: id: must be text"),
        ('id = "slow"', 'id = "slow"\nevidence_count = 0', "line 8: evidence_count: must be a whole number"),
        (
            'id = "slow"',
            'id = "slow"\nonly_usage_profiles = ["persnal"]',
            "line 8: only_usage_profiles: 'persnal' is none of personal, shared",
        ),
        (
            'id = "slow"',
            'id = "slow"\nnot_device_classes = []',
            "line 8: not_device_classes: must be a list of words, and not empty",
        ),
        (
            'id = "slow"',
            'id = "slow"\nonly_environments = ["physical"]\nnot_environments = ["physical"]',
            "line 9: not_environments: physical is in only_ too",
        ),
        (
            "observing_days = 28",
            "observing_days = 0",
            "line 3: observing_days: must be a whole number from 1",
        ),
        ("observing_days = 28", "observing_days = true", "line 3: observing_days: must be a whole number"),
        ("silent_days = 28", "", "line 1: silent_days: is missing"),
        ("format = 1", "format = 2", "line 1: format: must be 1"),
        ("format = 1", "format = true", "line 1: format: must be 1"),
        ('name = "mine"', 'name = "mine"\nowner = "x"', "line 3: owner: is no key of this table"),
        ("[[rule]]", "[rule]", "line 6: rule: must be tables, [[rule]]"),
        ('id = "slow"', 'id = "slow"\nid = "again"', "(at line 8"),
        ('id = "slow"', 'id = "slow', "(at line 7"),
    ],
)
def test_every_refusal_names_file_line_and_key(old: str, new: str, said: str) -> None:
    text = (HEAD + RULE).replace(old, new, 1)
    with pytest.raises(RuleError) as caught:
        parse_rules(text, "mine.toml")
    assert any(said in problem for problem in caught.value.problems), caught.value.problems
    assert all(problem.startswith("mine.toml: ") for problem in caught.value.problems)


def test_lines_are_right_in_the_third_rule_and_in_its_tests() -> None:
    long = 'reason = """a reason\nid = "not a key"\n"""'
    first = RULE.replace('"ours"', '"""ours"""')  # opened and closed on one line
    second = RULE.replace('"slow"', '"second"').replace('reason = "{value} is above {threshold}"', long)
    third = RULE.replace('"slow"', '"third"') + "[[rule.also]]\nlooks_at = 'disk_failing'\nvalue_flag = 1\n"
    text = HEAD + first + "[[rule]]\n" + second + "[[ rule ]] # three\n" + third
    with pytest.raises(RuleError) as caught:
        parse_rules(text)
    lines = text.split("\n")
    told = [
        re.match(r"rating_rules\.toml: line (\d+): (\w+): ", problem) for problem in caught.value.problems
    ]
    assert [(lines[int(one[1]) - 1], one[2]) for one in told if one] == [
        ("[[rule.also]]", "comparison"),
        ("value_flag = 1", "value_flag"),
    ]


def test_all_problems_are_told_at_once_in_their_order() -> None:
    text = (HEAD + RULE).replace('"ours"', '"x"').replace("observing_days = 28", "observing_days = -1")
    with pytest.raises(RuleError) as caught:
        parse_rules(text)
    assert [re.findall(r"line (\d+)", problem) for problem in caught.value.problems] == [["3"], ["13"]]


def test_a_rule_there_twice_is_refused() -> None:
    with pytest.raises(RuleError, match=r"line 15: id: slow is there twice"):
        parse_rules(HEAD + RULE + "[[rule]]\n" + RULE)


def test_no_rules_at_all_are_rules() -> None:
    assert parse_rules(HEAD.replace("[[rule]]", "")).rules == ()


def test_the_digest_names_what_is_said_and_not_how() -> None:
    text = read_text("rating_rules.toml")
    same = shipped_rules().digest
    assert parse_rules(f"# a comment\n{text}\n\n").digest == same
    parts = text.split("\n[[rule]]\n")
    assert parse_rules("\n[[rule]]\n".join([parts[0], *reversed(parts[1:])])).digest == same
    assert parse_rules(text.replace("value_seconds = 120", "value_seconds = 120.0", 1)).digest == same
    changes = [
        ("value_seconds = 120", "value_seconds = 121"),
        ('"above"', '"at_least"'),
        ("silent_days = 28", "silent_days = 29"),
        ('["server"]', '["server", "tablet"]'),
        ("evidence_count = 5", "evidence_count = 6"),
        ("or longer", "or  longer"),
        ("value_flag = true", "value_flag = false"),
    ]
    digests = {parse_rules(text.replace(old, new, 1)).digest for old, new in changes}
    assert len(digests | {same}) == len(changes) + 1


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (119.6, "seconds", "120 s"),
        (120, "seconds", "2 min"),
        (312.4, "seconds", "5 min 12 s"),
        (2.25, "seconds", "2.2 s"),
        (1, "days", "1 day"),
        (-1, "days", "-1 day"),
        (0, "days", "0 days"),
        (0.824, "percent_ratio", "82 %"),
        (1.25, "percent_ratio", "125 %"),
        (1.62, "ratio", "1.6 times"),
        (1000, "count", "1000"),
        (True, "flag", "yes"),
        ("needs_attention", "word", "needs attention"),
    ],
)
def test_values_as_people_read_them(value: Value, unit: str, told: str) -> None:
    assert shown(value, unit) == told


def test_a_value_and_its_band_never_look_alike() -> None:
    assert shown(120.3, "seconds", beside=120) == "120.3 s"
    assert shown(0.6999, "percent_ratio", beside=0.7) == "69.99 %"
    assert shown(0.7, "percent_ratio", beside=0.7) == "70 %"
    assert shown(1.5001, "ratio", beside=1.5) == "1.5001 times"


@given(st.text(max_size=300))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    with pytest.raises(RuleError):
        parse_rules(HEAD + text)


@given(st.sampled_from(range(40)), st.sampled_from(['"', "[", "]]", "=", "{", "\n[[rule]]\n", "'''", "\x00"]))
def test_a_slip_anywhere_in_the_shipped_rules_is_refused_or_read(place: int, slip: str) -> None:
    text = read_text("rating_rules.toml")
    at = len(text) * place // 40
    problems: tuple[str, ...] = ()
    try:
        parse_rules(text[:at] + slip + text[at:])
    except RuleError as fault:
        problems = fault.problems
    assert all(one.startswith("rating_rules.toml: ") for one in problems)
