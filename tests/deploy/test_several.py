"""The files for several collectors on one PostgreSQL fit the program and each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from roadworthy_collector.settings import Settings, load

_OVERLAY = "compose/compose.postgresql.yaml"


class Loader(yaml.SafeLoader):
    """Reads compose's own tag: what is reset is as if nobody had said it."""


Loader.add_constructor("!reset", lambda *_: None)


@pytest.fixture
def overlay(deploy: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((deploy / _OVERLAY).read_text("utf-8"), Loader)  # noqa: S506 - a safe one with a tag more
    return document


def test_the_sample_settings_are_accepted_and_fit_nginx_and_prometheus(deploy: Path) -> None:
    path = deploy / "systemd/collector-several.toml"
    settings = load(path)
    assert (settings.rollups_at, settings.behind_tls_proxy) == ("jobs", True)
    assert set(tomllib.loads(path.read_text("utf-8"))) <= set(Settings.model_fields)
    nginx = (deploy / "nginx/roadworthy.conf").read_text("utf-8")
    assert f"server_name {settings.allowed_hosts[0]};" in nginx
    served = re.findall(r"server 127\.0\.0\.1:(\d+)", nginx)
    jobs = {job["job_name"]: job for job in prometheus(deploy, "prometheus/several.yml")["scrape_configs"]}
    assert targets(jobs["roadworthy"]) == [f"127.0.0.1:{settings.jobs_port}"]
    assert targets(jobs["roadworthy-serve"]) == [f"127.0.0.1:{port}" for port in served]


def test_the_units_start_what_there_is(deploy: Path) -> None:
    serve = (deploy / "systemd/roadworthy-serve@.service").read_text("utf-8")
    jobs = (deploy / "systemd/roadworthy-jobs.service").read_text("utf-8")
    assert "roadworthy serve --config /etc/roadworthy/collector.toml --port %i" in serve
    assert "roadworthy jobs --config /etc/roadworthy/collector.toml\n" in jobs


def test_the_sandbox_is_the_collectors(deploy: Path) -> None:
    def sandbox(unit: str) -> list[str]:
        text = (deploy / "systemd" / unit).read_text("utf-8")
        return text[text.index("User=") : text.index("[Install]")].splitlines()

    for unit in ("roadworthy-serve@.service", "roadworthy-jobs.service"):
        assert sandbox(unit) == sandbox("roadworthy-collector.service")


def test_containers_are_upgraded_before_anything_serves(overlay: dict[str, Any]) -> None:
    services = overlay["services"]
    assert services["upgrade"]["command"] == ["db", "upgrade"]
    assert services["upgrade"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["first-start"]["depends_on"]["upgrade"]["condition"] == "service_completed_successfully"
    assert services["first-start"]["network_mode"] is None  # it needs the database
    assert services["jobs"]["depends_on"]["first-start"]["condition"] == "service_completed_successfully"
    assert (services["collector"]["command"], services["jobs"]["command"]) == (["serve"], ["jobs"])


def test_containers_publish_nothing_more_and_give_their_rights_up(overlay: dict[str, Any]) -> None:
    services = overlay["services"]
    assert not [name for name, service in services.items() if "ports" in service]
    for name in ("database-password", "database", "upgrade", "jobs"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["read_only"] is True
        assert services[name]["user"] == "65534:65534"
    assert re.search(r":\d+\.\d+-", services["database"]["image"])


def test_containers_are_told_settings_there_are(overlay: dict[str, Any]) -> None:
    for name in ("upgrade", "first-start", "collector", "jobs"):
        told = overlay["services"][name]["environment"]
        assert {key.removeprefix("ROADWORTHY_").lower() for key in told} <= set(Settings.model_fields)
        assert told["ROADWORTHY_ROLLUPS_AT"] == "jobs"
    password = overlay["services"]["database"]["environment"]["POSTGRES_PASSWORD_FILE"]
    assert overlay["services"]["jobs"]["environment"]["ROADWORTHY_DATABASE_PASSWORD_FILE"] == password
    assert password in overlay["services"]["database-password"]["command"][0]


def test_the_programs_in_the_overlay_are_programs(overlay: dict[str, Any]) -> None:
    compile(overlay["services"]["database-password"]["command"][0], "compose", "exec")


def test_prometheus_in_containers_differs_in_addresses_only(deploy: Path) -> None:
    text = (deploy / "compose/prometheus.postgresql.yml").read_text("utf-8")
    for old, new in (
        ("jobs:8471", "127.0.0.1:8471"),
        ("alertmanager:9093", "127.0.0.1:9093"),
        ("http://collector:8470", "http://127.0.0.1:8470"),
        ('"collector:8470"', '"127.0.0.1:8470", "127.0.0.1:8480"'),
        ("/secrets/scrape-token", "/etc/prometheus/roadworthy-scrape-token"),
    ):
        assert old in text
        text = text.replace(old, new)
    assert yaml.safe_load(text) == prometheus(deploy, "prometheus/several.yml")


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("path", ["prometheus/several.yml", "compose/prometheus.postgresql.yml"])
def test_promtool_accepts_the_configuration(deploy: Path, tmp_path: Path, path: str) -> None:
    token = tmp_path / "scrape-token"
    token.write_text("rws1_0_0\n")
    text = re.sub(r"credentials_file: \S+", f"credentials_file: {token}", (deploy / path).read_text("utf-8"))
    (tmp_path / "prometheus.yml").write_text(text)
    done = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def prometheus(deploy: Path, path: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((deploy / path).read_text("utf-8"))
    return document


def targets(job: dict[str, Any]) -> list[str]:
    return [target for one in job["static_configs"] for target in one["targets"]]
