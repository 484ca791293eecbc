"""The certificate this device shows where a collector, or what stands before it, asks for one (mutual TLS)."""

from __future__ import annotations

import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from roadworthy_agent.errors import KeyFileError
from roadworthy_agent.identity import forbidden_bits


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Two PEM files; without `key` the certificate's file holds both. `tunnel` loads them."""

    certificate: Path
    key: Path | None = None

    @property
    def secret(self) -> Path:
        """The file that holds the key."""
        return self.key or self.certificate


def check_private(path: Path) -> None:
    """Raise KeyFileError where others may read a key's file, or nobody can; Windows has no such mode."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot read the client key: {error.strerror}") from error
    if sys.platform != "win32" and mode & forbidden_bits(path):
        raise KeyFileError(
            f"{path}: others may read this client key (mode {mode:04o}); run: chmod 600 {path}"
        )
