"""Shares: three definitions, bounds that hold, no figure where there is none, rules and people's corrections."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.cost_rules import (
    UNCLASSIFIED,
    Classification,
    Correction,
    CostRuleError,
    CostRules,
    Facts,
    classify_lines,
    default_rules,
    facts_of,
    parse_rules,
)
from roadworthy_inventory.costs import (
    DEFINITIONS,
    CostBook,
    CostError,
    Share,
    conflicts,
    cost_book,
    share,
    shares,
    shares_by,
)
from roadworthy_inventory.ledger import LedgerLine

RULES = parse_rules("""
[[rule]]
id = "maintenance"
when = { words = "maintenance" }
pool = "hardware_maintenance"
intent = "run"
legacy = "no"
confidence = 0.9

[[rule]]
id = "old"
when = { words = "mainframe" }
pool = "extended_support"
intent = "run"
legacy = "yes"
confidence = 0.9

[[rule]]
id = "project"
when = { words = "project" }
pool = "projects"
intent = "change"
confidence = 0.9
""")


def line(pence: int, description: str | None = None, **told: Any) -> LedgerLine:
    told = {"financial_year": 2025, "accounting_period": 1, "capital_revenue": "revenue", **told}
    return LedgerLine(amount_pence=pence, description=description, **told)


def book(lines: list[LedgerLine], **told: Any) -> CostBook:
    return cost_book(lines, RULES, **{"basis": "accruals", **told})


def share_of(letter: Any, lines: list[LedgerLine]) -> Share:
    made = book(lines)
    return shares(made, made.select(2025))[letter]


LINES = st.lists(
    st.builds(
        line,
        st.integers(-(10**7), 10**8),
        st.sampled_from(["maintenance", "mainframe", "project", "what", "ever", None]),
        cost_centre=st.sampled_from(["IT1", "IT2", None]),
        accounting_period=st.one_of(st.none(), st.integers(1, 13)),
    ),
    max_size=25,
)


@given(LINES)
def test_shares_sum(lines: list[LedgerLine]) -> None:
    made = book(lines)
    year = shares(made, made.select(2025))
    run = year["A"]
    change = sum(e.line.amount_pence for e in made.lines if e.result.intent == "change")
    assert run.numerator_pence + change + run.unclassified_pence == sum(e.amount_pence for e in lines)
    for by in ("cost_centre", "accounting_period", "both"):
        parts = shares_by(made, 2025, by)
        for letter in DEFINITIONS:
            assert (
                sum(part[letter].numerator_pence for part in parts.values()) == year[letter].numerator_pence
            )
            assert sum(part[letter].denominator_pence or 0 for part in parts.values()) == (
                year[letter].denominator_pence or 0
            )
            assert sum(part[letter].unclassified_pence for part in parts.values()) == (
                year[letter].unclassified_pence
            )


@given(LINES, st.data())
def test_bounds_contain_the_truth_for_any_answer_to_what_is_open(
    lines: list[LedgerLine], data: st.DataObject
) -> None:
    made = book(lines)
    total = sum(e.amount_pence for e in lines)
    for letter, found in shares(made, made.select(2025)).items():
        opens: defaultdict[Facts, int] = defaultdict(int)
        for entry in made.lines:
            known = share(letter, [(1, facts_of(entry.line), entry.result)], 0.5)
            if known.open_charges_pence:
                opens[facts_of(entry.line)] += entry.line.amount_pence
        answers = data.draw(st.lists(st.booleans(), min_size=len(opens), max_size=len(opens)))
        truth = found.numerator_pence + sum(
            pence for pence, inside in zip(opens.values(), answers, strict=True) if inside
        )
        if found.low is None or found.high is None:
            assert total <= 0 or not lines
        else:
            assert found.low <= truth / total <= found.high
            # The value is one of the answers too: that nothing open belongs in.
            assert found.low <= found.numerator_pence / total <= found.high


@given(LINES, st.randoms())
def test_the_order_of_lines_does_not_matter(lines: list[LedgerLine], chance: random.Random) -> None:
    shuffled = list(lines)
    chance.shuffle(shuffled)
    for letter in DEFINITIONS:
        assert share_of(letter, shuffled) == share_of(letter, lines)


@given(LINES, st.integers(1, 10**8), st.sampled_from(["maintenance", "mainframe", "project", "what", None]))
def test_a_charge_and_its_credit_note_cancel(lines: list[LedgerLine], pence: int, text: str | None) -> None:
    more = [*lines, line(pence, text), line(-pence, text, kind="credit")]
    for letter in DEFINITIONS:
        before, after = share_of(letter, lines), share_of(letter, more)
        if lines:
            assert replace(after, lines=before.lines) == before
        else:
            assert after.value is None


@given(
    LINES,
    st.integers(1, 10**8),
    st.sampled_from([None, "R1"]),
    st.lists(st.sampled_from(["IT1", "IT2", "what", "ever", None]), min_size=4, max_size=4),
)
def test_the_two_sides_of_a_recharge_cancel_whatever_they_are_called(
    lines: list[LedgerLine], pence: int, reference: str | None, words: list[str | None]
) -> None:
    pair = [
        line(pence, words[0], kind="recharge_in", cost_centre=words[1], recharge_reference=reference),
        line(-pence, words[2], kind="recharge_out", cost_centre=words[3], recharge_reference=reference),
    ]
    for letter in DEFINITIONS:
        alone, both = (
            shares(made, made.select(2025))[letter]
            for made in (book(lines, recharges="both"), book([*lines, *pair], recharges="both"))
        )
        if lines:
            assert replace(both, lines=alone.lines) == alone
        assert (both.open_charges_pence, both.open_credits_pence) == (
            alone.open_charges_pence,
            alone.open_credits_pence,
        )


def test_one_side_of_a_recharge_in_a_cost_centre_is_open_there() -> None:
    pair = [
        line(300, "what", kind="recharge_in", cost_centre="IT1", recharge_reference="R1"),
        line(-300, "ever", kind="recharge_out", cost_centre="IT2", recharge_reference="R1"),
    ]
    made = book([*pair, line(700, "maintenance", cost_centre="IT1")], recharges="both")
    part = shares_by(made, 2025, "cost_centre")["IT1",]["B"]
    assert (part.low, part.high, part.value) == (0.7, 1.0, None)
    assert (
        share_of("B", [line(700, "maintenance")]).value == shares(made, made.select(2025))["B"].value == 1.0
    )


def test_bounds_are_numerator_and_numerator_with_unclassified_over_the_total() -> None:
    found = share_of("B", [line(6000, "maintenance"), line(2000, "project"), line(2000, "what")])
    assert (found.numerator_pence, found.denominator_pence, found.unclassified_pence) == (6000, 10000, 2000)
    assert (found.low, found.high, found.value) == (0.6, 0.8, None)
    assert found.reason is not None
    assert "20 % of the total is unclassified" in found.reason


def test_at_ten_per_cent_unclassified_there_still_is_a_figure_and_above_there_is_none() -> None:
    assert share_of("B", [line(8000, "maintenance"), line(1000, "project"), line(1000, "what")]).value == 0.8
    assert share_of("B", [line(7999, "maintenance"), line(1000, "project"), line(1001, "what")]).value is None


@pytest.mark.parametrize(
    ("lines", "denominator"),
    [([], None), ([line(5, "maintenance"), line(-5, "project")], 0), ([line(-5, "project")], -5)],
)
def test_without_a_positive_total_there_is_no_figure(
    lines: list[LedgerLine], denominator: int | None
) -> None:
    found = share_of("A", lines)
    assert (found.low, found.high, found.value) == (None, None, None)
    assert found.denominator_pence == denominator
    assert found.reason


def test_the_three_definitions_differ() -> None:
    lines = [line(5000, "maintenance"), line(3000, "mainframe"), line(2000, "project")]
    assert [share_of(letter, lines).value for letter in "ABC"] == [0.8, 0.8, 0.3]


def test_what_replaces_legacy_is_change_and_no_part_of_the_legacy_share() -> None:
    replacing = Classification("projects", "change", "no", "yes", 1.0)
    found = share("C", [(100, Facts(None, None, None, None), replacing)], 0.5)
    assert (found.numerator_pence, found.value) == (0, 0.0)


def test_budget_and_outturn_are_never_added_together() -> None:
    made = book([line(1, "maintenance"), line(2, "maintenance", measure="budget")])
    assert [entry.line.amount_pence for entry in made.select(2025, "budget")] == [2]
    with pytest.raises(CostError, match="one of budget"):
        shares(made, made.lines)


def test_a_rule_below_the_least_confidence_leaves_its_lines_open() -> None:
    made = book([line(100, "maintenance")], minimum_confidence=0.95)
    assert shares(made, made.lines)["B"].unclassified_pence == 100


def test_groups_name_what_is_not_told_last() -> None:
    made = book([line(1, cost_centre="B"), line(1), line(1, cost_centre="A")])
    assert list(shares_by(made, 2025, "cost_centre")) == [("A",), ("B",), (None,)]
    periods = book([line(1, accounting_period=at) for at in (13, None, 2)])
    assert list(shares_by(periods, 2025, "accounting_period")) == [(2,), (13,), (None,)]
    with pytest.raises(CostError, match="grouped by"):
        shares_by(made, 2025, "supplier")  # type: ignore[arg-type]  # what a caller could pass


def test_the_first_rule_wins_and_conflicts_are_shown() -> None:
    made = book([line(700, "Project maintenance"), line(50, "mainframe maintenance")])
    assert [entry.result.rule for entry in made.lines] == ["maintenance", "maintenance"]
    found = conflicts(made.lines)
    assert [(one.decided, one.against, one.pence) for one in found] == [
        ("maintenance", ("project",), 700),
        ("maintenance", ("old",), 50),
    ]


def test_a_persons_correction_beats_every_rule_and_reaches_each_part_of_a_prepaid_line() -> None:
    wrong = line(1200, "maintenance", spread_from=date(2025, 4, 1), spread_to=date(2026, 3, 31))
    word = Classification("licences", "run", "no", "no", 1.0)
    corrections = [
        Correction(
            wrong.key, Classification("projects", "change", "no"), "finance1", date(2026, 1, 1), "guess"
        ),
        Correction(wrong.key, word, "finance2", date(2026, 2, 1), "the invoice says licences"),
    ]
    made = book([wrong], corrections=corrections)
    assert len(made.lines) == 12
    for entry in made.lines:
        assert entry.result.corrected_by == "finance2"
        assert (entry.result.pool, entry.result.confidence) == ("licences", 1.0)
        assert entry.result.conflicts == ("maintenance",)
    with pytest.raises(CostRuleError, match="person and a reason"):
        Correction(wrong.key, word, "finance2", date(2026, 2, 1), " ")


def test_a_rule_can_tell_depreciation_where_the_ledger_does_not() -> None:
    made = cost_book(
        [line(400, "Depreciation - ICT"), line(1000, "Laptops", capital_revenue="capital")],
        default_rules(),
        basis="cash",
    )
    assert [entry.line.amount_pence for entry in made.lines] == [1000]
    assert [entry.reason for entry in made.on_basis.left_out] == ["depreciation on the cash basis"]
    told = cost_book([line(400, "Depreciation recharge", kind="payroll")], default_rules(), basis="cash")
    assert [entry.line.kind for entry in told.lines] == ["payroll"]


def test_codes_match_by_prefix_or_range_of_the_same_length() -> None:
    rules = parse_rules("""
[[rule]]
id = "range"
when = { code_from = "0400", code_to = "0499" }
confidence = 1
intent = "run"
[[rule]]
id = "prefix"
when = { code_prefix = ["7A", "8"], cost_centre = "IT*", supplier = "dell", not_words = "car*" }
confidence = 1
intent = "change"
""")

    def rule(code: str | None, **told: Any) -> str | None:
        facts = {"supplier": "Dell Corporation", "description": "x", "cost_centre": "it42", **told}
        return rules.classify(Facts(code, **facts)).rule

    assert [rule(code) for code in ("0400", "0499", "0500", "400", "04000", None, "٠٤٠٠")] == [
        "range",
        "range",
        *[None] * 5,
    ]
    assert rule("7a99") == "prefix"
    assert rule("81", description="car pool") is None
    assert rule("81", supplier="Delligent") is None
    assert rule("81", cost_centre="FLEET") is None
    assert rule("81", cost_centre=None) is None


@pytest.mark.parametrize(
    ("description", "rule"),
    [
        ("ICT Hardware Maintenance Q1", "hardware-maintenance"),
        ("SOFTWARE_MAINTENANCE", "software-maintenance"),
        ("help-desk", "support-desk"),
        ("Windows 10 ESU year 1", "extended-support"),
        ("Software licences", "licences"),
        ("Electricity - data centre", "electricity"),
        ("issued uniform", None),
        ("", None),
        (None, None),
    ],
)
def test_the_rules_that_ship_know_general_words(description: str | None, rule: str | None) -> None:
    assert default_rules().classify(Facts(None, None, description, None)).rule == rule


def rule_text(**keys: str) -> str:
    told = {"id": '"a"', "when": '{ words = "x" }', "confidence": "1", **keys}
    return "[[rule]]\n" + "\n".join(f"{key} = {value}" for key, value in told.items() if value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"has no \[\[rule\]\]"),
        ("rule = 3", r"write \[\[rule\]\]"),
        ("[[rules]]", "rules: unknown table"),
        ("[[rule]", "is no TOML"),
        (rule_text(id=""), "line 1: id:"),
        (rule_text(id='"A b"'), "line 1: id:"),
        (rule_text() + "\n" + rule_text(), "line 5: id 'a' is there twice"),
        (rule_text(confidence=""), "rule a: confidence"),
        (rule_text(confidence="1.1"), "rule a: confidence"),
        (rule_text(confidence="nan"), "rule a: confidence"),
        (rule_text(confidence="true"), "rule a: confidence"),
        (rule_text(when=""), "rule a: when"),
        (rule_text(when="{}"), "rule a: when"),
        (rule_text(when='{ not_words = "x" }'), "rule a: when"),
        (rule_text(when='{ word = "x" }'), "rule a: when: word: unknown key"),
        (rule_text(when='{ words = [""] }'), "rule a: words"),
        (rule_text(when='{ words = "*" }'), "rule a: words"),
        (rule_text(when='{ words = "a*b" }'), "a star stands at the end"),
        (rule_text(when="{ words = [] }"), "rule a: words: is empty"),
        (rule_text(when='{ code_from = "10" }'), "code_from, code_to"),
        (rule_text(when='{ code_from = "10", code_to = "9" }'), "code_from, code_to"),
        (rule_text(when='{ code_from = "10", code_to = "09" }'), "code_from, code_to"),
        (rule_text(pool='"magic"'), "pool: 'magic' is none of"),
        (rule_text(intent='"grow"'), "intent: 'grow' is none of"),
        (rule_text(intent="1"), "intent: 1 is none of"),
        (rule_text(pool='"cloud"', maintenance='"yes"'), "the pool cloud is not maintenance"),
        (rule_text(pool='"break_fix"', maintenance='"no"'), "the pool break_fix is maintenance"),
        (rule_text(pool='"break_fix"', intent='"change"'), "maintenance is run"),
        (rule_text(colour='"red"'), "colour: unknown key"),
        (rule_text(kind='"gift"'), "kind: 'gift' is none of"),
    ],
)
def test_a_wrong_rule_file_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(CostRuleError, match=message):
        parse_rules(text)


def test_the_digest_names_the_rules_not_the_comments() -> None:
    assert parse_rules(rule_text()).digest == parse_rules("# mine\n" + rule_text()).digest
    assert parse_rules(rule_text()).digest != parse_rules(rule_text(confidence="0.9")).digest


@given(st.text(max_size=80), st.text(max_size=20))
def test_no_text_breaks_a_rule(description: str, code: str) -> None:
    rules: CostRules = default_rules()
    facts = Facts(code, description, description, code)
    assert rules.classify(facts) == rules.classify(facts)
    assert isinstance(rules.in_scope(facts), bool)


def test_lines_no_rule_knows_stay_unclassified() -> None:
    assert classify_lines([line(1, "what")], RULES) == [UNCLASSIFIED]
