"""What `roadworthy jobs` exposes with `rollups_at` = "jobs", beside what `serve` then does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.estates import NOW, Estate
from support.web import Client, client_of

from roadworthy_collector.errors import SettingsError
from roadworthy_collector.jobs import fleet
from roadworthy_collector.jobs.work import Work
from roadworthy_collector.metrics.jobs_app import create_jobs_app
from roadworthy_collector.metrics.routes import SNAPSHOT_SECONDS
from roadworthy_collector.security import tokens
from roadworthy_collector.settings import load
from roadworthy_collector.store import schema
from roadworthy_collector.store.engine import write_transaction


@contextmanager
def asking(estate: Estate, *, holds: bool = True, now: float = NOW) -> Iterator[Client]:
    client = Client(
        create_jobs_app(estate.settings(rollups_at="jobs"), estate.engine, lambda: holds, clock=lambda: now)
    )
    try:
        yield client
    finally:
        client.close()


def names(text: str) -> set[str]:
    return {family.name for family in text_string_to_metric_families(text) if family.samples}


def fill(estate: Estate) -> None:
    estate.device(unit="IT")
    estate.device(unit="CID")
    fleet.compute(Work(estate.engine, estate.settings(), clock=lambda: NOW, rests=False))


def test_the_holder_exposes_what_is_of_the_database_and_serve_what_is_its_own(estate: Estate) -> None:
    fill(estate)
    with asking(estate) as client:
        holder = names(client.get("/metrics").text)
    serve = client_of(estate.engine, estate.path.parent, NOW, rollups_at="jobs")
    own = names(serve.get("/metrics").text)
    serve.close()
    whole = client_of(estate.engine, estate.path.parent, NOW)
    everything = names(whole.get("/metrics").text)
    whole.close()
    assert holder | own == everything | {"roadworthy_jobs_holding"}
    assert {name for name in holder & own if not name.startswith("roadworthy_process_")} == set()
    assert {
        "roadworthy_estate_devices",
        "roadworthy_rollup_backlog",
        "roadworthy_database_size_bytes",
    } <= holder
    assert "roadworthy_ingest_queued_reports" in own


def test_one_that_stands_by_exposes_itself_only(estate: Estate) -> None:
    fill(estate)
    with asking(estate, holds=False) as client:
        text = client.get("/metrics").text
        assert client.get("/healthz").json() == {"status": "alive", "holds_jobs": False}
    assert re.search(r"^roadworthy_jobs_holding 0\.0$", text, re.MULTILINE)
    assert {name for name in names(text) if not name.startswith("roadworthy_process_")} == {
        "roadworthy_jobs_holding"
    }


def test_old_rollups_are_left_out(estate: Estate) -> None:
    fill(estate)
    with asking(estate, now=NOW + SNAPSHOT_SECONDS + 1) as client:
        assert "roadworthy_estate_devices" not in names(client.get("/metrics").text)


def test_scrape_tokens_and_hosts_are_as_at_serve(estate: Estate) -> None:
    fill(estate)
    estate.put(schema.users, name="ada", password_argon2="x", role="viewer", created_at=0)  # noqa: S106 - no password
    with write_transaction(estate.engine) as connection:
        whole = tokens.create_scrape_token(connection, now=int(NOW)).text
        part = tokens.create_scrape_token(connection, now=int(NOW), only_units=["CID"]).text
    with asking(estate) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics").json()["error"]["code"] == "scrape_token_required"
        wrong = client.get("/metrics", headers={"Authorization": "Bearer rws1_00_00"})
        assert wrong.status_code == 403
        assert client.get("/healthz").status_code == 200
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {whole}"})
        assert "roadworthy_estate_devices" in names(answer.text)
        scoped = client.get("/metrics", headers={"Authorization": f"Bearer {part}"}).text
        assert 'unit="CID"' in scoped
        assert 'unit="IT"' not in scoped
        assert "roadworthy_jobs_holding" not in scoped
        assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/").status_code == 404


def test_two_on_one_port_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    path.write_text('port = 9000\njobs_port = 9000\nrollups_at = "jobs"\n')
    with pytest.raises(SettingsError, match="listen on different ports; set jobs_port to another than port"):
        load(path)


@pytest.mark.parametrize(("behind", "scheme"), [(True, "https"), (False, None)])
def test_targets_behind_a_proxy_that_ends_tls_are_https(
    estate: Estate,
    behind: bool,  # noqa: FBT001 - a parameter
    scheme: str | None,
) -> None:
    estate.put(schema.users, name="ada", password_argon2="x", role="viewer", created_at=0)  # noqa: S106 - no password
    with write_transaction(estate.engine) as connection:
        token = tokens.create_scrape_token(connection, now=int(NOW)).text
    client = client_of(estate.engine, estate.path.parent, NOW, behind_tls_proxy=behind, device_detail=True)
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-Proto": "https"}
    (target,) = client.get("/sd/devices", headers=headers).json()
    client.close()
    assert target["labels"].get("__scheme__") == scheme
