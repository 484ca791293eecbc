"""What was printed of recorded devices where they were published, against what we read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from devices.replay import folders

from roadworthy_agent.probe import Context, run
from roadworthy_agent.probes import battery, hardware, storage
from roadworthy_agent.report import to_wire

PUBLISHED = "published-facts.json"
WITH_VALUES = [pytest.param(folder, id=folder.name) for folder in folders() if (folder / PUBLISHED).exists()]


def values(folder: Path, kind: str) -> Any:
    published: dict[str, Any] = json.loads((folder / PUBLISHED).read_text(encoding="utf-8"))
    if kind not in published:
        pytest.skip(f"its sources print nothing of its {kind}")
    return published[kind]


def having(kind: str) -> list[Any]:
    return [
        param for param in WITH_VALUES if kind in json.loads((param.values[0] / PUBLISHED).read_text("utf-8"))
    ]


def found(folder: Path, probe: Any) -> Any:
    return to_wire(run(probe, Context.recorded(folder / "root")).value)


def test_there_are_machines_with_published_values() -> None:
    assert len(WITH_VALUES) >= 6


@pytest.mark.parametrize("folder", having("hardware"))
def test_the_hardware_is_what_was_printed(folder: Path) -> None:
    printed = values(folder, "hardware")
    facts = found(folder, hardware)["facts"]
    modules, processor = printed.pop("modules"), printed.pop("cpu")
    assert {name: facts.get(name) for name in printed} == printed
    assert {name: facts["cpu"].get(name) for name in processor} == processor
    assert facts["memory"]["modules"] == modules


@pytest.mark.parametrize("folder", having("storage"))
def test_the_disks_are_what_was_printed(folder: Path) -> None:
    printed = values(folder, "storage")
    disks = {disk["name"]: disk for disk in found(folder, storage)["disks"]}
    for name, expected in printed.items():
        assert {key: disks[name].get(key) for key in expected} == expected


@pytest.mark.parametrize("folder", having("battery"))
def test_the_batteries_are_what_was_printed(folder: Path) -> None:
    printed = values(folder, "battery")
    batteries = found(folder, battery)
    assert len(batteries) == len(printed)
    for ours, expected in zip(batteries, printed, strict=True):
        assert {key: ours.get(key) for key in expected} == expected
