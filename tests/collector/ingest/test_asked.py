"""What a device that is asked over the network tells: what it is, its readings, and the energy of its outlets."""

from __future__ import annotations

from typing import Any

import pytest
from collector.ingest.samples import START, Device, period, report, rows, write
from sqlalchemy import Engine

from roadworthy_collector.store.schema import device_now, devices
from roadworthy_collector.store.snmp_schema import outlet_half_hours

OUTLET = {"outlet": "3", "joules": 277_200, "covered_seconds": 1800, "quality": "metered"}


def reading(**parts: Any) -> dict[str, Any]:
    return {
        "name": "outlet_power",
        "index": "3",
        "kind": "active_power",
        "place": "outlet",
        "value": 154.0,
        "quality": "metered",
        "source": "snmp example-pdu",
    } | parts


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ups", "ups"),
        ("pdu", "pdu"),
        ("printer", "printer"),
        ("switch", "switch"),
        ("management_controller", "controller"),
        ("server", "server"),
        ("sensor", "other"),
        ("toaster", "other"),
    ],
)
def test_it_says_itself_what_it_is(engine: Engine, device: Device, kind: str, expected: str) -> None:
    facts = {
        "hardware": {"kind": kind, "model": "Rack 24", "firmware": "6.8.2", "battery_replaced": "2024-02-29"}
    }
    write(engine, device, report(device, facts=facts))
    (row,) = rows(engine, devices)
    assert row["device_class"] == expected
    assert row["facts"]["hardware"]["battery_replaced"] == "2024-02-29"


def test_its_readings_overwrite_and_words_nobody_knows_are_counted_as_other(
    engine: Engine, device: Device
) -> None:
    now = {"at": START + 1800.0, "start": START + 1800, "observed_seconds": 0}
    told = [reading(), reading(name="mode", kind="mood", value=None, text="on battery")]
    write(engine, device, report(device, now=now | {"readings": told, "flags": {"battery_replace": True}}))
    (row,) = rows(engine, device_now)
    assert [(one["name"], one["kind"]) for one in row["now"]["readings"]] == [
        ("outlet_power", "active_power"),
        ("mode", "other"),
    ]
    assert row["now"]["flags"] == {"battery_replace": True}
    newer = now | {"at": START + 1860.0, "readings": [reading(value=0.0)]}
    write(engine, device, report(device, seq=2, now=newer))
    (row,) = rows(engine, device_now)
    assert [one["value"] for one in row["now"]["readings"]] == [0.0]


def test_energy_by_outlet_is_held_once(engine: Engine, device: Device) -> None:
    sent = report(device, periods=[period(outlets=[OUTLET])])
    for _ in range(2):
        write(engine, device, sent)
    (row,) = rows(engine, outlet_half_hours)
    assert row == {"device": device.row, "start": START, **OUTLET}


@pytest.mark.parametrize(
    ("outlets", "code", "field"),
    [
        ([OUTLET, OUTLET], "duplicate", "outlets[1].outlet"),
        ([OUTLET | {"joules": -1}], "out_of_range", "outlets[0].joules"),
        ([OUTLET | {"covered_seconds": 1801}], "out_of_range", "outlets[0].covered_seconds"),
    ],
)
def test_outlets_that_cannot_be_refuse_the_period(
    engine: Engine, device: Device, outlets: list[dict[str, Any]], code: str, field: str
) -> None:
    (outcome,) = write(engine, device, report(device, periods=[period(outlets=outlets)]))
    (rejected,) = outcome.rejected
    assert (rejected.item, rejected.code, rejected.field) == ("period", code, field)
    assert rows(engine, outlet_half_hours) == []
