from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from roadworthy_collector.settings import Settings
from roadworthy_dashboards.boards import BOARDS
from roadworthy_dashboards.cli import PUBLIC_URL


@pytest.fixture
def compose(deploy: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((deploy / "compose/compose.yaml").read_text("utf-8"))
    return document


def test_everything_is_published_on_loopback_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_nothing_listens_before_the_first_start_is_done(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["first-start"]["command"] == ["first-start", "--secrets", "/secrets"]
    assert services["collector"]["depends_on"]["first-start"]["condition"] == "service_completed_successfully"
    assert services["prometheus"]["depends_on"]["collector"]["condition"] == "service_healthy"
    assert services["first-start"]["image"] == services["collector"]["image"]
    assert services["first-start"]["volumes"] == services["collector"]["volumes"]


def test_who_reads_the_secrets_is_their_owner_and_cannot_write_them(
    compose: dict[str, Any], deploy: Path
) -> None:
    readers = {
        name: service
        for name, service in compose["services"].items()
        if any(volume.startswith("secrets:") for volume in service["volumes"])
    }
    assert set(compose["services"]) - set(readers) == {"written"}
    assert {service["user"] for service in compose["services"].values()} == {"65534:65534"}
    assert "USER 65534:65534" in (deploy / "compose/Containerfile").read_text("utf-8")
    for name in ("prometheus", "alertmanager", "grafana"):
        assert "secrets:/secrets:ro" in readers[name]["volumes"]


def test_every_container_gives_its_rights_up(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_collectors_variables_are_settings(compose: dict[str, Any]) -> None:
    names = {
        name.removeprefix("ROADWORTHY_").lower() for name in compose["services"]["collector"]["environment"]
    }
    assert names <= set(Settings.model_fields)
    hosts = compose["services"]["collector"]["environment"]["ROADWORTHY_ALLOWED_HOSTS"]
    assert json.loads(hosts) == ["collector", "${ROADWORTHY_PUBLIC_NAME:-localhost}"]


def test_links_lead_to_the_address_of_the_console(compose: dict[str, Any]) -> None:
    """One address for boards and rules; the two servers' own links name no container."""
    services = compose["services"]
    console = services["written"]["environment"][PUBLIC_URL]
    assert console == "${ROADWORTHY_PUBLIC_URL:-http://127.0.0.1:${ROADWORTHY_PORT:-8470}}"
    for name, port in (("prometheus", 9090), ("alertmanager", 9093)):
        word = name.upper()
        address = f"${{{word}_PUBLIC_URL:-http://127.0.0.1:${{{word}_PORT:-{port}}}}}"
        assert f"--web.external-url={address}" in services[name]["command"]


def test_what_is_written_is_mounted_where_it_is_read(compose: dict[str, Any], deploy: Path) -> None:
    """Into volumes of our user; Prometheus starts anew when they are written by another version."""
    services = compose["services"]
    assert services["written"]["volumes"] == ["boards:/boards", "rules:/rules"]
    assert services["written"]["network_mode"] == "none"
    made = next(
        line
        for line in (deploy / "compose/Containerfile").read_text("utf-8").splitlines()
        if line.startswith("RUN install -d -o 65534 -g 65534 -m 0700 ")
    )
    assert made.split()[-4:] == ["/data", "/secrets", "/boards", "/rules"]
    for name, mount in (
        ("prometheus", "rules:/etc/prometheus/roadworthy:ro"),
        ("grafana", "boards:/dashboards:ro"),
    ):
        assert mount in services[name]["volumes"]
        assert services[name]["depends_on"]["written"]["condition"] == "service_completed_successfully"
    assert services["prometheus"]["depends_on"]["written"]["restart"] is True
    assert services["alertmanager"]["depends_on"]["first-start"] == {
        "condition": "service_completed_successfully",
        "restart": True,
    }


def test_writing_leaves_what_is_current_and_nothing_else(compose: dict[str, Any], tmp_path: Path) -> None:
    """The container's own script over folders of ours: files of an older version go."""
    (script,) = compose["services"]["written"]["command"]
    for name in ("boards", "rules", "tmp"):
        (tmp_path / name).mkdir()
    # As Compose reads it, with folders of ours.
    script = re.sub(r"(?<=\s)/(?=boards|rules|tmp)", f"{tmp_path}/", script.replace("$$", "$"))
    (tmp_path / "boards/retired.json").write_text("{}")
    (tmp_path / "rules/alerts").mkdir()
    (tmp_path / "rules/alerts/retired.yaml").write_text("groups: []")
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", script],
        env={"PATH": programs, PUBLIC_URL: "https://roadworthy.example.org"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.stem for path in (tmp_path / "boards").iterdir()} == set(BOARDS)
    files = [path for path in (tmp_path / "rules").rglob("*") if path.is_file()]
    assert (tmp_path / "rules/recording.yaml") in files
    assert "retired.yaml" not in {path.name for path in files}
    alerts = [path for path in files if path.parent.name == "alerts"]
    assert len(alerts) == 4
    for path in alerts:
        assert "https://roadworthy.example.org/runbooks/" in path.read_text("utf-8")


def test_the_folder_above_brings_up_the_same(compose: dict[str, Any], deploy: Path) -> None:
    above = yaml.safe_load((deploy / "compose.yaml").read_text("utf-8"))
    assert above == {"name": compose["name"], "include": ["compose/compose.yaml"]}


def test_whatever_runs_says_whether_it_works(compose: dict[str, Any]) -> None:
    """What `up --wait` waits for: each that stays has a healthcheck, each other runs once."""
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) is (service["restart"] != "no"), name


def test_volumes_and_mounted_files_are_there(compose: dict[str, Any], deploy: Path) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (deploy / "compose" / source).exists(), source
            else:
                assert source in compose["volumes"]


def test_images_are_pinned(compose: dict[str, Any], deploy: Path) -> None:
    for name in ("prometheus", "alertmanager", "grafana"):
        assert re.search(r":v?\d+\.\d+\.\d+$", compose["services"][name]["image"])
    for line in (deploy / "compose/Containerfile").read_text("utf-8").splitlines():
        if line.startswith("FROM"):
            assert re.search(r":\d+\.\d+-", line)


def test_the_image_copies_what_is_there_and_installs_by_hash(deploy: Path) -> None:
    text = (deploy / "compose/Containerfile").read_text("utf-8")
    root = deploy.parent
    sources = [
        line.split()[1] for line in text.splitlines() if line.startswith("COPY") and "--from" not in line
    ]
    assert sources
    kept = (deploy / "compose/Containerfile.dockerignore").read_text("utf-8").splitlines()
    for source in sources:
        assert (root / source).exists(), source
        assert f"!{source}" in kept
    assert "--require-hashes -r requirements.lock" in text


def test_compose_scrapes_as_a_server_of_ones_own_does(deploy: Path) -> None:
    """The two files differ in their addresses and their first comment, and in nothing else."""
    server = yaml.safe_load((deploy / "prometheus/prometheus.yml").read_text("utf-8"))
    here = (deploy / "compose/prometheus.yml").read_text("utf-8")
    here = here.replace("collector:8470", "127.0.0.1:8470").replace("alertmanager:9093", "127.0.0.1:9093")
    assert (
        yaml.safe_load(here.replace("/secrets/scrape-token", "/etc/prometheus/roadworthy-scrape-token"))
        == server
    )


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("path", ["prometheus/prometheus.yml", "compose/prometheus.yml"])
def test_promtool_accepts_the_configuration(deploy: Path, tmp_path: Path, path: str) -> None:
    """Promtool wants the token's file to exist, so it gets one."""
    token = tmp_path / "scrape-token"
    token.write_text("rws1_0_0\n")
    text = (deploy / path).read_text("utf-8")
    config = tmp_path / "prometheus.yml"
    config.write_text(re.sub(r"credentials_file: \S+", f"credentials_file: {token}", text))
    done = subprocess.run(
        ["promtool", "check", "config", config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_sample_settings_are_accepted(deploy: Path) -> None:
    from roadworthy_agent.settings import load as load_agent
    from roadworthy_collector.settings import load as load_collector

    assert load_collector(deploy / "systemd/collector.toml").data == Path("/var/lib/roadworthy")
    assert load_agent(deploy / "systemd/agent.toml", environment={}).server == "http://127.0.0.1:8470"
