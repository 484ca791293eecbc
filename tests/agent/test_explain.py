"""`explain` and the page for staff say all that is sent: each field of recorded reports has its words in both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devices.replay import folders

from roadworthy_agent.explain import explain
from roadworthy_agent.probe import Context
from roadworthy_agent.probes import PROBES
from roadworthy_agent.show import Style

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/what-your-device-sends.md"
REPORTS = ROOT / "tests/contract/reports"

# field, or the beginning of several -> words that stand in `explain` and on the page
WORDS = {
    "schema_version": "number and time of the report",
    "seq": "number and time of the report",
    "sent_at": "number and time of the report",
    "device_id": "random device id",
    "instance": "random number",
    "boot_id": "boot id",
    "agent.version": "version",
    "agent.platform": "platform",
    "agent.started_at": "when it started",
    "agent.rss_bytes": "memory",
    "agent.cpu_seconds": "processor seconds",
    "agent.spool_": "size of its spool",
    "agent.quarantined_items": "quarantine",
    "agent.thinned_samples": "gave up",
    "agent.clock_offset_seconds": "clock offset",
    "probes.": "what could not be measured",
    "facts.hostname": "host name",
    "facts.fingerprint": "SHA-256",
    "facts.os.family": "operating system",
    "facts.os.id": "operating system",
    "facts.os.name": "name",
    "facts.os.version": "version",
    "facts.os.build": "build",
    "facts.os.architecture": "architecture",
    "facts.os.kernel": "kernel",
    "facts.os.source": "source",
    "facts.hardware.vendor": "maker",
    "facts.hardware.model": "model",
    "facts.hardware.family": "family",
    "facts.hardware.sku": "SKU",
    "facts.hardware.serial": "serial number",
    "facts.hardware.asset_tag": "asset tag",
    "facts.hardware.chassis_type": "chassis type",
    "facts.hardware.bios_": "firmware version and date",
    "facts.hardware.environment": "virtual machine or a container",
    "facts.hardware.cpu.": "processor",
    "facts.hardware.memory.": "memory modules",
    "facts.hardware.source": "source",
    "facts.storage.name": "kernel name",
    "facts.storage.model": "model",
    "facts.storage.size_bytes": "size",
    "facts.storage.medium": "kind",
    "facts.storage.bus": "bus",
    "facts.storage.removable": "removable",
    "facts.storage.holds_system": "holds the system",
    "facts.storage.source": "source",
    "now.uptime_seconds": "how long the device has been up",
    "now.": "processor and",
    "periods.": "processor and",
    "startups.": "start-up",
    "gaps.": "asleep",
}


def fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all leaves; lists do not count."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from fields(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, path)
    else:
        yield path


def sent() -> set[str]:
    """Return every field the agent is known to send, from recorded reports and recorded devices."""
    found: set[str] = set()
    for report in REPORTS.glob("agent-*.json"):
        found |= set(fields(json.loads(report.read_text("utf-8"))))
    for folder in folders():
        probes = json.loads((folder / "expected.json").read_text("utf-8"))
        facts = {
            "os": probes["os"]["value"],
            "hardware": (probes["hardware"]["value"] or {}).get("facts"),
            "storage": (probes["storage"]["value"] or {}).get("disks"),
        }
        found |= set(fields({"facts": {name: value for name, value in facts.items() if value}}))
    return found


def test_there_is_something_to_explain() -> None:
    assert len(sent()) > 80


@pytest.mark.parametrize("where", ["explain", "page"])
def test_every_field_that_is_sent_is_explained(where: str) -> None:
    text = PAGE.read_text("utf-8") if where == "page" else explain(PROBES, Context(), Style())
    plain = " ".join(text.split()).casefold()
    for field in sorted(sent()):
        words = next((words for name, words in WORDS.items() if field.startswith(name)), None)
        assert words is not None, f"{field} is sent, and nobody has said so: explain it first"
        assert words.casefold() in plain, f"{field}: {where} does not say {words!r}"
