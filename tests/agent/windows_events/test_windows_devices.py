"""Recorded Windows devices: held against what was published, and recorded again without people."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from agent.windows_events.events import at, xml
from agent.windows_events.test_windows_signins import chain
from devices.replay import DEVICES as FOLDERS
from devices.replay import folders

from roadworthy_agent.probe import Context, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.signin import windows as signin
from roadworthy_agent.probes.signin.windows_log import ALL_QUESTIONS
from roadworthy_agent.probes.startup import windows as startup
from roadworthy_agent.probes.startup.windows_log import BOOT_FIELDS, Question
from roadworthy_agent.report import to_wire
from roadworthy_agent.windows.event import TICKS, parse_event, parse_events

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs/wire/report-v1.schema.json").read_text(encoding="utf-8")
)
DEVICES = [
    pytest.param(folder, id=folder.name)
    for folder in folders()
    if (folder / "published-starts.json").exists()
]
FACTS_AND_EVENTS = FOLDERS / "windows-11_dell-latitude-5490"
DESKTOP = FOLDERS / "windows-11_desktop-26200"
PEOPLE = ("jsmith", "HQ-LT", "HQ-DT", "HQ-SV", "S-1-5-21", "AppData")


def published(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "published-starts.json").read_text(encoding="utf-8"))
    return facts


def start_ups(folder: Path) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = to_wire(startup.collect(Context.recorded(folder / "root")).value)
    return records


def agrees(record: dict[str, Any], facts: dict[str, Any]) -> None:
    for name in ("kind", "quality", "attended"):
        if name in facts:
            assert record.get(name) == facts[name], name
    for name in ("total_seconds", "usable_seconds", "shutdown_seconds"):
        if name in facts:
            assert record[name] == pytest.approx(facts[name], abs=1e-3), name
    phases = {phase["name"]: phase["seconds"] for phase in record.get("phases", ())}
    for name, seconds in facts.get("phases", {}).items():
        assert phases[name] == pytest.approx(seconds, abs=1e-3), name
    blamed = {
        each["name"]: [each.get("seconds"), each.get("degradation_seconds")]
        for each in record.get("factors", ())
    }
    assert facts.get("factors", {}).items() <= blamed.items()
    assert facts.get("reason", "") in record.get("reason", "")


def test_there_are_windows_devices() -> None:
    assert len(DEVICES) >= 8


@pytest.mark.parametrize("folder", DEVICES)
def test_a_device_gives_the_published_figures(folder: Path) -> None:
    facts, records = published(folder), start_ups(folder)
    agrees(records[0], facts["startup"])
    if "wake" in facts:
        agrees(records[1], facts["wake"])
    if "signin" in facts:
        (record,) = to_wire(signin.collect(Context.recorded(folder / "root")).value)
        agrees(record, facts["signin"])


def test_one_device_holds_facts_and_events_that_belong_to_each_other() -> None:
    context = Context.recorded(FACTS_AND_EVENTS / "root")
    found = {name: run(PROBES[name], context) for name in PROBES}
    assert {name: str(each.status) for name, each in found.items()} == dict.fromkeys(PROBES, "ok")
    (start,), (signed_in,) = found["startup"].value, found["signin"].value
    assert signed_in.start_id == start.start_id
    assert {each.kind for each in start.factors} == {"driver", "policy", "profile"}
    policy = {each.name: each for each in start.factors if each.kind == "policy"}
    assert set(policy) == {"machine policy", "Security", "Registry"}  # the sign-in's drive maps are its own
    lead = sum(phase.seconds for phase in start.phases if phase.name in {"firmware", "loader"})
    published = 16.309896 + 0.470725  # GroupPolicy 4000 after event 100's start, and that after the kernel's
    assert policy["machine policy"].began_seconds == pytest.approx(lead + published)


def test_event_100_is_asked_for_every_field_a_published_one_has() -> None:
    text = (DESKTOP / f"root/roadworthy/events/{startup.PERFORMANCE.replace('/', '%2F')}.xml").read_text(
        "utf-8"
    )
    (event,) = (each for each in parse_events(re.findall(r"<Event .*?</Event>", text)) if each.id == 100)
    assert set(event.data) == set(BOOT_FIELDS)
    assert len(BOOT_FIELDS) == 44
    (recorded_,) = (
        each
        for each in parse_events(
            re.findall(
                r"<Event .*?</Event>",
                startup.record(Context.recorded(DESKTOP / "root"))[
                    f"roadworthy/events/startup/{startup.PERFORMANCE.replace('/', '%2F')}.xml"
                ].decode(),
            )
        )
        if each.id == 100
    )
    assert dict(recorded_.data) == dict(event.data)


@pytest.mark.parametrize("folder", DEVICES)
def test_the_headline_is_the_sum_of_the_counted_phases(folder: Path) -> None:
    for record in start_ups(folder):
        counted = sum(phase["seconds"] for phase in record.get("phases", ()) if phase["counted"])
        assert "total_seconds" not in record or record["total_seconds"] == pytest.approx(counted, abs=1e-6)


@pytest.mark.parametrize("folder", DEVICES)
def test_the_records_fit_the_wire_contract(folder: Path) -> None:
    context = Context.recorded(folder / "root")
    started = [record | {"revision": 1, "started_at": 1_700_000_000} for record in start_ups(folder)]
    signed_in = [
        record | {"revision": 1, "signin_id": "x", "day": 86_400}
        for record in to_wire(signin.collect(context).value)
    ]
    for record in (*started, *signed_in):
        record.pop("began_boottime_seconds")
        record.pop("key", None)
    report = {
        "schema_version": "1.0", "device_id": "rwd_" + "0" * 32, "instance": "0" * 16, "seq": 1, "boot_id": "b",
        "sent_at": 1, "agent": {"version": "0", "platform": "win32"}, "startups": started, "signins": signed_in,
    }  # fmt: skip
    jsonschema.Draft202012Validator(SCHEMA).validate(report)


@pytest.mark.parametrize("folder", DEVICES)
def test_what_is_sent_names_nobody(folder: Path) -> None:
    context = replace(Context.recorded(folder / "root"), allow=frozenset())
    sent = json.dumps([to_wire(startup.collect(context).value), to_wire(signin.collect(context).value)])
    assert [word for word in (*PEOPLE, "brisk-app", "Mathworks") if word.casefold() in sent.casefold()] == []


@pytest.mark.parametrize(
    "allow", [frozenset({"application_names"}), frozenset()], ids=["names", "categories"]
)
@pytest.mark.parametrize("folder", DEVICES)
def test_a_recording_gives_the_same_records_and_names_nobody(
    folder: Path, allow: frozenset[str], tmp_path: Path
) -> None:
    context = replace(Context.recorded(folder / "root"), allow=allow)
    again = recorded(context, tmp_path)
    assert startup.collect(again).value == startup.collect(context).value
    assert signin.collect(again).value == signin.collect(context).value
    text = "".join(each.read_text("utf-8") for each in tmp_path.rglob("*.xml"))
    assert not {"brisk-app", "MathworksServiceHost"} & set(re.findall(r"[\w-]+", text)) or allow


EVERY_NAME = r"C:\Users\jsmith\HQ-LT-0042\jsmith.exe"


@pytest.mark.parametrize(
    "allow", [frozenset({"application_names"}), frozenset()], ids=["names", "categories"]
)
def test_whatever_is_planted_in_events_is_not_in_a_recording(allow: frozenset[str], tmp_path: Path) -> None:
    planted = {name: EVERY_NAME for question in ALL_QUESTIONS for name in question.names} | {
        "SSID": "jsmith-home"
    }
    events = Events([*startup.QUESTIONS, *ALL_QUESTIONS], planted)
    written = recorded(
        replace(Context.recorded(events.write(tmp_path / "planted")), allow=allow), tmp_path / "again"
    )
    for file in written.root.rglob("*"):
        if file.is_file():
            assert leaked(file.read_bytes()) == [], file.name


@pytest.mark.parametrize(
    "allow", [frozenset({"application_names"}), frozenset()], ids=["names", "categories"]
)
def test_a_recorded_sign_in_reads_back_the_same(allow: frozenset[str], tmp_path: Path) -> None:
    root = tmp_path / "device"
    folder = root / "roadworthy/events"
    folder.mkdir(parents=True)
    (root / "roadworthy/platform").write_text("windows\n")
    clock = {"boot_id": "b", "boottime_seconds": 1200.0, "wall": at("2026-08-18T13:47:34Z") / TICKS}
    (root / "roadworthy/clock.json").write_text(json.dumps(clock))
    for channel, texts in by_channel(chain()).items():
        (folder / f"{channel.replace('/', '%2F')}.xml").write_text(f"<Events>{''.join(texts)}</Events>")
    context = replace(Context.recorded(root), allow=allow)
    (record,) = signin.collect(context).value or ()
    assert len(record.factors) == 5
    assert signin.collect(recorded(context, tmp_path / "again")).value == (record,)


def by_channel(texts: Sequence[str]) -> dict[str, list[str]]:
    """Put events into the channels that are asked for them."""
    found: dict[str, list[str]] = {question.channel: [] for question in ALL_QUESTIONS}
    for text in texts:
        event = parse_event(text)
        assert event is not None
        for question in ALL_QUESTIONS:
            if question.provider == event.provider and event.id in question.ids:
                found[question.channel].append(text)
    return found


class Events:
    """A tree in which each event that is asked for carries the same data."""

    def __init__(self, questions: Sequence[Question], data: dict[str, str]) -> None:
        self._questions, self._data = questions, data

    def write(self, root: Path) -> Path:
        folder = root / "roadworthy/events"
        folder.mkdir(parents=True)
        (root / "roadworthy/platform").write_text("windows\n")
        profiles = {rf"{startup.PROFILE_LIST}\S-1-5-21-1": {"ProfileImagePath": r"C:\Users\jsmith"}}
        host = {startup.COMPUTER_NAME: {"ComputerName": "HQ-LT-0042"}}
        (root / "roadworthy/registry.json").write_text(json.dumps(profiles | host))
        for channel in {question.channel for question in self._questions}:
            texts = [
                xml(question.provider, number, at("2026-08-16T22:28:43Z"), self._data)
                for question in self._questions
                if question.channel == channel
                for number in question.ids
            ]
            (folder / f"{channel.replace('/', '%2F')}.xml").write_text(f"<Events>{''.join(texts)}</Events>")
        return root


def recorded(context: Context, root: Path) -> Context:
    """Record a device below `root` and return the context of the recording."""
    # What is no probe's own: the platform, the clock and when the device was last seen
    (root / "roadworthy").mkdir(parents=True, exist_ok=True)
    for name in ("platform", "clock.json", "last_seen_at"):
        source = context.root / "roadworthy" / name
        if source.exists():
            (root / "roadworthy" / name).write_bytes(source.read_bytes())
    for path, content in (startup.record(context) | signin.record(context)).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        assert leaked(content) == [], path
    return Context.recorded(root)


def leaked(content: bytes) -> list[str]:
    return [
        word
        for word in PEOPLE
        for encoding in ("utf-8", "utf-16-le")
        if word.casefold().encode(encoding) in content.lower()
    ]
