"""Rules, Prometheus and Alertmanager find each other, in containers and on a server of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from roadworthy_dashboards.rules import RULES

_RULES = "/etc/prometheus/roadworthy"


@pytest.fixture
def services(deploy: Path) -> dict[str, Any]:
    document = yaml.safe_load((deploy / "compose/compose.yaml").read_text("utf-8"))
    found: dict[str, Any] = document["services"]
    return found


@pytest.mark.parametrize(
    "path",
    [
        *("prometheus/prometheus.yml", "prometheus/several.yml"),
        *("compose/prometheus.yml", "compose/prometheus.postgresql.yml"),
    ],
)
def test_prometheus_reads_every_rule_file(deploy: Path, services: dict[str, Any], path: str) -> None:
    config = yaml.safe_load((deploy / path).read_text("utf-8"))
    assert f"rules:{_RULES}:ro" in services["prometheus"]["volumes"]
    found = [
        file for pattern in config["rule_files"] for file in RULES.glob(pattern.removeprefix(f"{_RULES}/"))
    ]
    assert sorted(found) == sorted(RULES.rglob("*.yaml"))
    assert len(found) == 5


def test_prometheus_tells_the_alertmanager_there_is(deploy: Path, services: dict[str, Any]) -> None:
    config = yaml.safe_load((deploy / "compose/prometheus.yml").read_text("utf-8"))
    ((target,),) = (one["targets"] for one in config["alerting"]["alertmanagers"][0]["static_configs"])
    name, port = target.split(":")
    assert services[name]["ports"] == [f"127.0.0.1:${{ALERTMANAGER_PORT:-{port}}}:{port}"]


def test_alertmanager_finds_its_configuration_and_its_templates(
    deploy: Path, services: dict[str, Any]
) -> None:
    service = services["alertmanager"]
    (mounted,) = [one for one in service["volumes"] if one.startswith("../alertmanager:")]
    _, folder, mode = mounted.split(":")
    assert mode == "ro"
    assert f"--config.file={folder}/alertmanager.yml" in service["command"]
    text = (deploy / "alertmanager/alertmanager.yml").read_text("utf-8")
    templates = [len(list((deploy / "alertmanager").glob(one))) for one in yaml.safe_load(text)["templates"]]
    assert templates == [3]
    assert {Path(secret).parent for secret in re.findall(r"_file: (\S+)", text)} == {Path("/secrets")}


def test_the_readme_names_every_secret(deploy: Path) -> None:
    text = (deploy / "alertmanager/alertmanager.yml").read_text("utf-8")
    readme = (deploy / "README.md").read_text("utf-8")
    for secret in set(re.findall(r"_file: /secrets/(\S+)", text)):
        assert f"-{secret}`" in readme or f"roadworthy-{secret}`" in readme
