from __future__ import annotations

import json
import math
import subprocess
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from support.estates import Estate

from roadworthy_collector.metrics import lines
from roadworthy_collector.metrics.catalogue import CATALOGUE, Endpoint, metric
from roadworthy_collector.metrics.shards import (
    DEVICES_PER_SHARD,
    MAX_SHARDS,
    Shards,
    advised_shards,
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


def body_of(told: Sequence[list[str]]) -> bytes:
    """Return devices' text family by family, as a scrape has it."""
    columns = zip(*told, strict=True)
    parts = [(row.header, "".join(column)) for row, column in zip(lines.FAMILIES, columns, strict=bool(told))]
    return "".join(header + text for header, text in parts if text).encode()


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
    told = []
    for device, *described, heard, uptime, cpu, memory in rows:
        own = lines.no_lines()
        lines.set_description(own, device, described)
        lines.set_now(own, device, heard, uptime, cpu, memory)
        told.append(own)
    samples = parsed(body_of(told))
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
    assert math.isclose(sum(lines.counted_phases(phases).values()), total, abs_tol=1e-6)


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
    counter = {"until": int(now) // 1800 * 1800, "quality": "sensor", "counter_end_joules": 900}
    estate.put(schema.energy_counters, device=device, scope="cpu", **counter)

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
    own = lines.no_lines()
    lines.set_batteries(own, "rwd_0", [(name, ratio, 3)])
    lines.set_disks(own, "rwd_0", [(name, ratio, False)])
    found = parsed(body_of([own]))
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
    monkeypatch.setattr("roadworthy_collector.metrics.shards._CHUNK", 4)
    for _ in range(11):
        estate.device()
    assert len(of(shard(estate, now), "roadworthy_device_info")) == 11


@pytest.mark.needs("promtool")
def test_promtool_reads_it(estate: Estate, now: float) -> None:
    # PostgreSQL keeps no NUL; what a label makes of one is above.
    nul = "nul\x00" if estate.engine.dialect.name == "sqlite" else "no nul"
    for model in ('19" \\ rack', "line\nbreak", nul, "carriage\rreturn", "ünï\u2028"):
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


def test_a_start_up_without_a_known_total_shows_its_kind_and_nothing_else() -> None:
    own = lines.no_lines()
    lines.set_startup(own, "rwd_0", ("cold", "unfinished", None, None, json.dumps([])))
    assert {name for name, _ in parsed(body_of([own]))} == {"roadworthy_device_startup_info"}
    lines.set_startup(own, "rwd_0", None)
    assert own == lines.no_lines()


def test_a_scope_shows_the_devices_of_its_units_and_no_others(estate: Estate, now: float) -> None:
    mine, other = estate.device(unit="Forensics"), estate.device(unit="Fleet")
    detail = Shards(estate.engine, interval_seconds=900)
    detail.look(now)
    body = b"".join(detail.render(0, 1, now=now, scope=frozenset({estate.unit("Forensics")})))
    assert estate.device_id(mine).encode() in body
    assert estate.device_id(other).encode() not in body
    assert detail.render(0, 1, now=now, scope=frozenset()) == []


@given(st.integers(0, 10_000_000))
def test_as_many_shards_are_advised_as_keep_each_small(devices: int) -> None:
    count = advised_shards(devices)
    assert 1 <= count <= MAX_SHARDS
    assert count * DEVICES_PER_SHARD >= devices or count == MAX_SHARDS
    assert count == 1 or (count // 2) * DEVICES_PER_SHARD < devices
    assert count.bit_count() == 1
