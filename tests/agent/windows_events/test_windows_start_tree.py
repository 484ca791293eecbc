"""Start-ups from a whole tree: what the registry says of where Windows runs, of servers and of upgrades."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent.windows_events.events import EVENT_LOG, after, at, event_100, kernel_start, xml

from roadworthy_agent.probe import Context
from roadworthy_agent.probes.startup import windows as startup
from roadworthy_agent.report import StartupRecord
from roadworthy_agent.windows.event import TICKS

START = at("2026-08-16T22:28:43.1933117Z")
KERNEL = after(START, -0.47)
CURRENT, CONTROL = startup.CURRENT_VERSION, startup.CONTROL_KEY
DELL = {startup.BIOS_KEY: {"SystemManufacturer": "Dell Inc.", "SystemProductName": "Latitude 5490"}}
INSTALLED = {CURRENT: {"InstallDate": round(START / TICKS) - 900}}
UPGRADED = {rf"{startup.SETUP}\Source OS (Updated on 8/16/2026 22:10:01)": {"InstallDate": 1_600_000_000}}
CONTAINER = {CONTROL: {"ContainerType": 2}}
SERVER = {CURRENT: {"InstallationType": "Server Core"}}
SERVICES = xml(EVENT_LOG, 6005, after(START, 19))
MEASURED = event_100("windows 11, start 391", START)


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., Context]:
    """Give a maker of trees: which events, and the registry."""

    def make(performance: list[str] | None, *registry: dict[str, Any], system: bool = True) -> Context:
        place = tmp_path / "roadworthy"
        (place / "events").mkdir(parents=True)
        (place / "platform").write_text("windows\n")
        clock = {"boot_id": "b", "boottime_seconds": 400.0, "wall": START / TICKS + 400}
        (place / "clock.json").write_text(json.dumps(clock))
        values: dict[str, dict[str, Any]] = {}
        for each in (DELL, *registry):
            for key, told in each.items():
                values[key] = values.get(key, {}) | told
        (place / "registry.json").write_text(json.dumps(values))
        channels = {
            "System": [*kernel_start(START), SERVICES] if system else [],
            startup.PERFORMANCE: performance,
        }
        for channel, texts in channels.items():
            if texts is not None:
                path = place / f"events/{channel.replace('/', '%2F')}.xml"
                path.write_text(f"<Events>{''.join(texts)}</Events>")
        return Context.recorded(tmp_path)

    return make


def one(context: Context) -> StartupRecord:
    (record,) = startup.collect(context).value or ()
    return record


def test_a_container_is_known_by_its_registry(machine: Callable[..., Context]) -> None:
    context = machine([], CONTAINER, INSTALLED)
    assert (one(context).kind, one(context).environment) == ("container", "container")
    assert startup.collect(context).status == "container"


def test_a_container_whose_log_tells_nothing_says_that_it_is_one(machine: Callable[..., Context]) -> None:
    found = startup.collect(machine([], CONTAINER, system=False))
    assert (found.status, found.value) == ("container", ())


def test_a_log_that_holds_nothing_blames_no_other_log(machine: Callable[..., Context]) -> None:
    found = startup.collect(machine([], system=False))
    assert (found.status, "hold no start" in (found.reason or "")) == ("no_data_yet", True)


def test_an_open_empty_performance_log_of_a_server_is_not_waited_for(machine: Callable[..., Context]) -> None:
    context = machine([], SERVER)
    assert (one(context).quality, one(context).final) == ("approximate", True)
    found = startup.collect(context)
    assert (found.status, "servers do not measure" in (found.reason or "")) == ("not_supported", True)


@pytest.mark.parametrize(
    ("registry", "kind"), [((INSTALLED,), "first"), ((INSTALLED, UPGRADED), "unknown"), ((), "unknown")]
)
def test_the_first_start_is_told_only_where_the_date_is_that_of_the_installation(
    machine: Callable[..., Context], registry: tuple[dict[str, Any], ...], kind: str
) -> None:
    assert one(machine([MEASURED], *registry)).kind == kind


@pytest.mark.parametrize("registry", [(CONTAINER,), (SERVER,), (INSTALLED, UPGRADED), (INSTALLED,)])
def test_what_the_registry_says_is_recorded(
    machine: Callable[..., Context], registry: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    context = machine([], *registry)
    again = tmp_path / "again"
    (again / "roadworthy").mkdir(parents=True)
    for name in ("platform", "clock.json"):
        (again / "roadworthy" / name).write_bytes((tmp_path / "roadworthy" / name).read_bytes())
    for path, content in startup.record(context).items():
        (again / path).parent.mkdir(parents=True, exist_ok=True)
        (again / path).write_bytes(content)
    assert startup.collect(Context.recorded(again)) == startup.collect(context)
