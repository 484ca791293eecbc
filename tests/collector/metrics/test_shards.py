from __future__ import annotations

import math
import subprocess
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from support.estates import Estate

from roadworthy_collector.metrics.catalogue import CATALOGUE, Endpoint, metric
from roadworthy_collector.metrics.shards import (
    Details,
    Families,
    counted_phases,
    render_details,
    render_shard,
    shard_of,
)
from roadworthy_collector.store import schema

DEVICE_LABELS = ("site", "unit", "model", "os", "class", "environment")
hostile = st.text(st.characters(codec="utf-8"), max_size=40)
# What breaks joined text if anything does.
nasty = st.sampled_from(
    ['"', "\\", "\n", '\\"', "\\n", "{}", 'a="b",c="', "} 1\n#", "\r", "\x00", "é\u2028", " "]
)
label_value = st.one_of(nasty, hostile, st.builds(lambda a, b: a + b, hostile, nasty))
ratio = st.one_of(st.none(), st.floats(0, 1))
seconds = st.one_of(st.none(), st.floats(0, 31_622_400))
device_ids = st.integers(0, 2**128 - 1).map(lambda number: f"rwd_{number:032x}")


def parsed(body: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read an exposition with prometheus_client's own parser: {(name, labels): value}, each series once."""
    samples = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    ]
    assert max(Counter(key for key, _ in samples).values(), default=1) == 1
    return dict(samples)


def of(body: bytes, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {labels: value for (found, labels), value in parsed(body).items() if found == name}


def shard(estate: Estate, now: float, number: int = 0, shards: int = 1, interval: int = 900) -> bytes:
    return render_shard(estate.engine, number, shards, now=now, interval_seconds=interval)


@given(
    st.lists(
        st.tuples(
            device_ids, *[st.one_of(st.none(), label_value)] * 6, st.integers(0, 2**31), seconds, ratio, ratio
        ),
        unique_by=lambda row: row[0],
        max_size=6,
    )
)
def test_hostile_labels_come_back_as_they_were(rows: list[tuple[Any, ...]]) -> None:
    families = Families()
    render_details(families, Details(devices=rows))
    samples = parsed(families.body())
    expected = {}
    for device, *described, heard, uptime, cpu, memory in rows:
        values = {name: value or "unknown" for name, value in zip(DEVICE_LABELS, described, strict=True)}
        own = {"device_id": device}
        expected["roadworthy_device_info", tuple(sorted((own | values).items()))] = 1.0
        for name, value in (
            ("last_report_timestamp_seconds", heard),
            ("uptime_seconds", uptime),
            ("cpu_ratio", cpu),
            ("memory_ratio", memory),
        ):
            if value is not None:
                expected[f"roadworthy_device_{name}", tuple(own.items())] = float(value)
    assert samples == expected


@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["firmware", "kernel", "userspace"]), "seconds": st.floats(0, 3600)},
            optional={"counted": st.booleans()},
        ),
        max_size=8,
    )
)
def test_phases_add_up_to_the_total(phases: list[dict[str, Any]]) -> None:
    total = sum(phase["seconds"] for phase in phases if phase.get("counted", True))
    assert math.isclose(sum(counted_phases(phases).values()), total, abs_tol=1e-6)


@given(st.lists(device_ids, unique=True, max_size=50), st.integers(1, 256))
def test_a_device_is_in_one_shard_and_keeps_it(ids: list[str], shards: int) -> None:
    for device in ids:
        assert 0 <= shard_of(device, shards) < shards
        assert shard_of(device, shards) == shard_of(device, shards)


def test_shards_share_the_devices_evenly() -> None:
    held = Counter(shard_of(f"rwd_{number:032x}", 16) for number in range(16_000))
    assert set(held) == set(range(16))
    assert max(held.values()) < 1.3 * min(held.values())


def test_the_number_a_shard_is_made_from_is_for_ever() -> None:
    """Another hash would move every device, so this one is pinned."""
    assert [shard_of(f"rwd_{number:032x}", 256) for number in range(4)] == [6, 144, 22, 46]


# As a later agent may send it: scopes and qualities this version does not know, and one without a reading.
ENERGY = [
    {
        "scope": "cpu",
        "joules": 1,
        "counter_end_joules": 9,
        "quality": "sensor",
        "source": "rapl",
        "latest_watts": 12.25,
    },
    {"scope": "memory", "joules": 1, "counter_end_joules": 9, "quality": "sensor", "source": "rapl"},
    {
        "scope": "gpu",
        "joules": 1,
        "counter_end_joules": 9,
        "quality": "sensor",
        "source": "x",
        "latest_watts": None,
    },
    {
        "scope": "wall",
        "joules": 0,
        "counter_end_joules": 9,
        "quality": "metered",
        "source": "x",
        "latest_watts": 0,
    },
    {
        "scope": "rack",
        "joules": 1,
        "counter_end_joules": 9,
        "quality": "guessed",
        "source": "x",
        "latest_watts": 7.0,
    },
    {
        "scope": "room",
        "joules": 1,
        "counter_end_joules": 9,
        "quality": "sensor",
        "source": "x",
        "latest_watts": 8.0,
    },
]


def test_a_device_shows_what_is_known_of_it(estate: Estate, now: float) -> None:
    device = estate.device(
        site="HQ",
        unit="Forensics",
        model="OptiPlex 7010",
        os_name="Debian GNU/Linux",
        os_version="12",
        device_class="desktop",
        environment="physical",
        now={"uptime_seconds": 4000.5, "cpu_ratio": 0.25, "memory_ratio": None, "now": {"energy": ENERGY}},
    )
    estate.put(schema.batteries, device=device, name="BAT0", health_ratio=0.81, cycles=412)
    estate.put(schema.disks, device=device, name="sda", medium="ssd", wear_ratio=1.04, failing=True)
    phases = [
        {"name": "kernel", "seconds": 2.5},
        {"name": "userspace", "seconds": 20.0},
        {"name": "firmware", "seconds": 9.0, "counted": False},
    ]
    estate.startup(device, started_at=now - 90_000, total_seconds=99.0)
    estate.startup(device, total_seconds=22.5, usable_seconds=21.0, phases=phases, quality="approximate")
    estate.startup(device, started_at=now - 10, final=False, total_seconds=None)
    for probe, status in (("storage", "no_permission"), ("os", "ok")):
        estate.put(schema.probe_status, device=device, probe=probe, status=status, since=0, updated_at=0)
    for start, counter in ((now // 1800 * 1800 - 3600, 700), (now // 1800 * 1800 - 1800, 900)):
        row = {"joules": 200, "counter_end_joules": counter, "quality": "sensor", "source": "rapl:package-0"}
        estate.put(schema.energy_periods, device=device, scope="cpu", start=int(start), **row)

    own = ("device_id", estate.device_id(device))
    body = shard(estate, now)
    assert of(body, "roadworthy_device_info") == {
        tuple(
            sorted(
                {
                    own,
                    ("site", "HQ"),
                    ("unit", "Forensics"),
                    ("model", "OptiPlex 7010"),
                    ("os", "Debian GNU/Linux 12"),
                    ("class", "desktop"),
                    ("environment", "physical"),
                }
            )
        ): 1.0
    }
    assert of(body, "roadworthy_device_last_report_timestamp_seconds") == {(own,): now - 60}
    assert of(body, "roadworthy_device_uptime_seconds") == {(own,): 4000.5}
    assert of(body, "roadworthy_device_cpu_ratio") == {(own,): 0.25}
    assert of(body, "roadworthy_device_memory_ratio") == {}
    assert of(body, "roadworthy_device_startup_info") == {
        (own, ("kind", "cold"), ("quality", "approximate")): 1.0
    }
    assert of(body, "roadworthy_device_startup_seconds") == {(own,): 22.5}
    assert of(body, "roadworthy_device_startup_usable_seconds") == {(own,): 21.0}
    assert of(body, "roadworthy_device_startup_phase_seconds") == {
        (own, ("phase", "kernel")): 2.5,
        (own, ("phase", "userspace")): 20.0,
    }
    assert of(body, "roadworthy_device_probe_up") == {
        (own, ("probe", "os")): 1.0,
        (own, ("probe", "storage")): 0.0,
    }
    assert of(body, "roadworthy_device_energy_joules_total") == {
        (own, ("quality", "sensor"), ("scope", "cpu")): 900.0
    }
    assert of(body, "roadworthy_device_power_watts") == {
        (own, ("quality", "sensor"), ("scope", "cpu")): 12.25,
        (own, ("quality", "metered"), ("scope", "wall")): 0.0,
        (own, ("quality", "other"), ("scope", "other")): 7.0,
    }
    assert of(body, "roadworthy_device_battery_health_ratio") == {(("battery", "BAT0"), own): 0.81}
    assert of(body, "roadworthy_device_battery_cycles") == {(("battery", "BAT0"), own): 412}
    assert of(body, "roadworthy_device_disk_wear_ratio") == {(own, ("disk", "sda")): 1.04}
    assert of(body, "roadworthy_device_disk_failing") == {(own, ("disk", "sda")): 1}
    shown = {name for name, _ in parsed(body)}
    assert shown == {row.name for row in CATALOGUE if row.endpoint is Endpoint.DEVICES} - {
        "roadworthy_device_memory_ratio"
    }
    for name, labels in parsed(body):
        assert {label for label, _ in labels} == set(metric(name).labels)


def test_parts_that_tell_nothing_show_nothing(estate: Estate, now: float) -> None:
    device = estate.device(now={"now": {"at": 1, "energy": []}})
    estate.put(schema.batteries, device=device, name="BAT0", health_ratio=None, cycles=None)
    estate.put(schema.batteries, device=device, name="BAT1", health_ratio=None, cycles=0)
    estate.put(schema.disks, device=device, name="sda", medium="hdd", wear_ratio=None, failing=None)
    estate.put(schema.disks, device=device, name="sdb", medium="hdd", wear_ratio=None, failing=False)
    body = shard(estate, now)
    own = ("device_id", estate.device_id(device))
    assert of(body, "roadworthy_device_battery_cycles") == {(("battery", "BAT1"), own): 0}
    assert of(body, "roadworthy_device_disk_failing") == {(own, ("disk", "sdb")): 0}
    shown = {name for name, _ in parsed(body)}
    assert not shown & {
        "roadworthy_device_battery_health_ratio",
        "roadworthy_device_disk_wear_ratio",
        "roadworthy_device_power_watts",
    }


@given(label_value, st.floats(0, 2))
def test_names_of_parts_are_escaped(name: str, ratio: float) -> None:
    families = Families()
    parts = {"batteries": [("rwd_0", name, ratio, 3)], "disks": [("rwd_0", name, ratio, False)]}
    render_details(families, Details(**parts))
    found = parsed(families.body())
    assert (
        found["roadworthy_device_battery_health_ratio", (("battery", name), ("device_id", "rwd_0"))] == ratio
    )
    assert found["roadworthy_device_disk_failing", (("device_id", "rwd_0"), ("disk", name))] == 0
    assert len(found) == 4


def test_a_silent_device_leaves_after_three_intervals(estate: Estate, now: float) -> None:
    device = estate.device(last_report_at=int(now), next_call_seconds=600)
    assert estate.device_id(device).encode() in shard(estate, now + 1800)
    assert shard(estate, now + 1801) == b""


def test_who_is_not_to_be_shown_is_absent(estate: Estate, now: float) -> None:
    estate.device(retired_at=int(now))
    hidden = estate.device(site="Safe house", restricted=True, now={"now": {"energy": ENERGY}})
    estate.put(schema.batteries, device=hidden, name="BAT0", health_ratio=0.81, cycles=412)
    estate.put(schema.disks, device=hidden, name="sda", medium="ssd", wear_ratio=0.5, failing=False)
    estate.device(last_report_at=None)
    assert shard(estate, now) == b""


def test_all_shards_together_are_the_whole(estate: Estate, now: float) -> None:
    for number in range(60):
        estate.startup(estate.device(now={"cpu_ratio": number / 60}), total_seconds=float(number))
    whole = parsed(shard(estate, now))
    parts = [parsed(shard(estate, now, number, 7)) for number in range(7)]
    assert sum(len(part) for part in parts) == len(whole)
    assert {key: value for part in parts for key, value in part.items()} == whole


def test_two_start_ups_of_one_instant_make_one_series(estate: Estate, now: float) -> None:
    device = estate.device()
    for total in (10.0, 20.0):
        estate.startup(device, started_at=now - 100, total_seconds=total)
    assert len(of(shard(estate, now), "roadworthy_device_startup_seconds")) == 1


def test_more_devices_than_a_statement_takes(
    estate: Estate, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadworthy_collector.store.queries.metrics.CHUNK", 4)
    for _ in range(11):
        estate.device()
    assert len(of(shard(estate, now), "roadworthy_device_info")) == 11


@pytest.mark.needs("promtool")
def test_promtool_reads_it(estate: Estate, now: float) -> None:
    for model in ('19" \\ rack', "line\nbreak", "nul\x00", "carriage\rreturn", "ünï\u2028"):
        device = estate.device(
            model=model, now={"cpu_ratio": 0.5, "uptime_seconds": 1e-7, "now": {"energy": ENERGY}}
        )
        estate.put(schema.batteries, device=device, name=model, health_ratio=0.81, cycles=412)
        estate.put(schema.disks, device=device, name=model, medium="ssd", wear_ratio=1e-9, failing=True)
        estate.startup(device, phases=[{"name": "kernel", "seconds": 1e21}])
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=shard(estate, now), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_rows_are_only_read_by_name_where_names_are_sure() -> None:
    """A start-up without a known total shows its kind and nothing else."""
    families = Families()
    row = SimpleNamespace(
        device_id="rwd_0",
        kind="cold",
        quality="unfinished",
        total_seconds=None,
        usable_seconds=None,
        phases=[],
    )
    render_details(families, Details(startups=[row]))
    assert {name for name, _ in parsed(families.body())} == {"roadworthy_device_startup_info"}
