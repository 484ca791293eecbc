"""The port: recorded machines, and recordings of one that read the same again and name nobody."""

from __future__ import annotations

import json
import shutil
import struct
import time
from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from devices.replay import DEVICES, shown
from devices.smbios_builder import structure
from devices.windows_builder import descriptor, files

from roadworthy_agent.probe import Context, Missing, Status, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.windows import machine as port
from roadworthy_agent.windows.machine import RegistryValue, machine_of
from roadworthy_agent.windows.raw import Raw
from roadworthy_agent.windows.recorded import RecordedWindows
from roadworthy_agent.windows.recorder import RecordingWindows

OURS = ("os", "hardware", "storage", "battery", "power", "state", "utilisation")
BUILT = sorted(each.parent for each in DEVICES.glob("*/windows.json"))
SERIAL, PERSON = "PLANTED-SERIAL-4711", "planted.person"
EVENT = "<Event><System><Provider Name='{}'/><EventID>{}</EventID><EventRecordID>{}</EventRecordID></System></Event>"


def module(probe: str) -> Any:
    return import_module(f"roadworthy_agent.probes.{probe}.windows")


def write(root: Path, files: dict[str, bytes]) -> Context:
    """Return the context of a tree of these files."""
    (root / "roadworthy").mkdir(parents=True)
    (root / "roadworthy/platform").write_text("windows\n", "utf-8")
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return Context.recorded(root)


@pytest.mark.parametrize("probe", OURS)
@pytest.mark.parametrize("folder", BUILT, ids=lambda folder: folder.name)
def test_a_recording_of_a_machine_reads_as_the_machine(folder: Path, probe: str, tmp_path: Path) -> None:
    context = Context.recorded(folder / "root")
    again = write(tmp_path / "again", module(probe).record(context))
    before, after = shown(run(PROBES[probe], context)), shown(run(PROBES[probe], again))
    if probe in {"hardware", "storage"}:  # what was taken out is what is missing now
        for each in (before, after):
            each["value"].pop("identifiers")
            each["missing"] = [
                row for row in each["missing"] if not row["field"].endswith((".serial", ".asset_tag"))
            ]
            (each["value"].get("facts") or {}).pop("serial", None)
    assert after == before


@pytest.mark.parametrize("folder", BUILT, ids=lambda folder: folder.name)
def test_what_windows_says_on_a_device_is_made_from_its_facts(folder: Path) -> None:
    place = folder / "root/roadworthy"
    assert {name: (place / name).read_text("utf-8") for name in files(folder)} == files(folder)


@pytest.mark.parametrize("probe", OURS)
def test_every_reader_offers_the_same(probe: str) -> None:
    reader = module(probe)
    assert reader.FILES == ()
    assert callable(reader.collect)
    assert hasattr(reader, "Sampler") == (probe in {"power", "state", "utilisation"})


class Planted(RecordedWindows):
    """A recorded machine with serial numbers and a person planted where Windows has them."""

    def registry(self, key: str, name: str) -> RegistryValue | None:
        value = super().registry(key, name)
        if name == "EDID" and isinstance(value, bytes):
            block = bytearray(value[:128])
            block[108:126] = b"\0\0\0\xff\0" + SERIAL[-12:].encode() + b"\n"
            block[127] = -sum(block[:127]) & 0xFF
            return bytes(block)
        return value

    def calls(self, probe: str) -> Raw:
        values = dict(super().calls(probe).values)
        if probe == "hardware":
            table = b"".join(
                structure(kind, length, kind, strings=dict.fromkeys(map(str, places), SERIAL))
                for kind, length, places in ((1, 27, (7,)), (2, 15, (7, 8)), (3, 22, (7, 8)), (17, 40, (0x18, 0x19)))
            ) + structure(11, 5, 99, strings={"4": SERIAL}) + structure(127, 4, 127)  # fmt: skip
            values["smbios"] = struct.pack("<BBBBI", 0, 3, 1, 0, len(table)) + table
        if probe == "storage":
            disk = {"bus": "nvme", "product": "Disk", "serial": SERIAL}
            values["disks"] = [{**values["disks"][0], "device": descriptor(disk)}]
        if probe == "state":
            rows = values["sessions"]
            values["sessions"] = [
                row | {"now": 133_999_999_990_000_123} if "now" in row else row for row in rows
            ]
        return Raw(values)


@pytest.mark.parametrize("probe", OURS)
def test_no_serial_number_person_or_time_of_day_survives_in_a_recording(
    probe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = DEVICES / "windows-11_dell-latitude-5490/root"
    monkeypatch.setattr(module(probe), "machine_of", lambda _context: Planted(root))
    recorded = module(probe).record(Context.recorded(root))
    text = b"".join(recorded.values())
    assert recorded
    blob = text + b"".join(bytes.fromhex(each) for each in _hexes(recorded))
    for secret in (SERIAL, SERIAL[-12:], PERSON, "133999999990000123"):
        for form in (secret.encode(), secret.encode("utf-16-le")):
            assert form not in blob
            assert form.hex().encode() not in text


def _hexes(recorded: dict[str, bytes]) -> list[str]:
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("hex"), str):
                found.append(value["hex"])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    for data in recorded.values():
        walk(json.loads(data))
    return found


def test_events_of_several_recordings_are_joined_newest_first(tmp_path: Path) -> None:
    one, two, three = (EVENT.format("p", number, record) for number, record in ((12, 5), (13, 9), (12, 7)))
    write(
        tmp_path,
        {
            "roadworthy/events/startup/System.xml": f"<Events>{three}{one}</Events>".encode(),
            "roadworthy/events/signin/System.xml": f"<Events>{two}{one}</Events>".encode(),
        },
    )
    machine = RecordedWindows(tmp_path)
    assert machine.events("System", [12, 13]) == (two, three, one)
    assert machine.events("System", [12], provider="q") == ()
    absent = machine.events("Security", [1])
    assert isinstance(absent, Missing)
    assert absent.status is Status.NOT_SUPPORTED


class Told:
    """A machine that says what it was made with."""

    def __init__(
        self, *, events: tuple[str, ...] = (), values: dict[str, dict[str, RegistryValue]] | None = None
    ) -> None:
        self._events, self._values = events, values or {}

    def events(
        self, _channel: str, _ids: Collection[int], *, provider: str | None = None, most: int = 512
    ) -> tuple[str, ...] | Missing:
        return tuple(each for each in self._events if provider is None or provider in each)[:most]

    def registry(self, key: str, name: str) -> RegistryValue | None:
        return self._values.get(key, {}).get(name)

    def registry_keys(self, key: str) -> tuple[str, ...]:
        start = f"{key}\\"
        return tuple(sorted(each[len(start) :] for each in self._values if each.startswith(start)))

    def calls(self, _probe: str) -> Raw:
        return Raw({"a": b"\1", "b": {"error": 5, "call": "X"}})

    def power_again(self, _meters: Collection[str], _batteries: Collection[str]) -> Raw:
        return Raw({"a": 2})


def test_what_was_recorded_answers_as_it_was_asked(tmp_path: Path) -> None:
    event = EVENT.format("Provider-A", 100, 4)
    values: dict[str, dict[str, RegistryValue]] = {
        "HKLM\\A\\one": {"text": "t", "bytes": b"\0\xff", "list": ("x", "y"), "number": 1 << 40},
        "HKLM\\A\\two": {},
    }
    machine: port.WindowsMachine = Told(events=(event,), values=values)
    recording = RecordingWindows(machine)
    recording.events("Some/Channel", [100])
    assert recording.registry_keys("HKLM\\A") == ("one", "two")
    for name in values["HKLM\\A\\one"]:
        recording.registry("HKLM\\A\\one", name)
    recording.registry("HKLM\\A\\one", "absent")
    recording.calls("power")
    recording.power_again([], [])
    write(tmp_path, recording.files("power"))
    again = RecordedWindows(tmp_path)
    assert again.events("Some/Channel", [100]) == (event,)
    assert again.registry_keys("HKLM\\A") == ("one", "two")
    assert {name: again.registry("HKLM\\A\\one", name) for name in values["HKLM\\A\\one"]} == values[
        "HKLM\\A\\one"
    ]
    assert again.registry("HKLM\\A\\one", "absent") is None
    first = again.calls("power")
    assert first.octets("a") == b"\1"
    assert first.missing("b", "field").status is Status.NO_PERMISSION
    assert [again.power_again([], []).number("a") for _ in range(2)] == [2, 2]


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"[5]", b"5", b"null", b'{"a": [[]]}', b"\xff\xfe", b"{", b"[" * 5000]
)
@pytest.mark.parametrize("probe", OURS)
def test_a_recording_of_garbage_is_a_status_and_no_traceback(probe: str, text: bytes, tmp_path: Path) -> None:
    context = write(tmp_path, {f"roadworthy/windows/{probe}.json": text, "roadworthy/registry.json": text})
    result = run(PROBES[probe], context)
    assert result.status is not Status.OK or probe == "state"
    assert result.reason


def test_the_live_port_is_chosen_for_a_live_context() -> None:
    live = machine_of(replace(Context(), live=True))
    assert type(live).__name__ == "LiveWindows"


def tags(count: int) -> list[str]:
    """Return logs full of tags that never end, which a careless search follows to the end from each beginning."""
    event = "<Event ><System><EventID>1</EventID>{}</System></Event>"
    return [
        "<Event " * count,
        *(event.format(each * count) for each in ("<EventID", "<Provider", "<EventRecordID>")),
    ]


@pytest.mark.parametrize("text", tags(30_000), ids=["event", "number", "provider", "record"])
def test_a_recorded_log_is_read_in_one_pass(tmp_path: Path, text: str) -> None:
    """Tags without an end took a minute for 280 kB, and files may have 64 MB."""
    names = ("roadworthy/events/System.xml", "roadworthy/events/startup/System.xml")
    context = write(tmp_path / "tree", dict.fromkeys(names, text.encode()))
    began = time.perf_counter()
    assert RecordedWindows(context.root).events("System", [1], provider="x") == ()
    assert time.perf_counter() - began < 5


def test_an_event_that_never_ends_does_not_hide_those_before_it(tmp_path: Path) -> None:
    log = EVENT.format("A", 1, 7) + EVENT.format("A", 2, 8) + "<Event ><System>"
    context = write(tmp_path / "tree", {"roadworthy/events/System.xml": log.encode()})
    machine = RecordedWindows(context.root)
    assert machine.events("System", [1, 2]) == (EVENT.format("A", 1, 7), EVENT.format("A", 2, 8))


BROKEN = {"no JSON": b"{", "no text": b"\xff\xfe", "deep": b"[" * 200_000, "digits": b"9" * 5000}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_of_the_registry_hides_no_other(tmp_path: Path, data: bytes) -> None:
    good = json.dumps({r"HKLM\A": {"x": 1}}).encode()
    files = {
        "roadworthy/registry/a.json": data,
        "roadworthy/registry/b.json": good,
        "roadworthy/registry.json": data,
    }
    machine = RecordedWindows(write(tmp_path / "tree", files).root)
    assert machine.registry(r"HKLM\A", "x") == 1


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_calls_are_told_by_their_own_probe_alone(tmp_path: Path, data: bytes) -> None:
    source = DEVICES / "windows-11_dell-latitude-5490/root"
    root = tmp_path / "tree"
    shutil.copytree(source, root)
    (root / "roadworthy/windows/battery.json").write_bytes(data)
    context = Context.recorded(root)
    broken = run(PROBES["battery"], context)
    assert broken.status is Status.ERROR
    assert broken.reason == "/roadworthy/windows/battery.json is no JSON"
    for probe in set(OURS) - {"battery"}:
        assert shown(run(PROBES[probe], context)) == shown(run(PROBES[probe], Context.recorded(source)))


def test_numbers_no_call_could_give_are_none() -> None:
    raw = Raw(
        json.loads('{"a": NaN, "b": Infinity, "c": 1e999, "d": 9' + "0" * 400 + ', "e": true, "f": 2.5}')
    )
    assert [raw.decimal(name) for name in "abcde"] == [None] * 5
    assert raw.decimal("f") == 2.5
    assert [raw.number(name) for name in "abcdef"] == [None] * 6
    assert Raw({"x": (1 << 64) - 1}).number("x") == (1 << 64) - 1


@pytest.mark.parametrize("value", [-1, 1 << 64, 10**400])
def test_a_registry_number_no_registry_holds_is_none(tmp_path: Path, value: int) -> None:
    files = {"roadworthy/registry.json": json.dumps({r"HKLM\A": {"x": value}}).encode()}
    assert RecordedWindows(write(tmp_path / "tree", files).root).registry(r"HKLM\A", "x") is None


@pytest.mark.parametrize("probe", ["state", "storage"])
def test_rows_that_are_no_rows_are_not_recorded(probe: str, tmp_path: Path) -> None:
    name = {"state": "sessions", "storage": "disks"}[probe]
    rows = {name: ["text", None, 5, {"session": 1, "state": 0, "now": "noon", "last_input": {}}]}
    context = write(tmp_path / "tree", {f"roadworthy/windows/{probe}.json": json.dumps(rows).encode()})
    recorded = module(probe).record(context)
    assert len(json.loads(recorded[f"roadworthy/windows/{probe}.json"])[name]) == 1
