"""Ratings: boundaries, what is not known, the observing weeks, exceptions, groups, and trying rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.exceptions import ExceptionEntry
from roadworthy_inventory.rating import DeviceCondition, Rater, Rating, rate, rate_all
from roadworthy_inventory.rating_groups import group_rating, group_ratings, try_rules
from roadworthy_inventory.rating_measures import ACTION, ATTENTION, MEETS, NO_DATA, OBSERVING, RATINGS
from roadworthy_inventory.rating_rules import parse_rules, shipped_rules
from roadworthy_inventory.tables import read_text

TODAY = date(2026, 11, 21)
WHOLE = DeviceCondition(
    device="d1",
    usage_profile="personal",
    device_class="laptop",
    environment="physical",
    startup_p50_seconds=30.0,
    startup_p90_seconds=60.0,
    startup_baseline_p50_seconds=30.0,
    startup_count=20,
    signin_p50_seconds=10.0,
    signin_p90_seconds=20.0,
    signin_baseline_p50_seconds=10.0,
    signin_count=20,
    support_status="supported",
    support_end=date(2029, 10, 9),
    warranty_end=date(2028, 1, 1),
    disk_wear_ratio=0.1,
    disk_failing=False,
    system_medium="nvme",
    battery_health_ratio=0.9,
    battery_cycles=100,
    unexpected_shutdowns_count=0,
    power_against_family_ratio=1.0,
    first_report=date(2026, 1, 1),
    last_report=TODAY,
    imported_from="Intune",
    imported_on=TODAY,
    imported_health="meeting_goals",
)


def rated(**changes: Any) -> Rating:
    return rate(replace(WHOLE, **changes), shipped_rules(), TODAY)


def met(rating: Rating) -> dict[str, str]:
    return {reason.rule_id: reason.rating for reason in rating.reasons}


def days(number: int) -> date:
    return TODAY + timedelta(number)


def test_a_whole_device_meets_and_nothing_is_left_unjudged() -> None:
    found = rated()
    assert (found.rating, found.reasons, found.not_judged, found.import_only) == (MEETS, (), (), False)
    assert found.judged > 15
    assert found.edition == shipped_rules().digest


@pytest.mark.parametrize(
    ("changes", "rule", "rating"),
    [
        ({"startup_p90_seconds": 120.0}, None, MEETS),
        ({"startup_p90_seconds": 120.001}, "startup-slow", ATTENTION),
        (
            {"startup_p90_seconds": 61.0, "usage_profile": "custody"},
            "startup-slow-where-people-wait",
            ATTENTION,
        ),
        ({"startup_p90_seconds": 300.0, "device_class": "server"}, None, MEETS),
        (
            {"startup_p50_seconds": 300.1, "startup_baseline_p50_seconds": 300.0},
            "startup-severe",
            ACTION,
        ),
        ({"startup_p50_seconds": 45.0}, "startup-grown", ATTENTION),
        ({"startup_p50_seconds": 44.9}, None, MEETS),
        ({"startup_p50_seconds": 20.0, "startup_baseline_p50_seconds": 5.1}, None, MEETS),  # 14.9 s more
        ({"signin_p90_seconds": 60.1}, "signin-slow", ATTENTION),
        ({"signin_p50_seconds": 24.9}, None, MEETS),
        ({"signin_p50_seconds": 25.0}, "signin-grown", ATTENTION),
        ({"support_status": "ended", "support_end": days(-1)}, "support-ended", ACTION),
        ({"support_status": "paid", "support_end": days(900)}, "support-paid", ATTENTION),
        ({"support_end": days(365)}, "support-ends-within-a-year", ATTENTION),
        ({"support_end": days(0)}, "support-ends-within-a-year", ATTENTION),
        ({"support_end": days(366)}, None, MEETS),
        ({"warranty_end": days(91)}, None, MEETS),
        ({"warranty_end": days(90)}, "warranty-ends-soon", ATTENTION),
        ({"warranty_end": days(0)}, "warranty-ends-soon", ATTENTION),
        ({"warranty_end": days(-1)}, None, MEETS),
        (
            {"warranty_end": days(-1), "usage_profile": "custody"},
            "warranty-ended-where-it-must-run",
            ATTENTION,
        ),
        ({"disk_wear_ratio": 0.7999}, None, MEETS),
        ({"disk_wear_ratio": 0.8}, "disk-worn", ATTENTION),
        ({"disk_wear_ratio": 1.0}, "disk-worn-out", ACTION),
        ({"disk_failing": True}, "disk-failing", ACTION),
        ({"system_medium": "hdd"}, "hard-disk", ATTENTION),
        ({"battery_health_ratio": 0.7}, None, MEETS),
        ({"battery_health_ratio": 0.69}, "battery-weak", ATTENTION),
        ({"battery_health_ratio": 0.39}, "battery-spent", ACTION),
        ({"battery_health_ratio": 0.39, "usage_profile": "kiosk"}, None, MEETS),
        ({"battery_cycles": 1000}, "battery-cycles", ATTENTION),
        ({"unexpected_shutdowns_count": 1}, None, MEETS),
        ({"unexpected_shutdowns_count": 2}, "unexpected-shutdowns", ATTENTION),
        ({"unexpected_shutdowns_count": 5}, "unexpected-shutdowns-often", ACTION),
        ({"power_against_family_ratio": 1.5}, "power-out-of-family", ATTENTION),
        ({"last_report": days(-7)}, None, MEETS),
        ({"last_report": days(-8)}, "silent", ATTENTION),
        ({"last_report": days(-28)}, "silent", ATTENTION),
        ({"last_report": days(-29)}, None, NO_DATA),
        ({"imported_health": "needs_attention"}, "imported-needs-attention", ATTENTION),
    ],
)
def test_each_band_at_its_edge(changes: dict[str, Any], rule: str | None, rating: str) -> None:
    found = rated(**changes)
    assert found.rating == rating
    assert met(found) == ({} if rule is None else {rule: rating})


def test_the_reason_has_the_figure_the_unit_and_the_band() -> None:
    [reason] = rated(startup_p90_seconds=200.0).reasons
    assert reason.sentence == "one start-up in ten took 3 min 20 s or longer; the limit is 2 min"
    assert (reason.value, reason.threshold, reason.unit, reason.comparison) == (
        200.0,
        120,
        "seconds",
        "above",
    )
    assert reason.source == "ours"
    [ended] = rated(support_status="ended", support_end=date(2025, 10, 14)).reasons
    assert ended.sentence == "the operating system has had no updates since 2025-10-14"
    [unsure] = rated(support_status="ended_unless_bought", support_end=date(2025, 10, 14)).reasons
    assert (unsure.rule_id, unsure.rating) == ("support-ended-unless-bought", ATTENTION)
    assert "no free updates since 2025-10-14" in unsure.sentence
    assert "unknown whether extended updates were bought" in unsure.sentence
    [undated] = rated(support_status="ended", support_end=None).reasons
    assert undated.sentence.endswith("since an unknown day")


def test_action_comes_first_and_decides() -> None:
    found = rated(startup_p90_seconds=200.0, disk_failing=True)
    assert [reason.rating for reason in found.reasons] == [ACTION, ATTENTION]
    assert found.rating == ACTION


MEASURED = (
    *("startup_p50_seconds", "startup_p90_seconds", "signin_p90_seconds", "disk_wear_ratio", "disk_failing"),
    *("system_medium", "battery_health_ratio", "battery_cycles", "unexpected_shutdowns_count"),
    *("power_against_family_ratio", "support_status", "support_end", "warranty_end"),
)


@pytest.mark.parametrize("field", MEASURED)
def test_a_missing_value_is_listed_and_changes_nothing_else(field: str) -> None:
    found = rated(**{field: None})
    assert found.rating == MEETS
    assert found.not_judged
    assert found.judged + len(found.not_judged) == rated().judged


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_known(value: float) -> None:
    found = rated(disk_wear_ratio=value, startup_p90_seconds=value)
    assert found.rating == MEETS
    assert {"disk-worn", "disk-worn-out", "startup-slow"} <= {one.rule_id for one in found.not_judged}


@pytest.mark.parametrize("status", ["unknown", None, "some word of tomorrow"])
def test_an_unknown_support_status_is_not_support(status: str | None) -> None:
    found = rated(support_status=status, support_end=None)
    assert {one.rule_id: one.why for one in found.not_judged} == {
        "support-ended": "not known: until when it gets updates",
        "support-ended-unless-bought": "not known: until when it gets updates",
        "support-paid": "not known: until when it gets updates",
        "support-ends-within-a-year": "not known: until when it gets updates",
    }


def test_few_start_ups_judge_neither_way() -> None:
    for seconds in (10.0, 500.0):
        found = rated(startup_p50_seconds=seconds, startup_p90_seconds=seconds, startup_count=4)
        assert found.rating == MEETS
        assert {one.rule_id: one.why for one in found.not_judged} == dict.fromkeys(
            ("startup-slow", "startup-severe", "startup-grown"),
            "start-ups the figures are from: 4, and 5 are needed",
        )
    assert rated(startup_p90_seconds=500.0, startup_count=None).rating == MEETS
    assert rated(startup_p90_seconds=500.0, startup_count=5).rating == ATTENTION


def test_a_baseline_of_nothing_is_none() -> None:
    found = rated(startup_baseline_p50_seconds=0.0)
    assert {one.rule_id for one in found.not_judged} == {"startup-grown"}


def test_an_unknown_word_is_unsure_only_where_a_rule_asks_for_known_ones() -> None:
    found = rated(device_class="unknown", battery_health_ratio=0.1)
    assert {one.rule_id: one.why for one in found.not_judged} == dict.fromkeys(
        ("hard-disk", "battery-weak", "battery-spent", "battery-cycles"), "its device class is not known"
    )
    unknown_profile = rated(usage_profile="unknown", startup_p90_seconds=130.0)
    assert met(unknown_profile) == {"startup-slow": ATTENTION}


def test_a_device_nobody_has_heard_of_is_no_data() -> None:
    found = rate(DeviceCondition(device="d"), shipped_rules(), TODAY)
    assert (found.rating, found.judged, found.import_only) == (NO_DATA, 0, False)
    assert "it has never reported" in {one.why for one in found.not_judged}


def test_what_the_books_say_counts_without_any_report() -> None:
    paper = DeviceCondition(device="d", support_status="ended", support_end=days(-1))
    assert rate(paper, shipped_rules(), TODAY).rating == ACTION
    fine = DeviceCondition(device="d", support_status="supported", support_end=days(2000))
    assert rate(fine, shipped_rules(), TODAY).rating == NO_DATA


def test_old_measurements_are_not_judged() -> None:
    found = rated(last_report=days(-40), disk_failing=True)
    assert (found.rating, found.reasons) == (NO_DATA, ())
    assert {one.rule_id: one.why for one in found.not_judged}[
        "disk-failing"
    ] == "the last report is 40 days old"
    assert rated(last_report=days(-40), support_status="ended").rating == ACTION


IMPORTED = DeviceCondition(
    device="d",
    imported_from="Endpoint Analytics",
    imported_on=TODAY,
    imported_health="meeting_goals",
    support_status="supported",
    support_end=days(2000),
    startup_p50_seconds=40.0,
)


def test_imports_alone_are_marked() -> None:
    found = rate(IMPORTED, shipped_rules(), TODAY)
    assert (found.rating, found.import_only) == (MEETS, True)
    worse = rate(replace(IMPORTED, imported_health="needs_attention"), shipped_rules(), TODAY)
    assert (worse.rating, worse.import_only) == (ATTENTION, True)
    # Another tool's figures come without counts.
    assert rate(replace(IMPORTED, startup_p50_seconds=400.0), shipped_rules(), TODAY).rating == ACTION
    sentinel = rate(replace(IMPORTED, imported_health="insufficient_data"), shipped_rules(), TODAY)
    assert "imported-needs-attention" in {one.rule_id for one in sentinel.not_judged}


@pytest.mark.parametrize(("on", "rating"), [(days(-28), MEETS), (days(-29), NO_DATA), (None, NO_DATA)])
def test_an_old_import_is_no_data(on: date | None, rating: str) -> None:
    assert rate(replace(IMPORTED, imported_on=on), shipped_rules(), TODAY).rating == rating


@pytest.mark.parametrize(
    ("first", "rating"),
    [(days(1), OBSERVING), (days(0), OBSERVING), (days(-27), OBSERVING), (days(-28), ACTION), (None, ACTION)],
)
def test_nothing_demands_action_for_28_days(first: date | None, rating: str) -> None:
    found = rated(first_report=first, disk_failing=True)
    assert found.rating == rating
    [reason] = found.reasons
    assert reason.demoted is (rating == OBSERVING)
    assert reason.rating == (ATTENTION if rating == OBSERVING else ACTION)
    if rating == OBSERVING and first is not None:
        assert found.observed_until == first + timedelta(28)


def test_a_quiet_new_device_is_observing_too() -> None:
    found = rated(first_report=TODAY)
    assert (found.rating, found.reasons) == (OBSERVING, ())


def exception(rules: frozenset[str] | None, expires: date) -> ExceptionEntry:
    return ExceptionEntry(
        entry_id="E1",
        item="d1",
        rules=rules,
        reason="ordered",
        owner="a",
        approver="b",
        starts=days(-10),
        expires=expires,
    )


def test_an_exception_is_respected_shown_and_ends() -> None:
    entry = exception(frozenset({"disk-failing"}), TODAY)
    found = rated(disk_failing=True, exceptions=(entry,))
    assert (found.rating, found.reasons) == (MEETS, ())
    [covered] = found.excepted
    assert (covered.reason.rule_id, covered.reason.rating, covered.entry_id) == ("disk-failing", ACTION, "E1")
    assert covered.returns_on == days(1)
    after = rate(replace(WHOLE, disk_failing=True, exceptions=(entry,)), shipped_rules(), days(1))
    assert (after.rating, after.excepted) == (ACTION, ())


def test_an_exception_leaves_other_rules_alone() -> None:
    entry = exception(frozenset({"disk-failing"}), days(9))
    assert rated(disk_failing=True, system_medium="hdd", exceptions=(entry,)).rating == ATTENTION
    assert rated(system_medium="hdd", exceptions=(entry,)).excepted == ()
    everything = exception(None, days(9))
    assert len(rated(disk_failing=True, system_medium="hdd", exceptions=(everything,)).excepted) == 2


CONDITIONS = st.lists(
    st.builds(
        DeviceCondition,
        device=st.uuids().map(str),
        usage_profile=st.sampled_from(["personal", "kiosk", "custody", "unknown"]),
        device_class=st.sampled_from(["laptop", "desktop", "server", "unknown"]),
        environment=st.sampled_from(["physical", "virtual_machine", "unknown"]),
        startup_p50_seconds=st.none() | st.floats(),
        startup_p90_seconds=st.none() | st.floats(0, 1000),
        startup_baseline_p50_seconds=st.none() | st.floats(),
        startup_count=st.none() | st.integers(0, 10),
        support_status=st.none()
        | st.sampled_from(["supported", "ended", "ended_unless_bought", "paid", "unknown"]),
        support_end=st.none() | st.dates(),
        warranty_end=st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
        disk_wear_ratio=st.none() | st.floats(0, 2.55),
        disk_failing=st.none() | st.booleans(),
        system_medium=st.none() | st.sampled_from(["hdd", "ssd", "unknown"]),
        battery_health_ratio=st.none() | st.floats(0, 2),
        first_report=st.none() | st.dates(date(2026, 10, 1), TODAY),
        last_report=st.none() | st.dates(date(2026, 10, 1), TODAY),
        imported_from=st.none() | st.just("Intune"),
        imported_on=st.none() | st.dates(date(2026, 10, 1), TODAY),
        exceptions=st.sampled_from([(), (exception(None, TODAY),), (exception(None, days(-1)),)]),
    ),
    max_size=12,
)


@given(CONDITIONS)
def test_every_device_is_in_one_class_and_every_rule_told(conditions: list[DeviceCondition]) -> None:
    ratings = rate_all(conditions, shipped_rules(), TODAY)
    for one in ratings:
        worst = {reason.rating for reason in one.reasons}
        assert (one.rating == ACTION) == (ACTION in worst)
        assert one.rating != MEETS or not worst
        assert one.rating != OBSERVING or one.observed_until is not None
        assert one.rating != NO_DATA or not worst
    whole = group_rating("all", ratings)
    assert sum(whole.counts.values()) == whole.devices == len(conditions)
    groups = group_ratings((one.device[0], one) for one in ratings)
    for word in RATINGS:
        assert sum(group.counts[word] for group in groups.values()) == whole.counts[word]
    for name in ("rated", "rules_judged", "rules_meant", "import_only", "excepted"):
        assert sum(getattr(group, name) for group in groups.values()) == getattr(whole, name)


@given(CONDITIONS)
def test_the_same_rules_change_nothing(conditions: list[DeviceCondition]) -> None:
    trial = try_rules(shipped_rules(), shipped_rules(), conditions, TODAY)
    assert trial.changes == ()
    assert sum(trial.moves.values()) == trial.devices == len(conditions)
    assert trial.counts_before == trial.counts_after


def test_a_group_is_counted_never_averaged() -> None:
    found = group_rating(
        "Camden",
        [
            rated(),
            rated(disk_failing=True, system_medium="hdd"),
            rated(system_medium="hdd", battery_cycles=None),
            rated(first_report=TODAY),
            rate(DeviceCondition(device="d"), shipped_rules(), TODAY),
            rate(IMPORTED, shipped_rules(), TODAY),
        ],
    )
    assert found.counts == {MEETS: 2, ATTENTION: 1, ACTION: 1, OBSERVING: 1, NO_DATA: 1}
    assert (found.rated, found.coverage_ratio, found.import_only) == (4, 4 / 6, 1)
    assert [(one.rule_id, one.rating, one.devices) for one in found.reasons] == [
        ("disk-failing", ACTION, 1),
        ("hard-disk", ATTENTION, 2),
    ]
    assert found.not_judged["battery-cycles"] == 3
    assert found.rules_meant > found.rules_judged
    assert group_rating("empty", []).coverage_ratio is None


def test_rules_are_tried_before_they_are_saved() -> None:
    text = read_text("rating_rules.toml")
    after = parse_rules(text.replace("value_seconds = 120", "value_seconds = 50", 1))
    devices = [WHOLE, replace(WHOLE, device="d2", startup_p90_seconds=40.0), replace(WHOLE, device="d3")]
    trial = try_rules(shipped_rules(), after, devices, TODAY)
    assert trial.moves == {(MEETS, ATTENTION): 2, (MEETS, MEETS): 1}
    assert [(one.device, one.before, one.after, one.newly_met) for one in trial.changes] == [
        ("d1", MEETS, ATTENTION, ("startup-slow",)),
        ("d3", MEETS, ATTENTION, ("startup-slow",)),
    ]
    assert trial.rules_changed == ("startup-slow",)
    assert (trial.rules_added, trial.rules_removed) == ((), ())
    assert trial.counts_after == {MEETS: 1, ATTENTION: 2, ACTION: 0, OBSERVING: 0, NO_DATA: 0}
    assert trial.before != trial.after


def test_a_change_of_reasons_alone_is_a_change() -> None:
    without = parse_rules(read_text("rating_rules.toml").replace('"hdd"', '"sd"', 1))
    device = replace(WHOLE, system_medium="hdd", battery_cycles=2000)
    [change] = try_rules(shipped_rules(), without, [device], TODAY).changes
    assert (change.before, change.after, change.no_longer_met) == (ATTENTION, ATTENTION, ("hard-disk",))


def test_a_rater_is_the_same_as_rating_one_by_one() -> None:
    rater = Rater(shipped_rules(), TODAY)
    for one in (WHOLE, IMPORTED, WHOLE):
        assert rater.rate(one) == rate(one, shipped_rules(), TODAY)
