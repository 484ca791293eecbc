"""What the simulation makes: clock changes, weekends, holidays, shapes, and reports the wire contract takes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from roadworthy_collector.demo.build import plan
from roadworthy_collector.demo.estate import Device, allocate
from roadworthy_collector.demo.fleet import GROUPS, MODELS, OPERATING_SYSTEMS, SITES, UNITS
from roadworthy_collector.demo.generate import HalfHour, closed_until, half_hours, is_on, sessions, start_ups
from roadworthy_collector.demo.history import DayFacts
from roadworthy_collector.demo.load import DayError, check_day
from roadworthy_collector.demo.patterns import PATTERNS, bank_holidays, easter, is_working_day
from roadworthy_collector.demo.reporting import World, next_chapter, whole_story
from roadworthy_collector.demo.telling import facts, identity, probes
from roadworthy_collector.settings import Settings
from roadworthy_inventory.calendar import local_day, period_start
from roadworthy_inventory.identity import another_machine, differs, normalise_serial
from roadworthy_inventory.lifecycle import support

LONDON = "Europe/London"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def estate(now: int, devices: int = 1000) -> tuple[World, list[Device]]:
    planned = plan(Settings(), devices=devices, now=now)
    return World(planned.timeline), planned.compose()


def told(world: World, device: Device) -> list[HalfHour]:
    now, begin = world.timeline.now, world.timeline.half_hours_from
    on = world.on_until(device, begin, now)
    until = closed_until(device, on, now)
    return half_hours(device, on, world.clock, begin=begin, until=until, counters={})


@pytest.mark.parametrize(
    ("now", "day", "periods"),
    [
        ("2026-10-28 12:00", date(2026, 10, 25), 50),
        ("2026-04-02 12:00", date(2026, 3, 29), 46),
        ("2026-10-28 12:00", date(2026, 10, 24), 48),
    ],
)
def test_a_machine_that_is_always_on_has_every_half_hour_of_a_local_day(
    now: str, day: date, periods: int
) -> None:
    world, devices = estate(at(now))
    span = local_day(day, LONDON)
    always = [device for device in devices if device.group.pattern == "server" and device.silent_from is None]
    assert len(always) > 50
    for device in always:
        if device.enrolled_at < span.start:
            starts = [half_hour.start for half_hour in told(world, device) if half_hour.start in span]
            assert starts == list(span.starts())
            assert len(starts) == periods


@pytest.mark.parametrize(
    ("now", "change"), [("2026-10-31 12:00", "2026-10-25"), ("2026-04-02 12:00", "2026-03-29")]
)
def test_people_come_by_the_clock_on_the_wall(now: str, change: str) -> None:
    world, devices = estate(at(now))
    office = [device for device in devices if device.group.pattern == "office" and not device.left_on]
    came: dict[bool, list[int]] = {False: [], True: []}
    for device in office:
        on = sessions(device, world.clock, world.timeline.half_hours_from, world.timeline.now)
        for session in on:
            if session.cause == "cold":
                local = (
                    session.begin - local_day(datetime.fromtimestamp(session.begin, UTC).date(), LONDON).start
                )
                came[session.begin > at(change)].append(local)
    before, after = (sum(times) / len(times) for times in (came[False], came[True]))
    assert min(map(len, came.values())) > 200
    assert before == pytest.approx(after, abs=600)  # the same time on the wall; an hour apart in UTC
    assert 8 * 3600 < before < 9 * 3600


def test_weekends_and_holidays_are_quiet_in_offices_and_not_in_custody() -> None:
    # 6 April 2026 is Easter Monday, 7 and 8 April are working days.
    world, devices = estate(at("2026-04-09 12:00"))
    by_day: Counter[tuple[str, date]] = Counter()
    for device in devices:
        if device.group.pattern in {"office", "custody"} and not device.left_on:
            for half_hour in told(world, device):
                by_day[device.group.pattern, datetime.fromtimestamp(half_hour.start, UTC).date()] += 1
    assert by_day["office", date(2026, 4, 6)] < by_day["office", date(2026, 4, 8)] / 10
    assert by_day["office", date(2026, 4, 5)] < by_day["office", date(2026, 4, 8)] / 10
    assert by_day["custody", date(2026, 4, 5)] == pytest.approx(by_day["custody", date(2026, 4, 8)], rel=0.05)


@pytest.mark.parametrize(
    ("year", "days"),
    [
        # https://www.gov.uk/bank-holidays
        (2024, {"01-01", "03-29", "04-01", "05-06", "05-27", "08-26", "12-25", "12-26"}),
        (2025, {"01-01", "04-18", "04-21", "05-05", "05-26", "08-25", "12-25", "12-26"}),
        (2026, {"01-01", "04-03", "04-06", "05-04", "05-25", "08-31", "12-25", "12-28"}),
        (2027, {"01-01", "03-26", "03-29", "05-03", "05-31", "08-30", "12-27", "12-28"}),
        (2022, {"01-03", "04-15", "04-18", "05-02", "05-30", "08-29", "12-26", "12-27"}),
    ],
)
def test_bank_holidays(year: int, days: set[str]) -> None:
    assert {f"{day:%m-%d}" for day in bank_holidays(year)} == days
    assert easter(year).weekday() == 6
    assert not any(is_working_day(day) for day in bank_holidays(year))


@given(st.integers(0, 5000))
def test_shares_close_at_any_size(devices: int) -> None:
    groups = allocate(devices)
    assert len(groups) == devices
    counts = Counter(map(id, groups))
    for group in GROUPS:
        assert abs(counts[id(group)] - group.share * devices / 1000) <= 1


def test_the_tables_name_only_what_there_is() -> None:
    assert sum(group.share for group in GROUPS) == 1000
    assert {group.site for group in GROUPS} == {site.name for site in SITES}
    assert {group.unit for group in GROUPS} <= set(UNITS)
    assert {group.model for group in GROUPS} == set(MODELS)
    assert {group.os for group in GROUPS} == set(OPERATING_SYSTEMS)
    assert {group.pattern for group in GROUPS} == set(PATTERNS)
    seen: set[str | None] = {None}
    for unit, parent in UNITS.items():
        assert parent in seen  # parents first, so there is no circle
        seen.add(unit)


def test_every_shape_is_there() -> None:
    now = at("2026-11-18 10:30")
    world, devices = estate(now)
    begin = world.timeline.half_hours_from
    statuses = {
        support(device.os.id, device.os.version, date(2026, 11, 18), name=device.os.name).status
        for device in devices
    }
    assert statuses == {"supported", "ends_within", "ended", "unknown"}
    shapes = {
        "retired": [device for device in devices if device.retired_at],
        "never reported": [device for device in devices if device.silent_from == device.enrolled_at],
        "vanished for weeks": [
            device for device in devices if device.silent_from and now - device.silent_from > 14 * 86400
        ],
        "back after weeks": [
            device for device in devices if any(begin < back < now for _, back in device.absences)
        ],
        "stopped today": [
            device for device in devices if device.silent_from and 0 < now - device.silent_from < 86400
        ],
        "ghost": [device for device in devices if device.ghost],
        "no permission": [device for device in devices if device.power_status == "no_permission"],
        "unreadable hardware": [device for device in devices if not device.reads_hardware],
        "placeholders in the firmware": [device for device in devices if not device.model.name],
        "hard disk": [device for device in devices if device.model.medium == "hdd"],
        "two meters": [device for device in devices if len(device.meters) > 1],
        "left on": [device for device in devices if device.left_on],
        "state not watched": [device for device in devices if not device.watches_state],
    }
    assert [name for name, found in shapes.items() if not found] == []
    on = sum(is_on(device, world.on_until(device, begin, now), now) for device in devices)
    assert 800 < on < 950  # a working morning


def test_the_places_and_the_old_machines_are_there() -> None:
    """Headquarters, stations, custody and homes; hard disks, systems past their support, models that are slow."""
    now = at("2026-11-18 10:30")
    world, devices = estate(now)
    sites = Counter(device.group.site for device in devices)
    kinds = {site.name: site.kind for site in SITES}
    assert sites["Headquarters"] > 200
    for word, places in (("Station", 3), ("Custody", 2)):
        found = [name for name in sites if word in name]
        assert len(found) == places
        assert min(sites[name] for name in found) > 20
    assert sum(count for name, count in sites.items() if kinds[name] == "home") > 100
    assert {device.pattern for device in devices if "Custody" in device.group.site} == {PATTERNS["custody"]}

    spinning = [device for device in devices if device.model.medium == "hdd"]
    assert 150 < len(spinning) < 350  # about a quarter
    ended = {
        device.os.name
        for device in devices
        if support(device.os.id, device.os.version, date(2026, 11, 18), name=device.os.name).status == "ended"
    }
    assert {
        "Windows 10 Enterprise",
        "Windows Server 2012 R2 Standard",
        "Debian GNU/Linux 10 (buster)",
        "Ubuntu 20.04.6 LTS",
    } <= ended

    seconds: dict[str, list[float]] = {}
    for device in devices:
        on = world.on_until(device, world.timeline.half_hours_from, now)
        for start_up in start_ups(device, on, world.timeline, now):
            if start_up.cause != "resume":
                seconds.setdefault(device.group.model, []).append(start_up.seconds)
    usual = median(chain.from_iterable(seconds.values()))
    slow = {model for model, took in seconds.items() if median(took) > 3 * usual}
    assert {"terminal_2013", "tower_2014"} <= slow
    assert median(seconds["terminal_2013"]) > 10 * usual


def test_batteries_and_disks_wear_of_whatever_has_them() -> None:
    _, devices = estate(at("2026-09-15T10:00:00+01:00"))
    seen: Counter[str] = Counter()
    for device in devices:
        told, asked = facts(device), {probe.probe for probe in probes(device, 0.0)}
        assert (
            (told.battery is not None) == ("battery" in asked) == (device.model.chassis_type in {9, 10, 30})
        )
        for battery in told.battery or ():
            health = battery.health_ratio
            seen[
                "untold" if health is None else "weak" if health < 0.6 else "good" if health > 0.8 else ""
            ] += 1
        (disk,) = told.storage or ()
        assert (disk.wear_ratio is not None) == (disk.medium in {"ssd", "nvme"})
        seen["worn disk"] += (disk.wear_ratio or 0) >= 0.8
    assert min(seen[what] for what in ("untold", "weak", "good", "worn disk")) > 0


def test_no_placeholder_leaves_an_agent() -> None:
    world, devices = estate(at("2026-11-18 10:30"))
    unfilled = [device for device in devices if device.reads_hardware and not device.model.name]
    assert unfilled
    for device in unfilled:
        hardware = facts(device).hardware
        assert hardware is not None
        assert (hardware.vendor, hardware.model, hardware.serial) == (None, None, None)
        (said,) = (probe for probe in probes(device, world.timeline.now) if probe.probe == "hardware")
        assert {value.field for value in said.missing} >= {"hardware.model", "hardware.serial"}
    texts = {value for model in MODELS.values() for value in (model.vendor, model.name) if value}
    texts |= {device.serial for device in devices if device.serial}
    assert {text for text in texts if normalise_serial(text) is None} == set()


def test_no_two_devices_are_each_other_s_clone() -> None:
    _, devices = estate(at("2026-11-18 10:30"), devices=120)
    prints = [identity(device) for device in devices]
    for place, one in enumerate(prints):
        assert differs(one, identity(devices[place])) == []
        for other in prints[:place]:
            assert not (set(one.values()) & set(other.values()))
            assert another_machine(one, other) == (len(set(one) & set(other)) > 1)


def test_reports_are_what_the_wire_contract_says() -> None:
    path = Path(__file__).parents[3] / "docs" / "wire" / "report-v1.schema.json"
    validator = Draft202012Validator(json.loads(path.read_text("utf-8")))
    world, devices = estate(at("2026-11-18 10:30"), devices=60)
    kinds: Counter[str] = Counter()
    for device in devices:
        story = whole_story(world, device, {})
        if story is None:
            continue
        report = story.incoming.report
        short = msgspec.structs.replace(report, periods=report.periods[:20], startups=report.startups[:5])
        sent = {name: value for name, value in msgspec.to_builtins(short).items() if value is not None}
        errors = list(validator.iter_errors(json.loads(json.dumps(sent))))
        assert errors == [], errors[0].message
        kinds.update({name: len(getattr(short, name)) for name in ("periods", "startups", "gaps", "probes")})
        kinds["now"] += short.now is not None
    assert all(kinds[name] for name in ("periods", "startups", "gaps", "probes", "now"))


def test_telling_it_again_tells_the_same() -> None:
    now = at("2026-11-18 10:30")
    world, devices = estate(now, devices=100)
    checked = 0
    for device in devices:
        story = whole_story(world, device, {})
        if story is None or not story.on or device.meters:
            continue
        later = [
            next_chapter(world, device, {}, told_at=begin, seq=2, now=now)
            for begin in (now - 7200, now - 1800)
        ]
        whole = {period.start: period for period in story.incoming.report.periods}
        started = {startup.start_id: startup for startup in story.incoming.report.startups}
        for chapter in later:
            assert chapter is not None
            for period in chapter.incoming.report.periods:
                assert whole[period.start] == period
            for startup in chapter.incoming.report.startups:
                assert started[startup.start_id] == startup
            assert {gap.begin for gap in chapter.incoming.report.gaps} <= {
                gap.begin for gap in story.incoming.report.gaps
            }
            assert chapter.incoming.report.boot_id == story.incoming.report.boot_id
            checked += len(chapter.incoming.report.periods)
    assert checked > 100


def test_a_counter_only_rises_within_the_open_half_hour() -> None:
    now = at("2026-11-18 10:29")
    world, devices = estate(now)
    rising = 0
    for device in devices:
        if not device.meters:
            continue
        counters = {meter.scope: 1000 for meter in device.meters}
        last: dict[str, int] = {}
        for minute in range(now - 20 * 60, now + 20 * 60, 300):
            chapter = next_chapter(
                world, device, dict(counters), told_at=period_start(now), seq=2, now=minute
            )
            if chapter is None or chapter.incoming.report.now is None:
                continue
            for energy in chapter.incoming.report.now.energy:
                assert energy.counter_end_joules >= last.get(energy.scope, 0)
                rising += energy.counter_end_joules > last.get(energy.scope, 0)
                last[energy.scope] = energy.counter_end_joules
    assert rising > 100


GOOD = DayFacts(86400 * 20000, 2, 3600, 0.1, 0.5, (1800, 900, 900, 0, 0, 0), 1, 30.0, 30.0, {"cpu": 5})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"day": 5}, "day: 5 is no midnight UTC"),
        ({"periods": 49}, "periods: 49 is not within 0-48"),
        ({"state": (1800, 900, 899, 0, 0, 0)}, "does not add up to 2 half-hours"),
        ({"state": (3601, 0, 0, 0, 0, -1)}, "does not add up"),
        ({"observed": 3601}, "observed_seconds: 3601 in 2 half-hours"),
        ({"cpu": 1.01}, "ratios: 1.01"),
        ({"startup_max": 31.0}, "startups: 1, sum 30.0, longest 31.0"),
        ({"startups": 0}, "startups: 0"),
        ({"joules": {"cpu": -1}}, "less than nothing"),
    ],
)
def test_the_import_path_takes_no_impossible_day(change: dict[str, object], message: str) -> None:
    assert check_day(GOOD) is GOOD
    with pytest.raises(DayError, match=message):
        check_day(GOOD._replace(**change))  # type: ignore[arg-type] # one field at a time
