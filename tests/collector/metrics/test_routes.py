from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from support import free_port, postgres
from support.estates import NOW, Estate
from support.serving import serving as threaded
from support.web import client_of

from roadworthy_collector.app import create_app
from roadworthy_collector.books import figures
from roadworthy_collector.books.shares import METRICS
from roadworthy_collector.carbon import intensity, settings_edition
from roadworthy_collector.carbon.estate import financial_year
from roadworthy_collector.jobs import books, fleet, organisation, rollup
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.catalogue import CATALOGUE, Endpoint, metric
from roadworthy_collector.metrics.routes import SNAPSHOT_SECONDS
from roadworthy_collector.security import tokens
from roadworthy_collector.store import schema
from roadworthy_collector.store.books_schema import benefits, register_items
from roadworthy_collector.store.engine import open_engine, write_transaction
from roadworthy_collector.store.queries.jobs import STATES, write_job
from roadworthy_collector.store.queries.states import SMALLEST_GROUP
from roadworthy_collector.store.snmp_schema import energy_overlaps, snmp_targets


@contextmanager
def serving(estate: Estate, *, now: float = NOW, **values: Any) -> Iterator[httpx.Client]:
    """Serve the estate's database on a free port."""
    settings = estate.settings(port=free_port(), **values)
    app = create_app(settings, open_engine(estate.url or estate.path), clock=lambda: now)
    config = uvicorn.Config(app, host=settings.host, port=settings.port, log_config=None, ws="none")
    with (
        threaded(config),
        httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as client,
    ):
        yield client


def close(estate: Estate) -> None:
    """Create a user, so that the collector is no longer open."""
    user = {"name": "ada", "password_argon2": "x", "role": "viewer", "created_at": 0}
    estate.put(schema.users, **user)


def scrape_token(estate: Estate) -> dict[str, str]:
    with write_transaction(estate.engine) as connection:
        issued = tokens.create_scrape_token(connection, now=int(NOW), actor="test")
    return {"Authorization": f"Bearer {issued.text}"}


def roll(estate: Estate, now: float = NOW) -> None:
    fleet.compute(Work(estate.engine, estate.settings(), clock=lambda: now, rests=False))


def families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def grid_now(estate: Estate) -> None:
    half_hour = int(NOW) // 1800 * 1800
    grid = {"since": half_hour, "until": half_hour + 1800, "forecast": 266, "actual": None, "index": "low"}
    with write_transaction(estate.engine) as connection:
        settings_edition.save(connection, "[grid_intensity]\nfetch = true", actor="x", now=int(NOW))
        content = {"region": None, "told": grid | {"place": "Great Britain"}}
        figures.write(connection, intensity.FIGURE, content, now=int(NOW), seconds=0.1)


def wear(estate: Estate, device: int) -> None:
    estate.put(schema.batteries, device=device, name="BAT0", health_ratio=0.9, cycles=3)
    estate.put(schema.disks, device=device, name="sda", medium="ssd", wear_ratio=0.1, failing=False)


def carbon(estate: Estate, in_use: dict[str, int]) -> None:
    """Give the metrics of energy and carbon something to say."""
    told = [5, 5, 5, 5, 1, 0, 0, 1, 0.0, 0.0, {}]
    sums = {"month": {"2026-03": told}, "place": {"force": told}}
    closed = {"month": "2026-03", "closed": True, "digest": "x", "restricted": "[]", "sums": sums}
    saved = {"groups": {"1.1": {"unused_on": [SMALLEST_GROUP, 60, 1, 2, 3]}}}
    with write_transaction(estate.engine) as connection:
        for month in financial_year(2025).months:  # a year has gauges where every month of it is closed
            figures.write(connection, f"energy.{month}", closed | {"month": month}, now=int(NOW), seconds=0.1)
        figures.write(connection, "avoidable", saved, now=int(NOW), seconds=0.1)
        of_site = {"site": "HQ", "metered_kwh": 2.0, "missing_half_hours": 1, "claimed_kwh": 1.0}
        compared = {"compared_meter_kwh": 2.0, "above_half_hours": 0}
        metered = {"month": "2026-08", "sites": [of_site | compared]}
        figures.write(connection, "meters", metered, now=int(NOW), seconds=0.1)
    seconds = in_use | {"in_use_seconds": 1800}
    start = int(NOW) // 1800 * 1800 - 1800
    estate.put(
        schema.site_half_hours, start=start, site=estate.site("HQ"), devices=1, observed_seconds=1800,
        joules={"cpu": {"sensor": 5}}, **seconds,
    )  # fmt: skip


def decided(estate: Estate) -> None:
    """Keep a plan, a ready list, a target and a budget, as the jobs and the commands leave them."""
    kept = {
        "plan": {"format": 1, "counts": {"replace": 2, "keep": 3}, "net_pence": 12_345},
        "list.fit_an_ssd": {"name": "fit_an_ssd", "total": 4, "unknown": {"kind of disk": 5, "no rating": 1}},
        "costs.planned": {
            "measures": {"2025/26": {"budget": 900, "forecast": 800, "outturn": 700}},
            "target": {"definition": "B", "points": {"2025/26": [350, 0.5], "2026/27": [300, None]}},
        },
    }
    with write_transaction(estate.engine) as connection:
        for name, content in kept.items():
            figures.write(connection, name, content, now=int(NOW), seconds=0.1)


def polled(estate: Estate) -> None:
    """Put a UPS that is polled: it draws, has a battery to replace, and drew yesterday."""
    energy = {
        "scope": "wall",
        "joules": 5,
        "counter_end_joules": 5,
        "quality": "metered",
        "latest_watts": 310.0,
    }
    now = {"now": {"energy": [energy], "flags": {"battery_replace": True}}}
    device = estate.device(now=now, device_class="ups")
    key = {"month": "2026-08-01", "feeder": device, "outlet": "", "fed": 0, "why": "undeclared"}
    estate.put(energy_overlaps, **key, days=30, joules=5_000)
    times = {"polled_at": int(NOW), "succeeded_at": int(NOW), "duration_seconds": 0.2}
    counts = {"outcome": "ok", "polls": 5, "successes": 4, "readings": 3, "refused": []}
    estate.put(
        snmp_targets,
        name="ups 1",
        device=device,
        host="10.1.2.3",
        protocol="snmp",
        kind="ups",
        **times,
        **counts,
    )
    day = dt.datetime.fromtimestamp(NOW - 86400, dt.UTC).date().isoformat()
    whole = {
        "date": day,
        "start": int(NOW) // 86400 * 86400 - 90000,
        "half_hours": 48,
        "site": estate.site("HQ"),
    }
    states = {f"{state}_seconds": 0 for state in STATES} | {"unobserved_seconds": 86400}
    drew = {"unit": estate.unit("IT"), "periods": 48, "observed_seconds": 86400, "startups": 0}
    joules = {"wall": {"metered": 3_600_000}}
    estate.put(schema.local_days, device=device, joules=joules, **whole, **drew, **states)


def by_site(estate: Estate) -> None:
    """Keep what the jobs leave of sites, start-ups and years."""
    member = {"phases": {"kernel": 3.5}, "recent": 40.0, "baseline": 30.0}
    kept = {
        "ratings.places": {
            "verdicts": [["HQ", "meets", 1]],
            "support": [["HQ", "ended", 1]],
            "site_reasons": [["HQ", "hard-disk", 1]],
            "model_reasons": [["L5", "hard-disk", 1]],
        },
        "site_figures": {
            "silent": [["HQ", 1]],
            "undeployed": [["HQ", "disposed", 1]],
            "spools": {"none": 1},
            "avoidable_joules": [["HQ", "unused_on", 5]],
            "avoidable_gbp": {"unused_on": 5.0},
        },
        "startup_parts": {
            "sites": {"HQ": member},
            "models": {"L5": member},
            "factors": [["scanner", 1, 9.5]],
        },
        "yearly": {
            "units": [["IT", "A", "2025/26", 5]],
            "crc": {"2025": {"tco2": {"billed": 5.0}, "gbp": {"billed": 90.0}}},
            "change": {"2025": {"devices": -4.0}},
            "sets": {"2026 v1": 1_800_000_000},
        },
    }
    with write_transaction(estate.engine) as connection:
        for name, content in kept.items():
            figures.write(connection, name, content, now=int(NOW), seconds=0.1)


def everything(estate: Estate) -> None:
    """Give every metric of the catalogue something to say."""
    energy = {"joules": 5, "counter_end_joules": 5, "quality": "sensor", "source": "rapl:package-0"}
    latest = {"energy": [{"scope": "cpu", "latest_watts": 9.5, **energy}]}
    device = estate.device(now={"uptime_seconds": 5.0, "cpu_ratio": 0.5, "memory_ratio": 0.5, "now": latest})
    estate.startup(device, usable_seconds=20.0, phases=[{"name": "kernel", "seconds": 30.0}])
    estate.put(schema.probe_status, device=device, probe="os", status="ok", since=0, updated_at=0)
    counter = {"until": int(NOW) // 1800 * 1800, "quality": "sensor", "counter_end_joules": 5}
    estate.put(schema.energy_counters, device=device, scope="cpu", **counter)
    for grouping in ("site", "unit", "model", "os"):
        row = {"grouping": grouping, "member": "x", "bucket": float("inf"), "count": 1, "sum": 30.0}
        for name in ("startup_seconds", "signin_seconds"):
            estate.put(schema.histograms, metric=name, **row)
    wear(estate, device)
    grid_now(estate)
    in_use = {f"{state}_seconds": 0 for state in STATES} | {"in_use_seconds": 86400}
    used = {"cpu_ratio": 0.5, "memory_ratio": 0.5}
    for member in (device, *(estate.device(now=used) for _ in range(SMALLEST_GROUP - 1))):
        day = {"device": member, "day": int(NOW) // 86400 * 86400 - 86400, "site": estate.site("HQ")}
        totals = {"unit": estate.unit("IT"), "periods": 48, "observed_seconds": 86400, "startups": 1}
        estate.put(schema.days, **day, **totals, **in_use)
    for name, label in (
        ("rejected", "too_old"),
        ("conflict", "period"),
        ("unknown_enum", "probe.status=odd"),
        ("identity", "cloned"),
        ("remote_write_samples", ""),
        ("remote_write_markers", ""),
        ("remote_write_failed", "503"),
        ("remote_write_dropped", "refused"),
    ):
        estate.put(schema.counters, name=name, label=label, value=3)
    receiver = {"open_until": int(NOW), "queued_periods": 2, "tries": 0, "last_success_at": NOW}
    estate.put(
        schema.remote_write_sink, name="main", counted_at=NOW, oldest_queued_at=int(NOW) - 7, **receiver
    )
    estate.put(schema.dirty, device=device, day=86400)
    words = {"kind": "laptop", "lifecycle_state": "deployed", "usage_profile": "personal", "updated_at": 1}
    estate.put(register_items, tag="FP1", **words)
    estate.put(register_items, tag="GONE", **words | {"lifecycle_state": "disposed"})
    year = {"financial_year": 2026, "saving_pence": 5, "double_running_pence": 0}
    step = {"state": "identified", "person": "jo", "role": "service", "on": "2026-09-01"}
    estate.put(
        benefits, reference="B-1", claimant="jo", cashable=True, years=[year], steps=[step], made_at=int(NOW)
    )
    lost = {"lost_milliseconds": 1, "waits": 1, "slow_waits": 1}
    with write_transaction(estate.engine) as connection:
        month = {"month": "2026-09", "total": lost}
        figures.write(connection, "staff_time.2026-09", month, now=int(NOW), seconds=0.1)
    carbon(estate, in_use)
    share = {"low": 0.5, "value": 0.5, "high": 0.6, "numerator_pence": 5}
    share |= {"open_charges_pence": 1, "open_credits_pence": 0}
    with write_transaction(estate.engine) as connection:
        figures.write(
            connection, METRICS, {"2025/26": dict.fromkeys("ABC", share)}, now=int(NOW), seconds=0.1
        )
    polled(estate)
    decided(estate)
    books.compute(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    organisation.compute(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    by_site(estate)
    roll(estate)
    values = {"last_success_at": NOW, "last_duration_seconds": 0.5, "longest_transaction_seconds": 0.01}
    with write_transaction(estate.engine) as connection:
        write_job(connection, "rollup", values, failed=False)


def test_an_open_collector_shows_every_metric_of_the_catalogue(estate: Estate) -> None:
    everything(estate)
    with serving(estate) as client:
        client.get("/metrics/devices")
        assert client.post("/api/v1/reports", content=b"{}").status_code == 401
        assert client.post("/api/v1/enrol", content=b"{}").is_client_error
        scraped = (Endpoint.METRICS, Endpoint.DEVICES)
        found = {endpoint: client.get(endpoint) for endpoint in scraped}
    for endpoint, answer in found.items():
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        for family in text_string_to_metric_families(answer.text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert metric(name).endpoint is endpoint
            assert family.type == metric(name).kind.exposed_as
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == set(metric(name).labels)
    shown = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for answer in found.values()
        for family in text_string_to_metric_families(answer.text)
        if family.samples
    }
    # Items and groups are only counted once a report is accepted; the test with a real agent sees them. Those of
    # certificates want one in the settings: test_certificates.py.
    elsewhere = {"roadworthy_ingest_items_total", "roadworthy_certificate_end_timestamp_seconds"}
    expected = {row.name for row in CATALOGUE if row.endpoint in scraped} - elsewhere
    # Those of a relay are only shown by one: tests/collector/relay/test_health.py.
    assert {name for name in expected - shown if not name.startswith("roadworthy_relay_")} == set()


def test_own_health_says_what_the_database_holds(estate: Estate) -> None:
    everything(estate)
    with serving(estate, queue_reports=7) as client:
        found = families(client.get("/metrics").text)

    def values(name: str) -> dict[tuple[str, ...], float]:
        return {tuple(sample.labels.values()): sample.value for sample in found[name].samples}

    def counted(name: str) -> dict[tuple[str, ...], float]:
        return {key: value for key, value in values(name).items() if value}

    assert counted("roadworthy_ingest_rejected_items") == {("too_old",): 3}
    assert values("roadworthy_ingest_conflicts") == {("period",): 3}
    assert values("roadworthy_ingest_unknown_values") == {("probe.status",): 3}
    assert values("roadworthy_ingest_queue_limit_reports") == {(): 7}
    assert values("roadworthy_rollup_backlog") == {(): 1}
    assert values("roadworthy_rollup_oldest_timestamp_seconds") == {(): 86400}
    assert values("roadworthy_job_last_success_timestamp_seconds") == {("rollup",): NOW}
    assert values("roadworthy_fleet_snapshot_timestamp_seconds") == {(): NOW}
    assert values("roadworthy_remote_write_queued_periods") == {(): 2}
    assert values("roadworthy_remote_write_queue_age_seconds") == {(): 7}
    assert values("roadworthy_remote_write_samples") == {(): 3}
    assert values("roadworthy_remote_write_failed_requests") == {("503",): 3}
    assert counted("roadworthy_remote_write_dropped_periods") == {("refused",): 3}
    # What has not happened yet is told as 0, so that Prometheus sees the first time.
    assert len(values("roadworthy_remote_write_dropped_periods")) == 4
    whole = "main" if estate.url is None else "database"
    assert values("roadworthy_database_size_bytes")[(whole,)] > 0


def test_plans_lists_targets_and_budgets_are_gauges(estate: Estate) -> None:
    everything(estate)
    with serving(estate) as client:
        found = families(client.get("/metrics").text)

    def values(name: str) -> dict[tuple[str, ...], float]:
        return {tuple(sample.labels.values()): sample.value for sample in found[f"roadworthy_{name}"].samples}

    assert {key: value for key, value in values("plan_items").items() if value} == {
        ("replace",): 2,
        ("keep",): 3,
    }
    assert values("plan_net_gbp") == {(): 123.45}
    assert values("ready_list_items")["fit_an_ssd",] == 4
    assert values("ready_list_unknown_items")["fit_an_ssd",] == 6
    assert values("cost_measure_gbp") == {
        ("budget", "2025/26"): 9, ("forecast", "2025/26"): 8, ("outturn", "2025/26"): 7,
    }  # fmt: skip
    assert values("cost_target_gbp") == {("maintenance", "2025/26"): 3.5, ("maintenance", "2026/27"): 3}
    assert values("cost_target_ratio") == {("maintenance", "2025/26"): 0.5}
    assert set(values("cost_unclassified_gbp")) == {
        (name, "2025/26") for name in ("run", "maintenance", "legacy")
    }


def test_old_rollups_are_not_shown_as_true(estate: Estate) -> None:
    everything(estate)
    with serving(estate, now=NOW + SNAPSHOT_SECONDS) as client:
        assert "roadworthy_devices" in families(client.get("/metrics").text)
    with serving(estate, now=NOW + SNAPSHOT_SECONDS + 1) as client:
        found = families(client.get("/metrics").text)
    assert "roadworthy_devices" not in found
    assert found["roadworthy_fleet_snapshot_timestamp_seconds"].samples[0].value == NOW


def test_before_the_first_rollup_there_is_health(estate: Estate) -> None:
    with serving(estate) as client:
        found = families(client.get("/metrics").text)
    assert "roadworthy_process_resident_memory_bytes" in found
    assert found["roadworthy_fleet_snapshot_timestamp_seconds"].samples == []


@pytest.mark.parametrize("path", ["/metrics", "/metrics/devices", "/sd/devices"])
def test_once_a_user_exists_a_scrape_token_is_asked_for(estate: Estate, path: str) -> None:
    close(estate)
    good = scrape_token(estate)
    with serving(estate, device_detail=True) as client:
        refused = client.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "scrape_token_required")
        wrong = client.get(path, headers={"Authorization": good["Authorization"][:-1] + "_"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (403, "scrape_token_refused")
        assert client.get(path, headers=good).status_code == 200
        with write_transaction(estate.engine) as connection:
            name = tokens.list_scrape_tokens(connection)[0]["id"]
            tokens.revoke_scrape_token(connection, name, now=int(NOW), actor="test")
        assert client.get(path, headers=good).status_code == 403


def test_detail_is_off_until_turned_on(estate: Estate) -> None:
    estate.device()
    close(estate)
    token = scrape_token(estate)
    with serving(estate) as client:
        assert client.get("/sd/devices", headers=token).json() == []
        answer = client.get("/metrics/devices", headers=token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "device_detail_off")
    with serving(estate, device_detail=True) as client:
        assert len(client.get("/sd/devices", headers=token).json()) == 1
        assert "rwd_" in client.get("/metrics/devices", headers=token).text


def test_discovery_lists_each_shard_under_one_instance(estate: Estate) -> None:
    with serving(estate, shards=3) as client:
        port = client.base_url.port
        found = client.get("/sd/devices")
        other = client.get("/sd/devices", params={"shards": 256}).json()
    assert found.headers["content-type"] == "application/json"
    assert [group["targets"] for group in found.json()] == [[f"127.0.0.1:{port}"]] * 3
    assert {group["labels"]["instance"] for group in [*found.json(), *other]} == {"roadworthy"}
    assert [group["labels"]["__param_shard"] for group in found.json()] == ["0", "1", "2"]
    assert {group["labels"]["__param_shards"] for group in found.json()} == {"3"}
    assert {group["labels"]["__metrics_path__"] for group in found.json()} == {"/metrics/devices"}
    assert len(other) == 256
    visible = {name for group in other for name in group["labels"] if not name.startswith("__")}
    assert visible == {"instance"}


def test_a_simulated_estate_is_marked_in_its_detail_and_discovery(estate: Estate) -> None:
    with serving(estate) as client:
        assert "SIMULATED" not in client.get("/metrics/devices").text
    with write_transaction(estate.engine) as connection:
        connection.execute(
            schema.estate.update().where(schema.estate.c.name == "simulated").values(value="true")
        )
    with serving(estate) as client:
        text = client.get("/metrics/devices").text
        (group,) = client.get("/sd/devices").json()
    assert text.startswith("# SIMULATED IT ESTATE")
    assert all(line.startswith(("#", "roadworthy_")) for line in text.splitlines())
    assert group["labels"]["simulated"] == "true"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/metrics/devices?shard=0&shards=256", 200),
        ("/metrics/devices?shard=255&shards=256", 200),
        ("/metrics/devices?shard=2&shards=2", 422),
        ("/metrics/devices?shard=-1&shards=2", 422),
        ("/metrics/devices?shard=0&shards=257", 422),
        ("/metrics/devices?shard=0&shards=0", 422),
        ("/metrics/devices?shard=x", 422),
        ("/sd/devices?shards=0", 422),
        ("/sd/devices?shards=257", 422),
    ],
)
def test_shards_are_bounded(estate: Estate, path: str, status: int) -> None:
    with serving(estate) as client:
        answer = client.get(path)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]["field"] in {"shard", "shards"}


def test_health_and_readiness(estate: Estate) -> None:
    close(estate)
    with serving(estate) as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        assert client.get("/readyz").json() == {"status": "ready"}
        with write_transaction(estate.engine) as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "schema")
        assert client.get("/healthz").status_code == 200


def test_a_stopped_writer_is_not_ready(estate: Estate) -> None:
    # In process the application's lifespan does not begin, so nothing starts the writer.
    client = client_of(estate.engine, estate.path.parent, NOW)
    answer = client.get("/readyz")
    client.close()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "writer")


def test_an_unreadable_database_is_not_ready(estate: Estate, tmp_path: Path) -> None:
    with serving(estate) as client:
        estate.engine.dispose()
        if estate.url is not None:
            postgres.drop_database(estate.url)
        for path in tmp_path.glob("roadworthy.db*"):
            path.write_bytes(b"not a database at all" * 1000)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database")


def test_rolling_up_shows_in_the_backlog(estate: Estate) -> None:
    device = estate.device()
    estate.put(schema.dirty, device=device, day=int(NOW) // 86400 * 86400)
    rollup.roll_up(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))
    with serving(estate) as client:
        found = families(client.get("/metrics").text)
    assert found["roadworthy_rollup_backlog"].samples[0].value == 0
    assert found["roadworthy_rollup_oldest_timestamp_seconds"].samples == []
