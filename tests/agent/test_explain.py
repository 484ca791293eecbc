"""`explain` and the page for staff say all that is sent: each field of recorded reports has its words in both."""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from roadworthy_agent.explain import explain, explain_probe, power_lines
from roadworthy_agent.probe import Context
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.platforms import reader
from roadworthy_agent.probes.signin.windows_log import ALL_QUESTIONS as SIGN_IN_QUESTIONS
from roadworthy_agent.probes.startup.windows import QUESTIONS as START_UP_QUESTIONS
from roadworthy_agent.probes.startup.windows import RECORDED_VALUES
from roadworthy_agent.probes.startup.windows_log import Question
from roadworthy_agent.reading import BatteryFlow, Meter, PowerReading, Refusal, Register, Scope
from roadworthy_agent.show import Style
from roadworthy_agent.sources import OTHER, ROOT_STEP, SENT, WHERE, of_probe
from roadworthy_agent.verified import NOT_VERIFIED, is_verified, marked

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/privacy/what-your-device-sends.md"
MATRIX = (ROOT / "docs/probes/README.md").read_text("utf-8")
SCHEMA = json.loads((ROOT / "docs/wire/report-v1.schema.json").read_text("utf-8"))
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
    "facts.os.edition": "edition",
    "facts.os.installation_type": "installation type",
    "facts.os.long_term": "long-term",
    "facts.hardware.tpm_version": "TPM",
    "facts.hardware.secure_boot": "Secure Boot",
    "facts.hardware.boot_mode": "how it starts",
    "facts.hardware.monitors.": "maker, model, year and size",
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
    "facts.storage.firmware": "firmware",
    "facts.storage.wear_ratio": "how worn it is",
    "facts.storage.spare_ratio": "life and spare used",
    "facts.storage.power_on_hours": "hours",
    "facts.storage.media_errors": "errors",
    "facts.storage.reallocated_sectors": "replaced sectors",
    "facts.storage.failing": "whether it says that it fails",
    "facts.storage.health_source": "source",
    "facts.battery.name": "batter",
    "facts.battery.vendor": "maker",
    "facts.battery.model": "model",
    "facts.battery.technology": "technology",
    "facts.battery.design_": "when new",
    "facts.battery.full_": "now",
    "facts.battery.health_ratio": "when new",
    "facts.battery.cycles": "cycles",
    "facts.battery.source": "source",
    "now.uptime_seconds": "how long the device has been up",
    "now.energy.": "by scope",
    "now.state_seconds.": "in use, idle, locked, asleep, off, unobserved",
    "now.": "processor and",
    "periods.energy.": "by scope",
    "periods.battery.": "battery",
    "periods.state_seconds.": "in use, idle, locked, asleep, off, unobserved",
    "periods.": "processor and",
    "days.energy.": "by scope",
    "days.battery.": "battery",
    "days.state_seconds.": "in use, idle, locked, asleep, off, unobserved",
    "days.": "per day",
    "startups.attended": "whether somebody waited for it",
    "startups.shutdown_seconds": "the shutdown before it",
    "startups.": "start-up",
    "signins.first_on_device": "first on this device",
    "signins.credentials": "cached or network credentials",
    "signins.connection": "LAN, Wi-Fi or VPN",
    "signins.roaming_profile": "roaming profile",
    "signins.signin_id": "random id",
    "signins.day": "the day",
    "signins.": "sign-ins",
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


def contract() -> set[str]:
    """Return every field the wire contract knows, which is more than any one report holds."""
    return set(leaves(SCHEMA, ""))


def leaves(part: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the paths of a schema's leaves."""
    if "$ref" in part:
        part = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
    for choice in part.get("oneOf", ()):
        if choice.get("type") != "null":
            part = choice
            yield from leaves(part, path)
            return
    if "items" in part:
        yield from leaves(part["items"], path)
    elif "properties" in part:
        for name, below in part["properties"].items():
            yield from leaves(below, f"{path}.{name}" if path else name)
    else:
        yield path


# Told by the collector's poller of devices that run no agent; no agent has them (agent/src holds none of the names).
ASKED = (
    *("now.readings", "now.flags", "periods.outlets"),
    *(f"facts.hardware.{name}" for name in ("kind", "firmware", "part_number", "made", "battery_replaced")),
)


def sent() -> set[str]:
    """Return every field the agent may send: those of the contract, and those recorded reports hold."""
    found = {field for field in contract() if not field.startswith(ASKED)}
    for report in REPORTS.glob("agent-*.json"):
        found |= set(fields(json.loads(report.read_text("utf-8"))))
    return found


def test_there_is_something_to_explain() -> None:
    assert len(sent()) > 180


@pytest.mark.parametrize("where", ["explain", "page"])
def test_every_field_that_is_sent_is_explained(where: str) -> None:
    text = PAGE.read_text("utf-8") if where == "page" else explain(PROBES, Context(), Style())
    plain = " ".join(text.split()).casefold()
    for field in sorted(sent()):
        words = next((words for name, words in WORDS.items() if field.startswith(name)), None)
        assert words is not None, f"{field} is sent, and nobody has said so: explain it first"
        assert words.casefold() in plain, f"{field}: {where} does not say {words!r}"


def test_every_probe_says_what_it_reads_with_which_right_and_what_is_sent() -> None:
    for name, probe in PROBES.items():
        said = " ".join("\n".join(explain_probe(probe, Context(), Style())).split())
        assert " reads: " in said, name
        assert "(any account)" in said, name
        assert f"sent as: {SENT[name].split()[0]}" in said, name


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
@pytest.mark.parametrize("name", PROBES)
def test_every_source_of_every_platform_is_known(name: str, platform: str) -> None:
    module = reader(f"roadworthy_agent.probes.{name}", platform)
    assert module is not None
    assert module.FILES or OTHER.get((name, platform)) is not None, (
        f"{name} on {platform}: what does it read?"
    )
    assert callable(module.record)
    assert all(not pattern.startswith("/") for pattern in module.FILES)


def told(name: str, platform: str) -> str:
    """Return what `explain` says a probe reads on a platform, with `{a,b}` written out."""
    module = reader(f"roadworthy_agent.probes.{name}", platform)
    assert module is not None
    context = replace(Context.recorded(ROOT / "tests/nowhere"), platform=platform)
    return " ".join(written_out(source.what) for source in of_probe(name, module.FILES, context))


def written_out(text: str) -> str:
    """Return a text in which `/a/{b,c}` has become `/a/b /a/c`."""
    while found := re.search(r"(\S*)\{([^{}]*)\}(\S*)", text):
        each = " ".join(f"{found[1]}{part.strip()}{found[3]}" for part in found[2].split(","))
        text = text[: found.start()] + each + text[found.end() :]
    return text


@pytest.mark.parametrize(
    ("name", "questions"), [("startup", START_UP_QUESTIONS), ("signin", SIGN_IN_QUESTIONS)]
)
def test_every_event_log_and_provider_that_is_asked_is_named(
    name: str, questions: tuple[Question, ...]
) -> None:
    text = told(name, "win32")
    for question in questions:
        provider = question.provider.removeprefix("Microsoft-Windows-").removesuffix(" Service")
        singular = provider.replace(
            "User Profiles", "User Profile"
        )  # the log's name and the provider's differ
        assert question.channel in text, question.channel
        assert singular in text, question.provider


@pytest.mark.parametrize(("key", "value"), RECORDED_VALUES)
def test_every_registry_value_a_windows_start_up_is_told_by_is_named(key: str, value: str) -> None:
    text = told("startup", "win32")
    assert value in text
    assert key in text or (key.rpartition("\\")[0] in text and key.rpartition("\\")[2] in text)


PATH = re.compile(r"(?:proc|sys|dev|var|etc|run|usr)/[\w./*:-]+")


def constants(name: str) -> Iterator[tuple[str, str]]:
    """Yield the paths that stand in the modules of a Linux probe as constants, with where."""
    package = import_module(f"roadworthy_agent.probes.{name}")
    for found in pkgutil.iter_modules(package.__path__):
        if found.name.startswith(("windows", "macos")):
            continue
        module = import_module(f"{package.__name__}.{found.name}")
        for constant, value in vars(module).items():
            if constant.isupper() and constant != "FILES":
                for text in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
                    if isinstance(text, str) and PATH.fullmatch(text):
                        yield f"{found.name}.{constant}", text


@pytest.mark.parametrize("name", PROBES)
def test_every_path_a_linux_probe_reads_is_named(name: str) -> None:
    text = told(name, "linux")
    for where, path in constants(name):
        assert f"/{path}" in text, f"{where} = {path}: `explain {name}` does not say so"


def test_a_probe_that_looks_where_it_runs_says_so() -> None:
    for name in PROBES:
        folder = Path(str(import_module(f"roadworthy_agent.probes.{name}").__file__)).parent
        if "environment.detect(" in (folder / "linux.py").read_text("utf-8"):
            assert WHERE in OTHER.get((name, "linux"), ()), name


def test_files_are_counted_and_closed_ones_told(tmp_path: Path) -> None:
    for zone in ("intel-rapl:0", "intel-rapl:1"):
        (tmp_path / "sys/class/powercap" / zone).mkdir(parents=True)
        (tmp_path / "sys/class/powercap" / zone / "energy_uj").write_text("1")
    (tmp_path / "roadworthy").mkdir()
    (tmp_path / "roadworthy/unreadable").write_text("sys/class/powercap/intel-rapl:1/energy_uj\n")
    context = Context.recorded(tmp_path)
    (found, *_) = of_probe("power", ("sys/class/powercap/*/energy_uj",), context)
    assert found.found == "2 files, 1 closed to this account"
    assert found.right == ROOT_STEP


def test_power_shows_what_was_taken_and_what_was_refused_and_why() -> None:
    reading = PowerReading(
        meters=(Meter(Scope.CPU, "rapl:package-0", (Register("a", 1),), relative_error=0.05),),
        refused=(Refusal(Scope.MACHINE, "psys", "below its package over a look"),),
        battery=BatteryFlow(discharging=True, watts=9.31, source="BAT0"),
    )
    assert power_lines(reading) == [
        "  taken: cpu: rapl:package-0 (sensor, within 5%, 1 registers)",
        "  refused: machine: psys: below its package over a look",
        "  batteries: BAT0: discharging, 9.3 W",
    ]


def test_the_matrix_says_what_the_program_marks() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", MATRIX, re.MULTILINE)
    assert [row[0] for row in rows] == list(PROBES)
    for name, *cells in rows:
        for platform, cell in zip(("linux", "win32", "darwin"), cells, strict=True):
            assert is_verified(name, platform) == cell.startswith("**verified**"), f"{name} on {platform}"


def test_every_page_of_a_probe_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", MATRIX))
    assert linked == {path.name for path in (ROOT / "docs/probes").glob("*.md")} - {"README.md"}


def test_what_is_not_verified_is_marked() -> None:
    assert marked("EMI", "power", "win32") == f"EMI ({NOT_VERIFIED})"
    assert marked(marked("EMI", "power", "win32"), "power", "win32") == f"EMI ({NOT_VERIFIED})"
    assert marked("logind", "state", "linux") == "logind"
    assert marked(None, "power", "win32") is None
    assert len(marked("x" * 200, "power", "darwin") or "") == 128
