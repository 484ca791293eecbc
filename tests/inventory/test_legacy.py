"""Legacy apart from ageing; evidence from devices to systems; scores are people's and the arithmetic exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy_inventory.legacy import DeviceFacts, Limits, device_evidence, roll_up, standing
from roadworthy_inventory.legacy_scores import (
    FIELDS,
    IMPACT,
    LIKELIHOOD,
    Assessment,
    ScoreError,
    framework,
    missing,
    register_row,
    result,
    suggestions,
)
from roadworthy_inventory.lifecycle import SupportStatus, System, support_of
from roadworthy_inventory.planned_life import ageing
from roadworthy_inventory.windows11 import Eligibility

ON = date(2026, 11, 21)
GIB = 2**30
WINDOWS_10 = System(os_id="windows", name="Windows 10 Pro", version="22H2")
SERVER_2016 = System(os_id="windows", name="Windows Server 2016 Standard")
SERVER_2025 = System(os_id="windows", name="Windows Server 2025 Standard")
MAC = System(os_id="macos", version="26.1")


def device(key: str, system: System | None = None, **more: object) -> DeviceFacts:
    support = support_of(system, ON) if system else None
    given: dict[str, object] = {
        "source": "agent",
        "as_of": ON,
        "systems": ("CAD",),
        "support": support,
        **more,
    }
    return DeviceFacts(key=key, **given)  # type: ignore[arg-type]  # its own fields


def test_old_is_not_legacy_and_legacy_is_not_old() -> None:
    old = ageing("laptop", date(2014, 1, 1), ON)
    new = ageing("laptop", date(2026, 1, 1), ON)
    kept = standing(device("a", SERVER_2025, ageing=old))
    assert (kept.state, kept.ageing) == ("not_legacy", old)
    gone = standing(device("b", WINDOWS_10, ageing=new, windows11=Eligibility("not_eligible")))
    assert (gone.state, gone.ageing) == ("legacy", new)
    assert gone.reasons == (
        "its operating system has had no updates since 2025-10-14",
        "unless the extension until 2028-10-10 was bought",
        "it cannot have Windows 11",
    )


@pytest.mark.parametrize(
    ("support", "state"),
    [
        (None, "unknown"),
        (SupportStatus("unknown", reason="nobody knows"), "unknown"),
        (support_of(MAC, ON), "unknown"),  # no last day is named: not for ever
        (support_of(SERVER_2016, ON), "not_legacy"),  # ends within the year, has not ended
        (support_of(WINDOWS_10, ON, bought="yes"), "not_legacy"),
        (support_of(WINDOWS_10, ON, bought="no"), "legacy"),
    ],
)
def test_standing(support: SupportStatus | None, state: str) -> None:
    assert standing(replace(device("a"), support=support)).state == state


def test_what_is_not_known_is_evidence_of_nothing_and_still_there() -> None:
    nothing = device_evidence(device("a"), ON)
    everything = device_evidence(
        device(
            "b",
            WINDOWS_10,
            warranty_end=date(2024, 1, 1),
            contract_end=date(2027, 1, 1),
            ageing=ageing("desktop", date(2015, 1, 1), ON),
            system_disk_medium="hdd",
            ups_battery_years=4.0,
            windows11=Eligibility("not_eligible"),
            memory_bytes=4 * GIB,
            system_disk_bytes=500 * GIB,
            unexpected_shutdowns=3,
            start_up_regressed=True,
            hours_lost_a_year=12.5,
        ),
        ON,
    )
    assert [one.what for one in nothing] == [one.what for one in everything]
    assert {one.concern for one in nothing} == {None}
    assert {one.value for one in nothing} == {None}
    assert {one.strength for one in nothing} == {"none"}
    assert {one.code for one in everything} == {"L1", "L2", "L4", "L5", "L6", "L7", "C5"}
    concerns = {one.what: one.concern for one in everything}
    assert [what for what, concern in concerns.items() if not concern] == [
        "operating system goes out of support within 3 years",
        "operating system gets no security updates",  # unknown: nobody told whether updates were bought
        "contract ended without replacement",
        "system disk under 64 GiB",
    ]
    assert concerns["operating system gets no security updates"] is None
    (end,) = {one.value for one in everything if one.what == "operating system out of support"}
    assert end == date(2025, 10, 14)
    assert all(one.source and one.as_of == ON and one.unit for one in everything)


def test_a_contracted_successor_settles_the_contract_and_limits_are_arguments() -> None:
    facts = device("a", warranty_end=date(2024, 1, 1), replacement_contracted=True, unexpected_shutdowns=1)
    found = {one.what: one.concern for one in device_evidence(facts, ON, Limits(unexpected_shutdowns=1))}
    assert found["warranty ended without replacement"] is False
    assert found["1 or more unexpected shutdowns in 90 days"] is True


def test_devices_roll_up_to_the_systems_they_serve() -> None:
    rolled = roll_up(
        [
            device("a", WINDOWS_10, systems=("CAD", "Custody"), hours_lost_a_year=60.0),
            device("b", SERVER_2016, hours_lost_a_year=41.0, as_of=date(2026, 10, 1)),
            device("c", SERVER_2025),
            device("d", MAC),
            device("e", systems=()),
        ],
        ON,
    )
    found = {(one.system, one.what): one for one in rolled}
    out = found["CAD", "operating system out of support"]
    assert (out.concerned, out.known, out.unknown, out.strength) == (1, 3, 1, "partial")
    assert (out.value, out.as_of) == (date(2025, 10, 14), date(2026, 10, 1))
    soon = found["CAD", "operating system goes out of support within 3 years"]
    assert (soon.concerned, soon.known, soon.value) == (1, 3, date(2027, 1, 12))
    hours = found["CAD", "staff hours lost a year"]
    assert (hours.value, hours.known, hours.unknown) == (101.0, 2, 2)
    assert found["Custody", "staff hours lost a year"].value == 60.0
    nobody = found[None, "operating system out of support"]
    assert (nobody.known, nobody.unknown, nobody.strength, nobody.sources) == (0, 1, "none", ())


def test_suggestions_are_suggestions() -> None:
    rolled = [
        one for one in roll_up([device("a", WINDOWS_10, hours_lost_a_year=101.0)], ON) if one.system == "CAD"
    ]
    assert [(one.code, one.score) for one in suggestions(rolled, ON)] == [("C5", 2), ("L1", 6)]
    rolled = list(roll_up([device("b", SERVER_2016), device("c", SERVER_2025)], ON))
    assert [(one.code, one.score) for one in suggestions(rolled, ON)] == [("L1", 5)]  # within a year
    assert suggestions(roll_up([device("c", SERVER_2025)], ON), ON) == ()
    assert suggestions(roll_up([device("d")], ON), ON) == ()


@pytest.mark.parametrize(
    ("hours", "score"),
    [
        (0, 1),
        (100, 1),
        (101, 2),
        (1000, 2),
        (1001, 3),
        (100_000, 3),
        (100_001, 4),
        (500_000, 4),
        (500_001, 5),
    ],
)
def test_hours_by_the_published_bands(hours: float, score: int) -> None:
    rolled = roll_up([device("a", hours_lost_a_year=hours)], ON)
    assert [(one.code, one.score) for one in suggestions(rolled, ON)] == [("C5", score)]


def full(likelihood: list[int], impact: list[int]) -> Assessment:
    scores = dict(zip((*LIKELIHOOD, *IMPACT), (*likelihood, *impact), strict=True))
    return Assessment("CAD", scores, "A. Assessor", ON)


@pytest.mark.parametrize(
    ("likelihood", "impact", "overall", "legacy", "red"),
    [
        ([6] * 7, [5] * 6, Fraction(30), True, True),
        ([1] * 7, [1] * 6, Fraction(1), False, False),
        ([4] * 7, [4] * 6, Fraction(16), True, True),  # exactly 16
        ([4] * 7, [4] * 5 + [3], Fraction(4) * (Fraction(23, 6) + 4) / 2, True, False),
        ([3, 1, 1, 1, 1, 1, 1], [5] * 6, (Fraction(9, 7) + 3) / 2 * 5, True, False),
        ([2] * 7, [5] * 6, Fraction(10), False, False),
    ],
)
def test_the_arithmetic(
    likelihood: list[int], impact: list[int], overall: Fraction, *, legacy: bool, red: bool
) -> None:
    found = result(full(likelihood, impact))
    assert found
    assert (found.overall, found.is_legacy, found.is_red_rated) == (overall, legacy, red)


@given(
    st.lists(st.integers(1, 6), min_size=7, max_size=7), st.lists(st.integers(1, 5), min_size=6, max_size=6)
)
def test_scores_stay_on_their_scales(likelihood: list[int], impact: list[int]) -> None:
    found = result(full(likelihood, impact))
    assert found
    assert 1 <= found.likelihood_total <= 6
    assert 1 <= found.impact_total <= 5
    assert found.overall <= 30
    assert found.is_legacy == (max(likelihood) >= 3)


def test_nothing_is_computed_before_a_person_has_signed_everything() -> None:
    whole = full([3] * 7, [3] * 6)
    assert result(whole)
    assert missing(whole) == ()
    for code in whole.scores:
        part = {other: score for other, score in whole.scores.items() if other != code}
        assert result(replace(whole, scores=part)) is None
        assert missing(replace(whole, scores=part)) == (code,)
    assert missing(replace(whole, assessor=None, assessed_on=None)) == ("assessor", "date assessed")
    assert result(replace(whole, assessor="")) is None


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"L1": 7}, "L1: 7 is none of 1 to 6"),
        ({"C1": 6}, "C1: 6 is none of 1 to 5"),
        ({"L1": 0}, "L1: 0 is none of"),
        ({"L1": True}, "L1: True is none of"),
        ({"L1": 2.5}, "L1: 2.5 is none of"),
        ({"L8": 1}, "'L8' is no criterion"),
    ],
)
def test_scores_outside_the_scale_are_refused(scores: dict[str, int], message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        Assessment("CAD", scores)


def test_the_export_has_the_register_s_fields_and_leaves_unsigned_ones_blank() -> None:
    rolled = [one for one in roll_up([device("a", WINDOWS_10), device("b")], ON) if one.system == "CAD"]
    row = register_row(Assessment("CAD", {"L1": 6}), rolled, ON, {"Department": "Digital"})
    assert tuple(row) == FIELDS
    assert (row["Asset Name"], row["Department"], row["L1 Score"]) == ("CAD", "Digital", "6")
    blank = [name for name in FIELDS if name.endswith((" Score", " Mean", " Max", " Total")) and row[name]]
    assert blank == ["L1 Score"]
    assert row["Is Legacy"] == row["Is Red-Rated"] == ""
    assert row["Legacy Components"] == "operating system out of support: 1 of 1 devices"
    assert "updated 13 March 2025" in row["Notes"]
    assert "checked against the published guidance" in row["Notes"]
    assert "Suggested, not signed: L1 6" in row["Notes"]
    signed = register_row(full([4] * 7, [4] * 6), rolled, ON)
    assert (signed["Overall Risk Score"], signed["Is Legacy"], signed["Is Red-Rated"]) == (
        "16.00",
        "Yes",
        "Yes",
    )
    assert (signed["Likelihood Mean"], signed["Likelihood Max"], signed["Likelihood Total"]) == (
        "4.00",
        "4",
        "4.00",
    )
    for name in ("Is Legacy", "L2 Score", "Nonsense"):
        with pytest.raises(ScoreError, match="no field of the register that can be told"):
            register_row(Assessment("CAD"), rolled, ON, {name: "x"})


def test_the_framework_names_itself_and_its_source() -> None:
    known = framework()
    assert known.name == "Legacy IT Risk Assessment Framework"
    assert known.source.startswith("https://www.gov.uk/")
    assert tuple(known.criteria) == (*LIKELIHOOD, *IMPACT)
    assert (known.likelihood_maximum, known.impact_maximum, known.red_rated) == (6, 5, 16)
