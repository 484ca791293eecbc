"""The table of docs/probes/recorded-devices.md that says what is checked against others' figures, and by which test.

`python tests/agent/test_recorded_devices_page.py` writes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/probes/recorded-devices.md"
DEVICES = ROOT / "tests/devices"
BEGIN, END = "<!-- independent values: begin -->\n", "<!-- independent values: end -->\n"
HEAD = "| device | checked | against | by |\n|---|---|---|---|\n"
PROBES = "tests/agent/probes"
WINDOWS = "tests/agent/windows/test_probes.py"

# name of a published file -> the test that reads it; one of JSON tells what it holds itself
TESTS = {
    "published.txt": f"{PROBES}/test_devices.py",
    "published-facts.json": f"{PROBES}/test_hardware_published.py",
    "published-power.json": f"{PROBES}/test_power.py",
    "published-power.txt": f"{PROBES}/test_power.py",
    "published-power.prom": f"{PROBES}/test_power.py",
    "published.json": "tests/agent/macos/test_devices.py",
    "published-starts.json": "tests/agent/windows_events/test_windows_devices.py",
}
# What a published text is: (what is checked, who printed it)
TEXTS = {
    "published.txt": ("startup: phases, total", "the line systemd-analyze printed"),
    "lenovo_thinkpad-power-bridge/published-power.txt": ("power: discharge", "lines of a bug report"),
    "server_acpi-power-meter/published-power.txt": ("power: machine", "what sensors printed"),
    "server_dcmi/published-power.txt": ("power: machine", "what ipmitool printed"),
    "node_exporter_fixtures/published-power.prom": (
        "power: counters, hwmon, batteries", "node_exporter's expected metrics",
    ),
}  # fmt: skip
# Windows on a machine that was published under Linux: (the folder of that, what is checked)
SAME_MACHINE = {
    "windows-11_dell-latitude-5490": ("dell_latitude-5490", "hardware: texts, cpu, modules, monitors; storage: health"),
    "windows-10-ltsc_dell-optiplex-7440-aio": ("dell_optiplex-7440-aio", "hardware: texts, cpu, modules; storage: health"),
    "windows-server-2022_vmware-guest": ("vmware_centos-7", "hardware: texts, cpu, modules"),
}  # fmt: skip
NOTHING = "| `{device}` | nothing: no figures of others were published | its own `expected.json`, read by a person | `tests/agent/probes/test_devices.py` |"


def row(device: str, checked: str, against: str, by: str) -> str:
    return f"| `{device}` | {checked} | {against} | `{by}` |"


def fields(published: Any) -> str:
    """Return what a published JSON holds, in the words of the wire."""
    parts = []
    for name, value in published.items():
        if not value:
            parts.append(f"{name}: that there is none")
            continue
        held = value[0] if isinstance(value, list) else value
        if not isinstance(held, dict):
            parts.append(f"power: {name}")
            continue
        if all(isinstance(each, dict) for each in held.values()):  # disk by disk
            held = next(iter(held.values()))
        parts.append(f"{name}: {', '.join(held)}")
    return "; ".join(parts)


def rows() -> list[str]:
    """Return one row for each published file, and one for each device without any."""
    found = []
    for folder in sorted(each.parent for each in DEVICES.glob("*/SOURCE.md")):
        device, mine = folder.name, []
        for path in sorted(folder.glob("published*")):
            test = TESTS[path.name]
            if path.suffix == ".json":
                mine.append(row(device, fields(json.loads(path.read_text("utf-8"))), f"`{path.name}`", test))
                continue
            checked, printed = TEXTS.get(f"{device}/{path.name}") or TEXTS[path.name]
            mine.append(row(device, checked, f"`{path.name}`: {printed}", test))
        if device in SAME_MACHINE:
            other, checked = SAME_MACHINE[device]
            mine.append(row(device, checked, f"`{other}/published-facts.json`", WINDOWS))
        found += mine or [NOTHING.format(device=device)]
    return found


def table() -> str:
    return BEGIN + HEAD + "".join(f"{each}\n" for each in rows()) + END


def test_the_table_is_what_the_folders_hold() -> None:
    assert table() in PAGE.read_text("utf-8"), (
        "python tests/agent/test_recorded_devices_page.py writes it anew"
    )


@pytest.mark.parametrize(
    "path", sorted(DEVICES.glob("*/published*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_the_named_test_reads_the_published_file(path: Path) -> None:
    text = (ROOT / TESTS[path.name]).read_text("utf-8")
    assert path.name in text
    chosen = 'glob("*/' in text or "folders()" in text or ".exists()" in text or "having(" in text
    assert chosen or path.parent.name in text  # by what the folder holds, or by name


def test_windows_is_held_to_the_machine_published_under_linux() -> None:
    text = (ROOT / WINDOWS).read_text("utf-8")
    for device, (other, _checked) in SAME_MACHINE.items():
        assert f'("{device}", "{other}")' in text


if __name__ == "__main__":
    before = PAGE.read_text("utf-8")
    start, _, rest = before.partition(BEGIN)
    PAGE.write_text(start + table() + rest.partition(END)[2], encoding="utf-8")
