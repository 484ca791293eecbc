"""What a group of reports leaves in the tables."""

from __future__ import annotations

from typing import Any

import pytest
from collector.ingest.samples import (
    NOW,
    START,
    Device,
    add_device,
    answers,
    period,
    recorded,
    report,
    rows,
    startup,
    write,
)
from sqlalchemy import Engine, select

from roadworthy_collector.ingest import tally
from roadworthy_collector.ingest.records import BUCKETS
from roadworthy_collector.security import holds
from roadworthy_collector.store.engine import write_transaction
from roadworthy_collector.store.schema import (
    counters,
    device_now,
    devices,
    dirty,
    gaps,
    histograms,
    probe_status,
    quarantine,
    signins,
    startups,
)

DAY = 86400
TODAY = START // DAY * DAY


def counted(engine: Engine) -> dict[tuple[str, str], int]:
    return {(row["name"], row["label"]): row["value"] for row in rows(engine, counters)}


def observations(engine: Engine, metric: str = "startup_seconds") -> dict[tuple[str, str], int]:
    """Return the total count per grouping and member."""
    totals: dict[tuple[str, str], int] = {}
    for row in rows(engine, histograms):
        if row["metric"] == metric:
            key = (row["grouping"], row["member"])
            totals[key] = totals.get(key, 0) + row["count"]
    return totals


def full(device: Device, **parts: Any) -> dict[str, Any]:
    return recorded("full") | {"device_id": device.device_id} | parts


def test_everything_of_a_full_report_is_kept(engine: Engine, device: Device) -> None:
    (outcome,) = write(engine, device, full(device))
    assert outcome[:3] == (6, 6, [])
    new, old = rows(engine, "periods")[::-1]
    assert (new["cpu_mean_ratio"], new["cpu_quality"], new["memory_source"]) == (
        0.1234,
        "sensor",
        "psutil.virtual_memory",
    )
    assert (old["start"], old["cpu_mean_ratio"], old["cpu_quality"]) == (START - 1800, None, None)
    assert [row["off_seconds"] for row in rows(engine, "states")] == [60, 0]
    assert [(row["scope"], row["joules"], row["quality"]) for row in rows(engine, "energy")] == [
        ("cpu", 14012, "sensor"),
        ("wall", 52201, "metered"),
    ]
    (kept,) = rows(engine, startups)
    assert kept["total_seconds"] == 41.375
    assert [phase["counted"] for phase in kept["phases"]] == [True, True, True, False, True]
    assert kept["factors"][0]["name"] == "NetworkManager-wait-online.service"
    assert rows(engine, signins)[0]["record"]["connection"] == "lan"
    assert [(row["begin"], row["end"], row["kind"]) for row in rows(engine, gaps)] == [
        (START - 40000, START - 6150, "off")
    ]


def test_the_latest_word_of_a_device_is_searchable(engine: Engine, device: Device) -> None:
    write(engine, device, full(device))
    (row,) = rows(engine, devices)
    assert (row["hostname"], row["serial"], row["asset_tag"]) == ("desk-0417", "EX0000417", "A-00417")
    assert (row["vendor"], row["model"]) == ("Example Computers", "Desk 400")
    assert (row["os_name"], row["os_version"]) == ("Debian GNU/Linux", "12")
    assert (row["device_class"], row["environment"], row["system_medium"]) == ("desktop", "physical", "nvme")
    assert (row["instance"], row["seq"], row["platform"]) == ("00112233445566ff", 42, "linux")
    assert row["facts"]["hardware"]["memory"]["modules"][0]["speed_mts"] == 3200
    assert row["agent"]["spool_items"] == 3
    assert (row["last_report_at"], 60 <= row["next_call_seconds"] <= 900) == (int(NOW), True)
    (now,) = rows(engine, device_now)
    assert (now["cpu_ratio"], now["memory_ratio"], now["uptime_seconds"]) == (0.0544, 0.4109, 8100.5)
    assert now["now"]["energy"][0]["counter_end_joules"] == 9912345
    statuses = {row["probe"]: row for row in rows(engine, probe_status)}
    assert statuses["storage"]["reason"] == "reading NVMe health needs the disk group"
    assert statuses["storage"]["missing"][0]["field"] == "storage[0].health"


def test_a_replay_is_answered_the_same_and_changes_nothing(engine: Engine, device: Device) -> None:
    body = full(device) | {"periods": [*recorded("full")["periods"], period(START + 1)]}
    (first,) = write(engine, device, body)
    kept = ("periods", "states", "energy", histograms)
    before = [rows(engine, table) for table in kept]
    (again,) = write(engine, device, body)
    assert again == first
    assert before == [rows(engine, table) for table in kept]
    assert len(rows(engine, quarantine)) == 1


def test_other_content_for_a_held_key_is_a_conflict_and_the_first_stays(
    engine: Engine, device: Device
) -> None:
    energy = {"scope": "cpu", "joules": 1, "counter_end_joules": 1, "quality": "sensor", "source": "rapl"}
    gap = {"from": START - 9000, "to": START - 8000, "kind": "off"}
    write(engine, device, report(device, periods=[period()], gaps=[gap]))
    other = report(
        device, seq=2, periods=[period(samples=7, energy=[energy])], gaps=[gap | {"to": START - 7000}]
    )
    (outcome,) = write(engine, device, other)
    assert outcome[:3] == (2, 2, [])  # both are held, as they came first
    assert rows(engine, "periods")[0]["samples"] == 30
    assert rows(engine, "energy") == []
    assert rows(engine, gaps)[0]["end"] == START - 8000
    assert counted(engine) == {("conflict", "period"): 1, ("conflict", "gap"): 1}


def test_a_conflict_within_one_group_keeps_the_first(engine: Engine, device: Device) -> None:
    write(
        engine,
        device,
        report(device, periods=[period(samples=1), period(samples=2)]),
        report(device, seq=2, periods=[period(samples=3), period(START - 1800)]),
    )
    assert [(row["start"], row["samples"]) for row in rows(engine, "periods")] == [
        (START - 1800, 30),
        (START, 1),
    ]
    assert counted(engine) == {("conflict", "period"): 2}


def test_new_facts_make_their_days_dirty(engine: Engine, device: Device) -> None:
    write(
        engine,
        device,
        report(
            device,
            periods=[period(TODAY), period(TODAY - 1800)],
            startups=[startup(started_at=TODAY - 2 * DAY + 5.5)],
            gaps=[{"from": TODAY - 5 * DAY, "to": TODAY - 3 * DAY, "kind": "off"}],
        ),
    )
    assert [row["day"] for row in rows(engine, dirty)] == [TODAY - days * DAY for days in (5, 4, 2, 1, 0)]


def test_days_whose_half_hours_are_gone_are_never_dirty(engine: Engine, device: Device) -> None:
    """Rolled up again they would lose what was booked."""
    old = report(
        device,
        startups=[startup(started_at=NOW - 90 * DAY)],
        gaps=[{"from": START - 3000 * DAY, "to": START - 28 * DAY, "kind": "off"}],
    )
    (outcome,) = write(engine, device, old)
    assert outcome[:3] == (2, 2, [])
    assert [row["day"] for row in rows(engine, dirty)] == [TODAY - 29 * DAY, TODAY - 28 * DAY]


def test_a_higher_revision_replaces_until_final(engine: Engine, device: Device) -> None:
    def send(revision: int, total: float | None, *, final: bool) -> list[tuple[int, float | None, bool]]:
        one = startup(revision=revision, final=final, total_seconds=total, phases=[])
        write(engine, device, report(device, startups=[one]))
        return [(row["revision"], row["total_seconds"], row["final"]) for row in rows(engine, startups)]

    assert send(2, None, final=False) == [(2, None, False)]
    assert send(1, 5.0, final=False) == [(2, None, False)]
    assert observations(engine) == {}
    assert send(3, 40.0, final=True) == [(3, 40.0, True)]
    assert send(3, 41.0, final=True) == [(3, 40.0, True)]
    assert send(9, 99.0, final=True) == [(3, 40.0, True)]
    assert counted(engine) == {("conflict", "startup"): 1}
    assert observations(engine)["site", "unassigned"] == 1


def test_a_first_final_startup_is_counted_once_in_every_grouping(engine: Engine, device: Device) -> None:
    body = full(device)
    for _ in range(3):
        write(engine, device, body, body)
    assert observations(engine) == {
        ("site", "unassigned"): 1,
        ("unit", "unassigned"): 1,
        ("model", "Desk 400"): 1,
        ("os", "Debian GNU/Linux 12"): 1,
    }
    # One device is too small a group to tell of its people.
    assert observations(engine, "signin_seconds") == {
        (grouping, "other"): 1 for grouping in ("site", "unit", "model", "os")
    }
    found = [
        row
        for row in rows(engine, histograms)
        if (row["metric"], row["grouping"]) == ("startup_seconds", "site")
    ]
    assert [row["bucket"] for row in found] == list(BUCKETS)
    assert [(row["bucket"], row["sum"]) for row in found if row["count"]] == [(45.0, 41.375)]


def test_wake_ups_from_sleep_are_kept_and_not_counted_among_start_ups(engine: Engine, device: Device) -> None:
    kinds = ("resume", "hibernate", "cold", "never heard of")
    found = [startup(f"boot:{number}", kind=kind) for number, kind in enumerate(kinds)]
    (outcome,) = write(engine, device, report(device, startups=found))
    assert outcome[:3] == (4, 4, [])
    assert len(rows(engine, startups)) == 4
    assert observations(engine)["site", "unassigned"] == 3


def test_bucket_bounds_are_inclusive_and_the_last_is_infinite(engine: Engine, device: Device) -> None:
    totals = (5.0, 5.001, 7200.0, 7200.5)
    found = [startup(f"boot-{n}:0", total_seconds=total, phases=[]) for n, total in enumerate(totals)]
    write(engine, device, report(device, startups=found))
    counts = {row["bucket"]: row["count"] for row in rows(engine, histograms) if row["grouping"] == "unit"}
    assert {bound: count for bound, count in counts.items() if count} == {
        5.0: 1,
        10.0: 1,
        7200.0: 1,
        float("inf"): 1,
    }


def test_a_startup_without_a_total_is_not_counted(engine: Engine, device: Device) -> None:
    write(engine, device, report(device, startups=[startup(total_seconds=None)]))
    assert observations(engine) == {}


def test_unknown_words_are_other_and_counted(engine: Engine, device: Device) -> None:
    write(engine, device, recorded("future-minor") | {"device_id": device.device_id})
    assert rows(engine, devices)[0]["platform"] == "other"
    (kept,) = rows(engine, startups)
    assert (kept["kind"], kept["environment"], kept["quality"]) == ("other", "other", "other")
    assert (kept["phases"][0]["quality"], kept["factors"][0]["kind"]) == ("other", "other")
    assert {row["scope"]: row["joules"] for row in rows(engine, "energy")} == {
        "other": 100,
        "cpu": 14000,
    }
    assert rows(engine, gaps)[0]["kind"] == "other"
    found = counted(engine)
    assert found["unknown_enum", "energy.scope=rack"] == 1
    assert found["unknown_enum", "startup.kind=teleport"] == 1
    assert found["unknown_enum", "probe.status=too_loud"] == 1


def test_the_words_an_agent_invents_fill_no_database(engine: Engine, device: Device) -> None:
    for n in range(4):
        odd = [startup(f"b{n}-{i}", kind=f"kind-{n}-{i}" + "x" * 40) for i in range(100)]
        write(engine, device, report(device, startups=odd))
    found = counted(engine)
    assert len(found) == 257
    assert sum(found.values()) == 400
    assert found["unknown_enum", "(more)"] == 400 - 256


def test_quarantine_is_bounded_and_holds_each_item_once(engine: Engine, device: Device) -> None:
    for n in range(3):
        bad = [period(START + 1 + i) for i in range(n * 100, n * 100 + 150)]
        write(engine, device, report(device, periods=bad))
    keys = [int(row["key"]) for row in rows(engine, quarantine)]
    assert len(keys) == len(set(keys)) == 200
    assert max(keys) == START + 350
    assert counted(engine)["rejected", "not_aligned"] == 450


def test_quarantine_of_a_held_device_keeps_the_oldest_and_has_an_end(
    engine: Engine, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "KEPT_PER_HELD_DEVICE", 400)
    with write_transaction(engine) as connection:
        terms = {"reason": "tribunal 77", "expires_in_seconds": DAY, "now": int(NOW)}
        hold = holds.place(connection, [device.device_id], **terms)
    for n in range(3):
        write(engine, device, report(device, periods=[period(START + 1 + n * 150 + i) for i in range(150)]))
    assert [int(row["key"]) for row in rows(engine, quarantine)] == [START + 1 + i for i in range(400)]
    assert counted(engine)["rejected", "not_aligned"] == 450
    assert counted(engine)["unkept", "not_aligned"] == 50
    with write_transaction(engine) as connection:
        holds.lift(connection, hold, reason="settled", now=int(NOW))
    write(engine, device, report(device, periods=[period(START + 501)]))
    assert len(rows(engine, quarantine)) == 200


def test_an_older_report_that_comes_late_overwrites_nothing(engine: Engine, device: Device) -> None:
    def send(sent_at: float, name: str, status: str) -> None:
        write(
            engine,
            device,
            report(
                device,
                seq=int(sent_at),
                sent_at=sent_at,
                facts={"hostname": name},
                probes=[{"probe": "os", "status": status}, {"probe": name, "status": "ok"}],
                now={"at": sent_at, "start": START + 1800, "observed_seconds": 1},
            ),
        )

    send(NOW - 10, "newer", "ok")
    send(NOW - 20, "older", "error")
    (row,) = rows(engine, devices)
    assert (row["hostname"], row["seq"], row["last_report_at"]) == ("newer", int(NOW - 10), int(NOW))
    assert [(each["probe"], each["status"]) for each in rows(engine, probe_status)] == [
        ("newer", "ok"),
        ("os", "ok"),
    ]
    assert rows(engine, device_now)[0]["at"] == NOW - 10


def test_facts_of_an_older_report_are_taken_if_the_newer_had_none(engine: Engine, device: Device) -> None:
    write(engine, device, report(device, seq=3, sent_at=NOW - 10))
    write(engine, device, report(device, seq=2, sent_at=NOW - 20, facts={"hostname": "late"}))
    (row,) = rows(engine, devices)
    assert (row["hostname"], row["seq"]) == ("late", 3)


def test_probe_statuses_are_replaced_as_a_set_and_since_stays(engine: Engine, device: Device) -> None:
    def send(sent_at: float, **statuses: str) -> dict[str, tuple[str, int]]:
        found = [{"probe": probe, "status": status} for probe, status in statuses.items()]
        write(engine, device, report(device, sent_at=sent_at, probes=found))
        return {row["probe"]: (row["status"], row["since"] - START) for row in rows(engine, probe_status)}

    assert send(START + 10.0, os="ok", power="error") == {"os": ("ok", 10), "power": ("error", 10)}
    assert send(START + 20.0, os="ok", power="ok") == {"os": ("ok", 10), "power": ("ok", 20)}
    assert send(START + 30.0, os="ok") == {"os": ("ok", 10)}
    assert send(START + 40.0) == {"os": ("ok", 10)}  # nothing was said about probes


def test_devices_in_one_group_do_not_mix(engine: Engine, device: Device) -> None:
    other = add_device(engine, "b")
    write(engine, device, report(device, facts={"hostname": "one"}, periods=[period()]))
    write(engine, other, report(other, facts={"hostname": "two"}, periods=[period(samples=3)]))
    assert [row["samples"] for row in rows(engine, "periods")] == [30, 3]
    assert [row["hostname"] for row in rows(engine, devices)] == ["one", "two"]
    assert counted(engine) == {}


def test_an_unreadable_item_is_answered_and_the_report_held(engine: Engine, device: Device) -> None:
    (outcome,) = write(engine, device, report(device, periods=[period(), period(START - 1800, samples="x")]))
    assert (outcome.received, outcome.accepted) == (2, 1)
    assert answers(outcome) == [("period", START - 1800, "schema", "samples")]
    with engine.connect() as connection:
        assert connection.scalar(select(quarantine.c.content))["samples"] == "x"


def test_a_report_that_tells_nothing_of_the_agents_health_leaves_what_is_held(
    engine: Engine, device: Device
) -> None:
    health = {"version": "1.0.0", "platform": "linux", "rss_bytes": 22_000_000, "spool_items": 3}
    write(engine, device, report(device, agent=health))
    write(engine, device, report(device, seq=2, agent={"version": "1.0.1", "platform": "linux"}))
    (kept,) = rows(engine, devices)
    assert kept["agent_version"] == "1.0.1"
    assert kept["agent"] == health
