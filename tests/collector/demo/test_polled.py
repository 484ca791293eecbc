"""The simulated devices that run no agent: what they tell, what hangs on what, and that they move while it is shown."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from support.web import client_of

from roadworthy_collector.demo import polled
from roadworthy_collector.demo.polled_units import Load, Unit, answer
from roadworthy_collector.metrics import polled as metrics
from roadworthy_collector.settings import Settings
from roadworthy_collector.snmp import feeding, shown
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.snmp_schema import snmp_targets

from .conftest import DEVICES, NOW, POLLED, Twin

HERE = "Europe/London"


@pytest.fixture(scope="module")
def engine(twin: Twin) -> Iterator[Engine]:
    engine = open_engine(twin.settings.database, read_only=True)
    yield engine
    engine.dispose()


def test_every_kind_of_polled_device_is_there_with_its_history(twin: Twin, engine: Engine) -> None:
    with engine.connect() as connection:
        found = shown.list_units(connection, now=NOW, zone=HERE, interval_seconds=900)
        targets = shown.list_targets(connection)
    kinds = Counter(one.device_class for one in found)
    assert kinds == {"ups": 2, "pdu": 3, "controller": 2, "switch": 1, "printer": 2}
    assert sum(kinds.values()) == POLLED
    assert all(one.fresh for one in found)
    drawing = [one for one in found if one.device_class != "printer"]
    assert all(one.watts is not None and one.joules is not None for one in drawing)
    assert all(one.pages is not None and one.lowest_supply is not None for one in found if one not in drawing)
    assert any("battery_replace" in one.flags for one in found)
    (silent,) = [one for one in targets if one["outcome"] != "ok"]
    assert (silent["outcome"], silent["device_id"]) == ("no_answer", None)
    assert len(targets) == POLLED + 1
    days = twin.rows("SELECT device, count(*) FROM days WHERE device > ? GROUP BY device", DEVICES)
    spans = {number for _, number in days}
    assert len(days) == len(drawing)
    assert spans == {(NOW - twin.planned.timeline.first_day) // 86400 + 1}


def test_the_register_knows_every_polled_device_but_controllers(twin: Twin) -> None:
    """A management controller is part of its server, which has an item of its own."""
    found = twin.rows(
        "SELECT devices.device_class, register_items.kind, count(*) FROM devices "
        "LEFT JOIN register_devices ON register_devices.device = devices.id AND register_devices.valid_to IS NULL "
        "LEFT JOIN register_items ON register_items.id = register_devices.item WHERE devices.id > ? GROUP BY 1, 2",
        DEVICES,
    )
    assert set(found) == {
        ("ups", "ups", 2), ("pdu", "pdu", 3), ("switch", "network", 1), ("printer", "printer", 2), ("controller", None, 2),
    }  # fmt: skip


def test_values_are_refused_with_reasons_and_shown(engine: Engine) -> None:
    with engine.connect() as connection:
        devices = shown.list_units(connection, now=NOW, zone=HERE, interval_seconds=900, classes=("ups",))
        told = shown.read_readings(connection, devices[0].device_id)
    assert {one["code"] for one in told["refused"]} == {"sentinel", "not_believed"}
    assert {one["kind"] for one in told["readings"]} >= {
        "active_power",
        "apparent_power",
        "charge",
        "runtime",
    }


def test_pdus_feed_known_servers_and_one_unit_is_left_undeclared(twin: Twin, engine: Engine) -> None:
    with engine.connect() as connection:
        feeds = feeding.list_feeds(connection)
    by = {(one["feeder_name"], one["source"]) for one in feeds}
    assert {("DC-UPS-1", "stated"), ("DC-PDU-A1", "stated"), ("DC-BMC-01", "register")} <= by
    assert "HQ-PDU-B7" not in {name for name, _ in by}
    fed = {one["fed_name"] for one in feeds if one["outlet"]}
    assert len(fed - {None}) > 1
    # What went through the outlets of a metered PDU is what it took: no step of the registers is lost.
    (whole,), = twin.rows(
        "SELECT sum(joules) FROM half_hour_energy WHERE device = (SELECT id FROM devices WHERE hostname = 'DC-PDU-A1')"
    )  # fmt: skip
    (outlets,), = twin.rows("SELECT sum(joules) FROM outlet_half_hours")  # fmt: skip
    assert float(str(outlets)) == pytest.approx(float(str(whole)), rel=0.01)


def test_metrics_tell_targets_and_power_by_site_and_kind(engine: Engine) -> None:
    with engine.connect() as connection:
        text = metrics.render(metrics.read(connection, NOW, HERE))
    assert 'roadworthy_target_up{target="HB-UPS-1",kind="other",site="Harbour Station"} 0' in text
    assert 'roadworthy_target_up{target="DC-UPS-1",kind="ups",site="Data Centre A"} 1' in text
    assert 'roadworthy_site_polled_watts{site="Data Centre A",kind="pdu"}' in text


def test_polls_go_on_while_it_is_shown(twin: Twin, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    shutil.copy(twin.settings.sqlite_file, settings.sqlite_file)
    engine = open_engine(settings.database)
    units = twin.planned.compose_units(twin.planned.compose())
    before = power(engine)
    assert polled.poll(engine, settings, units, NOW + 60) == (0, 0)  # not due
    reports, half_hours = polled.poll(engine, settings, units, NOW + 1800)
    assert (reports, half_hours) == (6 * POLLED, POLLED - 2)
    after = power(engine)
    # One that never answered is not "not asked yet": it is asked at the first step, whatever its turn.
    with write_transaction(engine) as connection:
        connection.execute(
            update(snmp_targets)
            .where(snmp_targets.c.outcome != "ok")
            .values(outcome="never", polled_at=None, failures=0)
        )
    polled.poll(engine, settings, units, NOW + 2100)
    with engine.connect() as connection:
        outcomes = Counter(one["outcome"] for one in shown.list_targets(connection))
    assert outcomes == {"ok": POLLED, "no_answer": 1}
    engine.dispose()
    assert all(after[name] != watts for name, watts in before.items() if watts is not None)


def power(engine: Engine) -> dict[str, float | None]:
    with engine.connect() as connection:
        found = shown.list_units(connection, now=NOW, zone=HERE, interval_seconds=900)
    return {one.name: one.watts for one in found if one.device_class != "printer"}


@given(st.floats(1, 5000), st.floats(0, 0.5), st.floats(0, 86400), st.integers(0, 2_000_000_000))
def test_a_load_never_gives_back_and_its_energy_is_its_power_over_time(
    mean: float, swing: float, peak: float, at: int
) -> None:
    load = Load(mean, swing, peak)
    times = [at + 300 * number for number in range(13)]
    assert all(load.joules(one, other) > 0 for one, other in pairwise(times))
    by_power = sum((load.watts(one) + load.watts(other)) / 2 * 300 for one, other in pairwise(times))
    assert load.joules(times[0], times[-1]) == pytest.approx(by_power, rel=0.005)


def test_registers_only_rise(twin: Twin) -> None:
    units: list[Unit] = twin.planned.compose_units(twin.planned.compose())
    for unit in units:
        counted = [
            [
                float(one.value)
                for one in answer(unit, NOW + step).readings
                if one.kind in {"energy", "page_count"}
            ]
            for step in range(0, 86400, 3600)
        ]
        assert all(
            later >= earlier
            for one, other in pairwise(counted)
            for earlier, later in zip(one, other, strict=True)
        )


def test_every_link_of_the_page_of_power_leads_somewhere(twin: Twin, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    shutil.copy(twin.settings.sqlite_file, settings.sqlite_file)
    engine = open_engine(settings.database)
    client = client_of(engine, tmp_path, NOW)
    page = client.get("/power").text
    for words in ("Measured twice, counted once", "HQ-PDU-B7", "HB-UPS-1"):
        assert words in page, words
    found = set(re.findall(r'href="(/devices/rwd_[^"]+)"', page))
    assert len(found) > POLLED
    assert "/device/" not in page
    assert {client.get(path).status_code for path in found} == {200}
    client.close()
    engine.dispose()
