"""Why each device is in or out, in its own figures; what carbon alone argues for; the tables behind a plan."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from support.plans import ON, cases, device, offer, ssd, terms

from roadworthy_inventory import tables
from roadworthy_inventory.replacement import Plan, make_plan
from roadworthy_inventory.replacement_data import footprints, parse_effects, parse_footprints, repair_effects
from roadworthy_inventory.replacement_inputs import Hold, Offer, PlanDevice, Range, Terms, exactly
from roadworthy_inventory.replacement_reasons import plain, pounds, reasons, why


def plan_of(
    *devices: PlanDevice, offers: tuple[Offer, ...] = (offer("laptop"), ssd()), **changes: object
) -> Plan:
    return make_plan(devices, offers, terms(**changes), ON)


def test_a_device_in_the_plan_says_what_it_nets_and_what_that_would_net_elsewhere() -> None:
    plan = plan_of(
        device("T1", hours=exactly(90), offers=("laptop",)),
        *(device(f"T{n}", offers=("laptop",)) for n in range(2, 9)),
        capital_pence=(300_000,),
    )
    found = why(plan, 0)
    assert found.code == "in"
    assert found.text.startswith("Replace it with laptop in 2026/27: nets £4,")
    assert "over 4.5 years against keeping it" in found.text
    assert "with an hour at £12.50 and a kgCO2e at £0.25" in found.text
    assert "It uses £600 of capital, £20 of revenue, 1 installation of 2026/27" in found.text
    assert "The next pound of capital in 2026/27 would net £" in found.text


def test_a_device_out_for_lack_of_money_names_the_limit_and_what_is_left() -> None:
    plan = plan_of(
        device("T1", hours=exactly(90), offers=("laptop",)),
        device("T2", offers=("laptop",)),
        capital_pence=(100_000,),
    )
    assert why(plan, 0).code == "in"
    out = why(plan, 1)
    assert out.code == "capital 2026/27"
    assert out.text.startswith("Kept, though to replace it with laptop in 2026/27 nets £")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"capital_pence": (0,)}, "capital 2026/27"),
        ({"revenue_pence": (100,)}, "revenue 2026/27"),
        ({"installations_per_week": 0}, "installations 2026/27"),
    ],
)
def test_the_limit_that_binds_is_named(change: dict[str, object], code: str) -> None:
    found = why(plan_of(device("T1", offers=("laptop",)), **change), 0)
    assert found.code == code
    assert f"of {code.split(maxsplit=1)[0]} in 2026/27, and " in found.text


def test_a_stock_that_has_run_out_is_named() -> None:
    plan = plan_of(
        device("T1", offers=("laptop",)), offers=(offer("laptop", stock="shelf"),), stock={"shelf": (0,)}
    )
    assert why(plan, 0).code == "stock shelf 2026/27"


def test_a_device_better_kept_says_what_the_best_offer_would_lose() -> None:
    found = why(plan_of(device("T1", hours=exactly(0), kwh=exactly(19), support_pence=exactly(2_000))), 0)
    assert found.code == "keeping_nets_more"
    assert "nets -£" in found.text


def test_fixed_apart_and_without_offer_say_so() -> None:
    plan = plan_of(
        device("T1", holds=(Hold("lease", date(2031, 1, 31)),)),
        device("T2", holds=(Hold("exception", None),)),
        device("T3", hours=None),
        device("T4", offers=()),
    )
    lease, agreed, apart, none = reasons(plan, range(4))
    assert "lease until 2031-01-31" in lease.text
    assert "exception without an end" in agreed.text
    assert "Not known: staff hours while kept." in apart.text
    assert none.text == "Kept: nothing is offered for it."
    assert {lease.carbon, apart.carbon, none.carbon} == {""}


def test_a_lot_is_told_as_a_lot() -> None:
    plan = plan_of(
        *(device(f"T{n}", offers=("laptop",)) for n in range(3)), lots=True, capital_pence=(170_000,)
    )
    found = why(plan, 0)
    assert found.code == "capital 2026/27"
    assert "together with the 2 others of its model and site" in found.text
    assert "the lot of 3 needs £1,800 of capital in 2026/27, and £1,700 is left" in found.text


def test_carbon_alone_argues_for_keeping_with_the_figures_of_the_device() -> None:
    found = why(plan_of(device("T1", kwh=exactly(57), offers=("laptop",))), 0)
    # 57 - 19 kWh at 0.13096: 5.0 kg a year against 241 kg.
    assert found.carbon == (
        "Carbon alone argues for keeping: making the laptop emits 241 (156 to 339) kgCO2e and saves 5.0 kgCO2e a year"
        " in use, made good after 48.4 years of the 5.0 it is planned for."
    )


def test_carbon_can_argue_for_replacing_and_can_be_unknown() -> None:
    hungry = why(plan_of(device("T1", kwh=exactly(2_000), offers=("laptop",))), 0)
    assert hungry.carbon.startswith("Carbon alone argues for it:")
    nothing = why(plan_of(device("T1", offers=("ssd",))), 0)
    assert nothing.carbon == (
        "Carbon alone argues for keeping: making the ssd emits 10.0 (5.0 to 25.0) kgCO2e and it saves no electricity."
    )


@settings(max_examples=25, deadline=None)
@given(cases())
def test_every_device_has_a_reason(case: tuple[list[PlanDevice], list[Offer], Terms]) -> None:
    plan = make_plan(*case, ON)
    for decision, reason in zip(plan.decisions(), reasons(plan, range(len(case[0]))), strict=True):
        assert (reason.code == "in") == (decision.offer is not None)
        assert reason.text.endswith(".")
        assert "nan" not in reason.text + reason.carbon
        assert "inf" not in (reason.text + reason.carbon).replace("information", "")


@pytest.mark.parametrize(
    ("pence", "says"),
    [(0, "£0.00"), (-0.2, "£0.00"), (420, "£4.20"), (-420, "-£4.20"), (123_456, "£1,235"), (999.6, "£10")],
)
def test_pounds(pence: float, says: str) -> None:
    assert pounds(pence) == says


@pytest.mark.parametrize(
    ("value", "says"), [(-0.01, "0.0"), (5.04, "5.0"), (241, "241"), (-1_234.5, "-1,234")]
)
def test_plain(value: float, says: str) -> None:
    assert plain(value) == says


def test_footprints_are_ranges_with_a_public_source() -> None:
    laptop = footprints()["laptop"]
    assert laptop.embodied_kgco2e == Range(156, 241, 339)
    assert laptop.use_kwh.likely == 19
    assert laptop.licence == "ODbL-1.0"
    assert {found.source for found in footprints().values()} == {
        "https://github.com/Boavizta/environmental-footprint-data"
    }


def test_what_is_published_about_repairs() -> None:
    (found,) = repair_effects()
    assert (found.repair, found.figure) == ("ssd", "startup_seconds")
    assert found.ratio.low <= found.ratio.likely <= found.ratio.high <= 1


HEADER = (
    "device_class,products,embodied_low_kgco2e,embodied_likely_kgco2e,embodied_high_kgco2e,use_low_kwh,use_likely_kwh,"
    "use_high_kwh,source,licence,as_of\n"
)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            "laptop,3,2,1,3,1,2,3,https://example.org,x,2026-01-01",
            "line 2: embodied_low_kgco2e to high: .* are no range",
        ),
        ("laptop,3,1,x,3,1,2,3,https://example.org,x,2026-01-01", "embodied_likely_kgco2e: 'x' is no number"),
        ("laptop,many,1,2,3,1,2,3,https://example.org,x,2026-01-01", "products: 'many' is no number"),
        (",3,1,2,3,1,2,3,https://example.org,x,2026-01-01", "device_class: '' is empty"),
        ("laptop,3,1,2,nan,1,2,3,https://example.org,x,2026-01-01", "are no range"),
    ],
)
def test_a_wrong_footprint_is_named_by_its_line(row: str, says: str) -> None:
    with pytest.raises(tables.TableError, match=says):
        parse_footprints(HEADER + row + "\n")


def test_a_wrong_repair_is_named() -> None:
    text = "repair,figure,low_ratio,likely_ratio,high_ratio,says,source,as_of\npaint,x,1,1,1,y,https://example.org,2026-01-01\n"
    with pytest.raises(tables.TableError, match="line 2: repair: 'paint'"):
        parse_effects(text)
