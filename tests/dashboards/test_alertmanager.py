"""A real Prometheus and a real Alertmanager with the shipped rules and routes: who is told what, and how often."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import wait_until
from support.alerting import AUDIENCES, DEPLOY, Alerting, alerting, manager_alone

from roadworthy_dashboards.labels import labels_of
from roadworthy_dashboards.lint.known import load_known
from roadworthy_dashboards.lint.rule_files import read_rules
from roadworthy_dashboards.promql import parse
from roadworthy_dashboards.rules import RULES, rule_files

CONFIG = DEPLOY / "alertmanager/alertmanager.yml"
OLD_PCS = 5000
ODD = "Fire & <b>Rescue</b>"
# What a rule of somebody's own might be: an alert for each device. Ours are by site already.
EXTRA = """
groups:
  - name: own
    interval: 1m
    rules:
      - alert: OwnOldPc
        expr: test_old_pc == 1
        for: 1h
        labels:
          severity: warning
          audience: replacement
        annotations:
          summary: Old PCs
          description: "{{ $labels.device }} is old."
"""


def estate() -> str:
    """Return what a collector of two sites with 5,000 old PCs, and some faults, would tell."""
    now = time.time()
    lines = [
        f'roadworthy_site_support_devices{{site="North",status="ended"}} {OLD_PCS}',
        f'roadworthy_site_support_devices{{site="{ODD}",status="ended"}} 300',
        'roadworthy_site_support_devices{site="South",status="ended"} 0',
        'roadworthy_site_support_devices{site="unknown",status="ended"} 1',
        'roadworthy_site_undeployed_reporting_devices{site="North",state="lost_or_stolen"} 1',
        'roadworthy_site_undeployed_reporting_devices{site="North",state="disposed"} 2',
        'roadworthy_site_avoidable_joules{site="North",kind="sleep_fails"} 720000000',
        'roadworthy_site_devices_above_meter_periods{site="North"} 12',
        f'roadworthy_certificate_end_timestamp_seconds{{certificate="collector"}} {now + 3 * 86400}',
        "roadworthy_relay_waiting_bytes 950",
        "roadworthy_relay_waiting_limit_bytes 1000",
        "roadworthy_relay_oldest_waiting_seconds 90000",
        f"roadworthy_fleet_snapshot_timestamp_seconds {now}",
    ]
    lines += [
        f'test_old_pc{{site="{"North" if number % 2 else "South"}",device="{number}"}} 1'
        for number in range(OLD_PCS)
    ]
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerting]:
    """Both are up, everybody was told, and a silent site was handed in while no collector serves."""
    with alerting(
        tmp_path_factory.mktemp("alerting"), estate(), EXTRA, dead_job="roadworthy-serve"
    ) as started:
        told = started.told
        wait_until(
            lambda: [
                one for one in started.alerts() if one["labels"]["alertname"] == "RoadworthyAllCollectorsDown"
            ],
            timeout=60,
            what="the collectors that are down",
        )
        silent = {"audience": "desktop_support", "severity": "warning", "site": "North"}
        started.post(
            {"alertname": "RoadworthyDevicesSilent", **silent}, {"alertname": "NotInhibited", **silent}
        )
        expected = Counter(
            RoadworthySupportEnded=3,
            OwnOldPc=2,
            RoadworthyUndeployedDeviceReporting=2,
            RoadworthySleepFails=1,
            RoadworthyDevicesAboveMeter=1,
            RoadworthyCertificateEnding=1,
            RoadworthyAllCollectorsDown=1,
            RoadworthyRelayNearLimit=1,
            NotInhibited=1,
        )
        wait_until(
            lambda: all(len(told.of(name)) >= count for name, count in expected.items()),
            timeout=90,
            what=f"webhooks; so far {Counter(one['groupLabels']['alertname'] for _, one in told.hooks)}",
        )
        wait_until(lambda: len(told.mails) >= len(told.hooks), timeout=60, what="as many mails")
        yield started


REAL = pytest.mark.needs("prometheus", "alertmanager")


@REAL
def test_5000_old_pcs_are_one_notification_for_each_site(running: Alerting) -> None:
    by_site = {
        payload["groupLabels"]["site"]: payload for _, payload in running.told.of("RoadworthySupportEnded")
    }
    assert (
        len(running.told.of("RoadworthySupportEnded")) == len(by_site) == 3
    )  # none for South, which has none
    (alert,) = by_site["North"]["alerts"]
    assert "no security updates any more: 5000." in alert["annotations"]["description"]
    assert alert["annotations"]["runbook_url"].endswith("/RoadworthySupportEnded.md")


@REAL
def test_alerts_for_each_device_are_one_notification_for_each_site_too(running: Alerting) -> None:
    found = [
        (payload["groupLabels"]["site"], len(payload["alerts"])) for _, payload in running.told.of("OwnOldPc")
    ]
    assert sorted(found) == [("North", OLD_PCS // 2), ("South", OLD_PCS // 2)]


@REAL
def test_each_audience_is_told_its_own(running: Alerting) -> None:
    audience_of: dict[str, str] = {"OwnOldPc": "replacement", "NotInhibited": "desktop_support"}
    for text in rule_files().values():
        for group in yaml.safe_load(text)["groups"]:
            audience_of |= {
                rule["alert"]: rule["labels"]["audience"] for rule in group["rules"] if "alert" in rule
            }
    for receiver, payload in running.told.hooks:
        for alert in payload["alerts"]:
            assert receiver.removesuffix("_mail") == audience_of[alert["labels"]["alertname"]]
            assert receiver.endswith("_mail") == (alert["labels"]["severity"] == "info")
    assert {receiver for receiver, _ in running.told.hooks} >= {*AUDIENCES, "desktop_support_mail"}


@REAL
def test_two_states_of_devices_at_a_site_are_told_by_how_bad_they_are(running: Alerting) -> None:
    """A lost device is critical and travels at once; that does not keep the disposed ones quiet."""
    found = running.told.of("RoadworthyUndeployedDeviceReporting")
    assert sorted(payload["commonLabels"]["severity"] for _, payload in found) == ["critical", "warning"]


@REAL
def test_the_worse_is_enough(running: Alerting) -> None:
    (told,) = running.told.of("RoadworthyCertificateEnding")
    assert told[1]["commonLabels"]["severity"] == "critical"
    assert suppressed(running, "RoadworthyCertificateEnding", severity="warning")
    assert suppressed(running, "RoadworthyRelayBehind")
    assert running.told.of("RoadworthyRelayBehind") == []


@REAL
def test_nobody_is_called_silent_while_no_collector_serves(running: Alerting) -> None:
    assert suppressed(running, "RoadworthyDevicesSilent")
    assert running.told.of("RoadworthyDevicesSilent") == []
    assert not suppressed(running, "NotInhibited")
    assert suppressed(running, "RoadworthyCollectorDown")  # all of them are: said once
    assert running.told.of("RoadworthyCollectorDown") == []


@pytest.mark.needs("alertmanager")
def test_what_is_not_the_same_thing_is_not_kept_quiet(tmp_path: Path) -> None:
    """One of several collectors is away; a few devices are due this month; and a control that is kept quiet."""
    critical, warning, info = ({"severity": word} for word in ("critical", "warning", "info"))
    down = {"alertname": "RoadworthyCollectorDown", "job": "roadworthy-serve", "instance": "one:8470"}
    relay = {"alertname": "RoadworthyCollectorDown", "job": "roadworthy-relay", "instance": "custody:8470"}
    support = {"alertname": "RoadworthySupportEnding", "job": "roadworthy", "site": "North"}
    contracts = {"alertname": "RoadworthyContractsEnding", "job": "roadworthy"}
    control = {"alertname": "RoadworthyCertificateEnding", "job": "roadworthy", "certificate": "server"}
    silent = {"job": "roadworthy", "site": "North", **warning}
    with manager_alone(tmp_path) as started:
        started.post(
            {**down, **critical},
            {**relay, **critical},
            {"alertname": "RoadworthyDevicesSilent", **silent},
            {"alertname": "RoadworthySiteFellSilent", **silent},
            *({**support, **critical}, {**support, **warning}),
            *({**contracts, **warning}, {**contracts, **info}),
            *({**control, **critical}, {**control, **warning}),
        )
        wait_until(
            lambda: suppressed(started, "RoadworthyCertificateEnding", **warning),
            what="the control, kept quiet",
        )
        kept = {one["labels"]["alertname"] for one in started.alerts() if one["status"]["inhibitedBy"]}
        assert kept == {"RoadworthyCertificateEnding"}
        # The last that served ends too: now nobody is heard.
        started.post({**critical, "alertname": "RoadworthyAllCollectorsDown", "job": "roadworthy-serve"})
        wait_until(lambda: suppressed(started, "RoadworthyDevicesSilent"), what="the silent site, kept quiet")
        quiet = [one["labels"] for one in started.alerts() if one["status"]["inhibitedBy"]]
        assert {one["job"] for one in quiet if one["alertname"] == down["alertname"]} == {"roadworthy-serve"}
        assert "RoadworthySiteFellSilent" in {one["alertname"] for one in quiet}


@REAL
def test_chat_says_what_it_is_and_where_to_read_on(running: Alerting) -> None:
    def about(name: str) -> list[dict[str, Any]]:
        return [message["attachments"][0] for channel, message in running.told.chats if channel == name]

    wait_until(lambda: len(about("chat-replacement")) == 5, what="five messages about old devices")
    (north,) = [one for one in about("chat-replacement") if "in use - North" in one["title"]]
    assert north["title"] == "[warning] Devices without security updates are in use - North"
    assert "5000" in north["text"]
    (nowhere,) = [one for one in about("chat-replacement") if "no known site" in one["title"]]
    assert nowhere["title"] == "[warning] Devices without security updates are in use - no known site"
    assert "Devices at no known site whose operating system" in nowhere["text"]
    assert north["title_link"].endswith("/RoadworthySupportEnded.md")
    (own,) = [one for one in about("chat-replacement") if one["title"].endswith("South (2500 alerts)")]
    assert own["text"].count("is old.") == 5
    assert "and more (2500 in all)" in own["text"]
    wait_until(lambda: about("chat-operations"), what="a message for operations")
    assert {one["color"] for one in about("chat-operations")} == {"danger"}
    assert not [one for one in about("chat-desktop-support") if "sleep" in one["title"]]  # info is no chat


@REAL
def test_mail_goes_to_the_audience_and_escapes_names(running: Alerting) -> None:
    def mails() -> list[EmailMessage]:
        return [mail for mail in running.told.mails if ODD in str(mail["Subject"])]  # type: ignore[misc] # made with a modern policy

    (mail,) = wait_until(mails, what="a mail about a site with an odd name")
    assert mail["To"] == "it-planning@example.org"
    text, html = (mail.get_body([kind]).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr] # it has both
    assert f"Devices at {ODD} whose operating system" in text
    assert "<b>Rescue" not in html
    assert "Fire &amp; &lt;b&gt;Rescue" in html
    (old,) = [mail for mail in running.told.mails if "South (2500 alerts)" in str(mail["Subject"])]
    body = old.get_body(["plain"]).get_content()  # type: ignore[attr-defined] # made with a modern policy
    assert body.count("is old.") == 20
    assert "Firing: 2500" in body


def suppressed(running: Alerting, name: str, **labels: str) -> bool:
    """Return whether Alertmanager holds such an alert and another keeps it quiet."""

    def found() -> list[dict[str, Any]]:
        return [
            alert
            for alert in running.alerts()
            if {"alertname": name, **labels}.items() <= alert["labels"].items()
        ]

    return all(alert["status"]["inhibitedBy"] for alert in wait_until(found, what=f"{name} at Alertmanager"))


@pytest.mark.needs("alertmanager")
def test_amtool_accepts_the_configuration() -> None:
    done = subprocess.run(["amtool", "check-config", CONFIG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


def test_every_alert_has_a_route_and_every_secret_is_a_file() -> None:
    text = CONFIG.read_text("utf-8")
    config = yaml.safe_load(text)
    assert {route["matchers"][0] for route in config["route"]["routes"]} == {
        f'audience="{audience}"' for audience in AUDIENCES
    }
    assert config["route"]["group_by"] == ["alertname", "site"]
    assert not re.search(r"^\s*(?:api_url|smtp_auth_password|auth_password|url):", text, re.MULTILINE)
    for name in re.findall(r"Roadworthy\w+", text):
        assert any(f"- alert: {name}\n" in rules for rules in rule_files().values()), name


def test_a_worse_severity_keeps_the_other_quiet_of_the_same_thing_only() -> None:
    """Last year's cost share, which is known, says nothing of this year's: every label of the two has to be equal."""
    rules = config_rules()
    severities: dict[str, set[str]] = {}
    for rule in rules:
        severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    known = load_known([group for name in rule_files() for group in read_rules(RULES / name, name).groups])
    labels = {
        label
        for rule in rules
        if len(severities[rule["alert"]]) > 1
        for label in labels_of(parse(rule["expr"]), known.labels_of)[0] or ()
    }
    assert {"site", "certificate", "year"} <= labels
    for inhibited in yaml.safe_load(CONFIG.read_text("utf-8"))["inhibit_rules"][:2]:
        assert set(inhibited["equal"]) >= labels | {"alertname"}
        assert (
            'alertname!~"RoadworthySupportEnding|RoadworthyContractsEnding"' in inhibited["target_matchers"]
        )


def config_rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(text) for text in rule_files().values()]
    found = [rule for document in documents for group in document["groups"] for rule in group["rules"]]
    return [rule for rule in found if "alert" in rule]


def test_a_template_is_there_for_everything_the_configuration_names() -> None:
    made = {
        name
        for path in (CONFIG.parent / "templates").glob("*.tmpl")
        for name in re.findall(r'define "([\w.]+)"', path.read_text("utf-8"))
    }
    assert set(re.findall(r'template "([\w.]+)"', CONFIG.read_text("utf-8"))) <= made


def test_a_date_weeks_ahead_is_not_told_at_night_again_and_again() -> None:
    """What is critical is repeated every four hours until somebody acts; nobody replaces a site today."""
    routes = yaml.safe_load(CONFIG.read_text("utf-8"))["route"]["routes"]
    repeated = {
        route["receiver"]: inner["repeat_interval"]
        for route in routes
        for inner in route["routes"]
        if inner["matchers"] == ['severity="critical"']
    }
    assert repeated == dict.fromkeys(AUDIENCES, "4h") | {"replacement": "1d"}


def test_what_is_repeated_is_remembered_for_as_long() -> None:
    compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text("utf-8"))
    (kept,) = re.findall(
        r"--data\.retention=(\d+)h", " ".join(compose["services"]["alertmanager"]["command"])
    )
    weeks = max(int(found) for found in re.findall(r"repeat_interval: (\d+)w", CONFIG.read_text("utf-8")))
    assert int(kept) >= weeks * 7 * 24
