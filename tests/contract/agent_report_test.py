"""The agent writes what docs/wire/report-v1.schema.json says, and the recorded reports are what it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from agent.devices import TEN, Device, ManualClock, ScriptedCollector
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from roadworthy_agent import facts, startups
from roadworthy_agent import report as wire
from roadworthy_agent.cli import main
from roadworthy_agent.report import to_json, to_wire

REPOSITORY = Path(__file__).parents[2]
REPORTS = sorted((Path(__file__).parent / "reports").glob("agent-*.json"))


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((REPOSITORY / "docs/wire/report-v1.schema.json").read_text())
    return loaded


def faults(report: Any) -> list[str]:
    found = Draft202012Validator(schema()).iter_errors(report)
    return [f"{error.json_path}: {error.message}" for error in found] + list(unknown(report, schema(), "$"))


def unknown(value: Any, rule: dict[str, Any], where: str) -> list[str]:
    """Return the fields the schema does not name: readers ignore them, the agent must not write them."""
    rule = resolved(rule)
    if isinstance(value, list):
        return [fault for item in value for fault in unknown(item, rule.get("items", {}), where + "[]")]
    if not isinstance(value, dict) or "additionalProperties" in rule:
        return []
    named = rule.get("properties", {})
    faults = [f"{where}.{name}: not in the schema" for name in value if name not in named]
    return faults + [
        fault
        for name, item in value.items()
        if name in named
        for fault in unknown(item, named[name], f"{where}.{name}")
    ]


def resolved(rule: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in rule:
        target: dict[str, Any] = schema()["$defs"][rule["$ref"].rpartition("/")[2]]
        return target
    for choice in rule.get("oneOf", ()):
        if choice.get("type") != "null":
            return resolved(choice)
    return rule


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_recorded_report_is_as_the_schema_says(path: Path) -> None:
    assert faults(json.loads(path.read_text())) == []


def test_there_are_recorded_reports() -> None:
    assert {path.stem for path in REPORTS} >= {
        "agent-linux-vm",
        "agent-linux-container",
        "agent-linux-history",
        "agent-linux-light",
    }


def test_this_machine_s_report_is_as_the_schema_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(tmp_path / "state"))
    assert main(["once", "--json"]) == 0
    assert faults(json.loads(capsys.readouterr().out)) == []


@pytest.fixture
def collector() -> Iterator[ScriptedCollector]:
    made = ScriptedCollector()
    yield made
    made.close()


def test_every_report_of_a_device_s_life_is_as_the_schema_says(
    tmp_path: Path, collector: ScriptedCollector
) -> None:
    """Through suspends, restarts, a wrong clock and a full spool."""
    clock = ManualClock(wrong_by=-float(TEN))
    device = Device(clock, tmp_path / "state", server=collector.url, max_bytes=262_144, interval=5.0)
    device.recorder.begin()
    device.enrolled()
    collector.now = lambda: device.clock.true
    device.observations.look(device.probes)
    startups.keep(device.spool, device.observations.startups(), 100.0)
    for number in range(4):
        device.measure(7200, cpu=None if number == 1 else 0.3)
        device.clock.suspend(4000)
        device.measure(20)
        device.spool.thin()
        device.delivery.call()
        device.clock.restart(f"boot-{number + 2}", 5000)
        device.clock.run(900)
        device.restart_agent()
        device.observations.look(device.probes)
    device.delivery.call()
    reports = collector.reports()
    assert [fault for report in reports for fault in faults(report)] == []
    for kind in ("periods", "startups", "gaps", "now", "facts", "probes"):
        assert any(kind in report for report in reports), kind
    keys = [gap["from"] for report in reports for gap in report.get("gaps", ())]
    assert len(keys) == len(set(keys))
    device.close()


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        (wire.Report, ()),
        (wire.Agent, ("agent",)),
        (wire.ProbeStatus, ("probe",)),
        (facts.Facts, ("facts",)),
        (wire.Use, ("use",)),
        (wire.StateSeconds, ("state_seconds",)),
        (wire.Energy, ("energy",)),
        (wire.BatteryUse, ("battery_use",)),
        (wire.Period, ("period",)),
        (wire.Day, ("day",)),
        (wire.Now, ("now",)),
        (wire.Phase, ("phase",)),
        (wire.Factor, ("factor",)),
        (wire.Startup, ("startup",)),
        (wire.Gap, ("gap",)),
    ],
)
def test_the_dataclasses_name_what_the_schema_names(type_: type, path: tuple[str, ...]) -> None:
    rule = schema()["$defs"][path[0]] if path else schema()
    names = {{"begin": "from", "end": "to"}.get(part.name, part.name) for part in fields(type_)}
    if type_ is not wire.Gap:
        names = {part.name for part in fields(type_)}
    asked_over_the_network = {
        "outlets",
        "readings",
        "flags",
    }  # told by the collector's poller, never by an agent
    assert names == set(rule["properties"]) - asked_over_the_network
    assert set(rule.get("required", ())) <= names


def facts_of(type_: Any) -> st.SearchStrategy[Any]:
    """Return any value of a dataclass of facts, texts and numbers of any size among them."""
    hints = get_type_hints(type_)
    return st.builds(type_, **{part.name: value_of(hints[part.name]) for part in fields(type_)})


def value_of(hint: Any) -> st.SearchStrategy[Any]:
    if is_dataclass(hint):
        return facts_of(hint)
    plain = {
        str: st.text(max_size=400),
        bool: st.booleans(),
        int: st.integers(0, 2**40),
        float: st.floats(0, 1),  # amounts and ratios alike; what a ratio may exceed is its probe's test
    }
    if hint in plain:
        return plain[hint]
    if hint is type(None):
        return st.none()
    if getattr(hint, "__origin__", None) is tuple:
        return st.lists(value_of(get_args(hint)[0]), max_size=3).map(tuple)
    return st.one_of([value_of(choice) for choice in get_args(hint)])


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (facts.OsFacts, "os"),
        (facts.Cpu, "cpu"),
        (facts.Memory, "memory"),
        (facts.Disk, "storage"),
        (facts.Battery, "battery"),
    ],
)
def test_facts_of_any_size_fit_the_schema(type_: type, name: str) -> None:
    rules = schema()["$defs"]["facts"]["properties"]
    rules |= {part: rules["hardware"]["properties"][part] for part in ("cpu", "memory")}
    rule = rules[name]["items"] if name in {"storage", "battery"} else rules[name]
    validator = Draft202012Validator(rule | {"$defs": schema()["$defs"]})

    @given(facts_of(type_))
    def holds(value: Any) -> None:
        written = json.loads(to_json(to_wire(value)))
        assert [error.message for error in validator.iter_errors(written)] == []

    holds()
