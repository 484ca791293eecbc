"""Gauges by site and model: what is counted, that sums close, and who is in none of them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from support.estates import NOW, Estate

from roadworthy_collector.books import (
    figures,
    lifecycle_run,
    rating,
    rating_places,
    register_counts,
    small_groups,
)
from roadworthy_collector.carbon import avoidable, shifts
from roadworthy_collector.carbon.avoidable_worth import Price, Worth
from roadworthy_collector.jobs import fleet as job
from roadworthy_collector.jobs import site_avoidable, site_figures
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import by_site
from roadworthy_collector.metrics.catalogue import MAX_MEMBERS, OTHER
from roadworthy_collector.metrics.members import Shown
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import exceptions, register_devices, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.metrics import read_snapshot
from roadworthy_collector.store.queries.states import SMALLEST_GROUP
from roadworthy_inventory.carbon.factor_rules import Resolved
from roadworthy_inventory.rating import Rating, Reason
from roadworthy_inventory.rating_rules import Comparison, Rule, RuleSet

TODAY = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
ITEM = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1}
DEVICE: dict[str, Any] = {"device_class": "laptop", "environment": "physical", "system_medium": "hdd"}
Values = dict[tuple[str, ...], float]


def work_of(estate: Estate) -> Work:
    return Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False)


def shown(estate: Estate) -> dict[str, Values]:
    """Compute the roll-ups as the job does; return {family without its prefix: values}."""
    job.compute(work_of(estate))
    with estate.engine.connect() as connection:
        body = read_snapshot(connection, "fleet_metrics").body
    return parsed(body)


def parsed(body: str) -> dict[str, Values]:
    found: dict[str, Values] = defaultdict(dict)
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            found[sample.name.removeprefix("roadworthy_")][tuple(sample.labels.values())] = sample.value
    return found


def total(values: Values) -> float:
    return sum(values.values())


def item(estate: Estate, device: int | None = None, **values: Any) -> None:
    with write_transaction(estate.engine) as connection:
        key = connection.execute(register_items.insert().values(**ITEM | values)).inserted_primary_key
    if device is not None:
        link = {"item": int(key[0]), "device": device, "valid_from": "2026-01-01"}
        estate.put(register_devices, matched_on=["serial"], **link)


def test_ratings_and_their_reasons_stand_by_site_and_add_up_to_the_open_ones(estate: Estate) -> None:
    for site in ("HQ", "HQ", "North"):
        estate.device(site=site, model="L5", **DEVICE)
    spared = estate.device(site="North", model="L9", **DEVICE)
    estate.device(site="Cells", restricted=True, model="L9", **DEVICE)
    dates = {"begins": TODAY.isoformat(), "expires": "2099-01-01"}
    words = {"reason": "on order", "owner": "jo", "approver": "ann", "made_at": 1}
    estate.put(exceptions, device=spared, rules=["hard-disk"], **dates, **words)
    rating.rate_now(work_of(estate))
    lifecycle_run.work_out(work_of(estate))
    found = shown(estate)
    assert total(found["site_verdict_devices"]) == total(found["rated_devices"]) - 1
    assert {site for site, _ in found["site_verdict_devices"]} == {"HQ", "North"}
    assert found["site_reason_devices"]["HQ", "hard-disk"] == 2
    assert found["site_reason_devices"]["North", "hard-disk"] == 1
    assert found["model_reason_devices"]["L5", "hard-disk"] == 3
    assert ("L9", "hard-disk") not in found["model_reason_devices"]
    assert total(found["site_support_devices"]) == total(found["support_devices"]) - 1
    # A share of nought is told: both sites have every verdict one of them has.
    assert len(found["site_verdict_devices"]) == 2 * len({word for _, word in found["site_verdict_devices"]})


def test_a_reason_counts_only_while_it_makes_a_device_fall_short(estate: Estate) -> None:
    estate.device(enrolled_at=int(NOW) - 86_400, **DEVICE)  # still observed
    rating.rate_now(work_of(estate))
    found = shown(estate)
    assert found["site_verdict_devices"] == {("HQ", "observing"): 1}
    assert found["site_reason_devices"] == {}


def test_how_long_people_wait_at_sign_in_is_a_reason_of_no_small_group() -> None:
    met = {
        rule: Reason(
            rule_id=rule, rating="needs attention", sentence="", looks_at=measure, comparison="above", value=90.0,
            threshold=60.0, unit="seconds", source="ours",
        )
        for rule, measure in (("signin-slow", "signin_p90_seconds"), ("hard-disk", "system_medium"))
    }  # fmt: skip
    slow = Rating(
        device="", rating="needs attention", reasons=tuple(met.values()), excepted=(), not_judged=(), judged=2,
        import_only=False, observed_until=None, edition="",
    )  # fmt: skip
    told = rating_places.ByPlace({"signin-slow", "of nobody"})
    for site, model in (*[("HQ", "L5")] * 6, *[("Post", "L9")] * 2, *[("Yard", "L5")] * 3):
        told.add(site, model, slow)
    found = told.told()
    assert found["site_reasons"] == [
        ["HQ", "hard-disk", 6], ["HQ", "signin-slow", 6], ["Post", "hard-disk", 2], ["Yard", "hard-disk", 3],
        [OTHER, "signin-slow", 5],
    ]  # fmt: skip
    # The two L9 alone are too few to be told of, nor by what is missing: the L5 go along.
    assert [row for row in found["model_reasons"] if row[1] == "signin-slow"] == [[OTHER, "signin-slow", 11]]


def test_a_rule_is_about_people_by_any_of_its_tests() -> None:
    def compares(name: str) -> Comparison:
        return Comparison(name, "above", 1)

    def rule(name: str, *looks_at: str) -> Rule:
        return Rule(name, "needs action", "", "ours", tuple(map(compares, looks_at)))

    slow = rule("slow", "startup_p50_seconds", "signin_p50_seconds")
    edition = RuleSet("ours", 7, 7, (slow, rule("disk", "system_medium"), rule("wait", "signin_p90_seconds")))
    assert rating_places.of_people(edition) == {"slow", "wait"}


def test_ends_of_support_and_warranties_stand_by_site(estate: Estate) -> None:
    estate.device(os_name="Windows 10", os_version="22H2", **DEVICE)
    estate.device(site="Cells", restricted=True, **DEVICE)
    hq, cells = estate.site("HQ"), estate.site("Cells")
    for days in (-1, 0, 90, 91, 365, 366, None):
        end = None if days is None else (TODAY + dt.timedelta(days=days)).isoformat()
        item(estate, site=hq, warranty_end=end)
    item(estate, site=cells)
    item(estate, site=None)
    item(estate, site=hq, lifecycle_state="disposed")
    lifecycle_run.work_out(work_of(estate))
    register_counts.count_register(work_of(estate))
    found = shown(estate)
    assert {key: count for key, count in found["site_warranty_items"].items() if count} == {
        ("HQ", "ended"): 1, ("HQ", "within_90_days"): 2, ("HQ", "within_a_year"): 2, ("HQ", "later"): 1,
        ("HQ", "unknown"): 1, ("unknown", "unknown"): 1,
    }  # fmt: skip
    assert total(found["site_warranty_items"]) == total(found["warranty_end_items"]) - 1
    # Yesterday is in this month, and over.
    assert TODAY.day > 1
    assert found["warranty_end_items"]["ended",] == 1
    # The device and the item of the restricted site are in the totals alone.
    assert total(found["site_support_end_devices"]) == total(found["support_end_devices"]) - 2
    # By month everything is told once, what has no day by why.
    assert total(found["support_end_month_devices"]) == total(found["support_end_devices"])


def test_support_and_its_end_are_told_of_the_same_devices(estate: Estate) -> None:
    estate.device(os_name="Windows 10", os_version="22H2", **DEVICE)
    estate.device(os_name="Plan 9", **DEVICE)
    estate.device(site="Cells", restricted=True, **DEVICE)
    for asked in ("ups", "printer"):  # polled: no system whose support anybody knew
        estate.device(device_class=asked, environment="physical")
    item(estate, site=estate.site("HQ"), kind="monitor")
    item(estate, site=estate.site("HQ"))
    rating.rate_now(work_of(estate))
    lifecycle_run.work_out(work_of(estate))
    found = shown(estate)
    for prefix, place, unknown in (("", (), 3), ("site_", ("HQ",), 2)):
        now, ends = found[f"{prefix}support_devices"], found[f"{prefix}support_end_devices"]
        assert now[*place, "unknown"] == ends[*place, "unknown"] == unknown
        assert total(now) == total(ends) - ends[*place, "not_applicable"] == unknown + 1


def test_what_the_register_says_stands_against_who_reports(estate: Estate) -> None:
    silent = {"last_report_at": int(NOW) - 3 * 900 - 1}
    item(estate, estate.device())
    item(estate, estate.device(**silent))
    item(estate, estate.device(site="North", **silent), lifecycle_state="loan")
    item(estate, estate.device(site="North"), lifecycle_state="lost_or_stolen")
    item(estate, estate.device(site="North", **silent), lifecycle_state="stores")
    item(estate, estate.device(site="North", retired_at=5), lifecycle_state="lost_or_stolen")
    item(estate, estate.device(site="Cells", restricted=True), lifecycle_state="lost_or_stolen")
    item(estate, estate.device(), lifecycle_state="lost_or_stolen", site=estate.site("Cells"))
    # What is disposed of is matched to nothing: its serial number or its tag tells, if a device is nothing else.
    gone = {"lifecycle_state": "disposed"}
    estate.device(serial="rw-123 456", asset_tag="FP9")
    item(estate, serial="RW123456", tag="FP9", **gone)
    reused = estate.device(asset_tag="FP8")
    item(estate, tag="fp8", **gone)
    item(estate, reused)
    estate.device(serial="To be filled by O.E.M.")
    item(estate, serial="To be filled by O.E.M.", **gone)
    estate.device(asset_tag="FP7")
    item(estate, tag="FP7", site=estate.site("Cells"), **gone)
    site_figures.compute(work_of(estate))
    found = shown(estate)
    assert found["site_silent_devices"] == {("HQ",): 1}
    assert found["site_undeployed_reporting_devices"] == {
        ("HQ", "disposed"): 1, ("North", "lost_or_stolen"): 1, ("North", "stores"): 0,
    }  # fmt: skip


def test_spools_are_as_agents_tell(estate: Estate) -> None:
    for items in (0, 3, 10, 11, 1000, 2**40, None):
        estate.device(agent={"spool_items": items})
    estate.device()
    estate.device(device_class="printer")  # it has no agent
    estate.device(agent={"spool_items": 5}, retired_at=5)
    site_figures.compute(work_of(estate))
    assert shown(estate)["agent_spooled_devices"] == {
        ("none",): 1, ("up_to_10",): 2, ("up_to_100",): 1, ("up_to_1000",): 1, ("more",): 1, ("unknown",): 2,
    }  # fmt: skip


def test_a_site_restricted_since_is_gone_at_once(estate: Estate) -> None:
    estate.device(site="North", **DEVICE)
    estate.device(**DEVICE)
    rating.rate_now(work_of(estate))
    with write_transaction(estate.engine) as connection:
        connection.execute(update(schema.sites).where(schema.sites.c.name == "North").values(restricted=True))
    assert {site for site, _ in shown(estate)["site_verdict_devices"]} == {"HQ"}


def test_sites_and_models_past_the_limit_are_other_and_nothing_is_lost() -> None:
    many = [f"S{number:03}" for number in range(MAX_MEMBERS + 50)]
    named = {name: name if place < MAX_MEMBERS else OTHER for place, name in enumerate(many)}
    rows = [[name, "meets", 2] for name in many]
    content = {"verdicts": rows, "model_reasons": [[name, "hard-disk", 1] for name in many]}
    found = parsed(by_site.render({"ratings.places": content}, Shown(named, named, set(many))))
    assert found["site_verdict_devices"][OTHER, "meets"] == 100
    assert found["model_reason_devices"][OTHER, "hard-disk"] == 50
    assert len(found["site_verdict_devices"]) == len(found["model_reason_devices"]) == MAX_MEMBERS + 1
    assert total(found["site_verdict_devices"]) == 2 * len(many)


# --- avoidable electricity ---------------------------------------------------------------------------------


def avoidable_of(estate: Estate, groups: dict[str, Any]) -> None:
    content = {"first": "2026-08-01", "last": "2026-08-28", "groups": groups}
    with write_transaction(estate.engine) as connection:
        figures.write(connection, avoidable.FIGURE, content, NOW, 0.1)
        shifts.save(connection, "pence_per_kwh = 36\n" + shifts.EXAMPLE, now=int(NOW), actor="x")
    site_figures.compute(work_of(estate))


def test_how_few_devices_are_used_is_told_of_no_small_site(estate: Estate) -> None:
    hq, north, small, cells = (
        estate.site(name, restricted=name == "Cells") for name in ("HQ", "North", "Small", "Cells")
    )
    kwh = 3_600_000
    groups = {
        f"{hq}.1": {"looked": {"unused_on": 9}, "unused_on": [4, 60, kwh, 2 * kwh, 3 * kwh]},
        f"{north}.1": {"looked": {"unused_on": 6}},
        f"{small}.1": {"looked": {"unused_on": 2, "idle_server": 1}, "idle_server": [1, 60, kwh, kwh, kwh]},
        f"{small}.2": {"looked": {"unused_on": 1}, "unused_on": [1, 60, kwh, kwh, kwh]},
        f"{cells}.1": {"looked": {"unused_on": 7}, "unused_on": [7, 60, kwh, 5 * kwh, 9 * kwh]},
    }
    avoidable_of(estate, groups)
    found = shown(estate)
    # Three devices at Small may not be told of, nor by what is missing: the smallest other site goes along.
    assert found["site_avoidable_joules"] == {
        ("HQ", "unused_on"): 2 * kwh, (OTHER, "unused_on"): kwh, ("Small", "idle_server"): kwh,
    }  # fmt: skip
    assert found["avoidable_joules"]["unused_on",] == 8 * kwh
    assert found["avoidable_gbp"] == {("unused_on",): 8 * 0.36, ("idle_server",): 0.36}


def test_too_few_devices_in_all_are_told_of_nowhere(estate: Estate) -> None:
    site = estate.site("HQ")
    use = [4, 60, 1, 2, 3]
    looked = {"unused_on": 4, "idle_server": 4}
    avoidable_of(estate, {f"{site}.1": {"looked": looked, "unused_on": use, "idle_server": use}})
    found = shown(estate)
    assert found["site_avoidable_joules"] == {("HQ", "idle_server"): 2}
    assert found["avoidable_joules"].keys() == found["avoidable_gbp"].keys() == {("idle_server",)}


def test_pounds_need_enough_devices_at_the_sites_with_a_price(estate: Estate) -> None:
    hq, north, kwh = estate.site("HQ"), estate.site("North"), 3_600_000
    use = [1, 60, kwh, kwh, kwh]
    groups = {
        f"{hq}.1": {"looked": {"unused_on": 9}, "unused_on": use},
        f"{north}.1": {
            "looked": {"unused_on": 2, "out_of_family": 2},
            "unused_on": use,
            "out_of_family": use,
        },
    }
    priced = Worth(
        {north: Price(Fraction(36), "its supply")}, None, Resolved("generation", "kgCO2e/kWh", None, None, ())
    )
    assert site_avoidable.pounds(priced, groups, {}) == {"out_of_family": 0.36}
    groups[f"{north}.1"]["looked"]["unused_on"] = 5
    assert site_avoidable.pounds(priced, groups, {}) == {"unused_on": 0.36, "out_of_family": 0.36}


@pytest.mark.parametrize(
    ("devices", "priced", "named", "told"),
    [
        # Pounds less those of HQ, which is named, would be Small's alone; with Annexe's they are of seven.
        ({"HQ": 9, "Small": 2, "North": 6}, {"HQ", "Small"}, {"HQ"}, False),
        ({"HQ": 9, "Small": 2, "Annexe": 5}, {"HQ", "Small", "Annexe"}, {"HQ"}, True),
        # The whole less HQ and less the pounds of North would be Small's, which has no price.
        ({"HQ": 9, "Small": 2, "North": 6}, {"HQ", "North"}, {"HQ"}, False),
        ({"HQ": 9, "Small": 2, "North": 6}, {"HQ"}, {"HQ"}, True),
        ({"HQ": 9, "North": 6}, {"HQ"}, {"HQ", "North"}, True),
    ],
)
def test_pounds_less_what_is_told_by_name_are_of_no_few_devices(
    estate: Estate, devices: dict[str, int], priced: set[str], named: set[str], *, told: bool
) -> None:
    sites = {name: estate.site(name) for name in devices}
    groups = {
        f"{sites[name]}.1": {"looked": {"unused_on": count}, "unused_on": [1, 60, 1, 3_600_000, 1]}
        for name, count in devices.items()
    }
    worth = Worth(
        {sites[name]: Price(Fraction(36), "its supply") for name in priced},
        None,
        Resolved("generation", "kgCO2e/kWh", None, None, ()),
    )
    by_name = {"unused_on": frozenset(sites[name] for name in named)}
    assert bool(site_avoidable.pounds(worth, groups, by_name)) is told


@pytest.mark.parametrize(
    ("hidden", "told"), [(0, {"HQ", OTHER}), (1, {"HQ"}), (3, {"HQ", "North"}), (5, {"HQ", OTHER})]
)
def test_what_is_missing_tells_of_no_few_devices_of_restricted_sites(hidden: int, told: set[str]) -> None:
    looked = {"HQ": 20, "North": 6, "Small": 2}
    assert small_groups.folded_beside(dict.fromkeys(looked, 1.0), looked, hidden).keys() == told


def test_few_devices_of_a_restricted_site_leave_other_out(estate: Estate) -> None:
    hq, north, cells = (estate.site(name, restricted=name == "Cells") for name in ("HQ", "North", "Cells"))
    places = ((hq, 9), (north, 5), (cells, 1))
    groups = {
        f"{site}.1": {"looked": {"unused_on": count}, "unused_on": [1, 60, 1, 2, 3]} for site, count in places
    }
    avoidable_of(estate, groups)
    assert shown(estate)["site_avoidable_joules"] == {("HQ", "unused_on"): 2}


@given(
    st.dictionaries(st.text("abc", min_size=1), st.tuples(st.integers(1, 12), st.integers(0, 99)), max_size=9)
)
def test_what_is_folded_adds_up_and_is_never_small(sites: dict[str, tuple[int, int]]) -> None:
    looked = {name: devices for name, (devices, _) in sites.items()}
    joules = {name: value for name, (_, value) in sites.items()}
    kept = small_groups.folded(joules, looked)
    if sum(looked.values()) < SMALLEST_GROUP:
        assert kept == {}
        return
    assert sum(kept.values()) == sum(joules.values())
    assert all(looked[name] >= SMALLEST_GROUP for name in kept if name != OTHER)
    folded = [name for name in sites if name not in kept]
    assert not folded or sum(looked[name] for name in folded) >= SMALLEST_GROUP


@pytest.mark.parametrize("name", ["", "HQ", "New", "Cells"])
def test_a_site_is_shown_under_one_name(name: str) -> None:
    named = Shown({"HQ": "HQ"}, {}, {"", "HQ", "New"})
    assert named.site(name) == {"": "unknown", "Cells": None}.get(name, name)
