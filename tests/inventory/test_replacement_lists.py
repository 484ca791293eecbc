"""Ready lists: what is on them, what is counted as unknown, and whose thresholds they are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from roadworthy_inventory import tables
from roadworthy_inventory.replacement_data import parse_thresholds, thresholds
from roadworthy_inventory.replacement_lists import (
    TICKET_COLUMNS,
    ListedDevice,
    Ticket,
    claim_under_warranty,
    collect_unused,
    fit_an_ssd,
)

ON = date(2026, 11, 21)


def used(tag: str, **changes: object) -> ListedDevice:
    given: dict[str, object] = {"tag": tag, "lifecycle_state": "deployed", "usage_profile": "personal"}
    return ListedDevice(**{**given, **changes})  # type: ignore[arg-type]  # fields by name


def tags(tickets: tuple[Ticket, ...]) -> list[str]:
    return [ticket.tag for ticket in tickets]


def test_warranty_claims_come_first_to_end_first_and_count_the_unknown() -> None:
    faults = ("battery at 41 % of its capacity",)
    found = claim_under_warranty(
        [
            ListedDevice(
                tag="later", faults=faults, warranty_end=ON + timedelta(days=300), warranty_level="on site"
            ),
            ListedDevice(tag="today", faults=faults, warranty_end=ON),
            ListedDevice(tag="over", faults=faults, warranty_end=ON - timedelta(days=1)),
            ListedDevice(tag="well", faults=(), warranty_end=ON),
            ListedDevice(tag="no date", faults=faults),
            ListedDevice(tag="no rating"),
        ],
        ON,
    )
    assert tags(found.tickets) == ["today", "later"]
    assert found.unknown == {"no date": "warranty end", "no rating": "no rating"}
    assert "0 days left; claim it now" in found.tickets[0].details
    assert "on site, 300 days left." in found.tickets[1].details
    assert found.tickets[0].due == ON
    assert found.tickets[0].basis == "Roadworthy's own thresholds"


def test_hard_disks_that_take_an_ssd_the_slowest_first() -> None:
    found = fit_an_ssd(
        [
            ListedDevice(tag="slow", system_disk="hdd", takes_ssd=True, startup_p50_seconds=90.0),
            ListedDevice(
                tag="slowest", system_disk="hdd", takes_ssd=True, startup_p50_seconds=1_800.0, warranty_end=ON
            ),
            ListedDevice(tag="who knows", system_disk="hdd", takes_ssd=True),
            ListedDevice(tag="soldered", system_disk="hdd", takes_ssd=False),
            ListedDevice(tag="has one", system_disk="ssd"),
            ListedDevice(tag="replaced", system_disk="hdd", takes_ssd=True),
            ListedDevice(tag="unknown"),
            ListedDevice(tag="unsure", system_disk="hdd"),
        ],
        ON,
        replaced={"replaced"},
    )
    assert tags(found.tickets) == ["slowest", "slow", "who knows"]
    assert found.unknown == {"unknown": "kind of disk", "unsure": "whether it takes an SSD"}
    assert "1,800 s to usable" in found.tickets[0].details
    assert "ask the maker before it is opened" in found.tickets[0].details
    assert "how long is not known" in found.tickets[2].details


@pytest.mark.parametrize(
    ("change", "listed", "unknown"),
    [
        ({"observed_days": 28, "in_use_hours": 4.0}, True, False),
        ({"observed_days": 28, "in_use_hours": 4.1}, False, False),
        ({"observed_days": 21, "in_use_hours": 0.0}, True, False),
        ({"observed_days": 20, "in_use_hours": 0.0}, False, True),
        ({"observed_days": 28}, False, True),
        ({"mdm_last_seen": ON - timedelta(days=45)}, True, False),
        ({"mdm_last_seen": ON - timedelta(days=44)}, False, True),
        ({"mdm_last_seen": ON + timedelta(days=1)}, False, True),
        ({"observed_days": 28, "in_use_hours": 50.0, "mdm_last_seen": ON - timedelta(days=90)}, False, False),
        ({"observed_days": 28, "in_use_hours": 0.0, "usage_profile": "custody"}, False, False),
        ({"observed_days": 28, "in_use_hours": 0.0, "lifecycle_state": "stores"}, False, False),
        ({"observed_days": 28, "in_use_hours": 0.0, "lifecycle_state": None}, False, True),
        ({"observed_days": 28, "in_use_hours": 0.0, "usage_profile": "unknown"}, False, True),
        ({}, False, True),
    ],
)
def test_hardly_used(change: dict[str, object], *, listed: bool, unknown: bool) -> None:
    found = collect_unused([used("T1", **change)], ON)
    assert (bool(found.tickets), "T1" in found.unknown) == (listed, unknown)


def test_a_ticket_has_the_columns_it_says() -> None:
    (ticket,) = collect_unused([used("T1", observed_days=28, in_use_hours=0.5, model="Latitude")], ON).tickets
    assert ticket._fields == TICKET_COLUMNS
    assert ticket.summary == "Collect a device that is hardly used: Latitude, T1"
    assert ticket.details == "In use 0.5 hours in 28 days watched by the agent."
    assert ticket.due is None


def test_the_thresholds_are_ours_and_say_so() -> None:
    assert thresholds().name == "Roadworthy's own thresholds"


GOOD = """format = 1
name = "x"
[hardly_used]
least_observed_days = 7
most_in_use_hours_a_week = 2
mdm_silent_days = 30
lifecycle_states = ["deployed"]
not_usage_profiles = []
[warranty]
soon_days = 10
"""


def test_thresholds_of_ones_own() -> None:
    own = parse_thresholds(GOOD)
    found = collect_unused([used("T1", observed_days=7, in_use_hours=2.0)], ON, own)
    assert tags(found.tickets) == ["T1"]
    assert found.tickets[0].basis == "x"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("format = 1", "format = 2", "format: 2; 1 expected"),
        ("mdm_silent_days = 30", "", "hardly_used: mdm_silent_days: None"),
        ("soon_days = 10", "soon_days = -1", "warranty: soon_days: -1"),
        ("soon_days = 10", "soon_days = true", "warranty: soon_days: True"),
        ("week = 2", "week = nan", "most_in_use_hours_a_week: nan"),
        ('["deployed"]', '"deployed"', "lifecycle_states: 'deployed'; a list"),
        ("[hardly_used]", "[hardly", "replacement_lists.toml: "),
        ("[hardly_used]", "[often_used]", "hardly_used: least_observed_days: None"),
    ],
)
def test_wrong_thresholds_name_the_key(old: str, new: str, says: str) -> None:
    with pytest.raises(tables.TableError, match=says):
        parse_thresholds(GOOD.replace(old, new))
