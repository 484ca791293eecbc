"""Writing a recording: the files the probes name, and what they read that is no file, with all names replaced."""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from roadworthy_agent import probes
from roadworthy_agent.errors import ProbeError, RecordError
from roadworthy_agent.probe import PLATFORM_WORDS, RECORDED_PLATFORM, Context, describe
from roadworthy_agent.probes import PROBES
from roadworthy_agent.probes.platforms import PLATFORM_NAMES, reader
from roadworthy_agent.probes.tree import LIMIT_BYTES, LINKS, UNREADABLE, Tree
from roadworthy_agent.reading import Status
from roadworthy_agent.recording import harvest, shapes
from roadworthy_agent.recording.replace import Replacer, Secret
from roadworthy_agent.recording.stand_ins import StandIns

OWN = "roadworthy"  # the folder of a tree that holds what is no file
CLOCK = f"{OWN}/clock.json"
# What the agent itself reads of Linux, besides its probes: who it is, and the clock
AGENT_FILES = (
    "etc/hostname", "proc/sys/kernel/hostname", "proc/sys/kernel/random/boot_id", "proc/uptime", "proc/stat",
    # whether this is a container or a virtual machine
    "run/systemd/container", "run/host/container-manager", "run/.containerenv", ".dockerenv", "proc/1/environ",
    "proc/1/cgroup", "proc/self/mountinfo", "proc/self/ns/pid", "proc/2/stat", "proc/sys/kernel/osrelease",
    "proc/cpuinfo", "sys/devices/system/clocksource/clocksource0/available_clocksource", "sys/hypervisor/type",
    "sys/firmware/dmi/entries/0-0/raw", "proc/xen/capabilities", "sys/firmware/devicetree/base/model",
    "sys/firmware/devicetree/base/hypervisor/compatible", "sys/firmware/devicetree/base/*fw-cfg*",
    # whether these are there is all that is asked
    "sys/firmware/efi", "sys/class/tpm", "sys/class/drm", "sys/class/powercap", "sys/class/power_supply", "sys/class/hwmon",
)  # fmt: skip
# With stand-ins these are more use than with blanks, so they are recorded here, whatever a probe's own `record` says.
FIRMWARE_FILES = (
    "sys/firmware/dmi/tables/DMI", "sys/firmware/dmi/tables/smbios_entry_point", "sys/class/dmi/id/*_serial",
    "sys/class/dmi/id/*_asset_tag", "sys/class/dmi/id/product_uuid", "sys/class/net/*/address",
    "sys/firmware/devicetree/base/serial-number", "sys/class/drm/*/edid", "sys/class/drm/*/status",
    "sys/block/*/slaves/*", "sys/block/*/slaves/*/dev", "sys/block/*/device/serial", "sys/block/*/device/wwid", "sys/block/*/wwid", "sys/block/*/device/vpd_pg80",
    "sys/class/net/*/addr_assign_type", "sys/class/net/*/type", "sys/class/net/*/device",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not in a recording, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What was written: paths below `folder`, what was left out, and how many names of each kind were replaced."""

    folder: Path
    platform: str
    files: tuple[str, ...]
    size_bytes: int
    left_out: tuple[LeftOut, ...]
    replaced: dict[str, int]
    replacer: Replacer

    def as_json(self) -> dict[str, Any]:
        """Return JSON-ready values; no name that was replaced is among them."""
        return {
            "folder": str(self.folder),
            "platform": self.platform,
            "files": list(self.files),
            "size_bytes": self.size_bytes,
            "left_out": [asdict(each) for each in self.left_out],
            "replaced": self.replaced,
        }


def names() -> tuple[str, ...]:
    """Return the probes that can be recorded."""
    return tuple(PROBES)


def record(
    folder: Path, context: Context, suppress: Iterable[str] = (), probe: str | None = None
) -> Recording:
    """Record into `folder`, which is empty or not there; `suppress` are more names to replace.

    Raises RecordError where the folder cannot be used.
    """
    prepare(folder)
    collected = _Collected(context)
    for name in PROBES if probe is None else (probe,):
        collected.add_probe(name)
    collected.add_agent()
    replacer = Replacer(_secrets(context, collected.files, suppress), StandIns(secrets.token_bytes(32)))
    written = write(folder, collected, replacer)
    kinds = Counter(str(each.kind) for each in replacer.secrets)
    return Recording(
        folder,
        PLATFORM_NAMES.get(context.platform, context.platform),
        tuple(sorted(written)),
        sum(written.values()),
        tuple(LeftOut(replacer.text(each.what), replacer.text(each.why)) for each in collected.left_out),
        dict(kinds),
        replacer,
    )


def prepare(folder: Path) -> None:
    """Make the folder, closed to others; raise RecordError where it is not empty or cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RecordError(f"{folder}: is not empty; name a folder that is empty or not there yet")
        folder.chmod(0o700)
    except OSError as error:
        raise RecordError(f"{folder}: cannot write there: {error.strerror}") from error


class _Collected:
    """What was read, before any name was replaced."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tree = Tree(context.root)
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = set()
        self.links: dict[str, str] = {}
        self.unreadable: set[str] = set()
        self.left_out: list[LeftOut] = []

    def add_probe(self, name: str) -> None:
        """Read what a probe reads: the files it names, and what its `record` gives."""
        module = reader(f"{probes.__name__}.{name}", self._context.platform)
        if module is None:
            where = PLATFORM_NAMES.get(self._context.platform, self._context.platform)
            self.left_out.append(LeftOut(name, f"the {name} probe has no reader for {where}"))
            return
        if not hasattr(module, "FILES") and not hasattr(module, "record"):
            self.left_out.append(LeftOut(name, f"the {name} probe does not say what it reads"))
        for pattern in getattr(module, "FILES", ()):
            self.add_files(pattern)
        if self._context.live and hasattr(module, "record"):
            try:
                found: dict[str, bytes] = module.record(self._context)
            except (OSError, ProbeError) as error:
                self.left_out.append(LeftOut(name, describe(error)))
                return
            self.files |= {path: data for path, data in found.items() if path not in self.files}

    def add_agent(self) -> None:
        """Read what is not one probe's."""
        if self._context.platform == "linux":
            for pattern in (*AGENT_FILES, *FIRMWARE_FILES):
                self.add_files(pattern)
        if not self._context.live:
            self.add_files(f"{OWN}/**/*")
            self._add_lists()
        word = next(word for word, known in PLATFORM_WORDS.items() if known == self._context.platform)
        self.files[RECORDED_PLATFORM] = f"{word}\n".encode()
        if self._context.live and self._context.platform != "linux":
            clock = self._context.clock
            now = {"boot_id": clock.boot_id(), "boottime_seconds": clock.boottime(), "wall": clock.wall()}
            self.files[CLOCK] = (json.dumps(now) + "\n").encode()

    def _add_lists(self) -> None:
        """Take over a recorded tree's own lists of links and of what could not be read."""
        links = self.files.pop(LINKS, b"").decode("utf-8", "replace").splitlines()
        for path, _, target in (line.strip().partition(" ") for line in links if line.strip()):
            self.links[path.lstrip("/")] = target.strip()
        unreadable = self.files.pop(UNREADABLE, b"").decode("utf-8", "replace").split()
        self.unreadable |= {path.lstrip("/") for path in unreadable}

    def add_files(self, pattern: str) -> None:
        """Read the files of a pattern; folders become empty folders, links are written down."""
        for path in sorted(_matching(self._context.root, pattern)):
            self._note_links(path)
            full = self._context.root / path
            try:
                mode = full.stat().st_mode
            except OSError as error:
                if path not in self.links:  # a link such as ns/pid leads nowhere
                    self._leave_out(path, error)
                continue
            if stat.S_ISDIR(mode):
                self.folders.add(path)
            elif not stat.S_ISREG(mode):
                self.left_out.append(LeftOut(path, "a device or a pipe, which is not read"))
            elif path not in self.files:
                self._read(path)

    def _read(self, path: str) -> None:
        content = self._tree.read(path, LIMIT_BYTES + 1 if not path.startswith(f"{OWN}/") else -1)
        if content.status is Status.NO_PERMISSION:
            self.unreadable.add(path)
            self.left_out.append(LeftOut(path, "no permission"))
        elif content.data is None and path in self.links:
            return  # where it leads is all there is to it, as with proc/self/ns/pid
        elif content.data is None:
            self.left_out.append(LeftOut(path, content.reason or str(content.status)))
        elif len(content.data) > LIMIT_BYTES and not path.startswith(f"{OWN}/"):
            self.left_out.append(LeftOut(path, f"larger than {LIMIT_BYTES} bytes"))
        else:
            self.files[path] = content.data

    def _leave_out(self, path: str, error: OSError) -> None:
        if isinstance(error, PermissionError):
            self.unreadable.add(path)
        self.left_out.append(LeftOut(path, error.strerror or str(error)))

    def _note_links(self, path: str) -> None:
        """Write down where the links on the way to a file led; the recording has folders in their place."""
        for part in (*reversed(PurePosixPath(path).parents), PurePosixPath(path)):
            full = self._context.root / part
            if full.is_symlink() and " " not in str(part):
                self.links[str(part)] = str(full.readlink())


def _matching(root: Path, pattern: str) -> Iterator[str]:
    """Yield what a pattern matches below the root, as paths with slashes."""
    try:
        for full in root.glob(pattern):
            yield full.relative_to(root).as_posix()
    except OSError:  # a folder that vanished, or that nobody may list
        return


def _secrets(context: Context, files: dict[str, bytes], suppress: Iterable[str]) -> set[Secret]:
    """Return every name to replace."""
    tree = Tree(context.root)
    found = set(harvest.of_files(files))
    for path in harvest.HOST_FILES:
        found |= set(harvest.host(tree.text(path) or ""))
    homes = [name for folder in harvest.HOMES for name in tree.names(folder)]
    found |= set(harvest.of_accounts(tree.text("etc/passwd") or "", homes))
    networks = [name for folder in harvest.NETWORKS for name in tree.names(folder)]
    found |= set(harvest.of_networks(networks))
    for name in ("etc/machine-id", "var/lib/dbus/machine-id"):
        found |= set(harvest.identifier(tree.text(name) or ""))
    for name in suppress:
        found |= set(harvest.words(name))
    return found | (set(_of_this_machine()) if context.live else set())


def _of_this_machine() -> Iterator[Secret]:
    """Yield what the system knows of itself beyond any file: its name, its addresses, whose session this is."""
    import psutil

    yield from harvest.host(socket.gethostname())
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            plain = (each.address or "").partition("%")[0]
            yield from (
                harvest.mac(plain.replace("-", ":"))
                if each.family == psutil.AF_LINK
                else harvest.address(plain)
            )
    for variable in (
        "USER",
        "USERNAME",
        "LOGNAME",
        "COMPUTERNAME",
        "USERDOMAIN",
        "USERDNSDOMAIN",
        "SUDO_USER",
    ):
        yield from harvest.words(os.environ.get(variable, ""))
    if sys.platform == "win32":
        users = Path(os.environ.get("SystemDrive", "C:") + "\\Users")  # noqa: SIM112 - Windows spells it so
        for name in (each.name for each in users.iterdir()) if users.is_dir() else ():
            yield from harvest.words(name)


def write(folder: Path, collected: _Collected, replacer: Replacer) -> dict[str, int]:
    """Write everything with its names replaced; return sizes by path."""
    for path in sorted(collected.folders):
        _closed_folder(_within(folder, replacer.text(path)))
    files = {
        path: shapes.sanitised(path, shapes.needed(path, data), replacer)
        for path, data in collected.files.items()
    }
    lists = {
        LINKS: (f"{path} {target}" for path, target in collected.links.items()),
        UNREADABLE: collected.unreadable,
    }
    for name, lines in lists.items():
        if text := "".join(f"{line}\n" for line in sorted(lines)):
            files[name] = replacer.data(text.encode("utf-8", "surrogateescape"))
    written: dict[str, int] = {}
    for path, data in files.items():
        there = replacer.text(path)
        target = _within(folder, there)
        _closed_folder(target.parent)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        written[there] = len(data)
    return written


def _closed_folder(folder: Path) -> None:
    """Make a folder and those above it, each for its owner only."""
    if not folder.is_dir():
        _closed_folder(folder.parent)
        folder.mkdir(mode=0o700)


def _within(folder: Path, path: str) -> Path:
    """Return a path below the folder; one that would lead out of it is no path of a probe."""
    if ".." in PurePosixPath(path).parts or path.startswith("/"):
        raise RecordError(f"{path}: leads out of the recording")
    return folder / path
