"""One bad source at a time, on recorded devices of each system: it harms no other, and the status says which.

Each file of the trees below is in turn taken away, emptied, filled with bytes that mean nothing, made huge, made to
lie, replaced by a folder, closed to this account, and made to answer EIO (really: a link to /proc/self/mem, which
opens and cannot be read at 0) or ENODEV. Which probes read a file is not written down here: they are watched.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from zlib import crc32

import jsonschema
import pytest
from agent.test_hostile_input import CONTRACT
from devices.replay import DEVICES, shown

from roadworthy_agent.cli import main
from roadworthy_agent.probe import Context, run
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.power.files import Files
from roadworthy_agent.probes.power.linux import Sampler
from roadworthy_agent.probes.tree import UNREADABLE, Tree
from roadworthy_agent.reading import Scope, Status

RECORDED = (
    "lenovo_thinkpad-power-bridge",  # two batteries, counters for root only
    "dell_latitude-5490",  # SMBIOS tables, displays, a disk's own health
    "windows-11_dell-latitude-5490",  # system calls and registry
    "windows-11_fast-startup",  # event logs
    "apple_macbook-air-m2",  # sysctl, I/O Registry, programs
)
HUGE_BYTES = 8 << 20
GARBAGE = bytes(range(256)) * 16
EIO = "/proc/self/mem"
# Where a file without its usual words is an ordinary answer (no display, no revision, no event), not a lost value
SILENT = ("sys/class/drm/*/status", "sys/block/*/device/firmware_rev", "roadworthy/events/*.xml")
# What a sign-in takes from this log is which start-up it followed; that the log is bad, the start-up probe tells
TOLD_ELSEWHERE = {("signin", "roadworthy/events/System.xml")}
# Megabytes are slow to look through: of these files every third, always the same ones
HEAVY, ONE_OF = frozenset({"huge", "itself again and again"}), 3
CANNOT_BE_READ = frozenset({"a folder", "EIO", "ENODEV", "closed"})

Said = dict[str, dict[str, Any]]


@dataclass
class Spoilt:
    """A file of a recorded tree that is made bad, and good again."""

    root: Path
    name: str
    content: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.path = self.root / self.name
        self.content = self.path.read_bytes()

    def clear(self) -> None:
        if self.path.is_dir() and not self.path.is_symlink():
            self.path.rmdir()
        else:
            self.path.unlink(missing_ok=True)

    def mend(self) -> None:
        self.clear()
        self.path.write_bytes(self.content)

    def hold(self, content: bytes) -> None:
        self.clear()
        self.path.write_bytes(content)


def _close(spoilt: Spoilt, _patch: pytest.MonkeyPatch) -> None:
    """List the file as one its recorder had no right to read."""
    listed = spoilt.root / UNREADABLE
    before = listed.read_text() if listed.exists() else ""
    listed.write_text(f"{before}\n{spoilt.name}\n")


def _gone(spoilt: Spoilt, patch: pytest.MonkeyPatch) -> None:
    """Let the file open, and answer ENODEV when it is read: what sysfs does once a device has been pulled out."""
    _refuse_reading(spoilt.path, errno.ENODEV, patch)


class _Refusing(io.BytesIO):
    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def read(self, _size: int | None = -1, /) -> bytes:
        raise OSError(self._number, os.strerror(self._number))


def _refuse_reading(path: Path, number: int, patch: pytest.MonkeyPatch) -> None:
    opened = io.open

    def opening(file: Any, *arguments: Any, **named: Any) -> Any:
        return (
            _Refusing(number)
            if not isinstance(file, int) and os.fspath(file) == str(path)
            else opened(file, *arguments, **named)
        )

    patch.setattr(io, "open", opening)


def _folder(spoilt: Spoilt, _patch: pytest.MonkeyPatch) -> None:
    spoilt.clear()
    spoilt.path.mkdir()


def _huge(spoilt: Spoilt, _patch: pytest.MonkeyPatch) -> None:
    """Put 8 MiB of NULs in the file's place; a hole costs no disk."""
    spoilt.hold(b"")
    with spoilt.path.open("r+b") as file:
        file.truncate(HUGE_BYTES)


def _eio(spoilt: Spoilt, _patch: pytest.MonkeyPatch) -> None:
    spoilt.clear()
    spoilt.path.symlink_to(EIO)


FAULTS: dict[str, Callable[[Spoilt, pytest.MonkeyPatch], None]] = {
    "missing": lambda spoilt, _patch: spoilt.clear(),
    "empty": lambda spoilt, _patch: spoilt.hold(b""),
    "garbage": lambda spoilt, _patch: spoilt.hold(GARBAGE),
    "huge": _huge,
    "itself again and again": lambda spoilt, _patch: spoilt.hold(
        spoilt.content * (HUGE_BYTES // max(1, len(spoilt.content)))
    ),
    "lying": lambda spoilt, _patch: spoilt.hold(b"99999999999999999\n"),
    "a folder": _folder,
    "EIO": _eio,
    "ENODEV": _gone,
    "closed": _close,
}


@dataclass(frozen=True)
class Whole:
    """A recorded device as it was: its tree, what each probe says of it, and which files each probe looks at."""

    root: Path
    said: Said
    looked_at: dict[str, frozenset[str]]


def look(root: Path) -> Said:
    """Return what every probe says of one look at the device, as the agent takes it: what it runs on is read once."""
    context = Context.recorded(root)
    return {name: shown(run(probe, context)) for name, probe in PROBES.items()}


def printed(root: Path) -> Any:
    """Return what the command prints as the report of the device."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        assert main(["once", "--json", "--root", str(root)]) == 0
    return json.loads(said.getvalue())


def watch(root: Path) -> dict[str, frozenset[str]]:
    """Return the files each probe opens or looks for, by watching it."""
    seen: set[str] = set()
    opened, exists = io.open, os.path.lexists

    def note(file: Any) -> None:
        if not isinstance(file, int) and Path(file).is_relative_to(root):
            seen.add(Path(file).relative_to(root).as_posix())

    def opening(file: Any, *arguments: Any, **named: Any) -> Any:
        note(file)
        return opened(file, *arguments, **named)

    def looking(file: Any) -> bool:
        note(file)
        return exists(file)

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", opening)
        patch.setattr(os.path, "lexists", looking)
        for name, probe in PROBES.items():
            seen.clear()
            run(probe, Context.recorded(root))
            found[name] = frozenset(seen)
    return found


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    """Give a maker of copies that may be spoilt, one for each device."""
    made: dict[str, Whole] = {}

    def device(name: str) -> Whole:
        if name not in made:
            root = tmp_path_factory.mktemp("device") / "root"
            shutil.copytree(DEVICES / name / "root", root, symlinks=True)
            made[name] = Whole(root, look(root), watch(root))
        return made[name]

    return device


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADWORTHY_AGENT_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def contract() -> jsonschema.Draft202012Validator:
    return CONTRACT


def sources() -> Iterator[Any]:
    for device in RECORDED:
        root = DEVICES / device / "root"
        for path in sorted(each for each in root.rglob("*") if each.is_file()):
            name = path.relative_to(root).as_posix()
            yield pytest.param(device, name, id=f"{device}:{name}")


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Yield where in a JSON value there is something."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{number}")
    elif value is not None:
        yield path


@pytest.mark.parametrize(("device", "name"), list(sources()))
def test_a_bad_source_harms_no_other_and_is_told(
    devices: Callable[[str], Whole], contract: jsonschema.Draft202012Validator, device: str, name: str
) -> None:
    whole = devices(device)
    readers = {probe for probe, files in whole.looked_at.items() if name in files}
    listed = whole.root / UNREADABLE
    list_before = listed.read_bytes() if listed.exists() else None
    without: Said = {}
    seen: set[str] = set()
    for fault, spoil in FAULTS.items():
        spoilt = Spoilt(whole.root, name)
        if (name == UNREADABLE and fault == "closed") or (fault in HEAVY and crc32(name.encode()) % ONE_OF):
            continue
        with pytest.MonkeyPatch.context() as patch:
            spoil(spoilt, patch)
            try:
                said = look(whole.root)
                if (told := json.dumps(said)) not in seen:  # what says the same is sent as the same
                    contract.validate(printed(whole.root))
                seen.add(told)
            finally:
                patch.undo()
                spoilt.mend()
                if list_before is None:
                    listed.unlink(missing_ok=True)
                else:
                    listed.write_bytes(list_before)
        without = without or said
        changed = {probe for probe in said if said[probe] != whole.said[probe]}
        assert changed <= readers, fault
        for probe in sorted(readers):
            hold(f"{probe}, {fault}", said[probe], without[probe])
            silent = any(fnmatch(name, each) for each in SILENT) and fault not in CANNOT_BE_READ
            if not silent and (probe, name) not in TOLD_ELSEWHERE:
                hold_told(f"{probe}, {fault}", said[probe], whole.said[probe])
    assert look(whole.root) == whole.said


def hold(where: str, said: dict[str, Any], without: dict[str, Any]) -> None:
    """Hold what a probe says to its reasons, and to what it says when the file is not there at all."""
    assert said["status"] == "ok" or said["reason"], where
    assert "did not understand" not in (said["reason"] or ""), where
    for missing in said["missing"]:
        assert missing["status"] != "ok", where
        assert missing["reason"], where
    if any(leaves(without["value"])):  # other sources give something: they still do
        assert said["value"] is not None, where


def hold_told(where: str, said: dict[str, Any], before: dict[str, Any]) -> None:
    """Hold that a value which is lost is explained: by the status, or by what is missing now and was not before."""
    if set(leaves(before["value"])) - set(leaves(said["value"])):
        explained = (said["status"], said["reason"], said["missing"])
        assert explained != (before["status"], before["reason"], before["missing"]), where


def test_each_probe_was_seen_to_read_something(devices: Callable[[str], Whole]) -> None:
    """The matrix proves nothing about a probe that reads none of the files."""
    for system, names in (
        ("linux", RECORDED[:2]),
        ("windows", RECORDED[2:4]),
        ("macos", RECORDED[4:]),
    ):
        seen = {
            probe
            for name in names
            for probe, files in devices(name).looked_at.items()
            if any(
                not file.startswith("roadworthy/clock") and file != "roadworthy/platform" for file in files
            )
        }
        assert seen >= PROBES.keys() - ({"signin", "startup"} if system == "macos" else set()), system


# The two readers themselves


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.EIO, Status.ERROR),
        (errno.ENODEV, Status.ERROR),
        (errno.ENODATA, Status.ERROR),
        (errno.EINVAL, Status.ERROR),
        (errno.EACCES, Status.NO_PERMISSION),
        (errno.EPERM, Status.NO_PERMISSION),
        (errno.ENOENT, Status.NOT_SUPPORTED),
        (errno.ESRCH, Status.NOT_SUPPORTED),
    ],
)
def test_a_tree_keeps_the_reason_of_what_opens_and_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: Status
) -> None:
    (tmp_path / "file").write_text("7")
    (tmp_path / "other").write_text("8")
    tree = Tree(tmp_path)
    _refuse_reading(tmp_path / "file", number, monkeypatch)
    content = tree.read("file")
    assert (content.data, content.status) == (None, status)
    assert content.reason is not None
    assert content.reason.startswith("/file")
    assert tree.number("other") == 8
    unsaid = tree.unsaid("probe")
    assert [each.field for each in unsaid] == ([] if status is Status.NOT_SUPPORTED else ["probe"])
    assert tree.unsaid("probe", f"told already: {content.reason}") == ()


def test_a_file_that_really_answers_eio_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to(EIO)
    tree, files = Tree(tmp_path), Files(Tree(tmp_path), live=True)
    for content in (tree.read("file"), files.read("file"), files.read("file", keep=True)):
        assert (content.status, content.reason) == (Status.ERROR, f"/file: {os.strerror(errno.EIO)}")
    files.close()


def test_an_instrument_that_was_pulled_out_is_gone_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "energy").write_text("12\n")
    files = Files(Tree(tmp_path), live=True)
    assert files.read("energy", keep=True).text == "12"

    def pulled_out(_file: int, _size: int, _offset: int) -> bytes:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", pulled_out)
        content = files.read("energy", keep=True)
        assert (content.status, content.reason) == (
            Status.NOT_SUPPORTED, f"/energy: {os.strerror(errno.ENODEV)}",
        )  # fmt: skip
    assert files.read("energy", keep=True).text == "12"
    files.close()


@pytest.mark.parametrize(
    ("bad", "scope"),
    [("power_supply/BAT0/power_now", Scope.CPU), ("powercap/intel-rapl%3A0/energy_uj", Scope.CPU)],
)
def test_an_instrument_that_answers_eio_leaves_the_others_their_figures(
    tmp_path: Path, bad: str, scope: Scope
) -> None:
    """Live, as the agent reads: the processor is still told, from its counter or from the counter's twin."""
    root = tmp_path / "root"
    shutil.copytree(DEVICES / "intel_core-ultra-7-265h/root", root, symlinks=True)
    file = root / "sys/class" / bad
    file.unlink()
    file.symlink_to(EIO)
    sampler = Sampler(Context(root=root))
    result = sampler.read()
    sampler.close()
    assert result.status is Status.OK
    assert result.value is not None
    [meter] = [each for each in result.value.meters if each.scope is scope]
    assert meter.registers[0].microjoules is not None
