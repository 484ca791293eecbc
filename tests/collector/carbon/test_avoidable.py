"""Avoidable electricity: outside the shifts alone, never of what must be on, small groups folded, sums that close."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from support import facts
from support.estates import Estate

from roadworthy_collector.books import lists, rating
from roadworthy_collector.carbon import (
    avoidable,
    avoidable_show,
    shifts,
    shifts_try,
    supply_list,
    tariff_store,
)
from roadworthy_collector.errors import NotFoundError, RoadworthyError
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import carbon as gauges
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import register_devices, register_items
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries.scope import EVERYTHING
from roadworthy_inventory.calendar import local_day

NOW = dt.datetime(2026, 6, 10, 12, tzinfo=dt.UTC).timestamp()
FIRST = dt.date(2026, 5, 13)  # 28 local days before 10 June
MPAN = "1312345678907"
PRICE = "pence_per_kwh = 25\n" + shifts.EXAMPLE


def work_of(held: Estate, now: float = NOW) -> Work:
    return Work(held.engine, held.settings(), clock=lambda: now, rests=False)


def device(held: Estate, **values: Any) -> int:
    return held.device(
        **{"device_class": "desktop", "model": "OptiPlex", "enrolled_at": 1_700_000_000} | values
    )


def night(
    held: Estate, device: int, days: int, *, spent: str = "idle", hours: tuple[int, int] = (22, 24)
) -> None:
    """Put half-hours of the first days, from one local hour to another."""
    some = []
    for number in range(days):
        midnight = local_day(FIRST + dt.timedelta(days=number), "Europe/London").start
        starts = range(midnight + hours[0] * 3600, midnight + hours[1] * 3600, 1800)
        some += [facts.half_hour(device, start, **{f"{spent}_seconds": 1800}) for start in starts]
    facts.put(held.engine, some)


def worked_out(held: Estate, **asked: Any) -> dict[str, Any]:
    avoidable.refresh(work_of(held))
    with held.engine.connect() as connection:
        found = avoidable_show.overview(connection, **asked)
    assert found is not None
    return found


def said(held: Estate, text: str) -> bool:
    with write_transaction(held.engine) as connection:
        return shifts.save(connection, text, now=int(NOW), actor="carbon")


def test_idle_at_night_counts_and_idle_by_day_does_not(estate: Estate) -> None:
    said(estate, PRICE)
    by_night, by_day, asleep = (device(estate) for _ in range(3))
    night(estate, by_night, 5)
    night(estate, by_day, 5, hours=(9, 11))  # from Wednesday on: three of five are working days
    night(estate, asleep, 5, spent="asleep")
    found = worked_out(estate)
    unused = found["kinds"]["unused_on"]
    # 12 W idle less 1 W off: five nights of two hours, and a weekend's two mornings.
    assert unused["kwh"] == pytest.approx((5 + 2) * 2 * 11 / 1000)
    assert unused["devices"] == 2
    assert found["total"]["pounds"] == pytest.approx(unused["kwh"] * 0.25, abs=0.005)
    assert found["kinds"]["sleep_fails"]["devices"] == 1
    assert found["total"]["kwh"] == unused["kwh"]
    # No server and no meter told anything of the others: not known is no nought, and no sample of the gauge.
    assert found["not_known"] == ["out_of_family", "idle_server"]
    assert "told enough of it: power out of family for its model, idle servers" in avoidable_show.coverage(
        found
    )
    with estate.engine.connect() as connection:
        assert gauges.read(connection).avoidable == {}  # of three devices: how a few people work
    assert unused["low_kwh"] < unused["kwh"] < unused["high_kwh"]


def test_gauges_tell_how_devices_are_used_of_five_that_tell_it(estate: Estate) -> None:
    for _ in range(5):
        night(estate, device(estate), 5)
    worked_out(estate)
    with estate.engine.connect() as connection:
        found = gauges.read(connection).avoidable
    # Of the other kinds nothing is known, which is no nought.
    assert found.keys() == {"unused_on", "sleep_fails"}


def test_an_estate_nothing_could_be_looked_at_in_has_no_nought(estate: Estate) -> None:
    device(estate)
    found = worked_out(estate)
    assert found["not_known"] == list(avoidable.KINDS)
    assert found["total"]["kwh"] is None
    assert found["untold"] == 1


def test_no_price_no_pounds_and_who_made_the_calendar(estate: Estate) -> None:
    night(estate, device(estate), 5)
    found = worked_out(estate)
    assert found["pence_per_kwh"] is None
    assert found["total"]["pounds"] is None
    assert found["calendar"]["made_by"] == "ours"
    assert found["total"]["kgco2e"] is not None


def test_pounds_are_by_the_tariff_of_the_supply_that_feeds_the_site(estate: Estate) -> None:
    """Its own tariff before the stated price, which is for sites without one; which it was is said."""
    said(estate, "pence_per_kwh = 40\n" + shifts.EXAMPLE)
    for site in ("Fed", "Other"):
        night(estate, device(estate, site=site), 25)
    tariffs = (
        "supply,valid_from,unit_pence,day_pence,night_pence,night_from,night_to,levies,source\n"
        f"{MPAN},2026-04-01,,30,12,00:00,08:00,CCL=1,Contract A\n"
    )
    with write_transaction(estate.engine) as connection:
        text = f"supply,site,valid_from\n{MPAN},Fed,2026-04-01\n"
        supply_list.load(connection, text, "s.csv", actor="sam", now=int(NOW))
        tariff_store.load(connection, tariffs, "t.csv", actor="sam", now=int(NOW))
    found = worked_out(estate)
    rows = {row["title"]: row["total"] for row in found["rows"]}
    kwh = rows["Fed"]["kwh"]
    assert kwh == rows["Other"]["kwh"] > 0
    # A third of the day at 12 pence, the rest at 30, and a penny of levies.
    assert rows["Fed"]["pounds"] == pytest.approx(kwh * 0.25, abs=0.005)
    assert rows["Other"]["pounds"] == pytest.approx(kwh * 0.40, abs=0.005)
    prices = {row["site"]: (row["pence_per_kwh"], row["from"]) for row in found["prices"]}
    assert prices == {
        "Fed": (25.0, "tariff of its supply: Contract A"),
        "Other": (40.0, "stated in the shift calendars"),
    }
    said(estate, shifts.EXAMPLE)
    found = worked_out(estate)
    assert found["total"]["pounds"] == rows["Fed"]["pounds"]
    assert found["total"]["unpriced_kwh"] == kwh


def test_what_must_be_on_never_appears(estate: Estate) -> None:
    control, plain = device(estate), device(estate)
    words = {
        "kind": "desktop",
        "lifecycle_state": "deployed",
        "updated_at": 1,
        "usage_profile": "control_room",
    }
    estate.put(register_items, id=5, **words)
    estate.put(register_devices, item=5, device=control, valid_from="2026-01-01", matched_on=[])
    for one in (control, plain):
        night(estate, one, 5)
    found = worked_out(estate)
    assert found["must_be_on"] == 1
    assert found["kinds"]["unused_on"]["devices"] == 1


def test_what_stands_where_everything_must_be_on_never_appears(estate: Estate) -> None:
    """Whatever its profile says, and it may say nothing: a custody terminal nobody entered in the register."""
    for site, unit in (("Cells", "IT"), ("HQ", "Custody"), ("HQ", "IT")):
        night(estate, device(estate, site=site, unit=unit), 5)
    found = worked_out(estate)
    assert (found["must_be_on"], found["no_profile"], found["told_days"]) == (0, 3, 5)
    assert "3 devices have no usage profile" in avoidable_show.coverage(found)
    assert "told of 5 alone" in avoidable_show.coverage(found)
    text = shifts.EXAMPLE + '[must_be_on]\nsites = ["Cells", "Nowhere"]\nunits = ["Custody", "Nobody"]\n'
    with estate.engine.connect() as connection:
        tried = shifts_try.try_text(connection, text)
    assert (tried["unknown_sites"], tried["unknown_units"]) == (["Nowhere"], ["Nobody"])
    said(estate, text)
    found = worked_out(estate)
    assert (found["must_be_on"], found["no_profile"]) == (2, 1)
    assert found["kinds"]["unused_on"]["devices"] == 1
    for wrong in ("must_be_on = 1", "[must_be_on]\nsites = 1", "[must_be_on]\nrooms = []"):
        with pytest.raises(RoadworthyError, match="must_be_on"):
            shifts.parse(wrong + "\n[calendar]\n")


def test_the_odd_one_of_a_model_and_an_idle_server(estate: Estate) -> None:
    states = {
        "in_use_seconds": 36_000,
        "idle_seconds": 0,
        "locked_seconds": 0,
        "asleep_seconds": 0,
        "off_seconds": 50_400,
        "unobserved_seconds": 0,
    }
    here = {"environment": "physical", "last_report_at": int(NOW)}
    server = device(estate, device_class="server", model="R640", **here)
    others = [device(estate, model="Tower", **here) for _ in range(7)]
    for number in range(28):
        date = FIRST + dt.timedelta(days=number)
        span = local_day(date, "Europe/London")
        for one in (server, *(others if number < 2 else ())):
            watts = 90 if one == others[0] else 30
            row = {
                "device": one, "date": date.isoformat(), "start": span.start, "half_hours": 48, "periods": 20, "startups": 0,
                "site": estate.site("HQ"), "unit": estate.unit("IT"), "observed_seconds": 36_000, "cpu_mean_ratio": 0.01,
                "joules": None if one == server else {"machine": {"sensor": watts * 36_000}}, **states,
            }  # fmt: skip
            estate.put(schema.local_days, **row)
    found = worked_out(estate)
    assert found["kinds"]["idle_server"]["devices"] == 1
    assert found["not_known"] == ["unused_on", "sleep_fails"]
    odd = found["kinds"]["out_of_family"]
    assert odd["kwh"] == pytest.approx(60 * 72_000 / 3_600_000)
    assert found["total"]["kwh"] == found["kinds"]["idle_server"]["kwh"]
    with estate.engine.connect() as connection:
        (row,) = avoidable_show.device_rows(
            connection, "out_of_family", None, scope=EVERYTHING, small_groups=False
        )
        told = avoidable.family_ratios(connection, NOW)
        assert avoidable.family_ratios(connection, NOW + 8 * 86_400) == {}
    assert (row["watts"], row["median_watts"]) == (90, 30)
    # The rating goes by the same figures: three times the power of its like, and a server alone of its model unknown.
    assert told == {others[0]: 3.0} | dict.fromkeys(others[1:], 1.0)
    rating.rate_now(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    with estate.engine.connect() as connection:
        rows = lists.list_ratings(connection, lists.Wanted(rule="power-out-of-family")).rows
        plain = lists.why(connection, estate.device_id(others[1]))
        unknown = lists.why(connection, estate.device_id(server))
    assert [one["id"] for one in rows] == [others[0]]
    assert "it takes 3.0 times the power of its like" in [one["sentence"] for one in rows[0]["reasons"]]
    assert "power-out-of-family" not in plain["not_judged"]
    assert "not known: power against" in unknown["not_judged"]["power-out-of-family"]


def test_small_groups_are_folded_and_sums_close(estate: Estate) -> None:
    for site, count in (("HQ", 6), ("North", 2), ("South", 5)):
        for _ in range(count):
            night(estate, device(estate, site=site), 5)
    whole = worked_out(estate)
    folded = worked_out(estate, small_groups=False)
    assert {row["title"] for row in whole["rows"]} == {"HQ", "North", "South"}
    # Two in `other` would be as few: the next smallest follows.
    assert {row["title"]: row["kinds"]["unused_on"]["devices"] for row in folded["rows"]} == {
        "HQ": 6,
        "other": 7,
    }
    assert folded["total"]["kwh"] == whole["total"]["kwh"]
    with estate.engine.connect() as connection, pytest.raises(RoadworthyError, match="one person"):
        avoidable_show.device_rows(connection, "unused_on", None, scope=EVERYTHING, small_groups=False)


def test_fewer_than_five_in_all_are_not_shown_at_all(estate: Estate) -> None:
    night(estate, device(estate), 5)
    found = worked_out(estate, small_groups=False)
    assert found["suppressed"] == ["sleep_fails", "unused_on"]
    assert found["kinds"] == {}
    assert found["total"]["kwh"] == 0


def test_restricted_sites_in_totals_alone_and_a_part_of_the_units(estate: Estate) -> None:
    for site, unit, restricted in (("HQ", "IT", False), ("Safe house", "Covert", True)):
        night(estate, device(estate, site=site, unit=unit, restricted=restricted), 5)
    found = worked_out(estate)
    assert found["kinds"]["unused_on"]["devices"] == 2
    assert "Safe house" not in str(found)
    (row,) = found["rows"]
    assert (row["title"], row["kinds"]["unused_on"]["devices"]) == ("other", 2)
    part = worked_out(estate, scope=frozenset({estate.unit("IT")}))
    assert part["kinds"]["unused_on"]["devices"] == 1
    assert part["untold"] is None
    with estate.engine.connect() as connection:
        rows = avoidable_show.device_rows(connection, "unused_on", None, scope=EVERYTHING, small_groups=True)
        assert len(rows) == 1
        with pytest.raises(NotFoundError):
            avoidable_show.device_rows(connection, "lights", None, scope=EVERYTHING, small_groups=True)


def test_worked_out_daily_and_where_the_calendar_changes(estate: Estate) -> None:
    night(estate, device(estate), 5)
    assert [avoidable.refresh(work_of(estate)) for _ in range(2)] == [1, 0]
    round_the_clock = "[calendar]\n" + "".join(f'{day} = ["00:00-24:00"]\n' for day in shifts.WEEKDAYS)
    assert said(estate, round_the_clock)
    assert not said(estate, round_the_clock)
    assert worked_out(estate)["kinds"] == {}
    assert avoidable.refresh(work_of(estate, NOW + 86_400)) == 1


WRONG = {
    "x = 1": "x: is not known",
    "[calendar]\nmonday = 5": "calendar.monday: is a list",
    '[calendar]\nmonday = ["7-19"]': "write",
    '[calendar]\nmonday = ["07:00-25:00"]': "is no shift",
    '[calendar]\nmonday = ["07:00-07:00"]': "is no shift",
    '[calendar]\nsomeday = ["07:00-19:00"]': "is not known",
    "[calendar]\nclosed = [5]": "is a list of days",
    "pence_per_kwh = 0\n[calendar]": "above 0",
    "pence_per_kwh = nan\n[calendar]": "above 0",
    "pence_per_kwh = true\n[calendar]": "above 0",
    "calendar = 5": "is missing",
    "sites = 5\n[calendar]": "is a table",
    "[calendar": "no TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_calendar_that_cannot_be(text: str) -> None:
    with pytest.raises(RoadworthyError, match=WRONG[text]):
        shifts.parse(text)


def test_a_shift_past_midnight_is_two_and_trying_says_what_it_means(estate: Estate) -> None:
    estate.site("HQ")
    estate.site("Safe house", restricted=True)
    text = '[calendar]\n[sites.HQ]\nsunday = ["22:00-06:00"]\nmonday = ["05:00-13:00"]\n[sites.Nowhere]\n'
    found = shifts.parse(text)
    assert found.of("HQ").shifts["monday"] == ((0, 360), (300, 780))
    with estate.engine.connect() as connection:
        tried = shifts_try.try_text(connection, text)
    assert tried["unknown_sites"] == ["Nowhere"]
    (row,) = [one for one in tried["sites"] if one["site"] == "HQ"]
    assert "Safe house" not in str(tried)
    assert (row["hours_a_week_now"], row["hours_a_week_then"]) == (60.0, 15.0)
