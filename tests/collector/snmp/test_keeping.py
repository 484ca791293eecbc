"""Polls in the store: a target becomes a device, its half-hours add up to its register, and failures are told."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from support.estates import Estate
from support.facts import held

from roadworthy_collector.jobs.rollup import roll_up
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics import polled
from roadworthy_collector.snmp import keeping, shown
from roadworthy_collector.snmp.keeping import Outcome
from roadworthy_collector.snmp.readings import DeviceAnswer, Identity, Reading, Refusal
from roadworthy_collector.snmp.targets import Login, Polled
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.queries import outlets
from roadworthy_collector.store.snmp_schema import outlet_half_hours, snmp_targets

START = 1_789_999_200  # a multiple of 1800, some minutes before the estate's NOW
PDU = Polled(
    name="rack 4 pdu a",
    host="10.1.2.3",
    protocol="snmp",
    port=161,
    login=Login(),
    login_name="old",
    site="Server room",
    unit="Infrastructure",
    feeds={"3": ("A-00417",)},
)
WHO = Identity(kind="pdu", vendor="APC", model="AP8853", serial="5A1234E12345", firmware="6.8.2")


def reading(name: str, kind: Any, place: Any, value: float, index: str = "1", **parts: Any) -> Reading:
    source = f"snmp apc-rpdu2 1.3.6.1.4.1.318.{index}"
    return Reading(
        name=name, index=index, kind=kind, place=place, value=value, quality="metered", source=source, **parts
    )


def answer(watts: float, watt_hours: float, outlet_watts: float = 0.0, **parts: Any) -> DeviceAnswer:
    return DeviceAnswer(
        identity=parts.pop("identity", WHO),
        profiles=("apc-rpdu2",),
        why=("sysObjectID",),
        readings=(
            reading("input_power", "active_power", "input", watts),
            reading("input_energy", "energy", "input", watt_hours, step_watt_hours=100.0),
            reading("outlet_power", "active_power", "outlet", outlet_watts, "3", label="server 2"),
            reading("outlet_power", "active_power", "outlet", 55.0, "4"),
        ),
        refusals=(Refusal("phase_power", "2", "sentinel", "-1 says that it is not measured"),),
        **parts,
    )


def write(estate: Estate, *outcomes: Outcome) -> int:
    with write_transaction(estate.engine) as connection:
        return keeping.write_outcomes(connection, outcomes, estate.settings(), version="1.0.0")


def targets(estate: Estate) -> list[dict[str, Any]]:
    with estate.engine.connect() as connection:
        query = select(snmp_targets).order_by(snmp_targets.c.name)
        return [dict(row) for row in connection.execute(query).mappings()]


def sync(estate: Estate, *polled: Polled) -> None:
    with write_transaction(estate.engine) as connection:
        keeping.sync(connection, polled)


def polls(estate: Estate, count: int, *, every: int = 300) -> None:
    """Poll a PDU that draws 600 W and gives 120 W of it through outlet 3."""
    for number in range(count):
        at = float(START + every * number)
        register = 100_000 + 100 * (600 * every * number // 3600 // 100)
        write(estate, Outcome(PDU, at, 0.05, answer(600.0, register, 120.0)))


def test_a_target_that_answers_becomes_a_device_that_stands_where_its_file_says(estate: Estate) -> None:
    sync(estate, PDU)
    assert write(estate, Outcome(PDU, START, 0.05, answer(600.0, 100_000))) == 1
    with estate.engine.connect() as connection:
        query = (
            select(
                schema.devices, schema.sites.c.name.label("site_name"), schema.units.c.name.label("unit_name")
            )
            .join(schema.sites, schema.sites.c.id == schema.devices.c.site)
            .join(schema.units, schema.units.c.id == schema.devices.c.unit)
        )
        (device,) = connection.execute(query).mappings()
        now = connection.scalar(select(schema.device_now.c.now))
        probe = connection.execute(select(schema.probe_status)).mappings().one()
    assert (device["site_name"], device["unit_name"]) == ("Server room", "Infrastructure")
    assert (device["device_class"], device["model"], device["serial"]) == ("pdu", "AP8853", "5A1234E12345")
    assert device["hostname"] == "rack 4 pdu a"
    assert now is not None
    assert [one["latest_watts"] for one in now["energy"]] == [600.0]
    assert [(one["name"], one["value"]) for one in now["readings"]][:2] == [
        ("input_power", 600.0),
        ("input_energy", 100_000.0),
    ]
    assert (probe["probe"], probe["status"]) == ("snmp", "ok")
    assert [one["field"] for one in probe["missing"]] == ["phase_power 2"]
    (row,) = targets(estate)
    assert (row["device"], row["outcome"], row["readings"], row["polls"]) == (device["id"], "ok", 4, 1)
    assert row["refused"][0]["code"] == "sentinel"


def test_half_hours_are_those_of_the_whole_and_of_the_outlets_that_feed_something(estate: Estate) -> None:
    sync(estate, PDU)
    polls(estate, 13)
    energy = held(estate.engine, "energy")
    assert [(row["scope"], row["quality"], row["joules"], row["covered_seconds"]) for row in energy] == [
        ("wall", "metered", 1_080_000, 1800),
        ("wall", "metered", 1_080_000, 1800),
    ]
    assert energy[0]["source"] == "snmp apc-rpdu2, input"
    with estate.engine.connect() as connection:
        rows = connection.execute(select(outlet_half_hours)).mappings().all()
    assert [(row["outlet"], row["start"], row["joules"]) for row in rows] == [
        ("3", START, 216_000),
        ("3", START + 1800, 216_000),
    ]


def test_a_clock_that_was_days_ahead_stops_no_counter(estate: Estate) -> None:
    """The collector's own clock is set back: half-hours are told from then on, and the counter goes on rising."""
    sync(estate, PDU)
    for number in range(7):
        register = 90_000 + 100 * (number // 2)
        write(estate, Outcome(PDU, START + 30 * 86_400 + 300.0 * number, 0.05, answer(600.0, register)))
    ahead = [row["counter_end_joules"] for row in held(estate.engine, "energy")]
    polls(estate, 13)
    energy = [row for row in held(estate.engine, "energy") if row["start"] < START + 86_400]
    assert [(row["start"], row["joules"]) for row in energy] == [
        (START, 1_080_000),
        (START + 1800, 1_080_000),
    ]
    assert min(row["counter_end_joules"] for row in energy) > max(ahead) > 0


def test_what_was_written_twice_is_held_once(estate: Estate) -> None:
    sync(estate, PDU)
    polls(estate, 7)
    again = Outcome(PDU, float(START + 1800), 0.05, answer(600.0, 100_300, 120.0))
    write(estate, again, again)
    assert len(held(estate.engine, "energy")) == 1
    (row,) = targets(estate)
    assert (row["state"]["seq"], row["polls"]) == (7, 7)  # put back after an error that hid that it was kept
    # A clock that was set back by more than an hour is believed: it may have been wrong before.
    write(estate, replace(again, at=float(START - 7200)))
    (row,) = targets(estate)
    assert row["polls"] == 8


def test_the_asset_tag_of_the_file_is_the_devices(estate: Estate) -> None:
    """With its serial number it makes two of the keys by which the register knows it."""
    sync(estate, PDU)
    write(estate, Outcome(replace(PDU, asset_tag="A-00420"), float(START), 0.05, answer(600.0, 100_000)))
    with estate.engine.connect() as connection:
        assert connection.scalars(select(schema.devices.c.asset_tag)).all() == ["A-00420"]


def test_a_target_that_never_answers_is_no_device_and_says_why(estate: Estate) -> None:
    sync(estate, PDU)
    for number in range(3):
        failed = Outcome(PDU, START + number, 4.0, code="no_answer", reason="rack 4 pdu a: no answer")
        assert write(estate, failed) == 0
    (row,) = targets(estate)
    assert (row["device"], row["outcome"], row["failures"], row["polls"]) == (None, "no_answer", 3, 3)
    assert (row["reason"], row["succeeded_at"]) == ("rack 4 pdu a: no answer", None)
    with estate.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.devices)) == 0


def test_a_device_that_no_profile_fits_is_said_to_be_one(estate: Estate) -> None:
    sync(estate, PDU)
    nothing = DeviceAnswer(identity=Identity(kind="other"), profiles=(), why=(), readings=())
    write(estate, Outcome(PDU, START, 0.05, nothing))
    (row,) = targets(estate)
    assert (row["outcome"], row["reason"]) == ("no_profile", "no profile fits this device")
    with estate.engine.connect() as connection:
        assert connection.scalar(select(schema.probe_status.c.status)) == "not_supported"


def test_targets_that_leave_the_file_are_marked_and_their_polls_are_not_written(estate: Estate) -> None:
    ups = replace(PDU, name="ups", host="10.1.2.4")
    sync(estate, PDU, ups)
    sync(estate, replace(ups, host="10.1.2.5"))
    assert [(row["name"], row["host"], row["removed"]) for row in targets(estate)] == [
        ("rack 4 pdu a", "10.1.2.3", True),
        ("ups", "10.1.2.5", False),
    ]
    assert write(estate, Outcome(PDU, START, 0.05, answer(600.0, 100_000))) == 0
    sync(estate, PDU, ups)
    assert not any(row["removed"] for row in targets(estate))


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (("input", "phase", "outlet"), "input"),
        (("output", "phase", "outlet"), "output"),
        (("phase", "bank", "outlet"), "phase"),
        (("supply_unit",), "supply_unit"),
    ],
)
def test_the_outermost_place_is_the_whole_and_the_others_are_never_added(
    estate: Estate, places: tuple[str, ...], expected: str
) -> None:
    sync(estate, PDU)
    rows = tuple(reading("power", "active_power", place, 100.0) for place in places)
    write(estate, Outcome(PDU, START, 0.05, replace(answer(0, 0), readings=rows)))
    with estate.engine.connect() as connection:
        now = connection.scalar(select(schema.device_now.c.now))
    assert now is not None
    (energy,) = now["energy"]
    assert (energy["latest_watts"], energy["source"].rsplit(", ")[-1]) == (100.0, expected)


def test_apparent_power_is_no_power(estate: Estate) -> None:
    sync(estate, PDU)
    rows = (reading("input_apparent", "apparent_power", "input", 640.0),)
    write(estate, Outcome(PDU, START, 0.05, replace(answer(0, 0), readings=rows)))
    with estate.engine.connect() as connection:
        now = connection.scalar(select(schema.device_now.c.now))
    assert now is not None
    assert "energy" not in now


@pytest.mark.parametrize(
    ("start", "date", "half_hours"),
    [
        (1_774_742_400, "2026-03-29", 46),  # the clocks go forward; the local day begins as the UTC day does
        (1_792_882_800, "2026-10-25", 50),  # and back: it begins an hour before
        (1_790_031_600, "2026-09-22", 48),
    ],
)
def test_outlets_add_up_by_local_day(estate: Estate, start: int, date: str, half_hours: int) -> None:
    device = estate.device()
    with write_transaction(estate.engine) as connection:
        for number in range(-2, half_hours + 2):
            row = {"device": device, "outlet": "3", "start": start + 1800 * number}
            told = {"joules": 100 + number, "covered_seconds": 1800, "quality": "metered"}
            connection.execute(insert(outlet_half_hours).values(**row, **told))
        for day in {(start + 1800 * number) // 86400 * 86400 for number in range(half_hours)}:
            connection.execute(insert(schema.dirty).values(device=device, day=day, marked_at=0))
    work = Work(estate.engine, estate.settings(), clock=lambda: start + 10 * 86400.0)
    roll_up(work)
    expected = sum(100 + number for number in range(half_hours))
    with estate.engine.connect() as connection:
        found = outlets.read(connection, dt.date.fromisoformat(date), dt.date.fromisoformat(date))
    assert {(key[1], value) for key, value in found.items()} == {
        ("3", (expected, 1800 * half_hours, "metered"))
    }


def outcome(name: str, at: int = START, serial: str | None = WHO.serial, **parts: Any) -> Outcome:
    who = replace(WHO, serial=serial, **parts)
    return Outcome(replace(PDU, name=name), float(at), 0.05, answer(600.0, 100_000, identity=who))


def test_one_device_under_two_names_is_counted_once(estate: Estate) -> None:
    names = ("pdu a", "pdu a again", "by dns")
    sync(estate, *(replace(PDU, name=name) for name in names))
    # Two in one transaction, one in another: as sets of polls come.
    assert write(estate, outcome("pdu a"), outcome("pdu a again", vendor="APC by Schneider")) == 1
    assert write(estate, outcome("by dns", serial=" 5a1234e12345 "), outcome("pdu a", START + 300)) == 1
    assert [one["device"] is None for one in targets(estate)] == [True, False, True]
    with estate.engine.connect() as connection:
        told = {one["name"]: (one["outcome"], one["reason"]) for one in shown.list_targets(connection)}
    assert told["pdu a"] == ("ok", None)
    for name in names[1:]:
        assert told[name][0] == "duplicate"
        assert "it is the device of the target pdu a (serial number" in told[name][1]
    # Once the other is no longer in the file it is a device of its own.
    sync(estate, replace(PDU, name="by dns"))
    assert write(estate, outcome("by dns", START + 600)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"serial": None},
        {"serial": "5A1234E12346"},
        {"vendor": "Raritan"},
        {"kind": "management_controller"},
    ],
)
def test_other_makers_serials_and_servers_of_controllers_are_no_duplicates(
    estate: Estate, other: dict[str, Any]
) -> None:
    sync(estate, *(replace(PDU, name=name) for name in ("a", "b")))
    assert write(estate, outcome("a"), outcome("b", **other)) == 2
    junk = {"serial": "To be filled by O.E.M."}
    assert write(estate, outcome("a", START + 300, **junk), outcome("b", START + 300, **junk)) == 2


def test_what_a_relay_forwards_is_not_counted_here_too(estate: Estate) -> None:
    sync(estate, replace(PDU, name="here"), replace(PDU, name="there"))
    write(estate, outcome("here"), outcome("there", serial="ZA22"))
    parts = {"relayed_by": "rwr_1", "serial": WHO.serial, "hostname": "vlan 7 pdu", "last_report_at": START}
    with write_transaction(estate.engine) as connection:  # as a report of the relay leaves it
        mine = schema.devices.c.hostname == "there"
        connection.execute(update(snmp_targets).where(snmp_targets.c.name == "there").values(device=None))
        connection.execute(update(schema.devices).where(mine).values(parts))
    assert write(estate, outcome("here", START + 300)) == 0
    (row, _) = targets(estate)
    assert (row["outcome"], row["readings"], row["polls"]) == ("duplicate", 4, 2)
    assert row["reason"].startswith("a relay polls it too, as vlan 7 pdu (serial number 5A1234E12345)")
    assert write(estate, outcome("here", START + 86_400 + 1)) == 1  # the relay has told nothing for a day


def test_a_target_that_never_answered_stands_where_its_file_says(estate: Estate) -> None:
    with write_transaction(estate.engine) as connection:
        connection.execute(insert(schema.sites), {"name": "Safe House", "kind": "office", "restricted": True})
    sync(estate, replace(PDU, name="vault", site="Safe House"), replace(PDU, name="hall", site="Elsewhere"))
    dead = [
        Outcome(replace(PDU, name=name), START, 4.0, code="no_answer", reason="none")
        for name in ("vault", "hall")
    ]
    write(estate, *dead)

    def listed() -> tuple[list[str], list[str], str]:
        with estate.engine.connect() as connection:
            some, every = (shown.list_targets(connection, restricted=seen) for seen in (False, True))
            metrics = polled.render(polled.read(connection, START + 60.0, "UTC"))
        return [one["name"] for one in some], [one["name"] for one in every], metrics

    some, every, metrics = listed()
    assert (some, every) == (["hall"], ["hall", "vault"])
    assert 'target="hall"' in metrics
    assert "vault" not in metrics
    assert "roadworthy_polled_targets_unlisted 1" in metrics
    # The file may move it; and what was kept of it is no memory of polls.
    sync(estate, replace(PDU, name="vault", site="Elsewhere"))
    assert listed()[0] == ["vault"]
    assert write(estate, replace(dead[0], at=START + 300, answer=answer(600.0, 100_000), code="ok")) == 1


def test_another_device_under_a_name_is_written_down_and_nothing_is_counted_across(estate: Estate) -> None:
    sync(estate, PDU)
    polls(estate, 7)
    write(
        estate,
        replace(
            outcome(PDU.name, START + 2100, serial="5A9999"),
            answer=answer(600.0, 9_000_000, identity=replace(WHO, serial="5A9999")),
        ),
    )
    with estate.engine.connect() as connection:
        audited = select(schema.audit.c.detail).where(schema.audit.c.action == "device.replaced")
        detail = connection.scalar(audited)
        now = connection.scalar(select(schema.device_now.c.now))
    assert detail == {"target": PDU.name, "serial": "5A9999", "was": WHO.serial}
    assert now is not None
    assert [one["counter_end_joules"] for one in now["energy"]] == [1_080_000]
