"""What ingest books is what Prometheus is shown: reports in, roll-ups and detail out."""

from __future__ import annotations

from pathlib import Path

from collector.ingest.samples import (
    NOW,
    START,
    Device,
    add_device,
    fresh_database,
    period,
    report,
    startup,
    write,
)
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, insert, select, update

from roadworthy_collector.ingest.records import BUCKETS
from roadworthy_collector.jobs import fleet, rollup
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.shards import render_shard
from roadworthy_collector.settings import Settings
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction

FACTS = {
    "os": {"family": "linux", "name": "Debian GNU/Linux", "version": "12"},
    "hardware": {"model": "OptiPlex 7010", "environment": "physical", "chassis_type": 3},
}


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def rolled(engine: Engine, folder: Path) -> dict[str, dict[tuple[str, ...], float]]:
    fleet.compute(Work(engine, Settings(data=folder), clock=lambda: NOW + 1, rests=False))
    with engine.connect() as connection:
        wanted = select(schema.snapshots.c.body).where(schema.snapshots.c.name == "fleet_metrics")
        return samples(str(connection.scalar(wanted)))


def move_to_restricted_site(engine: Engine, device: Device) -> None:
    with write_transaction(engine) as connection:
        row = {"name": "Safe house", "kind": "force", "restricted": True}
        site = connection.execute(insert(schema.sites).values(row)).inserted_primary_key[0]
        connection.execute(update(schema.devices).where(schema.devices.c.id == device.row).values(site=site))


def test_a_start_up_is_counted_under_the_names_the_device_counts_under(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as engine:
        device = add_device(engine)
        write(engine, device, report(device, facts=FACTS, startups=[startup()]))
        slow = startup("boot-2:0", started_at=START - 9999.0, total_seconds=9000.0)
        slow["phases"] = [{"name": "userspace", "seconds": 9000.0}]
        (outcome,) = write(engine, device, report(device, seq=2, startups=[slow]))
        assert list(outcome.rejected) == []
        found = rolled(engine, tmp_path)
        for group, member in (
            ("site", "unassigned"),
            ("unit", "unassigned"),
            ("model", "OptiPlex 7010"),
            ("os", "Debian GNU/Linux 12"),
        ):
            name = f"roadworthy_{group}_startup_seconds"
            assert found[f"{name}_count"] == {(member,): 2}
            assert found[f"{name}_sum"] == {(member,): 9033.0}
            assert len(found[f"{name}_bucket"]) == len(BUCKETS)
            assert found[f"{name}_bucket"][member, "30.0"] == 0
            assert found[f"{name}_bucket"][member, "45.0"] == 1
            assert found[f"{name}_bucket"][member, "+Inf"] == 2
        assert found["roadworthy_model_devices"] == {("OptiPlex 7010",): 1}
        assert found["roadworthy_os_devices"] == {("Debian GNU/Linux 12",): 1}
        assert found["roadworthy_class_devices"] == {("desktop",): 1}


def test_a_restricted_sites_start_ups_are_counted_and_named_nowhere(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as engine:
        device = add_device(engine)
        move_to_restricted_site(engine, device)
        write(engine, device, report(device, facts=FACTS, startups=[startup()]))
        found = rolled(engine, tmp_path)
        for group in ("site", "unit", "model", "os"):
            assert found[f"roadworthy_{group}_startup_seconds_count"] == {("other",): 1}
        names = {value for values in found.values() for key in values for value in key}
        assert names.isdisjoint({"Safe house", "OptiPlex 7010", "Debian GNU/Linux 12"})
        assert found["roadworthy_estate_devices"]["reporting",] == 1
        assert render_shard(engine, 0, 1, now=NOW + 1, interval_seconds=900) == b""


def test_reported_half_hours_roll_up_and_reported_values_are_shown(tmp_path: Path) -> None:
    now = {
        "at": NOW,
        "start": START + 1800,
        "observed_seconds": 90,
        "uptime_seconds": 2500.5,
        "cpu_latest_ratio": 0.125,
    }
    with fresh_database(tmp_path) as engine:
        device = add_device(engine)
        probes = [{"probe": "storage", "status": "no_permission", "reason": "the disk may not be read"}]
        write(
            engine, device, report(device, now=now, probes=probes, periods=[period(), period(START - 1800)])
        )
        # The day that is going on is rolled up once an hour.
        assert (
            rollup.roll_up(Work(engine, Settings(data=tmp_path), clock=lambda: NOW + 3600, rests=False)) == 1
        )
        with engine.connect() as connection:
            (day,) = connection.execute(select(schema.days)).all()
        assert (day.periods, day.observed_seconds, day.cpu_mean_ratio) == (2, 3600, 0.25)
        detail = samples(render_shard(engine, 0, 1, now=NOW + 1, interval_seconds=900).decode())
        assert detail["roadworthy_device_cpu_ratio"] == {(device.device_id,): 0.125}
        assert detail["roadworthy_device_uptime_seconds"] == {(device.device_id,): 2500.5}
        assert detail["roadworthy_device_probe_up"] == {(device.device_id, "storage"): 0}
        assert "roadworthy_device_memory_ratio" not in detail
        found = rolled(engine, tmp_path)
        assert found["roadworthy_probe_devices"] == {("storage", "no_permission"): 1}
        assert found["roadworthy_estate_cpu_ratio"] == {(): 0.125}


def test_reported_batteries_disks_and_watts_are_shown_and_rolled_up(tmp_path: Path) -> None:
    facts = {
        **FACTS,
        "battery": [{"name": "BAT0", "health_ratio": 0.55, "cycles": 900}],
        "storage": [{"name": "sda", "medium": "ssd", "holds_system": True, "wear_ratio": 0.25}],
    }
    energy = {
        "scope": "machine",
        "joules": 20,
        "counter_end_joules": 500,
        "quality": "sensor",
        "source": "battery",
    }
    now = {
        "at": NOW,
        "start": START + 1800,
        "observed_seconds": 90,
        "energy": [energy | {"latest_watts": 8.5}],
    }
    with fresh_database(tmp_path) as engine:
        device = add_device(engine)
        write(engine, device, report(device, facts=facts, now=now))
        detail = samples(render_shard(engine, 0, 1, now=NOW + 1, interval_seconds=900).decode())
        own = device.device_id
        assert detail["roadworthy_device_battery_health_ratio"] == {(own, "BAT0"): 0.55}
        assert detail["roadworthy_device_battery_cycles"] == {(own, "BAT0"): 900}
        assert detail["roadworthy_device_disk_wear_ratio"] == {(own, "sda"): 0.25}
        assert "roadworthy_device_disk_failing" not in detail
        assert detail["roadworthy_device_power_watts"] == {(own, "machine", "sensor"): 8.5}
        found = rolled(engine, tmp_path)
        assert found["roadworthy_battery_devices"] == {("weak",): 1}
        assert found["roadworthy_disk_devices"] == {("good",): 1}


def test_reported_sign_ins_and_states_are_told_of_groups_of_five(tmp_path: Path) -> None:
    day = START // 86400 * 86400 - 86400
    state = dict.fromkeys(("asleep", "off", "unobserved"), 0) | {"in_use": 600, "idle": 600, "locked": 600}
    signin = {"day": day, "revision": 1, "final": True, "quality": "measured", "total_seconds": 2.5}
    with fresh_database(tmp_path) as engine:
        for number in range(5):
            device = add_device(engine, f"{number}")
            parts = {
                "signins": [signin | {"signin_id": f"{number:032x}"}],
                "periods": [period(day, state_seconds=state)],
            }
            write(engine, device, report(device, facts=FACTS, **parts))
        rollup.roll_up(Work(engine, Settings(data=tmp_path), clock=lambda: NOW + 1, rests=False))
        found = rolled(engine, tmp_path)
        assert found["roadworthy_site_signin_seconds_count"] == {("other",): 4, ("unassigned",): 1}
        assert found["roadworthy_model_signin_seconds_bucket"]["OptiPlex 7010", "3.0"] == 1
        assert found["roadworthy_site_state_devices"] == {("unassigned",): 5}
        third = {("unassigned", name): 1 / 3 for name in ("in_use", "idle", "locked")}
        nothing = {("unassigned", name): 0 for name in ("asleep", "off", "unobserved")}
        assert found["roadworthy_site_state_ratio"] == third | nothing
