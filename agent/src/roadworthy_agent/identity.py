"""Who this device is to its collector: the state folder, the token, the enrolment key, the fingerprint."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from roadworthy_agent.digest import sha256
from roadworthy_agent.errors import KeyFileError, StateError
from roadworthy_agent.placeholders import BOGUS_UUIDS, meaningful, meaningful_uuid
from roadworthy_agent.probe import Context
from roadworthy_agent.report import one_line

UNENROLLED_DEVICE = "rwd_" + "0" * 32
KEY = re.compile(r"^rwe1_[0-9a-f]{16}_[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Identity:
    """What enrolment gave.

    `next_token` is one the server has sent and that has not worked yet: it is tried first, the old one kept.
    `previous_token` is the one that `token` replaced: a collector restored from a backup may know only that.
    `stopped` is the code of the answer after which nothing is sent any more (revoked, unknown ...).
    """

    server: str
    device_id: str
    token: str
    enrolled_at: float
    next_token: str | None = None
    stopped: str | None = None
    previous_token: str | None = None


class StateFolder:
    """The agent's folder: identity.json and instance (both 0600), spool.db, lock; itself 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def spool(self) -> Path:
        """The spool's file."""
        return self.path / "spool.db"

    @property
    def lock(self) -> Path:
        """The file a running agent holds locked."""
        return self.path / "lock"

    def prepare(self) -> None:
        """Make the folder and its instance, and close it to others.

        Raises StateError saying what to do where that cannot be done.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077 and sys.platform != "win32":
                self.path.chmod(0o700)
            if self.instance() is None:  # none yet, or not as this agent wrote it
                self._write("instance", os.urandom(8).hex() + "\n")
        except OSError as error:
            raise StateError(
                f"{self.path}: cannot keep the agent's state here: {error.strerror}; "
                "run as the agent's user or set state_dir"
            ) from error

    def renew_instance(self) -> None:
        """Make another instance: with a new spool the reports count from one again, which is another stream."""
        self._write("instance", os.urandom(8).hex() + "\n")

    def instance(self) -> str | None:
        """Return the 16 hex digits made with the folder, or None before `prepare`."""
        text = self._read("instance", errors="replace")
        return text.strip() if text and re.fullmatch(r"[0-9a-f]{16}\s*", text) else None

    def identity(self) -> Identity | None:
        """Return what enrolment gave, or None when not enrolled."""
        text = self._read("identity.json")
        if text is None:
            return None
        try:
            identity = Identity(**json.loads(text))
            _check(identity)
        except (ValueError, TypeError, RecursionError) as error:
            raise StateError(
                f"{self.path / 'identity.json'}: not an identity this agent wrote; remove it and enrol again"
            ) from error
        return identity

    def save(self, identity: Identity) -> None:
        """Keep an identity, durably and for this user only."""
        try:
            self._write("identity.json", json.dumps(asdict(identity), indent=1) + "\n")
        except OSError as error:
            raise StateError(f"{self.path}: cannot write the identity: {error.strerror}") from error

    def _read(self, name: str, errors: str = "strict") -> str | None:
        path = self.path / name
        try:
            return path.read_text("utf-8", errors)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            raise StateError(f"{path}: cannot read it: {why}; run as the agent's user") from error

    def _write(self, name: str, text: str) -> None:
        """Write a file whole or not at all, mode 0600 from its first byte."""
        path = self.path / name
        new = self.path / f"{name}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def _check(identity: Identity) -> None:
    """Raise TypeError where a value is not what an agent writes; a file half restored may hold anything."""
    texts = (identity.server, identity.device_id, identity.token)
    optional = (identity.next_token, identity.stopped, identity.previous_token)
    if not all(isinstance(text, str) for text in texts + tuple(filter(None, optional))):
        raise TypeError("a text is no text")
    if isinstance(identity.enrolled_at, bool) or not isinstance(identity.enrolled_at, (int, float)):
        raise TypeError("enrolled_at is no number")


def read_key(path: Path) -> str:
    """Return the enrolment key of a file.

    Raises KeyFileError where others may read the file, it is not there, or it holds no key. On Windows the
    folder's access list protects the file: its mode says nothing there and is not checked.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if sys.platform != "win32" and mode & forbidden_bits(path):
                raise KeyFileError(
                    f"{path}: others may read this enrolment key (mode {mode:04o}); run: chmod 600 {path}"
                )
            text = file.read(4096)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the enrolment key: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    return parse_key(text, str(path))


def read_key_stream(stream: TextIO) -> str:
    """Return the enrolment key that was piped in."""
    return parse_key(stream.readline(4096), "standard input")


def parse_key(text: str, where: str) -> str:
    """Return the key in `text`, blanks around it removed; the message never repeats what was read."""
    key = text.strip()
    if not KEY.match(key):
        raise KeyFileError(
            f"{where}: holds no enrolment key; one looks like rwe1_<16 hex digits>_<64 hex digits>"
        )
    return key


def forbidden_bits(path: Path) -> int:
    """Return the mode bits a key file must not have.

    systemd hands credentials over with an access list for the service's user, whose mask shows as group bits.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return 0o007 if credentials and path.is_relative_to(credentials) else 0o077


def fingerprint(identifiers: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 of each known hardware fact; placeholders are left out, so may give {}."""
    return {
        name: sha256(f"{name}:{_bare(value)}".encode()).hex()
        for name, value in sorted(identifiers.items())
        if _names_a_machine(name, value)
    }


def _names_a_machine(name: str, value: str) -> bool:
    """Return whether an identifier is this machine's own, and neither a placeholder nor made up."""
    if name == "mac":
        return not _made_up_mac(value) and len(set(_bare(value))) > 1
    if name == "system_uuid":
        return meaningful_uuid(value) is not None
    filler = (
        value.strip().casefold() in BOGUS_UUIDS
    )  # some firmware puts its sample UUID in the serials as well
    return bool(_bare(value)) and not filler and meaningful(value) is not None


def _bare(value: str) -> str:
    return re.sub(r"[^0-9a-z]", "", value.casefold())


def _made_up_mac(value: str) -> bool:
    """Return whether a MAC address is locally administered: random or virtual, so not a hardware fact."""
    try:
        return bool(int(_bare(value)[:2], 16) & 0b10)
    except ValueError:
        return True


def hostname(context: Context) -> str | None:
    """Return the device's host name, or None."""
    if context.live:
        return one_line(socket.gethostname()) or None  # Linux takes any bytes for a name
    names = _first_lines(context.path(name) for name in ("etc/hostname", "proc/sys/kernel/hostname"))
    return next(names, None)


def _first_lines(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        try:
            lines = path.read_text("utf-8", "replace").split()
        except OSError:
            continue
        if lines:
            yield one_line(lines[0])[:256]
